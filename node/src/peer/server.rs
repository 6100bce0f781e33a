//! The answering side: what comes in at the doors of a node, proven and read, to whoever answers it.

use super::clear::{TAG_HEADER, from_header, is_clear, tagged};
use super::client::{greeting, parse_start};
use super::office::{NotTaken, Office, PeerAnswer, PeerAsk, Refusal};
use super::session::{Accepted, accept, accepted_secret};
use super::{HELLO, JOIN, PEER_BODY_BYTES_MAX, Peers, REFUSAL_BYTES_MAX, listing, uploads};
use crate::clock::unix_time;
use crate::gate::{Gate, Pass};
use crate::store::{ColumnError, UploadError};
use bytes::Bytes;
use core::time::Duration;
use futures_util::future::BoxFuture;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderValue};
use hyper::http::request::Parts;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use rain_cluster::{NodeId, Sender, Version};
use rain_fetch::ColumnRead;
use rain_session::{PublicKey, Secret};
use rain_titles::title;
use rain_wire::clock::CLOCK_HEADER;
use rain_wire::datagram::Begun;
use rain_wire::sender::{self, SENDER_HEADER};
use serde::Serialize;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::either::Either;

/// Whoever was told to go in the middle of an answer is looked at again after so long.
const LEAVING: Duration = Duration::from_millis(100);

/// Longest head of a request.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// An interface at which peers ask.
#[derive(Debug)]
pub struct Door {
    /// Where they connect.
    pub listener: TcpListener,
    /// Its address, by the configuration.
    pub address: SocketAddr,
    /// The peers, and the ways to them.
    pub peers: Arc<Peers>,
    /// How many may come at once; one for all doors.
    pub gate: Arc<Gate>,
}

/// Serves peers at a door until the task is aborted.
///
/// Cancel safety: dropping it closes every connection.
pub async fn serve<O: Office>(door: Arc<Door>, office: Arc<O>) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = door.listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        let Ok((stream, remote)) = accepted else {
            // Out of descriptors, or a connection that broke at once: the next one may do better.
            sleep(Duration::from_millis(10)).await;
            continue;
        };
        // Strangers, who prove nothing, are the first to go where there is no room.
        let Ok(pass) = door.gate.enter(remote.ip()).map(Arc::new) else { continue };
        let _ = stream.set_nodelay(true);
        let (door, office) = (Arc::clone(&door), Arc::clone(&office));
        let path = door.peers.paths.find(door.address, remote.ip());
        connections.spawn(async move {
            let down: BoxFuture<'_, ()> = match path {
                Some((peer, path)) => Box::pin(door.peers.paths.went_down(peer, path)),
                None => Box::pin(core::future::pending()),
            };
            let going = Arc::clone(&pass);
            let served = async {
                let (caller, stream) = match entered(&door.peers, stream).await {
                    Ok(entered) => entered,
                    Err(error) => {
                        metrics::counter!("rain_sessions_refused_total").increment(1);
                        tracing::debug!(%remote, %error, "no session");
                        return;
                    }
                };
                let door = Arc::clone(&door);
                let service = service_fn(move |request| {
                    let (serving, door, office) = (pass.serve(), Arc::clone(&door), Arc::clone(&office));
                    async move {
                        let mut response = answer(door, caller, office, request).await;
                        let now_ms = u64::try_from(unix_time().as_millis()).unwrap_or(u64::MAX);
                        response.headers_mut().insert(CLOCK_HEADER, HeaderValue::from(now_ms));
                        drop(serving);
                        Ok::<_, Infallible>(response)
                    }
                });
                let connection = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .max_header_size(HEAD_BYTES_MAX)
                    // Each answer has its own, more exact, and right as soon as the clock was set back.
                    .auto_date_header(false)
                    .max_buf_size(1 << 20)
                    .serve_connection(TokioIo::new(stream), service);
                // A peer that goes away in the middle is its own affair.
                let _ = connection.await;
            };
            // One whose path went down asks again elsewhere.
            tokio::select! {
                () = served => {}
                () = down => {}
                () = dismissed(&going) => {}
            }
        });
    }
}

/// Ends when somebody is told to go, and not in the middle of an answer.
async fn dismissed(pass: &Pass) {
    pass.told_to_go().await;
    while pass.is_served() {
        sleep(LEAVING).await;
    }
}

