//! The tasks under way, and whose turn it is.

use crate::house::House;
use crate::learn::{CatchingUp, Learning};
use crate::moving::Moving;
use crate::order::{Event, Order, Told};
use crate::restore::Restoring;
use crate::running::{Checking, Context, Out, Purging, Reading, Recalling, Resuming, Running};
use crate::task::Task;
use crate::vet::Codes;
use crate::write::Writing;
use rain_cluster::catalog::{Recall, Resolve};
use rain_cluster::commit::{Put, PutRequest};
use rain_cluster::{Life, Members, NodeId, Reply, RequestKind, Sender, Time};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// A task of this desk. Never given twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId(u64);

/// Whose desk it is.
#[derive(Debug)]
pub struct DeskPlan {
    /// This node, in the present life of its ledger.
    pub me: Sender,
    /// The members of the cluster.
    pub members: Arc<Members>,
    /// The codes, shared by all desks.
    pub codes: Arc<Codes>,
}

#[derive(Debug)]
struct Slot {
    task: Box<dyn Running>,
    /// Who is being asked what: a machine that repeats a question does not make two of it.
    asked: Vec<(NodeId, RequestKind)>,
    timer: Option<Time>,
}

/// The desk of a node, or of one shard of its titles.
///
/// Cost: a step takes time in proportion to what it is told, and to the logarithm of the tasks under way.
#[derive(Debug)]
pub struct Desk {
    me: Sender,
    members: Arc<Members>,
    codes: Arc<Codes>,
    slots: BTreeMap<TaskId, Slot>,
    timers: BTreeSet<(Time, TaskId)>,
    orders: VecDeque<(TaskId, Order)>,
    events: VecDeque<(TaskId, Event)>,
    lives: BTreeMap<NodeId, Life>,
    next: u64,
}

impl Desk {
    /// A desk with nothing on it.
    pub fn new(plan: DeskPlan) -> Self {
        Self {
            me: plan.me,
            members: plan.members,
            codes: plan.codes,
            slots: BTreeMap::new(),
            timers: BTreeSet::new(),
            orders: VecDeque::new(),
            events: VecDeque::new(),
            lives: BTreeMap::new(),
            next: 0,
        }
    }

    /// Begins a task.
    pub fn begin(&mut self, now: Time, task: Task) -> TaskId {
        let mut slot = Slot { task: self.running(now, task), asked: Vec::new(), timer: None };
        self.next += 1;
        let id = TaskId(self.next);
        let mut out = Out::default();
        slot.task.start(&mut self.context(now, &mut out));
        self.put_back(now, id, slot, out);
        id
    }

    fn running(&self, now: Time, task: Task) -> Box<dyn Running> {
        match task {
            Task::Write { title, shape, random } => {
                let request = PutRequest {
                    title: title.clone(),
                    members: Arc::clone(&self.members),
                    coordinator: self.me.node,
                    life: self.me.life,
                    random,
                    shape,
                };
                Box::new(Writing::new(title, Put::new(now, request)))
            }
            Task::Read { title } => {
                let resolve = Resolve::new(now, &title, &self.members);
                Box::new(Reading::new(title, resolve))
            }
            Task::Recall => Box::new(Recalling::new(Recall::new(now, &self.members, self.me), self.me.life)),
            Task::Learn => Box::new(Learning::new()),
            Task::CatchUp => Box::new(CatchingUp::new()),
            Task::House => Box::new(House::new(now)),
            Task::Resume { record, prepared } => Box::new(Resuming::new(now, record, prepared)),
            Task::Check(overdue) => Box::new(Checking::new(now, overdue, &self.members)),
            Task::Purge(tombstone) => Box::new(Purging::new(now, tombstone, &self.members)),
            Task::Restore(record, column, rest) => Box::new(Restoring::new(record, column, rest)),
            Task::Move(records) => Box::new(Moving::new(records)),
        }
    }

    fn context<'a>(&'a self, now: Time, out: &'a mut Out) -> Context<'a> {
        Context { now, me: self.me, members: &self.members, codes: &self.codes, out }
    }

    /// Takes what became of an order of a task, or what the driver has to say about it. Of a task that is over: nothing.
    pub fn handle(&mut self, now: Time, id: TaskId, told: Told) {
        let told = self.vetted(id, told);
        if let Told::Answer(from, ..) = &told {
            self.heard(now, from.node, from.life);
        }
        let Some(mut slot) = self.take(id) else { return };
        if let Told::Answer(Sender { node, .. }, kind, _) | Told::Failed(node, kind) = &told {
            slot.asked.retain(|asked| *asked != (*node, *kind));
        }
        let mut out = Out::default();
        if matches!(told, Told::Answer(_, _, Reply::Retired)) && !self.is_under_way(&Task::Recall) {
            out.begun.push(Task::Recall);
        }
        slot.task.handle(&mut self.context(now, &mut out), told);
        self.put_back(now, id, slot, out);
    }

    /// What cannot be is taken for silence, and told.
    fn vetted(&mut self, id: TaskId, told: Told) -> Told {
        let Told::Answer(from, kind, reply) = told else { return told };
        // What it knows may have been decided by others than those who are asked: they are asked once it is known who they are.
        if from.epoch > self.members.epoch() && kind.is_counted() {
            return Told::Failed(from.node, kind);
        }
        match self.codes.vet_reply(&reply) {
            Ok(()) => Told::Answer(from, kind, reply),
            Err(unfit) => {
                self.events.push_back((id, Event::Unfit { node: from.node, why: unfit.to_string() }));
                Told::Failed(from.node, kind)
            }
        }
    }

