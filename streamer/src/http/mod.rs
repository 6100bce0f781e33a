//! What players, tools and people see: HTTP/1.1 on the node's player listener.

pub(crate) mod access;
mod audit;
mod body;
pub(crate) mod caller;
mod cluster;
mod conditions;
mod configuration;
pub(crate) mod console;
mod cross_origin;
mod error;
pub(crate) mod events;
pub(crate) mod faults;
mod health;
mod heavy;
mod intake;
mod invitations;
mod lists;
pub(crate) mod login;
mod note;
mod play;
pub(crate) mod players;
mod progress;
mod query;
mod reload;
pub(crate) mod reply;
mod reports;
pub(crate) mod router;
mod server;
#[cfg(test)]
mod tests;
mod titles;
mod wanted;

pub use cluster::{ClusterReport, LinkReport, NodeReport, SwitchReport};
pub use configuration::{ConfigurationChange, ConfigurationReport, MemberReport};
pub use error::ApiError;
pub use invitations::{InvitationReport, InvitationRequest, SwitchAddress};
pub use play::{InspectedDropped, InspectedEdit, InspectedFormat, InspectedTrack, Inspection};
pub use server::{Ends, Shutdown};

pub(crate) use body::{RequestBody, ResponseBody};
pub(crate) use error::error_response;
pub(crate) use server::{Terms, serve};

use access::Access;
use audit::AuditLog;
use cluster::ClusterRoom;
use configuration::ConfigurationRoom;
use console::ConsoleRoom;
use core::time::Duration;
use events::{EventHub, EventsRoom};
use faults::FaultRoom;
use health::{HealthRoom, missing};
use heavy::Heavy;
use hyper::{Method, Request, Response};
use invitations::InvitationsRoom;
use lists::ListRoom;
use login::{LoginRoom, Logins};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use play::{InspectRoom, Movies, Nodes, NodesRoom, PlayRoom};
use players::PlayersRoom;
use rain_node::{Node, NodeTitles};
use reload::ReloadRoom;
use reports::ReportRoom;
use router::{Room, Router, is_write};
use std::sync::Arc;
use titles::TitlesRoom;
use tokio::net::TcpListener;
use tokio::signal::unix::Signal;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

/// What the audit log has not written when the node ends may take so long.
const LAST_LINES: Duration = Duration::from_secs(2);

/// Begins to count for `/metrics`. What happens before is not counted: a node is opened afterwards.
pub fn record_metrics() -> PrometheusHandle {
    let recorder = PrometheusBuilder::new().build_recorder();
    let metrics = recorder.handle();
    // A second node in the same process (tests) keeps the first one's.
    let _ = metrics::set_global_recorder(recorder);
    metrics
}

/// What the process is told from outside.
#[derive(Debug)]
pub struct Told {
    /// To drain.
    pub shutdown: Shutdown,
    /// To read the configuration anew.
    pub hangups: Signal,
}

/// Serves the players of a node until told to drain.
///
/// Cancel safety: dropping it closes every connection.
pub async fn serve_node(node: Arc<Node>, listener: TcpListener, metrics: PrometheusHandle, told: Told) {
    let Told { shutdown, hangups } = told;
    let hub = Arc::new(EventHub::new());
    let audit = Arc::new(AuditLog::of_folder(&node.config.data));
    let logins = Arc::new(Logins::new(node.config.listen.port()));
    let listening = Arc::new(NodeListener {
        access: Access::new(node.config.listen, node.settings.watch(), Arc::clone(&logins)),
        router: rooms(&node, &hub, logins, metrics),
        audit: Arc::clone(&audit),
        heavy: Heavy::new(&node.gates),
        node: Arc::clone(&node),
    });
    let handler = move |request, ends| {
        let listening = Arc::clone(&listening);
        async move { listening.answer(request, ends).await }
    };
    let terms = Terms::new(Arc::clone(&node.gates.players), node.settings.watch());
    tokio::join!(
        serve(listener, shutdown.clone(), terms, handler),
        events::tell(&node, &hub, shutdown.clone()),
        reload::heed(hangups, &node, &audit, shutdown),
    );
    // A disk that hangs must not keep the node from ending.
    let _ = timeout(LAST_LINES, spawn_blocking(move || audit.close())).await;
}

/// The rooms of a node's listener.
fn rooms(node: &Arc<Node>, hub: &Arc<EventHub>, logins: Arc<Logins>, metrics: PrometheusHandle) -> Router {
    let titles = NodeTitles::new(Arc::clone(node));
    let nodes = Arc::new(Nodes::of(Arc::clone(node)));
    let movies = Arc::new(Movies::new(node.settings.watch()));
    let mut rooms: Vec<Box<dyn Room>> = vec![
        Box::new(TitlesRoom(titles.clone())),
        Box::new(InspectRoom { titles: titles.clone(), movies: Arc::clone(&movies) }),
        Box::new(PlayRoom { titles, movies, nodes: Arc::clone(&nodes) }),
        Box::new(NodesRoom(nodes)),
        Box::new(PlayersRoom),
        Box::new(ListRoom(Arc::clone(node))),
        Box::new(ReportRoom(Arc::clone(node))),
        Box::new(ClusterRoom(Arc::clone(node))),
        Box::new(ConfigurationRoom(Arc::clone(node))),
        Box::new(InvitationsRoom(Arc::clone(node))),
        Box::new(EventsRoom(Arc::clone(hub))),
        Box::new(FaultRoom(Arc::clone(node))),
        Box::new(ReloadRoom(Arc::clone(node))),
        Box::new(HealthRoom { node: Arc::clone(node), metrics }),
    ];
    if node.config.console {
        rooms.push(Box::new(ConsoleRoom));
        // Whoever has no console has no need to log in: programs present their token with each request.
        rooms.push(Box::new(LoginRoom::new(node.settings.watch(), logins)));
    }
    Router::new(rooms)
}

/// A node's listener for players.
struct NodeListener {
    access: Access,
    router: Router,
    audit: Arc<AuditLog>,
    heavy: Heavy,
    node: Arc<Node>,
}

impl NodeListener {
    /// Answers one request.
    async fn answer(&self, request: Request<RequestBody>, ends: Ends) -> Response<ResponseBody> {
        let method = request.method().clone();
        let path = request.uri().path().to_owned();
        let changed = is_write(&method).then(|| path.clone());
        let admitted = self.access.admit(ends, &method, request.uri(), request.headers());
        let asked = changed.map(|path| {
            let caller = (admitted.as_ref().ok(), ends.peer.ip().to_canonical());
            self.audit.begin(caller, (&method, &path))
        });
        let answered = match admitted {
            Ok(caller) => match self.heavy.admit(ends.peer.ip(), &request) {
                Ok(_served) => self.router.answer(caller, request).await,
                Err(busy) => Err(busy),
            },
            Err(error) => Err(error),
        };
        let mut response = answered.unwrap_or_else(|error| {
            error_response(&match missing(&self.node) {
                Some(missing) => error.with_missing(&missing),
                None => error,
            })
        });
        cross_origin::allow(&method, &path, &mut response);
        if let Some(asked) = asked {
            asked.answered(&response);
        }
        let status = response.status().as_str().to_owned();
        // Of a name that anybody can make up there would be no end of counters.
        let known = [Method::GET, Method::HEAD, Method::PUT, Method::DELETE, Method::POST, Method::OPTIONS];
        let method = if known.contains(&method) { method.to_string() } else { "other".to_owned() };
        metrics::counter!("rain_http_requests_total", "method" => method, "status" => status).increment(1);
        response
    }
}
