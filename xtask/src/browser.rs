//! The browser stage: the console of a demo, driven in Chromium by `xtask/browser/console.mjs`, and its pages for players, by
//! `pages.mjs`; the console of a node with a token, by `login.mjs`; pages whose node hangs, by `worker.mjs`.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use rain_harness::{Demo, Member, Ports, Process, TemporaryFolder, configuration, wait_until_ready};

use crate::tools::{self, Need, Outcome, Workspace};

const BROWSER: Need = Need { tools: &["chromium"], packages: &["chromium", "fonts-dejavu-core"] };
/// By itself: where they come from elsewhere, Debian's packages of them do not go beside.
const NODE: Need = Need { tools: &["node", "npm"], packages: &["nodejs", "npm"] };

/// The demo must say its address within this time.
const START: Duration = Duration::from_secs(30);
/// The demo must end within this time of SIGTERM.
const END: Duration = Duration::from_secs(5);

/// Starts a demo, then nodes, and lets a browser look at each.
pub(crate) fn run(workspace: &Workspace) -> Result<Outcome> {
    if let Some(missing) = prepare(workspace)? {
        return Ok(Outcome::Skipped(missing));
    }
    let program = workspace.build()?.join("rain");
    look_at_demo(workspace, &program)?;
    log_in(workspace, &program)?;
    go_on(workspace, &program)?;
    Ok(Outcome::Passed)
}

fn look_at_demo(workspace: &Workspace, program: &Path) -> Result<()> {
    with_demo(program, |url| {
        drive(workspace, &["console.mjs", url], &[])?;
        drive(workspace, &["pages.mjs", url], &[])
    })
}

/// Lets a browser and a strict parser look at what a demo makes of files of ffmpeg.
///
/// # Errors
/// They find something.
pub(crate) fn offsets(workspace: &Workspace) -> Result<Outcome> {
    if let Some(missing) = prepare(workspace)? {
        return Ok(Outcome::Skipped(missing));
    }
    let program = workspace.build()?.join("rain");
    with_demo(&program, |url| drive(workspace, &["offsets.mjs", url], &[]))?;
    Ok(Outcome::Passed)
}

/// Starts a demo, does something with it, and ends it.
fn with_demo(program: &Path, look: impl FnOnce(&str) -> Result<()>) -> Result<()> {
    // Held until the demo has ended: nobody else claims its ports.
    let ports = Ports::claim()?;
    let port = ports.port(0);
    println!("   rain demo --port {port}");
    let demo = Demo::start(Command::new(program).args(["demo", "--port", &port.to_string()]), None, START)?;
    let looked = look(&demo.url);
    let ended = demo.process.terminate(END);
    looked?;
    ended.context("ending the demo")?;
    Ok(())
}

/// Two nodes, of which titles below `films/` may be changed by somebody with a token.
fn log_in(workspace: &Workspace, program: &Path) -> Result<()> {
    let folder = TemporaryFolder::new("login")?;
    let token = folder.join("token");
    let mut make = Command::new(program);
    make.args(["token", "new", "--name", "paul", "--role", "publisher", "--prefix", "films/", "--output"]).arg(&token);
    let nodes = TwoNodes::start(program, &folder, &tools::output(&mut make)?)?;
    let driven = drive(workspace, &["login.mjs", &nodes.urls[0]], &[&token]);
    nodes.end(driven)
}

/// Two nodes that have every title, of which one hangs while a page of its own reads from it.
fn go_on(workspace: &Workspace, program: &Path) -> Result<()> {
    let folder = TemporaryFolder::new("worker")?;
    let nodes = TwoNodes::start(program, &folder, "")?;
    let hung = nodes.processes[0].id().to_string();
    let driven = drive(workspace, &["worker.mjs", &nodes.urls[0], &nodes.urls[1], &hung], &[]);
    nodes.end(driven)
}

/// Nodes A and B of a cluster.
struct TwoNodes {
    processes: Vec<Process>,
    urls: Vec<String>,
    /// Nobody else claims them before the nodes have ended.
    _ports: Ports,
}

impl TwoNodes {
    /// Starts them, with lines of each one's configuration, and waits until they serve.
    fn start(program: &Path, folder: &TemporaryFolder, settings: &str) -> Result<Self> {
        let ports = Ports::claim()?;
        let members = [("A", 0), ("B", 1)].map(|(name, place)| {
            let port = ports.port(place);
            let addresses = vec![("s1".to_owned(), (Ipv4Addr::new(127, 77, 1, 1), port).into())];
            Member {
                name: name.to_owned(),
                id: format!("b000000{place}"),
                key: None,
                http: (Ipv4Addr::LOCALHOST, port).into(),
                addresses,
            }
        });
        let mut processes = Vec::new();
        for (place, Member { name, .. }) in members.iter().enumerate() {
            let [data, config, log] = ["", ".toml", ".log"].map(|end| folder.join(&format!("{name}{end}")));
            fs::create_dir(&data)?;
            fs::write(&config, configuration(&members, place, &data, "replica:2", settings))?;
            let mut command = Command::new(program);
            processes.push(Process::start_logged(command.arg("node").arg("--config").arg(&config), &log)?);
        }
        for (node, Member { http, .. }) in processes.iter().zip(&members) {
            wait_until_ready(node, *http, START)?;
        }
        let urls: Vec<_> = members.iter().map(|member| format!("http://{}/", member.http)).collect();
        println!("   rain node at {}", urls.join(" and "));
        Ok(Self { processes, urls, _ports: ports })
    }

    /// Ends them, once something was done with them.
    fn end(self, done: Result<()>) -> Result<()> {
        let ended = self.processes.iter().try_for_each(|node| node.terminate(END).map(drop));
        done?;
        ended.context("ending the nodes")
    }
}

/// Runs a script: its name and the URL, the folder for pictures, and what else it takes.
fn drive(workspace: &Workspace, script: &[&str], rest: &[&Path]) -> Result<()> {
    let chromium = tools::find("chromium").context("chromium was found before")?;
    let mut drive = Command::new("node");
    drive.args(script).arg(workspace.target.join("browser")).args(rest);
    tools::run(drive.current_dir(folder(workspace)).env("CHROMIUM", chromium))
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
    let folder = folder(workspace);
    if !is_installed(&folder) {
        let ci = ["ci", "--no-audit", "--no-fund", "--ignore-scripts"];
        tools::run(Command::new("npm").args(ci).current_dir(&folder))?;
    }
    Ok(None)
}

/// Whether npm has installed all since the lock was changed.
fn is_installed(folder: &Path) -> bool {
    let changed = |file: &str| fs::metadata(folder.join(file)).and_then(|about| about.modified()).ok();
    changed("node_modules/.package-lock.json") >= changed("package-lock.json")
}
