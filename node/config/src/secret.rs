//! Keys and tokens, from files that nobody else may read.

use crate::error::{ConfigError, value};
use rain_session::KeyPair;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Reads a file that nobody else may read.
fn read_secret(key: &str, path: &Path) -> Result<Vec<u8>, ConfigError> {
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

/// A token goes into a header as it is.
pub(crate) fn read_token(path: &Path) -> Result<String, ConfigError> {
    let bytes = read_secret("token_file", path)?;
    let token = bytes.trim_ascii();
    let is_fit = !token.is_empty() && token.iter().all(u8::is_ascii_graphic);
    let text = str::from_utf8(token).ok().filter(|_| is_fit);
    text.map(str::to_owned).ok_or_else(|| {
        let found = if token.is_empty() { "nothing" } else { "other bytes than those" };
        let expected = "letters, digits and signs in ASCII, without spaces";
        value("token_file", format!("{found} in {}", path.display()), expected)
    })
}
