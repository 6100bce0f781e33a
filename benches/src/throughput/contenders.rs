//! What takes turns: this project's codecs in each layout, and the probes of what the memory gives.

use std::fmt;
use std::sync::Arc;

use rain_codec::{Cell, Code, ErasurePattern, InterleavedCodec, Kernel, Lines, Schedule, StripeCodec, Stores};
use rain_kernels::{ColumnProgram, Place, Program};

use super::Arena;

/// What is done with a stripe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Parity is made.
    Encode,
    /// Columns are recovered.
    Decode(Vec<usize>),
}

/// Where the cells of a column lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Interleaved, so many lines of a cell at a time.
    Interleaved(Lines),
    /// One cell after the other, as in column files.
    Cells,
}

/// Something that works on a stripe in place, a number of times.
pub struct Contender {
    /// What it is called.
    pub name: String,
    run: Run,
}

/// Work on the columns of a stripe.
type OnColumns = dyn FnMut(&mut [&mut [u8]], usize);
/// Work on a stripe's memory as one piece.
type OnWhole = dyn FnMut(&mut [u8], usize);

enum Run {
    Columns(Box<OnColumns>),
    /// With the number of bytes whose multiple it works on.
    Whole(usize, Box<OnWhole>),
}

impl Contender {
    /// Makes one of what it does with columns.
    pub fn new(name: impl Into<String>, run: impl FnMut(&mut [&mut [u8]], usize) + 'static) -> Self {
        Self { name: name.into(), run: Run::Columns(Box::new(run)) }
    }

    /// Makes one of what it does with a stripe's memory in one piece, a multiple of `grain` bytes.
    pub fn whole(name: impl Into<String>, grain: usize, run: impl FnMut(&mut [u8], usize) + 'static) -> Self {
        Self { name: name.into(), run: Run::Whole(grain, Box::new(run)) }
    }

    /// Runs it on stripes of an arena, `times` in all. Returns the bytes of original data that it worked on.
    pub fn run(&mut self, arena: &mut Arena, times: usize) -> f64 {
        let data_bytes = arena.stripe_data_bytes() as f64;
        match &mut self.run {
            Run::Columns(run) => {
                arena.visit(times, run);
                data_bytes * times as f64
            }
            Run::Whole(grain, run) => {
                let whole = arena.stripe_bytes();
                let len = (whole / *grain).max(1) * *grain;
                arena.visit_whole(times, |stripe, times| run(&mut stripe[..len], times));
                data_bytes * times as f64 * len as f64 / whole as f64
            }
        }
    }
}

impl fmt::Debug for Contender {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Contender").field("name", &self.name).finish_non_exhaustive()
    }
}

/// An operation over interleaved columns.
///
/// # Panics
/// When the pattern cannot be recovered.
pub fn interleaved(codec: &Arc<InterleavedCodec>, operation: &Operation, lines: Lines, stores: Stores) -> Contender {
    let name = format!("interleaved {} {}", lines.bytes(), stores_name(stores));
    let codec = Arc::clone(codec);
    match operation {
        Operation::Encode => Contender::new(name, move |columns, times| {
            for _ in 0..times {
                codec.encode(lines, stores, columns);
            }
        }),
        Operation::Decode(lost) => {
            let recovery = codec.recovery(ErasurePattern::of(lost)).expect("the code tolerates it");
            Contender::new(name, move |columns, times| {
                for _ in 0..times {
                    codec.recover(&recovery, lines, stores, columns);
                }
            })
        }
    }
}

/// Names how outputs are written.
pub fn stores_name(stores: Stores) -> &'static str {
    match stores {
        Stores::Normal => "normal",
        Stores::Streaming => "streaming",
    }
}

/// An operation over columns as column files have them.
///
/// # Panics
/// When the pattern cannot be recovered.
pub fn cells(codec: &Arc<StripeCodec>, operation: &Operation) -> Contender {
    let codec = Arc::clone(codec);
    let schedule = match operation {
        Operation::Encode => Arc::new(codec.encode_schedule().clone()),
        Operation::Decode(lost) => {
            let code = codec.code();
            let wanted: Vec<Cell> =
                code.cells().filter(|cell| lost.contains(&usize::from(cell.column))).collect();
            codec.recover_schedule(ErasurePattern::of(lost), &wanted).expect("the code tolerates it")
        }
    };
    Contender::new("cells normal", move |columns, times| run_cells(&codec, &schedule, columns, times))
}

fn run_cells(codec: &StripeCodec, schedule: &Schedule, columns: &mut [&mut [u8]], times: usize) {
    let rows = codec.code().rows();
    let cell_bytes = columns[0].len() / rows;
    let mut cells: Vec<Option<&mut [u8]>> = Vec::with_capacity(columns.len() * rows);
    for column in columns.iter_mut() {
        cells.extend(column.chunks_exact_mut(cell_bytes).map(Some));
    }
    let mut take = |cell: &Cell| {
        cells[usize::from(cell.column) * rows + usize::from(cell.row)].take().expect("a cell is in a schedule once")
    };
    let mut outputs: Vec<&mut [u8]> = schedule.targets().iter().map(&mut take).collect();
    let inputs: Vec<&[u8]> = schedule.inputs().iter().map(|cell| &*take(cell)).collect();
    for _ in 0..times {
        codec.run(schedule, &inputs, &mut outputs);
    }
}

/// The probes of a shape: they read k columns and write the rest with as few instructions as there can be, so they show
/// what the memory gives to whatever moves those bytes.
///
/// # Panics
/// When there is no column to write.
pub fn probes(n: usize, k: usize, kernel: Kernel) -> Vec<Contender> {
    let mut probes = Vec::new();
    // Output i sums up every (n - k)th input, in separate streams or all in one.
    let written = n - k;
    let steps: Vec<Vec<usize>> = (0..written).map(|output| (output..k).step_by(written).collect()).collect();
    let program = Program::new(k, steps).expect("every output has an input");
    let streams = (0..n).map(|column| Place::new(column, 0)).collect();
    let packed = (0..n).map(|row| Place::new(0, row)).collect();
    let over = |columns, rows, places| {
        Arc::new(ColumnProgram::new(columns, rows, program.clone(), places).expect("each cell has a place"))
    };
    let (streams, packed) = (over(n, 1, streams), over(1, n, packed));
    for (lines, stores) in Lines::ALL.into_iter().flat_map(|lines| Stores::ALL.map(|stores| (lines, stores))) {
        let name = |shape| format!("probe {shape} {} {}", lines.bytes(), stores_name(stores));
        let program = Arc::clone(&streams);
        probes.push(Contender::new(name("streams"), move |columns, times| {
            if columns[0].len().is_multiple_of(lines.bytes()) {
                for _ in 0..times {
                    kernel.run_columns(&program, lines, stores, columns);
                }
            }
        }));
        let program = Arc::clone(&packed);
        probes.push(Contender::whole(name("packed"), n * lines.bytes(), move |stripe, times| {
            for _ in 0..times {
                kernel.run_columns(&program, lines, stores, &mut [stripe]);
            }
        }));
    }
    probes
}
