//! `POST /api/v1/reload` and SIGHUP: the node reads its configuration anew.

use super::audit::AuditLog;
use super::caller::{Caller, Demand};
use super::note::Note;
use super::reply::json;
use super::router::{Answer, Room};
use super::{ApiError, RequestBody, Shutdown};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use hyper::{Method, Request, StatusCode};
use rain_config::ConfigError;
use rain_node::{Node, Reloaded};
use std::sync::Arc;
use tokio::signal::unix::Signal;

/// The room where operators have the configuration read anew.
pub(super) struct ReloadRoom(pub(super) Arc<Node>);

impl Room for ReloadRoom {
    fn takes(&self, method: &Method, path: &str) -> bool {
        *method == Method::POST && path == "/api/v1/reload"
    }

    fn demand(&self, _: &Method, _: &str) -> Result<Demand, ApiError> {
        Ok(Demand::Operate)
    }

    fn answer(&self, _: Caller, _: Request<RequestBody>) -> BoxFuture<'_, Answer> {
        async {
            let reloaded = reload(&self.0).await.map_err(|error| {
                let message = format!("what was in force stays so: {error}");
                ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "bad-configuration", message)
            })?;
            let Reloaded { changed, restart } = &reloaded;
            let mut response = json(&serde_json::json!({ "changed": changed, "restart": restart }));
            response.extensions_mut().insert(Note(words(&reloaded)));
            Ok(response)
        }
        .boxed()
    }
}

async fn reload(node: &Arc<Node>) -> Result<Reloaded, ConfigError> {
    let reloaded = node.reload().await;
    match &reloaded {
        Ok(reloaded) if reloaded.restart.is_empty() => tracing::info!("reloaded: {}", words(reloaded)),
        Ok(reloaded) => tracing::warn!("reloaded: {}", words(reloaded)),
        Err(error) => tracing::error!(%error, "not reloaded: what was in force stays so"),
    }
    reloaded
}

fn words(Reloaded { changed, restart }: &Reloaded) -> String {
    let changed =
        if changed.is_empty() { "nothing changed".to_owned() } else { format!("changed {}", changed.join(", ")) };
    if restart.is_empty() { changed } else { format!("{changed}; a restart is needed for {}", restart.join(", ")) }
}

/// Has the configuration read anew at each SIGHUP, until the node drains.
///
/// Cancel safety: dropping it leaves signals unheard.
pub(super) async fn heed(mut hangups: Signal, node: &Arc<Node>, audit: &AuditLog, mut shutdown: Shutdown) {
    loop {
        tokio::select! {
            Some(()) = hangups.recv() => {}
            // The sender is gone only when the process ends.
            _ = shutdown.wait_for(|down| *down) => return,
        }
        match reload(node).await {
            Ok(reloaded) => audit.record_signal("SIGHUP", true, &words(&reloaded)),
            Err(error) => audit.record_signal("SIGHUP", false, &error.to_string()),
        }
    }
}
