//! A demo cluster, and what its processes keep in memory.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::{self, BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle, sleep};
use std::time::Duration;

use serde_json::Value;

use crate::client::get;

const PORT: u16 = 17_100;
const NODES: u16 = 4;

/// The player port of a node.
pub(crate) fn port(node: u16) -> u16 {
    PORT + node
}

/// A running `rain demo`, ended with the value.
pub(crate) struct Demo {
    child: Child,
    /// Process ids of the nodes.
    nodes: Vec<u32>,
}

impl Demo {
    pub(crate) fn start() -> io::Result<Self> {
        let program: PathBuf = env::current_exe()?.with_file_name("rain");
        let child = Command::new(&program).args(["demo", "--port", &PORT.to_string()]).stdout(Stdio::piped()).spawn();
        let mut child = child.map_err(|error| io::Error::other(format!("{}: {error}", program.display())))?;
        let mut url = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut url)?;
        }
        let mut demo = Self { child, nodes: Vec::new() };
        let mut cluster = Vec::new();
        get(PORT + NODES, "/api/v1/cluster", |bytes| {
            cluster.extend_from_slice(bytes);
            Ok(())
        })?;
        let cluster: Value = serde_json::from_slice(&cluster)?;
        let nodes = cluster["nodes"].as_array().into_iter().flatten();
        demo.nodes = nodes.filter_map(|node| node["pid"].as_u64()?.try_into().ok()).collect();
        Ok(demo)
    }

    /// Kills a node.
    pub(crate) fn kill(&self, node: usize) {
        let _ = Command::new("kill").args(["-KILL", &self.nodes[node].to_string()]).status();
    }

    /// Watches what the processes keep in memory of their own.
    pub(crate) fn watch_memory(&self) -> Watch {
        let names = (0..).map(|node: u8| format!("node {}", char::from(b'A' + node)));
        let mut processes: Vec<(String, u32)> = names.zip(self.nodes.iter().copied()).collect();
        processes.push(("supervisor".to_owned(), self.child.id()));
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let mut peaks = BTreeMap::new();
            while !told.load(Ordering::Relaxed) {
                for (name, pid) in &processes {
                    let peak = peaks.entry(name.clone()).or_insert(0);
                    *peak = own_memory(*pid).max(*peak);
                }
                sleep(Duration::from_millis(20));
            }
            peaks
        });
        Watch { stop, thread }
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        terminate(&mut self.child);
    }
}

/// Ends a process of ours, and waits for it.
pub(crate) fn terminate(child: &mut Child) {
    let _ = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
    let _ = child.wait();
}

/// A watch over the memory of processes.
pub(crate) struct Watch {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<BTreeMap<String, u64>>,
}

impl Watch {
    /// The peaks, by process.
    pub(crate) fn stop(self) -> BTreeMap<String, u64> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap_or_default()
    }
}

/// `RssAnon` + `RssShmem` of a process, in bytes.
fn own_memory(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let kib = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|rest| rest.trim_start_matches(':').trim().split(' ').next()?.parse::<u64>().ok()).unwrap_or(0)
    };
    (kib("RssAnon") + kib("RssShmem")) << 10
}
