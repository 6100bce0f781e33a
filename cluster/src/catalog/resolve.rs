//! Version resolution: the newest marked version that R catalog nodes know.

use crate::machine::Machine;
use crate::manifest::Record;
use crate::members::{Catalog, Count, Members};
use crate::message::{ColumnStatus, Entry, Reply, Request, Sender, Ticket, TitleState};
use crate::round::Round;
use crate::time::Time;
use crate::version::{COUNTER_LEAP, Life, NodeId, Version};
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

/// Beyond R answers, wait so long for the rest: they may save spreading marks.
const STRAGGLERS: Duration = Duration::from_millis(100);
/// With fewer than R answers, wait so long for more.
const ANSWERS: Duration = Duration::from_secs(1);
/// Wait so long for marks to spread.
const SPREAD: Duration = Duration::from_millis(500);

/// A version to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundVersion {
    /// The version, what it is, and where its columns lie; never a tombstone.
    pub record: Record,
    /// R catalog nodes answered, so no newer version was acknowledged before the question.
    pub confirmed: bool,
    /// At least W catalog nodes have marked it: every later confirmed reader gets this version or a newer one.
    pub settled: bool,
    /// How each node that answered holds its column of this version.
    pub columns: BTreeMap<NodeId, ColumnStatus>,
}

impl FoundVersion {
    /// Whether a later reader cannot get an older version, and no newer one was acknowledged before this was asked.
    pub fn is_fresh(&self) -> bool {
        self.confirmed && self.settled
    }
}

/// What a reader gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolution {
    /// This version.
    Found(FoundVersion),
    /// There is no such title.
    Absent {
        /// The version of the tombstone, where one is left.
        tombstone: Option<Version>,
        /// Whether no later reader can see the title as it was before the tombstone.
        settled: bool,
    },
    /// Too few nodes answered to say anything.
    TooFew {
        /// Nodes that answered and are not blank.
        found: usize,
        /// Nodes that must answer: R.
        expected: usize,
    },
}

#[derive(Debug, PartialEq, Eq, Clone, Copy)]
enum Phase {
    Asking,
    Spreading { until: Time },
    Done,
}

/// The answers to a Lookup of the catalog nodes, and of others.
#[derive(Debug)]
pub(crate) struct Answers {
    catalog: Catalog,
    /// Where columns of new versions go; none as long as the members were never others.
    takers: BTreeSet<NodeId>,
    /// What each said, and in which life.
    states: BTreeMap<NodeId, (Life, TitleState)>,
}

/// What is said of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word<'a> {
    /// It is committed, and is this.
    Committed(&'a Record),
    /// Its coordinator has not committed it, or had not when it was asked, whatever others say.
    Undecided,
    /// Some say that it is this, as many that it is something else.
    Contested,
}

impl Answers {
    pub(crate) fn new(title: &str, members: &Members) -> Self {
        let has_changed = members.epoch() > 0;
        let takers = members.takers().iter().copied().filter(|_| has_changed).collect();
        Self { catalog: members.catalog_of(title), takers, states: BTreeMap::new() }
    }

    pub(crate) fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    pub(crate) fn insert(&mut self, from: Sender, state: TitleState) {
        self.states.insert(from.node, (from.life, state));
    }

    fn of_catalog(&self) -> impl Iterator<Item = (NodeId, &TitleState)> {
        self.catalog.nodes().iter().filter_map(|node| Some((*node, &self.states.get(node)?.1)))
    }

    /// Answers that count towards R: those of catalog nodes that are not blank.
    pub(crate) fn counted(&self) -> Count {
        self.catalog.read(|node| self.states.get(&node).map(|(life, state)| (*life, state.blank)))
    }

    /// R nodes have answered that are not blank.
    pub(crate) fn is_quorum(&self) -> bool {
        self.counted().is_enough()
    }

    /// R nodes have answered, and agree in what the newest version is.
    fn is_confirmed(&self) -> bool {
        self.is_quorum() && !matches!(self.newest(), Some(Word::Contested))
    }

    /// The newest version known to be committed. Once R nodes that are not blank have answered, nobody else is heard: a
    /// blank node may remember what was purged since.
    pub(crate) fn newest_marked(&self) -> Option<&Record> {
        self.words().find_map(|word| if let Word::Committed(record) = word { Some(record) } else { None })
    }

