//! `rain ls`, `rm`, `stat` and `status`.

use super::ClientArguments;
use super::client::client;
use super::output::{print, print_line};
use crate::http::NodeReport;
use core::fmt::{self, Write as _};
use core::time::Duration;
use hyper::Method;
use rain_node::peer::{ClockReport, PeerClock};
use rain_node::store::StoreSpace;
use rain_titles::{ColumnHealth, ColumnReport, Listed, Page, TitleReport, title};
use serde::Deserialize;

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

impl Row {
    fn name(&self) -> &str {
        self.folder.as_deref().unwrap_or(&self.title)
    }
}

pub(super) async fn list(prefix: String, folders: bool, arguments: ClientArguments) -> anyhow::Result<()> {
    let client = client(&arguments)?;
    let page = Page { prefix, after: String::new(), limit: usize::MAX, folders };
    if arguments.json {
        return print_line(serde_json::to_string(&client.list(&page, true, Listed::name).await?)?);
    }
    // A table tells nothing of the columns but how many can go.
    let mut text = String::new();
    for Row { title, bytes, code, tolerates, folder } in client.list(&page, false, Row::name).await? {
        match folder {
            None => writeln!(text, "{bytes:>14}  {code:<10}  {:<9}  {title}", loses(tolerates))?,
            Some(folder) => writeln!(text, "{:>14}  {:<10}  {:<9}  {folder}", "-", "-", "-")?,
        }
    }
    print(&text)
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
    observer: Option<String>,
    outside: Option<String>,
    disk: Option<StoreSpace>,
    clocks: Option<ClockReport>,
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
            if let Some(why) = &cluster.outside {
                writeln!(text, "{why}")?;
            }
            if let (Some(observer), Some(StoreSpace { free_bytes, kept_bytes, is_full: true })) =
                (&cluster.observer, cluster.disk)
            {
                let free = format!("{free_bytes} bytes are free, of which {kept_bytes} are kept back");
                writeln!(text, "the disk of {observer} is full: {free}; delete titles, or give it more room")?;
            }
            if let (Some(observer), Some(clocks)) = (&cluster.observer, &cluster.clocks) {
                write_clocks(&mut text, observer, clocks)?;
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

/// Which clocks are far off, a line each.
fn write_clocks(text: &mut String, observer: &str, ClockReport { own_ahead_ms, peers }: &ClockReport) -> fmt::Result {
    let off = |ahead_ms: i64| {
        let (ms, where_to) = (ahead_ms.unsigned_abs(), if ahead_ms < 0 { "behind" } else { "ahead of" });
        format!("{}.{} s {where_to}", ms / 1000, ms % 1000 / 100)
    };
    if let Some(ahead_ms) = own_ahead_ms {
        return writeln!(text, "the clock of {observer} is {} those of most nodes: set it right", off(*ahead_ms));
    }
    for PeerClock { node, ahead_ms, .. } in peers.iter().filter(|clock| clock.is_far) {
        writeln!(text, "the clock of {node} is {} that of {observer}", off(*ahead_ms))?;
    }
    Ok(())
}
