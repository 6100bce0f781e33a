//! The asking side: one pool of sessions per path, bound to its local address.

use super::clear::{TAG_HEADER, tagged, to_header};
use super::clocks::Clocks;
use super::paths::{Path, PathChange, Paths};
use super::session::{self, Connector, called_secret};
use super::{HELLO, REFUSAL_BYTES_MAX, REPLY_BYTES_MAX};
use bytes::Bytes;
use core::pin::pin;
use core::time::Duration;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::HOST;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rain_cluster::link::Hint;
use rain_cluster::{NodeId, Sender};
use rain_config::{Config, Member, NodeKeys, PathAddresses};
use rain_session::rustls::ClientConfig;
use rain_session::{Secret, Sessions};
use rain_wire::clock::{self, CLOCK_HEADER};
use rain_wire::datagram::{Begun, Keyring, RequestTag};
use rain_wire::sender::{self, SENDER_HEADER};
use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Instant;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

/// A path that was given up wrongly is up again after so long.
const COME_BACK: Duration = Duration::from_millis(200);
const AGAIN: Duration = Duration::from_millis(20);
const IDLE_CONNECTIONS: usize = 32;
/// What a greeting ends with where columns are given in the clear.
const CLEAR: &str = " clear";

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
    /// One of the two does not take the other for who it says it is.
    #[error("no session with {peer}: {why}")]
    Untrusted {
        /// The peer's name.
        peer: String,
        /// What is not as expected.
        why: &'static str,
    },
}

type PoolClient = Client<Connector, Full<Bytes>>;

/// The sessions over one path.
#[derive(Debug)]
struct Pool {
    connector: Connector,
    client: Mutex<PoolClient>,
}

impl Pool {
    fn new(session: Option<Arc<ClientConfig>>, addresses: PathAddresses) -> Self {
        let connector = Connector { session, path: Arc::new(addresses) };
        let client = Mutex::new(new_client(&connector));
        Self { connector, client }
    }

