//! What is promised, kept account of from outside.

use super::options::Options;
use crate::FetchEvent;
use crate::budget::SAVED_BYTES;
use core::ops::Range;
use core::time::Duration;
use rain_cluster::Time;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Default)]
pub(super) struct Ledger {
    calm: bool,
    /// Bytes of the budget at the start.
    start: i64,
    fetches: usize,
    /// Bytes that were of use, and all that were sent for pieces that were delivered.
    pub(super) useful: u64,
    sent: u64,
    /// Bytes that were counted as of no use.
    pub(super) extra: u64,
    /// Bytes that faults may have cost, whatever a reader does.
    faults: u64,
    pub(super) hedges: u64,
    pub(super) won: u64,
    pub(super) failed: u64,
    pub(super) switches: u64,
    /// Pieces that were delivered.
    pub(super) delivered: usize,
    /// Answers that were proven against the root of their column, and such as were found to be none of it.
    pub(super) proven: usize,
    pub(super) disproven: usize,
    /// Over which paths a row of a column was asked for, by fetch.
    asked: BTreeMap<(usize, u16, u16), BTreeSet<usize>>,
    late: BTreeMap<(usize, usize), Time>,
    /// When a node let a reader of a shard down.
    doubts: BTreeMap<(usize, usize), Time>,
}

impl Ledger {
    pub(super) fn new(options: &Options) -> Self {
        let start = SAVED_BYTES - i64::try_from(options.spent).unwrap();
        Self { calm: options.calm, start, ..Self::default() }
    }

    pub(super) fn begin(&mut self) -> usize {
        self.fetches += 1;
        self.fetches
    }

    pub(super) fn note(&mut self, event: &FetchEvent) {
        match event {
            FetchEvent::Extra(bytes) => self.extra += bytes,
            FetchEvent::HedgeSent => self.hedges += 1,
            FetchEvent::HedgeWon => self.won += 1,
            FetchEvent::Failed { .. } => self.failed += 1,
            FetchEvent::PathSwitch => self.switches += 1,
            FetchEvent::Ready(_) | FetchEvent::TooFew(_) | FetchEvent::Late { .. } => {}
        }
    }

    /// A delivered piece: so much of what was sent for it was of use.
    pub(super) fn earn(&mut self, useful: u64, sent: u64) {
        self.delivered += 1;
        self.useful += useful;
        self.sent += sent;
    }

    pub(super) fn note_fault(&mut self, bytes: u64) {
        self.faults += bytes;
    }

    /// The same rows go over a path once, unless their column failed since.
    pub(super) fn check_path(
        &mut self,
        fetch: usize,
        column: u16,
        rows: Range<u16>,
        path: usize,
    ) -> Result<(), String> {
        for row in rows {
            if !self.asked.entry((fetch, column, row)).or_default().insert(path) {
                return Err(format!("row {row} of column {column} is asked for twice over path {path}"));
            }
        }
        Ok(())
    }

    pub(super) fn forget(&mut self, fetch: usize, column: u16) {
        self.asked.retain(|(of, which, _), _| (*of, *which) != (fetch, column));
    }

    pub(super) fn forget_all(&mut self, fetch: usize) {
        self.asked.retain(|(of, ..), _| *of != fetch);
    }

    pub(super) fn late(&mut self, now: Time, node: usize, path: usize) {
        self.late.insert((node, path), now);
    }

    /// The less, the better: paths that were late in the last seconds are taken last.
    pub(super) fn lateness(&self, now: Time, node: usize, path: usize) -> u64 {
        let late = self.late.get(&(node, path)).filter(|late| now.since(**late) < Duration::from_secs(2));
        late.map_or(0, |late| late.micros() + 1)
    }

    pub(super) fn doubt(&mut self, now: Time, node: usize, shard: usize) {
        self.doubts.insert((node, shard), now);
    }

    /// Whether a node let a reader down lately.
    pub(super) fn is_doubted(&self, now: Time, node: usize, shard: usize) -> bool {
        self.doubts.get(&(node, shard)).is_some_and(|since| now.since(*since) < Duration::from_secs(2))
    }

    /// All fetches are over.
    pub(super) fn close(&self, left: &[i64]) -> Result<(), String> {
        let percent = if self.calm { 5 } else { 10 };
        let promised = u64::try_from(self.start).unwrap_or(0) + self.useful * percent / 100 + self.faults;
        if self.extra > promised {
            return Err(format!("{} bytes of no use beside {}, {promised} are promised", self.extra, self.useful));
        }
        if self.calm && (self.hedges > 0 || self.extra > 0) {
            return Err(format!("{} hedges and {} bytes of no use while all is well", self.hedges, self.extra));
        }
        if self.sent.saturating_sub(self.useful) > self.extra {
            return Err(format!("{} bytes sent, {} of use, {} counted as of none", self.sent, self.useful, self.extra));
        }
        let (start, left) = (self.start, left.iter().sum::<i64>());
        let extra = i64::try_from(self.extra).unwrap();
        // What the shards' parts lose to rounding.
        if left + 8 < start - extra {
            return Err(format!("{left} bytes are left of the budget of {start}, though only {extra} were wasted"));
        }
        Ok(())
    }
}
