//! The router of a node's player listener, and the JSON of `/api/v1`.

use super::cluster::cluster;
use super::doors::Door;
use super::events::EventHub;
use super::reply::{json, json_bytes, not_found, text};
use super::{ApiError, ResponseBody, console, error_response, faults, titles};
use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode};
use metrics_exporter_prometheus::PrometheusHandle;
use percent_encoding::percent_decode_str;
use rain_node::config::Member;
use rain_node::title::{self, Page};
use rain_node::{Look, Node};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// Most titles in one answer.
const LIMIT_MAX: usize = 10_000;
/// Titles in one answer, unless more are asked for.
const LIMIT: usize = 1000;

/// Answers one request to a node.
pub(super) async fn answer(
    node: Arc<Node>,
    door: Arc<Door>,
    events: Arc<EventHub>,
    metrics: PrometheusHandle,
    request: Request<Incoming>,
    peer: SocketAddr,
) -> Response<ResponseBody> {
    let method = request.method().clone();
    let answered = match door.check(peer.ip(), &method, request.uri(), request.headers()) {
        Ok(()) => route(&node, &events, &metrics, request, peer.ip()).await.map_err(|error| match missing(&node) {
            Some(missing) => error.with_missing(&missing),
            None => error,
        }),
        Err(error) => Err(error),
    };
    let response = answered.unwrap_or_else(|error| error_response(&error));
    let status = response.status().as_str().to_owned();
    // Of a name that anybody can make up there would be no end of counters.
    let known = [Method::GET, Method::HEAD, Method::PUT, Method::DELETE, Method::POST, Method::OPTIONS];
    let method = if known.contains(&method) { method.to_string() } else { "other".to_owned() };
    metrics::counter!("rain_http_requests_total", "method" => method, "status" => status).increment(1);
    response
}

async fn route(
    node: &Arc<Node>,
    events: &EventHub,
    metrics: &PrometheusHandle,
    request: Request<Incoming>,
    client: IpAddr,
) -> Result<Response<ResponseBody>, ApiError> {
    let path = request.uri().path().to_owned();
    if let Some(segment) = path.strip_prefix("/v/") {
        return titles::answer(node, segment, request).await;
    }
    if path == "/api/v1/faults" && *request.method() == Method::POST {
        return faults::pass_on(node, request).await;
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Err(not_found(&path));
    }
    let query = Query::of(request.uri().query().unwrap_or_default());
    match path.as_str() {
        "/healthz" => Ok(text("ok\n")),
        "/readyz" => ready(node),
        "/metrics" => {
            node.reads.publish();
            Ok(text(metrics.render()))
        }
        "/api/v1/cluster" => Ok(json(&cluster(node))),
        "/api/v1/events" => events.follow(),
        "/api/v1/titles" => {
            let limit = query.get("limit").map_or(Ok(LIMIT), str::parse);
            let limit = limit.ok().filter(|limit| (1..=LIMIT_MAX).contains(limit)).ok_or_else(|| {
                let message = format!("`limit` is a number from 1 to {LIMIT_MAX}");
                ApiError::new(StatusCode::BAD_REQUEST, "bad-limit", message).with(query.get("limit"), LIMIT_MAX)
            })?;
            let folders = match query.get("delimiter") {
                None | Some("") => false,
                Some("/") => true,
                Some(other) => {
                    let message = "`delimiter` is `/`, or not there";
                    return Err(ApiError::new(StatusCode::BAD_REQUEST, "bad-delimiter", message).with(Some(other), "/"));
                }
            };
            let text = |name| query.get(name).unwrap_or_default().to_owned();
            let page = Page { prefix: text("prefix"), after: text("after"), limit, folders };
            Ok(json_bytes(node.list(client, page, query.get("columns") != Some("0")).await))
        }
        _ => match path.strip_prefix("/api/v1/titles/") {
            Some(segment) => {
                let look = if query.get("verify") == Some("1") { Look::Blocks } else { Look::Header };
                Ok(json(&node.title_report(&title::from_path(segment)?, look).await?))
            }
            None => console::file(&path).ok_or_else(|| not_found(&path)),
        },
    }
}

/// Which nodes this one waits for, in words; `None` where it reaches all.
fn missing(node: &Node) -> Option<String> {
    let is_missing = |member: &&Member| node.peers.paths.is_up(member.id) != Some(true);
    let others = node.config.by_name().into_iter().filter(|member| member.id != node.config.id);
    let names: Vec<&str> = others.filter(is_missing).map(|member| member.name.as_str()).collect();
    let why = if node.store.is_blank() { ", and a new node needs to hear from the others first" } else { "" };
    let (nodes, are) = if names.len() == 1 { ("node", "is") } else { ("nodes", "are") };
    (!names.is_empty()).then(|| format!("{nodes} {} {are} not reached{why}", names.join(", ")))
}

fn ready(node: &Node) -> Result<Response<ResponseBody>, ApiError> {
    // A new cluster needs a moment more; a node that waits for peers to learn from can serve what it has.
    let missing = missing(node).map(|missing| format!("; {missing}")).unwrap_or_default();
    let why = if !node.liveness.is_settled(&node.others(), &node.peers.paths) {
        "not every peer was reached or tried for 2 s yet"
    } else if !node.store.is_sure() {
        "too few peers have said yet whether the data folder is an old copy of itself"
    } else if node.store.is_blank() && !node.liveness.is_old() {
        "the store is new, and has not learnt yet what is committed"
    } else {
        return Ok(text("ready\n"));
    };
    Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "not-ready", format!("{why}{missing}")))
}

/// The parameters of a query; of a repeated one the last.
struct Query(BTreeMap<String, String>);

impl Query {
    fn of(query: &str) -> Self {
        let decode = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
        let pair = |part: &str| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            (decode(name), decode(value))
        };
        Self(query.split('&').map(pair).collect())
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}
