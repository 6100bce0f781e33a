//! What the store holds, in memory: all of it durable, but for uploads and what is being coordinated.

use super::change::{Change, Standing};
use super::known::{KnownContent, KnownTitle, Stamp};
use super::leaps::Leaps;
use super::names::{Key, TitleHash, key_of};
use super::noted::{Note, Noted};
use super::packed::{Packed, Packer};
use super::shelf::{Unsynced, Upload};
use super::{Disk, PENDING_PATIENCE, SUPERSEDED_LINGER, TOMBSTONE_AGE, UPLOAD_LINGER};
use core::ops::{Bound, RangeInclusive};
use rain_cluster::digests::BUCKETS;
use rain_cluster::{
    Base, ColumnStatus, Digests, Entry, Life, NodeId, Record, Refusal, Testimony, Ticket, Time, TitleState, Version,
};
use rain_desk::{Decision, Overdue};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The keys of all versions of a title.
fn keys_of(title: TitleHash) -> RangeInclusive<Key> {
    (title, Version::LOWEST)..=(title, Version::HIGHEST)
}

/// The keys of all versions of the titles of a bucket of [`Digests`].
fn keys_of_bucket(bucket: usize) -> (Bound<Key>, Bound<Key>) {
    let first = |bucket| {
        Digests::first_hash(bucket).map(|[high, low]| {
            let mut hash = [0; 16];
            (hash[0], hash[1]) = (high, low);
            (TitleHash::from_bytes(hash), Version::LOWEST)
        })
    };
    let end = first(bucket + 1).map_or(Bound::Unbounded, Bound::Excluded);
    (first(bucket).map_or(Bound::Unbounded, Bound::Included), end)
}

/// A page of what is committed.
#[derive(Debug)]
pub(super) struct CommittedPage {
    pub(super) marked: Vec<Record>,
    pub(super) pending: Vec<Record>,
    /// The first bucket of the next page.
    pub(super) next: Option<u16>,
}

/// A page ends with the bucket in which it has so many versions.
const PAGE_VERSIONS: usize = 1024;
/// So many things are told of which something is to be done; the others have their turn later.
const AT_ONCE: usize = 64;
/// So many versions are looked at for that, at once.
const LOOKED_AT: usize = 1024;

/// So many closed titles are remembered one by one; then all are taken for closed.
const CLOSED_MAX: usize = 1 << 16;

/// A column file in use.
#[derive(Debug, Clone, Copy)]
pub(super) struct HeldColumn {
    pub(super) column: u16,
    /// It is not to be trusted: the index knows why.
    pub(super) is_damaged: bool,
    /// Its file was there when the store was opened.
    is_found: bool,
}

impl HeldColumn {
    fn sound(column: u16) -> Self {
        Self { column, is_damaged: false, is_found: false }
    }
}

/// What is held of one version. There are as many of these in memory as there are titles in the cluster.
#[derive(Debug)]
pub(super) struct Held {
    record: Packed,
    /// Since when it stands so; of one that is superseded, since when that is so, or when it was read last.
    since: Time,
    pub(super) column: Option<HeldColumn>,
    pub(super) standing: Standing,
    is_superseded: bool,
    is_conditional: bool,
    is_tombstone: bool,
}

impl Held {
    pub(super) fn is_tombstone(&self) -> bool {
        self.is_tombstone
    }

    pub(super) fn is_marked(&self) -> bool {
        self.standing == Standing::Marked
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self.standing, Standing::Pending | Standing::Inherited | Standing::Adopted)
    }

    /// Whether there is a column that is sound as far as is known.
    pub(super) fn has_column(&self) -> bool {
        self.column.is_some_and(|column| !column.is_damaged)
    }
}

/// What is remembered of another node.
#[derive(Debug, Clone, Copy)]
pub(super) struct Remembered {
    /// What it said last.
    pub(super) said: Testimony,
    /// What of its serial is durable here, or soon will be.
    pub(super) noted: u64,
}

/// So many versions are told in one part of a snapshot.
const SNAPSHOT_VERSIONS: usize = 256;

/// A part of a snapshot.
#[derive(Debug, Clone, Copy)]
pub(super) enum SnapshotPart {
    Start,
    /// Versions from here on.
    Versions(Bound<Key>),
    Rest,
}

/// When titles were closed: by a count of this start's own, below the number of the start. What was asked of another start
/// is late, also where that was another life, whose count nobody knows any more.
#[derive(Debug, Default)]
pub(super) struct Closed {
    start: u32,
    clock: u64,
    titles: BTreeMap<TitleHash, u64>,
    /// What was asked before is too late for all titles.
    all: u64,
}

impl Closed {
    /// Begins to count, in a start whose number no other has.
    pub(super) fn begin(&mut self, start: u32) {
        self.start = start;
        self.clock = u64::from(start) << 32;
        self.all = self.clock;
        self.titles.clear();
    }

    pub(super) fn ticket(&self) -> Ticket {
        Ticket(self.clock)
    }

    pub(super) fn close(&mut self, title: TitleHash) {
        self.clock += 1;
        if self.titles.len() >= CLOSED_MAX {
            self.close_all();
        }
        self.titles.insert(title, self.clock);
    }

    /// Closes every title, at once.
    fn close_all(&mut self) {
        self.clock += 1;
        self.titles.clear();
        self.all = self.clock;
    }

    /// Whether the title was closed since the ticket was given.
    pub(super) fn is_late(&self, title: TitleHash, ticket: Ticket) -> bool {
        ticket.0 >> 32 != u64::from(self.start)
            || ticket.0 < self.all
            || self.titles.get(&title).is_some_and(|closed| ticket.0 < *closed)
    }
}

