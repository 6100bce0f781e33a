//! Learning what the others know: a blank store all it must know, any store what it missed while it was away.

use crate::order::{Order, StoreOrder, StoreTold, Told};
use crate::running::{Context, Running, drive};
use crate::task::Task;
use core::time::Duration;
use rain_cluster::catalog::{Learn, Learnt};
use rain_cluster::{Digests, Life, Machine, NodeId, Record, Reply, Request, Ticket, Time, Version};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// What could not be written down is asked for again after so long.
const AGAIN: Duration = Duration::from_secs(1);
/// So many versions are marked at once: with one sync, and without holding up others for long.
const BATCH: usize = 512;
/// Nothing more is asked for while so many orders wait: what was told waits in memory.
const WAITING_MAX: usize = 8;

/// The store's orders of a task, one after the other.
#[derive(Debug, Default)]
struct Orders {
    queue: VecDeque<StoreOrder>,
    under_way: bool,
}

impl Orders {
    fn push_marks(&mut self, records: Vec<Record>, ticket: Ticket) {
        let mut records = records.into_iter().peekable();
        while records.peek().is_some() {
            let records = records.by_ref().take(BATCH).collect();
            self.queue.push_back(StoreOrder::MarkAll { records, ticket });
        }
    }

    fn advance(&mut self, with: &mut Context<'_>) {
        if !self.under_way
            && let Some(order) = self.queue.pop_front()
        {
            self.under_way = true;
            with.store(order);
        }
    }

    fn is_full(&self) -> bool {
        self.queue.len() >= WAITING_MAX
    }

    fn is_idle(&self) -> bool {
        !self.under_way && self.queue.is_empty()
    }
}

/// A blank store learns what it must know, before its silence counts.
#[derive(Debug)]
pub(crate) struct Learning {
    learn: Option<(Learn, Ticket)>,
    orders: Orders,
    /// It is over once the last order is.
    last: bool,
    again: Option<Time>,
    over: bool,
}

impl Learning {
    pub(crate) fn new() -> Self {
        Self { learn: None, orders: Orders::default(), last: false, again: None, over: false }
    }

    fn advance(&mut self, with: &mut Context<'_>) {
        if let Some((learn, ticket)) = &mut self.learn {
            while let Some(learnt) = learn.poll_event() {
                match learnt {
                    Learnt::Marked(records) => {
                        let mine = records.into_iter().filter(|record| with.concerns_me(record)).collect();
                        self.orders.push_marks(mine, *ticket);
                    }
                    Learnt::Pending(records) => {
                        let mine: Vec<_> = records.into_iter().filter(|record| with.concerns_me(record)).collect();
                        if !mine.is_empty() {
                            self.orders.queue.push_back(StoreOrder::Inherit(mine));
                        }
                    }
                    Learnt::Floor(floor) => self.orders.queue.push_back(StoreOrder::RaiseFloor(floor)),
                    Learnt::Enough => {
                        let (life, epoch) = (with.me.life, learn.epoch());
                        self.orders.queue.push_back(StoreOrder::SetLearnt { life, epoch });
                        self.last = true;
                        break;
                    }
                }
            }
            if !self.orders.is_full() {
                with.transmit(learn);
            }
        }
        if self.last {
            self.learn = None;
            self.over = self.orders.is_idle();
        }
        self.orders.advance(with);
    }

    fn begin_again(&mut self, at: Time) {
        *self = Self { again: Some(at), ..Self::new() };
    }
}

impl Running for Learning {
    fn start(&mut self, with: &mut Context<'_>) {
        with.store(StoreOrder::Ticket);
    }

    fn handle(&mut self, with: &mut Context<'_>, told: Told) {
        match told {
            Told::Stored(StoreTold::Ticket(ticket)) => {
                self.learn = Some((Learn::new(with.now, with.members, with.me.node), ticket));
            }
            // What was not written down is learnt once more, all of it.
            Told::Stored(StoreTold::Failed(_)) => self.begin_again(with.now + AGAIN),
            Told::Stored(_) => self.orders.under_way = false,
            told @ (Told::Answer(..) | Told::Failed(..)) => {
                if let Some((learn, _)) = &mut self.learn {
                    drive(learn, with.now, told);
                }
            }
            Told::Restored(_) | Told::Granted | Told::Uploaded { .. } | Told::GiveUp => {}
        }
        self.advance(with);
    }

    fn handle_timeout(&mut self, with: &mut Context<'_>) {
        if self.again.is_some_and(|again| with.now >= again) {
            self.again = None;
            with.store(StoreOrder::Ticket);
        }
        if let Some((learn, _)) = &mut self.learn {
            learn.handle_timeout(with.now);
        }
        self.advance(with);
    }

    fn timeout(&self) -> Option<Time> {
        self.again.or_else(|| self.learn.as_ref().and_then(|(learn, _)| learn.poll_timeout()))
    }

