//! The answering side.

use super::{ASK, PEER_BODY_BYTES_MAX, uploads};
use crate::node::{Look, Node, UploadPart};
use crate::store::{ColumnError, UploadError};
use bytes::Bytes;
use futures_util::future::{BoxFuture, join_all};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use hyper::http::request::Parts;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use rain_cluster::{Reply, Request, Sender, Version};
use rain_fetch::ColumnRead;
use rain_titles::title;
use rain_wire::auth::{AUTH_HEADER, AuthError, SESSION_HEADER};
use rain_wire::{Answer, Question};
use serde::Serialize;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// What a peer is told when its request fails.
struct Refusal(StatusCode, String);

impl Refusal {
    fn bad(what: &str) -> Self {
        Self(StatusCode::BAD_REQUEST, what.to_owned())
    }
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        let status = if error.kind() == io::ErrorKind::StorageFull {
            StatusCode::INSUFFICIENT_STORAGE
        } else {
            StatusCode::INTERNAL_SERVER_ERROR
        };
        Self(status, error.to_string())
    }
}

/// Serves peers on one interface until the task is aborted.
///
/// Cancel safety: dropping it closes every connection.
pub async fn serve(node: Arc<Node>, listener: Arc<TcpListener>, interface: SocketAddr) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        let Ok((stream, remote)) = accepted else {
            // Out of descriptors, or a connection that broke at once: the next one may do better.
            tokio::time::sleep(core::time::Duration::from_millis(10)).await;
            continue;
        };
        let _ = stream.set_nodelay(true);
        let node = Arc::clone(&node);
        let path = node.peers.paths.find(interface, remote.ip());
        connections.spawn(async move {
            let down: BoxFuture<'_, ()> = match path {
                Some((peer, path)) => Box::pin(node.peers.paths.went_down(peer, path)),
                None => Box::pin(core::future::pending()),
            };
            let service = service_fn(move |request| answer(Arc::clone(&node), request));
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .max_buf_size(1 << 20)
                .serve_connection(TokioIo::new(stream), service);
            // A peer that goes away in the middle is its own affair; one whose path went down asks again elsewhere.
            tokio::select! {
                _ = connection => {}
                () = down => {}
            }
        });
    }
}

async fn answer(node: Arc<Node>, request: hyper::Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path_and_query().map_or("", |path| path.as_str()).to_owned();
    let header = parts.headers.get(AUTH_HEADER).and_then(|value| value.to_str().ok());
    // Nothing of the body of a stranger is kept.
    let verified = match node.verifier.verify(parts.method.as_str(), &path, header) {
        Ok(verified) => verified,
        Err(error @ AuthError::Session { .. }) => {
            // A peer that does not know yet that this node started anew: it is read to the end, so that it hears that.
            let _ = Limited::new(body, PEER_BODY_BYTES_MAX).collect().await;
            let mut response = text(StatusCode::UNAUTHORIZED, error.to_string());
            response.headers_mut().insert(SESSION_HEADER, node.verifier.session().into());
            return Ok(response);
        }
        Err(error) => return Ok(text(StatusCode::UNAUTHORIZED, error.to_string())),
    };
    let body = match Limited::new(body, PEER_BODY_BYTES_MAX).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => return Ok(text(StatusCode::BAD_REQUEST, error.to_string())),
    };
    if let Err(error) = verified.verify_body(&body) {
        return Ok(text(StatusCode::UNAUTHORIZED, error.to_string()));
    }
    let answered = match admit(&node, verified.sender(), parts.uri.path()).await {
        Ok(true) => route(&node, &parts, verified.sender(), body).await,
        // Its machines understand that.
        Ok(false) if parts.uri.path() == ASK => retired(&node, body),
        Ok(false) => {
            let Sender { node, life, .. } = verified.sender();
            Err(Refusal(StatusCode::GONE, format!("life {life} of node {node} is over")))
        }
        Err(refusal) => Err(refusal),
    };
    Ok(answered.unwrap_or_else(|Refusal(status, message)| text(status, message)))
}

