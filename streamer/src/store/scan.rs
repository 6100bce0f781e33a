//! Opening a store: what a start finds in the data folder.

use super::index::{HeldColumn, Index};
use super::names::{DECISIONS, FileKind, FileName, IDENTITY, TITLES, UNFINISHED};
use super::record::{self, RecordError};
use super::{Decision, Disk, Identity, Store, column};
use core::array;
use rain_cluster::{Manifest, NodeId, Time};
use serde::de::DeserializeOwned;
use std::io;
use std::sync::Mutex;

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The disk refused.
    #[error("{what}: {error}")]
    Disk {
        /// What was being done.
        what: String,
        /// What the disk said.
        error: io::Error,
    },
    /// A record that nothing can replace is damaged.
    #[error("{path}: {error}")]
    Record {
        /// The record's file.
        path: String,
        /// What is wrong with it.
        error: RecordError,
    },
    /// The folder is another node's.
    #[error("the data folder belongs to node {found}, expected node {expected}")]
    OtherNode {
        /// The node whose folder it is.
        found: NodeId,
        /// This node.
        expected: NodeId,
    },
    /// The folder was filled by a cluster of another code or other nodes.
    #[error("the data folder is of a cluster with {found}, expected {expected}")]
    OtherLayout {
        /// Its code and nodes.
        found: String,
        /// Those of the configuration.
        expected: String,
    },
}

fn disk_error(what: impl Into<String>) -> impl FnOnce(io::Error) -> OpenError {
    let what = what.into();
    move |error| OpenError::Disk { what, error }
}

impl<D: Disk> Store<D> {
    /// Opens the store of `node` in a cluster of this `layout` (code and nodes: on these depends what lies where), making
    /// it where there is none. `life` names the life of a store made now; it must be
    /// random. What was under way at a crash is removed; columns that are not to be trusted are kept as damaged.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(disk: D, node: NodeId, layout: &str, life: u32, now: Time) -> Result<Self, OpenError> {
        for folder in [TITLES, DECISIONS] {
            disk.create_folder(folder).map_err(disk_error(format!("making the folder {folder}")))?;
        }
        let found = read_record::<Identity, D>(&disk, IDENTITY);
        let identity = match found {
            Ok(identity) => identity,
            Err(OpenError::Disk { error, .. }) if error.kind() == io::ErrorKind::NotFound => {
                Identity { node, life, blank: true, floor: 0, layout: layout.to_owned(), incarnation: 0 }
            }
            Err(error) => return Err(error),
        };
        if identity.node != node {
            return Err(OpenError::OtherNode { found: identity.node, expected: node });
        }
        if identity.layout != layout {
            return Err(OpenError::OtherLayout { found: identity.layout, expected: layout.to_owned() });
        }
        let store = Self {
            disk,
            identity: Mutex::new(identity.clone()),
            index: Mutex::new(Index::new()),
            title_locks: array::from_fn(|_| Mutex::new(())),
        };
        // Writing the identity makes the new folders durable too: they are in the folder that it syncs.
        if identity.blank {
            store.publish("", IDENTITY, &record::to_bytes(&identity)).map_err(disk_error("writing the identity"))?;
        }
        store.scan_folder(TITLES, now)?;
        store.scan_folder(DECISIONS, now)?;
        Ok(store)
    }

    fn scan_folder(&self, folder: &str, now: Time) -> Result<(), OpenError> {
        let mut names = self.disk.list(folder).map_err(disk_error(format!("listing the folder {folder}")))?;
        names.sort_unstable();
        for name in names {
            if name.ends_with(UNFINISHED) {
                let path = format!("{folder}/{name}");
                self.disk.remove(&path).map_err(disk_error(format!("removing {path}")))?;
            } else if let Some(file) = FileName::parse(&name) {
                self.scan_file(file, now)?;
            }
        }
        let titles = super::lock(&self.index).hashes();
        for title in titles {
            super::lock(&self.index).supersede(title, now);
        }
        Ok(())
    }

    fn scan_file(&self, file: FileName, now: Time) -> Result<(), OpenError> {
        let key = (file.title, file.version);
        let path = file.path();
        match file.kind {
            FileKind::Column(column) => {
                let inspected = column::inspect(&self.disk, file, column);
                let mut index = super::lock(&self.index);
                let held = index.held_mut(key, now);
                let damage = match inspected {
                    Ok(manifest) => {
                        held.manifest = Some(manifest);
                        None
                    }
                    Err(error) => Some(error.to_string()),
                };
                held.column = Some(HeldColumn { column, damage });
            }
            FileKind::Mark => {
                // It got its name when its bytes were durable: a damaged one still says that the version is committed.
                let manifest = read_record::<Manifest, D>(&self.disk, &path);
                let mut index = super::lock(&self.index);
                let held = index.held_mut(key, now);
                held.manifest = manifest.ok().or(held.manifest.take());
                held.marked = true;
            }
            FileKind::Decision => {
                // A decision that cannot be read must not be taken for none: that would be an abort.
                let decision = read_record::<Decision, D>(&self.disk, &path)?;
                super::lock(&self.index).decisions.insert(key, decision);
            }
        }
        Ok(())
    }
}

fn read_record<T: DeserializeOwned, D: Disk>(disk: &D, path: &str) -> Result<T, OpenError> {
    let read = || {
        let file = disk.open(path)?;
        let length = usize::try_from(disk.len(&file)?).map_err(io::Error::other)?;
        let mut bytes = vec![0; length];
        disk.read_at(&file, 0, &mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().map_err(disk_error(format!("reading {path}")))?;
    record::parse(&bytes).map_err(|error| OpenError::Record { path: path.to_owned(), error })
}
