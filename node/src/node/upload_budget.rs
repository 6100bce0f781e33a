//! What all uploads together have in memory once it is encoded: one budget in bytes, given in the order of asking.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What one permit stands for.
const UNIT_BYTES: u64 = 1 << 10;

/// The budget.
#[derive(Debug)]
pub(super) struct UploadBudget {
    purse: Mutex<Purse>,
    waiting: AtomicUsize,
}

/// What is given.
#[derive(Debug, Clone)]
struct Purse {
    units: Arc<Semaphore>,
    units_max: u32,
}

impl Purse {
    fn new(bytes: u64) -> Self {
        let units_max = u32::try_from(bytes / UNIT_BYTES).unwrap_or(u32::MAX);
        Self { units: Arc::new(Semaphore::new(units_max as usize)), units_max }
    }

    /// Whoever needs more than there is gets all.
    fn units(&self, bytes: u64) -> u32 {
        u32::try_from(bytes.div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX).min(self.units_max)
    }
}

/// A part of the budget, until it is dropped.
pub(super) type Grant = OwnedSemaphorePermit;

/// Somebody waits, until it is dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl UploadBudget {
    pub(super) fn new(bytes: u64) -> Self {
        Self { purse: Mutex::new(Purse::new(bytes)), waiting: AtomicUsize::new(0) }
    }

    /// From now on it has so many bytes. What was given, and is waited for, of those before is not counted.
    pub(super) fn set_bytes_max(&self, bytes: u64) {
        *self.purse.lock().unwrap_or_else(PoisonError::into_inner) = Purse::new(bytes);
    }

    fn purse(&self) -> Purse {
        self.purse.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// So many bytes of it, if they are there and nobody waits.
    pub(super) fn try_take(&self, bytes: u64) -> Option<Grant> {
        if self.is_wanted() {
            return None;
        }
        let purse = self.purse();
        let units = purse.units(bytes);
        purse.units.try_acquire_many_owned(units).ok()
    }

    /// Waits for a part of it. Whoever waits must have none, or two could wait for each other.
    ///
    /// Cancel safety: it gives up its place in the queue.
    pub(super) async fn take(&self, bytes: u64) -> Grant {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(&self.waiting);
        let purse = self.purse();
        let units = purse.units(bytes);
        let taken = purse.units.acquire_many_owned(units).await;
        taken.expect("the semaphore is never closed")
    }

    /// Whether somebody waits: whoever has some uses it, and gives it back.
    pub(super) fn is_wanted(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    /// Sets its metrics.
    #[expect(clippy::cast_precision_loss, reason = "gauges are floats")]
    pub(super) fn publish(&self) {
        let Purse { units, units_max } = self.purse();
        let used = u64::from(units_max) - units.available_permits() as u64;
        metrics::gauge!("rain_upload_bytes").set((used * UNIT_BYTES) as f64);
        metrics::gauge!("rain_upload_bytes_max").set((u64::from(units_max) * UNIT_BYTES) as f64);
        metrics::gauge!("rain_uploads_waiting").set(self.waiting.load(Ordering::Relaxed) as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::pin::pin;
    use futures_util::FutureExt;

    #[test]
    fn it_is_given_in_the_order_of_asking() {
        let budget = UploadBudget::new(16 << 10);
        let first = budget.try_take(10 << 10).unwrap();
        let mut second = pin!(budget.take(12 << 10));
        assert!(second.as_mut().now_or_never().is_none() && budget.is_wanted());
        assert!(budget.try_take(1).is_none(), "somebody else was first");
        drop(first);
        let second = second.now_or_never().unwrap();
        assert!(!budget.is_wanted());
        assert!(budget.try_take(5 << 10).is_none());
        assert!(budget.try_take(4 << 10).is_some());
        drop(second);
        assert_eq!(budget.try_take(1 << 40).map(|all| all.num_permits()), Some(16), "all there is");
    }
}
