//! What the audit log is told of an answer besides its head.

/// What there is to say of a change besides its status; goes with the answer, and is not sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Note(pub(crate) String);
