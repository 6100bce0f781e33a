//! `/healthz`, `/readyz` and `/metrics`: how the node is.

use super::caller::{Caller, Demand};
use super::reply::text;
use super::router::{Answer, Room, is_read};
use super::{ApiError, RequestBody};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use hyper::{Method, Request, StatusCode};
use metrics_exporter_prometheus::PrometheusHandle;
use rain_cluster::register::Role;
use rain_config::Member;
use rain_node::Node;
use std::sync::Arc;

/// The room of a node's health.
pub(super) struct HealthRoom {
    pub(super) node: Arc<Node>,
    pub(super) metrics: PrometheusHandle,
}

impl Room for HealthRoom {
    fn takes(&self, method: &Method, path: &str) -> bool {
        is_read(method) && ["/healthz", "/readyz", "/metrics"].contains(&path)
    }

    fn demand(&self, _: &Method, _: &str) -> Result<Demand, ApiError> {
        Ok(Demand::Nothing)
    }

    fn answer(&self, _: Caller, request: Request<RequestBody>) -> BoxFuture<'_, Answer> {
        let answer = match request.uri().path() {
            "/readyz" => ready(&self.node),
            "/metrics" => {
                self.node.publish();
                Ok(text(self.metrics.render()))
            }
            _ => Ok(text("ok\n")),
        };
        async move { answer }.boxed()
    }
}

/// Which nodes this one waits for, in words; `None` where it reaches all.
pub(super) fn missing(node: &Node) -> Option<String> {
    let is_missing = |member: &&Member| node.peers.paths.is_up(member.id) != Some(true);
    let roster = node.roster();
    let others = roster.by_name().into_iter().filter(|member| member.id != node.config.id);
    let names: Vec<&str> = others.filter(is_missing).map(|member| member.name.as_str()).collect();
    let why = if node.store.is_blank() { ", and a new node needs to hear from the others first" } else { "" };
    let (nodes, are) = if names.len() == 1 { ("node", "is") } else { ("nodes", "are") };
    (!names.is_empty()).then(|| format!("{nodes} {} {are} not reached{why}", names.join(", ")))
}

/// Why a node has no part in the cluster, in words, as far as it knows: it is no member any more, or nobody knows its key.
pub(super) fn outside(node: &Node) -> Option<String> {
    if let Some(told) = node.no_member() {
        return Some(told.to_string());
    }
    let is_alone = node.others().iter().all(|other| node.peers.paths.is_up(*other) != Some(true));
    let refused = node.peers.distrusted();
    (is_alone && !refused.is_empty()).then(|| {
        let (names, _): (Vec<_>, Vec<_>) = refused.into_iter().unzip();
        let me = node.config.me();
        let names = names.join(", ");
        format!(
            "{names} refused {} ({}): it may have been forgotten, `rain cluster show` of another node tells",
            me.name, me.id
        )
    })
}

/// Whether nobody counts on what a node holds, because it has joined and was not added yet.
fn is_learner(node: &Node) -> bool {
    let known = node.configuration().borrow().configuration.clone();
    let me = known.as_ref().and_then(|known| known.new.member(node.config.id));
    me.is_some_and(|me| me.role == Role::Learner)
}

fn ready(node: &Node) -> Answer {
    if let Some(told) = node.no_member() {
        return Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "no-member", told.to_string()));
    }
    // A new cluster needs a moment more; a node that waits for peers to learn from can serve what it has.
    let missing = missing(node).map(|missing| format!("; {missing}")).unwrap_or_default();
    let refusing: Vec<_> = node.peers.distrusted().into_iter().map(|(peer, why)| format!("{peer}: {why}")).collect();
    let why = if !node.liveness.is_settled(&node.others(), &node.peers.paths) {
        "not every peer was reached or tried for 2 s yet"
    } else if !refusing.is_empty() {
        let outside = outside(node).map(|why| format!("; {why}")).unwrap_or_default();
        &format!("no session with {}{outside}", refusing.join(", "))
    } else if !node.store.is_sure() {
        "too few peers have said yet whether the data folder is an old copy of itself"
    } else if is_learner(node) && !missing.is_empty() && !node.liveness.is_old() {
        "the node has joined, and does not reach all others yet"
    } else if node.store.is_blank() && !is_learner(node) && !node.liveness.is_old() {
        "the store is new, and has not learnt yet what is committed"
    } else {
        return Ok(text("ready\n"));
    };
    Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "not-ready", format!("{why}{missing}")))
}
