//! By whom a node finds the cluster that it joins.

use crate::error::{ConfigError, value};
use crate::file::FileJoin;
use rain_session::{INVITATION_BYTES, Invitation, PublicKey};
use std::net::SocketAddr;

/// By whom a node finds the cluster that it joins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Join {
    /// Where one member, or several, listen for peers.
    pub addresses: Vec<SocketAddr>,
    /// The keys by which these are known.
    pub keys: Vec<PublicKey>,
    /// What a member gave the node with which to come.
    pub invitation: Option<Invitation>,
}

pub(crate) fn check_join(file: FileJoin) -> Result<Join, ConfigError> {
    if file.addresses.is_empty() {
        return Err(value("join.addresses", "none", "where one member of the cluster listens for peers"));
    }
    let keys = file.keys.texts().iter().map(|text| {
        let expected = "the public key of a member, as `rain key show` tells it";
        text.parse::<PublicKey>().map_err(|_| value("join.key", format!("`{text}`"), expected))
    });
    let keys = keys.collect::<Result<Vec<_>, _>>()?;
    if keys.is_empty() {
        return Err(value("join.key", "none", "the public key of a member, as `rain key show` tells it"));
    }
    let invitation = file.invitation.map(|text| {
        let expected = format!("{} hexadecimal digits, as `rain cluster invite` tells them", 2 * INVITATION_BYTES);
        // What it is it is not told: somebody may come with it.
        text.parse::<Invitation>().map_err(|_| value("join.invitation", format!("{} characters", text.len()), expected))
    });
    let addresses = file.addresses.into_iter().map(|address| address.0).collect();
    Ok(Join { addresses, keys, invitation: invitation.transpose()? })
}
