//! What clients did and saw, and whether it can be.

use core::time::Duration;
use rain_cluster::commit::{Begin, Shape};
use rain_cluster::{Record, Time, Version};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// With a code.
    Put(&'static str, Vec<u8>),
    Delete,
    Get,
}

/// What a client demands of the present version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    Any,
    /// If-None-Match: *.
    Nothing,
    /// If-Match.
    Version(Version),
}

/// What the client was told; `None` while it was told nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Acknowledged {
        columns: usize,
        tolerates: usize,
    },
    /// Nothing was stored.
    Refused,
    /// It may or may not be seen.
    Unconfirmed,
    /// One that is not fresh promises nothing but that the bytes are those of the version.
    Found {
        version: Version,
        content: Vec<u8>,
        fresh: bool,
    },
    Absent {
        tombstone: Option<Version>,
        settled: bool,
    },
    Unavailable,
}

#[derive(Debug, Clone)]
pub struct Operation {
    pub title: usize,
    pub action: Action,
    pub wish: Wish,
    pub start: Time,
    pub end: Option<Time>,
    pub answer: Option<Answer>,
    /// The node that was asked, and which start of it.
    pub sent: (usize, u64),
    /// The version that a PUT or DELETE wrote, once it was chosen.
    pub version: Option<Version>,
    /// Whether its coordinator began to write its decision: from then on it may be committed.
    pub decided: bool,
    /// Nobody will ever decide it: its coordinator is gone.
    pub dead: bool,
    /// Pauses of the client between two pieces of the body.
    pub gap: Duration,
    /// Bad memory of the coordinator: one column is not what its root says.
    pub forge: bool,
}

impl Operation {
    pub fn content(&self) -> Option<(&'static str, &[u8])> {
        match &self.action {
            Action::Put(code, bytes) => Some((code, bytes)),
            Action::Delete | Action::Get => None,
        }
    }

    /// The shape of a write: that of its code, or none for a DELETE. `None` for a GET.
    pub fn shape(&self) -> Option<Option<Shape>> {
        match &self.action {
            Action::Put(code, _) => Some(Some(shape_of(code))),
            Action::Delete => Some(None),
            Action::Get => None,
        }
    }

    fn is_write(&self) -> bool {
        self.action != Action::Get
    }

    fn acknowledged(&self) -> bool {
        matches!(self.answer, Some(Answer::Acknowledged { .. }))
    }

    /// Whether readers may see it, though nobody was promised that they will.
    fn may_be_committed(&self) -> bool {
        self.is_write() && self.decided && self.answer != Some(Answer::Refused)
    }

    fn ended_before(&self, time: Time) -> bool {
        self.end.is_some_and(|end| end < time)
    }
}

pub fn shape_of(code: &str) -> Shape {
    let codec = crate::coder::codec(code);
    Shape { columns: codec.code().columns(), data_columns: codec.code().data_columns() }
}

pub fn title_name(title: usize) -> String {
    format!("title {title}")
}

#[derive(Debug, Default)]
pub struct History {
    pub operations: Vec<Operation>,
    /// What each version is, as its coordinator made it.
    pub proposed: BTreeMap<Version, Record>,
}

impl History {
    pub fn begin(&mut self, now: Time, sent: (usize, u64), title: usize, action: Action, wish: Wish) -> usize {
        self.operations.push(Operation {
            title,
            action,
            wish,
            start: now,
            end: None,
            answer: None,
            sent,
            version: None,
            decided: false,
            dead: false,
            gap: Duration::ZERO,
            forge: false,
        });
        self.operations.len() - 1
    }

    pub fn chose(&mut self, operation: usize, begin: &Begin) {
        self.operations[operation].version = Some(begin.version);
    }

    pub fn decided(&mut self, record: &Record) {
        let version = Some(record.version());
        for operation in self.operations.iter_mut().filter(|operation| operation.version == version) {
            operation.decided = true;
        }
    }

    pub fn end(&mut self, now: Time, operation: usize, answer: Answer) {
        let operation = &mut self.operations[operation];
        assert!(operation.answer.is_none(), "a client was told twice: {:?}, then {answer:?}", operation.answer);
        operation.end = Some(now);
        operation.answer = Some(answer);
    }

