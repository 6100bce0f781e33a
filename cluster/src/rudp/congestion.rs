//! How long a path takes, and how much it carries.

use super::WINDOW_FRAMES;
use core::time::Duration;

/// Shortest time-out. The longest delay of an acknowledgement is a tenth of it.
pub(super) const TIMEOUT_MIN: Duration = Duration::from_millis(10);
/// Time-out before anything was measured.
const TIMEOUT_FIRST: Duration = Duration::from_millis(50);
/// Longest time-out, backed off.
pub(super) const TIMEOUT_MAX: Duration = Duration::from_secs(1);

/// Frames that a path may have in flight at first (RFC 6928).
const WINDOW_FIRST: u64 = 10;
/// And after a time-out.
const WINDOW_MIN: u64 = 2;

/// The round-trip time of a path and the time-out that follows from it, after RFC 6298.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct RoundTrip {
    measured: Option<Measured>,
}

#[derive(Debug, Clone, Copy)]
struct Measured {
    mean_us: u64,
    deviation_us: u64,
}

impl RoundTrip {
    pub(super) fn note(&mut self, sample: Duration) {
        let sample = u64::try_from(sample.as_micros()).unwrap_or(u64::MAX).min(10_000_000);
        self.measured = Some(match self.measured {
            None => Measured { mean_us: sample, deviation_us: sample / 2 },
            Some(Measured { mean_us, deviation_us }) => Measured {
                deviation_us: (3 * deviation_us + mean_us.abs_diff(sample)) / 4,
                mean_us: (7 * mean_us + sample) / 8,
            },
        });
    }

    /// The smoothed mean; before anything was measured a guess in the middle of what is usual.
    pub(super) fn mean_us(&self) -> u64 {
        self.measured.map_or(1000, |measured| measured.mean_us)
    }

    pub(super) fn timeout(&self) -> Duration {
        self.measured.map_or(TIMEOUT_FIRST, |measured| {
            Duration::from_micros(measured.mean_us + 4 * measured.deviation_us).clamp(TIMEOUT_MIN, TIMEOUT_MAX)
        })
    }
}

/// How many frames a path may have in flight: slow start, congestion avoidance, a half after a loss, the least after a
/// time-out (RFC 5681, counted in frames).
#[derive(Debug, Clone, Copy)]
pub(super) struct CongestionWindow {
    frames: u64,
    threshold: u64,
    /// Frames that arrived since the window grew last, in congestion avoidance.
    arrived: u64,
    /// Frames and threshold before the last reduction.
    before: Option<(u64, u64)>,
}

impl Default for CongestionWindow {
    fn default() -> Self {
        Self { frames: WINDOW_FIRST, threshold: WINDOW_FRAMES, arrived: 0, before: None }
    }
}

impl CongestionWindow {
    pub(super) fn frames(&self) -> u64 {
        self.frames
    }

    /// A frame arrived, while so many were in flight: what was not made use of does not grow.
    pub(super) fn grow(&mut self, in_flight: u64) {
        if 2 * in_flight < self.frames || self.frames >= WINDOW_FRAMES {
            return;
        }
        self.arrived += 1;
        if self.frames < self.threshold || self.arrived >= self.frames {
            self.frames += 1;
            self.arrived = 0;
        }
    }

    pub(super) fn halve(&mut self) {
        self.before = Some((self.frames, self.threshold));
        self.threshold = (self.frames / 2).max(WINDOW_MIN);
        self.frames = self.threshold;
        self.arrived = 0;
    }

    pub(super) fn collapse(&mut self) {
        self.halve();
        self.frames = WINDOW_MIN;
    }

    /// What was taken for lost came after all: the last reduction was for nothing. (RFC 4015, without its restraint: the
    /// peers share no bottleneck with strangers.)
    pub(super) fn restore(&mut self) {
        if let Some((frames, threshold)) = self.before.take() {
            self.frames = self.frames.max(frames);
            self.threshold = self.threshold.max(threshold);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6298, 2.2 and 2.3, by hand: 80 ms, then 120 ms.
    #[test]
    fn the_timeout_follows_mean_and_deviation() {
        let mut trip = RoundTrip::default();
        assert_eq!(trip.timeout(), Duration::from_millis(50));
        trip.note(Duration::from_millis(80));
        assert_eq!(trip.timeout(), Duration::from_millis(80 + 4 * 40));
        trip.note(Duration::from_millis(120));
        // Deviation 3/4 * 40 + 1/4 * 40 = 40; mean 7/8 * 80 + 1/8 * 120 = 85.
        assert_eq!((trip.mean_us(), trip.timeout()), (85_000, Duration::from_millis(85 + 160)));
        let mut short = RoundTrip::default();
        short.note(Duration::from_micros(90));
        assert_eq!(short.timeout(), TIMEOUT_MIN);
        short.note(Duration::from_secs(100));
        assert_eq!(short.timeout(), TIMEOUT_MAX);
    }

    #[test]
    fn the_window_doubles_then_grows_by_one_a_round() {
        let mut window = CongestionWindow::default();
        for _ in 0..10 {
            window.grow(10);
        }
        assert_eq!(window.frames(), 20, "slow start");
        window.grow(9);
        assert_eq!(window.frames(), 20, "it was not used");
        window.halve();
        assert_eq!(window.frames(), 10);
        for _ in 0..10 {
            window.grow(10);
        }
        assert_eq!(window.frames(), 11, "one a round");
        window.collapse();
        assert_eq!(window.frames(), 2);
        let mut restored = window;
        restored.restore();
        assert_eq!(restored.frames(), 11, "it was for nothing");
        restored.restore();
        assert_eq!(restored.frames(), 11, "once");
        for _ in 0..3 {
            window.grow(5);
        }
        assert_eq!(window.frames(), 5, "slow start up to half of what was");
        for _ in 0..100_000 {
            window.grow(300);
        }
        assert_eq!(window.frames(), 256);
    }
}
