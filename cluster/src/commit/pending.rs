//! What becomes of a pending version whose mark did not come.

use crate::machine::Machine;
use crate::members::{Catalog, Members};
use crate::message::{Outcome, Reply, Request, Sender, TitleState};
use crate::round::Round;
use crate::time::Time;
use crate::version::{NodeId, Version};
use core::time::Duration;
use std::collections::BTreeSet;

/// Wait so long for the coordinator, then as long for the others.
const ANSWER: Duration = Duration::from_secs(1);

/// What to do with the pending version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PendingFate {
    /// It is committed: mark it.
    Mark,
    /// Its coordinator aborted it, or is gone and left no trace of a commit: drop it.
    Drop,
    /// Nobody could tell: ask again later. Never dropped for lack of an answer.
    Later,
}

#[derive(Debug, PartialEq, Eq, Clone, Copy)]
enum Phase {
    /// What does the coordinator say?
    Coordinator,
    /// It does not answer: any mark on another node means that it is committed.
    Peers,
    /// Its life is over: no catalog node takes its word any more, and none has a mark: nobody can ever have one.
    Retiring,
    Done,
}

/// Asks the coordinator of a pending version what became of it; where the coordinator cannot tell, any mark on another
/// node means that it is committed. Where the coordinator's life is over, every catalog node is made to take no more marks
/// on its word: when all of them have answered without a mark there will never be one.
///
/// A blank node may have had a mark in an earlier life. But an acknowledged version, and one that a reader was told as
/// fresh, had W marks: as long as fewer than W nodes are blank, one of them would be seen. A node that inherited the very
/// version that is asked about is blank for its title, and must not wait for itself.
#[derive(Debug)]
pub struct PendingCheck {
    title: String,
    version: Version,
    catalog: Catalog,
    blank: BTreeSet<NodeId>,
    /// The coordinator's life is known to be over.
    is_over: bool,
    round: Round,
    phase: Phase,
    until: Time,
    fate: Option<PendingFate>,
}

impl PendingCheck {
    /// Begins to ask about the pending version `version` of `title`, or about an upload of it that has stopped.
    pub fn new(now: Time, title: &str, version: Version, members: &Members) -> Self {
        let title = title.to_owned();
        let mut round = Round::default();
        round.ask([version.node], &Request::Outcome { title: title.clone(), version });
        Self {
            catalog: members.catalog_of(&title),
            blank: BTreeSet::new(),
            is_over: false,
            title,
            version,
            round,
            phase: Phase::Coordinator,
            until: now + ANSWER,
            fate: None,
        }
    }

    /// The same, of a coordinator whose life is known to be over: it may be gone for good. Where its node does not answer, it counts as
    /// one that has forgotten.
    pub fn of_one_that_is_over(now: Time, title: &str, version: Version, members: &Members) -> Self {
        let mut check = Self { is_over: true, round: Round::default(), ..Self::new(now, title, version, members) };
        check.ask_catalog(now, Phase::Retiring);
        check
    }

    /// The fate, once.
    pub fn poll_event(&mut self) -> Option<PendingFate> {
        self.fate.take()
    }

    fn give_up(&mut self, now: Time) {
        match self.phase {
            Phase::Coordinator => self.ask_catalog(now, Phase::Peers),
            Phase::Retiring if self.is_over && self.round.answered(self.version.node) && self.round.is_over() => {
                self.blank.insert(self.version.node);
                self.conclude();
            }
            Phase::Peers | Phase::Retiring => self.finish(PendingFate::Later),
            Phase::Done => {}
        }
    }

    fn ask_catalog(&mut self, now: Time, phase: Phase) {
        self.until = now + ANSWER;
        let title = self.title.clone();
        let Version { node, life, .. } = self.version;
        let request =
            if phase == Phase::Retiring { Request::Retire { title, node, life } } else { Request::Lookup { title } };
        self.phase = phase;
        self.round.ask(self.catalog.nodes().iter().copied(), &request);
    }

    fn finish(&mut self, fate: PendingFate) {
        self.phase = Phase::Done;
        self.round.close();
        self.fate = Some(fate);
    }

    fn take_state(&mut self, from: NodeId, state: &TitleState) {
        let same = |entry: &&crate::message::Entry| entry.record.version() == self.version;
        if state.entries.iter().filter(same).any(|entry| entry.marked) {
            return self.finish(PendingFate::Mark);
        }
        if state.blank && self.phase == Phase::Retiring {
            self.blank.insert(from);
        }
        self.conclude();
    }

    fn conclude(&mut self) {
        if self.round.is_over() {
            let sure = self.phase == Phase::Retiring && self.catalog.hides_nothing(|node| self.blank.contains(&node));
            self.finish(if sure { PendingFate::Drop } else { PendingFate::Later });
        }
    }
}

impl Machine for PendingCheck {
    fn handle_message(&mut self, now: Time, from: Sender, reply: Reply) {
        match (self.phase, reply) {
            (Phase::Coordinator, Reply::Outcome(outcome)) if self.round.answered(from.node) => match outcome {
                Outcome::Committed => self.finish(PendingFate::Mark),
                Outcome::Aborted => self.finish(PendingFate::Drop),
                Outcome::Undecided => self.finish(PendingFate::Later),
                Outcome::Unknown => self.ask_catalog(now, Phase::Retiring),
            },
            (Phase::Peers | Phase::Retiring, Reply::State(state)) if self.round.answered(from.node) => {
                self.take_state(from.node, &state);
            }
            _ => {}
        }
    }

    fn handle_failure(&mut self, now: Time, from: NodeId) {
        if self.is_over && from == self.version.node && self.round.answered(from) {
            self.blank.insert(from);
            return self.conclude();
        }
        if self.round.answered(from) && (self.round.is_over() || self.phase == Phase::Retiring) {
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
