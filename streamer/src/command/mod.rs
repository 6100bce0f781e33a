//! The command line.
//!
//! Exit status: 0, 1 (failed), 2 (wrong use), 141 (nobody reads the output any more). `rain topology verify` keeps 1 for
//! what partitions.

mod bench;
mod check;
mod client;
mod cluster;
mod code;
mod decode;
mod demo;
mod encode;
mod fault;
mod get;
mod init;
mod inspect;
mod join;
mod key;
mod node;
mod offline;
mod output;
mod put;
mod reload;
mod show;
mod token;
mod topology;
mod verify;

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use output::{UNREAD_STATUS, Unread, say_error};
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

/// A video origin without a single point of failure.
#[derive(Debug, Parser)]
#[command(name = "rain", version = version(), about)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Store a file under a title
    Put(put::PutArguments),
    /// Fetch a title
    Get(get::GetArguments),
    /// List titles
    Ls {
        /// Only titles that begin with this
        prefix: Option<String>,
        /// Only what comes before the next `/`: titles, and folders, which end with it
        #[arg(short, long)]
        folders: bool,
        #[command(flatten)]
        client: ClientArguments,
    },
    /// Delete a title
    Rm {
        /// The title
        title: String,
        #[command(flatten)]
        client: ClientArguments,
    },
    /// Show a title and its columns
    Stat {
        /// The title
        title: String,
        /// Let every node read and check its whole column first
        #[arg(long)]
        verify: bool,
        #[command(flatten)]
        client: ClientArguments,
    },
    /// Show what players are given of a title, or why they are given nothing
    Inspect {
        /// The title
        title: String,
        #[command(flatten)]
        client: ClientArguments,
    },
    /// Show the state of the cluster
    Status {
        /// Again every second
        #[arg(long)]
        watch: bool,
        #[command(flatten)]
        client: ClientArguments,
    },
    /// Show and change who belongs to the cluster
    #[command(subcommand)]
    Cluster(cluster::ClusterCommand),
    /// Make this machine a node of a cluster that there is
    Join(join::JoinArguments),
    /// Run one node of a cluster
    Node {
        /// The node's configuration
        #[arg(long)]
        config: PathBuf,
        /// End when this process does
        #[arg(long, hide = true)]
        parent: Option<u32>,
    },
    /// Check a configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Let nodes read their configurations anew, each that `--server` names
    Reload {
        #[command(flatten)]
        client: ClientArguments,
    },
    /// Make a token, by which nodes know who asks
    #[command(subcommand)]
    Token(token::TokenCommand),
    /// Make and show the key pairs of nodes
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// Encode a file to a folder of column files, without a cluster
    Encode(encode::EncodeArguments),
    /// Decode a title from column files, or all titles
    Decode(decode::DecodeArguments),
    /// Check every block of the column files of a folder
    Verify(verify::VerifyArguments),
    /// Rebuild the column files of a folder that are missing or damaged
    Repair(verify::RepairArguments),
    /// Start a demo cluster on this machine (the default)
    Demo(demo::DemoArguments),
    /// Cut, hang or heal a part of a demo
    Fault(fault::FaultArguments),
    /// List the array codes, or show one
    #[command(subcommand)]
    Code(code::CodeCommand),
    /// Plan how switches and nodes are wired, and find the worst that losses can do
    #[command(subcommand)]
    Topology(topology::TopologyCommand),
    /// Measure encoding and decoding on this machine
    Bench(bench::BenchArguments),
}

impl Command {
    /// Whether errors are to be objects.
    fn as_json(&self) -> bool {
        match self {
            Self::Put(put::PutArguments { client, .. })
            | Self::Get(get::GetArguments { client, .. })
            | Self::Fault(fault::FaultArguments { client, .. })
            | Self::Ls { client, .. }
            | Self::Rm { client, .. }
            | Self::Stat { client, .. }
            | Self::Inspect { client, .. }
            | Self::Status { client, .. }
            | Self::Reload { client } => client.json,
            Self::Cluster(command) => command.as_json(),
            Self::Encode(encode::EncodeArguments { json, .. })
            | Self::Decode(decode::DecodeArguments { json, .. })
            | Self::Verify(verify::VerifyArguments { json, .. })
            | Self::Repair(verify::RepairArguments { json, .. }) => *json,
            Self::Demo(_)
            | Self::Join(_)
            | Self::Node { .. }
            | Self::Bench(_)
            | Self::Topology(_)
            | Self::Code(_)
            | Self::Token(_)
            | Self::Config(_)
            | Self::Key(_) => false,
        }
    }
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Read a configuration and say what is wrong with it
    Check {
        /// The file
        file: PathBuf,
    },
}

/// How to reach the cluster.
#[derive(Debug, Args, Clone)]
struct ClientArguments {
    /// Nodes to talk to, the next one when one fails
    #[arg(long, env = "RAIN_SERVER", value_delimiter = ',', default_value = "http://127.0.0.1:8080")]
    server: Vec<String>,
    /// The file with the token to present, which nobody else may read
    #[arg(long, env = "RAIN_TOKEN_FILE", value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// `rain --version`: the version, the commit and the instruction set.
fn version() -> &'static str {
    static VERSION: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    VERSION.get_or_init(|| {
        let kernel = rain_codec::Kernel::detect().name();
        format!("{} (commit {}, {kernel})", env!("CARGO_PKG_VERSION"), env!("RAIN_COMMIT"))
    })
}

/// Runs the program on the process's arguments.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let filter = EnvFilter::try_from_env("RAIN_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .log_internal_errors(false)
        .init();
    let as_json = arguments.command.as_ref().is_some_and(Command::as_json);
    match run(arguments) {
        Ok(code) => code,
        Err(error) if error.is::<Unread>() => ExitCode::from(UNREAD_STATUS),
        Err(error) => {
            say_error(&error, as_json);
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Some(command) = arguments.command else { return demo::run(None).map(|()| ExitCode::SUCCESS) };
    let done = match command {
        Command::Topology(command) => return Ok(topology::run(&command)),
        Command::Demo(arguments) => demo::run(Some(arguments)),
        Command::Fault(arguments) => block_on(fault::run(arguments)),
        Command::Key(command) => key::run(&command),
        Command::Join(arguments) => join::run(&arguments),
        Command::Node { config, parent } => node::run(&config, parent),
        Command::Encode(arguments) => encode::run(arguments),
        Command::Decode(arguments) => decode::run(&arguments),
        Command::Verify(arguments) => verify::run_verify(&arguments),
        Command::Repair(arguments) => verify::run_repair(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Code(command) => code::run(command),
        Command::Config(ConfigCommand::Check { file }) => check::run(&file),
        Command::Cluster(command) => block_on(cluster::run(command)),
        Command::Reload { client } => block_on(reload::run(client)),
        Command::Token(command) => token::run(command),
        Command::Put(arguments) => block_on(put::run(arguments)),
        Command::Get(arguments) => block_on(get::run(arguments)),
        Command::Ls { prefix, folders, client } => block_on(show::list(prefix.unwrap_or_default(), folders, client)),
        Command::Rm { title, client } => block_on(show::remove(title, client)),
        Command::Stat { title, verify, client } => block_on(show::stat(title, verify, client)),
        Command::Inspect { title, client } => block_on(inspect::run(title, client)),
        Command::Status { watch, client } => block_on(show::status(watch, client)),
    };
    done.map(|()| ExitCode::SUCCESS)
}

fn block_on(future: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting the runtime")?;
    runtime.block_on(future)
}