    /// What is said of the newest version that may be committed.
    fn newest(&self) -> Option<Word<'_>> {
        self.words().find(|word| *word != Word::Undecided)
    }

    /// What is said of each version that anybody tells to be committed, the newest first.
    fn words(&self) -> impl Iterator<Item = Word<'_>> {
        let versions: BTreeSet<Version> = self.told().map(|(_, record)| record.version()).collect();
        versions.into_iter().rev().map(|version| self.word(version))
    }

    /// What is told to be committed, and by whom.
    fn told(&self) -> impl Iterator<Item = (NodeId, &Record)> {
        let quorum = self.is_quorum();
        let heard = self.of_catalog().filter(move |(_, state)| !(quorum && state.blank));
        heard.flat_map(|(node, state)| {
            state.entries.iter().filter(|entry| entry.marked).map(move |entry| (node, &entry.record))
        })
    }

    /// A version is its coordinator's: where that is a catalog node, and speaks in the life that made it, its word counts
    /// alone, and its silence. It knows of all that it committed, or of something newer. Else that of most nodes counts:
    /// there is one word unless somebody lies.
    fn word(&self, version: Version) -> Word<'_> {
        let coordinator = self.states.get(&version.node).filter(|_| self.catalog.contains(version.node));
        // An old copy of its disk has forgotten.
        if let Some((_, state)) = coordinator.filter(|(life, state)| *life == version.life && !state.blank) {
            let is_it = |entry: &&Entry| entry.marked && entry.record.version() == version;
            let entry = state.entries.iter().find(is_it);
            return entry.map_or(Word::Undecided, |entry| Word::Committed(&entry.record));
        }
        let told: Vec<(NodeId, &Record)> = self.told().filter(|(_, record)| record.version() == version).collect();
        // A node has one voice, however often it says the same.
        let voices = |record: &Record| {
            told.iter().filter(|(_, other)| *other == record).map(|(node, _)| node).collect::<BTreeSet<_>>().len()
        };
        let most = told.iter().map(|(_, record)| voices(record)).max().unwrap_or(0);
        let mut heard = told.iter().map(|(_, record)| *record).filter(|record| voices(record) == most);
        match heard.next() {
            Some(record) if heard.all(|other| other == record) => Word::Committed(record),
            _ => Word::Contested,
        }
    }

    /// Whether the newest version is told by its coordinator, or by more than one node.
    fn is_vouched(&self) -> bool {
        self.newest_marked().is_none_or(|record| {
            let tellers: BTreeSet<NodeId> = self.marked(record);
            tellers.len() > 1 || tellers.contains(&record.version().node)
        })
    }

    pub(crate) fn highest_counter(&self) -> u64 {
        let mut counters: Vec<u64> = self.states.values().map(|(_, state)| state.highest_counter()).collect();
        counters.sort_unstable();
        let highest = counters.pop().unwrap_or(0);
        let second = counters.pop().unwrap_or(0);
        if highest > second.saturating_add(COUNTER_LEAP) { second } else { highest }
    }

    pub(crate) fn nodes(&self) -> impl Iterator<Item = NodeId> {
        self.states.keys().copied()
    }

    pub(crate) fn has(&self, node: NodeId) -> bool {
        self.states.contains_key(&node)
    }

    pub(crate) fn ticket(&self, node: NodeId) -> Ticket {
        self.states.get(&node).map(|(_, state)| state.ticket).unwrap_or_default()
    }

    pub(crate) fn store(&self, node: NodeId) -> Option<u32> {
        self.states.get(&node).map(|(_, state)| state.store)
    }

    /// Catalog nodes that have marked a version. The mark of a blank node is durable like any other.
    fn marked(&self, record: &Record) -> BTreeSet<NodeId> {
        let has = |state: &TitleState| state.entries.iter().any(|entry| entry.marked && entry.record == *record);
        self.of_catalog().filter(|(_, state)| has(state)).map(|(node, _)| node).collect()
    }

    /// Whether a node is no catalog node and takes no columns.
    fn may_be_leaving(&self, node: NodeId) -> bool {
        !self.takers.is_empty() && !self.takers.contains(&node) && !self.catalog.contains(node)
    }

    /// Whether a column of the newest version is not where the PUT laid it, and nobody who answered says that he holds it.
    fn is_somewhere_else(&self) -> bool {
        let Some(record) = self.newest_marked().filter(|_| !self.takers.is_empty()) else { return false };
        let held = self.columns(record.version());
        let is_held = |column: u16| held.values().any(|status| *status == ColumnStatus::Ok { column });
        (0..).zip(record.placement.nodes()).any(|(column, node)| {
            let is_gone = self.states.contains_key(&node) || !self.takers.contains(&node);
            is_gone && !is_held(column)
        })
    }

    fn columns(&self, version: Version) -> BTreeMap<NodeId, ColumnStatus> {
        let column = |state: &TitleState| {
            let entry = state.entries.iter().find(|entry| entry.record.version() == version);
            entry.map_or(ColumnStatus::Missing, |entry| entry.column.clone())
        };
        self.states.iter().map(|(node, (_, state))| (*node, column(state))).collect()
    }
}

/// Finds the version that a reader gets.
///
/// Every catalog node is asked, and besides whoever takes no columns any more, for those that it holds. The newest marked version wins once R nodes that are not blank have answered; when
/// fewer than W of them have marked it, its marks are spread first, so that a later reader cannot get an older one.
#[derive(Debug)]
pub struct Resolve {
    started: Time,
    round: Round,
    answers: Answers,
    marked: BTreeSet<NodeId>,
    phase: Phase,
    resolution: Option<Resolution>,
}

