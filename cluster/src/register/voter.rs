//! Who votes.

use crate::bytes::Fields;
use crate::version::{Life, NodeId};
use core::fmt;

/// A node in one life of its store. In another life it is another voter: it does not know what it promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Voter {
    /// The node.
    pub node: NodeId,
    /// The life of its store.
    pub life: Life,
}

impl Voter {
    pub(super) fn put(self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.node.0.to_le_bytes());
        bytes.extend_from_slice(&self.life.0.to_le_bytes());
    }

    pub(super) fn take(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self { node: NodeId(fields.u32()?), life: Life(fields.u32()?) })
    }
}

impl fmt::Display for Voter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} in life {}", self.node, self.life)
    }
}
