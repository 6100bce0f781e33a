//! A cluster in one thread: nodes with real stores and machines, on a network and disks that misbehave by seed.

mod end;

use crate::disk::{Missing, SimDisk};
use crate::history::{Action, Answer, History};
use crate::node::{Node, Operation, OperationKind, Reading, Uploading};
use crate::random::Random;
use core::time::Duration;
use rain_cluster::catalog::{Resolution, Resolve};
use rain_cluster::commit::{Condition, Put, PutRequest};
use rain_cluster::{Content, Manifest, NodeId, Placement, Quorum, Reply, Request, Time, Version};
use rain_codec::Code;
use rain_codec::column::DEFAULT_BLOCK_BYTES;
use rain_codec::stripe::StripeCodec;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;

/// What one seed runs with. Every seed switches on a few of the faults, each with a strength of its own.
#[derive(Debug, Clone)]
pub struct Options {
    pub seed: u64,
    pub missing: Option<Missing>,
    nodes: usize,
    code: &'static str,
    titles: usize,
    operations: usize,
    spacing_ms: usize,
    delay_ms: usize,
    drop_one_in: usize,
    repeat_one_in: usize,
    late_one_in: usize,
    crash_one_in: usize,
    blackouts: usize,
    eio_one_in: usize,
    full_one_in: usize,
    long: bool,
}

impl Options {
    pub fn of(seed: u64, missing: Option<Missing>) -> Self {
        let mut random = Random::new(seed ^ 0x5eed);
        let (nodes, code) =
            random.pick(&[(4, "b-code:4"), (4, "b-code:4"), (5, "b-code:4"), (5, "x-code:5"), (6, "b-code:6")]);
        let mut sometimes = |strengths: &[usize]| if random.one_in(2) { random.pick(strengths) } else { 0 };
        let (drop_one_in, repeat_one_in, late_one_in) =
            (sometimes(&[5, 20, 100]), sometimes(&[5, 50]), sometimes(&[10, 100]));
        let (crash_one_in, blackouts) = (sometimes(&[3, 10, 30]), sometimes(&[1, 2, 4]));
        let (eio_one_in, full_one_in) = (sometimes(&[30, 300]), sometimes(&[20, 200]));
        Self {
            seed,
            missing,
            nodes,
            code,
            titles: 1 + random.below(3),
            operations: 10 + random.below(40),
            spacing_ms: random.pick(&[20, 200, 1000, 5000]),
            delay_ms: random.pick(&[1, 10, 100]),
            drop_one_in,
            repeat_one_in,
            late_one_in,
            crash_one_in,
            blackouts,
            eio_one_in,
            full_one_in,
            long: random.one_in(8),
        }
    }
}

/// What travels between nodes.
#[derive(Debug, Clone)]
pub enum Body {
    Ask(Request),
    Answer(Reply),
    Upload { title: String, version: Version, column: u16, records: Arc<Vec<u8>> },
    Uploaded,
    Read { title: String, version: Version },
    Column { column: u16, records: Arc<Vec<u8>> },
    Failed,
}

#[derive(Debug, Clone)]
pub struct Message {
    pub from: NodeId,
    pub to: NodeId,
    /// Which operation of which start of the asking node.
    pub operation: u64,
    pub body: Body,
    pub answer: bool,
}

#[derive(Debug)]
enum Event {
    Deliver(Message),
    Wake { node: usize, operation: u64 },
    Tick { node: usize, start: u64 },
    Client,
    Restart { node: usize },
    Blackout,
}

pub struct World {
    pub options: Options,
    pub random: Random,
    pub now: Time,
    pub history: History,
    pub nodes: Vec<Node>,
    pub codec: Arc<StripeCodec>,
    cluster: Vec<NodeId>,
    quorum: Quorum,
    queue: BinaryHeap<Reverse<(Time, u64)>>,
    events: BTreeMap<u64, Event>,
    sequence: u64,
    next_operation: u64,
    issued: usize,
    calm: bool,
    purges_get_lost: bool,
    pub delivered: u64,
    pub crashes: u64,
    trace: blake3::Hasher,
}

const SECOND: Duration = Duration::from_secs(1);

impl World {
    pub fn new(options: Options) -> Self {
        let mut random = Random::new(options.seed);
        let code = Arc::new(Code::named(options.code).unwrap());
        let quorum = Quorum::new(code.columns(), code.data_columns());
        let cluster: Vec<_> = (0..options.nodes).map(|node| NodeId(u32::try_from(node).unwrap())).collect();
        let nodes = cluster.iter().map(|id| Node::new(*id, SimDisk::new(random.next(), options.missing))).collect();
        let mut world = Self {
            codec: Arc::new(StripeCodec::new(code)),
            now: Time::default(),
            history: History::default(),
            nodes,
            cluster,
            quorum,
            queue: BinaryHeap::new(),
            events: BTreeMap::new(),
            sequence: 0,
            next_operation: 0,
            issued: 0,
            calm: false,
            purges_get_lost: false,
            delivered: 0,
            crashes: 0,
            trace: blake3::Hasher::new(),
            random,
            options,
        };
        for node in 0..world.nodes.len() {
            world.start(node).expect("a new disk opens");
        }
        world
    }