/// Who is at the other end of a connection.
#[derive(Debug, Clone, Copy)]
enum Caller {
    Session {
        peer: NodeId,
        key: PublicKey,
        secret: Option<Secret>,
    },
    /// Somebody without a session: each request says who, and proves it.
    Clear,
}

/// Begins what a connection is for.
async fn entered(peers: &Peers, stream: TcpStream) -> io::Result<(Caller, Either<Accepted, TcpStream>)> {
    if !peers.is_private() && is_clear(&stream).await? {
        return Ok((Caller::Clear, Either::Right(stream)));
    }
    let (peer, key, stream) = accept(peers.sessions(), stream).await?;
    Ok((Caller::Session { peer, key, secret: accepted_secret(&stream) }, Either::Left(stream)))
}

/// Whose request it is, or why it is nobody's.
fn proven(peers: &Peers, caller: Caller, parts: &Parts) -> Result<Sender, (StatusCode, String)> {
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let Some(from) = header(SENDER_HEADER).and_then(sender::from_text) else {
        return Err((StatusCode::BAD_REQUEST, format!("the header `{SENDER_HEADER}` names no sender")));
    };
    match caller {
        Caller::Session { peer, .. } if from.node != peer => {
            let message = format!("the request is of node {}, expected node {peer}, whose session it is", from.node);
            Err((StatusCode::FORBIDDEN, message))
        }
        Caller::Session { .. } => Ok(from),
        Caller::Clear => {
            let path_and_query = parts.uri.path_and_query().map_or("", |it| it.as_str());
            let tag = header(TAG_HEADER).and_then(from_header);
            let keyring = peers.keyring().lock().unwrap_or_else(PoisonError::into_inner);
            if tag.is_some_and(|tag| keyring.is_of(from.node, &tagged(path_and_query, from), &tag)) {
                return Ok(from);
            }
            let message = format!("the header `{TAG_HEADER}` does not prove that node {} asks", from.node);
            Err((StatusCode::FORBIDDEN, message))
        }
    }
}

async fn answer<O: Office>(
    door: Arc<Door>,
    caller: Caller,
    office: Arc<O>,
    request: hyper::Request<Incoming>,
) -> Response<Full<Bytes>> {
    let (parts, body) = request.into_parts();
    if let Caller::Session { peer, key, .. } = caller
        && door.peers.sessions().node_of(&key) != Some(peer)
    {
        let mut response =
            text(StatusCode::FORBIDDEN, "the key of this session is not one of the cluster any more".to_owned());
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        return response;
    }
    if let Caller::Session { peer, key, .. } = caller
        && (&parts.method, parts.uri.path()) == (&Method::POST, JOIN)
    {
        return match Limited::new(body, REFUSAL_BYTES_MAX).collect().await {
            Ok(body) => match office.join(peer, key, body.to_bytes()).await {
                Ok(configuration) => Response::new(Full::new(configuration)),
                Err(NotTaken::Never(why)) => text(StatusCode::CONFLICT, why),
                Err(NotTaken::NotNow(why)) => text(StatusCode::SERVICE_UNAVAILABLE, why),
            },
            Err(error) => text(StatusCode::BAD_REQUEST, error.to_string()),
        };
    }
    if let Caller::Session { peer, .. } = caller
        && !door.peers.is_member(peer)
    {
        return text(StatusCode::FORBIDDEN, "whoever comes by invitation joins first".to_owned());
    }
    let from = match proven(&door.peers, caller, &parts) {
        Ok(from) => from,
        Err((status, why)) => return text(status, why),
    };
    let is_clear = matches!(caller, Caller::Clear);
    let body = match Limited::new(body, if is_clear { 0 } else { PEER_BODY_BYTES_MAX }).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => return text(StatusCode::BAD_REQUEST, error.to_string()),
    };
    if let Caller::Session { peer, secret, .. } = caller
        && (&parts.method, parts.uri.path()) == (&Method::POST, HELLO)
    {
        return greet(&door.peers, peer, secret, &body);
    }
    let ask = asked(&parts, body).unwrap_or_else(PeerAsk::Unfit);
    if is_clear && !matches!(&ask, PeerAsk::Column { read, .. } if read.proof) {
        let why = "only a column with its proof is given without a session".to_owned();
        return text(StatusCode::FORBIDDEN, why);
    }
    match office.answer(from, ask).await {
        Ok(answer) => told(answer),
        Err(refusal) => text(status_of(&refusal), refusal.to_string()),
    }
}

