//! How long a peer usually lets one wait, and when it is late.

use core::time::Duration;

/// Earlier nobody is late.
const LATE_MIN: Duration = Duration::from_millis(20);
/// Later everybody is.
const LATE_MAX: Duration = Duration::from_millis(60);

/// The pace of a peer: from the times between two signs of progress of its answers.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    mean_us: u64,
    deviation_us: u64,
}

impl Default for Pace {
    /// Before anything is known: 25 ms are late.
    fn default() -> Self {
        Self { mean_us: 5000, deviation_us: 5000 }
    }
}

impl Pace {
    /// Notes a time without progress that ended.
    /// Source: Jacobson, "Congestion avoidance and control" (SIGCOMM 1988), with his gains of 1/8 and 1/4.
    pub fn note(&mut self, waited: Duration) {
        let waited = u64::try_from(waited.as_micros()).unwrap_or(u64::MAX).min(1_000_000);
        self.deviation_us = (self.deviation_us * 3 + waited.abs_diff(self.mean_us)) / 4;
        self.mean_us = (self.mean_us * 7 + waited) / 8;
    }

    /// After so long without progress an answer is late.
    pub fn late_after(&self) -> Duration {
        Duration::from_micros(self.mean_us + 4 * self.deviation_us).clamp(LATE_MIN, LATE_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(waits: impl IntoIterator<Item = u64>) -> Duration {
        let mut pace = Pace::default();
        waits.into_iter().for_each(|wait| pace.note(Duration::from_micros(wait)));
        pace.late_after()
    }

    #[test]
    fn quick_peers_are_late_soon_and_slow_ones_later() {
        assert_eq!(after([]), Duration::from_millis(25));
        assert_eq!(after([300; 100]), LATE_MIN);
        let slow = after([30_000; 100]);
        assert!(slow >= Duration::from_millis(30) && slow < Duration::from_millis(40), "{slow:?}");
        assert_eq!(after([5_000_000; 100]), LATE_MAX);
    }

    /// One long wait among many short ones is an exception: the next ones make it good.
    #[test]
    fn an_exception_is_forgotten() {
        assert!(after([300; 50].into_iter().chain([100_000])) > Duration::from_millis(25));
        assert_eq!(after([300; 50].into_iter().chain([100_000]).chain([300; 60])), LATE_MIN);
    }
}
