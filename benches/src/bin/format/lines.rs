//! The interleaved kernel: cells of a column take turns every 64 or 128 bytes, and a schedule runs over such lines.
//!
//! It is the interpreter of `rain-kernels` with a stride: the same strips, the same fused passes, so that a difference
//! in speed comes from the layout. Everything is `#[inline(always)]` down to the leaf, for the instruction set's sake.

use pulp::{Arch, Simd, WithSimd};
use rain_codec::{Cell, Schedule};

/// Bytes of all cells together in a strip, and the shortest and longest piece of one cell in it, as `rain-kernels`
/// chooses them.
const STRIP_TOTAL_BYTES: usize = 32 * 1024;
const STRIP_BYTES_MIN: usize = 1024;
const STRIP_BYTES_MAX: usize = 4096;
/// Sources read in one pass.
const FUSED_MAX: usize = 8;

/// A schedule with its steps named by cells.
#[derive(Debug)]
pub(crate) struct LineSchedule {
    steps: Vec<(Cell, Vec<Cell>)>,
    cell_count: usize,
}

impl LineSchedule {
    pub(crate) fn of(schedule: &Schedule) -> Self {
        let cells: Vec<Cell> = schedule.inputs().iter().chain(schedule.targets()).copied().collect();
        let steps = schedule.program().steps().zip(schedule.targets()).map(|(sources, &target)| {
            let sources: Vec<Cell> = sources.iter().map(|&number| cells[usize::from(number)]).collect();
            // What lets a step borrow its output's column alone; it holds for B-codes and X-codes.
            assert!(sources.iter().all(|source| source.column != target.column), "an equation within a column");
            (target, sources)
        });
        Self { steps: steps.collect(), cell_count: cells.len() }
    }
}

/// Runs a schedule over columns whose cells take turns every `LINE` bytes. Columns that it does not name may be empty.
pub(crate) fn run<const LINE: usize>(schedule: &LineSchedule, columns: &mut [&mut [u8]], rows: usize) {
    Arch::new().dispatch(Run::<LINE> { schedule, columns, rows });
}

struct Run<'run, 'bytes, const LINE: usize> {
    schedule: &'run LineSchedule,
    columns: &'run mut [&'bytes mut [u8]],
    rows: usize,
}

impl<const LINE: usize> WithSimd for Run<'_, '_, LINE> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { schedule, columns, rows } = self;
        let lines = columns.iter().map(|column| column.len()).max().unwrap_or(0) / LINE / rows;
        let fair = STRIP_TOTAL_BYTES / schedule.cell_count.max(1);
        let strip_lines = fair.clamp(STRIP_BYTES_MIN, STRIP_BYTES_MAX) / LINE;
        let mut first = 0;
        while first < lines {
            let count = strip_lines.min(lines - first);
            for (target, sources) in &schedule.steps {
                step::<S, LINE>(simd, columns, rows, *target, sources, (first, count));
            }
            first += count;
        }
    }
}

#[inline(always)]
fn step<S: Simd, const LINE: usize>(
    simd: S,
    columns: &mut [&mut [u8]],
    rows: usize,
    target: Cell,
    sources: &[Cell],
    strip: (usize, usize),
) {
    let (before, rest) = columns.split_at_mut(usize::from(target.column));
    let Some((out, after)) = rest.split_first_mut() else { return };
    let cut = |row: u16| {
        let (first, count) = strip;
        let start = (first * rows + usize::from(row)) * LINE;
        start..start + ((count - 1) * rows + 1) * LINE
    };
    let source = |cell: &Cell| {
        let column = usize::from(cell.column);
        let bytes: &[u8] = before.get(column).unwrap_or_else(|| &after[column - before.len() - 1]);
        S::as_simd_u8s(&bytes[cut(cell.row)]).0
    };
    let out = S::as_mut_simd_u8s(&mut out[cut(target.row)]).0;
    let width = LINE / size_of::<S::u8s>();
    let (fused, others) = sources.split_at(sources.len().min(FUSED_MAX));
    pass::<S, _, false>(simd, fused, &source, out, rows, width);
    for more in others.chunks(FUSED_MAX) {
        pass::<S, _, true>(simd, more, &source, out, rows, width);
    }
}

#[inline(always)]
fn pass<'bytes, S: Simd, F: Fn(&Cell) -> &'bytes [S::u8s], const ONTO: bool>(
    simd: S,
    sources: &[Cell],
    source: &F,
    out: &mut [S::u8s],
    rows: usize,
    width: usize,
) {
    match sources.len() {
        1 => xor_into::<S, F, 1, ONTO>(simd, sources, source, out, rows, width),
        2 => xor_into::<S, F, 2, ONTO>(simd, sources, source, out, rows, width),
        3 => xor_into::<S, F, 3, ONTO>(simd, sources, source, out, rows, width),
        4 => xor_into::<S, F, 4, ONTO>(simd, sources, source, out, rows, width),
        5 => xor_into::<S, F, 5, ONTO>(simd, sources, source, out, rows, width),
        6 => xor_into::<S, F, 6, ONTO>(simd, sources, source, out, rows, width),
        7 => xor_into::<S, F, 7, ONTO>(simd, sources, source, out, rows, width),
        8 => xor_into::<S, F, 8, ONTO>(simd, sources, source, out, rows, width),
        count => unreachable!("a pass of {count} sources"),
    }
}

#[inline(always)]
fn xor_into<'bytes, S: Simd, F: Fn(&Cell) -> &'bytes [S::u8s], const N: usize, const ONTO: bool>(
    simd: S,
    cells: &[Cell],
    source: &F,
    out: &mut [S::u8s],
    rows: usize,
    width: usize,
) {
    let mut sources: [&[S::u8s]; N] = [&[]; N];
    for (slot, cell) in sources.iter_mut().zip(cells) {
        // Cut to the output's length once, so that the loop below needs one check per vector.
        *slot = &source(cell)[..out.len()];
    }
    let stride = rows * width;
    let mut line = 0;
    while line < out.len() {
        for at in line..line + width {
            let mut sum = sources[0][at];
            for more in &sources[1..] {
                sum = simd.xor_u8s(sum, more[at]);
            }
            out[at] = if ONTO { simd.xor_u8s(sum, out[at]) } else { sum };
        }
        line += stride;
    }
}

/// Spreads a cell over its lines of a column.
pub(crate) fn interleave<const LINE: usize>(cell: &[u8], column: &mut [u8], row: usize, rows: usize) {
    Arch::new().dispatch(
        #[inline(always)]
        || {
            let (lines, _) = cell.as_chunks::<LINE>();
            let (slots, _) = column.as_chunks_mut::<LINE>();
            for (line, slot) in lines.iter().zip(slots[row..].iter_mut().step_by(rows)) {
                *slot = *line;
            }
        },
    );
}

/// Gathers a cell from its lines of a column.
pub(crate) fn gather<const LINE: usize>(column: &[u8], cell: &mut [u8], row: usize, rows: usize) {
    Arch::new().dispatch(
        #[inline(always)]
        || {
            let (lines, _) = column.as_chunks::<LINE>();
            let (slots, _) = cell.as_chunks_mut::<LINE>();
            for (slot, line) in slots.iter_mut().zip(lines[row..].iter().step_by(rows)) {
                *slot = *line;
            }
        },
    );
}
