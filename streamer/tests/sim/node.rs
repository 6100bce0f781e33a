//! One simulated node: a real store, and the operations under way.

use crate::disk::{Missing, SimDisk};
use crate::history::{Answer, History};
use crate::world::{Body, Step, manifest_of};
use core::time::Duration;
use rain_cluster::catalog::{Found, Learnt, Resolve, Sync};
use rain_cluster::commit::{Condition, Marking, PendingCheck, PurgeCheck, Put, PutEvent, Verdict};
use rain_cluster::{Machine, Manifest, NodeId, Placement, Quorum, Reply, Request, Time, TitleState, Version};
use rain_codec::column::{Geometry, StripeEncoder};
use rain_codec::schedule::ErasurePattern;
use rain_codec::stripe::StripeCodec;
use rain_codec::{Cell, Code};
use rain_streamer::column_read::ColumnRead;
use rain_streamer::store::{DecideError, Decision, OpenError, Overdue, Store, title_version};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

const UPLOAD: Duration = Duration::from_secs(2);
const READ: Duration = Duration::from_secs(2);

pub struct Node {
    pub id: NodeId,
    pub disk: SimDisk,
    pub store: Option<Store<SimDisk>>,
    pub operations: BTreeMap<u64, Operation>,
    pub starts: u64,
}

pub struct Operation {
    pub kind: OperationKind,
    pub asked: Option<usize>,
}

pub enum OperationKind {
    Put { put: Put, content: Option<Vec<u8>>, condition: Condition, upload: Option<Uploading> },
    Get { resolve: Resolve, reading: Option<Reading> },
    Marking { marking: Marking, manifest: Manifest },
    Pending { check: PendingCheck, overdue: Overdue },
    Purge(PurgeCheck),
    Sync(Sync),
}

/// Columns on their way to the participants.
pub struct Uploading {
    pub manifest: Manifest,
    pub taken: Vec<NodeId>,
    waiting: BTreeSet<NodeId>,
    until: Time,
    outbox: VecDeque<(NodeId, Body)>,
}

impl Uploading {
    pub fn is_over(&self, now: Time) -> bool {
        self.waiting.is_empty() || now >= self.until
    }
}

/// Columns on their way to a reader.
pub struct Reading {
    found: Found,
    waiting: BTreeSet<NodeId>,
    columns: BTreeMap<u16, Arc<Vec<u8>>>,
    until: Time,
    outbox: VecDeque<(NodeId, Body)>,
}

impl Reading {
    pub fn new(now: Time, found: Found, nodes: &[NodeId]) -> Self {
        let (title, version) = (found.manifest.title.clone(), found.manifest.version);
        let ask = |node: &NodeId| (*node, Body::Read { title: title.clone(), version });
        let outbox = nodes.iter().map(ask).collect();
        Self { found, waiting: nodes.iter().copied().collect(), columns: BTreeMap::new(), until: now + READ, outbox }
    }

    /// What the reader got, once k columns are there or no more will come.
    pub fn result(&self, now: Time, codec: &StripeCodec) -> Option<Answer> {
        let content = self.found.manifest.content.as_ref().unwrap();
        if self.columns.len() < codec.code().data_columns() {
            let over = self.waiting.is_empty() || now >= self.until;
            return over.then_some(Answer::Unavailable);
        }
        let geometry = Geometry::new(codec.code(), content.cell_bytes, content.block_bytes, content.bytes);
        let bytes = decode(codec, &geometry, &self.columns, content.bytes);
        assert_eq!(blake3::hash(&bytes).as_bytes()[..16], content.etag, "columns of one version decode to its content");
        let Found { manifest, confirmed, settled, .. } = &self.found;
        Some(Answer::Found { version: manifest.version, content: bytes, confirmed: *confirmed, settled: *settled })
    }
}

