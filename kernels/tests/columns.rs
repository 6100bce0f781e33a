//! Programs over interleaved columns against the naive oracle: every straight-line body and the interpreter, on every
//! instruction set of this machine.

use std::collections::{BTreeMap, BTreeSet};

use rain_kernels::straight::{self, Move, StraightLine};
use rain_kernels::{ColumnProgram, ColumnShape, Kernel, Layout, Place, Program, Stores, naive};

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
                Move::Ahead { .. } => continue,
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
        Move::Load { column, turns, .. } | Move::Store { column, turns, .. } => turns.then_some(column),
        Move::Ahead { .. } | Move::Add { .. } => None,
    });
    turned.min().unwrap_or(body.upper.len())
}

fn program_of(map: &BTreeMap<Cell, BTreeSet<Cell>>) -> (Program, Vec<Place>) {
    let inputs: Vec<Cell> = map.values().flatten().copied().collect::<BTreeSet<Cell>>().into_iter().collect();
    let number = |cell: &Cell| inputs.binary_search(cell).expect("an input");
    let steps = map.values().map(|sources| sources.iter().map(number).collect::<Vec<usize>>());
    let places = inputs.iter().chain(map.keys()).map(|&(column, row)| Place::new(column, row)).collect();
    (Program::new(inputs.len(), steps).expect("sums of inputs"), places)
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

    /// Where the bytes of a cell are in its column.
    fn bytes_of(&self, (column, row): Cell, shape: &ColumnShape, layout: Layout) -> Vec<usize> {
        let cell_len = self.len / shape.rows;
        let upper = if layout == Layout::Divided { shape.upper[column] } else { shape.rows };
        let (part, rows, row_there) =
            if row < upper { (0, upper, row) } else { (upper * cell_len, shape.rows - upper, row - upper) };
        let place = |at: usize| match layout {
            Layout::Cells => row * cell_len + at,
            Layout::Interleaved | Layout::Divided => part + (at / 64 * rows + row_there) * 64 + at % 64,
        };
        let start = self.start(&self.buffers[column]);
        (0..cell_len).map(|at| start + place(at)).collect()
    }

    fn cell(&self, cell: Cell, shape: &ColumnShape, layout: Layout) -> Vec<u8> {
        self.bytes_of(cell, shape, layout).into_iter().map(|at| self.buffers[cell.0][at]).collect()
    }
}

struct Case<'case> {
    program: &'case ColumnProgram,
    map: &'case BTreeMap<Cell, BTreeSet<Cell>>,
}

impl Case<'_> {
    fn check(&self, kernel: Kernel, layout: Layout, stores: Stores, cell_len: usize, offset: usize, turn: usize) {
        let shape = self.program.shape();
        let mut columns = Columns::new(shape.upper.len(), cell_len * shape.rows, offset);
        let turned = |&(column, row): &Cell| {
            if column < shape.turning { (column, row) } else { (column, (row + turn) % shape.rows) }
        };
        let (plain, _) = program_of(self.map);
        let inputs: BTreeSet<Cell> = self.map.values().flatten().copied().collect();
        let inputs: Vec<Vec<u8>> = inputs.iter().map(|cell| columns.cell(turned(cell), shape, layout)).collect();
        let inputs: Vec<&[u8]> = inputs.iter().map(Vec::as_slice).collect();
        let mut expected = vec![vec![0_u8; cell_len]; self.map.len()];
        let mut outputs: Vec<&mut [u8]> = expected.iter_mut().map(Vec::as_mut_slice).collect();
        naive::run(&plain, &inputs, &mut outputs);

        // Nothing else is touched: not the other cells, not the bytes around the columns.
        let mut after = columns.buffers.clone();
        for (cell, expected) in self.map.keys().map(turned).zip(&expected) {
            for (at, byte) in columns.bytes_of(cell, shape, layout).into_iter().zip(expected) {
                after[cell.0][at] = *byte;
            }
        }
        kernel.run_columns(self.program, turn, layout, stores, &mut columns.slices());
        for (column, (expected, found)) in after.iter().zip(&columns.buffers).enumerate() {
            assert!(
                expected == found,
                "{:?} {kernel:?} {layout:?} {stores:?}, cells of {cell_len}, offset {offset}, turn {turn}: column {column}",
                self.program
            );
        }
    }
}

