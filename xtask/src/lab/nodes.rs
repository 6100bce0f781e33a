//! The nodes: `rain node` processes, each in its own network namespace.

use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use rain_harness::{Member, NodeKey, Process, wait_until_ready};
use rustix::process::Signal;

use super::lab_plan::{FOLDER, LabPlan, TOKEN, TOKEN_HASH, node_name, player_address, switch_name};

/// All nodes serve within this time.
const START: Duration = Duration::from_secs(30);

/// The nodes of a laboratory; they end with it, since it is the first process of their namespace.
#[derive(Debug)]
pub(super) struct Nodes {
    program: PathBuf,
    running: Vec<Process>,
}

impl Nodes {
    /// Writes configurations, and starts all nodes.
    pub(super) fn start(plan: &LabPlan, program: &Path) -> Result<Self> {
        secret("token", TOKEN)?;
        let key = |node| NodeKey::make(Path::new(FOLDER).join(format!("{}.key", node_name(node))));
        let keys = (0..plan.nodes).map(key).collect::<io::Result<Vec<_>>>().context("making keys")?;
        let mut nodes = Self { program: program.to_owned(), running: Vec::new() };
        for node in 0..plan.nodes {
            fs::create_dir_all(folder(node))?;
            fs::write(configuration_path(node), configuration(plan, &keys, node))?;
            nodes.running.push(nodes.spawn(node)?);
        }
        Ok(nodes)
    }

    fn spawn(&self, node: u8) -> Result<Process> {
        let log = format!("{FOLDER}/{}.log", node_name(node));
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &node_name(node)]).arg(&self.program).args(["node", "--config"]);
        command.arg(configuration_path(node)).stdin(Stdio::null()).stdout(Stdio::null());
        // `ip` becomes the node, so that the child is the node.
        let started = Process::start_logged(&mut command, Path::new(&log));
        started.with_context(|| format!("starting node {}", node_name(node)))
    }

    /// Waits until all serve.
    pub(super) fn wait_until_ready(&self) -> Result<()> {
        for (number, node) in (0..).zip(&self.running) {
            wait_until_ready(node, player_address(number), START)
                .with_context(|| format!("node {}", node_name(number)))?;
        }
        Ok(())
    }

    fn of(&self, node: u8) -> Result<&Process> {
        self.running.get(usize::from(node)).with_context(|| format!("no node {}", node_name(node)))
    }

    /// Kills a node as a crash would, and waits for its end.
    pub(super) fn kill(&self, node: u8) -> Result<()> {
        self.of(node)?.crash();
        Ok(())
    }

    /// Stops a node: it keeps its sockets, and says nothing any more.
    pub(super) fn hang(&self, node: u8) -> Result<()> {
        Ok(self.of(node)?.signal(Signal::STOP)?)
    }

    /// Lets a node go on, or starts it anew on its data folder.
    pub(super) fn heal(&mut self, node: u8) -> Result<()> {
        if self.of(node)?.ended()?.is_some() {
            self.running[usize::from(node)] = self.spawn(node)?;
            return Ok(());
        }
        Ok(self.of(node)?.signal(Signal::CONT)?)
    }

    /// Names and process ids, in the laboratory's own numbers.
    pub(super) fn ids(&self) -> String {
        let ids = (0..).zip(&self.running).map(|(node, process)| format!("{}={}", node_name(node), process.id()));
        ids.collect::<Vec<_>>().join(" ")
    }
}

fn folder(node: u8) -> PathBuf {
    Path::new(FOLDER).join(node_name(node))
}

fn configuration_path(node: u8) -> PathBuf {
    Path::new(FOLDER).join(format!("{}.toml", node_name(node)))
}

/// Writes what only the nodes may read: they refuse it else.
fn secret(name: &str, text: &str) -> Result<()> {
    let mut file = OpenOptions::new().create(true).write(true).mode(0o600).open(format!("{FOLDER}/{name}"))?;
    Ok(file.write_all(text.as_bytes())?)
}

/// The id of a node: the same whenever the laboratory is set up, so that a kept folder fits.
fn id(node: u8) -> String {
    format!("1ab000{node:02x}")
}

/// The configuration file of a node, as an operator would write it.
fn configuration(plan: &LabPlan, keys: &[NodeKey], node: u8) -> String {
    let member = |node: u8| Member {
        name: node_name(node),
        id: id(node),
        key: keys.get(usize::from(node)).cloned(),
        http: player_address(node),
        addresses: plan.cables_of(node).map(|cable| (switch_name(cable.switch), cable.listen())).collect(),
    };
    let members: Vec<Member> = (0..plan.nodes).map(member).collect();
    let mut settings = String::new();
    for (key, value) in plan.settings.iter().filter_map(|setting| setting.split_once('=')) {
        // Writing to a string cannot fail.
        let _ = writeln!(settings, "{key} = {value}");
    }
    let _ = write!(settings, "\n[[tokens]]\nname = \"laboratory\"\nrole = \"operator\"\nhash = \"{TOKEN_HASH}\"\n");
    rain_harness::configuration(&members, node.into(), &folder(node), &plan.code, &settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_has_the_cables_and_settings_of_its_plan() {
        let settings = vec!["heartbeat_ms=5".to_owned()];
        let cables = ["A-s1", "B-s1", "B-s2", "C-s1", "C-s2"].map(str::to_owned).to_vec();
        let plan = LabPlan { code: "parity:2+1".to_owned(), settings, cables, ..LabPlan::sample(3) };
        let text = configuration(&plan, &[], 1);
        assert!(
            text.starts_with("node = \"B\"\nid = \"1ab00001\"\ndata = [\"/run/rain-lab/B\"]\ncode = \"parity:2+1\"\n"),
            "{text}"
        );
        assert!(text.contains("switch = \"s2\"\naddress = \"10.2.0.2:7400\"\n"), "{text}");
        let peers = "name = \"A\"\nid = \"1ab00000\"\nhttp = \"http://10.99.0.1:80\"\n\
                     [peers.addresses]\ns1 = \"10.1.0.1:7400\"\n\n[[peers]]\nname = \"C\"\n";
        assert!(text.contains(peers), "{text}");
        // Before the first table, or it would be a key of that.
        let place = |part| text.find(part).expect("a part of the text");
        assert!(place("\nheartbeat_ms = 5\n") < place("[["), "{text}");
    }
}
