//! The node processes of a demo.

use super::prepared::{PlannedNode, PreparedDemo};
use anyhow::Context;
use rain_config::override_names;
use rustix::process::{Pid, Signal, kill_process};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Nodes drain for so long before they are killed.
const DRAIN: Duration = Duration::from_secs(3);

/// What has become of a node's process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ChildState {
    Up,
    Down,
    Hung,
}

impl ChildState {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Hung => "hung",
        }
    }
}

#[derive(Debug)]
struct Running {
    name: String,
    config: PathBuf,
    child: Child,
}

/// The node processes, by their ids.
#[derive(Debug)]
pub(super) struct Children {
    program: PathBuf,
    /// Those that run, and those that may follow.
    planned: Vec<PlannedNode>,
    running: Mutex<Vec<Running>>,
}

impl Children {
    /// Starts every node of a plan. They die with the thread that calls this.
    pub(super) fn start(plan: &PreparedDemo) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("finding this program")?;
        let children = Self { program, planned: plan.nodes.clone(), running: Mutex::new(Vec::new()) };
        for PlannedNode { name, config, .. } in &plan.nodes[..plan.begun] {
            match children.spawn(config) {
                Ok(child) => {
                    children.running().push(Running { name: name.clone(), config: config.clone(), child });
                }
                Err(error) => {
                    children.end();
                    return Err(error).with_context(|| format!("starting node {name}"));
                }
            }
        }
        Ok(children)
    }

    fn spawn(&self, config: &Path) -> io::Result<Child> {
        let mut command = Command::new(&self.program);
        // Its configuration is made for it: nothing in it is to be replaced.
        for name in override_names() {
            command.env_remove(name);
        }
        command
            .arg("node")
            .arg("--config")
            .arg(config)
            .args(["--parent", &std::process::id().to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
    }

    /// Starts a node that has ended anew, on its data folder, or the one that is planned behind all; one that runs is left
    /// alone. It dies with the thread that calls this.
    ///
    /// # Errors
    /// What the system says; the node stays down.
    pub(super) fn restart(&self, node: usize) -> io::Result<()> {
        if node == self.len() {
            let PlannedNode { name, config, .. } = self.planned[node].clone();
            let child = self.spawn(&config)?;
            self.running().push(Running { name, config, child });
        } else if self.state(node).0 == ChildState::Down {
            let config = self.running()[node].config.clone();
            self.running()[node].child = self.spawn(&config)?;
        }
        Ok(())
    }

    /// Signals a node, if it has not ended.
    pub(super) fn signal(&self, node: usize, with: Signal) {
        signal(&mut self.running()[node].child, with);
    }

    fn running(&self) -> MutexGuard<'_, Vec<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn len(&self) -> usize {
        self.running().len()
    }

    pub(super) fn name(&self, node: usize) -> String {
        self.running()[node].name.clone()
    }

    /// The state and process id of a node.
    pub(super) fn state(&self, node: usize) -> (ChildState, u32) {
        let child = &mut self.running()[node].child;
        let pid = child.id();
        let state = match child.try_wait() {
            Ok(None) if is_stopped(pid) => ChildState::Hung,
            Ok(None) => ChildState::Up,
            Ok(Some(_)) | Err(_) => ChildState::Down,
        };
        (state, pid)
    }

    /// A node that has ended, if any has.
    pub(super) fn ended(&self) -> Option<String> {
        (0..self.len()).find(|node| self.state(*node).0 == ChildState::Down).map(|node| self.name(node))
    }

    /// Ends every node: drained if it can, killed if it hangs.
    pub(super) fn end(&self) {
        let mut running = self.running();
        for node in running.iter_mut() {
            signal(&mut node.child, Signal::TERM);
        }
        let until = Instant::now() + DRAIN;
        for node in running.iter_mut() {
            while matches!(node.child.try_wait(), Ok(None)) {
                if is_stopped(node.child.id()) || Instant::now() > until {
                    signal(&mut node.child, Signal::KILL);
                    let _ = node.child.wait();
                    break;
                }
                sleep(Duration::from_millis(10));
            }
        }
    }
}

/// Signals a process that has not been waited for, so that its id is still its own.
fn signal(child: &mut Child, signal: Signal) {
    if matches!(child.try_wait(), Ok(None))
        && let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw)
    {
        let _ = kill_process(pid, signal);
    }
}

/// Whether every thread of a process was stopped by SIGSTOP.
fn is_stopped(pid: u32) -> bool {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return false };
    threads.flatten().all(|thread| {
        let stat = std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        // `T` in the third field; the second, the program's name, is in parentheses and may hold anything.
        stat.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('T'))
    })
}
