//! Restoring columns that this node lacks: stripe by stripe from any k others, at a rate that viewers do not notice. What
//! is restored, and when, the desk decides.

use super::Node;
use super::read::Delivery;
use crate::store::{UploadError, title_version};
use core::time::Duration;
use rain_cluster::{Record, Version};
use rain_codec::column::{ColumnBuilder, HEADER_BYTES, Seal, StripeShape};
use rain_codec::{Cell, ErasurePattern};
use rain_desk::{RestoreFailure, RestoreOrder};
use rain_fetch::Piece;
use rain_titles::ReadError;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::time::{Instant, sleep_until};

/// Columns are restored at this rate at most, so that viewers keep the disks and networks.
const BYTES_PER_SECOND: u64 = 128 << 20;

/// Lets so many bytes pass each second.
#[derive(Debug, Default)]
pub(super) struct Rate(Mutex<Option<Instant>>);

impl Rate {
    /// Waits until `bytes` may be moved.
    ///
    /// Cancel safety: dropping it leaves the bytes taken.
    pub(super) async fn take(&self, bytes: u64) {
        sleep_until(self.turn(Instant::now(), bytes)).await;
    }

    /// When `bytes` that are asked for now may be moved: once those before them have been, as late as the rate has it.
    fn turn(&self, now: Instant, bytes: u64) -> Instant {
        let mut next = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = next.map_or(now, |next| next.max(now));
        *next = Some(turn + Duration::from_micros(bytes.saturating_mul(1_000_000) / BYTES_PER_SECOND));
        turn
    }
}

/// From what a column is being restored: kept from stripe to stripe, so that a column which let one down is not asked for
/// the next.
#[derive(Debug)]
pub(super) struct Restoring {
    version: Version,
    column: u16,
    lost: Vec<u16>,
    source: Arc<Delivery>,
}

impl Node {
    /// Restores a stripe of a column and appends it to what the store has of it.
    ///
    /// # Errors
    /// [`RestoreFailure`]; nothing was appended.
    ///
    /// Cancel safety: dropping it leaves the store to finish.
    pub(super) async fn restore(self: &Arc<Self>, order: RestoreOrder) -> Result<(), RestoreFailure> {
        let source = self.source_of(&order).map_err(|error| failure(&error))?;
        let RestoreOrder { record, column, stripe, .. } = order;
        let stripe = source.stripe(stripe);
        let cells: Vec<Cell> = (0..stripe.rows).map(|row| Cell { column, row }).collect();
        let cells = source.fetch_lost(&whole(&stripe), &cells).await.map_err(|error| {
            // The next try begins with all columns that the others say they have.
            self.forget_source();
            failure(&error)
        })?;
        let (title, version, content) = (record.title().to_owned(), record.version(), source.content());
        let seal = Seal::new(&title, title_version(version), column);
        let bytes = ColumnBuilder::new(seal, content.group_bytes).record(&stripe, cells.iter().map(|cell| &cell[..]));
        let offset = stripe.record_offset - HEADER_BYTES as u64;
        let total = source.record_bytes();
        let appended = {
            let title = title.clone();
            self.blocking(move |node| node.store.append(node.now(), &title, version, offset, &bytes)).await
        };
        appended.map_err(|error: UploadError| RestoreFailure::Store(error.to_string()))?;
        self.reads.note_rebuild(&title, column, offset + stripe.record_bytes(), total);
        Ok(())
    }

    /// The others from which a column is restored.
    fn source_of(self: &Arc<Self>, order: &RestoreOrder) -> Result<Arc<Delivery>, ReadError> {
        let RestoreOrder { record, column, lost, .. } = order;
        let mut restoring = self.restoring.lock().unwrap_or_else(PoisonError::into_inner);
        let same = |under_way: &&Restoring| {
            under_way.version == record.version()
                && under_way.column == *column
                && under_way.lost == *lost
                && under_way.source.manifest.title == record.title()
        };
        if let Some(under_way) = restoring.as_ref().filter(same) {
            return Ok(Arc::clone(&under_way.source));
        }
        let pattern = lost.iter().fold(ErasurePattern::none(), |pattern, column| pattern.with(usize::from(*column)));
        let source = Arc::new(Delivery::of(self, record, true, pattern)?);
        let (version, column, lost) = (record.version(), *column, lost.clone());
        *restoring = Some(Restoring { version, column, lost, source: Arc::clone(&source) });
        Ok(source)
    }

    fn forget_source(&self) {
        self.restoring.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Notes what became of a column that was to be restored.
    pub(super) fn note_restored(&self, record: &Record, column: u16, failed: Option<&str>) {
        let title = record.title();
        self.forget_source();
        self.reads.end_rebuild(title, column);
        if let Some(why) = failed {
            tracing::info!(title, column, why, "a column cannot be rebuilt yet");
        } else {
            metrics::counter!("rain_columns_rebuilt_total").increment(1);
            tracing::info!(title, column, "a column was rebuilt");
        }
    }
}

fn failure(error: &ReadError) -> RestoreFailure {
    match error {
        ReadError::TooFewColumns { .. } | ReadError::TooFewNodes { .. } => RestoreFailure::TooFewColumns,
        ReadError::Absent { .. }
        | ReadError::Code(_)
        | ReadError::Kind { .. }
        | ReadError::Ending
        | ReadError::Replaced
        | ReadError::Elsewhere(_) => RestoreFailure::Store(error.to_string()),
    }
}

/// The piece that is a whole stripe.
fn whole(stripe: &StripeShape) -> Piece {
    Piece {
        stripes: stripe.index..stripe.index + 1,
        cells: 0..stripe.data_cells as usize,
        blocks: 0..stripe.blocks_per_cell(),
        bytes: stripe.title_offset..stripe.title_offset + stripe.data_bytes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_pass_as_late_as_the_rate_has_it_and_idle_time_is_not_saved_up() {
        let (rate, now) = (Rate::default(), Instant::now());
        assert_eq!(rate.turn(now, BYTES_PER_SECOND), now);
        assert_eq!(rate.turn(now, BYTES_PER_SECOND / 2), now + Duration::from_secs(1));
        let later = now + Duration::from_secs(9);
        assert_eq!(rate.turn(later, 1), later);
    }
}
