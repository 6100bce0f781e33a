//! Who must agree before a configuration takes the place of another one.

use super::configuration::Configuration;
use super::set::MemberSet;
use super::voter::Voter;
use std::collections::BTreeSet;

/// The voters of a step from `base` to `value`: of every set in force before it and after it more than half of the
/// votes. Where the step is forced, of the sets after it alone.
#[derive(Debug, Clone, Copy)]
pub struct Electorate<'a> {
    base: &'a Configuration,
    value: &'a Configuration,
}

impl<'a> Electorate<'a> {
    /// That of a step; of none where both are the same.
    pub fn of(base: &'a Configuration, value: &'a Configuration) -> Self {
        Self { base, value }
    }

    /// Whom to ask: all voters but those whose life is over by the step itself. Their votes count in the sums, and
    /// nobody gives them.
    pub fn voters(self) -> BTreeSet<Voter> {
        self.listed().into_iter().filter(|voter| !self.value.is_retired(*voter)).collect()
    }

    /// All voters.
    pub(super) fn listed(self) -> BTreeSet<Voter> {
        self.sets().flat_map(MemberSet::voters).map(|(voter, _)| voter).collect()
    }

    /// Whether these voters have a majority in each set.
    pub fn agrees(self, has: impl Fn(Voter) -> bool) -> bool {
        self.sets().all(|set| set.has_majority(|voter| has(voter) && !self.value.is_retired(voter)))
    }

    fn sets(self) -> impl Iterator<Item = &'a MemberSet> {
        let before = if self.value.is_forced(self.base) { None } else { Some(self.base.sets()) };
        before.into_iter().flatten().chain(self.value.sets())
    }
}
