//! What something is to be done for, by version: kept current, so that nobody looks through all titles for it.

use super::names::Key;
use std::collections::BTreeSet;

/// What is to be done for a version, or found out about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Note {
    /// What became of it is not known.
    Open,
    /// It was superseded.
    Superseded,
    /// It is the newest of its title, and a tombstone.
    Tombstone,
    /// It is the newest of its title, and its column here is not there, or not sound.
    Lacking,
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
    /// Notes of a version what `holds`, in place of what was noted before.
    pub(super) fn set(&mut self, key: Key, holds: impl Fn(Note) -> bool) {
        for (keys, note) in [
            (&mut self.open, Note::Open),
            (&mut self.superseded, Note::Superseded),
            (&mut self.tombstones, Note::Tombstone),
            (&mut self.lacking, Note::Lacking),
        ] {
            if holds(note) {
                keys.insert(key);
            } else {
                keys.remove(&key);
            }
        }
    }
}
