//! `rain demo` as a process.

use super::{Folder, PATIENCE, Process, claim_ports, is_alive, kill, rain};
use rain_harness::Ports;
use rustix::process::Signal;
use std::path::Path;
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::{Duration, Instant};

/// Bytes of the sample that every demo has.
pub(crate) fn sample() -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/sample.mp4")).expect("the sample")
}

/// A demo, of four nodes mostly. It ends when the value goes, and its nodes with it.
pub(crate) struct Demo {
    pub(crate) process: Process,
    /// What it prints behind its line.
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
        let (ports, temporary) = (claim_ports(), Folder::new());
        let mut command = rain();
        command.args(["demo", "--port", &ports.port(0).to_string()]).args(arguments);
        command.envs(variables.iter().copied());
        command.env("TMPDIR", temporary.path());
        let started = rain_harness::Demo::start(&mut command, Some(&temporary.join("demo.log")), PATIENCE);
        let started = started.expect("a demo that starts");
        let nodes = started.nodes().expect("the process ids of its nodes");
        assert_eq!(nodes.len(), count, "process ids {nodes:?}");
        assert!(!nodes.contains(&0), "process ids {nodes:?}");
        let rain_harness::Demo { process, url, lines } = started;
        Self { process: process.into(), lines, url, nodes, ports, temporary }
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
