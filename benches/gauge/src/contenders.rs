//! What takes turns: this project's codecs in each layout, and the probes of what the memory gives.

#![expect(clippy::cast_precision_loss, reason = "bytes and repetitions are far below 2^52")]

use std::fmt;
use std::sync::Arc;

use rain_codec::{Cell, ErasurePattern, InterleavedCodec, Kernel, Layout, Recovery, ScheduleError, Stores};
use rain_kernels::{ColumnProgram, ColumnShape, Place, Program};

use crate::Arena;

const LINE_BYTES: usize = 64;

/// What is done with a stripe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Parity is made.
    Encode,
    /// Of lost columns the data is recovered, as viewers wait for it; a column that holds none is rebuilt.
    Decode(Vec<usize>),
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

/// An operation over columns in some layout.
///
/// # Panics
/// When the pattern cannot be recovered.
pub fn codec(codec: &Arc<InterleavedCodec>, operation: &Operation, layout: Layout, stores: Stores) -> Contender {
    let name = format!("{} {}", layout_name(layout), stores_name(stores));
    let codec = Arc::clone(codec);
    match operation {
        Operation::Encode => Contender::new(name, move |columns, times| {
            for _ in 0..times {
                codec.encode(layout, stores, columns);
            }
        }),
        Operation::Decode(lost) => {
            let recovery = recovery(&codec, lost).expect("the code tolerates it");
            Contender::new(name, move |columns, times| {
                for _ in 0..times {
                    codec.recover(&recovery, layout, stores, columns);
                }
            })
        }
    }
}

/// How the data of lost columns is recovered, and parity columns are rebuilt.
///
/// # Errors
/// More is lost than the code tolerates.
pub fn recovery(codec: &InterleavedCodec, lost: &[usize]) -> Result<Recovery, ScheduleError> {
    let code = codec.code();
    let wanted = lost.iter().flat_map(|&column| {
        let rows = if code.data_rows(column) == 0 { 0..code.rows() } else { 0..code.data_rows(column) };
        rows.map(move |row| Cell::new(column, row))
    });
    codec.recovery_of(ErasurePattern::of(lost), &wanted.collect::<Vec<Cell>>())
}

/// Names a layout.
pub fn layout_name(layout: Layout) -> &'static str {
    match layout {
        Layout::Cells => "cells",
        Layout::Interleaved => "interleaved",
        Layout::Divided => "divided",
    }
}

/// Names how outputs are written.
pub fn stores_name(stores: Stores) -> &'static str {
    match stores {
        Stores::Normal => "normal",
        Stores::Streaming => "streaming",
    }
}

/// The probes of a shape: they read k columns and write the rest with as few instructions as there can be, so they show
/// what the memory gives to whatever moves those bytes.
///
/// # Panics
/// When there is no column to write.
pub fn probes(n: usize, k: usize, kernel: Kernel) -> Vec<Contender> {
    let mut probes = Vec::new();
    // Output i sums up every (n - k)th input, in separate streams or all in one; where there are fewer inputs than outputs,
    // it is a copy of one.
    let written = n - k;
    let steps: Vec<Vec<usize>> = (0..written).map(|output| (output % k..k).step_by(written).collect()).collect();
    let program = Program::new(k, steps).expect("every output has an input");
    let streams = (0..n).map(|column| Place::new(column, 0)).collect();
    let packed = (0..n).map(|row| Place::new(0, row)).collect();
    let over = |upper, rows, places| {
        let shape = ColumnShape { rows, upper, turning: n };
        Arc::new(ColumnProgram::new(shape, program.clone(), places).expect("each cell has a place"))
    };
    let (streams, packed) = (over(vec![1; n], 1, streams), over(vec![k], n, packed));
    for layout in [Layout::Interleaved, Layout::Divided] {
        let name = |shape| format!("probe {shape} {}", stores_name(stores_of(layout)));
        let program = Arc::clone(&streams);
        probes.push(Contender::new(name("streams"), move |columns, times| {
            for _ in 0..times {
                kernel.run_columns(&program, 0, layout, Stores::Normal, columns);
            }
        }));
        let program = Arc::clone(&packed);
        probes.push(Contender::whole(name("packed"), n * LINE_BYTES, move |stripe, times| {
            for _ in 0..times {
                kernel.run_columns(&program, 0, layout, Stores::Normal, &mut [stripe]);
            }
        }));
    }
    probes
}

/// How a layout is written where that is not chosen.
pub fn stores_of(layout: Layout) -> Stores {
    if layout == Layout::Divided { Stores::Streaming } else { Stores::Normal }
}
