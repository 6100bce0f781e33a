//! `rain cluster`: who belongs to the cluster, and its changes.

use super::client::client;
use super::output::{print, print_line, say};
use super::{ClientArguments, init};
use crate::http::{
    ConfigurationChange, ConfigurationReport, InvitationReport, InvitationRequest, MemberReport, SwitchAddress,
};
use anyhow::bail;
use clap::Subcommand;
use core::fmt::Write as _;
use core::time::Duration;
use hyper::Method;
use rain_client::ClusterClient;
use std::io::{BufRead, stdin};
use tokio::time::sleep;

const PATH: &str = "/api/v1/configuration";
/// How a change goes on is looked at so often.
const AGAIN: Duration = Duration::from_secs(1);

#[derive(Debug, Subcommand)]
pub(super) enum ClusterCommand {
    /// Write the files of a new cluster: for each node a folder with its configuration, its id and its key
    Init(init::InitArguments),
    #[command(flatten)]
    Of(MemberCommand),
}

/// What a cluster that there is is asked.
#[derive(Debug, Subcommand)]
pub(super) enum MemberCommand {
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
    /// Invite a new node: tells what to type on its machine, once and soon
    Invite {
        /// So many minutes it is good
        #[arg(long, default_value_t = 60)]
        minutes: u64,
        #[command(flatten)]
        client: ClientArguments,
    },
    /// Have a node that joined hold what the others hold
    Add {
        /// The node's name or id
        node: String,
        /// Its votes; one where that is not said, as long as there are fewer than seven voters
        #[arg(long)]
        votes: Option<u8>,
        #[command(flatten)]
        client: ClientArguments,
    },
    /// Choose a node for nothing new: what it holds stays readable, and moves
    Drain {
        /// The node's name or id
        node: String,
        #[command(flatten)]
        client: ClientArguments,
    },
    /// Take a node out for good, one that is drained or lost: it never comes back under its id
    Forget {
        /// The node's name or id
        node: String,
        #[command(flatten)]
        client: ClientArguments,
    },
    /// Make another code that of new titles
    Code {
        /// Its name
        code: String,
        #[command(flatten)]
        client: ClientArguments,
    },
    /// Go on without nodes that are lost for good, where no majority of the votes is left without them
    Force {
        /// The names of the lost nodes; they are asked for once more
        #[arg(required = true)]
        lost: Vec<String>,
        /// The code of new titles from then on, where too few are left for the one there is
        #[arg(long)]
        code: Option<String>,
        #[command(flatten)]
        client: ClientArguments,
    },
    /// Have the others know a node by another key as well, before the node uses it
    Key {
        /// The node's name or id
        node: String,
        /// The public key, as `rain key new` on its machine tells it
        key: String,
        #[command(flatten)]
        client: ClientArguments,
    },
    /// Take back a change that is half-way
    Abort {
        #[command(flatten)]
        client: ClientArguments,
    },
}

impl MemberCommand {
    fn client(&self) -> &ClientArguments {
        match self {
            Self::Show { client }
            | Self::Label { client, .. }
            | Self::Weight { client, .. }
            | Self::Replace { client, .. }
            | Self::Invite { client, .. }
            | Self::Add { client, .. }
            | Self::Drain { client, .. }
            | Self::Forget { client, .. }
            | Self::Code { client, .. }
            | Self::Force { client, .. }
            | Self::Key { client, .. }
            | Self::Abort { client } => client,
        }
    }
}

impl ClusterCommand {
    /// Whether errors are to be objects.
    pub(super) fn as_json(&self) -> bool {
        matches!(self, Self::Of(command) if command.client().json)
    }
}

pub(super) async fn run(command: ClusterCommand) -> anyhow::Result<()> {
    match command {
        ClusterCommand::Init(arguments) => init::run(&arguments),
        ClusterCommand::Of(command) => ask(command).await,
    }
}

