//! The office: what the peers' listener knows of whoever answers peers.

use super::PeerListing;
use crate::store::{ColumnError, UploadError, UploadPlan};
use bytes::Bytes;
use rain_cluster::{ColumnStatus, Life, NodeId, Sender, Version};
use rain_fetch::ColumnRead;
use rain_session::PublicKey;
use rain_titles::Page;
use rain_wire::Answer;
use std::io;
use std::sync::Arc;

/// What a peer asks for, in a request whose MAC is genuine.
#[derive(Debug)]
pub enum PeerAsk {
    /// Frames of [`Question`](rain_wire::Question)s.
    Questions(Bytes),
    /// To take a message of the peer's register.
    Register(Bytes),
    /// To take a part of a column on its way in.
    Upload {
        /// The title.
        title: String,
        /// The version.
        version: Version,
        /// From the start of the first record, in bytes.
        offset: u64,
        /// What column it is, with the first part.
        begin: Option<UploadPlan>,
        /// The part.
        bytes: Bytes,
    },
    /// Blocks of the node's column.
    Column {
        /// The title.
        title: String,
        /// The version.
        version: Version,
        /// Which column of the code it must be.
        column: u16,
        /// Which blocks.
        read: ColumnRead,
        /// From which byte of the answer on: the peer has those before.
        from: usize,
    },
    /// To look at the node's column.
    Inspect {
        /// The title.
        title: String,
        /// The version.
        version: Version,
        /// At every block of it, and not at the header alone.
        blocks: bool,
    },
    /// A page of the titles that the node knows.
    Titles {
        /// The page.
        page: Page,
        /// What the peer knows of it.
        digest: String,
    },
    /// How many columns the node holds of newest versions.
    Holding,
    /// Something that cannot be answered. Whether the peer is to hear that is not the listener's to say.
    Unfit(Refusal),
}

/// What a peer is answered.
#[derive(Debug)]
pub enum PeerAnswer {
    /// As many answers as there were questions, in their order.
    Answers(Vec<Answer>),
    /// The part, or the message, was taken.
    Taken,
    /// Blocks, as they travel.
    Column(Bytes),
    /// How the column is held.
    Status(ColumnStatus),
    /// What the node knows of the page.
    Titles(PeerListing),
    /// So many columns.
    Holding(u64),
}

/// Why a peer is answered nothing else.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// Who asks is no other member of the cluster.
    #[error("node {0} is no peer of this one")]
    Stranger(NodeId),
    /// It asks in a life that this node has not heard of.
    #[error("life {life} of node {node} was not heard of: it is being asked")]
    Doubted {
        /// Who asks.
        node: NodeId,
        /// In which life.
        life: Life,
    },
    /// It asks in a life that is over.
    #[error("life {life} of node {node} is over")]
    Over {
        /// Who asks.
        node: NodeId,
        /// In which life.
        life: Life,
    },
    /// It sends a column of a version that another node coordinates.
    #[error("node {node} does not coordinate version {version}")]
    NotIts {
        /// Who asks.
        node: NodeId,
        /// The version.
        version: Version,
    },
    /// Nothing answers to such a method and path.
    #[error("there is no {0}")]
    Unknown(String),
    /// The request makes no sense.
    #[error("{0}")]
    Malformed(String),
    /// The part of a column was not taken.
    #[error(transparent)]
    Upload(#[from] UploadError),
    /// The column cannot be read.
    #[error(transparent)]
    Column(#[from] ColumnError),
    /// The disk refused.
    #[error(transparent)]
    Disk(#[from] io::Error),
}

/// Why a node is not taken into the cluster.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken {
    /// As it wants to be.
    #[error("{0}")]
    Never(String),
    /// Nobody can say at the moment.
    #[error("{0}")]
    NotNow(String),
}

/// Whoever answers peers.
pub trait Office: Send + Sync + 'static {
    /// Answers a peer. Who asks, and in which life, is looked at before what is asked.
    ///
    /// # Errors
    /// [`Refusal`].
    ///
    /// Cancel safety: dropping it gives the answer up; what was begun is finished.
    fn answer(self: &Arc<Self>, from: Sender, ask: PeerAsk)
    -> impl Future<Output = Result<PeerAnswer, Refusal>> + Send;

    /// Takes a node into the cluster that has shown `key` in its session, by which it is the guest or member `who`; `body` is the
    /// [member](rain_cluster::register::Member) that it wants to be. The bytes of the configuration.
    ///
    /// # Errors
    /// [`NotTaken`].
    ///
    /// Cancel safety: dropping it gives the answer up; what was begun is finished.
    fn join(
        self: &Arc<Self>,
        who: NodeId,
        key: PublicKey,
        body: Bytes,
    ) -> impl Future<Output = Result<Bytes, NotTaken>> + Send;
}
