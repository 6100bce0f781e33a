//! `rain demo`, and `rain` alone.

use crate::demo::{self, DemoOptions};
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(super) struct DemoArguments {
    /// How many nodes
    #[arg(long, default_value_t = 4)]
    nodes: u16,
    /// How many switches tie them together
    #[arg(long, default_value_t = 2)]
    switches: u8,
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
}

impl Default for DemoArguments {
    fn default() -> Self {
        Self { nodes: 4, switches: 2, code: None, port: 8080, data: None, videos: Vec::new() }
    }
}

pub(super) fn run(arguments: &DemoArguments) -> anyhow::Result<()> {
    let DemoArguments { nodes, switches, code, port, data, videos } = arguments;
    demo::run(&DemoOptions {
        nodes: *nodes,
        switches: *switches,
        code: code.clone(),
        port: *port,
        data: data.clone(),
        videos: videos.clone(),
    })
}
