//! `POST /api/v1/faults`: parts of a demo are cut, hung and healed. The supervisor does it; its nodes pass it on.

use super::body::{full, read_small};
use super::caller::{Caller, Demand};
use super::note::Note;
use super::reply::{json, not_found};
use super::router::{Answer, Room};
use super::{ApiError, RequestBody, ResponseBody};
use bytes::Bytes;
use core::fmt::Display;
use core::time::Duration;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rain_config::DemoMember;
use rain_node::Node;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

const PATH: &str = "/api/v1/faults";
/// A fault is told in less.
const BODY_BYTES_MAX: usize = 64 << 10;
/// The supervisor answers within this.
const PATIENCE: Duration = Duration::from_secs(5);
/// A node that is to be cut or hung itself has sent its answer after so long.
const ANSWER_FIRST: Duration = Duration::from_millis(50);

/// What sort of part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum FaultKind {
    /// A node: `B`.
    Node,
    /// A link: `B-s1`, or `s1-s2` where switches are joined.
    Link,
    /// A switch: `s1`.
    Switch,
}

/// What becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum FaultAction {
    /// A node is killed; a link or switch passes nothing on any more, and closes nothing.
    Cut,
    /// A node is stopped.
    Hang,
    /// It serves again within a second.
    Heal,
}

/// The body of `POST /api/v1/faults`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fault {
    /// What sort of part.
    pub(crate) kind: FaultKind,
    /// Its name.
    pub(crate) name: String,
    /// What becomes of it.
    pub(crate) action: FaultAction,
}

fn bad(message: impl Display) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, "bad-fault", message.to_string())
}

impl Fault {
    /// Reads a fault from the body of a request.
    ///
    /// # Errors
    /// 400: not JSON, an unknown kind or action, a link or switch that is to hang.
    pub(crate) async fn receive<B>(body: B) -> Result<(Self, Bytes), ApiError>
    where
        B: hyper::body::Body<Data = Bytes>,
        B::Error: Into<Box<dyn core::error::Error + Send + Sync>>,
    {
        let body = read_small(body, BODY_BYTES_MAX).await.map_err(bad)?;
        let fault: Self = serde_json::from_slice(&body).map_err(bad)?;
        if fault.action == FaultAction::Hang && fault.kind != FaultKind::Node {
            return Err(bad("only nodes hang").with(serde_json::json!(fault.kind), "node"));
        }
        Ok((fault, body))
    }

    /// What the audit log says of it.
    fn note(&self) -> Note {
        let action = match self.action {
            FaultAction::Cut => "cut",
            FaultAction::Hang => "hang",
            FaultAction::Heal => "heal",
        };
        Note(format!("{action} {}", self.name))
    }
}

/// The room of faults, on a node.
pub(super) struct FaultRoom(pub(super) Arc<Node>);

impl Room for FaultRoom {
    fn takes(&self, method: &Method, path: &str) -> bool {
        *method == Method::POST && path == PATH
    }

    fn demand(&self, _: &Method, _: &str) -> Result<Demand, ApiError> {
        Ok(Demand::Operate)
    }

    fn answer(&self, _: Caller, request: Request<RequestBody>) -> BoxFuture<'_, Answer> {
        pass_on(&self.0, request).boxed()
    }
}

/// The answer to a fault that is in force.
pub(crate) fn done() -> Response<ResponseBody> {
    json(&serde_json::json!({}))
}

/// A node's answer: that of the demo's supervisor, or 404 where there is none. A node that is itself to be cut or hung
/// answers first.
///
/// # Errors
/// Those of [`Fault::receive`]; 404; 503 when the supervisor does not answer.
async fn pass_on(node: &Node, request: Request<RequestBody>) -> Answer {
    let Some(DemoMember { supervisor, .. }) = &node.config.demo else {
        return Err(not_found(request.uri().path()));
    };
    let (fault, body) = Fault::receive(request.into_body()).await?;
    let of_itself = fault.kind == FaultKind::Node && fault.name == node.config.me().name;
    if of_itself && fault.action != FaultAction::Heal {
        let supervisor = supervisor.clone();
        tokio::spawn(async move {
            sleep(ANSWER_FIRST).await;
            if let Err(error) = ask_supervisor(&supervisor, body).await {
                tracing::warn!(%error, "this node was not told to end");
            }
        });
        return Ok(noted(done(), &fault));
    }
    let answer = ask_supervisor(supervisor, body).await.map_err(|error| {
        let message = format!("the demo's supervisor at {supervisor}: {error}");
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "no-supervisor", message)
    })?;
    Ok(noted(answer, &fault))
}

fn noted(mut answer: Response<ResponseBody>, fault: &Fault) -> Response<ResponseBody> {
    answer.extensions_mut().insert(fault.note());
    answer
}

type AnyError = Box<dyn core::error::Error + Send + Sync>;

async fn ask_supervisor(supervisor: &str, body: Bytes) -> Result<Response<ResponseBody>, AnyError> {
    timeout(PATIENCE, async {
        let authority = supervisor.trim_start_matches("http://");
        let stream = TcpStream::connect(authority).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let connection = tokio::spawn(connection);
        let request = Request::builder()
            .method(Method::POST)
            .uri(PATH)
            .header(HOST, authority)
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .body(Full::new(body))?;
        let (head, body) = sender.send_request(request).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        connection.abort();
        Ok(Response::from_parts(head, full(body)))
    })
    .await?
}