/// Agrees with a peer on a key for datagrams.
fn greet(peers: &Peers, peer: NodeId, secret: Option<Secret>, body: &[u8]) -> Response<Full<Bytes>> {
    let start = str::from_utf8(body).ok().and_then(parse_start);
    let (Some(secret), Some(start)) = (secret, start) else {
        return text(StatusCode::BAD_REQUEST, "the number of a start is not 16 hexadecimal digits".to_owned());
    };
    peers.note_session(peer, &secret, start, Begun::There);
    text(StatusCode::OK, greeting(peers.start(), !peers.is_private()))
}

/// What a request asks for.
fn asked(parts: &Parts, body: Bytes) -> Result<PeerAsk, Refusal> {
    let segments: Vec<_> = parts.uri.path().split('/').skip(1).collect();
    let query = parts.uri.query().unwrap_or_default();
    match (&parts.method, &segments[..]) {
        (&Method::GET, ["peer", "v1", "titles"]) => {
            let asked = listing::from_query(query);
            let (page, digest) = asked.ok_or_else(|| malformed("the query is not of a page of titles"))?;
            Ok(PeerAsk::Titles { page, digest })
        }
        (&Method::GET, ["peer", "v1", "holding"]) => Ok(PeerAsk::Holding),
        (&Method::POST, ["peer", "v1", "ask"]) => Ok(PeerAsk::Questions(body)),
        (&Method::POST, ["peer", "v1", "register"]) => Ok(PeerAsk::Register(body)),
        (&Method::POST, ["peer", "v1", "uploads", title, version, column, offset]) => {
            upload([title, version, column, offset], query, body)
        }
        (&Method::GET, ["peer", "v1", "columns", title, version, column]) => {
            column_read([title, version, column], query)
        }
        (&Method::POST, ["peer", "v1", "inspect", title, version]) => {
            let (title, version) = title_and_version(title, version)?;
            Ok(PeerAsk::Inspect { title, version, blocks: query == "blocks=1" })
        }
        _ => Err(Refusal::Unknown(format!("{} {}", parts.method, parts.uri.path()))),
    }
}

fn upload(segments: [&str; 4], query: &str, bytes: Bytes) -> Result<PeerAsk, Refusal> {
    let [title, version, column, offset] = segments;
    let (title, version) = title_and_version(title, version)?;
    let column = column.parse().map_err(|_| malformed("the column is not a number"))?;
    let offset = offset.parse().map_err(|_| malformed("the offset is not a number"))?;
    let begin = if offset == 0 {
        let plan = uploads::from_query(query, title.clone(), version, column);
        Some(plan.ok_or_else(|| malformed("the query is not code, cell, block and group"))?)
    } else {
        None
    };
    Ok(PeerAsk::Upload { title, version, offset, begin, bytes })
}

fn column_read(segments: [&str; 3], query: &str) -> Result<PeerAsk, Refusal> {
    let [title, version, column] = segments;
    let (title, version) = title_and_version(title, version)?;
    let column = column.parse().map_err(|_| malformed("the column is not a number"))?;
    let (query, from) = query.split_once("&from=").unwrap_or((query, "0"));
    let from = from.parse().map_err(|_| malformed("`from` is not a number"))?;
    let read = ColumnRead::from_query(query).ok_or_else(|| malformed("the query is not stripes, rows and blocks"))?;
    Ok(PeerAsk::Column { title, version, column, read, from })
}

fn title_and_version(title: &str, version: &str) -> Result<(String, Version), Refusal> {
    let title = title::from_path(title).map_err(|error| malformed(&error.to_string()))?;
    let version = version.parse::<Version>().map_err(|error| malformed(&error.to_string()))?;
    Ok((title, version))
}

fn malformed(why: &str) -> Refusal {
    Refusal::Malformed(why.to_owned())
}

/// An answer as it travels.
fn told(answer: PeerAnswer) -> Response<Full<Bytes>> {
    match answer {
        PeerAnswer::Answers(answers) => {
            let mut body = Vec::new();
            for answer in &answers {
                answer.push(&mut body);
            }
            Response::new(Full::new(body.into()))
        }
        PeerAnswer::Taken => text(StatusCode::OK, String::new()),
        PeerAnswer::Column(bytes) => Response::new(Full::new(bytes)),
        PeerAnswer::Status(status) => json(&status),
        PeerAnswer::Titles(listing) => json(&listing),
        PeerAnswer::Holding(columns) => json(&columns),
    }
}

