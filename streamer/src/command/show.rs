//! `rain ls`, `rm`, `stat` and `status`.

use super::ClientArguments;
use super::client::client;
use super::output::{print, print_line};
use crate::http::NodeReport;
use core::fmt::Write as _;
use core::time::Duration;
use hyper::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rain_client::ClusterClient;
use rain_titles::{ColumnHealth, ColumnReport, Listed, TitleReport, title};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// Titles asked for at once.
const PAGE: usize = 10_000;

/// What a table tells of an item of a list.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Row {
    title: String,
    bytes: u64,
    code: String,
    tolerates: usize,
    /// In place of all others.
    folder: Option<String>,
}

pub(super) async fn list(prefix: String, folders: bool, arguments: ClientArguments) -> anyhow::Result<()> {
    let client = client(&arguments)?;
    let (prefix, delimiter) = (escape(&prefix), if folders { "/" } else { "" });
    let query = format!("prefix={prefix}&delimiter={delimiter}&limit={PAGE}");
    if arguments.json {
        let name = |listed: &Listed| listed.name().to_owned();
        return print_line(serde_json::to_string(&pages(&client, &query, name).await?)?);
    }
    // A table tells nothing of the columns but how many can go.
    let name = |row: &Row| row.folder.as_ref().unwrap_or(&row.title).clone();
    let mut text = String::new();
    for Row { title, bytes, code, tolerates, folder } in pages(&client, &format!("{query}&columns=0"), name).await? {
        match folder {
            None => writeln!(text, "{bytes:>14}  {code:<10}  {:<9}  {title}", loses(tolerates))?,
            Some(folder) => writeln!(text, "{:>14}  {:<10}  {:<9}  {folder}", "-", "-", "-")?,
        }
    }
    print(&text)
}

fn escape(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// All items of a list, page by page.
async fn pages<T: DeserializeOwned>(
    client: &ClusterClient,
    query: &str,
    name: impl Fn(&T) -> String,
) -> anyhow::Result<Vec<T>> {
    let (mut all, mut after) = (Vec::new(), String::new());
    loop {
        let path = format!("/api/v1/titles?{query}&after={}", escape(&after));
        let (page, _) = client.ask_json::<Vec<T>>(&path).await?;
        // One that is shorter than its limit is the last.
        let is_last = page.len() < PAGE;
        all.extend(page);
        match all.last() {
            Some(last) if !is_last => after = name(last),
            _ => return Ok(all),
        }
    }
}

fn loses(tolerates: usize) -> String {
    format!("{tolerates} can go")
}

pub(super) async fn remove(name: String, arguments: ClientArguments) -> anyhow::Result<()> {
    title::check(&name)?;
    let client = client(&arguments)?;
    client.ask(Method::DELETE, &format!("/v/{}", title::to_path(&name))).await?;
    Ok(())
}

pub(super) async fn stat(name: String, verify: bool, arguments: ClientArguments) -> anyhow::Result<()> {
    title::check(&name)?;
    let client = client(&arguments)?;
    let query = if verify { "?verify=1" } else { "" };
    let path = format!("/api/v1/titles/{}{query}", title::to_path(&name));
    let (report, bytes) = client.ask_json::<TitleReport>(&path).await?;
    if arguments.json {
        return print_line(String::from_utf8_lossy(&bytes));
    }
    let mut text = format!("{}\n", report.title);
    writeln!(text, "  {} bytes, {}, version {}, etag {}", report.bytes, report.code, report.version, report.etag)?;
    let count = |state| report.columns.iter().filter(|column| column.state == state).count();
    writeln!(
        text,
        "  {} of {} columns sound, {} more can go",
        count(ColumnHealth::Ok),
        report.columns.len(),
        report.tolerates
    )?;
    for ColumnReport { index, node, state, reason } in &report.columns {
        let state = match state {
            ColumnHealth::Ok => "ok",
            ColumnHealth::Missing => "missing",
            ColumnHealth::Damaged => "damaged",
            ColumnHealth::Unreachable => "unreachable",
        };
        let reason = reason.as_ref().map(|text| format!(": {text}")).unwrap_or_default();
        writeln!(text, "  column {index} on {node}: {state}{reason}")?;
    }
    print(&text)
}

#[derive(Debug, Deserialize)]
struct Cluster {
    nodes: Vec<NodeReport>,
}

pub(super) async fn status(watch: bool, arguments: ClientArguments) -> anyhow::Result<()> {
    let client = client(&arguments)?;
    loop {
        let (cluster, bytes) = client.ask_json::<Cluster>("/api/v1/cluster").await?;
        if arguments.json {
            print_line(String::from_utf8_lossy(&bytes))?;
        } else {
            let mut text = String::new();
            for node in &cluster.nodes {
                writeln!(text, "{:<8}  {:<8}  {}", node.name, node.state, node.http)?;
            }
            print(&text)?;
        }
        if !watch {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        if !arguments.json {
            print("\n")?;
        }
    }
}
