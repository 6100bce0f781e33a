//! Whether the newer of two sets may be in force alone, where the nodes that keep data are others.

use super::configuration::Configuration;
use super::error::{ConfigurationError, SHORT, take_flag};
use super::voter::Voter;
use crate::bytes::Fields;
use crate::version::{Life, NodeId};
use std::collections::BTreeMap;

/// How far the store of a member is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Progress {
    /// It goes by the members of this epoch: [`Members::epoch`](crate::Members::epoch).
    pub goes_by: u64,
    /// It has learnt all that was decided by members of epochs before that one, and what became of all that was open then.
    pub has_learnt: bool,
}

impl Progress {
    pub(super) fn put(self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.goes_by.to_le_bytes());
        bytes.push(u8::from(self.has_learnt));
    }

    pub(super) fn take(fields: &mut Fields<'_>) -> Result<Self, ConfigurationError> {
        Ok(Self { goes_by: fields.u64().ok_or(SHORT)?, has_learnt: take_flag("learnt", fields)? })
    }
}

/// What members said of their stores since two sets are in force.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Readiness(BTreeMap<NodeId, (Life, Progress)>);

impl Readiness {
    pub(super) fn hear(&mut self, who: Voter, progress: Progress) {
        self.0.insert(who.node, (who.life, progress));
    }

    /// Whether the older set of `joint` may go: too few know nothing of the newer one to read past it, and whoever must have
    /// learnt has.
    pub(super) fn is_enough(&self, joint: &Configuration) -> bool {
        let Ok(members) = joint.members() else { return false };
        let goes_by = |node| self.0.get(&node).is_some_and(|(_, progress)| progress.goes_by >= joint.since);
        let has_learnt = |node: &NodeId| {
            let (heard, member) = (self.0.get(node), joint.new.member(*node));
            heard.zip(member).is_some_and(|((life, progress), member)| {
                *life == member.voter.life && progress.goes_by >= joint.since && progress.has_learnt
            })
        };
        joint.old.is_some() && members.is_known_enough(goes_by) && members.learners().iter().all(has_learnt)
    }

    /// Who has not said that it has learnt, of those who must have.
    pub(super) fn awaited(&self, joint: &Configuration) -> Vec<NodeId> {
        let learners = joint.members().map(|members| members.learners()).unwrap_or_default();
        let is_awaited = |node: &NodeId| {
            !self.0.get(node).is_some_and(|(_, progress)| progress.goes_by >= joint.since && progress.has_learnt)
        };
        learners.into_iter().filter(is_awaited).collect()
    }
}
