//! The desks of a node under tokio: carries out what they order, brings back what became of it, watches the clock, and
//! hands events to whoever began the task.
//!
//! There is a desk for each shard of the titles, each behind a lock of its own. A step of a desk is quick, and nothing
//! else happens under the lock: no disk, no socket. The first desk has the house besides.

use super::Node;
use super::tasks::note_panic;
use core::panic::AssertUnwindSafe;
use core::time::Duration;
use futures_util::FutureExt;
use rain_cluster::{Life, Members, NodeId, Reply, Time};
use rain_desk::{Desk, DeskPlan, Event, Order, RestoreFailure, StoreOrder, StoreTold, Task, TaskId, Told};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::runtime::Handle;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tokio::time::sleep;

/// Desks of a node.
pub(super) const SHARDS: usize = 4;
/// The desk that has the house.
const HOUSE: usize = 0;
/// No task tells more of itself than this.
const EVENTS_MAX: usize = 8;
/// After a node came back, others that do are noticed after so long.
const RETURNS: Duration = Duration::from_secs(1);

/// A desk, and who began its tasks.
#[derive(Debug)]
struct Shard {
    state: Mutex<State>,
    /// The timer is to ring earlier than it would.
    earlier: Notify,
}

#[derive(Debug)]
struct State {
    desk: Desk,
    owners: BTreeMap<TaskId, mpsc::Sender<Event>>,
    /// When the timer rings.
    rings: Option<Time>,
    house: Option<TaskId>,
}

/// What a step of a desk leaves to be done.
#[derive(Debug)]
struct Left {
    orders: Vec<(TaskId, Order)>,
    /// Events that are for nobody in particular.
    events: Vec<Event>,
}

/// The desks of a node.
#[derive(Debug)]
pub(super) struct Desks {
    shards: Vec<Shard>,
    /// What is being done; `None` once the node ends.
    tasks: Mutex<Option<JoinSet<()>>>,
    /// In which life each node was heard of last.
    lives: Mutex<BTreeMap<NodeId, Life>>,
    /// Held while a new life begins: several desks may find out that it must.
    rebirth: Mutex<()>,
    has_house: AtomicBool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The shard of a title: some function that spreads titles evenly. Nothing durable depends on it.
fn shard_of(title: &str) -> usize {
    usize::from(blake3::hash(title.as_bytes()).as_bytes()[0]) % SHARDS
}

impl State {
    /// Takes what the desk has to say: events to those who wait for them, the rest is left. `of` is the task that took
    /// the step, `None` where it may have been any.
    fn drain(&mut self, now: Time, of: Option<TaskId>) -> Left {
        let mut events = Vec::new();
        while let Some((id, event)) = self.desk.poll_event() {
            match (self.owners.get(&id), event) {
                (_, event @ (Event::Unfit { .. } | Event::Reborn { .. } | Event::Restored { .. })) => {
                    events.push(event);
                }
                (Some(owner), event) => {
                    // An owner who does not listen any more has no use for it.
                    let _ = owner.try_send(event);
                }
                // Nobody is there to upload anything.
                (None, Event::Begin(_)) => self.desk.handle(now, id, Told::GiveUp),
                // Of a write or read whose client is gone.
                (None, Event::Acknowledged { .. } | Event::Unconfirmed | Event::Aborted(_) | Event::Resolved(_)) => {}
            }
        }
        // Who waits for a task that is over hears that there is nothing more to come.
        match of {
            Some(id) if self.desk.is_over(id) => drop(self.owners.remove(&id)),
            Some(_) => {}
            None => self.owners.retain(|id, _| !self.desk.is_over(*id)),
        }
        Left { orders: core::iter::from_fn(|| self.desk.poll_order()).collect(), events }
    }
}

/// A task of a desk, for whoever began it. Dropped before it is over, it is told that nobody uploads anything, and goes
/// on by itself.
#[derive(Debug)]
pub(super) struct Begun {
    node: Arc<Node>,
    shard: usize,
    id: TaskId,
    events: mpsc::Receiver<Event>,
}

impl Begun {
    /// The next event; `None` once the task is over.
    ///
    /// Cancel safety: no event is lost.
    pub(super) async fn next(&mut self) -> Option<Event> {
        self.events.recv().await
    }

    /// Tells the task what its owner did for it.
    pub(super) fn tell(&self, told: Told) {
        self.node.tell(self.shard, self.id, told);
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        let id = self.id;
        self.node.step(self.shard, Some(id), |state, now| {
            if state.owners.remove(&id).is_some() {
                state.desk.handle(now, id, Told::GiveUp);
            }
        });
    }
}

impl Desks {
    /// Desks with nothing on them; `plan` makes one for each.
    pub(super) fn new(plan: impl Fn() -> DeskPlan) -> Self {
        let shard = |_| {
            let plan = plan();
            let desk = Desk::new(plan);
            let state = State { desk, owners: BTreeMap::new(), rings: None, house: None };
            Shard { state: Mutex::new(state), earlier: Notify::new() }
        };
        Self {
            shards: (0..SHARDS).map(shard).collect(),
            tasks: Mutex::new(Some(JoinSet::new())),
            lives: Mutex::default(),
            rebirth: Mutex::default(),
            has_house: AtomicBool::new(false),
        }
    }

