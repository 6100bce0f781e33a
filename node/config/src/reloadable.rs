//! What of a configuration can change while the node runs.

use crate::token::AccessTokens;

/// What of a configuration can change while the node runs. Whatever is not here takes a restart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reloadable {
    /// Who may do what.
    pub tokens: AccessTokens,
}

impl Reloadable {
    /// The keys in which another one differs.
    pub fn changed(&self, other: &Self) -> Vec<&'static str> {
        let Self { tokens } = self;
        [("tokens", *tokens != other.tokens)].into_iter().filter_map(|(key, differs)| differs.then_some(key)).collect()
    }
}
