//! A title read from any of several nodes: when one breaks off or falls silent, another goes on at the very byte.
//!
//! A node that is stopped accepts connections and says nothing, so silence counts, not errors. While bytes are wanted and
//! do not come, the next node is asked besides, by Range and If-Range on the strong entity tag; whichever sends first is
//! read from then on.

use super::ErrorObject;
use bytes::Bytes;
use core::time::Duration;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use http_body_util::{BodyExt, Empty};
use hyper::body::{Body, Incoming};
use hyper::header::{
    CONTENT_RANGE, ETAG, HOST, HeaderMap, HeaderValue, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE,
    IF_UNMODIFIED_SINCE, RANGE,
};
use hyper::http::response::Parts;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use tokio::time::{Instant, sleep_until, timeout};

/// The head of an answer is expected so soon; then the next node is asked besides.
const HEAD: Duration = Duration::from_millis(100);
/// More bytes are expected so soon, at first.
const SILENCE: Duration = Duration::from_millis(40);
/// A node that was slow, and not dead, is given more time; so much at most.
const SILENCE_MAX: Duration = Duration::from_secs(1);
/// Between one node that is asked besides and the next.
const NEXT: Duration = Duration::from_millis(100);
/// When no node can go on, all are tried again and again for so long: one may return.
const RETURN: Duration = Duration::from_secs(10);
/// An error that a node told is passed on when the others have said nothing for so long.
const TOLD: Duration = Duration::from_secs(1);
const CONNECT: Duration = Duration::from_secs(2);

/// Why no node answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{server}: {why}")]
pub struct Unanswered {
    /// The node asked last.
    pub server: String,
    /// What it said.
    pub why: String,
}

/// The nodes that a title can be read from.
#[derive(Debug)]
pub struct Servers {
    servers: Vec<String>,
    client: Client<HttpConnector, Empty<Bytes>>,
}

/// What is asked of a node.
#[derive(Debug, Clone)]
pub struct Ask {
    /// GET or HEAD.
    pub method: Method,
    /// The URL's path with its query.
    pub path_and_query: String,
    /// The headers.
    pub headers: HeaderMap,
}

/// An answer whose body goes on at other nodes.
#[derive(Debug)]
pub struct Opened {
    /// Its head.
    pub head: Parts,
    /// The node that gave it, counted from 0.
    pub server: usize,
    /// Its body.
    pub body: ResumingBody,
}

impl Opened {
    /// The error that it is, with what of its body came.
    ///
    /// Cancel safety: nothing is changed.
    pub async fn into_error(mut self) -> ErrorObject {
        let mut json = Vec::new();
        while let Some(Ok(bytes)) = self.body.next().await {
            json.extend_from_slice(&bytes);
        }
        ErrorObject::new(self.head.status.as_u16(), &json)
    }
}

impl Servers {
    /// Reads from `servers`, URLs without a path, with `receive_buffer` bytes of the system's buffer for each connection.
    pub fn new(servers: Vec<String>, receive_buffer: Option<usize>) -> Arc<Self> {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT));
        connector.set_recv_buffer_size(receive_buffer);
        let client = Client::builder(TokioExecutor::new()).http1_max_buf_size(1 << 20).build(connector);
        Arc::new(Self { servers, client })
    }

    async fn send(&self, server: usize, ask: &Ask) -> Result<Response<Incoming>, Unanswered> {
        let unanswered = |why: String| Unanswered { server: self.servers[server].clone(), why };
        let uri = format!("{}{}", self.servers[server], ask.path_and_query);
        let mut request = Request::builder().method(ask.method.clone()).uri(uri);
        if let Some(headers) = request.headers_mut() {
            headers.extend(ask.headers.clone());
            headers.remove(HOST);
        }
        let request = request.body(Empty::new()).map_err(|error| unanswered(error.to_string()))?;
        self.client.request(request).await.map_err(|error| {
            let cause = std::error::Error::source(&error).map_or_else(String::new, |cause| format!(": {cause}"));
            unanswered(format!("{error}{cause}"))
        })
    }

    /// Asks the nodes of `order`, the next one besides when one lets wait. The first answer that is no server error; when
    /// there is none, the last.
    ///
    /// # Errors
    /// [`Unanswered`] when no node answered at all.
    ///
    /// Cancel safety: dropping it gives the requests up.
    pub async fn open(self: &Arc<Self>, order: &[usize], ask: Ask) -> Result<Opened, Unanswered> {
        let mut waiting = order.iter().copied();
        let mut under_way = FuturesUnordered::new();
        let mut last: Result<(usize, Response<Incoming>), Unanswered> =
            Err(Unanswered { server: String::new(), why: "no node answers".to_owned() });
        let give_up = Instant::now() + RETURN;
        loop {
            if let Some(server) = waiting.next() {
                let ask = &ask;
                under_way.push(async move { (server, self.send(server, ask).await) });
            }
            let due = match (waiting.len(), &last) {
                (0, Ok(_)) => Instant::now() + TOLD,
                (0, Err(_)) => give_up,
                _ => Instant::now() + HEAD,
            };
            tokio::select! {
                answer = under_way.next() => match answer {
                    Some((server, Ok(response))) if response.status().is_server_error() => {
                        last = Ok((server, response));
                    }
                    Some((server, Ok(response))) => {
                        last = Ok((server, response));
                        break;
                    }
                    // An error that a node told says more than a connection refused.
                    Some((_, Err(error))) => last = last.or(Err(error)),
                    None => break,
                },
                () = sleep_until(due.min(give_up)) => if waiting.len() == 0 || Instant::now() >= give_up {
                    break;
                },
            }
        }
        drop(under_way);
        let (server, response) = last?;
        let (head, body) = response.into_parts();
        let body = ResumingBody::new(Arc::clone(self), order, server, &ask, &head, body);
        Ok(Opened { head, server, body })
    }
}

