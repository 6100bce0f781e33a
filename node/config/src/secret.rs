//! Keys and tokens, from files that nobody else may read.

use crate::error::{ConfigError, value};
use rain_session::KeyPair;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Reads a file that nobody else may read.
pub(crate) fn read_secret(key: &str, path: &Path) -> Result<Vec<u8>, ConfigError> {
    let unreadable = |error| ConfigError::Unreadable { path: path.to_owned(), error };
    let mode = std::fs::metadata(path).map_err(unreadable)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(value(key, format!("{} with mode {mode:04o}", path.display()), "mode 0600"));
    }
    std::fs::read(path).map_err(unreadable)
}

/// A node's key pair.
pub(crate) fn read_key(path: &Path) -> Result<KeyPair, ConfigError> {
    let bytes = read_secret("key_file", path)?;
    KeyPair::from_pem(&bytes).map_err(|error| {
        let expected = "the private key of a node, as `rain key new` makes it";
        value("key_file", format!("{error} in {}", path.display()), expected)
    })
}
