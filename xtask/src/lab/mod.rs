//! `cargo xtask lab`: real nodes in network namespaces, bridges as switches, veth pairs as cables, and what can be done
//! to them. See docs/laboratory.md.

mod control;
mod enter;
mod fault;
mod inside;
mod lab_plan;
mod measure;
mod network;
mod nodes;
mod stage;

use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use clap::{Args, Parser, Subcommand};

use crate::tools::{self, Need, Workspace};
use lab_plan::LabPlan;
use measure::Options;
pub(crate) use stage::run as stage;

const NEEDED: Need = Need {
    tools: &["ip", "bridge", "tc", "nft", "unshare", "setpriv", "nsenter", "setsid", "mount"],
    packages: &["iproute2", "nftables", "util-linux", "mount"],
};

/// What can be done with laboratories.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Lab {
    /// Makes a laboratory that stays until `lab down`
    Up(Wiring),
    /// Ends the laboratory
    Down,
    /// Runs a command in the viewers' network of the laboratory, or of one that is made for it and ends with it
    ///
    /// `RAIN_SERVER` names all nodes, `RAIN_LAB_TOKEN` is the token for writes and `RAIN_TOKEN_FILE` a file with it,
    /// `RAIN_LAB` the control socket.
    Run {
        #[command(flatten)]
        wiring: Wiring,
        /// The command and its arguments
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        command: Vec<String>,
    },
    /// Cuts or heals a part of the laboratory
    #[command(after_help = format!("Parts and actions: {}", fault::GRAMMAR))]
    Fault {
        /// The kind of part
        part: String,
        /// Which one
        name: String,
        /// What happens to it
        action: String,
    },
    /// Measures verdicts, streams, false verdicts and throughput; writes docs/playback.md and benches/record
    Measure(Options),
    /// What the first process of a laboratory runs
    #[command(hide = true)]
    Inside {
        #[command(flatten)]
        plan: LabPlan,
        #[arg(long)]
        program: PathBuf,
        command: Vec<String>,
    },
}

/// How a laboratory is wired that somebody asks for.
#[derive(Clone, Debug, Args)]
pub(crate) struct Wiring {
    #[command(flatten)]
    plan: LabPlan,
    /// Wired like this plan of `rain topology plan --format json`, in which every two nodes share a switch
    #[arg(long, value_name = "FILE", conflicts_with_all = ["nodes", "switches", "cables"])]
    topology: Option<PathBuf>,
}

impl Wiring {
    fn plan(&self) -> Result<LabPlan> {
        let plan = self.plan.clone();
        let Some(file) = &self.topology else { return plan.check().map(|()| plan) };
        let text = fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
        plan.wired_like(&text).with_context(|| file.display().to_string())
    }
}

/// Does what was asked for.
///
/// # Errors
/// It cannot be done here.
pub(crate) fn run(lab: &Lab) -> Result<ExitCode> {
    if let Lab::Inside { plan, program, command } = lab {
        return inside::run(plan, program, command);
    }
    if let Some(reason) = missing()? {
        bail!("{reason}");
    }
    match lab {
        Lab::Up(wiring) => up(&wiring.plan()?),
        Lab::Down => enter::end(&enter::only()?).map(|()| ExitCode::SUCCESS),
        Lab::Run { wiring, command } => {
            let status = if enter::all()?.is_empty() {
                enter::run(&wiring.plan()?, &build()?.join("rain"), command)?
            } else {
                let found = enter::only()?;
                enter::run_in(&found, &plan_of(&found)?, command)?
            };
            Ok(ExitCode::from(enter::exit_code(status)))
        }
        Lab::Fault { part, name, action } => {
            control::ask(enter::only()?.id, &format!("{part} {name} {action}")).map(|_| ExitCode::SUCCESS)
        }
        Lab::Measure(options) => measure::run(options).map(|()| ExitCode::SUCCESS),
        Lab::Inside { .. } => unreachable!("done above"),
    }
}

/// Why there can be no laboratory here.
fn missing() -> Result<Option<String>> {
    if !rustix::process::geteuid().is_root() {
        return Ok(Some("the laboratory needs root: namespaces, bridges, nftables".to_owned()));
    }
    if let Some(reason) = tools::ensure(&NEEDED)? {
        return Ok(Some(reason));
    }
    let tried = Command::new("unshare").args(["--net", "--mount", "--pid", "--fork", "true"]).output()?;
    let said = String::from_utf8_lossy(&tried.stderr).trim().to_owned();
    Ok((!tried.status.success()).then(|| format!("namespaces cannot be made: {said}")))
}

/// Builds the program and its measurement; where they are.
fn build() -> Result<PathBuf> {
    Workspace::find()?.build()
}

fn up(plan: &LabPlan) -> Result<ExitCode> {
    if !enter::all()?.is_empty() {
        bail!("a laboratory is up already; `cargo xtask lab down` ends it");
    }
    enter::stay(plan, &build()?.join("rain"))?;
    let names: Vec<String> = (0..plan.nodes).map(lab_plan::node_name).collect();
    println!("nodes {} on {} switches serve", names.join(" "), plan.switches);
    for (name, value) in plan.environment().iter().take(1) {
        println!("{name}={value}");
    }
    println!("cargo xtask lab run COMMAND      in the viewers' network");
    println!("cargo xtask lab fault PART NAME ACTION");
    println!("cargo xtask lab down");
    Ok(ExitCode::SUCCESS)
}

/// What a laboratory was made with.
fn plan_of(found: &enter::Found) -> Result<LabPlan> {
    #[derive(Debug, Parser)]
    struct Arguments {
        #[command(flatten)]
        plan: LabPlan,
        #[arg(long)]
        program: PathBuf,
        command: Vec<String>,
    }
    let words = std::iter::once("inside".to_owned()).chain(found.arguments.iter().cloned());
    let Arguments { plan, program, command } = Arguments::try_parse_from(words).context("what the laboratory runs")?;
    if !command.is_empty() {
        bail!("the only laboratory, of {}, runs {} and ends with it", program.display(), command.join(" "));
    }
    Ok(plan)
}
