//! What players, tools and people see: HTTP/1.1 on the node's player listener.

mod api;
mod body;
mod cluster;
mod conditions;
pub(crate) mod console;
pub(crate) mod doors;
mod error;
pub(crate) mod events;
pub(crate) mod faults;
pub(crate) mod reply;
mod server;
mod titles;

pub use cluster::{ClusterReport, LinkReport, NodeReport, SwitchReport};
pub use error::ApiError;
pub use server::{Shutdown, serve};

pub(crate) use body::ResponseBody;
pub(crate) use error::error_response;

use doors::Door;
use events::EventHub;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use rain_node::Node;
use std::sync::Arc;
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
    let door = Arc::new(Door { listen: node.config.listen, token: node.config.token.clone() });
    let hub = Arc::new(EventHub::new());
    let (told, events) = (Arc::clone(&node), Arc::clone(&hub));
    let handler = move |request, peer| {
        api::answer(Arc::clone(&node), Arc::clone(&door), Arc::clone(&hub), metrics.clone(), request, peer)
    };
    tokio::join!(serve(listener, shutdown.clone(), handler), events::tell(&told, &events, shutdown));
}