/// The title from any k columns, by the schedules of the codec.
fn decode(codec: &StripeCodec, geometry: &Geometry, columns: &BTreeMap<u16, Arc<Vec<u8>>>, length: u64) -> Vec<u8> {
    let code = codec.code();
    let lost: Vec<usize> =
        (0..code.columns()).filter(|column| !columns.contains_key(&u16::try_from(*column).unwrap())).collect();
    let data: Vec<Cell> = (0..code.data_cell_count()).map(|index| code.data_cell(index)).collect();
    let wanted: Vec<Cell> = data.iter().copied().filter(|cell| lost.contains(&usize::from(cell.column))).collect();
    let schedule = codec.recover_schedule(ErasurePattern::of(&lost), &wanted).unwrap();
    let mut bytes = Vec::new();
    for index in 0..geometry.stripe_count() {
        let stripe = geometry.stripe(index);
        let length = usize::try_from(stripe.cell_bytes).unwrap();
        let present = |cell: Cell| {
            let base = stripe.record_offset - geometry.stripe(0).record_offset + stripe.cell_offset(cell.row);
            let base = usize::try_from(base).unwrap();
            &columns[&cell.column][base..base + length]
        };
        let inputs: Vec<&[u8]> = schedule.inputs().iter().map(|cell| present(*cell)).collect();
        let mut outputs = vec![vec![0; length]; schedule.targets().len()];
        let mut slices: Vec<&mut [u8]> = outputs.iter_mut().map(Vec::as_mut_slice).collect();
        codec.run(&schedule, &inputs, &mut slices);
        for cell in &data {
            match schedule.targets().iter().position(|target| target == cell) {
                Some(target) => bytes.extend_from_slice(&outputs[target]),
                None => bytes.extend_from_slice(present(*cell)),
            }
        }
    }
    bytes.truncate(usize::try_from(length).unwrap());
    bytes
}

impl Node {
    pub fn new(id: NodeId, disk: SimDisk) -> Self {
        Self { id, disk, store: None, operations: BTreeMap::new(), starts: 0 }
    }

    pub fn open(&mut self, now: Time, life: u32) -> Result<(), OpenError> {
        self.starts += 1;
        self.store = Some(Store::open(self.disk.clone(), self.id, "simulated", life, now)?);
        Ok(())
    }

    /// What a node takes up when it starts: to learn, if it is blank, and the marks of its decisions.
    pub fn first_operations(&self, now: Time, others: &[NodeId], quorum: Quorum) -> Vec<OperationKind> {
        let store = self.store.as_ref().unwrap();
        let mut operations = Vec::new();
        if store.is_blank() {
            operations.push(OperationKind::Sync(Sync::new(now, others, quorum)));
        }
        for Decision { manifest, prepared } in store.decisions() {
            let marking = Marking::new(now, manifest.clone(), prepared);
            operations.push(OperationKind::Marking { marking, manifest });
        }
        operations
    }

    /// What a node looks after from time to time.
    pub fn due(&self, now: Time, placement: impl Fn(&str) -> Placement) -> Vec<OperationKind> {
        let store = self.store.as_ref().unwrap();
        let _ = store.sweep(now);
        let overdue = store.overdue(now).into_iter().map(|overdue| {
            let check = PendingCheck::new(now, &overdue.title, overdue.version, &placement(&overdue.title));
            OperationKind::Pending { check, overdue }
        });
        let tombstones = store.old_tombstones(now).into_iter().map(|manifest| {
            OperationKind::Purge(PurgeCheck::new(now, &manifest.title, manifest.version, &placement(&manifest.title)))
        });
        overdue.chain(tombstones).collect()
    }

    /// Answers another node.
    pub fn answer(&self, now: Time, body: Body, missing: Option<Missing>) -> Body {
        let store = self.store.as_ref().unwrap();
        match body {
            Body::Ask(Request::Mark { spread, .. })
                if missing == Some(Missing::Mark) || spread && missing == Some(Missing::Spread) =>
            {
                Body::Answer(Reply::Marked)
            }
            Body::Ask(request) => match store.handle(now, &request) {
                Ok(Reply::State(state)) if missing == Some(Missing::Floor) => {
                    Body::Answer(Reply::State(TitleState { floor: 0, ..state }))
                }
                Ok(reply) => Body::Answer(reply),
                Err(_) => Body::Failed,
            },
            Body::Upload { title, version, column, records } => {
                let begun = store.begin_upload(now, &title, version, column).is_ok();
                let taken = begun && store.append(now, &title, version, 0, &records).is_ok();
                if taken { Body::Uploaded } else { Body::Failed }
            }
            Body::Read { title, version } => read(store, now, &title, version).unwrap_or(Body::Failed),
            Body::Answer(_) | Body::Uploaded | Body::Column { .. } | Body::Failed => Body::Failed,
        }
    }

