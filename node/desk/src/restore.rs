//! Getting a column back that this node lacks: from any k others, stripe after stripe, and proven before it counts.

use crate::order::{Event, Order, RestoreFailure, RestoreOrder, StoreOrder, StoreTold, Told};
use crate::running::{Context, Running};
use crate::task::Task;
use core::time::Duration;
use rain_cluster::{ColumnStatus, NodeId, Record, Reply, Request, Time};
use rain_codec::column::Geometry;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Wait so long for the holders of the other columns.
const ANSWERS: Duration = Duration::from_secs(2);
/// When too few columns can be had, they are asked for again after so long.
const RETRY: Duration = Duration::from_millis(200);
/// A column is given up when too few others can be had for so long: what is there already is not thrown away for a moment.
const RETURN: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Who holds what?
    Asking {
        until: Time,
    },
    /// Too few do; ask again then.
    Pausing {
        until: Time,
    },
    /// The store makes room.
    Beginning,
    /// So many bytes may be moved?
    Waiting,
    /// A stripe is on its way.
    Restoring,
    /// The store proves the column, and takes it into use.
    Finishing,
    /// The store forgets what it has of the column. Its word is waited for: else it would be taken for that about another.
    Dropping,
    /// The store is asked what else is lacking.
    Looking,
    Over,
}

/// Each with the column of it that `me` is to hold.
pub(crate) fn seated(records: Vec<Record>, me: NodeId) -> Vec<(Record, u16)> {
    let seated = |record: Record| record.placement.column_of(me).map(|column| (record, column));
    records.into_iter().filter_map(seated).collect()
}

/// Columns on their way back, one after the other: viewers keep the disks and networks. When those that were asked for are
/// done, the store is asked for more, as long as any is restored.
#[derive(Debug)]
pub(crate) struct Restoring {
    rest: VecDeque<(Record, u16)>,
    /// Whether the store is asked for more.
    looks: bool,
    /// One of them was restored.
    any: bool,
    /// The one that is under way.
    record: Record,
    column: u16,
    geometry: Option<Geometry>,
    step: Step,
    waiting: BTreeSet<NodeId>,
    held: BTreeMap<NodeId, ColumnStatus>,
    stripe: u64,
    /// Since when too few columns can be had.
    starved: Option<Time>,
    /// Why the column is given up.
    given_up: String,
}

impl Restoring {
    pub(crate) fn new(record: Record, column: u16, rest: Vec<(Record, u16)>) -> Self {
        Self {
            rest: rest.into(),
            looks: true,
            any: false,
            record,
            column,
            geometry: None,
            step: Step::Over,
            waiting: BTreeSet::new(),
            held: BTreeMap::new(),
            stripe: 0,
            starved: None,
            given_up: String::new(),
        }
    }

    /// One column alone. Whoever the record says holds it is asked for it, like the others; so it is copied where it can be had.
    pub(crate) fn one(record: Record, column: u16) -> Self {
        Self { looks: false, ..Self::new(record, column, Vec::new()) }
    }

    /// Whether any was restored.
    pub(crate) fn is_done(&self) -> bool {
        self.any
    }

    fn begin(&mut self, with: &mut Context<'_>) {
        self.geometry = self.record.manifest.columns().and_then(|columns| with.codes.geometry(columns).ok());
        // First the store looks whether the column is there after all: then nobody is asked.
        self.step = Step::Beginning;
        with.store(StoreOrder::BeginColumn { record: self.record.clone(), column: self.column });
    }

    /// Goes on to the next column, if there is one.
    fn begin_next(&mut self, with: &mut Context<'_>) {
        if let Some((record, column)) = self.rest.pop_front() {
            let rest = core::mem::take(&mut self.rest).into();
            *self = Self { any: self.any, ..Self::new(record, column, rest) };
            self.begin(with);
        } else if self.looks && core::mem::take(&mut self.any) {
            self.step = Step::Looking;
            with.store(StoreOrder::Lacking);
        } else {
            self.step = Step::Over;
        }
    }

    fn ask(&mut self, with: &mut Context<'_>) {
        let others = self.record.placement.nodes().filter(|node| *node != with.me.node);
        self.waiting = others.collect();
        self.held.clear();
        self.step = Step::Asking { until: with.now + ANSWERS };
        for node in &self.waiting {
            let lookup = Request::Lookup { title: self.record.title().to_owned() };
            with.out.orders.push_back(Order::Ask(*node, lookup));
        }
        self.asked(with);
    }

    /// Columns that cannot be had: of which their node does not say that they are whole, or is this one.
    fn lost(&self) -> Vec<u16> {
        let has = |node: NodeId, column: u16| self.held.get(&node) == Some(&ColumnStatus::Ok { column });
        let seats = (0..).zip(self.record.placement.nodes());
        seats.filter(|(column, node)| !has(*node, *column)).map(|(column, _)| column).collect()
    }

