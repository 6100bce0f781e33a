//! `rain put`.

use super::ClientArguments;
use super::client::client;
use super::output::{Unread, print_line};
use anyhow::{Context, bail};
use bytes::BytesMut;
use clap::Args;
use core::time::Duration;
use futures_util::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use rain_client::{ClientError, ClusterClient, RequestBody};
use rain_titles::{Written, title};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use tokio::fs::File;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::sleep;

const READ_BYTES: usize = 256 << 10;
/// A file is sent anew so long after the members of the cluster have changed in the middle of it,
const CHANGED: Duration = Duration::from_secs(1);
/// and so often.
const CHANGES_MAX: u32 = 60;

#[derive(Debug, Args)]
pub(super) struct PutArguments {
    /// The file, or `-` for standard input; of a folder all files in it
    file: PathBuf,
    /// The title; the file's name where there is none. Of a folder what the titles begin with, up to their next `/`
    title: Option<String>,
    #[command(flatten)]
    pub(super) client: ClientArguments,
}

pub(super) async fn run(arguments: PutArguments) -> anyhow::Result<()> {
    let PutArguments { file, title, client: options } = arguments;
    let client = client(&options)?;
    if file.as_os_str() == "-" {
        let title = title.context("standard input has no name: `rain put - TITLE`")?;
        title::check(&title)?;
        return put(&client, &options, &Source::Input, &title).await;
    }
    if !file.is_dir() {
        let title = title.map_or_else(|| title_of_file(&file, "`rain put FILE TITLE`"), Ok)?;
        title::check(&title)?;
        return put(&client, &options, &Source::File(file), &title).await;
    }
    let prefix = match title {
        Some(title) => title.strip_suffix('/').unwrap_or(&title).to_owned(),
        // `.` has a name, too.
        None => title_of_file(&file.canonicalize().unwrap_or_else(|_| file.clone()), "`rain put FOLDER TITLE`")?,
    };
    put_folder(&client, &options, &file, &prefix).await
}

/// Stores every file of a folder, those of folders in it included, though some fail.
async fn put_folder(
    client: &ClusterClient,
    options: &ClientArguments,
    folder: &Path,
    prefix: &str,
) -> anyhow::Result<()> {
    // A name that no title can have is told before anything is stored.
    let mut files = Vec::new();
    collect(folder, prefix, &mut files)?;
    let (count, mut failed) = (files.len(), Vec::new());
    for (file, title) in files {
        if let Err(error) = put(client, options, &Source::File(file), &title).await {
            if error.is::<Unread>() {
                return Err(error);
            }
            failed.push(format!("{title}: {error:#}"));
        }
    }
    if failed.is_empty() {
        Ok(())
    } else {
        bail!("{} of {count} titles were not stored:\n{}", failed.len(), failed.join("\n"))
    }
}

/// The files of a folder and the titles that they are to have, in the order of their names.
fn collect(folder: &Path, title: &str, files: &mut Vec<(PathBuf, String)>) -> anyhow::Result<()> {
    let entries = std::fs::read_dir(folder).and_then(Iterator::collect::<std::io::Result<Vec<_>>>);
    let mut entries = entries.with_context(|| folder.display().to_string())?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let name = entry.file_name();
        let name = name
            .to_str()
            .with_context(|| format!("{}: the name is not UTF-8, and so no title can have it", path.display()))?;
        let title = format!("{title}/{name}");
        // A link to a folder might lead into a circle.
        let kind = entry.file_type().with_context(|| path.display().to_string())?;
        if kind.is_dir() {
            collect(&path, &title, files)?;
        } else if path.is_file() {
            title::check(&title).with_context(|| path.display().to_string())?;
            files.push((path, title));
        }
    }
    Ok(())
}

/// Where a title comes from.
enum Source {
    /// Standard input.
    Input,
    /// A file.
    File(PathBuf),
}

