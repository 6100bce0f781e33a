//! What a topology falls into when parts of it are lost.

use super::bits::Bits;
use super::{Living, Part, Topology};
use core::cmp::Reverse;

/// How the nodes of a topology hang together. Two nodes are of one piece when a way leads from the one to the other
/// over working cables, switches and nodes: nodes pass on what is for others. A node without any working way is a piece
/// by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cohesion {
    /// Nodes that live.
    pub live: usize,
    /// Live nodes of the biggest piece.
    pub biggest: usize,
    /// Live nodes of the second biggest piece, 0 where there is only one.
    pub second: usize,
}

impl Cohesion {
    /// Live nodes outside the biggest piece.
    pub fn stranded(self) -> usize {
        self.live - self.biggest
    }

    /// Whether the cluster is partitioned. The live nodes hold together when there is exactly one piece of more than one
    /// node and at least half of the live nodes are in it: every other live node is alone, and cannot take itself for a
    /// cluster. One live node, or none, has nobody to be parted from.
    pub fn is_partitioned(self) -> bool {
        let held = self.second <= 1 && self.biggest > 1 && 2 * self.biggest >= self.live;
        self.live > 1 && !held
    }

    /// Counts one piece more, of `nodes` nodes.
    fn add_piece(&mut self, nodes: usize) {
        self.second = self.second.max(nodes.min(self.biggest));
        self.biggest = self.biggest.max(nodes);
    }
}

/// The pieces of a topology, by their members: the one with the most nodes first, of equal ones that of the node with the
/// lowest number. Pieces without nodes are the last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pieces {
    /// The piece of each node; `None` when it is lost.
    pub of_nodes: Vec<Option<usize>>,
    /// The piece of each switch; `None` when it is lost.
    pub of_switches: Vec<Option<usize>>,
    /// How many nodes each piece has.
    pub sizes: Vec<usize>,
}

impl Pieces {
    /// Finds the pieces of what lives.
    ///
    /// # Panics
    /// When `living` is not of this topology.
    pub fn new(topology: &Topology, living: &Living) -> Self {
        // Nodes come first, then switches; each points at another one of its piece, or at itself.
        let mut parents: Vec<usize> = (0..topology.nodes + topology.switches).collect();
        let mut join = |one: usize, other: usize| {
            let (one, other) = (root(&parents, one), root(&parents, other));
            parents[one.max(other)] = one.min(other);
        };
        for (link, works) in topology.switch_links.iter().zip(&living.switch_links) {
            if *works && link.iter().all(|switch| living.switches[*switch]) {
                join(topology.nodes + link[0], topology.nodes + link[1]);
            }
        }
        for (cable, works) in topology.attachments.iter().zip(&living.attachments) {
            if *works && living.nodes[cable.node] && living.switches[cable.switch] {
                join(cable.node, topology.nodes + cable.switch);
            }
        }
        let lives = |place: usize| {
            if place < topology.nodes { living.nodes[place] } else { living.switches[place - topology.nodes] }
        };
        let mut roots: Vec<(usize, usize)> = Vec::new();
        for place in (0..parents.len()).filter(|place| lives(*place) && root(&parents, *place) == *place) {
            let size = (0..topology.nodes).filter(|node| lives(*node) && root(&parents, *node) == place).count();
            roots.push((size, place));
        }
        roots.sort_by_key(|(size, place)| (Reverse(*size), *place));
        let piece = |place: usize| {
            let own = root(&parents, place);
            if lives(place) { roots.iter().position(|(_, place)| *place == own) } else { None }
        };
        Self {
            of_nodes: (0..topology.nodes).map(piece).collect(),
            of_switches: (topology.nodes..parents.len()).map(piece).collect(),
            sizes: roots.iter().map(|(size, _)| *size).collect(),
        }
    }

    /// How the nodes hang together.
    pub fn cohesion(&self) -> Cohesion {
        let mut cohesion = Cohesion { live: self.sizes.iter().sum(), ..Cohesion::default() };
        for size in &self.sizes {
            cohesion.add_piece(*size);
        }
        cohesion
    }
}

fn root(parents: &[usize], mut place: usize) -> usize {
    while parents[place] != place {
        place = parents[place];
    }
    place
}

/// A topology of at most 64 × `WORDS` switches and as many nodes, of which parts are lost and given back, to be looked at
/// millions of times.
#[derive(Debug, Clone)]
pub(super) struct Wounded<'topology, const WORDS: usize> {
    topology: &'topology Topology,
    switches: Bits<WORDS>,
    nodes: Bits<WORDS>,
    /// For each switch those at the other ends of its working cables.
    neighbours: Vec<Bits<WORDS>>,
    /// For each switch the nodes on its working cables.
    nodes_of: Vec<Bits<WORDS>>,
    /// For each node the switches on its working cables.
    switches_of: Vec<Bits<WORDS>>,
}

impl<'topology, const WORDS: usize> Wounded<'topology, WORDS> {
    pub(super) fn unhurt(topology: &'topology Topology) -> Self {
        let mut made = Self {
            topology,
            switches: Bits::below(topology.switches),
            nodes: Bits::below(topology.nodes),
            neighbours: vec![Bits::EMPTY; topology.switches],
            nodes_of: vec![Bits::EMPTY; topology.switches],
            switches_of: vec![Bits::EMPTY; topology.nodes],
        };
        for link in 0..topology.switch_links.len() {
            made.toggle(Part::SwitchLink(link));
        }
        for attachment in 0..topology.attachments.len() {
            made.toggle(Part::Attachment(attachment));
        }
        made
    }

    /// Loses a part that works, or gives back one that is lost.
    pub(super) fn toggle(&mut self, part: Part) {
        match part {
            Part::Switch(switch) => self.switches.toggle(switch),
            Part::Node(node) => self.nodes.toggle(node),
            Part::SwitchLink(link) => {
                let [one, other] = self.topology.switch_links[link];
                self.neighbours[one].toggle(other);
                self.neighbours[other].toggle(one);
            }
            Part::Attachment(attachment) => {
                let cable = self.topology.attachments[attachment];
                self.nodes_of[cable.switch].toggle(cable.node);
                self.switches_of[cable.node].toggle(cable.switch);
            }
        }
    }

    pub(super) fn cohesion(&self) -> Cohesion {
        let mut cohesion = Cohesion { live: self.nodes.count(), ..Cohesion::default() };
        let (mut unseen, mut seen) = (self.switches, 0);
        while seen < cohesion.live
            && let Some(first) = unseen.pop()
        {
            let nodes = self.flood(first, &mut unseen);
            cohesion.add_piece(nodes);
            seen += nodes;
        }
        // Whoever is on no living switch is alone; two of them tell as much as more.
        for _ in 0..(cohesion.live - seen).min(2) {
            cohesion.add_piece(1);
        }
        cohesion
    }

    /// Takes the switches of a piece out of the unseen ones; returns how many nodes it has.
    fn flood(&self, first: usize, unseen: &mut Bits<WORDS>) -> usize {
        let (mut frontier, mut nodes) = (Bits::EMPTY, Bits::EMPTY);
        frontier.toggle(first);
        while let Some(switch) = frontier.pop() {
            let mut found = self.nodes_of[switch];
            found.keep(self.nodes);
            found.remove(nodes);
            nodes.add(found);
            let mut reached = self.neighbours[switch];
            while let Some(node) = found.pop() {
                reached.add(self.switches_of[node]);
            }
            reached.keep(*unseen);
            unseen.remove(reached);
            frontier.add(reached);
        }
        nodes.count()
    }
}
