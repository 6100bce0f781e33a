//! How a blank node learns which versions are committed, before its silence may count.

use crate::machine::Machine;
use crate::manifest::Record;
use crate::members::Members;
use crate::message::{Reply, Request, Sender};
use crate::round::Round;
use crate::time::Time;
use crate::version::NodeId;
use core::time::Duration;
use std::collections::{BTreeSet, VecDeque};

const RETRY: Duration = Duration::from_millis(500);

/// What a blank node learnt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Learnt {
    /// A peer knows these versions to be committed: mark those that belong here.
    Marked(Vec<Record>),
    /// A peer does not know yet what became of these: it may have been decided on this node's word, given in an earlier
    /// life. This node must say nothing of their titles until that is known.
    Pending(Vec<Record>),
    /// A peer purged tombstones with counters up to this one.
    Floor(u64),
    /// Enough was learnt: the node is blank no longer.
    Enough,
}

/// Asks the other members for their versions.
///
/// Enough are those that [`Members::teachers`] counts; or all others, blank or not: a cluster in which all are blank is
/// new.
#[derive(Debug)]
pub struct Learn {
    others: usize,
    needed: usize,
    round: Round,
    blank: BTreeSet<NodeId>,
    learnt: BTreeSet<NodeId>,
    retry: Time,
    events: VecDeque<Learnt>,
}

impl Learn {
    /// Begins to ask all members but `me`.
    pub fn new(now: Time, members: &Members, me: NodeId) -> Self {
        let others: Vec<_> = members.others(me).collect();
        let mut learn = Self {
            others: others.len(),
            needed: members.teachers(),
            round: Round::default(),
            blank: BTreeSet::new(),
            learnt: BTreeSet::new(),
            retry: now + RETRY,
            events: VecDeque::new(),
        };
        learn.round.ask(others, &Request::Committed { known: None });
        learn.advance();
        learn
    }

    /// The next thing learnt, in order.
    pub fn poll_event(&mut self) -> Option<Learnt> {
        self.events.pop_front()
    }

    fn advance(&mut self) {
        // Blank nodes tell what little they know; when all have answered there is nothing more to learn.
        let everybody_answered = self.blank.len() + self.learnt.len() == self.others;
        if (everybody_answered || self.learnt.len() >= self.needed) && self.events.back() != Some(&Learnt::Enough) {
            self.events.push_back(Learnt::Enough);
        }
    }
}

impl Machine for Learn {
    fn handle_message(&mut self, _now: Time, from: Sender, reply: Reply) {
        let Reply::Committed { blank, marked, pending, floor } = reply else { return };
        if self.learnt.contains(&from.node) || !self.round.awaits(from.node) {
            return;
        }
        let learnt = [
            (!marked.is_empty()).then_some(Learnt::Marked(marked)),
            (!pending.is_empty()).then_some(Learnt::Pending(pending)),
            (floor > 0).then_some(Learnt::Floor(floor)),
        ];
        self.events.extend(learnt.into_iter().flatten());
        if blank {
            self.blank.insert(from.node);
        } else {
            self.blank.remove(&from.node);
            self.learnt.insert(from.node);
            self.round.answered(from.node);
        }
        self.advance();
    }

    fn handle_failure(&mut self, _now: Time, _from: NodeId) {
        // It is asked again at the next time-out.
    }

    fn handle_timeout(&mut self, now: Time) {
        if now >= self.retry {
            self.retry = now + RETRY;
            self.round.repeat();
            // A driver that could not write down what it learnt is told again.
            self.advance();
        }
    }

    fn poll_transmit(&mut self) -> Option<(NodeId, Request)> {
        self.round.pop()
    }

    fn poll_timeout(&self) -> Option<Time> {
        Some(self.retry)
    }
}
