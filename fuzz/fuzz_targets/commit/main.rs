//! What is acknowledged is read, whatever is delayed, repeated, lost or given up on the way, in any order.
//!
//! Oracle: nodes as plain sets of versions, and a list of what was acknowledged when. Replies that nobody sent are tried
//! too: then only the machines' manners are looked at, for a node that lies can break any promise.
#![no_main]

mod node;

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use rain_cluster::catalog::{Resolution, Resolve};
use rain_cluster::commit::{
    Begin, Condition, PendingCheck, PendingFate, PurgeCheck, Put, PutEvent, PutRequest, Shape, Shares,
};
use rain_cluster::message::Outcome;
use rain_cluster::{
    ColumnStatus, Columns, Content, Entry, EtagKind, Life, Machine, Manifest, Members, NodeId, Placement, Record,
    Refusal, Reply, Request, Sender, Signet, Time, TitleState, Version,
};

use node::Node;

const TITLE: &str = "film";
const LIFE: Life = Life(1);
const OPERATIONS_MAX: usize = 8;
const STEPS_MAX: usize = 200;

#[derive(Debug, Arbitrary)]
struct Case {
    columns: u8,
    data_columns: u8,
    catalog: u8,
    steps: Vec<Step>,
}

#[derive(Clone, Copy, Debug, Arbitrary)]
enum Step {
    Put {
        coordinator: u8,
        is_conditional: bool,
    },
    Delete {
        coordinator: u8,
        is_conditional: bool,
    },
    Read,
    Check {
        node: u8,
    },
    Purge,
    /// A node takes a request; the request may come again.
    Deliver {
        request: u8,
        again: bool,
    },
    /// A machine takes a reply; the reply may come again.
    Answer {
        reply: u8,
        again: bool,
    },
    /// A request is lost, and its sender hears of that.
    Fail {
        request: u8,
    },
    Lose {
        request: u8,
    },
    Wait {
        milliseconds: u16,
    },
    /// The next thing that a machine waits for is its time-out.
    TimeOut {
        operation: u8,
    },
    Prepare {
        operation: u8,
        left_out: u8,
    },
    Decide {
        operation: u8,
    },
    Abort {
        operation: u8,
    },
    Stray {
        operation: u8,
        from: u8,
        reply: Stray,
    },
}

#[derive(Clone, Copy, Debug, Arbitrary)]
enum Stray {
    State { blank: bool, marked: bool, counter: u64, floor: u64 },
    Prepared,
    Refused(u8),
    Marked,
    Absent,
    Dropped,
    Outcome(u8),
}

fuzz_target!(|case: Case| {
    let columns = usize::from(case.columns % 7) + 1;
    let shape = Shape { columns, data_columns: usize::from(case.data_columns) % columns + 1 };
    let mut world = World::new(shape, usize::from(case.catalog) % (columns + 1) + 1);
    for step in case.steps.iter().take(STEPS_MAX) {
        world.take(*step);
    }
    world.finish();
});

/// How far a write has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Asking,
    Uploading,
    Preparing,
    Deciding,
    Decided,
    Told,
    Over,
}

struct Write {
    put: Put,
    coordinator: NodeId,
    is_delete: bool,
    condition: Condition,
    stage: Stage,
    begin: Option<Begin>,
    uploaded: Vec<NodeId>,
    decision: Option<(Record, Vec<NodeId>)>,
}

enum Kind {
    Write(Box<Write>),
    Read(Resolve),
    Check(PendingCheck, Version),
    Purge(PurgeCheck),
}

impl Kind {
    fn machine(&mut self) -> &mut dyn Machine {
        match self {
            Self::Write(write) => &mut write.put,
            Self::Read(resolve) => resolve,
            Self::Check(check, _) => check,
            Self::Purge(check) => check,
        }
    }
}

struct Operation {
    kind: Kind,
    /// The newest version that was acknowledged, or read as fresh, before it began.
    acknowledged: Option<Version>,
}

struct World {
    shape: Shape,
    members: Arc<Members>,
    nodes: Vec<Node>,
    operations: Vec<Operation>,
    requests: Vec<(usize, NodeId, Request)>,
    replies: Vec<(usize, Sender, Reply)>,
    now: Time,
    acknowledged: Option<Version>,
    /// Committed versions: whether each is a tombstone, and who had prepared it.
    committed: BTreeMap<Version, (bool, Vec<NodeId>)>,
    /// How many tombstones were sent away.
    purges: usize,
    /// What each committed conditional write replaced, and after how many purges: then there may be nothing once more.
    replaced: BTreeSet<(Option<Version>, usize)>,
    has_lied: bool,
}

