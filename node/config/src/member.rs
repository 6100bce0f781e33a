//! What a configuration says of the node, of the others, and of the demo that it may be part of.

use rain_cluster::NodeId;
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// One of the node's network interfaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// The switch it is plugged into.
    pub switch: String,
    /// Where the node listens for its peers.
    pub address: SocketAddr,
    /// Where they reach it, if that is another address.
    pub reached_at: Option<SocketAddr>,
}

/// A node of the cluster, this one included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its name: a label, which may change.
    pub name: String,
    /// Who it is: minted once.
    pub id: NodeId,
    /// Where players reach it.
    pub http: String,
    /// Where this node reaches it, by switch; empty for this node itself.
    pub addresses: BTreeMap<String, SocketAddr>,
}

/// By what a reader knows that bytes which peers send are those of their columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VerifyReads {
    /// By their seals: whatever disks, memories and networks do to them is found. A member that lies is believed.
    Crc,
    /// Besides by the root of the column that the manifest names: such a member is found too.
    Hash,
}

/// What a node of a demo knows of the demo.
#[derive(Debug, Clone, PartialEq)]
pub struct DemoMember {
    /// The supervisor's URL: it carries out what `POST /api/v1/faults` asks for.
    pub supervisor: String,
    /// Wrong verdicts "down" on paths that are up, per second: being wrong must be cheap.
    pub false_downs_per_second: f64,
    /// The seed of what is random in the demo.
    pub seed: u64,
}
