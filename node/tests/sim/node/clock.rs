//! What a node takes for the time, and what its machine shows to people.

use core::time::Duration;
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

/// What machines showed at the beginning: late in 2026.
const BEGINNING: Duration = Duration::from_hours(498_900);
const YEAR: Duration = Duration::from_hours(365 * 24);

/// A machine's clock, which anybody may set: its process does not end for that, and it does not go with the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WallClock {
    Right,
    /// By a year.
    Ahead,
    /// By a year.
    Behind,
}

impl WallClock {
    /// The time since 1970.
    pub fn shows(self, now: Time) -> Duration {
        let right = BEGINNING + Duration::from_micros(now.micros());
        match self {
            Self::Right => right,
            Self::Ahead => right + YEAR,
            Self::Behind => right.saturating_sub(YEAR),
        }
    }
}
