//! What nodes ask each other about titles. Columns themselves travel on the data plane.

use crate::digests::Digests;
use crate::manifest::Record;
use crate::version::{Life, NodeId, Version};
use core::fmt;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// By which a node knows its own word when others bring it back: made under a secret that it alone has, and that outlives
/// its disk. To anybody else it says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Signet(pub u128);

impl fmt::Display for Signet {
    /// 32 hexadecimal digits.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:032x}", self.0)
    }
}

/// Who says something: in every question and every answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Sender {
    /// The node.
    pub node: NodeId,
    /// The life of its ledger: who promised something in another life does not know of it.
    pub life: Life,
    /// How many changes its ledger has made durable: one that tells fewer than it once told was rolled back.
    pub serial: u64,
    /// The epoch of the members that it knows.
    pub epoch: u64,
    /// Its own, of life and serial.
    pub signet: Signet,
}

impl Sender {
    /// What it says of its life.
    pub fn testimony(self) -> Testimony {
        Testimony { life: self.life, serial: self.serial, signet: self.signet }
    }
}

/// What a node said of a life of its own, as others keep it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Testimony {
    /// The life.
    pub life: Life,
    /// The most changes that it said to have made durable in that life.
    pub serial: u64,
    /// The signet that came with it.
    pub signet: Signet,
}

/// How a node holds its column of a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum ColumnStatus {
    /// Whole, as far as is known.
    Ok {
        /// Which column of the code.
        column: u16,
    },
    /// Present, but not to be trusted: an erasure.
    Damaged {
        /// Which column of the code.
        column: u16,
        /// What was found, in words for people.
        reason: String,
    },
    /// Known by its mark only, or a tombstone.
    Missing,
}

impl ColumnStatus {
    /// The column, where it is whole as far as is known.
    pub fn sound(&self) -> Option<u16> {
        match self {
            Self::Ok { column } => Some(*column),
            Self::Damaged { .. } | Self::Missing => None,
        }
    }

    /// Whether this column is whole, as far as is known.
    pub fn is_ok(&self) -> bool {
        matches!(self, Self::Ok { .. })
    }
}

/// A version of a title that a node holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Which version, and what it is.
    pub record: Record,
    /// Whether the node knows it to be committed, durably.
    pub marked: bool,
    /// The node's column of it.
    pub column: ColumnStatus,
}

/// When a node was asked about a title, by a count of its own: once it has closed the title it takes no mark and no version
/// from anybody who asked before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ticket(pub u64);

/// All that a node knows of one title.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TitleState {
    /// The node's store is new, or was damaged, and has not yet learnt what it must know of this title: its silence about
    /// a version means nothing, and its word little.
    pub blank: bool,
    /// The store that takes columns of this title.
    pub store: u32,
    /// The versions it holds, oldest first.
    pub entries: Vec<Entry>,
    /// Versions that are being uploaded to it.
    pub uploads: Vec<Version>,
    /// No lower than the counter of any tombstone that it purged.
    pub floor: u64,
    /// When this was said.
    pub ticket: Ticket,
}

impl TitleState {
    /// The newest version the node knows to be committed.
    pub fn newest_marked(&self) -> Option<&Entry> {
        self.entries.iter().filter(|entry| entry.marked).max_by_key(|entry| entry.record.version())
    }

    /// The highest counter the node has heard of, committed or not, or purged.
    pub fn highest_counter(&self) -> u64 {
        let versions = self.entries.iter().map(|entry| entry.record.version()).chain(self.uploads.iter().copied());
        versions.map(|version| version.counter).max().unwrap_or(0).max(self.floor)
    }
}

/// What a version may replace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Base {
    /// Whatever is there, but for a newer version that was made under a condition: this one would come between.
    Any,
    /// Nothing: refuse it if any version is marked, or another is pending.
    Nothing,
    /// This version: refuse it if another one is the newest marked, or a newer one is pending.
    Version(Version),
}

/// So many bytes of a column may come with a question; more are uploaded.
pub const SHARE_BYTES_MAX: usize = 128 << 10;

