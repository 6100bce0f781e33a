//! The set of members of a cluster, and its quorums.

use crate::rendezvous::rendezvous;
use crate::version::NodeId;

/// Catalog nodes of a title, unless the configuration says otherwise; fewer where there are fewer members.
pub const CATALOG_NODES_DEFAULT: usize = 7;
/// Most members of a cluster.
pub const MEMBERS_MAX: usize = 64;

/// How many catalog nodes must have marked a version, and how many must be asked.
///
/// They are a property of the configuration and not of a title's code: whoever asks R of the C catalog nodes meets one
/// that marked the newest acknowledged version, whatever the codes of its versions are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quorum {
    catalog: usize,
}

impl Quorum {
    /// The quorums of `catalog` nodes: C.
    ///
    /// # Panics
    /// When there are none.
    pub fn new(catalog: usize) -> Self {
        assert!(catalog > 0, "no catalog nodes");
        Self { catalog }
    }

    /// Catalog nodes: C.
    pub fn catalog(self) -> usize {
        self.catalog
    }

    /// W = floor(C / 2) + 1: so many marks are durable before a PUT is acknowledged. More than half, so that of two
    /// conditional PUTs one at most can win.
    pub fn write(self) -> usize {
        self.catalog / 2 + 1
    }

    /// R = C - W + 1: any R catalog nodes include one that marked an acknowledged version.
    pub fn read(self) -> usize {
        self.catalog - self.write() + 1
    }
}

/// Not a set of members.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MembersError {
    /// Two members have one id.
    #[error("the id {0} twice, expected an id for each member")]
    Twice(NodeId),
    /// None, or too many.
    #[error("{found} members, expected 1 to {MEMBERS_MAX}")]
    Count {
        /// Members found.
        found: usize,
    },
    /// Another number of catalog nodes than there can be.
    #[error("{found} catalog nodes, expected 1 to {expected}, the number of members")]
    Catalog {
        /// Catalog nodes asked for.
        found: usize,
        /// Members.
        expected: usize,
    },
}

/// The members of a cluster: one value with an epoch, on which it depends who holds the catalog of a title.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Members {
    epoch: u64,
    nodes: Vec<NodeId>,
    quorum: Quorum,
}

impl Members {
    /// The set `nodes`, in any order, with `catalog` catalog nodes for each title (`None`: the usual number).
    ///
    /// # Errors
    /// [`MembersError`].
    pub fn new(epoch: u64, mut nodes: Vec<NodeId>, catalog: Option<usize>) -> Result<Self, MembersError> {
        nodes.sort_unstable();
        if let Some(twice) = nodes.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(MembersError::Twice(twice[0]));
        }
        if nodes.is_empty() || nodes.len() > MEMBERS_MAX {
            return Err(MembersError::Count { found: nodes.len() });
        }
        let catalog = catalog.unwrap_or(nodes.len().min(CATALOG_NODES_DEFAULT));
        if !(1..=nodes.len()).contains(&catalog) {
            return Err(MembersError::Catalog { found: catalog, expected: nodes.len() });
        }
        Ok(Self { epoch, nodes, quorum: Quorum::new(catalog) })
    }

    /// Grows with each change of the set.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// All members, by id.
    pub fn nodes(&self) -> &[NodeId] {
        &self.nodes
    }

    /// All members but `me`.
    pub fn others(&self, me: NodeId) -> impl Iterator<Item = NodeId> {
        self.nodes.iter().copied().filter(move |node| *node != me)
    }

    /// The quorums among the catalog nodes of a title.
    pub fn quorum(&self) -> Quorum {
        self.quorum
    }

    /// The catalog nodes of a title: the first C of its rendezvous order. They hold its marks and tombstones.
    pub fn catalog_of(&self, title: &str) -> Vec<NodeId> {
        let mut order = rendezvous(title, &self.nodes);
        order.truncate(self.quorum.catalog());
        order
    }

    /// Other members that must tell a blank node what is committed.
    ///
    /// An acknowledged version is marked on W of its C catalog nodes. So each one is seen when all members but W - 1, the
    /// asking node among the unseen, have told theirs.
    pub fn teachers(&self) -> usize {
        (self.nodes.len() + 1).saturating_sub(self.quorum.write()).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// (C, W, R), by hand.
    #[test]
    fn quorums_of_the_design() {
        for (catalog, write, read) in [(1, 1, 1), (2, 2, 1), (3, 2, 2), (4, 3, 2), (5, 3, 3), (6, 4, 3), (7, 4, 4)] {
            let quorum = Quorum::new(catalog);
            assert_eq!((quorum.write(), quorum.read()), (write, read), "{catalog} catalog nodes");
        }
    }

    #[test]
    fn mistakes_are_named() {
        let ids = |ids: &[u32]| ids.iter().copied().map(NodeId).collect::<Vec<_>>();
        assert_eq!(Members::new(0, ids(&[3, 1, 3]), None), Err(MembersError::Twice(NodeId(3))));
        assert_eq!(Members::new(0, ids(&[]), None), Err(MembersError::Count { found: 0 }));
        let many: Vec<_> = (0..65).collect();
        assert_eq!(Members::new(0, ids(&many), None), Err(MembersError::Count { found: 65 }));
        assert_eq!(Members::new(0, ids(&[1, 2]), Some(3)), Err(MembersError::Catalog { found: 3, expected: 2 }));
        let members = Members::new(5, ids(&many[..9]), None).unwrap();
        assert_eq!((members.quorum().catalog(), members.epoch(), members.teachers()), (7, 5, 6));
        assert_eq!(Members::new(0, ids(&[2, 1]), None).unwrap().nodes(), ids(&[1, 2]));
    }
}
