//! Group commit: of the threads that wait, one leads, and makes durable what all of them brought.
//!
//! A thread puts its records into the batch that is being collected and waits for that batch's outcome. Whoever finds that
//! nobody leads takes the whole batch, its own records among it, and writes it while the next one is collected. So nobody
//! leads more than once, and nobody waits longer than for the batch under way and its own.

use super::{Ledger, LedgerError, frame, lock};
use crate::store::Disk;
use std::io;
use std::mem;
use std::sync::{Arc, MutexGuard, OnceLock};

/// The sequence number before the batch's first awaited position, once it is durable.
type Outcome = OnceLock<Result<u64, LedgerError>>;

/// Frames that become durable together.
#[derive(Debug, Default)]
pub(super) struct Batch {
    bytes: Vec<u8>,
    frames: Vec<Frame>,
    lazy_bytes: usize,
    outcome: Arc<Outcome>,
}

#[derive(Debug, Clone, Copy)]
struct Frame {
    bytes: usize,
    /// Nobody waits for it.
    lazy: bool,
}

impl Batch {
    pub(super) fn push(&mut self, kind: u16, payload: &[u8], lazy: bool) {
        let start = self.bytes.len();
        frame::push(&mut self.bytes, kind, payload);
        self.add(Frame { bytes: self.bytes.len() - start, lazy });
    }

    fn add(&mut self, frame: Frame) {
        self.frames.push(frame);
        if frame.lazy {
            self.lazy_bytes += frame.bytes;
        }
    }

    fn extend(&mut self, other: &Self) {
        self.bytes.extend_from_slice(&other.bytes);
        other.frames.iter().for_each(|frame| self.add(*frame));
    }

    #[cfg(test)]
    pub(super) fn frame_count(&self) -> usize {
        self.frames.len()
    }

    /// Its lazy frames alone.
    fn lazy(&self) -> Self {
        let mut kept = Self::default();
        let mut rest = &*self.bytes;
        for frame in &self.frames {
            let (bytes, behind) = rest.split_at(frame.bytes);
            if frame.lazy {
                kept.bytes.extend_from_slice(bytes);
                kept.add(*frame);
            }
            rest = behind;
        }
        kept
    }
}

/// Who waits for what.
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) collecting: Batch,
    /// Lazy frames of a batch that failed. They go first.
    kept: Batch,
    /// Somebody has the tail.
    leading: bool,
    /// A compaction waits or is under way.
    pub(super) compacting: bool,
    pub(super) holds: usize,
    pub(super) serial: u64,
    pub(super) bytes: u64,
    pub(super) damaged: bool,
}

impl Queue {
    pub(super) fn new(serial: u64, bytes: u64, damaged: bool) -> Self {
        let (collecting, kept) = (Batch::default(), Batch::default());
        Self { collecting, kept, leading: false, compacting: false, holds: 0, serial, bytes, damaged }
    }

    pub(super) fn lazy_bytes(&self) -> usize {
        self.collecting.lazy_bytes + self.kept.lazy_bytes
    }

    /// Whether a batch may be led. A compaction that waits only for that goes first, else it might wait for ever.
    fn is_free(&self) -> bool {
        !(self.leading || self.compacting && self.holds == 0)
    }
}

impl<D: Disk> Ledger<D> {
    /// Waits until these frames are durable, leading where nobody else does. Gives the sequence number of the last.
    pub(super) fn commit(&self, frames: &Batch) -> Result<u64, LedgerError> {
        let mut queue = lock(&self.queue);
        if queue.damaged {
            return Err(LedgerError::Damaged);
        }
        queue.collecting.extend(frames);
        let position = queue.collecting.frames.len() as u64;
        let outcome = Arc::clone(&queue.collecting.outcome);
        loop {
            if let Some(outcome) = outcome.get() {
                return outcome.clone().map(|before| before + position);
            }
            queue = if queue.is_free() { self.lead(queue) } else { self.wait(queue) };
        }
    }

    /// Makes the collected batch durable, or not, and tells all who wait for it.
    fn lead<'a>(&'a self, mut queue: MutexGuard<'a, Queue>) -> MutexGuard<'a, Queue> {
        queue.leading = true;
        let collected = mem::take(&mut queue.collecting);
        let mut batch = mem::take(&mut queue.kept);
        drop(queue);
        let kept = batch.frames.len() as u64;
        if kept == 0 {
            batch = collected;
        } else {
            batch.extend(&collected);
            batch.outcome = collected.outcome;
        }
        let mut lead =
            Lead { ledger: self, batch, result: Err(io::Error::other("the writing thread panicked").into()) };
        let mut tail = lock(&self.tail);
        let before = tail.chain.sequence;
        let lengths = lead.batch.frames.iter().map(|frame| frame.bytes);
        let result = tail.commit(&*self.disk, &mut lead.batch.bytes, lengths);
        drop(tail);
        lead.result = result.map(|()| before + kept).map_err(LedgerError::from);
        drop(lead);
        lock(&self.queue)
    }

    /// Waits until nobody holds or leads, and keeps it so.
    pub(super) fn begin_compaction(&self) -> Compaction<'_, D> {
        let mut queue = lock(&self.queue);
        while queue.compacting {
            queue = self.wait(queue);
        }
        queue.compacting = true;
        while queue.leading || queue.holds > 0 {
            queue = self.wait(queue);
        }
        queue.leading = true;
        Compaction(self)
    }

    /// Ends what a leader did: shows how far the file is durable, and wakes who waits.
    fn end_lead(&self, change: impl FnOnce(&mut Queue)) {
        let tail = lock(&self.tail);
        let mut queue = lock(&self.queue);
        if tail.named {
            queue.serial = tail.chain.sequence;
            queue.bytes = tail.end;
        }
        queue.damaged = tail.damaged;
        queue.leading = false;
        change(&mut queue);
        self.changed.notify_all();
    }
}

/// A batch under way. It has an outcome however its leader ends.
struct Lead<'a, D: Disk> {
    ledger: &'a Ledger<D>,
    batch: Batch,
    result: Result<u64, LedgerError>,
}

impl<D: Disk> Drop for Lead<'_, D> {
    fn drop(&mut self) {
        self.ledger.end_lead(|queue| {
            if self.result.is_err() {
                queue.kept = self.batch.lazy();
            }
            // Nobody else sets it: the batch was taken out of the queue.
            let _ = self.batch.outcome.set(self.result.clone());
        });
    }
}

/// A compaction under way.
pub(super) struct Compaction<'a, D: Disk>(&'a Ledger<D>);

impl<D: Disk> Drop for Compaction<'_, D> {
    fn drop(&mut self) {
        self.0.end_lead(|queue| queue.compacting = false);
    }
}
