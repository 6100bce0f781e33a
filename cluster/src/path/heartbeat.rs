//! The datagram that both ends of a path send each other.

use crate::version::NodeId;

/// Length of a heartbeat without its authentication.
pub const HEARTBEAT_BYTES: usize = 64;

const MAGIC: [u8; 2] = *b"RN";
const FORMAT: u8 = 1;
const PING: u8 = 1;

/// Why bytes are no heartbeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeartbeatError {
    /// Another length.
    #[error("{found} bytes, expected {HEARTBEAT_BYTES}")]
    Length {
        /// Bytes that came.
        found: usize,
    },
    /// Not of this protocol, or of a later form of it.
    #[error("not a heartbeat of format {FORMAT}")]
    Format,
}

/// One heartbeat. All numbers are little-endian on the wire:
///
/// | offset | bytes | what |
/// |---|---|---|
/// | 0 | 2 | `RN` |
/// | 2 | 1 | format, 1 |
/// | 3 | 1 | kind, 1: ping |
/// | 4 | 4 | 0 |
/// | 8 | 8 | cluster |
/// | 16 | 4, 4 | sender, receiver |
/// | 24 | 8, 8 | incarnation of the sender; that of the receiver as the sender knows it, 0 before it does |
/// | 40 | 4 | number of this heartbeat on its path |
/// | 44 | 4, 4 | the newest number heard from the receiver, and the microseconds since it came |
/// | 52 | 4, 4 | transitions of the sender and the highest heard of: 0, until the link protocol counts them |
/// | 60 | 4 | 0 |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heartbeat {
    /// Which cluster: heartbeats of others are dropped.
    pub cluster: u64,
    /// Who sends it.
    pub sender: NodeId,
    /// For whom.
    pub receiver: NodeId,
    /// Higher at every start of the sender.
    pub sender_incarnation: u64,
    /// The receiver's, as far as the sender knows; 0 before it heard of it.
    pub receiver_incarnation: u64,
    /// One more with each heartbeat on this path; it wraps round.
    pub number: u32,
    /// The newest number that the sender heard from the receiver.
    pub echoed: u32,
    /// How long ago that came, in microseconds.
    pub echo_delay_us: u32,
}

impl Heartbeat {
    /// The bytes on the wire.
    pub fn to_bytes(&self) -> [u8; HEARTBEAT_BYTES] {
        let mut bytes = [0; HEARTBEAT_BYTES];
        bytes[..2].copy_from_slice(&MAGIC);
        (bytes[2], bytes[3]) = (FORMAT, PING);
        bytes[8..16].copy_from_slice(&self.cluster.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.sender.0.to_le_bytes());
        bytes[20..24].copy_from_slice(&self.receiver.0.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.sender_incarnation.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.receiver_incarnation.to_le_bytes());
        bytes[40..44].copy_from_slice(&self.number.to_le_bytes());
        bytes[44..48].copy_from_slice(&self.echoed.to_le_bytes());
        bytes[48..52].copy_from_slice(&self.echo_delay_us.to_le_bytes());
        bytes
    }

    /// Reads a heartbeat.
    ///
    /// # Errors
    /// [`HeartbeatError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, HeartbeatError> {
        let bytes: &[u8; HEARTBEAT_BYTES] =
            bytes.try_into().map_err(|_| HeartbeatError::Length { found: bytes.len() })?;
        if bytes[..2] != MAGIC || bytes[2..4] != [FORMAT, PING] {
            return Err(HeartbeatError::Format);
        }
        let u32_at = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let u64_at = |at: usize| u64::from(u32_at(at)) | u64::from(u32_at(at + 4)) << 32;
        Ok(Self {
            cluster: u64_at(8),
            sender: NodeId(u32_at(16)),
            receiver: NodeId(u32_at(20)),
            sender_incarnation: u64_at(24),
            receiver_incarnation: u64_at(32),
            number: u32_at(40),
            echoed: u32_at(44),
            echo_delay_us: u32_at(48),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEAT: Heartbeat = Heartbeat {
        cluster: 0x1112_1314_1516_1718,
        sender: NodeId(3),
        receiver: NodeId(0x0102_0304),
        sender_incarnation: 0x2122_2324_2526_2728,
        receiver_incarnation: 5,
        number: 0xffff_ffff,
        echoed: 7,
        echo_delay_us: 20_000,
    };

    #[test]
    fn bytes_are_where_the_table_says() {
        let bytes = BEAT.to_bytes();
        assert_eq!(bytes[..8], [0x52, 0x4e, 1, 1, 0, 0, 0, 0]);
        assert_eq!(bytes[8..16], [0x18, 0x17, 0x16, 0x15, 0x14, 0x13, 0x12, 0x11]);
        assert_eq!(bytes[16..24], [3, 0, 0, 0, 4, 3, 2, 1]);
        assert_eq!(bytes[24..40], [0x28, 0x27, 0x26, 0x25, 0x24, 0x23, 0x22, 0x21, 5, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(bytes[40..52], [0xff, 0xff, 0xff, 0xff, 7, 0, 0, 0, 0x20, 0x4e, 0, 0]);
        assert_eq!(bytes[52..], [0; 12]);
        assert_eq!(Heartbeat::from_bytes(&bytes), Ok(BEAT));
    }

    #[test]
    fn what_is_no_heartbeat_is_refused() {
        let bytes = BEAT.to_bytes();
        assert_eq!(Heartbeat::from_bytes(&bytes[..63]), Err(HeartbeatError::Length { found: 63 }));
        for at in 0..4 {
            let mut other = bytes;
            other[at] ^= 1;
            assert_eq!(Heartbeat::from_bytes(&other), Err(HeartbeatError::Format), "byte {at}");
        }
    }
}
