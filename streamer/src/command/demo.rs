//! `rain demo`, and `rain` alone.

use super::output::print_line;
use crate::demo::{self, DemoOptions, Grown};
use clap::{Args, Subcommand};
use hyper::Method;
use rain_client::ClusterClient;
use std::path::PathBuf;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct DemoArguments {
    #[command(subcommand)]
    command: Option<DemoCommand>,
    /// How many nodes [default: 4]
    #[arg(long)]
    nodes: Option<u16>,
    /// How many switches tie them together, every node plugged into every one [default: 2]
    #[arg(long)]
    switches: Option<u8>,
    /// `ring:8`: as many nodes and switches, the switches in a ring, each node on two that lie far apart; or the JSON of
    /// `rain topology plan`
    #[arg(long, value_name = "ring:N|FILE")]
    topology: Option<String>,
    /// The array code [default: the B-code with a column for each node]
    #[arg(long)]
    code: Option<String>,
    /// The player port of the first node; the others follow, the console's last
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Keep the data in this folder
    #[arg(long)]
    data: Option<PathBuf>,
    /// A video to store besides the sample
    #[arg(long = "video")]
    videos: Vec<PathBuf>,
    /// What each switch adds to the time between nodes, in milliseconds
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 0.0)]
    delay: f64,
    /// How much each switch loses; streams see it as a retransmission
    #[arg(long, value_name = "PERCENT", default_value_t = 0.0)]
    loss: f64,
    /// How much each switch holds back
    #[arg(long, value_name = "PERCENT", default_value_t = 0.0)]
    reorder: f64,
    /// How much somebody on the way changes, drops, repeats, exchanges, cuts off, invents or leads astray
    #[arg(long, value_name = "PERCENT", default_value_t = 0.0)]
    tamper: f64,
    /// Columns travel in the clear, and prove themselves (`peer_privacy = false`)
    #[arg(long)]
    clear: bool,
    /// Wrong verdicts that a path is down, per second and node
    #[arg(long, value_name = "PER SECOND", default_value_t = 0.0)]
    false_downs: f64,
    /// Where chance begins: in delay, loss, reordering, tampering and wrong verdicts
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

#[derive(Debug, Subcommand)]
enum DemoCommand {
    /// Have a demo that runs grow by a node
    Add {
        /// The supervisor, whose URL the demo has printed
        #[arg(long, default_value = "http://127.0.0.1:8084")]
        server: String,
    },
}

async fn add(server: &str) -> anyhow::Result<()> {
    let client = ClusterClient::new(vec![server.trim_end_matches('/').to_owned()], None);
    let headers = [("content-type", "application/json".to_owned())];
    let told = client.ask_with(Method::POST, "/api/v1/nodes", &headers, "{}".into()).await?;
    let Grown { node, http } = serde_json::from_slice(&told)?;
    print_line(format_args!("{node} serves at {http}"))
}

pub(super) fn run(arguments: Option<DemoArguments>) -> anyhow::Result<()> {
    if let Some(DemoArguments { command: Some(DemoCommand::Add { server }), .. }) = &arguments {
        return super::block_on(add(server));
    }
    let options = arguments.map_or_else(DemoOptions::default, |arguments| DemoOptions {
        nodes: arguments.nodes,
        switches: arguments.switches,
        topology: arguments.topology,
        code: arguments.code,
        port: arguments.port,
        data: arguments.data,
        videos: arguments.videos,
        delay_ms: arguments.delay,
        loss_percent: arguments.loss,
        reorder_percent: arguments.reorder,
        tamper_percent: arguments.tamper,
        clear: arguments.clear,
        false_downs_per_second: arguments.false_downs,
        seed: arguments.seed,
    });
    demo::run(&options)
}
