//! What one second of reading took, as it is told.

use serde::Serialize;

/// What one second of reading took.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReadSecond {
    /// The node that read.
    pub node: String,
    /// How long it lasted, in seconds.
    pub seconds: f64,
    /// Streams to viewers that are open at its end.
    pub streams: u64,
    /// Verified bytes handed to viewers.
    pub served_bytes: u64,
    /// Bytes of columns from peers.
    pub peer_bytes: u64,
    /// Those of them that turned out to be of no use.
    pub extra_bytes: u64,
    /// Stripes decoded.
    pub decoded_stripes: u64,
    /// Requests sent because another one was late.
    pub hedges_sent: u64,
    /// Those that were there first.
    pub hedges_won: u64,
    /// Requests that left a path for another one.
    pub path_switches: u64,
    /// The longest that a stream waited for bytes.
    pub stall_seconds: f64,
    /// Where the bytes came from.
    pub sources: Vec<ReadSource>,
}

/// Bytes that came from one place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReadSource {
    /// The node; the reading one's own name for its own column.
    pub node: String,
    /// The network; null for the own column, and for paths that cross several switches.
    pub switch: Option<String>,
    /// How many bytes.
    pub bytes: u64,
}