    /// The coordinators of these are gone.
    pub fn stopped(&mut self, operations: &BTreeSet<usize>) {
        for operation in operations {
            let operation = &mut self.operations[*operation];
            operation.dead = !operation.decided;
        }
    }

    /// The acknowledged write with the highest version that ended before `time`.
    pub fn newest_acknowledged(&self, title: usize, time: Time) -> Option<&Operation> {
        let acknowledged = |operation: &&Operation| {
            operation.title == title && operation.acknowledged() && operation.ended_before(time)
        };
        self.operations.iter().filter(acknowledged).max_by_key(|operation| operation.version)
    }

    /// How many disks a title may lose at once with all that was promised of it kept: what its newest acknowledgement
    /// says. A newer version that is under way or may be committed was promised to nobody, but it replaces the one that
    /// was; of its columns min(n, k + 1) were durable when it was decided, and whoever reads it first makes W marks.
    pub fn tolerance(&self, title: usize, write: usize) -> usize {
        let newest = self.newest_acknowledged(title, Time::from_micros(u64::MAX));
        let promised = match newest.map(|operation| &operation.answer) {
            Some(Some(Answer::Acknowledged { tolerates, .. })) => *tolerates,
            _ => usize::MAX,
        };
        let version = newest.and_then(|newest| newest.version);
        let newer = self.operations.iter().filter(|operation| {
            let open = operation.answer.is_none() && !operation.dead;
            operation.title == title
                && operation.is_write()
                && !operation.acknowledged()
                && (open || operation.may_be_committed())
                && (operation.version > version || operation.version.is_none())
        });
        let bound = |operation: &Operation| {
            let columns = operation.shape().flatten().map_or(usize::MAX, |shape| shape.needed() - shape.data_columns);
            columns.min(write - 1)
        };
        newer.map(bound).min().unwrap_or(usize::MAX).min(promised)
    }

    /// The first thing in the history that must not be.
    pub fn check(&self) -> Result<(), String> {
        let titles: BTreeSet<usize> = self.operations.iter().map(|operation| operation.title).collect();
        for title in titles {
            let told: Vec<&Operation> = self.operations.iter().filter(|operation| operation.title == title).collect();
            Title::of(&told).check().map_err(|what| format!("title {title}: {what}"))?;
        }
        Ok(())
    }
}

/// All that was done to one title.
struct Title<'a> {
    operations: &'a [&'a Operation],
    writes: BTreeMap<Version, &'a Operation>,
    /// Versions that are committed for sure: acknowledged, or seen by a reader who was told that it is fresh.
    committed: BTreeSet<Version>,
}

