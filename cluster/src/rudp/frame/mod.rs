//! Frames: the bytes that travel, and what they mean.

use super::{FRAGMENTS_MAX, PAYLOAD_BYTES, PathId, WINDOW_FRAMES};
use crate::version::NodeId;
use core::num::NonZeroU64;

const MAGIC: [u8; 2] = *b"RD";
const FORMAT: u8 = 1;
const HEADER_BYTES: usize = 56;
const ACK_BYTES: usize = 56;
const DATA_BYTES: usize = 24;

const HAS_ACK: u8 = 1;
const HAS_DATA: u8 = 2;
const ASKS: u8 = 4;

/// Ranges of an acknowledgement.
pub(super) const RANGES: usize = 3;

/// Length of the longest frame without its authentication: with a tag of 16 bytes, UDP and IPv6 it fits the 1280 bytes
/// that every IPv6 network carries.
pub const FRAME_BYTES_MAX: usize = HEADER_BYTES + ACK_BYTES + DATA_BYTES + PAYLOAD_BYTES;

/// Why bytes are no frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Shorter or longer than what the frame says it has.
    #[error("{found} bytes, expected {expected}")]
    Length {
        /// Bytes that came.
        found: usize,
        /// Bytes that the frame, as far as it was read, must have.
        expected: usize,
    },
    /// Not of this protocol, or of another form of it.
    #[error("not a frame of format {FORMAT}")]
    Format,
    /// A place that must be 0 is not.
    #[error("byte {at} is {found}, expected 0")]
    NotZero {
        /// Which byte.
        at: usize,
        /// What it is.
        found: u8,
    },
    /// Unknown flags.
    #[error("flags {found:#04x}, known are 0x07")]
    Flags {
        /// All flags of the frame.
        found: u8,
    },
    /// The sender's incarnation is 0, or data is for none of the receiver's.
    #[error("no incarnation of the {0}")]
    Incarnation(&'static str),
    /// A frame that must be numbered is not, or the other way round.
    #[error("number {found} of a frame with flags {flags:#04x}")]
    Number {
        /// The number on the path.
        found: u64,
        /// The flags.
        flags: u8,
    },
    /// More may be sent than fits the window, or less than came.
    #[error("may send up to {limit}, has all before {next}: expected a difference of 0 to {WINDOW_FRAMES}")]
    Limit {
        /// The first frame that did not come.
        next: u64,
        /// The first that may not be sent.
        limit: u64,
    },
    /// A range of frames outside the window.
    #[error("range of {length} frames, {skipped} behind the first that did not come")]
    Range {
        /// Frames between the first that did not come and the first of the range.
        skipped: u16,
        /// Frames of the range.
        length: u16,
    },
    /// No such fragment.
    #[error("fragment {fragment} of {fragments}, in frame {sequence}")]
    Fragment {
        /// Which fragment, from 0.
        fragment: u8,
        /// Of how many.
        fragments: u8,
        /// The number of the frame.
        sequence: u64,
    },
    /// A fragment that is not the last is full, the last one of several not empty.
    #[error("{found} bytes in fragment {fragment} of {fragments}")]
    Payload {
        /// Its bytes.
        found: usize,
        /// Which fragment, from 0.
        fragment: u8,
        /// Of how many.
        fragments: u8,
    },
}

/// What every frame says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHeader {
    /// Which cluster: frames of others are dropped.
    pub cluster: u64,
    /// Who sends it.
    pub sender: NodeId,
    /// For whom.
    pub receiver: NodeId,
    /// Higher at every start of the sender, never 0.
    pub sender_incarnation: u64,
    /// The receiver's, as far as the sender knows; 0 before it heard of it.
    pub receiver_incarnation: u64,
    /// The path it goes over.
    pub path: PathId,
    /// The path's transitions, as the sender counts them.
    pub epoch: u32,
    /// One more with each frame over this path that has data or asks; 0 in the others.
    pub number: u64,
    /// Wants to be answered at once.
    pub asks: bool,
}

/// So many frames, from so many behind the first that did not come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AckRange {
    /// Frames between the first that did not come and the first of the range, at least 1.
    pub skipped: u16,
    /// Frames, at least 1.
    pub length: u16,
}

/// What a path brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Echo {
    /// Which path.
    pub path: PathId,
    /// The highest number that came over it, never 0.
    pub number: u64,
    /// Which ones came of the 64 before it: bit i stands for `number - 1 - i`.
    pub before: u64,
    /// How long ago that highest one came, in microseconds.
    pub delay_us: u32,
}

/// What a receiver has, and what it has room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ack {
    /// All frames before this one came.
    pub next: u64,
    /// Frames before this one may be sent.
    pub limit: u64,
    /// What came behind `next`, the newest first.
    pub ranges: [Option<AckRange>; RANGES],
    /// How one path does.
    pub echo: Option<Echo>,
}

