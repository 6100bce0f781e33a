//! One simulated node: the desk and the store of production, and a driver as thin as can be. It decides nothing: orders
//! become messages and calls of the store, answers go back to the desk.

mod clock;
mod reading;
mod writing;

use crate::disk::SimDisk;
use crate::history::{Answer, History};
use crate::safeguard::Safeguard;
use crate::wire::{Body, Event, Inner, Message, Upload, Wires};
use clock::Clock;
use core::time::Duration;
use rain_cluster::{Life, Members, NodeId, Reply, Request, Sender, Time};
use rain_desk::{Codes, Desk, DeskPlan, Order, StoreOrder, Task, TaskId, Told};
use rain_node::store::{OpenError, SignetKey, Store, StorePlan, UploadPlan};
use reading::Fetching;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use writing::Ingest;

pub use clock::WallClock;
pub use reading::read;

/// What all nodes of a seed have in common.
#[derive(Debug)]
pub struct Cluster {
    /// Who they are at the beginning.
    pub members: Arc<Members>,
    pub codes: Arc<Codes>,
    /// By place.
    pub ids: Vec<NodeId>,
    pub missing: Option<Safeguard>,
    /// Readers hold columns to their roots; else to checksums only.
    pub by_root: bool,
    /// A question without an answer is given up after so long.
    pub patience: Duration,
}

impl Cluster {
    /// The place of a member.
    pub fn place(&self, id: NodeId) -> Option<usize> {
        self.ids.iter().position(|other| *other == id)
    }
}

/// A question of this node that is not answered yet.
#[derive(Debug)]
enum Call {
    Ask(TaskId, NodeId, rain_cluster::RequestKind),
    Upload(TaskId, usize),
    /// A column, for a reader or for a repair.
    Column(TaskId),
}

/// A node that runs.
#[derive(Debug)]
pub struct Running {
    pub store: Store<SimDisk>,
    pub desk: Desk,
    calls: BTreeMap<u64, Call>,
    clients: BTreeMap<TaskId, usize>,
    ingests: BTreeMap<TaskId, Ingest>,
    fetches: BTreeMap<TaskId, Fetching>,
}

#[derive(Debug)]
pub struct Node {
    pub place: usize,
    pub id: NodeId,
    pub disk: SimDisk,
    pub running: Option<Running>,
    pub starts: u64,
    /// Stopped until then, as by SIGSTOP.
    pub stopped: Option<Time>,
    /// Answers of the store come so late at most.
    pub slow_ms: usize,
    /// Old copies of the disk.
    pub images: Vec<crate::world::Copy>,
    /// The members as its disk says: `None` of a new one.
    pub known: Option<Arc<Members>>,
    /// Those of its founding: its identity names them.
    pub founding: Arc<Members>,
    /// Its answers name versions that cannot be.
    pub lies: bool,
    pub reborn: u64,
    /// What its machine shows.
    pub wall: WallClock,
    cluster: Arc<Cluster>,
    clock: Clock,
    wake: Option<Time>,
}

impl Node {
    pub fn new(place: usize, cluster: &Arc<Cluster>, disk: SimDisk) -> Self {
        Self {
            place,
            id: cluster.ids[place],
            disk,
            running: None,
            starts: 0,
            stopped: None,
            slow_ms: 0,
            images: Vec::new(),
            known: None,
            founding: Arc::clone(&cluster.members),
            lies: false,
            reborn: 0,
            wall: WallClock::Right,
            cluster: Arc::clone(cluster),
            clock: Clock { origin: Time::default(), rate: 1000 },
            wake: None,
        }
    }

    pub fn local(&self, now: Time) -> Time {
        self.clock.local(now)
    }

    pub fn store(&self) -> &Store<SimDisk> {
        &self.running.as_ref().unwrap().store
    }

    /// What production does at a start.
    pub fn start(&mut self, wires: &mut Wires, history: &mut History, rate: u64) -> Result<(), OpenError> {
        self.starts += 1;
        self.wake = None;
        self.clock = Clock { origin: wires.now, rate };
        let now = self.local(wires.now);
        let (fresh_store, fresh_life) = (wires.random.word().max(1), Life(wires.random.word()));
        let plan = StorePlan {
            node: self.id,
            members: Arc::clone(&self.founding),
            codes: Arc::clone(&self.cluster.codes),
            signet_key: SignetKey::new([self.place as u8; 32]),
            fresh_store,
            fresh_life,
        };
        let store = Store::open(self.disk.clone(), plan, now)?;
        if let Some(known) = &self.known {
            store.set_members(Arc::clone(known));
        }
        store.begin_incarnation(fresh_store ^ fresh_life.0)?;
        let plan = DeskPlan { me: store.me(), members: store.members(), codes: Arc::clone(&self.cluster.codes) };
        let mut desk = Desk::new(plan);
        desk.begin(now, Task::Recall);
        if store.is_blank() || store.members().learners().contains(&self.id) {
            desk.begin(now, Task::Learn);
        }
        desk.begin(now, Task::House);
        self.running = Some(Running {
            store,
            desk,
            calls: BTreeMap::new(),
            clients: BTreeMap::new(),
            ingests: BTreeMap::new(),
            fetches: BTreeMap::new(),
        });
        self.pump(wires, history);
        Ok(())
    }

