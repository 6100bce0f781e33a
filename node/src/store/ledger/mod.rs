//! The ledger: one file in which everything that a store has promised stands in the order in which it did.
//!
//! A record is a kind and a payload, which mean nothing here. Its frame has a sequence number, the checksum of the frame
//! before, and what was durable when it was written; by these a start tells a torn end, which nobody was promised, from
//! rot, by which promises may be forgotten. Many threads append; one sync serves all that wait (`queue`). The format, and
//! what is durable when: docs/ledger.md.

mod frame;
mod queue;
mod scan;
mod tail;
#[cfg(test)]
mod tests;

pub use frame::PAYLOAD_BYTES_MAX;

use super::Disk;
use core::fmt;
use frame::{FRAME_BYTES, HEADER_BYTES, Header};
use queue::{Batch, Queue};
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use tail::Tail;

const PATH: &str = "ledger";
const UNFINISHED_PATH: &str = "ledger.tmp";
/// A file below this size is never compacted.
const COMPACT_BYTES_MIN: u64 = 1 << 20;
/// So many bytes of lazy records wait in memory; then a lazy append waits for the disk like any other.
const LAZY_BYTES_MAX: usize = 1 << 20;

/// A record as a start finds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// The number of the durable change: 1 more than that of the record before, and never used again.
    pub sequence: u64,
    /// What it is.
    pub kind: u16,
    /// What it says.
    pub payload: &'a [u8],
}

/// What a start found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// There was no ledger; an empty one was made.
    pub created: bool,
    /// How many records were shown.
    pub records: u64,
    /// Bytes behind the last record: what a crash or a failed batch left. Nobody was promised anything by them.
    pub torn_bytes: u64,
    /// Records that were durable are gone, or the header is. What was promised by them is forgotten.
    pub damaged: Option<Damage>,
}

/// Rot, by which a ledger has lost records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Damage {
    /// The first bad byte's frame begins here; 0 for the header.
    pub offset: u64,
    /// How many are missing between those that were shown. There can be more at either end.
    pub records_lost: u64,
}

/// Why a ledger cannot be opened, or a record is not durable.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LedgerError {
    /// The disk refused. A record that was being appended does not count, but may be found at the next start, unless an
    /// append or [`Ledger::flush`] succeeds before.
    #[error("the ledger: {0}")]
    Disk(Arc<io::Error>),
    /// It was written by another version of this program. Nothing was changed.
    #[error("the ledger has format {found}, expected {expected}")]
    Format {
        /// That of the file.
        found: u32,
        /// That of this program.
        expected: u32,
    },
    /// The record is too long. Nothing was changed.
    #[error("a record of {payload_bytes} bytes, at most {max} fit into the ledger")]
    TooLong {
        /// Length of its payload.
        payload_bytes: usize,
        /// [`PAYLOAD_BYTES_MAX`].
        max: usize,
    },
    /// It was found damaged, and takes records only after [`Ledger::compact`]. Nothing was changed.
    #[error("the ledger is damaged")]
    Damaged,
}

impl From<io::Error> for LedgerError {
    fn from(error: io::Error) -> Self {
        Self::Disk(Arc::new(error))
    }
}

impl From<LedgerError> for io::Error {
    fn from(error: LedgerError) -> Self {
        let kind = match &error {
            LedgerError::Disk(error) => error.kind(),
            LedgerError::TooLong { .. } => io::ErrorKind::InvalidInput,
            LedgerError::Format { .. } | LedgerError::Damaged => io::ErrorKind::InvalidData,
        };
        Self::new(kind, error)
    }
}

fn check_payload(payload: &[u8]) -> Result<(), LedgerError> {
    let payload_bytes = payload.len();
    if payload_bytes > PAYLOAD_BYTES_MAX {
        return Err(LedgerError::TooLong { payload_bytes, max: PAYLOAD_BYTES_MAX });
    }
    Ok(())
}

