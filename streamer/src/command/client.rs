//! The nodes that a command asks.

use super::ClientArguments;
use anyhow::bail;
use rain_client::{ClientError, ClusterClient, Credential, ErrorObject};
use rain_config::TokenSecret;

/// A client of the nodes that were named, with the token that was.
///
/// # Errors
/// What was named that is none.
pub(super) fn client(arguments: &ClientArguments) -> anyhow::Result<ClusterClient> {
    Ok(ClusterClient::new(servers(arguments)?, credential(arguments)?))
}

/// What the file with the token holds, where one was named.
///
/// # Errors
/// What is wrong with the file.
pub(super) fn credential(arguments: &ClientArguments) -> anyhow::Result<Option<Credential>> {
    let Some(file) = &arguments.token_file else { return Ok(None) };
    Ok(Credential::bearer(TokenSecret::read("--token-file", file)?.text()))
}

/// The nodes that were named.
///
/// # Errors
/// As [`client`].
pub(super) fn servers(arguments: &ClientArguments) -> anyhow::Result<Vec<String>> {
    let check = |server: &String| {
        let server = server.trim().trim_end_matches('/');
        if !server.starts_with("http://") {
            bail!("`--server`: found `{server}`, expected http://HOST:PORT");
        }
        Ok(server.to_owned())
    };
    arguments.server.iter().map(check).collect()
}

/// The error object that says why a command failed: a node's, or the command's own.
pub(super) fn told(error: &anyhow::Error) -> Option<&ErrorObject> {
    error.downcast_ref().or_else(|| error.downcast_ref::<ClientError>()?.told())
}