impl World {
    fn new(shape: Shape, catalog: usize) -> Self {
        // One node more than there are columns: a coordinator without a column.
        let ids: Vec<NodeId> = (0..).map(NodeId).take(shape.columns + 1).collect();
        let members = Members::new(0, ids.clone(), Some(catalog)).expect("ids, and as many catalog nodes at most");
        Self {
            shape,
            members: Arc::new(members),
            nodes: ids.iter().map(|_| Node::default()).collect(),
            operations: Vec::new(),
            requests: Vec::new(),
            replies: Vec::new(),
            now: Time::from_micros(1_000_000),
            acknowledged: None,
            committed: BTreeMap::new(),
            purges: 0,
            replaced: BTreeSet::new(),
            has_lied: false,
        }
    }

    fn node(&mut self, id: NodeId) -> &mut Node {
        &mut self.nodes[id.0 as usize]
    }

    fn id(&self, choice: u8) -> NodeId {
        NodeId(u32::from(choice) % u32::try_from(self.nodes.len()).expect("few"))
    }

    fn start(&mut self, kind: Kind) {
        self.operations.push(Operation { kind, acknowledged: self.acknowledged });
        self.settle(self.operations.len() - 1);
    }

    fn take(&mut self, step: Step) {
        let may_start = self.operations.len() < OPERATIONS_MAX;
        match step {
            Step::Put { coordinator, is_conditional } if may_start => self.write(coordinator, false, is_conditional),
            Step::Delete { coordinator, is_conditional } if may_start => self.write(coordinator, true, is_conditional),
            Step::Read if may_start => self.start(Kind::Read(Resolve::new(self.now, TITLE, &self.members))),
            Step::Check { node } if may_start => {
                let node = self.id(node);
                if let Some(version) = self.node(node).pending.keys().next().copied() {
                    let check = PendingCheck::new(self.now, TITLE, version, &self.members);
                    self.start(Kind::Check(check, version));
                }
            }
            Step::Purge if may_start => self.purge(),
            Step::Deliver { request, again } => self.deliver(request, again),
            Step::Answer { reply, again } => self.answer(reply, again),
            Step::Fail { request } => {
                if let Some((operation, to, _)) = pick(&mut self.requests, request, false) {
                    self.operations[operation].kind.machine().handle_failure(self.now, to);
                    self.settle(operation);
                }
            }
            Step::Lose { request } => drop(pick(&mut self.requests, request, false)),
            Step::Wait { milliseconds } => self.now = self.now + Duration::from_millis(milliseconds.into()),
            Step::TimeOut { operation } => {
                if let Some(operation) = self.operation(operation) {
                    self.time_out(operation);
                }
            }
            Step::Prepare { operation, left_out } => {
                if let Some(operation) = self.operation(operation) {
                    self.prepare(operation, left_out);
                }
            }
            Step::Decide { operation } => {
                if let Some(operation) = self.operation(operation) {
                    self.decide(operation);
                }
            }
            Step::Abort { operation } => {
                if let Some(operation) = self.operation(operation) {
                    self.abort(operation);
                }
            }
            Step::Stray { operation, from, reply } => self.stray(operation, from, reply),
            Step::Put { .. } | Step::Delete { .. } | Step::Read | Step::Check { .. } | Step::Purge => {}
        }
    }

    fn operation(&self, choice: u8) -> Option<usize> {
        usize::from(choice).checked_rem(self.operations.len())
    }

    fn write(&mut self, coordinator: u8, is_delete: bool, is_conditional: bool) {
        let coordinator = self.id(coordinator);
        let random = u32::try_from(self.operations.len()).expect("few");
        let (title, members) = (TITLE.to_owned(), Arc::clone(&self.members));
        let shape = (!is_delete).then_some(self.shape);
        let request = PutRequest { title, members, coordinator, life: LIFE, random, shape };
        let condition = if is_conditional { Condition::Unchanged } else { Condition::None };
        let put = Put::new(self.now, request);
        let (stage, begin, uploaded, decision) = (Stage::Asking, None, Vec::new(), None);
        let write = Write { put, coordinator, is_delete, condition, stage, begin, uploaded, decision };
        self.start(Kind::Write(Box::new(write)));
    }

    /// A tombstone may be sent away at any time: titles are closed first.
    fn purge(&mut self) {
        let mut tombstones =
            self.nodes.iter().filter_map(|node| node.marked.as_ref()).filter(|held| held.manifest.is_tombstone());
        let Some(version) = tombstones.next().map(Record::version) else { return };
        let check = PurgeCheck::new(self.now, TITLE, version, &self.members);
        self.start(Kind::Purge(check));
    }

