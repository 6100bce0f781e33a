//! `rain ls`, `rm`, `stat` and `status`.

use super::ClientArguments;
use super::client::ClusterClient;
use super::output::{print, print_line};
use crate::http::NodeReport;
use core::fmt::Write as _;
use core::time::Duration;
use hyper::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rain_node::title;
use rain_node::{ColumnHealth, ColumnReport, Listed, TitleReport};
use serde::Deserialize;

/// Titles asked for at once.
const PAGE: usize = 1000;

pub(super) async fn list(prefix: String, folders: bool, arguments: ClientArguments) -> anyhow::Result<()> {
    let client = ClusterClient::new(&arguments)?;
    let escape = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let (prefix, delimiter) = (escape(&prefix), if folders { "/" } else { "" });
    let mut after = String::new();
    let mut all: Vec<Listed> = Vec::new();
    loop {
        let path =
            format!("/api/v1/titles?prefix={prefix}&delimiter={delimiter}&limit={PAGE}&after={}", escape(&after));
        let (page, _) = client.ask_json::<Vec<Listed>>(&path).await?;
        // A page is shorter where titles went while it was made; only an empty one is the end.
        let Some(last) = page.last() else { break };
        after.clone_from(match last {
            Listed::Title(report) => &report.title,
            Listed::Folder { folder } => folder,
        });
        all.extend(page);
    }
    if arguments.json {
        return print_line(serde_json::to_string(&all)?);
    }
    let mut text = String::new();
    for listed in all {
        match listed {
            Listed::Title(TitleReport { bytes, code, tolerates, title, .. }) => {
                writeln!(text, "{bytes:>14}  {code:<10}  {:<9}  {title}", loses(tolerates))?;
            }
            Listed::Folder { folder } => writeln!(text, "{:>14}  {:<10}  {:<9}  {folder}", "-", "-", "-")?,
        }
    }
    print(&text)
}

fn loses(tolerates: usize) -> String {
    format!("{tolerates} can go")
}

pub(super) async fn remove(name: String, arguments: ClientArguments) -> anyhow::Result<()> {
    title::check(&name)?;
    let client = ClusterClient::new(&arguments)?;
    client.ask(Method::DELETE, &format!("/v/{}", title::to_path(&name))).await?;
    Ok(())
}

pub(super) async fn stat(name: String, verify: bool, arguments: ClientArguments) -> anyhow::Result<()> {
    title::check(&name)?;
    let client = ClusterClient::new(&arguments)?;
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
    let client = ClusterClient::new(&arguments)?;
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
