//! Reading a ledger: what of it holds, and whether what does not was torn or has rotted.

use super::frame::{Chain, FORMAT, FRAME_BYTES, FRAME_MAGIC, HEAD_BYTES, HEADER_BYTES, Head, Header, HeaderFault};
use super::{Damage, LedgerError, Record};
use crate::store::Disk;
use std::io;

/// The least that is read at once.
const PIECE_BYTES: usize = 1 << 20;

/// What a file was found to hold.
#[derive(Debug)]
pub(super) struct Survey {
    /// Where the last good frame ends.
    pub(super) end: u64,
    /// Where the batch of the last good frame begins, as far as it is found.
    pub(super) last_batch: u64,
    pub(super) chain: Chain,
    pub(super) file_bytes: u64,
    pub(super) records: u64,
    pub(super) damaged: Option<Damage>,
}

/// A piece of a file in memory. It grows to one frame where that is longer, and never beyond the file.
#[derive(Debug)]
pub(super) struct Window<'a, D: Disk> {
    disk: &'a D,
    file: &'a D::File,
    file_bytes: u64,
    start: u64,
    bytes: Vec<u8>,
}

impl<'a, D: Disk> Window<'a, D> {
    pub(super) fn new(disk: &'a D, file: &'a D::File) -> io::Result<Self> {
        Ok(Self { disk, file, file_bytes: disk.len(file)?, start: 0, bytes: Vec::new() })
    }

    /// `len` bytes at `offset`; `None` where the file ends before.
    pub(super) fn view(&mut self, offset: u64, len: usize) -> io::Result<Option<&[u8]>> {
        let left = usize::try_from(self.file_bytes.saturating_sub(offset)).unwrap_or(usize::MAX);
        if len > left {
            return Ok(None);
        }
        let inside = offset.checked_sub(self.start).and_then(|at| usize::try_from(at).ok());
        let inside = inside.filter(|at| at.checked_add(len).is_some_and(|end| end <= self.bytes.len()));
        if inside.is_none() {
            self.bytes.resize(len.max(PIECE_BYTES).min(left), 0);
            self.start = offset;
            if let Err(error) = self.disk.read_at(self.file, offset, &mut self.bytes) {
                self.bytes.clear();
                return Err(error);
            }
        }
        let at = inside.unwrap_or(0);
        Ok(Some(&self.bytes[at..at + len]))
    }

    /// What is in memory from `offset` on, after reading a piece where that is nothing.
    fn piece(&mut self, offset: u64) -> io::Result<&[u8]> {
        let end = self.start + self.bytes.len() as u64;
        let left =
            if (self.start..end).contains(&offset) { end - offset } else { self.file_bytes.saturating_sub(offset) };
        let len = usize::try_from(left).unwrap_or(usize::MAX).min(PIECE_BYTES);
        Ok(self.view(offset, len)?.unwrap_or_default())
    }

    /// The head of a frame at `offset` that `is_wanted`, and the chain behind the frame, if the frame is whole.
    fn frame(&mut self, offset: u64, is_wanted: impl Fn(&Head) -> bool) -> io::Result<Option<(Head, Chain)>> {
        let Some(head) = self.view(offset, HEAD_BYTES)?.and_then(Head::parse).filter(is_wanted) else {
            return Ok(None);
        };
        let frame = self.view(offset, head.frame_bytes())?;
        Ok(frame.and_then(|frame| head.verify(frame)).map(|chain| (head, chain)))
    }

    /// The first whole frame at or behind `offset` that `is_wanted`.
    fn find(&mut self, mut offset: u64, is_wanted: impl Fn(&Head) -> bool) -> io::Result<Option<Found>> {
        while self.file_bytes.saturating_sub(offset) >= FRAME_BYTES as u64 {
            let piece = self.piece(offset)?;
            match piece.iter().position(|byte| *byte == FRAME_MAGIC[0]) {
                None => offset += piece.len() as u64,
                Some(at) => {
                    offset += at as u64;
                    if let Some((head, chain)) = self.frame(offset, &is_wanted)? {
                        return Ok(Some(Found { offset, head, chain }));
                    }
                    offset += 1;
                }
            }
        }
        Ok(None)
    }
}

#[derive(Debug)]
struct Found {
    offset: u64,
    head: Head,
    chain: Chain,
}

/// Reads the whole file, and shows every record of it that holds.
///
/// # Errors
/// [`LedgerError::Format`], [`LedgerError::Disk`]. Nothing was changed; some records may have been shown.
pub(super) fn scan<D: Disk>(
    disk: &D,
    file: &D::File,
    mut visit: impl FnMut(Record<'_>),
) -> Result<Survey, LedgerError> {
    let mut window = Window::new(disk, file)?;
    let (chain, mut damaged) = match Header::parse(window.view(0, HEADER_BYTES)?.unwrap_or_default()) {
        Ok(chain) => (chain, None),
        Err(HeaderFault::Format(found)) => return Err(LedgerError::Format { found, expected: FORMAT }),
        Err(HeaderFault::Damaged) => {
            (Chain { generation: 0, sequence: 0, check: 0 }, Some(Damage { offset: 0, records_lost: 0 }))
        }
    };
    let mut header_lost = damaged.is_some();
    let start = if header_lost { 0 } else { HEADER_BYTES as u64 };
    let (mut end, mut chain, mut last_batch, mut last_durable, mut records) = (start, chain, start, None, 0);
    loop {
        let next = match window.frame(end, |head| head.follows(&chain))? {
            Some((head, chain)) => Some(Found { offset: end, head, chain }),
            // Without the header nothing says where the first frame is, nor what is missing before it.
            None if header_lost => window.find(end, |head| head.is_later(&chain))?,
            None if window.find(end, |head| head.proves_rot(&chain))?.is_some() => {
                // All up to that frame is older than it, so none of it is the rest of a failed batch.
                let next = window.find(end, |head| head.is_later(&chain))?;
                let damage = damaged.get_or_insert(Damage { offset: end, records_lost: 0 });
                if let Some(next) = &next {
                    damage.records_lost += next.head.sequence - chain.sequence - 1;
                }
                next
            }
            None => None,
        };
        let Some(next) = next else { break };
        header_lost = false;
        let frame = window.view(next.offset, next.head.frame_bytes())?.unwrap_or_default();
        let payload = frame.get(HEAD_BYTES..HEAD_BYTES + next.head.payload_bytes).unwrap_or_default();
        visit(Record { sequence: next.head.sequence, kind: next.head.kind, payload });
        records += 1;
        let batch = (next.head.generation, next.head.durable);
        if last_durable.replace(batch) != Some(batch) {
            last_batch = next.offset;
        }
        end = next.offset + next.head.frame_bytes() as u64;
        chain = next.chain;
    }
    Ok(Survey { end, last_batch, chain, file_bytes: window.file_bytes, records, damaged })
}
