//! The worst that the loss of so many parts can do, by looking at every set of them.

use super::pieces::{Cohesion, Wounded};
use super::{LossKind, Part, Topology};
use core::ops::{ControlFlow, Range};

/// As many switches as a search takes, and as many nodes.
pub const PLACES_MAX: usize = 256;

/// One set of lost parts and what it leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// Its number among all sets, from 0, in the order of their parts.
    pub rank: u64,
    /// What is lost.
    pub parts: Vec<Part>,
    /// What is left.
    pub left: Cohesion,
}

/// What was found among some sets of lost parts. Of equally bad ones it names the first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Worst {
    /// How many sets were looked at.
    pub sets: u64,
    /// How many of them partition the cluster, by [`Cohesion::is_partitioned`].
    pub partitions: u64,
    /// The set that leaves the most live nodes outside the biggest piece.
    pub stranded: Option<Loss>,
    /// The set that leaves the biggest second piece.
    pub second: Option<Loss>,
    /// The set that costs the biggest piece the most nodes, lost ones and stranded ones.
    pub lost: Option<Loss>,
    /// Of the sets that partition the cluster the one that strands the most.
    pub partition: Option<Loss>,
}

impl Worst {
    /// The set to show: the worst partition, else the one that strands the most.
    pub fn example(&self) -> Option<&Loss> {
        self.partition.as_ref().or(self.stranded.as_ref())
    }

    /// What was found among the sets of both.
    #[must_use]
    pub fn merge(self, other: Self) -> Self {
        Self {
            sets: self.sets + other.sets,
            partitions: self.partitions + other.partitions,
            stranded: worse(self.stranded, other.stranded, Cohesion::stranded),
            second: worse(self.second, other.second, |left| left.second),
            lost: worse(self.lost, other.lost, |left| PLACES_MAX - left.biggest),
            partition: worse(self.partition, other.partition, Cohesion::stranded),
        }
    }

    fn take(&mut self, rank: u64, left: Cohesion, parts: impl Fn() -> Vec<Part>) {
        let loss = || Some(Loss { rank, parts: parts(), left });
        let is_worse = |known: &Option<Loss>, badness: fn(Cohesion) -> usize| {
            known.as_ref().is_none_or(|known| badness(left) > badness(known.left))
        };
        self.sets += 1;
        if is_worse(&self.stranded, Cohesion::stranded) {
            self.stranded = loss();
        }
        if is_worse(&self.second, |left| left.second) {
            self.second = loss();
        }
        // How many nodes there are is the same for all sets.
        if is_worse(&self.lost, |left| PLACES_MAX - left.biggest) {
            self.lost = loss();
        }
        if left.is_partitioned() {
            self.partitions += 1;
            if is_worse(&self.partition, Cohesion::stranded) {
                self.partition = loss();
            }
        }
    }
}

fn worse(one: Option<Loss>, other: Option<Loss>, badness: fn(Cohesion) -> usize) -> Option<Loss> {
    let (one, other) = match (one, other) {
        (Some(one), Some(other)) => (one, other),
        (one, other) => return one.or(other),
    };
    let is_first = badness(one.left).cmp(&badness(other.left)).then(other.rank.cmp(&one.rank)).is_ge();
    Some(if is_first { one } else { other })
}

/// All sets of so many parts of a kind, numbered, so that ranges of them can be looked at by themselves.
#[derive(Debug, Clone)]
pub struct LossSearch<'topology> {
    topology: &'topology Topology,
    parts: Vec<Part>,
    lose: usize,
}

impl<'topology> LossSearch<'topology> {
    /// The sets of `lose` parts of a kind; none when there are fewer parts.
    ///
    /// # Panics
    /// When the topology has more than [`PLACES_MAX`] switches or nodes.
    pub fn new(topology: &'topology Topology, kind: LossKind, lose: usize) -> Self {
        assert!(topology.switches.max(topology.nodes) <= PLACES_MAX, "a topology beyond the bounds");
        Self { topology, parts: topology.parts(kind), lose }
    }

    /// How many parts there are to lose.
    pub fn parts(&self) -> usize {
        self.parts.len()
    }