impl Case<'_> {
    /// The same program over cells that lie anywhere.
    fn check_cells(&self, kernel: Kernel, stores: Stores, cell_len: usize, offset: usize) {
        let (plain, _) = program_of(self.map);
        let input_count = self.map.values().flatten().collect::<BTreeSet<_>>().len();
        let mut inputs = Columns::new(input_count, cell_len, offset);
        let inputs: Vec<&[u8]> = inputs.slices().into_iter().map(|cell| &*cell).collect();
        let mut outputs = Columns::new(self.map.len(), cell_len, offset);
        let mut expected = vec![vec![0_u8; cell_len]; self.map.len()];
        naive::run(&plain, &inputs, &mut expected.iter_mut().map(Vec::as_mut_slice).collect::<Vec<_>>());
        kernel.run_cells(self.program, stores, &inputs, &mut outputs.slices());
        let found = outputs.slices();
        let is_same = found.iter().zip(&expected).all(|(found, expected)| **found == **expected);
        assert!(is_same, "{:?} {kernel:?} {stores:?}, cells of {cell_len}, offset {offset}", self.program);
    }
}

#[test]
fn every_body_on_every_instruction_set() {
    for body in straight::bodies() {
        let map = map_of(body.wide);
        assert_eq!(map, map_of(body.narrow), "{}", body.name);
        let (program, places) = program_of(&map);
        let shape = ColumnShape { rows: body.rows, upper: body.upper.to_vec(), turning: turning(body) };
        let program = ColumnProgram::new(shape, program, places).unwrap();
        assert_eq!(program.body_name(), Some(body.name));
        let case = Case { program: &program, map: &map };
        for kernel in Kernel::available() {
            for stores in Stores::ALL {
                case.check(kernel, Layout::Cells, stores, 3 * 64, 0, 1 % body.rows);
                case.check(kernel, Layout::Cells, stores, 3 * 64, 1, 0);
                case.check(kernel, Layout::Cells, stores, 70, 1, 0);
                // The columns begin where streaming stores may write, but not their cells.
                case.check(kernel, Layout::Cells, stores, 3 * 64 + 1, 0, 0);
                case.check(kernel, Layout::Cells, stores, 63, 0, 0);
                case.check_cells(kernel, stores, 3 * 64, 0);
                case.check_cells(kernel, stores, 3 * 64, 1);
                case.check_cells(kernel, stores, 70, 0);
            }
            for layout in [Layout::Interleaved, Layout::Divided] {
                case.check(kernel, layout, Stores::Normal, 64, 0, 0);
                case.check(kernel, layout, Stores::Normal, 5 * 64, 0, body.rows - 1);
                case.check(kernel, layout, Stores::Normal, 2 * 64, 1, 1 % body.rows);
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
    let shape = ColumnShape { rows: 3, upper: vec![2, 3, 0, 1, 3], turning: 4 };
    let program = ColumnProgram::new(shape, program, places).unwrap();
    assert_eq!(program.body_name(), None);
    let set = |cells: &[Cell]| cells.iter().copied().collect::<BTreeSet<Cell>>();
    let map = BTreeMap::from([
        ((2, 2), set(&[(0, 0), (1, 2)])),
        ((0, 2), set(&[(4, 0)])),
        ((4, 1), set(&[(0, 0), (1, 2), (4, 0), (3, 1)])),
    ]);
    let case = Case { program: &program, map: &map };
    for kernel in Kernel::available() {
        for (layout, stores) in Layout::ALL.into_iter().flat_map(|layout| Stores::ALL.map(|stores| (layout, stores))) {
            for packets in [0, 1, 2, 7, 100] {
                for offset in [0, 1, 63, 64] {
                    case.check(kernel, layout, stores, packets * 64, offset, packets % 3);
                }
            }
        }
    }
}
