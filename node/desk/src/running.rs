//! What every task has in common, and the tasks that are one machine.

use crate::order::{Event, Order, Overdue, StoreOrder, StoreTold, Told};
use crate::vet::Codes;
use rain_cluster::catalog::{Recall, Recalled, Resolve};
use rain_cluster::commit::{Marking, PendingCheck, PendingFate, PurgeCheck};
use rain_cluster::{Life, Machine, Members, Memory, NodeId, Placement, Record, Request, Sender, Time};
use std::collections::VecDeque;
use std::sync::Arc;

use crate::task::Task;

/// What a task sees of the desk, and where it puts what it wants.
pub(crate) struct Context<'a> {
    pub(crate) now: Time,
    pub(crate) me: Sender,
    pub(crate) members: &'a Arc<Members>,
    pub(crate) codes: &'a Codes,
    pub(crate) out: &'a mut Out,
}

impl Context<'_> {
    pub(crate) fn order(&mut self, order: Order) {
        self.out.orders.push_back(order);
    }

    pub(crate) fn store(&mut self, order: StoreOrder) {
        self.order(Order::Store(order));
    }

    pub(crate) fn tell(&mut self, event: Event) {
        self.out.events.push_back(event);
    }

    /// Hands a machine's messages on.
    pub(crate) fn transmit(&mut self, machine: &mut impl Machine) {
        while let Some((to, request)) = machine.poll_transmit() {
            self.order(Order::Ask(to, request));
        }
    }

    /// Whether this node keeps anything of a version: its mark, or a column.
    pub(crate) fn concerns_me(&self, record: &Record) -> bool {
        let columns = record.placement.seats.len();
        record.placement.column_of(self.me.node).is_some()
            || Placement::takers(record.title(), self.members, columns).contains(&self.me.node)
            || self.members.catalog_of(record.title()).contains(self.me.node)
    }
}

/// What a task wants: in order.
#[derive(Debug, Default)]
pub(crate) struct Out {
    pub(crate) orders: VecDeque<Order>,
    pub(crate) events: VecDeque<Event>,
    pub(crate) begun: Vec<Task>,
    /// The store begins a new life: what was under way in the old one is given up.
    pub(crate) reborn: Option<Life>,
}

