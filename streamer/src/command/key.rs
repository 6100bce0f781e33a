//! `rain key`: the key pairs of nodes.

use super::output::print;
use anyhow::{Context, bail};
use clap::Subcommand;
use rain_session::{KeyPair, PublicKey};
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

#[derive(Debug, Subcommand)]
pub(super) enum KeyCommand {
    /// Make the key pair of a node, and tell its public key
    New {
        /// The file to make
        file: PathBuf,
    },
    /// Tell the public key of a key pair
    Show {
        /// The file of the pair
        file: PathBuf,
    },
}

pub(super) fn run(command: &KeyCommand) -> anyhow::Result<()> {
    match command {
        KeyCommand::New { file } => make(file),
        KeyCommand::Show { file } => {
            let text = fs::read(file).with_context(|| file.display().to_string())?;
            let key = KeyPair::from_pem(&text).with_context(|| file.display().to_string())?;
            tell(file, key.public())
        }
    }
}

fn make(file: &Path) -> anyhow::Result<()> {
    let key = KeyPair::fresh();
    let mut made = match OpenOptions::new().create_new(true).write(true).mode(0o600).open(file) {
        Ok(made) => made,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            bail!("{} is there already, and a key that is lost cannot be made again", file.display())
        }
        Err(error) => return Err(error).with_context(|| file.display().to_string()),
    };
    if let Err(error) = made.write_all(key.to_pem().as_bytes()).and_then(|()| made.sync_all()) {
        // Half a key is none.
        let _ = fs::remove_file(file);
        return Err(error).with_context(|| file.display().to_string());
    }
    tell(file, key.public())
}

fn tell(file: &Path, public: PublicKey) -> anyhow::Result<()> {
    let file = fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    let file = toml::Value::String(file.display().to_string());
    print(&format!(
        "# in the configuration of the node\nkey_file = {file}\n\n\
         # in those of all others, to its `[[peers]]`\nkey = \"{public}\"\n"
    ))
}
