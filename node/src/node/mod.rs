//! One node of the cluster: its store, its peers, and the driver of its desks.

mod ahead;
mod ask;
mod desks;
mod face;
mod fetching;
pub(crate) mod greetings;
mod invitations;
mod lists;
mod liveness;
mod membership;
mod office;
mod outbox;
mod path_watch;
mod read;
mod read_log;
mod reader;
mod rebuild;
mod register;
mod roster;
mod run;
mod settings;
mod tasks;
mod titles;
mod upload_budget;
mod write;

pub use face::{NodeTitle, NodeTitles};
pub use invitations::{Invited, TooManyInvited};
pub use liveness::Liveness;
pub use membership::NoMember;
pub use read_log::{ReadLog, ReadSecond, ReadSource, Rebuild, StreamGuard};
pub use register::{KnownConfiguration, RegisterError};
use roster::Following;
pub use roster::Roster;
pub use run::{StartError, run};
pub use settings::{Reloaded, Settings};
pub use titles::Look;

use crate::bounds::{Bounds, Gates, raise_descriptors};
use crate::peer::Peers;
use crate::store::{ColumnError, OpenError, SignetKey, Store, StorePlan, SystemDisk, UploadError, UploadPlan};
use ahead::ReadAhead;
use ask::UnfitLog;
use bytes::Bytes;
use desks::Desks;
use invitations::Invitations;
use lists::Lists;
use outbox::Outbox;
use path_watch::PathWatch;
use rain_cluster::{Life, NodeId, Time, Version};
use rain_codec::{CodeError, StripeCodec};
use rain_config::Config;
use rain_desk::{Codes, DeskPlan};
use rain_fetch::{ColumnRead, Commons};
use rebuild::{Rate, Restoring};
use register::Register;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;
use tokio::sync::watch;
use upload_budget::UploadBudget;

/// Longest answer to one read of a column.
pub const COLUMN_READ_BYTES_MAX: usize = 8 << 20;

/// One node.
#[derive(Debug)]
pub struct Node {
    /// Its configuration, as it was when the node started.
    pub config: Config,
    /// What of it can change, as it is now.
    pub settings: Settings,
    /// Its store.
    pub store: Arc<Store<SystemDisk>>,
    /// The other nodes.
    pub peers: Arc<Peers>,
    /// What it knows of who is there.
    pub liveness: Liveness,
    /// How many may come at once.
    pub gates: Gates,
    /// So many files may its process open.
    descriptors: u64,
    /// What its viewers' reads cost, and what they were read from.
    pub reads: Arc<ReadLog>,
    /// The codes that were asked for.
    pub(crate) codes: Arc<Codes>,
    desks: Desks,
    register: Register,
    roster: watch::Sender<Arc<Roster>>,
    invitations: Invitations,
    /// Held by whoever puts another roster in force.
    following: Mutex<Following>,
    /// The links to the members; none before they are watched.
    path_watch: OnceLock<PathWatch>,
    outbox: Outbox,
    lists: Lists,
    read_ahead: Arc<ReadAhead>,
    upload_budget: UploadBudget,
    unfit: UnfitLog,
    /// What rebuilding may take.
    rebuild_rate: Rate,
    restoring: Mutex<Option<Restoring>>,
    /// What all fetches know of the nodes, and what hedges may cost.
    commons: Mutex<Commons>,
    started: Instant,
    codecs: Mutex<BTreeMap<String, Arc<StripeCodec>>>,
}