    /// How many sets there are; `None` when that is more than a `u64` holds.
    pub fn sets(&self) -> Option<u64> {
        binomial(self.parts.len(), self.lose)
    }

    /// Looks at the sets with these numbers.
    ///
    /// Cost: some 50 ns a set for rings of ten switches, growing with switches and nodes.
    ///
    /// # Panics
    /// When there are no such numbers.
    pub fn check(&self, ranks: Range<u64>) -> Worst {
        let mut worst = Worst::default();
        let _ = self.walk(ranks, |rank, left, set| {
            worst.take(rank, left, || set.iter().map(|part| self.parts[*part]).collect());
            ControlFlow::Continue(())
        });
        worst
    }

    /// Whether any set partitions the cluster. Cost: as [`Self::check`] for the sets up to the first that does.
    ///
    /// # Panics
    /// When there are more sets than a `u64` holds.
    pub fn finds_partition(&self) -> bool {
        let all = 0..self.sets().expect("so few sets that they can be looked at");
        let stop = |_, left: Cohesion, _: &[usize]| {
            if left.is_partitioned() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        self.walk(all, stop).is_break()
    }

    fn walk(
        &self,
        ranks: Range<u64>,
        visit: impl FnMut(u64, Cohesion, &[usize]) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        if self.topology.switches.max(self.topology.nodes) <= 64 {
            self.walk_with::<1>(ranks, visit)
        } else {
            self.walk_with::<{ PLACES_MAX / 64 }>(ranks, visit)
        }
    }

    /// Shows sets with what they lead to, by their numbers among `parts`, until told to stop.
    fn walk_with<const WORDS: usize>(
        &self,
        ranks: Range<u64>,
        mut visit: impl FnMut(u64, Cohesion, &[usize]) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        if ranks.is_empty() {
            return ControlFlow::Continue(());
        }
        let mut wounded = Wounded::<WORDS>::unhurt(self.topology);
        let mut set = unrank(ranks.start, self.parts.len(), self.lose);
        for part in &set {
            wounded.toggle(self.parts[*part]);
        }
        for rank in ranks.clone() {
            visit(rank, wounded.cohesion(), &set)?;
            if rank + 1 < ranks.end {
                self.step(&mut set, &mut wounded);
            }
        }
        ControlFlow::Continue(())
    }

    /// Goes to the next set, and loses it in place of this one.
    fn step<const WORDS: usize>(&self, set: &mut [usize], wounded: &mut Wounded<'_, WORDS>) {
        let count = self.parts.len();
        let last_of = |place: usize| count - self.lose + place;
        let place =
            (0..self.lose).rev().find(|place| set[*place] < last_of(*place)).expect("a set that is not the last");
        for part in &set[place..] {
            wounded.toggle(self.parts[*part]);
        }
        let first = set[place] + 1;
        for (offset, part) in set[place..].iter_mut().enumerate() {
            *part = first + offset;
            wounded.toggle(self.parts[*part]);
        }
    }
}

/// In how many ways `chosen` of `count` things can be chosen.
fn binomial(count: usize, chosen: usize) -> Option<u64> {
    if chosen > count {
        return Some(0);
    }
    let mut ways: u128 = 1;
    for step in 0..chosen.min(count - chosen) {
        ways = ways.checked_mul((count - step) as u128)? / (step as u128 + 1);
        u64::try_from(ways).ok()?;
    }
    u64::try_from(ways).ok()
}

/// The set of `chosen` numbers below `count` with this number, in the order of their lowest, then of the next, and so on.
fn unrank(mut rank: u64, count: usize, chosen: usize) -> Vec<usize> {
    let mut set = Vec::with_capacity(chosen);
    let mut next = 0;
    while set.len() < chosen {
        let with_next = binomial(count.saturating_sub(next + 1), chosen - set.len() - 1).unwrap_or(u64::MAX);
        assert!(next < count, "there is no such set");
        if rank < with_next {
            set.push(next);
        } else {
            rank -= with_next;
        }
        next += 1;
    }
    assert!(chosen > 0 || rank == 0, "there is no such set");
    set
}
