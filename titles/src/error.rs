//! Why a title is not read, or not written.

/// Why a title cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// There is no such title.
    #[error("there is no such title")]
    Absent {
        /// Whether no later reader can see the title as it was before.
        fresh: bool,
    },
    /// Too few catalog nodes answered to say which version is the newest.
    #[error("{found} catalog nodes answered, expected {expected}")]
    TooFewNodes {
        /// Nodes that answered.
        found: usize,
        /// Nodes that must.
        expected: usize,
    },
    /// Too few columns of the newest version can be reached.
    #[error("version {version}: {found} columns can be read, expected {expected}")]
    TooFewColumns {
        /// The version.
        version: String,
        /// Columns that can be read.
        found: usize,
        /// Columns that must.
        expected: usize,
    },
    /// The title was encoded by another program.
    #[error("the title's code: {0}")]
    Code(String),
    /// The title was stored by a later release, in a way that this one does not know.
    #[error("version {version}: a content of the kind `{kind}`, expected `columns`, the one that this release reads")]
    Kind {
        /// The version.
        version: String,
        /// The kind of its content.
        kind: String,
    },
    /// The node ends.
    #[error("the node is about to end")]
    Ending,
    /// The version that was opened is the title's no more, and nobody has its bytes.
    #[error("the title was replaced while it was being read")]
    Replaced,
    /// No node answers, or one says what has no name here.
    #[error("{0}")]
    Elsewhere(String),
}

/// Why nothing was written, or why that is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// Too few catalog nodes, or too few of those that are to hold columns.
    #[error("{found} nodes take part, expected at least {expected}")]
    TooFewNodes {
        /// Nodes that do.
        found: usize,
        /// Nodes that must.
        expected: usize,
    },
    /// Too few nodes have room.
    #[error("too few nodes have room for the columns")]
    NoSpace,
    /// The precondition does not hold.
    #[error("the title is not what the condition says")]
    Precondition,
    /// Another write of the title was under way, one of the two under a condition which still holds: to be tried again.
    #[error("another write of the title was under way; nothing was stored")]
    Conflict,
    /// The members of the cluster changed meanwhile; nothing was stored.
    #[error("the members of the cluster changed while the title was written: nothing was stored, try again")]
    ConfigurationChanged,
    /// A DELETE of what is not there.
    #[error("there is no such title")]
    Absent,
    /// The body broke off.
    #[error("the body broke off after {0} bytes")]
    BrokenBody(u64),
    /// The decision was made, or may have been, but too few marks are durable: the title may or may not be seen.
    #[error("the nodes did not confirm in time: the change may or may not be seen")]
    Unconfirmed,
    /// The node's own store failed.
    #[error("the node's store failed")]
    Store,
    /// No node answers, or one says what has no name here. Nothing was stored.
    #[error("{0}")]
    Elsewhere(String),
}