/// The first bytes of the rest of a title at another node.
struct Rest {
    body: Incoming,
    bytes: Bytes,
}

/// Why a node cannot go on.
enum NoRest {
    /// It may yet, or another.
    Failed(Unanswered),
    /// There the title is another one.
    Replaced,
}

/// The body of an answer, from whichever node sends it.
pub struct ResumingBody {
    source: Arc<Servers>,
    /// The nodes that may go on, in the order in which they are asked.
    order: Vec<usize>,
    server: usize,
    current: Option<Incoming>,
    /// What another node is asked for; `None` when the answer is not one that can be gone on with.
    resume: Option<Resume>,
    challengers: FuturesUnordered<BoxFuture<'static, (usize, Result<Rest, NoRest>)>>,
    /// Whom they ask.
    asked: Vec<usize>,
    silence: Duration,
    switches: u64,
}

#[derive(Debug, Clone)]
struct Resume {
    ask: Ask,
    etag: HeaderValue,
    /// Absolute: the next byte, and the one behind the last.
    next: u64,
    end: u64,
}

impl core::fmt::Debug for ResumingBody {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter
            .debug_struct("ResumingBody")
            .field("server", &self.server)
            .field("resume", &self.resume)
            .finish_non_exhaustive()
    }
}

impl ResumingBody {
    fn new(source: Arc<Servers>, order: &[usize], server: usize, ask: &Ask, head: &Parts, body: Incoming) -> Self {
        let resume = resume(ask, head, &body);
        Self {
            source,
            order: order.to_vec(),
            server,
            current: Some(body),
            resume,
            challengers: FuturesUnordered::new(),
            asked: Vec::new(),
            silence: SILENCE,
            switches: 0,
        }
    }

    /// The node that is read from, counted from 0.
    pub fn server(&self) -> usize {
        self.server
    }

    /// How often another node went on.
    pub fn switches(&self) -> u64 {
        self.switches
    }

    /// The next bytes; `None` at the end.
    ///
    /// # Errors
    /// When no node goes on for 10 s, or the title was replaced: the bytes so far must not be taken for the whole.
    ///
    /// Cancel safety: nothing is lost.
    pub async fn next(&mut self) -> Option<io::Result<Bytes>> {
        let Some(Resume { next, end, .. }) = self.resume else {
            let silent = || Err(format!("nothing came for {} s", RETURN.as_secs()));
            let data = timeout(RETURN, data(self.current.as_mut()?)).await.unwrap_or_else(|_| silent());
            return data.transpose().map(|bytes| bytes.map_err(io::Error::other));
        };
        if next == end {
            return None;
        }
        let result = self.wait().await;
        if let (Ok(bytes), Some(resume)) = (&result, &mut self.resume) {
            resume.next += bytes.len() as u64;
            if resume.next > resume.end {
                return Some(Err(io::Error::other("the node sends more than it said")));
            }
        }
        Some(result)
    }