async fn put(client: &ClusterClient, options: &ClientArguments, source: &Source, name: &str) -> anyhow::Result<()> {
    let (tries, mut changes_left) = match source {
        // It cannot be sent twice.
        Source::Input => (1, 0),
        Source::File(_) => (client.server_count(), CHANGES_MAX),
    };
    let (mut server, mut last) = (0, ClientError::Nobody);
    while server < tries {
        let (body, length) = match source {
            Source::Input => (body(tokio::io::stdin(), None, None), None),
            Source::File(file) => open(file).await?,
        };
        let headers: Vec<_> = length.map(|length| ("content-length", length.to_string())).into_iter().collect();
        // A node that hangs takes a connection and says nothing: it is asked for a sign of life first.
        if let Err(error) = client.look_at(server).await {
            (server, last) = (server + 1, error);
            continue;
        }
        match client.put(server, name, &headers, body).await {
            Ok(Written { etag, tolerates, version, .. }) => {
                if options.json {
                    return print_line(
                        serde_json::json!({ "title": name, "etag": etag, "version": version, "tolerates": tolerates }),
                    );
                }
                return print_line(format_args!("{name}: stored, {tolerates} columns can be lost, etag {etag}"));
            }
            Err(error) if error.is_final() => return Err(error.into()),
            Err(error) if is_change(&error) && changes_left > 0 => {
                changes_left -= 1;
                sleep(CHANGED).await;
            }
            Err(error) => (server, last) = (server + 1, error),
        }
    }
    Err(last.into())
}

/// Whether nothing was stored because the members of the cluster changed meanwhile.
fn is_change(error: &ClientError) -> bool {
    error.told().is_some_and(|told| told.code() == "configuration-changed")
}

/// The title that a file has by its name, unless another is given as `instead` says.
///
/// # Errors
/// A name that no title can have.
pub(super) fn title_of_file(file: &Path, instead: &str) -> anyhow::Result<String> {
    let Some(name) = file.file_name() else { bail!("{} is a folder, expected a file", file.display()) };
    let name = name.to_str().with_context(|| {
        let bytes = name.as_encoded_bytes().escape_ascii();
        format!("`{bytes}` is not UTF-8, and so no title can have this name: {instead} gives another one")
    })?;
    title::check(name).with_context(|| format!("`{name}` cannot be a title: {instead} gives another one"))?;
    Ok(name.to_owned())
}

async fn open(file: &Path) -> anyhow::Result<(RequestBody, Option<u64>)> {
    let opened = File::open(file).await.with_context(|| file.display().to_string())?;
    let metadata = opened.metadata().await.with_context(|| file.display().to_string())?;
    let length = metadata.is_file().then_some(metadata.len());
    Ok((body(opened, length, Some(progress(length, "put"))), length))
}

/// A progress bar, where standard error is a terminal.
pub(super) fn progress(length: Option<u64>, what: &'static str) -> ProgressBar {
    let target =
        if std::io::stderr().is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(length, target);
    let style = ProgressStyle::with_template("{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}");
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar.set_message(what);
    bar
}

/// Sends what is read; a file that grows or shrinks meanwhile breaks the request off, or is cut at its length.
fn body<R: AsyncRead + Unpin + Send + 'static>(
    reader: R,
    length: Option<u64>,
    bar: Option<ProgressBar>,
) -> RequestBody {
    let frames = stream::try_unfold((reader, length, bar), |(mut reader, left, bar)| async move {
        let most = left.map_or(READ_BYTES, |left| usize::try_from(left).unwrap_or(usize::MAX).min(READ_BYTES));
        let mut buffer = BytesMut::with_capacity(most.max(1));
        if most == 0 || (&mut reader).take(most as u64).read_buf(&mut buffer).await? == 0 {
            return Ok(None);
        }
        if let Some(bar) = &bar {
            bar.inc(buffer.len() as u64);
        }
        let left = left.map(|left| left - buffer.len() as u64);
        Ok(Some((Frame::data(buffer.freeze()), (reader, left, bar))))
    });
    StreamBody::new(frames).boxed_unsync()
}
