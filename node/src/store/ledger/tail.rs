//! The end of the file, where batches become durable, and the file that replaces it.

use super::frame::{self, Chain, HEAD_BYTES, Header, PAYLOAD_BYTES_MAX, SEQUENCE_MAX};
use super::scan::{Survey, Window};
use super::{LedgerError, PATH, UNFINISHED_PATH, check_payload};
use crate::store::Disk;
use std::io;

/// So much of a snapshot is written at once.
const PIECE_BYTES: usize = 1 << 20;

/// The file, and how far it is durable. Only one thread has it at a time.
#[derive(Debug)]
pub(super) struct Tail<F> {
    file: F,
    /// Where the last durable frame ends.
    pub(super) end: u64,
    /// The file's length as far as it is known: from the end up to here lies nothing, or what is no frame.
    room_end: u64,
    pub(super) chain: Chain,
    /// There may be something behind the end that must never be taken for a frame: what is written next has another
    /// generation.
    dirty: bool,
    /// The file's name is durable.
    pub(super) named: bool,
    pub(super) damaged: bool,
}

impl<F> Tail<F> {
    /// The tail of a file that was found. What of it might not be on the disk, though it can be read, is made durable: a
    /// batch whose sync failed, or was under way when the program ended, can be in the system's memory alone, and
    /// unchanged pages of it are not written again by a sync.
    pub(super) fn of_found<D: Disk<File = F>>(disk: &D, file: F, survey: &Survey) -> io::Result<Self> {
        let damaged = survey.damaged.is_some();
        if !damaged && survey.records > 0 {
            let mut window = Window::new(disk, &file)?;
            let mut offset = survey.last_batch;
            while offset < survey.end {
                let left = usize::try_from(survey.end - offset).unwrap_or(usize::MAX);
                let Some(bytes) = window.view(offset, left.min(PIECE_BYTES))? else { break };
                disk.write_at(&file, offset, bytes)?;
                offset += bytes.len() as u64;
            }
        }
        disk.sync(&file)?;
        disk.sync_folder("")?;
        let Survey { end, file_bytes: room_end, chain, .. } = *survey;
        Ok(Self { file, end, room_end, chain, dirty: true, named: true, damaged })
    }

    /// Makes the frames of a batch durable behind all earlier ones. `lengths` are those of the unsealed frames in `bytes`.
    /// Without any frame, what failed batches left is made unreadable.
    ///
    /// # Errors
    /// Those of the disk: none of the frames counts, though some may be found at the next start if nothing is made durable
    /// here before.
    pub(super) fn commit<D: Disk<File = F>>(
        &mut self,
        disk: &D,
        bytes: &mut [u8],
        lengths: impl IntoIterator<Item = usize>,
    ) -> io::Result<()> {
        if self.dirty {
            self.chain.generation = self.next_generation()?;
        }
        let (durable, mut chain, mut rest) = (self.chain.sequence, self.chain, &mut *bytes);
        for length in lengths {
            let (next, behind) = rest.split_at_mut(length);
            chain = frame::seal(next, durable, &chain);
            rest = behind;
        }
        if chain.sequence > SEQUENCE_MAX {
            return Err(io::Error::other("the ledger has no more sequence numbers"));
        }
        if !bytes.is_empty() {
            self.dirty = true;
            disk.write_at(&self.file, self.end, bytes)?;
            self.make_room(disk, self.end + bytes.len() as u64);
        } else if self.dirty {
            disk.write_at(&self.file, self.end, &[0; HEAD_BYTES])?;
        }
        if self.dirty {
            disk.sync(&self.file)?;
        }
        if !self.named {
            disk.sync_folder("")?;
            self.named = true;
        }
        self.dirty = false;
        self.end += bytes.len() as u64;
        self.chain = chain;
        Ok(())
    }

    /// Writes zeros behind those that are left, once that is less than half of them. Without them a sync takes longer, and
    /// they are what a ledger has left on a full disk.
    fn make_room<D: Disk<File = F>>(&mut self, disk: &D, end: u64) {
        self.room_end = self.room_end.max(end);
        let room = D::ROOM.len() as u64;
        if self.room_end - end < room / 2 {
            self.room_end += disk.write_at(&self.file, self.room_end, D::ROOM).map_or(0, |()| room);
        }
    }

    fn next_generation(&self) -> io::Result<u32> {
        self.chain.generation.checked_add(1).ok_or_else(|| io::Error::other("the ledger has no more generations"))
    }

    /// Puts a file with these records in the place of this one.
    ///
    /// # Errors
    /// Those of the disk, and [`LedgerError::TooLong`]. Before the new file has its name, the old one goes on being used.
    /// Afterwards the new one is, and nothing becomes durable in it before its name is.
    pub(super) fn replace<D, I, P>(&mut self, disk: &D, records: I) -> Result<(), LedgerError>
    where
        D: Disk<File = F>,
        I: IntoIterator<Item = (u16, P)>,
        P: AsRef<[u8]>,
    {
        let header = Header { generation: self.next_generation()?, first_sequence: self.chain.sequence + 1 };
        *self = Self::make(disk, header, records)?;
        disk.sync_folder("")?;
        self.named = true;
        Ok(())
    }

    /// Makes a file, durable but for its name.
    pub(super) fn make<D, I, P>(disk: &D, header: Header, records: I) -> Result<Self, LedgerError>
    where
        D: Disk<File = F>,
        I: IntoIterator<Item = (u16, P)>,
        P: AsRef<[u8]>,
    {
        let made = Self::write(disk, header, records).and_then(|tail| {
            disk.rename(UNFINISHED_PATH, PATH)?;
            Ok(tail)
        });
        if made.is_err() {
            // It is in nobody's way: the next one replaces it.
            let _ = disk.remove(UNFINISHED_PATH);
        }
        made
    }

    fn write<D, I, P>(disk: &D, header: Header, records: I) -> Result<Self, LedgerError>
    where
        D: Disk<File = F>,
        I: IntoIterator<Item = (u16, P)>,
        P: AsRef<[u8]>,
    {
        let file = disk.create(UNFINISHED_PATH)?;
        let (bytes, mut chain) = header.seal();
        let (mut piece, mut end) = (bytes.to_vec(), 0);
        for (kind, payload) in records {
            let payload = payload.as_ref();
            check_payload(payload)?;
            let start = piece.len();
            frame::push(&mut piece, kind, payload);
            // When the file has its name, all of it is durable.
            chain = frame::seal(&mut piece[start..], chain.sequence, &chain);
            if piece.len() >= PIECE_BYTES {
                disk.write_at(&file, end, &piece)?;
                end += piece.len() as u64;
                piece.clear();
            }
        }
        disk.write_at(&file, end, &piece)?;
        end += piece.len() as u64;
        if chain.sequence > SEQUENCE_MAX {
            return Err(io::Error::other("the ledger has no more sequence numbers").into());
        }
        disk.sync(&file)?;
        Ok(Self { file, end, room_end: end, chain, dirty: false, named: false, damaged: false })
    }
}

const _: () = assert!(PAYLOAD_BYTES_MAX <= u32::MAX as usize, "the length of a payload has 32 bits");