    /// Notes in which life a node is: heard of in any question or answer.
    pub fn heard(&mut self, now: Time, node: NodeId, life: Life) {
        let before = self.lives.insert(node, life);
        if before.is_none_or(|before| before == life) {
            return;
        }
        let ids: Vec<_> = self.slots.keys().copied().collect();
        for id in ids {
            self.with(now, id, |task, with| task.handle_life(with, node, life));
        }
    }

    /// Takes the news that the members are others; `learns` on one desk of a node that has to learn because of it.
    pub fn handle_members(&mut self, now: Time, members: &Arc<Members>, learns: bool) {
        if members.epoch() <= self.members.epoch() {
            return;
        }
        self.members = Arc::clone(members);
        let ids: Vec<_> = self.slots.keys().copied().collect();
        for id in ids {
            self.with(now, id, |task, with| task.handle_members(with));
        }
        if learns && !self.is_under_way(&Task::Learn) {
            self.begin(now, Task::Learn);
        }
    }

    /// Takes the news that a node can be reached again: it may know what was missed.
    pub fn handle_return(&mut self, now: Time) {
        if !self.is_under_way(&Task::CatchUp) {
            self.begin(now, Task::CatchUp);
        }
    }

    /// Takes the news that this node's store begins a new life, of another desk of the node, which learns what must be
    /// known: what is not decided here is given up.
    pub fn handle_rebirth(&mut self, now: Time, life: Life) {
        (self.me.life, self.me.serial) = (life, 0);
        let ids: Vec<_> = self.slots.keys().copied().collect();
        for id in ids {
            self.with(now, id, |task, with| task.handle_rebirth(with));
        }
    }

    /// Takes how far this node's ledger is, as the store says it: before a [`Reply::Retired`] is handed over, because what
    /// the others remember is compared with it. Of another life than the present one: nothing.
    pub fn note_serial(&mut self, me: Sender) {
        if me.life == self.me.life {
            self.me.serial = self.me.serial.max(me.serial);
        }
    }

    /// Looks at the time; too early changes nothing.
    pub fn handle_timeout(&mut self, now: Time) {
        while let Some((at, id)) = self.timers.first().copied() {
            if at > now {
                break;
            }
            self.with(now, id, |task, with| task.handle_timeout(with));
        }
    }

    /// The next thing to be done, and for which task.
    pub fn poll_order(&mut self) -> Option<(TaskId, Order)> {
        self.orders.pop_front()
    }

    /// The next thing to be told, and of which task.
    pub fn poll_event(&mut self) -> Option<(TaskId, Event)> {
        self.events.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due at the latest.
    pub fn poll_timeout(&self) -> Option<Time> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// Whether a task is over.
    pub fn is_over(&self, id: TaskId) -> bool {
        !self.slots.contains_key(&id)
    }

    /// Tasks under way.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    fn is_under_way(&self, what: &Task) -> bool {
        self.slots.values().any(|slot| slot.task.concerns(what))
    }

    fn with(&mut self, now: Time, id: TaskId, work: impl FnOnce(&mut dyn Running, &mut Context<'_>)) {
        let Some(mut slot) = self.take(id) else { return };
        let mut out = Out::default();
        work(&mut *slot.task, &mut self.context(now, &mut out));
        self.put_back(now, id, slot, out);
    }

    fn take(&mut self, id: TaskId) -> Option<Slot> {
        let slot = self.slots.remove(&id)?;
        if let Some(at) = slot.timer {
            self.timers.remove(&(at, id));
        }
        Some(slot)
    }

    /// Hands on what a task wants, and sets its timer.
    fn put_back(&mut self, now: Time, id: TaskId, mut slot: Slot, out: Out) {
        for order in out.orders {
            if let Order::Ask(to, request) = &order {
                let asked = (*to, request.kind());
                if slot.asked.contains(&asked) {
                    continue;
                }
                slot.asked.push(asked);
            }
            self.orders.push_back((id, order));
        }
        self.events.extend(out.events.into_iter().map(|event| (id, event)));
        if !slot.task.is_over() {
            // A timer that is due already rings at the next look, not within this one.
            slot.timer = slot.task.timeout().map(|at| at.max(now + core::time::Duration::from_micros(1)));
            if let Some(at) = slot.timer {
                self.timers.insert((at, id));
            }
            self.slots.insert(id, slot);
        }
        for task in out.begun {
            let once = matches!(
                task,
                Task::Check(_)
                    | Task::Purge(_)
                    | Task::Restore(..)
                    | Task::Move(_)
                    | Task::CatchUp
                    | Task::Learn
                    | Task::Recall
            );
            if !(once && self.is_under_way(&task)) {
                self.begin(now, task);
            }
        }
        if let Some(life) = out.reborn {
            self.be_reborn(now, life);
        }
    }

    /// The store begins a new life: what is not decided is given up, and everything must be learnt.
    fn be_reborn(&mut self, now: Time, life: Life) {
        self.handle_rebirth(now, life);
        if !self.is_under_way(&Task::Learn) {
            self.begin(now, Task::Learn);
        }
    }
}
