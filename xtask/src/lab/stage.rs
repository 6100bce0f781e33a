//! The stage `lab`: cuts of each kind in a laboratory, and that laboratories leave nothing behind, even when killed.

use std::collections::BTreeSet;
use std::fs;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rain_harness::send_signal;
use rustix::process::Signal;

use super::enter::{self, Found};
use super::measure::{self, Options};
use super::{build, missing};
use crate::tools::{self, Outcome};

/// A laboratory stands within this time.
const START: Duration = Duration::from_mins(1);
/// All that was in it is gone within this time of being killed.
const END: Duration = Duration::from_secs(10);
/// The first process, four nodes, and what was to be run.
const PROCESSES: usize = 6;
/// What runs in a laboratory that is to be killed.
const SLEEP: [&str; 2] = ["sleep", "1234567"];

/// Runs the stage.
///
/// # Errors
/// A wrong byte, a broken stream, an end that does not notice, something left behind.
pub(crate) fn run() -> Result<Outcome> {
    if let Some(reason) = missing()? {
        return Ok(Outcome::Skipped(reason));
    }
    if !enter::all()?.is_empty() {
        bail!("a laboratory is up already; `cargo xtask lab down` ends it");
    }
    build()?;
    for victim in [Victim::Maker, Victim::Unshare, Victim::First] {
        leaves_nothing(victim).with_context(|| format!("a laboratory whose {victim:?} process was killed"))?;
        println!("   killed {victim:?}: nothing is left");
    }
    let before = Traces::collect()?;
    measure::run(&Options::correctness_only())?;
    before.compare()?;
    Ok(Outcome::Passed)
}

/// Which process is killed.
#[derive(Clone, Copy, Debug)]
enum Victim {
    /// The one that the user started.
    Maker,
    /// The one between it and the laboratory.
    Unshare,
    /// The laboratory's first.
    First,
}

/// What a laboratory could leave behind on the machine.
#[derive(Debug, PartialEq, Eq)]
struct Traces {
    interfaces: BTreeSet<String>,
    namespaces: String,
    mounts: BTreeSet<String>,
    folders: BTreeSet<String>,
}

impl Traces {
    fn collect() -> Result<Self> {
        let links = tools::output(Command::new("ip").args(["-o", "link"]))?;
        let name = |line: &str| line.split_whitespace().nth(1).unwrap_or_default().to_owned();
        let mounts = fs::read_to_string("/proc/self/mounts")?;
        let temporary = fs::read_dir(std::env::temp_dir())?.collect::<Result<Vec<_>, _>>()?;
        let temporary = temporary.iter().map(|entry| entry.file_name().to_string_lossy().into_owned());
        Ok(Self {
            interfaces: links.lines().map(name).collect(),
            namespaces: tools::output(Command::new("ip").args(["netns", "list"]))?,
            mounts: mounts.lines().map(str::to_owned).collect(),
            folders: temporary.filter(|name| name.starts_with("rain-")).collect(),
        })
    }

    /// # Errors
    /// There is more than there was.
    fn compare(&self) -> Result<()> {
        let now = Self::collect()?;
        let more = |now: &BTreeSet<String>, before| now.difference(before).cloned().collect::<Vec<_>>();
        let left = [
            more(&now.interfaces, &self.interfaces),
            more(&now.mounts, &self.mounts),
            more(&now.folders, &self.folders),
        ];
        if left.iter().any(|left| !left.is_empty()) || now.namespaces != self.namespaces {
            bail!("left behind: {left:?}, namespaces {:?} (before: {:?})", now.namespaces, self.namespaces);
        }
        Ok(())
    }
}

/// Makes a laboratory, kills one of its processes in the midst of its work, and looks for what is left.
fn leaves_nothing(victim: Victim) -> Result<()> {
    let before = Traces::collect()?;
    let mut maker = Command::new(std::env::current_exe()?);
    maker.args(["lab", "run", "--"]).args(SLEEP);
    let mut maker = maker.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
    let stood = stand(&maker);
    let killed = stood.and_then(|(found, members)| {
        let id = match victim {
            Victim::Maker => maker.id(),
            Victim::Unshare => found.parent,
            Victim::First => found.id,
        };
        send_signal(id, Signal::KILL)?;
        gone(&members)
    });
    // Whatever went wrong, nothing may be left of it.
    let _ = maker.kill();
    maker.wait()?;
    killed?;
    before.compare()
}

/// Waits until the laboratory of a process stands, and gives all that are in it.
fn stand(maker: &Child) -> Result<(Found, Vec<Member>)> {
    let until = Instant::now() + START;
    loop {
        let found = enter::all()?.into_iter().find(|found| found.parent == maker.id() || is_child(found.parent, maker));
        if let Some(found) = found {
            let members = members(&namespace(found.id).context("the laboratory has ended")?)?;
            if members.len() >= PROCESSES && members.iter().any(|member| member.is_sleep) {
                return Ok((found, members));
            }
        }
        if Instant::now() > until {
            bail!("no laboratory of process {} stands after {START:?}", maker.id());
        }
        sleep(Duration::from_millis(20));
    }
}

fn is_child(id: u32, of: &Child) -> bool {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:")?.trim().parse::<u32>().ok());
    parent == Some(of.id())
}

/// A process of a laboratory.
#[derive(Debug)]
struct Member {
    id: u32,
    namespace: String,
    is_sleep: bool,
}

fn namespace(id: u32) -> Option<String> {
    Some(fs::read_link(format!("/proc/{id}/ns/pid")).ok()?.display().to_string())
}

/// All processes of a namespace.
fn members(wanted: &str) -> Result<Vec<Member>> {
    let member = |id| {
        let namespace = namespace(id).filter(|namespace| namespace == wanted)?;
        let words = fs::read_to_string(format!("/proc/{id}/cmdline")).ok()?;
        Some(Member { id, namespace, is_sleep: words.split_terminator('\0').eq(SLEEP) })
    };
    Ok(enter::processes()?.into_iter().filter_map(member).collect())
}

/// Waits until none of them is there any more.
fn gone(all: &[Member]) -> Result<()> {
    let until = Instant::now() + END;
    loop {
        // A process id may be another one's by now; its namespace then is another one too.
        let is_there = |member: &&Member| namespace(member.id).as_ref() == Some(&member.namespace);
        let left: Vec<&Member> = all.iter().filter(is_there).collect();
        if left.is_empty() {
            return Ok(());
        }
        if Instant::now() > until {
            bail!("{END:?} after the kill there are {left:?}");
        }
        sleep(Duration::from_millis(10));
    }
}
