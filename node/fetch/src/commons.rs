//! What all fetches of one shard have in common: the pace and the standing of the nodes, and the budget for hedges.

use super::{HedgeBudget, Pace};
use core::time::Duration;
use rain_cluster::{NodeId, Time};
use std::collections::BTreeMap;

/// After a node let a reader down, other columns are taken first for so long.
const SUSPICION: Duration = Duration::from_secs(2);

/// What is known of one node.
#[derive(Debug, Clone, Copy, Default)]
struct Standing {
    pace: Pace,
    /// When it last let a reader down.
    suspected: Option<Time>,
    /// No path leads to it.
    unreachable: bool,
    /// Of its pings, over the nearest path.
    round_trip: Duration,
}

/// What fetches share. Each shard has its own: their budgets keep the promise together, without a word between them.
#[derive(Debug, Clone)]
pub struct Commons {
    pub(crate) budget: HedgeBudget,
    nodes: BTreeMap<NodeId, Standing>,
    path_down: bool,
}

impl Commons {
    /// Of these nodes nothing is known yet. The budget is that of one of `shards`.
    pub fn new(nodes: impl IntoIterator<Item = NodeId>, shards: u32) -> Self {
        let nodes = nodes.into_iter().map(|node| (node, Standing::default())).collect();
        Self { budget: HedgeBudget::part_of(shards), nodes, path_down: false }
    }

    /// From now on these are the nodes: of those that are new nothing is known yet.
    pub fn set_nodes(&mut self, nodes: impl IntoIterator<Item = NodeId>) {
        let known = |node: NodeId| (node, self.nodes.get(&node).copied().unwrap_or_default());
        self.nodes = nodes.into_iter().map(known).collect();
    }

    /// Notes whether any path is down, and to which nodes none leads.
    pub fn set_paths(&mut self, any_down: bool, is_unreachable: impl Fn(NodeId) -> bool) {
        self.path_down = any_down;
        for (node, standing) in &mut self.nodes {
            standing.unreachable = is_unreachable(*node);
        }
    }

    /// Notes that a node let a reader down; one that is not known is none.
    pub fn suspect(&mut self, now: Time, node: NodeId) {
        if let Some(standing) = self.nodes.get_mut(&node) {
            standing.suspected = Some(now);
        }
    }

    /// Whether columns of a node had better be taken elsewhere for now.
    pub fn is_doubtful(&self, now: Time, node: NodeId) -> bool {
        self.nodes.get(&node).is_some_and(|standing| standing.unreachable || standing.is_suspected(now))
    }

    /// Whether something is amiss: a path is down, or a node let a reader down lately.
    pub fn is_amiss(&self, now: Time) -> bool {
        self.path_down || self.nodes.values().any(|standing| standing.is_suspected(now))
    }

    /// Notes how far away the nodes are: the round trips of their pings.
    pub fn set_round_trips(&mut self, round_trip: impl Fn(NodeId) -> Duration) {
        for (node, standing) in &mut self.nodes {
            standing.round_trip = round_trip(*node);
        }
    }

    pub(crate) fn round_trip(&self, node: NodeId) -> Duration {
        self.nodes.get(&node).copied().unwrap_or_default().round_trip
    }

    /// An answer of the node without progress for so long is late: by its pace, and because a first answer may need a new
    /// connection.
    pub(crate) fn late_after(&self, node: NodeId) -> Duration {
        let standing = self.nodes.get(&node).copied().unwrap_or_default();
        standing.pace.late_after() + 2 * standing.round_trip
    }

    /// Notes the longest time without progress of an answer that came.
    pub(crate) fn note_pace(&mut self, node: NodeId, longest: Duration) {
        if let Some(standing) = self.nodes.get_mut(&node) {
            standing.pace.note(longest);
        }
    }
}

impl Standing {
    fn is_suspected(self, now: Time) -> bool {
        self.suspected.is_some_and(|since| now.since(since) < SUSPICION)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suspicion_passes_and_unreachable_nodes_stay_doubtful() {
        let mut commons = Commons::new((0..3).map(NodeId), 1);
        let at = |ms: u64| Time::from_micros(ms * 1000);
        commons.suspect(at(10), NodeId(1));
        commons.suspect(at(10), NodeId(7));
        assert!(commons.is_doubtful(at(2009), NodeId(1)) && commons.is_amiss(at(2009)));
        assert!(!commons.is_doubtful(at(2010), NodeId(1)) && !commons.is_amiss(at(2010)));
        commons.set_paths(true, |node| node == NodeId(2));
        assert!(commons.is_doubtful(at(9000), NodeId(2)) && commons.is_amiss(at(9000)));
        assert!(!commons.is_doubtful(at(9000), NodeId(7)));
    }

    #[test]
    fn who_is_far_away_is_late_later() {
        let mut commons = Commons::new((0..2).map(NodeId), 1);
        commons.set_round_trips(|node| Duration::from_millis(100 * u64::from(node.0)));
        assert_eq!(commons.late_after(NodeId(0)), Duration::from_millis(25));
        assert_eq!(commons.late_after(NodeId(1)), Duration::from_millis(225));
    }
}
