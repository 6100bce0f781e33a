//! What a demo consists of: folders, ports, addresses, and a configuration for each node.

use super::addresses::Addresses;
use super::forward::{Sockets, Weather};
use crate::topology::TopologyPlan;
use core::time::Duration;
use rain_cluster::NodeId;
use rain_cluster::topology::{Attachment, Topology};
use rain_codec::{Code, CodeError};
use rain_node::mint_id;
use rain_session::{KeyPair, PublicKey};
use rustix::process::geteuid;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

const NODES: u16 = 4;
const SWITCHES: u8 = 2;
/// Between two pings of a path.
const HEARTBEAT_MS: u32 = 20;
/// As many nodes as a demo starts, and as many switches.
const PARTS_MAX: usize = 26;
/// So many nodes a demo grows by, where every node is plugged into every switch.
const SPARES: usize = 4;

/// What a demo is asked to be.
#[derive(Debug, Clone)]
pub struct DemoOptions {
    /// How many nodes; as many as the topology has, or four.
    pub nodes: Option<u16>,
    /// How many switches; as many as the topology has, or two.
    pub switches: Option<u8>,
    /// How switches and nodes are wired: `ring:8`, or the file of a plan; every node on every switch where nothing is
    /// named.
    pub topology: Option<String>,
    /// The array code; the B-code with a column for each node where none is named.
    pub code: Option<String>,
    /// The player port of the first node.
    pub port: u16,
    /// Where to keep the data; a fresh temporary folder, removed at the end, where none is named.
    pub data: Option<PathBuf>,
    /// Videos to store besides the sample.
    pub videos: Vec<PathBuf>,
    /// What each switch adds to the time under way, in milliseconds.
    pub delay_ms: f64,
    /// How much is lost at each switch, in percent.
    pub loss_percent: f64,
    /// How much is held back at each switch, in percent.
    pub reorder_percent: f64,
    /// How much somebody on the way tampers with, in percent.
    pub tamper_percent: f64,
    /// Columns travel in the clear between nodes, and prove themselves.
    pub clear: bool,
    /// Wrong verdicts "down" on paths that are up, per second.
    pub false_downs_per_second: f64,
    /// Where all that is random in the network begins.
    pub seed: u64,
}

impl Default for DemoOptions {
    fn default() -> Self {
        Self {
            nodes: None,
            switches: None,
            topology: None,
            code: None,
            port: 8080,
            data: None,
            videos: Vec::new(),
            delay_ms: 0.0,
            loss_percent: 0.0,
            reorder_percent: 0.0,
            tamper_percent: 0.0,
            clear: false,
            false_downs_per_second: 0.0,
            seed: 0,
        }
    }
}

/// Why a demo does not start.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// A number is out of its bounds.
    #[error("`{option}`: found {found}, expected {expected}")]
    Option {
        /// The option.
        option: &'static str,
        /// What was given.
        found: String,
        /// What can be.
        expected: String,
    },
    /// A port is in use.
    #[error("port {port} cannot be used: {error}")]
    Port {
        /// The port.
        port: u16,
        /// What the system said.
        error: io::Error,
    },
    /// Another demo has the data folder.
    #[error("`--data`: found {}, which another demo uses, expected a folder of its own", .0.display())]
    InUse(PathBuf),
    /// A folder or file cannot be made.
    #[error("{}: {error}", path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

/// One node of a demo.
#[derive(Debug, Clone)]
pub(super) struct PlannedNode {
    pub(super) name: String,
    pub(super) port: u16,
    pub(super) config: PathBuf,
}

/// What the names of temporary folders begin with; the supervisor's process id follows.
const TEMPORARY: &str = "rain-demo-";
/// Held by the supervisor of the demo whose folder it is in.
const LOCK: &str = "demo.lock";
/// The ids of the nodes, by their names.
const IDS: &str = "ids.toml";

