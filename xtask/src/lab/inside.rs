//! What the first process of a laboratory does. Everything else in it is its child and dies with it.

use std::fs;
use std::path::Path;
use std::process::{self, Command, ExitCode};
use std::thread;

use anyhow::{Context, Result, bail};

use super::control::{self, Laboratory};
use super::enter;
use super::lab_plan::{FOLDER, LabPlan};
use super::network::{self, Rules};
use super::nodes::Nodes;
use crate::tools;

/// Builds a laboratory, and runs a command in the viewers' network, or waits for its end where there is none.
///
/// # Errors
/// It was not started by [`super::enter`]; something cannot be built.
pub(super) fn run(plan: &LabPlan, program: &Path, command: &[String]) -> Result<ExitCode> {
    let done = stand(plan, program).and_then(|()| {
        if let Some((program, arguments)) = command.split_first() {
            return run_command(plan, program, arguments);
        }
        println!("{}", enter::READY);
        loop {
            thread::park();
        }
    });
    // Whoever made one that stays hears no more of it than this.
    if let (Err(error), true) = (&done, command.is_empty()) {
        println!("{error:#}");
    }
    done
}

/// Builds it, and starts its nodes and its control.
fn stand(plan: &LabPlan, program: &Path) -> Result<()> {
    // What follows changes mounts and interfaces: never those of the machine.
    if process::id() != 1 {
        bail!("found process {}, expected the first one of a namespace: use `cargo xtask lab up`", process::id());
    }
    // `ip netns` keeps its names below /run. On a file system of our own they end with us.
    tools::output(Command::new("mount").args(["-t", "tmpfs", "-o", "mode=0755,size=75%", "tmpfs", "/run"]))?;
    fs::create_dir_all(format!("{FOLDER}/tmp"))?;
    network::build(plan)?;
    let nodes = Nodes::start(plan, program)?;
    nodes.wait_until_ready()?;
    control::serve(Laboratory { plan: plan.clone(), nodes, rules: Rules::default() })
}

fn run_command(plan: &LabPlan, program: &str, arguments: &[String]) -> Result<ExitCode> {
    let status = Command::new(program).args(arguments).envs(plan.environment()).status();
    let status = status.with_context(|| format!("starting {program}"))?;
    Ok(ExitCode::from(enter::exit_code(status)))
}