/// Whether the sender's life is not over.
async fn admit(node: &Arc<Node>, from: Sender, path: &str) -> Result<bool, Refusal> {
    if from.node == node.config.id || node.config.member(from.node).is_none() {
        let message = format!("node {} is no peer of this one", from.node);
        return Err(Refusal(StatusCode::FORBIDDEN, message));
    }
    if node.store.is_in_doubt(from) {
        node.ask_around();
        // Of a question it depends on what is asked.
        return if path == ASK { Ok(true) } else { Err(in_doubt(from)) };
    }
    Ok(node.admit(from).await?)
}

fn in_doubt(from: Sender) -> Refusal {
    let message = format!("life {} of node {} was not heard of: it is being asked", from.life, from.node);
    Refusal(StatusCode::SERVICE_UNAVAILABLE, message)
}

async fn route(node: &Arc<Node>, parts: &Parts, from: Sender, body: Bytes) -> Result<Response<Full<Bytes>>, Refusal> {
    let segments: Vec<_> = parts.uri.path().split('/').skip(1).collect();
    let query = parts.uri.query().unwrap_or_default();
    match (&parts.method, &segments[..]) {
        (&Method::GET, ["peer", "v1", "titles"]) => {
            let told = node.tell_listing(query).await;
            Ok(json(&told.ok_or_else(|| Refusal::bad("the query is not of a page of titles"))?))
        }
        (&Method::POST, ["peer", "v1", "ask"]) => ask(node, from, body).await,
        (&Method::POST, ["peer", "v1", "uploads", title, version, column, offset]) => {
            upload(node, [title, version, column, offset], query, body).await
        }
        (&Method::GET, ["peer", "v1", "columns", title, version, column]) => {
            columns(node, [title, version, column], query).await
        }
        (&Method::POST, ["peer", "v1", "inspect", title, version]) => inspect(node, title, version, query).await,
        _ => Err(Refusal(StatusCode::NOT_FOUND, format!("there is no {} {}", parts.method, parts.uri.path()))),
    }
}

async fn ask(node: &Arc<Node>, from: Sender, body: Bytes) -> Result<Response<Full<Bytes>>, Refusal> {
    let questions = Question::parse_all(body).map_err(|error| {
        node.note_unfit(from.node, &error.to_string());
        Refusal::bad(&error.to_string())
    })?;
    let replies = join_all(questions.into_iter().map(|question| reply(node, from, question))).await;
    let replies: Vec<_> = replies.into_iter().collect::<Result<_, _>>()?;
    // One that stands for none of them: it is said once they are all durable.
    let me = node.store.me();
    Ok(frames(replies.into_iter().map(|reply| reply.unwrap_or(Answer { from: me, reply: None }))))
}

/// What is answered to one question of several; nothing where the store failed.
async fn reply(node: &Arc<Node>, from: Sender, question: Question) -> Result<Option<Answer>, Refusal> {
    let request = vetted(node, from, question).map_err(|why| {
        node.note_unfit(from.node, &why);
        Refusal::bad(&why)
    })?;
    if node.store.is_in_doubt(from) && !request.kind().only_asks() {
        return Ok(None);
    }
    match node.answer(from, request).await {
        Ok((from, reply)) => Ok(Some(Answer { from, reply: Some(reply) })),
        Err(error) => {
            tracing::warn!(%error, "the store refused");
            Ok(None)
        }
    }
}

/// What a peer asks, if it can be.
fn vetted(node: &Node, sender: Sender, question: Question) -> Result<Request, String> {
    let Question { from, request } = question;
    if (from.node, from.life) != (sender.node, sender.life) {
        return Err(format!("a question of node {}, expected node {}, who sent it", from.node, sender.node));
    }
    node.codes.vet_request(&request).map_err(|unfit| unfit.to_string())?;
    Ok(request)
}

