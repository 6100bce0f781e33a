//! A voter's memory: what it promised, and what it accepted.

use super::ballot::{BALLOT_LEAP, Ballot};
use super::message::{RegisterAnswer, RegisterQuestion, Verdict};
use super::record::{Accepted, Record};
use super::voter::Voter;
use crate::version::NodeId;
use std::collections::VecDeque;

/// Answers that wait at most; whoever asks beyond is not answered, and asks again.
pub const ANSWERS_MAX: usize = 256;

type Answers = VecDeque<(NodeId, RegisterAnswer)>;

/// The acceptor of a voter. It says nothing that its disk could still forget: an answer waits until the record of the
/// moment in which it was given is durable.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Acceptor {
    me: Voter,
    /// `None` of a node that has forgotten what it promised in this life: it is no voter until it is in another one.
    record: Option<Record>,
    /// The record is not what was given to the disk last.
    changed: bool,
    saving: bool,
    /// Answers that a save has yet to begin for.
    waiting: Answers,
    /// Answers that the save under way is for.
    held: Answers,
    ready: Answers,
}

impl Acceptor {
    /// The acceptor of a store in its present life, with the record that it found; `None` where it could not be read, or
    /// where there is none although the life is not new. A record of another life is none.
    pub fn new(me: Voter, record: Option<Record>) -> Self {
        let record = record.filter(|record| record.voter == me);
        let [waiting, held, ready] = [const { Answers::new() }; 3];
        Self { me, record, changed: false, saving: false, waiting, held, ready }
    }

    /// What it has promised and accepted, durably or not yet; `None` when it has forgotten.
    pub fn record(&self) -> Option<&Record> {
        self.record.as_ref()
    }

    /// Takes what a proposer asks.
    pub fn handle_question(&mut self, from: NodeId, question: &RegisterQuestion) {
        let (to, ballot) = match question {
            RegisterQuestion::Prepare { to, ballot } => (*to, *ballot),
            RegisterQuestion::Accept { to, proposal } => (*to, proposal.ballot),
            RegisterQuestion::Learned(_) => return,
        };
        // One that leaps would use the numbers up.
        let known = self.record.as_ref().and_then(|record| record.promised).map_or(0, |promised| promised.number);
        if ballot.number.saturating_sub(known) > BALLOT_LEAP {
            return;
        }
        if self.waiting.len() + self.held.len() + self.ready.len() >= ANSWERS_MAX {
            return;
        }
        let verdict = match &mut self.record {
            Some(record) if to == self.me => {
                let before = record.clone();
                let verdict = match question {
                    RegisterQuestion::Accept { proposal, .. } => accept(record, proposal),
                    RegisterQuestion::Prepare { .. } | RegisterQuestion::Learned(_) => prepare(record, ballot),
                };
                self.changed |= before != *record;
                verdict
            }
            _ => Verdict::NotI,
        };
        let answer = (from, RegisterAnswer { voter: self.me, ballot, verdict });
        let queue = match (self.changed, self.saving) {
            (true, _) => &mut self.waiting,
            (false, true) => &mut self.held,
            (false, false) => &mut self.ready,
        };
        queue.push_back(answer);
    }

    /// The record to make durable: in a file of its own, renamed over the last one once it is on the disk. The driver says
    /// when it is, by [`handle_saved`](Self::handle_saved); until then there is no other.
    pub fn poll_save(&mut self) -> Option<Vec<u8>> {
        if self.saving || !self.changed {
            return None;
        }
        (self.saving, self.changed) = (true, false);
        self.held.append(&mut self.waiting);
        self.record.as_ref().map(Record::to_bytes)
    }

    /// Takes the news that the record that was given last is durable.
    pub fn handle_saved(&mut self) {
        self.saving = false;
        self.ready.append(&mut self.held);
    }

    /// Takes the news that the record could not be made durable: nobody gets an answer that it was for, and
    /// [`poll_save`](Self::poll_save) gives it again.
    pub fn handle_save_failure(&mut self) {
        (self.saving, self.changed) = (false, true);
        self.held.clear();
    }

    /// The next answer to send.
    pub fn poll_transmit(&mut self) -> Option<(NodeId, RegisterAnswer)> {
        self.ready.pop_front()
    }
}

fn prepare(record: &mut Record, ballot: Ballot) -> Verdict {
    match record.promised {
        Some(promised) if promised > ballot => Verdict::Refused { promised, accepted: record.accepted.clone() },
        _ => {
            record.promised = Some(ballot);
            Verdict::Promised(record.accepted.clone())
        }
    }
}

fn accept(record: &mut Record, proposal: &Accepted) -> Verdict {
    let promised = record.promised.unwrap_or(proposal.ballot);
    let epoch = record.accepted.as_ref().map_or(0, |accepted| accepted.value.epoch);
    if promised > proposal.ballot || epoch > proposal.value.epoch {
        return Verdict::Refused { promised, accepted: record.accepted.clone() };
    }
    record.promised = Some(proposal.ballot);
    record.accepted = Some(proposal.clone());
    Verdict::Accepted
}
