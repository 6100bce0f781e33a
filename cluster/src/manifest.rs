//! What a version of a title is.

use crate::version::Version;
use serde::{Deserialize, Serialize};

/// What was stored under a title: everything a reader needs besides the columns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// Length of the title in bytes.
    pub bytes: u64,
    /// BLAKE3 of the content, the first 128 bits.
    pub etag: [u8; 16],
    /// Name of the array code, such as `b-code:4`.
    pub code: String,
    /// Bytes of a cell of every stripe but the last.
    pub cell_bytes: u32,
    /// Bytes under one checksum.
    pub block_bytes: u32,
    /// When the PUT ended, in milliseconds since 1970 by the coordinator's clock. Shown to people; orders nothing.
    pub modified_ms: u64,
    /// The media type, such as `video/mp4`.
    pub media_type: String,
}

/// A version of a title: a content, or a tombstone left by a DELETE.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The title's name.
    pub title: String,
    /// Which version.
    pub version: Version,
    /// What it holds; `None` for a tombstone.
    pub content: Option<Content>,
}