/// Everything that the store holds.
#[derive(Debug)]
pub(super) struct Index<D: Disk> {
    /// Whose store it is.
    node: NodeId,
    versions: BTreeMap<Key, Held>,
    noted: Noted,
    /// The column that was restored last: the next in turn is behind it.
    restored: Option<Key>,
    /// Up to where it was looked for columns that are to move.
    looked: Option<Key>,
    /// Columns that came here, and of which it was seen that nobody else is to hold them, as the members are.
    settled: BTreeSet<Key>,
    /// Digests of the newest committed version of every title.
    digests: Digests,
    /// The titles of versions and decisions, in the order of their names.
    titles: BTreeSet<Box<str>>,
    /// How often something was changed that a list of titles may show.
    changes: u64,
    /// What the records of the versions have in common.
    packer: Packer,
    /// Why columns are not to be trusted.
    damages: BTreeMap<Key, String>,
    pub(super) uploads: BTreeMap<Key, Upload<D::File>>,
    pub(super) decisions: BTreeMap<Key, Decision>,
    /// Versions that this node coordinates and has not decided.
    pub(super) active: BTreeSet<Key>,
    /// Column files that no version uses, and since when they are known.
    pub(super) unclaimed: BTreeMap<Key, (u16, Time)>,
    /// Columns that the ledger has, and whose files are not known to be durable.
    unsynced: BTreeMap<Key, Unsynced>,
    unsynced_bytes: usize,
    /// Lives that are over, and what was said in them, where that was heard.
    pub(super) retired: BTreeMap<(NodeId, Life), Option<Testimony>>,
    /// Lives of this node that came before its present one, as far as is known.
    pub(super) outlived: BTreeSet<Life>,
    pub(super) remembered: BTreeMap<NodeId, Remembered>,
    pub(super) learnt: Option<(Life, u64)>,
    /// No lower than the counter of any tombstone that was purged: what is written later must be above it, because
    /// another node may still have the tombstone.
    pub(super) floor: u64,
    leaps: Leaps,
    pub(super) incarnation: u64,
    pub(super) closed: Closed,
    /// The newest conditional version of a title that was here, was superseded, and is gone: nothing may come before it
    /// still. A start needs to know none of them: what was asked for before it is late.
    barriers: BTreeMap<TitleHash, Version>,
    unknown: Vec<(u16, Vec<u8>)>,
}

impl<D: Disk> Index<D> {
    /// That of a store of `node`, which holds nothing.
    pub(super) fn new(node: NodeId) -> Self {
        Self {
            node,
            versions: BTreeMap::new(),
            noted: Noted::default(),
            restored: None,
            looked: None,
            settled: BTreeSet::new(),
            digests: Digests::none(),
            titles: BTreeSet::new(),
            changes: 0,
            packer: Packer::default(),
            damages: BTreeMap::new(),
            uploads: BTreeMap::new(),
            decisions: BTreeMap::new(),
            active: BTreeSet::new(),
            unclaimed: BTreeMap::new(),
            unsynced: BTreeMap::new(),
            unsynced_bytes: 0,
            retired: BTreeMap::new(),
            outlived: BTreeSet::new(),
            remembered: BTreeMap::new(),
            learnt: None,
            floor: 0,
            leaps: Leaps::default(),
            incarnation: 0,
            closed: Closed::default(),
            barriers: BTreeMap::new(),
            unknown: Vec::new(),
        }
    }

    /// Takes a durable change into account: at a start in the order of the ledger, later as it becomes durable.
    pub(super) fn apply(&mut self, now: Time, change: Change) {
        self.changes += 1;
        match change {
            Change::Version { standing, column, record } => {
                let key = key_of(&record);
                let newest = self.newest_marked(key.0);
                let held = Held {
                    record: self.packer.pack(&record),
                    since: now,
                    column: column.map(HeldColumn::sound),
                    standing,
                    is_superseded: false,
                    is_conditional: record.manifest.conditional,
                    is_tombstone: record.manifest.is_tombstone(),
                };
                self.versions.insert(key, held);
                self.damages.remove(&key);
                self.add_title(record.title());
                self.note(key, newest, now);
            }
            Change::Marked(key) => {
                let newest = self.newest_marked(key.0);
                if let Some(held) = self.versions.get_mut(&key) {
                    (held.standing, held.since) = (Standing::Marked, now);
                }
                self.note(key, newest, now);
            }
            Change::Column(key, column) => {
                self.forget_unsynced(key);
                if let Some(held) = self.versions.get_mut(&key) {
                    held.column = column.map(HeldColumn::sound);
                }
                self.damages.remove(&key);
                self.note(key, self.newest_marked(key.0), now);
            }
            Change::Removed(key) => self.remove(key),
            Change::Decision(decision) => {
                let key = key_of(&decision.record);
                self.active.remove(&key);
                self.add_title(decision.record.title());
                self.decisions.insert(key, decision);
            }
            Change::Settled(key) => {
                if let Some(decision) = self.decisions.remove(&key) {
                    self.forget_title(key.0, decision.record.title());
                }
            }
            Change::Learnt(life, epoch) => {
                let is_first = self.learnt.is_none_or(|(of, _)| of != life);
                self.learnt = Some((life, epoch));
                self.forget_hearsay(now);
                // What is learnt are the newest versions: what was asked for before might come before one of which this
                // store knew in an earlier life only.
                if is_first {
                    self.closed.close_all();
                }
            }
            Change::Floor(floor) => self.floor = self.floor.max(floor),
            Change::Retired(node, life) => {
                let said = self.remembered.get(&node).map(|memory| memory.said).filter(|said| said.life == life);
                let known = self.retired.entry((node, life)).or_default();
                *known = known.or(said);
            }
            Change::Remembered(node, said) => {
                self.remembered.insert(node, Remembered { said, noted: said.serial });
            }
            Change::Outlived(life) => drop(self.outlived.insert(life)),
            Change::Share(key, column, records) => {
                self.unsynced_bytes += records.len();
                if let Some(before) = self.unsynced.insert(key, Unsynced { column, records }) {
                    self.unsynced_bytes -= before.records.len();
                }
            }
            Change::Synced(keys) => keys.into_iter().for_each(|key| self.forget_unsynced(key)),
            Change::Incarnation(incarnation) => self.incarnation = self.incarnation.max(incarnation),
            Change::Unknown(kind, payload) => self.unknown.push((kind, payload)),
        }
    }

