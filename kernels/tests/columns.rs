//! Programs over interleaved columns against the naive oracle: every straight-line body and the interpreter, on every
//! instruction set of this machine.

use std::collections::{BTreeMap, BTreeSet};

use rain_kernels::straight::{self, Move, StraightLine};
use rain_kernels::{ColumnProgram, Kernel, Lines, Place, Program, Stores, naive};

type Cell = (usize, usize);

/// What each cell written is the XOR of, as a set, worked out from the moves: those of one body, whichever register file
/// it is for, must agree.
fn map_of(passes: &[&[Move]]) -> BTreeMap<Cell, BTreeSet<Cell>> {
    let mut written: BTreeMap<Cell, BTreeSet<Cell>> = BTreeMap::new();
    for moves in passes {
        let mut sums: BTreeMap<usize, BTreeSet<Cell>> = BTreeMap::new();
        for step in *moves {
            let (value, onto): (BTreeSet<Cell>, &[usize]) = match *step {
                Move::Load { column, row, onto, .. } => {
                    let cell = (column, row);
                    (written.get(&cell).cloned().unwrap_or_else(|| BTreeSet::from([cell])), onto)
                }
                Move::Add { from, onto } => (sums[&from].clone(), onto),
                Move::Store { column, row, from, .. } => {
                    written.insert((column, row), sums[&from].clone());
                    continue;
                }
            };
            for sum in onto {
                let sum = sums.entry(*sum).or_default();
                *sum = sum.symmetric_difference(&value).copied().collect();
            }
        }
    }
    written
}

/// The first column whose rows turn.
fn turning(body: &StraightLine) -> usize {
    let turned = body.wide.iter().copied().flatten().filter_map(|step| match *step {
        Move::Load { column, turns: true, .. } | Move::Store { column, turns: true, .. } => Some(column),
        _ => None,
    });
    turned.min().unwrap_or(body.columns)
}

fn program_of(map: &BTreeMap<Cell, BTreeSet<Cell>>) -> (Program, Vec<Place>) {
    let inputs: Vec<Cell> = map.values().flatten().copied().collect::<BTreeSet<Cell>>().into_iter().collect();
    let number = |cell: &Cell| inputs.binary_search(cell).unwrap();
    let steps = map.values().map(|sources| sources.iter().map(number).collect::<Vec<usize>>());
    let places = inputs.iter().chain(map.keys()).map(|&(column, row)| Place::new(column, row)).collect();
    (Program::new(inputs.len(), steps).unwrap(), places)
}

/// Columns of noise, each in the middle of a longer buffer.
struct Columns {
    buffers: Vec<Vec<u8>>,
    offset: usize,
    len: usize,
}

impl Columns {
    const MARGIN: usize = 192;

    fn new(columns: usize, len: usize, offset: usize) -> Self {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64 ^ (len as u64);
        let mut noise = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[3]
        };
        let buffers = (0..columns).map(|_| (0..len + Self::MARGIN).map(|_| noise()).collect()).collect();
        Self { buffers, offset, len }
    }

    fn start(&self, buffer: &[u8]) -> usize {
        buffer.as_ptr().align_offset(64) + self.offset
    }

    fn slices(&mut self) -> Vec<&mut [u8]> {
        let (offset, len) = (self.offset, self.len);
        let cut = |buffer: &'_ mut Vec<u8>| buffer.as_ptr().align_offset(64) + offset;
        self.buffers
            .iter_mut()
            .map(|buffer| {
                let start = cut(buffer);
                &mut buffer[start..][..len]
            })
            .collect()
    }

    /// The bytes of a cell, gathered from its packets.
    fn cell(&self, (column, row): Cell, rows: usize, lines: Lines) -> Vec<u8> {
        let buffer = &self.buffers[column];
        let start = self.start(buffer);
        let packets = buffer[start..][..self.len].chunks_exact(rows * lines.bytes());
        packets.flat_map(|packet| &packet[row * lines.bytes()..][..lines.bytes()]).copied().collect()
    }
}

struct Case<'case> {
    program: &'case ColumnProgram,
    map: &'case BTreeMap<Cell, BTreeSet<Cell>>,
    columns: usize,
    rows: usize,
    turning: usize,
}