    /// Waits for the next bytes, from whichever node.
    async fn wait(&mut self) -> io::Result<Bytes> {
        let give_up = Instant::now() + RETURN;
        let mut due = Instant::now() + self.silence;
        let mut besides = self.others().into_iter();
        let mut replaced = BTreeSet::new();
        let mut why = "the nodes fell silent".to_owned();
        loop {
            if self.current.is_none() && self.challengers.is_empty() {
                due = due.min(Instant::now());
            }
            let current = async {
                match &mut self.current {
                    Some(body) => data(body).await,
                    None => core::future::pending().await,
                }
            };
            tokio::select! {
                came = current => match came {
                    Ok(Some(bytes)) => {
                        // One that was slow, and not dead, is given more time; one that is quick, in time less again.
                        self.silence = if self.challengers.is_empty() { self.silence * 63 / 64 } else { self.silence * 2 };
                        self.silence = self.silence.clamp(SILENCE, SILENCE_MAX);
                        self.settle();
                        return Ok(bytes);
                    }
                    Ok(None) => (self.current, why) = (None, "the node ended early".to_owned()),
                    Err(error) => (self.current, why) = (None, error),
                },
                Some((server, challenged)) = self.challengers.next() => {
                    self.asked.retain(|asked| *asked != server);
                    match challenged {
                        Ok(Rest { body, bytes }) => {
                            self.settle();
                            (self.server, self.current, self.silence) = (server, Some(body), SILENCE);
                            self.switches += 1;
                            return Ok(bytes);
                        }
                        Err(NoRest::Replaced) => {
                            replaced.insert(server);
                            if self.others().iter().all(|other| replaced.contains(other)) && self.current.is_none() {
                                return Err(io::Error::other("the title was replaced while it was being read"));
                            }
                        }
                        Err(NoRest::Failed(error)) => why = error.to_string(),
                    }
                    // The next one is asked at once, after a whole round in a moment.
                    due = due.min(Instant::now() + if besides.len() > 0 { Duration::ZERO } else { NEXT });
                }
                () = sleep_until(due) => {
                    if Instant::now() >= give_up {
                        return Err(io::Error::other(why));
                    }
                    due = Instant::now() + NEXT;
                    match besides.next() {
                        Some(server) => self.challenge(server),
                        // A new round: who failed may be well by now, also the one that was read from.
                        None => besides = self.others().into_iter().chain(self.lost()).collect::<Vec<_>>().into_iter(),
                    }
                }
            }
        }
    }

    /// Nobody else is needed.
    fn settle(&mut self) {
        self.challengers.clear();
        self.asked.clear();
    }

    /// The present node, when its answer is over: it may be asked like the others.
    fn lost(&self) -> Option<usize> {
        self.current.is_none().then_some(self.server)
    }

    /// The nodes behind the present one in the order, then those before it.
    fn others(&self) -> Vec<usize> {
        let at = self.order.iter().position(|server| *server == self.server).unwrap_or(0);
        let (before, behind) = self.order.split_at(at);
        behind.iter().skip(1).chain(before).copied().collect()
    }

    fn challenge(&mut self, server: usize) {
        if self.asked.contains(&server) {
            return;
        }
        let Some(resume) = self.resume.clone() else { return };
        let source = Arc::clone(&self.source);
        self.asked.push(server);
        self.challengers.push(Box::pin(async move { (server, rest(&source, server, resume).await) }));
    }
}

/// Asks a node for the rest of a title.
async fn rest(source: &Servers, server: usize, resume: Resume) -> Result<Rest, NoRest> {
    let Resume { mut ask, etag, next, end } = resume;
    for condition in [IF_MATCH, IF_NONE_MATCH, IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE] {
        ask.headers.remove(condition);
    }
    let range = HeaderValue::from_str(&format!("bytes={next}-{}", end - 1));
    ask.headers.insert(RANGE, range.unwrap_or_else(|_| HeaderValue::from_static("")));
    ask.headers.insert(IF_RANGE, etag.clone());
    let failed = |why: String| NoRest::Failed(Unanswered { server: source.servers[server].clone(), why });
    let response = source.send(server, &ask).await.map_err(NoRest::Failed)?;
    let same = response.headers().get(ETAG) == Some(&etag);
    // A node that is not sure which version is the newest may have an older one: that says nothing.
    let sure = !response.headers().contains_key("rain-freshness");
    match response.status() {
        StatusCode::PARTIAL_CONTENT if same => {}
        StatusCode::OK | StatusCode::PARTIAL_CONTENT | StatusCode::NOT_FOUND if sure => return Err(NoRest::Replaced),
        status => return Err(failed(status.to_string())),
    }
    if range_start(response.headers()) != Some(next) || response.body().size_hint().exact() != Some(end - next) {
        return Err(failed("it sends another range".to_owned()));
    }
    let mut body = response.into_body();
    match data(&mut body).await {
        Ok(Some(bytes)) => Ok(Rest { body, bytes }),
        Ok(None) => Err(failed("it sent nothing".to_owned())),
        Err(error) => Err(failed(error)),
    }
}