    /// Hears who the members are.
    pub fn learn_members(&mut self, members: &Arc<Members>, wires: &mut Wires, history: &mut History) {
        let now = self.local(wires.now);
        if self.known.as_ref().is_some_and(|known| known.epoch() >= members.epoch()) {
            return;
        }
        // It is written down before it is acted on.
        self.known = Some(Arc::clone(members));
        let Some(running) = &mut self.running else { return };
        running.store.set_members(Arc::clone(members));
        running.desk.handle_members(now, members, members.learners().contains(&self.id));
        self.pump(wires, history);
    }

    /// Whoever speaks in a later epoch is asked who the members are, and may be heard.
    fn hear_epoch(&self, from: usize, epoch: u64, wires: &mut Wires) {
        let known = self.running.as_ref().map_or(0, |running| running.store.members().epoch());
        if epoch > known && !wires.random.one_in(4) {
            let delay = Duration::from_micros(wires.random.below(20_000) as u64);
            wires.after(delay, Event::Members { node: self.place, from, epoch });
        }
    }

    /// A client's request.
    pub fn request(&mut self, asked: usize, wires: &mut Wires, history: &mut History) {
        let now = self.local(wires.now);
        let Some(running) = &mut self.running else { return };
        let operation = &history.operations[asked];
        let title = crate::history::title_name(operation.title);
        let task = match operation.shape() {
            Some(shape) => Task::Write { title, shape, random: wires.random.word() },
            None => Task::Read { title },
        };
        let id = running.desk.begin(now, task);
        running.clients.insert(id, asked);
        self.pump(wires, history);
    }

    /// Something happens within this start.
    pub fn happen(&mut self, inner: Inner, wires: &mut Wires, history: &mut History) {
        let now = self.local(wires.now);
        let Some(running) = &mut self.running else { return };
        match inner {
            Inner::Wake => {
                self.wake = None;
                running.desk.handle_timeout(now);
            }
            Inner::Told(task, told) => running.desk.handle(now, task, told),
            Inner::Expire(call) => self.unanswered(call, wires, history),
            Inner::Piece { task, node } => self.send_piece(task, node, wires),
            Inner::Sent(task) => {
                if let Some(ingest) = running.ingests.get_mut(&task) {
                    ingest.sent = true;
                }
                self.uploaded(task, wires);
            }
            Inner::Return => running.desk.handle_return(now),
            Inner::Answer(answer) if answer.to == self.place => self.take_answer(answer, wires, history),
            Inner::Answer(answer) => wires.send(&answer),
        }
        self.pump(wires, history);
    }

    pub fn deliver(&mut self, message: Message, wires: &mut Wires, history: &mut History) {
        if self.running.is_none() {
            if !message.answer {
                // The port is closed: the asking node learns it.
                let Message { from, to, call, sender, .. } = message;
                wires.send(&Message { from: to, to: from, call, sender, answer: true, body: Body::Failed });
            }
            return;
        }
        self.hear_epoch(message.from, message.sender.epoch, wires);
        if message.answer {
            self.take_answer(message, wires, history);
        } else {
            self.take_question(message, wires);
        }
        self.pump(wires, history);
    }

    fn admit(&self, from: Sender) -> bool {
        self.cluster.missing == Some(Safeguard::Life) || self.store().admit(from).unwrap_or(false)
    }

    fn sender(&self) -> Sender {
        let me = self.store().me();
        // Without its life, a node is whoever has its id.
        if self.cluster.missing == Some(Safeguard::Life) { Sender { life: Life(1), ..me } } else { me }
    }

