//! Columns on their way to a reader, or to a node that restores one.

use super::{Call, Node};
use crate::coder::{self, Records};
use crate::disk::SimDisk;
use crate::history::{Answer, History};
use crate::safeguard::Safeguard;
use crate::wire::{Body, Message, Wires};
use core::ops::Range;
use core::time::Duration;
use rain_cluster::catalog::{FoundVersion, Resolution, where_held};
use rain_cluster::{NodeId, Record, Time, Version};
use rain_codec::column::Geometry;
use rain_desk::order::RestoreFailure;
use rain_desk::{RestoreOrder, TaskId, Told};
use rain_node::store::{ColumnError, Store};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Columns that do not come within so long are not waited for.
const COLUMN: Duration = Duration::from_secs(2);

/// Columns on their way here.
#[derive(Debug)]
pub(super) struct Fetching {
    record: Record,
    stripes: Range<u64>,
    waiting: BTreeSet<u64>,
    got: BTreeMap<u16, Records>,
    purpose: Purpose,
}

#[derive(Debug)]
enum Purpose {
    Reader { asked: usize, fresh: bool },
    Repair { column: u16 },
}

impl Node {
    pub(super) fn resolved(
        &mut self,
        task: TaskId,
        asked: usize,
        resolution: Resolution,
        wires: &mut Wires,
        history: &mut History,
    ) {
        match resolution {
            Resolution::Found(found) => {
                let fresh = found.is_fresh();
                let FoundVersion { record, columns: told, .. } = found;
                let Some(columns) = record.manifest.columns() else {
                    // Of a kind that this release does not know.
                    return history.end(wires.now, asked, Answer::Unavailable);
                };
                let stripes = 0..coder::geometry(columns).stripe_count();
                let members = self.running.as_ref().unwrap().store.members();
                let nodes: Vec<_> = where_held(&record, &members, &told).nodes().collect();
                self.fetch(task, record, stripes, &nodes, Purpose::Reader { asked, fresh }, wires, history);
            }
            Resolution::Absent { tombstone, settled } => {
                history.end(wires.now, asked, Answer::Absent { tombstone, settled });
            }
            Resolution::TooFew { .. } => history.end(wires.now, asked, Answer::Unavailable),
        }
    }

    pub(super) fn restore(&mut self, task: TaskId, order: RestoreOrder, wires: &mut Wires, history: &mut History) {
        let RestoreOrder { record, column, stripe, lost } = order;
        let seats = (0..).zip(record.placement.nodes());
        let nodes: Vec<_> = seats.filter(|(column, _)| !lost.contains(column)).map(|(_, node)| node).collect();
        self.fetch(task, record, stripe..stripe + 1, &nodes, Purpose::Repair { column }, wires, history);
    }

    #[expect(clippy::too_many_arguments, reason = "one call each for a reader and for a repair")]
    fn fetch(
        &mut self,
        task: TaskId,
        record: Record,
        stripes: Range<u64>,
        nodes: &[NodeId],
        purpose: Purpose,
        wires: &mut Wires,
        history: &mut History,
    ) {
        let (title, version): (Arc<str>, _) = (record.title().into(), record.version());
        let mut fetching =
            Fetching { record, stripes: stripes.clone(), waiting: BTreeSet::new(), got: BTreeMap::new(), purpose };
        for node in nodes {
            // One that is no member has nothing.
            let Some(place) = self.cluster.place(*node) else { continue };
            let proof = self.cluster.by_root;
            let body = Body::Read { title: Arc::clone(&title), version, stripes: stripes.clone(), proof };
            fetching.waiting.insert(self.call(Call::Column(task), place, body, COLUMN, wires));
        }
        self.running.as_mut().unwrap().fetches.insert(task, fetching);
        self.advance_fetch(task, wires, history);
    }