    /// All of it, as changes: what a ledger begins with after a compaction. It is told part by part, so that never all of
    /// it is in memory: the first is [`SnapshotPart::Start`], each says which is next.
    pub(super) fn snapshot(&self, part: SnapshotPart) -> (Vec<Change>, Option<SnapshotPart>) {
        let behind = match part {
            SnapshotPart::Start => {
                let mut changes = vec![Change::Incarnation(self.incarnation), Change::Floor(self.floor)];
                // The hearsay of an earlier life must not be forgotten by the word that this life has learnt: it comes
                // behind it.
                changes.extend(self.learnt.map(|(life, epoch)| Change::Learnt(life, epoch)));
                return (changes, Some(SnapshotPart::Versions(Bound::Unbounded)));
            }
            SnapshotPart::Versions(behind) => behind,
            SnapshotPart::Rest => return (self.snapshot_rest(), None),
        };
        let mut next = SnapshotPart::Rest;
        let versions = self.versions.range((behind, Bound::Unbounded)).take(SNAPSHOT_VERSIONS);
        let versions = versions.map(|(key, held)| {
            next = SnapshotPart::Versions(Bound::Excluded(*key));
            Change::Version {
                standing: held.standing,
                column: held.column.map(|column| column.column),
                record: self.packer.unpack(key.1, &held.record),
            }
        });
        (versions.collect(), Some(next))
    }

    fn snapshot_rest(&self) -> Vec<Change> {
        let unsynced = self.unsynced.iter();
        let shares = unsynced.map(|(key, share)| Change::Share(*key, share.column, Arc::clone(&share.records)));
        let mut changes: Vec<_> = shares.collect();
        changes.extend(self.decisions.values().cloned().map(Change::Decision));
        for ((node, life), said) in &self.retired {
            // What was said in a life is that of the last one when it is over.
            changes.extend(said.map(|said| Change::Remembered(*node, said)));
            changes.push(Change::Retired(*node, *life));
        }
        changes.extend(self.remembered.iter().map(|(node, memory)| Change::Remembered(*node, memory.said)));
        changes.extend(self.outlived.iter().copied().map(Change::Outlived));
        changes.extend(self.unknown.iter().map(|(kind, payload)| Change::Unknown(*kind, payload.clone())));
        changes
    }

    /// A new life: what is known is hearsay, and must be learnt. Columns stay, for versions that are learnt again.
    pub(super) fn be_reborn(&mut self, now: Time) {
        self.changes += 1;
        self.learnt = None;
        for (key, decision) in core::mem::take(&mut self.decisions) {
            self.forget_title(key.0, decision.record.title());
        }
        self.active.clear();
        for held in self.versions.values_mut().filter(|held| held.is_marked()) {
            held.standing = Standing::Hearsay;
        }
        self.digests = Digests::none();
        self.noted.tombstones.clear();
        self.noted.lacking.clear();
        let open = self.noted.open.iter().copied().collect();
        self.leave(open, now);
    }

    fn forget_hearsay(&mut self, now: Time) {
        let hearsay = |held: &Held| held.standing == Standing::Hearsay;
        let keys = self.all().filter(|(_, held)| hearsay(held)).map(|(key, _)| key).collect();
        self.leave(keys, now);
    }

    fn add_title(&mut self, title: &str) {
        if !self.titles.contains(title) {
            self.titles.insert(title.into());
        }
    }

    /// Forgets the name of a title of which nothing is left.
    fn forget_title(&mut self, hash: TitleHash, title: &str) {
        if !self.holds(hash) && self.decisions.range(keys_of(hash)).next().is_none() {
            self.titles.remove(title);
        }
    }

    /// Takes a change of a version into account: of its title, `before` was the newest that was marked.
    fn note(&mut self, key: Key, before: Option<Version>, now: Time) {
        let (title, newest) = (key.0, self.newest_marked(key.0));
        if newest != before {
            if let Some(version) = before {
                self.digests.remove(title.digest_bucket(), Digests::of(title.bytes(), version));
            }
            if let Some(version) = newest {
                self.digests.add(title.digest_bucket(), Digests::of(title.bytes(), version));
            }
        }
        let superseded = newest.map(|newest| self.supersede(title, newest, now)).unwrap_or_default();
        for version in superseded.into_iter().chain(before).chain(newest).chain([key.1]) {
            self.set_notes((title, version), newest);
        }
    }

