//! What nodes ask each other about titles. Columns themselves travel on the data plane.

use crate::manifest::Manifest;
use crate::version::Version;
use serde::{Deserialize, Serialize};

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

/// A version of a title that a node holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Which version, and what it is.
    pub manifest: Manifest,
    /// Whether the node knows it to be committed, durably.
    pub marked: bool,
    /// The node's column of it.
    pub column: ColumnStatus,
}

/// All that a node knows of one title.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TitleState {
    /// The node's store is new and has not yet learnt what it must know: its silence about a version means nothing.
    pub blank: bool,
    /// The versions it holds, oldest first.
    pub entries: Vec<Entry>,
    /// Versions that are being uploaded to it.
    pub uploads: Vec<Version>,
    /// No lower than the counter of any tombstone that it purged.
    pub floor: u64,
}

impl TitleState {
    /// The newest version the node knows to be committed.
    pub fn newest_marked(&self) -> Option<&Entry> {
        self.entries.iter().filter(|entry| entry.marked).max_by_key(|entry| entry.manifest.version)
    }

    /// The highest counter the node has heard of, committed or not, or purged.
    pub fn highest_counter(&self) -> u64 {
        let versions = self.entries.iter().map(|entry| entry.manifest.version).chain(self.uploads.iter().copied());
        versions.map(|version| version.counter).max().unwrap_or(0).max(self.floor)
    }
}

/// What a version may replace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Base {
    /// Whatever is there.
    Any,
    /// Nothing: refuse it if any version is marked, or another is pending.
    Nothing,
    /// This version: refuse it if another one is the newest marked, or a newer one is pending.
    Version(Version),
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
    /// Make what you hold of this version durable as pending. Answered by [`Reply::Prepared`] or [`Reply::Refused`].
    Prepare {
        /// The version; its column has been uploaded before (a tombstone has none).
        manifest: Manifest,
        /// What must hold for it to be made durable.
        base: Base,
    },
    /// This version is committed: make that durable. Answered by [`Reply::Marked`] or [`Reply::Absent`].
    Mark {
        /// The version.
        manifest: Manifest,
        /// Mark it even where nothing of it is held (a reader's spread); the coordinator's own marks are for pending
        /// versions only, because a late one must not bring back what has been purged.
        spread: bool,
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
    /// Forget this tombstone: every placement node has it or nothing. Answered by [`Reply::Dropped`].
    Purge {
        /// The title.
        title: String,
        /// The tombstone's version.
        version: Version,
    },
    /// Asked by a blank node: every committed version that you know. Answered by [`Reply::Committed`].
    Committed,
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
    /// The coordinator's store began a new life since: it cannot know.
    Unknown,
}

/// The answer to a [`Request`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// To [`Request::Lookup`].
    State(TitleState),
    /// The version is durable as pending.
    Prepared,
    /// The version could not be made durable; nothing of it is left.
    Refused {
        /// Whether the disk was full.
        no_space: bool,
        /// Whether the condition of the request did not hold.
        condition_failed: bool,
    },
    /// The mark is durable, or a newer version's is.
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
        /// The newest committed version of every title it knows.
        manifests: Vec<Manifest>,
        /// No lower than the counter of any tombstone that it purged.
        floor: u64,
    },
}