/// A temporary folder, removed when the value goes.
#[derive(Debug)]
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::warn!(folder = %self.0.display(), %error, "the demo's folder could not be removed");
        }
    }
}

/// A demo whose folders are made and whose ports are free.
#[derive(Debug)]
pub(super) struct PreparedDemo {
    /// All that there may be.
    pub(super) nodes: Vec<PlannedNode>,
    /// So many of them run from the start: the founders, and those that a demo on this folder has grown by.
    pub(super) begun: usize,
    /// So many found the cluster.
    pub(super) founders: usize,
    pub(super) wiring: TopologyPlan,
    pub(super) addresses: Addresses,
    pub(super) weather: Weather,
    /// The supervisor's port.
    pub(super) port: u16,
    folder: PathBuf,
    /// The name of the array code.
    code: String,
    taken: Mutex<Option<(TcpListener, Sockets)>>,
    temporary: Option<Temporary>,
    /// Locked; the kernel lets go of it when the process ends, however it ends.
    _lock: File,
}

fn option(option: &'static str, found: &dyn ToString, expected: impl Into<String>) -> DemoError {
    DemoError::Option { option, found: found.to_string(), expected: expected.into() }
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> DemoError {
    let path = path.to_owned();
    move |error| DemoError::Folder { path, error }
}

/// The wiring that is asked for, with those that the demo may grow by, and how many nodes there are without these.
fn wiring(options: &DemoOptions) -> Result<(TopologyPlan, usize), DemoError> {
    let Some(name) = &options.topology else {
        let (nodes, switches) = (options.nodes.unwrap_or(NODES), options.switches.unwrap_or(SWITCHES));
        if !(2..=26).contains(&nodes) {
            return Err(option("--nodes", &nodes, "a number from 2 to 26"));
        }
        if !(1..=8).contains(&switches) {
            return Err(option("--switches", &switches, "a number from 1 to 8"));
        }
        let founders = usize::from(nodes);
        let all = (founders + SPARES).min(PARTS_MAX);
        let topology = Topology::every_node_on_every_switch(all, usize::from(switches));
        return Ok((TopologyPlan::new(topology, ""), founders));
    };
    let wiring = match name.strip_prefix("ring:") {
        Some(count) => ring(name, count)?,
        None => from_file(name)?,
    };
    let fits = |named: Option<usize>, has: usize| named.is_none_or(|named| named == has);
    let Topology { nodes, switches, .. } = wiring.topology;
    if !fits(options.nodes.map(usize::from), nodes) {
        return Err(option("--nodes", &options.nodes.unwrap_or_default(), format!("{nodes}, as {name} has")));
    }
    if !fits(options.switches.map(usize::from), switches) {
        return Err(option("--switches", &options.switches.unwrap_or_default(), format!("{switches}, as {name} has")));
    }
    Ok((wiring, nodes))
}

fn ring(name: &str, count: &str) -> Result<TopologyPlan, DemoError> {
    let count = count.parse().ok().filter(|count| (4..=PARTS_MAX).contains(count));
    let count = count.ok_or_else(|| option("--topology", &name, format!("ring:N with N from 4 to {PARTS_MAX}")))?;
    Ok(TopologyPlan::new(Topology::ring(count), ""))
}

fn from_file(name: &str) -> Result<TopologyPlan, DemoError> {
    let expected = "ring:N, or a file of `rain topology plan --format json`";
    let refused = |why: &dyn ToString| option("--topology", &name, format!("{expected}: {}", why.to_string()));
    let text = fs::read_to_string(name).map_err(|error| refused(&error))?;
    let wiring = TopologyPlan::parse(&text).map_err(|error| refused(&error))?;
    let Topology { nodes, switches, .. } = wiring.topology;
    if nodes > PARTS_MAX || switches > PARTS_MAX {
        let expected = format!("at most {PARTS_MAX} nodes and {PARTS_MAX} switches; it has {nodes} and {switches}");
        return Err(option("--topology", &name, expected));
    }
    Ok(wiring)
}

/// The title under which a video is stored: its file's name.
pub(super) fn video_title(file: &Path) -> Result<&str, DemoError> {
    let name = file.file_name().and_then(OsStr::to_str).filter(|name| rain_titles::title::check(name).is_ok());
    name.ok_or_else(|| {
        option("--video", &format!("{:?}", file.display().to_string()), "a file whose name can be a title")
    })
}

/// The B-code with a column for each node, or for as many as there is one; there is none for two or three.
fn default_code(nodes: u16) -> String {
    match nodes {
        2 => "replica:2".to_owned(),
        3 => "parity:2+1".to_owned(),
        _ => {
            let name = |columns: u16| format!("b-code:{columns}");
            let found = (1..=nodes).rev().map(name).find(|name| Code::named(name).is_ok());
            found.unwrap_or_else(|| name(nodes))
        }
    }
}

fn weather(options: &DemoOptions) -> Result<Weather, DemoError> {
    for (name, found, most) in [
        ("--delay", options.delay_ms, 1000.0),
        ("--loss", options.loss_percent, 100.0),
        ("--reorder", options.reorder_percent, 100.0),
        ("--tamper", options.tamper_percent, 100.0),
        ("--false-downs", options.false_downs_per_second, 1000.0),
    ] {
        if !(0.0..=most).contains(&found) {
            return Err(option(name, &found, format!("a number from 0 to {most}")));
        }
    }
    Ok(Weather {
        delay: Duration::from_secs_f64(options.delay_ms / 1000.0),
        loss: options.loss_percent / 100.0,
        reorder: options.reorder_percent / 100.0,
        tamper: options.tamper_percent / 100.0,
        seed: options.seed,
    })
}

/// Takes what the supervisor listens on; the nodes' ports are tried, they take them themselves.
fn take(addresses: Addresses, topology: &Topology, count: u16) -> Result<(TcpListener, Sockets), DemoError> {
    let mut listener = None;
    for port in addresses.port..=addresses.port + count {
        let tried = TcpListener::bind((Ipv4Addr::LOCALHOST, port));
        listener = Some(tried.map_err(|error| DemoError::Port { port, error })?);
    }
    let in_use = |error| DemoError::Port { port: addresses.port, error };
    for attachment in &topology.attachments {
        let own = addresses.own(*attachment);
        TcpListener::bind(own).and_then(|_| UdpSocket::bind(own)).map_err(in_use)?;
    }
    let sockets = Sockets::bind(addresses, topology).map_err(in_use)?;
    let listener = listener.ok_or_else(|| in_use(io::ErrorKind::NotFound.into()))?;
    Ok((listener, sockets))
}

impl PreparedDemo {
    pub(super) fn make(options: &DemoOptions) -> Result<Self, DemoError> {
        let (wiring, founders) = wiring(options)?;
        let topology = &wiring.topology;
        let weather = weather(options)?;
        let port = options.port;
        let [count, all] = [founders, topology.nodes].map(|nodes| u16::try_from(nodes).unwrap_or(u16::MAX));
        if port == 0 || port.checked_add(all).is_none() {
            return Err(option("--port", &port, format!("a number from 1 to {}", u16::MAX - all)));
        }
        let code_name = options.code.clone().unwrap_or_else(|| default_code(count));
        let expected = |error: CodeError| format!("one of `rain code ls`: {error}");
        let code = Code::named(&code_name).map_err(|error| option("--code", &code_name, expected(error)))?;
        if code.columns() > founders {
            let expected = format!("at least {}, one for each column of {code_name}", code.columns());
            return Err(option("--nodes", &count, expected));
        }
        for video in &options.videos {
            fs::metadata(video).map_err(failed(video))?;
            video_title(video)?;
        }
        let addresses = Addresses { port };
        let taken = take(addresses, topology, count)?;
        let (folder, temporary) = folder(options.data.as_deref())?;
        // Before anything in it is touched.
        let lock = hold(&folder)?;
        let ids = ids(&folder, &wiring.nodes[..founders], temporary.is_none())?;
        // Of those that a demo on this folder has grown by the folder has the ids.
        let grown = wiring.nodes[founders..].iter().take_while(|name| ids.contains_key(*name)).count();
        let (begun, names) = (founders + grown, &wiring.nodes);
        let keys = names[..begun].iter().map(|name| key_pair(&folder, name)).collect::<Result<Vec<_>, _>>()?;
        let frame = Frame { wiring: &wiring, founders, addresses, options, code: &code_name };
        for (node, (name, (file, _))) in names.iter().zip(&keys).enumerate() {
            let mut text = frame.own(&folder, node, ids[name], file);
            if node < founders {
                frame.push_peers(&mut text, node, &ids, &keys);
            } else {
                frame.push_join(&mut text, 0, &keys[0].1.to_string(), None);
            }
            write_node(&folder, name, &text)?;
        }
        let planned = |(node, name): (usize, &String)| {
            let (port, config) = (frame.port(node), folder.join(format!("{name}.toml")));
            PlannedNode { name: name.clone(), port, config }
        };
        let nodes = names.iter().enumerate().map(planned).collect();
        let taken = Mutex::new(Some(taken));
        Ok(Self {
            nodes,
            begun,
            founders,
            wiring,
            addresses,
            weather,
            port: port + count,
            taken,
            folder,
            code: code_name,
            temporary,
            _lock: lock,
        })
    }

    /// What runs, for somebody who has just started it.
    pub(super) fn words(&self) -> String {
        let names = self.nodes[..self.begun].iter().map(|node| node.name.as_str()).collect::<Vec<_>>().join(", ");
        let kept = match &self.temporary {
            Some(_) => "in a temporary folder, and goes with it (`--data FOLDER` keeps it)".to_owned(),
            None => format!("in {}, and stays", self.folder.display()),
        };
        format!(
            "rain: a demo runs on this machine: nodes {names}, code {}, and a console at the URL above. What it stores is \
             {kept}. Ctrl-C ends it; `rain --help` lists the commands.",
            self.code
        )
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn code(&self) -> &str {
        &self.code
    }

    /// The supervisor's URL.
    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The supervisor's listener and the forwarder's sockets, once.
    pub(super) fn take_sockets(&self) -> io::Result<(tokio::net::TcpListener, Sockets)> {
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (listener, sockets) = taken.ok_or_else(|| io::Error::other("the sockets were taken"))?;
        listener.set_nonblocking(true)?;
        Ok((tokio::net::TcpListener::from_std(listener)?, sockets))
    }
}

fn folder(named: Option<&Path>) -> Result<(PathBuf, Option<Temporary>), DemoError> {
    let Some(named) = named else {
        let temporary = std::env::temp_dir();
        sweep(&temporary);
        let fresh = temporary.join(format!("{TEMPORARY}{}-{:08x}", std::process::id(), rain_node::random_u64() >> 32));
        fs::DirBuilder::new().create(&fresh).map_err(failed(&fresh))?;
        return Ok((fresh.clone(), Some(Temporary(fresh))));
    };
    fs::create_dir_all(named).map_err(failed(named))?;
    let whole = fs::canonicalize(named).map_err(failed(named))?;
    Ok((whole, None))
}

/// Takes a data folder for one demo.
fn hold(folder: &Path) -> Result<File, DemoError> {
    let path = folder.join(LOCK);
    let opened = File::options().create(true).truncate(false).write(true).open(&path);
    let lock = opened.map_err(failed(&path))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(DemoError::InUse(folder.to_owned())),
        Err(TryLockError::Error(error)) => Err(failed(&path)(error)),
    }
}

/// Removes the temporary folders of demos whose supervisors were killed. One that cannot be removed is left for the next.
fn sweep(temporary: &Path) {
    for entry in fs::read_dir(temporary).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(rest) = name.to_str().and_then(|name| name.strip_prefix(TEMPORARY)) else { continue };
        let is_own = entry.metadata().is_ok_and(|found| found.is_dir() && found.uid() == geteuid().as_raw());
        // A demo that is just beginning has no lock yet; one in another container has a process that is not seen here.
        let lives = Path::new("/proc").join(rest.split('-').next().unwrap_or_default()).exists();
        // Its lock is tried only then: one that is just beginning must get it.
        let is_held = || {
            let lock = File::open(entry.path().join(LOCK));
            lock.is_ok_and(|lock| matches!(lock.try_lock(), Err(TryLockError::WouldBlock)))
        };
        if is_own && !lives && !is_held() && fs::remove_dir_all(entry.path()).is_ok() {
            tracing::info!(folder = %entry.path().display(), "removed what a killed demo left");
        }
    }
}

