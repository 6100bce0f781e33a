//! The asking side: one connection pool per path, bound to its local address.

use super::paths::Paths;
use bytes::Bytes;
use core::pin::pin;
use core::time::Duration;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::HeaderValue;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rain_cluster::link::Hint;
use rain_cluster::{NodeId, Sender};
use rain_config::{Config, Member, PathAddresses};
use rain_wire::auth::{AUTH_HEADER, SESSION_HEADER, Signer};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use tokio::time::{sleep, timeout};

const CONNECT: Duration = Duration::from_millis(500);
/// A path that was given up wrongly is up again after so long.
const COME_BACK: Duration = Duration::from_millis(200);
const AGAIN: Duration = Duration::from_millis(20);
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

type PoolClient = Client<HttpConnector, Full<Bytes>>;

/// The connections of one path.
#[derive(Debug)]
struct Pool {
    addresses: PathAddresses,
    client: Mutex<PoolClient>,
}

impl Pool {
    fn new(addresses: PathAddresses) -> Self {
        let client = Mutex::new(new_client(&addresses));
        Self { addresses, client }
    }

    fn client(&self) -> PoolClient {
        self.client.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Closes the connections that are idle; those in use are closed by whoever uses them.
    fn close(&self) {
        *self.client.lock().unwrap_or_else(PoisonError::into_inner) = new_client(&self.addresses);
    }
}

fn new_client(addresses: &PathAddresses) -> PoolClient {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(CONNECT));
    connector.set_local_address(Some(addresses.local.ip()));
    Client::builder(TokioExecutor::new())
        .pool_max_idle_per_host(IDLE_CONNECTIONS)
        .pool_idle_timeout(Duration::from_secs(30))
        .pool_timer(TokioTimer::new())
        .http1_max_buf_size(512 << 10)
        .build(connector)
}

/// Who this node is, at the moment.
struct Whoami(Box<dyn Fn() -> Sender + Send + Sync>);

impl core::fmt::Debug for Whoami {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        (self.0)().fmt(formatter)
    }
}

#[derive(Debug)]
struct Peer {
    name: String,
    pools: Vec<Pool>,
    session: AtomicU64,
}

/// The other nodes, and the ways to them.
#[derive(Debug)]
pub struct Peers {
    /// What is known of the ways.
    pub paths: Paths,
    nodes: BTreeMap<NodeId, Peer>,
    signer: Signer,
    whoami: Whoami,
}

/// A request to a peer.
#[derive(Debug, Clone)]
pub struct PeerRequest {
    /// GET or POST.
    pub method: Method,
    /// The path with its query.
    pub path: String,
    /// The body.
    pub body: Bytes,
    /// An answer must have come after so long.
    pub patience: Duration,
    /// An answer may be hoped for so soon: when it does not come, a second path is tried beside the first. `None` for
    /// what takes the peer a while: then only a broken path is followed by the next.
    pub hope: Option<Duration>,
}

impl Peers {
    /// Prepares pools for the paths of a configuration; connects to nobody yet. `whoami` says who this node is, for every
    /// request.
    pub fn new(config: &Config, boot: u64, whoami: impl Fn() -> Sender + Send + Sync + 'static) -> Self {
        let paths = Paths::new(config);
        let peer = |member: &Member| Peer {
            name: member.name.clone(),
            pools: paths.to(member.id).iter().map(|path| Pool::new(path.addresses.clone())).collect(),
            session: AtomicU64::new(0),
        };
        let nodes = config.members.iter().map(|member| (member.id, peer(member))).collect();
        Self { paths, nodes, signer: Signer::new(config.key, boot), whoami: Whoami(Box::new(whoami)) }
    }

    /// Closes the idle connections of every path that goes down, until the task is aborted.
    ///
    /// Cancel safety: nothing is lost.
    pub async fn close_dead_pools(&self) {
        let mut table = self.paths.watch();
        let mut seen = table.borrow().clone();
        while table.changed().await.is_ok() {
            let now = table.borrow_and_update().clone();
            for (node, peer) in &self.nodes {
                for ((pool, before), after) in peer.pools.iter().zip(seen.paths(*node)).zip(now.paths(*node)) {
                    if after.downs > before.downs {
                        pool.close();
                    }
                }
            }
            seen = now;
        }
    }