impl Case<'_> {
    fn check(&self, kernel: Kernel, lines: Lines, stores: Stores, packets: usize, offset: usize, turn: usize) {
        let mut columns = Columns::new(self.columns, packets * self.rows * lines.bytes(), offset);
        let turned = |&(column, row): &Cell| if column < self.turning { (column, row) } else { (column, (row + turn) % self.rows) };
        let (plain, _) = program_of(self.map);
        let inputs: BTreeSet<Cell> = self.map.values().flatten().copied().collect();
        let inputs: Vec<Vec<u8>> = inputs.iter().map(|cell| columns.cell(turned(cell), self.rows, lines)).collect();
        let inputs: Vec<&[u8]> = inputs.iter().map(Vec::as_slice).collect();
        let mut expected = vec![vec![0_u8; packets * lines.bytes()]; self.map.len()];
        let mut outputs: Vec<&mut [u8]> = expected.iter_mut().map(Vec::as_mut_slice).collect();
        naive::run(&plain, &inputs, &mut outputs);

        let before = columns.buffers.clone();
        kernel.run_turned(self.program, turn, lines, stores, &mut columns.slices());
        let what = format!("{:?} {kernel:?} {lines:?} {stores:?}, {packets} packets, offset {offset}, turn {turn}", self.program);
        for (cell, expected) in self.map.keys().zip(&expected) {
            assert_eq!(&columns.cell(turned(cell), self.rows, lines), expected, "{what}: cell {cell:?}");
        }
        // Nothing else is touched: not the other cells, not the bytes around the columns.
        let written: BTreeSet<Cell> = self.map.keys().map(turned).collect();
        for (column, (before, after)) in before.iter().zip(&columns.buffers).enumerate() {
            let start = columns.start(after);
            for (at, (before, after)) in before.iter().zip(after).enumerate() {
                let row = at.checked_sub(start).filter(|&at| at < columns.len).map(|at| at / lines.bytes() % self.rows);
                if row.is_none_or(|row| !written.contains(&(column, row))) {
                    assert_eq!(before, after, "{what}: column {column}, byte {at}");
                }
            }
        }
    }
}

#[test]
fn every_body_on_every_instruction_set() {
    for body in straight::bodies() {
        let map = map_of(body.wide);
        assert_eq!(map, map_of(body.narrow), "{}", body.name);
        let (program, places) = program_of(&map);
        let turning = turning(body);
        let program = ColumnProgram::new(body.columns, body.rows, program, places).unwrap().with_turning(turning);
        assert_eq!(program.body_name(), Some(body.name));
        let case = Case { program: &program, map: &map, columns: body.columns, rows: body.rows, turning };
        for kernel in Kernel::available() {
            for lines in Lines::ALL {
                for stores in Stores::ALL {
                    case.check(kernel, lines, stores, 1, 0, 0);
                    case.check(kernel, lines, stores, 3, 0, body.rows - 1);
                    case.check(kernel, lines, stores, 4, 1, 1 % body.rows);
                }
            }
        }
    }
}

#[test]
fn programs_without_a_body_are_interpreted() {
    // Five columns of three rows; the third output is made of the first one and two inputs, in the last column.
    let cells = [(0, 0), (1, 2), (4, 0), (3, 1), (2, 2), (0, 2), (4, 1)];
    let places: Vec<Place> = cells.iter().map(|&(column, row)| Place::new(column, row)).collect();
    let program = Program::new(4, [vec![0, 1], vec![2], vec![4, 2, 3]]).unwrap();
    let program = ColumnProgram::new(5, 3, program, places).unwrap().with_turning(4);
    assert_eq!(program.body_name(), None);
    let set = |cells: &[Cell]| cells.iter().copied().collect::<BTreeSet<Cell>>();
    let map = BTreeMap::from([
        ((2, 2), set(&[(0, 0), (1, 2)])),
        ((0, 2), set(&[(4, 0)])),
        ((4, 1), set(&[(0, 0), (1, 2), (4, 0), (3, 1)])),
    ]);
    let case = Case { program: &program, map: &map, columns: 5, rows: 3, turning: 4 };
    for kernel in Kernel::available() {
        for (lines, stores) in Lines::ALL.into_iter().flat_map(|lines| Stores::ALL.map(|stores| (lines, stores))) {
            for packets in [0, 1, 2, 7, 100] {
                for offset in [0, 1, 63, 64] {
                    case.check(kernel, lines, stores, packets, offset, 0);
                }
            }
        }
    }
}
