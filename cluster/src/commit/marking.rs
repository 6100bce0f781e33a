//! The second phase: marks, until every prepared participant has one.

use crate::machine::Machine;
use crate::manifest::Manifest;
use crate::message::{Reply, Request};
use crate::round::Round;
use crate::time::Time;
use crate::version::NodeId;
use core::time::Duration;
use std::collections::BTreeSet;

const RETRY: Duration = Duration::from_millis(500);

/// Sends the marks of a decided version. Made right after the decision, and again by a coordinator that restarts and
/// finds the decision in its store.
#[derive(Debug)]
pub struct Marking {
    request: Request,
    round: Round,
    marked: BTreeSet<NodeId>,
    retry: Time,
}

impl Marking {
    /// Begins to mark `manifest` on the nodes that prepared it.
    pub fn new(now: Time, manifest: Manifest, prepared: impl IntoIterator<Item = NodeId>) -> Self {
        let request = Request::Mark { manifest, spread: false };
        let mut round = Round::default();
        round.ask(prepared, &request);
        Self { request, round, marked: BTreeSet::new(), retry: now + RETRY }
    }

    /// Nodes whose mark is durable.
    pub fn marked(&self) -> &BTreeSet<NodeId> {
        &self.marked
    }

    /// Every prepared participant answered: the decision has done its work and may go.
    pub fn is_settled(&self) -> bool {
        self.round.waiting().is_empty()
    }
}

impl Machine for Marking {
    fn handle_message(&mut self, _now: Time, from: NodeId, reply: Reply) {
        // A participant that holds nothing any more (its disk was lost) is not waited for, and does not count.
        if matches!(reply, Reply::Marked | Reply::Absent) && self.round.answered(from) && reply == Reply::Marked {
            self.marked.insert(from);
        }
    }

    fn handle_failure(&mut self, _now: Time, _from: NodeId) {
        // It is marked again at the next time-out.
    }

    fn handle_timeout(&mut self, now: Time) {
        if now >= self.retry && !self.is_settled() {
            self.retry = now + RETRY;
            self.round.repeat(&self.request);
        }
    }

    fn poll_transmit(&mut self) -> Option<(NodeId, Request)> {
        self.round.pop()
    }

    fn poll_timeout(&self) -> Option<Time> {
        (!self.is_settled()).then_some(self.retry)
    }
}
