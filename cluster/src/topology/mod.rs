//! How nodes and switches are wired, the ways through the switches that live, and the worst that the loss of parts can do.
//!
//! Switches, nodes and links are numbered from 0, each kind by itself.
//!
//! | file | what |
//! |---|---|
//! | `construction` | the papers' constructions |
//! | `part` | what can be lost, and what works |
//! | `pieces` | what a topology falls into, and when that is a partition |
//! | `loss` | every set of so many lost parts, and the worst of them |
//! | `survey` | every other wiring beside the constructions |
//! | `routes` | the next switch on the way |
//!
//! `LeMahieu`, Bohossian, Bruck, "Fault-Tolerant Switched Local Area Networks" (IPPS 1998).

mod bits;
mod construction;
mod loss;
mod part;
mod pieces;
mod routes;
mod survey;
#[cfg(test)]
mod tests;

pub use construction::{Construction, ConstructionError, TopologyParameters, diameter_offsets};
pub use loss::{Loss, LossSearch, PLACES_MAX, Worst};
pub use part::{Living, LossKind, Part};
pub use pieces::{Cohesion, Pieces};
pub use routes::Routes;
pub use survey::{Badness, WiringSurvey, badness, first_nodes, offset_choices, survey};

/// A cable between a node and a switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attachment {
    /// The node.
    pub node: usize,
    /// The switch.
    pub switch: usize,
}

/// Which cables there are. No two of them have the same ends.
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
