//! Whether the node has found its peers.

use crate::peer::Paths;
use core::time::Duration;
use rain_cluster::NodeId;
use std::time::Instant;

/// Since when this node runs.
#[derive(Debug)]
pub struct Liveness {
    started: Instant,
}

impl Default for Liveness {
    /// It runs from now on.
    fn default() -> Self {
        Self { started: Instant::now() }
    }
}

impl Liveness {
    /// Whether every peer was reached, or tried for 2 s.
    pub fn is_settled(&self, others: &[NodeId], paths: &Paths) -> bool {
        self.started.elapsed() > Duration::from_secs(2) || others.iter().all(|node| paths.is_up(*node) == Some(true))
    }

    /// Whether the node has had ten seconds to find its peers.
    pub fn is_old(&self) -> bool {
        self.started.elapsed() > Duration::from_secs(10)
    }
}
