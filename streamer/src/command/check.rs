//! `rain config check`: what the text says, and whether this machine has what it speaks of.

use super::output::print;
use anyhow::{Context, bail};
use rain_config::{Config, ConfigError, Minted, variables};
use rain_node::mint_id;
use rustix::fs::{Access, access};
use std::fmt::Write as _;
use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::net::{TcpListener, UdpSocket};
use std::path::Path;

pub(super) fn run(file: &Path) -> anyhow::Result<()> {
    match Config::read(file) {
        Ok(config) => {
            let note = machine(&config)?;
            rain_node::store::check_folder(&config.data, config.id, &config.cluster)
                .with_context(|| format!("`data`: found {}, expected a folder of this node", config.data.display()))?;
            print(&format!("{}: {}{note}", file.display(), summary(&config)))
        }
        Err(ConfigError::NoId { of, .. }) => {
            let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
            let (config, minted) = Config::complete(file, &text, variables(), mint_id)?;
            machine(&config)?;
            print(&advice(&config, &minted))?;
            bail!("{}: no `id` of {}; all else is well", file.display(), of.join(", "))
        }
        Err(error) => Err(error.into()),
    }
}

/// Looks for the folder and the addresses that a node takes when it starts. Nothing is changed. Returns what is worth a
/// note.
fn machine(config: &Config) -> anyhow::Result<&'static str> {
    let runs = folder(&config.data)?;
    let own = config.interfaces.iter().map(|interface| ("interfaces.address", interface.address));
    for (key, address) in core::iter::once(("listen", config.listen)).chain(own) {
        let taken = TcpListener::bind(address).map(drop);
        let taken = if key == "listen" { taken } else { taken.and_then(|()| UdpSocket::bind(address).map(drop)) };
        match taken {
            // The node of this configuration has them.
            Err(error) if error.kind() == ErrorKind::AddrInUse && runs => {}
            // Who checks may be somebody else than who runs the node.
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {}
            Err(error) => bail!("`{key}`: found {address}, expected one that this machine can listen on: {error}"),
            Ok(()) => {}
        }
    }
    Ok(if runs { "note: a node runs on this data folder\n" } else { "" })
}

/// Checks a data folder, and says whether a node runs on it.
fn folder(path: &Path) -> anyhow::Result<bool> {
    let unusable = |found: &str| anyhow::anyhow!("`data`: found {} {found}, expected a folder", path.display());
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => {}
        Ok(_) => return Err(unusable("that is none")),
        Err(error) => return Err(unusable(&format!("({error})"))),
    }
    access(path, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK)
        .map_err(|error| unusable(&format!("({error})")).context("the folder must be this user's to write"))?;
    // Opened for reading: making the file would make it that of whoever checks.
    let lock = File::open(path.join("lock"));
    Ok(lock.is_ok_and(|lock| matches!(lock.try_lock(), Err(TryLockError::WouldBlock))))
}

fn summary(config: &Config) -> String {
    let (others, quorum) = (config.members.len() - 1, config.cluster.quorum());
    let tokens = config.reloadable.tokens.len();
    let mut text = format!(
        "node {} ({}) of {}, key {}, code {}, players at {}, {} interfaces, {others} peers, {} catalog nodes, {} {}\n",
        config.me().name,
        config.id,
        config.members.len(),
        config.reloadable.keys.own.public(),
        config.code.name(),
        config.listen,
        config.interfaces.len(),
        quorum.catalog(),
        tokens,
        if tokens == 1 { "token" } else { "tokens" },
    );
    let (columns, marks) = (config.code.columns() - config.code.data_columns(), quorum.catalog() - quorum.read());
    if columns > marks {
        let name = config.code.name();
        let _ = writeln!(
            text,
            "note: {name} does without {columns} of its columns, and {} catalog nodes without {marks} of theirs: more than \
             {marks} nodes must not be lost; `catalog` sets another number, the same on every node",
            quorum.catalog(),
        );
    }
    text
}

/// The lines to add.
fn advice(config: &Config, minted: &[Minted]) -> String {
    let mut text = "\
        A node is known by its id, which is minted once and stays when it is renamed. Add these lines; every node must have\n\
        the same ids for the same nodes: run this on one node only, and copy them to the others.\n"
        .to_owned();
    for Minted { name, id, is_own } in minted {
        let place = if *is_own {
            format!("beside `node = \"{name}\"`")
        } else {
            format!("to `[[peers]]` with `name = \"{name}\"`")
        };
        let _ = write!(text, "\n# {place}\nid = \"{id}\"\n");
    }
    let own = &config.me().name;
    let _ = write!(text, "\nIn the configurations of the others, node {own} is a peer, and has its id there:\n");
    for member in config.by_name() {
        let _ = write!(text, "\n# {}\nid = \"{}\"\n", member.name, member.id);
    }
    text
}