/// Makes the data folder of a node and its configuration.
pub(super) fn write_node(folder: &Path, name: &str, text: &str) -> Result<(), DemoError> {
    let (data, config) = (folder.join(name), folder.join(format!("{name}.toml")));
    fs::create_dir_all(&data).map_err(failed(&data))?;
    fs::write(&config, text).map_err(failed(&config))
}

/// The key pair of a node: the one that the folder has, or a new one.
pub(super) fn key_pair(folder: &Path, name: &str) -> Result<(PathBuf, PublicKey), DemoError> {
    let path = folder.join(format!("{name}.key"));
    let key = match fs::read(&path) {
        Ok(text) => KeyPair::from_pem(&text).map_err(|error| failed(&path)(io::Error::other(error)))?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let key = KeyPair::fresh();
            write_private(&path, &key.to_pem()).map_err(failed(&path))?;
            key
        }
        Err(error) => return Err(failed(&path)(error)),
    };
    Ok((path, key.public()))
}

/// Writes a file that nobody else may read.
fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().create_new(true).write(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}

/// The ids of the nodes, by their names: those that the folder has, and new ones for the rest. Where the folder stays they
/// are kept in it, so that another demo on it finds the same.
fn ids(folder: &Path, names: &[String], keep: bool) -> Result<BTreeMap<String, NodeId>, DemoError> {
    let mut ids = kept_ids(folder)?;
    let before = ids.len();
    for name in names {
        while !ids.contains_key(name) {
            let fresh = mint_id();
            if ids.values().all(|id| *id != fresh) {
                ids.insert(name.clone(), fresh);
            }
        }
    }
    if keep && ids.len() > before {
        keep_ids(folder, &ids)?;
    }
    Ok(ids)
}

