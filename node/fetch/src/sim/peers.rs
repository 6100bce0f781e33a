//! The other nodes: how quick they are, when they fall silent or die, and what lies they tell.

use core::time::Duration;
use rain_cluster::Time;
use rain_cluster::random::SplitMix64;

pub(super) const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

pub(super) fn at(millis: u64) -> Time {
    Time::from_micros(millis * 1000)
}

/// What a node answers that does not answer what it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lie {
    /// A byte is wrong.
    ReadDamage,
    /// Bytes behind the end.
    Long,
    /// The end is missing.
    Short,
    /// It refuses.
    Refusal,
    /// Every byte is wrong, under checksums and hashes that fit.
    Forgery,
    /// The blocks are right, and what is to prove them is not: a byte of the fringe, or of a hash.
    Fringe,
    /// The same: a byte of the last hash.
    Hash,
    /// What is to prove the blocks is missing.
    NoProof,
}

impl Lie {
    /// Those that only proofs find.
    pub(super) const PROVEN: [Self; 4] = [Self::Forgery, Self::Fringe, Self::Hash, Self::NoProof];
}

/// When something is not well.
#[derive(Debug, Clone, Copy)]
pub(super) struct Trouble {
    pub(super) from: Time,
    pub(super) until: Time,
    /// Connections break; otherwise nothing comes.
    pub(super) breaks: bool,
}

impl Trouble {
    pub(super) fn is_at(&self, now: Time) -> bool {
        now >= self.from && now < self.until
    }
}

/// A path to a node.
#[derive(Debug, Clone, Default)]
pub(super) struct Path {
    /// It carries nothing.
    pub(super) cuts: Vec<Trouble>,
    /// It counts as down: not before the cut.
    pub(super) downs: Vec<Trouble>,
}

impl Path {
    pub(super) fn is_cut(&self, now: Time) -> bool {
        self.cuts.iter().any(|cut| cut.is_at(now))
    }

    pub(super) fn is_down(&self, now: Time) -> bool {
        self.downs.iter().any(|down| down.is_at(now))
    }

    /// A cut that is noticed after a while, as is its end.
    pub(super) fn cut(&mut self, from: Time, until: Time, noticed_after: Duration) {
        self.cuts.push(Trouble { from, until, breaks: false });
        if from + noticed_after < until {
            let (from, until) = (from + noticed_after, until + noticed_after);
            self.downs.push(Trouble { from, until, breaks: true });
        }
    }
}

/// A node that is asked.
#[derive(Debug, Clone)]
pub(super) struct Peer {
    pub(super) latency: Duration,
    /// Bytes in a millisecond.
    pub(super) rate: u64,
    /// One frame in so many comes late.
    pub(super) stalls: u64,
    pub(super) stall: Duration,
    pub(super) troubles: Vec<Trouble>,
    pub(super) lie: Option<Lie>,
    pub(super) paths: Vec<Path>,
}

impl Peer {
    /// One that answers promptly.
    pub(super) fn prompt(paths: usize) -> Self {
        Self {
            latency: Duration::from_micros(300),
            rate: 100_000,
            stalls: 0,
            stall: Duration::ZERO,
            troubles: Vec::new(),
            lie: None,
            paths: vec![Path::default(); paths],
        }
    }

    /// One that anything may happen to, until `end`.
    pub(super) fn any(random: &mut SplitMix64, paths: usize, end: u64) -> Self {
        let mut peer = Self::prompt(paths);
        peer.latency = Duration::from_micros(random.pick(&[100, 300, 2000, 8000]));
        peer.rate = random.pick(&[20_000, 100_000, 1_000_000]);
        peer.stalls = random.pick(&[0, 0, 200, 20]);
        peer.stall = ms(random.pick(&[5, 25, 25, 120]));
        for _ in 0..random.pick(&[0, 0, 1, 2]) {
            let from = random.below(end);
            let until = at(from + random.pick(&[30, 300, 2000, 100_000]));
            peer.troubles.push(Trouble { from: at(from), until, breaks: random.one_in(2) });
        }
        if random.one_in(6) {
            peer.lie = Some(random.pick(&[Lie::ReadDamage, Lie::Long, Lie::Short, Lie::Refusal]));
        }
        for path in &mut peer.paths {
            if random.one_in(4) {
                let from = random.below(end);
                let until = from + random.pick(&[50, 700, 3000, 100_000]);
                path.cut(at(from), at(until), ms(random.pick(&[20, 60, 400])));
            }
        }
        peer
    }

    pub(super) fn trouble(&self, now: Time) -> Option<&Trouble> {
        self.troubles.iter().find(|trouble| trouble.is_at(now))
    }

    /// Whether it gives what it has, promptly and truly, over every path, all the time.
    pub(super) fn is_steady(&self, from: Time, until: Time) -> bool {
        let meets = |trouble: &Trouble| trouble.from <= until && trouble.until >= from;
        let whole = |path: &Path| !path.cuts.iter().any(meets) && !path.downs.iter().any(meets);
        self.lie.is_none() && !self.troubles.iter().any(meets) && self.paths.iter().all(whole)
    }

    /// When something about it, or a path to it, changes next.
    pub(super) fn next_change(&self, path: usize, now: Time) -> Option<Time> {
        let troubles = self.troubles.iter().chain(&self.paths[path].cuts);
        troubles.flat_map(|trouble| [trouble.from, trouble.until]).filter(|change| *change > now).min()
    }
}
