//! The coordinator of one PUT or DELETE.

use crate::catalog::resolve::Answers;
use crate::commit::Marking;
use crate::machine::Machine;
use crate::manifest::Record;
use crate::members::{Count, Members};
use crate::message::{Base, Refusal, Reply, Request, Sender, Share};
use crate::placement::Placement;
use crate::rendezvous::rendezvous;
use crate::round::Round;
use crate::time::Time;
use crate::version::{Life, NodeId, Version};
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

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

/// How many columns a version has, and how many of them give it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Columns of the code: n.
    pub columns: usize,
    /// Columns that give the content back: k.
    pub data_columns: usize,
}

impl Shape {
    /// min(n, k + 1): so many columns are durable before a PUT is acknowledged: one more loss is survived, where the code
    /// survives any.
    pub fn needed(self) -> usize {
        self.columns.min(self.data_columns + 1)
    }
}

/// Who does what, for whom.
#[derive(Debug, Clone)]
pub struct PutRequest {
    /// The title.
    pub title: String,
    /// The members, and among them the catalog nodes.
    pub members: Arc<Members>,
    /// The coordinator.
    pub coordinator: NodeId,
    /// The present life of the coordinator's ledger.
    pub life: Life,
    /// A fresh random number.
    pub random: u32,
    /// The shape of the code; `None` for a DELETE.
    pub shape: Option<Shape>,
}

/// What must hold of the newest version for the PUT or DELETE to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Condition {
    /// Nothing.
    #[default]
    None,
    /// The version that was the newest when the upload began must still be; no other may be pending. Since W is more
    /// than half of C, at most one of several such PUTs succeeds.
    Unchanged,
}

/// The upload may begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Begin {
    /// The version to write.
    pub version: Version,
    /// Where its columns go.
    pub placement: Placement,
    /// The nodes of the placement that can be reached, with their columns.
    pub uploads: Vec<(NodeId, u16)>,
    /// The newest committed version, or its tombstone.
    pub current: Option<Record>,
    /// The epoch of the members among whom it is written.
    pub epoch: u64,
}

/// The columns of a version, on their way to the nodes that are to keep them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shares {
    /// These nodes have theirs: those of [`Begin`] that took the whole upload.
    Uploaded(Vec<NodeId>),
    /// The records of every column: each node of [`Begin`] gets its own with the question whether it prepares.
    Carried(Vec<Arc<[u8]>>),
}

impl Shares {
    fn of(&self, node: NodeId, column: u16) -> Option<Share> {
        match self {
            Self::Uploaded(nodes) => nodes.contains(&node).then_some(Share { column, records: None }),
            Self::Carried(columns) => {
                let records = columns.get(usize::from(column))?;
                Some(Share { column, records: Some(Arc::clone(records)) })
            }
        }
    }
}

/// Why nothing was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Abort {
    /// Too few nodes took part, or fewer than R catalog nodes told what they know.
    TooFewNodes {
        /// Nodes that did.
        found: usize,
        /// Nodes that must.
        expected: usize,
    },
    /// Too few nodes had room.
    NoSpace,
    /// Another version came in between, and the condition does not hold any more, or cannot be told to hold.
    ConditionFailed,
    /// A newer version was made under a condition while this one was on its way: it can no longer come before it.
    Superseded,
    /// The members are others by now: what was begun among those before is not finished.
    Epoch,
    /// The driver gave up: the body broke off, or the decision could not be written.
    Driver,
}

/// What the driver is to do, or may tell the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PutEvent {
    /// Upload the columns, then call [`Put::prepare`], or [`Put::abort`].
    Begin(Begin),
    /// Make the decision durable: this version, prepared by these nodes. Then call [`Put::decided`].
    Decide(Record, Vec<NodeId>),
    /// W marks are durable: tell the client.
    Acknowledged {
        /// Columns that are durable: c.
        columns: usize,
        /// So many nodes may go, whichever they are: min(c - k, marks - 1, C - R).
        tolerates: usize,
    },
    /// The version is committed, but W marks are not durable yet: tell the client that it may or may not be seen.
    Unconfirmed,
    /// Every prepared participant has its mark: the decision may go. The machine is done.
    Settled,
    /// Nothing was stored. The machine is done once its messages are sent.
    Aborted(Abort),
}

/// What a node promised in the first phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Promise {
    life: Life,
    has_column: bool,
}