async fn ask(command: MemberCommand) -> anyhow::Result<()> {
    let arguments = command.client().clone();
    let client = client(&arguments)?;
    let change = match command {
        MemberCommand::Show { .. } => {
            let (report, bytes) = client.ask_json::<ConfigurationReport>(PATH).await?;
            return if arguments.json { print_line(String::from_utf8_lossy(&bytes)) } else { print(&table(&report)?) };
        }
        MemberCommand::Label { node, labels, .. } => {
            let [rack, room] = parse_labels(&labels)?;
            ConfigurationChange::Label { node, rack, room }
        }
        MemberCommand::Weight { node, votes, .. } => ConfigurationChange::Weight { node, votes },
        MemberCommand::Replace { node, .. } => ConfigurationChange::Replace { node },
        MemberCommand::Invite { minutes, .. } => return invite(&client, minutes, arguments.json).await,
        MemberCommand::Add { node, votes, .. } => ConfigurationChange::Add { node, votes },
        MemberCommand::Drain { node, .. } => ConfigurationChange::Drain { node },
        MemberCommand::Forget { node, .. } => ConfigurationChange::Forget { node },
        MemberCommand::Code { code, .. } => ConfigurationChange::Code { code },
        MemberCommand::Force { lost, code, .. } => {
            confirm(&lost)?;
            ConfigurationChange::Force { lost, code }
        }
        MemberCommand::Key { node, key, .. } => ConfigurationChange::Key { node, key },
        MemberCommand::Abort { .. } => ConfigurationChange::Abort,
    };
    let headers = [("content-type", "application/json".to_owned())];
    let body = serde_json::to_string(&change)?;
    let mut bytes = client.ask_with(Method::POST, PATH, &headers, body.into()).await?;
    let mut report: ConfigurationReport = serde_json::from_slice(&bytes)?;
    let epoch = report.epoch;
    // Whoever is interrupted here leaves the change to go on by itself.
    while report.old.is_some() && report.epoch <= epoch {
        say(format!("half-way: {} must learn yet", or_nobody(&report.learning)));
        sleep(AGAIN).await;
        (report, bytes) = client.ask_json::<ConfigurationReport>(PATH).await?;
    }
    if arguments.json { print_line(String::from_utf8_lossy(&bytes)) } else { print(&table(&report)?) }
}

fn or_nobody(names: &[String]) -> String {
    if names.is_empty() { "nobody that is known here".to_owned() } else { names.join(", ") }
}

async fn invite(client: &ClusterClient, minutes: u64, as_json: bool) -> anyhow::Result<()> {
    let headers = [("content-type", "application/json".to_owned())];
    let body = serde_json::to_string(&InvitationRequest { minutes: Some(minutes) })?;
    let bytes = client.ask_with(Method::POST, "/api/v1/invitations", &headers, body.into()).await?;
    if as_json {
        return print_line(String::from_utf8_lossy(&bytes));
    }
    let InvitationReport { addresses, secret, minutes } = serde_json::from_slice(&bytes)?;
    let Some(first) = addresses.first() else { bail!("the node that was asked listens for no peers") };
    let mut text =
        format!("on the new machine, once within {minutes} minutes:\n\n  rain join {} {secret}", first.address);
    for SwitchAddress { switch, .. } in &addresses {
        write!(text, " \\\n    --interface {switch}=ADDRESS:PORT")?;
    }
    writeln!(text, " \\\n    --listen ADDRESS:PORT\n\nthen, here:\n\n  rain cluster add NAME")?;
    print(&text)
}

/// What is given up is typed by a person, and not by a program that repeats itself.
fn confirm(lost: &[String]) -> anyhow::Result<()> {
    let names = lost.join(" ");
    say(format!(
        "whatever only {names} held is lost with them, and none of them must ever come back. Type their names:"
    ));
    let mut typed = String::new();
    stdin().lock().read_line(&mut typed)?;
    if typed.split_whitespace().ne(lost.iter().map(String::as_str)) {
        bail!("`{}`, expected `{names}`: nothing was changed", typed.trim());
    }
    Ok(())
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
        writeln!(text, "  to learn: {}", or_nobody(&report.learning))?;
    }
    for member in &report.members {
        match member.holds {
            Some(0) => writeln!(text, "{0} holds no column any more: `rain cluster forget {0}`", member.name)?,
            Some(columns) => writeln!(text, "{} holds {columns} columns that have not moved yet", member.name)?,
            None => {}
        }
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
