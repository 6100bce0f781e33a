//! The asking side: one connection pool per path, bound to its local address.

use super::auth::{AUTH_HEADER, SESSION_HEADER, Signer};
use crate::config::{Config, Member, PathAddresses};
use bytes::Bytes;
use core::time::Duration;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::HeaderValue;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rain_cluster::NodeId;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use tokio::time::timeout;

const CONNECT: Duration = Duration::from_millis(500);
const IDLE_CONNECTIONS: usize = 32;

/// Why a peer gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PeerError {
    /// No path led to it, or the connection broke.
    #[error("{peer} cannot be reached: {why}")]
    Unreachable {
        /// The peer's name.
        peer: String,
        /// What the last path tried said.
        why: String,
    },
    /// It was silent for too long.
    #[error("{peer} was silent for {} ms", .after.as_millis())]
    Silent {
        /// The peer's name.
        peer: String,
        /// For how long.
        after: Duration,
    },
    /// It refused.
    #[error("{peer} answered {status}: {message}")]
    Refused {
        /// The peer's name.
        peer: String,
        /// The HTTP status.
        status: StatusCode,
        /// What it said.
        message: String,
    },
}

/// One way to a peer.
#[derive(Debug)]
pub struct Path {
    /// The network it uses; `None` when it crosses several.
    pub switch: Option<String>,
    remote: SocketAddr,
    client: Client<HttpConnector, Full<Bytes>>,
    /// The last hello over it was answered.
    up: AtomicBool,
}

#[derive(Debug)]
struct Peer {
    name: String,
    paths: Vec<Path>,
    /// The path that worked last.
    preferred: AtomicUsize,
    session: AtomicU64,
}

/// The other nodes, and the ways to them.
#[derive(Debug)]
pub struct Peers {
    peers: Vec<Peer>,
    signer: Signer,
}

impl Peers {
    /// Prepares pools for the paths of a configuration; connects to nobody yet.
    pub fn new(config: &Config, boot: u64) -> Self {
        let peer = |member: &Member| Peer {
            name: member.name.clone(),
            paths: paths(config, member),
            preferred: AtomicUsize::new(0),
            session: AtomicU64::new(0),
        };
        let peers = config.members.iter().map(peer).collect();
        Self { peers, signer: Signer::new(config.key, &config.me().name, boot) }
    }

    /// The paths to a node, in the order of the configuration.
    pub fn paths(&self, to: NodeId) -> &[Path] {
        &self.peers[to.0 as usize].paths
    }

    /// Notes whether a hello over a path was answered.
    pub fn note_path(&self, to: NodeId, path_index: usize, up: bool) {
        self.peers[to.0 as usize].paths[path_index].up.store(up, Ordering::Relaxed);
    }

    /// Sends a request over the path that worked last, then over the others, those that are up first. The answer's head
    /// must come within `patience` in all; its body is the caller's to read.
    ///
    /// # Errors
    /// [`PeerError`]; the peer may have acted on the request all the same.
    ///
    /// Cancel safety: dropping it gives the request up; the peer may have acted on it.
    pub async fn request(
        &self,
        to: NodeId,
        method: Method,
        path: &str,
        body: Bytes,
        patience: Duration,
    ) -> Result<Response<Incoming>, PeerError> {
        let peer = &self.peers[to.0 as usize];
        let count = peer.paths.len();
        let preferred = peer.preferred.load(Ordering::Relaxed);
        let mut last = PeerError::Unreachable { peer: peer.name.clone(), why: "there is no path to it".to_owned() };
        let mut order: Vec<usize> = (0..count).map(|turn| (preferred + turn) % count).collect();
        order.sort_by_key(|index| !peer.paths[*index].up.load(Ordering::Relaxed));
        // Each path gets its share of the time: one that is mute must not use up what the next one needs.
        let patience = patience / u32::try_from(count.max(1)).unwrap_or(1);
        for index in order {
            match self.request_by(to, index, method.clone(), path, body.clone(), patience).await {
                Ok(response) => {
                    peer.preferred.store(index, Ordering::Relaxed);
                    return Ok(response);
                }
                Err(error @ PeerError::Refused { .. }) => return Err(error),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Sends a request over one path.
    ///
    /// # Errors
    /// [`PeerError`]; the peer may have acted on the request all the same.
    ///
    /// Cancel safety: dropping it gives the request up; the peer may have acted on it.
    pub async fn request_by(
        &self,
        to: NodeId,
        path_index: usize,
        method: Method,
        path: &str,
        body: Bytes,
        patience: Duration,
    ) -> Result<Response<Incoming>, PeerError> {
        let peer = &self.peers[to.0 as usize];
        // A second try, once the peer has told its session: this happens at its first request and after its restart.
        for _ in 0..2 {
            let session = peer.session.load(Ordering::Relaxed);
            let auth = self.signer.sign(method.as_str(), path, session, &body);
            let way = &peer.paths[path_index];
            let request = Request::builder()
                .method(method.clone())
                .uri(format!("http://{}{path}", way.remote))
                .header(AUTH_HEADER, auth)
                .body(Full::new(body.clone()))
                .map_err(|error| PeerError::Unreachable { peer: peer.name.clone(), why: error.to_string() })?;
            let response = match timeout(patience, way.client.request(request)).await {
                Err(_) => return Err(PeerError::Silent { peer: peer.name.clone(), after: patience }),
                Ok(Err(error)) => {
                    let why = format!("{}: {error}", way.remote);
                    return Err(PeerError::Unreachable { peer: peer.name.clone(), why });
                }
                Ok(Ok(response)) => response,
            };
            let told = session_of(response.headers().get(SESSION_HEADER));
            match told {
                Some(told) if response.status() == StatusCode::UNAUTHORIZED && told != session => {
                    peer.session.store(told, Ordering::Relaxed);
                }
                _ if response.status().is_success() => return Ok(response),
                _ => {
                    let status = response.status();
                    let bytes = response.into_body().collect().await.map(http_body_util::Collected::to_bytes);
                    let message = String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned();
                    return Err(PeerError::Refused { peer: peer.name.clone(), status, message });
                }
            }
        }
        Err(PeerError::Unreachable { peer: peer.name.clone(), why: "it changes its session all the time".to_owned() })
    }
}

fn session_of(header: Option<&HeaderValue>) -> Option<u64> {
    header?.to_str().ok()?.parse().ok()
}

fn paths(config: &Config, member: &Member) -> Vec<Path> {
    let path = |PathAddresses { switch, local, remote }| {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT));
        connector.set_local_address(Some(local.ip()));
        let client = Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
            .pool_idle_timeout(Duration::from_secs(30))
            .pool_timer(TokioTimer::new())
            .http1_max_buf_size(512 << 10)
            .build(connector);
        Path { switch, remote, client, up: AtomicBool::new(true) }
    };
    config.paths_to(member).into_iter().map(path).collect()
}
