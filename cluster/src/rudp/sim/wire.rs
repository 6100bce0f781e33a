//! One path of the simulated network: what passes it, and what the link protocol says of it.

use crate::random::SplitMix64;
use crate::rudp::PathTransition;
use crate::time::Time;
use core::time::Duration;

/// How a path treats frames.
#[derive(Debug, Clone, Copy)]
pub(super) struct Nature {
    pub(super) delay_us: u64,
    pub(super) jitter_us: u64,
    /// One in so many is lost, comes twice, or gets stuck for up to a second and a half; none when 0.
    pub(super) loss: u64,
    pub(super) repeats: u64,
    pub(super) clogs: u64,
}

#[derive(Debug, Clone)]
pub(super) struct Wire {
    pub(super) nature: Nature,
    /// From its lower end, from its higher end.
    pub(super) works: [bool; 2],
    /// The link protocol is wrong about it.
    pub(super) slandered: bool,
    /// Which pair of starts its history is of.
    pub(super) session: u32,
    wanted: bool,
    epoch: u32,
    /// When each end was, or will be, told last.
    told: [Time; 2],
}

impl Wire {
    pub(super) fn new(nature: Nature) -> Self {
        let told = [Time::default(); 2];
        Self { nature, works: [true; 2], slandered: false, session: 0, wanted: false, epoch: 0, told }
    }

    /// When a frame that leaves now arrives: never, once, or twice.
    pub(super) fn carry(&self, now: Time, direction: usize, random: &mut SplitMix64) -> Vec<Time> {
        if !self.works[direction] || random.one_in(self.nature.loss) {
            return Vec::new();
        }
        let times = 1 + usize::from(random.one_in(self.nature.repeats));
        (0..times)
            .map(|_| {
                let stuck = if random.one_in(self.nature.clogs) { random.within(1000..1_500_000) } else { 0 };
                let delay = self.nature.delay_us + random.within(0..self.nature.jitter_us + 1) + stuck;
                now + Duration::from_micros(delay)
            })
            .collect()
    }

    /// What both ends will be told when the path is, from now on, good or not: the same history at both, each at its
    /// own time.
    pub(super) fn judge(
        &mut self,
        now: Time,
        alive: bool,
        random: &mut SplitMix64,
    ) -> Option<(PathTransition, [Time; 2])> {
        let up = alive && self.works == [true; 2] && !self.slandered;
        if up == self.wanted {
            return None;
        }
        self.wanted = up;
        self.epoch += 1;
        Some((PathTransition { up, epoch: self.epoch }, self.tell(now, random)))
    }

    /// One of the ends started over: the history does, too.
    pub(super) fn begin(&mut self, now: Time, random: &mut SplitMix64) -> (PathTransition, [Time; 2]) {
        self.session += 1;
        (self.wanted, self.epoch) = (false, 0);
        (PathTransition { up: false, epoch: 0 }, self.tell(now, random))
    }

    fn tell(&mut self, now: Time, random: &mut SplitMix64) -> [Time; 2] {
        let noticed = now + Duration::from_micros(random.within(5_000..60_000));
        for told in &mut self.told {
            let due = noticed + Duration::from_micros(random.within(0..30_000));
            *told = due.max(*told + Duration::from_micros(1));
        }
        self.told
    }
}
