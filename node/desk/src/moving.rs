//! Columns that move because the members are others: whoever is to hold one gets it, and whoever is not lets go of it once
//! somebody who is holds it.
//!
//! Nobody orders that, and nothing is agreed on: each node looks at what it holds, asks the others what they do, and takes one
//! step of its own. Whatever each of them sees, and whenever it is interrupted, no column goes before another node has
//! made it durable and proven it.

use crate::order::{Order, StoreOrder, StoreTold, Told};
use crate::restore::Restoring;
use crate::running::{Context, Running};
use crate::task::Task;
use core::time::Duration;
use rain_cluster::catalog::where_held;
use rain_cluster::{ColumnStatus, Members, NodeId, Placement, Record, Reply, Request, RequestKind, Time};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// Wait so long for those who may hold columns.
const ANSWERS: Duration = Duration::from_secs(2);

#[derive(Debug)]
enum Step {
    /// Who holds what?
    Asking {
        until: Time,
    },
    /// The column comes.
    Fetching(Box<Restoring>),
    /// The store lets go of it.
    Releasing,
    /// The store notes that it is in its place.
    Settling,
    /// The store is asked what else is to move.
    Looking,
    Over,
}

/// What is to be done of a version here.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Move {
    /// Get this column from where the placement says that it is.
    Fetch(Placement, u16),
    /// Let go of this column.
    Release(u16),
}

/// Columns that move, one after the other.
#[derive(Debug)]
pub(crate) struct Moving {
    rest: VecDeque<Record>,
    /// Something was moved.
    any: bool,
    record: Option<Record>,
    step: Step,
    waiting: BTreeSet<NodeId>,
    /// How each that answered holds a column.
    told: BTreeMap<NodeId, ColumnStatus>,
}

impl Moving {
    pub(crate) fn new(records: Vec<Record>) -> Self {
        Self {
            rest: records.into(),
            any: false,
            record: None,
            step: Step::Over,
            waiting: BTreeSet::new(),
            told: BTreeMap::new(),
        }
    }

    fn next(&mut self, with: &mut Context<'_>) {
        self.record = self.rest.pop_front();
        let Some(record) = &self.record else {
            if core::mem::take(&mut self.any) {
                self.step = Step::Looking;
                with.store(StoreOrder::Moving);
            } else {
                self.step = Step::Over;
            }
            return;
        };
        // Whoever it is with: it may have moved more than once.
        self.waiting = with.members.nodes().iter().copied().collect();
        self.told.clear();
        self.step = Step::Asking { until: with.now + ANSWERS };
        for node in &self.waiting {
            let lookup = Request::Lookup { title: record.title().to_owned() };
            with.out.orders.push_back(Order::Ask(*node, lookup));
        }
        self.asked(with);
    }

    fn asked(&mut self, with: &mut Context<'_>) {
        let Step::Asking { until } = self.step else { return };
        if !self.waiting.is_empty() && with.now < until {
            return;
        }
        let found = self.record.as_ref().and_then(|record| Some((record, self.decide(with, record)?)));
        match found {
            Some((record, Move::Fetch(placement, column))) => {
                let record = Record { manifest: Arc::clone(&record.manifest), placement: Arc::new(placement) };
                let mut fetching = Box::new(Restoring::one(record, column));
                fetching.start(with);
                self.step = Step::Fetching(fetching);
                self.fetched(with);
            }
            Some((record, Move::Release(column))) => {
                let record = record.clone();
                self.step = Step::Releasing;
                with.store(StoreOrder::ReleaseColumn { record, column });
            }
            None => self.settle(with),
        }
    }

    /// There is nothing to do here, but for others maybe, and they may not know.
    fn settle(&mut self, with: &mut Context<'_>) {
        let Some(record) = &self.record else { return self.next(with) };
        let (title, version) = (record.title().to_owned(), record.version());
        for node in self.unaware(with, record) {
            with.order(Order::Ask(node, Request::Look { title: title.clone(), version }));
        }
        if self.told.get(&with.me.node).is_some_and(ColumnStatus::is_ok) {
            self.step = Step::Settling;
            with.store(StoreOrder::SettleColumn { title, version });
        } else {
            self.next(with);
        }
    }

    /// Where the columns are by now, and where they are to be; `None` while nothing moves.
    fn places(&self, members: &Members, record: &Record) -> (Placement, Option<Placement>) {
        let (now, columns) = (where_held(record, members, &self.told), record.placement.seats.len());
        let moves = members.takers().len() >= columns && !members.is_joint();
        let target = moves.then(|| Placement::choose(record.title(), members, columns, Some(&now), |_| None));
        (now, target)
    }

