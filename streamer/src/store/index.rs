//! What the store's disk holds, in memory.

use super::names::TitleHash;
use super::{Decision, Overdue, PENDING_PATIENCE, SUPERSEDED_LINGER, TOMBSTONE_AGE, UPLOAD_LINGER};
use crate::store::disk::Disk;
use rain_cluster::message::Base;
use rain_cluster::{ColumnStatus, Entry, Manifest, Time, TitleState, Version};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub(super) type Key = (TitleHash, Version);

/// A column file under its final name.
#[derive(Debug, Clone)]
pub(super) struct HeldColumn {
    pub(super) column: u16,
    /// Why it is not to be trusted, once that was seen.
    pub(super) damage: Option<String>,
}

/// What is held of one version.
#[derive(Debug, Clone)]
pub(super) struct Held {
    /// Unknown only of a pending column whose header is damaged.
    pub(super) manifest: Option<Manifest>,
    pub(super) marked: bool,
    pub(super) column: Option<HeldColumn>,
    pub(super) since: Time,
    pub(super) superseded: Option<Time>,
    pub(super) read: Option<Time>,
}

impl Held {
    fn new(now: Time) -> Self {
        Self { manifest: None, marked: false, column: None, since: now, superseded: None, read: None }
    }

    pub(super) fn is_tombstone(&self) -> bool {
        self.manifest.as_ref().is_some_and(|manifest| manifest.content.is_none())
    }

    /// Whether there is a column that is sound as far as is known.
    pub(super) fn has_column(&self) -> bool {
        self.column.as_ref().is_some_and(|column| column.damage.is_none())
    }

    fn status(&self) -> ColumnStatus {
        match &self.column {
            None => ColumnStatus::Missing,
            Some(HeldColumn { column, damage: None }) => ColumnStatus::Ok { column: *column },
            Some(HeldColumn { column, damage: Some(reason) }) => {
                ColumnStatus::Damaged { column: *column, reason: reason.clone() }
            }
        }
    }
}

/// A column on its way in.
#[derive(Debug)]
pub(super) struct Upload<F> {
    pub(super) title: String,
    pub(super) file: Arc<F>,
    pub(super) column: u16,
    /// Bytes so far, header included.
    pub(super) bytes: u64,
    pub(super) touched: Time,
    /// It is being made durable: nobody else may touch it.
    pub(super) finishing: bool,
    /// The node rebuilds its own column: no coordinator knows of it.
    pub(super) rebuilding: bool,
}

/// Everything that the store holds.
#[derive(Debug)]
pub(super) struct Index<D: Disk> {
    titles: BTreeMap<TitleHash, BTreeMap<Version, Held>>,
    pub(super) uploads: BTreeMap<Key, Upload<D::File>>,
    pub(super) decisions: BTreeMap<Key, Decision>,
    /// Versions that this node coordinates and has not decided.
    pub(super) active: BTreeSet<Key>,
    /// Versions whose decision has done its work, but could not be removed from the disk yet.
    pub(super) stale_decisions: BTreeSet<Key>,
}

impl<D: Disk> Index<D> {
    pub(super) fn new() -> Self {
        Self {
            titles: BTreeMap::new(),
            uploads: BTreeMap::new(),
            decisions: BTreeMap::new(),
            active: BTreeSet::new(),
            stale_decisions: BTreeSet::new(),
        }
    }

    pub(super) fn held(&self, key: Key) -> Option<&Held> {
        self.titles.get(&key.0)?.get(&key.1)
    }

    pub(super) fn held_mut(&mut self, key: Key, now: Time) -> &mut Held {
        self.titles.entry(key.0).or_default().entry(key.1).or_insert_with(|| Held::new(now))
    }

    pub(super) fn remove(&mut self, key: Key) {
        if let Some(versions) = self.titles.get_mut(&key.0) {
            versions.remove(&key.1);
            if versions.is_empty() {
                self.titles.remove(&key.0);
            }
        }
    }

    pub(super) fn newest_marked(&self, title: TitleHash) -> Option<Version> {
        let versions = self.titles.get(&title)?;
        versions.iter().rev().find(|(_, held)| held.marked).map(|(version, _)| *version)
    }

    /// Whether a conditional version may be prepared: `base` is the newest marked version, and nothing else is pending.
    pub(super) fn satisfies(&self, key: Key, base: Base) -> bool {
        let base = match base {
            Base::Any => return true,
            Base::Nothing => None,
            Base::Version(version) => Some(version),
        };
        let pending = self.titles.get(&key.0).is_some_and(|versions| {
            versions.iter().any(|(version, held)| !held.marked && *version != key.1 && Some(*version) > base)
        });
        self.newest_marked(key.0) == base && !pending
    }

