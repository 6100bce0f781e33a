//! The first configuration: how a cluster that has none comes to exactly one.

use super::configuration::Configuration;
use super::error::ConfigurationError;
use super::member::Member;
use super::set::{MemberSet, SetCode, VOTERS_MAX};
use super::voter::Voter;
use crate::time::Time;
use crate::version::{Life, NodeId};
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

/// Ask again after so long.
const AGAIN: Duration = Duration::from_millis(300);
/// What a member said of itself is so for so long: nobody loses a disk and comes back with another one within less.
const FRESH: Duration = Duration::from_secs(2);

/// The members of a cluster to be, as its founder's file describes them; in which life each of them is, is asked.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Founders {
    /// The members, in whatever life.
    pub members: Vec<Member>,
    /// The code of new titles.
    pub code: SetCode,
    /// Catalog nodes of a title.
    pub catalog: u8,
}

/// One member founds the cluster: the one of the lowest id, and no other. It asks all the others what they know. If any of
/// them knows a configuration, the cluster is founded; if all have answered, and none does, it never was, and what the
/// founder writes down is the first.
///
/// Every other member without a configuration asks one after the other, until it is told one.
///
/// So there is one first configuration even where the founder loses its disk after it has told some of them: in its new life
/// it asks again. Whoever answers a new life listens to the old one no more, which is the driver's part: a message of a life
/// that is over is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Founding {
    founders: Founders,
    me: NodeId,
    heard: BTreeMap<NodeId, Heard>,
    pub(super) wake: Time,
    /// How often somebody was asked.
    asked: usize,
    /// Why what was heard last makes no configuration.
    pub(super) error: Option<ConfigurationError>,
}

/// What a member said of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Heard {
    life: Life,
    can_vote: bool,
    at: Time,
}

impl Founding {
    /// Begins to ask. This node is heard like any other.
    pub(super) fn new(now: Time, me: Voter, founders: Founders) -> Self {
        Self { founders, me: me.node, heard: BTreeMap::new(), wake: now, asked: 0, error: None }
    }

    /// Takes what a member said that knows no configuration.
    pub(super) fn hear(&mut self, now: Time, voter: Voter, can_vote: bool) {
        self.heard.insert(voter.node, Heard { life: voter.life, can_vote, at: now });
    }

    /// Whether it may be that of this cluster: the first one is of the members that the file names.
    pub(super) fn may_take(&self, configuration: &Configuration) -> bool {
        let ids = |members: &[Member]| members.iter().map(|member| member.voter.node).collect::<BTreeSet<_>>();
        configuration.epoch > 1 || ids(&configuration.new.members) == ids(&self.founders.members)
    }

    /// Whom to ask now. The founder asks all that have not answered lately: what was said long ago may not be so any more. Others
    /// ask one after the other: of many members each would hear from all of them, all the time.
    pub(super) fn ask(&mut self, now: Time) -> Vec<NodeId> {
        self.wake = now + AGAIN;
        self.heard.retain(|node, heard| *node == self.me || now < heard.at + FRESH);
        let others = self.founders.members.iter().map(|member| member.voter.node).filter(|node| *node != self.me);
        if self.is_founder() {
            let is_old = |node: &NodeId| self.heard.get(node).is_none_or(|heard| now >= heard.at + FRESH / 2);
            return others.filter(is_old).collect();
        }
        self.asked += 1;
        let others: Vec<_> = others.collect();
        others.get(self.asked % others.len().max(1)).copied().into_iter().collect()
    }

    /// Who has not answered.
    pub(super) fn awaited(&self) -> Vec<NodeId> {
        let nodes = self.founders.members.iter().map(|member| member.voter.node);
        nodes.filter(|node| !self.heard.contains_key(node)).collect()
    }

    /// Of the founder the first configuration, once all have answered: the first seven that can vote have a vote each. If
    /// it is none, all are asked again.
    pub(super) fn configuration(&mut self) -> Option<Configuration> {
        let first = self.compose().filter(|_| self.is_founder())?;
        match first.check() {
            Ok(()) => return Some(first),
            Err(error) => self.error = Some(error),
        }
        self.heard.retain(|node, _| *node == self.me);
        None
    }

    fn is_founder(&self) -> bool {
        self.founders.members.iter().map(|member| member.voter.node).min() == Some(self.me)
    }

    fn compose(&self) -> Option<Configuration> {
        let Founders { mut members, code, catalog } = self.founders.clone();
        members.sort_by_key(|member| member.voter.node);
        let mut votes = VOTERS_MAX;
        for member in &mut members {
            let heard = self.heard.get(&member.voter.node)?;
            member.voter.life = heard.life;
            member.weight = u8::from(heard.can_vote && votes > 0);
            votes -= usize::from(member.weight);
        }
        let mut new = MemberSet { members, tie: None, code, catalog };
        new.settle_tie();
        Some(Configuration { epoch: 1, since: 0, old: None, new, retired: Vec::new(), note: String::new() })
    }
}
