//! What of a configuration can change while the node runs.

use crate::keys::NodeKeys;
use crate::limits::Limits;
use crate::token::AccessTokens;

/// What of a configuration can change while the node runs. Whatever is not here takes a restart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reloadable {
    /// Who may do what.
    pub tokens: AccessTokens,
    /// By which keys the nodes know each other.
    pub keys: NodeKeys,
    /// What is granted to those who come.
    pub limits: Limits,
}

impl Reloadable {
    /// The keys in which another one differs.
    pub fn changed(&self, other: &Self) -> Vec<&'static str> {
        let Self { tokens, keys: NodeKeys { own, peers }, limits } = self;
        [
            ("tokens", *tokens != other.tokens),
            ("key_file", *own != other.keys.own),
            ("peers.key", *peers != other.keys.peers),
            ("limits", *limits != other.limits),
        ]
        .into_iter()
        .filter_map(|(key, differs)| differs.then_some(key))
        .collect()
    }
}
