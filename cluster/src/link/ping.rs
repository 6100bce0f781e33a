//! The datagram that both ends of a link send each other.

use super::token::LinkToken;
use crate::version::NodeId;

/// Length of a ping without its authentication.
pub const PING_BYTES: usize = 64;

const MAGIC: [u8; 2] = *b"RN";
const FORMAT: u8 = 2;
const PING: u8 = 1;

/// Why bytes are no ping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PingError {
    /// Another length.
    #[error("{found} bytes, expected {PING_BYTES}")]
    Length {
        /// Bytes that came.
        found: usize,
    },
    /// Not of this protocol, or of another form of it.
    #[error("not a ping of format {FORMAT}")]
    Format,
}

/// One ping. All numbers are little-endian on the wire (docs/link.md):
///
/// | offset | bytes | what |
/// |---|---|---|
/// | 0 | 2 | `RN` |
/// | 2 | 1 | format, 2 |
/// | 3 | 1 | kind, 1: ping |
/// | 4 | 2 | link |
/// | 6 | 2 | period |
/// | 8 | 8 | cluster |
/// | 16 | 4, 4 | sender, receiver |
/// | 24 | 8, 8 | incarnation of the sender; that of the receiver as the sender knows it, 0 before it does |
/// | 40 | 4 | number of this ping |
/// | 44 | 4, 4 | the newest number heard from the receiver, and the microseconds since it came |
/// | 52 | 4, 4 | transitions of the sender; the most of the receiver's that it heard of |
/// | 60 | 2, 2 | lost pings of the receiver in a thousand; what the sender's timer is late by |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ping {
    /// Which of the links between the two nodes, in this direction: what was recorded on another one is dropped.
    pub link: u16,
    /// Between two pings of the sender, in units of 100 µs.
    pub period: u16,
    /// Which cluster: pings of others are dropped.
    pub cluster: u64,
    /// Who sends it.
    pub sender: NodeId,
    /// For whom.
    pub receiver: NodeId,
    /// Sessions and transitions.
    pub token: LinkToken,
    /// One more with each ping on this link; it wraps round.
    pub number: u32,
    /// The newest number that the sender heard from the receiver; it means nothing before the token knows the receiver.
    pub echoed: u32,
    /// How long ago that came, in microseconds.
    pub echo_delay_us: u32,
    /// Of a thousand pings of the receiver so many did not come.
    pub loss_permille: u16,
    /// The 99th percentile of how late the sender's timer is, in milliseconds.
    pub lag_ms: u16,
}

impl Ping {
    /// The bytes on the wire.
    pub fn to_bytes(&self) -> [u8; PING_BYTES] {
        let mut bytes = [0; PING_BYTES];
        bytes[..2].copy_from_slice(&MAGIC);
        (bytes[2], bytes[3]) = (FORMAT, PING);
        bytes[4..6].copy_from_slice(&self.link.to_le_bytes());
        bytes[6..8].copy_from_slice(&self.period.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.cluster.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.sender.0.to_le_bytes());
        bytes[20..24].copy_from_slice(&self.receiver.0.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.token.sender.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.token.receiver.to_le_bytes());
        bytes[40..44].copy_from_slice(&self.number.to_le_bytes());
        bytes[44..48].copy_from_slice(&self.echoed.to_le_bytes());
        bytes[48..52].copy_from_slice(&self.echo_delay_us.to_le_bytes());
        bytes[52..56].copy_from_slice(&self.token.count.to_le_bytes());
        bytes[56..60].copy_from_slice(&self.token.heard.to_le_bytes());
        bytes[60..62].copy_from_slice(&self.loss_permille.to_le_bytes());
        bytes[62..64].copy_from_slice(&self.lag_ms.to_le_bytes());
        bytes
    }

    /// Reads a ping.
    ///
    /// # Errors
    /// [`PingError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PingError> {
        let bytes: &[u8; PING_BYTES] = bytes.try_into().map_err(|_| PingError::Length { found: bytes.len() })?;
        if bytes[..2] != MAGIC || bytes[2..4] != [FORMAT, PING] {
            return Err(PingError::Format);
        }
        let u16_at = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        let u32_at = |at: usize| u32::from(u16_at(at)) | u32::from(u16_at(at + 2)) << 16;
        let u64_at = |at: usize| u64::from(u32_at(at)) | u64::from(u32_at(at + 4)) << 32;
        Ok(Self {
            link: u16_at(4),
            period: u16_at(6),
            cluster: u64_at(8),
            sender: NodeId(u32_at(16)),
            receiver: NodeId(u32_at(20)),
            token: LinkToken { sender: u64_at(24), receiver: u64_at(32), count: u32_at(52), heard: u32_at(56) },
            number: u32_at(40),
            echoed: u32_at(44),
            echo_delay_us: u32_at(48),
            loss_permille: u16_at(60),
            lag_ms: u16_at(62),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: Ping = Ping {
        link: 0x0a0b,
        period: 100,
        cluster: 0x1112_1314_1516_1718,
        sender: NodeId(3),
        receiver: NodeId(0x0102_0304),
        token: LinkToken { sender: 0x2122_2324_2526_2728, receiver: 5, count: 9, heard: 0x3132_3334 },
        number: 0xffff_ffff,
        echoed: 7,
        echo_delay_us: 20_000,
        loss_permille: 0x0102,
        lag_ms: 3,
    };

    #[test]
    fn bytes_are_where_the_table_says() {
        let bytes = EXAMPLE.to_bytes();
        assert_eq!(bytes[..8], [0x52, 0x4e, 2, 1, 0x0b, 0x0a, 100, 0]);
        assert_eq!(bytes[8..16], [0x18, 0x17, 0x16, 0x15, 0x14, 0x13, 0x12, 0x11]);
        assert_eq!(bytes[16..24], [3, 0, 0, 0, 4, 3, 2, 1]);
        assert_eq!(bytes[24..40], [0x28, 0x27, 0x26, 0x25, 0x24, 0x23, 0x22, 0x21, 5, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(bytes[40..52], [0xff, 0xff, 0xff, 0xff, 7, 0, 0, 0, 0x20, 0x4e, 0, 0]);
        assert_eq!(bytes[52..], [9, 0, 0, 0, 0x34, 0x33, 0x32, 0x31, 2, 1, 3, 0]);
        assert_eq!(Ping::from_bytes(&bytes), Ok(EXAMPLE));
    }

    #[test]
    fn what_is_no_ping_is_refused() {
        let bytes = EXAMPLE.to_bytes();
        assert_eq!(Ping::from_bytes(&bytes[..63]), Err(PingError::Length { found: 63 }));
        for at in 0..4 {
            let mut other = bytes;
            other[at] ^= 2;
            assert_eq!(Ping::from_bytes(&other), Err(PingError::Format), "byte {at}");
        }
    }
}
