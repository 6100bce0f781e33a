//! A cluster of `rain node` processes on this machine, without the user-space switches of a demo.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, io};

use rain_harness::{Member, Process, TemporaryFolder, configuration, wait_until_ready};

use crate::demo::rain_program;
use crate::memory::MemoryWatch;

const SWITCHES: u8 = 2;
const START: Duration = Duration::from_mins(2);

/// Process nodes in a folder of their own, ended with the value.
#[derive(Debug)]
pub struct Nodes {
    /// Ended before the folder goes: fields are dropped in this order.
    running: Vec<Process>,
    folder: TemporaryFolder,
    port: u16,
}

impl Nodes {
    /// Starts `count` nodes, their player ports from `port` on, with a column of `b-code:COUNT` each, and waits until all
    /// serve.
    ///
    /// # Errors
    /// They do not start.
    pub fn start(port: u16, count: u16) -> io::Result<Self> {
        Self::start_with(port, count, "")
    }

    /// The same, each node with `settings`, lines of its configuration.
    ///
    /// # Errors
    /// They do not start.
    pub fn start_with(port: u16, count: u16, settings: &str) -> io::Result<Self> {
        let folder = TemporaryFolder::new("nodes")?;
        let mut nodes = Self { running: Vec::new(), folder, port };
        for node in 0..count {
            let config = nodes.write_config(node, count, settings)?;
            nodes.running.push(start_node(&config)?);
        }
        nodes.wait_until_ready()?;
        Ok(nodes)
    }

    /// Kills all nodes and starts them again with what they have stored; how long it takes until all serve.
    ///
    /// # Errors
    /// They do not start.
    pub fn restart(&mut self) -> io::Result<Duration> {
        for node in 0..self.running.len() {
            self.kill(node);
        }
        let began = Instant::now();
        for node in 0..self.running.len() {
            let config = self.config_path(u16::try_from(node).map_err(io::Error::other)?);
            self.running[node] = start_node(&config)?;
        }
        self.wait_until_ready()?;
        Ok(began.elapsed())
    }

    /// Kills a node, empties its data folder and starts it again; does not wait for it.
    ///
    /// # Errors
    /// It does not start; the disk's.
    pub fn replace_disk(&mut self, node: usize) -> io::Result<()> {
        self.kill(node);
        let config = self.config_path(u16::try_from(node).map_err(io::Error::other)?);
        let data = config.with_extension("");
        fs::remove_dir_all(&data)?;
        fs::create_dir(&data)?;
        self.running[node] = start_node(&config)?;
        Ok(())
    }

    /// What each process has taken of a processor since its start.
    ///
    /// # Errors
    /// A process is gone.
    pub fn processor_time(&self) -> io::Result<Vec<Duration>> {
        self.running.iter().map(Process::processor_time).collect()
    }

    fn wait_until_ready(&self) -> io::Result<()> {
        let mut nodes = self.running.iter().zip(self.port..);
        nodes.try_for_each(|(node, port)| wait_until_ready(node, (Ipv4Addr::LOCALHOST, port).into(), START))
    }

    fn config_path(&self, node: u16) -> PathBuf {
        self.folder.join(&format!("{}.toml", name(node)))
    }

    fn write_config(&self, node: u16, count: u16, settings: &str) -> io::Result<PathBuf> {
        let member = |node: u16| {
            let octet = u8::try_from(node + 1).map_err(io::Error::other)?;
            let address = |switch: u8| (Ipv4Addr::new(127, switch, octet, 3), self.port).into();
            Ok(Member {
                name: name(node),
                id: format!("bec0{node:04x}"),
                key: None,
                http: (Ipv4Addr::LOCALHOST, self.port + node).into(),
                addresses: (1..=SWITCHES).map(|switch| (format!("s{switch}"), address(switch))).collect(),
            })
        };
        let members = (0..count).map(member).collect::<io::Result<Vec<Member>>>()?;
        let (path, data) = (self.config_path(node), self.folder.join(&name(node)));
        fs::create_dir(&data)?;
        fs::write(&path, configuration(&members, node.into(), &data, &format!("b-code:{count}"), settings))?;
        Ok(path)
    }

    /// The player port of a node.
    ///
    /// # Panics
    /// When there are more nodes than ports.
    pub fn port(&self, node: usize) -> u16 {
        self.port + u16::try_from(node).expect("a number of nodes")
    }

    /// Kills a node, as a crash would; it is gone on return.
    pub fn kill(&self, node: usize) {
        self.running[node].crash();
    }

    /// Watches what the processes keep in memory of their own.
    pub fn watch_memory(&self) -> MemoryWatch {
        let names = (0..).map(|node: u8| format!("node {}", char::from(b'A' + node)));
        MemoryWatch::of(names.zip(self.running.iter().map(Process::id)).collect())
    }
}

/// The name of a node: A, B, C and so on.
fn name(node: u16) -> String {
    char::from(b'A' + u8::try_from(node).unwrap_or(u8::MAX)).to_string()
}

fn start_node(config: &Path) -> io::Result<Process> {
    let mut command = Command::new(rain_program()?);
    command.arg("node").arg("--config").arg(config).env("RAIN_LOG", "error");
    Process::start_logged(command.stdin(Stdio::null()).stdout(Stdio::null()), &config.with_extension("log"))
}
