//! Who had better not be asked for columns, and whether the node has found its peers.

use super::Node;
use crate::peer::Paths;
use core::time::Duration;
use rain_cluster::NodeId;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// After a node let a reader down, other columns are taken first for so long.
const SUSPICION: Duration = Duration::from_secs(2);

/// Which nodes let readers down, and since when this node runs.
#[derive(Debug)]
pub struct Liveness {
    /// When each node did so last; `None` of one that never did.
    suspected: Mutex<BTreeMap<NodeId, Option<Instant>>>,
    started: Instant,
}

impl Liveness {
    /// Nobody is suspected.
    pub fn new(nodes: impl IntoIterator<Item = NodeId>) -> Self {
        let suspected = nodes.into_iter().map(|node| (node, None)).collect();
        Self { suspected: Mutex::new(suspected), started: Instant::now() }
    }

    /// Notes that a column of this node did not come in time.
    pub fn suspect(&self, node: NodeId) {
        let mut suspected = self.suspected.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(since) = suspected.get_mut(&node) {
            *since = Some(Instant::now());
        }
    }

    /// Whether columns of this node had better be taken elsewhere for now.
    pub fn is_suspected(&self, node: NodeId) -> bool {
        let suspected = self.suspected.lock().unwrap_or_else(PoisonError::into_inner);
        suspected.get(&node).copied().flatten().is_some_and(|since| since.elapsed() < SUSPICION)
    }

    /// Whether any node is suspected.
    pub fn any_suspected(&self) -> bool {
        let suspected = self.suspected.lock().unwrap_or_else(PoisonError::into_inner);
        suspected.values().flatten().any(|since| since.elapsed() < SUSPICION)
    }

    /// Whether every peer was reached, or tried for 2 s.
    pub fn is_settled(&self, others: &[NodeId], paths: &Paths) -> bool {
        self.started.elapsed() > Duration::from_secs(2) || others.iter().all(|node| paths.is_up(*node) == Some(true))
    }

    /// Whether the node has had ten seconds to find its peers.
    pub fn is_old(&self) -> bool {
        self.started.elapsed() > Duration::from_secs(10)
    }
}

impl Node {
    /// Whether columns of another node had better be taken elsewhere for now.
    pub(super) fn is_doubtful(&self, node: NodeId) -> bool {
        self.liveness.is_suspected(node) || self.peers.paths.is_up(node) == Some(false)
    }
}
