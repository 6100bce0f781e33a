//! A link that goes down time and again must prove itself for longer before it comes up.

/// Fresh echoes in a row that bring a link up.
const ECHOES_MIN: u32 = 3;
/// And so many at most, for one that flaps.
const ECHOES_MAX: u32 = 64;
/// So many Downs within [`SPAN_PERIODS`] are flapping.
const FLAPS: usize = 3;
/// 10 s at a ping each 20 ms, 2.5 s at one each 5 ms: a link that is watched more closely is back sooner, too.
const SPAN_PERIODS: u64 = 500;

/// What a link must prove.
#[derive(Debug, Clone, Copy)]
pub(super) struct Damping {
    span_us: u64,
    /// The last Downs, the newest first.
    downs: [Option<u64>; FLAPS],
    echoes: u32,
    /// What all this was before the last Down.
    before: ([Option<u64>; FLAPS], u32),
}

impl Damping {
    pub(super) const fn new(period_us: u64) -> Self {
        let (downs, echoes) = ([None; FLAPS], ECHOES_MIN);
        Self { span_us: period_us * SPAN_PERIODS, downs, echoes, before: (downs, echoes) }
    }

    /// The fresh echoes in a row that bring the link up.
    pub(super) const fn echoes(&self) -> u32 {
        self.echoes
    }

    pub(super) fn note_down(&mut self, now: u64) {
        self.before = (self.downs, self.echoes);
        self.downs.rotate_right(1);
        self.downs[0] = Some(now);
        let flaps = self.downs[FLAPS - 1].is_some_and(|oldest| now - oldest.min(now) < self.span_us);
        self.echoes = if flaps { (self.echoes * 2).min(ECHOES_MAX) } else { ECHOES_MIN };
    }

    /// The last Down was wrong: it is as if it had not been.
    pub(super) fn forgive(&mut self) {
        (self.downs, self.echoes) = self.before;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_third_down_in_ten_seconds_doubles_what_is_needed() {
        let mut damping = Damping::new(20_000);
        let mut after = |seconds: u64| {
            damping.note_down(seconds * 1_000_000);
            damping.echoes()
        };
        assert_eq!([1, 2].map(&mut after), [3, 3]);
        assert_eq!([3, 4, 5, 6, 7, 8].map(&mut after), [6, 12, 24, 48, 64, 64]);
        assert_eq!([16, 27, 28].map(&mut after), [64, 3, 3], "with fewer in 10 s it is forgotten");
    }

    #[test]
    fn a_wrong_down_counts_for_nothing() {
        let mut damping = Damping::new(5_000);
        for millisecond in (0..5000).step_by(100) {
            damping.note_down(millisecond * 1000);
            damping.forgive();
            assert_eq!(damping.echoes(), 3);
        }
        let after = [5000, 6000, 7000].map(|millisecond: u64| {
            damping.note_down(millisecond * 1000);
            damping.echoes()
        });
        assert_eq!(after, [3, 3, 6], "three right ones in 2.5 s");
    }
}
