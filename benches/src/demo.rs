//! A demo cluster, and what happens to its parts.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use std::{env, io};

use rain_harness::{TemporaryFolder, ask, post};
use serde_json::{Value, json};

/// So many of the last lines are shown of what the nodes said.
const LOG_LINES: usize = 15;
/// All nodes serve within this time.
const START: Duration = Duration::from_mins(2);

/// A running `rain demo` in a folder of its own, ended with the value.
#[derive(Debug)]
pub struct Demo {
    /// Ended before the folder goes: fields are dropped in this order.
    started: rain_harness::Demo,
    _folder: TemporaryFolder,
    port: u16,
    /// Process ids of the nodes at the start.
    nodes: Vec<u32>,
}

/// Finds the program `rain`, which cargo builds beside this one.
///
/// # Errors
/// It is not there.
pub fn rain_program() -> io::Result<PathBuf> {
    let program = env::current_exe()?.with_file_name("rain");
    // Of a bench, a folder above.
    let above = program.parent().and_then(Path::parent).map(|folder| folder.join("rain"));
    if let Some(found) = [Some(program.clone()), above].into_iter().flatten().find(|program| program.is_file()) {
        return Ok(found);
    }
    Err(io::Error::other(format!("{} is not there; build it first: cargo build --release", program.display())))
}

/// Finds consecutive ports of the loopback that are free now, from `first` on.
///
/// # Errors
/// There are none among the next thousand.
pub fn free_ports(first: u16, count: u16) -> io::Result<u16> {
    let is_free = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
    let mut firsts = (first..first.saturating_add(1000)).step_by(usize::from(count.max(1)));
    let found = firsts.find(|first| (*first..first.saturating_add(count)).all(is_free));
    found.ok_or_else(|| io::Error::other(format!("no {count} consecutive free ports from {first} on")))
}

impl Demo {
    /// Starts a demo at `port`, and waits until all its nodes serve.
    ///
    /// # Errors
    /// It does not start; what it said is in the message.
    pub fn start(port: u16, arguments: &[&str]) -> io::Result<Self> {
        let folder = TemporaryFolder::new("measure")?;
        let mut command = Command::new(rain_program()?);
        command.args(["demo", "--port", &port.to_string()]).args(arguments).env("TMPDIR", folder.path());
        let started = rain_harness::Demo::start(&mut command, Some(&folder.join("log")), START)?;
        let nodes = started.nodes()?;
        Ok(Self { started, _folder: folder, port, nodes })
    }

    /// How many nodes it has.
    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// The player port of a node, or, behind the last one, of the supervisor.
    ///
    /// # Panics
    /// When there are more nodes than ports.
    pub fn port(&self, node: usize) -> u16 {
        self.port + u16::try_from(node).expect("a number of nodes")
    }

    /// The supervisor's port.
    pub fn supervisor(&self) -> u16 {
        self.port(self.nodes.len())
    }

    /// What the supervisor says of the cluster.
    ///
    /// # Errors
    /// The connection's.
    pub fn cluster(&self) -> io::Result<Value> {
        Ok(serde_json::from_slice(&ask(self.supervisor(), "/api/v1/cluster")?)?)
    }

    /// Cuts, hangs or heals a part.
    ///
    /// # Errors
    /// The supervisor refuses.
    pub fn fault(&self, kind: &str, name: &str, action: &str) -> io::Result<()> {
        post(self.supervisor(), "/api/v1/faults", &json!({ "kind": kind, "name": name, "action": action }))
    }

    /// The last lines of what its processes said on standard error.
    pub fn log(&self) -> String {
        self.started.process.log_end(LOG_LINES)
    }
}