/// The place of a message among the ordered ones of its session, from 1.
pub type OrderNumber = NonZeroU64;

/// One frame's part of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Data<'bytes> {
    /// The number of the frame in its session. The fragments of a message are numbered in a row.
    pub sequence: u64,
    /// None when it need not wait for others.
    pub order: Option<OrderNumber>,
    /// Which fragment, from 0.
    pub fragment: u8,
    /// Of how many, 1 to 64.
    pub fragments: u8,
    /// 1024 bytes, in the last fragment 1 to 1024; of an empty message none.
    pub payload: &'bytes [u8],
}

/// One frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'bytes> {
    /// Who, to whom, over what.
    pub header: FrameHeader,
    /// What the sender has got.
    pub ack: Option<Ack>,
    /// What it gives.
    pub data: Option<Data<'bytes>>,
}

impl<'bytes> Frame<'bytes> {
    /// Puts the frame behind the end of `buffer`, in the form that docs/rudp.md draws.
    ///
    /// # Panics
    /// When the payload has more than 65535 bytes. What [`from_bytes`](Self::from_bytes) would refuse besides is written
    /// as it is.
    pub fn write(&self, buffer: &mut Vec<u8>) {
        let header = &self.header;
        let flag = |set: bool, flag: u8| if set { flag } else { 0 };
        let flags = flag(self.ack.is_some(), HAS_ACK) | flag(self.data.is_some(), HAS_DATA) | flag(header.asks, ASKS);
        buffer.extend_from_slice(&MAGIC);
        buffer.extend_from_slice(&[FORMAT, flags]);
        buffer.extend_from_slice(&header.path.0.to_le_bytes());
        buffer.extend_from_slice(&[0; 2]);
        buffer.extend_from_slice(&header.cluster.to_le_bytes());
        buffer.extend_from_slice(&header.sender.0.to_le_bytes());
        buffer.extend_from_slice(&header.receiver.0.to_le_bytes());
        buffer.extend_from_slice(&header.sender_incarnation.to_le_bytes());
        buffer.extend_from_slice(&header.receiver_incarnation.to_le_bytes());
        buffer.extend_from_slice(&header.number.to_le_bytes());
        buffer.extend_from_slice(&header.epoch.to_le_bytes());
        buffer.extend_from_slice(&[0; 4]);
        if let Some(ack) = &self.ack {
            ack.write(buffer);
        }
        if let Some(data) = &self.data {
            buffer.extend_from_slice(&data.sequence.to_le_bytes());
            buffer.extend_from_slice(&data.order.map_or(0, NonZeroU64::get).to_le_bytes());
            let length = u16::try_from(data.payload.len()).expect("a payload's length has 16 bits");
            buffer.extend_from_slice(&length.to_le_bytes());
            buffer.extend_from_slice(&[data.fragment, data.fragments, 0, 0, 0, 0]);
            buffer.extend_from_slice(data.payload);
        }
    }

    /// Reads a frame.
    ///
    /// # Errors
    /// [`FrameError`].
    pub fn from_bytes(bytes: &'bytes [u8]) -> Result<Self, FrameError> {
        let too_short = |expected| FrameError::Length { found: bytes.len(), expected };
        let (head, mut rest) = bytes.split_first_chunk::<HEADER_BYTES>().ok_or(too_short(HEADER_BYTES))?;
        if head[..2] != MAGIC || head[2] != FORMAT {
            return Err(FrameError::Format);
        }
        let flags = head[3];
        if flags & !(HAS_ACK | HAS_DATA | ASKS) != 0 {
            return Err(FrameError::Flags { found: flags });
        }
        zeros(head, [6, 7])?;
        zeros(head, [52, 53, 54, 55])?;
        let header = FrameHeader {
            path: PathId(u16_at(head, 4)),
            cluster: u64_at(head, 8),
            sender: NodeId(u32_at(head, 16)),
            receiver: NodeId(u32_at(head, 20)),
            sender_incarnation: u64_at(head, 24),
            receiver_incarnation: u64_at(head, 32),
            number: u64_at(head, 40),
            epoch: u32_at(head, 48),
            asks: flags & ASKS != 0,
        };
        if header.sender_incarnation == 0 {
            return Err(FrameError::Incarnation("sender"));
        }
        if (header.number != 0) != (flags & (HAS_DATA | ASKS) != 0) {
            return Err(FrameError::Number { found: header.number, flags });
        }
        let mut ack = None;
        if flags & HAS_ACK != 0 {
            let (section, behind) = rest.split_first_chunk::<ACK_BYTES>().ok_or(too_short(HEADER_BYTES + ACK_BYTES))?;
            (ack, rest) = (Some(Ack::read(section)?), behind);
        }
        let before = bytes.len() - rest.len();
        if flags & HAS_DATA == 0 {
            return if rest.is_empty() { Ok(Self { header, ack, data: None }) } else { Err(too_short(before)) };
        }
        if header.receiver_incarnation == 0 {
            return Err(FrameError::Incarnation("receiver"));
        }
        let (section, payload) = rest.split_first_chunk::<DATA_BYTES>().ok_or(too_short(before + DATA_BYTES))?;
        let length = usize::from(u16_at(section, 16));
        if payload.len() != length {
            return Err(too_short(before + DATA_BYTES + length));
        }
        Ok(Self { header, ack, data: Some(Data::read(section, payload)?) })
    }
}

