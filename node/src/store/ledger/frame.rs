//! The bytes of a ledger: its header, and the frame around each record. docs/ledger.md has the diagrams.

use rain_codec::column::crc64;

/// The format that this program writes and reads. Format 1 kept a file per mark and decision, and had no ledger.
pub(super) const FORMAT: u32 = 2;
pub(super) const HEADER_BYTES: usize = 32;
/// What a frame adds to its payload.
pub(super) const FRAME_BYTES: usize = HEAD_BYTES + CHECK_BYTES;
pub(super) const HEAD_BYTES: usize = 40;
/// The longest payload of a record, in bytes.
pub const PAYLOAD_BYTES_MAX: usize = 16 << 20;

const CHECK_BYTES: usize = 8;
const FILE_MAGIC: [u8; 8] = *b"RAINLDG\0";
/// Not text, so that a search through a damaged place rarely stops at one in a payload.
pub(super) const FRAME_MAGIC: [u8; 4] = [0xf5, b'R', b'L', 0x1a];
/// Whatever a file says, nothing that is added to a sequence number overflows.
pub(super) const SEQUENCE_MAX: u64 = 1 << 62;

fn array<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
    bytes.get(offset..)?.first_chunk().copied()
}

fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    array(bytes, offset).map(u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    array(bytes, offset).map(u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], offset: usize) -> Option<u64> {
    array(bytes, offset).map(u64::from_le_bytes)
}

/// Where a chain of frames has come to: what the next one must follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Chain {
    pub(super) generation: u32,
    /// Of the last frame; one less than the first, where there is none yet.
    pub(super) sequence: u64,
    /// The checksum of the last frame, or of the header.
    pub(super) check: u64,
}

/// A file's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) generation: u32,
    pub(super) first_sequence: u64,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum HeaderFault {
    Damaged,
    Format(u32),
}

impl Header {
    /// Its bytes, and the chain that begins with it.
    pub(super) fn seal(self) -> ([u8; HEADER_BYTES], Chain) {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..8].copy_from_slice(&FILE_MAGIC);
        bytes[8..12].copy_from_slice(&FORMAT.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.generation.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.first_sequence.to_le_bytes());
        let check = crc64(&bytes[..24]);
        bytes[24..].copy_from_slice(&check.to_le_bytes());
        (bytes, Chain { generation: self.generation, sequence: self.first_sequence - 1, check })
    }

    /// The chain that begins with this header. Magic, format and checksum are where they are in every format.
    pub(super) fn parse(bytes: &[u8]) -> Result<Chain, HeaderFault> {
        Self::fields(bytes).unwrap_or(Err(HeaderFault::Damaged))
    }

    fn fields(bytes: &[u8]) -> Option<Result<Chain, HeaderFault>> {
        let check = u64_at(bytes, 24)?;
        if !bytes.starts_with(&FILE_MAGIC) || check != crc64(&bytes[..24]) {
            return None;
        }
        let format = u32_at(bytes, 8)?;
        if format != FORMAT {
            return Some(Err(HeaderFault::Format(format)));
        }
        let (generation, first) = (u32_at(bytes, 12)?, u64_at(bytes, 16)?);
        (1..=SEQUENCE_MAX).contains(&first).then_some(Ok(Chain { generation, sequence: first - 1, check }))
    }
}

/// What stands before a frame's payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) payload_bytes: usize,
    pub(super) kind: u16,
    pub(super) generation: u32,
    pub(super) sequence: u64,
    /// The sequence of the last frame that was durable before this one was written: that of the last frame of the batch
    /// before.
    pub(super) durable: u64,
    pub(super) previous: u64,
}

impl Head {
    /// The head at the beginning of `bytes`, if there can be one; its checksum is not looked at.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let head = Self {
            payload_bytes: usize::try_from(u32_at(bytes, 4)?).ok()?,
            kind: u16_at(bytes, 8)?,
            generation: u32_at(bytes, 12)?,
            sequence: u64_at(bytes, 16)?,
            durable: u64_at(bytes, 24)?,
            previous: u64_at(bytes, 32)?,
        };
        let valid = bytes.starts_with(&FRAME_MAGIC)
            && u16_at(bytes, 10) == Some(0)
            && head.payload_bytes <= PAYLOAD_BYTES_MAX
            && head.durable < head.sequence
            && head.sequence <= SEQUENCE_MAX;
        valid.then_some(head)
    }

    /// Length of the whole frame in bytes.
    pub(super) fn frame_bytes(&self) -> usize {
        FRAME_BYTES + self.payload_bytes
    }

    /// The chain behind this frame, if its checksum fits. `frame` is the whole frame.
    pub(super) fn verify(&self, frame: &[u8]) -> Option<Chain> {
        let (content, check) = frame.split_last_chunk::<CHECK_BYTES>()?;
        let check = u64::from_le_bytes(*check);
        (crc64(content) == check).then_some(Chain { generation: self.generation, sequence: self.sequence, check })
    }

    /// Whether this is the next frame of the chain.
    pub(super) fn follows(&self, chain: &Chain) -> bool {
        self.sequence == chain.sequence + 1 && self.previous == chain.check
    }

    /// Whether it was written later than the chain's last frame, as far as its head can say: what an older file left on the
    /// disk has a lower generation.
    pub(super) fn is_later(&self, chain: &Chain) -> bool {
        self.sequence > chain.sequence && self.generation >= chain.generation
    }

    /// Whether it shows that a frame behind the end of the chain was durable once: what is missing there was not torn, but
    /// rotted.
    pub(super) fn proves_rot(&self, chain: &Chain) -> bool {
        self.is_later(chain) && self.durable > chain.sequence
    }
}

/// Puts an unsealed frame behind `bytes`. The payload is at most [`PAYLOAD_BYTES_MAX`] bytes.
pub(super) fn push(bytes: &mut Vec<u8>, kind: u16, payload: &[u8]) {
    let payload_bytes = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    bytes.extend_from_slice(&FRAME_MAGIC);
    bytes.extend_from_slice(&payload_bytes.to_le_bytes());
    bytes.extend_from_slice(&kind.to_le_bytes());
    bytes.resize(bytes.len() + HEAD_BYTES - 10, 0);
    bytes.extend_from_slice(payload);
    bytes.resize(bytes.len() + CHECK_BYTES, 0);
}

/// Makes the frame the next of the chain, and gives the chain behind it. It may have been sealed before.
pub(super) fn seal(frame: &mut [u8], durable: u64, chain: &Chain) -> Chain {
    let sequence = chain.sequence + 1;
    let end = frame.len() - CHECK_BYTES;
    frame[12..16].copy_from_slice(&chain.generation.to_le_bytes());
    frame[16..24].copy_from_slice(&sequence.to_le_bytes());
    frame[24..32].copy_from_slice(&durable.to_le_bytes());
    frame[32..40].copy_from_slice(&chain.check.to_le_bytes());
    let check = crc64(&frame[..end]);
    frame[end..].copy_from_slice(&check.to_le_bytes());
    Chain { generation: chain.generation, sequence, check }
}
