//! `rain reload`: nodes read their configurations anew.

use super::ClientArguments;
use super::client::client;
use super::output::{print_line, say};
use anyhow::bail;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Method;
use rain_client::{ClientError, ClusterClient};
use serde::Deserialize;

/// What a node says of it.
#[derive(Debug, Deserialize)]
struct Answer {
    changed: Vec<String>,
    restart: Vec<String>,
}

/// Asks every node that is named, and not the first that answers: each has a configuration of its own.
pub(super) async fn run(arguments: ClientArguments) -> anyhow::Result<()> {
    let client = client(&arguments)?;
    let mut failed = Vec::new();
    for (server, url) in client.servers().iter().enumerate() {
        match ask(&client, server).await {
            Ok(json) if arguments.json => print_line(String::from_utf8_lossy(&json))?,
            Ok(json) => print_line(format_args!("{url}: {}", words(&json)?))?,
            // One failure is told as that of any other command.
            Err(error) if client.server_count() == 1 => return Err(error.into()),
            Err(error) => {
                say(format_args!("{url}: {:#}", anyhow::Error::from(error)));
                failed.push(url.as_str());
            }
        }
    }
    if failed.is_empty() { Ok(()) } else { bail!("not reloaded: {}", failed.join(", ")) }
}

async fn ask(client: &ClusterClient, server: usize) -> Result<Bytes, ClientError> {
    let headers = [("content-type", "application/json".to_owned())];
    let body = Full::new(Bytes::from_static(b"{}")).map_err(|never| match never {}).boxed_unsync();
    let response = client.send_to(server, &Method::POST, "/api/v1/reload", &headers, body).await?;
    let body = response.into_body().collect().await.map_err(|error| ClientError::Broken(error.into()))?;
    Ok(body.to_bytes())
}

fn words(json: &[u8]) -> anyhow::Result<String> {
    let Answer { changed, restart } = serde_json::from_slice(json)?;
    let list = |keys: Vec<String>| keys.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
    let changed = if changed.is_empty() { "nothing changed".to_owned() } else { format!("changed {}", list(changed)) };
    Ok(if restart.is_empty() { changed } else { format!("{changed}; a restart is needed for {}", list(restart)) })
}
