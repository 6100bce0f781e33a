//! What switches do to what passes them, besides being cut: delay, loss and reordering, and tampering, by a seed.

use super::tamper::Tampering;
use core::time::Duration;
use rain_cluster::random::SplitMix64;

/// A lost piece of a stream comes so much later: a retransmission takes that long on Linux at least.
const RETRANSMISSION: Duration = Duration::from_millis(200);
/// What is reordered is held back for twice the delay, and for so long at least.
const HELD_BACK_MIN: Duration = Duration::from_millis(10);

/// Delay, loss and reordering at each switch on the way.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(in crate::demo) struct Weather {
    /// What a switch adds to the time under way.
    pub(in crate::demo) delay: Duration,
    /// How much is lost at a switch, of 1.
    pub(in crate::demo) loss: f64,
    /// How much is held back at a switch, of 1.
    pub(in crate::demo) reorder: f64,
    /// How much somebody on the way tampers with, of 1.
    pub(in crate::demo) tamper: f64,
    /// Where chance begins.
    pub(in crate::demo) seed: u64,
}

impl Weather {
    /// Whether everything passes at once.
    pub(super) fn is_fair(&self) -> bool {
        self.delay.is_zero() && self.loss <= 0.0 && self.reorder <= 0.0 && self.tamper <= 0.0
    }

    /// The chances of the `count`th stream, or of all datagrams, between two cables.
    pub(super) fn chances(self, from: usize, to: usize, count: u64) -> Chances {
        let mut word = self.seed;
        for part in [from as u64, to as u64, count] {
            word = SplitMix64::new(word ^ part).next_u64();
        }
        Chances { weather: self, random: SplitMix64::new(word) }
    }
}

/// The weather for one flow, piece after piece.
#[derive(Debug)]
pub(super) struct Chances {
    weather: Weather,
    random: SplitMix64,
}

impl Chances {
    fn strikes(&mut self, probability: f64) -> bool {
        // 32 bits are exact in a double.
        f64::from((self.random.next_u64() >> 32) as u32) < probability * 2_f64.powi(32)
    }

    /// How long something is under way across so many switches, and whether it was lost there.
    fn cross(&mut self, switches: usize) -> (Duration, bool) {
        let Weather { delay, loss, reorder, .. } = self.weather;
        let (mut under_way, mut lost) = (Duration::ZERO, false);
        for _ in 0..switches {
            under_way += delay;
            lost |= self.strikes(loss);
            if self.strikes(reorder) {
                under_way += (2 * delay).max(HELD_BACK_MIN);
            }
        }
        (under_way, lost)
    }

    /// What is done to a piece on its way, if anything.
    pub(super) fn tampering(&mut self) -> Option<Tampering> {
        self.strikes(self.weather.tamper).then(|| Tampering::draw(&mut self.random))
    }

    /// To which of `count` cables a stream is led that is meant for another; `None` where it is led right.
    pub(super) fn astray(&mut self, count: usize) -> Option<usize> {
        self.strikes(self.weather.tamper).then(|| self.random.index(count))
    }

    /// How long a datagram is under way; `None` when it is lost.
    pub(super) fn datagram(&mut self, switches: usize) -> Option<Duration> {
        let (under_way, lost) = self.cross(switches);
        (!lost).then_some(under_way)
    }

    /// How long a piece of a stream is under way. Loss shows as TCP makes it: the piece comes a retransmission later.
    pub(super) fn piece(&mut self, switches: usize) -> Duration {
        let (under_way, lost) = self.cross(switches);
        if lost { under_way + RETRANSMISSION } else { under_way }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUGH: Weather = Weather { delay: Duration::from_millis(3), loss: 0.1, reorder: 0.2, tamper: 0.0, seed: 7 };

    fn datagrams(weather: Weather, from: usize, count: u64) -> Vec<Option<Duration>> {
        let mut chances = weather.chances(from, 1, count);
        (0..10_000).map(|_| chances.datagram(2)).collect()
    }

    #[test]
    fn a_seed_gives_the_same_weather_again_and_another_seed_flow_or_stream_another() {
        let once = datagrams(ROUGH, 0, 0);
        assert_eq!(once, datagrams(ROUGH, 0, 0));
        assert_ne!(once, datagrams(Weather { seed: 8, ..ROUGH }, 0, 0));
        assert_ne!(once, datagrams(ROUGH, 2, 0));
        assert_ne!(once, datagrams(ROUGH, 0, 1));
    }

    #[test]
    fn as_much_is_lost_and_held_back_as_was_asked_for() {
        let found = datagrams(ROUGH, 0, 0);
        let lost = found.iter().filter(|found| found.is_none()).count();
        // 1 - 0.9 * 0.9 of 10 000, within five standard deviations.
        assert!((1700..2100).contains(&lost), "{lost} lost");
        let plain = found.iter().filter(|found| **found == Some(Duration::from_millis(6))).count();
        // 0.81 * 0.8 * 0.8.
        assert!((4930..5440).contains(&plain), "{plain} neither lost nor held back");
        assert!(found.iter().flatten().all(|under_way| *under_way >= Duration::from_millis(6)));
        assert!(found.contains(&Some(Duration::from_millis(26))), "held back twice");
    }

    #[test]
    fn in_fair_weather_all_passes_at_once_and_of_a_stream_nothing_is_ever_lost() {
        assert!(Weather::default().is_fair() && !ROUGH.is_fair());
        assert!(datagrams(Weather::default(), 0, 0).iter().all(|found| *found == Some(Duration::ZERO)));
        let mut chances = Weather { loss: 1.0, ..Weather::default() }.chances(0, 1, 0);
        assert_eq!((chances.piece(1), chances.datagram(1)), (RETRANSMISSION, None));
    }
}