impl Node {
    /// Opens the node's store; one that is made now begins in `fresh_life`.
    ///
    /// # Errors
    /// [`OpenError`]; the folder is as it was.
    pub fn open(config: Config, disk: SystemDisk, fresh_life: Life) -> Result<Arc<Self>, OpenError> {
        let codes = Arc::new(Codes::default());
        let fresh = random_u64();
        let plan = StorePlan {
            node: config.id,
            members: Arc::clone(&config.cluster),
            codes: Arc::clone(&codes),
            signet_key: SignetKey::new(config.reloadable.keys.own.derive("RAIN 2026 signets of a node's lives")),
            // 0 stands for any store.
            fresh_store: low_half(fresh).max(1),
            fresh_life,
        };
        let store = Arc::new(Store::open(disk, plan, Time::default())?);
        let incarnation = store.begin_incarnation(low_half(random_u64()))?;
        let plan = || DeskPlan { me: store.me(), members: store.members(), codes: Arc::clone(&codes) };
        let desks = Desks::new(plan);
        let sender = {
            let store = Arc::clone(&store);
            move || store.me()
        };
        let (limits, descriptors) = (config.reloadable.limits, raise_descriptors());
        let known = store.known_configuration();
        let node = Self {
            peers: Arc::new(Peers::new(&config, random_u64(), sender)),
            liveness: Liveness::default(),
            gates: Gates::new(&Bounds::new(&limits, descriptors, config.members.len())),
            descriptors,
            commons: Mutex::new(Commons::new([], 1)),
            reads: Arc::new(ReadLog::new(&config.me().name)),
            codes,
            desks,
            register: Register::new(incarnation),
            roster: watch::Sender::new(Arc::new(Roster::of_file(&config, &config.reloadable.keys))),
            invitations: Invitations::default(),
            following: Mutex::new(Following { keys: config.reloadable.keys.clone(), newest: None }),
            path_watch: OnceLock::new(),
            outbox: Outbox::default(),
            lists: Lists::default(),
            read_ahead: Arc::new(ReadAhead::new(limits.read_ahead_bytes)),
            upload_budget: UploadBudget::new(limits.upload_bytes),
            unfit: UnfitLog::default(),
            rebuild_rate: Rate::default(),
            restoring: Mutex::default(),
            store,
            started: Instant::now(),
            codecs: Mutex::new(BTreeMap::new()),
            settings: Settings::new(config.reloadable.clone()),
            config,
        };
        node.follow(known.map(Arc::new));
        Ok(Arc::new(node))
    }

    /// Sets the metrics to what was counted, and to what is in memory now.
    pub fn publish(&self) {
        self.reads.publish();
        self.read_ahead.publish();
        self.upload_budget.publish();
        self.store.publish_space();
        self.peers.clocks.publish();
    }

    /// The time that machines of this node see.
    pub fn now(&self) -> Time {
        Time::default() + self.started.elapsed()
    }

    /// All nodes but this one.
    pub fn others(&self) -> Vec<NodeId> {
        let roster = self.roster();
        let ids = roster.members().iter().map(|member| member.id);
        ids.filter(|id| *id != self.config.id).collect()
    }

    /// The name of a node; its id where it is none of the configuration's.
    pub fn name_of(&self, node: NodeId) -> String {
        self.roster().member(node).map_or_else(|| node.to_string(), |member| member.name.clone())
    }

    /// The codec of a code; made at its first use.
    ///
    /// # Errors
    /// [`CodeError`] when there is no such code.
    pub fn codec(&self, code: &str) -> Result<Arc<StripeCodec>, CodeError> {
        let mut codecs = self.codecs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(codec) = codecs.get(code) {
            return Ok(Arc::clone(codec));
        }
        let codec = Arc::new(StripeCodec::new(self.codes.named(code)?));
        codecs.insert(code.to_owned(), Arc::clone(&codec));
        Ok(codec)
    }

    /// Takes a part of a column on its way in; `begin` says what column it is, with the first part.
    ///
    /// # Errors
    /// [`UploadError`].
    ///
    /// Cancel safety: dropping it leaves the store to finish.
    pub async fn take_upload(
        self: &Arc<Self>,
        part: UploadPart,
        begin: Option<UploadPlan>,
        bytes: Bytes,
    ) -> Result<(), UploadError> {
        self.blocking(move |node| {
            let now = node.now();
            if let Some(plan) = begin {
                node.store.begin_upload(now, plan)?;
            }
            let UploadPart { title, version, offset } = part;
            if bytes.is_empty() { Ok(()) } else { node.store.append(now, &title, version, offset, &bytes) }
        })
        .await
    }

