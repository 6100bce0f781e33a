//! Operands for a run of a body: where its cells lie, and what they have to hold afterwards.
//!
//! Addresses are chosen so that what a body must not rely on does not hold: columns and cells are at odd distances, with
//! gaps between them, and begin anywhere unless they are written by streaming stores.

use anyhow::{Context as _, Result, ensure};
use iced_x86::Register;
use rain_codec::Cell;
use rain_kernels::straight::EntryPoint;
use rain_kernels::{Layout, Stores};

use super::machine::Machine;
use super::memory::{Memory, Region};
use super::oracle::Oracle;
use super::program::Program;
use super::value::{LANE_BYTES, Lane};

const LINE_BYTES: usize = 64;
/// Pieces of a line.
const PIECES: usize = LINE_BYTES / LANE_BYTES;
const STACK_BYTES: usize = 1 << 20;
const STACK: u64 = 0x7ffd_0000_0000;
const OPERANDS: u64 = 0x7ffe_0000_0000;
const POINTERS: u64 = 0x7fff_0000_0000;
const CELLS: u64 = 0x1000_0000_0000;

/// How large a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    /// Lines of each cell.
    pub(super) lines: usize,
    /// By how many rows the columns are turned that turn.
    pub(super) turn: usize,
}

/// Cells in one region of memory, piece by piece.
struct Block {
    start: u64,
    /// Which piece of which cell lies where.
    pieces: Vec<(Cell, usize)>,
}

/// Runs a body's code once and compares all memory with what it has to be.
pub(super) fn check(program: &mut Program<'_>, oracle: &Oracle, point: EntryPoint, size: Size) -> Result<()> {
    let blocks = place(oracle, point, size);
    let mut memory = Memory::default();
    memory.add(STACK, Region::fresh(STACK_BYTES));
    for block in blocks.iter().flatten() {
        let pieces = block.pieces.iter().map(|&(cell, piece)| initially(oracle, size, cell, piece)).collect();
        let outputs = block.pieces.iter().map(|(cell, _)| oracle.outputs.contains_key(cell)).collect();
        memory.add(block.start, Region::Cells { pieces, outputs });
    }
    let (pointers, operands) = arguments(oracle, point, size, &blocks);
    memory.add(POINTERS, Region::words(&pointers, false));
    // Columns are passed by value, in memory that is the callee's.
    memory.add(OPERANDS, Region::words(&operands, point.layout != Layout::Cells));
    let entry = program.entry();
    // As after a call: eight bytes below a multiple of 64, of which code may rely on 16.
    let mut machine = Machine::new(program, &mut memory, STACK + STACK_BYTES as u64 - 48);
    if point.layout == Layout::Cells {
        machine.set(Register::RDI, u64::from(point.stores == Stores::Streaming));
        machine.set(Register::RSI, OPERANDS);
    } else {
        machine.set(Register::RDI, OPERANDS);
    }
    machine.call(entry)?;
    blocks.iter().flatten().try_for_each(|block| compare(oracle, size, block, &memory))
}

/// Compares the cells of a block with what they have to hold.
fn compare(oracle: &Oracle, size: Size, block: &Block, memory: &Memory) -> Result<()> {
    let found = memory.pieces(block.start).context("cells that are gone")?;
    for (&(cell, piece), lane) in block.pieces.iter().zip(found) {
        let expected = match oracle.outputs.get(&cell) {
            Some(inputs) => Lane::sum(inputs.iter().map(|&input| symbol(oracle, size, input, piece)).collect()),
            None => initially(oracle, size, cell, piece),
        };
        let (column, row) = (cell.column, cell.row);
        ensure!(*lane == expected, "row {row} of column {column} is wrong at byte {}", piece * LANE_BYTES);
    }
    Ok(())
}

/// Puts cells in memory: for [`Layout::Cells`] each that is read or written by its number, for the others columns.
fn place(oracle: &Oracle, point: EntryPoint, size: Size) -> Vec<Option<Block>> {
    let pieces_of =
        |cell: Cell| -> Vec<(Cell, usize)> { (0..size.lines * PIECES).map(|piece| (cell, piece)).collect() };
    let all: Vec<Vec<(Cell, usize)>> = if point.layout == Layout::Cells {
        oracle.cells().map(|cell| if oracle.names(cell) { pieces_of(cell) } else { Vec::new() }).collect()
    } else {
        (0..oracle.columns).map(|column| column_pieces(oracle, point.layout, size, column)).collect()
    };
    let count = all.len();
    let stride = (size.lines * oracle.rows * LINE_BYTES + 0x4000).next_multiple_of(0x1000);
    let blocks = all.into_iter().enumerate().map(|(number, pieces)| {
        // From the last to the first, and at distances that differ.
        let gap = (number * number * 5 % 61) * LINE_BYTES;
        let unaligned = if point.stores == Stores::Streaming { 0 } else { (number * 23 + 1) % LINE_BYTES };
        let start = CELLS + ((count - number) * stride + gap + unaligned) as u64;
        (!pieces.is_empty()).then_some(Block { start, pieces })
    });
    blocks.collect()
}

/// What lies in a column, as docs/stripe-format.md has it.
fn column_pieces(oracle: &Oracle, layout: Layout, size: Size, column: usize) -> Vec<(Cell, usize)> {
    let turns = column >= oracle.turning;
    let upper = if layout == Layout::Divided { oracle.upper[column] } else { oracle.rows };
    let mut pieces = Vec::new();
    for part in [0..upper, upper..oracle.rows] {
        for line in 0..size.lines {
            for place in part.clone() {
                // Row r of what a program says is found in row r + turn.
                let turn = if turns { size.turn } else { 0 };
                let row = (place + oracle.rows - turn % oracle.rows) % oracle.rows;
                pieces.extend((0..PIECES).map(|piece| (Cell::new(column, row), line * PIECES + piece)));
            }
        }
    }
    pieces
}

/// What a body is called with, laid out as [`EntryPoint`] says: what is pointed to, and what points there.
fn arguments(oracle: &Oracle, point: EntryPoint, size: Size, blocks: &[Option<Block>]) -> (Vec<u64>, Vec<u64>) {
    let starts = blocks.iter().map(|block| block.as_ref().map_or(0, |block| block.start));
    let (count, lines) = (blocks.len() as u64, size.lines as u64);
    if point.layout == Layout::Cells {
        return (starts.collect(), vec![POINTERS, count, lines]);
    }
    let column_bytes = (size.lines * oracle.rows * LINE_BYTES) as u64;
    (starts.flat_map(|start| [start, column_bytes]).collect(), vec![POINTERS, count, lines, size.turn as u64])
}

/// The symbol of what a piece of a cell holds at first.
fn symbol(oracle: &Oracle, size: Size, cell: Cell, piece: usize) -> u32 {
    u32::try_from(oracle.number(cell) * size.lines * PIECES + piece).expect("stripes of the proof are small")
}

fn initially(oracle: &Oracle, size: Size, cell: Cell, piece: usize) -> Lane {
    Lane::piece(symbol(oracle, size, cell, piece))
}
