//! A body on its way from a client to the participants.

use super::{Call, Node};
use crate::coder::{self, Records};
use crate::history::{History, Wish};
use crate::safeguard::Safeguard;
use crate::wire::{Body, Inner, Upload, Wires};
use core::time::Duration;
use rain_cluster::commit::{Begin, Condition, Shares};
use rain_cluster::{Content, Manifest, NodeId, Record, Time};
use rain_desk::{TaskId, Told};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A body on its way to the participants.
#[derive(Debug)]
pub(super) struct Ingest {
    record: Record,
    condition: Condition,
    /// By node: its upload, the pieces of its column, and how many of them it has taken.
    columns: BTreeMap<usize, Sending>,
    taken: Vec<NodeId>,
    /// The columns that go with the question whether the version is prepared.
    carried: Option<Vec<Arc<[u8]>>>,
    /// Between two pieces, and after the last.
    gap: Duration,
    pub(super) sent: bool,
}

#[derive(Debug)]
struct Sending {
    plan: Arc<Upload>,
    pieces: Vec<Records>,
    next: usize,
    offset: u64,
    over: bool,
}

impl Node {
    pub(super) fn ingest(
        &mut self,
        task: TaskId,
        asked: usize,
        begin: Begin,
        wires: &mut Wires,
        history: &mut History,
    ) {
        let now = self.local(wires.now);
        history.chose(asked, &begin);
        let operation = &history.operations[asked];
        let title = crate::history::title_name(operation.title);
        let held = operation.wish.condition(begin.current.as_ref());
        let Some(condition) = held else {
            self.running.as_mut().unwrap().desk.handle(now, task, Told::GiveUp);
            return;
        };
        let mut manifest = Manifest {
            title: title.clone(),
            version: begin.version,
            epoch: begin.epoch,
            conditional: condition == Condition::Unchanged,
            content: Content::None,
            attributes: rain_cluster::Attributes::default(),
        };
        let mut columns = BTreeMap::new();
        let mut carried = None;
        if let Some((code, bytes)) = operation.content() {
            let coder::Made { columns: mut described, mut records, .. } =
                coder::make(&title, begin.version, code, bytes);
            let forged = begin.uploads.first().filter(|_| operation.forge && described.bytes > 0);
            if let Some((_, column)) = forged {
                let first = &mut records[usize::from(*column)][0];
                let stripe = coder::geometry(&described).stripe(0);
                *first = coder::forged(&title, begin.version, *column, &stripe, first).into();
            }
            if described.bytes > 0 && begin.version.random.is_multiple_of(2) {
                carried = Some(
                    records
                        .iter()
                        .map(|pieces| pieces.iter().flat_map(|piece| piece.iter().copied()).collect())
                        .collect(),
                );
            }
            for (node, column) in begin.uploads.iter().filter(|_| carried.is_none()) {
                let plan = Upload {
                    title: title.clone(),
                    version: begin.version,
                    column: *column,
                    code: described.code.clone(),
                    cell_bytes: described.cell_bytes,
                    block_bytes: described.block_bytes,
                    group_bytes: described.group_bytes,
                };
                let mut pieces = records[usize::from(*column)].clone();
                if pieces.is_empty() {
                    pieces.push(Records::default());
                }
                let sending = Sending { plan: Arc::new(plan), pieces, next: 0, offset: 0, over: false };
                let place = self.cluster.place(*node).expect("columns go to members");
                columns.insert(place, sending);
            }
            described.modified_ms = self.modified_ms(wires.now, begin.current.as_ref());
            manifest.content = Content::Columns(described);
        }
        let record = Record { manifest: manifest.into(), placement: begin.placement.into() };
        history.proposed.insert(record.version(), record.clone());
        let (gap, nodes) = (history.operations[asked].gap, columns.keys().copied().collect::<Vec<_>>());
        let ingest = Ingest { record, condition, columns, taken: Vec::new(), carried, gap, sent: false };
        self.running.as_mut().unwrap().ingests.insert(task, ingest);
        for node in nodes {
            let event = self.inner(Inner::Piece { task, node });
            wires.after(Duration::from_micros(1), event);
        }
        let event = self.inner(Inner::Sent(task));
        wires.after(gap, event);
    }

    /// As production has it.
    fn modified_ms(&self, now: Time, current: Option<&Record>) -> u64 {
        let replaced = current.and_then(|current| current.manifest.columns());
        // Where clocks are to order versions, each says what its coordinator's showed.
        let kept = replaced.filter(|_| self.cluster.missing != Some(Safeguard::Order));
        rain_node::modified_ms(self.wall.shows(now), kept.map(|columns| columns.modified_ms))
    }

    pub(super) fn send_piece(&mut self, task: TaskId, node: usize, wires: &mut Wires) {
        let Some(ingest) = self.running.as_mut().unwrap().ingests.get_mut(&task) else { return };
        let sending = ingest.columns.get_mut(&node).unwrap();
        let Some(records) = sending.pieces.get(sending.next).cloned() else { return };
        let body =
            Body::Upload { plan: Arc::clone(&sending.plan), offset: sending.offset, records: Arc::clone(&records) };
        sending.next += 1;
        sending.offset += records.len() as u64;
        self.call(Call::Upload(task, node), node, body, self.cluster.patience, wires);
    }

    pub(super) fn taken(&mut self, task: TaskId, node: usize, taken: bool, wires: &mut Wires) {
        let id = self.cluster.ids[node];
        let Some(ingest) = self.running.as_mut().unwrap().ingests.get_mut(&task) else { return };
        let gap = ingest.gap;
        let sending = ingest.columns.get_mut(&node).unwrap();
        if taken && sending.next < sending.pieces.len() {
            let event = self.inner(Inner::Piece { task, node });
            wires.after(gap, event);
            return;
        }
        sending.over = true;
        if taken {
            ingest.taken.push(id);
        }
        self.uploaded(task, wires);
    }

    /// Tells the desk, once every participant has the body or has failed, and the client has sent all of it.
    pub(super) fn uploaded(&mut self, task: TaskId, wires: &Wires) {
        let now = self.local(wires.now);
        let running = self.running.as_mut().unwrap();
        let over = |ingest: &Ingest| ingest.sent && ingest.columns.values().all(|sending| sending.over);
        if running.ingests.get(&task).is_some_and(over) {
            let Ingest { record, condition, taken, carried, .. } = running.ingests.remove(&task).unwrap();
            let shares = carried.map_or(Shares::Uploaded(taken), Shares::Carried);
            running.desk.handle(now, task, Told::Uploaded { record, shares, condition });
        }
    }
}

impl Wish {
    /// What the desk is to hold to; `None` when it does not hold already.
    fn condition(&self, current: Option<&Record>) -> Option<Condition> {
        let present = current.filter(|current| !current.manifest.is_tombstone()).map(Record::version);
        match self {
            Self::Any => Some(Condition::None),
            Self::Version(version) => (present == Some(*version)).then_some(Condition::Unchanged),
            Self::Nothing => present.is_none().then_some(Condition::Unchanged),
        }
    }
}
