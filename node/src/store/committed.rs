//! Which versions are committed, told by the data folders of nodes that do not run.

use super::SystemDisk;
use super::change::{Change, Standing};
use super::ledger::{self, LedgerError};
use super::names::{Key, TitleHash, key_of};
use rain_cluster::Version;
use rain_desk::Decision;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The versions of all titles that some data folders have a mark or a decision of: those that are committed, also a DELETE.
#[derive(Debug, Default)]
pub struct CommittedVersions(BTreeMap<Key, bool>);

impl CommittedVersions {
    /// Reads the ledgers of folders, data folders or the `titles` in them. Paths that are no such folders tell nothing.
    ///
    /// Cost: one pass over each ledger, and memory for each version.
    pub fn of(folders: &[PathBuf]) -> Self {
        let mut all = Self::default();
        let parents = folders.iter().filter_map(|folder| folder.parent().map(PathBuf::from));
        for root in folders.iter().cloned().chain(parents) {
            let Ok(found) = SystemDisk::look(&root).map_err(Into::into).and_then(|disk| marked_in(&disk)) else {
                continue;
            };
            all.0.extend(found.into_iter().filter(|(_, marked)| *marked));
        }
        all
    }

    /// Those of a title, oldest first.
    pub fn of_title(&self, title: &str) -> impl DoubleEndedIterator<Item = Version> {
        let title = TitleHash::of(title);
        self.0.range((title, Version::LOWEST)..=(title, Version::HIGHEST)).map(|((_, version), _)| *version)
    }
}

/// The versions that one ledger knows, and whether each is committed: what a mark names may have been pending before.
fn marked_in(disk: &SystemDisk) -> Result<BTreeMap<Key, bool>, LedgerError> {
    let mut versions = BTreeMap::new();
    ledger::show(disk, |record| match Change::parse(record.kind, record.payload) {
        Some(Change::Version { standing, record, .. }) => {
            versions.insert(key_of(&record), matches!(standing, Standing::Marked | Standing::Hearsay));
        }
        Some(Change::Marked(key)) => drop(versions.insert(key, true)),
        Some(Change::Removed(key)) => drop(versions.remove(&key)),
        Some(Change::Decision(Decision { record, .. })) => drop(versions.insert(key_of(&record), true)),
        _ => {}
    })?;
    Ok(versions)
}