/// To each question: its asker's life is over.
fn retired(node: &Node, body: Bytes) -> Result<Response<Full<Bytes>>, Refusal> {
    let questions = Question::parse_all(body).map_err(|error| Refusal::bad(&error.to_string()))?;
    let me = node.store.me();
    Ok(frames(questions.iter().map(|_| Answer { from: me, reply: Some(Reply::Retired) })))
}

fn frames(answers: impl Iterator<Item = Answer>) -> Response<Full<Bytes>> {
    let mut body = Vec::new();
    answers.for_each(|answer| answer.push(&mut body));
    Response::new(Full::new(body.into()))
}

async fn upload(
    node: &Arc<Node>,
    segments: [&str; 4],
    query: &str,
    body: Bytes,
) -> Result<Response<Full<Bytes>>, Refusal> {
    let [title, version, column, offset] = segments;
    let (title, version) = title_and_version(title, version)?;
    let column = column.parse().map_err(|_| Refusal::bad("the column is not a number"))?;
    let offset = offset.parse().map_err(|_| Refusal::bad("the offset is not a number"))?;
    let begin = if offset == 0 {
        let plan = uploads::from_query(query, title.clone(), version, column);
        Some(plan.ok_or_else(|| Refusal::bad("the query is not code, cell, block and group"))?)
    } else {
        None
    };
    match node.take_upload(UploadPart { title, version, offset }, begin, body).await {
        Ok(()) => Ok(text(StatusCode::OK, String::new())),
        Err(UploadError::Disk(error)) => Err(error.into()),
        Err(error @ (UploadError::Unknown(_) | UploadError::Offset { .. })) => {
            Err(Refusal(StatusCode::CONFLICT, error.to_string()))
        }
    }
}

async fn inspect(node: &Arc<Node>, title: &str, version: &str, query: &str) -> Result<Response<Full<Bytes>>, Refusal> {
    let (title, version) = title_and_version(title, version)?;
    let look = if query == "blocks=1" { Look::Blocks } else { Look::Header };
    Ok(json(&node.inspect_own(title, version, look).await))
}

async fn columns(node: &Arc<Node>, segments: [&str; 3], query: &str) -> Result<Response<Full<Bytes>>, Refusal> {
    let [title, version, column] = segments;
    let (title, version) = title_and_version(title, version)?;
    let column = column.parse().map_err(|_| Refusal::bad("the column is not a number"))?;
    let (query, from) = query.split_once("&from=").unwrap_or((query, "0"));
    let from: usize = from.parse().map_err(|_| Refusal::bad("`from` is not a number"))?;
    let read =
        ColumnRead::from_query(query).ok_or_else(|| Refusal::bad("the query is not stripes, rows and blocks"))?;
    let bytes = node.read_own_column(title, version, column, read).await.map_err(|error| match error {
        ColumnError::Missing => Refusal(StatusCode::NOT_FOUND, error.to_string()),
        ColumnError::Disk(error) => error.into(),
        ColumnError::Header(_)
        | ColumnError::Foreign { .. }
        | ColumnError::Length { .. }
        | ColumnError::Tree
        | ColumnError::Root
        | ColumnError::Block { .. }
        | ColumnError::OutOfRange => Refusal(StatusCode::CONFLICT, error.to_string()),
    })?;
    if from > bytes.len() {
        return Err(Refusal::bad("`from` is behind the end of the answer"));
    }
    Ok(Response::new(Full::new(bytes.slice(from..))))
}

fn title_and_version(title: &str, version: &str) -> Result<(String, Version), Refusal> {
    let title = title::from_path(title).map_err(|error| Refusal::bad(&error.to_string()))?;
    let version = version.parse::<Version>().map_err(|error| Refusal::bad(&error.to_string()))?;
    Ok((title, version))
}

fn text(status: StatusCode, message: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(message.into()));
    *response.status_mut() = status;
    response
}

fn json(value: &impl Serialize) -> Response<Full<Bytes>> {
    let bytes = serde_json::to_vec(value).expect("answers are plain data");
    let mut response = Response::new(Full::new(bytes.into()));
    response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static("application/json"));
    response
}