    fn deliver(&mut self, choice: u8, again: bool) {
        if let Some((operation, to, request)) = pick(&mut self.requests, choice, again) {
            let reply = self.node(to).handle(to, request);
            self.replies.push((operation, sender(to), reply));
        }
    }

    fn answer(&mut self, choice: u8, again: bool) {
        if let Some((operation, from, reply)) = pick(&mut self.replies, choice, again) {
            self.operations[operation].kind.machine().handle_message(self.now, from, reply);
            self.settle(operation);
        }
    }

    fn time_out(&mut self, operation: usize) {
        let machine = self.operations[operation].kind.machine();
        let Some(due) = machine.poll_timeout() else { return };
        self.now = self.now.max(due);
        machine.handle_timeout(self.now);
        let next = machine.poll_timeout();
        self.settle(operation);
        assert!(next.is_none_or(|next| next > self.now), "a machine that is woken for nothing, for ever");
    }

    fn in_stage(&mut self, operation: usize, stage: Stage) -> Option<&mut Write> {
        let Kind::Write(write) = &mut self.operations[operation].kind else { return None };
        (write.stage == stage).then_some(write)
    }

    fn prepare(&mut self, operation: usize, left_out: u8) {
        let now = self.now;
        let shape = self.shape;
        let Some(write) = self.in_stage(operation, Stage::Uploading) else { return };
        let Some(begin) = &write.begin else { return };
        let content = if write.is_delete { Content::None } else { content(shape) };
        let manifest = Manifest {
            title: TITLE.to_owned(),
            version: begin.version,
            epoch: 0,
            conditional: write.condition != Condition::None,
            content,
            attributes: rain_cluster::Attributes::default(),
        };
        let placement: Placement = begin.placement.clone();
        let record = Record { manifest: Arc::new(manifest), placement: Arc::new(placement) };
        // Each bit leaves out one node, which did not take the whole upload.
        let kept = begin.uploads.iter().enumerate().filter(|(place, _)| left_out >> (place % 8) & 1 == 0);
        write.uploaded = kept.map(|(_, (node, _))| *node).collect();
        write.stage = Stage::Preparing;
        write.put.prepare(now, record, &Shares::Uploaded(write.uploaded.clone()), write.condition);
        self.settle(operation);
    }

    fn decide(&mut self, operation: usize) {
        let now = self.now;
        let Some(write) = self.in_stage(operation, Stage::Deciding) else { return };
        let Some((record, prepared)) = write.decision.clone() else { return };
        write.stage = Stage::Decided;
        write.put.decided(now);
        let replaced = write.begin.as_ref().and_then(|begin| begin.current.as_ref()).map(Record::version);
        let (coordinator, is_delete) = (write.coordinator, write.is_delete);
        let is_first = write.condition == Condition::None || self.replaced.insert((replaced, self.purges));
        assert!(is_first || self.has_lied, "two conditional writes replaced {replaced:?}");
        self.committed.insert(record.version(), (is_delete, prepared));
        let node = self.node(coordinator);
        node.active.remove(&record.version());
        node.decided.insert(record.version(), record);
        self.settle(operation);
    }

    fn abort(&mut self, operation: usize) {
        if let Kind::Write(write) = &mut self.operations[operation].kind {
            // After the decision it must change nothing.
            write.put.abort();
            self.settle(operation);
        }
    }

    fn stray(&mut self, operation: u8, from: u8, stray: Stray) {
        let (Some(operation), from) = (self.operation(operation), self.id(from)) else { return };
        let reply = match stray {
            Stray::State { blank, marked, counter, floor } => {
                let version = Version { counter, node: from, life: LIFE, random: 0 };
                let manifest = Manifest {
                    title: TITLE.to_owned(),
                    version,
                    epoch: 0,
                    conditional: false,
                    content: Content::None,
                    attributes: rain_cluster::Attributes::default(),
                };
                let record = Record { manifest: Arc::new(manifest), placement: Arc::default() };
                let entries = vec![Entry { record, marked, column: ColumnStatus::Missing }];
                Reply::State(TitleState { blank, entries, floor, ..TitleState::default() })
            }
            Stray::Prepared => Reply::Prepared,
            Stray::Refused(choice) => Reply::Refused(
                [
                    Refusal::NoSpace,
                    Refusal::Condition,
                    Refusal::Superseded,
                    Refusal::Column,
                    Refusal::Blank,
                    Refusal::Epoch,
                ][usize::from(choice % 6)],
            ),
            Stray::Marked => Reply::Marked,
            Stray::Absent => Reply::Absent,
            Stray::Dropped => Reply::Dropped,
            Stray::Outcome(choice) => Reply::Outcome(
                [Outcome::Committed, Outcome::Aborted, Outcome::Undecided, Outcome::Unknown][usize::from(choice % 4)],
            ),
        };
        self.has_lied = true;
        self.operations[operation].kind.machine().handle_message(self.now, sender(from), reply);
        self.settle(operation);
    }