    /// Who holds the column that this node holds and is to hold, or another one than the one of this node, which it is to hold.
    fn unaware(&self, with: &Context<'_>, record: &Record) -> Vec<NodeId> {
        let me = with.me.node;
        let own = self.told.get(&me).and_then(ColumnStatus::sound);
        let Some((own, target)) = own.zip(self.places(with.members, record).1) else { return Vec::new() };
        let others = self.told.iter().filter(|(node, _)| **node != me);
        let is_unaware =
            |node: NodeId, column: u16| if target.seats(me, own) { column == own } else { target.seats(node, own) };
        others
            .filter_map(|(node, told)| Some((*node, told.sound()?)))
            .filter(|(node, column)| is_unaware(*node, *column))
            .map(|(node, _)| node)
            .collect()
    }

    fn decide(&self, with: &Context<'_>, record: &Record) -> Option<Move> {
        let me = with.me.node;
        // What this node holds itself must be known.
        let own = self.told.get(&me)?;
        let (now, target) = self.places(with.members, record);
        let Some(target) = target else {
            // What was laid here and is nowhere else is restored.
            let column = record.placement.column_of(me).filter(|column| !own.is_ok() && now.seats(me, *column))?;
            return Some(Move::Fetch(now, column));
        };
        if let ColumnStatus::Ok { column } | ColumnStatus::Damaged { column, .. } = *own {
            let holder = target.seats.get(usize::from(column))?.node;
            let holds = self.told.get(&holder).is_some_and(|status| status.sound() == Some(column));
            // In an order that is the same for all, whatever each of them has heard: no two let go of it for each other.
            let takers = Placement::takers(record.title(), with.members, record.placement.seats.len());
            let order = |node: NodeId| (!takers.contains(&node), !record.placement.seats(node, column), node);
            let is_first = order(holder) < order(me) || !own.is_ok() && holder != me;
            if holds && is_first {
                return Some(Move::Release(column));
            }
        }
        let column = target.column_of(me).filter(|_| !own.is_ok())?;
        Some(Move::Fetch(now, column))
    }

    fn fetched(&mut self, with: &mut Context<'_>) {
        if let Step::Fetching(fetching) = &self.step
            && fetching.is_over()
        {
            let is_done = fetching.is_done();
            self.any |= is_done;
            // Another one may have done the same meanwhile.
            if is_done && let Some(record) = self.record.take() {
                self.rest.push_front(record);
            }
            self.next(with);
        }
    }
}

impl Running for Moving {
    fn start(&mut self, with: &mut Context<'_>) {
        self.next(with);
    }

    fn handle(&mut self, with: &mut Context<'_>, told: Told) {
        match (&mut self.step, told) {
            // What was answered to a Look is of another title.
            (Step::Asking { .. }, Told::Answer(from, RequestKind::Lookup, Reply::State(state))) => {
                let version = self.record.as_ref().map(Record::version);
                let entry =
                    state.entries.into_iter().find(|entry| entry.marked && Some(entry.record.version()) == version);
                if self.waiting.remove(&from.node) {
                    self.told.insert(from.node, entry.map_or(ColumnStatus::Missing, |entry| entry.column));
                }
                self.asked(with);
            }
            (Step::Asking { .. }, Told::Failed(node, RequestKind::Lookup)) => {
                self.waiting.remove(&node);
                self.asked(with);
            }
            (Step::Fetching(fetching), told) => {
                fetching.handle(with, told);
                self.fetched(with);
            }
            (Step::Releasing, Told::Stored(told)) => {
                self.any |= told == StoreTold::Done;
                self.next(with);
            }
            (Step::Settling, Told::Stored(_)) => self.next(with),
            (Step::Looking, Told::Stored(told)) => {
                if let StoreTold::Records(moving) = told {
                    self.rest = moving.into();
                }
                self.next(with);
            }
            _ => {}
        }
    }

    fn handle_timeout(&mut self, with: &mut Context<'_>) {
        match &mut self.step {
            Step::Asking { .. } => self.asked(with),
            Step::Fetching(fetching) => {
                fetching.handle_timeout(with);
                self.fetched(with);
            }
            Step::Releasing | Step::Settling | Step::Looking | Step::Over => {}
        }
    }

    fn timeout(&self) -> Option<Time> {
        match &self.step {
            Step::Asking { until } => Some(*until),
            Step::Fetching(fetching) => fetching.timeout(),
            Step::Releasing | Step::Settling | Step::Looking | Step::Over => None,
        }
    }

    fn is_over(&self) -> bool {
        matches!(self.step, Step::Over)
    }

    fn concerns(&self, what: &Task) -> bool {
        matches!(what, Task::Move(_))
    }
}
