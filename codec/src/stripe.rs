//! Encoding and recovering the cells of one stripe in memory.

use std::sync::Arc;

use rain_kernels::{Kernel, Stores};

use crate::code::{Cell, Code};
use crate::plan::{self, Planner};
use crate::recent::Recent;
use crate::schedule::{ErasurePattern, Schedule, ScheduleError, recover_turned};

/// Recovery schedules kept. Every pattern of b-code:13 with all its cells wanted is 91; the rest is for reads of single
/// cells.
const SCHEDULES_MAX: usize = 512;

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
        let planner = Planner::new(Arc::clone(&code));
        Self { code, kernel, encode, recoveries: Recent::new(SCHEDULES_MAX), planner }
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
    /// up to 43 % fewer reads (b-code:22), and fewer XORs. Targets are then the wanted cells alone.
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
            let schedule = plan::shortened(&self.code, recover_turned(&self.code, lost, &key.1)?, &key.1)?;
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
        self.kernel.run_cells(schedule.column_program(), Stores::Normal, inputs, outputs);
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
    fn a_schedule_in_use_stays() {
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
    }
}