    /// Stops whatever is being done, for good: what must be done is taken up again at the next start.
    pub(super) fn close(&self) {
        let tasks = lock(&self.tasks).take();
        drop(tasks);
    }

    /// Runs something that the desks own; nothing once they are closed. A panic is told of.
    pub(super) fn spawn(&self, task: &'static str, work: impl Future<Output = ()> + Send + 'static) {
        let work = async move {
            if let Err(panic) = AssertUnwindSafe(work).catch_unwind().await {
                note_panic(task, &*panic);
            }
        };
        let mut tasks = lock(&self.tasks);
        // The runtime may be gone before the node is.
        if let (Some(tasks), Ok(runtime)) = (&mut *tasks, Handle::try_current()) {
            while tasks.try_join_next().is_some() {}
            tasks.spawn_on(work, &runtime);
        }
    }

    /// Notes in which life a node is; whether that is news.
    fn note_life(&self, node: NodeId, life: Life) -> bool {
        lock(&self.lives).insert(node, life) != Some(life)
    }

    /// Whether a node was heard of in this life last.
    pub(super) fn knows(&self, node: NodeId, life: Life) -> bool {
        lock(&self.lives).get(&node) == Some(&life)
    }
}

impl Node {
    /// Lets a desk take a step, and does what it leaves to be done. `of` as in [`State::drain`].
    fn step<T>(self: &Arc<Self>, shard: usize, of: Option<TaskId>, step: impl FnOnce(&mut State, Time) -> T) -> T {
        let (result, left) = {
            let Shard { state, earlier } = &self.desks.shards[shard];
            let mut state = lock(state);
            let now = self.now();
            let result = step(&mut state, now);
            let left = state.drain(now, of);
            if let Some(due) = state.desk.poll_timeout()
                && state.rings.is_none_or(|rings| due < rings)
            {
                earlier.notify_one();
            }
            (result, left)
        };
        for (id, order) in left.orders {
            self.begin_order(shard, id, order);
        }
        for event in left.events {
            self.note_event(shard, event);
        }
        result
    }

    /// Begins a task about a title.
    pub(super) fn begin_task(self: &Arc<Self>, title: &str, task: Task) -> Begun {
        let shard = shard_of(title);
        let (owner, events) = mpsc::channel(EVENTS_MAX);
        let id = self.step(shard, None, |state, now| {
            let id = state.desk.begin(now, task);
            state.owners.insert(id, owner);
            id
        });
        Begun { node: Arc::clone(self), shard, id, events }
    }

    /// Tells a task what became of an order, or what its owner did.
    fn tell(self: &Arc<Self>, shard: usize, id: TaskId, told: Told) {
        let retired = matches!(told, Told::Answer(_, _, Reply::Retired)).then(|| self.store.me());
        self.step(shard, Some(id), |state, now| {
            if let Some(me) = retired {
                state.desk.note_serial(me);
            }
            state.desk.handle(now, id, told);
        });
    }

    /// Notes in which life a node is.
    pub(super) fn hear(self: &Arc<Self>, node: NodeId, life: Life) {
        if self.desks.note_life(node, life) {
            for shard in 0..SHARDS {
                self.step(shard, None, |state, now| state.desk.heard(now, node, life));
            }
        }
    }

    /// From now on these are the members.
    pub(super) fn tell_members(self: &Arc<Self>, members: &Arc<Members>) {
        let learns = members.learners().contains(&self.config.id);
        for shard in 0..SHARDS {
            self.step(shard, None, |state, now| state.desk.handle_members(now, members, learns && shard == HOUSE));
        }
    }

    /// Puts on the first desk what every node does from its start on. The house waits until the store is sure: an old copy
    /// that made as many changes as the others remember would be taken for the original.
    pub(super) fn open_desks(self: &Arc<Self>) {
        let is_blank = self.store.is_blank();
        self.step(HOUSE, None, |state, now| {
            state.desk.begin(now, Task::Recall);
            if is_blank {
                state.desk.begin(now, Task::Learn);
            }
        });
        self.open_house();
    }

    /// Begins to look after the house, once the store is sure.
    fn open_house(self: &Arc<Self>) {
        if self.store.is_sure() && !self.desks.has_house.swap(true, Ordering::Relaxed) {
            self.step(HOUSE, None, |state, now| state.house = Some(state.desk.begin(now, Task::House)));
        }
    }