fn status_of(refusal: &Refusal) -> StatusCode {
    match refusal {
        Refusal::Stranger(_) | Refusal::NotIts { .. } => StatusCode::FORBIDDEN,
        Refusal::Doubted { .. } => StatusCode::SERVICE_UNAVAILABLE,
        Refusal::Over { .. } => StatusCode::GONE,
        Refusal::Unknown(_) | Refusal::Column(ColumnError::Missing) => StatusCode::NOT_FOUND,
        Refusal::Malformed(_) => StatusCode::BAD_REQUEST,
        Refusal::Disk(error)
        | Refusal::Upload(UploadError::Disk(error))
        | Refusal::Column(ColumnError::Disk(error)) => {
            if error.kind() == io::ErrorKind::StorageFull {
                StatusCode::INSUFFICIENT_STORAGE
            } else {
                StatusCode::INTERNAL_SERVER_ERROR
            }
        }
        Refusal::Upload(UploadError::Unknown(_) | UploadError::Offset { .. })
        | Refusal::Column(
            ColumnError::Header(_)
            | ColumnError::Foreign { .. }
            | ColumnError::Length { .. }
            | ColumnError::Tree
            | ColumnError::Root
            | ColumnError::Block { .. }
            | ColumnError::OutOfRange,
        ) => StatusCode::CONFLICT,
    }
}

fn text(status: StatusCode, message: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(message.into()));
    *response.status_mut() = status;
    response
}

