//! `rain demo` as a process.

use super::{Folder, PATIENCE, Ports, Process, get, is_alive, kill, rain, wait_for};
use rustix::process::Signal;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

/// Bytes of the sample that every demo has.
pub(crate) fn sample() -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/sample.mp4")).expect("the sample")
}

/// A demo, of four nodes mostly. It ends when the value goes, and its nodes with it.
pub(crate) struct Demo {
    pub(crate) process: Process,
    /// What it prints.
    pub(crate) lines: Receiver<String>,
    /// The line that it has printed.
    pub(crate) url: String,
    /// The processes of its nodes.
    pub(crate) nodes: Vec<u32>,
    pub(crate) ports: Ports,
    /// Where it makes its temporary folder.
    pub(crate) temporary: Folder,
}

impl Demo {
    pub(crate) const NODES: usize = 4;

    /// Starts a demo of four nodes with further arguments, and waits for its line.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::start_of(Self::NODES, arguments)
    }

    /// Starts a demo with arguments that make it one of `count` nodes, and waits for its line.
    pub(crate) fn start_of(count: usize, arguments: &[&str]) -> Self {
        Self::start_with(count, arguments, &[])
    }

    /// Starts a demo of `count` nodes with variables in its environment, and waits for its line.
    pub(crate) fn start_with(count: usize, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let (ports, temporary) = (Ports::claim(), Folder::new());
        let mut command = rain();
        command.args(["demo", "--port", &ports.port(0).to_string()]).args(arguments);
        command.envs(variables.iter().copied());
        command.env("TMPDIR", temporary.path()).stdout(Stdio::piped());
        let mut process = Process::start(command, temporary.join("demo.log"));
        let stdout = process.child().stdout.take().expect("a pipe");
        let (tell, lines) = channel();
        thread::spawn(move || {
            BufReader::new(stdout).lines().map_while(Result::ok).try_for_each(|line| tell.send(line))
        });
        let url = wait_for("the demo's line", PATIENCE, || {
            if let Some(status) = process.ended() {
                panic!("the demo ended with {status}: {}", process.log());
            }
            lines.try_recv().ok()
        });
        let mut demo = Self { process, lines, url, nodes: vec![0; count], ports, temporary };
        let cluster = get("/api/v1/cluster").to(demo.supervisor()).expect(200).json();
        let pid = |node: &serde_json::Value| node["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok());
        demo.nodes = cluster["nodes"].as_array().into_iter().flatten().filter_map(pid).collect();
        assert_eq!(demo.nodes.len(), count, "process ids in {cluster}");
        demo
    }

    /// Where players reach a node, or, behind the last one, the supervisor.
    pub(crate) fn port(&self, node: usize) -> u16 {
        self.ports.port(node)
    }

    pub(crate) fn supervisor(&self) -> u16 {
        self.port(self.nodes.len())
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        self.process.crash();
        // They die with it; if one did not, that is a test's finding and must not outlive it.
        let until = Instant::now() + Duration::from_secs(2);
        for pid in self.nodes.iter().copied() {
            while is_alive(pid) && Instant::now() < until {
                thread::sleep(Duration::from_millis(20));
            }
            if is_alive(pid) {
                kill(pid, Signal::KILL);
            }
        }
    }
}
