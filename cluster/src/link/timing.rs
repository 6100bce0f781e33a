//! How often, how long: periods within a packet budget, time-outs that fit the link, and how late one's own timer is.

use core::time::Duration;

/// So many rounds in a row may be lost on a link that loses nothing usually.
const ROUNDS_MIN: u32 = 4;
/// And so many on the worst.
const ROUNDS_MAX: u32 = 20;
/// Losses in a row that are rarer than this are an outage: with a hundred pings a second, one a month would be wrong.
const CHANCE: f64 = 1e-8;
/// The longest time-out, in periods, but for the round trip.
const PERIODS_MAX: u64 = 25;
/// The shortest time-out: below it the scheduler of a busy machine would be what is measured.
pub(super) const TIMEOUT_MIN_US: u64 = 20_000;
/// A node sends a ping in so long at most, over all its links: with more links each has a longer period. It is what keeps
/// the cost of monitoring within a bound, see docs/link.md.
const SPACING: Duration = Duration::from_micros(300);
/// The same where somebody asked for a period: 62 links may be pinged each 5 ms.
const SPACING_MIN: Duration = Duration::from_micros(80);
/// The period of a node with few links that nobody asked to have another one.
const USUAL: Duration = Duration::from_millis(4);

/// How often a node pings, and when silence is a Down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkTiming {
    pub(super) period_us: u64,
    timeout_min_us: u64,
}

impl LinkTiming {
    /// What suits a node with so many links: a ping each 4 ms, less often with more than 13.
    pub fn usual(links: usize) -> Self {
        Self::of(USUAL.max(budget(SPACING, links)))
    }

    /// A ping in each `period`, on a node with so many links; less often when they would be too many.
    pub fn new(period: Duration, links: usize) -> Self {
        Self::of(period.max(budget(SPACING_MIN, links)))
    }

    fn of(period: Duration) -> Self {
        // On the wire it is in units of 100 µs, in 16 bits.
        let period_us = u64::try_from(period.as_micros()).unwrap_or(u64::MAX).clamp(1000, 6_500_000);
        Self { period_us, timeout_min_us: TIMEOUT_MIN_US }
    }

    /// Between two pings of a link.
    pub const fn period(&self) -> Duration {
        Duration::from_micros(self.period_us)
    }

    /// T: how old the newest echoed ping may get. Between two echoes the evidence gets as old as one's own period and the
    /// peer's, and by a period older with each round lost: as many in a row are suffered as are not rare. On top comes
    /// what the round trips and the timers of both ends vary by.
    ///
    /// `way_us` is what the round trips take and vary by, `lag_us` what the timers do.
    pub(super) fn timeout_us(&self, peer_period_us: u64, round_lost: f64, way_us: u64, lag_us: u64) -> u64 {
        let longer = self.period_us.max(peer_period_us);
        let usual = self.period_us + peer_period_us + u64::from(rounds(round_lost)) * longer + lag_us;
        usual.min(longer * PERIODS_MAX).max(self.timeout_min_us) + way_us
    }
}

/// The least period of so many links.
fn budget(spacing: Duration, links: usize) -> Duration {
    spacing * u32::try_from(links).unwrap_or(u32::MAX)
}

/// How many rounds in a row are suffered where each is lost with this chance.
fn rounds(lost: f64) -> u32 {
    let (mut rounds, mut chance) = (0, 1.0);
    while chance > CHANCE && rounds < ROUNDS_MAX {
        chance *= lost;
        rounds += 1;
    }
    rounds.max(ROUNDS_MIN)
}

/// Timers of which it is remembered how late they were.
const TIMERS: usize = 256;

/// How late a node's own timer is: a node that is held up itself must not say that others are silent.
#[derive(Debug, Clone)]
pub(super) struct LoopLag {
    late_us: [u32; TIMERS],
    next: usize,
}

impl LoopLag {
    pub(super) const fn new() -> Self {
        Self { late_us: [0; TIMERS], next: 0 }
    }

    pub(super) fn note(&mut self, late_us: u64) {
        self.late_us[self.next] = u32::try_from(late_us).unwrap_or(u32::MAX);
        self.next = (self.next + 1) % TIMERS;
    }

    /// The 99th percentile: of 256 values the third largest.
    pub(super) fn percentile_99_us(&self) -> u64 {
        let mut largest = [0_u32; 3];
        for late in self.late_us {
            if late > largest[2] {
                largest[2] = late;
                if largest[2] > largest[1] {
                    largest.swap(1, 2);
                }
                if largest[1] > largest[0] {
                    largest.swap(0, 1);
                }
            }
        }
        largest[2].into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(milliseconds: u64) -> u64 {
        milliseconds * 1000
    }

    #[test]
    fn the_period_grows_with_the_links() {
        let usual = |links| LinkTiming::usual(links).period();
        assert_eq!([0, 13, 100].map(usual), [4, 4, 30].map(Duration::from_millis));
        let asked = |links| LinkTiming::new(Duration::from_millis(5), links).period();
        assert_eq!([0, 62, 1000].map(asked), [5, 5, 80].map(Duration::from_millis));
    }

    #[test]
    fn the_timeout_is_six_periods_and_what_varies() {
        let timing = LinkTiming::new(Duration::from_millis(20), 1);
        assert_eq!(timing.timeout_us(ms(20), 0.0, 0, 0), ms(120));
        assert_eq!(timing.timeout_us(ms(20), 0.0, ms(3), ms(4)), ms(127));
        assert_eq!(timing.timeout_us(ms(40), 0.0, 0, 0), ms(220), "a peer with more links pings less often");
        assert_eq!(timing.timeout_us(ms(20), 0.0, ms(600), ms(9000)), ms(1100), "25 periods at most, and the way");
        let fast = LinkTiming::new(Duration::from_millis(2), 1);
        assert_eq!(fast.timeout_us(ms(2), 0.0, 0, 0), ms(20));
    }

    /// By hand: 0.02^4 = 1.6e-7, 0.02^5 = 3.2e-9; 0.19^11 = 1.16e-8, 0.19^12 = 2.2e-9.
    #[test]
    fn more_loss_is_suffered_for_longer() {
        assert_eq!([0.0, 0.002, 0.02, 0.19, 0.9, 1.0].map(rounds), [4, 4, 5, 12, 20, 20]);
    }

    #[test]
    fn one_late_timer_in_a_hundred_does_not_count() {
        let mut lag = LoopLag::new();
        for turn in 0..1000_u64 {
            lag.note(if turn % 128 == 5 { 90_000 } else { turn % 7 });
        }
        assert_eq!(lag.percentile_99_us(), 6);
        lag.note(80_000);
        assert_eq!(lag.percentile_99_us(), 80_000);
    }
}
