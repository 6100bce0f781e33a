//! Which versions are committed, told by the data folders of nodes that do not run.

use super::SystemDisk;
use super::change::{Change, Standing};
use super::index::key_of;
use super::ledger::{self, LedgerError};
use super::names::TitleHash;
use rain_cluster::Version;
use rain_desk::Decision;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The versions of a title that some of the folders, data folders or the `titles` in them, have a mark or a decision of:
/// those that are committed, also a DELETE. Paths that are no such folders have none.
pub fn marked_versions(folders: &[PathBuf], title: &str) -> Vec<Version> {
    let hash = TitleHash::of(title);
    let parents = folders.iter().filter_map(|folder| folder.parent().map(PathBuf::from));
    let roots = folders.iter().cloned().chain(parents);
    roots
        .filter_map(|root| SystemDisk::look(&root).and_then(|disk| marked_in(&disk, hash).map_err(Into::into)).ok())
        .flatten()
        .collect()
}

fn marked_in(disk: &SystemDisk, hash: TitleHash) -> Result<Vec<Version>, LedgerError> {
    // By version: what a mark names may have been pending before.
    let mut versions: BTreeMap<Version, bool> = BTreeMap::new();
    ledger::show(disk, |record| match Change::parse(record.kind, record.payload) {
        Some(Change::Version { standing, record, .. }) if key_of(&record).0 == hash => {
            versions.insert(record.version(), matches!(standing, Standing::Marked | Standing::Hearsay));
        }
        Some(Change::Marked(key)) if key.0 == hash => drop(versions.insert(key.1, true)),
        Some(Change::Removed(key)) if key.0 == hash => drop(versions.remove(&key.1)),
        Some(Change::Decision(Decision { record, .. })) if key_of(&record).0 == hash => {
            versions.insert(record.version(), true);
        }
        _ => {}
    })?;
    Ok(versions.into_iter().filter(|(_, marked)| *marked).map(|(version, _)| version).collect())
}
