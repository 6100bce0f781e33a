//! Which nodes hold a title, and the write and read quorums.

use crate::version::NodeId;

/// The quorums of a code's columns (DESIGN 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quorum {
    columns: usize,
    data_columns: usize,
}

impl Quorum {
    /// The quorums of a code with `columns` columns, any `data_columns` of which give the data back.
    ///
    /// # Panics
    /// When `data_columns` is zero or exceeds `columns`.
    pub fn new(columns: usize, data_columns: usize) -> Self {
        assert!((1..=columns).contains(&data_columns), "{data_columns} of {columns} columns");
        Self { columns, data_columns }
    }

    /// Columns of the code: n.
    pub fn columns(self) -> usize {
        self.columns
    }

    /// Columns that give the data back: k.
    pub fn data_columns(self) -> usize {
        self.data_columns
    }

    /// W = min(n, max(k + 1, floor(n / 2) + 1)): so many columns and marks are durable before a PUT is acknowledged.
    /// More than half, so that two conditional PUTs cannot both win; more than k, so that one more loss is survived.
    pub fn write(self) -> usize {
        self.columns.min((self.data_columns + 1).max(self.columns / 2 + 1))
    }

    /// R = n - W + 1: any R nodes include one that marked an acknowledged version.
    pub fn read(self) -> usize {
        self.columns - self.write() + 1
    }
}

/// The nodes that hold a title, in the order of its columns: node `i` of the placement holds column `i`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    nodes: Vec<NodeId>,
    quorum: Quorum,
}

impl Placement {
    /// The first n nodes of the title's rendezvous order (highest random weight).
    /// Source: Thaler and Ravishankar, "Using name-based mappings to increase hit rates" (IEEE/ACM Transactions on Networking 6(1), 1998).
    ///
    /// # Panics
    /// When the cluster has fewer nodes than the code has columns; the configuration is checked for that.
    pub fn of(title: &str, cluster: &[NodeId], quorum: Quorum) -> Self {
        assert!(cluster.len() >= quorum.columns(), "{} nodes for {} columns", cluster.len(), quorum.columns());
        let mut nodes = cluster.to_vec();
        nodes.sort_by_key(|node| (core::cmp::Reverse(weight(title, *node)), *node));
        nodes.truncate(quorum.columns());
        Self { nodes, quorum }
    }

    /// The nodes, by column.
    pub fn nodes(&self) -> &[NodeId] {
        &self.nodes
    }

    /// The quorums among them.
    pub fn quorum(&self) -> Quorum {
        self.quorum
    }

    /// Which column `node` holds, if any.
    pub fn column_of(&self, node: NodeId) -> Option<usize> {
        self.nodes.iter().position(|other| *other == node)
    }
}

/// The weight of a node for a title: FNV-1a over the title, then the node, stirred by the finaliser of `SplitMix64`.
/// Part of the storage format: changing it moves every column.
fn weight(title: &str, node: NodeId) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in title.bytes().chain(node.0.to_le_bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quorums_of_the_design() {
        // (n, k, W, R): two parities give W = n - 1 and R = 2.
        for (columns, data_columns, write, read) in [
            (4, 2, 3, 2),
            (6, 4, 5, 2),
            (12, 10, 11, 2),
            (5, 3, 4, 2),
            (3, 1, 2, 2),
            (6, 1, 4, 3),
            (3, 2, 3, 1),
            (2, 2, 2, 1),
        ] {
            let quorum = Quorum::new(columns, data_columns);
            assert_eq!((quorum.write(), quorum.read()), (write, read), "{columns} columns, {data_columns} of data");
            assert!(quorum.write() + quorum.read() > columns);
        }
    }

    #[test]
    fn a_removed_node_moves_only_its_own_columns() {
        let quorum = Quorum::new(4, 2);
        let six: Vec<_> = (0..6).map(NodeId).collect();
        let five: Vec<_> = (0..5).map(NodeId).collect();
        for index in 0..200 {
            let title = format!("title {index}");
            let before = Placement::of(&title, &six, quorum);
            let after = Placement::of(&title, &five, quorum);
            let kept: Vec<_> = before.nodes().iter().filter(|node| node.0 < 5).collect();
            assert!(kept.iter().all(|node| after.nodes().contains(node)), "{title}");
        }
    }

    #[test]
    fn titles_spread_evenly() {
        let nodes: Vec<_> = (0..6).map(NodeId).collect();
        let mut first = [0_u32; 6];
        for index in 0..6000 {
            let placement = Placement::of(&format!("t{index}"), &nodes, Quorum::new(4, 2));
            first[placement.nodes()[0].0 as usize] += 1;
        }
        assert!(first.iter().all(|count| (850..1150).contains(count)), "{first:?}");
    }
}