    /// Reads blocks of the node's own column.
    ///
    /// # Errors
    /// [`ColumnError`]; damage is remembered.
    ///
    /// Cancel safety: dropping it leaves the store to finish.
    pub async fn read_own_column(
        self: &Arc<Self>,
        title: String,
        version: Version,
        column: u16,
        read: ColumnRead,
    ) -> Result<Bytes, ColumnError> {
        self.blocking(move |node| {
            let reader = node.store.open_column(node.now(), &title, version)?;
            if reader.index() != column {
                return Err(ColumnError::Missing);
            }
            let bytes = node.store.read_blocks(&reader, &read, COLUMN_READ_BYTES_MAX);
            bytes.inspect_err(|error| node.store.note_if_damage(&title, version, error))
        })
        .await
    }

    /// Runs what may block on a thread that may.
    async fn blocking<T: Send + 'static>(self: &Arc<Self>, work: impl FnOnce(&Self) -> T + Send + 'static) -> T {
        let node = Arc::clone(self);
        match tokio::task::spawn_blocking(move || work(&node)).await {
            Ok(result) => result,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
}

/// Where a part of a column on its way in belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadPart {
    /// The title.
    pub title: String,
    /// The version.
    pub version: Version,
    /// From the start of the first record, in bytes.
    pub offset: u64,
}

#[expect(clippy::cast_possible_truncation, reason = "the half that is meant")]
fn low_half(number: u64) -> u32 {
    number as u32
}

/// An id for a node that has none: random, and not 0.
pub fn mint_id() -> NodeId {
    NodeId(low_half(random_u64()).max(1))
}

/// A number nobody can guess.
///
/// # Panics
/// When the system gives none.
pub fn random_u64() -> u64 {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).expect("the system gives random numbers");
    u64::from_le_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    /// The `use` lines of a source, each in one line and without spaces.
    fn uses(text: &str) -> Vec<String> {
        let statements = text.split(';').map(|statement| {
            let begin = statement.rfind("\nuse ").or_else(|| statement.rfind("\n    use "));
            begin.map(|begin| statement[begin..].split_whitespace().collect::<String>())
        });
        statements.flatten().collect()
    }

    /// Machines are the desk's affair, and fetching that of those who read.
    #[test]
    fn the_driver_names_no_machine() {
        let mut left = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src/node")];
        let mut seen = 0;
        while let Some(path) = left.pop() {
            if path.is_dir() {
                left.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
                continue;
            }
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let text = fs::read_to_string(&path).unwrap();
            let found = uses(&text);
            seen += found.len();
            for line in &found {
                for machines in ["commit", "catalog"] {
                    let named = line.starts_with(&format!("userain_cluster::{machines}"))
                        || (line.starts_with("userain_cluster::{") && line.contains(&format!("{machines}::")));
                    assert!(!named, "{name}: {line}");
                }
                let reads = matches!(name.as_str(), "read.rs" | "fetching.rs");
                if let (false, Some(items)) = (reads, line.strip_prefix("userain_fetch::")) {
                    let items = items.trim_matches(['{', '}']).split(',').filter(|item| !item.is_empty());
                    for item in items {
                        let shared = ["ColumnRead", "Commons", "Piece", "Pieces"];
                        assert!(shared.contains(&item), "{name}: {item} of rain_fetch");
                    }
                }
            }
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            assert!(!code.contains("rain_cluster::commit") && !code.contains("rain_cluster::catalog"), "{name}");
        }
        assert!(seen > 40, "{seen} lines: it finds them no more");
    }
}
