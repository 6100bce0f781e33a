//! The constructions of the papers: how switches are joined, and to which of them the nodes go.

use super::loss::PLACES_MAX;
use super::{Attachment, Topology};

/// A way to wire switches and nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Construction {
    /// Switches in a ring, each node as far from itself as can be: [`diameter_offsets`].
    Diameter,
    /// Switches in a ring, each node on neighbours.
    Naive,
    /// Switches in a ring, each node on the switches at these distances from its first one, which is at distance 0.
    Offsets(Vec<usize>),
    /// Every two switches joined; a node for each set of as many switches as a node has ports.
    Clique,
    /// Switches that know nothing of each other; every node on every one.
    Rails,
}

/// What is asked of a construction. What is left open follows from the rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopologyParameters {
    /// Which.
    pub construction: Construction,
    /// How many switches.
    pub switches: usize,
    /// How many nodes; as many as the switches have ports for, where neither is named one layer.
    pub nodes: Option<usize>,
    /// Ports of a node; two, and on rails one for each switch.
    pub node_degree: Option<usize>,
    /// Ports of a switch, for nodes and for other switches; as many as are needed.
    pub switch_degree: Option<usize>,
}

/// Why there is no such topology.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConstructionError {
    /// Too few or too many switches.
    #[error("switches: found {found}, expected {least} to {PLACES_MAX}")]
    Switches {
        /// What was asked for.
        found: usize,
        /// The least that this construction needs.
        least: usize,
    },
    /// Too few or too many nodes.
    #[error("nodes: found {found}, expected 1 to {PLACES_MAX}")]
    Nodes {
        /// What was asked for, or follows.
        found: usize,
    },
    /// A node cannot have so many ports.
    #[error("node degree: found {found}, expected {least} to {most}")]
    NodeDegree {
        /// What was asked for.
        found: usize,
        /// The least that this construction allows.
        least: usize,
        /// The most, given its switches.
        most: usize,
    },
    /// The switches have too few ports.
    #[error("switch degree: found {found}, expected at least {needed}, which switch {} of {switches} needs", switch + 1)]
    SwitchDegree {
        /// What was asked for.
        found: usize,
        /// What the fullest switch needs.
        needed: usize,
        /// That switch.
        switch: usize,
        /// How many switches there are.
        switches: usize,
    },
    /// The distances of a node's switches are not those of different switches.
    #[error("offsets: found {found:?}, expected different numbers below {switches}, 0 the first")]
    Offsets {
        /// What was asked for.
        found: Vec<usize>,
        /// How many switches there are.
        switches: usize,
    },
}

/// The distances, on a ring of so many switches, of the switches of a node in the diameter construction: 0, and for each
/// further port j the next beyond j/`degree` of the ring.
///
/// Source: `LeMahieu`, Bohossian, Bruck 1998, construction 1 for two ports, and its generalisation.
pub fn diameter_offsets(switches: usize, degree: usize) -> Vec<usize> {
    let spread = |port: usize| if port == 0 { 0 } else { port * switches / degree + 1 };
    // A node on every switch has no choice; the rule above would go once round.
    (0..degree).map(|port| if degree >= switches { port } else { spread(port) }).collect()
}

impl TopologyParameters {
    /// Wires switches and nodes.
    ///
    /// # Errors
    /// When there is no such topology, or it is beyond the bounds.
    pub fn build(&self) -> Result<Topology, ConstructionError> {
        let least = match self.construction {
            Construction::Diameter | Construction::Naive | Construction::Offsets(_) => 3,
            Construction::Clique => 2,
            Construction::Rails => 1,
        };
        if !(least..=PLACES_MAX).contains(&self.switches) {
            return Err(ConstructionError::Switches { found: self.switches, least });
        }
        let topology = match &self.construction {
            Construction::Diameter => self.ring(&diameter_offsets(self.switches, self.degree(1, self.switches)?))?,
            Construction::Naive => self.ring(&(0..self.degree(1, self.switches)?).collect::<Vec<_>>())?,
            Construction::Offsets(offsets) => {
                self.check_offsets(offsets)?;
                self.ring(offsets)?
            }
            Construction::Clique => self.clique(self.degree(1, self.switches)?)?,
            Construction::Rails => {
                self.degree_or(self.switches, self.switches, self.switches)?;
                let nodes = self.checked_nodes(|| self.switch_degree.unwrap_or(DEFAULT_NODES_ON_RAILS))?;
                Topology::every_node_on_every_switch(nodes, self.switches)
            }
        };
        self.check_ports(&topology)?;
        Ok(topology)
    }

    fn degree(&self, least: usize, most: usize) -> Result<usize, ConstructionError> {
        self.degree_or(DEFAULT_NODE_DEGREE, least, most)
    }

    fn degree_or(&self, otherwise: usize, least: usize, most: usize) -> Result<usize, ConstructionError> {
        let found = self.node_degree.unwrap_or(otherwise);
        if (least..=most).contains(&found) {
            Ok(found)
        } else {
            Err(ConstructionError::NodeDegree { found, least, most })
        }
    }

    fn check_offsets(&self, offsets: &[usize]) -> Result<(), ConstructionError> {
        let is_new = |(place, offset): (usize, &usize)| !offsets[..place].contains(offset);
        let sound = offsets.first() == Some(&0)
            && offsets.iter().all(|offset| *offset < self.switches)
            && offsets.iter().enumerate().all(is_new);
        if !sound {
            return Err(ConstructionError::Offsets { found: offsets.to_vec(), switches: self.switches });
        }
        match self.node_degree {
            Some(found) if found != offsets.len() => {
                Err(ConstructionError::NodeDegree { found, least: offsets.len(), most: offsets.len() })
            }
            _ => Ok(()),
        }
    }

