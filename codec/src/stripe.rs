//! Encoding and recovering the cells of one stripe in memory.

use std::sync::Arc;

use rain_kernels::{Kernel, Program, Stores};

use crate::code::{Cell, Code};
use crate::plan::{self, Planner};
use crate::recent::Recent;
use crate::schedule::{ErasurePattern, Schedule, ScheduleError, recover_turned};

/// Recovery schedules kept. Every pattern of b-code:13 with all its cells wanted is 91; the rest is for reads of single
/// cells.
const SCHEDULES_MAX: usize = 512;
/// Cells that the steps of all schedules kept may name together: some megabytes. Those of the widest codes are a few
/// hundred thousand each.
const SCHEDULE_SOURCES_MAX: usize = 1 << 22;

/// A code with the machine's instruction set and the schedules made so far.
///
/// Shape: shared by reference between threads; cells go in and out as slices of one length.
#[derive(Debug)]
pub struct StripeCodec {
    code: Arc<Code>,
    kernel: Kernel,
    encode: Schedule,
    recoveries: Recent<(ErasurePattern, Vec<Cell>), Schedule>,
    planner: Planner,
}

impl StripeCodec {
    /// Prepares a code for the widest instruction set of this machine.
    pub fn new(code: Arc<Code>) -> Self {
        Self::with_kernel(code, Kernel::detect())
    }

    /// Prepares a code for a given instruction set.
    pub fn with_kernel(code: Arc<Code>, kernel: Kernel) -> Self {
        let encode = Schedule::encode(&code);
        let recoveries = Recent::new(SCHEDULES_MAX, SCHEDULE_SOURCES_MAX, Schedule::source_count);
        let planner = Planner::new(Arc::clone(&code));
        Self { code, kernel, encode, recoveries, planner }
    }

    /// Gives the code.
    pub fn code(&self) -> &Arc<Code> {
        &self.code
    }

    /// Gives the instruction set in use.
    pub fn kernel(&self) -> Kernel {
        self.kernel
    }

    /// Gives the schedule that makes all parity cells.
    pub fn encode_schedule(&self) -> &Schedule {
        &self.encode
    }

    /// Gives the planner of everything that is done with part of a stripe.
    pub fn planner(&self) -> &Planner {
        &self.planner
    }

    /// Makes the parity cells of a stripe.
    ///
    /// Shape: `data` are all data cells in byte order, `parity` all parity cells by column, then row; all of one
    /// length.
    ///
    /// # Panics
    /// When there are more or fewer cells, or their lengths differ.
    pub fn encode(&self, data: &[&[u8]], parity: &mut [&mut [u8]]) {
        self.run(&self.encode, data, parity);
    }

    /// Finds the schedule that recovers wanted cells of lost columns.
    ///
    /// As [`Schedule::recover`], but without what cancels out along its chains: a single cell with two lost columns takes
    /// up to 43 % fewer reads (b-code:22), and fewer XORs. Targets are the wanted cells alone.
    ///
    /// Cost: about 100 ns when it was asked for lately. The first time it is made and verified symbolically: 20 to
    /// 100 us, but milliseconds for a whole column of the largest X-codes. A few hundred are kept.
    ///
    /// # Errors
    /// As [`Schedule::recover`].
    pub fn recover_schedule(&self, lost: ErasurePattern, wanted: &[Cell]) -> Result<Arc<Schedule>, ScheduleError> {
        let mut wanted = wanted.to_vec();
        wanted.sort_unstable();
        wanted.dedup();
        let key = (lost, wanted);
        self.recoveries.find_or(&key, || {
            let mut schedule = recover_turned(&self.code, lost, &key.1)?;
            // Where all that is made is wanted, nothing cancels.
            if schedule.targets().len() > key.1.len() {
                schedule = plan::shortened(&self.code, schedule, &key.1)?;
            }
            schedule.verify(&self.code)?;
            Ok(schedule)
        })
    }

    /// Runs a schedule.
    ///
    /// Shape: `inputs` and `outputs` are the cells of [`Schedule::inputs`] and [`Schedule::targets`], all of one
    /// length.
    ///
    /// # Panics
    /// When there are more or fewer cells, or their lengths differ.
    pub fn run(&self, schedule: &Schedule, inputs: &[&[u8]], outputs: &mut [&mut [u8]]) {
        match schedule.lean() {
            Some((program, targets)) => {
                let cell_bytes = check_cells(schedule, inputs, outputs);
                run_lean(self.kernel, program, targets, cell_bytes, inputs, outputs);
            }
            None => self.kernel.run_cells(schedule.column_program(), Stores::Normal, inputs, outputs),
        }
    }
}

/// Bytes that the temporary cells of a schedule are to have together: what stays in a second-level cache.
const TEMPORARIES_BYTES: usize = 256 * 1024;
/// Shortest and longest piece of a cell that is done at a time.
const PIECE_BYTES_MIN: usize = 512;
const PIECE_BYTES_MAX: usize = 4096;

