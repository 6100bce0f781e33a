//! What the store holds, in memory: all of it durable, but for uploads and what is being coordinated.

use super::change::{Change, Standing};
use super::names::{Key, TitleHash, key_of};
use super::packed::{Packed, Packer};
use super::shares::Unsynced;
use super::upload::Upload;
use super::{Disk, PENDING_PATIENCE, SUPERSEDED_LINGER, TOMBSTONE_AGE, UPLOAD_LINGER};
use core::ops::{Bound, RangeInclusive};
use rain_cluster::{
    Base, ColumnStatus, Digests, Entry, Life, NodeId, Placement, Record, Refusal, Ticket, Time, TitleState, Version,
};
use rain_desk::{Decision, Overdue};
use rain_titles::Page;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The keys of all versions of a title.
fn keys_of(title: TitleHash) -> RangeInclusive<Key> {
    (title, Version::LOWEST)..=(title, Version::HIGHEST)
}

/// So many closed titles are remembered one by one; then all are taken for closed.
const CLOSED_MAX: usize = 1 << 16;

/// A column file in use.
#[derive(Debug, Clone, Copy)]
pub(super) struct HeldColumn {
    pub(super) column: u16,
    /// It is not to be trusted: the index knows why.
    pub(super) is_damaged: bool,
}

impl HeldColumn {
    fn sound(column: u16) -> Self {
        Self { column, is_damaged: false }
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

    /// Notes that it is read.
    pub(super) fn touch(&mut self, now: Time) {
        if self.is_superseded {
            self.since = now.max(self.since);
        }
    }

    pub(super) fn is_marked(&self) -> bool {
        self.standing == Standing::Marked
    }

    fn is_open(&self) -> bool {
        matches!(self.standing, Standing::Pending | Standing::Inherited)
    }

    /// Whether there is a column that is sound as far as is known.
    pub(super) fn has_column(&self) -> bool {
        self.column.is_some_and(|column| !column.is_damaged)
    }
}

/// What is remembered of another node.
#[derive(Debug, Clone, Copy)]
pub(super) struct Remembered {
    pub(super) life: Life,
    pub(super) serial: u64,
    /// What of it is durable here, or soon will be.
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

/// When titles were closed: by a count of this node's own.
#[derive(Debug, Default)]
pub(super) struct Closed {
    clock: u64,
    titles: BTreeMap<TitleHash, u64>,
    /// What was asked before is too late for all titles.
    all: u64,
}

impl Closed {
    /// Begins to count above everything that an earlier start counted.
    pub(super) fn begin(&mut self, incarnation: u64) {
        self.clock = incarnation << 20;
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
        ticket.0 < self.all || self.titles.get(&title).is_some_and(|closed| ticket.0 < *closed)
    }
}

/// Everything that the store holds.
#[derive(Debug)]
pub(super) struct Index<D: Disk> {
    versions: BTreeMap<Key, Held>,
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
    pub(super) retired: BTreeSet<(NodeId, Life)>,
    pub(super) remembered: BTreeMap<NodeId, Remembered>,
    pub(super) learnt: Option<Life>,
    /// No lower than the counter of any tombstone that was purged: what is written later must be above it, because
    /// another node may still have the tombstone.
    pub(super) floor: u64,
    pub(super) incarnation: u64,
    pub(super) closed: Closed,
    /// The newest conditional version of a title that was here, was superseded, and is gone: nothing may come before it
    /// still. A start needs to know none of them: what was asked for before it is late.
    barriers: BTreeMap<TitleHash, Version>,
    unknown: Vec<(u16, Vec<u8>)>,
}

impl<D: Disk> Index<D> {
    pub(super) fn new() -> Self {
        Self {
            versions: BTreeMap::new(),
            packer: Packer::default(),
            damages: BTreeMap::new(),
            uploads: BTreeMap::new(),
            decisions: BTreeMap::new(),
            active: BTreeSet::new(),
            unclaimed: BTreeMap::new(),
            unsynced: BTreeMap::new(),
            unsynced_bytes: 0,
            retired: BTreeSet::new(),
            remembered: BTreeMap::new(),
            learnt: None,
            floor: 0,
            incarnation: 0,
            closed: Closed::default(),
            barriers: BTreeMap::new(),
            unknown: Vec::new(),
        }
    }

