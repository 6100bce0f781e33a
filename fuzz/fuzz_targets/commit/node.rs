//! One node's part of a title, as plain sets: what the answers of a store must come to.

use std::collections::{BTreeMap, BTreeSet};

use rain_cluster::message::{Base, Outcome};
use rain_cluster::{ColumnStatus, Entry, Manifest, NodeId, Reply, Request, TitleState, Version};

/// One node's part of the title.
#[derive(Default)]
pub(crate) struct Node {
    pub(crate) pending: BTreeMap<Version, Manifest>,
    pub(crate) marked: Option<Manifest>,
    pub(crate) floor: u64,
    pub(crate) active: BTreeSet<Version>,
    pub(crate) decided: BTreeSet<Version>,
}

impl Node {
    pub(crate) fn newest(&self) -> Option<Version> {
        self.marked.as_ref().map(|manifest| manifest.version)
    }

    /// Whether this version is marked here, or a newer one, or was until that was purged.
    pub(crate) fn knows(&self, version: Version) -> bool {
        self.newest() >= Some(version) || self.floor >= version.counter
    }

    pub(crate) fn handle(&mut self, me: NodeId, request: Request) -> Reply {
        match request {
            Request::Lookup { .. } => {
                let entry = |manifest: &Manifest, marked| {
                    let column = ColumnStatus::Ok { column: 0 };
                    Entry { manifest: manifest.clone(), marked, column }
                };
                let pending = self.pending.values().map(|manifest| entry(manifest, false));
                let mut entries: Vec<Entry> = pending.chain(self.marked.iter().map(|held| entry(held, true))).collect();
                entries.sort_by_key(|entry| entry.manifest.version);
                Reply::State(TitleState { blank: false, entries, uploads: Vec::new(), floor: self.floor })
            }
            Request::Prepare { manifest, base } => {
                let version = manifest.version;
                let holds = match base {
                    Base::Any => true,
                    Base::Nothing => self.marked.is_none() && self.pending.keys().all(|other| *other == version),
                    Base::Version(base) => {
                        self.newest() == Some(base)
                            && self.pending.keys().all(|other| *other == version || *other < base)
                    }
                };
                if !self.pending.contains_key(&version) && self.newest() != Some(version) {
                    if !holds {
                        return Reply::Refused { no_space: false, condition_failed: true };
                    }
                    self.pending.insert(version, manifest);
                }
                Reply::Prepared
            }
            Request::Mark { manifest, spread } => {
                let held = self.pending.remove(&manifest.version).is_some() || self.newest() >= Some(manifest.version);
                if !held && !spread {
                    return Reply::Absent;
                }
                if self.newest() < Some(manifest.version) {
                    self.marked = Some(manifest);
                }
                Reply::Marked
            }
            Request::Drop { version, .. } => {
                self.pending.remove(&version);
                Reply::Dropped
            }
            Request::Outcome { version, .. } => {
                assert_eq!(version.node, me, "only its coordinator is asked");
                Reply::Outcome(if self.decided.contains(&version) || self.newest() == Some(version) {
                    Outcome::Committed
                } else if self.active.contains(&version) {
                    Outcome::Undecided
                } else {
                    Outcome::Aborted
                })
            }
            Request::Purge { version, .. } => {
                if self.marked.as_ref().is_some_and(|held| held.version == version && held.content.is_none()) {
                    self.floor = self.floor.max(version.counter);
                    self.marked = None;
                }
                Reply::Dropped
            }
            Request::Committed => panic!("nobody is blank"),
        }
    }
}
