//! `rain token new`: a token, and the lines by which a configuration knows it.

use super::output::print;
use anyhow::Context;
use clap::{Args, Subcommand};
use rain_config::{AccessToken, Role, SECRET_BYTES, TokenSecret};
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

#[derive(Debug, Subcommand)]
pub(super) enum TokenCommand {
    /// Make a token, and print the lines for the configuration of every node
    New(NewArguments),
}

#[derive(Debug, Args)]
pub(super) struct NewArguments {
    /// Whose it is: stands in the audit log
    #[arg(long)]
    name: String,
    /// What it lets do: a viewer reads, a publisher stores and deletes too, an operator may everything
    #[arg(long, value_parser = ["viewer", "publisher", "operator"])]
    role: String,
    /// Only titles that begin with this
    #[arg(long, default_value = "")]
    prefix: String,
    /// Write the token to this new file, which nobody else may read, and print only the lines
    #[arg(short, long)]
    output: Option<PathBuf>,
}

pub(super) fn run(command: TokenCommand) -> anyhow::Result<()> {
    let TokenCommand::New(NewArguments { name, role, prefix, output }) = command;
    let mut random = [0; SECRET_BYTES];
    getrandom::fill(&mut random).context("the system gives no random numbers")?;
    let secret = TokenSecret::of_random(random);
    let token = AccessToken::new(name, Role::named(&role)?, prefix, secret.hash())?;
    let lines = lines(&token);
    match output {
        Some(path) => {
            write_private(&path, secret.text()).with_context(|| path.display().to_string())?;
            print(&lines)
        }
        None => print(&format!(
            "{}\n\n# The line above is the token, and stands nowhere else: keep it in a file of mode 0600. These lines go into\n\
             # the configuration of every node; `rain reload` puts them in force.\n{lines}",
            secret.text()
        )),
    }
}

/// What a configuration says of a token.
fn lines(token: &AccessToken) -> String {
    let AccessToken { name, role, prefix, hash } = token;
    let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
    let prefix = if prefix.is_empty() { String::new() } else { format!("prefix = {}\n", quoted(prefix)) };
    format!("[[tokens]]\nname = {}\nrole = \"{role}\"\n{prefix}hash = \"{hash}\"\n", quoted(name))
}

/// A token that is there is not overwritten: it may be the only copy.
fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(path)?;
    writeln!(file, "{text}")?;
    file.sync_all()
}
