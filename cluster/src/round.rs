//! Questions to several nodes, and who still owes an answer.

use crate::message::Request;
use crate::version::NodeId;
use std::collections::{BTreeMap, VecDeque};

/// Messages on their way out, and the nodes whose answer is awaited.
#[derive(Debug, Default)]
pub(crate) struct Round {
    outbox: VecDeque<(NodeId, Request)>,
    waiting: BTreeMap<NodeId, Request>,
}

impl Round {
    /// Forgets the round before and asks each of `nodes`.
    pub(crate) fn ask(&mut self, nodes: impl IntoIterator<Item = NodeId>, request: &Request) {
        self.ask_each(nodes.into_iter().map(|node| (node, request.clone())));
    }

    /// Forgets the round before and asks each node something of its own.
    pub(crate) fn ask_each(&mut self, requests: impl IntoIterator<Item = (NodeId, Request)>) {
        self.outbox.clear();
        self.waiting = requests.into_iter().collect();
        self.repeat();
    }

    /// Asks one more node.
    pub(crate) fn ask_one(&mut self, node: NodeId, request: Request) {
        self.outbox.push_back((node, request.clone()));
        self.waiting.insert(node, request);
    }

    /// Asks again those who still owe an answer.
    pub(crate) fn repeat(&mut self) {
        self.outbox.extend(self.waiting.iter().map(|(node, request)| (*node, request.clone())));
    }

    /// Sends without awaiting an answer.
    pub(crate) fn tell(&mut self, nodes: impl IntoIterator<Item = NodeId>, request: &Request) {
        self.outbox.extend(nodes.into_iter().map(|node| (node, request.clone())));
    }

    /// Awaits no more answers.
    pub(crate) fn close(&mut self) {
        self.outbox.clear();
        self.waiting.clear();
    }

    /// Notes that `node` answered or failed; false when nothing was owed.
    pub(crate) fn answered(&mut self, node: NodeId) -> bool {
        self.waiting.remove(&node).is_some()
    }

    /// Whether `node` still owes an answer.
    pub(crate) fn awaits(&self, node: NodeId) -> bool {
        self.waiting.contains_key(&node)
    }

    /// Whether nobody owes an answer any more.
    pub(crate) fn is_over(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The next message to send.
    pub(crate) fn pop(&mut self) -> Option<(NodeId, Request)> {
        self.outbox.pop_front()
    }
}
