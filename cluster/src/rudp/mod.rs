//! RUDP: reliable datagrams over bundled interfaces.
//!
//! Messages between two nodes over all paths between them: sent again over another path when one loses them, moved to
//! the others at once when one goes Down, delivered once, in order or as they come. A peer is unreachable only when all
//! its paths are Down. The link protocol says which are; this machine asks nothing of them but that verdict.
//!
//! [`Endpoint`] is one node's end of it. It owns no socket and no clock, and authenticates nothing: its driver seals
//! and opens the frames, as it does with heartbeats, and hands over only what was opened. Bytes on the wire, times and
//! bounds: docs/rudp.md.
//!
//! Source: Bohossian, Fan, `LeMahieu`, Riedel, Xu, Bruck, "Computing in the RAIN" (IEEE TPDS 12(2), 2001), the section on
//! RUDP; time-outs after RFC 6298, windows after RFC 5681, acknowledgements after RFC 2018.

mod congestion;
mod connection;
mod endpoint;
mod event;
mod frame;
mod identity;
mod lane;
mod receive;
mod safeguard;
mod send;
#[cfg(test)]
mod sim;

pub use endpoint::{Endpoint, Transmit};
pub use event::{MessageId, RudpEvent, SendError, Statistics};
pub use frame::{Ack, AckRange, Data, Echo, FRAME_BYTES_MAX, Frame, FrameError, FrameHeader, OrderNumber};
pub use identity::Identity;
pub use send::Delivery;

/// The number of a path between two nodes. Both call it by the same one, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PathId(pub u16);

/// What the link protocol says of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PathTransition {
    /// Up, or Down.
    pub up: bool,
    /// How many transitions the path went through in this session, as this end counts them: what was sent in an
    /// earlier Up-epoch is not taken in a later one. The same number always where no link protocol counts.
    pub epoch: u32,
}

/// Bytes of a message in one frame.
pub const PAYLOAD_BYTES: usize = 1024;
/// Frames that a sender keeps until they are acknowledged, and that a receiver keeps until they are read.
pub const WINDOW_FRAMES: u64 = 256;
/// Bytes of the same window: 256 KiB.
pub const WINDOW_BYTES: u64 = WINDOW_FRAMES * PAYLOAD_BYTES as u64;
/// Frames of the longest message.
pub const FRAGMENTS_MAX: u8 = 64;
/// The longest message, in bytes: a quarter of the window.
pub const MESSAGE_BYTES_MAX: usize = FRAGMENTS_MAX as usize * PAYLOAD_BYTES;
/// Most paths between two nodes.
pub const PATHS_MAX: usize = 8;