    /// Notes what is to be done for a version.
    fn set_notes(&mut self, key: Key, newest: Option<Version>) {
        let Some(held) = self.versions.get(&key) else { return self.noted.set(key, |_| false) };
        let (packer, node, is_newest) = (&self.packer, self.node, newest == Some(key.1));
        self.noted.set(key, |note| match note {
            Note::Open => held.is_open(),
            Note::Superseded => held.is_superseded,
            Note::Tombstone => is_newest && held.is_tombstone,
            Note::Lacking => is_newest && !held.has_column() && packer.column_of(&held.record, node).is_some(),
        });
    }

    /// Forgets versions, and keeps their columns in case that one of them is learnt again.
    fn leave(&mut self, keys: Vec<Key>, now: Time) {
        for key in keys {
            if let Some(HeldColumn { column, .. }) = self.held(key).and_then(|held| held.column) {
                self.unclaimed.insert(key, (column, now));
            }
            self.remove(key);
        }
    }

    pub(super) fn held(&self, key: Key) -> Option<&Held> {
        self.versions.get(&key)
    }

    /// Notes that a version is read.
    pub(super) fn touch(&mut self, key: Key, now: Time) {
        if let Some(held) = self.versions.get_mut(&key)
            && held.is_superseded
        {
            held.since = now.max(held.since);
        }
    }

    pub(super) fn unsynced(&self) -> Vec<(Key, Unsynced)> {
        self.unsynced.iter().map(|(key, share)| (*key, share.clone())).collect()
    }

    pub(super) fn unsynced_bytes(&self) -> usize {
        self.unsynced_bytes
    }

    fn forget_unsynced(&mut self, key: Key) {
        if let Some(share) = self.unsynced.remove(&key) {
            self.unsynced_bytes -= share.records.len();
        }
    }

    /// The record of a version that is held.
    pub(super) fn record(&self, key: Key) -> Option<Record> {
        self.held(key).map(|held| self.packer.unpack(key.1, &held.record))
    }

    /// Remembers that a column is not to be trusted; the first reason counts.
    pub(super) fn damage(&mut self, key: Key, reason: &str) {
        if let Some(column) = self.versions.get_mut(&key).and_then(|held| held.column.as_mut()) {
            column.is_damaged = true;
            self.changes += 1;
            self.damages.entry(key).or_insert_with(|| reason.to_owned());
            let newest = self.newest_marked(key.0);
            self.set_notes(key, newest);
        }
    }

    fn status(&self, key: Key, held: &Held) -> ColumnStatus {
        match held.column {
            None => ColumnStatus::Missing,
            Some(HeldColumn { column, is_damaged: false, .. }) => ColumnStatus::Ok { column },
            Some(HeldColumn { column, is_damaged: true, .. }) => {
                ColumnStatus::Damaged { column, reason: self.damages.get(&key).cloned().unwrap_or_default() }
            }
        }
    }

    fn remove(&mut self, key: Key) {
        self.forget_unsynced(key);
        self.damages.remove(&key);
        self.settled.remove(&key);
        let newest = self.newest_marked(key.0);
        let Some(removed) = self.versions.remove(&key) else { return };
        self.changes += 1;
        let title = self.packer.title(&removed.record);
        self.forget_title(key.0, &title);
        self.note(key, newest, Time::default());
        if removed.is_marked() && removed.is_conditional {
            if self.barriers.len() >= CLOSED_MAX {
                self.barriers.clear();
                self.closed.close_all();
            }
            let barrier = self.barriers.entry(key.0).or_insert(key.1);
            *barrier = key.1.max(*barrier);
        }
    }

    /// Whether a sound column of a version is held.
    pub(super) fn holds_column(&self, key: Key) -> bool {
        self.held(key).is_some_and(Held::has_column)
    }

    /// Whether anything is held of a title.
    pub(super) fn holds(&self, title: TitleHash) -> bool {
        self.versions(title).next().is_some()
    }

    /// The versions of a title, oldest first.
    fn versions(&self, title: TitleHash) -> impl DoubleEndedIterator<Item = (&Version, &Held)> {
        self.versions.range(keys_of(title)).map(|((_, version), held)| (version, held))
    }

    pub(super) fn newest_marked(&self, title: TitleHash) -> Option<Version> {
        self.versions(title).rev().find(|(_, held)| held.is_marked()).map(|(version, _)| *version)
    }

    /// Whether a version's counter is farther above what is known of its title than writes can have brought it.
    pub(super) fn is_leap(&mut self, now: Time, key: Key) -> bool {
        let newest = self.versions(key.0).next_back().map_or(0, |(version, _)| version.counter);
        !self.leaps.follow(now, newest.max(self.floor), key.1.counter)
    }

    /// Whether a version may be prepared.
    ///
    /// One with a condition: its base is the newest marked version, and nothing else above it is pending. One without:
    /// there is no newer one that was made under a condition, for it would come between that one and its base.
    pub(super) fn may_prepare(&self, key: Key, base: Base, ticket: Ticket) -> Result<(), Refusal> {
        let base = match base {
            Base::Any => {
                let between = |(version, held): (&Version, &Held)| {
                    *version > key.1 && held.is_conditional && held.standing != Standing::Hearsay
                };
                let barred = self.barriers.get(&key.0).is_some_and(|barrier| *barrier > key.1);
                let late = self.closed.is_late(key.0, ticket) || barred || self.versions(key.0).any(between);
                return if late { Err(Refusal::Superseded) } else { Ok(()) };
            }
            Base::Nothing => None,
            Base::Version(version) => Some(version),
        };
        let other = |(version, held): (&Version, &Held)| held.is_open() && *version != key.1 && Some(*version) > base;
        let holds = self.newest_marked(key.0) == base && !self.versions(key.0).any(other);
        if holds && !self.closed.is_late(key.0, ticket) { Ok(()) } else { Err(Refusal::Condition) }
    }

