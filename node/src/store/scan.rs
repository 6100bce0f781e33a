//! Opening a store: what a start finds in the data folder.

use super::change::Change;
use super::index::Index;
use super::ledger::{Ledger, LedgerError};
use super::names::{CONFIGURATION, FileName, IDENTITY, REGISTER, TITLES, UNFINISHED};
use super::record::{self, RecordError};
use super::register::find_configuration;
use super::shelf::{GroupSync, Spares};
use super::{Disk, Identity, SignetKey, Store, SystemDisk, VERSION_BYTES, lock, publish, read_small, register};
use core::array;
use rain_cluster::register::Voter;
use rain_cluster::{Life, Members, NodeId, Time};
use rain_desk::Codes;
use std::io;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, RwLock};

/// Whose store is opened.
#[derive(Debug, Clone)]
pub struct StorePlan {
    /// The node.
    pub node: NodeId,
    /// The members of its cluster, as long as the folder knows of no configuration.
    pub members: Arc<Members>,
    /// By which the node knows its own word again.
    pub signet_key: SignetKey,
    /// The codes, shared with the desks.
    pub codes: Arc<Codes>,
    /// The id of a store that is made now: random.
    pub fresh_store: u32,
    /// The life of a store that is made now, and from which later lives follow: random.
    pub fresh_life: Life,
}

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
    /// A record that nothing can replace is damaged, or of another format.
    #[error("{path}: {error}")]
    Record {
        /// The record's file.
        path: String,
        /// What is wrong with it.
        error: RecordError,
    },
    /// The ledger cannot be read.
    #[error("{0}")]
    Ledger(#[from] LedgerError),
    /// There is a ledger, and nothing says whose.
    #[error("the data folder has a ledger and no identity: expected both, or none")]
    NoIdentity,
    /// The folder is another node's.
    #[error("the data folder belongs to node {found}, expected node {expected}")]
    OtherNode {
        /// The node whose folder it is.
        found: NodeId,
        /// This node.
        expected: NodeId,
    },
    /// The folder was filled by a cluster of other members.
    #[error("the data folder is of a cluster of the nodes {found}, expected {expected}")]
    OtherMembers {
        /// Its members.
        found: String,
        /// Those of the configuration.
        expected: String,
    },
    /// The folder was filled by a cluster with another number of catalog nodes.
    #[error("the data folder is of a cluster with {found} catalog nodes, expected {expected}")]
    OtherCatalog {
        /// Its number.
        found: usize,
        /// That of the configuration.
        expected: usize,
    },
}

fn disk_error(what: impl Into<String>) -> impl FnOnce(io::Error) -> OpenError {
    let what = what.into();
    move |error| OpenError::Disk { what, error }
}

