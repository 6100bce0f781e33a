//! What a user of RUDP hears.

use super::{MESSAGE_BYTES_MAX, WINDOW_FRAMES};
use crate::version::NodeId;

/// A message that was handed over for a peer. Later ones have higher numbers; peers are counted apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(pub u64);

/// What happened. Events about a peer come in the order in which they happened, but for the last three, which tell a
/// state: what came and went between two polls is not told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RudpEvent {
    /// A session began: this start of the peer was not heard of before. What was sent and is not acknowledged belonged
    /// to the session before: the peer may have got it, and will not get it any more.
    Session {
        /// With whom.
        peer: NodeId,
        /// Its incarnation.
        incarnation: u64,
        /// What was not acknowledged in the session before, if there was one.
        lost: Vec<MessageId>,
    },
    /// A message came.
    Message {
        /// From whom.
        peer: NodeId,
        /// From which incarnation of it.
        incarnation: u64,
        /// The message.
        bytes: Vec<u8>,
    },
    /// The peer has all of a message. It is delivered there unless the session ends first: an ordered one may wait for
    /// those before it, and any for its reader.
    Acknowledged {
        /// Which peer.
        peer: NodeId,
        /// Which message.
        message: MessageId,
    },
    /// All paths to the peer are Down. What is not acknowledged is kept, and sent when one is Up again.
    Unreachable {
        /// Which peer.
        peer: NodeId,
    },
    /// A path to the peer is Up, after none was.
    Reachable {
        /// Which peer.
        peer: NodeId,
    },
    /// There is room for the message that was refused last with [`SendError::Full`].
    Writable {
        /// Which peer.
        peer: NodeId,
    },
}

/// Why a message was not taken. Nothing changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// Nobody of this number.
    #[error("node {0} is no peer")]
    UnknownPeer(NodeId),
    /// More than a message may have.
    #[error("a message of {bytes} bytes, expected {MESSAGE_BYTES_MAX} at the most")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// The send window is full: [`RudpEvent::Writable`] follows when there is room.
    #[error("the message needs {needed} frames, {free} of {WINDOW_FRAMES} are free")]
    Full {
        /// Frames of this message.
        needed: u64,
        /// Frames of the window that are neither unacknowledged, nor told of by events that wait to be polled.
        free: u64,
    },
    /// It was to go over more paths than there are, or over none.
    #[error("{copies} copies over {paths} paths")]
    Copies {
        /// Paths it was to go over.
        copies: u8,
        /// Paths there are, Up or Down.
        paths: usize,
    },
}

/// What was sent and what was dropped, since the peer was added.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Frames with data, the first time.
    pub first: u64,
    /// Copies beyond the first, as the sender of a redundant message asked.
    pub copies: u64,
    /// Frames with data that were sent again, of those that a path lost.
    pub again: u64,
    /// Of those sent again, the ones moved from a path that went Down.
    pub moved: u64,
    /// Time-outs of paths.
    pub timeouts: u64,
    /// Frames without data.
    pub bare: u64,
    /// Data frames that came more than once.
    pub repeated: u64,
    /// Data frames beyond what may be sent.
    pub beyond: u64,
    /// Frames of another incarnation, this node's or the peer's.
    pub other_session: u64,
    /// Frames of an earlier epoch of their path.
    pub other_epoch: u64,
    /// Frames that contradict what was said before, or name another path, node or cluster.
    pub contradicting: u64,
}