/// The column of a version that a node is to keep.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// Which column of the code.
    pub column: u16,
    /// Its records, where they are few enough to come with the question; else they were uploaded before. They travel
    /// behind the question, not in it.
    #[serde(skip)]
    pub records: Option<Arc<[u8]>>,
}

/// A question or an order from one node to another. All are idempotent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Request {
    /// What do you know of this title? Answered by [`Reply::State`].
    Lookup {
        /// The title.
        title: String,
    },
    /// Make what you hold of this version durable as pending: the manifest, and your column where you have one. Answered
    /// by [`Reply::Prepared`] or [`Reply::Refused`].
    Prepare {
        /// The version.
        record: Record,
        /// What must hold for it to be made durable.
        base: Base,
        /// The column that this node is to keep (a tombstone has none, and a catalog node may have none).
        share: Option<Share>,
        /// When this node was asked about the title.
        ticket: Ticket,
    },
    /// This version is committed: make that durable. Answered by [`Reply::Marked`] or [`Reply::Absent`].
    Mark {
        /// The version.
        record: Record,
        /// A reader's spread: of what is held here; of its coordinator also where nothing is held, unless the title was
        /// closed since this ticket. The marks of a commit are the coordinator's, and for pending versions only, because a
        /// late one must not bring back what has been purged.
        spread: Option<Ticket>,
    },
    /// The coordinator aborted this version: drop it, pending or half uploaded. Answered by [`Reply::Dropped`].
    Drop {
        /// The title.
        title: String,
        /// The version.
        version: Version,
    },
    /// Asked of the coordinator by the holder of a pending version: what became of it? Answered by [`Reply::Outcome`].
    Outcome {
        /// The title.
        title: String,
        /// The version.
        version: Version,
    },
    /// The coordinator of this version is in another life and does not know: take no more marks on the word of the old
    /// one, durably, and say what you know of the title. Answered by [`Reply::State`].
    Retire {
        /// The title.
        title: String,
        /// The node.
        node: NodeId,
        /// The life that is over.
        life: Life,
    },
    /// From now on take nothing for this title from anybody who asked about it before, and say what you know of it.
    /// Answered by [`Reply::State`].
    Close {
        /// The title.
        title: String,
    },
    /// Forget this tombstone: every member closed the title, and has the tombstone or nothing. Answered by
    /// [`Reply::Dropped`].
    Purge {
        /// The title.
        title: String,
        /// The tombstone's version.
        version: Version,
    },
    /// Another node holds the column of this version that you hold, or waits for you to take its own: see where it should be.
    /// Answered by [`Reply::State`], which is of no quorum.
    Look {
        /// The title.
        title: String,
        /// The version.
        version: Version,
    },
    /// Asked by a blank node, or one that was away: every committed version that you know, and every pending one, page by
    /// page. Answered by [`Reply::Committed`].
    Committed {
        /// What the asker knows already: committed versions of buckets in which both agree are left out.
        known: Option<Digests>,
        /// The first bucket of the page.
        from: u16,
    },
    /// Asked by a node that may have been away: of all that you know to be committed, what is the digest? Answered by
    /// [`Reply::Digest`].
    Digest,
    /// Asked at a start, and by a node whose life is said to be over: what do you remember of me? Answered by
    /// [`Reply::Remembered`].
    Remembered,
}

/// Which question it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RequestKind {
    /// [`Request::Lookup`].
    Lookup,
    /// [`Request::Prepare`].
    Prepare,
    /// [`Request::Mark`].
    Mark,
    /// [`Request::Drop`].
    Drop,
    /// [`Request::Outcome`].
    Outcome,
    /// [`Request::Retire`].
    Retire,
    /// [`Request::Close`].
    Close,
    /// [`Request::Purge`].
    Purge,
    /// [`Request::Look`].
    Look,
    /// [`Request::Committed`].
    Committed,
    /// [`Request::Digest`].
    Digest,
    /// [`Request::Remembered`].
    Remembered,
}

impl RequestKind {
    /// Whether answers to it are counted for a quorum of those who are asked.
    pub fn is_counted(self) -> bool {
        matches!(self, Self::Lookup | Self::Retire | Self::Close | Self::Committed)
    }