    fn handle_rebirth(&mut self, with: &mut Context<'_>) {
        // What an earlier life learnt is hearsay now.
        self.begin_again(with.now);
    }

    fn handle_members(&mut self, with: &mut Context<'_>) {
        // Others have it now.
        self.begin_again(with.now);
    }

    fn is_over(&self) -> bool {
        self.over
    }

    fn concerns(&self, what: &Task) -> bool {
        matches!(what, Task::Learn)
    }
}

/// A node that was away asks the others what was committed meanwhile: first for a digest, then those that know something
/// else for all that they know in the buckets that differ. While titles are written there are always a few of these.
#[derive(Debug)]
pub(crate) struct CatchingUp {
    /// From before anybody was asked.
    begun: Option<(Ticket, u64)>,
    /// What was known then.
    known: Option<Digests>,
    waiting: BTreeSet<NodeId>,
    /// In which lives those are that gave a digest.
    lives: BTreeMap<NodeId, Life>,
    /// Pages that are to be asked for, once it is known who is there.
    due: VecDeque<(NodeId, u16)>,
    all_asked: bool,
    orders: Orders,
    /// There is no ticket: the next one may have more luck.
    failed: bool,
}

impl CatchingUp {
    pub(crate) fn new() -> Self {
        Self {
            begun: None,
            known: None,
            waiting: BTreeSet::new(),
            lives: BTreeMap::new(),
            due: VecDeque::new(),
            all_asked: false,
            orders: Orders::default(),
            failed: false,
        }
    }

    fn ask(&mut self, with: &mut Context<'_>, node: NodeId, request: Request) {
        self.waiting.insert(node);
        with.order(Order::Ask(node, request));
    }

    /// Whether a version is learnt from this node: not where its coordinator can tell of it itself, in the life that made
    /// it, for whoever tells of another's version may lie.
    fn may_tell(&self, with: &Context<'_>, teller: NodeId, record: &Record) -> bool {
        let Version { node, life, .. } = record.version();
        teller == node
            || self.lives.get(&node) != Some(&life)
            || !with.members.catalog_of(record.title()).contains(node)
    }
}

impl Running for CatchingUp {
    fn start(&mut self, with: &mut Context<'_>) {
        with.store(StoreOrder::Digests);
    }

    fn handle(&mut self, with: &mut Context<'_>, told: Told) {
        match (told, self.begun) {
            (Told::Stored(StoreTold::Digests(ticket, digests)), _) => {
                self.begun = Some((ticket, digests.of_all()));
                self.known = Some(digests);
                let others: Vec<_> = with.members.others(with.me.node).collect();
                for node in others {
                    self.ask(with, node, Request::Digest);
                }
            }
            (Told::Stored(_), None) => self.failed = true,
            (Told::Stored(_), Some(_)) => self.orders.under_way = false,
            (Told::Answer(from, _, reply), Some((ticket, digest))) if self.waiting.remove(&from.node) => match reply {
                Reply::Digest(Some(theirs)) => {
                    self.lives.insert(from.node, from.life);
                    self.due.extend((theirs != digest).then_some((from.node, 0)));
                }
                Reply::Committed { blank: false, from: first, next, mut marked, .. } => {
                    marked.retain(|record| self.may_tell(with, from.node, record));
                    self.due.extend(next.filter(|next| *next > first).map(|next| (from.node, next)));
                    // Also what does not concern this node: it may replace something that it holds.
                    self.orders.push_marks(marked, ticket);
                }
                Reply::Digest(None)
                | Reply::Committed { .. }
                | Reply::State(_)
                | Reply::Prepared
                | Reply::Refused(_)
                | Reply::Marked
                | Reply::Absent
                | Reply::Dropped
                | Reply::Outcome(_)
                | Reply::Remembered(_)
                | Reply::Retired => {}
            },
            (Told::Failed(node, _), _) => drop(self.waiting.remove(&node)),
            (Told::Answer(..) | Told::Restored(_) | Told::Granted | Told::Uploaded { .. } | Told::GiveUp, _) => {}
        }
        self.all_asked |= self.begun.is_some() && self.waiting.is_empty();
        while self.all_asked
            && !self.orders.is_full()
            && let Some((node, from)) = self.due.pop_front()
        {
            let known = self.known.clone();
            self.ask(with, node, Request::Committed { known, from });
        }
        self.orders.advance(with);
    }

    fn handle_timeout(&mut self, _with: &mut Context<'_>) {}

    fn timeout(&self) -> Option<Time> {
        None
    }

    fn is_over(&self) -> bool {
        self.failed || (self.begun.is_some() && self.waiting.is_empty() && self.due.is_empty() && self.orders.is_idle())
    }

    fn concerns(&self, what: &Task) -> bool {
        matches!(what, Task::CatchUp)
    }
}
