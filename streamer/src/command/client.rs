//! The nodes that a command asks.

use super::ClientArguments;
use anyhow::bail;
use rain_client::{ClientError, ClusterClient, ErrorObject};

/// A client of the nodes that were named.
///
/// # Errors
/// What was named that is none.
pub(super) fn client(arguments: &ClientArguments) -> anyhow::Result<ClusterClient> {
    Ok(ClusterClient::new(servers(arguments)?))
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