/// Checks the numbers and lengths of cells, and gives their common length.
///
/// # Panics
/// When they do not fit the schedule.
fn check_cells(schedule: &Schedule, inputs: &[&[u8]], outputs: &[&mut [u8]]) -> usize {
    assert_eq!(inputs.len(), schedule.inputs().len(), "number of input cells");
    assert_eq!(outputs.len(), schedule.targets().len(), "number of output cells");
    let mut lengths = inputs.iter().map(|cell| cell.len()).chain(outputs.iter().map(|cell| cell.len()));
    let cell_bytes = lengths.next().unwrap_or(0);
    lengths.for_each(|length| assert_eq!(length, cell_bytes, "length of a cell"));
    cell_bytes
}

/// Runs a program with temporary cells, piece by piece, so that those are short and stay in the caches.
fn run_lean(
    kernel: Kernel,
    program: &Program,
    targets: &[Option<usize>],
    cell_bytes: usize,
    inputs: &[&[u8]],
    outputs: &mut [&mut [u8]],
) {
    let temporaries = targets.iter().filter(|target| target.is_none()).count();
    let fair = (TEMPORARIES_BYTES / temporaries.max(1)).clamp(PIECE_BYTES_MIN, PIECE_BYTES_MAX);
    let piece_bytes = fair.next_multiple_of(PIECE_BYTES_MIN).min(cell_bytes);
    let mut scratch = vec![0; temporaries * piece_bytes];
    let mut start = 0;
    while start < cell_bytes {
        let end = cell_bytes.min(start + piece_bytes);
        let pieces: Vec<&[u8]> = inputs.iter().map(|cell| &cell[start..end]).collect();
        let mut made: Vec<Option<&mut [u8]>> = outputs.iter_mut().map(|cell| Some(&mut cell[start..end])).collect();
        let mut rest = scratch.as_mut_slice();
        let mut cells: Vec<&mut [u8]> = Vec::with_capacity(targets.len());
        for target in targets {
            if let Some(target) = target {
                cells.push(made[*target].take().expect("each target is made once"));
            } else {
                let (cell, behind) = rest.split_at_mut(end - start);
                cells.push(cell);
                rest = behind;
            }
        }
        kernel.run(program, &pieces, &mut cells);
        start = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_is_made_once_whatever_the_order_of_wishes() {
        let codec = StripeCodec::new(Arc::new(Code::named("b-code:6").unwrap()));
        let lost = ErasurePattern::of(&[1, 3]);
        let (first, second) = (Cell::new(1, 0), Cell::new(3, 2));
        let made = codec.recover_schedule(lost, &[second, first]).unwrap();
        let again = codec.recover_schedule(lost, &[first, second, first]).unwrap();
        assert!(Arc::ptr_eq(&made, &again));
    }

    #[test]
    fn the_schedules_kept_are_bounded_and_the_used_ones_stay() {
        let codec = StripeCodec::new(Arc::new(Code::named("b-code:13").unwrap()));
        let often = (ErasurePattern::of(&[0]), [Cell::new(0, 0)]);
        let kept = codec.recover_schedule(often.0, &often.1).unwrap();
        let mut made = 1;
        for (first, second) in (0..13).flat_map(|first| (first + 1..13).map(move |second| (first, second))) {
            for row in 0..6 {
                for column in [first, second] {
                    let wanted = [Cell::new(column, row)];
                    codec.recover_schedule(ErasurePattern::of(&[first, second]), &wanted).unwrap();
                    made += 1;
                }
            }
            assert!(Arc::ptr_eq(&kept, &codec.recover_schedule(often.0, &often.1).unwrap()));
        }
        assert!(made > SCHEDULES_MAX);
        assert_eq!(codec.recoveries.len(), SCHEDULES_MAX);
    }

    /// Of the widest codes fewer fit than may be kept: there are as many as weigh no more than all may.
    #[test]
    fn heavy_schedules_are_bounded_by_their_weight() {
        let codec = StripeCodec::new(Arc::new(Code::named("x-code:43").unwrap()));
        let lost = ErasurePattern::of(&[0, 1]);
        let wanted: Vec<Cell> = codec.code().cells().filter(|cell| cell.column < 2).collect();
        let schedule = Schedule::recover(codec.code(), lost, &wanted).unwrap();
        let weight = schedule.source_count();
        let fitting = 3;
        let few = Recent::new(SCHEDULES_MAX, weight * fitting + weight / 2, Schedule::source_count);
        for key in 0..10 {
            few.find_or(&key, || Ok::<Schedule, ScheduleError>(schedule.clone())).unwrap();
        }
        assert_eq!((few.len(), few.weight()), (fitting, weight * fitting));
        assert!(weight > 2 * 43 * 40, "{weight}: each target has 41 sources");
    }
}
