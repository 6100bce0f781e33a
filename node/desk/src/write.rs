//! A PUT or DELETE: from its first question to the end of its marks.

use crate::order::{Decision, Event, Order, StoreOrder, StoreTold, Told};
use crate::running::{Context, Running, drive};
use core::time::Duration;
use rain_cluster::commit::{Abort, Begin, Put, PutEvent};
use rain_cluster::{Life, Machine, NodeId, Request, RequestKind, Sender, Time, Version};
use std::collections::BTreeSet;

/// A decision that may or may not have been written is written again after so long.
const DECIDE_AGAIN: Duration = Duration::from_secs(1);
/// A client is told of a failure after so long at the latest, though nodes have not said that they dropped what they had.
const SOON: Duration = Duration::from_secs(1);

#[derive(Debug)]
enum Step {
    /// The machine goes on by itself.
    Running,
    /// The store notes that the version is coordinated here.
    Noting(Begin),
    /// The driver uploads.
    Uploading,
    /// The decision is on its way to the disk.
    Deciding(Decision),
    /// It may or may not be there.
    DecidingAgain(Decision, Time),
    /// Nothing is stored; whoever may have something drops it.
    Dropping {
        reason: Abort,
        until: Time,
        told: bool,
        waiting: BTreeSet<NodeId>,
    },
    Over,
}

/// A write under way.
#[derive(Debug)]
pub(crate) struct Writing {
    title: String,
    put: Put,
    step: Step,
    told_unconfirmed: bool,
}

impl Writing {
    pub(crate) fn new(title: String, put: Put) -> Self {
        Self { title, put, step: Step::Running, told_unconfirmed: false }
    }

    fn advance(&mut self, with: &mut Context<'_>) {
        while let Some(event) = self.put.poll_event() {
            self.act(with, event);
        }
        self.transmit(with);
    }

    fn transmit(&mut self, with: &mut Context<'_>) {
        while let Some((to, request)) = self.put.poll_transmit() {
            if let (Step::Dropping { waiting, .. }, Request::Drop { .. }) = (&mut self.step, &request) {
                waiting.insert(to);
            }
            with.order(Order::Ask(to, request));
        }
        self.end_if_dropped(with);
    }

    fn act(&mut self, with: &mut Context<'_>, event: PutEvent) {
        match event {
            PutEvent::Begin(begin) => {
                with.store(StoreOrder::Begin { title: self.title.clone(), version: begin.version });
                self.step = Step::Noting(begin);
            }
            PutEvent::Decide(record, prepared) => {
                let decision = Decision { record, prepared };
                with.store(StoreOrder::Decide(decision.clone()));
                self.step = Step::Deciding(decision);
            }
            PutEvent::Acknowledged { columns, tolerates } => {
                // Whoever was told that it may or may not be seen is told nothing more.
                if !self.told_unconfirmed {
                    with.tell(Event::Acknowledged { columns, tolerates });
                }
            }
            PutEvent::Unconfirmed => self.tell_unconfirmed(with),
            PutEvent::Settled => {
                if let Some(version) = self.version() {
                    with.store(StoreOrder::Settle { title: self.title.clone(), version });
                }
                self.step = Step::Over;
            }
            PutEvent::Aborted(reason) => {
                if let Some(version) = self.version() {
                    with.store(StoreOrder::Abort { title: self.title.clone(), version });
                }
                self.step = Step::Dropping { reason, until: with.now + SOON, told: false, waiting: BTreeSet::new() };
            }
        }
    }

    fn version(&self) -> Option<Version> {
        self.put.version()
    }

    fn tell_unconfirmed(&mut self, with: &mut Context<'_>) {
        if !self.told_unconfirmed {
            self.told_unconfirmed = true;
            with.tell(Event::Unconfirmed);
        }
    }

    /// The client is told when everybody dropped what it had, or soon.
    fn end_if_dropped(&mut self, with: &mut Context<'_>) {
        let Step::Dropping { reason, until, told, waiting } = &mut self.step else { return };
        let soon = with.now >= *until;
        if !*told && (waiting.is_empty() || soon) {
            *told = true;
            if !self.told_unconfirmed {
                with.tell(Event::Aborted(*reason));
            }
        }
        if *told && (waiting.is_empty() || soon) {
            self.step = Step::Over;
        }
    }
}

impl Running for Writing {
    fn start(&mut self, with: &mut Context<'_>) {
        self.advance(with);
    }

    fn handle(&mut self, with: &mut Context<'_>, told: Told) {
        match (core::mem::replace(&mut self.step, Step::Running), told) {
            (Step::Noting(begin), Told::Stored(_)) => {
                with.tell(Event::Begin(begin));
                self.step = Step::Uploading;
            }
            (Step::Uploading, Told::Uploaded { record, shares, condition }) => {
                self.put.prepare(with.now, record, &shares, condition);
            }
            (Step::Uploading, Told::GiveUp) | (Step::Deciding(_), Told::Stored(StoreTold::Failed(_))) => {
                self.put.abort();
            }
            (Step::Deciding(_), Told::Stored(StoreTold::Done)) => self.put.decided(with.now),
            (Step::Deciding(decision), Told::Stored(StoreTold::Uncertain(_))) => {
                // Nobody may say any more that it was aborted, nor mark it yet.
                self.tell_unconfirmed(with);
                self.step = Step::DecidingAgain(decision, with.now + DECIDE_AGAIN);
            }
            (Step::Dropping { reason, until, told, mut waiting }, answer) => {
                if let Told::Answer(Sender { node, .. }, RequestKind::Drop, _) | Told::Failed(node, RequestKind::Drop) =
                    &answer
                {
                    waiting.remove(node);
                }
                self.step = Step::Dropping { reason, until, told, waiting };
            }
            (step, told) => {
                self.step = step;
                drive(&mut self.put, with.now, told);
            }
        }
        self.advance(with);
    }

    fn handle_life(&mut self, with: &mut Context<'_>, node: NodeId, life: Life) {
        self.put.handle_life(with.now, node, life);
        self.advance(with);
    }

    fn handle_rebirth(&mut self, with: &mut Context<'_>) {
        // What is decided is decided; its marks go on.
        self.put.abort();
        self.advance(with);
    }

    fn handle_members(&mut self, with: &mut Context<'_>) {
        // Who drops what it had is waited for already; and what may be decided goes on.
        if !matches!(self.step, Step::Dropping { .. } | Step::DecidingAgain(..)) {
            self.put.handle_members(with.now, with.members);
        }
        self.advance(with);
    }

    fn handle_timeout(&mut self, with: &mut Context<'_>) {
        if let Step::DecidingAgain(decision, at) = &self.step {
            if with.now >= *at {
                let decision = decision.clone();
                with.store(StoreOrder::Decide(decision.clone()));
                self.step = Step::Deciding(decision);
            }
        } else {
            self.put.handle_timeout(with.now);
        }
        self.advance(with);
    }

    fn timeout(&self) -> Option<Time> {
        match &self.step {
            Step::DecidingAgain(_, at) => Some(*at),
            Step::Dropping { until, .. } => Some(*until),
            Step::Running | Step::Noting(_) | Step::Uploading | Step::Deciding(_) => self.put.poll_timeout(),
            Step::Over => None,
        }
    }

    fn is_over(&self) -> bool {
        matches!(self.step, Step::Over)
    }
}