    /// Whether it changes nothing where it is asked, and the answer is the same whoever asks.
    pub fn only_asks(self) -> bool {
        match self {
            Self::Lookup | Self::Look | Self::Outcome | Self::Committed | Self::Digest => true,
            Self::Prepare | Self::Mark | Self::Drop | Self::Retire | Self::Close | Self::Purge | Self::Remembered => {
                false
            }
        }
    }
}

impl Request {
    /// Which question it is.
    pub fn kind(&self) -> RequestKind {
        match self {
            Self::Lookup { .. } => RequestKind::Lookup,
            Self::Prepare { .. } => RequestKind::Prepare,
            Self::Mark { .. } => RequestKind::Mark,
            Self::Drop { .. } => RequestKind::Drop,
            Self::Outcome { .. } => RequestKind::Outcome,
            Self::Retire { .. } => RequestKind::Retire,
            Self::Close { .. } => RequestKind::Close,
            Self::Purge { .. } => RequestKind::Purge,
            Self::Look { .. } => RequestKind::Look,
            Self::Committed { .. } => RequestKind::Committed,
            Self::Digest => RequestKind::Digest,
            Self::Remembered => RequestKind::Remembered,
        }
    }
}

/// What became of a version, in its coordinator's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Committed.
    Committed,
    /// Aborted: drop it.
    Aborted,
    /// Still being decided.
    Undecided,
    /// The coordinator's ledger began a new life since: it cannot know.
    Unknown,
}

/// Why a version was not made durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Refusal {
    /// The disk is full.
    NoSpace,
    /// The condition of the request does not hold.
    Condition,
    /// A newer version was made under a condition meanwhile, or something was purged: this one comes too late.
    Superseded,
    /// The column was not uploaded whole, is not what the manifest says, or the disk failed.
    Column,
    /// The store is blank: it does not know what it promised in an earlier life.
    Blank,
    /// The members are others by now than when the version was begun.
    Epoch,
}

/// What a node remembers of another one: little but what that one said itself, for it alone can tell whether it did.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Memory {
    /// The lives that were heard of.
    pub lives: Vec<Testimony>,
    /// Whether the life in which the question was asked is held to be over.
    pub retired: bool,
}

/// The answer to a [`Request`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// To [`Request::Lookup`], [`Request::Look`], [`Request::Retire`] and [`Request::Close`].
    State(TitleState),
    /// The version is durable as pending, in the life that the sender names.
    Prepared,
    /// The version could not be made durable; nothing of it is left.
    Refused(Refusal),
    /// The mark is durable, or a newer version's is, in the life that the sender names.
    Marked,
    /// Nothing of the version is held here.
    Absent,
    /// Nothing of it is left here.
    Dropped,
    /// To [`Request::Outcome`].
    Outcome(Outcome),
    /// To [`Request::Committed`].
    Committed {
        /// The node's store is blank itself, so that its list means nothing.
        blank: bool,
        /// The first bucket of the page.
        from: u16,
        /// The first bucket of the next page; `None` where this is the last one. Above `from`.
        next: Option<u16>,
        /// The newest committed version of every title of the page that it knows, but for those that the asker is sure to
        /// know.
        marked: Vec<Record>,
        /// Every version of the page of which it does not know yet what became.
        pending: Vec<Record>,
        /// No lower than the counter of any tombstone that it purged.
        floor: u64,
    },
    /// To [`Request::Digest`]: equal ones are of the same newest committed versions of the same titles. `None` of a blank
    /// store, which does not know what it does not know.
    Digest(Option<u64>),
    /// To [`Request::Remembered`], also where the asker's life is over.
    Remembered(Memory),
    /// To all else, where the sender's life is over: another one of the same node was heard of since.
    Retired,
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::NoSpace => "no space",
            Self::Condition => "the condition does not hold",
            Self::Superseded => "a newer version came in between",
            Self::Column => "the column is not whole",
            Self::Blank => "the store is blank",
            Self::Epoch => "the members are others by now",
        })
    }
}
