//! One question to several nodes, and who still owes an answer.

use crate::message::Request;
use crate::version::NodeId;
use std::collections::{BTreeSet, VecDeque};

/// Messages on their way out, and the nodes whose answer is awaited.
#[derive(Debug, Default)]
pub(crate) struct Round {
    outbox: VecDeque<(NodeId, Request)>,
    waiting: BTreeSet<NodeId>,
}

impl Round {
    /// Forgets the round before and asks each of `nodes`.
    pub(crate) fn ask(&mut self, nodes: impl IntoIterator<Item = NodeId>, request: &Request) {
        self.outbox.clear();
        self.waiting.clear();
        self.waiting.extend(nodes);
        self.repeat(request);
    }

    /// Asks again those who still owe an answer.
    pub(crate) fn repeat(&mut self, request: &Request) {
        self.outbox.extend(self.waiting.iter().map(|node| (*node, request.clone())));
    }

    /// Sends without awaiting an answer.
    pub(crate) fn tell(&mut self, nodes: impl IntoIterator<Item = NodeId>, request: &Request) {
        self.outbox.extend(nodes.into_iter().map(|node| (node, request.clone())));
    }

    /// Notes that `node` answered or failed; false when nothing was owed.
    pub(crate) fn answered(&mut self, node: NodeId) -> bool {
        self.waiting.remove(&node)
    }

    /// Nodes that still owe an answer.
    pub(crate) fn waiting(&self) -> &BTreeSet<NodeId> {
        &self.waiting
    }

    /// The next message to send.
    pub(crate) fn pop(&mut self) -> Option<(NodeId, Request)> {
        self.outbox.pop_front()
    }
}