    /// Stops what the desks have ordered, for good.
    pub(super) fn close_desks(&self) {
        self.desks.close();
    }

    /// Watches the clock for a desk until the task is aborted.
    ///
    /// Cancel safety: nothing is lost.
    pub(super) async fn keep_time(self: Arc<Self>, shard: usize) {
        loop {
            let wait = self.step(shard, None, |state, now| {
                if state.house.is_some_and(|house| state.desk.is_over(house)) {
                    // It never ends but by a panic, which was told of.
                    state.house = Some(state.desk.begin(now, Task::House));
                }
                state.rings = state.desk.poll_timeout();
                state.rings.map(|rings| rings.since(now))
            });
            let rings = async {
                match wait {
                    Some(wait) => sleep(wait).await,
                    None => core::future::pending().await,
                }
            };
            tokio::select! {
                () = rings => self.step(shard, None, |state, now| state.desk.handle_timeout(now)),
                () = self.desks.shards[shard].earlier.notified() => {}
            }
        }
    }

    /// Has all others asked what they know, and so which of their lives is the present one.
    pub(crate) fn ask_around(self: &Arc<Self>) {
        self.step(HOUSE, None, |state, now| state.desk.handle_return(now));
    }

    /// Tells the house of nodes that can be reached again, until the task is aborted.
    ///
    /// Cancel safety: nothing is lost.
    pub(super) async fn watch_returns(self: Arc<Self>) {
        let mut table = self.peers.paths.watch();
        let mut present = BTreeSet::new();
        loop {
            let up: BTreeSet<_> = {
                let table = table.borrow_and_update();
                self.others().into_iter().filter(|peer| table.is_up(*peer) == Some(true)).collect()
            };
            if !up.is_subset(&present) {
                self.ask_around();
                sleep(RETURNS).await;
            }
            present = up;
            if table.changed().await.is_err() {
                return;
            }
        }
    }

    fn begin_order(self: &Arc<Self>, shard: usize, id: TaskId, order: Order) {
        let node = Arc::clone(self);
        self.desks.spawn("order", async move {
            let lost = lost(&order);
            let told = AssertUnwindSafe(node.carry_out(order)).catch_unwind().await;
            let told = told.unwrap_or_else(|panic| {
                note_panic("order", &*panic);
                lost
            });
            node.tell(shard, id, told);
        });
    }

    async fn carry_out(self: &Arc<Self>, order: Order) -> Told {
        match order {
            Order::Ask(to, request) => {
                let kind = request.kind();
                match self.ask(to, request).await {
                    Some((from, reply)) => Told::Answer(from, kind, reply),
                    None => Told::Failed(to, kind),
                }
            }
            Order::Store(order) => {
                let told = if order.is_quick() {
                    self.store.carry_out(self.now(), order)
                } else {
                    self.blocking(move |node| node.carry_out_stored(order)).await
                };
                self.open_house();
                Told::Stored(told)
            }
            Order::Restore(order) => Told::Restored(self.restore(order).await),
            Order::Rate(bytes) => {
                self.rebuild_rate.take(bytes).await;
                Told::Granted
            }
        }
    }

    fn carry_out_stored(&self, order: StoreOrder) -> StoreTold {
        // Several desks may find out that a new life is to begin: the store compares lives, and is asked by one at a time.
        let _one = matches!(order, StoreOrder::Judge { .. }).then(|| lock(&self.desks.rebirth));
        self.store.carry_out(self.now(), order)
    }

    /// Tells people what a desk tells nobody in particular.
    fn note_event(self: &Arc<Self>, shard: usize, event: Event) {
        match event {
            Event::Restored { record, column, failed } => self.note_restored(&record, column, failed.as_deref()),
            Event::Reborn { life, why } => {
                tracing::error!(%life, why, "the data folder is an old copy of itself: it begins a new life, blank");
                for other in 0..SHARDS {
                    if other != shard {
                        self.step(other, None, |state, now| state.desk.handle_rebirth(now, life));
                    }
                }
            }
            Event::Unfit { node, why } => self.note_unfit(node, &why),
            // These are for whoever began the task.
            Event::Begin(_)
            | Event::Acknowledged { .. }
            | Event::Unconfirmed
            | Event::Aborted(_)
            | Event::Resolved(_) => {}
        }
    }
}

/// What is told of an order in the midst of which something panicked.
fn lost(order: &Order) -> Told {
    let why = || "a panic".to_owned();
    match order {
        Order::Ask(to, request) => Told::Failed(*to, request.kind()),
        Order::Store(StoreOrder::Decide(_)) => Told::Stored(StoreTold::Uncertain(why())),
        Order::Store(_) => Told::Stored(StoreTold::Failed(why())),
        Order::Restore(_) => Told::Restored(Err(RestoreFailure::Store(why()))),
        Order::Rate(_) => Told::Granted,
    }
}
