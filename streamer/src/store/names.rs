//! The names of a store's files.
//!
//! | path | what |
//! |---|---|
//! | `identity` | whose folder this is |
//! | `titles/HASH.VERSION.COLUMN.rain` | a column, pending or committed |
//! | `titles/HASH.VERSION.mark` | the version is committed; that of a DELETE is all there is of it |
//! | `decisions/HASH.VERSION.decision` | this node coordinated the version and decided to commit |
//!
//! HASH is the first 128 bits of the BLAKE3 of the title, in hexadecimal. A file under way has `.tmp` behind its name.

use core::fmt;
use rain_cluster::Version;

pub(crate) const TITLES: &str = "titles";
pub(crate) const DECISIONS: &str = "decisions";
pub(crate) const IDENTITY: &str = "identity";
pub(crate) const UNFINISHED: &str = ".tmp";

/// The first 128 bits of the BLAKE3 of a title.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct TitleHash([u8; 16]);

impl TitleHash {
    pub(crate) fn of(title: &str) -> Self {
        let mut hash = [0; 16];
        hash.copy_from_slice(&blake3::hash(title.as_bytes()).as_bytes()[..16]);
        Self(hash)
    }

    /// One of `count` buckets.
    pub(crate) fn bucket(self, count: usize) -> usize {
        usize::from(self.0[0]) % count
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

/// What a file of a store is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileKind {
    Column(u16),
    Mark,
    Decision,
}

/// A file of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileName {
    pub(crate) title: TitleHash,
    pub(crate) version: Version,
    pub(crate) kind: FileKind,
}

impl FileName {
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let mut parts = name.split('.');
        let title = TitleHash::parse(parts.next()?)?;
        let version = parts.next()?.parse().ok()?;
        let kind = match (parts.next()?, parts.next()) {
            ("mark", None) => FileKind::Mark,
            ("decision", None) => FileKind::Decision,
            (column, Some("rain")) if column.len() == 3 => FileKind::Column(column.parse().ok()?),
            _ => return None,
        };
        parts.next().is_none().then_some(Self { title, version, kind })
    }

    pub(crate) fn folder(&self) -> &'static str {
        match self.kind {
            FileKind::Decision => DECISIONS,
            FileKind::Column(_) | FileKind::Mark => TITLES,
        }
    }

    pub(crate) fn path(&self) -> String {
        format!("{}/{self}", self.folder())
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}.", self.title, self.version)?;
        match self.kind {
            FileKind::Column(column) => write!(formatter, "{column:03}.rain"),
            FileKind::Mark => formatter.write_str("mark"),
            FileKind::Decision => formatter.write_str("decision"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rain_cluster::NodeId;

    #[test]
    fn names_and_back() {
        let version = Version { counter: 3, node: NodeId(1), life: 0xabc, random: 0xdef };
        for kind in [FileKind::Column(7), FileKind::Mark, FileKind::Decision] {
            let name = FileName { title: TitleHash::of("a title"), version, kind };
            assert_eq!(FileName::parse(&name.to_string()), Some(name));
            assert_eq!(FileName::parse(&format!("{name}.tmp")), None);
        }
        assert_eq!(FileName::parse("lock"), None);
    }
}
