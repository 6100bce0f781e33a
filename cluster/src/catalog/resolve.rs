//! Version resolution: the newest marked version that R placement nodes know.

use crate::machine::Machine;
use crate::manifest::Manifest;
use crate::message::{ColumnStatus, Reply, Request, TitleState};
use crate::placement::{Placement, Quorum};
use crate::round::Round;
use crate::time::Time;
use crate::version::{NodeId, Version};
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
pub struct Found {
    /// The version and what it is; never a tombstone.
    pub manifest: Manifest,
    /// R placement nodes answered, so no newer version was acknowledged before the question.
    pub confirmed: bool,
    /// At least W nodes have marked it: every later confirmed reader gets this version or a newer one.
    pub settled: bool,
    /// How each placement node that answered holds its column of this version.
    pub columns: BTreeMap<NodeId, ColumnStatus>,
}

/// What a reader gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolution {
    /// This version.
    Found(Found),
    /// There is no such title; the version is that of the tombstone, where one is left.
    Absent(Option<Version>),
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

/// The answers to a Lookup of every placement node.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    states: BTreeMap<NodeId, TitleState>,
}

impl Answers {
    pub(crate) fn insert(&mut self, node: NodeId, state: TitleState) {
        self.states.insert(node, state);
    }

    /// Answers that count towards R: those of nodes that are not blank.
    pub(crate) fn counted(&self) -> usize {
        self.states.values().filter(|state| !state.blank).count()
    }

    pub(crate) fn newest_marked(&self) -> Option<&Manifest> {
        self.states
            .values()
            .filter_map(TitleState::newest_marked)
            .map(|entry| &entry.manifest)
            .max_by_key(|manifest| manifest.version)
    }

    pub(crate) fn highest_counter(&self) -> u64 {
        self.states.values().map(TitleState::highest_counter).max().unwrap_or(0)
    }

    pub(crate) fn nodes(&self) -> impl Iterator<Item = NodeId> {
        self.states.keys().copied()
    }

    fn marked(&self, version: Version) -> BTreeSet<NodeId> {
        let has =
            |state: &TitleState| state.entries.iter().any(|entry| entry.marked && entry.manifest.version == version);
        self.states.iter().filter(|(_, state)| has(state)).map(|(node, _)| *node).collect()
    }

    fn columns(&self, version: Version) -> BTreeMap<NodeId, ColumnStatus> {
        let column = |state: &TitleState| {
            let entry = state.entries.iter().find(|entry| entry.manifest.version == version);
            entry.map_or(ColumnStatus::Missing, |entry| entry.column.clone())
        };
        self.states.iter().map(|(node, state)| (*node, column(state))).collect()
    }
}

/// Finds the version that a reader gets.
///
/// Every placement node is asked. The newest marked version wins once R nodes that are not blank have answered; when
/// fewer than W of them have marked it, its marks are spread first, so that a later reader cannot get an older one.
#[derive(Debug)]
pub struct Resolve {
    quorum: Quorum,
    started: Time,
    round: Round,
    answers: Answers,
    marked: BTreeSet<NodeId>,
    phase: Phase,
    resolution: Option<Resolution>,
}

impl Resolve {
    /// Begins to ask the placement nodes of `title`.
    pub fn new(now: Time, title: &str, placement: &Placement) -> Self {
        let mut round = Round::default();
        round.ask(placement.nodes().iter().copied(), &Request::Lookup { title: title.to_owned() });
        Self {
            quorum: placement.quorum(),
            started: now,
            round,
            answers: Answers::default(),
            marked: BTreeSet::new(),
            phase: Phase::Asking,
            resolution: None,
        }
    }

    /// What the reader gets, once.
    pub fn poll_event(&mut self) -> Option<Resolution> {
        self.resolution.take()
    }

    fn advance(&mut self, now: Time) {
        match self.phase {
            Phase::Asking => self.advance_asking(now),
            Phase::Spreading { until } => {
                if self.marked.len() >= self.quorum.write() || self.round.waiting().is_empty() || now >= until {
                    self.finish();
                }
            }
            Phase::Done => {}
        }
    }

    fn advance_asking(&mut self, now: Time) {
        let confirmed = self.answers.counted() >= self.quorum.read();
        let newest = self.answers.newest_marked().cloned();
        self.marked = newest.as_ref().map(|manifest| self.answers.marked(manifest.version)).unwrap_or_default();
        if confirmed && self.marked.len() >= self.quorum.write() {
            return self.finish();
        }
        let patience = if confirmed { STRAGGLERS } else { ANSWERS };
        if !self.round.waiting().is_empty() && now < self.started + patience {
            return;
        }
        let Some(manifest) = newest else { return self.finish() };
        let without: Vec<_> = self.answers.nodes().filter(|node| !self.marked.contains(node)).collect();
        self.round.ask(without, &Request::Mark { manifest, spread: true });
        self.phase = Phase::Spreading { until: now + SPREAD };
        self.advance(now);
    }

    fn finish(&mut self) {
        let confirmed = self.answers.counted() >= self.quorum.read();
        let resolution = match self.answers.newest_marked() {
            Some(manifest) if manifest.content.is_some() => Resolution::Found(Found {
                manifest: manifest.clone(),
                confirmed,
                settled: self.marked.len() >= self.quorum.write(),
                columns: self.answers.columns(manifest.version),
            }),
            // Without R answers, a newer version may have been acknowledged since the tombstone.
            Some(tombstone) if confirmed => Resolution::Absent(Some(tombstone.version)),
            None if confirmed => Resolution::Absent(None),
            _ => Resolution::TooFew { found: self.answers.counted(), expected: self.quorum.read() },
        };
        self.resolution = Some(resolution);
        self.phase = Phase::Done;
    }
}

impl Machine for Resolve {
    fn handle_message(&mut self, now: Time, from: NodeId, reply: Reply) {
        match (self.phase, reply) {
            (Phase::Asking, Reply::State(state)) if self.round.answered(from) => {
                self.answers.insert(from, state);
            }
            (Phase::Spreading { .. }, Reply::Marked) if self.round.answered(from) => {
                self.marked.insert(from);
            }
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
            Phase::Asking if self.answers.counted() >= self.quorum.read() => Some(self.started + STRAGGLERS),
            Phase::Asking => Some(self.started + ANSWERS),
            Phase::Spreading { until } => Some(until),
            Phase::Done => None,
        }
    }
}
