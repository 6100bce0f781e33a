//! Sessions over TCP: connected, accepted, and as a pool of connections takes them.

use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;
use futures_util::future::BoxFuture;
use hyper::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use rain_cluster::NodeId;
use rain_config::PathAddresses;
use rain_session::rustls::{self, AlertDescription, CertificateError, ClientConfig};
use rain_session::{PublicKey, Secret, Sessions};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};
use tokio_util::either::Either;
use tower_service::Service;

/// A connection, and the session over it, are there after so long. Networks with long ways need three round trips.
pub(super) const CONNECT: Duration = Duration::from_secs(3);

/// An end of a session that this node began.
pub(super) type Called = client::TlsStream<TcpStream>;
/// An end of a session that a peer began.
pub(super) type Accepted = server::TlsStream<TcpStream>;

pub(super) fn too_late() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, format!("no session after {} s", CONNECT.as_secs()))
}

/// Connects over a path.
async fn connect_clear(path: &PathAddresses) -> io::Result<TcpStream> {
    let socket = if path.remote.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.bind(SocketAddr::new(path.local.ip(), 0))?;
    let stream = socket.connect(path.remote).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Begins a session over a path.
///
/// # Errors
/// Those of the network, and of TLS where the other end is not who is meant; see [`refusal`].
///
/// Cancel safety: dropping it closes the connection.
pub(super) async fn connect(config: Arc<ClientConfig>, path: &PathAddresses) -> io::Result<Called> {
    let connecting = async {
        let stream = connect_clear(path).await?;
        TlsConnector::from(config).connect(Sessions::server_name(), stream).await
    };
    timeout(CONNECT, connecting).await.map_err(|_| too_late())?
}

/// Takes a session that a peer begins, and says who it is, and by which key.
///
/// # Errors
/// As [`connect`].
///
/// Cancel safety: dropping it closes the connection.
pub(super) async fn accept(sessions: &Sessions, stream: TcpStream) -> io::Result<(NodeId, PublicKey, Accepted)> {
    let acceptor = TlsAcceptor::from(sessions.server());
    let stream = timeout(CONNECT, acceptor.accept(stream)).await.map_err(|_| too_late())??;
    let peer = sessions.peer(stream.get_ref().1).map_err(io::Error::other)?;
    let shown = Sessions::shown(stream.get_ref().1).ok_or(io::ErrorKind::InvalidData)?;
    Ok((peer, shown, stream))
}

/// Why the other end is not spoken with, where that is what an error says; in words.
pub(super) fn refusal(error: &(dyn core::error::Error + 'static)) -> Option<&'static str> {
    let causes = core::iter::successors(Some(error), |error| error.source());
    let told = |error: &rustls::Error| {
        if let rustls::Error::InvalidCertificate(why) = error {
            let is_other = *why == CertificateError::NotValidForName;
            let unknown = "it showed a key that is not the one configured for it";
            return Some(if is_other { "it is another node of the cluster" } else { unknown });
        }
        let is_refused = *error == rustls::Error::AlertReceived(AlertDescription::AccessDenied);
        is_refused.then_some("it does not know this node's key")
    };
    causes.into_iter().find_map(|error| {
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let inner = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>());
        inner.or_else(|| error.downcast_ref()).and_then(told)
    })
}

/// Begins the sessions of a pool, or its connections in the clear: all over one path.
#[derive(Debug, Clone)]
pub(super) struct Connector {
    /// With whom; `None` in the clear.
    pub(super) session: Option<Arc<ClientConfig>>,
    pub(super) path: Arc<PathAddresses>,
}

impl Service<Uri> for Connector {
    type Response = Pooled;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Pooled>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let Self { session, path } = self.clone();
        Box::pin(async move {
            let stream = match session {
                Some(config) => Either::Left(connect(config, &path).await?),
                None => Either::Right(timeout(CONNECT, connect_clear(&path)).await.map_err(|_| too_late())??),
            };
            Ok(Pooled(TokioIo::new(stream)))
        })
    }
}

/// A session in a pool, or a connection in the clear.
#[derive(Debug)]
pub(super) struct Pooled(TokioIo<Either<Called, TcpStream>>);

impl Connection for Pooled {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl Read for Pooled {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl Write for Pooled {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(context, parts)
    }
}

/// The secret of a session that this node began.
pub(super) fn called_secret(stream: &Called) -> Option<Secret> {
    Sessions::secret(stream.get_ref().1)
}

/// The secret of a session that a peer began.
pub(super) fn accepted_secret(stream: &Accepted) -> Option<Secret> {
    Sessions::secret(stream.get_ref().1)
}
