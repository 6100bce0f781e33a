//! How nodes and switches are wired, and the ways through the switches that live.
//!
//! Switches, nodes and links are numbered from 0, each kind by itself.
//!
//! `LeMahieu`, Bohossian, Bruck, "Fault-Tolerant Switched Local Area Networks" (IPPS 1998).

mod routes;

pub use routes::{Living, Routes};

/// A cable between a node and a switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attachment {
    /// The node.
    pub node: usize,
    /// The switch.
    pub switch: usize,
}

/// Which cables there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topology {
    /// How many switches.
    pub switches: usize,
    /// The cables between switches.
    pub switch_links: Vec<[usize; 2]>,
    /// How many nodes.
    pub nodes: usize,
    /// The cables between nodes and switches, those of a node in a row.
    pub attachments: Vec<Attachment>,
}

impl Topology {
    /// Every node plugged into every switch; the switches know nothing of each other.
    pub fn every_node_on_every_switch(nodes: usize, switches: usize) -> Self {
        let attachments = (0..nodes).flat_map(|node| (0..switches).map(move |switch| Attachment { node, switch }));
        Self { switches, switch_links: Vec::new(), nodes, attachments: attachments.collect() }
    }

    /// The diameter construction: `count` switches in a ring, and as many nodes, each on two switches that lie as far
    /// from each other as can be, and one further. No three faults strand more than three nodes, however long the ring:
    /// the others still reach each other, if nodes pass on what comes in by one of their cables.
    ///
    /// # Panics
    /// With fewer than three switches, which make no ring.
    pub fn ring(count: usize) -> Self {
        assert!(count >= 3, "a ring of {count} switches");
        let far = count / 2 + 1;
        let attachments = (0..count)
            .flat_map(|node| [node, (node + far) % count].map(|switch| Attachment { node, switch }))
            .collect();
        let switch_links = (0..count).map(|switch| [switch, (switch + 1) % count]).collect();
        Self { switches: count, switch_links, nodes: count, attachments }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn switches_of(topology: &Topology, node: usize) -> Vec<usize> {
        topology.attachments.iter().filter(|found| found.node == node).map(|found| found.switch).collect()
    }

    #[test]
    fn every_node_is_on_every_switch() {
        let topology = Topology::every_node_on_every_switch(4, 2);
        assert_eq!(topology.attachments.len(), 8);
        assert!((0..4).all(|node| switches_of(&topology, node) == [0, 1]));
        assert_eq!(topology.switch_links, [[0; 2]; 0]);
    }

    #[test]
    fn a_ring_attaches_each_node_across_the_diameter() {
        let topology = Topology::ring(8);
        assert_eq!(topology.switch_links.last(), Some(&[7, 0]));
        assert_eq!(switches_of(&topology, 0), [0, 5]);
        assert_eq!(switches_of(&topology, 4), [4, 1]);
        for switch in 0..8 {
            let nodes = topology.attachments.iter().filter(|found| found.switch == switch).count();
            let neighbours = topology.switch_links.iter().filter(|link| link.contains(&switch)).count();
            assert_eq!((nodes, neighbours), (2, 2), "switch {switch}");
        }
    }
}