    fn client(&self) -> PoolClient {
        self.client.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Closes the connections that are idle; those in use are closed by whoever uses them.
    fn close(&self) {
        *self.client.lock().unwrap_or_else(PoisonError::into_inner) = new_client(&self.connector);
    }
}

fn new_client(connector: &Connector) -> PoolClient {
    Client::builder(TokioExecutor::new())
        .pool_max_idle_per_host(IDLE_CONNECTIONS)
        .pool_idle_timeout(Duration::from_secs(30))
        .pool_timer(TokioTimer::new())
        .http1_max_buf_size(512 << 10)
        .build(connector.clone())
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
    /// Why a session with it failed since it was greeted last, where one of the two does not trust the other.
    distrust: Mutex<Option<&'static str>>,
    /// There is a reason to greet it.
    to_greet: Notify,
    /// The ways to it without sessions; none where its columns come sealed.
    clear: Vec<Pool>,
    /// It gives columns in the clear.
    gives_clear: AtomicBool,
}

impl Peer {
    fn distrust(&self) -> MutexGuard<'_, Option<&'static str>> {
        self.distrust.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The other nodes, and the ways to them.
#[derive(Debug)]
pub struct Peers {
    /// What is known of the ways.
    pub paths: Paths,
    /// What is known of their clocks.
    pub clocks: Clocks,
    nodes: RwLock<BTreeMap<NodeId, Arc<Peer>>>,
    sessions: Sessions,
    is_private: bool,
    /// The number of this start of the node: pings say it.
    start: u64,
    keyring: Arc<Mutex<Keyring>>,
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
    /// Speaks by the keys of a configuration, with nobody yet. `start` is a number that no other start of
    /// the node has; `whoami` says who this node is, for every request.
    pub fn new(config: &Config, start: u64, whoami: impl Fn() -> Sender + Send + Sync + 'static) -> Self {
        let NodeKeys { own, peers } = &config.reloadable.keys;
        Self {
            paths: Paths::new(),
            clocks: Clocks::default(),
            nodes: RwLock::default(),
            sessions: Sessions::new(own, peers.clone()),
            is_private: config.peer_privacy,
            start,
            keyring: Arc::default(),
            whoami: Whoami(Box::new(whoami)),
        }
    }

    /// From now on these are the members, as the node of `config` reaches them. What became of the paths to them.
    pub fn set_members(&self, config: &Config, members: &[Member]) -> Vec<PathChange> {
        let changes = self.paths.set_members(config, members);
        let peer = |member: &Member| {
            let paths = self.paths.to(member.id);
            let known = self.peer(member.id);
            let known = known.filter(|known| known.name == member.name && known.pools.len() == paths.len());
            (member.id, known.unwrap_or_else(|| Arc::new(self.new_peer(member, &paths))))
        };
        let nodes: BTreeMap<_, _> = members.iter().map(peer).collect();
        let others = members.iter().filter(|member| member.id != config.id);
        self.clocks.set_names(others.map(|member| (member.id, member.name.clone())).collect());
        let before = core::mem::replace(&mut *self.nodes.write().unwrap_or_else(PoisonError::into_inner), nodes);
        for gone in before.keys().filter(|node| members.iter().all(|member| member.id != **node)) {
            self.keyring.lock().unwrap_or_else(PoisonError::into_inner).forget(*gone);
        }
        changes
    }

    fn new_peer(&self, member: &Member, paths: &[Arc<Path>]) -> Peer {
        let pools = |session: Option<Arc<ClientConfig>>| {
            paths.iter().map(move |path| Pool::new(session.clone(), path.addresses.clone())).collect()
        };
        Peer {
            name: member.name.clone(),
            pools: pools(Some(self.sessions.client(member.id))),
            distrust: Mutex::default(),
            to_greet: Notify::new(),
            clear: if self.is_private { Vec::new() } else { pools(None) },
            gives_clear: AtomicBool::new(false),
        }
    }

    fn peer(&self, node: NodeId) -> Option<Arc<Peer>> {
        self.nodes.read().unwrap_or_else(PoisonError::into_inner).get(&node).cloned()
    }

    /// Whether a node is a member of the cluster.
    pub(super) fn is_member(&self, node: NodeId) -> bool {
        self.peer(node).is_some()
    }

    fn all(&self) -> Vec<(NodeId, Arc<Peer>)> {
        let nodes = self.nodes.read().unwrap_or_else(PoisonError::into_inner);
        nodes.iter().map(|(node, peer)| (*node, Arc::clone(peer))).collect()
    }

    /// Whether all of its columns travel sealed.
    pub(super) fn is_private(&self) -> bool {
        self.is_private
    }

    /// How this node speaks with its peers.
    pub(super) fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    /// From now on these are the keys. Sessions in which another one was shown end with their next request, and a peer of
    /// which a key is off the list is greeted anew before a ping of it counts.
    pub fn set_keys(&self, NodeKeys { own, peers }: &NodeKeys) {
        for node in self.sessions.set_keys(own, peers.clone()) {
            self.keyring.lock().unwrap_or_else(PoisonError::into_inner).forget(node);
            if let Some(peer) = self.peer(node) {
                peer.to_greet.notify_one();
            }
        }
        self.all().iter().flat_map(|(_, peer)| &peer.pools).for_each(Pool::close);
    }

    /// The number of this start of the node.
    pub fn start(&self) -> u64 {
        self.start
    }

    /// The keys of datagrams.
    pub fn keyring(&self) -> &Arc<Mutex<Keyring>> {
        &self.keyring
    }

    /// Notes that a session with a peer was begun, and by whom, with the number of its start.
    pub(super) fn note_session(&self, peer: NodeId, secret: &Secret, start: u64, begun: Begun) {
        self.keyring.lock().unwrap_or_else(PoisonError::into_inner).add(peer, &secret.0, start, begun);
    }

    /// The peers with which there is no session because one of the two does not trust the other, and why.
    pub fn distrusted(&self) -> Vec<(String, &'static str)> {
        self.all().into_iter().filter_map(|(_, peer)| Some((peer.name.clone(), (*peer.distrust())?))).collect()
    }

    /// Notes what an answer says of the peer's clock: one that came in a session, so that it is the peer's word.
    fn note_clock(&self, to: NodeId, response: &Response<Incoming>, sent: Instant) {
        let told = response.headers().get(CLOCK_HEADER).and_then(|value| value.to_str().ok());
        if let Some(told_ms) = told.and_then(clock::from_text) {
            self.clocks.note(to, told_ms, sent.elapsed());
        }
    }

    /// Notes what a session with a peer came to.
    fn note_trust(&self, to: NodeId, why: Option<&'static str>) {
        let Some(peer) = self.peer(to) else { return };
        if core::mem::replace(&mut *peer.distrust(), why) != why
            && let Some(why) = why
        {
            tracing::warn!(peer = peer.name, why, "no session with a peer");
            peer.to_greet.notify_one();
        }
    }

    /// Ends when there is a reason to greet a peer: a session with it failed because one of the two does not trust the
    /// other, or keys shared with it were forgotten.
    ///
    /// Cancel safety: nothing is lost.
    pub(crate) async fn to_greet(&self, peer: NodeId) {
        match self.peer(peer) {
            Some(peer) => peer.to_greet.notified().await,
            None => core::future::pending().await,
        }
    }

    /// Agrees with a peer on a key for datagrams, over one path.
    ///
    /// # Errors
    /// [`PeerError`].
    ///
    /// Cancel safety: the peer may have the key, and this node not.
    pub async fn greet(&self, to: NodeId, path: usize) -> Result<(), PeerError> {
        let known = self.peer(to);
        let Some(pool) = known.as_ref().and_then(|peer| peer.pools.get(path)) else {
            return Err(self.broke(to, path, &"there is no such path"));
        };
        let (config, addresses) = (self.sessions.client(to), &pool.connector.path);
        let stream = session::connect(config, addresses).await;
        let stream = stream.map_err(|error| self.not_sent(to, path, &error))?;
        let secret = called_secret(&stream);
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| self.broke(to, path, &error))?;
        let request = Request::post(HELLO)
            .header(HOST, addresses.remote.to_string())
            .header(SENDER_HEADER, sender::to_text((self.whoami.0)()))
            .body(Full::new(Bytes::from(format!("{:016x}", self.start))))
            .map_err(|error| self.broke(to, path, &error))?;
        let asked = async {
            let sent = Instant::now();
            let response = sender.send_request(request).await.map_err(|error| self.not_sent(to, path, &error))?;
            self.note_clock(to, &response, sent);
            self.body(to, path, response).await
        };
        let mut asked = pin!(asked);
        let told = tokio::select! {
            biased;
            told = &mut asked => told?,
            ended = connection => match ended {
                // Whoever asked is told why.
                Ok(()) => asked.await?,
                Err(error) => return Err(self.not_sent(to, path, &error)),
            },
        };
        let (Some(secret), Some((start, gives_clear))) = (secret, parse_greeting(&told)) else {
            return Err(self.broke(to, path, &"it greeted in another way than was expected"));
        };
        if let Some(peer) = self.peer(to) {
            peer.gives_clear.store(gives_clear, Ordering::Relaxed);
        }
        self.note_session(to, &secret, start, Begun::Here);
        self.note_trust(to, None);
        Ok(())
    }

    /// Closes the idle connections of every path that goes down, until the task is aborted.
    ///
    /// Cancel safety: nothing is lost.
    pub async fn close_dead_pools(&self) {
        let mut table = self.paths.watch();
        let mut seen = table.borrow().clone();
        while table.changed().await.is_ok() {
            let now = table.borrow_and_update().clone();
            for (node, peer) in self.all() {
                for ((pool, before), after) in peer.pools.iter().zip(seen.paths(node)).zip(now.paths(node)) {
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
        // A new connection takes three round trips, and its session one of these.
        let round_trip = self.paths.round_trip(to);
        let (patience, hope) = (request.patience + 4 * round_trip, request.hope.map(|hope| hope + 2 * round_trip));
        let request = &request;
        let attempts = async {
            let mut tried = Vec::new();
            let mut under_way = FuturesUnordered::new();
            let mut last = PeerError::Unreachable { peer: self.name_of(to), why: "no path to it is up".to_owned() };
            loop {
                if let Some(path) = self.paths.choose(to, &tried) {
                    tried.push(path);
                    under_way.push(self.ask_by(to, path, request));
                } else if under_way.is_empty()
                    && (request.hope.is_none() || self.paths.is_doubtful(to))
                    && self.comes_back(to).await
                {
                    tried.clear();
                    continue;
                }
                let more = tried.len() < self.paths.to(to).len();
                let hope = async {
                    match hope {
                        Some(hope) if more => sleep(hope).await,
                        _ => core::future::pending().await,
                    }
                };
                tokio::select! {
                    answer = under_way.next() => match answer {
                        // Whoever misleads one path may leave another one alone.
                        Some(Err(error @ (PeerError::Unreachable { .. } | PeerError::Untrusted { .. }))) => last = error,
                        Some(answer) => return answer,
                        None => return Err(last),
                    },
                    () = hope => {}
                }
            }
        };
        let silent = || PeerError::Silent { peer: self.name_of(to), after: patience };
        timeout(patience, attempts).await.unwrap_or_else(|_| Err(silent()))
    }

    /// A verdict may be wrong: then a path comes up again at once. Waiting for that is cheaper than doing without the
    /// peer, when the verdict is new or in something that took a while already.
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
            body = self.body(to, path, response) => body,
            () = &mut down => Err(self.broke(to, path, &"the path went down")),
        }
    }

    /// The body of an answer, which is not believed to be longer than any can be.
    async fn body(&self, to: NodeId, path: usize, response: Response<Incoming>) -> Result<Bytes, PeerError> {
        let body = Limited::new(response.into_body(), REPLY_BYTES_MAX).collect().await;
        body.map(http_body_util::Collected::to_bytes).map_err(|error| self.broke(to, path, &error))
    }

    /// Why a request, or its session, came to nothing.
    fn not_sent(&self, to: NodeId, path: usize, error: &(dyn core::error::Error + 'static)) -> PeerError {
        if let Some(why) = session::refusal(error) {
            self.note_trust(to, Some(why));
            return PeerError::Untrusted { peer: self.name_of(to), why };
        }
        if is_refused(error) {
            self.paths.hint(to, path, Hint::Refused);
        }
        self.broke(to, path, &error)
    }

    fn broke(&self, to: NodeId, path: usize, why: &dyn core::fmt::Display) -> PeerError {
        let addresses = self.paths.to(to).get(path).map(|path| path.addresses.to_string()).unwrap_or_default();
        PeerError::Unreachable { peer: self.name_of(to), why: format!("{addresses}: {why}") }
    }

    /// The name of a node; its id where it is none of the configuration's.
    fn name_of(&self, node: NodeId) -> String {
        self.peer(node).map_or_else(|| node.to_string(), |peer| peer.name.clone())
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

    /// Asks for blocks of a column over one path; ends when that goes down. `is_proven` says that the answer carries its
    /// proof: then it comes in the clear where that is allowed at both ends, and all else comes sealed.
    ///
    /// # Errors
    /// As [`send_by`](Self::send_by).
    ///
    /// Cancel safety: as [`send_by`](Self::send_by).
    pub async fn column_by(
        &self,
        to: NodeId,
        path: usize,
        path_and_query: &str,
        is_proven: bool,
    ) -> Result<Response<Incoming>, PeerError> {
        if is_proven {
            let down = self.paths.went_down(to, path);
            // What is refused in the clear may be anybody's word.
            tokio::select! {
                response = self.clear_column(to, path, path_and_query) => if let Some(response) = response {
                    return Ok(response);
                },
                () = down => return Err(self.broke(to, path, &"the path went down")),
            }
        }
        self.send_by(to, path, Method::GET, path_and_query, Bytes::new()).await
    }

    fn tag(&self, to: NodeId, request: &str) -> Option<RequestTag> {
        self.keyring.lock().unwrap_or_else(PoisonError::into_inner).tag(to, request)
    }

    /// An answer in the clear; `None` where none is given.
    pub(super) async fn clear_column(
        &self,
        to: NodeId,
        path: usize,
        path_and_query: &str,
    ) -> Option<Response<Incoming>> {
        let peer = self.peer(to).filter(|peer| peer.gives_clear.load(Ordering::Relaxed))?;
        let pool = peer.clear.get(path)?;
        let whoami = (self.whoami.0)();
        let tag = self.tag(to, &tagged(path_and_query, whoami))?;
        let request = Request::get(format!("http://{}{path_and_query}", pool.connector.path.remote))
            .header(SENDER_HEADER, sender::to_text(whoami))
            .header(TAG_HEADER, to_header(tag))
            .body(Full::default())
            .ok()?;
        pool.client().request(request).await.ok().filter(|response| response.status().is_success())
    }

    async fn send(
        &self,
        to: NodeId,
        path: usize,
        method: Method,
        path_and_query: &str,
        body: Bytes,
    ) -> Result<Response<Incoming>, PeerError> {
        let peer = self.peer(to);
        let known = peer.as_ref().and_then(|peer| Some((peer, peer.pools.get(path)?)));
        let Some((peer, pool)) = known else { return Err(self.broke(to, path, &"there is no such path")) };
        let request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path_and_query}", pool.connector.path.remote))
            .header(SENDER_HEADER, sender::to_text((self.whoami.0)()))
            .body(Full::new(body))
            .map_err(|error| self.broke(to, path, &error))?;
        let sent = Instant::now();
        let response = pool.client().request(request).await.map_err(|error| self.not_sent(to, path, &error))?;
        self.note_clock(to, &response, sent);
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let bytes = Limited::new(response.into_body(), REFUSAL_BYTES_MAX).collect().await;
        let bytes = bytes.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        let message = String::from_utf8_lossy(&bytes).into_owned();
        Err(PeerError::Refused { peer: peer.name.clone(), status, message })
    }
}

/// The number of a start, as it travels: 16 hexadecimal digits.
pub(super) fn parse_start(text: &str) -> Option<u64> {
    u64::from_str_radix(text, 16).ok().filter(|_| text.len() == 16)
}

/// The answer to a greeting: the number of the start, and whether columns are given in the clear.
pub(super) fn greeting(start: u64, gives_clear: bool) -> String {
    format!("{start:016x}{}", if gives_clear { CLEAR } else { "" })
}

fn parse_greeting(told: &[u8]) -> Option<(u64, bool)> {
    let told = str::from_utf8(told).ok()?;
    let (start, gives_clear) = told.strip_suffix(CLEAR).map_or((told, false), |start| (start, true));
    Some((parse_start(start)?, gives_clear))
}

/// Whether the peer's kernel says that nobody listens there.
fn is_refused(error: &(dyn core::error::Error + 'static)) -> bool {
    let causes = core::iter::successors(Some(error), |error| error.source());
    let mut causes = causes.filter_map(|error| error.downcast_ref::<io::Error>());
    causes.any(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}