    fn asked(&mut self, with: &mut Context<'_>) {
        let Step::Asking { until } = self.step else { return };
        if !self.waiting.is_empty() && with.now < until {
            return;
        }
        let Some(columns) = self.record.manifest.columns() else { return self.end(with, None) };
        let left = self.record.placement.seats.len() - self.lost().len();
        if left < usize::from(columns.data_columns) {
            return self.starve(with);
        }
        self.starved = None;
        self.next(with);
    }

    fn starve(&mut self, with: &mut Context<'_>) {
        let since = *self.starved.get_or_insert(with.now);
        if self.stripe == 0 || with.now >= since + RETURN {
            return self.give_up(with, "too few columns can be had".to_owned());
        }
        self.step = Step::Pausing { until: with.now + RETRY };
    }

    /// The next stripe, as soon as it may be moved.
    fn next(&mut self, with: &mut Context<'_>) {
        let Some(geometry) = &self.geometry else { return self.end(with, None) };
        if self.stripe < geometry.stripe_count() {
            self.step = Step::Waiting;
            with.order(Order::Rate(geometry.stripe(self.stripe).record_bytes()));
        } else {
            self.step = Step::Finishing;
            with.store(StoreOrder::FinishColumn { record: self.record.clone(), column: self.column });
        }
    }

    fn give_up(&mut self, with: &mut Context<'_>, why: String) {
        let (title, version) = (self.record.title().to_owned(), self.record.version());
        with.store(StoreOrder::DropUpload { title, version });
        self.given_up = why;
        self.step = Step::Dropping;
    }

    fn end(&mut self, with: &mut Context<'_>, failed: Option<String>) {
        self.any |= failed.is_none();
        with.tell(Event::Restored { record: self.record.clone(), column: self.column, failed });
        self.begin_next(with);
    }

    fn restored(&mut self, with: &mut Context<'_>, restored: Result<(), RestoreFailure>) {
        match restored {
            Ok(()) => {
                self.stripe += 1;
                self.starved = None;
                self.next(with);
            }
            Err(RestoreFailure::TooFewColumns) => self.starve(with),
            Err(RestoreFailure::Store(why)) => self.give_up(with, why),
        }
    }
}

impl Running for Restoring {
    fn start(&mut self, with: &mut Context<'_>) {
        self.begin(with);
    }

    fn handle(&mut self, with: &mut Context<'_>, told: Told) {
        match (self.step, told) {
            (Step::Asking { .. }, Told::Answer(from, _, Reply::State(state))) => {
                let version = self.record.version();
                let entry = state.entries.into_iter().find(|entry| entry.record.version() == version);
                if self.waiting.remove(&from.node) {
                    self.held.insert(from.node, entry.map_or(ColumnStatus::Missing, |entry| entry.column));
                }
                self.asked(with);
            }
            (Step::Asking { .. }, Told::Failed(node, _)) => {
                self.waiting.remove(&node);
                self.asked(with);
            }
            (Step::Beginning, Told::Stored(StoreTold::Done)) => self.ask(with),
            (Step::Beginning | Step::Finishing, Told::Stored(StoreTold::Failed(why))) => self.end(with, Some(why)),
            (Step::Beginning, Told::Stored(StoreTold::Already)) | (Step::Finishing, Told::Stored(_)) => {
                self.end(with, None);
            }
            (Step::Dropping, Told::Stored(_)) => {
                let why = core::mem::take(&mut self.given_up);
                self.end(with, Some(why));
            }
            (Step::Looking, Told::Stored(told)) => {
                if let StoreTold::Records(lacking) = told {
                    self.rest = seated(lacking, with.me.node).into();
                }
                self.begin_next(with);
            }
            (Step::Waiting, Told::Granted) => {
                self.step = Step::Restoring;
                let (record, column, stripe) = (self.record.clone(), self.column, self.stripe);
                with.order(Order::Restore(RestoreOrder { record, column, stripe, lost: self.lost() }));
            }
            (Step::Restoring, Told::Restored(restored)) => self.restored(with, restored),
            _ => {}
        }
    }

    fn handle_timeout(&mut self, with: &mut Context<'_>) {
        match self.step {
            Step::Asking { .. } => self.asked(with),
            Step::Pausing { until } if with.now >= until => self.ask(with),
            Step::Pausing { .. }
            | Step::Beginning
            | Step::Waiting
            | Step::Restoring
            | Step::Finishing
            | Step::Dropping
            | Step::Looking
            | Step::Over => {}
        }
    }

    fn timeout(&self) -> Option<Time> {
        match self.step {
            Step::Asking { until } | Step::Pausing { until } => Some(until),
            Step::Beginning
            | Step::Waiting
            | Step::Restoring
            | Step::Finishing
            | Step::Dropping
            | Step::Looking
            | Step::Over => None,
        }
    }

    fn is_over(&self) -> bool {
        self.step == Step::Over
    }

    fn concerns(&self, what: &Task) -> bool {
        matches!(what, Task::Restore(..))
    }
}
