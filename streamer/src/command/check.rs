//! `rain config check`.

use super::output::print;
use crate::config::{Config, ConfigError, Minted};
use crate::node::mint_id;
use anyhow::{Context, bail};
use std::fmt::Write as _;
use std::path::Path;

pub(super) fn run(file: &Path) -> anyhow::Result<()> {
    match Config::read(file) {
        Ok(config) => print(&format!("{}: {}", file.display(), summary(&config))),
        Err(ConfigError::NoId { of, .. }) => {
            let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
            let (config, minted) = Config::complete(file, &text, mint_id)?;
            print(&advice(&config, &minted))?;
            bail!("{}: no `id` of {}; all else is well", file.display(), of.join(", "))
        }
        Err(error) => Err(error.into()),
    }
}

fn summary(config: &Config) -> String {
    let (others, quorum) = (config.members.len() - 1, config.cluster.quorum());
    let mut text = format!(
        "node {} ({}) of {}, code {}, players at {}, {} interfaces, {others} peers, {} catalog nodes\n",
        config.me().name,
        config.id,
        config.members.len(),
        config.code.name(),
        config.listen,
        config.interfaces.len(),
        quorum.catalog(),
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
