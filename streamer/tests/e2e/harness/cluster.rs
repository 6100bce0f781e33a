//! A cluster of nodes, each a process of its own with a configuration of its own.

use super::clocks::Clocks;
use super::folder::names_in;
use super::{Folder, PATIENCE, Process, claim_ports, rain, run, stop, title_hash};
use rain_harness::{Member, NodeKey, Ports, configuration, wait_until_ready};
use rustix::process::Signal;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Command;

const SWITCHES: u8 = 2;

struct Node {
    name: String,
    port: u16,
    process: Option<Process>,
    /// What `rain join` made of it; `None` of a founder.
    home: Option<PathBuf>,
}

/// Nodes A, B, C, ... on the loopback, two switches between them. All end when the value goes.
pub(crate) struct Cluster {
    // The processes end before their folder goes.
    nodes: Vec<Node>,
    keys: Vec<NodeKey>,
    clocks: Option<Clocks>,
    folder: Folder,
    ports: Ports,
}

impl Cluster {
    /// Starts `count` nodes and waits until each is ready.
    pub(crate) fn start(code: &str, count: usize) -> Self {
        let mut cluster = Self::lay_out(code, count);
        cluster.start_all();
        cluster
    }

    /// Four nodes that may lose two.
    pub(crate) fn of_four() -> Self {
        Self::start("b-code:4", 4)
    }

    /// Starts four nodes, each with `setting`, a line of its configuration.
    pub(crate) fn of_four_with(setting: &str) -> Self {
        let mut cluster = Self::lay_out("b-code:4", 4);
        for node in 0..4 {
            let path = cluster.config(node);
            let text = fs::read_to_string(&path).expect("a configuration");
            fs::write(&path, format!("{setting}\n{text}")).expect("a configuration");
        }
        cluster.start_all();
        cluster
    }

    /// Starts four nodes on machines whose clocks can be set.
    pub(crate) fn of_four_with_clocks() -> Self {
        let mut cluster = Self::lay_out("b-code:4", 4);
        cluster.clocks = Some(Clocks::build(&cluster.folder));
        for node in 0..4 {
            cluster.set_clock(node, 0);
        }
        cluster.start_all();
        cluster
    }

    /// Sets a machine's clock as many seconds ahead of the right time.
    pub(crate) fn set_clock(&self, node: usize, ahead_seconds: i64) {
        self.clocks.as_ref().expect("clocks that can be set").set(self.name(node), ahead_seconds);
    }

    /// Makes folders and configurations, and starts nothing.
    pub(crate) fn lay_out(code: &str, count: usize) -> Self {
        let (folder, ports) = (Folder::new(), claim_ports());
        let nodes: Vec<_> = (0..count)
            .map(|node| Node {
                name: char::from(b'A' + u8::try_from(node).expect("a letter")).to_string(),
                port: ports.port(node),
                process: None,
                home: None,
            })
            .collect();
        let keys = nodes.iter().map(|node| NodeKey::make(folder.join(&format!("{}.key", node.name))).expect("a key"));
        let keys = keys.collect();
        let cluster = Self { nodes, keys, clocks: None, folder, ports };
        for node in 0..count {
            fs::create_dir(cluster.data(node)).expect("a data folder");
            let text = cluster.config_text(node, code);
            cluster.folder.write(&format!("{}.toml", cluster.name(node)), text);
        }
        cluster
    }

    /// What `rain join` is told on the machine of a node E, F, ..., that has no files yet and comes with a secret: its folder,
    /// its name and its addresses. `secret` is of node `by`.
    pub(crate) fn join_command(&self, by: usize, secret: &str) -> Command {
        let (at, port) = (self.nodes.len(), self.ports.port(self.nodes.len()));
        let name = char::from(b'A' + u8::try_from(at).expect("a letter")).to_string();
        let mut command = rain();
        command.arg("join").arg(self.address(by, 1).to_string()).arg(secret).arg("--no-start");
        command.arg("--folder").arg(self.folder.join(&name)).args(["--name", &name]);
        command.args(["--listen", &format!("127.0.0.1:{port}")]);
        for switch in 1..=SWITCHES {
            command.arg("--interface").arg(format!("s{switch}=127.77.{switch}.1:{port}"));
        }
        command
    }

    /// The node that a [`join_command`](Self::join_command) has made the files of: it is not started yet.
    pub(crate) fn take_joined(&mut self) -> usize {
        let at = self.nodes.len();
        let name = char::from(b'A' + u8::try_from(at).expect("a letter")).to_string();
        let (port, home) = (self.ports.port(at), self.folder.join(&name));
        self.nodes.push(Node { name, port, process: None, home: Some(home) });
        at
    }

    /// A secret of node `by`.
    pub(crate) fn invite(&self, by: usize) -> String {
        let told = run(rain().args(["cluster", "invite", "--json", "--server", &self.url(by)])).succeeded().json();
        told["secret"].as_str().expect("a secret").to_owned()
    }

    /// A node that has joined by an invitation of node `by`, and runs.
    pub(crate) fn join(&mut self, by: usize) -> usize {
        let secret = self.invite(by);
        run(&mut self.join_command(by, &secret)).succeeded();
        let node = self.take_joined();
        self.restart(node);
        node
    }

    /// Starts every node that does not run, and waits until each is ready.
    pub(crate) fn start_all(&mut self) {
        for node in 0..self.nodes.len() {
            self.launch(node);
        }
        for node in 0..self.nodes.len() {
            self.wait_ready(node);
        }
    }

    fn config_text(&self, node: usize, code: &str) -> String {
        let member = |node: usize| Member {
            name: self.name(node).to_owned(),
            id: Self::id(node),
            key: Some(self.keys[node].clone()),
            http: self.http(node),
            addresses: (1..=SWITCHES).map(|switch| (format!("s{switch}"), self.address(node, switch))).collect(),
        };
        let members: Vec<Member> = (0..self.nodes.len()).map(member).collect();
        configuration(&members, node, &self.data(node), code, "")
    }

