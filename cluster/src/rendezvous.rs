//! In which order nodes are chosen for a title.

use crate::random::mix;
use crate::version::NodeId;

/// The nodes in the order of their weight for a title, highest first: the ids decide, never names or weights of
/// configuration.
/// Source: Thaler and Ravishankar, "Using name-based mappings to increase hit rates" (IEEE/ACM Transactions on Networking 6(1), 1998).
pub fn rendezvous(title: &str, nodes: &[NodeId]) -> Vec<NodeId> {
    let mut nodes = nodes.to_vec();
    nodes.sort_by_cached_key(|node| (core::cmp::Reverse(weight(title, *node)), *node));
    nodes
}

/// The weight of a node for a title: FNV-1a over the title, then the node, stirred by the finaliser of `SplitMix64`.
/// Part of the storage format: changing it moves every column.
fn weight(title: &str, node: NodeId) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in title.bytes().chain(node.0.to_le_bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    mix(hash)
}
