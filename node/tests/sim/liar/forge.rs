//! Versions and columns that a liar makes up.

use super::{Liar, kinds::Lie};
use crate::coder::{self, Made};
use core::ops::Range;
use rain_cluster::version::{COUNTER_LEAP, COUNTER_MAX};
use rain_cluster::{ColumnStatus, Content, Entry, Manifest, NodeId, Placement, Record, Seat, Version};
use std::sync::Arc;

/// So much is remembered of each kind.
pub(super) const REMEMBERED: usize = 64;

/// A content that is not that of its version, with columns that fit its roots.
#[derive(Debug)]
pub(super) struct Twin {
    title: String,
    made: Made,
}

fn with(record: &Record, change: impl FnOnce(&mut Manifest)) -> Record {
    let mut manifest = (*record.manifest).clone();
    change(&mut manifest);
    Record { manifest: manifest.into(), placement: Arc::clone(&record.placement) }
}

impl Liar {
    /// The version with the roots of another content of the same length.
    pub(super) fn other_roots(&mut self, record: &Record) -> Option<Record> {
        let columns = record.manifest.columns()?.clone();
        if columns.bytes > 100_000 {
            return None;
        }
        let made = self.twin(record.title(), record.version(), &columns.code, columns.bytes)?;
        Some(with(record, |manifest| {
            manifest.content = Content::Columns(rain_cluster::Columns { roots: made, ..columns });
        }))
    }

    /// Makes a content of so many bytes for a version, keeps its columns, and gives their roots.
    fn twin(&mut self, title: &str, version: Version, code: &str, bytes: u64) -> Option<Vec<[u8; 32]>> {
        self.cluster.codes.named(code).ok()?;
        if !self.twins.contains_key(&version) {
            let fill = self.random.next();
            let content: Vec<u8> = (0..bytes).map(|at| (fill >> (at % 53)) as u8 ^ 0xa5).collect();
            let made = coder::make(title, version, code, &content);
            if self.twins.len() == REMEMBERED {
                self.twins.pop_first();
            }
            self.twins.insert(version, Twin { title: title.to_owned(), made });
        }
        Some(self.twins[&version].made.columns.roots.clone())
    }

    /// Stripes of a column of what it made up, as they travel.
    pub(super) fn twin_column(&self, version: Version, stripes: &Range<u64>) -> Option<(u16, Vec<u8>)> {
        let twin = self.twins.get(&version)?;
        let column = self.seat_of(&twin.title, version);
        let column = column.filter(|column| *column < twin.made.columns.columns).unwrap_or(0);
        Some((column, coder::answer(&twin.made, column, stripes)?))
    }

    /// Its column of a version, as it knows it.
    fn seat_of(&self, title: &str, version: Version) -> Option<u16> {
        let record = self.records.get(&version).filter(|record| record.title() == title)?;
        record.placement.column_of(self.id)
    }

    pub(super) fn altered(&mut self, lie: Lie, record: &Record) -> Option<Record> {
        let random = &mut self.random;
        match lie {
            Lie::Roots => self.other_roots(record),
            Lie::Lengths => {
                let mut columns = record.manifest.columns()?.clone();
                match random.below(3) {
                    0 => columns.bytes += 1 + random.below(5000) as u64,
                    1 => columns.bytes /= 2,
                    _ => columns.cell_bytes = (columns.cell_bytes * 2).min(1 << 20),
                }
                Some(with(record, |manifest| manifest.content = Content::Columns(columns)))
            }
            Lie::Codes => {
                let mut columns = record.manifest.columns()?.clone();
                let code = random.pick(&["b-code:4", "x-code:5", "replica:3", "rs:2+4", "rs:3+1", "parity:3+1"]);
                let codec = coder::codec(code);
                code.clone_into(&mut columns.code);
                let count = |number: usize| u16::try_from(number).unwrap();
                columns.columns = count(codec.code().columns());
                columns.data_columns = count(codec.code().data_columns());
                columns.roots.resize(codec.code().columns(), [7; 32]);
                let mut placement = (*record.placement).clone();
                placement.seats.resize(codec.code().columns(), Seat { node: self.id, store: 1 });
                let record = with(record, |manifest| manifest.content = Content::Columns(columns));
                Some(Record { placement: placement.into(), ..record })
            }
            Lie::Seats => {
                let mut placement = (*record.placement).clone();
                placement.generation = random.pick(&[0, 1, 7, u32::MAX]);
                let others = [self.id, NodeId(random.word()), self.cluster.ids[0]];
                match random.below(3) {
                    0 => placement.seats.reverse(),
                    1 => placement.seats.iter_mut().for_each(|seat| seat.node = others[0]),
                    _ => placement.seats.iter_mut().for_each(|seat| seat.node = random.pick(&others)),
                }
                Some(Record { manifest: Arc::clone(&record.manifest), placement: placement.into() })
            }
            _ => None,
        }
    }

    /// A version of a title that nobody wrote.
    pub(super) fn invented(&mut self, lie: Lie, title: &str, highest: u64) -> Record {
        let other = self.random.below(self.cluster.ids.len());
        let named = if lie == Lie::CreateAs { other } else { self.place };
        let sender = self.lives.get(&named).copied().unwrap_or(self.me);
        let leap = self.random.pick(&[1, 1, 1, 2, COUNTER_LEAP - 1, 1 << 40, COUNTER_MAX]);
        let counter = highest.saturating_add(leap).clamp(1, COUNTER_MAX);
        let mut version = Version { counter, node: sender.node, life: sender.life, random: self.random.word() };
        let underway = self.uploads.iter().rev().find(|upload| upload.title == title);
        if let Some(upload) = underway
            && lie == Lie::CreateAs
            && self.random.one_in(2)
        {
            version = upload.version;
        }
        let mut placement = Placement::none();
        let mut content = Content::None;
        if lie != Lie::Delete && !self.plan.codes.is_empty() {
            let code = self.random.pick(&self.plan.codes);
            let bytes = self.random.below(3000) as u64;
            if self.twin(title, version, code, bytes).is_some() {
                let columns = self.twins[&version].made.columns.clone();
                let nodes = &self.cluster.ids;
                let first = self.random.below(nodes.len());
                let seat = |at: usize| Seat { node: nodes[(first + at) % nodes.len()], store: 1 };
                placement.seats = (0..usize::from(columns.columns)).map(seat).collect();
                content = Content::Columns(columns);
            }
        }
        let manifest = Manifest {
            title: title.to_owned(),
            version,
            epoch: 0,
            conditional: self.random.one_in(3),
            content,
            attributes: rain_cluster::Attributes::default(),
        };
        Record { manifest: manifest.into(), placement: placement.into() }
    }

    pub(super) fn entry(&mut self, record: Record) -> Entry {
        let column = record.placement.column_of(self.id);
        let column = column.map_or(ColumnStatus::Missing, |column| ColumnStatus::Ok { column });
        Entry { record, marked: true, column }
    }

    pub(super) fn remember(&mut self, record: &Record) {
        if self.records.len() == REMEMBERED {
            self.records.pop_first();
        }
        self.records.insert(record.version(), record.clone());
    }
}