    /// Where a node listens for players.
    fn http(&self, node: usize) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port(node)).into()
    }

    /// A node's address on a switch: an address of the loopback for each switch.
    fn address(&self, node: usize, switch: u8) -> SocketAddr {
        (Ipv4Addr::new(127, 77, switch, 1), self.port(node)).into()
    }

    /// A node's id, whatever its name.
    pub(crate) fn id(node: usize) -> String {
        format!("e2e0000{node:x}")
    }

    pub(crate) fn name(&self, node: usize) -> &str {
        &self.nodes[node].name
    }

    /// Where players reach a node.
    pub(crate) fn port(&self, node: usize) -> u16 {
        self.nodes[node].port
    }

    pub(crate) fn url(&self, node: usize) -> String {
        format!("http://127.0.0.1:{}", self.port(node))
    }

    /// The nodes that run, or hang.
    pub(crate) fn running(&self) -> impl Iterator<Item = usize> {
        (0..self.nodes.len()).filter(|node| self.nodes[*node].process.is_some())
    }

    pub(crate) fn config(&self, node: usize) -> PathBuf {
        let file = || self.folder.join(&format!("{}.toml", self.name(node)));
        self.nodes[node].home.as_ref().map_or_else(file, |home| home.join("rain.toml"))
    }

    pub(crate) fn data(&self, node: usize) -> PathBuf {
        let folder = || self.folder.join(self.name(node));
        self.nodes[node].home.as_ref().map_or_else(folder, |home| home.join("data"))
    }

    /// A place beside the data folders.
    pub(crate) fn folder(&self) -> &Folder {
        &self.folder
    }

    /// Starts a node, if it does not run.
    pub(crate) fn launch(&mut self, node: usize) {
        if self.nodes[node].process.is_none() {
            let mut command = rain();
            command.arg("node").arg("--config").arg(self.config(node));
            if let Some(clocks) = &self.clocks {
                clocks.show_to(&mut command, self.name(node));
            }
            let log = self.folder.join(&format!("{}.log", self.name(node)));
            self.nodes[node].process = Some(Process::start(command, &log));
        }
    }

    fn process(&self, node: usize) -> &Process {
        self.nodes[node].process.as_ref().expect("a node that runs")
    }

    /// The id of a node's process.
    pub(crate) fn pid(&self, node: usize) -> u32 {
        self.process(node).pid()
    }

    pub(crate) fn wait_ready(&self, node: usize) {
        wait_until_ready(self.process(node).inner(), self.http(node), PATIENCE)
            .unwrap_or_else(|error| panic!("node {}: {error}", self.name(node)));
    }

    /// Ends a node as a crash would: SIGKILL.
    pub(crate) fn kill(&mut self, node: usize) {
        self.process(node).crash();
        self.nodes[node].process = None;
    }

    /// Starts a node again, and waits until it is ready.
    pub(crate) fn restart(&mut self, node: usize) {
        self.launch(node);
        self.wait_ready(node);
    }

    /// Stops a node without ending it: SIGSTOP.
    pub(crate) fn hang(&mut self, node: usize) {
        stop(self.process(node).pid());
    }

    /// Lets a stopped node go on.
    pub(crate) fn resume(&mut self, node: usize) {
        self.process(node).signal(Signal::CONT);
    }

    /// Sends a node a signal.
    pub(crate) fn signal(&self, node: usize, signal: Signal) {
        self.process(node).signal(signal);
    }

    /// What a node has said on standard error.
    pub(crate) fn log(&self, node: usize) -> String {
        self.process(node).log()
    }

    /// Waits until a node that was launched has ended by itself; what it has said on standard error.
    pub(crate) fn wait_refusal(&mut self, node: usize) -> String {
        let process = self.nodes[node].process.take().expect("a node that runs");
        assert_eq!(process.wait(PATIENCE).code(), Some(1));
        process.log()
    }

    /// Ends a node as an operator would: SIGTERM.
    pub(crate) fn terminate(&mut self, node: usize) -> std::process::ExitStatus {
        self.process(node).signal(Signal::TERM);
        let status = self.process(node).wait(PATIENCE);
        self.nodes[node].process = None;
        status
    }

    /// The files that a node holds of a title, pending or unfinished ones too.
    pub(crate) fn files_of(&self, node: usize, title: &str) -> Vec<PathBuf> {
        let (folder, hash) = (self.data(node).join("titles"), title_hash(title));
        let names = names_in(&folder).into_iter().filter(|name| name.starts_with(&hash));
        names.map(|name| folder.join(name)).collect()
    }

    /// All files of a title on all nodes.
    pub(crate) fn all_files_of(&self, title: &str) -> Vec<PathBuf> {
        (0..self.nodes.len()).flat_map(|node| self.files_of(node, title)).collect()
    }

    /// A node's column files of a title, of all its versions.
    pub(crate) fn column_files(&self, node: usize, title: &str) -> Vec<PathBuf> {
        let is_column = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "rain");
        self.files_of(node, title).into_iter().filter(is_column).collect()
    }

    /// Whether a node holds a column of a title.
    pub(crate) fn holds_column(&self, node: usize, title: &str) -> bool {
        !self.column_files(node, title).is_empty()
    }

    /// A node's column file of a title that has one version.
    #[track_caller]
    pub(crate) fn column_file(&self, node: usize, title: &str) -> PathBuf {
        let mut columns = self.column_files(node, title);
        assert_eq!(columns.len(), 1, "column files of {title} on node {}: {columns:?}", self.name(node));
        columns.remove(0)
    }
}