impl<'a> Title<'a> {
    fn of(operations: &'a [&'a Operation]) -> Self {
        let writes: BTreeMap<Version, &Operation> =
            operations.iter().filter_map(|operation| Some((operation.version?, *operation))).collect();
        let mut committed = BTreeSet::new();
        for operation in operations {
            match &operation.answer {
                Some(Answer::Acknowledged { .. }) => {
                    committed.extend(operation.version);
                    // What it replaced was there.
                    if let Wish::Version(base) = operation.wish {
                        committed.insert(base);
                    }
                }
                Some(Answer::Found { version, fresh: true, .. }) => drop(committed.insert(*version)),
                Some(Answer::Absent { tombstone: Some(version), settled: true }) => drop(committed.insert(*version)),
                _ => {}
            }
        }
        Self { operations, writes, committed }
    }

    fn check(&self) -> Result<(), String> {
        for get in self.operations.iter().filter(|operation| operation.action == Action::Get) {
            self.check_get(get)?;
        }
        self.check_order()?;
        self.check_conditions()
    }

    /// The highest version that every fresh reader who begins at `time` must see, or a newer one: what was acknowledged
    /// before, and what anybody was told before as fresh.
    fn floor(&self, time: Time) -> Option<Version> {
        let told = |operation: &&&Operation| operation.ended_before(time);
        let version = |operation: &&Operation| match &operation.answer {
            Some(Answer::Acknowledged { .. }) => operation.version,
            Some(Answer::Found { version, fresh: true, .. }) => Some(*version),
            Some(Answer::Absent { tombstone, settled: true }) => *tombstone,
            _ => None,
        };
        self.operations.iter().filter(told).filter_map(version).max()
    }

    fn check_get(&self, get: &Operation) -> Result<(), String> {
        let floor = self.floor(get.start);
        match &get.answer {
            Some(Answer::Found { version, content, fresh }) => {
                let write = self.writes.get(version).ok_or(format!("version {version} was never written"))?;
                let Action::Put(_, written) = &write.action else {
                    return Err(format!("version {version} is a tombstone, and was read"));
                };
                if content != written {
                    return Err(format!("version {version} was read with another content"));
                }
                if !write.may_be_committed() {
                    return Err(format!("version {version} was read, and was never committed"));
                }
                if *fresh && Some(*version) < floor {
                    return Err(format!("version {version} was read after {floor:?} was acknowledged, or read"));
                }
                Ok(())
            }
            Some(Answer::Absent { tombstone, .. }) => self.check_absent(get, *tombstone, floor),
            _ => Ok(()),
        }
    }

    /// Absence is a DELETE's, or of a title that nobody was told of. One that was refused excuses nothing, nor does one of
    /// which it is not known what became, unless its coordinator decided it.
    fn check_absent(&self, get: &Operation, tombstone: Option<Version>, floor: Option<Version>) -> Result<(), String> {
        if tombstone.is_some() && tombstone < floor {
            return Err(format!("tombstone {tombstone:?} was read after {floor:?} was acknowledged, or read"));
        }
        let deleted = |other: &&&Operation| {
            other.action == Action::Delete
                && other.start < get.end.unwrap()
                && other.version >= floor
                && other.may_be_committed()
                && tombstone.is_none_or(|tombstone| other.version == Some(tombstone))
        };
        if (floor.is_some() || tombstone.is_some()) && !self.operations.iter().any(|other| deleted(&other)) {
            return Err(format!("absent (tombstone {tombstone:?}) after {floor:?} was acknowledged, or read"));
        }
        Ok(())
    }

    /// Versions order the committed writes. The order is that of a linearization: whatever was acknowledged, or read as
    /// fresh, before a write began stands before it.
    fn check_order(&self) -> Result<(), String> {
        for version in &self.committed {
            let Some(write) = self.writes.get(version) else {
                return Err(format!("version {version} was never written"));
            };
            let floor = self.floor(write.start);
            if Some(*version) <= floor {
                return Err(format!("version {version} began after {floor:?} was acknowledged, or read"));
            }
        }
        Ok(())
    }

    /// Compare-and-set: an acknowledged conditional write is the direct successor of what its client demanded among all
    /// committed versions. Those of which the clients do not know what became need not be committed, unless somebody saw
    /// them. So no two replace one, and no unconditional one falls between.
    fn check_conditions(&self) -> Result<(), String> {
        for put in self.operations.iter().filter(|operation| operation.acknowledged()) {
            let version = put.version.unwrap();
            let before = self.committed.range(..version).next_back();
            match put.wish {
                Wish::Any => {}
                Wish::Version(base) if before == Some(&base) => {}
                Wish::Version(base) => {
                    return Err(format!("{version} was to replace {base}, and stands behind {before:?}"));
                }
                Wish::Nothing => {
                    let present = before.and_then(|before| self.writes.get(before));
                    if present.is_some_and(|present| present.action != Action::Delete)
                        && !self.may_be_deleted(before, version)
                    {
                        return Err(format!("{version} was to replace nothing, and stands behind {before:?}"));
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether a DELETE of which nobody knows what became may stand between two versions.
    fn may_be_deleted(&self, after: Option<&Version>, before: Version) -> bool {
        self.operations.iter().any(|operation| {
            operation.action == Action::Delete
                && operation.may_be_committed()
                && operation.version.as_ref() > after
                && operation.version < Some(before)
        })
    }
}

impl Operation {
    /// For people.
    pub fn brief(&self) -> String {
        let action = match &self.action {
            Action::Put(code, bytes) => format!("put {code} {}", bytes.len()),
            other => format!("{other:?}"),
        };
        let answer = match &self.answer {
            Some(Answer::Found { version, fresh, .. }) => format!("found {version} fresh {fresh}"),
            other => format!("{other:?}"),
        };
        let Self { title, wish, start, end, sent, version, decided, .. } = self;
        let (start, end) = (start.micros(), end.map(Time::micros));
        format!(
            "{start}..{end:?} title {title} {action} {wish:?} at {sent:?}: {} decided {decided}: {answer}",
            version.map(|version| version.to_string()).unwrap_or_default()
        )
    }
}
