//! A cluster of `rain node` processes on this machine, without the user-space switches of a demo.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::client::get;
use crate::demo::rain_program;
use crate::memory::MemoryWatch;
use crate::process::{Running, TemporaryFolder};

const SWITCHES: u16 = 2;
const START: Duration = Duration::from_mins(2);

/// Running nodes in a folder of their own, ended with the value.
#[derive(Debug)]
pub struct Nodes {
    /// Ended before the folder goes: fields are dropped in this order.
    running: Vec<Running>,
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
            self.running[node].wait(START)?;
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
        self.running[node].wait(START)?;
        let config = self.config_path(u16::try_from(node).map_err(io::Error::other)?);
        let data = config.with_extension("");
        std::fs::remove_dir_all(&data)?;
        std::fs::create_dir(&data)?;
        self.running[node] = start_node(&config)?;
        Ok(())
    }

    /// What each process has taken of a processor since its start.
    ///
    /// # Errors
    /// A process is gone.
    pub fn processor_time(&self) -> io::Result<Vec<Duration>> {
        self.running.iter().map(Running::processor_time).collect()
    }

    fn wait_until_ready(&self) -> io::Result<()> {
        for node in 0..self.running.len() {
            let until = Instant::now() + START;
            while get(self.port(node), "/readyz", |_| Ok(())).is_err() {
                if Instant::now() > until {
                    return Err(io::Error::other(format!("node {node} is not ready after {START:?}")));
                }
                sleep(Duration::from_millis(20));
            }
        }
        Ok(())
    }

    fn config_path(&self, node: u16) -> PathBuf {
        let name = char::from(b'A' + u8::try_from(node).unwrap_or(u8::MAX));
        self.folder.path().join(format!("{name}.toml"))
    }

    fn write_config(&self, node: u16, count: u16, settings: &str) -> io::Result<PathBuf> {
        let name = |node: u16| char::from(b'A' + u8::try_from(node).unwrap_or(u8::MAX));
        let id = |node: u16| format!("bec0{node:04x}");
        let address = |node: u16, switch: u16| format!("127.{switch}.{}.3:{}", node + 1, self.port);
        let data = self.folder.path().join(name(node).to_string());
        std::fs::create_dir(&data)?;
        let (port, data) = (self.port + node, data.display());
        let mut text = format!(
            "node = \"{}\"\nid = \"{}\"\ndata = [\"{data}\"]\ncode = \"b-code:{count}\"\nlisten = \"127.0.0.1:{port}\"\n{settings}\n",
            name(node),
            id(node)
        );
        // Writing to a string cannot fail, here and below.
        for switch in 1..=SWITCHES {
            let _ = write!(text, "[[interfaces]]\nswitch = \"s{switch}\"\naddress = \"{}\"\n", address(node, switch));
        }
        for peer in (0..count).filter(|peer| *peer != node) {
            let (name, port) = (name(peer), self.port + peer);
            let _ = write!(
                text,
                "[[peers]]\nname = \"{name}\"\nid = \"{}\"\nhttp = \"http://127.0.0.1:{port}\"\n[peers.addresses]\n",
                id(peer)
            );
            for switch in 1..=SWITCHES {
                let _ = writeln!(text, "s{switch} = \"{}\"", address(peer, switch));
            }
        }
        let path = self.config_path(node);
        std::fs::write(&path, text)?;
        Ok(path)
    }

    /// The player port of a node.
    ///
    /// # Panics
    /// When there are more nodes than ports.
    pub fn port(&self, node: usize) -> u16 {
        self.port + u16::try_from(node).expect("a number of nodes")
    }

    /// Kills a node, as a crash would.
    pub fn kill(&self, node: usize) {
        let pid = i32::try_from(self.running[node].id()).ok().and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }

    /// Watches what the processes keep in memory of their own.
    pub fn watch_memory(&self) -> MemoryWatch {
        let names = (0..).map(|node: u8| format!("node {}", char::from(b'A' + node)));
        MemoryWatch::of(names.zip(self.running.iter().map(Running::id)).collect())
    }
}

fn start_node(config: &Path) -> io::Result<Running> {
    let mut command = Command::new(rain_program()?);
    command.arg("node").arg("--config").arg(config).env("RAIN_LOG", "error");
    Running::start(command.stdin(Stdio::null()).stdout(Stdio::null()))
}
