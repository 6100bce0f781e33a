//! The coordinator of one PUT or DELETE.

use crate::catalog::resolve::Answers;
use crate::commit::Marking;
use crate::machine::Machine;
use crate::manifest::Manifest;
use crate::message::{Base, Reply, Request};
use crate::placement::Placement;
use crate::round::Round;
use crate::time::Time;
use crate::version::{NodeId, Version};
use core::time::Duration;
use std::collections::{BTreeSet, VecDeque};

/// Once R and W are satisfied, wait so long for the other nodes before the upload begins.
const STRAGGLERS: Duration = Duration::from_millis(200);
/// Wait so long for R and W to be satisfied.
const ANSWERS: Duration = Duration::from_millis(1500);
/// Ask again for a missing Prepared.
const PREPARE_RETRY: Duration = Duration::from_secs(1);
/// Once W nodes have prepared, wait so long for the others.
const PREPARE_STRAGGLERS: Duration = Duration::from_secs(2);
/// Wait so long for W nodes to prepare: an fsync of a large column takes its time.
const PREPARE: Duration = Duration::from_mins(1);
/// Tell the client that the outcome is unknown when W marks are not durable after so long.
const MARKS: Duration = Duration::from_secs(5);

/// Who does what, for whom.
#[derive(Debug, Clone)]
pub struct PutRequest {
    /// The title.
    pub title: String,
    /// Its nodes.
    pub placement: Placement,
    /// The coordinator.
    pub coordinator: NodeId,
    /// The present life of the coordinator's store.
    pub life: u32,
    /// A fresh random number.
    pub random: u32,
}

/// What must hold of the newest version for the PUT or DELETE to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Condition {
    /// Nothing.
    #[default]
    None,
    /// The version that was the newest when the upload began must still be; no other may be pending. Since W is more
    /// than half of n, at most one of several such PUTs succeeds.
    Unchanged,
}

/// The upload may begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Begin {
    /// The version to write.
    pub version: Version,
    /// The placement nodes that are reachable, at least W.
    pub participants: Vec<NodeId>,
    /// The newest committed version, or its tombstone.
    pub current: Option<Manifest>,
}

/// Why nothing was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Abort {
    /// Fewer than W placement nodes took part, or fewer than R told what they know.
    TooFewNodes {
        /// Nodes that did.
        found: usize,
        /// Nodes that must.
        expected: usize,
    },
    /// Fewer than W nodes had room.
    NoSpace,
    /// Another version came in between.
    ConditionFailed,
    /// The driver gave up: the body broke off, or the decision could not be written.
    Driver,
}

/// What the driver is to do, or may tell the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PutEvent {
    /// Upload the columns, then call [`Put::prepare`], or [`Put::abort`].
    Begin(Begin),
    /// Make the decision durable: this version, prepared by these nodes. Then call [`Put::decided`].
    Decide(Manifest, Vec<NodeId>),
    /// W marks are durable: tell the client.
    Acknowledged {
        /// Columns that are durable: c. The version survives the loss of c - k of them.
        columns: usize,
    },
    /// The version is committed, but W marks are not durable yet: tell the client that it may or may not be seen.
    Unconfirmed,
    /// Every prepared participant has its mark: the decision may go. The machine is done.
    Settled,
    /// Nothing was stored. The machine is done once its messages are sent.
    Aborted(Abort),
}

#[derive(Debug)]
enum Phase {
    Asking,
    Uploading,
    Preparing { since: Time, retry: Time, request: Request, manifest: Manifest },
    Deciding { manifest: Manifest },
    Marking { since: Time, told: bool, marking: Marking },
    Done,
}

/// The coordinator of one PUT or DELETE: one version of one title.
#[derive(Debug)]
pub struct Put {
    request: PutRequest,
    started: Time,
    round: Round,
    answers: Answers,
    version: Option<Version>,
    participants: Vec<NodeId>,
    current: Option<Manifest>,
    prepared: BTreeSet<NodeId>,
    full: usize,
    conflicts: usize,
    phase: Phase,
    events: VecDeque<PutEvent>,
}

impl Put {
    /// Begins to ask the placement nodes what they know.
    pub fn new(now: Time, request: PutRequest) -> Self {
        let mut round = Round::default();
        round.ask(request.placement.nodes().iter().copied(), &Request::Lookup { title: request.title.clone() });
        Self {
            request,
            started: now,
            round,
            answers: Answers::default(),
            version: None,
            participants: Vec::new(),
            current: None,
            prepared: BTreeSet::new(),
            full: 0,
            conflicts: 0,
            phase: Phase::Asking,
            events: VecDeque::new(),
        }
    }