    /// Notes the time from which versions older than the newest marked one may go; which these are.
    fn supersede(&mut self, title: TitleHash, newest: Version, now: Time) -> Vec<Version> {
        let mut superseded = Vec::new();
        for ((_, version), held) in self.versions.range_mut((title, Version::LOWEST)..(title, newest)) {
            if !held.is_open() && !held.is_superseded {
                (held.is_superseded, held.since) = (true, now);
                superseded.push(*version);
            }
        }
        superseded
    }

    /// Whether of any version it is open what became of it elsewhere.
    pub(super) fn has_inherited(&self) -> bool {
        self.versions.values().any(|held| matches!(held.standing, Standing::Inherited | Standing::Adopted))
    }

    /// The node must say nothing of this title: it may have promised more than it knows.
    fn is_unsure_of(&self, title: TitleHash) -> bool {
        self.versions(title).any(|(_, held)| held.standing == Standing::Inherited)
    }

    pub(super) fn state(&self, title: TitleHash) -> TitleState {
        let decisions = self.decisions.range(keys_of(title));
        let mut entries: Vec<_> = self
            .versions(title)
            .map(|(version, held)| Entry {
                record: self.packer.unpack(*version, &held.record),
                marked: !held.is_open() || self.decisions.contains_key(&(title, *version)),
                column: self.status((title, *version), held),
            })
            .collect();
        // A decision of a version that this node does not hold is a mark all the same.
        for (key, decision) in decisions {
            if self.held(*key).is_none() {
                entries.push(Entry { record: decision.record.clone(), marked: true, column: ColumnStatus::Missing });
            }
        }
        let uploads = self.uploads.range(keys_of(title)).filter(|(_, upload)| !upload.restores);
        TitleState {
            blank: self.is_unsure_of(title),
            entries,
            uploads: uploads.map(|((_, version), _)| *version).collect(),
            floor: self.floor,
            ticket: self.closed.ticket(),
            ..TitleState::default()
        }
    }

    /// Digests of the newest committed versions.
    pub(super) fn digests(&self) -> &Digests {
        &self.digests
    }

    /// A page of what is committed, from a bucket on: the newest committed version of every title, but for what somebody
    /// who has `known` is sure to know; and all versions of which it is not known what became.
    pub(super) fn committed(&self, known: Option<&Digests>, from: u16) -> CommittedPage {
        let mut page = CommittedPage { marked: Vec::new(), pending: Vec::new(), next: None };
        for bucket in usize::from(from)..BUCKETS {
            if page.marked.len() + page.pending.len() >= PAGE_VERSIONS {
                page.next = u16::try_from(bucket).ok();
                break;
            }
            let agree = known.is_some_and(|known| self.digests.agree(known, bucket));
            self.committed_in(bucket, agree, &mut page);
        }
        page
    }

    fn committed_in(&self, bucket: usize, agree: bool, page: &mut CommittedPage) {
        let keys = keys_of_bucket(bucket);
        let mut marked: BTreeMap<TitleHash, Record> = BTreeMap::new();
        if !agree {
            // The newest comes last.
            let held = self.versions.range(keys).filter(|(_, held)| held.is_marked());
            let newest: BTreeMap<TitleHash, (&Key, &Held)> = held.map(|(key, held)| (key.0, (key, held))).collect();
            let records = newest.into_values().map(|(key, held)| (key.0, self.packer.unpack(key.1, &held.record)));
            marked.extend(records);
        }
        // Of these the digests say nothing.
        for ((title, version), decision) in self.decisions.range(keys) {
            if marked.get(title).is_none_or(|newest| newest.version() < *version) {
                marked.insert(*title, decision.record.clone());
            }
        }
        page.marked.extend(marked.into_values());
        let open = self.noted.open.range(keys).filter(|key| !self.decisions.contains_key(key));
        page.pending.extend(open.filter_map(|key| self.record(*key)));
    }

