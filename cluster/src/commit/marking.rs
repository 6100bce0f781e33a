//! The second phase: marks, until every prepared participant has one.

use crate::machine::Machine;
use crate::manifest::Record;
use crate::message::{Reply, Request, Sender};
use crate::round::Round;
use crate::time::Time;
use crate::version::{Life, NodeId};
use core::time::Duration;
use std::collections::BTreeMap;

const RETRY: Duration = Duration::from_millis(500);

/// Sends the marks of a decided version. Made right after the decision, and again by a coordinator that restarts and
/// finds the decision in its ledger.
#[derive(Debug)]
pub struct Marking {
    request: Request,
    round: Round,
    /// In which life each node marked it.
    marked: BTreeMap<NodeId, Life>,
    retry: Time,
}

impl Marking {
    /// Begins to mark `record` on the nodes that prepared it.
    pub fn new(now: Time, record: Record, prepared: impl IntoIterator<Item = NodeId>) -> Self {
        let request = Request::Mark { record, spread: None };
        let mut round = Round::default();
        round.ask(prepared, &request);
        Self { request, round, marked: BTreeMap::new(), retry: now + RETRY }
    }

    /// Nodes whose mark is durable, as far as is known.
    pub fn marked(&self) -> impl Iterator<Item = NodeId> {
        self.marked.keys().copied()
    }

    /// Every prepared participant answered: the decision has done its work and may go.
    pub fn is_settled(&self) -> bool {
        self.round.is_over()
    }
}

impl Machine for Marking {
    fn handle_message(&mut self, _now: Time, from: Sender, reply: Reply) {
        // A participant that holds nothing any more (its disk was lost) is not waited for, and does not count.
        if matches!(reply, Reply::Marked | Reply::Absent) && self.round.answered(from.node) && reply == Reply::Marked {
            self.marked.insert(from.node, from.life);
        }
    }

    fn handle_failure(&mut self, _now: Time, _from: NodeId) {
        // It is marked again at the next time-out.
    }

    fn handle_life(&mut self, _now: Time, node: NodeId, life: Life) {
        // What it marked is gone with its disk. It may have learnt of the version since, and is asked again.
        if self.marked.get(&node).is_some_and(|marked| *marked != life) {
            self.marked.remove(&node);
            self.round.ask_one(node, self.request.clone());
        }
    }

    fn handle_timeout(&mut self, now: Time) {
        if now >= self.retry && !self.is_settled() {
            self.retry = now + RETRY;
            self.round.repeat();
        }
    }

    fn poll_transmit(&mut self) -> Option<(NodeId, Request)> {
        self.round.pop()
    }

    fn poll_timeout(&self) -> Option<Time> {
        (!self.is_settled()).then_some(self.retry)
    }
}
