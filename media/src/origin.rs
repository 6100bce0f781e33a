//! Where the same movie is to be had.

/// A node that serves a movie, as manifests name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// What it is called.
    pub name: String,
    /// The URL below which the movie's manifests lie, with a `/` at its end.
    pub base: String,
}
