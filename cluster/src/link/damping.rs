//! A link that goes down time and again must prove itself for longer before it comes up.

/// Fresh echoes in a row that bring a link up.
const ECHOES_MIN: u32 = 3;
/// And so many at most, for one that flaps.
const ECHOES_MAX: u32 = 64;
/// So many Downs within [`SPAN_US`] are flapping.
const FLAPS: usize = 3;
const SPAN_US: u64 = 10_000_000;

/// What a link must prove.
#[derive(Debug, Clone, Copy)]
pub(super) struct Damping {
    /// The last Downs, the newest first.
    downs: [Option<u64>; FLAPS],
    echoes: u32,
}

impl Damping {
    pub(super) const fn new() -> Self {
        Self { downs: [None; FLAPS], echoes: ECHOES_MIN }
    }

    /// The fresh echoes in a row that bring the link up.
    pub(super) const fn echoes(&self) -> u32 {
        self.echoes
    }

    pub(super) fn note_down(&mut self, now: u64) {
        self.downs.rotate_right(1);
        self.downs[0] = Some(now);
        let flaps = self.downs[FLAPS - 1].is_some_and(|oldest| now - oldest.min(now) < SPAN_US);
        self.echoes = if flaps { (self.echoes * 2).min(ECHOES_MAX) } else { ECHOES_MIN };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_third_down_in_ten_seconds_doubles_what_is_needed() {
        let mut damping = Damping::new();
        let mut after = |seconds: u64| {
            damping.note_down(seconds * 1_000_000);
            damping.echoes()
        };
        assert_eq!([1, 2].map(&mut after), [3, 3]);
        assert_eq!([3, 4, 5, 6, 7, 8].map(&mut after), [6, 12, 24, 48, 64, 64]);
        assert_eq!([16, 27, 28].map(&mut after), [64, 3, 3], "with fewer in 10 s it is forgiven");
    }
}
