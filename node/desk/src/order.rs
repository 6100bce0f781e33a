//! What a desk orders, what it is told, and what it tells.

use rain_cluster::catalog::Resolution;
use rain_cluster::commit::{Abort, Begin, Condition, Shares};
use rain_cluster::{Digests, Life, Memory, NodeId, Record, Reply, Request, RequestKind, Sender, Ticket, Version};

/// A decision to commit, durable until every prepared participant has its mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// What was committed.
    pub record: Record,
    /// Who prepared it.
    pub prepared: Vec<NodeId>,
}

/// A version that waits for its coordinator's word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overdue {
    /// The title.
    pub title: String,
    /// The version.
    pub version: Version,
    /// What it is, if it is pending; `None` while it is an upload that has stopped.
    pub record: Option<Record>,
    /// The life of its coordinator is known to be over: nobody answers for it.
    pub is_over: bool,
}

/// What the store is to do. Each is answered by one [`Told::Stored`] of the variant that it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreOrder {
    /// Note that this node coordinates a version: until it is decided or aborted, its outcome is open. Done.
    Begin {
        /// The title.
        title: String,
        /// The version.
        version: Version,
    },
    /// Note that the coordination of a version was given up. Done.
    Abort {
        /// The title.
        title: String,
        /// The version.
        version: Version,
    },
    /// Make a decision durable. Done, failed, or uncertain.
    Decide(Decision),
    /// Every prepared participant has its mark: the decision may go. Done.
    Settle {
        /// The title.
        title: String,
        /// The version.
        version: Version,
    },
    /// Which decisions are not settled? Decisions.
    Decisions,
    /// What time is it, by the count of closed titles? Ticket.
    Ticket,
    /// The same, and the digests of what is known to be committed. Digests.
    Digests,
    /// Mark what is not known here yet, unless its title was closed since the ticket: of versions that this node keeps
    /// something of, and of titles of which it holds an older version. Done or failed.
    MarkAll {
        /// The versions.
        records: Vec<Record>,
        /// From before anybody was asked for them.
        ticket: Ticket,
    },
    /// Keep these versions as pending, without columns, and be blank for their titles until it is known what became of
    /// them. Done or failed.
    Inherit(Vec<Record>),
    /// Raise the floor of the counters. Done or failed.
    RaiseFloor(u64),
    /// What is known here is what must be known: be blank no longer. Done or failed.
    SetLearnt {
        /// The life that learnt it: another one knows nothing of it. Failed, where that is over.
        life: Life,
        /// Everything that was decided by members of earlier epochs.
        epoch: u64,
    },
    /// The others remember nothing that is forgotten here: be silent no longer. Done.
    SetSure,
    /// If what a peer remembers shows that the disk is an old copy, by this node's own word: begin a new life, blank.
    /// Reborn; already, where it is none; unproven, where the peer says that it is and has no such word; or failed.
    Judge {
        /// In which life the peer was asked.
        life: Life,
        /// What it remembers.
        memory: Memory,
    },
    /// Remove what was superseded and is not read any more, and what was abandoned. Done or failed.
    Sweep,
    /// Which versions wait for their coordinator's word? Some of them: overdue.
    Overdue,
    /// Which tombstones may be purged, if the others agree? Some of them: records.
    OldTombstones,
    /// Of which newest versions is there no sound column here? Some of them, each time others in turn: records.
    Lacking,
    /// Of which newest versions is a column to come here, or may one go that is to be elsewhere, since members were others once?
    /// Some of them: records.
    Moving,
    /// A column that came here is where it is to be, as the members are. Done.
    SettleColumn {
        /// The title.
        title: String,
        /// The version.
        version: Version,
    },
    /// Let go of a column that another node holds by now. Done or failed.
    ReleaseColumn {
        /// The version.
        record: Record,
        /// The column.
        column: u16,
    },
    /// Drop an upload whose version was decided without it, or a column that cannot be restored. Done.
    DropUpload {
        /// The title.
        title: String,
        /// The version.
        version: Version,
    },
    /// Begin to restore a column. Done, failed, or already there.
    BeginColumn {
        /// The version.
        record: Record,
        /// The column.
        column: u16,
    },
    /// The column is complete: take it into use, if it is what the manifest says. Done, or failed.
    FinishColumn {
        /// The version.
        record: Record,
        /// The column.
        column: u16,
    },
}

