//! `POST /api/v1/invitations`: whoever brings the answer to a new node can have it join the cluster, once and soon.

use super::body::read_small;
use super::caller::{Caller, Demand};
use super::note::Note;
use super::reply::json;
use super::router::{Answer, Room};
use super::{ApiError, RequestBody};
use core::time::Duration;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use hyper::{Method, Request, StatusCode};
use rain_node::{Invited, Node};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// An invitation is told in less.
const BODY_BYTES_MAX: usize = 1 << 10;
/// The longest that one is good for.
const MINUTES_MAX: u64 = 24 * 60;
const MINUTES_DEFAULT: u64 = 60;

/// The body of `POST /api/v1/invitations`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InvitationRequest {
    /// So many minutes it is good; an hour where that is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minutes: Option<u64>,
}

/// An invitation, as `POST /api/v1/invitations` tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvitationReport {
    /// Where the node comes to, by switch: where the answering node listens for peers.
    pub addresses: Vec<SwitchAddress>,
    /// What it brings: the public key of the answering node, and a secret.
    pub secret: String,
    /// So many minutes it is good.
    pub minutes: u64,
}

/// An address on a switch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SwitchAddress {
    /// The switch.
    pub switch: String,
    /// The address.
    pub address: String,
}

/// The room of invitations.
pub(super) struct InvitationsRoom(pub(super) Arc<Node>);

impl Room for InvitationsRoom {
    fn takes(&self, method: &Method, path: &str) -> bool {
        *method == Method::POST && path == "/api/v1/invitations"
    }

    fn demand(&self, _: &Method, _: &str) -> Result<Demand, ApiError> {
        Ok(Demand::Operate)
    }

    fn answer(&self, _: Caller, request: Request<RequestBody>) -> BoxFuture<'_, Answer> {
        async move {
            let bad = |message: String| ApiError::new(StatusCode::BAD_REQUEST, "bad-invitation", message);
            let body = read_small(request.into_body(), BODY_BYTES_MAX).await.map_err(bad)?;
            let asked: InvitationRequest = if body.is_empty() {
                InvitationRequest::default()
            } else {
                serde_json::from_slice(&body).map_err(|error| bad(error.to_string()))?
            };
            let minutes = asked.minutes.unwrap_or(MINUTES_DEFAULT);
            if !(1..=MINUTES_MAX).contains(&minutes) {
                return Err(bad(format!("{minutes} minutes, expected 1 to {MINUTES_MAX}")));
            }
            let invited = self.0.invite(Duration::from_secs(60 * minutes)).map_err(|error| {
                ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "too-many-invitations", error.to_string())
            })?;
            let mut response = json(&report(&invited, minutes));
            response.extensions_mut().insert(Note(format!("an invitation for {minutes} minutes")));
            Ok(response)
        }
        .boxed()
    }
}

fn report(Invited { addresses, key, invitation }: &Invited, minutes: u64) -> InvitationReport {
    let address = |(switch, address): &(String, core::net::SocketAddr)| SwitchAddress {
        switch: switch.clone(),
        address: address.to_string(),
    };
    InvitationReport {
        addresses: addresses.iter().map(address).collect(),
        secret: format!("{key}{}", invitation.reveal()),
        minutes,
    }
}
