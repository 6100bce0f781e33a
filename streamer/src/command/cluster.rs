//! `rain cluster`: who belongs to the cluster, and its changes.

use super::ClientArguments;
use super::client::client;
use super::output::{print, print_line};
use crate::http::{ConfigurationChange, ConfigurationReport, MemberReport};
use anyhow::bail;
use clap::Subcommand;
use core::fmt::Write as _;
use hyper::Method;

const PATH: &str = "/api/v1/configuration";

#[derive(Debug, Subcommand)]
pub(super) enum ClusterCommand {
    /// Show who belongs to the cluster, and who votes
    Show {
        #[command(flatten)]
        client: ClientArguments,
    },
    /// Say what a node shares a rack and a room with
    Label {
        /// The node's name or id
        node: String,
        /// `rack=NAME`, `room=NAME`; nothing behind the `=` takes a label away
        #[arg(required = true)]
        labels: Vec<String>,
        #[command(flatten)]
        client: ClientArguments,
    },
    /// Give a node so many votes on who belongs to the cluster; 0 takes its votes
    Weight {
        /// The node's name or id
        node: String,
        /// Its votes
        votes: u8,
        #[command(flatten)]
        client: ClientArguments,
    },
    /// Take a node in the life in which it is now for a member, in the place of the life that was: after its disk was
    /// replaced
    Replace {
        /// The node's name or id
        node: String,
        #[command(flatten)]
        client: ClientArguments,
    },
    /// Take back a change that is half-way
    Abort {
        #[command(flatten)]
        client: ClientArguments,
    },
}

impl ClusterCommand {
    pub(super) fn client(&self) -> &ClientArguments {
        match self {
            Self::Show { client }
            | Self::Label { client, .. }
            | Self::Weight { client, .. }
            | Self::Replace { client, .. }
            | Self::Abort { client } => client,
        }
    }
}

pub(super) async fn run(command: ClusterCommand) -> anyhow::Result<()> {
    let arguments = command.client().clone();
    let client = client(&arguments)?;
    let change = match command {
        ClusterCommand::Show { .. } => {
            let (report, bytes) = client.ask_json::<ConfigurationReport>(PATH).await?;
            return if arguments.json { print_line(String::from_utf8_lossy(&bytes)) } else { print(&table(&report)?) };
        }
        ClusterCommand::Label { node, labels, .. } => {
            let [rack, room] = parse_labels(&labels)?;
            ConfigurationChange::Label { node, rack, room }
        }
        ClusterCommand::Weight { node, votes, .. } => ConfigurationChange::Weight { node, votes },
        ClusterCommand::Replace { node, .. } => ConfigurationChange::Replace { node },
        ClusterCommand::Abort { .. } => ConfigurationChange::Abort,
    };
    let headers = [("content-type", "application/json".to_owned())];
    let body = serde_json::to_string(&change)?;
    let bytes = client.ask_with(Method::POST, PATH, &headers, body.into()).await?;
    if arguments.json {
        return print_line(String::from_utf8_lossy(&bytes));
    }
    print(&table(&serde_json::from_slice(&bytes)?)?)
}

fn parse_labels(labels: &[String]) -> anyhow::Result<[Option<String>; 2]> {
    let [mut rack, mut room] = [None, None];
    for label in labels {
        let (place, value) = match label.split_once('=') {
            Some(("rack", value)) => (&mut rack, value),
            Some(("room", value)) => (&mut room, value),
            _ => bail!("`{label}`, expected `rack=NAME` or `room=NAME`"),
        };
        if place.replace(value.to_owned()).is_some() {
            bail!("`{label}`: said twice, expected once");
        }
    }
    Ok([rack, room])
}

fn table(report: &ConfigurationReport) -> anyhow::Result<String> {
    let mut text = String::new();
    if report.epoch == 0 {
        writeln!(text, "no configuration yet: {} waits for {}", report.observer, report.waits_for.join(", "))?;
        if let Some(problem) = &report.problem {
            writeln!(text, "what the members said makes none: {problem}")?;
        }
        return Ok(text);
    }
    writeln!(
        text,
        "epoch {}, {} of each title's catalog, new titles as {}",
        report.epoch, report.catalog, report.code
    )?;
    write_members(&mut text, &report.members)?;
    if let Some(old) = &report.old {
        writeln!(text, "half-way: these are in force beside them until what must be learnt is learnt")?;
        write_members(&mut text, old)?;
    }
    if !report.must_live.is_empty() {
        writeln!(text, "without {} nothing of this can be changed", report.must_live.join(" or "))?;
    }
    for member in report.members.iter().filter(|member| member.lives_in.is_some()) {
        writeln!(text, "{0} has begun another life and has no vote: `rain cluster replace {0}`", member.name)?;
    }
    Ok(text)
}

fn write_members(text: &mut String, members: &[MemberReport]) -> anyhow::Result<()> {
    writeln!(
        text,
        "  {:<12}  {:<8}  {:<8}  {:<8}  {:>5}  {:<10}  {:<10}  addresses",
        "name", "id", "life", "role", "votes", "rack", "room"
    )?;
    for member in members {
        let dash = |label: &str| if label.is_empty() { "-".to_owned() } else { label.to_owned() };
        let role = if member.witness { "witness" } else { &member.role };
        let MemberReport { name, id, life, votes, rack, room, addresses, .. } = member;
        let (rack, room) = (dash(rack), dash(room));
        let addresses = addresses.join(" ");
        writeln!(text, "  {name:<12}  {id}  {life}  {role:<8}  {votes:>5}  {rack:<10}  {room:<10}  {addresses}")?;
    }
    Ok(())
}