    /// Takes what a machine has to say and to send.
    fn settle(&mut self, index: usize) {
        self.take_events(index);
        let limit = 3 * self.nodes.len();
        let machine = self.operations[index].kind.machine();
        let sent: Vec<_> = core::iter::from_fn(|| machine.poll_transmit()).take(limit + 1).collect();
        assert!(sent.len() <= limit, "{} messages at once", sent.len());
        let mut purges = false;
        for (to, request) in sent {
            if let Kind::Purge(check) = &self.operations[index].kind
                && matches!(request, Request::Purge { .. })
            {
                assert_eq!(check.may_go(), Some(true));
                purges = true;
            }
            self.requests.push((index, to, request));
        }
        self.purges += usize::from(purges);
    }

    fn take_events(&mut self, index: usize) {
        let acknowledged = self.operations[index].acknowledged;
        loop {
            match &mut self.operations[index].kind {
                Kind::Write(write) => {
                    let Some(event) = write.put.poll_event() else { return };
                    self.take_write_event(index, event);
                }
                Kind::Read(resolve) => {
                    let Some(resolution) = resolve.poll_event() else { return };
                    self.check_resolution(&resolution, acknowledged);
                }
                Kind::Check(check, version) => {
                    let (fate, version) = (check.poll_event(), *version);
                    let Some(fate) = fate else { return };
                    self.check_fate(fate, version);
                }
                Kind::Purge(_) => return,
            }
        }
    }

    fn take_write_event(&mut self, index: usize, event: PutEvent) {
        let (has_lied, before) = (self.has_lied, self.operations[index].acknowledged);
        let (quorum, shape) = (self.members.quorum(), self.shape);
        let catalog = self.members.catalog_of(TITLE);
        let of_catalog = |nodes: &[NodeId]| nodes.iter().filter(|node| catalog.contains(**node)).count();
        let Kind::Write(write) = &mut self.operations[index].kind else { return };
        let coordinator = &mut self.nodes[write.coordinator.0 as usize];
        let (stage, needed) = (write.stage, if write.is_delete { 0 } else { shape.needed() });
        match event {
            PutEvent::Begin(begin) => {
                assert_eq!(stage, Stage::Asking, "{begin:?}");
                assert!(begin.uploads.len() >= needed, "{begin:?}");
                assert!(has_lied || Some(begin.version) > before, "{begin:?} is below {before:?}");
                coordinator.active.insert(begin.version);
                (write.stage, write.begin) = (Stage::Uploading, Some(begin));
            }
            PutEvent::Decide(record, prepared) => {
                assert_eq!(stage, Stage::Preparing, "{record:?}");
                let version = record.version();
                assert_eq!(Some(version), write.begin.as_ref().map(|begin| begin.version));
                let columns = prepared.iter().filter(|node| write.uploaded.contains(node)).count();
                assert!(of_catalog(&prepared) >= quorum.write() && columns >= needed, "{prepared:?}");
                (write.stage, write.decision) = (Stage::Deciding, Some((record, prepared.clone())));
                let has = |node: &NodeId| {
                    let node = &self.nodes[node.0 as usize];
                    node.pending.contains_key(&version) || node.knows(version)
                };
                assert!(has_lied || prepared.iter().all(has), "decided before it was prepared: {version}");
            }
            PutEvent::Acknowledged { columns, tolerates } => {
                assert_eq!(stage, Stage::Decided);
                write.stage = Stage::Told;
                let (record, prepared) = write.decision.as_ref().expect("decided");
                assert_eq!(columns, prepared.iter().filter(|node| write.uploaded.contains(node)).count());
                let version = record.version();
                let marks = catalog.nodes().iter().filter(|node| self.nodes[node.0 as usize].knows(version)).count();
                assert!(
                    has_lied || marks >= quorum.write(),
                    "{version} is acknowledged with {marks} marks: {quorum:?}"
                );
                assert!(
                    tolerates <= quorum.catalog() - quorum.read() && (has_lied || tolerates < marks),
                    "{tolerates}"
                );
                assert!(write.is_delete || tolerates <= columns - shape.data_columns, "{tolerates} of {columns}");
                self.acknowledged = self.acknowledged.max(Some(version));
            }
            PutEvent::Unconfirmed => {
                assert_eq!(stage, Stage::Decided);
                write.stage = Stage::Told;
            }
            PutEvent::Settled => {
                assert_eq!(stage, Stage::Told, "settled, and the client was told nothing");
                write.stage = Stage::Over;
                if let Some((record, _)) = &write.decision {
                    coordinator.settle(record.version());
                }
            }
            PutEvent::Aborted(abort) => {
                assert!(stage < Stage::Decided, "{abort:?} after the decision");
                write.stage = Stage::Over;
                if let Some(begin) = &write.begin {
                    coordinator.active.remove(&begin.version);
                }
            }
        }
    }