impl Ack {
    fn write(&self, buffer: &mut Vec<u8>) {
        buffer.extend_from_slice(&self.next.to_le_bytes());
        buffer.extend_from_slice(&self.limit.to_le_bytes());
        // Without an echo all of it is 0.
        let (path, number, before, delay_us) =
            self.echo.map_or((0, 0, 0, 0), |echo| (echo.path.0, echo.number, echo.before, echo.delay_us));
        buffer.extend_from_slice(&number.to_le_bytes());
        buffer.extend_from_slice(&before.to_le_bytes());
        buffer.extend_from_slice(&delay_us.to_le_bytes());
        buffer.extend_from_slice(&path.to_le_bytes());
        buffer.extend_from_slice(&[0; 2]);
        for range in self.ranges {
            let (skipped, length) = range.map_or((0, 0), |range| (range.skipped, range.length));
            buffer.extend_from_slice(&skipped.to_le_bytes());
            buffer.extend_from_slice(&length.to_le_bytes());
        }
        buffer.extend_from_slice(&[0; 4]);
    }

    fn read(section: &[u8; ACK_BYTES]) -> Result<Self, FrameError> {
        zeros(section, [38, 39])?;
        zeros(section, [52, 53, 54, 55])?;
        let (next, limit) = (u64_at(section, 0), u64_at(section, 8));
        if limit.checked_sub(next).is_none_or(|room| room > WINDOW_FRAMES) {
            return Err(FrameError::Limit { next, limit });
        }
        let mut ranges = [None; RANGES];
        for (place, range) in ranges.iter_mut().enumerate() {
            let (skipped, length) = (u16_at(section, 40 + 4 * place), u16_at(section, 42 + 4 * place));
            if (skipped, length) == (0, 0) {
                continue;
            }
            if skipped == 0 || length == 0 || u64::from(skipped) + u64::from(length) > limit - next {
                return Err(FrameError::Range { skipped, length });
            }
            *range = Some(AckRange { skipped, length });
        }
        let echo = Echo {
            path: PathId(u16_at(section, 36)),
            number: u64_at(section, 16),
            before: u64_at(section, 24),
            delay_us: u32_at(section, 32),
        };
        if echo.number == 0 {
            zeros::<14>(section, core::array::from_fn(|place| 24 + place))?;
        }
        Ok(Self { next, limit, ranges, echo: (echo.number != 0).then_some(echo) })
    }
}

impl<'bytes> Data<'bytes> {
    fn read(section: &[u8; DATA_BYTES], payload: &'bytes [u8]) -> Result<Self, FrameError> {
        zeros(section, [20, 21, 22, 23])?;
        let (sequence, fragment, fragments) = (u64_at(section, 0), section[18], section[19]);
        if fragment >= fragments || fragments > FRAGMENTS_MAX || u64::from(fragment) > sequence {
            return Err(FrameError::Fragment { fragment, fragments, sequence });
        }
        let is_last = fragment + 1 == fragments;
        let fits = if is_last { fragments == 1 || !payload.is_empty() } else { payload.len() == PAYLOAD_BYTES };
        if !fits || payload.len() > PAYLOAD_BYTES {
            return Err(FrameError::Payload { found: payload.len(), fragment, fragments });
        }
        Ok(Self { sequence, order: OrderNumber::new(u64_at(section, 8)), fragment, fragments, payload })
    }

    /// The number of the message's first frame.
    pub fn first(&self) -> u64 {
        self.sequence - u64::from(self.fragment)
    }
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16_at(bytes, at)) | u32::from(u16_at(bytes, at + 2)) << 16
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

fn zeros<const N: usize>(bytes: &[u8], places: [usize; N]) -> Result<(), FrameError> {
    match places.into_iter().find(|&at| bytes[at] != 0) {
        Some(at) => Err(FrameError::NotZero { at, found: bytes[at] }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
