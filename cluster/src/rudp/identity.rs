//! Who a node is to its peers.

use crate::version::NodeId;

/// Who a node is, this time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// Which cluster: frames of others are dropped.
    pub cluster: u64,
    /// Which node.
    pub node: NodeId,
    /// Higher at every start of the node, never 0.
    pub incarnation: u64,
}
