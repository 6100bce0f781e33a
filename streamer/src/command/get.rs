//! `rain get`: goes on at the next node when one fails, and never leaves half a file under the final name.

use super::ClientArguments;
use super::client::{credential, servers};
use super::output::{print_line, written};
use super::put::progress;
use anyhow::{Context, bail};
use clap::Args;
use hyper::header::CONTENT_LENGTH;
use hyper::{HeaderMap, Method};
use rain_client::ClientError;
use rain_client::resume::{Ask, Opened, Servers};
use rain_titles::title;
use std::path::{Path, PathBuf};
use tokio::fs::File;
use tokio::io::{AsyncWrite, AsyncWriteExt};

#[derive(Debug, Args)]
pub(super) struct GetArguments {
    /// The title
    title: String,
    /// The file, or `-` for standard output; the last part of the title's name where there is none
    #[arg(short, long)]
    output: Option<PathBuf>,
    /// Bytes of the system's receive buffer for each connection, for measurements [default: the system's own]
    #[arg(long)]
    receive_buffer: Option<usize>,
    #[command(flatten)]
    pub(super) client: ClientArguments,
}

pub(super) async fn run(arguments: GetArguments) -> anyhow::Result<()> {
    let GetArguments { title: name, output, receive_buffer, client: options } = arguments;
    title::check(&name)?;
    let output = output.unwrap_or_else(|| PathBuf::from(name.rsplit('/').next().unwrap_or(&name)));
    if output.as_os_str() == "-" {
        return fetch(&options, receive_buffer, &name, tokio::io::stdout()).await.map(drop);
    }
    let unfinished = unfinished(&output);
    let file = File::create(&unfinished).await.with_context(|| unfinished.display().to_string())?;
    let fetched = fetch(&options, receive_buffer, &name, file).await;
    match fetched {
        Ok(bytes) => {
            tokio::fs::rename(&unfinished, &output).await.with_context(|| output.display().to_string())?;
            if options.json {
                print_line(serde_json::json!({ "title": name, "bytes": bytes, "file": output.display().to_string() }))?;
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

async fn fetch(
    arguments: &ClientArguments,
    receive_buffer: Option<usize>,
    name: &str,
    mut sink: impl AsyncWrite + Unpin,
) -> anyhow::Result<u64> {
    let servers = servers(arguments)?;
    let order: Vec<usize> = (0..servers.len()).collect();
    let source = Servers::new(servers, receive_buffer);
    let path_and_query = format!("/v/{}", title::to_path(name));
    let mut headers = HeaderMap::new();
    if let Some(credential) = credential(arguments)? {
        credential.add_to(&mut headers);
    }
    let ask = Ask { method: Method::GET, path_and_query, headers };
    let opened = source.open(&order, ask).await?;
    if !opened.head.status.is_success() {
        return Err(ClientError::from(opened.into_error().await).into());
    }
    let Opened { head, mut body, .. } = opened;
    let length = head.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let bar = progress(length, "get");
    let mut bytes = 0;
    while let Some(part) = body.next().await {
        let part = part.context("no node goes on")?;
        written(sink.write_all(&part).await)?;
        bytes += part.len() as u64;
        bar.inc(part.len() as u64);
    }
    if length.is_some_and(|length| length != bytes) {
        bail!("{bytes} bytes came, expected {}", length.unwrap_or_default());
    }
    written(sink.flush().await)?;
    written(sink.shutdown().await)?;
    Ok(bytes)
}
