//! When a tombstone may go.

use crate::machine::Machine;
use crate::members::Members;
use crate::message::{Reply, Request, Sender, TitleState};
use crate::round::Round;
use crate::time::Time;
use crate::version::{NodeId, Version};
use core::time::Duration;

const ANSWER: Duration = Duration::from_secs(1);

/// Asks every member of the cluster what it still holds of a deleted title, and, where nothing speaks against it, closes
/// the title there: whoever asked about it earlier can no longer bring anything of it back, however late its message comes.
/// Not before: a node that has missed what was written since would close the title again and again to itself, and refuse
/// what it is told by those who know.
///
/// The tombstone may go when each of them holds the tombstone alone or nothing at all, marked or pending or in upload:
/// then there is nothing left that its absence could bring back. A node that misses the order to purge keeps it; what
/// is written later is above it all the same, because those that purged it remember its counter as a floor. One answer missing, or one node blank: it stays.
#[derive(Debug)]
pub struct PurgeCheck {
    title: String,
    version: Version,
    nodes: Vec<NodeId>,
    round: Round,
    /// The title is being closed: the second round.
    closing: bool,
    until: Time,
    may_go: Option<bool>,
}

impl PurgeCheck {
    /// Begins to ask about the tombstone `version` of `title`.
    pub fn new(now: Time, title: &str, version: Version, members: &Members) -> Self {
        let mut round = Round::default();
        round.ask(members.nodes().iter().copied(), &Request::Lookup { title: title.to_owned() });
        let nodes = members.nodes().to_vec();
        Self { title: title.to_owned(), version, nodes, round, closing: false, until: now + ANSWER, may_go: None }
    }

    /// Whether the tombstone was sent away, once that is known.
    pub fn may_go(&self) -> Option<bool> {
        self.may_go
    }

    fn is_clear(&self, state: &TitleState) -> bool {
        !state.blank
            && state.uploads.is_empty()
            && state.entries.iter().all(|entry| entry.marked && entry.record.version() == self.version)
    }
}

impl Machine for PurgeCheck {
    fn handle_message(&mut self, now: Time, from: Sender, reply: Reply) {
        let Reply::State(state) = reply else { return };
        if self.may_go.is_some() || !self.round.answered(from.node) {
            return;
        }
        if !self.is_clear(&state) || now >= self.until {
            self.may_go = Some(false);
        } else if self.round.is_over() && !self.closing {
            self.closing = true;
            self.until = now + ANSWER;
            self.round.ask(self.nodes.iter().copied(), &Request::Close { title: self.title.clone() });
        } else if self.round.is_over() {
            self.may_go = Some(true);
            let purge = Request::Purge { title: self.title.clone(), version: self.version };
            self.round.tell(self.nodes.iter().copied(), &purge);
        }
    }

    fn handle_failure(&mut self, _now: Time, from: NodeId) {
        if self.may_go.is_none() && self.round.answered(from) {
            self.may_go = Some(false);
        }
    }

    fn handle_timeout(&mut self, now: Time) {
        if now >= self.until {
            self.may_go.get_or_insert(false);
        }
    }

    fn poll_transmit(&mut self) -> Option<(NodeId, Request)> {
        self.round.pop()
    }

    fn poll_timeout(&self) -> Option<Time> {
        self.may_go.is_none().then_some(self.until)
    }
}