    fn take_question(&mut self, message: Message, wires: &mut Wires) {
        let now = self.local(wires.now);
        let Message { from, to, call, sender, body, .. } = message;
        let answer = match body {
            Body::Ask(request) => match self.answer(now, sender, request) {
                Some(reply) => Body::Answer(reply),
                None => Body::Failed,
            },
            Body::Upload { plan, offset, records } => {
                // As production's door has it: a version's columns are its coordinator's to send.
                if sender.node == plan.version.node && self.take_piece(now, &plan, offset, &records) {
                    Body::Uploaded
                } else {
                    Body::Failed
                }
            }
            Body::Read { title, version, stripes, proof } => {
                read(self.store(), now, &title, version, stripes, proof).unwrap_or(Body::Failed)
            }
            Body::Damaged { title, version } => {
                let _ = self.store().verify_column(now, &title, version);
                return;
            }
            Body::Answer(_) | Body::Uploaded | Body::Column { .. } | Body::Failed => return,
        };
        if self.disk.is_crashed() {
            return;
        }
        let answer = Message { from: to, to: from, call, sender: self.sender(), answer: true, body: answer };
        let latency = self.latency(wires);
        let event = self.inner(Inner::Answer(answer));
        wires.after(latency, event);
    }

    /// Answers a question at the door of production: vetted, admitted, answered, heard.
    fn answer(&mut self, now: Time, from: Sender, mut request: Request) -> Option<Reply> {
        self.cluster.codes.vet_request(&request).ok()?;
        if !self.store().members().nodes().contains(&from.node) {
            return None;
        }
        let in_doubt = self.cluster.missing != Some(Safeguard::Life) && self.store().is_in_doubt(from);
        if in_doubt {
            self.running.as_mut().unwrap().desk.handle_return(now);
            if !request.kind().only_asks() {
                return None;
            }
        } else if !self.admit(from) {
            let mut reply = match request {
                Request::Remembered => Reply::Remembered(self.store().remembered(from)),
                _ => Reply::Retired,
            };
            if let Some(missing) = self.cluster.missing {
                missing.weaken_reply(&mut reply);
            }
            return Some(reply);
        }
        let missing = self.cluster.missing;
        let weak = missing.and_then(|missing| missing.weaken_request(&mut request));
        let mut reply = match weak {
            Some(reply) => reply,
            None => self.store().answer(now, from, &request).ok()?,
        };
        if let Some(missing) = missing {
            missing.weaken_reply(&mut reply);
        }
        if self.lies && from.node != self.id {
            crate::lies::lie(&mut reply, &request);
        }
        if from.node != self.id && !in_doubt {
            let running = self.running.as_mut().unwrap();
            running.desk.heard(now, from.node, from.life);
        }
        Some(reply)
    }

    fn take_piece(&self, now: Time, plan: &Upload, offset: u64, records: &[u8]) -> bool {
        let store = self.store();
        let begun = offset > 0 || {
            let upload = UploadPlan {
                title: plan.title.clone(),
                version: plan.version,
                column: plan.column,
                code: plan.code.clone(),
                cell_bytes: plan.cell_bytes,
                block_bytes: plan.block_bytes,
                group_bytes: plan.group_bytes,
            };
            store.begin_upload(now, upload).is_ok()
        };
        begun && (records.is_empty() || store.append(now, &plan.title, plan.version, offset, records).is_ok())
    }

    fn take_answer(&mut self, message: Message, wires: &mut Wires, history: &mut History) {
        let Message { call, sender, body, .. } = message;
        let now = self.local(wires.now);
        let Some(running) = &mut self.running else { return };
        // One that comes late, or once more, is nobody's.
        let Some(asked) = running.calls.remove(&call) else { return };
        match (asked, body) {
            (Call::Ask(task, node, kind), Body::Answer(reply)) => {
                let told =
                    if self.admit(sender) { Told::Answer(sender, kind, reply) } else { Told::Failed(node, kind) };
                self.running.as_mut().unwrap().desk.handle(now, task, told);
            }
            (Call::Ask(task, node, kind), _) => running.desk.handle(now, task, Told::Failed(node, kind)),
            (Call::Upload(task, node), body) => {
                self.taken(task, node, matches!(body, Body::Uploaded), wires);
            }
            (Call::Column(task), body) => self.fetched(task, call, Some((message.from, body)), wires, history),
        }
    }

    /// A question got no answer in time.
    fn unanswered(&mut self, call: u64, wires: &mut Wires, history: &mut History) {
        let now = self.local(wires.now);
        let Some(running) = &mut self.running else { return };
        match running.calls.remove(&call) {
            None => {}
            Some(Call::Ask(task, node, kind)) => running.desk.handle(now, task, Told::Failed(node, kind)),
            Some(Call::Upload(task, node)) => self.taken(task, node, false, wires),
            Some(Call::Column(task)) => self.fetched(task, call, None, wires, history),
        }
    }