    /// Sends a request over the best path, and over others when that one is down, breaks, or lets hope. The whole answer.
    ///
    /// # Errors
    /// [`PeerError`]; the peer may have acted on the request all the same, and more than once.
    ///
    /// Cancel safety: dropping it gives the request up; the peer may have acted on it.
    pub async fn ask(&self, to: NodeId, request: PeerRequest) -> Result<Bytes, PeerError> {
        let request = &request;
        let attempts = async {
            let mut tried = Vec::new();
            let mut under_way = FuturesUnordered::new();
            let mut last = PeerError::Unreachable { peer: self.name_of(to), why: "no path to it is up".to_owned() };
            loop {
                if let Some(path) = self.paths.choose(to, &tried) {
                    tried.push(path);
                    under_way.push(self.ask_by(to, path, request));
                } else if under_way.is_empty() && request.hope.is_none() && self.comes_back(to).await {
                    tried.clear();
                    continue;
                }
                let more = tried.len() < self.paths.to(to).len();
                let hope = async {
                    match request.hope {
                        Some(hope) if more => sleep(hope).await,
                        _ => core::future::pending().await,
                    }
                };
                tokio::select! {
                    answer = under_way.next() => match answer {
                        Some(Err(PeerError::Unreachable { peer, why })) => last = PeerError::Unreachable { peer, why },
                        Some(answer) => return answer,
                        None => return Err(last),
                    },
                    () = hope => {}
                }
            }
        };
        let silent = || PeerError::Silent { peer: self.name_of(to), after: request.patience };
        timeout(request.patience, attempts).await.unwrap_or_else(|_| Err(silent()))
    }

    /// A verdict may be wrong: then a path comes up again at once. Waiting for that is cheaper than doing without the
    /// peer in something that took a while already.
    async fn comes_back(&self, to: NodeId) -> bool {
        // It may also have refused while it counts as up: then it is asked again, but not at once.
        sleep(AGAIN).await;
        let mut table = self.paths.watch();
        let up = table.wait_for(|table| table.is_up(to) != Some(false));
        timeout(COME_BACK, up).await.is_ok()
    }

    async fn ask_by(&self, to: NodeId, path: usize, request: &PeerRequest) -> Result<Bytes, PeerError> {
        let mut down = pin!(self.paths.went_down(to, path));
        let response = self.send_by(to, path, request.method.clone(), &request.path, request.body.clone()).await?;
        tokio::select! {
            body = response.into_body().collect() => {
                body.map(http_body_util::Collected::to_bytes).map_err(|error| self.broke(to, path, &error))
            }
            () = &mut down => Err(self.broke(to, path, &"the path went down")),
        }
    }

    fn broke(&self, to: NodeId, path: usize, why: &dyn core::fmt::Display) -> PeerError {
        let addresses = self.paths.to(to).get(path).map(|path| path.addresses.to_string()).unwrap_or_default();
        PeerError::Unreachable { peer: self.name_of(to), why: format!("{addresses}: {why}") }
    }

    /// The name of a node; its id where it is none of the configuration's.
    fn name_of(&self, node: NodeId) -> String {
        self.nodes.get(&node).map_or_else(|| node.to_string(), |peer| peer.name.clone())
    }

    /// Sends a request over one path; ends when that goes down. The body of the answer is the caller's to read.
    ///
    /// # Errors
    /// [`PeerError::Unreachable`], [`PeerError::Refused`]; the peer may have acted on the request all the same.
    ///
    /// Cancel safety: dropping it gives the request up; the peer may have acted on it.
    pub async fn send_by(
        &self,
        to: NodeId,
        path: usize,
        method: Method,
        path_and_query: &str,
        body: Bytes,
    ) -> Result<Response<Incoming>, PeerError> {
        let mut down = pin!(self.paths.went_down(to, path));
        tokio::select! {
            response = self.send(to, path, method, path_and_query, body) => response,
            () = &mut down => Err(self.broke(to, path, &"the path went down")),
        }
    }

    async fn send(
        &self,
        to: NodeId,
        path: usize,
        method: Method,
        path_and_query: &str,
        body: Bytes,
    ) -> Result<Response<Incoming>, PeerError> {
        let known = self.nodes.get(&to).and_then(|peer| Some((peer, peer.pools.get(path)?)));
        let Some((peer, pool)) = known else { return Err(self.broke(to, path, &"there is no such path")) };
        // A second try, once the peer has told its session: this happens at its first request and after its restart.
        for _ in 0..2 {
            let session = peer.session.load(Ordering::Relaxed);
            let auth = self.signer.sign((self.whoami.0)(), method.as_str(), path_and_query, session, &body);
            let request = Request::builder()
                .method(method.clone())
                .uri(format!("http://{}{path_and_query}", pool.addresses.remote))
                .header(AUTH_HEADER, auth)
                .body(Full::new(body.clone()))
                .map_err(|error| self.broke(to, path, &error))?;
            let response = pool.client().request(request).await.map_err(|error| {
                if is_refused(&error) {
                    self.paths.hint(to, path, Hint::Refused);
                }
                self.broke(to, path, &error)
            })?;
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
        Err(self.broke(to, path, &"it changes its session all the time"))
    }
}

/// Whether the peer's kernel says that nobody listens there.
fn is_refused(error: &(dyn core::error::Error + 'static)) -> bool {
    let causes = core::iter::successors(Some(error), |error| error.source());
    let mut causes = causes.filter_map(|error| error.downcast_ref::<std::io::Error>());
    causes.any(|error| error.kind() == std::io::ErrorKind::ConnectionRefused)
}

fn session_of(header: Option<&HeaderValue>) -> Option<u64> {
    header?.to_str().ok()?.parse().ok()
}
