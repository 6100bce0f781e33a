//! What a fetch asks of its driver, what it is told, and what it found out.

use super::{PiecePlan, TooFewColumns};
use core::ops::Range;
use rain_cluster::NodeId;
use rain_codec::ErasurePattern;

/// A request for rows of one column. Numbers are not used twice within one fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u32);

/// When a request goes over a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// When a path has room, after those that came before.
    Ordinary,
    /// When a path has room, before ordinary ones: it stands in for what was late or lost.
    Urgent,
    /// Now, room or not: the budget has paid for it. The answer, [`FetchTold::Began`] or [`FetchTold::NoPath`], comes
    /// before anything else is told.
    AtOnce,
}

/// What the driver has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FetchOrder {
    /// Ask a node for rows of its column over the best path that is none of `without`. Told: `Began` or `NoPath`, then what
    /// becomes of it. The driver keeps the bytes; see [`PieceFetch::handle_bytes`](super::PieceFetch::handle_bytes).
    Ask {
        /// Which request; the same one may be under way over two paths.
        request: RequestId,
        /// Whom.
        node: NodeId,
        /// The node's column.
        column: u16,
        /// Its rows.
        rows: Range<u16>,
        /// The answer is wanted from this byte on: those before it are there.
        from_byte: usize,
        /// Bytes of the answer from there on.
        bytes: usize,
        /// When.
        turn: Turn,
        /// Paths that were tried.
        without: Vec<usize>,
    },
    /// Read rows of the own column from the store, and verify them. Told: `Verified`, `Damaged` or `Refused`.
    Read {
        /// Which request.
        request: RequestId,
        /// The own column.
        column: u16,
        /// Its rows.
        rows: Range<u16>,
    },
    /// All bytes of an answer are there: verify them, and end whatever else is under way for the request. Told: `Verified` or
    /// `Damaged`.
    Verify {
        /// Which request.
        request: RequestId,
        /// Whose column.
        column: u16,
        /// Its rows.
        rows: Range<u16>,
    },
    /// End whatever is under way for a request, and forget its bytes.
    Cancel {
        /// Which request.
        request: RequestId,
    },
    /// Ask the nodes again which columns they hold. Told: `Looked`; no later order waits for it for ever.
    Look,
}

/// What a fetch is told. What is told of requests that it does not know, or does not wait for, is dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FetchTold {
    /// A request got its turn and goes over this path.
    Began {
        /// Which request.
        request: RequestId,
        /// The path, none of `without`.
        path: usize,
    },
    /// No path is left for a request.
    NoPath {
        /// Which request.
        request: RequestId,
    },
    /// Nothing more comes over this path: the connection broke, the answer ended early, or the path went down.
    Broken {
        /// Which request.
        request: RequestId,
        /// The path that it was under way over.
        path: usize,
    },
    /// The node, or the own store, does not give the rows.
    Refused {
        /// Which request.
        request: RequestId,
    },
    /// All blocks of an answer are what their seals say. The driver keeps them until the fetch is over, or `Failed` tells that
    /// their column failed.
    Verified {
        /// Which request.
        request: RequestId,
    },
    /// Some block is not.
    Damaged {
        /// Which request.
        request: RequestId,
    },
    /// The nodes were asked which columns they hold.
    Looked {
        /// Columns that are not to be had.
        lost: ErasurePattern,
    },
    /// What is `Ready` cannot be put together: the driver forgets all columns, and everything is fetched once more.
    Undecodable,
}

/// Why a column did not come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// No path led to its node, or none was left.
    NoPath,
    /// Its node does not give it.
    Refused,
    /// It stopped coming.
    Silent,
    /// It came, but is not what its checksums say.
    Damaged,
    /// It did not end.
    Length {
        /// Bytes that came.
        found: usize,
        /// Bytes that had to.
        expected: usize,
    },
}

impl Failure {
    /// Whether the column is lost: not only not to be had for now.
    pub fn is_loss(self) -> bool {
        matches!(self, Self::Refused | Self::Damaged)
    }
}

/// What a fetch found out.
#[derive(Debug, Clone)]
pub enum FetchEvent {
    /// Everything that this plan needs is verified. The fetch is over, unless it is told `Undecodable`.
    Ready(PiecePlan),
    /// Too few columns could be had within the patience. The fetch is over.
    TooFew(TooFewColumns),
    /// A column failed: the driver forgets what came of it.
    Failed {
        /// The request that failed.
        request: RequestId,
        /// Whose column.
        column: u16,
        /// Why.
        why: Failure,
    },
    /// A path let a reader wait: its score falls, its state does not change.
    Late {
        /// The node that it leads to.
        node: NodeId,
        /// The path.
        path: usize,
    },
    /// To be counted: a request was sent because another one was late.
    HedgeSent,
    /// To be counted: such a request was there first.
    HedgeWon,
    /// To be counted: a request left its path for another one.
    PathSwitch,
    /// To be counted: bytes from peers that turned out to be of no use.
    Extra(u64),
}
