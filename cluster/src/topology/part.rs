//! The parts of a topology that can be lost, and which of them work.

use super::Topology;

/// A part that can be lost, by its number among those of its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// A switch, with what is plugged into it.
    Switch(usize),
    /// The cable between two switches.
    SwitchLink(usize),
    /// A node, also as one that passes on what is for others.
    Node(usize),
    /// The cable between a node and a switch.
    Attachment(usize),
}

/// Of which kinds the parts are that are lost together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LossKind {
    /// Switches alone.
    Switches,
    /// Cables alone, those between switches and those of nodes.
    Links,
    /// Nodes alone.
    Nodes,
    /// All of these, mixed in every way.
    Any,
}

impl Topology {
    /// The parts of a kind: switches, cables between switches, nodes, cables of nodes, each by number.
    pub fn parts(&self, kind: LossKind) -> Vec<Part> {
        let of = |kinds: &[LossKind], count: usize| if kinds.contains(&kind) { 0..count } else { 0..0 };
        let switches = of(&[LossKind::Switches, LossKind::Any], self.switches).map(Part::Switch);
        let switch_links = of(&[LossKind::Links, LossKind::Any], self.switch_links.len()).map(Part::SwitchLink);
        let nodes = of(&[LossKind::Nodes, LossKind::Any], self.nodes).map(Part::Node);
        let attachments = of(&[LossKind::Links, LossKind::Any], self.attachments.len()).map(Part::Attachment);
        switches.chain(switch_links).chain(nodes).chain(attachments).collect()
    }
}

/// Which parts of a topology work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Living {
    /// Each switch.
    pub switches: Vec<bool>,
    /// Each cable between two switches.
    pub switch_links: Vec<bool>,
    /// Each node.
    pub nodes: Vec<bool>,
    /// Each cable between a node and a switch.
    pub attachments: Vec<bool>,
}

impl Living {
    /// All of a topology works.
    pub fn all(topology: &Topology) -> Self {
        Self {
            switches: vec![true; topology.switches],
            switch_links: vec![true; topology.switch_links.len()],
            nodes: vec![true; topology.nodes],
            attachments: vec![true; topology.attachments.len()],
        }
    }

    /// All of a topology works but what is lost.
    ///
    /// # Panics
    /// When a part is not of this topology.
    pub fn without(topology: &Topology, lost: &[Part]) -> Self {
        let mut living = Self::all(topology);
        for part in lost {
            living.set(*part, false);
        }
        living
    }

    /// Whether a part works.
    ///
    /// # Panics
    /// When the part is not of this topology.
    pub fn works(&self, part: Part) -> bool {
        match part {
            Part::Switch(switch) => self.switches[switch],
            Part::SwitchLink(link) => self.switch_links[link],
            Part::Node(node) => self.nodes[node],
            Part::Attachment(attachment) => self.attachments[attachment],
        }
    }

    /// Loses a part or gives it back; returns whether that changed anything.
    ///
    /// # Panics
    /// When the part is not of this topology.
    pub fn set(&mut self, part: Part, works: bool) -> bool {
        let found = match part {
            Part::Switch(switch) => &mut self.switches[switch],
            Part::SwitchLink(link) => &mut self.switch_links[link],
            Part::Node(node) => &mut self.nodes[node],
            Part::Attachment(attachment) => &mut self.attachments[attachment],
        };
        core::mem::replace(found, works) != works
    }
}
