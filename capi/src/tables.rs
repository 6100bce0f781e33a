//! The shape of ISA-L: tables made once, then columns out of columns.
//!
//! There any k fragments of a Reed-Solomon code give each of the others by a matrix. The same is true of the columns of
//! every array code that loses n - k columns: whatever k columns hold, they say what the others must hold. So a code
//! whose columns hold both data and parity can be used in the same shape, its first k columns taken for the data.

use std::sync::Arc;

use rain_codec::{Cell, ErasurePattern, Schedule, StripeCodec};

use crate::cells::Cells;
use crate::codec::{RainCodec, distinct};
use crate::status::RainStatus;

/// How some columns follow from others. Threads may share it; it outlives the codec that it was made of.
#[derive(Debug)]
pub struct RainTables {
    codec: Arc<StripeCodec>,
    schedule: Arc<Schedule>,
    sources: Vec<usize>,
    targets: Vec<usize>,
}

impl RainTables {
    /// Finds out how the columns `targets` follow from the columns `sources`.
    ///
    /// # Errors
    /// [`RainStatus::Column`], [`RainStatus::TooManyLost`] for fewer sources than the code needs.
    pub fn new(codec: &RainCodec, sources: &[usize], targets: &[usize]) -> Result<Self, RainStatus> {
        let code = codec.code();
        let (given, wanted) = (distinct(code, sources)?, distinct(code, targets)?);
        if wanted.iter().any(|column| given.contains(column)) {
            return Err(RainStatus::Column);
        }
        let lost = (0..code.columns()).filter(|column| !given.contains(*column));
        let lost = lost.fold(ErasurePattern::none(), ErasurePattern::with);
        let wanted: Vec<Cell> = code.cells().filter(|cell| wanted.contains(usize::from(cell.column))).collect();
        let schedule = codec.stripe.recover_schedule(lost, &wanted).map_err(|_| RainStatus::TooManyLost)?;
        Ok(Self { codec: Arc::clone(&codec.stripe), schedule, sources: sources.to_vec(), targets: targets.to_vec() })
    }

    /// Counts the sources and the targets.
    pub fn counts(&self) -> (usize, usize) {
        (self.sources.len(), self.targets.len())
    }

    /// Makes the targets out of the sources, both in the order in which the tables were made for them.
    ///
    /// # Errors
    /// [`RainStatus::Length`], [`RainStatus::Tables`].
    pub fn run(&self, data: &[&[u8]], coding: &mut [&mut [u8]], len: usize) -> Result<(), RainStatus> {
        let code = self.codec.code();
        if len == 0 || !len.is_multiple_of(code.rows()) {
            return Err(RainStatus::Length);
        }
        if (data.len(), coding.len()) != self.counts() {
            return Err(RainStatus::Tables);
        }
        let mut cells = Cells::new(code.columns(), code.rows(), len);
        self.sources.iter().zip(data).for_each(|(column, bytes)| cells.read(*column, bytes));
        self.targets.iter().zip(coding).for_each(|(column, bytes)| cells.write(*column, bytes, |_| true));
        cells.run(&self.codec, &self.schedule);
        Ok(())
    }
}