/// The first byte that a Content-Range names.
fn range_start(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_RANGE)?.to_str().ok()?.strip_prefix("bytes ")?.split_once('-')?.0.parse().ok()
}

/// The next bytes of a body.
async fn data(body: &mut Incoming) -> Result<Option<Bytes>, String> {
    while let Some(frame) = body.frame().await {
        if let Ok(bytes) = frame.map_err(|error| error.to_string())?.into_data() {
            return Ok(Some(bytes));
        }
    }
    Ok(None)
}

/// How to go on with an answer: only bytes of a version that its entity tag names for certain.
fn resume(ask: &Ask, head: &Parts, body: &Incoming) -> Option<Resume> {
    let etag = head.headers.get(ETAG).filter(|etag| etag.as_bytes().starts_with(b"\""))?.clone();
    let length = body.size_hint().exact()?;
    let next = match head.status {
        StatusCode::OK => 0,
        StatusCode::PARTIAL_CONTENT => range_start(&head.headers)?,
        _ => return None,
    };
    let end = next.checked_add(length)?;
    (ask.method == Method::GET).then(|| Resume { ask: ask.clone(), etag, next, end })
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::fmt::Write as _;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    /// What a node of the test does.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Manner {
        Good,
        /// Sends so many bytes of the body, and closes.
        Breaks(usize),
        /// Sends so many bytes of the body, and nothing more.
        FallsSilent(usize),
        /// Takes connections and says nothing.
        Mute,
        /// Has another version.
        Replaced,
        /// Says 503.
        Refuses,
        /// Says 503 at first.
        RefusesOnce,
    }

    fn content() -> Vec<u8> {
        (0..300_000_u32).flat_map(u32::to_le_bytes).collect()
    }

    /// A server of one title, and its URL.
    async fn server(manner: Manner) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let mut held = Vec::new();
            let mut turn = 0;
            while let Ok((mut stream, _)) = listener.accept().await {
                turn += 1;
                let refuses = manner == Manner::Refuses || (manner == Manner::RefusesOnce && turn == 1);
                if manner == Manner::Mute {
                    held.push(stream);
                    continue;
                }
                tokio::spawn(async move {
                    let mut asked = Vec::new();
                    while !asked.ends_with(b"\r\n\r\n") {
                        asked.push(stream.read_u8().await?);
                    }
                    let asked = String::from_utf8_lossy(&asked).to_lowercase();
                    let range = asked.lines().find_map(|line| line.strip_prefix("range: bytes="));
                    let all = content();
                    let (start, end) = range.map_or((0, all.len() - 1), |range| {
                        let (start, end) = range.split_once('-').unwrap();
                        (start.parse().unwrap(), end.parse().unwrap_or(all.len() - 1))
                    });
                    let etag = if manner == Manner::Replaced { "\"new\"" } else { "\"old\"" };
                    let if_range = asked.lines().find_map(|line| line.strip_prefix("if-range: "));
                    let whole = range.is_none() || if_range.is_some_and(|tag| tag != etag);
                    let body = if whole { &all[..] } else { &all[start..=end] };
                    let status = match whole {
                        _ if refuses => "503 Service Unavailable",
                        true => "200 OK",
                        false => "206 Partial Content",
                    };
                    let mut text = format!(
                        "HTTP/1.1 {status}\r\nconnection: close\r\netag: {etag}\r\ncontent-length: {}\r\n",
                        body.len()
                    );
                    if !whole {
                        let _ = write!(text, "content-range: bytes {start}-{end}/{}\r\n", all.len());
                    }
                    stream.write_all((text + "\r\n").as_bytes()).await?;
                    match manner {
                        Manner::Breaks(bytes) => stream.write_all(&body[..bytes.min(body.len())]).await,
                        Manner::FallsSilent(bytes) => {
                            stream.write_all(&body[..bytes.min(body.len())]).await?;
                            core::future::pending().await
                        }
                        Manner::Good | Manner::Mute | Manner::Replaced | Manner::Refuses | Manner::RefusesOnce => {
                            stream.write_all(body).await
                        }
                    }
                });
            }
        });
        url
    }

    async fn read(manners: &[Manner], range: Option<&str>) -> io::Result<(Vec<u8>, usize, u64)> {
        let mut servers = Vec::new();
        for manner in manners {
            servers.push(server(*manner).await);
        }
        let order: Vec<usize> = (0..servers.len()).collect();
        let mut headers = HeaderMap::new();
        if let Some(range) = range {
            headers.insert(RANGE, HeaderValue::from_str(range).unwrap());
        }
        let ask = Ask { method: Method::GET, path_and_query: "/v/title".to_owned(), headers };
        let mut opened = Servers::new(servers, None).open(&order, ask).await.map_err(io::Error::other)?;
        let mut bytes = Vec::new();
        while let Some(part) = opened.body.next().await {
            bytes.extend_from_slice(&part?);
        }
        Ok((bytes, opened.body.server(), opened.body.switches()))
    }

    #[tokio::test]
    async fn a_node_that_breaks_or_falls_silent_is_followed_by_the_next() {
        for manner in [Manner::Breaks(0), Manner::Breaks(500_000), Manner::FallsSilent(0), Manner::FallsSilent(500_001)]
        {
            let (bytes, server, switches) = read(&[manner, Manner::Good], None).await.unwrap();
            assert!(bytes == content(), "{manner:?}: {} bytes", bytes.len());
            assert_eq!((server, switches), (1, 1), "{manner:?}");
        }
    }

    #[tokio::test]
    async fn a_part_goes_on_within_the_part() {
        let (bytes, _, switches) = read(&[Manner::Breaks(1000), Manner::Good], Some("bytes=77-99999")).await.unwrap();
        assert!(bytes == content()[77..=99_999]);
        assert_eq!(switches, 1);
    }

    #[tokio::test]
    async fn mute_and_refusing_nodes_are_passed_over() {
        for manners in [
            &[Manner::Mute, Manner::Good][..],
            &[Manner::Refuses, Manner::Good],
            &[Manner::FallsSilent(9), Manner::Mute, Manner::Refuses, Manner::Good],
            &[Manner::FallsSilent(9), Manner::Breaks(5), Manner::Good],
        ] {
            let (bytes, server, _) = read(manners, None).await.unwrap();
            assert!(bytes == content(), "{manners:?}: {} bytes", bytes.len());
            assert_eq!(server, manners.len() - 1, "{manners:?}");
        }
    }

    #[tokio::test]
    async fn another_version_is_never_gone_on_with() {
        for range in [None, Some("bytes=5-800000")] {
            let error = read(&[Manner::Breaks(1000), Manner::Replaced], range).await.unwrap_err();
            assert!(error.to_string().contains("replaced"), "{error}");
        }
    }

    /// While one node stays silent, who failed is asked again: it may be well by now.
    #[tokio::test]
    async fn who_refused_once_is_asked_again() {
        for first in [Manner::FallsSilent(9), Manner::Breaks(9)] {
            let (bytes, server, _) = read(&[first, Manner::Mute, Manner::RefusesOnce], None).await.unwrap();
            assert!(bytes == content(), "{first:?}: {} bytes", bytes.len());
            assert_eq!(server, 2, "{first:?}");
        }
    }

    /// An error that was told comes through, though another node says nothing at all.
    #[tokio::test]
    async fn a_refusal_is_passed_on_when_the_others_are_mute() {
        let servers = vec![server(Manner::Refuses).await, server(Manner::Mute).await];
        let ask = Ask { method: Method::GET, path_and_query: "/v/title".to_owned(), headers: HeaderMap::new() };
        let opened = Servers::new(servers, None).open(&[0, 1], ask).await.unwrap();
        assert_eq!(opened.head.status, StatusCode::SERVICE_UNAVAILABLE);
    }

    #[tokio::test]
    async fn one_that_was_only_slow_is_kept() {
        let (bytes, server, switches) = read(&[Manner::Good, Manner::Good], None).await.unwrap();
        assert!(bytes == content());
        assert_eq!((server, switches), (0, 0));
    }
}