    /// The titles of which something is held or decided, in the order of their names.
    pub(super) fn names<'a>(&'a self, range: (Bound<&'a str>, Bound<&'a str>)) -> impl Iterator<Item = &'a str> {
        self.titles.range::<str, _>(range).map(|title| &**title)
    }

    /// The newest committed version of a title.
    pub(super) fn known(&self, hash: TitleHash, title: &str) -> Option<KnownTitle> {
        let decided = self.decisions.range(keys_of(hash)).next_back();
        let newest = self.newest_marked(hash);
        let decided = decided.filter(|((_, version), _)| newest.is_none_or(|newest| newest <= *version));
        let (version, record) = match (decided, newest) {
            (Some(((_, version), decision)), _) => (*version, decision.record.clone()),
            (None, Some(version)) => (version, self.record((hash, version))?),
            (None, None) => return None,
        };
        let content = record.manifest.columns().map(|columns| KnownContent {
            bytes: columns.bytes,
            etag: columns.etag,
            code: columns.code.clone(),
            data_columns: columns.data_columns,
        });
        let key = (hash, version);
        Some(KnownTitle {
            title: title.to_owned(),
            version,
            generation: record.placement.generation,
            content,
            seats: record.placement.nodes().collect(),
            column: self.held(key).map_or(ColumnStatus::Missing, |held| self.status(key, held)),
        })
    }

    /// When a listing would be made that were made now.
    pub(super) fn stamp(&self) -> Stamp {
        Stamp { incarnation: self.incarnation, changes: self.changes }
    }

    fn all(&self) -> impl Iterator<Item = (Key, &Held)> {
        self.versions.iter().map(|(key, held)| (*key, held))
    }

    /// Versions held.
    pub(super) fn len(&self) -> usize {
        self.versions.len()
    }

    /// Takes a column file that is there at a start, for the version that uses it, or as one that none does.
    pub(super) fn claim(&mut self, key: Key, column: u16, now: Time) {
        let held = self.versions.get_mut(&key).and_then(|held| held.column.as_mut());
        match held.filter(|held| held.column == column) {
            Some(held) => held.is_found = true,
            None => drop(self.unclaimed.insert(key, (column, now))),
        }
    }

    /// Notes of each column that is used, and whose file was not there, that it is damaged.
    pub(super) fn damage_unclaimed(&mut self) {
        let lost = |held: &Held| held.column.is_some_and(|column| !column.is_found);
        let lost: Vec<Key> = self.all().filter(|(_, held)| lost(held)).map(|(key, _)| key).collect();
        for key in lost {
            self.damage(key, "the file is not there");
        }
    }

    /// Notes of every column that is used that it is damaged.
    pub(super) fn damage_all(&mut self, reason: &str) {
        let used: Vec<Key> = self.all().filter(|(_, held)| held.column.is_some()).map(|(key, _)| key).collect();
        for key in used {
            self.damage(key, reason);
        }
    }

    pub(super) fn overdue(&self, now: Time) -> Vec<Overdue> {
        let is_due = |key: &&Key| self.held(**key).is_some_and(|held| now.since(held.since) >= PENDING_PATIENCE);
        let is_over = |version: Version| self.retired.contains_key(&(version.node, version.life));
        let pending = self.noted.open.iter().filter(is_due).filter_map(|key| self.record(*key)).map(|record| Overdue {
            title: record.title().to_owned(),
            version: record.version(),
            is_over: is_over(record.version()),
            record: Some(record),
        });
        let uploads = self
            .uploads
            .iter()
            .filter(|(_, upload)| !upload.finishing && !upload.restores)
            .filter(|(_, upload)| now.since(upload.touched) >= PENDING_PATIENCE)
            .map(|((_, version), upload)| Overdue {
                title: upload.title.clone(),
                version: *version,
                record: None,
                is_over: is_over(*version),
            });
        pending.chain(uploads).take(AT_ONCE).collect()
    }

    pub(super) fn abandoned_uploads(&self, now: Time) -> Vec<Key> {
        let abandoned = |upload: &Upload<D::File>| !upload.finishing && now.since(upload.touched) >= UPLOAD_LINGER;
        let abandoned = self.uploads.iter().filter(|(_, upload)| abandoned(upload));
        abandoned.map(|(key, _)| *key).collect()
    }

    /// Column files that nobody has wanted for long.
    pub(super) fn abandoned_columns(&self, now: Time) -> Vec<(Key, u16)> {
        let abandoned = self.unclaimed.iter().filter(|(_, (_, since))| now.since(*since) >= UPLOAD_LINGER);
        abandoned.map(|(key, (column, _))| (*key, *column)).collect()
    }

    /// Some of the newest versions of which this node is to have a column, and has none that is sound: each has its turn, so
    /// that one which cannot be restored holds up no other. `takes` says whether the node is to hold a column of a version.
    pub(super) fn lacking(&mut self, takes: impl Fn(&Record) -> bool) -> Vec<Record> {
        let lacking = &self.noted.lacking;
        let behind = (self.restored.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
        let before = lacking.iter().take_while(|key| self.restored.is_some_and(|last| **key <= last));
        let (mut last, mut records) = (None, Vec::new());
        for key in lacking.range(behind).chain(before).take(LOOKED_AT) {
            last = Some(*key);
            records.extend(self.record(*key).filter(&takes));
            if records.len() == AT_ONCE {
                break;
            }
        }
        self.restored = last.or(self.restored);
        records
    }

    /// A column is where it is to be, as the members are.
    pub(super) fn settle_column(&mut self, key: Key) {
        self.settled.insert(key);
    }

    /// It may be that a column is to be elsewhere after all.
    pub(super) fn look_anew(&mut self, key: Key) {
        self.settled.remove(&key);
    }

    /// The members are others: all columns may be to be elsewhere.
    pub(super) fn look_anew_at_all(&mut self) {
        self.settled.clear();
    }

    /// Some of the newest versions of which a column is to come to this node, or may go that is to be elsewhere. `takes` as above.
    pub(super) fn moving(&mut self, takes: impl Fn(&Record) -> bool) -> Vec<Record> {
        let mut records = self.lacking(&takes);
        let behind = (self.looked.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
        let last = self.looked.unwrap_or((TitleHash::from_bytes([0; 16]), Version::LOWEST));
        let mut looked = self.looked;
        for (key, held) in self.versions.range(behind).chain(self.versions.range(..=last)).take(LOOKED_AT) {
            if records.len() >= AT_ONCE {
                break;
            }
            looked = Some(*key);
            let laid = self.packer.column_of(&held.record, self.node);
            // What is laid here and lacking was looked at above.
            let is_lost = laid.is_some() && held.column.is_none();
            if !held.is_marked() || held.is_superseded || held.is_tombstone() || is_lost {
                continue;
            }
            let record = self.packer.unpack(key.1, &held.record);
            let is_laid_here = laid.is_some() && laid == held.column.map(|held| held.column);
            let is_settled = is_laid_here || self.settled.contains(key);
            let moves = if takes(&record) { !(held.has_column() && is_settled) } else { held.column.is_some() };
            if moves && record.manifest.columns().is_some() {
                records.push(record);
            }
        }
        self.looked = looked;
        records
    }

    /// The newest versions of which a column is held here.
    pub(super) fn columns_held(&self) -> u64 {
        self.versions.values().filter(|held| held.has_column() && held.is_marked() && !held.is_superseded).count()
            as u64
    }

    pub(super) fn old_tombstones(&self, now: Time) -> Vec<Record> {
        let is_old = |key: &&Key| self.held(**key).is_some_and(|held| now.since(held.since) >= TOMBSTONE_AGE);
        self.noted.tombstones.iter().filter(is_old).take(AT_ONCE).filter_map(|key| self.record(*key)).collect()
    }

    pub(super) fn lingered(&self, now: Time) -> Vec<Key> {
        let is_over = |key: &&Key| self.held(**key).is_some_and(|held| now.since(held.since) >= SUPERSEDED_LINGER);
        self.noted.superseded.iter().filter(is_over).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::SystemDisk;
    use super::*;
    use rain_cluster::Placement;
    use rain_cluster::{Attributes, Columns, Content, EtagKind, Manifest, Seat};
    use std::sync::Arc;

    fn record(title: u64, counter: u64, kind: u64, me: NodeId) -> Record {
        let content = match kind {
            0 => Content::None,
            _ => Content::Columns(Columns {
                bytes: 0,
                etag_kind: EtagKind::Content,
                etag: [1; 16],
                code: "replica:2".to_owned(),
                columns: 2,
                data_columns: 1,
                layout: 0,
                cell_bytes: 4096,
                block_bytes: 4096,
                group_bytes: 4096,
                modified_ms: 0,
                roots: vec![[2; 32]; 2],
            }),
        };
        let version = Version { counter, ..Version::LOWEST };
        let node = if kind == 2 { NodeId(9) } else { me };
        let seats = if kind == 0 { vec![] } else { vec![Seat { node: NodeId(8), store: 1 }, Seat { node, store: 1 }] };
        let manifest = Manifest {
            title: format!("title {title}"),
            version,
            epoch: 1,
            conditional: counter.is_multiple_of(5),
            content,
            attributes: Attributes::default(),
        };
        Record { manifest: manifest.into(), placement: Arc::new(Placement { generation: 0, seats }) }
    }

    /// What is kept current, found again by looking through everything.
    fn check(index: &Index<SystemDisk>, me: NodeId) {
        let mut newest: BTreeMap<TitleHash, Version> = BTreeMap::new();
        for (key, held) in index.all().filter(|(_, held)| held.standing == Standing::Marked) {
            newest.insert(key.0, key.1);
            assert!(
                index.names((Bound::Unbounded, Bound::Unbounded)).any(|name| TitleHash::of(name) == key.0),
                "{held:?}"
            );
        }
        let mut digests = Digests::none();
        for (title, version) in &newest {
            digests.add(title.digest_bucket(), Digests::of(title.bytes(), *version));
        }
        assert_eq!(index.digests, digests);
        let keys = |is: &dyn Fn(Key, &Held) -> bool| -> Vec<Key> {
            index.all().filter(|(key, held)| is(*key, held)).map(|(key, _)| key).collect()
        };
        let is_newest = |key: Key| newest.get(&key.0) == Some(&key.1);
        let noted = |keys: &BTreeSet<Key>| keys.iter().copied().collect::<Vec<_>>();
        let open = |_, held: &Held| held.is_open();
        assert_eq!(noted(&index.noted.open), keys(&open));
        assert_eq!(noted(&index.noted.superseded), keys(&|_, held| held.is_superseded));
        assert_eq!(noted(&index.noted.tombstones), keys(&|key, held| is_newest(key) && held.is_tombstone));
        let lacking = |key: Key, held: &Held| {
            let sound = held.column.is_some_and(|column| !column.is_damaged);
            let seated = index.packer.unpack(key.1, &held.record).placement.column_of(me).is_some();
            is_newest(key) && !sound && seated
        };
        assert_eq!(noted(&index.noted.lacking), keys(&lacking));
        let mut titles: BTreeSet<TitleHash> = index.all().map(|(key, _)| key.0).collect();
        titles.extend(index.decisions.keys().map(|key| key.0));
        let named: BTreeSet<_> = index.titles.iter().map(|title| TitleHash::of(title)).collect();
        assert_eq!(named, titles);
    }

    /// After whatever happens to a store.
    #[test]
    fn what_is_noted_is_what_is_there() {
        let me = NodeId(1);
        let mut index: Index<SystemDisk> = Index::new(me);
        let mut random = 1_u64;
        let mut pick = |below: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) % below
        };
        for step in 0..6000_u64 {
            let now = Time::from_micros(step);
            let record = record(pick(6), 1 + pick(9), pick(3), me);
            let key = key_of(&record);
            let column = (record.placement.column_of(me).is_some() && pick(2) == 0).then_some(1);
            let standing = [Standing::Pending, Standing::Inherited, Standing::Marked, Standing::Adopted];
            let standing = standing[usize::try_from(pick(3)).unwrap()];
            match pick(12) {
                0..=3 => index.apply(now, Change::Version { standing, column, record }),
                4 => index.apply(now, Change::Marked(key)),
                5 => index.apply(now, Change::Column(key, column)),
                6 | 7 => index.apply(now, Change::Removed(key)),
                8 => index.damage(key, "rot"),
                9 => index.apply(now, Change::Decision(Decision { record, prepared: vec![me] })),
                10 => index.apply(now, Change::Settled(key)),
                _ if pick(20) == 0 => index.be_reborn(now),
                _ if pick(20) == 0 => index.apply(now, Change::Learnt(Life(1), 0)),
                _ => index.touch(key, now),
            }
            check(&index, me);
        }
    }

    /// All that is committed or pending, page by page; of buckets in which both agree nothing but what the digests say
    /// nothing of.
    #[test]
    fn what_is_committed_is_told_in_pages() {
        let me = NodeId(1);
        let [mut index, mut other] = [0; 2].map(|_| Index::<SystemDisk>::new(me));
        let marked = |title, counter| Change::Version {
            standing: Standing::Marked,
            column: None,
            record: record(title, counter, 1, me),
        };
        for title in 0..5000 {
            index.apply(Time::default(), marked(title, 3));
            index.apply(Time::default(), marked(title, 4));
            other.apply(Time::default(), marked(title, if title == 77 { 3 } else { 4 }));
        }
        let pending = Change::Version { standing: Standing::Pending, column: None, record: record(5, 6, 1, me) };
        index.apply(Time::default(), pending);
        index.apply(Time::default(), Change::Decision(Decision { record: record(6, 7, 1, me), prepared: vec![] }));
        let told = |known: Option<&Digests>| {
            let (mut all, mut open, mut pages, mut from) = (BTreeMap::new(), Vec::new(), 0, Some(0));
            while let Some(first) = from {
                let page = index.committed(known, first);
                assert!(page.next.is_none_or(|next| next > first) && page.marked.len() < PAGE_VERSIONS + 50);
                let versions = page.marked.iter().map(|record| (record.title().to_owned(), record.version().counter));
                all.extend(versions);
                open.extend(page.pending.iter().map(|record| record.title().to_owned()));
                (from, pages) = (page.next, pages + 1);
            }
            assert_eq!(open, ["title 5"]);
            (all, pages)
        };
        let (all, pages) = told(None);
        let counter = |title| if title == 6 { 7 } else { 4 };
        assert_eq!(all, (0..5000).map(|title| (format!("title {title}"), counter(title))).collect());
        assert_eq!(pages, 5);
        let (differ, pages) = told(Some(&other.digests));
        assert!(differ.len() < 20 && differ.contains_key("title 77") && differ.contains_key("title 6"), "{differ:?}");
        assert_eq!(pages, 1);
        assert_eq!(told(Some(&index.digests)).0.into_iter().collect::<Vec<_>>(), [("title 6".to_owned(), 7)]);
    }

    /// One that cannot be restored holds up no other.
    #[test]
    fn each_column_that_is_lacking_has_its_turn() {
        let me = NodeId(1);
        let mut index = Index::<SystemDisk>::new(me);
        for title in 0..100 {
            let record = record(title, 3, 1, me);
            index.apply(Time::default(), Change::Version { standing: Standing::Marked, column: None, record });
        }
        let mut turns: BTreeMap<String, usize> = BTreeMap::new();
        for _ in 0..25 {
            let lacking = index.lacking(|_| true);
            assert_eq!(lacking.len(), AT_ONCE);
            for record in lacking {
                *turns.entry(record.title().to_owned()).or_default() += 1;
            }
        }
        assert_eq!((turns.len(), turns.values().all(|turns| *turns == 16)), (100, true));
        let mut few = Index::<SystemDisk>::new(me);
        assert_eq!(few.lacking(|_| true), []);
        few.apply(
            Time::default(),
            Change::Version { standing: Standing::Marked, column: None, record: record(1, 3, 1, me) },
        );
        assert_eq!([few.lacking(|_| true).len(), few.lacking(|_| true).len()], [1, 1]);
    }

    /// By count, for what an allocator adds is its own affair. Keys and values stand in nodes of a B-tree, which are two
    /// thirds full on average.
    #[test]
    fn a_title_takes_300_bytes() {
        let columns = Columns {
            bytes: 1024,
            etag_kind: EtagKind::Content,
            etag: [1; 16],
            code: "b-code:4".to_owned(),
            columns: 4,
            data_columns: 2,
            layout: 0,
            cell_bytes: 1 << 18,
            block_bytes: 4096,
            group_bytes: 1 << 14,
            modified_ms: 1_790_000_000_000,
            roots: vec![[2; 32]; 4],
        };
        let manifest = Manifest {
            title: "small-00000001".to_owned(),
            version: Version::LOWEST,
            epoch: 1,
            conditional: false,
            content: Content::Columns(columns),
            attributes: Attributes::default(),
        };
        let seats = (0..4).map(|node| Seat { node: NodeId(node), store: u32::MAX - node }).collect();
        let placement = Arc::new(Placement { generation: 0, seats });
        let packed = Packer::default().pack(&Record { manifest: Arc::new(manifest), placement });
        let entry = size_of::<Key>() + size_of::<Held>();
        let bytes = packed.bytes() + entry * 3 / 2;
        assert!(bytes <= 300, "{bytes} bytes, {} of them packed", packed.bytes());
        // Of the 128 bytes of roots nothing can be spared.
        assert!(packed.bytes() < 128 + 64, "{} bytes packed", packed.bytes());
    }
}
