//! What becomes of a pending version whose mark did not come.

use crate::machine::Machine;
use crate::message::{Outcome, Reply, Request};
use crate::placement::Placement;
use crate::round::Round;
use crate::time::Time;
use crate::version::{NodeId, Version};
use core::time::Duration;

/// Wait so long for the coordinator, then as long for the others.
const ANSWER: Duration = Duration::from_secs(1);

/// What to do with the pending version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is committed: mark it.
    Mark,
    /// Its coordinator aborted it: drop it.
    Drop,
    /// Nobody could tell: ask again later. Never dropped for lack of an answer.
    Later,
}

#[derive(Debug, PartialEq, Eq, Clone, Copy)]
enum Phase {
    Coordinator,
    Peers,
    Done,
}

/// Asks the coordinator of a pending version what became of it; where the coordinator cannot tell, any mark on another
/// node means that it is committed.
#[derive(Debug)]
pub struct PendingCheck {
    title: String,
    version: Version,
    peers: Vec<NodeId>,
    round: Round,
    phase: Phase,
    until: Time,
    verdict: Option<Verdict>,
}

impl PendingCheck {
    /// Begins to ask about the pending version `version` of `title`, or about an upload of it that has stopped.
    pub fn new(now: Time, title: &str, version: Version, placement: &Placement) -> Self {
        let title = title.to_owned();
        let mut round = Round::default();
        round.ask([version.node], &Request::Outcome { title: title.clone(), version });
        let peers = placement.nodes().to_vec();
        Self { title, version, peers, round, phase: Phase::Coordinator, until: now + ANSWER, verdict: None }
    }

    /// The verdict, once.
    pub fn poll_event(&mut self) -> Option<Verdict> {
        self.verdict.take()
    }

    fn give_up(&mut self, now: Time) {
        match self.phase {
            Phase::Coordinator => self.ask_peers(now),
            Phase::Peers => self.finish(Verdict::Later),
            Phase::Done => {}
        }
    }

    fn ask_peers(&mut self, now: Time) {
        self.phase = Phase::Peers;
        self.until = now + ANSWER;
        self.round.ask(self.peers.iter().copied(), &Request::Lookup { title: self.title.clone() });
    }

    fn finish(&mut self, verdict: Verdict) {
        self.phase = Phase::Done;
        self.verdict = Some(verdict);
    }
}

impl Machine for PendingCheck {
    fn handle_message(&mut self, now: Time, from: NodeId, reply: Reply) {
        match (self.phase, reply) {
            (Phase::Coordinator, Reply::Outcome(outcome)) if self.round.answered(from) => match outcome {
                Outcome::Committed => self.finish(Verdict::Mark),
                Outcome::Aborted => self.finish(Verdict::Drop),
                Outcome::Undecided => self.finish(Verdict::Later),
                Outcome::Unknown => self.ask_peers(now),
            },
            (Phase::Peers, Reply::State(state)) if self.round.answered(from) => {
                if state.entries.iter().any(|entry| entry.marked && entry.manifest.version == self.version) {
                    self.finish(Verdict::Mark);
                } else if self.round.waiting().is_empty() {
                    self.finish(Verdict::Later);
                }
            }
            _ => {}
        }
    }

    fn handle_failure(&mut self, now: Time, from: NodeId) {
        if self.round.answered(from) && self.round.waiting().is_empty() {
            self.give_up(now);
        }
    }

    fn handle_timeout(&mut self, now: Time) {
        if now >= self.until {
            self.give_up(now);
        }
    }

    fn poll_transmit(&mut self) -> Option<(NodeId, Request)> {
        self.round.pop()
    }

    fn poll_timeout(&self) -> Option<Time> {
        (self.phase != Phase::Done).then_some(self.until)
    }
}