    /// Acts on the next event of an operation that no client waits for.
    pub fn act(&self, now: Time, operation: &mut Operation) -> Step {
        let store = self.store.as_ref().unwrap();
        let mark = |manifest: &Manifest, spread| {
            let _ = store.handle(now, &Request::Mark { manifest: manifest.clone(), spread });
        };
        match &mut operation.kind {
            OperationKind::Marking { marking, manifest } if marking.is_settled() => {
                store.settled(&manifest.title, manifest.version);
                Step::Done
            }
            OperationKind::Pending { check, overdue } => match (check.poll_event(), &overdue.manifest) {
                (None, _) => Step::Wait,
                (Some(Verdict::Mark), Some(manifest)) => {
                    mark(manifest, false);
                    Step::Done
                }
                (Some(Verdict::Mark), None) => {
                    store.drop_upload(&overdue.title, overdue.version);
                    Step::Done
                }
                (Some(Verdict::Drop), _) => {
                    let drop = Request::Drop { title: overdue.title.clone(), version: overdue.version };
                    let _ = store.handle(now, &drop);
                    Step::Done
                }
                (Some(Verdict::Later), _) => Step::Done,
            },
            OperationKind::Purge(check) if check.may_go().is_some() => Step::Done,
            OperationKind::Sync(sync) => match sync.poll_event() {
                None => Step::Wait,
                Some(Learnt::Manifests(manifests)) => {
                    for manifest in &manifests {
                        mark(manifest, true);
                    }
                    Step::Again
                }
                Some(Learnt::Floor(floor)) => {
                    let _ = store.raise_floor(floor);
                    Step::Again
                }
                Some(Learnt::Enough) => {
                    if store.set_learnt().is_ok() {
                        Step::Done
                    } else {
                        Step::Wait
                    }
                }
            },
            _ => Step::Wait,
        }
    }
}

fn read(store: &Store<SimDisk>, now: Time, title: &str, version: Version) -> Option<Body> {
    store.verify_column(now, title, version).ok()?;
    let column = store.open_column(now, title, version).ok()?;
    let geometry = column.geometry();
    let mut records = Vec::new();
    for index in 0..geometry.stripe_count() {
        let stripe = geometry.stripe(index);
        let all = ColumnRead { stripes: index..index + 1, rows: 0..stripe.rows, blocks: 0..stripe.blocks_per_cell() };
        records.extend(store.read_blocks(&column, &all, usize::MAX).ok()?);
    }
    Some(Body::Column { column: column.index(), records: Arc::new(records) })
}

impl OperationKind {
    /// Takes an answer.
    pub fn take(&mut self, now: Time, from: NodeId, body: Body, codec: &StripeCodec) {
        if let Body::Answer(reply) = body {
            self.machine().handle_message(now, from, reply);
            return;
        }
        match self {
            Self::Put { upload: Some(uploading), .. } => {
                let awaited = uploading.waiting.remove(&from);
                uploading.taken.extend((awaited && matches!(body, Body::Uploaded)).then_some(from));
            }
            Self::Get { reading: Some(reading), .. } => {
                if reading.waiting.remove(&from)
                    && let Body::Column { column, records } = body
                    && reading.columns.len() < codec.code().data_columns()
                {
                    reading.columns.insert(column, records);
                }
            }
            _ if matches!(body, Body::Failed) => self.machine().handle_failure(now, from),
            _ => {}
        }
    }

    fn machine(&mut self) -> &mut dyn Machine {
        match self {
            Self::Put { put, .. } => put,
            Self::Get { resolve, .. } => resolve,
            Self::Marking { marking, .. } => marking,
            Self::Pending { check, .. } => check,
            Self::Purge(check) => check,
            Self::Sync(sync) => sync,
        }
    }
}

impl Operation {
    pub fn wake(&mut self, now: Time) {
        self.kind.machine().handle_timeout(now);
    }

    /// Everything that wants to be sent.
    pub fn transmit(&mut self) -> Vec<(NodeId, Body)> {
        let mut messages = Vec::new();
        while let Some((to, request)) = self.kind.machine().poll_transmit() {
            messages.push((to, Body::Ask(request)));
        }
        match &mut self.kind {
            OperationKind::Put { upload: Some(uploading), .. } => messages.extend(uploading.outbox.drain(..)),
            OperationKind::Get { reading: Some(reading), .. } => messages.extend(reading.outbox.drain(..)),
            _ => {}
        }
        messages
    }