    /// The whole life of one seed: load under faults, calm, then the loss of as many disks as was promised.
    pub fn run(&mut self) -> Result<(), String> {
        // The nodes of a new cluster find each other before the first client comes.
        self.run_until(self.now + 3 * SECOND)?;
        let (eio, full) = (self.options.eio_one_in, self.options.full_one_in);
        self.nodes.iter().for_each(|node| node.disk.set_faults(eio, full));
        let load = Duration::from_millis(u64::try_from(self.options.spacing_ms * self.options.operations).unwrap());
        self.schedule(self.now, Event::Client);
        for _ in 0..self.options.blackouts {
            let at = self.random.below(usize::try_from(load.as_micros()).unwrap().max(1));
            self.schedule(Time::from_micros(self.now.micros() + at as u64), Event::Blackout);
        }
        self.run_until(self.now + load + SECOND)?;
        self.calm = true;
        self.issued = self.options.operations;
        for node in 0..self.nodes.len() {
            self.nodes[node].disk.set_faults(0, 0);
            self.nodes[node].disk.keep_power();
            if self.nodes[node].store.is_none() {
                self.start(node)?;
            }
        }
        // Every node is back: what is pending must be resolved within 5 s (DESIGN 4).
        self.run_until(self.now + 12 * SECOND)?;
        self.nothing_half_done()?;
        self.read_everything()?;
        if self.options.long {
            // Tombstones are purged, superseded versions swept; then the same must be read.
            // Some of them only on some nodes: the order to purge gets lost.
            self.purges_get_lost = true;
            self.run_until(self.now + 130 * SECOND)?;
            self.read_everything()?;
            self.write_without_one()?;
            self.run_until(self.now + 70 * SECOND)?;
            self.read_everything()?;
        }
        self.lose_disks()?;
        self.read_everything()?;
        self.history.check()
    }

    /// A fingerprint of all that happened, in order.
    pub fn trace(&self) -> String {
        self.trace.finalize().to_hex().to_string()
    }

    fn placement(&self, title: &str) -> Placement {
        Placement::of(title, &self.cluster, self.quorum)
    }

    fn schedule(&mut self, at: Time, event: Event) {
        self.sequence += 1;
        self.queue.push(Reverse((at, self.sequence)));
        self.events.insert(self.sequence, event);
    }

    fn run_until(&mut self, end: Time) -> Result<(), String> {
        while let Some(Reverse((at, sequence))) = self.queue.peek().copied() {
            if at > end {
                break;
            }
            self.queue.pop();
            self.now = at;
            let event = self.events.remove(&sequence).unwrap();
            self.trace.update(format!("{} {event:?}\n", at.micros()).as_bytes());
            self.happen(event)?;
        }
        self.now = end;
        Ok(())
    }

    fn happen(&mut self, event: Event) -> Result<(), String> {
        match event {
            Event::Deliver(message) => self.deliver(message),
            Event::Wake { node, operation } => self.wake(node, operation),
            Event::Tick { node, start } => self.tick(node, start),
            Event::Client => self.client(),
            Event::Restart { node } if self.nodes[node].store.is_none() => self.start(node)?,
            Event::Restart { .. } => {}
            Event::Blackout => {
                for node in 0..self.nodes.len() {
                    self.crash(node);
                }
            }
        }
        for node in 0..self.nodes.len() {
            if self.nodes[node].disk.is_crashed() {
                // Power goes in the middle of an operation of one node; sometimes it takes all with it.
                let all = self.options.blackouts > 0 && self.random.one_in(2);
                for other in 0..self.nodes.len() {
                    if all || other == node {
                        self.crash(other);
                    }
                }
            }
        }
        Ok(())
    }

    fn crash(&mut self, node: usize) {
        let node_ref = &mut self.nodes[node];
        if node_ref.store.take().is_none() {
            return;
        }
        node_ref.operations.clear();
        node_ref.disk.lose_power();
        self.crashes += 1;
        let back = self.now + Duration::from_millis(u64::try_from(10 + self.random.below(4000)).unwrap());
        self.schedule(back, Event::Restart { node });
    }

