//! What a demo consists of: folders, ports, addresses, and a configuration for each node.

use rain_codec::Code;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// The first port of the nodes' listeners for peers, each on addresses of its own.
const PEER_PORT: u16 = 7400;

/// What a demo is asked to be.
#[derive(Debug, Clone)]
pub struct DemoOptions {
    /// How many nodes.
    pub nodes: u16,
    /// How many switches.
    pub switches: u8,
    /// The array code; the B-code with a column for each node where none is named.
    pub code: Option<String>,
    /// The player port of the first node.
    pub port: u16,
    /// Where to keep the data; a fresh temporary folder, removed at the end, where none is named.
    pub data: Option<PathBuf>,
    /// Videos to store besides the sample.
    pub videos: Vec<PathBuf>,
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
pub(super) struct Plan {
    pub(super) nodes: Vec<PlannedNode>,
    pub(super) switches: Vec<String>,
    /// The supervisor's port.
    pub(super) port: u16,
    listener: Mutex<Option<TcpListener>>,
    _temporary: Option<Temporary>,
}

fn option(option: &'static str, found: &dyn ToString, expected: impl Into<String>) -> DemoError {
    DemoError::Option { option, found: found.to_string(), expected: expected.into() }
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> DemoError {
    let path = path.to_owned();
    move |error| DemoError::Folder { path, error }
}

impl Plan {
    pub(super) fn make(options: &DemoOptions) -> Result<Self, DemoError> {
        let DemoOptions { nodes: count, switches, port, .. } = *options;
        if !(1..=26).contains(&count) {
            return Err(option("--nodes", &count, "a number from 1 to 26"));
        }
        if !(1..=8).contains(&switches) {
            return Err(option("--switches", &switches, "a number from 1 to 8"));
        }
        if port == 0 || port.checked_add(count).is_none() {
            return Err(option("--port", &port, format!("a number from 1 to {}", u16::MAX - count)));
        }
        let code_name = options.code.clone().unwrap_or_else(|| format!("b-code:{count}"));
        let code = Code::named(&code_name).map_err(|error| option("--code", &code_name, error.to_string()))?;
        if code.columns() > usize::from(count) {
            let expected = format!("at least {}, one for each column of {code_name}", code.columns());
            return Err(option("--nodes", &count, expected));
        }
        for video in &options.videos {
            fs::metadata(video).map_err(failed(video))?;
        }
        // Held, not only tried: the supervisor's own. The nodes' are tried; they take them themselves.
        let mut listener = None;
        for port in port..=port + count {
            let tried = TcpListener::bind((Ipv4Addr::LOCALHOST, port));
            listener = Some(tried.map_err(|error| DemoError::Port { port, error })?);
        }
        let (folder, temporary) = folder(options.data.as_deref())?;
        let key = folder.join("cluster.key");
        if !key.exists() {
            write_private(&key, &new_key()).map_err(failed(&key))?;
        }
        let names: Vec<String> = (0..count).map(name).collect();
        let switches: Vec<String> = (1..=switches).map(|switch| format!("s{switch}")).collect();
        let mut nodes = Vec::new();
        for (node, name) in (0..count).zip(&names) {
            let data = folder.join(name);
            fs::create_dir_all(&data).map_err(failed(&data))?;
            let config = folder.join(format!("{name}.toml"));
            let text = config_text(node, &names, &switches, port, &code_name, &data, &key);
            fs::write(&config, text).map_err(failed(&config))?;
            nodes.push(PlannedNode { name: name.clone(), port: port + node, config });
        }
        Ok(Self { nodes, switches, port: port + count, listener: Mutex::new(listener), _temporary: temporary })
    }

    /// The supervisor's URL.
    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The supervisor's listener, once.
    pub(super) fn take_listener(&self) -> io::Result<tokio::net::TcpListener> {
        let listener = self.listener.lock().unwrap_or_else(PoisonError::into_inner).take();
        let listener = listener.ok_or_else(|| io::Error::other("the listener was taken"))?;
        listener.set_nonblocking(true)?;
        tokio::net::TcpListener::from_std(listener)
    }
}

fn folder(named: Option<&Path>) -> Result<(PathBuf, Option<Temporary>), DemoError> {
    let Some(named) = named else {
        let fresh = std::env::temp_dir().join(format!(
            "rain-demo-{}-{:08x}",
            std::process::id(),
            crate::node::random_u64() >> 32
        ));
        fs::DirBuilder::new().create(&fresh).map_err(failed(&fresh))?;
        return Ok((fresh.clone(), Some(Temporary(fresh))));
    };
    fs::create_dir_all(named).map_err(failed(named))?;
    let whole = fs::canonicalize(named).map_err(failed(named))?;
    Ok((whole, None))
}

fn name(node: u16) -> String {
    u8::try_from(node).map(|node| char::from(b'A' + node).to_string()).unwrap_or_default()
}

fn new_key() -> String {
    (0..4).fold(String::new(), |mut key, _| {
        let _ = write!(key, "{:016x}", crate::node::random_u64());
        key
    })
}

/// Writes a file that nobody else may read.
fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().create_new(true).write(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}

/// The address of a node on a switch: the loopback has 2^24 of them, and demos on other ports use others.
fn address(node: u16, switch: usize, port: u16) -> SocketAddr {
    let [high, low] = port.to_be_bytes();
    let network = u8::try_from(switch + 1).unwrap_or(u8::MAX);
    SocketAddr::from((Ipv4Addr::new(127, network, high, low), PEER_PORT + node))
}

fn config_text(
    node: u16,
    names: &[String],
    switches: &[String],
    port: u16,
    code: &str,
    data: &Path,
    key: &Path,
) -> String {
    let quote = |path: &Path| toml::Value::String(path.display().to_string()).to_string();
    let mut text = format!(
        "node = \"{}\"\ndata = [{}]\ncode = \"{code}\"\nlisten = \"127.0.0.1:{}\"\nkey_file = {}\n",
        names[usize::from(node)],
        quote(data),
        port + node,
        quote(key),
    );
    for (index, switch) in switches.iter().enumerate() {
        let _ = write!(text, "\n[[interfaces]]\nswitch = \"{switch}\"\naddress = \"{}\"\n", address(node, index, port));
    }
    for (peer, name) in (0..).zip(names).filter(|(peer, _)| *peer != node) {
        let _ = write!(
            text,
            "\n[[peers]]\nname = \"{name}\"\nhttp = \"http://127.0.0.1:{}\"\n[peers.addresses]\n",
            port + peer
        );
        for (index, switch) in switches.iter().enumerate() {
            let _ = writeln!(text, "{switch} = \"{}\"", address(peer, index, port));
        }
    }
    text
}
