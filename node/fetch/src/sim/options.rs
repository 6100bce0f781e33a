//! What a seed is about.

use super::peers::Peer;
use crate::Piece;
use core::time::Duration;
use rain_codec::ErasurePattern;

/// What is simulated.
#[derive(Debug, Clone)]
pub(super) struct Options {
    pub(super) seed: u64,
    pub(super) peers: Vec<Peer>,
    /// Whose own store is read; its column is read like that of a peer with its troubles.
    pub(super) own: Option<usize>,
    /// Peers prove what they answer.
    pub(super) proof: bool,
    /// Columns that are known to be lost.
    pub(super) lost: ErasurePattern,
    /// The pieces of each stream.
    pub(super) streams: Vec<Vec<Piece>>,
    /// How far a stream reads ahead, in pieces.
    pub(super) ahead: usize,
    pub(super) shards: usize,
    pub(super) patience: Duration,
    /// Requests wait so long for their turn at most.
    pub(super) queue: Duration,
    /// Bytes that are gone of the budget at the start.
    pub(super) spent: u64,
    /// One viewer in so many leaves in the middle.
    pub(super) leavers: u64,
    /// All is well: nothing may be asked for twice.
    pub(super) calm: bool,
    /// A piece ends within this time.
    pub(super) within: Option<Duration>,
}
