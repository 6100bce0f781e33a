//! One change or read under way.

use super::ballot::Ballot;
use super::configuration::Configuration;
use super::electorate::Electorate;
use super::message::RegisterQuestion;
use super::outcome::{Absence, Missing};
use super::record::Accepted;
use super::voter::Voter;
use crate::time::Time;
use crate::version::{Life, NodeId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What the caller wants.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Wish {
    Read,
    Change(Arc<Configuration>),
}

/// How far it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Phase {
    Preparing {
        ballot: Ballot,
        promises: BTreeMap<Voter, Option<Accepted>>,
    },
    Accepting {
        ballot: Ballot,
        accepted: BTreeSet<Voter>,
    },
    /// Somebody else was quicker.
    Waiting,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Attempt {
    pub(super) wish: Wish,
    /// What the value takes the place of.
    pub(super) base: Arc<Configuration>,
    /// What is proposed; of a read the base, until something is found that may be in force.
    pub(super) value: Arc<Configuration>,
    /// The newest that is or was in force for sure.
    pub(super) known: Arc<Configuration>,
    pub(super) phase: Phase,
    pub(super) refusals: u32,
    /// When to ask again, or to begin again.
    pub(super) wake: Time,
    /// When to give up.
    pub(super) until: Time,
    /// Acceptors were asked to accept what the caller wants.
    pub(super) undecided: bool,
    /// Nodes that are in another life than was asked for.
    pub(super) elsewhere: BTreeMap<NodeId, Life>,
}

impl Attempt {
    pub(super) fn new(wish: Wish, base: Arc<Configuration>, value: Arc<Configuration>, until: Time) -> Self {
        let (known, elsewhere) = (Arc::clone(&base), BTreeMap::new());
        let (phase, refusals, undecided) = (Phase::Waiting, 0, false);
        Self { wish, base, value, known, phase, refusals, wake: until, until, undecided, elsewhere }
    }

    pub(super) fn electorate(&self) -> Electorate<'_> {
        Electorate::of(&self.base, &self.value)
    }

    /// Whether it proposes what the caller wants.
    pub(super) fn is_own(&self) -> bool {
        matches!(&self.wish, Wish::Change(value) if *value == self.value)
    }

    /// Whether an answer of this node to this ballot may count.
    pub(super) fn awaits(&self, from: NodeId, asked: Ballot) -> bool {
        match &self.phase {
            Phase::Preparing { ballot, .. } | Phase::Accepting { ballot, .. } => {
                *ballot == asked && self.electorate().listed().iter().any(|voter| voter.node == from)
            }
            Phase::Waiting => false,
        }
    }

    /// Whether an acceptor has shown that the base is not the newest, or that a later configuration was forced.
    pub(super) fn is_behind(&self, shown: &Accepted) -> bool {
        let has_other_voters = shown.base.epoch > self.base.epoch || shown.value.is_forced(&shown.base);
        // So that it goes on to higher and higher epochs, and ends.
        has_other_voters && shown.value.epoch > self.value.epoch
    }

    /// Whether a voter has agreed in this phase.
    pub(super) fn has(&self, voter: Voter) -> bool {
        match &self.phase {
            Phase::Preparing { promises, .. } => promises.contains_key(&voter),
            Phase::Accepting { accepted, .. } => accepted.contains(&voter),
            Phase::Waiting => false,
        }
    }

    /// Whether all majorities have agreed in this phase.
    pub(super) fn is_agreed(&self) -> bool {
        self.electorate().agrees(|voter| self.has(voter))
    }

    /// What to ask a voter in this phase.
    pub(super) fn question(&self, to: Voter) -> Option<RegisterQuestion> {
        match &self.phase {
            Phase::Preparing { ballot, .. } => Some(RegisterQuestion::Prepare { to, ballot: *ballot }),
            Phase::Accepting { ballot, .. } => {
                let (base, value) = (Arc::clone(&self.base), Arc::clone(&self.value));
                Some(RegisterQuestion::Accept { to, proposal: Accepted { ballot: *ballot, base, value } })
            }
            Phase::Waiting => None,
        }
    }

    /// Who has not agreed in this phase; nobody between two attempts.
    pub(super) fn missing(&self) -> Vec<Missing> {
        if self.phase == Phase::Waiting {
            return Vec::new();
        }
        let absent = self.electorate().listed().into_iter().filter(|voter| !self.has(*voter));
        let why = |voter: Voter| match self.elsewhere.get(&voter.node) {
            _ if self.value.is_retired(voter) => Absence::Retired,
            Some(life) => Absence::Life(*life),
            None => Absence::Silent,
        };
        absent.map(|voter| Missing { voter, absence: why(voter) }).collect()
    }
}
