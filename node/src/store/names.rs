//! The names of a store's files.
//!
//! | path | what |
//! |---|---|
//! | `identity` | whose folder this is |
//! | `register` | what the node promised and accepted as a voter of the configuration (docs/register.md) |
//! | `configuration` | the newest configuration of the cluster that it knows |
//! | `ledger` | what the store has promised: versions, pending or committed, and decisions (docs/ledger.md) |
//! | `titles/HASH.VERSION.COLUMN.rain` | a column, in use once the ledger says so |
//!
//! HASH is the first 128 bits of the BLAKE3 of the title, in hexadecimal. A file under way has `.tmp` behind its name.

use core::fmt;
use rain_cluster::{Digests, Record, Version};

pub(crate) const TITLES: &str = "titles";
pub(crate) const IDENTITY: &str = "identity";
pub(crate) const REGISTER: &str = "register";
pub(crate) const CONFIGURATION: &str = "configuration";
pub(crate) const UNFINISHED: &str = ".tmp";

/// The first 128 bits of the BLAKE3 of a title.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct TitleHash([u8; 16]);

impl TitleHash {
    pub(crate) fn of(title: &str) -> Self {
        Self(Digests::hash_of(title))
    }

    /// One of `count` buckets.
    pub(crate) fn bucket(self, count: usize) -> usize {
        usize::from(self.0[0]) % count
    }

    /// Its bucket of [`Digests`].
    pub(crate) fn digest_bucket(self) -> usize {
        Digests::bucket_of([self.0[0], self.0[1]])
    }

    pub(crate) fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    pub(crate) fn bytes(self) -> [u8; 16] {
        self.0
    }

    fn parse(text: &str) -> Option<Self> {
        let valid = text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        valid.then(|| u128::from_str_radix(text, 16).ok().map(|number| Self(number.to_be_bytes()))).flatten()
    }
}

impl fmt::Display for TitleHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:032x}", u128::from_be_bytes(self.0))
    }
}

/// A version of a title.
pub(crate) type Key = (TitleHash, Version);

pub(crate) fn key_of(record: &Record) -> Key {
    (TitleHash::of(record.title()), record.version())
}

/// A column file of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileName {
    pub(crate) title: TitleHash,
    pub(crate) version: Version,
    pub(crate) column: u16,
}

impl FileName {
    pub(crate) fn of(record: &Record, column: u16) -> Self {
        Self { title: TitleHash::of(record.title()), version: record.version(), column }
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        let mut parts = name.split('.');
        let title = TitleHash::parse(parts.next()?)?;
        let version = parts.next()?.parse().ok()?;
        let column = parts.next().filter(|column| column.len() >= 3)?.parse().ok()?;
        let file = Self { title, version, column };
        // One spelling per file.
        (parts.next() == Some("rain") && file.to_string() == name).then_some(file)
    }

    pub(crate) fn path(&self) -> String {
        format!("{TITLES}/{self}")
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}.{:03}.rain", self.title, self.version, self.column)
    }
}

/// Bytes in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use core::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rain_cluster::{Life, NodeId};

    #[test]
    fn names_and_back() {
        let version = Version { counter: 3, node: NodeId(1), life: Life(0xabc), random: 0xdef };
        for column in [0, 7, 254, 1023] {
            let name = FileName { title: TitleHash::of("a title"), version, column };
            assert_eq!(FileName::parse(&name.to_string()), Some(name));
            assert_eq!(FileName::parse(&format!("{name}.tmp")), None);
            assert_eq!(FileName::parse(&name.to_string().replace(".rain", ".mark")), None);
        }
        assert_eq!(FileName::parse("lock"), None);
    }
}