    pub(super) fn fetched(
        &mut self,
        task: TaskId,
        call: u64,
        answer: Option<(usize, Body)>,
        wires: &mut Wires,
        history: &mut History,
    ) {
        let Some(fetching) = self.running.as_mut().unwrap().fetches.get_mut(&task) else { return };
        fetching.waiting.remove(&call);
        if let Some((from, Body::Column { column, records })) = answer {
            let (title, version) = (fetching.record.title().to_owned(), fetching.record.version());
            let described = fetching.record.manifest.columns().unwrap();
            let records = if self.cluster.by_root {
                let by_root = self.cluster.missing != Some(Safeguard::Root);
                coder::proven(described, (&title, version, column), &fetching.stripes, &records, by_root)
            } else {
                is_sound(described, &fetching.stripes, &title, version, column, &records).then_some(records)
            };
            if let Some(records) = records {
                fetching.got.insert(column, records);
            } else {
                // As production does, which tells the node that its column was found damaged.
                let (sender, call) = (self.sender(), wires.call());
                let body = Body::Damaged { title: title.into(), version };
                wires.send(&Message { from: self.place, to: from, call, sender, answer: false, body });
            }
        }
        self.advance_fetch(task, wires, history);
    }

    fn advance_fetch(&mut self, task: TaskId, wires: &mut Wires, history: &mut History) {
        let now = self.local(wires.now);
        let running = self.running.as_mut().unwrap();
        let Some(fetching) = running.fetches.get(&task) else { return };
        let columns = fetching.record.manifest.columns().unwrap();
        let enough = fetching.got.len() >= usize::from(columns.data_columns);
        if !enough && !fetching.waiting.is_empty() {
            return;
        }
        let Fetching { record, stripes, mut got, purpose, .. } = running.fetches.remove(&task).unwrap();
        let columns = record.manifest.columns().unwrap();
        while got.len() > usize::from(columns.data_columns) {
            got.pop_last();
        }
        let version = record.version();
        match purpose {
            Purpose::Reader { asked, fresh } => {
                let answer = if enough {
                    let content = coder::decode(columns, &got);
                    Answer::Found { version, content, fresh }
                } else {
                    Answer::Unavailable
                };
                history.end(wires.now, asked, answer);
            }
            Purpose::Repair { column } => {
                let restored = if enough {
                    let stripe = coder::geometry(columns).stripe(stripes.start);
                    let made = coder::restore(record.title(), version, columns, column, &stripe, &got);
                    let appended = running.store.append(now, record.title(), version, coder::offset_of(&stripe), &made);
                    appended.map_err(|error| RestoreFailure::Store(error.to_string()))
                } else {
                    Err(RestoreFailure::TooFewColumns)
                };
                running.desk.handle(now, task, Told::Restored(restored));
            }
        }
    }
}

fn is_sound(
    columns: &rain_cluster::Columns,
    stripes: &Range<u64>,
    title: &str,
    version: Version,
    column: u16,
    records: &[u8],
) -> bool {
    let geometry: Geometry = coder::geometry(columns);
    let mut rest = records;
    for index in stripes.clone() {
        let stripe = geometry.stripe(index);
        let Some((record, left)) = rest.split_at_checked(usize::try_from(stripe.record_bytes()).unwrap()) else {
            return false;
        };
        if !coder::is_sound(title, version, column, &stripe, record) {
            return false;
        }
        rest = left;
    }
    rest.is_empty()
}

/// The records of a column as its node sends them: nothing is verified, the reader does that.
pub fn read(
    store: &Store<SimDisk>,
    now: Time,
    title: &str,
    version: Version,
    stripes: Range<u64>,
    proof: bool,
) -> Result<Body, ColumnError> {
    let column = store.open_column(now, title, version)?;
    if stripes.end > column.geometry().stripe_count() {
        return Err(ColumnError::OutOfRange);
    }
    let mut records = Vec::new();
    for index in stripes {
        let all = coder::whole(&column.geometry().stripe(index), proof);
        let read = store.read_blocks(&column, &all, usize::MAX);
        records.extend(read.inspect_err(|error| store.note_if_damage(title, version, error))?);
    }
    Ok(Body::Column { column: column.index(), records: Arc::new(records) })
}