/// Shows each record of the ledger of a data folder, in order, and changes nothing.
///
/// # Errors
/// [`LedgerError::Disk`], [`LedgerError::Format`]. Some records may have been shown.
pub(super) fn show<D: Disk>(disk: &D, visit: impl FnMut(Record<'_>)) -> Result<(), LedgerError> {
    let file = disk.open(PATH)?;
    scan::scan(disk, &file, visit).map(drop)
}

/// The ledger of one store.
///
/// Its methods block. It has no thread of its own: of those that wait, one writes for all.
pub struct Ledger<D: Disk> {
    disk: Arc<D>,
    queue: Mutex<Queue>,
    /// Something in the queue has changed for those who wait.
    changed: Condvar,
    /// Whoever leads has it; nobody waits for it.
    tail: Mutex<Tail<D::File>>,
}

impl<D: Disk> fmt::Debug for Ledger<D> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Ledger").field("queue", &self.queue).finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<D: Disk> Ledger<D> {
    /// Opens the ledger of the data folder, making an empty one where there is none, and shows each of its records in
    /// order. All that was shown is durable once this returns, so nobody may be told of it before.
    ///
    /// A torn end is cut: what is appended next overwrites it. Of a damaged ledger all is shown that can be read, and it
    /// takes nothing before it is compacted.
    ///
    /// Cost: one pass over the file, of which at most a mebibyte is in memory, or one record where that is longer.
    ///
    /// # Errors
    /// [`LedgerError::Disk`], [`LedgerError::Format`]. Some records may have been shown.
    pub fn open(disk: Arc<D>, visit: impl FnMut(Record<'_>)) -> Result<(Self, Found), LedgerError> {
        let (tail, found) = match disk.edit(PATH) {
            Ok(file) => {
                let survey = scan::scan(&*disk, &file, visit)?;
                let found = Found {
                    created: false,
                    records: survey.records,
                    torn_bytes: survey.file_bytes - survey.end,
                    damaged: survey.damaged,
                };
                // Left by a compaction that a crash cut short, and in nobody's way.
                let _ = disk.remove(UNFINISHED_PATH);
                (Tail::of_found(&*disk, file, &survey)?, found)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let header = Header { generation: 0, first_sequence: 1 };
                let mut tail = Tail::make(&*disk, header, core::iter::empty::<(u16, &[u8])>())?;
                tail.commit(&*disk, &mut [], [])?;
                (tail, Found { created: true, records: 0, torn_bytes: 0, damaged: None })
            }
            Err(error) => return Err(error.into()),
        };
        let queue = Mutex::new(Queue::new(tail.chain.sequence, tail.end, tail.damaged));
        Ok((Self { disk, queue, changed: Condvar::new(), tail: Mutex::new(tail) }, found))
    }

    /// Appends a record and waits until it is durable. Gives its sequence number.
    ///
    /// # Errors
    /// [`LedgerError::Disk`], [`LedgerError::TooLong`], [`LedgerError::Damaged`].
    pub fn append(&self, kind: u16, payload: &[u8]) -> Result<u64, LedgerError> {
        self.append_all([(kind, payload)])
    }

    /// Appends records, one behind the other and made durable by one sync, and waits until they are. A crash can leave the
    /// first of them without the rest, but nobody was answered then. Gives the last one's sequence number; without
    /// records, that of [`flush`](Self::flush).
    ///
    /// # Errors
    /// [`LedgerError::Disk`], [`LedgerError::TooLong`], [`LedgerError::Damaged`]; none of them counts.
    pub fn append_all<P: AsRef<[u8]>>(&self, records: impl IntoIterator<Item = (u16, P)>) -> Result<u64, LedgerError> {
        let mut batch = Batch::default();
        for (kind, payload) in records {
            check_payload(payload.as_ref())?;
            batch.push(kind, payload.as_ref(), false);
        }
        self.commit(&batch)
    }

    /// Appends a record that becomes durable with the next one that somebody waits for, or by [`flush`](Self::flush). It
    /// stays in the queue when that fails. Waits for the disk only when too much waits already.
    ///
    /// After a compaction it may be found behind a snapshot that shows it already: it must bear to be applied twice.
    ///
    /// # Errors
    /// [`LedgerError::TooLong`], [`LedgerError::Damaged`]; [`LedgerError::Disk`] if it had to wait, and does not count.
    pub fn append_lazy(&self, kind: u16, payload: &[u8]) -> Result<(), LedgerError> {
        check_payload(payload)?;
        let mut queue = lock(&self.queue);
        if queue.damaged {
            return Err(LedgerError::Damaged);
        }
        if queue.lazy_bytes() + payload.len() > LAZY_BYTES_MAX {
            drop(queue);
            return self.append(kind, payload).map(drop);
        }
        queue.collecting.push(kind, payload, true);
        Ok(())
    }

    /// Waits until all that was appended is durable, and nothing that failed can be found at the next start. Gives the
    /// sequence number of the last durable record.
    ///
    /// # Errors
    /// [`LedgerError::Disk`], [`LedgerError::Damaged`].
    pub fn flush(&self) -> Result<u64, LedgerError> {
        self.commit(&Batch::default())
    }

    /// Holds off compactions as long as the value lives: from before a record is appended until what
    /// [`compact`](Self::compact) would take its snapshot of shows it. Waits for a compaction that has begun, so a thread
    /// must not ask for a second one while it has one.
    pub fn hold(&self) -> Hold<'_, D> {
        let mut queue = lock(&self.queue);
        while queue.compacting {
            queue = self.wait(queue);
        }
        queue.holds += 1;
        Hold(self)
    }

    /// Whether the file has grown so far beyond its live records that writing these alone is worth it.
    pub fn should_compact(&self, live_records: u64, live_payload_bytes: u64) -> bool {
        let frames = live_records.saturating_mul(FRAME_BYTES as u64);
        let live = (HEADER_BYTES as u64).saturating_add(frames).saturating_add(live_payload_bytes);
        self.bytes() > COMPACT_BYTES_MIN && self.bytes() / 2 > live
    }

    /// Puts a ledger with the records of `snapshot` in the place of this one. They get sequence numbers of their own, above
    /// all earlier ones.
    ///
    /// `snapshot` is called when nobody [holds](Self::hold), and nothing becomes durable until this returns. It must not
    /// wait for a lock that somebody has while appending or asking to hold, nor its thread hold.
    ///
    /// # Errors
    /// [`LedgerError::Disk`], [`LedgerError::TooLong`]. The old ledger goes on being used, but where the last step failed,
    /// which makes the new one's name durable: then the new one is used, and whatever is appended next does that step
    /// before it is answered.
    pub fn compact<I, P>(&self, snapshot: impl FnOnce() -> I) -> Result<(), LedgerError>
    where
        I: IntoIterator<Item = (u16, P)>,
        P: AsRef<[u8]>,
    {
        let turn = self.begin_compaction();
        let mut tail = lock(&self.tail);
        let result = tail.replace(&*self.disk, snapshot());
        drop(tail);
        drop(turn);
        result
    }

    /// Length of what is durable, in bytes.
    pub fn bytes(&self) -> u64 {
        lock(&self.queue).bytes
    }

    /// Sequence number of the last durable record; 0 before the first.
    pub fn serial(&self) -> u64 {
        lock(&self.queue).serial
    }

    fn wait<'a>(&self, queue: MutexGuard<'a, Queue>) -> MutexGuard<'a, Queue> {
        self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner)
    }
}

/// Holds off compactions of a ledger.
#[must_use = "compactions are held off only as long as it lives"]
#[derive(Debug)]
pub struct Hold<'a, D: Disk>(&'a Ledger<D>);

impl<D: Disk> Drop for Hold<'_, D> {
    fn drop(&mut self) {
        let mut queue = lock(&self.0.queue);
        queue.holds -= 1;
        if queue.holds == 0 && queue.compacting {
            self.0.changed.notify_all();
        }
    }
}
