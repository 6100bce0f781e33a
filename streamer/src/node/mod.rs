//! One node of the cluster: its store, its peers, and the drivers of the machines that run on it.

mod drive;
mod fetching;
mod housekeeping;
mod links;
mod liveness;
mod read;
mod read_log;
mod rebuild;
mod run;
mod titles;
mod write;

pub use liveness::Liveness;
pub use read::{Delivery, READ_AHEAD_BYTES, RETURN, ReadError};
pub use read_log::{ReadLog, ReadSecond, ReadSource, Rebuild, StreamGuard};
pub use run::{StartError, run};
pub use titles::{ColumnReport, ColumnState, TitleReport};
pub(crate) use titles::{Look, etag_text};
pub use write::{Precondition, WriteError, Written};

use crate::config::Config;
use crate::peer::Peers;
use crate::peer::auth::Verifier;
use crate::store::{ColumnError, OpenError, Store, SystemDisk, UploadError};
use bytes::Bytes;
use core::time::Duration;
use rain_cluster::{NodeId, Placement, Reply, Request, Time, Version};
use rain_codec::{Code, CodeError, StripeCodec};
use rain_fetch::{ColumnRead, Commons};
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Longest answer to one read of a column.
pub const COLUMN_READ_BYTES_MAX: usize = 8 << 20;

/// One node.
#[derive(Debug)]
pub struct Node {
    /// Its configuration.
    pub config: Config,
    /// Its store.
    pub store: Store<SystemDisk>,
    /// The other nodes.
    pub peers: Peers,
    /// Checks what peers ask.
    pub verifier: Verifier,
    /// What it knows of who is there.
    pub liveness: Liveness,
    /// Higher at every start, whatever the clock says.
    pub(crate) incarnation: u64,
    /// What its viewers' reads cost, and what they were read from.
    pub reads: Arc<ReadLog>,
    /// What all fetches know of the nodes, and what hedges may cost.
    commons: Mutex<Commons>,
    started: Instant,
    codecs: Mutex<BTreeMap<String, Arc<StripeCodec>>>,
}

impl Node {
    /// Opens the node's store.
    ///
    /// # Errors
    /// [`OpenError`]; the folder is as it was.
    pub fn open(config: Config, disk: SystemDisk) -> Result<Arc<Self>, OpenError> {
        let random = random_u64();
        let life = (random >> 32) as u32;
        let store = Store::open(disk, config.id, &config.layout(), life, Time::default())?;
        let clock_ms = u64::try_from(unix_time().as_millis()).unwrap_or(u64::MAX);
        let incarnation = store.begin_incarnation(clock_ms)?;
        Ok(Arc::new(Self {
            peers: Peers::new(&config, incarnation),
            verifier: Verifier::new(config.key, random),
            liveness: Liveness::default(),
            incarnation,
            commons: Mutex::new(Commons::new(config.members.len(), 1)),
            reads: Arc::new(ReadLog::new(&config)),
            store,
            started: Instant::now(),
            codecs: Mutex::new(BTreeMap::new()),
            config,
        }))
    }

    /// The time that machines of this node see.
    pub fn now(&self) -> Time {
        Time::default() + self.started.elapsed()
    }

    /// The nodes that hold a title encoded with `code`.
    pub fn placement(&self, title: &str) -> Placement {
        let cluster: Vec<_> = self.config.members.iter().map(|member| member.id).collect();
        Placement::of(title, &cluster, self.config.quorum())
    }

    /// All nodes but this one.
    pub fn others(&self) -> Vec<NodeId> {
        self.config.members.iter().map(|member| member.id).filter(|id| *id != self.config.id).collect()
    }

    /// The name of a node.
    pub fn name_of(&self, node: NodeId) -> &str {
        &self.config.members[node.0 as usize].name
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
        let codec = Arc::new(StripeCodec::new(Arc::new(Code::named(code)?)));
        codecs.insert(code.to_owned(), Arc::clone(&codec));
        Ok(codec)
    }

    /// Lets the store answer a request.
    ///
    /// # Errors
    /// Those of the disk.
    ///
    /// Cancel safety: dropping it leaves the store to finish.
    pub async fn answer(self: &Arc<Self>, request: Request) -> io::Result<Reply> {
        if let Request::Lookup { title } = &request {
            // No disk in it.
            return Ok(Reply::State(self.store.lookup(title)));
        }
        self.blocking(move |node| node.store.handle(node.now(), &request)).await
    }

    /// Takes a part of a column on its way in.
    ///
    /// # Errors
    /// [`UploadError`].
    ///
    /// Cancel safety: dropping it leaves the store to finish.
    pub async fn take_upload(
        self: &Arc<Self>,
        title: String,
        version: Version,
        column: u16,
        offset: u64,
        bytes: Bytes,
    ) -> Result<(), UploadError> {
        self.blocking(move |node| {
            let now = node.now();
            if offset == 0 {
                node.store.begin_upload(now, &title, version, column)?;
            }
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
            let bytes = bytes.inspect_err(|error| node.store.note_if_damage(&title, version, error));
            bytes.map(Bytes::from)
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

/// The time since 1970 by this machine's clock.
pub(crate) fn unix_time() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// A number nobody can guess.
pub(crate) fn random_u64() -> u64 {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).expect("the system gives random numbers");
    u64::from_le_bytes(bytes)
}