    fn checked_nodes(&self, otherwise: impl Fn() -> usize) -> Result<usize, ConstructionError> {
        let found = self.nodes.unwrap_or_else(otherwise);
        if (1..=PLACES_MAX).contains(&found) { Ok(found) } else { Err(ConstructionError::Nodes { found }) }
    }

    /// As many layers of nodes as the switches have ports for beside the `joining` ones; one where nothing is said. At
    /// least one, so that too few ports are found to be too few.
    fn layers(&self, joining: usize, of_layer: usize) -> usize {
        self.switch_degree.map_or(1, |ports| (ports.saturating_sub(joining) / of_layer).max(1))
    }

    fn ring(&self, offsets: &[usize]) -> Result<Topology, ConstructionError> {
        let nodes = self.checked_nodes(|| self.switches * self.layers(2, offsets.len()))?;
        Ok(Topology::ring_with_offsets(self.switches, offsets, nodes))
    }

    fn clique(&self, degree: usize) -> Result<Topology, ConstructionError> {
        let homes = subsets(self.switches, degree, PLACES_MAX + 1);
        // Each switch is in so many of the sets.
        let of_switch = homes.len() * degree / self.switches;
        let nodes = self.checked_nodes(|| homes.len() * self.layers(self.switches - 1, of_switch.max(1)))?;
        let attachments = (0..nodes)
            .flat_map(|node| homes[node % homes.len()].iter().map(move |switch| Attachment { node, switch: *switch }));
        let links = (0..self.switches).flat_map(|one| (one + 1..self.switches).map(move |other| [one, other]));
        Ok(Topology {
            switches: self.switches,
            switch_links: links.collect(),
            nodes,
            attachments: attachments.collect(),
        })
    }

    fn check_ports(&self, topology: &Topology) -> Result<(), ConstructionError> {
        let Some(found) = self.switch_degree else { return Ok(()) };
        let fullest = (0..topology.switches).rev().max_by_key(|switch| topology.ports_of(*switch));
        match fullest.map(|switch| (switch, topology.ports_of(switch))) {
            Some((switch, needed)) if needed > found => {
                Err(ConstructionError::SwitchDegree { found, needed, switch, switches: self.switches })
            }
            _ => Ok(()),
        }
    }
}

const DEFAULT_NODE_DEGREE: usize = 2;
const DEFAULT_NODES_ON_RAILS: usize = 4;

/// The sets of `chosen` numbers below `count`, in order, and no more than `most` of them.
fn subsets(count: usize, chosen: usize, most: usize) -> Vec<Vec<usize>> {
    let mut all = Vec::new();
    let mut set: Vec<usize> = (0..chosen).collect();
    loop {
        all.push(set.clone());
        let place = (0..chosen).rev().find(|place| set[*place] < count - chosen + place);
        let Some(place) = place.filter(|_| all.len() < most) else { return all };
        let first = set[place] + 1;
        for (offset, number) in set[place..].iter_mut().enumerate() {
            *number = first + offset;
        }
    }
}

impl Topology {
    /// Every node plugged into every switch; the switches know nothing of each other.
    pub fn every_node_on_every_switch(nodes: usize, switches: usize) -> Self {
        let attachments = (0..nodes).flat_map(|node| (0..switches).map(move |switch| Attachment { node, switch }));
        Self { switches, switch_links: Vec::new(), nodes, attachments: attachments.collect() }
    }

    /// Switches in a ring; node i on the switches at these distances from switch i, going round again where there are
    /// more nodes than switches.
    ///
    /// # Panics
    /// With fewer than three switches, which make no ring.
    pub fn ring_with_offsets(switches: usize, offsets: &[usize], nodes: usize) -> Self {
        assert!(switches >= 3, "a ring of {switches} switches");
        let attachments = (0..nodes)
            .flat_map(|node| offsets.iter().map(move |offset| Attachment { node, switch: (node + offset) % switches }));
        let switch_links = (0..switches).map(|switch| [switch, (switch + 1) % switches]).collect();
        Self { switches, switch_links, nodes, attachments: attachments.collect() }
    }

    /// The diameter construction: `count` switches in a ring, and as many nodes, each on two switches that lie as far
    /// from each other as can be, and one further. No three faults strand more than three nodes, however long the ring:
    /// the others still reach each other, if nodes pass on what comes in by one of their cables.
    ///
    /// # Panics
    /// With fewer than three switches, which make no ring.
    pub fn ring(count: usize) -> Self {
        Self::ring_with_offsets(count, &diameter_offsets(count, DEFAULT_NODE_DEGREE), count)
    }

    /// How many ports of a switch are in use.
    pub fn ports_of(&self, switch: usize) -> usize {
        let links = self.switch_links.iter().filter(|link| link.contains(&switch)).count();
        links + self.attachments.iter().filter(|cable| cable.switch == switch).count()
    }

    /// Two nodes without a switch in common, the first such; `None` where every two share one. Only then can the topology
    /// become a laboratory, whose switches are bridges and whose nodes pass nothing on: every two nodes must reach each
    /// other over a single switch.
    pub fn nodes_apart(&self) -> Option<[usize; 2]> {
        let switches = |node: usize| self.attachments.iter().filter(move |cable| cable.node == node);
        let share = |one, other| switches(one).any(|cable| switches(other).any(|found| found.switch == cable.switch));
        let pairs = (0..self.nodes).flat_map(|one| (one + 1..self.nodes).map(move |other| [one, other]));
        pairs.into_iter().find(|[one, other]| !share(*one, *other))
    }
}
