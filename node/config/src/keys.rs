//! By which keys the nodes of a cluster know each other.

use crate::error::{ConfigError, value};
use crate::file::Keys;
use rain_cluster::NodeId;
use rain_session::{KeyPair, PublicKey};
use std::collections::BTreeMap;

/// By which keys the nodes of a cluster know each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeKeys {
    /// The node's own pair; that of nobody where none was configured.
    pub own: KeyPair,
    /// Whose the keys of the others are; of a node that changes its key there are several.
    pub peers: BTreeMap<PublicKey, NodeId>,
}

impl Default for NodeKeys {
    /// Of nobody, who knows nobody.
    fn default() -> Self {
        Self { own: KeyPair::of_nobody(NodeId(0)), peers: BTreeMap::new() }
    }
}

impl NodeKeys {
    /// Checks keys: they are of all nodes or of none, and each is of one node alone.
    pub(crate) fn check(
        own: Option<KeyPair>,
        (name, id): (&str, NodeId),
        peers: &[(String, NodeId, Keys)],
    ) -> Result<Self, ConfigError> {
        let mut names: BTreeMap<PublicKey, &str> = own.iter().map(|own| (own.public(), name)).collect();
        let mut keys = BTreeMap::new();
        for (peer, id, texts) in peers {
            let key = format!("peers.{peer}.key");
            match (&own, texts.texts()) {
                (Some(_), []) => return Err(value(key, "none", "its public key, as `rain key show` tells it")),
                (None, [_, ..]) => return Err(value(key, "one", "a `key_file` of this node besides")),
                (None, []) => drop(keys.insert(KeyPair::of_nobody(*id).public(), *id)),
                (Some(_), texts) => {
                    for text in texts {
                        let public = text.parse::<PublicKey>().map_err(|_| {
                            let expected = "64 hexadecimal digits in lower case, as `rain key new` tells them";
                            value(key.clone(), format!("`{text}`"), expected)
                        })?;
                        if let Some(other) = names.insert(public, peer).filter(|other| other != peer) {
                            return Err(value(key, format!("the key of {other}"), "a key for each node"));
                        }
                        keys.insert(public, *id);
                    }
                }
            }
        }
        Ok(Self { own: own.unwrap_or_else(|| KeyPair::of_nobody(id)), peers: keys })
    }
}
