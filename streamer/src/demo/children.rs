//! The node processes of a demo.

use super::plan::Plan;
use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process};
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
    child: Child,
}

/// The node processes, by their ids.
#[derive(Debug)]
pub(super) struct Children(Mutex<Vec<Running>>);

impl Children {
    /// Starts every node of a plan.
    pub(super) fn start(plan: &Plan) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("finding this program")?;
        let children = Self(Mutex::new(Vec::new()));
        for node in &plan.nodes {
            let started = Command::new(&program)
                .arg("node")
                .arg("--config")
                .arg(&node.config)
                .args(["--parent", &std::process::id().to_string()])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .spawn();
            match started {
                Ok(child) => children.running().push(Running { name: node.name.clone(), child }),
                Err(error) => {
                    children.end();
                    return Err(error).with_context(|| format!("starting node {}", node.name));
                }
            }
        }
        Ok(children)
    }

    fn running(&self) -> MutexGuard<'_, Vec<Running>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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

/// Whether a process was stopped by SIGSTOP: `T` in the third field of its `stat`.
fn is_stopped(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The second field, the program's name, is in parentheses and may hold anything.
    stat.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('T'))
}