    fn start(&mut self, node: usize) -> Result<(), String> {
        let life = self.random.word();
        // A node that cannot read its disk at the start is tried again, as an operator would.
        let faults = (self.options.eio_one_in, self.options.full_one_in);
        self.nodes[node].disk.set_faults(0, 0);
        let opened = self.nodes[node].open(self.now, life);
        if self.nodes[node].disk.is_crashed() {
            // Power went while it started.
            self.nodes[node].disk.lose_power();
            self.crashes += 1;
            self.nodes[node].store = None;
            let back = self.now + Duration::from_millis(500);
            self.schedule(back, Event::Restart { node });
            return Ok(());
        }
        opened.map_err(|error| format!("node {node} does not start: {error}"))?;
        if !self.calm {
            self.nodes[node].disk.set_faults(faults.0, faults.1);
        }
        let others: Vec<_> = self.cluster.iter().copied().filter(|id| id.0 as usize != node).collect();
        for kind in self.nodes[node].first_operations(self.now, &others, self.quorum) {
            self.begin(node, kind, None);
        }
        let start = self.nodes[node].starts;
        self.schedule(self.now + Duration::from_millis(100), Event::Tick { node, start });
        Ok(())
    }

    fn tick(&mut self, node: usize, start: u64) {
        if self.nodes[node].starts != start || self.nodes[node].store.is_none() {
            return;
        }
        for kind in self.nodes[node].due(self.now, |title| self.placement(title)) {
            self.begin(node, kind, None);
        }
        self.schedule(self.now + Duration::from_millis(500), Event::Tick { node, start });
    }

    fn client(&mut self) {
        if self.issued == self.options.operations {
            return;
        }
        self.issued += 1;
        let spacing = Duration::from_micros(u64::try_from(self.random.below(2000 * self.options.spacing_ms)).unwrap());
        self.schedule(self.now + spacing, Event::Client);
        let node = self.random.below(self.nodes.len());
        if self.random.one_in(self.options.crash_one_in) {
            let operations = self.random.below(60);
            self.nodes[self.random.below(self.options.nodes)].disk.crash_in(operations);
        }
        if self.nodes[node].store.is_none() {
            return;
        }
        let title = self.random.below(self.options.titles);
        match self.random.below(10) {
            0..=3 => {
                let length = if self.random.one_in(8) { 0 } else { self.random.below(3000) };
                let content: Vec<u8> = (0..length).map(|_| self.random.next().to_le_bytes()[0]).collect();
                let conditional = self.random.one_in(4);
                self.put(node, title, Some(content), conditional);
            }
            4 => self.put(node, title, None, false),
            _ => self.get(node, title),
        }
    }

    fn put(&mut self, node: usize, title: usize, content: Option<Vec<u8>>, conditional: bool) {
        let action = content.clone().map_or(Action::Delete, |content| Action::Put { content, conditional });
        let name = title_name(title);
        let request = PutRequest {
            placement: self.placement(&name),
            title: name,
            coordinator: self.cluster[node],
            life: self.nodes[node].store.as_ref().unwrap().life(),
            random: self.random.word(),
        };
        let asked = self.history.begin(self.now, title, action);
        let condition = if conditional { Condition::Unchanged } else { Condition::None };
        let kind = OperationKind::Put { put: Put::new(self.now, request), content, condition, upload: None };
        self.begin(node, kind, Some(asked));
    }

    fn get(&mut self, node: usize, title: usize) {
        let name = title_name(title);
        let asked = self.history.begin(self.now, title, Action::Get);
        let resolve = Resolve::new(self.now, &name, &self.placement(&name));
        self.begin(node, OperationKind::Get { resolve, reading: None }, Some(asked));
    }

    fn begin(&mut self, node: usize, kind: OperationKind, asked: Option<usize>) {
        self.next_operation += 1;
        let id = self.next_operation;
        self.nodes[node].operations.insert(id, Operation { kind, asked });
        self.pump(node, id);
    }

    fn send(&mut self, message: &Message) {
        let local = message.from == message.to;
        let copies = if self.calm || local {
            1
        } else if self.random.one_in(self.options.drop_one_in) {
            0
        } else {
            1 + usize::from(self.random.one_in(self.options.repeat_one_in))
        };
        if self.purges_get_lost && matches!(message.body, Body::Ask(Request::Purge { .. })) && self.random.one_in(2) {
            return;
        }
        for _ in 0..copies {
            let mut delay = self.random.below(1000 * self.options.delay_ms);
            if !self.calm && self.random.one_in(self.options.late_one_in) {
                delay += self.random.below(4_000_000);
            }
            let at = if local { self.now } else { self.now + Duration::from_micros(delay as u64) };
            self.schedule(at, Event::Deliver(message.clone()));
        }
    }

