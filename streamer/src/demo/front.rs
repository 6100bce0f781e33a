//! What the supervisor serves: the console, the state of the cluster, and titles by way of any node that is up.

use super::growth::{Grown, Growth};
use super::parts::Parts;
use super::prepared::{DemoOptions, PreparedDemo};
use crate::http::access::Access;
use crate::http::caller::Demand;
use crate::http::events::EventHub;
use crate::http::faults::{Fault, done};
use crate::http::login::CALLER;
use crate::http::reply::{json, not_found};
use crate::http::router::is_write;
use crate::http::{
    ApiError, ClusterReport, ConfigurationChange, Ends, InvitationReport, RequestBody, ResponseBody, console,
    error_response, players,
};
use bytes::Bytes;
use core::time::Duration;
use futures_util::stream;
use http_body_util::{BodyExt, Collected, Empty, Full, StreamBody};
use hyper::body::{Body, Frame};
use hyper::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HOST, HeaderMap, HeaderValue, ORIGIN, TRANSFER_ENCODING,
};
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rain_client::resume::{Ask, Opened, Servers};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, sleep};

/// A node that comes is ready after so long, or has failed.
const READY: Duration = Duration::from_secs(30);
const RETRY: Duration = Duration::from_millis(100);
/// A request without a body, to be forwarded.
pub(super) fn no_body() -> ResponseBody {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

fn starting() -> ApiError {
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "not-ready", "the nodes are starting")
}

/// What an error object says.
pub(super) async fn message(response: Response<ResponseBody>) -> String {
    let answer = response.into_body().collect().await.map(Collected::to_bytes).unwrap_or_default();
    let answer: serde_json::Value = serde_json::from_slice(&answer).unwrap_or_default();
    answer["message"].as_str().unwrap_or("no reason was given").to_owned()
}

fn failed(what: &str, why: &dyn ToString) -> ApiError {
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "not-grown", format!("{what}: {}", why.to_string()))
}

/// Removes what speaks of one connection only (RFC 9110, 7.6.1).
fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<_> = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok()).collect();
    let named: Vec<String> =
        named.iter().flat_map(|value| value.split(',')).map(|name| name.trim().to_owned()).collect();
    for name in
        named.iter().map(String::as_str).chain(["connection", "keep-alive", "proxy-connection", "te", "upgrade"])
    {
        headers.remove(name);
    }
}

/// The supervisor's listener.
#[derive(Debug)]
pub(super) struct Front {
    parts: Arc<Parts>,
    ports: Vec<u16>,
    access: Access,
    client: Client<HttpConnector, ResponseBody>,
    /// The nodes, to read from.
    source: Arc<Servers>,
    ready: AtomicBool,
    growth: Growth,
    /// One node comes after the other.
    grows: Mutex<()>,
    /// Those who follow its events.
    pub(super) events: EventHub,
}