    /// Takes a durable change into account: at a start in the order of the ledger, later as it becomes durable.
    pub(super) fn apply(&mut self, now: Time, change: Change) {
        match change {
            Change::Version { standing, column, record } => {
                let key = key_of(&record);
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
                self.supersede(key.0, now);
            }
            Change::Marked(key) => {
                if let Some(held) = self.held_mut(key) {
                    (held.standing, held.since) = (Standing::Marked, now);
                }
                self.supersede(key.0, now);
            }
            Change::Column(key, column) => {
                self.forget_unsynced(key);
                if let Some(held) = self.held_mut(key) {
                    held.column = column.map(HeldColumn::sound);
                }
                self.damages.remove(&key);
            }
            Change::Removed(key) => self.remove(key),
            Change::Decision(decision) => {
                let key = key_of(&decision.record);
                self.active.remove(&key);
                self.decisions.insert(key, decision);
            }
            Change::Settled(key) => drop(self.decisions.remove(&key)),
            Change::Learnt(life) => {
                self.learnt = Some(life);
                self.forget_hearsay(now);
                // What is learnt are the newest versions: what was asked for before might come before one of which this
                // store knew in an earlier life only.
                self.closed.close_all();
            }
            Change::Floor(floor) => self.floor = self.floor.max(floor),
            Change::Retired(node, life) => drop(self.retired.insert((node, life))),
            Change::Remembered(node, life, serial) => {
                self.remembered.insert(node, Remembered { life, serial, noted: serial });
            }
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
                changes.extend(self.learnt.map(Change::Learnt));
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
        changes.extend(self.retired.iter().map(|(node, life)| Change::Retired(*node, *life)));
        let remembered = self.remembered.iter();
        changes.extend(remembered.map(|(node, memory)| Change::Remembered(*node, memory.life, memory.serial)));
        changes.extend(self.unknown.iter().map(|(kind, payload)| Change::Unknown(*kind, payload.clone())));
        changes
    }

    /// A new life: what is known is hearsay, and must be learnt. Columns stay, for versions that are learnt again.
    pub(super) fn be_reborn(&mut self, now: Time) {
        self.learnt = None;
        self.decisions.clear();
        self.active.clear();
        for held in self.versions.values_mut().filter(|held| held.is_marked()) {
            held.standing = Standing::Hearsay;
        }
        let open = self.all().filter(|(_, held)| held.is_open()).map(|(key, _)| key).collect();
        self.leave(open, now);
    }

    fn forget_hearsay(&mut self, now: Time) {
        let hearsay = |held: &Held| held.standing == Standing::Hearsay;
        let keys = self.all().filter(|(_, held)| hearsay(held)).map(|(key, _)| key).collect();
        self.leave(keys, now);
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

    pub(super) fn held_mut(&mut self, key: Key) -> Option<&mut Held> {
        self.versions.get_mut(&key)
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

    /// Where the columns of a version that is held lie.
    pub(super) fn placement(&self, key: Key) -> Option<Placement> {
        self.held(key).map(|held| self.packer.placement(&held.record))
    }

    /// Remembers that a column is not to be trusted; the first reason counts.
    pub(super) fn damage(&mut self, key: Key, reason: &str) {
        if let Some(column) = self.versions.get_mut(&key).and_then(|held| held.column.as_mut()) {
            column.is_damaged = true;
            self.damages.entry(key).or_insert_with(|| reason.to_owned());
        }
    }

    fn status(&self, key: Key, held: &Held) -> ColumnStatus {
        match held.column {
            None => ColumnStatus::Missing,
            Some(HeldColumn { column, is_damaged: false }) => ColumnStatus::Ok { column },
            Some(HeldColumn { column, is_damaged: true }) => {
                ColumnStatus::Damaged { column, reason: self.damages.get(&key).cloned().unwrap_or_default() }
            }
        }
    }

    fn remove(&mut self, key: Key) {
        self.forget_unsynced(key);
        self.damages.remove(&key);
        let removed = self.versions.remove(&key);
        if removed.is_some_and(|held| held.is_marked() && held.is_conditional) {
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

    /// Notes the time from which versions older than the newest marked one may go.
    fn supersede(&mut self, title: TitleHash, now: Time) {
        let Some(newest) = self.newest_marked(title) else { return };
        for (_, held) in self.versions.range_mut((title, Version::LOWEST)..(title, newest)) {
            if !held.is_open() && !held.is_superseded {
                (held.is_superseded, held.since) = (true, now);
            }
        }
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
        let uploads = self.uploads.range(keys_of(title));
        TitleState {
            blank: self.is_unsure_of(title),
            entries,
            uploads: uploads.filter(|(_, upload)| !upload.restores).map(|((_, version), _)| *version).collect(),
            floor: self.floor,
            ticket: self.closed.ticket(),
            ..TitleState::default()
        }
    }

    /// The newest committed version of every title.
    fn newest(&self) -> impl Iterator<Item = (Key, &Held)> {
        let mut last = None;
        let newest = move |(key, _): &(Key, &Held)| last.replace(key.0) != Some(key.0);
        self.versions.iter().rev().map(|(key, held)| (*key, held)).filter(|(_, held)| held.is_marked()).filter(newest)
    }

    /// Digests of the newest committed versions.
    pub(super) fn digests(&self) -> Digests {
        let of = |(title, Version { counter, node, life, random }): Key| {
            let title = title.bytes();
            let (halves, _) = title.as_chunks::<8>();
            let words = [counter, u64::from(node.0) << 32 | u64::from(life.0), random.into()];
            // The finaliser of SplitMix64 after each word.
            halves.iter().map(|half| u64::from_le_bytes(*half)).chain(words).fold(0_u64, |hash, word| {
                let mut hash = hash.wrapping_add(word).wrapping_add(0x9e37_79b9_7f4a_7c15);
                hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
                hash ^ (hash >> 31)
            })
        };
        let mut digests = Digests::none();
        for (key, _) in self.newest() {
            digests.add(key.0.digest_bucket(), of(key));
        }
        digests
    }

    pub(super) fn titles(&self, page: &Page) -> BTreeSet<String> {
        let newest = self.newest().filter(|(_, held)| !held.is_tombstone());
        page.of(newest.map(|(_, held)| self.packer.title(&held.record)))
    }

    /// The newest committed version of every title, but for what somebody who has `known` is sure to know; and all versions
    /// of which it is not known what became.
    pub(super) fn committed(&self, known: Option<&Digests>) -> [Vec<Record>; 2] {
        let ours = known.map(|_| self.digests());
        let agree = |title: TitleHash| match (&ours, known) {
            (Some(ours), Some(known)) => ours.agree(known, title.digest_bucket()),
            _ => false,
        };
        let newest = self.newest().filter(|(key, _)| !agree(key.0));
        let mut marked: BTreeMap<TitleHash, Record> =
            newest.map(|(key, held)| (key.0, self.packer.unpack(key.1, &held.record))).collect();
        // Of these the digests say nothing.
        for ((title, version), decision) in &self.decisions {
            if marked.get(title).is_none_or(|newest| newest.version() < *version) {
                marked.insert(*title, decision.record.clone());
            }
        }
        let open = self.all().filter(|(key, held)| held.is_open() && !self.decisions.contains_key(key));
        let open = open.map(|(key, held)| self.packer.unpack(key.1, &held.record));
        [marked.into_values().collect(), open.collect()]
    }

    fn all(&self) -> impl Iterator<Item = (Key, &Held)> {
        self.versions.iter().map(|(key, held)| (*key, held))
    }

    /// Versions held.
    pub(super) fn len(&self) -> usize {
        self.versions.len()
    }

    /// Column files in use, by version.
    pub(super) fn columns(&self) -> impl Iterator<Item = (Key, u16)> {
        self.all().filter_map(|(key, held)| Some((key, held.column?.column)))
    }

    pub(super) fn overdue(&self, now: Time) -> Vec<Overdue> {
        let pending = self.all().filter(|(_, held)| held.is_open() && now.since(held.since) >= PENDING_PATIENCE).map(
            |(key, held)| {
                let record = self.packer.unpack(key.1, &held.record);
                Overdue { title: record.title().to_owned(), version: key.1, record: Some(record) }
            },
        );
        let uploads = self
            .uploads
            .iter()
            .filter(|(_, upload)| !upload.finishing && !upload.restores)
            .filter(|(_, upload)| now.since(upload.touched) >= PENDING_PATIENCE)
            .map(|((_, version), upload)| Overdue { title: upload.title.clone(), version: *version, record: None });
        pending.chain(uploads).collect()
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

    /// The newest versions of which `node` is to have a column, and has none that is sound.
    pub(super) fn lacking(&self, node: NodeId) -> Vec<Record> {
        self.newest()
            .filter(|(_, held)| !held.has_column() && self.packer.column_of(&held.record, node).is_some())
            .map(|(key, held)| self.packer.unpack(key.1, &held.record))
            .collect()
    }

    pub(super) fn old_tombstones(&self, now: Time) -> Vec<Record> {
        self.newest()
            .filter(|(_, held)| held.is_tombstone() && now.since(held.since) >= TOMBSTONE_AGE)
            .map(|(key, held)| self.packer.unpack(key.1, &held.record))
            .collect()
    }

    pub(super) fn lingered(&self, now: Time) -> Vec<Key> {
        let over = |held: &Held| held.is_superseded && now.since(held.since) >= SUPERSEDED_LINGER;
        self.all().filter(|(_, held)| over(held)).map(|(key, _)| key).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rain_cluster::{Attributes, Columns, Content, EtagKind, Manifest, Seat};
    use std::sync::Arc;

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
