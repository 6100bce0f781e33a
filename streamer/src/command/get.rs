//! `rain get`: goes on at the next node when one fails, and never leaves half a file under the final name.

use super::ClientArguments;
use super::client::{ClusterClient, is_final, no_body};
use super::put::progress;
use crate::title;
use anyhow::{Context, bail};
use clap::Args;
use core::time::Duration;
use http_body_util::BodyExt;
use hyper::header::ETAG;
use hyper::{Method, StatusCode};
use indicatif::ProgressBar;
use std::path::{Path, PathBuf};
use tokio::fs::File;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

/// A node that sends nothing for so long is left for the next one.
const SILENCE: Duration = Duration::from_secs(3);

#[derive(Debug, Args)]
pub(super) struct GetArguments {
    /// The title
    title: String,
    /// The file, or `-` for standard output; the title's name where there is none
    #[arg(short, long)]
    output: Option<String>,
    #[command(flatten)]
    pub(super) client: ClientArguments,
}

pub(super) async fn run(arguments: GetArguments) -> anyhow::Result<()> {
    let GetArguments { title: name, output, client: options } = arguments;
    title::check(&name)?;
    let client = ClusterClient::new(&options)?;
    let output = output.unwrap_or_else(|| name.clone());
    if output == "-" {
        return fetch(&client, &name, tokio::io::stdout()).await.map(drop);
    }
    let output = PathBuf::from(output);
    let unfinished = unfinished(&output);
    let file = File::create(&unfinished).await.with_context(|| unfinished.display().to_string())?;
    let fetched = fetch(&client, &name, file).await;
    match fetched {
        Ok(bytes) => {
            tokio::fs::rename(&unfinished, &output).await.with_context(|| output.display().to_string())?;
            if options.json {
                println!(
                    "{}",
                    serde_json::json!({ "title": name, "bytes": bytes, "file": output.display().to_string() })
                );
            }
            Ok(())
        }
        Err(error) => {
            let _ = tokio::fs::remove_file(&unfinished).await;
            Err(error)
        }
    }
}

/// The name of a file that is not whole yet, in the folder of the whole one.
fn unfinished(output: &Path) -> PathBuf {
    let mut name = output.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    output.with_file_name(name)
}

/// What has come so far.
#[derive(Default)]
struct Progress {
    /// The version that was begun.
    etag: Option<String>,
    bytes: u64,
    total: Option<u64>,
    bar: Option<ProgressBar>,
}

async fn fetch(client: &ClusterClient, name: &str, mut sink: impl AsyncWrite + Unpin) -> anyhow::Result<u64> {
    let mut so_far = Progress::default();
    let mut last = None;
    let mut failures = 0;
    let mut server = 0;
    while failures < client.server_count() {
        let before = so_far.bytes;
        match fetch_from(client, server, name, &mut so_far, &mut sink).await {
            Ok(()) => {
                sink.flush().await.context("writing")?;
                sink.shutdown().await.context("writing")?;
                return Ok(so_far.bytes);
            }
            Err(error) if is_final(&error) => return Err(error),
            Err(error) => last = Some(error),
        }
        // As long as bytes come, every node is tried again.
        failures = if so_far.bytes > before { 1 } else { failures + 1 };
        server = (server + 1) % client.server_count();
    }
    Err(last.unwrap_or_else(|| anyhow::anyhow!("`--server` names no node")))
}

async fn fetch_from(
    client: &ClusterClient,
    server: usize,
    name: &str,
    so_far: &mut Progress,
    sink: &mut (impl AsyncWrite + Unpin),
) -> anyhow::Result<()> {
    if so_far.total == Some(so_far.bytes) {
        return Ok(());
    }
    let mut headers = Vec::new();
    if let Some(etag) = so_far.etag.as_ref().filter(|_| so_far.bytes > 0) {
        headers.push(("range", format!("bytes={}-", so_far.bytes)));
        headers.push(("if-range", etag.clone()));
    }
    let path = format!("/v/{}", title::to_segment(name));
    let request = client.send_to(server, &Method::GET, &path, &headers, no_body());
    let response = timeout(SILENCE, request).await.context("the node is silent")??;
    let etag = response.headers().get(ETAG).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let resumed = response.status() == StatusCode::PARTIAL_CONTENT;
    if so_far.bytes > 0 && !(resumed && etag == so_far.etag) {
        bail!("the title was replaced while it was being fetched");
    }
    let mut body = response.into_body();
    let length = hyper::body::Body::size_hint(&body).exact().context("the node does not tell the length")?;
    so_far.total = Some(so_far.bytes + length);
    so_far.etag = etag;
    let bar = so_far.bar.get_or_insert_with(|| progress(Some(length), "get")).clone();
    while let Some(frame) = timeout(SILENCE, body.frame()).await.context("the node is silent")? {
        if let Ok(data) = frame.context("the node broke off")?.into_data() {
            sink.write_all(&data).await.context("writing")?;
            so_far.bytes += data.len() as u64;
            bar.inc(data.len() as u64);
        }
    }
    if so_far.total == Some(so_far.bytes) { Ok(()) } else { bail!("the node ended early") }
}
