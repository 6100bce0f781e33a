//! A cluster of nodes, each a process of its own with a configuration of its own.

use super::folder::names_in;
use super::{Folder, PATIENCE, Ports, Process, get, rain, stop, title_hash, wait_until};
use rustix::process::Signal;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

const SWITCHES: u8 = 2;

struct Node {
    name: String,
    port: u16,
    process: Option<Process>,
}

/// A path as a string of TOML.
fn quoted(path: &Path) -> String {
    toml::Value::String(path.display().to_string()).to_string()
}

/// Nodes A, B, C, ... on the loopback, two switches between them. All end when the value goes.
pub(crate) struct Cluster {
    // The processes end before their folder goes.
    nodes: Vec<Node>,
    folder: Folder,
    _ports: Ports,
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

    /// Makes folders and configurations, and starts nothing.
    pub(crate) fn lay_out(code: &str, count: usize) -> Self {
        let (folder, ports) = (Folder::new(), Ports::claim());
        let nodes: Vec<_> = (0..count)
            .map(|node| Node {
                name: char::from(b'A' + u8::try_from(node).expect("a letter")).to_string(),
                port: ports.port(node),
                process: None,
            })
            .collect();
        let key = folder.write("cluster.key", "only for tests, and long enough to be a key");
        fs::set_permissions(key, fs::Permissions::from_mode(0o600)).expect("the key's mode");
        let cluster = Self { nodes, folder, _ports: ports };
        for node in 0..count {
            fs::create_dir(cluster.data(node)).expect("a data folder");
            let text = cluster.config_text(node, code);
            cluster.folder.write(&format!("{}.toml", cluster.name(node)), text);
        }
        cluster
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
        let mut text = format!(
            "node = \"{}\"\nid = \"{}\"\ndata = [{}]\ncode = \"{code}\"\nlisten = \"127.0.0.1:{}\"\nkey_file = {}\n",
            self.name(node),
            Self::id(node),
            quoted(&self.data(node)),
            self.port(node),
            quoted(&self.folder.join("cluster.key")),
        );
        for switch in 1..=SWITCHES {
            let address = self.address(node, switch);
            let _ = write!(text, "\n[[interfaces]]\nswitch = \"s{switch}\"\naddress = \"{address}\"\n");
        }
        for peer in (0..self.nodes.len()).filter(|peer| *peer != node) {
            let (name, port) = (self.name(peer), self.port(peer));
            let id = Self::id(peer);
            let _ = write!(text, "\n[[peers]]\nname = \"{name}\"\nid = \"{id}\"\nhttp = \"http://127.0.0.1:{port}\"\n");
            let _ = writeln!(text, "[peers.addresses]");
            for switch in 1..=SWITCHES {
                let _ = writeln!(text, "s{switch} = \"{}\"", self.address(peer, switch));
            }
        }
        text
    }

    /// A node's address on a switch: an address of the loopback for each switch.
    fn address(&self, node: usize, switch: u8) -> String {
        format!("127.77.{switch}.1:{}", self.port(node))
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
        self.folder.join(&format!("{}.toml", self.name(node)))
    }

    pub(crate) fn data(&self, node: usize) -> PathBuf {
        self.folder.join(self.name(node))
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
            let log = self.folder.join(&format!("{}.log", self.name(node)));
            self.nodes[node].process = Some(Process::start(command, log));
        }
    }

    fn process(&mut self, node: usize) -> &mut Process {
        self.nodes[node].process.as_mut().expect("a node that runs")
    }

    pub(crate) fn wait_ready(&mut self, node: usize) {
        let port = self.port(node);
        wait_until(&format!("/readyz of node {}", self.name(node)), PATIENCE, || {
            if let Some(status) = self.process(node).ended() {
                let log = self.process(node).log();
                panic!("node {} ended with {status}: {log}", self.name(node));
            }
            get("/readyz").try_to(port).is_ok_and(|response| response.status == 200)
        });
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
