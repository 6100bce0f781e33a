//! Developer commands: `cargo xtask test` and its stages.
#![forbid(unsafe_code)]

mod browser;
mod fuzz;
mod stages;
mod tools;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use stages::Stage;

/// Developer commands.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the stages of the test, all of them or those that are named, and stops at the first that fails.
    ///
    /// Tools that a stage needs are installed as Debian packages where that is possible (root, apt-get; set
    /// `RAIN_NO_INSTALL` to forbid it). A stage whose tools cannot be had is skipped, but fails where `CI` is set.
    Test {
        /// A stage to run; may be given several times. They run in the order of the list.
        #[arg(long = "stage", value_name = "STAGE")]
        stages: Vec<Stage>,
    },
}

fn main() -> ExitCode {
    let Command::Test { stages } = Arguments::parse().command;
    let all = stages::ALL.iter().copied();
    let wanted: Vec<Stage> = all.filter(|stage| stages.is_empty() || stages.contains(stage)).collect();
    let tally = stages::run(&wanted);
    println!("{tally}");
    if tally.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
