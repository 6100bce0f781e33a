//! What every machine has in common, so that one driver can drive them all.

use crate::message::{Reply, Request, Sender};
use crate::time::Time;
use crate::version::{Life, NodeId};

/// A machine that asks other nodes and draws conclusions. What it found out it tells by a `poll_event` of its own.
pub trait Machine {
    /// Takes a node's answer. One that is not awaited (late, repeated, of another kind) changes nothing.
    fn handle_message(&mut self, now: Time, from: Sender, reply: Reply);

    /// Takes the news that `from` will not answer what it was asked last.
    fn handle_failure(&mut self, now: Time, from: NodeId);

    /// Takes the news that a node is in this life: what it promised in another one is void.
    fn handle_life(&mut self, _now: Time, _node: NodeId, _life: Life) {}

    /// Looks at the time; too early changes nothing.
    fn handle_timeout(&mut self, now: Time);

    /// The next message to send.
    fn poll_transmit(&mut self) -> Option<(NodeId, Request)>;

    /// When [`handle_timeout`](Self::handle_timeout) is due at the latest; `None` when time changes nothing.
    fn poll_timeout(&self) -> Option<Time>;
}