    /// Notes the time from which versions older than the newest marked one may go.
    pub(super) fn supersede(&mut self, title: TitleHash, now: Time) {
        let Some(newest) = self.newest_marked(title) else { return };
        for (_, held) in self.titles.get_mut(&title).into_iter().flatten().take_while(|(version, _)| **version < newest)
        {
            if held.marked {
                held.superseded.get_or_insert(now);
            }
        }
    }

    /// All titles, deleted ones included.
    pub(super) fn hashes(&self) -> Vec<TitleHash> {
        self.titles.keys().copied().collect()
    }

    pub(super) fn state(&self, title: TitleHash) -> TitleState {
        let entry = |held: &Held| {
            let manifest = held.manifest.clone()?;
            let decided = self.decisions.contains_key(&(title, manifest.version));
            Some(Entry { marked: held.marked || decided, column: held.status(), manifest })
        };
        let mut entries: Vec<_> =
            self.titles.get(&title).into_iter().flatten().filter_map(|(_, held)| entry(held)).collect();
        // A decision of a version that this node does not hold is a mark all the same.
        for (_, decision) in self.decisions.iter().filter(|((hash, _), _)| *hash == title) {
            if !entries.iter().any(|entry| entry.manifest.version == decision.manifest.version) {
                let manifest = decision.manifest.clone();
                entries.push(Entry { manifest, marked: true, column: ColumnStatus::Missing });
            }
        }
        let uploads = self.uploads.keys().filter(|(hash, _)| *hash == title).map(|(_, version)| *version).collect();
        TitleState { entries, uploads, ..TitleState::default() }
    }

    fn newest(&self) -> impl Iterator<Item = &Held> {
        self.titles.values().filter_map(|versions| versions.values().rev().find(|held| held.marked))
    }

    pub(super) fn titles(&self) -> Vec<String> {
        let mut titles: Vec<_> = self
            .newest()
            .filter_map(|held| held.manifest.as_ref())
            .filter(|manifest| manifest.content.is_some())
            .map(|manifest| manifest.title.clone())
            .collect();
        titles.sort_unstable();
        titles
    }

    pub(super) fn committed(&self) -> Vec<Manifest> {
        self.newest().filter_map(|held| held.manifest.clone()).collect()
    }

    fn all(&self) -> impl Iterator<Item = (Key, &Held)> {
        self.titles
            .iter()
            .flat_map(|(title, versions)| versions.iter().map(|(version, held)| ((*title, *version), held)))
    }

    pub(super) fn overdue(&self, now: Time) -> Vec<Overdue> {
        let pending = self
            .all()
            .filter(|(_, held)| !held.marked && now.since(held.since) >= PENDING_PATIENCE)
            .filter_map(|(_, held)| held.manifest.clone())
            .map(|manifest| Overdue {
                title: manifest.title.clone(),
                version: manifest.version,
                manifest: Some(manifest),
            });
        let uploads = self
            .uploads
            .iter()
            .filter(|(_, upload)| !upload.finishing && !upload.rebuilding)
            .filter(|(_, upload)| now.since(upload.touched) >= PENDING_PATIENCE)
            .map(|((_, version), upload)| Overdue { title: upload.title.clone(), version: *version, manifest: None });
        pending.chain(uploads).collect()
    }

    pub(super) fn abandoned_uploads(&self, now: Time) -> Vec<Key> {
        let abandoned = |upload: &Upload<D::File>| !upload.finishing && now.since(upload.touched) >= UPLOAD_LINGER;
        let abandoned = self.uploads.iter().filter(|(_, upload)| abandoned(upload));
        abandoned.map(|(key, _)| *key).collect()
    }

    pub(super) fn lacking(&self) -> Vec<Manifest> {
        self.newest()
            .filter(|held| !held.is_tombstone() && !held.has_column())
            .filter_map(|held| held.manifest.clone())
            .collect()
    }

    pub(super) fn old_tombstones(&self, now: Time) -> Vec<Manifest> {
        self.newest()
            .filter(|held| held.is_tombstone() && now.since(held.since) >= TOMBSTONE_AGE)
            .filter_map(|held| held.manifest.clone())
            .collect()
    }

    pub(super) fn lingered(&self, now: Time) -> Vec<Key> {
        let over = |held: &Held| {
            let since = held.superseded.map(|superseded| superseded.max(held.read.unwrap_or_default()));
            since.is_some_and(|since| now.since(since) >= SUPERSEDED_LINGER)
        };
        self.all().filter(|(_, held)| over(held)).map(|(key, _)| key).collect()
    }
}
