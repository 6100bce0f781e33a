//! `rain join`: a new node comes to a cluster that there is.

use super::node;
use super::output::print_line;
use anyhow::{Context, bail};
use clap::Args;
use core::fmt::Write as _;
use rain_node::mint_id;
use rain_session::{Invitation, KeyPair, PublicKey};
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Digits of a public key.
const KEY_DIGITS: usize = 64;

#[derive(Debug, Args)]
pub(super) struct JoinArguments {
    /// Where a member of the cluster listens for peers
    address: SocketAddr,
    /// What `rain cluster invite` told there
    secret: String,
    /// The folder for the node's configuration, its key and its data; it is made
    #[arg(long, default_value = "rain")]
    folder: PathBuf,
    /// What the node is called; the name of the machine where that is not said
    #[arg(long)]
    name: Option<String>,
    /// Where players connect
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Where players and others reach that, if that is another URL than that of --listen
    #[arg(long, value_name = "URL")]
    http: Option<String>,
    /// Where the node listens for its peers, on each switch: SWITCH=ADDRESS:PORT
    #[arg(long = "interface", value_name = "SWITCH=ADDRESS", required = true)]
    interfaces: Vec<String>,
    /// Write the configuration, and do not start the node
    #[arg(long)]
    no_start: bool,
}

pub(super) fn run(arguments: &JoinArguments) -> anyhow::Result<()> {
    let file = write(arguments)?;
    if arguments.no_start {
        return print_line(format!("start it with `rain node --config {}`", file.display()));
    }
    print_line(format!("from now on it is started with `rain node --config {}`", file.display()))?;
    node::run(&file, None)
}

/// Writes what the node is made of: a folder that is not there yet.
fn write(arguments: &JoinArguments) -> anyhow::Result<PathBuf> {
    let JoinArguments { address, secret, folder, name, listen, http, interfaces, .. } = arguments;
    let (key, invitation) = parse_secret(secret)?;
    let name = match name {
        Some(name) => name.clone(),
        None => rustix::system::uname().nodename().to_string_lossy().into_owned(),
    };
    if listen.ip().is_unspecified() && http.is_none() {
        bail!("--listen {listen} is no address that others can use, expected --http with one");
    }
    let mut listed = String::new();
    for interface in interfaces {
        let parsed = interface.split_once('=').and_then(|(switch, at)| Some((switch, at.parse::<SocketAddr>().ok()?)));
        let Some((switch, at)) = parsed else { bail!("--interface {interface}, expected SWITCH=ADDRESS:PORT") };
        writeln!(listed, "    {{ switch = {}, address = \"{at}\" }},", text(switch))?;
    }
    fs::create_dir(folder).with_context(|| format!("making the folder {}", folder.display()))?;
    let written = fill(folder, |file, key_file, data| {
        format!(
            "# {file}: a node that joins a cluster. What it must know of the others it learns from them.\n\
             node = {}\nid = \"{}\"\ndata = [{}]\nkey_file = {}\nlisten = \"{listen}\"\n{}interfaces = [\n{listed}]\n\n\
             # By whom it finds the cluster: at its first start, and after its data is lost.\n[join]\n\
             addresses = [\"{address}\"]\nkey = \"{key}\"\ninvitation = \"{}\"\n",
            text(&name),
            mint_id(),
            text(data),
            text(key_file),
            http.as_ref().map(|http| format!("http = {}\n", text(http))).unwrap_or_default(),
            invitation.reveal(),
        )
    });
    written.inspect_err(|_| {
        // Half a node is none.
        let _ = fs::remove_dir_all(folder);
    })
}

fn fill(folder: &Path, config: impl FnOnce(&str, &str, &str) -> String) -> anyhow::Result<PathBuf> {
    let folder = fs::canonicalize(folder).with_context(|| folder.display().to_string())?;
    let [file, key_file, data] = ["rain.toml", "node.key", "data"].map(|name| folder.join(name));
    let secret = |path: &Path, text: &str| {
        let made = OpenOptions::new().create_new(true).write(true).mode(0o600).open(path);
        made.and_then(|mut made| made.write_all(text.as_bytes()).and_then(|()| made.sync_all()))
            .with_context(|| path.display().to_string())
    };
    fs::create_dir(&data).with_context(|| data.display().to_string())?;
    secret(&key_file, &KeyPair::fresh().to_pem())?;
    let [name, key_name, data_name] = [&file, &key_file, &data].map(|path| path.display().to_string());
    secret(&file, &config(&name, &key_name, &data_name))?;
    Ok(file)
}

fn parse_secret(secret: &str) -> anyhow::Result<(PublicKey, Invitation)> {
    let parts = secret.split_at_checked(KEY_DIGITS);
    let parsed = parts.and_then(|(key, invitation)| Some((key.parse().ok()?, invitation.parse().ok()?)));
    parsed.with_context(|| format!("a secret of {} characters, expected what `rain cluster invite` told", secret.len()))
}

fn text(text: &str) -> toml::Value {
    toml::Value::String(text.to_owned())
}
