//! The asking side of a node that comes to a cluster: one request to a member, before the node is one.

use super::session::{connect, refusal};
use super::{JOIN, REFUSAL_BYTES_MAX};
use bytes::Bytes;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper::header::HOST;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use rain_cluster::NodeId;
use rain_cluster::register::{CONFIGURATION_BYTES_MAX, Configuration, Member};
use rain_config::PathAddresses;
use rain_session::{Invitation, KeyPair, PublicKey, Sessions};

/// Why a node was not taken into a cluster.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JoinError {
    /// Nobody was reached.
    #[error("no member was reached: {0}")]
    Unreachable(String),
    /// Those that were reached do not know the node.
    #[error(
        "{0}: neither the node's key nor its invitation is known there; an invitation is good once, and for a while"
    )]
    Unknown(SocketAddr),
    /// Another node listens there.
    #[error("{0} showed a key that is none of `join.key`")]
    OtherKey(SocketAddr),
    /// A member refused.
    #[error("{0}: {1}")]
    Refused(SocketAddr, String),
    /// A member cannot say at the moment.
    #[error("{0} cannot say yet: {1}")]
    NotYet(SocketAddr, String),
}

/// Whom the node asks: it knows no id.
const ANYBODY: NodeId = NodeId(0);

/// From anywhere to an address.
pub(crate) fn way_to(remote: SocketAddr) -> PathAddresses {
    let anywhere = if remote.is_ipv4() { IpAddr::V4(Ipv4Addr::UNSPECIFIED) } else { Ipv6Addr::UNSPECIFIED.into() };
    PathAddresses { switch: None, ends: Default::default(), local: SocketAddr::new(anywhere, 0), remote }
}

/// Asks the members at the ends of these ways, one after the other, to be taken in as `member`: by its own key, where it is known
/// already, and by the invitation. They are known by `keys`.
///
/// # Errors
/// [`JoinError`] of the last attempt.
///
/// Cancel safety: a member may have taken it in.
pub(crate) async fn join(
    ways: &[PathAddresses],
    keys: &[PublicKey],
    (own, invitation): (&KeyPair, Option<Invitation>),
    member: &Member,
) -> Result<Configuration, JoinError> {
    let keys = || keys.iter().map(|key| (*key, ANYBODY));
    let invited = invitation.map(|invitation| invitation.key_pair());
    let mut last = JoinError::Unreachable("no address is named".to_owned());
    for way in ways {
        for pair in [Some(own), invited.as_ref()].into_iter().flatten() {
            let sessions = Sessions::new(pair, keys());
            match ask(&sessions, way, member).await {
                Ok(configuration) => return Ok(configuration),
                Err(error @ JoinError::Unreachable(_)) => {
                    last = error;
                    break;
                }
                Err(error) => last = error,
            }
        }
    }
    Err(last)
}

async fn ask(sessions: &Sessions, way: &PathAddresses, member: &Member) -> Result<Configuration, JoinError> {
    let address = way.remote;
    let unreachable = |error: &dyn core::fmt::Display| JoinError::Unreachable(format!("{address}: {error}"));
    let not_sent = |error: &(dyn core::error::Error + 'static)| match refusal(error) {
        Some(why) if why.contains("does not know") => JoinError::Unknown(address),
        Some(_) => JoinError::OtherKey(address),
        None => unreachable(&error),
    };
    let stream = connect(sessions.client(ANYBODY), way).await.map_err(|error| not_sent(&error))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| unreachable(&error))?;
    let request = Request::post(JOIN)
        .header(HOST, address.to_string())
        .body(Full::new(Bytes::from(member.to_bytes())))
        .map_err(|error| unreachable(&error))?;
    let asked = async {
        let response = sender.send_request(request).await.map_err(|error| not_sent(&error))?;
        let status = response.status();
        let is_taken = status.is_success();
        let bytes_max = if is_taken { CONFIGURATION_BYTES_MAX } else { REFUSAL_BYTES_MAX };
        let body =
            Limited::new(response.into_body(), bytes_max).collect().await.map_err(|error| unreachable(&error))?;
        let body = body.to_bytes();
        if !is_taken {
            let why = String::from_utf8_lossy(&body).into_owned();
            let is_for_now = status == StatusCode::SERVICE_UNAVAILABLE;
            return Err(if is_for_now { JoinError::NotYet(address, why) } else { JoinError::Refused(address, why) });
        }
        Configuration::parse(&body).map_err(|error| JoinError::Refused(address, error.to_string()))
    };
    let mut asked = core::pin::pin!(asked);
    tokio::select! {
        biased;
        answer = &mut asked => answer,
        ended = connection => match ended {
            Ok(()) => asked.await,
            Err(error) => Err(not_sent(&error)),
        },
    }
}
