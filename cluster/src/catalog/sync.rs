//! How a blank node learns which versions are committed, before its silence may count.

use crate::machine::Machine;
use crate::manifest::Manifest;
use crate::message::{Reply, Request};
use crate::placement::Quorum;
use crate::round::Round;
use crate::time::Time;
use crate::version::NodeId;
use core::time::Duration;
use std::collections::BTreeSet;

const RETRY: Duration = Duration::from_millis(500);

/// What a blank node learnt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Learnt {
    /// A peer knows these versions to be committed: mark those placed here.
    Manifests(Vec<Manifest>),
    /// A peer purged tombstones with counters up to this one.
    Floor(u64),
    /// Enough was learnt: the node is blank no longer.
    Enough,
}

/// Asks the other nodes of the cluster for their committed versions.
///
/// A title acknowledged before this store began is marked on W of its n nodes, less those that lost their disks since.
/// So it is seen once all but W - 1 nodes of the cluster (the asking one among the unseen) have given their lists, or once
/// every other node has answered, blank or not: a cluster in which all are blank is new.
#[derive(Debug)]
pub struct Sync {
    others: usize,
    needed: usize,
    round: Round,
    blank: BTreeSet<NodeId>,
    learnt: BTreeSet<NodeId>,
    retry: Time,
    events: Vec<Learnt>,
}

impl Sync {
    /// Begins to ask `others`, all nodes of the cluster but this one.
    pub fn new(now: Time, others: &[NodeId], quorum: Quorum) -> Self {
        let mut sync = Self {
            others: others.len(),
            needed: (others.len() + 1).saturating_sub(quorum.write() - 1).max(1),
            round: Round::default(),
            blank: BTreeSet::new(),
            learnt: BTreeSet::new(),
            retry: now + RETRY,
            events: Vec::new(),
        };
        sync.round.ask(others.iter().copied(), &Request::Committed);
        sync.advance();
        sync
    }

    /// The next thing learnt, in order.
    pub fn poll_event(&mut self) -> Option<Learnt> {
        (!self.events.is_empty()).then(|| self.events.remove(0))
    }

    fn advance(&mut self) {
        // Blank nodes tell what little they know; when all have answered there is nothing more to learn.
        let everybody_answered = self.blank.len() + self.learnt.len() == self.others;
        if (everybody_answered || self.learnt.len() >= self.needed) && self.events.last() != Some(&Learnt::Enough) {
            self.events.push(Learnt::Enough);
        }
    }
}

impl Machine for Sync {
    fn handle_message(&mut self, _now: Time, from: NodeId, reply: Reply) {
        let Reply::Committed { blank, manifests, floor } = reply else { return };
        if self.learnt.contains(&from) {
            return;
        }
        if !manifests.is_empty() {
            self.events.push(Learnt::Manifests(manifests));
        }
        if floor > 0 {
            self.events.push(Learnt::Floor(floor));
        }
        if blank {
            self.blank.insert(from);
        } else {
            self.blank.remove(&from);
            self.learnt.insert(from);
            self.round.answered(from);
        }
        self.advance();
    }

    fn handle_failure(&mut self, _now: Time, _from: NodeId) {
        // It is asked again at the next time-out.
    }

    fn handle_timeout(&mut self, now: Time) {
        if now >= self.retry {
            self.retry = now + RETRY;
            self.round.repeat(&Request::Committed);
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