#[derive(Debug)]
enum Phase {
    Asking,
    Uploading,
    Preparing { since: Time, retry: Time, record: Record },
    Deciding { record: Record },
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
    begin: Option<Begin>,
    /// Which column each node was asked to keep.
    columns: BTreeMap<NodeId, u16>,
    prepared: BTreeMap<NodeId, Promise>,
    refusals: Vec<Refusal>,
    /// Why it is given up, should the driver do that.
    reason: Abort,
    phase: Phase,
    events: VecDeque<PutEvent>,
}

impl Put {
    /// Begins to ask the catalog nodes what they know, and the nodes that are to hold columns whether they are there.
    pub fn new(now: Time, request: PutRequest) -> Self {
        let answers = Answers::new(&request.title, &request.members);
        let columns = request.shape.map_or(0, |shape| shape.columns);
        let mut asked = rendezvous(&request.title, request.members.takers());
        asked.truncate(columns);
        asked.extend(answers.catalog().nodes());
        let mut round = Round::default();
        round.ask(asked, &Request::Lookup { title: request.title.clone() });
        Self {
            request,
            started: now,
            round,
            answers,
            begin: None,
            columns: BTreeMap::new(),
            prepared: BTreeMap::new(),
            refusals: Vec::new(),
            reason: Abort::Driver,
            phase: Phase::Asking,
            events: VecDeque::new(),
        }
    }

    /// Make the version durable with those who are to keep columns of it, and in the catalog.
    ///
    /// # Panics
    /// Unless the last event was [`PutEvent::Begin`] and `record` is of its version.
    pub fn prepare(&mut self, now: Time, record: Record, shares: &Shares, condition: Condition) {
        assert!(matches!(self.phase, Phase::Uploading), "prepare before Begin");
        let begin = self.begin.as_ref().expect("uploading is after Begin");
        assert_eq!(record.version(), begin.version, "another version");
        let base = match condition {
            Condition::None => Base::Any,
            Condition::Unchanged => {
                begin.current.as_ref().map_or(Base::Nothing, |current| Base::Version(current.version()))
            }
        };
        let share = |(node, column): &(NodeId, u16)| Some((*node, shares.of(*node, *column)?));
        let mut shares: BTreeMap<NodeId, Share> = begin.uploads.iter().filter_map(share).collect();
        self.columns = shares.iter().map(|(node, share)| (*node, share.column)).collect();
        // Whoever holds a column of what is replaced should hear of it, too; and every catalog node that is there.
        let participants = self.answers.nodes().filter(|node| {
            self.columns.contains_key(node)
                || self.answers.catalog().contains(*node)
                || begin.current.as_ref().is_some_and(|current| current.placement.column_of(*node).is_some())
        });
        let requests: Vec<_> = participants
            .map(|node| {
                let (record, share) = (record.clone(), shares.remove(&node));
                (node, Request::Prepare { record, base, share, ticket: self.answers.ticket(node) })
            })
            .collect();
        self.round.ask_each(requests);
        self.phase = Phase::Preparing { since: now, retry: now + PREPARE_RETRY, record };
        self.advance(now);
    }

    /// Gives up before the decision.
    pub fn abort(&mut self) {
        if matches!(self.phase, Phase::Asking | Phase::Uploading | Phase::Preparing { .. } | Phase::Deciding { .. }) {
            self.finish_aborted(self.reason);
        }
    }

    /// Takes the news that the members are others: what was only asked is asked anew; what was begun, and is not decided, is
    /// given up.
    pub fn handle_members(&mut self, now: Time, members: &Arc<Members>) {
        match self.phase {
            Phase::Asking => {
                *self = Self::new(now, PutRequest { members: Arc::clone(members), ..self.request.clone() });
            }
            Phase::Uploading | Phase::Preparing { .. } => self.finish_aborted(Abort::Epoch),
            // Whether it is decided, the store says.
            Phase::Deciding { .. } => self.reason = Abort::Epoch,
            Phase::Marking { .. } | Phase::Done => {}
        }
    }