    /// The columns are with `participants` (those of [`Begin`] that took the whole upload): make them durable.
    ///
    /// # Panics
    /// Unless the last event was [`PutEvent::Begin`] and `manifest` is of its version.
    pub fn prepare(&mut self, now: Time, manifest: Manifest, participants: Vec<NodeId>, condition: Condition) {
        assert!(matches!(self.phase, Phase::Uploading), "prepare before Begin");
        assert_eq!(Some(manifest.version), self.version, "another version");
        let base = match condition {
            Condition::None => Base::Any,
            Condition::Unchanged => {
                self.current.as_ref().map_or(Base::Nothing, |current| Base::Version(current.version))
            }
        };
        let request = Request::Prepare { manifest: manifest.clone(), base };
        self.round.ask(participants, &request);
        self.phase = Phase::Preparing { since: now, retry: now + PREPARE_RETRY, request, manifest };
        self.advance(now);
    }

    /// Gives up before the decision.
    pub fn abort(&mut self) {
        if matches!(self.phase, Phase::Asking | Phase::Uploading | Phase::Preparing { .. } | Phase::Deciding { .. }) {
            self.finish_aborted(Abort::Driver);
        }
    }

    /// The decision is durable: from here on the version is committed.
    ///
    /// # Panics
    /// Unless the last event was [`PutEvent::Decide`].
    pub fn decided(&mut self, now: Time) {
        let Phase::Deciding { manifest } = core::mem::replace(&mut self.phase, Phase::Done) else {
            panic!("decided before Decide");
        };
        let marking = Marking::new(now, manifest, self.prepared.iter().copied());
        self.phase = Phase::Marking { since: now, told: false, marking };
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<PutEvent> {
        self.events.pop_front()
    }

    fn write(&self) -> usize {
        self.request.placement.quorum().write()
    }

    fn may_begin(&self) -> bool {
        self.answers.counted() >= self.request.placement.quorum().read() && self.answers.nodes().count() >= self.write()
    }

    fn advance(&mut self, now: Time) {
        match &mut self.phase {
            Phase::Asking => self.advance_asking(now),
            Phase::Preparing { .. } => self.advance_preparing(now),
            Phase::Marking { .. } => self.advance_marking(now),
            Phase::Uploading | Phase::Deciding { .. } | Phase::Done => {}
        }
    }

    fn advance_asking(&mut self, now: Time) {
        let patience = if self.may_begin() { STRAGGLERS } else { ANSWERS };
        if !self.round.waiting().is_empty() && now < self.started + patience {
            return;
        }
        if !self.may_begin() {
            let (reached, counted) = (self.answers.nodes().count(), self.answers.counted());
            let read = self.request.placement.quorum().read();
            // Enough nodes may be there, and too many of them blank.
            let (found, expected) = if reached < self.write() { (reached, self.write()) } else { (counted, read) };
            return self.finish_aborted(Abort::TooFewNodes { found, expected });
        }
        let version = Version {
            // No honest node ever heard of the highest number there is; of one that lies, it must not break this one.
            counter: self.answers.highest_counter().saturating_add(1),
            node: self.request.coordinator,
            life: self.request.life,
            random: self.request.random,
        };
        self.version = Some(version);
        self.participants = self.answers.nodes().collect();
        self.current = self.answers.newest_marked().cloned();
        self.phase = Phase::Uploading;
        self.events.push_back(PutEvent::Begin(Begin {
            version,
            participants: self.participants.clone(),
            current: self.current.clone(),
        }));
    }

    fn advance_preparing(&mut self, now: Time) {
        let Phase::Preparing { since, manifest, .. } = &self.phase else { return };
        let enough = self.prepared.len() >= self.write();
        let patience = if enough { PREPARE_STRAGGLERS } else { PREPARE };
        if !self.round.waiting().is_empty() && now < *since + patience {
            return;
        }
        if enough {
            let manifest = manifest.clone();
            self.events.push_back(PutEvent::Decide(manifest.clone(), self.prepared.iter().copied().collect()));
            self.phase = Phase::Deciding { manifest };
        } else if self.conflicts > 0 {
            self.finish_aborted(Abort::ConditionFailed);
        } else if self.full > 0 {
            self.finish_aborted(Abort::NoSpace);
        } else {
            self.finish_aborted(Abort::TooFewNodes { found: self.prepared.len(), expected: self.write() });
        }
    }

    fn advance_marking(&mut self, now: Time) {
        let (write, prepared) = (self.write(), self.prepared.len());
        let Phase::Marking { since, told, marking } = &mut self.phase else { return };
        if !*told && marking.marked().len() >= write {
            *told = true;
            self.events.push_back(PutEvent::Acknowledged { columns: prepared });
        } else if !*told && (now >= *since + MARKS || marking.is_settled()) {
            *told = true;
            self.events.push_back(PutEvent::Unconfirmed);
        }
        if marking.is_settled() {
            self.phase = Phase::Done;
            self.events.push_back(PutEvent::Settled);
        }
    }

    /// Drops what may lie at any participant, also at those that did not answer: they may have prepared unheard.
    fn finish_aborted(&mut self, reason: Abort) {
        if let Some(version) = self.version {
            let drop = Request::Drop { title: self.request.title.clone(), version };
            self.round.ask([], &drop);
            self.round.tell(self.participants.iter().copied(), &drop);
        }
        self.phase = Phase::Done;
        self.events.push_back(PutEvent::Aborted(reason));
    }
}

impl Machine for Put {
    fn handle_message(&mut self, now: Time, from: NodeId, reply: Reply) {
        match (&mut self.phase, reply) {
            (Phase::Asking, Reply::State(state)) if self.round.answered(from) => self.answers.insert(from, state),
            (Phase::Preparing { .. }, Reply::Prepared) if self.round.answered(from) => {
                self.prepared.insert(from);
            }
            (Phase::Preparing { .. }, Reply::Refused { no_space, condition_failed }) if self.round.answered(from) => {
                self.full += usize::from(no_space);
                self.conflicts += usize::from(condition_failed);
            }
            (Phase::Marking { marking, .. }, reply) => marking.handle_message(now, from, reply),
            _ => return,
        }
        self.advance(now);
    }

