//! What a store tells of a title in a list.

use rain_cluster::{ColumnStatus, NodeId, Version};
use serde::{Deserialize, Serialize};

/// The newest committed version of a title, as a node knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownTitle {
    /// The title.
    pub title: String,
    /// The version.
    pub version: Version,
    /// How often its columns were moved.
    pub generation: u32,
    /// What it holds; `None` where that can not be shown: it was deleted, or is of a later release.
    pub content: Option<KnownContent>,
    /// The nodes of its columns.
    pub seats: Vec<NodeId>,
    /// The node's own column.
    pub column: ColumnStatus,
}

/// What of a content is shown in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownContent {
    /// Its length.
    pub bytes: u64,
    /// Its entity tag.
    pub etag: [u8; 16],
    /// Name of its array code.
    pub code: String,
    /// Columns that give it back.
    pub data_columns: u16,
}

/// When a listing was made: none that is made later by the same store has the same one, unless it is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// Of the node's start.
    pub incarnation: u64,
    /// How much had changed since.
    pub changes: u64,
}
