//! The listener: connections, who of them is let in, draining, and the way from a request to its handler.

use super::body::{RequestBody, ResponseBody, served};
use super::error::{ApiError, error_response};
use super::intake::{Leftovers, read_leftover, received};
use super::progress::Progress;
use core::pin::{Pin, pin};
use core::time::Duration;
use http_body_util::{BodyExt, Collected};
use hyper::body::Incoming;
use hyper::header::{CONNECTION, CONTENT_LENGTH, DATE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use rain_config::{Limits, Reloadable};
use rain_node::{Full, Gate, Pass};
use socket2::SockRef;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// Streams under way are given so long to end once the node drains.
const DRAIN: Duration = Duration::from_secs(10);
/// Longest head of a request.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// So much of a body waits for its socket at once, besides what its stream has ready.
const BUFFER_BYTES_MAX: usize = 128 << 10;
/// So much may wait in the system's buffer of a connection besides what is on its way.
const NOT_SENT_BYTES: u32 = 512 << 10;
/// Who is told to go, and is not served, has so long for what it was sent last.
const GOING: Duration = Duration::from_millis(100);
/// A connection that was closed is read for so long, or for [`LINGER_BYTES`], so that what was said last is not lost.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 1 << 20;
/// So many wait at once to be let in, or to hear that there is no room.
const AT_GATE: usize = 64;

/// Both ends of a connection.
#[derive(Debug, Clone, Copy)]
pub struct Ends {
    /// Where it comes from.
    pub peer: SocketAddr,
    /// Where it came to.
    pub local: SocketAddr,
}

/// Tells listeners to drain.
pub type Shutdown = watch::Receiver<bool>;

/// What a listener grants to those who come.
#[derive(Debug, Clone)]
pub(crate) struct Terms {
    gate: Arc<Gate>,
    settings: watch::Receiver<Arc<Reloadable>>,
}

impl Terms {
    /// Those who come through a gate, by the settings in force when they do.
    pub(crate) fn new(gate: Arc<Gate>, settings: watch::Receiver<Arc<Reloadable>>) -> Self {
        Self { gate, settings }
    }
}

async fn told(shutdown: &mut Shutdown) {
    // The sender is gone only when the process ends.
    let _ = shutdown.wait_for(|down| *down).await;
}

/// Serves connections until told to drain; returns when the last one is done, or after 10 s.
///
/// Cancel safety: dropping it closes every connection.
pub(crate) async fn serve<H, F>(listener: TcpListener, mut shutdown: Shutdown, terms: Terms, handler: H)
where
    H: Fn(Request<RequestBody>, Ends) -> F + Send + Sync + 'static,
    F: Future<Output = Response<ResponseBody>> + Send + 'static,
{
    let (handler, terms) = (Arc::new(handler), Arc::new(terms));
    let mut connections = JoinSet::new();
    let at_gate = Arc::new(Semaphore::new(AT_GATE));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
            () = told(&mut shutdown) => break,
        };
        let Ok((stream, peer)) = accepted else {
            // Out of descriptors, or a connection that broke at once: the next one may do better.
            sleep(Duration::from_millis(10)).await;
            continue;
        };
        // What has no ends any more is no connection.
        let Ok(local) = stream.local_addr() else { continue };
        let ends = Ends { peer, local };
        let (serving, shutdown) = ((Arc::clone(&terms), Arc::clone(&handler)), shutdown.clone());
        if let Ok(pass) = terms.gate.try_enter(peer.ip()) {
            connections.spawn(connection(stream, ends, Arc::new(pass), serving, shutdown));
            continue;
        }
        // Those who were told to go take a moment. Beyond those who wait for that, connections are closed without a word.
        let Ok(waiting) = Arc::clone(&at_gate).try_acquire_owned() else {
            terms.gate.count_refusal();
            continue;
        };
        connections.spawn(async move {
            match serving.0.gate.wait(peer.ip(), GOING).await {
                Ok(pass) => {
                    drop(waiting);
                    connection(stream, ends, Arc::new(pass), serving, shutdown).await;
                }
                Err(full) => refuse(stream, full).await,
            }
        });
    }
    drop(listener);
    let _ = timeout(DRAIN, async { while connections.join_next().await.is_some() {} }).await;
}

