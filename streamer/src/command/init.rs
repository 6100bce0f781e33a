//! `rain cluster init`: the files of a cluster that there is not yet.

use super::output::print;
use anyhow::{Context, bail};
use clap::Args;
use core::fmt::Write as _;
use core::net::{IpAddr, SocketAddr};
use rain_cluster::NodeId;
use rain_config::Config;
use rain_node::mint_id;
use rain_session::{KeyPair, PublicKey};
use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub(super) struct InitArguments {
    /// NAME=ADDRESS of each node: where it is reached, on each switch one address: NAME=ADDRESS,ADDRESS
    #[arg(required = true, value_name = "NAME=ADDRESS")]
    nodes: Vec<String>,
    /// Where to make a folder for each node
    #[arg(long, default_value = ".")]
    folder: PathBuf,
    /// Where that folder will be on the node's own machine, the same on each; where that is not said, it stays here
    #[arg(long)]
    home: Option<PathBuf>,
    /// The array code of titles
    #[arg(long, default_value = "b-code:4")]
    code: String,
    /// The port for players, at the first address
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// The port for peers
    #[arg(long, default_value_t = 7400)]
    peer_port: u16,
}

struct Planned {
    name: String,
    id: NodeId,
    addresses: Vec<IpAddr>,
    key: KeyPair,
    /// Where it is made.
    folder: PathBuf,
}

pub(super) fn run(arguments: &InitArguments) -> anyhow::Result<()> {
    let InitArguments { folder, home, code, .. } = arguments;
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let folder = fs::canonicalize(folder).with_context(|| folder.display().to_string())?;
    let nodes = plan(arguments, &folder)?;
    let there = nodes.iter().find(|node| node.folder.symlink_metadata().is_ok());
    if let Some(there) = there {
        bail!("{} is there already, expected a folder without it: nothing was written", there.folder.display());
    }
    let written = (0..nodes.len()).try_for_each(|at| write(arguments, &nodes, at));
    if written.is_err() {
        // Half a cluster is none. None of these was there before.
        for node in &nodes {
            let _ = fs::remove_dir_all(&node.folder);
        }
    }
    written?;
    let names: Vec<_> = nodes.iter().map(|node| node.name.as_str()).collect();
    let mut text = format!("{} nodes, new titles as {code}: {}\n\n", nodes.len(), names.join(", "));
    for node in &nodes {
        let from = node.folder.display();
        match home {
            Some(home) => {
                let home = home.display();
                writeln!(
                    text,
                    "  {0}: move {from} to {home} there, and `rain node --config {home}/rain.toml`",
                    node.name
                )?;
            }
            None => writeln!(text, "  {}: `rain node --config {from}/rain.toml`", node.name)?,
        }
    }
    let first = &nodes[0];
    writeln!(
        text,
        "\nnode.key is a node's secret: it goes to its own machine alone. Once all run: `rain cluster show --server {}`. Only a \
         node's own machine may write, until `rain token new` makes a token for others.",
        http(arguments, first)
    )?;
    print(&text)
}

fn plan(arguments: &InitArguments, folder: &Path) -> anyhow::Result<Vec<Planned>> {
    let (mut ids, mut names, mut taken) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let mut nodes: Vec<Planned> = Vec::new();
    for text in &arguments.nodes {
        let parsed = text.split_once('=').and_then(|(name, addresses)| {
            let addresses = addresses.split(',').map(str::parse).collect::<Result<Vec<IpAddr>, _>>().ok()?;
            Some((name, addresses))
        });
        let Some((name, addresses)) = parsed else { bail!("`{text}`, expected NAME=ADDRESS or NAME=ADDRESS,ADDRESS") };
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)) {
            bail!("the name `{name}`, expected letters, digits, `-`, `_` and `.`");
        }
        if name.starts_with('.') || !names.insert(name.to_owned()) {
            bail!("the name `{name}`: it begins with a dot, or stands there twice");
        }
        if let Some(address) = addresses.iter().find(|address| !taken.insert(**address)) {
            bail!("the address {address} stands there twice, expected one for each node and switch");
        }
        if nodes.first().is_some_and(|first| first.addresses.len() != addresses.len()) {
            bail!("`{text}`: {} addresses, expected as many as of the first node", addresses.len());
        }
        let id = loop {
            let id = mint_id();
            if ids.insert(id) {
                break id;
            }
        };
        nodes.push(Planned { name: name.to_owned(), id, addresses, key: KeyPair::fresh(), folder: folder.join(name) });
    }
    Ok(nodes)
}

fn http(arguments: &InitArguments, node: &Planned) -> String {
    format!("http://{}", SocketAddr::new(node.addresses[0], arguments.port))
}

fn write(arguments: &InitArguments, nodes: &[Planned], at: usize) -> anyhow::Result<()> {
    let node = &nodes[at];
    let make = |path: &Path| fs::create_dir(path).with_context(|| path.display().to_string());
    let secret = |name: &str, text: &str| {
        let path = node.folder.join(name);
        let opened = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&path);
        opened
            .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
            .with_context(|| path.display().to_string())
    };
    make(&node.folder)?;
    make(&node.folder.join("data"))?;
    secret("node.key", &node.key.to_pem())?;
    // It is looked at as a node would.
    let here = text(arguments, nodes, at, &node.folder)?;
    Config::parse(Path::new("rain.toml"), &here, core::iter::empty())?;
    let home = arguments.home.as_deref().unwrap_or(&node.folder);
    secret("rain.toml", &text(arguments, nodes, at, home)?)
}

/// The configuration of a node whose folder is `home`.
fn text(arguments: &InitArguments, nodes: &[Planned], at: usize, home: &Path) -> anyhow::Result<String> {
    let InitArguments { code, port, peer_port, .. } = arguments;
    let quote = |text: &str| toml::Value::String(text.to_owned());
    let path = |name: &str| quote(&home.join(name).display().to_string());
    let on_switches = |node: &Planned| {
        let addresses = node.addresses.iter().map(|address| SocketAddr::new(*address, *peer_port));
        (1..).zip(addresses).collect::<Vec<(usize, _)>>()
    };
    let node = &nodes[at];
    let mut text = format!(
        "node = {}\nid = \"{}\"\ndata = [{}]\nkey_file = {}\ncode = {}\nlisten = \"{}\"\n",
        quote(&node.name),
        node.id,
        path("data"),
        path("node.key"),
        quote(code),
        SocketAddr::new(node.addresses[0], *port),
    );
    for (switch, address) in on_switches(node) {
        write!(text, "\n[[interfaces]]\nswitch = \"s{switch}\"\naddress = \"{address}\"\n")?;
    }
    for peer in nodes.iter().filter(|peer| peer.id != node.id) {
        let key: PublicKey = peer.key.public();
        let (name, http) = (quote(&peer.name), http(arguments, peer));
        write!(text, "\n[[peers]]\nname = {name}\nid = \"{}\"\nkey = \"{key}\"\nhttp = \"{http}\"\n", peer.id)?;
        text.push_str("[peers.addresses]\n");
        for (switch, address) in on_switches(peer) {
            writeln!(text, "s{switch} = \"{address}\"")?;
        }
    }
    Ok(text)
}
