//! Whether a store is as old as it thinks: an old copy of a disk has forgotten promises, and does not know it.

use crate::machine::Machine;
use crate::members::Members;
use crate::message::{Memory, Reply, Request, Sender};
use crate::round::Round;
use crate::time::Time;
use crate::version::{Life, NodeId};
use core::time::Duration;
use std::collections::BTreeSet;

const RETRY: Duration = Duration::from_secs(1);
/// Once R nodes, this one among them, agree, wait so long for others: one of them may know better.
const STRAGGLERS: Duration = Duration::from_millis(200);

/// What the others remember.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recalled {
    /// R nodes, this one among them, know of nothing that this store has forgotten: its word may count.
    Sure,
    /// A peer remembers more changes than the store had made when it started, or another life after this one. Unless it
    /// has made as many since, the disk is an old copy and must begin a new life, blank; else see
    /// [`dismiss`](Recall::dismiss).
    Old {
        /// Who says so.
        by: NodeId,
        /// What it remembers.
        memory: Memory,
    },
}

/// Asks the other members what they remember of this node, as soon as it starts, until all have answered.
#[derive(Debug)]
pub struct Recall {
    life: Life,
    serial: u64,
    needed: usize,
    started: Time,
    enough: Option<Time>,
    agreed: BTreeSet<NodeId>,
    /// Who says that the disk is an old copy.
    accuser: Option<NodeId>,
    round: Round,
    retry: Time,
    sure: bool,
    event: Option<Recalled>,
}

impl Recall {
    /// Begins to ask all members but `me`, whose store is in this life and has made `serial` changes durable.
    pub fn new(now: Time, members: &Members, me: Sender) -> Self {
        let mut round = Round::default();
        round.ask(members.others(me.node), &Request::Remembered);
        let mut recall = Self {
            life: me.life,
            serial: me.serial,
            needed: members.quorum().read() - 1,
            started: now,
            enough: None,
            agreed: BTreeSet::new(),
            accuser: None,
            round,
            retry: now + RETRY,
            sure: false,
            event: None,
        };
        recall.advance(now);
        recall
    }

    /// What was found out: [`Recalled::Sure`] once; or [`Recalled::Old`], also after being sure, which ends it unless it is
    /// dismissed.
    pub fn poll_event(&mut self) -> Option<Recalled> {
        self.event.take()
    }

    /// The store has made as many changes as the accuser remembers: this start told it of them.
    pub fn dismiss(&mut self, now: Time) {
        self.agreed.extend(self.accuser.take());
        self.advance(now);
    }

    /// Whether nothing more can come.
    pub fn is_over(&self) -> bool {
        self.round.is_over() && self.sure && self.event.is_none() && self.accuser.is_none()
    }

    fn advance(&mut self, now: Time) {
        if self.sure || self.accuser.is_some() || self.agreed.len() < self.needed {
            return;
        }
        let enough = *self.enough.get_or_insert(now);
        if self.needed == 0 || self.round.is_over() || now >= enough.max(self.started) + STRAGGLERS {
            self.sure = true;
            self.event.get_or_insert(Recalled::Sure);
        }
    }
}

impl Machine for Recall {
    fn handle_message(&mut self, now: Time, from: Sender, reply: Reply) {
        let old = match reply {
            Reply::Remembered(None) => None,
            Reply::Remembered(Some(memory)) => {
                let fewer = memory.life == self.life && memory.serial > self.serial;
                (memory.retired || fewer).then_some(memory)
            }
            Reply::Retired => Some(Memory { life: self.life, serial: self.serial, retired: true }),
            Reply::State(_)
            | Reply::Prepared
            | Reply::Refused(_)
            | Reply::Marked
            | Reply::Absent
            | Reply::Dropped
            | Reply::Outcome(_)
            | Reply::Digest(_)
            | Reply::Committed { .. } => return,
        };
        // One accuser at a time: whoever else says so is asked again.
        if old.is_some() && self.accuser.is_some() || !self.round.answered(from.node) {
            return;
        }
        match old {
            None => drop(self.agreed.insert(from.node)),
            Some(memory) => {
                self.accuser = Some(from.node);
                self.event = Some(Recalled::Old { by: from.node, memory });
            }
        }
        self.advance(now);
    }

    fn handle_failure(&mut self, _now: Time, _from: NodeId) {
        // It is asked again at the next time-out.
    }

    fn handle_timeout(&mut self, now: Time) {
        if now >= self.retry {
            self.retry = now + RETRY;
            self.round.repeat();
        }
        self.advance(now);
    }

    fn poll_transmit(&mut self) -> Option<(NodeId, Request)> {
        self.round.pop()
    }

    fn poll_timeout(&self) -> Option<Time> {
        match self.enough {
            Some(enough) if !self.sure && self.accuser.is_none() => {
                Some(self.retry.min(enough.max(self.started) + STRAGGLERS))
            }
            _ => (!self.round.is_over()).then_some(self.retry),
        }
    }
}