impl StoreOrder {
    /// Whether no disk is waited for.
    pub fn is_quick(&self) -> bool {
        matches!(self, Self::Begin { .. } | Self::Abort { .. } | Self::Settle { .. } | Self::Ticket)
    }
}

/// What the store says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreTold {
    /// It is done, durably where it must be.
    Done,
    /// It is not done, and nothing is left of it.
    Failed(String),
    /// It may or may not be found after a restart.
    Uncertain(String),
    /// It was so before.
    Already,
    /// A peer says something that nothing shows to be so.
    Unproven,
    /// The decisions.
    Decisions(Vec<Decision>),
    /// The ticket.
    Ticket(Ticket),
    /// The ticket, and the digests.
    Digests(Ticket, Digests),
    /// The versions.
    Overdue(Vec<Overdue>),
    /// The versions.
    Records(Vec<Record>),
    /// The new life.
    Reborn(Life),
}

/// A run of stripes of a column to be restored from others and appended to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoreOrder {
    /// The version.
    pub record: Record,
    /// The column.
    pub column: u16,
    /// The stripe.
    pub stripe: u64,
    /// Columns that cannot be had.
    pub lost: Vec<u16>,
}

/// What is to be done for a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// Ask a node, or this one. Answered by one [`Told::Answer`] or [`Told::Failed`].
    Ask(NodeId, Request),
    /// Let the store do something. Answered by one [`Told::Stored`].
    Store(StoreOrder),
    /// Restore a stripe. Answered by one [`Told::Restored`].
    Restore(RestoreOrder),
    /// Wait until so many bytes may be moved without harm to viewers. Answered by one [`Told::Granted`].
    Rate(u64),
}

/// What became of an order, or what the driver has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// A node's answer to a question of this kind.
    Answer(Sender, RequestKind, Reply),
    /// A node gave no answer to a question of this kind.
    Failed(NodeId, RequestKind),
    /// The store's answer.
    Stored(StoreTold),
    /// Whether a stripe was restored; what went wrong, and whether too few columns could be had.
    Restored(Result<(), RestoreFailure>),
    /// The bytes may be moved.
    Granted,
    /// After [`Event::Begin`]: the content is encoded.
    Uploaded {
        /// The version, with the roots of its columns.
        record: Record,
        /// Its columns.
        shares: Shares,
        /// What must hold.
        condition: Condition,
    },
    /// After [`Event::Begin`]: nothing is to be written.
    GiveUp,
}

/// Why a stripe was not restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RestoreFailure {
    /// Too few columns can be had at this moment.
    TooFewColumns,
    /// The store does not take it.
    Store(String),
}

/// What a desk tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Of a write: upload the columns, then tell [`Told::Uploaded`] or [`Told::GiveUp`].
    Begin(Begin),
    /// Of a write: W marks are durable.
    Acknowledged {
        /// Columns that are durable.
        columns: usize,
        /// So many nodes may go.
        tolerates: usize,
    },
    /// Of a write: it is committed, or may be, but W marks are not durable: it may or may not be seen.
    Unconfirmed,
    /// Of a write: nothing was stored.
    Aborted(Abort),
    /// Of a read: which version.
    Resolved(Resolution),
    /// A column is about to be restored, has been, or could not be.
    Restored {
        /// The version.
        record: Record,
        /// The column.
        column: u16,
        /// Why not.
        failed: Option<String>,
    },
    /// The store was an old copy, and begins a new life.
    Reborn {
        /// Its new life.
        life: Life,
        /// In words for people.
        why: String,
    },
    /// A peer said something that cannot be; it was taken for silence.
    Unfit {
        /// The peer.
        node: NodeId,
        /// What was wrong with it.
        why: String,
    },
}