fn list(nodes: &[NodeId]) -> String {
    nodes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Whether a data folder is that of a node and its cluster, or of nobody yet: what [`Store::open`] finds of it before it
/// takes it. Nothing is changed, and a node may run on it.
///
/// # Errors
/// [`OpenError`].
pub fn check_folder(folder: &Path, node: NodeId, members: &Members) -> Result<(), OpenError> {
    let disk = SystemDisk::look(folder).map_err(disk_error("opening the folder"))?;
    match find_identity(&disk)? {
        Some(identity) => identity.check(node, members, find_members(&disk)?.as_deref()),
        None => Ok(()),
    }
}

/// The members by the configuration that a folder knows; `None` where it knows none.
fn find_members<D: Disk>(disk: &D) -> Result<Option<Arc<Members>>, OpenError> {
    let configuration = find_configuration(disk).map_err(disk_error("reading the configuration"))?;
    Ok(configuration.and_then(|configuration| configuration.members().ok()).map(Arc::new))
}

/// In which life the store of a folder is; `None` where there is none yet.
///
/// # Errors
/// [`OpenError`].
pub fn find_life<D: Disk>(disk: &D) -> Result<Option<Life>, OpenError> {
    Ok(find_identity(disk)?.map(|identity| identity.life))
}

/// Whose folder it is; `None` where it is nobody's yet.
fn find_identity<D: Disk>(disk: &D) -> Result<Option<Identity>, OpenError> {
    match read_identity(disk) {
        Ok(identity) => Ok(Some(identity)),
        Err(OpenError::Disk { error, .. }) if error.kind() == io::ErrorKind::NotFound => {
            if disk.open("ledger").is_ok() { Err(OpenError::NoIdentity) } else { Ok(None) }
        }
        Err(error) => Err(error),
    }
}

impl Identity {
    /// Whether it is that of a node whose file names `members`. Once the folder knows a configuration, members come and go
    /// without the file: but it names nobody who never was one.
    fn check(&self, node: NodeId, members: &Members, known: Option<&Members>) -> Result<(), OpenError> {
        if self.node != node {
            return Err(OpenError::OtherNode { found: self.node, expected: node });
        }
        if let Some(known) = known {
            let is_known = |node: &&NodeId| self.members.contains(node) || known.nodes().contains(node);
            if !members.nodes().iter().all(|node| is_known(&node)) {
                return Err(OpenError::OtherMembers { found: list(known.nodes()), expected: list(members.nodes()) });
            }
        }
        let expected = members.nodes();
        let is_as_founded = self.members == expected;
        if known.is_some() && !is_as_founded {
            return Ok(());
        }
        if !is_as_founded {
            return Err(OpenError::OtherMembers { found: list(&self.members), expected: list(expected) });
        }
        let expected = members.quorum().catalog();
        if self.catalog != expected {
            return Err(OpenError::OtherCatalog { found: self.catalog, expected });
        }
        Ok(())
    }
}

impl<D: Disk> Store<D> {
    /// Opens the store of a node, making it where there is none. What was under way at a crash is removed. A ledger that
    /// was damaged or lost begins a new life, blank: it may have forgotten what it promised.
    ///
    /// Cost: one pass over the ledger and one listing of the columns; of these only such are opened as were written shortly
    /// before the end.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(disk: D, plan: StorePlan, now: Time) -> Result<Self, OpenError> {
        disk.create_folder(TITLES).map_err(disk_error(format!("making the folder {TITLES}")))?;
        let disk = Arc::new(disk);
        // Left by a crash, and in nobody's way.
        for name in [IDENTITY, REGISTER, CONFIGURATION] {
            let _ = disk.remove(&super::unfinished(name));
        }
        let members = find_members(&*disk)?;
        let (identity, made) = if let Some(identity) = find_identity(&*disk)? {
            identity.check(plan.node, &plan.members, members.as_deref())?;
            (identity, false)
        } else {
            let identity = Identity {
                node: plan.node,
                store: plan.fresh_store.max(1),
                life: plan.fresh_life,
                members: plan.members.nodes().to_vec(),
                catalog: plan.members.quorum().catalog(),
                votes: true,
            };
            let me = Voter { node: identity.node, life: identity.life };
            register::begin(&*disk, me).map_err(disk_error("writing the register"))?;
            // This makes the new folder durable too: it is in the folder that is synced.
            publish(&*disk, IDENTITY, &record::to_bytes(&identity)).map_err(disk_error("writing the identity"))?;
            (identity, true)
        };
        let mut index = Index::new(plan.node);
        let mut unfit = None;
        let (ledger, found) = Ledger::open(Arc::clone(&disk), |record| {
            match Change::parse(record.kind, record.payload).map(|change| vetted(&plan.codes, change)) {
                Some(Ok(change)) => index.apply(now, change),
                Some(Err(why)) => drop(unfit.get_or_insert(why)),
                None => drop(unfit.get_or_insert(format!("record {} is no change", record.sequence))),
            }
        })?;
        let store = Self {
            disk,
            members: RwLock::new(members.unwrap_or(plan.members)),
            promising: RwLock::default(),
            codes: plan.codes,
            identity: Mutex::new(identity),
            register: Mutex::default(),
            signet_key: plan.signet_key,
            began_now: AtomicBool::new(made),
            compacted: Mutex::new(index.len() as u64 * VERSION_BYTES),
            spares: Spares::default(),
            index: Mutex::new(index),
            serial_at_start: ledger.serial(),
            ledger,
            titles: GroupSync::default(),
            files: GroupSync::default(),
            sharing: RwLock::default(),
            title_locks: array::from_fn(|_| Mutex::new(())),
            sure: AtomicBool::new(false),
            full: AtomicBool::new(false),
            fresh: Mutex::new(plan.fresh_life),
        };
        let unsynced = lock(&store.index).unsynced();
        store.rewrite_shares(unsynced);
        store.claim_columns(now)?;
        let lost = found.created && !made;
        let votes = lock(&store.identity).votes;
        if !votes {
            store.begin_to_vote().map_err(disk_error("writing the register"))?;
        }
        let kept = store.kept_register().map_err(disk_error("reading the register"))?;
        if lock(&store.index).outlived.contains(&store.whose().life) {
            // The ledger is that of a new life already, and nothing was promised in it.
            store.be_reborn(now, &[]).map_err(disk_error("beginning a new life"))?;
        } else if found.damaged.is_some() || unfit.is_some() || lost || kept.record.is_none() {
            let damage = found.damaged.map(|damage| format!("{damage:?}"));
            let forgotten = kept.record.is_none().then(|| "what it promised as a voter is gone".to_owned());
            let why = damage.or(unfit).or(forgotten).unwrap_or_else(|| "it is not there".to_owned());
            tracing::error!(%why, "the store has forgotten something: it begins a new life, and learns from the others");
            store.be_reborn(now, &[]).map_err(disk_error("beginning a new life"))?;
        }
        Ok(store)
    }

    /// Compares the column files with what the ledger says of them.
    fn claim_columns(&self, now: Time) -> Result<(), OpenError> {
        let mut index = lock(&self.index);
        let mut left = Vec::new();
        let claim = &mut |name: &str| {
            if name.ends_with(UNFINISHED) {
                left.push(format!("{TITLES}/{name}"));
            } else if let Some(file) = FileName::parse(name) {
                index.claim((file.title, file.version), file.column, now);
            }
        };
        self.disk.list(TITLES, claim).map_err(disk_error(format!("listing the folder {TITLES}")))?;
        index.damage_unclaimed();
        for path in left {
            self.disk.remove(&path).map_err(disk_error(format!("removing {path}")))?;
        }
        Ok(())
    }
}

/// Manifests are vetted at this door as at every other.
fn vetted(codes: &Codes, change: Change) -> Result<Change, String> {
    let vetted = match &change {
        Change::Version { record, .. } => codes.vet(record),
        Change::Decision(decision) => codes.vet(&decision.record),
        Change::Marked(_)
        | Change::Column(..)
        | Change::Removed(_)
        | Change::Settled(_)
        | Change::Learnt(..)
        | Change::Floor(_)
        | Change::Retired(..)
        | Change::Remembered(..)
        | Change::Outlived(_)
        | Change::Incarnation(_)
        | Change::Share(..)
        | Change::Synced(_)
        | Change::Unknown(..) => Ok(()),
    };
    vetted.map(|()| change).map_err(|unfit| unfit.to_string())
}

fn read_identity<D: Disk>(disk: &D) -> Result<Identity, OpenError> {
    let bytes = read_small(disk, IDENTITY, 1 << 20).map_err(disk_error(format!("reading {IDENTITY}")))?;
    record::parse(&bytes).map_err(|error| OpenError::Record { path: IDENTITY.to_owned(), error })
}