impl Front {
    pub(super) fn new(plan: &PreparedDemo, options: &DemoOptions, parts: Arc<Parts>) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(Duration::from_secs(1)));
        Self {
            parts,
            ports: plan.nodes.iter().map(|node| node.port).collect(),
            access: Access::without_tokens(SocketAddr::from(([127, 0, 0, 1], plan.port))),
            client: Client::builder(TokioExecutor::new()).http1_max_buf_size(1 << 20).build(connector),
            source: Servers::new(
                plan.nodes.iter().map(|node| format!("http://127.0.0.1:{}", node.port)).collect(),
                None,
            ),
            ready: AtomicBool::new(false),
            growth: Growth::new(plan, options),
            grows: Mutex::default(),
            events: EventHub::new(),
        }
    }

    /// A number that grows by every change of any part.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.parts.changes()
    }

    /// How many nodes there are by now.
    pub(super) fn node_count(&self) -> usize {
        self.parts.node_count()
    }

    /// Whether a node's process runs.
    pub(super) fn is_up(&self, node: usize) -> bool {
        self.parts.is_up(node)
    }

    /// The nodes' ports for players, and those of the nodes that may follow.
    pub(super) fn ports(&self) -> &[u16] {
        &self.ports
    }

    /// Notes that every node serves.
    pub(super) fn set_ready(&self) {
        self.ready.store(true, Ordering::Relaxed);
    }

    /// Answers one request.
    pub(super) async fn answer(&self, request: Request<RequestBody>, ends: Ends) -> Response<ResponseBody> {
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let admitted = self.access.admit(ends, &method, &uri, request.headers());
        let demand = if is_write(&method) { Demand::Operate } else { Demand::Nothing };
        let caller = match admitted.and_then(|caller| caller.allow(&demand).map(|()| caller)) {
            Ok(caller) => caller,
            Err(error) => return error_response(&error),
        };
        let path = uri.path();
        let of_nodes = ["/v/", "/p/", "/api/v1/titles/", "/api/v1/inspect/"].iter().any(|root| path.starts_with(root));
        if of_nodes || ["/api/v1/titles", "/api/v1/nodes.json"].contains(&path) {
            return self.forward(request).await;
        }
        if path == "/api/v1/faults" && method == Method::POST {
            return self.fault(request).await.unwrap_or_else(|error| error_response(&error));
        }
        if path == "/api/v1/nodes" && method == Method::POST {
            return self.grow().await.unwrap_or_else(|error| error_response(&error));
        }
        if !matches!(method, Method::GET | Method::HEAD) {
            return error_response(&not_found(path));
        }
        match path {
            "/healthz" => json(&"ok"),
            "/readyz" if self.ready.load(Ordering::Relaxed) => json(&"ready"),
            "/readyz" => error_response(&starting()),
            "/api/v1/cluster" => json(&self.cluster()),
            CALLER => json(&caller.report()),
            "/api/v1/events" => self.events.follow().unwrap_or_else(|error| error_response(&error)),
            _ => {
                let file = console::file(path).or_else(|| players::file(path));
                file.unwrap_or_else(|| error_response(&not_found(path)))
            }
        }
    }

    /// The supervisor's truth.
    pub(super) fn cluster(&self) -> ClusterReport {
        self.parts.report()
    }

    async fn fault(&self, request: Request<RequestBody>) -> Result<Response<ResponseBody>, ApiError> {
        let (fault, _) = Fault::receive(request.into_body()).await?;
        if !self.ready.load(Ordering::Relaxed) {
            return Err(starting());
        }
        self.parts.apply(&fault).await?;
        Ok(done())
    }

    async fn grow(&self) -> Result<Response<ResponseBody>, ApiError> {
        if !self.ready.load(Ordering::Relaxed) {
            return Err(starting());
        }
        Ok(json(&self.add_node().await?))
    }

    /// Starts one node more, has it join by an invitation, and adds it.
    ///
    /// # Errors
    /// 409 `no-room`; 503 `not-grown` with what failed, and whether the node is there.
    ///
    /// Cancel safety: the node may be there, and not added.
    async fn add_node(&self) -> Result<Grown, ApiError> {
        let _turn = self.grows.lock().await;
        let node = self.node_count();
        let Some((name, port)) = self.growth.name(node).zip(self.ports.get(node)) else {
            let message = format!("{node} nodes: this demo grows no more");
            return Err(ApiError::new(StatusCode::CONFLICT, "no-room", message));
        };
        let by = (0..node).find(|by| self.is_up(*by)).ok_or_else(|| failed("inviting", &"no node is up"))?;
        let invited = self.ask(by, "/api/v1/invitations", "{}".to_owned()).await;
        let invited = invited.map_err(|why| failed("inviting", &why))?;
        let invited: InvitationReport = serde_json::from_slice(&invited).map_err(|error| failed("inviting", &error))?;
        let id = self.growth.write(node, by, &invited.secret).map_err(|error| failed("its files", &error))?;
        self.parts.start(node).await.map_err(|error| failed("starting it", &error))?;
        let until = Instant::now() + READY;
        while let Err(why) = self.is_ready(node).await {
            if Instant::now() > until {
                return Err(failed(&format!("{name} was started, and is not ready"), &why));
            }
            sleep(RETRY).await;
        }
        self.growth.keep(name, id).map_err(|error| failed("keeping its id", &error))?;
        let change = ConfigurationChange::Add { node: name.to_owned(), votes: None };
        let change = serde_json::to_string(&change).map_err(|error| failed("adding it", &error))?;
        let added = self.ask(by, "/api/v1/configuration", change).await;
        added.map_err(|why| failed(&format!("{name} has joined, and was not added"), &why))?;
        Ok(Grown { node: name.to_owned(), http: format!("http://127.0.0.1:{port}") })
    }

    async fn ask(&self, node: usize, path: &str, body: String) -> Result<Bytes, String> {
        let body: ResponseBody = Full::new(Bytes::from(body)).map_err(|never| match never {}).boxed_unsync();
        let request = Request::post(path).header(CONTENT_TYPE, "application/json").body(body);
        let response = self.forward_to(node, request.map_err(|error| error.to_string())?).await?;
        if !response.status().is_success() {
            return Err(message(response).await);
        }
        let body = response.into_body().collect().await.map_err(|error| error.to_string())?;
        Ok(body.to_bytes())
    }

    async fn is_ready(&self, node: usize) -> Result<(), String> {
        if !self.is_up(node) {
            return Err("its process has ended".to_owned());
        }
        let request = Request::get("/readyz").body(no_body()).map_err(|error| error.to_string())?;
        let response = self.forward_to(node, request).await?;
        if response.status().is_success() { Ok(()) } else { Err(message(response).await) }
    }

    /// Lets a node that is up answer: what is read from any of them, and goes on at the next; what is written, by the
    /// first that can be reached.
    pub(super) async fn forward(&self, request: Request<ResponseBody>) -> Response<ResponseBody> {
        if matches!(*request.method(), Method::GET | Method::HEAD) {
            return self.read(request).await;
        }
        let repeatable = request.body().is_end_stream();
        let (parts, body) = request.into_parts();
        let mut body = Some(body);
        let mut last = "no node is up".to_owned();
        for node in (0..self.node_count()).filter(|node| self.parts.is_up(*node)) {
            let Some(body) = body.take().or_else(|| repeatable.then(no_body)) else { break };
            match self.forward_to(node, Request::from_parts(parts.clone(), body)).await {
                Ok(response) => return response,
                Err(error) => last = error,
            }
        }
        error_response(&ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "too-few-nodes", last))
    }

    async fn read(&self, request: Request<ResponseBody>) -> Response<ResponseBody> {
        // Those that are down or hung come last: they may return while the others are asked.
        let mut order: Vec<usize> = (0..self.node_count()).collect();
        order.sort_by_key(|node| !self.parts.is_up(*node));
        let path_and_query = request.uri().path_and_query().map_or("/", |path| path.as_str()).to_owned();
        let (parts, _) = request.into_parts();
        let mut headers = parts.headers;
        headers.remove(ORIGIN);
        // The request goes on without a body.
        for name in [CONTENT_LENGTH, TRANSFER_ENCODING, EXPECT] {
            headers.remove(name);
        }
        remove_hop_by_hop(&mut headers);
        let ask = Ask { method: parts.method, path_and_query, headers };
        match self.source.open(&order, ask).await {
            Ok(Opened { mut head, body, .. }) => {
                head.headers.remove(TRANSFER_ENCODING);
                remove_hop_by_hop(&mut head.headers);
                let frames = stream::unfold(body, |mut body| async {
                    let bytes = body.next().await?;
                    Some((bytes.map(Frame::data), body))
                });
                Response::from_parts(head, StreamBody::new(frames).boxed_unsync())
            }
            Err(error) => {
                error_response(&ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "too-few-nodes", error.to_string()))
            }
        }
    }

    /// Lets one node answer.
    ///
    /// # Errors
    /// Why it cannot be reached.
    pub(super) async fn forward_to(
        &self,
        node: usize,
        mut request: Request<ResponseBody>,
    ) -> Result<Response<ResponseBody>, String> {
        let authority = format!("127.0.0.1:{}", self.ports[node]);
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        *request.uri_mut() = format!("http://{authority}{path}").parse::<Uri>().map_err(|error| error.to_string())?;
        let headers = request.headers_mut();
        headers.remove(ORIGIN);
        headers.insert(HOST, HeaderValue::from_str(&authority).map_err(|error| error.to_string())?);
        let response = self.client.request(request).await.map_err(|error| format!("{authority}: {error}"))?;
        Ok(response.map(|body| body.map_err(io::Error::other).boxed_unsync()))
    }
}
