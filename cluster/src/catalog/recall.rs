//! Whether a store is as old as it thinks: an old copy of a disk has forgotten promises, and does not know it.

use crate::machine::Machine;
use crate::members::Members;
use crate::message::{Memory, Reply, Request, Sender, Testimony};
use crate::round::Round;
use crate::time::Time;
use crate::version::{Life, NodeId};
use core::time::Duration;
use std::collections::{BTreeSet, VecDeque};

const RETRY: Duration = Duration::from_secs(1);
/// Once R nodes, this one among them, agree, wait so long for others: one of them may know better.
const STRAGGLERS: Duration = Duration::from_millis(200);

/// What the others remember.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recalled {
    /// R nodes, this one among them, know of nothing that this store has forgotten: its word may count.
    Sure,
    /// A peer remembers more changes than the store had made when it started, or other lives of it. Where that is this
    /// node's own word, and the store has forgotten it, the disk is an old copy and must begin a new life, blank; else see
    /// [`dismiss`](Recall::dismiss).
    Told {
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
    /// What is to be looked at.
    told: VecDeque<(NodeId, Memory)>,
    /// Whose memory is being looked at.
    looked_at: Option<NodeId>,
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
            needed: members.witnesses() - 1,
            started: now,
            enough: None,
            agreed: BTreeSet::new(),
            told: VecDeque::new(),
            looked_at: None,
            round,
            retry: now + RETRY,
            sure: false,
            event: None,
        };
        recall.advance(now);
        recall
    }

    /// What was found out: [`Recalled::Sure`] once; or [`Recalled::Told`], also after being sure, of one peer after the
    /// other, which ends it unless it is dismissed.
    pub fn poll_event(&mut self) -> Option<Recalled> {
        if self.looked_at.is_none()
            && let Some((by, memory)) = self.told.pop_front()
        {
            self.looked_at = Some(by);
            return Some(Recalled::Told { by, memory });
        }
        self.event.take()
    }

    /// The store has forgotten nothing of what was told last: it has made as many changes, or what was told is not its word.
    pub fn dismiss(&mut self, now: Time) {
        self.agreed.extend(self.looked_at.take());
        self.advance(now);
    }

    fn is_told(&self) -> bool {
        self.looked_at.is_some() || !self.told.is_empty()
    }

    /// Whether nothing more can come.
    pub fn is_over(&self) -> bool {
        self.round.is_over() && self.sure && self.event.is_none() && !self.is_told()
    }

    fn advance(&mut self, now: Time) {
        if self.sure || self.is_told() || self.agreed.len() < self.needed {
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
        let Reply::Remembered(memory) = reply else { return };
        if !self.round.answered(from.node) {
            return;
        }
        let more = |said: &Testimony| said.life != self.life || said.serial > self.serial;
        if memory.retired || memory.lives.iter().any(more) {
            self.told.push_back((from.node, memory));
        } else {
            self.agreed.insert(from.node);
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
            Some(enough) if !self.sure && !self.is_told() => {
                Some(self.retry.min(enough.max(self.started) + STRAGGLERS))
            }
            _ => (!self.round.is_over()).then_some(self.retry),
        }
    }
}