    fn check_resolution(&mut self, resolution: &Resolution, acknowledged: Option<Version>) {
        if self.has_lied {
            return;
        }
        match resolution {
            Resolution::Found(found) => {
                let version = found.record.version();
                assert!(self.committed.contains_key(&version), "{version} was never committed");
                assert!(!found.confirmed || Some(version) >= acknowledged, "{version} is older than {acknowledged:?}");
                if found.is_fresh() {
                    // Whoever begins to read from now on gets this one, or a newer one.
                    self.acknowledged = self.acknowledged.max(Some(version));
                }
            }
            Resolution::Absent { tombstone, settled } => {
                let is_deleted =
                    |acknowledged| self.committed.range(acknowledged..).any(|(_, (is_delete, _))| *is_delete);
                assert!(acknowledged.is_none_or(is_deleted), "{acknowledged:?} is not found");
                if *settled {
                    self.acknowledged = self.acknowledged.max(*tombstone);
                }
            }
            Resolution::TooFew { found, expected } => assert!(found < expected, "{found} of {expected}"),
        }
    }

    fn check_fate(&self, fate: PendingFate, version: Version) {
        let committed = self.committed.get(&version);
        match fate {
            PendingFate::Mark => assert!(self.has_lied || committed.is_some(), "{version} was never committed"),
            PendingFate::Drop => {
                let needed = self.nodes[version.node.0 as usize].decided.contains_key(&version);
                assert!(self.has_lied || !needed, "{version} is committed, and a column of it is dropped");
            }
            PendingFate::Later => {}
        }
    }

    /// From here on nothing is lost: every machine comes to an end, and a reader gets what was acknowledged.
    fn finish(&mut self) {
        for _ in 0..4 {
            self.run();
            for operation in 0..self.operations.len() {
                self.prepare(operation, 0);
                self.decide(operation);
            }
        }
        self.run();
        for operation in &mut self.operations {
            assert!(operation.kind.machine().poll_timeout().is_none(), "a machine that never ends");
        }
        self.start(Kind::Read(Resolve::new(self.now, TITLE, &self.members)));
        self.run();
    }

    /// Delivers everything and lets time pass until nothing is left to do, or too long.
    fn run(&mut self) {
        for _ in 0..200 {
            while !self.requests.is_empty() || !self.replies.is_empty() {
                self.deliver(0, false);
                self.answer(0, false);
            }
            let next = (0..self.operations.len())
                .filter_map(|index| Some((self.operations[index].kind.machine().poll_timeout()?, index)))
                .min();
            let Some((_, index)) = next else { return };
            self.time_out(index);
        }
    }
}

fn pick<T: Clone>(list: &mut Vec<T>, choice: u8, again: bool) -> Option<T> {
    let index = usize::from(choice).checked_rem(list.len())?;
    if again { list.get(index).cloned() } else { Some(list.swap_remove(index)) }
}

fn sender(node: NodeId) -> Sender {
    Sender { node, life: LIFE, serial: 0, epoch: 0, signet: Signet(0) }
}

fn content(shape: Shape) -> Content {
    let number = |columns: usize| u16::try_from(columns).expect("few");
    Content::Columns(Columns {
        bytes: 1,
        etag_kind: EtagKind::Content,
        etag: [0; 16],
        code: "a code".to_owned(),
        columns: number(shape.columns),
        data_columns: number(shape.data_columns),
        layout: 0,
        cell_bytes: 4096,
        block_bytes: 512,
        group_bytes: 1024,
        modified_ms: 0,
        roots: vec![[0; 32]; shape.columns],
    })
}
