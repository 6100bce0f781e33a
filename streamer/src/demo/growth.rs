//! The nodes that a demo may grow by: addresses are kept for them from the start, all else is made when they come.

use super::addresses::Addresses;
use super::front::{Front, no_body};
use super::message;
use super::prepared::{DemoError, DemoOptions, Frame, PreparedDemo, keep_ids, kept_ids, key_pair, write_node};
use crate::http::{ApiError, ConfigurationChange, InvitationReport, ResponseBody};
use crate::topology::TopologyPlan;
use bytes::Bytes;
use core::time::Duration;
use http_body_util::{BodyExt, Full};
use hyper::header::CONTENT_TYPE;
use hyper::{Request, StatusCode};
use rain_cluster::NodeId;
use rain_node::mint_id;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::PathBuf;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

/// A node that comes is ready after so long, or has failed.
const READY: Duration = Duration::from_secs(30);
const RETRY: Duration = Duration::from_millis(100);
/// Digits of the public key that a secret begins with.
const KEY_DIGITS: usize = 64;

/// What a demo grows by.
#[derive(Debug)]
pub(super) struct Growth {
    folder: PathBuf,
    wiring: TopologyPlan,
    founders: usize,
    addresses: Addresses,
    options: DemoOptions,
    code: String,
    /// One comes after the other.
    turn: Mutex<()>,
}

/// A node that has come, as `POST /api/v1/nodes` of the supervisor tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grown {
    /// What it is called.
    pub node: String,
    /// Where players reach it.
    pub http: String,
}

fn failed(what: &str, why: &dyn ToString) -> ApiError {
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "not-grown", format!("{what}: {}", why.to_string()))
}

impl Growth {
    pub(super) fn new(plan: &PreparedDemo, options: &DemoOptions) -> Self {
        Self {
            folder: plan.folder().to_owned(),
            wiring: plan.wiring.clone(),
            founders: plan.founders,
            addresses: plan.addresses,
            options: options.clone(),
            code: plan.code().to_owned(),
            turn: Mutex::default(),
        }
    }

    /// Starts one node more, has it join by an invitation, and adds it.
    ///
    /// # Errors
    /// 409 `no-room`; 503 `not-grown` with what failed, and whether the node is there.
    ///
    /// Cancel safety: the node may be there, and not added.
    pub(super) async fn grow(&self, front: &Front) -> Result<Grown, ApiError> {
        let _turn = self.turn.lock().await;
        let node = front.node_count();
        let Some(port) = front.ports().get(node) else {
            let message = format!("{node} nodes, of which {} began: this demo grows no more", self.founders);
            return Err(ApiError::new(StatusCode::CONFLICT, "no-room", message));
        };
        let name = self.wiring.nodes[node].clone();
        let by = (0..node).find(|by| front.is_up(*by)).ok_or_else(|| failed("inviting", &"no node is up"))?;
        let invited = ask(front, by, "/api/v1/invitations", "{}".to_owned()).await;
        let invited = invited.map_err(|why| failed("inviting", &why))?;
        let invited: InvitationReport = serde_json::from_slice(&invited).map_err(|error| failed("inviting", &error))?;
        let id = self.write(node, by, &invited.secret).map_err(|error| failed("its files", &error))?;
        front.start_node(node).await.map_err(|error| failed("starting it", &error))?;
        let until = Instant::now() + READY;
        while let Err(why) = is_ready(front, node).await {
            if Instant::now() > until {
                return Err(failed(&format!("{name} was started, and is not ready"), &why));
            }
            sleep(RETRY).await;
        }
        self.keep(&name, id).map_err(|error| failed("keeping its id", &error))?;
        let change = ConfigurationChange::Add { node: name.clone(), votes: None };
        let change = serde_json::to_string(&change).map_err(|error| failed("adding it", &error))?;
        let added = ask(front, by, "/api/v1/configuration", change).await;
        added.map_err(|why| failed(&format!("{name} has joined, and was not added"), &why))?;
        Ok(Grown { node: name, http: format!("http://127.0.0.1:{port}") })
    }

    /// Makes what a node is made of; what an attempt before has left goes.
    fn write(&self, node: usize, by: usize, secret: &str) -> Result<NodeId, DemoError> {
        let Self { folder, wiring, founders, addresses, options, code, .. } = self;
        let (name, id) = (&wiring.nodes[node], mint_id());
        let _ = fs::remove_dir_all(folder.join(name));
        let (key_file, _) = key_pair(folder, name)?;
        let frame = Frame { wiring, founders: *founders, addresses: *addresses, options, code };
        let (key, invitation) = secret.split_at_checked(KEY_DIGITS).unwrap_or((secret, ""));
        let mut text = frame.own(folder, node, id, &key_file);
        frame.push_join(&mut text, by, key, Some(invitation));
        write_node(folder, name, &text)?;
        Ok(id)
    }

    /// Where the folder stays, another demo on it finds the node.
    fn keep(&self, name: &str, id: NodeId) -> Result<(), DemoError> {
        if self.options.data.is_none() {
            return Ok(());
        }
        let mut ids = kept_ids(&self.folder)?;
        ids.insert(name.to_owned(), id);
        keep_ids(&self.folder, &ids)
    }
}

async fn ask(front: &Front, node: usize, path: &str, body: String) -> Result<Bytes, String> {
    let body: ResponseBody = Full::new(Bytes::from(body)).map_err(|never| match never {}).boxed_unsync();
    let request = Request::post(path).header(CONTENT_TYPE, "application/json").body(body);
    let response = front.forward_to(node, request.map_err(|error| error.to_string())?).await?;
    if !response.status().is_success() {
        return Err(message(response).await);
    }
    let body = response.into_body().collect().await.map_err(|error| error.to_string())?;
    Ok(body.to_bytes())
}

async fn is_ready(front: &Front, node: usize) -> Result<(), String> {
    if !front.is_up(node) {
        return Err("its process has ended".to_owned());
    }
    let request = Request::get("/readyz").body(no_body()).map_err(|error| error.to_string())?;
    let response = front.forward_to(node, request).await?;
    if response.status().is_success() { Ok(()) } else { Err(message(response).await) }
}