    fn latency(&self, wires: &mut Wires) -> Duration {
        let micros = if self.slow_ms > 0 && wires.random.one_in(3) {
            wires.random.below(1000 * self.slow_ms)
        } else {
            wires.random.below(300)
        };
        Duration::from_micros(micros as u64)
    }

    fn inner(&self, inner: Inner) -> Event {
        Event::Inner { node: self.place, start: self.starts, inner }
    }

    /// Carries out what the desk orders, and hears what it tells.
    fn pump(&mut self, wires: &mut Wires, history: &mut History) {
        loop {
            if self.disk.is_crashed() {
                return;
            }
            let Some(running) = &mut self.running else { return };
            if let Some((task, order)) = running.desk.poll_order() {
                self.carry_out(task, order, wires, history);
            } else if let Some((task, event)) = running.desk.poll_event() {
                self.told(task, event, wires, history);
            } else {
                break;
            }
        }
        let Some(at) = self.running.as_ref().and_then(|running| running.desk.poll_timeout()) else { return };
        let at = self.clock.global(at).max(wires.now);
        if self.wake.is_none_or(|wake| at < wake) {
            self.wake = Some(at);
            let event = self.inner(Inner::Wake);
            wires.schedule(at, event);
        }
    }

    fn carry_out(&mut self, task: TaskId, order: Order, wires: &mut Wires, history: &mut History) {
        let now = self.local(wires.now);
        match order {
            Order::Ask(to, request) => {
                let kind = request.kind();
                let Some(place) = self.cluster.place(to) else {
                    return self.running.as_mut().unwrap().desk.handle(now, task, Told::Failed(to, kind));
                };
                self.call(Call::Ask(task, to, kind), place, Body::Ask(request), self.cluster.patience, wires);
            }
            Order::Store(order) => {
                if let StoreOrder::Decide(decision) = &order {
                    history.decided(&decision.record);
                }
                let shown = wires.log.then(|| format!("{order:?}"));
                let told = self.store().carry_out(now, order);
                if let Some(order) = shown {
                    println!("             -- {} {task:?} {order} -> {told:?}", self.place);
                }
                let latency = self.latency(wires);
                let event = self.inner(Inner::Told(task, Told::Stored(told)));
                wires.after(latency, event);
            }
            Order::Restore(order) => self.restore(task, order, wires, history),
            Order::Rate(_) => {
                let wait = Duration::from_micros(wires.random.below(200_000) as u64);
                let event = self.inner(Inner::Told(task, Told::Granted));
                wires.after(wait, event);
            }
        }
    }

    fn call(&mut self, asked: Call, to: usize, body: Body, patience: Duration, wires: &mut Wires) -> u64 {
        let call = wires.call();
        let sender = self.sender();
        let event = self.inner(Inner::Expire(call));
        let message = Message { from: self.place, to, call, sender, answer: false, body };
        if to == self.place {
            wires.after(Duration::from_micros(1), Event::Deliver(message));
        } else {
            wires.send(&message);
            wires.after(patience, event);
        }
        self.running.as_mut().unwrap().calls.insert(call, asked);
        call
    }

    fn told(&mut self, task: TaskId, event: rain_desk::Event, wires: &mut Wires, history: &mut History) {
        use rain_desk::Event as Told;
        let asked = self.running.as_ref().unwrap().clients.get(&task).copied();
        match (event, asked) {
            (Told::Begin(begin), Some(asked)) => self.ingest(task, asked, begin, wires, history),
            (Told::Acknowledged { columns, tolerates }, Some(asked)) => {
                history.end(wires.now, asked, Answer::Acknowledged { columns, tolerates });
            }
            (Told::Unconfirmed, Some(asked)) => history.end(wires.now, asked, Answer::Unconfirmed),
            (Told::Aborted(why), Some(asked)) => {
                self.running.as_mut().unwrap().ingests.remove(&task);
                wires.note(&format!("{asked} aborted: {why:?}"));
                history.end(wires.now, asked, Answer::Refused);
            }
            (Told::Resolved(resolution), Some(asked)) => self.resolved(task, asked, resolution, wires, history),
            (Told::Reborn { why, .. }, _) => {
                self.reborn += 1;
                wires.note(&format!("{} reborn: {why}", self.place));
            }
            (Told::Restored { failed, record, column }, _) => {
                wires.note(&format!("{} restored {column} of {}: {failed:?}", self.place, record.version()));
            }
            _ => {}
        }
    }

    /// The operations of clients that this start will never answer.
    pub fn stop(&mut self) -> BTreeSet<usize> {
        self.running.take().map(|running| running.clients.into_values().collect()).unwrap_or_default()
    }
}
