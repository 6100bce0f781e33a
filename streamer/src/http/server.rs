//! The listener: connections, draining, and the way from a request to its handler.

use super::ResponseBody;
use core::time::Duration;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::SockRef;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// Streams under way are given so long to end once the node drains.
const DRAIN: Duration = Duration::from_secs(10);
/// The head of a request must have come after so long.
const HEAD: Duration = Duration::from_secs(30);

/// So much may wait in the system's buffer of a connection besides what is on its way.
const NOT_SENT_BYTES: u32 = 512 << 10;

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

async fn told(shutdown: &mut Shutdown) {
    // The sender is gone only when the process ends.
    let _ = shutdown.wait_for(|down| *down).await;
}

/// Serves connections until told to drain; returns when the last one is done, or after 10 s.
///
/// Cancel safety: dropping it closes every connection.
pub async fn serve<H, F>(listener: TcpListener, mut shutdown: Shutdown, handler: H)
where
    H: Fn(Request<Incoming>, Ends) -> F + Send + Sync + 'static,
    F: Future<Output = Response<ResponseBody>> + Send,
{
    let handler = Arc::new(handler);
    let mut connections = JoinSet::new();
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
        let _ = stream.set_nodelay(true);
        // Bytes that a viewer does not take stay in its stream's window, which is counted, and not in the system's.
        let _ = SockRef::from(&stream).set_tcp_notsent_lowat(NOT_SENT_BYTES);
        let (handler, mut shutdown) = (Arc::clone(&handler), shutdown.clone());
        connections.spawn(async move {
            let service = service_fn(move |request| {
                let handler = Arc::clone(&handler);
                async move { Ok::<_, Infallible>(handler(request, ends).await) }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD)
                .max_buf_size(1 << 20)
                .serve_connection(TokioIo::new(stream), service);
            tokio::pin!(connection);
            // A viewer that goes away in the middle is its own affair.
            let ended = tokio::select! {
                _ = connection.as_mut() => true,
                () = told(&mut shutdown) => false,
            };
            if !ended {
                connection.as_mut().graceful_shutdown();
                let _ = connection.await;
            }
        });
    }
    drop(listener);
    let _ = timeout(DRAIN, async { while connections.join_next().await.is_some() {} }).await;
}