fn json(value: &impl Serialize) -> Response<Full<Bytes>> {
    let bytes = serde_json::to_vec(value).expect("answers are plain data");
    let mut response = Response::new(Full::new(bytes.into()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
mod tests {
    use super::super::clear::to_header;
    use super::super::{ASK, REGISTER};
    use super::*;
    use crate::gate::GateBounds;
    use crate::node::greetings::greet_each;
    use crate::peer::PeerError;
    use hyper_util::client::legacy::Client;
    use hyper_util::rt::TokioExecutor;
    use rain_cluster::link::{LinkToken, Ping};
    use rain_cluster::path::PathState;
    use rain_cluster::{ColumnStatus, Life, Signet};
    use rain_config::Config;
    use rain_session::{Invitation, KeyPair};
    use rain_titles::Page;
    use rain_wire::sender::SENDER_HEADER;
    use std::path::Path;
    use std::sync::Mutex;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    const ASKER: Sender = Sender { node: NodeId(11), life: Life(7), serial: 3, epoch: 0, signet: Signet(0) };
    const STARTS: [u64; 2] = [0xa1, 0xb1];
    const VERSION: &str = "7-00000003-deadbeef-00000005";

    /// Notes what it is asked, and answers that which it has an answer for.
    #[derive(Debug, Default)]
    struct FakeOffice(Mutex<Vec<(Sender, String)>>);

    impl FakeOffice {
        fn heard(&self) -> Vec<(Sender, String)> {
            core::mem::take(&mut self.0.lock().unwrap())
        }
    }

    impl Office for FakeOffice {
        async fn answer(self: &Arc<Self>, from: Sender, ask: PeerAsk) -> Result<PeerAnswer, Refusal> {
            let (noted, answer) = match ask {
                PeerAsk::Column { title, column, from, .. } => {
                    (format!("{title} {column} {from}"), Ok(PeerAnswer::Column(Bytes::from_static(b"blocks"))))
                }
                PeerAsk::Upload { title, offset, begin, bytes, .. } => {
                    (format!("{title} {offset} {} {bytes:?}", begin.is_some()), Ok(PeerAnswer::Taken))
                }
                PeerAsk::Register(body) => (format!("register {body:?}"), Ok(PeerAnswer::Taken)),
                PeerAsk::Inspect { blocks, .. } => {
                    (format!("inspect {blocks}"), Ok(PeerAnswer::Status(ColumnStatus::Missing)))
                }
                PeerAsk::Questions(body) => (format!("{body:?}"), Err(Refusal::Stranger(from.node))),
                PeerAsk::Titles { page, digest } => {
                    let over = Refusal::Over { node: from.node, life: from.life };
                    (format!("{} {digest}", page.limit), Err(over))
                }
                PeerAsk::Holding => ("holding".to_owned(), Ok(PeerAnswer::Holding(7))),
                PeerAsk::Unfit(refusal) => (format!("unfit: {refusal}"), Err(refusal)),
            };
            self.0.lock().unwrap().push((from, noted));
            answer
        }

        async fn join(self: &Arc<Self>, who: NodeId, _: PublicKey, body: Bytes) -> Result<Bytes, NotTaken> {
            Err(NotTaken::Never(format!("node {who} with {} bytes", body.len())))
        }
    }

    fn peers(config: &Config, start: u64, whoami: impl Fn() -> Sender + Send + Sync + 'static) -> Peers {
        let peers = Peers::new(config, start, whoami);
        peers.set_members(config, &config.members);
        peers
    }

    /// The configuration of one of two nodes, A at `address` and B.
    fn config(node: char, address: SocketAddr) -> Config {
        config_with(node, address, "")
    }

    fn config_with(node: char, address: SocketAddr, more: &str) -> Config {
        let b: SocketAddr = "127.0.0.2:9".parse().unwrap();
        let (id, own, peer, peer_id, theirs) =
            if node == 'A' { ("a", address, 'B', "b", b) } else { ("b", b, 'A', "a", address) };
        let text = format!(
            "node = \"{node}\"\nid = \"0000000{id}\"\ndata = [\"/\"]\ncode = \"replica:2\"\nlisten = \"127.0.0.1:80\"\n\
             {more}\ninterfaces = [{{ switch = \"s\", address = \"{own}\" }}]\n\
             peers = [{{ name = \"{peer}\", id = \"0000000{peer_id}\", http = \"http://x\", addresses = {{ s = \"{theirs}\" }} }}]"
        );
        Config::parse(Path::new("x.toml"), &text, core::iter::empty()).unwrap()
    }

    /// Node A's listener without a node behind it, and node B, who asks.
    struct Listening {
        address: SocketAddr,
        office: Arc<FakeOffice>,
        peers: Arc<Peers>,
        asker: Peers,
        _served: JoinSet<()>,
    }

    impl Listening {
        async fn new() -> Self {
            Self::new_with("").await
        }

        /// Both ends with more in their configurations.
        async fn new_with(more: &str) -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let own = config_with('A', address, more);
            let answering = Arc::new(peers(&own, STARTS[0], || unreachable!("it asks nobody")));
            let office = Arc::new(FakeOffice::default());
            let mut served = JoinSet::new();
            let gate = Gate::new("peers", GateBounds { all: 4, per_address: 4 });
            let door = Arc::new(Door { listener, address, peers: Arc::clone(&answering), gate });
            served.spawn(serve(door, Arc::clone(&office)));
            let asker = peers(&config_with('B', address, more), STARTS[1], || ASKER);
            Self { address, office, peers: answering, asker, _served: served }
        }

        async fn ask_as(&self, asker: &Peers, method: Method, path: &str) -> Result<Bytes, (u16, String)> {
            match asker.send_by(NodeId(10), 0, method, path, Bytes::from_static(b"body")).await {
                Ok(response) => Ok(response.into_body().collect().await.unwrap().to_bytes()),
                Err(PeerError::Refused { status, message, .. }) => Err((status.as_u16(), message)),
                Err(error) => panic!("{error}"),
            }
        }

        /// `None` where there is no connection.
        async fn ask_once(&self, path: &str) -> Option<Bytes> {
            let response = self.asker.send_by(NodeId(10), 0, Method::POST, path, Bytes::new()).await.ok()?;
            Some(response.into_body().collect().await.ok()?.to_bytes())
        }

        async fn ask(&self, method: Method, path: &str) -> Result<Bytes, (u16, String)> {
            self.ask_as(&self.asker, method, path).await
        }
    }

    #[tokio::test]
    async fn what_is_not_genuine_comes_before_nobody() {
        let listening = Listening::new().await;
        let mut stranger = config('B', listening.address);
        stranger.reloadable.keys.own = KeyPair::fresh();
        let stranger = peers(&stranger, 1, || ASKER);
        let why = "it does not know this node's key";
        let untrusted = PeerError::Untrusted { peer: "A".to_owned(), why };
        let asked = stranger.send_by(NodeId(10), 0, Method::POST, "/peer/v1/ask", Bytes::new()).await;
        assert_eq!(asked.map(|_| ()), Err(untrusted.clone()));
        assert_eq!(stranger.greet(NodeId(10), 0).await, Err(untrusted));
        assert_eq!(stranger.distrusted(), [("A".to_owned(), why)]);
        // One who answers in A's place.
        let mut other = config('B', listening.address);
        other.reloadable.keys.peers = [(KeyPair::fresh().public(), NodeId(10))].into();
        let other = peers(&other, 1, || ASKER);
        let why = "it showed a key that is not the one configured for it";
        assert_eq!(other.greet(NodeId(10), 0).await, Err(PeerError::Untrusted { peer: "A".to_owned(), why }));
        // One whose key is taken off the list in the middle of its session.
        let inspect = format!("/peer/v1/inspect/a/{VERSION}");
        assert!(listening.ask(Method::POST, &inspect).await.is_ok());
        listening.office.heard();
        let mut keys = config('A', listening.address).reloadable.keys;
        keys.peers = [(KeyPair::fresh().public(), NodeId(11))].into();
        listening.peers.set_keys(&keys);
        let refused = listening.ask(Method::POST, &inspect).await;
        let why = "the key of this session is not one of the cluster any more".to_owned();
        assert_eq!(refused, Err((403, why)));
        listening.peers.set_keys(&config('A', listening.address).reloadable.keys);
        // One without a session.
        let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
        let request = hyper::Request::post(format!("http://{}/peer/v1/ask", listening.address))
            .header(SENDER_HEADER, sender::to_text(ASKER))
            .body(Full::new(Bytes::new()))
            .unwrap();
        assert!(client.request(request).await.is_err());
        // One who speaks for another.
        let liar = peers(&config('B', listening.address), 1, || Sender { node: NodeId(12), ..ASKER });
        let refused = listening.ask_as(&liar, Method::POST, "/peer/v1/ask").await;
        let why = "the request is of node 0000000c, expected node 0000000b, whose session it is".to_owned();
        assert_eq!(refused, Err((403, why)));
        assert_eq!(listening.office.heard(), []);
    }

    /// Whoever comes by invitation has a session, and may do nothing in it but join.
    #[tokio::test]
    async fn a_guest_may_join_and_nothing_else() {
        let listening = Listening::new().await;
        let invitation = Invitation::fresh();
        let mut keys = config('A', listening.address).reloadable.keys;
        keys.peers.insert(invitation.key_pair().public(), NodeId(12));
        listening.peers.set_keys(&keys);
        let mut guest = config('B', listening.address);
        guest.reloadable.keys.own = invitation.key_pair();
        let inspect = format!("/peer/v1/inspect/a/{VERSION}");
        let column = format!("/peer/v1/columns/a/{VERSION}/2?stripes=0-1&rows=0-1&blocks=0-1");
        let why = "whoever comes by invitation joins first".to_owned();
        // As itself, and in the name of a member.
        for node in [NodeId(12), NodeId(11)] {
            let guest = peers(&guest, 1, move || Sender { node, ..ASKER });
            for (method, path) in [
                (Method::POST, ASK),
                (Method::POST, HELLO),
                (Method::POST, REGISTER),
                (Method::POST, inspect.as_str()),
                (Method::GET, column.as_str()),
                (Method::GET, "/peer/v1/titles"),
                (Method::GET, JOIN),
            ] {
                let refused = listening.ask_as(&guest, method, path).await;
                assert_eq!(refused, Err((403, why.clone())), "{path}");
            }
            let joined = listening.ask_as(&guest, Method::POST, JOIN).await;
            assert_eq!(joined, Err((409, "node 0000000c with 4 bytes".to_owned())));
        }
        assert_eq!(listening.office.heard(), []);
        assert_eq!(listening.asker.clocks.report().peers, []);
    }

    /// Where a session fails for want of trust, a greeting proves soon whether it is so: also while pings go on.
    #[tokio::test]
    async fn distrust_lasts_no_longer_than_its_cause() {
        let Listening { peers, asker, address, _served, .. } = Listening::new().await;
        let (asker, mut greeted) = (Arc::new(asker), JoinSet::new());
        asker.paths.set_state(NodeId(10), 0, PathState::Up);
        let known = config('A', address).reloadable.keys;
        let mut others = config('A', address).reloadable.keys;
        others.peers = [(KeyPair::fresh().public(), NodeId(11))].into();
        // Whoever greets does so at the start; the second time there is no reason but the distrust.
        for _ in 0..2 {
            peers.set_keys(&others);
            let answer = asker.send_by(NodeId(10), 0, Method::POST, "/peer/v1/ask", Bytes::new()).await;
            assert!(matches!(answer, Err(PeerError::Untrusted { .. })));
            assert_eq!(asker.distrusted().len(), 1);
            peers.set_keys(&known);
            if greeted.is_empty() {
                greeted.spawn(greet_each(Arc::clone(&asker), vec![NodeId(10)]));
            }
            while !asker.distrusted().is_empty() {
                sleep(Duration::from_millis(5)).await;
            }
        }
    }

    /// Asks without a session, by a hand-written request, and gives all that is answered, as it travels.
    async fn shout(to: SocketAddr, request: &str, headers: &[(&str, String)]) -> String {
        let mut stream = TcpStream::connect(to).await.unwrap();
        let headers: Vec<_> = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let head = format!("{request} HTTP/1.1\r\nhost: a\r\n{}connection: close\r\n\r\n", headers.concat());
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // Where it ends by a reset, nothing was answered.
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    }

    #[tokio::test]
    async fn what_proves_itself_comes_in_the_clear_where_that_is_allowed_and_nothing_else() {
        let column = format!("/peer/v1/columns/a/{VERSION}/2?stripes=0-1&rows=0-1&blocks=0-1");
        let proven = format!("{column}&proof=1");
        let asker = || (SENDER_HEADER, sender::to_text(ASKER));
        let clear = "verify_reads = \"hash\"\npeer_privacy = false";
        for (more, is_clear) in [("", false), (clear, true)] {
            let listening = Listening::new_with(more).await;
            listening.asker.greet(NodeId(10), 0).await.unwrap();
            let tag = |request: &str| {
                let keyring = listening.asker.keyring().lock().unwrap();
                (TAG_HEADER, to_header(keyring.tag(NodeId(10), &tagged(request, ASKER)).unwrap()))
            };
            for (request, headers, expected) in [
                (format!("GET {proven}"), vec![asker(), tag(&proven)], "blocks"),
                // It is asked again in other words, without a proof, for something else, by nobody, by somebody else.
                (format!("GET {proven}"), vec![asker(), tag(&column)], "does not prove that node 0000000b asks"),
                (format!("GET {column}"), vec![asker(), tag(&column)], "only a column with its proof"),
                (format!("POST {ASK}"), vec![asker(), tag(ASK)], "only a column with its proof"),
                (format!("POST {HELLO}"), vec![asker(), tag(HELLO)], "only a column with its proof"),
                (format!("GET {proven}"), vec![asker()], "does not prove that node 0000000b asks"),
                (format!("GET {proven}"), vec![tag(&proven)], "names no sender"),
                (
                    format!("GET {proven}"),
                    vec![(SENDER_HEADER, sender::to_text(Sender { node: NodeId(10), ..ASKER })), tag(&proven)],
                    "does not prove that node 0000000a asks",
                ),
            ] {
                let answer = shout(listening.address, &request, &headers).await;
                assert_eq!(answer.contains(expected), is_clear, "{request}: {answer}");
                assert!(is_clear || !answer.contains("HTTP"), "{answer}");
                let answered = usize::from(is_clear && expected == "blocks");
                assert_eq!(listening.office.heard(), [(ASKER, "a 2 0".to_owned())][..answered]);
            }
            // The node asks that way by itself, and sealed where it cannot.
            assert_eq!(listening.asker.clear_column(NodeId(10), 0, &proven).await.is_some(), is_clear);
            assert!(listening.asker.column_by(NodeId(10), 0, &proven, true).await.is_ok());
            assert!(listening.asker.column_by(NodeId(10), 0, &column, false).await.is_ok());
            // Whose key is off the list is nobody.
            let request = (format!("GET {proven}"), vec![asker(), tag(&proven)]);
            let mut keys = config('A', listening.address).reloadable.keys;
            keys.peers = [(KeyPair::fresh().public(), NodeId(11))].into();
            listening.peers.set_keys(&keys);
            assert!(!shout(listening.address, &request.0, &request.1).await.contains("blocks"));
        }
    }

    /// Strangers who connect and say nothing do not make a node deaf for its peers.
    #[tokio::test]
    async fn strangers_make_room_for_peers() {
        let listening = Listening::new().await;
        let mut strangers = Vec::new();
        for _ in 0..20 {
            strangers.push(TcpStream::connect(listening.address).await.unwrap());
        }
        let inspect = format!("/peer/v1/inspect/a/{VERSION}");
        let mut asked = listening.ask_once(&inspect).await;
        // The one that goes may still be on its way out when the peer comes.
        while asked.is_none() {
            asked = listening.ask_once(&inspect).await;
        }
        assert_eq!(asked, Some(Bytes::from(r#"{"state":"missing"}"#)));
    }

    #[tokio::test]
    async fn who_greets_agrees_on_a_key_for_pings() {
        let listening = Listening::new().await;
        assert_eq!(listening.asker.clocks.report().peers, []);
        assert_eq!(listening.asker.greet(NodeId(10), 0).await, Ok(()));
        let clocks = listening.asker.clocks.report();
        assert!(matches!(&clocks.peers[..], [clock] if clock.node == "A" && !clock.is_far), "{clocks:?}");
        let token = LinkToken { sender: STARTS[1], receiver: 1, count: 0, heard: 0 };
        let ping = Ping {
            link: 1,
            period: 50,
            cluster: 0,
            sender: ASKER.node,
            receiver: NodeId(10),
            token,
            number: 5,
            echoed: 6,
            echo_delay_us: 7,
            loss_permille: 10,
            lag_ms: 11,
        };
        let datagram = listening.asker.keyring().lock().unwrap().seal(&ping).unwrap();
        let opened = listening.peers.keyring().lock().unwrap().open(&datagram).unwrap();
        assert_eq!((opened.token.sender, opened.token.receiver), (1, STARTS[0]));
        assert_eq!(listening.office.heard(), []);
        let refused = listening.ask(Method::POST, HELLO).await;
        let why = "the number of a start is not 16 hexadecimal digits".to_owned();
        assert_eq!(refused, Err((400, why)));
    }

    #[tokio::test]
    async fn what_a_peer_asks_is_read_and_what_it_is_answered_is_sent() {
        let listening = Listening::new().await;
        let column = format!("/peer/v1/columns/a%20film/{VERSION}/2?stripes=0-1&rows=0-1&blocks=0-1");
        let upload = format!("/peer/v1/uploads/a%20film/{VERSION}/2");
        let begin = format!("{upload}/0?code=b-code:4&cell=4096&block=512&group=1024");
        let inspect = format!("/peer/v1/inspect/a%20film/{VERSION}");
        for (method, path, noted, answer) in [
            (Method::GET, column.clone(), "a film 2 0", "blocks"),
            (Method::GET, format!("{column}&from=4"), "a film 2 4", "blocks"),
            (Method::POST, begin, "a film 0 true b\"body\"", ""),
            (Method::POST, format!("{upload}/512"), "a film 512 false b\"body\"", ""),
            (Method::POST, inspect.clone(), "inspect false", r#"{"state":"missing"}"#),
            (Method::POST, format!("{inspect}?blocks=1"), "inspect true", r#"{"state":"missing"}"#),
        ] {
            assert_eq!(listening.ask(method, &path).await, Ok(Bytes::from(answer)), "{path}");
            assert_eq!(listening.office.heard(), [(ASKER, noted.to_owned())], "{path}");
        }
    }

    #[tokio::test]
    async fn a_peer_hears_why_it_is_refused() {
        let listening = Listening::new().await;
        let page = Page { prefix: String::new(), after: String::new(), limit: 7, folders: false };
        for (method, path, noted, status, why) in [
            (Method::POST, "/peer/v1/ask".to_owned(), "b\"body\"", 403, "node 0000000b is no peer of this one"),
            (
                Method::GET,
                format!("/peer/v1/titles?{}", listing::to_query(&page, "abc")),
                "7 abc",
                410,
                "life 00000007 of node 0000000b is over",
            ),
            (Method::GET, "/peer/v1/ask".to_owned(), "unfit: there is no GET /peer/v1/ask", 404, ""),
            (Method::GET, "/peer/v1/titles?limit=7".to_owned(), "unfit: the query is not of a page of titles", 400, ""),
            (Method::GET, format!("/peer/v1/columns/a/{VERSION}/x"), "unfit: the column is not a number", 400, ""),
            (
                Method::GET,
                format!("/peer/v1/columns/a/{VERSION}/1?stripes=0-1"),
                "unfit: the query is not stripes, rows and blocks",
                400,
                "",
            ),
            (
                Method::POST,
                format!("/peer/v1/uploads/a/{VERSION}/1/0?code=b-code:4"),
                "unfit: the query is not code, cell, block and group",
                400,
                "",
            ),
        ] {
            let why = if why.is_empty() { noted.trim_start_matches("unfit: ") } else { why };
            assert_eq!(listening.ask(method, &path).await, Err((status, why.to_owned())), "{path}");
            assert_eq!(listening.office.heard(), [(ASKER, noted.to_owned())], "{path}");
        }
    }
}
