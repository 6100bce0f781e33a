//! What a node takes for the time.

use rain_cluster::Time;

/// A clock that only goes forward, at a rate of its own.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    /// When it stood at nothing.
    pub(super) origin: Time,
    /// Of a thousand.
    pub(super) rate: u64,
}

impl Clock {
    pub(super) fn local(self, now: Time) -> Time {
        Time::from_micros((now.micros() - self.origin.micros()) * self.rate / 1000)
    }

    /// The first moment at which it shows `local`, or later.
    pub(super) fn global(self, local: Time) -> Time {
        Time::from_micros(self.origin.micros() + (local.micros() * 1000).div_ceil(self.rate))
    }
}
