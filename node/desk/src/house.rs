//! What a node looks after by itself: columns that it lacks, pending versions whose marks did not come, versions and
//! tombstones that may go, what it missed while it was away.

use crate::order::{Decision, StoreOrder, StoreTold, Told};
use crate::restore::seated;
use crate::running::{Context, Running};
use crate::task::Task;
use core::time::Duration;
use rain_cluster::Time;
use std::collections::VecDeque;

/// Pending versions are resolved within 5 s of the coordinator's return.
const PENDING: Duration = Duration::from_secs(1);
/// How often the node looks for columns that it lacks.
const LACKING: Duration = Duration::from_secs(2);
/// How often it asks all others what is committed; besides, whenever one of them comes back.
const CATCH_UP: Duration = Duration::from_secs(10);
/// How often it removes what may go.
const SWEEP: Duration = Duration::from_secs(10);
/// So many things of one kind are begun at a look; the rest has its turn at the next.
const AT_ONCE: usize = 64;

/// Something that is done again and again.
#[derive(Debug, Clone, Copy)]
struct Chore {
    order: fn() -> Option<StoreOrder>,
    every: Duration,
    due: Time,
}

/// The house of a node. There is one, whatever the number of shards.
#[derive(Debug)]
pub(crate) struct House {
    chores: Vec<Chore>,
    /// What the store is to be asked; the first it was asked already. One after the other: answers do not say to which
    /// question they are, and drivers need not keep their order.
    asked: VecDeque<StoreOrder>,
}

impl House {
    pub(crate) fn new(now: Time) -> Self {
        let chore = |order, every| Chore { order, every, due: now + every };
        let chores = vec![
            chore(|| Some(StoreOrder::Overdue), PENDING),
            chore(|| Some(StoreOrder::Lacking), LACKING),
            chore(|| Some(StoreOrder::Moving), LACKING),
            chore(|| Some(StoreOrder::Sweep), SWEEP),
            chore(|| Some(StoreOrder::OldTombstones), SWEEP),
            chore(|| None, CATCH_UP),
        ];
        Self { chores, asked: VecDeque::new() }
    }

    fn ask(&mut self, with: &mut Context<'_>, order: StoreOrder) {
        // A store that is slower than the chores come is not asked twice.
        if self.asked.contains(&order) {
            return;
        }
        if self.asked.is_empty() {
            with.store(order.clone());
        }
        self.asked.push_back(order);
    }
}

impl Running for House {
    fn start(&mut self, with: &mut Context<'_>) {
        self.ask(with, StoreOrder::Decisions);
        with.out.begun.push(Task::CatchUp);
    }

    fn handle(&mut self, with: &mut Context<'_>, told: Told) {
        if let Told::Stored(told) = told
            && let Some(asked) = self.asked.pop_front()
        {
            answered(with, asked, told);
            if let Some(next) = self.asked.front() {
                with.store(next.clone());
            }
        }
    }

    fn handle_timeout(&mut self, with: &mut Context<'_>) {
        for index in 0..self.chores.len() {
            let Chore { order, every, due } = self.chores[index];
            if with.now < due {
                continue;
            }
            self.chores[index].due = with.now + every;
            match order() {
                Some(order) => self.ask(with, order),
                None => with.out.begun.push(Task::CatchUp),
            }
        }
    }

    fn timeout(&self) -> Option<Time> {
        self.chores.iter().map(|chore| chore.due).min()
    }

    fn is_over(&self) -> bool {
        false
    }
}

/// Begins what the store's answer asks for.
fn answered(with: &mut Context<'_>, asked: StoreOrder, told: StoreTold) {
    let begun = &mut with.out.begun;
    match (asked, told) {
        (StoreOrder::Decisions, StoreTold::Decisions(decisions)) => {
            begun.extend(decisions.into_iter().map(|Decision { record, prepared }| Task::Resume { record, prepared }));
        }
        (StoreOrder::Overdue, StoreTold::Overdue(overdue)) => {
            begun.extend(overdue.into_iter().take(AT_ONCE).map(Task::Check));
        }
        (StoreOrder::OldTombstones, StoreTold::Records(tombstones)) => {
            begun.extend(tombstones.into_iter().take(AT_ONCE).map(Task::Purge));
        }
        (StoreOrder::Lacking, StoreTold::Records(lacking)) => {
            let mut lacking = seated(lacking, with.me.node).into_iter();
            begun.extend(lacking.next().map(|(record, column)| Task::Restore(record, column, lacking.collect())));
        }
        (StoreOrder::Moving, StoreTold::Records(moving)) if !moving.is_empty() => {
            begun.push(Task::Move(moving));
        }
        _ => {}
    }
}