/// The ids that a folder has.
pub(super) fn kept_ids(folder: &Path) -> Result<BTreeMap<String, NodeId>, DemoError> {
    let path = folder.join(IDS);
    match fs::read_to_string(&path) {
        Ok(text) => toml::from_str(&text).map_err(|error| failed(&path)(io::Error::other(error.message().to_owned()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeMap::new()),
        Err(error) => Err(failed(&path)(error)),
    }
}

pub(super) fn keep_ids(folder: &Path, ids: &BTreeMap<String, NodeId>) -> Result<(), DemoError> {
    let path = folder.join(IDS);
    let lines: Vec<_> = ids.iter().map(|(name, id)| format!("{} = \"{id}\"\n", toml_key(name))).collect();
    fs::write(&path, lines.concat()).map_err(failed(&path))
}

fn toml_key(name: &str) -> String {
    toml::Value::String(name.to_owned()).to_string()
}

/// What the configurations of all nodes have in common.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame<'a> {
    pub(super) wiring: &'a TopologyPlan,
    /// So many nodes found the cluster; the demo may grow by the others.
    pub(super) founders: usize,
    pub(super) addresses: Addresses,
    pub(super) options: &'a DemoOptions,
    pub(super) code: &'a str,
}

impl Frame<'_> {
    /// The player port of a node: behind those of the founders comes the supervisor's.
    fn port(&self, node: usize) -> u16 {
        let place = if node < self.founders { node } else { node + 1 };
        // There are 26 nodes at most.
        self.addresses.port + u16::try_from(place).unwrap_or(u16::MAX)
    }

    fn cables(&self, node: usize) -> impl Iterator<Item = &Attachment> {
        self.wiring.topology.attachments.iter().filter(move |cable| cable.node == node)
    }

    /// What a node's configuration says of the node itself.
    pub(super) fn own(&self, folder: &Path, node: usize, id: NodeId, key_file: &Path) -> String {
        let Self { wiring, founders, addresses, options, code } = *self;
        let quote = |path: &Path| toml::Value::String(path.display().to_string()).to_string();
        let topology = &wiring.topology;
        let mut text = format!(
            "node = \"{}\"\nid = \"{id}\"\ndata = [{}]\ncode = \"{code}\"\nlisten = \"127.0.0.1:{}\"\nkey_file = {}\n",
            wiring.nodes[node],
            quote(&folder.join(&wiring.nodes[node])),
            self.port(node),
            quote(key_file),
        );
        // The forwarder finds a way between any two switches, through other switches or through nodes.
        let is_everywhere = topology.attachments.len() == topology.nodes * topology.switches;
        if !(is_everywhere && topology.switch_links.is_empty()) {
            text.push_str("joined = true\n");
        }
        // All pings of all nodes pass one process, the forwarder.
        let _ = writeln!(text, "heartbeat_ms = {HEARTBEAT_MS}");
        if options.clear {
            text.push_str("verify_reads = \"hash\"\npeer_privacy = false\n");
        }
        let _ = write!(
            text,
            "\n[demo]\nsupervisor = \"http://127.0.0.1:{}\"\nfalse_downs = {:?}\nseed = {}\n",
            addresses.port + u16::try_from(founders).unwrap_or(u16::MAX),
            options.false_downs_per_second,
            options.seed
        );
        for cable in self.cables(node) {
            let (switch, address, seen) =
                (&wiring.switches[cable.switch], addresses.own(*cable), addresses.seen(*cable));
            let _ = write!(
                text,
                "\n[[interfaces]]\nswitch = \"{switch}\"\naddress = \"{address}\"\nreached_at = \"{seen}\"\n"
            );
        }
        text
    }

    /// What a founder's configuration says of the other founders.
    fn push_peers(
        &self,
        text: &mut String,
        node: usize,
        ids: &BTreeMap<String, NodeId>,
        keys: &[(PathBuf, PublicKey)],
    ) {
        for peer in (0..self.founders).filter(|peer| *peer != node) {
            let (name, http) = (&self.wiring.nodes[peer], format!("http://127.0.0.1:{}", self.port(peer)));
            let (id, key) = (ids[name], keys[peer].1);
            let _ = write!(
                text,
                "\n[[peers]]\nname = \"{name}\"\nid = \"{id}\"\nkey = \"{key}\"\nhttp = \"{http}\"\n[peers.addresses]\n"
            );
            for cable in self.cables(peer) {
                let _ = writeln!(text, "{} = \"{}\"", self.wiring.switches[cable.switch], self.addresses.seen(*cable));
            }
        }
    }

    /// What the configuration of a node that joins says of the one that it comes to, where no switch is between.
    pub(super) fn push_join(&self, text: &mut String, to: usize, key: &str, invitation: Option<&str>) {
        let addresses: Vec<_> = self.cables(to).map(|cable| format!("\"{}\"", self.addresses.own(*cable))).collect();
        let _ = write!(text, "\n[join]\naddresses = [{}]\nkey = \"{key}\"\n", addresses.join(", "));
        if let Some(invitation) = invitation {
            let _ = writeln!(text, "invitation = \"{invitation}\"");
        }
    }
}