    fn deliver(&mut self, message: Message) {
        self.delivered += 1;
        let node = message.to.0 as usize;
        if self.nodes[node].store.is_none() {
            if !message.answer {
                // The port is closed: the asking node learns it.
                let (from, to) = (message.to, message.from);
                self.send(&Message { from, to, body: Body::Failed, answer: true, ..message });
            }
            return;
        }
        if message.answer {
            let operation = message.operation;
            if let Some(waiting) = self.nodes[node].operations.get_mut(&operation) {
                waiting.kind.take(self.now, message.from, message.body, &self.codec);
                self.pump(node, operation);
            }
            return;
        }
        let body = self.nodes[node].answer(self.now, message.body, self.options.missing);
        let (from, to, operation) = (message.to, message.from, message.operation);
        self.send(&Message { from, to, operation, body, answer: true });
    }

    fn wake(&mut self, node: usize, operation: u64) {
        if let Some(waiting) = self.nodes[node].operations.get_mut(&operation) {
            waiting.wake(self.now);
            self.pump(node, operation);
        }
    }

    /// Lets an operation go as far as it can: sends its messages, acts on its events, sets its timer.
    fn pump(&mut self, node: usize, id: u64) {
        let Some(mut operation) = self.nodes[node].operations.remove(&id) else { return };
        let mut done = false;
        loop {
            for (to, body) in operation.transmit() {
                self.send(&Message { from: self.cluster[node], to, operation: id, body, answer: false });
            }
            match self.step(node, &mut operation) {
                Step::Again => {}
                Step::Wait => break,
                Step::Done => {
                    done = true;
                    break;
                }
            }
        }
        for (to, body) in operation.transmit() {
            self.send(&Message { from: self.cluster[node], to, operation: id, body, answer: false });
        }
        if !done && !self.nodes[node].disk.is_crashed() {
            if let Some(at) = operation.timeout() {
                self.schedule(at.max(self.now + Duration::from_micros(1)), Event::Wake { node, operation: id });
            }
            self.nodes[node].operations.insert(id, operation);
        }
    }

    /// Acts on the next event of an operation.
    fn step(&mut self, node: usize, operation: &mut Operation) -> Step {
        let now = self.now;
        let asked = operation.asked;
        match &mut operation.kind {
            OperationKind::Get { resolve, reading: reading @ None } => match resolve.poll_event() {
                None => Step::Wait,
                Some(Resolution::Found(found)) => {
                    let title = found.manifest.title.clone();
                    let next = Reading::new(now, found, self.placement(&title).nodes());
                    *reading = Some(next);
                    Step::Again
                }
                Some(Resolution::Absent(tombstone)) => {
                    self.history.end(now, asked.unwrap(), Answer::Absent { tombstone });
                    Step::Done
                }
                Some(Resolution::TooFew { .. }) => {
                    self.history.end(now, asked.unwrap(), Answer::Unavailable);
                    Step::Done
                }
            },
            OperationKind::Get { reading: Some(reading), .. } => match reading.result(now, &self.codec) {
                None => Step::Wait,
                Some(answer) => {
                    self.history.end(now, asked.unwrap(), answer);
                    Step::Done
                }
            },
            OperationKind::Put { put, content, condition, upload } => {
                if let Some(uploading) = upload {
                    if !uploading.is_over(now) {
                        return Step::Wait;
                    }
                    let Uploading { manifest, taken, .. } = upload.take().unwrap();
                    put.prepare(now, manifest, taken, *condition);
                    return Step::Again;
                }
                let Some(event) = put.poll_event() else { return Step::Wait };
                let placement = self.placement(&title_name(self.history.operations[asked.unwrap()].title));
                let store = self.nodes[node].store.as_ref().unwrap();
                crate::node::act_on_put(
                    crate::node::PutContext {
                        now,
                        store,
                        power: &self.nodes[node].disk,
                        history: &mut self.history,
                        codec: &self.codec,
                        asked: asked.unwrap(),
                    },
                    put,
                    content.as_deref(),
                    upload,
                    event,
                    &placement,
                )
            }
            _ => self.nodes[node].act(now, operation),
        }
    }
}

/// Whether an operation can go on at once.
pub enum Step {
    Again,
    Wait,
    Done,
}

pub fn title_name(title: usize) -> String {
    format!("title {title}")
}

/// The manifest of a content, as an ingest makes it.
pub fn manifest_of(title: &str, version: Version, content: Option<&[u8]>, code: &Code) -> Manifest {
    let content = content.map(|bytes| {
        let mut etag = [0; 16];
        etag.copy_from_slice(&blake3::hash(bytes).as_bytes()[..16]);
        Content {
            bytes: bytes.len() as u64,
            etag,
            code: code.name().to_owned(),
            cell_bytes: 4096,
            block_bytes: DEFAULT_BLOCK_BYTES,
            modified_ms: 0,
            media_type: String::new(),
        }
    });
    Manifest { title: title.to_owned(), version, content }
}
