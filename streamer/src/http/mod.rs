//! What players, tools and people see: HTTP/1.1 on the node's player listener.

pub(crate) mod access;
mod body;
mod cluster;
mod conditions;
pub(crate) mod console;
mod error;
pub(crate) mod events;
pub(crate) mod faults;
mod health;
mod heavy;
mod intake;
mod lists;
mod progress;
mod query;
pub(crate) mod reply;
mod reports;
pub(crate) mod router;
mod server;
#[cfg(test)]
mod tests;
mod titles;

pub use cluster::{ClusterReport, LinkReport, NodeReport, SwitchReport};
pub use error::ApiError;
pub use server::Shutdown;

pub(crate) use body::{RequestBody, ResponseBody};
pub(crate) use error::error_response;
pub(crate) use server::{Terms, serve};

use access::Access;
use cluster::ClusterRoom;
use console::ConsoleRoom;
use events::{EventHub, EventsRoom};
use faults::FaultRoom;
use health::{HealthRoom, missing};
use heavy::Heavy;
use hyper::{Method, Request, Response};
use lists::ListRoom;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use rain_node::{Node, NodeTitles};
use reports::ReportRoom;
use router::{Room, Router};
use std::net::SocketAddr;
use std::sync::Arc;
use titles::TitlesRoom;
use tokio::net::TcpListener;

/// Begins to count for `/metrics`. What happens before is not counted: a node is opened afterwards.
pub fn record_metrics() -> PrometheusHandle {
    let recorder = PrometheusBuilder::new().build_recorder();
    let metrics = recorder.handle();
    // A second node in the same process (tests) keeps the first one's.
    let _ = metrics::set_global_recorder(recorder);
    metrics
}

/// Serves the players of a node until told to drain.
///
/// Cancel safety: dropping it closes every connection.
pub async fn serve_node(node: Arc<Node>, listener: TcpListener, metrics: PrometheusHandle, shutdown: Shutdown) {
    let hub = Arc::new(EventHub::new());
    let listening = Arc::new(NodeListener {
        access: Access { listen: node.config.listen, token: node.config.token.clone() },
        router: rooms(&node, &hub, metrics),
        heavy: Heavy::new(&node.bounds),
        node: Arc::clone(&node),
    });
    let handler = move |request, peer| {
        let listening = Arc::clone(&listening);
        async move { listening.answer(request, peer).await }
    };
    let terms = Terms::new(&node.config.limits, &node.bounds);
    tokio::join!(serve(listener, shutdown.clone(), terms, handler), events::tell(&node, &hub, shutdown));
}

/// The rooms of a node's listener.
fn rooms(node: &Arc<Node>, hub: &Arc<EventHub>, metrics: PrometheusHandle) -> Router {
    let titles = NodeTitles::new(Arc::clone(node));
    let mut rooms: Vec<Box<dyn Room>> = vec![
        Box::new(TitlesRoom(titles)),
        Box::new(ListRoom(Arc::clone(node))),
        Box::new(ReportRoom(Arc::clone(node))),
        Box::new(ClusterRoom(Arc::clone(node))),
        Box::new(EventsRoom(Arc::clone(hub))),
        Box::new(FaultRoom(Arc::clone(node))),
        Box::new(HealthRoom { node: Arc::clone(node), metrics }),
    ];
    if node.config.console {
        rooms.push(Box::new(ConsoleRoom));
    }
    Router::new(rooms)
}

/// A node's listener for players.
struct NodeListener {
    access: Access,
    router: Router,
    heavy: Heavy,
    node: Arc<Node>,
}

impl NodeListener {
    /// Answers one request.
    async fn answer(&self, request: Request<RequestBody>, peer: SocketAddr) -> Response<ResponseBody> {
        let method = request.method().clone();
        let answered = match self.access.admit(peer.ip(), &method, request.uri(), request.headers()) {
            Ok(caller) => match self.heavy.admit(peer.ip(), &request) {
                Ok(_served) => self.router.answer(caller, request).await,
                Err(busy) => Err(busy),
            },
            Err(error) => Err(error),
        };
        let response = answered.unwrap_or_else(|error| {
            error_response(&match missing(&self.node) {
                Some(missing) => error.with_missing(&missing),
                None => error,
            })
        });
        let status = response.status().as_str().to_owned();
        // Of a name that anybody can make up there would be no end of counters.
        let known = [Method::GET, Method::HEAD, Method::PUT, Method::DELETE, Method::POST, Method::OPTIONS];
        let method = if known.contains(&method) { method.to_string() } else { "other".to_owned() };
        metrics::counter!("rain_http_requests_total", "method" => method, "status" => status).increment(1);
        response
    }
}