/// Serves a connection to its end.
async fn connection<H, F>(
    stream: TcpStream,
    ends: Ends,
    pass: Arc<Pass>,
    (terms, handler): (Arc<Terms>, Arc<H>),
    mut shutdown: Shutdown,
) where
    H: Fn(Request<RequestBody>, Ends) -> F + Send + Sync + 'static,
    F: Future<Output = Response<ResponseBody>> + Send + 'static,
{
    let _ = stream.set_nodelay(true);
    // Bytes that a viewer does not take stay in its stream's window, which is counted, and not in the system's.
    let _ = SockRef::from(&stream).set_tcp_notsent_lowat(NOT_SENT_BYTES);
    let (leave, leftovers) = mpsc::channel(1);
    let mut leftovers = pin!(read_leftovers(leftovers));
    let Limits { idle, stalled_read, stalled_upload, .. } = terms.settings.borrow().limits;
    let (patience, serving) = (stalled_upload, Arc::clone(&pass));
    let service = service_fn(move |request: Request<Incoming>| {
        let (handler, serving) = (Arc::clone(&handler), serving.serve());
        let request = received(request, patience, leave.clone());
        async move {
            let mut response = handler(request, ends).await;
            // hyper's own date stands still, once the clock was set back, until that has caught up with it.
            if let Ok(date) = HeaderValue::try_from(httpdate::fmt_http_date(SystemTime::now())) {
                response.headers_mut().insert(DATE, date);
            }
            Ok::<_, Infallible>(served(response, serving))
        }
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(idle)
        .max_header_size(HEAD_BYTES_MAX)
        .max_buf_size(BUFFER_BYTES_MAX)
        .serve_connection(TokioIo::new(Progress::new(stream, stalled_read)), service);
    let (mut draining, mut going) = (false, false);
    loop {
        // A viewer that goes away in the middle is its own affair.
        let (drains, goes) = tokio::select! {
            _ = &mut connection => break,
            () = &mut leftovers => continue,
            () = told(&mut shutdown), if !draining => (true, false),
            () = pass.told_to_go(), if !going => (false, true),
            () = sleep(GOING), if going => {
                if !pass.is_served() { return }
                continue
            }
        };
        if goes && !pass.was_served() {
            return;
        }
        (draining, going) = (draining | drains, going | goes);
        Pin::new(&mut connection).graceful_shutdown();
    }
    if !going {
        linger(connection.into_parts().io.into_inner().into_inner()).await;
    }
}

/// Reads bodies that nobody wants, for ever.
async fn read_leftovers(mut leftovers: Leftovers) {
    while let Some(body) = leftovers.recv().await {
        read_leftover(body).await;
    }
    core::future::pending::<()>().await;
}

/// Says that there is no room.
async fn refuse(mut stream: TcpStream, full: Full) {
    let (head, body) = error_response(&ApiError::busy(full.to_string())).into_parts();
    let body = body.collect().await.map(Collected::to_bytes).unwrap_or_default();
    let mut answer = format!("HTTP/1.1 {}\r\n", head.status).into_bytes();
    let length = HeaderValue::from(body.len());
    let more = [(&CONNECTION, &HeaderValue::from_static("close")), (&CONTENT_LENGTH, &length)];
    for (name, value) in head.headers.iter().chain(more) {
        answer.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    answer.extend([b"\r\n", &body[..]].concat());
    if matches!(timeout(LINGER, stream.write_all(&answer)).await, Ok(Ok(()))) {
        linger(stream).await;
    }
}

/// Closes a connection so that the other end hears what it was sent last: while it still sends, a plain close would take
/// that away.
async fn linger(mut stream: TcpStream) {
    let reading = async {
        let _ = stream.shutdown().await;
        let (mut buffer, mut left) = ([0; 4096], LINGER_BYTES);
        while let Ok(count @ 1..) = stream.read(&mut buffer).await {
            left = left.saturating_sub(count);
            if left == 0 {
                break;
            }
        }
    };
    let _ = timeout(LINGER, reading).await;
}
