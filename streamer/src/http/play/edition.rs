//! A version of a title as this release packages it: the part of a URL below which nothing ever changes.

use core::fmt;
use rain_media::FORMAT;

/// A version of a title as this release packages it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Edition([u8; 8]);

impl Edition {
    /// The edition of the version with an entity tag. Equal contents have equal ones, on every node.
    pub(super) fn of(etag: &str) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(etag.as_bytes()).update(&FORMAT.to_le_bytes());
        Self(*hasher.finalize().as_bytes().first_chunk().expect("a hash has 32 bytes"))
    }

    /// As it is written in a path; `None` of anything else.
    pub(super) fn read(text: &str) -> Option<Self> {
        let is_hex = text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        let number = (is_hex && text.len() == 16).then(|| u64::from_str_radix(text, 16).ok())??;
        Some(Self(number.to_be_bytes()))
    }

    /// The entity tag of what is at a path below it, with the quotation marks.
    pub(super) fn etag(self, below: &str) -> String {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.0).update(below.as_bytes());
        format!("\"{}\"", &hasher.finalize().to_hex()[..32])
    }
}

impl fmt::Display for Edition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:016x}", u64::from_be_bytes(self.0))
    }
}
