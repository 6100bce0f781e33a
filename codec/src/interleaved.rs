//! Encoding and recovering stripes whose columns hold their cells interleaved: the layout for speed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rain_kernels::{Kernel, Layout, Stores};

use crate::code::{Cell, Code};
use crate::schedule::{ErasurePattern, Schedule, ScheduleError, canonical, turned_back};

/// Kinds of patterns whose schedules are kept: all for codes that lose two columns, the first ones for those that lose
/// more.
const RECOVERIES_MAX: usize = 1024;

/// The schedules made so far, by kind of pattern and the cells wanted of it.
type Recoveries = HashMap<(ErasurePattern, Vec<Cell>), Arc<Schedule>>;

/// A code over interleaved columns, with the machine's instruction set and the programs made so far.
///
/// Shape: a stripe is n columns of one length, in place: data cells are read where they are, parity cells and lost cells
/// written where they belong. Lengths are multiples of [`Layout::grain`]; the upper part of an interleaved column holds
/// its data cells, the lower part its parity cells.
#[derive(Debug)]
pub struct InterleavedCodec {
    code: Arc<Code>,
    kernel: Kernel,
    encode: Schedule,
    recoveries: Mutex<Recoveries>,
}

/// How to recover lost cells of a pattern.
#[derive(Clone, Debug)]
pub struct Recovery {
    schedule: Arc<Schedule>,
    /// By how many columns the stripe is turned before the program runs, of how many that turn.
    turn: (usize, usize),
}

impl Recovery {
    /// Names the straight-line body that runs it, if there is one.
    pub fn body_name(&self) -> Option<&'static str> {
        self.schedule.column_program().body_name()
    }
}

impl InterleavedCodec {
    /// Prepares a code for the widest instruction set of this machine.
    pub fn new(code: Arc<Code>) -> Self {
        Self::with_kernel(code, Kernel::detect())
    }

    /// Prepares a code for a given instruction set.
    pub fn with_kernel(code: Arc<Code>, kernel: Kernel) -> Self {
        let encode = Schedule::encode(&code);
        Self { code, kernel, encode, recoveries: Mutex::default() }
    }

    /// Gives the code.
    pub fn code(&self) -> &Arc<Code> {
        &self.code
    }

    /// Gives the schedule that makes the parity cells.
    pub fn encode_schedule(&self) -> &Schedule {
        &self.encode
    }

    /// Makes the parity cells of a stripe, in place.
    ///
    /// # Panics
    /// When the number of columns differs, or their lengths, or those are no multiple of a packet's.
    pub fn encode(&self, layout: Layout, stores: Stores, columns: &mut [&mut [u8]]) {
        self.kernel.run_columns(self.encode.column_program(), 0, layout, stores, columns);
    }

    /// Finds out how to recover lost columns whole.
    ///
    /// Cost: a few hundred ns when a pattern of the same kind was asked for before, up to milliseconds the first time. All
    /// are kept: of codes that lose two columns at most n (n + 1) / 2, and about n / 2 where the code can be turned.
    ///
    /// # Errors
    /// As [`Schedule::recover`].
    pub fn recovery(&self, lost: ErasurePattern) -> Result<Recovery, ScheduleError> {
        let rows = 0..self.code.rows();
        let whole = lost.iter().flat_map(|column| rows.clone().map(move |row| Cell::new(column, row)));
        self.recovery_of(lost, &whole.collect::<Vec<Cell>>())
    }

    /// Finds out how to recover some cells of lost columns, such as those that hold data.
    ///
    /// Cost: as [`InterleavedCodec::recovery`].
    ///
    /// # Errors
    /// As [`Schedule::recover`].
    pub fn recovery_of(&self, lost: ErasurePattern, wanted: &[Cell]) -> Result<Recovery, ScheduleError> {
        let (kind, by) = canonical(&self.code, lost);
        let turn = (by, self.code.turning_columns());
        let mut wanted: Vec<Cell> = wanted.iter().map(|&cell| turned_back(&self.code, cell, by)).collect();
        wanted.sort_unstable();
        let key = (kind, wanted);
        if let Some(schedule) = self.recoveries().get(&key) {
            return Ok(Recovery { schedule: Arc::clone(schedule), turn });
        }
        let schedule = Schedule::recover(&self.code, kind, &key.1)?;
        schedule.verify(&self.code)?;
        let schedule = Arc::new(schedule);
        let mut recoveries = self.recoveries();
        if recoveries.len() < RECOVERIES_MAX {
            recoveries.insert(key, Arc::clone(&schedule));
        }
        drop(recoveries);
        Ok(Recovery { schedule, turn })
    }

    /// Recovers lost cells of a stripe in place; what they held does not matter.
    ///
    /// # Panics
    /// When the number of columns differs, or their lengths, or those are no multiple of a packet's.
    pub fn recover(&self, recovery: &Recovery, layout: Layout, stores: Stores, columns: &mut [&mut [u8]]) {
        let (by, turning) = recovery.turn;
        columns[..turning].rotate_left(by);
        let program = recovery.schedule.column_program();
        self.kernel.run_columns(program, by % self.code.rows(), layout, stores, columns);
        columns[..turning].rotate_right(by);
    }

    fn recoveries(&self) -> MutexGuard<'_, Recoveries> {
        // The table is whole between any two calls, so a panic elsewhere leaves nothing half done.
        self.recoveries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
