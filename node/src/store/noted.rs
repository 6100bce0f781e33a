//! What something is to be done for, by version: kept current, so that nobody looks through all titles for it.

use super::names::Key;
use std::collections::BTreeSet;

/// What is to be done for a version, or found out about it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Notes {
    /// What became of it is not known.
    pub(super) open: bool,
    /// It was superseded.
    pub(super) superseded: bool,
    /// It is the newest of its title, and a tombstone.
    pub(super) tombstone: bool,
    /// It is the newest of its title, and its column here is not there, or not sound.
    pub(super) lacking: bool,
}

/// The versions of which something is noted.
#[derive(Debug, Default)]
pub(super) struct Noted {
    pub(super) open: BTreeSet<Key>,
    pub(super) superseded: BTreeSet<Key>,
    pub(super) tombstones: BTreeSet<Key>,
    pub(super) lacking: BTreeSet<Key>,
}

impl Noted {
    /// Notes this of a version, in place of what was noted before.
    pub(super) fn set(&mut self, key: Key, notes: Notes) {
        let Notes { open, superseded, tombstone, lacking } = notes;
        for (keys, noted) in [
            (&mut self.open, open),
            (&mut self.superseded, superseded),
            (&mut self.tombstones, tombstone),
            (&mut self.lacking, lacking),
        ] {
            if noted {
                keys.insert(key);
            } else {
                keys.remove(&key);
            }
        }
    }
}