    /// The decision is durable: from here on the version is committed.
    ///
    /// # Panics
    /// Unless the last event was [`PutEvent::Decide`].
    pub fn decided(&mut self, now: Time) {
        let Phase::Deciding { record } = core::mem::replace(&mut self.phase, Phase::Done) else {
            panic!("decided before Decide");
        };
        let marking = Marking::new(now, record, self.prepared.keys().copied());
        self.phase = Phase::Marking { since: now, told: false, marking };
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<PutEvent> {
        self.events.pop_front()
    }

    /// The version that is being written, once it is chosen.
    pub fn version(&self) -> Option<Version> {
        self.begin.as_ref().map(|begin| begin.version)
    }

    fn needed_columns(&self) -> usize {
        self.request.shape.map_or(0, Shape::needed)
    }

    /// What is missing to begin: nodes found, and expected.
    fn missing_to_begin(&self) -> Option<Count> {
        let reached = self.answers.catalog().written(|node| self.answers.has(node));
        let columns = Count { found: self.reached_columns().len(), expected: self.needed_columns() };
        // Enough nodes may be there, and too many of them blank.
        [reached, columns, self.answers.counted()].into_iter().find(|count| !count.is_enough())
    }

    fn placement(&self) -> Placement {
        let Some(shape) = self.request.shape else { return Placement::none() };
        let old = self.answers.newest_marked().map(|record| &*record.placement);
        let store_of = |node| self.answers.store(node);
        Placement::choose(&self.request.title, &self.request.members, shape.columns, old, store_of)
    }

    fn reached_columns(&self) -> Vec<(NodeId, u16)> {
        let placement = self.placement();
        (0..)
            .zip(placement.nodes())
            .filter(|(_, node)| self.answers.has(*node))
            .map(|(column, node)| (node, column))
            .collect()
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
        let missing = self.missing_to_begin();
        let patience = if missing.is_none() { STRAGGLERS } else { ANSWERS };
        if !self.round.is_over() && now < self.started + patience {
            return;
        }
        if let Some(Count { found, expected }) = missing {
            return self.finish_aborted(Abort::TooFewNodes { found, expected });
        }
        let begin = Begin {
            version: Version {
                counter: self.answers.highest_counter().saturating_add(1),
                node: self.request.coordinator,
                life: self.request.life,
                random: self.request.random,
            },
            placement: self.placement(),
            uploads: self.reached_columns(),
            current: self.answers.newest_marked().cloned(),
            epoch: self.request.members.epoch(),
        };
        self.round.close();
        self.phase = Phase::Uploading;
        self.begin = Some(begin.clone());
        self.events.push_back(PutEvent::Begin(begin));
    }

    fn prepared_catalog(&self) -> Count {
        self.answers.catalog().written(|node| self.prepared.contains_key(&node))
    }

    fn prepared_columns(&self) -> usize {
        self.prepared.values().filter(|promise| promise.has_column).count()
    }

    fn advance_preparing(&mut self, now: Time) {
        let Phase::Preparing { since, record, .. } = &self.phase else { return };
        let (catalog, columns) = (self.prepared_catalog(), self.prepared_columns());
        let enough = catalog.is_enough() && columns >= self.needed_columns();
        let patience = if enough { PREPARE_STRAGGLERS } else { PREPARE };
        // Once enough have refused, the others cannot make up for it.
        let hopeless = !self.refusals.is_empty() && self.is_hopeless();
        if !self.round.is_over() && !hopeless && now < *since + patience {
            return;
        }
        let refused = |refusal| self.refusals.contains(&refusal);
        if enough {
            let record = record.clone();
            self.events.push_back(PutEvent::Decide(record.clone(), self.prepared.keys().copied().collect()));
            self.round.close();
            self.phase = Phase::Deciding { record };
        } else if refused(Refusal::Condition) {
            self.finish_aborted(Abort::ConditionFailed);
        } else if refused(Refusal::Epoch) {
            self.finish_aborted(Abort::Epoch);
        } else if refused(Refusal::Superseded) {
            self.finish_aborted(Abort::Superseded);
        } else if refused(Refusal::NoSpace) {
            self.finish_aborted(Abort::NoSpace);
        } else if !catalog.is_enough() {
            self.finish_aborted(Abort::TooFewNodes { found: catalog.found, expected: catalog.expected });
        } else {
            self.finish_aborted(Abort::TooFewNodes { found: columns, expected: self.needed_columns() });
        }
    }

    /// Whether those that have not answered yet are too few to make it enough.
    fn is_hopeless(&self) -> bool {
        let may_prepare = |node: NodeId| self.prepared.contains_key(&node) || self.round.awaits(node);
        let columns = self.columns.keys().filter(|node| self.round.awaits(**node)).count();
        !self.answers.catalog().written(may_prepare).is_enough()
            || self.prepared_columns() + columns < self.needed_columns()
    }

    fn advance_marking(&mut self, now: Time) {
        let columns = self.prepared_columns();
        let (needed, catalog) = (self.needed_columns(), self.answers.catalog());
        let Phase::Marking { since, told, marking } = &mut self.phase else { return };
        let marked: BTreeSet<_> = marking.marked().collect();
        let is_marked = |node| marked.contains(&node);
        if !*told && catalog.written(is_marked).is_enough() && columns >= needed {
            *told = true;
            let of_columns = self.request.shape.map_or(usize::MAX, |shape| columns.saturating_sub(shape.data_columns));
            let tolerates = of_columns.min(catalog.tolerates(is_marked));
            self.events.push_back(PutEvent::Acknowledged { columns, tolerates });
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
        self.round.close();
        if let Some(Begin { version, .. }) = self.begin {
            let drop = Request::Drop { title: self.request.title.clone(), version };
            self.round.tell(self.answers.nodes(), &drop);
        }
        self.phase = Phase::Done;
        self.events.push_back(PutEvent::Aborted(reason));
    }
}

impl Machine for Put {
    fn handle_message(&mut self, now: Time, from: Sender, reply: Reply) {
        match (&mut self.phase, reply) {
            (Phase::Asking, Reply::State(_)) if self.round.awaits(from.node) && now > self.started + ANSWERS => {
                // As in a resolution: all answers that are used come within one span of time.
                self.round.answered(from.node);
            }
            (Phase::Asking, Reply::State(state)) if self.round.answered(from.node) => {
                self.answers.insert(from, state);
            }
            (Phase::Preparing { .. }, Reply::Prepared) if self.round.answered(from.node) => {
                let promise = Promise { life: from.life, has_column: self.columns.contains_key(&from.node) };
                self.prepared.insert(from.node, promise);
            }
            (Phase::Preparing { .. }, Reply::Refused(refusal)) if self.round.answered(from.node) => {
                self.refusals.push(refusal);
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

    fn handle_life(&mut self, now: Time, node: NodeId, life: Life) {
        if self.prepared.get(&node).is_some_and(|promise| promise.life != life) {
            // Its column and its promise went with its disk.
            self.prepared.remove(&node);
        }
        if let Phase::Marking { marking, .. } = &mut self.phase {
            marking.handle_life(now, node, life);
        }
        self.advance(now);
    }

    fn handle_timeout(&mut self, now: Time) {
        if let Phase::Preparing { retry, .. } = &mut self.phase
            && now >= *retry
        {
            *retry = now + PREPARE_RETRY;
            self.round.repeat();
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
            Phase::Asking if self.missing_to_begin().is_none() => Some(self.started + STRAGGLERS),
            Phase::Asking => Some(self.started + ANSWERS),
            Phase::Preparing { since, retry, .. } => {
                let enough = self.prepared_catalog().is_enough() && self.prepared_columns() >= self.needed_columns();
                let patience = if enough { PREPARE_STRAGGLERS } else { PREPARE };
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
    use crate::message::{Signet, TitleState};

    /// One that lies about its floor would use the counters up, and the title could never be written again.
    #[test]
    fn a_counter_that_leaps_is_not_followed() {
        let ids = [0, 1, 2].map(NodeId);
        let members = Arc::new(Members::new(0, ids.to_vec(), None).unwrap());
        let shape = Some(Shape { columns: 2, data_columns: 1 });
        let title = "film".to_owned();
        let begun = |floors: [u64; 3]| {
            let (members, title) = (Arc::clone(&members), title.clone());
            let request = PutRequest { title, members, coordinator: NodeId(0), life: Life(1), random: 2, shape };
            let mut put = Put::new(Time::default(), request);
            for (node, floor) in ids.into_iter().zip(floors) {
                let state = TitleState { floor, ..TitleState::default() };
                let from = Sender { node, life: Life(1), serial: 0, epoch: 0, signet: Signet(0) };
                put.handle_message(Time::default(), from, Reply::State(state));
            }
            let Some(PutEvent::Begin(begin)) = put.poll_event() else { panic!("all are there") };
            begin.version.counter
        };
        assert_eq!(begun([4, u64::MAX, 3]), 5);
        assert_eq!(begun([4, 1 << 31, 3]), (1 << 31) + 1);
    }
}
