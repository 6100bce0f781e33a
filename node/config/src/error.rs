//! Why a configuration cannot be used.

use std::path::PathBuf;

/// Why a configuration cannot be used. Each names the key, what was found and what was expected.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{}: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// Not TOML, an unknown key, a value of the wrong type.
    #[error("{}: {message}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// What the parser said, with the place.
        message: String,
    },
    /// Members without an id.
    #[error("no `id` of {}; `rain config check {}` makes one for each, and says where to write it", of.join(", "), path.display())]
    NoId {
        /// The file.
        path: PathBuf,
        /// Whose: `node "A"`, `peer "B"`.
        of: Vec<String>,
    },
    /// A value that makes no sense.
    #[error("`{key}`: found {found}, expected {expected}")]
    Value {
        /// The key.
        key: String,
        /// What stands there.
        found: String,
        /// What could.
        expected: String,
    },
}

/// That a value makes no sense.
pub(crate) fn value(key: impl Into<String>, found: impl Into<String>, expected: impl Into<String>) -> ConfigError {
    ConfigError::Value { key: key.into(), found: found.into(), expected: expected.into() }
}
