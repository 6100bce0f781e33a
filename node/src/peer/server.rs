//! The answering side: what comes in at the doors of a node, proven and read, to whoever answers it.

use super::office::{Office, PeerAnswer, PeerAsk, Refusal};
use super::{PEER_BODY_BYTES_MAX, Peers, listing, uploads};
use crate::store::{ColumnError, UploadError};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use hyper::http::request::Parts;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use rain_cluster::Version;
use rain_fetch::ColumnRead;
use rain_titles::title;
use rain_wire::auth::{AUTH_HEADER, AuthError, SESSION_HEADER, Verifier};
use serde::Serialize;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// An interface at which peers ask.
#[derive(Debug)]
pub struct Door {
    /// Where they connect.
    pub listener: TcpListener,
    /// Its address, by the configuration.
    pub address: SocketAddr,
    /// Says whose requests are genuine; one for all doors.
    pub verifier: Arc<Verifier>,
    /// The peers, and the ways to them.
    pub peers: Arc<Peers>,
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
            tokio::time::sleep(core::time::Duration::from_millis(10)).await;
            continue;
        };
        let _ = stream.set_nodelay(true);
        let (door, office) = (Arc::clone(&door), Arc::clone(&office));
        let path = door.peers.paths.find(door.address, remote.ip());
        connections.spawn(async move {
            let down: BoxFuture<'_, ()> = match path {
                Some((peer, path)) => Box::pin(door.peers.paths.went_down(peer, path)),
                None => Box::pin(core::future::pending()),
            };
            let service = service_fn(move |request| answer(Arc::clone(&door), Arc::clone(&office), request));
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

async fn answer<O: Office>(
    door: Arc<Door>,
    office: Arc<O>,
    request: hyper::Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path_and_query().map_or("", |path| path.as_str()).to_owned();
    let header = parts.headers.get(AUTH_HEADER).and_then(|value| value.to_str().ok());
    // Nothing of the body of a stranger is kept.
    let verified = match door.verifier.verify(parts.method.as_str(), &path, header) {
        Ok(verified) => verified,
        Err(error @ AuthError::Session { .. }) => {
            // A peer that does not know yet that this node started anew: it is read to the end, so that it hears that.
            let _ = Limited::new(body, PEER_BODY_BYTES_MAX).collect().await;
            let mut response = text(StatusCode::UNAUTHORIZED, error.to_string());
            response.headers_mut().insert(SESSION_HEADER, door.verifier.session().into());
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
    let ask = asked(&parts, body).unwrap_or_else(PeerAsk::Unfit);
    Ok(match office.answer(verified.sender(), ask).await {
        Ok(answer) => told(answer),
        Err(refusal) => text(status_of(&refusal), refusal.to_string()),
    })
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
        (&Method::POST, ["peer", "v1", "ask"]) => Ok(PeerAsk::Questions(body)),
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
    }
}

fn status_of(refusal: &Refusal) -> StatusCode {
    match refusal {
        Refusal::Stranger(_) => StatusCode::FORBIDDEN,
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
    response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::PeerError;
    use hyper_util::client::legacy::Client;
    use hyper_util::rt::TokioExecutor;
    use rain_cluster::{ColumnStatus, Life, NodeId, Sender};
    use rain_config::Config;
    use rain_titles::Page;
    use rain_wire::auth::Signer;
    use std::path::Path;
    use std::sync::Mutex;

    const ASKER: Sender = Sender { node: NodeId(11), life: Life(7), serial: 3, epoch: 0 };
    const SESSION: u64 = 99;
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
                PeerAsk::Inspect { blocks, .. } => {
                    (format!("inspect {blocks}"), Ok(PeerAnswer::Status(ColumnStatus::Missing)))
                }
                PeerAsk::Questions(body) => (format!("{body:?}"), Err(Refusal::Stranger(from.node))),
                PeerAsk::Titles { page, digest } => {
                    let over = Refusal::Over { node: from.node, life: from.life };
                    (format!("{} {digest}", page.limit), Err(over))
                }
                PeerAsk::Unfit(refusal) => (format!("unfit: {refusal}"), Err(refusal)),
            };
            self.0.lock().unwrap().push((from, noted));
            answer
        }
    }

    /// The configuration of one of two nodes, A at `address` and B.
    fn config(node: char, address: SocketAddr) -> Config {
        let b: SocketAddr = "127.0.0.2:9".parse().unwrap();
        let (id, own, peer, peer_id, theirs) =
            if node == 'A' { ("a", address, 'B', "b", b) } else { ("b", b, 'A', "a", address) };
        let text = format!(
            "node = \"{node}\"\nid = \"0000000{id}\"\ndata = [\"/\"]\ncode = \"replica:2\"\nlisten = \"127.0.0.1:80\"\n\
             interfaces = [{{ switch = \"s\", address = \"{own}\" }}]\n\
             peers = [{{ name = \"{peer}\", id = \"0000000{peer_id}\", http = \"http://x\", addresses = {{ s = \"{theirs}\" }} }}]"
        );
        Config::parse(Path::new("x.toml"), &text, core::iter::empty()).unwrap()
    }

    /// Node A's listener without a node behind it, and node B, who asks.
    struct Listening {
        address: SocketAddr,
        office: Arc<FakeOffice>,
        asker: Peers,
        _served: JoinSet<()>,
    }

    impl Listening {
        async fn new() -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let own = config('A', address);
            let peers = Arc::new(Peers::new(&own, 1, || unreachable!("it asks nobody")));
            let verifier = Arc::new(Verifier::new(own.key, SESSION));
            let office = Arc::new(FakeOffice::default());
            let mut served = JoinSet::new();
            served.spawn(serve(Arc::new(Door { listener, address, verifier, peers }), Arc::clone(&office)));
            let asker = Peers::new(&config('B', address), 1, || ASKER);
            Self { address, office, asker, _served: served }
        }

        async fn ask_as(&self, asker: &Peers, method: Method, path: &str) -> Result<Bytes, (u16, String)> {
            match asker.send_by(NodeId(10), 0, method, path, Bytes::from_static(b"body")).await {
                Ok(response) => Ok(response.into_body().collect().await.unwrap().to_bytes()),
                Err(PeerError::Refused { status, message, .. }) => Err((status.as_u16(), message)),
                Err(error) => panic!("{error}"),
            }
        }

        async fn ask(&self, method: Method, path: &str) -> Result<Bytes, (u16, String)> {
            self.ask_as(&self.asker, method, path).await
        }
    }

    #[tokio::test]
    async fn what_is_not_genuine_comes_before_nobody() {
        let listening = Listening::new().await;
        let mut other = config('B', listening.address);
        other.key = [8; 32];
        let refused = listening.ask_as(&Peers::new(&other, 1, || ASKER), Method::POST, "/peer/v1/ask").await;
        let why = "the MAC does not match: another cluster key, or a changed request".to_owned();
        assert_eq!(refused, Err((401, why)));
        // One without a MAC, and one whose MAC is that of another body.
        let key = config('B', listening.address).key;
        let signed = Signer::new(key, 2).sign(ASKER, "POST", "/peer/v1/ask", SESSION, b"yes");
        let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
        for (header, body) in [("accept", "yes"), (AUTH_HEADER, "no")] {
            let request = hyper::Request::post(format!("http://{}/peer/v1/ask", listening.address))
                .header(header, &signed)
                .body(Full::new(Bytes::from(body)))
                .unwrap();
            assert_eq!(client.request(request).await.unwrap().status(), StatusCode::UNAUTHORIZED, "{header}");
        }
        assert_eq!(listening.office.heard(), []);
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
