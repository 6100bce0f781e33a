//! The cluster as one of its nodes sees it.

use super::caller::{Caller, Demand};
use super::health::outside;
use super::reply::json;
use super::router::{Answer, Room, is_read};
use super::{ApiError, RequestBody};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use hyper::{Method, Request};
use rain_node::Node;
use rain_node::peer::{ClockReport, PathReport};
use rain_node::store::StoreSpace;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A node, as `GET /api/v1/cluster` tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeReport {
    /// Its name.
    pub name: String,
    /// `up`, `down`, `hung` or `unknown`.
    pub state: String,
    /// Where players reach it.
    pub http: String,
    /// Its process; in the demo only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
}

/// A switch, as `GET /api/v1/cluster` tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SwitchReport {
    /// Its name: `s1`.
    pub name: String,
    /// `up`, `down` or `unknown`.
    pub state: String,
}

/// A link, as `GET /api/v1/cluster` tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkReport {
    /// Its name: `A-s1`, or `s1-s2` between switches.
    pub name: String,
    /// Its node; null between switches.
    pub node: Option<String>,
    /// Its switch.
    pub switch: String,
    /// The other switch, of a link between switches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// `up`, `down` or `unknown`.
    pub state: String,
}

/// The cluster, as `GET /api/v1/cluster` tells it.
#[derive(Debug, Clone, Serialize)]
pub struct ClusterReport {
    /// Its nodes.
    pub nodes: Vec<NodeReport>,
    /// Its switches.
    pub switches: Vec<SwitchReport>,
    /// What ties nodes to switches, and switches to each other.
    pub links: Vec<LinkReport>,
    /// The node that answers; null where the demo's supervisor does.
    pub observer: Option<String>,
    /// Why that node has no part in the cluster, where it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outside: Option<String>,
    /// What that node observes.
    pub paths: Vec<PathReport>,
    /// When the thread that watches its paths was held up lately: when its timer was due and when it woke, in microseconds
    /// of the machine's monotonic clock, the newest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub held_up_us: Vec<[u64; 2]>,
    /// The room on that node's disk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk: Option<StoreSpace>,
    /// The clocks of its peers, and whether its own is off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clocks: Option<ClockReport>,
    /// Whether `POST /api/v1/faults` cuts and heals its parts: in a demo.
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    pub faults: bool,
}

/// The room of the cluster.
pub(super) struct ClusterRoom(pub(super) Arc<Node>);

impl Room for ClusterRoom {
    fn takes(&self, method: &Method, path: &str) -> bool {
        is_read(method) && path == "/api/v1/cluster"
    }

    fn demand(&self, _: &Method, _: &str) -> Result<Demand, ApiError> {
        Ok(Demand::Nothing)
    }

    fn answer(&self, _: Caller, _: Request<RequestBody>) -> BoxFuture<'_, Answer> {
        async { Ok(json(&cluster(&self.0))) }.boxed()
    }
}

/// The answering node's inference from its own paths.
pub(super) fn cluster(node: &Node) -> ClusterReport {
    let paths = node.peers.paths.reports();
    let state = |up: Option<bool>| match up {
        Some(true) => "up".to_owned(),
        Some(false) => "down".to_owned(),
        None => "unknown".to_owned(),
    };
    let mut switches = Vec::new();
    let mut links = Vec::new();
    let link = |name: &str, switch: &str, state: String| LinkReport {
        name: format!("{name}-{switch}"),
        node: Some(name.to_owned()),
        switch: switch.to_owned(),
        to: None,
        state,
    };
    for interface in &node.config.interfaces {
        let switch = interface.switch.as_str();
        let over: Vec<_> = paths.iter().filter(|path| path.switch.as_deref() == Some(switch)).collect();
        let up = over.iter().any(|path| path.state == "up");
        // With every path over it down, it may be the switch, this node's link, or all the others.
        let of_switch = if up { Some(true) } else { None };
        switches.push(SwitchReport { name: switch.to_owned(), state: state(of_switch) });
        links.push(link(&node.config.me().name, switch, state(of_switch)));
        for path in over {
            let of_link = if up { Some(path.state == "up") } else { None };
            links.push(link(&path.to, switch, state(of_link)));
        }
    }
    let roster = node.roster();
    let nodes = roster.by_name().into_iter().map(|member| {
        let up = if member.id == node.config.id { Some(true) } else { node.peers.paths.is_up(member.id) };
        NodeReport { name: member.name.clone(), state: state(up), http: member.http.clone(), pid: None }
    });
    let observer = Some(node.config.me().name.clone());
    let held_up_us = node.peers.paths.held_up_us();
    let faults = node.config.demo.is_some();
    let (disk, clocks) = (node.store.space().ok(), Some(node.peers.clocks.report()));
    let outside = outside(node);
    ClusterReport {
        nodes: nodes.collect(),
        switches,
        links,
        observer,
        outside,
        paths,
        held_up_us,
        disk,
        clocks,
        faults,
    }
}