/// A task under way.
pub(crate) trait Running: core::fmt::Debug + Send {
    fn start(&mut self, with: &mut Context<'_>);
    fn handle(&mut self, with: &mut Context<'_>, told: Told);
    fn handle_timeout(&mut self, with: &mut Context<'_>);
    fn timeout(&self) -> Option<Time>;
    /// Nothing more is to be done, but for answers that are on their way and change nothing.
    fn is_over(&self) -> bool;
    fn handle_life(&mut self, _with: &mut Context<'_>, _node: NodeId, _life: Life) {}
    /// This node's store begins a new life: what it has not decided is given up.
    fn handle_rebirth(&mut self, _with: &mut Context<'_>) {}
    /// The members are others, those of the context.
    fn handle_members(&mut self, _with: &mut Context<'_>) {}
    /// Whether it is what it is called: for the house, which does not begin twice what is under way.
    fn concerns(&self, _what: &Task) -> bool {
        false
    }
}

/// Gives a machine what is for machines.
pub(crate) fn drive(machine: &mut impl Machine, now: Time, told: Told) {
    match told {
        Told::Answer(from, _, reply) => machine.handle_message(now, from, reply),
        Told::Failed(node, _) => machine.handle_failure(now, node),
        Told::Stored(_) | Told::Restored(_) | Told::Granted | Told::Uploaded { .. } | Told::GiveUp => {}
    }
}

/// Finding out what a reader gets.
#[derive(Debug)]
pub(crate) struct Reading {
    title: String,
    pub(crate) resolve: Resolve,
    over: bool,
}

impl Reading {
    pub(crate) fn new(title: String, resolve: Resolve) -> Self {
        Self { title, resolve, over: false }
    }

    fn advance(&mut self, with: &mut Context<'_>) {
        with.transmit(&mut self.resolve);
        if let Some(resolution) = self.resolve.poll_event() {
            self.over = true;
            with.tell(Event::Resolved(resolution));
        }
    }
}

impl Running for Reading {
    fn start(&mut self, with: &mut Context<'_>) {
        self.advance(with);
    }

    fn handle(&mut self, with: &mut Context<'_>, told: Told) {
        drive(&mut self.resolve, with.now, told);
        self.advance(with);
    }

    fn handle_timeout(&mut self, with: &mut Context<'_>) {
        self.resolve.handle_timeout(with.now);
        self.advance(with);
    }

    fn handle_members(&mut self, with: &mut Context<'_>) {
        self.resolve = Resolve::new(with.now, &self.title, with.members);
        self.advance(with);
    }

    fn timeout(&self) -> Option<Time> {
        self.resolve.poll_timeout()
    }

    fn is_over(&self) -> bool {
        self.over
    }
}

/// Marking again what was decided before a restart.
#[derive(Debug)]
pub(crate) struct Resuming {
    marking: Marking,
    record: Record,
    settled: bool,
}

impl Resuming {
    pub(crate) fn new(now: Time, record: Record, prepared: Vec<NodeId>) -> Self {
        Self { marking: Marking::new(now, record.clone(), prepared), record, settled: false }
    }

    fn advance(&mut self, with: &mut Context<'_>) {
        with.transmit(&mut self.marking);
        if self.marking.is_settled() && !self.settled {
            self.settled = true;
            let (title, version) = (self.record.title().to_owned(), self.record.version());
            with.store(StoreOrder::Settle { title, version });
        }
    }
}

impl Running for Resuming {
    fn start(&mut self, with: &mut Context<'_>) {
        self.advance(with);
    }

    fn handle(&mut self, with: &mut Context<'_>, told: Told) {
        drive(&mut self.marking, with.now, told);
        self.advance(with);
    }

    fn handle_life(&mut self, with: &mut Context<'_>, node: NodeId, life: Life) {
        self.marking.handle_life(with.now, node, life);
        self.advance(with);
    }

    fn handle_timeout(&mut self, with: &mut Context<'_>) {
        self.marking.handle_timeout(with.now);
        self.advance(with);
    }

    fn timeout(&self) -> Option<Time> {
        self.marking.poll_timeout()
    }

    fn is_over(&self) -> bool {
        self.settled
    }
}

/// Finding out what became of a pending version.
#[derive(Debug)]
pub(crate) struct Checking {
    check: PendingCheck,
    overdue: Overdue,
    over: bool,
}

impl Checking {
    pub(crate) fn new(now: Time, overdue: Overdue, members: &Members) -> Self {
        let Overdue { title, version, is_over, .. } = &overdue;
        let begin = if *is_over { PendingCheck::of_one_that_is_over } else { PendingCheck::new };
        let check = begin(now, title, *version, members);
        Self { check, overdue, over: false }
    }

    fn advance(&mut self, with: &mut Context<'_>) {
        with.transmit(&mut self.check);
        let Some(fate) = self.check.poll_event() else { return };
        self.over = true;
        let (title, version) = (self.overdue.title.clone(), self.overdue.version);
        let me = with.me.node;
        match (fate, self.overdue.record.take()) {
            (PendingFate::Mark, Some(record)) => with.order(Order::Ask(me, Request::Mark { record, spread: None })),
            (PendingFate::Mark, None) => with.store(StoreOrder::DropUpload { title, version }),
            (PendingFate::Drop, _) => with.order(Order::Ask(me, Request::Drop { title, version })),
            (PendingFate::Later, _) => {}
        }
    }
}

impl Running for Checking {
    fn start(&mut self, with: &mut Context<'_>) {
        self.advance(with);
    }

    fn handle(&mut self, with: &mut Context<'_>, told: Told) {
        drive(&mut self.check, with.now, told);
        self.advance(with);
    }

    fn handle_timeout(&mut self, with: &mut Context<'_>) {
        self.check.handle_timeout(with.now);
        self.advance(with);
    }

    fn timeout(&self) -> Option<Time> {
        self.check.poll_timeout()
    }

    fn is_over(&self) -> bool {
        self.over
    }

    fn concerns(&self, what: &Task) -> bool {
        matches!(what, Task::Check(other) if other.title == self.overdue.title && other.version == self.overdue.version)
    }
}

/// Sending a tombstone away.
#[derive(Debug)]
pub(crate) struct Purging {
    check: PurgeCheck,
    tombstone: Record,
    over: bool,
}

impl Purging {
    pub(crate) fn new(now: Time, tombstone: Record, members: &Members) -> Self {
        let check = PurgeCheck::new(now, tombstone.title(), tombstone.version(), members);
        Self { check, tombstone, over: false }
    }

    fn advance(&mut self, with: &mut Context<'_>) {
        with.transmit(&mut self.check);
        self.over |= self.check.may_go().is_some();
    }
}

impl Running for Purging {
    fn start(&mut self, with: &mut Context<'_>) {
        self.advance(with);
    }

    fn handle(&mut self, with: &mut Context<'_>, told: Told) {
        drive(&mut self.check, with.now, told);
        self.advance(with);
    }

    fn handle_timeout(&mut self, with: &mut Context<'_>) {
        self.check.handle_timeout(with.now);
        self.advance(with);
    }

    fn timeout(&self) -> Option<Time> {
        self.check.poll_timeout()
    }

    fn is_over(&self) -> bool {
        self.over
    }

    fn concerns(&self, what: &Task) -> bool {
        matches!(what, Task::Purge(other) if other.version() == self.tombstone.version())
    }
}

/// Finding out whether the store is an old copy.
#[derive(Debug)]
pub(crate) struct Recalling {
    recall: Recall,
    life: Life,
    /// What the store is asked about.
    accused: Option<Accusation>,
    retry: Option<Time>,
    over: bool,
}

/// A peer remembers what this store may have forgotten.
#[derive(Debug)]
struct Accusation {
    by: NodeId,
    memory: Memory,
}

/// A new life that could not be written down is tried again after so long.
const AGAIN: core::time::Duration = core::time::Duration::from_secs(1);

impl Recalling {
    pub(crate) fn new(recall: Recall, life: Life) -> Self {
        Self { recall, life, accused: None, retry: None, over: false }
    }

    fn advance(&mut self, with: &mut Context<'_>) {
        with.transmit(&mut self.recall);
        match self.recall.poll_event() {
            Some(Recalled::Sure) => with.store(StoreOrder::SetSure),
            Some(Recalled::Told { by, memory }) => {
                self.accused = Some(Accusation { by, memory });
                self.order(with);
            }
            None => {}
        }
        if self.accused.is_none() {
            self.over = self.recall.is_over();
        }
    }

    fn order(&self, with: &mut Context<'_>) {
        if let Some(Accusation { memory, .. }) = &self.accused {
            with.store(StoreOrder::Judge { life: self.life, memory: memory.clone() });
        }
    }
}

impl Running for Recalling {
    fn start(&mut self, with: &mut Context<'_>) {
        self.advance(with);
    }

    fn handle(&mut self, with: &mut Context<'_>, told: Told) {
        match told {
            Told::Stored(StoreTold::Reborn(life)) => {
                let by = self.accused.take().map(|accusation| accusation.by.to_string()).unwrap_or_default();
                let why = format!("node {by} has this node's own word of what this store does not know of");
                with.tell(Event::Reborn { life, why });
                with.out.reborn = Some(life);
                self.over = true;
            }
            Told::Stored(told @ (StoreTold::Already | StoreTold::Unproven)) if self.accused.is_some() => {
                if let Some(Accusation { by, .. }) = self.accused.take()
                    && told == StoreTold::Unproven
                {
                    let why = "an old copy, it says, and has no word of this node that shows it".to_owned();
                    with.tell(Event::Unfit { node: by, why });
                }
                self.recall.dismiss(with.now);
                self.advance(with);
            }
            Told::Stored(StoreTold::Failed(_)) if self.accused.is_some() => self.retry = Some(with.now + AGAIN),
            told @ (Told::Answer(..) | Told::Failed(..) | Told::Stored(_)) => {
                drive(&mut self.recall, with.now, told);
                self.advance(with);
            }
            Told::Restored(_) | Told::Granted | Told::Uploaded { .. } | Told::GiveUp => {}
        }
    }

    fn handle_timeout(&mut self, with: &mut Context<'_>) {
        if self.retry.is_some_and(|retry| with.now >= retry) {
            self.retry = None;
            self.order(with);
        }
        if self.accused.is_none() {
            self.recall.handle_timeout(with.now);
            self.advance(with);
        }
    }

    fn timeout(&self) -> Option<Time> {
        if self.accused.is_none() { self.recall.poll_timeout() } else { self.retry }
    }

    fn is_over(&self) -> bool {
        self.over
    }

    fn concerns(&self, what: &Task) -> bool {
        matches!(what, Task::Recall)
    }
}
