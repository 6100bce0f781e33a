//! Why bytes are not a manifest.

use core::fmt;

/// Why bytes are not a manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// They end early, or go on.
    #[error("a manifest of another length: {left} bytes left over, or too few")]
    Length {
        /// Bytes behind the last field.
        left: usize,
    },
    /// A text is not UTF-8.
    #[error("the {0} is not UTF-8")]
    NotUtf8(&'static str),
    /// A number is out of its bounds.
    #[error("{field}: found {found}, expected {expected}")]
    Bounds {
        /// Which.
        field: &'static str,
        /// What it is.
        found: u64,
        /// What it may be.
        expected: String,
    },
    /// Not hexadecimal digits.
    #[error("a record is written in hexadecimal digits")]
    NotHexadecimal,
    /// The shape is not that of its code.
    #[error("code `{code}`: {why}")]
    Code {
        /// The code's name.
        code: String,
        /// What is wrong.
        why: String,
    },
}

pub(super) fn bounds(field: &'static str, found: u64, expected: impl fmt::Display) -> ManifestError {
    ManifestError::Bounds { field, found, expected: expected.to_string() }
}

/// Reads a text.
pub(super) fn text(field: &'static str, bytes: &[u8]) -> Result<String, ManifestError> {
    core::str::from_utf8(bytes).map(str::to_owned).map_err(|_| ManifestError::NotUtf8(field))
}
