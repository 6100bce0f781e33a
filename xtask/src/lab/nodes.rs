//! The nodes: `rain node` processes, each in its own network namespace.

use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use super::lab_plan::{FOLDER, KEY, LabPlan, TOKEN, node_name, player_address, switch_name};

/// All nodes serve within this time.
const START: Duration = Duration::from_secs(30);
/// A question to a node is answered within this time.
const ANSWER: Duration = Duration::from_secs(2);

/// The nodes of a laboratory; they end with it, since it is the first process of their namespace.
#[derive(Debug)]
pub(super) struct Nodes {
    program: PathBuf,
    children: Vec<Child>,
}

impl Nodes {
    /// Writes configurations, and starts all nodes.
    pub(super) fn start(plan: &LabPlan, program: &Path) -> Result<Self> {
        secret("key", KEY)?;
        secret("token", TOKEN)?;
        let mut nodes = Self { program: program.to_owned(), children: Vec::new() };
        for node in 0..plan.nodes {
            fs::create_dir_all(folder(node))?;
            fs::write(configuration_path(node), configuration(plan, node))?;
            nodes.children.push(nodes.spawn(node)?);
        }
        Ok(nodes)
    }

    fn spawn(&self, node: u8) -> Result<Child> {
        let log = File::options().create(true).append(true).open(format!("{FOLDER}/{}.log", node_name(node)))?;
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &node_name(node)]).arg(&self.program).args(["node", "--config"]);
        command.arg(configuration_path(node)).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        // `ip` becomes the node, so that the child is the node.
        command.spawn().with_context(|| format!("starting node {}", node_name(node)))
    }

    /// Waits until all serve.
    pub(super) fn wait_until_ready(&mut self) -> Result<()> {
        let until = Instant::now() + START;
        for node in 0..self.children.len() {
            let node = u8::try_from(node)?;
            while !is_ready(node) {
                if let Some(status) = self.child(node)?.try_wait()? {
                    bail!("node {} ended: {status}: {}", node_name(node), log(node));
                }
                if Instant::now() > until {
                    bail!("node {} does not serve after {START:?}: {}", node_name(node), log(node));
                }
                sleep(Duration::from_millis(10));
            }
        }
        Ok(())
    }

    fn child(&mut self, node: u8) -> Result<&mut Child> {
        self.children.get_mut(usize::from(node)).with_context(|| format!("no node {}", node_name(node)))
    }

    /// Kills a node as a crash would, and waits for its end.
    pub(super) fn kill(&mut self, node: u8) -> Result<()> {
        let child = self.child(node)?;
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// Stops a node: it keeps its sockets, and says nothing any more.
    pub(super) fn hang(&mut self, node: u8) -> Result<()> {
        let child = self.child(node)?;
        Ok(kill_process(Pid::from_child(child), Signal::STOP)?)
    }

    /// Lets a node go on, or starts it anew on its data folder.
    pub(super) fn heal(&mut self, node: u8) -> Result<()> {
        if self.child(node)?.try_wait()?.is_some() {
            let child = self.spawn(node)?;
            *self.child(node)? = child;
            return Ok(());
        }
        let child = self.child(node)?;
        Ok(kill_process(Pid::from_child(child), Signal::CONT)?)
    }

    /// Names and process ids, in the laboratory's own numbers.
    pub(super) fn ids(&self) -> String {
        let ids = (0..).zip(&self.children).map(|(node, child)| format!("{}={}", node_name(node), child.id()));
        ids.collect::<Vec<_>>().join(" ")
    }
}

fn folder(node: u8) -> PathBuf {
    Path::new(FOLDER).join(node_name(node))
}

fn configuration_path(node: u8) -> PathBuf {
    Path::new(FOLDER).join(format!("{}.toml", node_name(node)))
}

/// The last lines that a node said.
fn log(node: u8) -> String {
    let text = fs::read_to_string(format!("{FOLDER}/{}.log", node_name(node))).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(5)..].join("\n")
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
fn configuration(plan: &LabPlan, node: u8) -> String {
    let (name, data, listen) = (node_name(node), folder(node), player_address(node));
    let mut text = format!(
        "node = \"{name}\"\nid = \"{}\"\ndata = [\"{}\"]\ncode = \"{}\"\nlisten = \"{listen}\"\nkey_file = \"{FOLDER}/key\"\n\
         token_file = \"{FOLDER}/token\"\n",
        id(node),
        data.display(),
        plan.code
    );
    // Writing to a string cannot fail, here and below.
    for (key, value) in plan.settings.iter().filter_map(|setting| setting.split_once('=')) {
        let _ = writeln!(text, "{key} = {value}");
    }
    for cable in plan.cables_of(node) {
        let (name, address) = (switch_name(cable.switch), cable.listen());
        let _ = write!(text, "\n[[interfaces]]\nswitch = \"{name}\"\naddress = \"{address}\"\n");
    }
    for peer in (0..plan.nodes).filter(|peer| *peer != node) {
        let addresses =
            plan.cables_of(peer).map(|cable| format!("{} = \"{}\"", switch_name(cable.switch), cable.listen()));
        let (name, http) = (node_name(peer), player_address(peer));
        let addresses = addresses.collect::<Vec<_>>().join(", ");
        let _ = write!(
            text,
            "\n[[peers]]\nname = \"{name}\"\nid = \"{}\"\nhttp = \"http://{http}\"\naddresses = {{ {addresses} }}\n",
            id(peer)
        );
    }
    text
}

/// Whether a node says that it can serve.
fn is_ready(node: u8) -> bool {
    let ask = || {
        let mut stream = TcpStream::connect_timeout(&player_address(node), ANSWER)?;
        stream.set_read_timeout(Some(ANSWER))?;
        let host = player_address(node);
        write!(stream, "GET /readyz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        std::io::Result::Ok(answer)
    };
    ask().is_ok_and(|answer| answer.split(' ').nth(1) == Some("200"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_names_every_peer_on_every_switch() {
        let settings = vec!["heartbeat_ms=5".to_owned()];
        let plan = LabPlan { code: "parity:2+1".to_owned(), settings, ..LabPlan::sample(3) };
        let text = configuration(&plan, 1);
        assert!(
            text.starts_with("node = \"B\"\nid = \"1ab00001\"\ndata = [\"/run/rain-lab/B\"]\ncode = \"parity:2+1\"\n"),
            "{text}"
        );
        assert!(text.contains("switch = \"s2\"\naddress = \"10.2.0.2:7400\"\n"), "{text}");
        let peer = "name = \"C\"\nid = \"1ab00002\"\nhttp = \"http://10.99.0.3:80\"\n\
                    addresses = { s1 = \"10.1.0.3:7400\", s2 = \"10.2.0.3:7400\" }\n";
        assert!(text.contains(peer), "{text}");
        assert_eq!(text.matches("[[peers]]").count(), 2);
        // Before the first table, or it would be a key of that.
        let place = |part| text.find(part).expect("a part of the text");
        assert!(place("\nheartbeat_ms = 5\n") < place("[["), "{text}");
    }
}