impl Resolve {
    /// Begins to ask the catalog nodes of `title`.
    pub fn new(now: Time, title: &str, members: &Members) -> Self {
        let answers = Answers::new(title, members);
        let mut round = Round::default();
        // Who takes nothing any more may hold columns still.
        let leaving = members.nodes().iter().filter(|node| answers.may_be_leaving(**node)).copied();
        let asked = answers.catalog().nodes().iter().copied().chain(leaving);
        round.ask(asked, &Request::Lookup { title: title.to_owned() });
        Self { started: now, round, answers, marked: BTreeSet::new(), phase: Phase::Asking, resolution: None }
    }

    /// What the reader gets, once.
    pub fn poll_event(&mut self) -> Option<Resolution> {
        self.resolution.take()
    }

    fn advance(&mut self, now: Time) {
        match self.phase {
            Phase::Asking => self.advance_asking(now),
            Phase::Spreading { until } => {
                if self.is_settled() || self.round.is_over() || now >= until {
                    self.finish();
                }
            }
            Phase::Done => {}
        }
    }

    /// W catalog nodes have marked the newest version.
    fn is_settled(&self) -> bool {
        self.answers.catalog.written(|node| self.marked.contains(&node)).is_enough()
    }

    fn patience(&self) -> Time {
        let enough = self.answers.is_confirmed() && self.answers.is_vouched();
        self.started + if enough { STRAGGLERS } else { ANSWERS }
    }

    fn advance_asking(&mut self, now: Time) {
        let newest = self.answers.newest_marked().cloned();
        self.marked = newest.as_ref().map(|record| self.answers.marked(record)).unwrap_or_default();
        let is_known = !self.answers.is_somewhere_else() || now >= self.started + STRAGGLERS;
        if self.answers.is_confirmed() && self.is_settled() && (is_known || self.round.is_over()) {
            return self.finish();
        }
        if !self.round.is_over() && now < self.patience() {
            return;
        }
        let Some(record) = newest else { return self.finish() };
        let without = self.answers.of_catalog().map(|(node, _)| node).filter(|node| !self.marked.contains(node));
        let spread = without.map(|node| {
            let spread = Some(self.answers.ticket(node));
            (node, Request::Mark { record: record.clone(), spread })
        });
        let spread: Vec<_> = spread.collect();
        self.round.ask_each(spread);
        self.phase = Phase::Spreading { until: now + SPREAD };
        self.advance(now);
    }

    fn finish(&mut self) {
        let confirmed = self.answers.is_confirmed();
        let settled = self.is_settled();
        // An older version is not the answer where nobody knows what the newest one is.
        let newest = match self.answers.newest() {
            Some(Word::Committed(record)) => Some(record),
            Some(Word::Undecided | Word::Contested) | None => None,
        };
        let resolution = match newest {
            Some(record) if !record.manifest.is_tombstone() => Resolution::Found(FoundVersion {
                record: record.clone(),
                confirmed,
                settled,
                columns: self.answers.columns(record.version()),
            }),
            // Without R answers, a newer version may have been acknowledged since the tombstone.
            Some(record) if confirmed => Resolution::Absent { tombstone: Some(record.version()), settled },
            None if confirmed => Resolution::Absent { tombstone: None, settled: true },
            Some(_) | None => {
                let Count { found, expected } = self.answers.counted();
                Resolution::TooFew { found, expected }
            }
        };
        self.resolution = Some(resolution);
        self.round.close();
        self.phase = Phase::Done;
    }
}

impl Machine for Resolve {
    fn handle_message(&mut self, now: Time, from: Sender, reply: Reply) {
        match (self.phase, reply) {
            (Phase::Asking, Reply::State(_)) if self.round.awaits(from.node) && now > self.started + ANSWERS => {
                // All answers that are used come within one span of time: what was said before a tombstone is never
                // mixed with a ticket from after its purge.
                self.round.answered(from.node);
            }
            (Phase::Asking, Reply::State(state)) if self.round.answered(from.node) => {
                self.answers.insert(from, state);
            }
            (Phase::Spreading { .. }, Reply::Marked) if self.round.answered(from.node) => {
                self.marked.insert(from.node);
            }
            (Phase::Spreading { .. }, Reply::Absent) if self.round.answered(from.node) => {}
            _ => return,
        }
        self.advance(now);
    }

    fn handle_failure(&mut self, now: Time, from: NodeId) {
        if self.round.answered(from) {
            self.advance(now);
        }
    }

    fn handle_timeout(&mut self, now: Time) {
        self.advance(now);
    }

    fn poll_transmit(&mut self) -> Option<(NodeId, Request)> {
        self.round.pop()
    }

    fn poll_timeout(&self) -> Option<Time> {
        match self.phase {
            Phase::Asking => Some(self.patience()),
            Phase::Spreading { until } => Some(until),
            Phase::Done => None,
        }
    }
}