    pub fn timeout(&mut self) -> Option<Time> {
        match &mut self.kind {
            OperationKind::Put { upload: Some(uploading), .. } => Some(uploading.until),
            OperationKind::Get { reading: Some(reading), .. } => Some(reading.until),
            kind => kind.machine().poll_timeout(),
        }
    }
}

/// What an event of a PUT is acted on with.
pub struct PutContext<'a> {
    pub now: Time,
    pub store: &'a Store<SimDisk>,
    pub power: &'a SimDisk,
    pub history: &'a mut History,
    pub codec: &'a Arc<StripeCodec>,
    pub asked: usize,
}

/// Does what a PUT asks for, as the node's driver does.
pub fn act_on_put(
    with: PutContext<'_>,
    put: &mut Put,
    content: Option<&[u8]>,
    upload: &mut Option<Uploading>,
    event: PutEvent,
    placement: &Placement,
) -> Step {
    let PutContext { now, store, power, history, codec, asked } = with;
    let title = crate::world::title_name(history.operations[asked].title);
    let version = history.operations[asked].version;
    match event {
        PutEvent::Begin(begin) => {
            history.chose(asked, begin.version, begin.current.as_ref());
            store.begin(&title, begin.version);
            let manifest = manifest_of(&title, begin.version, content, codec.code());
            let waiting = if content.is_some() { begin.participants.clone() } else { Vec::new() };
            let columns = content.map(|bytes| encode(codec, &manifest, bytes)).unwrap_or_default();
            let outbox = waiting.iter().map(|node| {
                let column = placement.column_of(*node).unwrap();
                let records = Arc::clone(&columns[column]);
                let column = u16::try_from(column).unwrap();
                (*node, Body::Upload { title: title.clone(), version: begin.version, column, records })
            });
            let outbox = outbox.collect();
            let taken = if content.is_some() { Vec::new() } else { begin.participants };
            let waiting = waiting.into_iter().collect();
            *upload = Some(Uploading { manifest, taken, waiting, until: now + UPLOAD, outbox });
            Step::Again
        }
        PutEvent::Decide(manifest, prepared) => {
            let decision = Decision { manifest, prepared };
            let mut decided = store.decide(&decision);
            // Once it may have been written, it is written again until it is there, or power goes.
            while let Err(DecideError::Uncertain(_)) = decided {
                decided = match store.decide(&decision) {
                    _ if power.is_crashed() => return Step::Done,
                    Err(DecideError::Clean(error)) => Err(DecideError::Uncertain(error)),
                    decided => decided,
                };
            }
            match decided {
                _ if power.is_crashed() => return Step::Done,
                Ok(()) => put.decided(now),
                Err(_) => put.abort(),
            }
            Step::Again
        }
        PutEvent::Acknowledged { columns } => {
            history.end(now, asked, Answer::Acknowledged { columns });
            Step::Again
        }
        PutEvent::Unconfirmed => {
            history.end(now, asked, Answer::Unconfirmed);
            Step::Again
        }
        PutEvent::Settled => {
            store.settled(&title, version.unwrap());
            Step::Done
        }
        PutEvent::Aborted(_) => {
            if let Some(version) = version {
                store.aborted(&title, version);
            }
            history.end(now, asked, Answer::Refused);
            Step::Done
        }
    }
}

fn encode(codec: &Arc<StripeCodec>, manifest: &Manifest, bytes: &[u8]) -> Vec<Arc<Vec<u8>>> {
    let content = manifest.content.as_ref().unwrap();
    let code: &Code = codec.code();
    let geometry = Geometry::new(code, content.cell_bytes, content.block_bytes, content.bytes);
    let mut encoder = StripeEncoder::new(
        Arc::clone(codec),
        content.cell_bytes,
        content.block_bytes,
        &manifest.title,
        title_version(manifest.version),
    );
    let mut columns = vec![Vec::new(); code.columns()];
    for index in 0..geometry.stripe_count() {
        let stripe = geometry.stripe(index);
        let start = usize::try_from(stripe.title_offset).unwrap();
        let end = start + usize::try_from(stripe.data_bytes).unwrap();
        let records = encoder.encode_stripe(index, &bytes[start..end]);
        for (column, record) in columns.iter_mut().zip(records) {
            column.extend_from_slice(record);
        }
    }
    for (column, tree) in columns.iter_mut().zip(encoder.finish()) {
        column.extend(tree.to_bytes());
    }
    columns.into_iter().map(Arc::new).collect()
}