    fn handle_failure(&mut self, now: Time, from: NodeId) {
        // A mark is sent again and again; an unreachable participant of the first phase is left out.
        if matches!(self.phase, Phase::Asking | Phase::Preparing { .. }) && self.round.answered(from) {
            self.advance(now);
        }
    }

    fn handle_timeout(&mut self, now: Time) {
        if let Phase::Preparing { retry, request, .. } = &mut self.phase
            && now >= *retry
        {
            *retry = now + PREPARE_RETRY;
            self.round.repeat(request);
        } else if let Phase::Marking { marking, .. } = &mut self.phase {
            marking.handle_timeout(now);
        }
        self.advance(now);
    }

    fn poll_transmit(&mut self) -> Option<(NodeId, Request)> {
        if let Phase::Marking { marking, .. } = &mut self.phase { marking.poll_transmit() } else { self.round.pop() }
    }

    fn poll_timeout(&self) -> Option<Time> {
        match &self.phase {
            Phase::Asking if self.may_begin() => Some(self.started + STRAGGLERS),
            Phase::Asking => Some(self.started + ANSWERS),
            Phase::Preparing { since, retry, .. } => {
                let patience = if self.prepared.len() >= self.write() { PREPARE_STRAGGLERS } else { PREPARE };
                Some((*retry).min(*since + patience))
            }
            Phase::Marking { since, told: false, marking } => {
                Some(marking.poll_timeout().map_or(*since + MARKS, |retry| retry.min(*since + MARKS)))
            }
            Phase::Marking { marking, .. } => marking.poll_timeout(),
            Phase::Uploading | Phase::Deciding { .. } | Phase::Done => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::TitleState;
    use crate::placement::Quorum;

    /// One that lies about its floor gets a version that is no higher, and stops nobody.
    #[test]
    fn the_highest_counter_there_is_does_not_overflow() {
        let placement = Placement::of("film", &[NodeId(0)], Quorum::new(1, 1));
        let request = PutRequest { title: "film".to_owned(), placement, coordinator: NodeId(0), life: 1, random: 2 };
        let mut put = Put::new(Time::default(), request);
        let state = TitleState { floor: u64::MAX, ..TitleState::default() };
        put.handle_message(Time::default(), NodeId(0), Reply::State(state));
        let Some(PutEvent::Begin(begin)) = put.poll_event() else { panic!("one node is enough here") };
        assert_eq!(begin.version.counter, u64::MAX);
    }
}
