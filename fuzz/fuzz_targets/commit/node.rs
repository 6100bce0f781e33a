//! One node's part of a title, as plain sets: what the answers of a store must come to.

use std::collections::{BTreeMap, BTreeSet};

use rain_cluster::message::{Base, Outcome};
use rain_cluster::{ColumnStatus, Entry, NodeId, Record, Refusal, Reply, Request, Ticket, TitleState, Version};

/// One node's part of the title.
#[derive(Default)]
pub(crate) struct Node {
    pub(crate) pending: BTreeMap<Version, Record>,
    pub(crate) marked: Option<Record>,
    pub(crate) floor: u64,
    pub(crate) active: BTreeSet<Version>,
    pub(crate) decided: BTreeMap<Version, Record>,
    /// How often the title was closed.
    closed: u64,
}

impl Node {
    pub(crate) fn newest(&self) -> Option<Version> {
        self.marked.as_ref().map(Record::version)
    }

    /// Whether this version is marked here, or a newer one, or was until that was purged.
    pub(crate) fn knows(&self, version: Version) -> bool {
        self.newest() >= Some(version) || self.floor >= version.counter
    }

    fn state(&self) -> Reply {
        let entry = |record: &Record, marked| {
            let column = ColumnStatus::Ok { column: 0 };
            Entry { record: record.clone(), marked, column }
        };
        let pending = self.pending.iter().filter(|(version, _)| !self.decided.contains_key(version));
        // What was decided here is committed, whatever else is known of it.
        let decided = self.decided.values().filter(|record| self.newest() != Some(record.version()));
        let marked = decided.chain(&self.marked).map(|record| entry(record, true));
        let mut entries: Vec<Entry> = pending.map(|(_, record)| entry(record, false)).chain(marked).collect();
        entries.sort_by_key(|entry| entry.record.version());
        let ticket = Ticket(self.closed);
        Reply::State(TitleState { entries, floor: self.floor, ticket, ..TitleState::default() })
    }

    /// What was decided here is marked by all who prepared it: it is kept in mind like any that is marked.
    pub(crate) fn settle(&mut self, version: Version) {
        let Some(record) = self.decided.remove(&version) else { return };
        if self.newest() < Some(version) {
            self.pending.remove(&version);
            self.marked = Some(record);
        }
    }

    fn may_prepare(&self, record: &Record, base: Base, ticket: Ticket) -> Result<(), Refusal> {
        let version = record.version();
        let is_late = ticket.0 < self.closed;
        let base = match base {
            Base::Any => {
                let held = self.pending.values().chain(&self.marked);
                let mut between = held.filter(|held| held.version() > version && held.manifest.conditional);
                return if is_late || between.next().is_some() { Err(Refusal::Superseded) } else { Ok(()) };
            }
            Base::Nothing => None,
            Base::Version(base) => Some(base),
        };
        let mut others = self.pending.keys().filter(|other| **other != version && Some(**other) > base);
        if self.newest() == base && others.next().is_none() && !is_late { Ok(()) } else { Err(Refusal::Condition) }
    }

    pub(crate) fn handle(&mut self, me: NodeId, request: Request) -> Reply {
        match request {
            Request::Lookup { .. } | Request::Retire { .. } => self.state(),
            Request::Prepare { record, base, ticket, .. } => {
                let version = record.version();
                if !self.pending.contains_key(&version) && self.newest() != Some(version) {
                    if let Err(refusal) = self.may_prepare(&record, base, ticket) {
                        return Reply::Refused(refusal);
                    }
                    self.pending.insert(version, record);
                }
                Reply::Prepared
            }
            Request::Mark { record, spread } => {
                let version = record.version();
                let held = self.pending.remove(&version).is_some() || self.newest() >= Some(version);
                if !held && spread.is_none_or(|ticket| ticket.0 < self.closed) {
                    return Reply::Absent;
                }
                if self.newest() < Some(version) {
                    self.marked = Some(record);
                }
                Reply::Marked
            }
            Request::Drop { version, .. } => {
                self.pending.remove(&version);
                Reply::Dropped
            }
            Request::Outcome { version, .. } => {
                assert_eq!(version.node, me, "only its coordinator is asked");
                Reply::Outcome(if self.decided.contains_key(&version) || self.newest() == Some(version) {
                    Outcome::Committed
                } else if self.active.contains(&version) {
                    Outcome::Undecided
                } else {
                    Outcome::Aborted
                })
            }
            Request::Close { .. } => {
                self.closed += 1;
                self.state()
            }
            Request::Purge { version, .. } => {
                if self.marked.as_ref().is_some_and(|held| held.version() == version && held.manifest.is_tombstone()) {
                    self.floor = self.floor.max(version.counter);
                    self.marked = None;
                }
                Reply::Dropped
            }
            Request::Look { .. } | Request::Committed { .. } | Request::Digest | Request::Remembered => {
                panic!("nobody is blank")
            }
        }
    }
}
