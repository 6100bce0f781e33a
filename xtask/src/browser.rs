//! The browser stage: the console of a demo, driven in Chromium by `xtask/browser/console.mjs`.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use rain_harness::{Demo, Ports};

use crate::tools::{self, Need, Outcome, Workspace};

const BROWSER: Need = Need { tools: &["chromium"], packages: &["chromium", "fonts-dejavu-core"] };
/// By itself: where they come from elsewhere, Debian's packages of them do not go beside.
const NODE: Need = Need { tools: &["node", "npm"], packages: &["nodejs", "npm"] };

/// The demo must say its address within this time.
const START: Duration = Duration::from_secs(30);
/// The demo must end within this time of SIGTERM.
const END: Duration = Duration::from_secs(5);

/// Starts a demo and lets a browser look at it.
pub(crate) fn run(workspace: &Workspace) -> Result<Outcome> {
    if let Some(missing) = prepare(workspace)? {
        return Ok(Outcome::Skipped(missing));
    }
    let program = workspace.build()?.join("rain");
    // Held until the demo has ended: nobody else claims its ports.
    let ports = Ports::claim()?;
    let port = ports.port(0);
    println!("   rain demo --port {port}");
    let demo = Demo::start(Command::new(program).args(["demo", "--port", &port.to_string()]), None, START)?;
    let chromium = tools::find("chromium").context("chromium was found before")?;
    let mut drive = Command::new("node");
    drive.arg("console.mjs").arg(&demo.url).arg(workspace.target.join("browser"));
    let driven = tools::run(drive.current_dir(folder(workspace)).env("CHROMIUM", chromium));
    let ended = demo.process.terminate(END);
    driven?;
    ended.context("ending the demo")?;
    Ok(Outcome::Passed)
}

fn folder(workspace: &Workspace) -> PathBuf {
    workspace.root.join("xtask/browser")
}

/// Makes sure of the browser and of what drives it. Gives what is missing.
pub(crate) fn prepare(workspace: &Workspace) -> Result<Option<String>> {
    for need in [&BROWSER, &NODE] {
        if let Some(missing) = tools::ensure(need)? {
            return Ok(Some(missing));
        }
    }
    tools::run(Command::new("npm").args(["ci", "--no-audit", "--no-fund"]).current_dir(folder(workspace)))?;
    Ok(None)
}
