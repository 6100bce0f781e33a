//! `rain fault`.

use super::ClientArguments;
use super::client::client;
use super::output::print_line;
use clap::error::ErrorKind;
use clap::{Args, CommandFactory};
use hyper::Method;

#[derive(Debug, Args)]
pub(super) struct FaultArguments {
    /// What sort of part
    #[arg(value_parser = ["node", "link", "switch"])]
    kind: String,
    /// Its name, as `rain status --json` tells it: `B`, `B-s1`, `s1`
    name: String,
    /// What becomes of it; only nodes hang
    #[arg(value_parser = ["cut", "hang", "heal"])]
    action: String,
    #[command(flatten)]
    pub(super) client: ClientArguments,
}

pub(super) async fn run(arguments: FaultArguments) -> anyhow::Result<()> {
    let FaultArguments { kind, name, action, client: options } = arguments;
    if action == "hang" && kind != "node" {
        let message = format!("only nodes hang: found `{kind}`, expected `node`");
        super::Arguments::command().error(ErrorKind::ValueValidation, message).exit();
    }
    let client = client(&options)?;
    let body = serde_json::json!({ "kind": kind, "name": name, "action": action }).to_string();
    let headers = [("content-type", "application/json".to_owned())];
    let answer = client.ask_with(Method::POST, "/api/v1/faults", &headers, body.into()).await?;
    if options.json {
        print_line(String::from_utf8_lossy(&answer))?;
    }
    Ok(())
}
