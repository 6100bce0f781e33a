//! Counters that leap: one lie must not use them up, and two that were believed elsewhere must lock nobody out.

use core::time::Duration;
use rain_cluster::Time;
use rain_cluster::version::COUNTER_LEAP;

/// One leap is followed in so long: counters last for centuries of that.
pub(super) const LEAP_AGE: Duration = Duration::from_secs(10);

/// How far counters are followed.
#[derive(Debug, Default)]
pub(super) struct Leaps {
    /// Counters up to a leap above this are taken, whatever is known of their titles.
    reach: u64,
    /// When it was raised.
    raised: Option<Time>,
}

impl Leaps {
    /// Whether a counter is taken where `known` is the highest that is known: one that is no more than a leap above that, or
    /// above what was followed before. Of others one leap is followed every [`LEAP_AGE`].
    pub(super) fn follow(&mut self, now: Time, known: u64, counter: u64) -> bool {
        let farthest = known.max(self.reach).saturating_add(COUNTER_LEAP);
        if counter <= farthest {
            return true;
        }
        if self.raised.is_none_or(|raised| now >= raised + LEAP_AGE) {
            (self.reach, self.raised) = (farthest, Some(now));
        }
        counter <= self.reach.saturating_add(COUNTER_LEAP)
    }
}
