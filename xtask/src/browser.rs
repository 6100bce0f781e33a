//! The browser stage: the console of a demo, driven in Chromium by `xtask/browser/console.mjs`.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{self, Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::tools::{self, Need, Outcome, Workspace};

const BROWSER: Need = Need { tools: &["chromium"], packages: &["chromium", "fonts-dejavu-core"] };
/// By itself: where they come from elsewhere, Debian's packages of them do not go beside.
const NODE: Need = Need { tools: &["node", "npm"], packages: &["nodejs", "npm"] };

/// The demo must say its address within this time.
const START: Duration = Duration::from_secs(30);
/// The demo must end within this time of SIGTERM.
const END: Duration = Duration::from_secs(5);
/// The demo's listeners: four nodes and the supervisor, on consecutive ports.
const PORTS: u16 = 5;

/// Starts a demo and lets a browser look at it.
pub(crate) fn run(workspace: &Workspace) -> Result<Outcome> {
    if let Some(missing) = prepare(workspace)? {
        return Ok(Outcome::Skipped(missing));
    }
    let demo = Demo::start(&workspace.build()?.join("rain"))?;
    let chromium = tools::find("chromium").context("chromium was found before")?;
    let mut drive = Command::new("node");
    drive.arg("console.mjs").arg(&demo.url).arg(workspace.target.join("browser"));
    let driven = tools::run(drive.current_dir(folder(workspace)).env("CHROMIUM", chromium));
    let ended = demo.end();
    driven?;
    ended?;
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

/// A running demo; it ends with this value at the latest.
struct Demo {
    child: Child,
    url: String,
}

impl Demo {
    fn start(program: &Path) -> Result<Self> {
        let port = free_ports(PORTS)?;
        println!("   rain demo --port {port}");
        let mut command = Command::new(program);
        command.args(["demo", "--port", &port.to_string()]).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("starting {}", program.display()))?;
        let output = child.stdout.take();
        let mut demo = Self { child, url: String::new() };
        let output = output.context("the demo's output is a pipe")?;
        let (sender, lines) = mpsc::channel();
        // Reads to the end, so that the demo never waits for a full pipe; ends with it.
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                println!("   demo: {line}");
                // Only the first line is waited for.
                let _ = sender.send(line);
            }
        });
        match lines.recv_timeout(START) {
            Ok(line) if line.starts_with("http://") => demo.url.push_str(line.trim()),
            Ok(line) => bail!("the demo's first line is to be its URL, found {line:?}"),
            Err(mpsc::RecvTimeoutError::Timeout) => bail!("the demo printed no URL within {} s", START.as_secs()),
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                bail!("the demo ended before it printed its URL: {}", demo.child.wait()?)
            }
        }
        Ok(demo)
    }

    /// Ends the demo as an operator does.
    ///
    /// # Errors
    /// It did not end by SIGTERM in time, and was killed.
    fn end(mut self) -> Result<()> {
        self.terminate()
    }

    fn terminate(&mut self) -> Result<()> {
        if self.child.try_wait()?.is_some() {
            return Ok(());
        }
        kill_process(Pid::from_child(&self.child), Signal::TERM).context("sending SIGTERM to the demo")?;
        let until = Instant::now() + END;
        while Instant::now() < until {
            if self.child.try_wait()?.is_some() {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(20));
        }
        self.child.kill()?;
        self.child.wait()?;
        bail!("the demo did not end within {} s of SIGTERM", END.as_secs())
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // Nobody is left to be told, and a demo that has ended already is not touched.
        let _ = self.terminate();
    }
}

/// Finds consecutive ports of the loopback that are free now; the first of them.
///
/// They lie below those that the kernel gives to outgoing connections, which could take one of them in between.
fn free_ports(count: u16) -> Result<u16> {
    let bind = |port| TcpListener::bind(("127.0.0.1", port));
    let start = 20_000 + u16::try_from(process::id() % 1000)? * 10;
    let firsts = (start..32_000).chain(20_000..start).step_by(usize::from(count));
    for first in firsts {
        let listeners: Vec<_> = (first..first + count).map(bind).collect();
        if listeners.iter().all(Result::is_ok) {
            return Ok(first);
        }
    }
    bail!("{count} consecutive free ports were not found")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_ports_can_be_bound() {
        let first = free_ports(3).unwrap();
        assert!((first..first + 3).all(|port| TcpListener::bind(("127.0.0.1", port)).is_ok()));
    }
}
