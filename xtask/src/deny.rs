//! The supply chain, by cargo-deny: licences, sources and duplicates of all crates, and what is known to be wrong with them.

use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::tools::{self, Outcome, Workspace};

const TOOL: &str = "cargo-deny";
/// Which one is installed where there is none.
const VERSION: &str = "0.20.2";

/// Checks all crates by `deny.toml`. Advisories are fetched: where that cannot be, it is said, and the rest is checked.
///
/// # Errors
/// Something is not as `deny.toml` has it, or an advisory is about a crate.
pub(crate) fn run(workspace: &Workspace) -> Result<Outcome> {
    let own = workspace.root.join("target/tools");
    let tool = if let Some(tool) = tools::find(TOOL) {
        tool
    } else {
        let mut install = Command::new("cargo");
        install.args(["install", "--locked", "--version", VERSION, TOOL, "--root"]).arg(&own);
        if !install.status().context("cargo install")?.success() {
            return Ok(Outcome::Skipped(format!("{TOOL} {VERSION} is missing, and cannot be installed")));
        }
        own.join("bin").join(TOOL)
    };
    let deny = |arguments: &[&str]| {
        let mut command = Command::new(&tool);
        command.args(arguments).current_dir(&workspace.root);
        command
    };
    let status = deny(&["check", "licenses", "bans", "sources"]).status().context(TOOL)?;
    ensure!(status.success(), "licences, duplicates or sources: {status}");
    let fetched = deny(&["fetch", "db"]).status().context(TOOL)?;
    if !fetched.success() {
        let why = "passed but for advisories, whose database cannot be had".to_owned();
        return Ok(Outcome::Skipped(why));
    }
    let status = deny(&["check", "--disable-fetch", "advisories"]).status().context(TOOL)?;
    ensure!(status.success(), "advisories: {status}");
    Ok(Outcome::Passed)
}
