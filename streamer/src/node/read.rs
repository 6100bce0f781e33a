//! Reading a title: which version, and its bytes from whatever columns can be had.

use super::{COLUMN_READ_BYTES_MAX, Node};
use crate::column_read::ColumnRead;
use crate::fetch::{Arrival, Damage, Piece, Plan, Rope, TooFewColumns, assemble, pieces, recover};
use crate::node::drive::Drive;
use crate::peer::PeerError;
use crate::store::{ColumnError, title_version};
use crate::title;
use bytes::Bytes;
use core::ops::Range;
use core::time::Duration;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use http_body_util::BodyExt;
use hyper::Method;
use rain_cluster::catalog::{Resolution, Resolve};
use rain_cluster::{ColumnStatus, Content, Manifest, Version};
use rain_codec::column::{Geometry, Seal, StripeShape};
use rain_codec::{Cell, CodeError, ErasurePattern, StripeCodec};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::task::block_in_place;
use tokio::time::{Instant, sleep, timeout};

/// A piece is about so long: a request for its part of one column is at least 256 KiB then.
const PIECE_BYTES: u64 = 2 << 20;
/// How far a stream reads ahead of its viewer.
pub const READ_AHEAD_BYTES: u64 = 8 << 20;
/// A column whose bytes stop coming for so long is done without.
const PROGRESS: Duration = Duration::from_millis(700);
/// A stream that falls under k columns waits so long for a return.
pub const RETURN: Duration = Duration::from_secs(10);
const RETRY: Duration = Duration::from_millis(200);

/// Why a title cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// There is no such title.
    #[error("there is no such title")]
    Absent,
    /// Too few placement nodes answered to say which version is the newest.
    #[error("{found} placement nodes answered, expected {expected}")]
    TooFewNodes {
        /// Nodes that answered.
        found: usize,
        /// Nodes that must.
        expected: usize,
    },
    /// Too few columns of the newest version can be reached.
    #[error("version {version}: {found} columns can be read, expected {expected}")]
    TooFewColumns {
        /// The version.
        version: Version,
        /// Columns that can be read.
        found: usize,
        /// Columns that must.
        expected: usize,
    },
    /// The title was encoded by another program.
    #[error("the title's code: {0}")]
    Code(#[from] CodeError),
}

/// A version of a title, ready to be delivered.
#[derive(Debug)]
pub struct Delivery {
    node: Arc<Node>,
    /// The version.
    pub manifest: Manifest,
    /// Whether R placement nodes confirmed that it is the newest.
    pub confirmed: bool,
    content: Content,
    codec: Arc<StripeCodec>,
    geometry: Geometry,
    /// Columns that are missing, damaged, or failed in this delivery.
    lost: Mutex<ErasurePattern>,
}

impl Node {
    /// Finds the newest version of a title.
    ///
    /// # Errors
    /// [`ReadError`].
    ///
    /// Cancel safety: nothing is left behind but marks that may have spread.
    pub async fn open_title(self: &Arc<Self>, title: &str) -> Result<Delivery, ReadError> {
        let placement = self.placement(title);
        let mut drive = Drive::new(self, Resolve::new(self.now(), title, &placement));
        let found = match drive.next(Resolve::poll_event).await {
            Resolution::Found(found) => found,
            Resolution::Absent(_) => return Err(ReadError::Absent),
            Resolution::TooFew { found, expected } => return Err(ReadError::TooFewNodes { found, expected }),
        };
        let mut lost = ErasurePattern::none();
        for (column, node) in placement.nodes().iter().enumerate() {
            // A node that did not answer may yet have its column: that is tried, unless it is known to be gone.
            let held = matches!(found.columns.get(node), Some(ColumnStatus::Ok { .. }));
            let unknown = !found.columns.contains_key(node) && self.liveness.is_up(*node) != Some(false);
            if !held && !unknown {
                lost = lost.with(column);
            }
        }
        Delivery::of(self, found.manifest, found.confirmed, lost)
    }
}

enum Failure {
    Peer(PeerError),
    Local(ColumnError),
    Silent,
    Broken(String),
    Damaged(Damage),
}

impl Delivery {
    /// Prepares to deliver a version of which the columns `lost` are not to be had.
    ///
    /// # Errors
    /// [`ReadError::Absent`] of a tombstone, [`ReadError::Code`].
    pub(super) fn of(
        node: &Arc<Node>,
        manifest: Manifest,
        confirmed: bool,
        lost: ErasurePattern,
    ) -> Result<Self, ReadError> {
        let content = manifest.content.clone().ok_or(ReadError::Absent)?;
        let codec = node.codec(&content.code)?;
        let geometry = Geometry::new(codec.code(), content.cell_bytes, content.block_bytes, content.bytes);
        Ok(Self { node: Arc::clone(node), manifest, confirmed, content, codec, geometry, lost: Mutex::new(lost) })
    }

    /// The stripes of the version.
    pub(super) fn stripes(&self) -> impl Iterator<Item = StripeShape> {
        (0..self.geometry.stripe_count()).map(|index| self.geometry.stripe(index))
    }

    /// What the version holds.
    pub fn content(&self) -> &Content {
        &self.content
    }

    /// Checks that enough columns of the version are there, without reading any.
    ///
    /// # Errors
    /// [`ReadError::TooFewColumns`].
    pub fn check_columns(&self) -> Result<(), ReadError> {
        let (found, expected) = (self.codec.code().columns() - self.lost().len(), self.codec.code().data_columns());
        if found >= expected || self.content.bytes == 0 {
            return Ok(());
        }
        Err(ReadError::TooFewColumns { version: self.manifest.version, found, expected })
    }

    /// The pieces of a range, in order.
    ///
    /// # Panics
    /// When the range ends behind the title.
    pub fn pieces(&self, range: Range<u64>) -> Vec<Piece> {
        pieces(&self.geometry, range, PIECE_BYTES)
    }

    /// Fetches a piece: verified bytes of the title, in order. Waits `patience` for columns to return when too few are
    /// left.
    ///
    /// # Errors
    /// [`ReadError::TooFewColumns`].
    ///
    /// Cancel safety: dropping it gives the piece up.
    pub async fn fetch(&self, piece: &Piece, patience: Duration) -> Result<Vec<Bytes>, ReadError> {
        let until = Instant::now() + patience;
        loop {
            match self.try_fetch(piece).await {
                Ok(bytes) => return Ok(bytes),
                Err(TooFewColumns { found, expected }) if Instant::now() >= until => {
                    return Err(ReadError::TooFewColumns { version: self.manifest.version, found, expected });
                }
                Err(_) => {
                    sleep(RETRY).await;
                    self.look_again().await;
                }
            }
        }
    }

    fn lost(&self) -> ErasurePattern {
        *self.lost.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lose(&self, column: u16) {
        let mut lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        *lost = lost.with(column.into());
    }

    /// Asks the placement nodes anew which columns of this version they hold.
    async fn look_again(&self) {
        let placement = self.node.placement(&self.manifest.title);
        let mut lost = ErasurePattern::none();
        let Manifest { title, version, .. } = &self.manifest;
        let ask = placement.nodes().iter().map(|node| self.node.column_status(*node, title, *version));
        for (column, status) in futures_util::future::join_all(ask).await.into_iter().enumerate() {
            if !matches!(status, Some(ColumnStatus::Ok { .. })) {
                lost = lost.with(column);
            }
        }
        *self.lost.lock().unwrap_or_else(PoisonError::into_inner) = lost;
    }

    async fn try_fetch(&self, piece: &Piece) -> Result<Vec<Bytes>, TooFewColumns> {
        let wanted: Vec<Cell> = piece.cells.clone().map(|index| self.codec.code().data_cell(index)).collect();
        loop {
            let (plan, arrivals) = self.gather(piece, &wanted).await?;
            let assembled = if plan.recovery().is_some() {
                block_in_place(|| assemble(&self.geometry, piece, &plan, &arrivals))
            } else {
                assemble(&self.geometry, piece, &plan, &arrivals)
            };
            match assembled {
                Ok(bytes) => return Ok(bytes),
                Err(damage) => tracing::error!(%damage, title = self.manifest.title, "decoding went wrong: once more"),
            }
        }
    }

    /// Fetches cells of one stripe that are lost: all of each, in the order of `wanted`.
    ///
    /// # Errors
    /// [`ReadError::TooFewColumns`].
    ///
    /// Cancel safety: dropping it gives the cells up.
    pub(super) async fn fetch_lost(&self, piece: &Piece, wanted: &[Cell]) -> Result<Vec<Bytes>, ReadError> {
        loop {
            let (plan, arrivals) = self.gather(piece, wanted).await.map_err(|TooFewColumns { found, expected }| {
                ReadError::TooFewColumns { version: self.manifest.version, found, expected }
            })?;
            let stripe = self.geometry.stripe(piece.stripes.start);
            match block_in_place(|| recover(&stripe, piece, &plan, &arrivals)) {
                Ok(cells) => return Ok(wanted.iter().filter_map(|cell| cells.get(cell).cloned()).collect()),
                Err(damage) => tracing::error!(%damage, title = self.manifest.title, "decoding went wrong: once more"),
            }
        }
    }

    /// Fetches what the cells `wanted` need, replacing columns that do not come by others.
    async fn gather(&self, piece: &Piece, wanted: &[Cell]) -> Result<(Plan, BTreeMap<u16, Arrival>), TooFewColumns> {
        let mut plan = self.first_plan(wanted)?;
        let mut arrivals: BTreeMap<u16, Arrival> = BTreeMap::new();
        let mut failed = self.lost();
        let mut requests = FuturesUnordered::new();
        loop {
            while let Some((column, rows)) = plan.poll_request() {
                let read = ColumnRead { stripes: piece.stripes.clone(), rows, blocks: piece.blocks.clone() };
                requests.push(async move { (column, self.fetch_column(column, read).await) });
            }
            if plan.is_ready() {
                drop(requests);
                return Ok((plan, arrivals));
            }
            let Some((column, arrived)) = requests.next().await else {
                return Err(TooFewColumns { found: 0, expected: self.codec.code().data_columns() });
            };
            match arrived {
                Ok(arrival) => {
                    plan.handle_arrival(column, arrival.rows());
                    arrivals.insert(column, arrival);
                }
                Err(failure) => {
                    self.note_failure(column, failure);
                    failed = failed.with(column.into());
                    arrivals.remove(&column);
                    if plan.handle_loss(column).is_err() {
                        // Those that were only suspected are tried after all.
                        plan = Plan::new(&self.codec, wanted, failed)?;
                        for (column, arrival) in &arrivals {
                            plan.handle_arrival(*column, arrival.rows());
                        }
                    }
                }
            }
        }
    }

    /// Plans without the nodes that failed a moment ago, as long as there are enough others.
    fn first_plan(&self, wanted: &[Cell]) -> Result<Plan, TooFewColumns> {
        let lost = self.lost();
        let placement = self.node.placement(&self.manifest.title);
        let mut avoided = lost;
        for (column, node) in placement.nodes().iter().enumerate() {
            if *node != self.node.config.id && self.node.liveness.is_suspected(*node) {
                avoided = avoided.with(column);
            }
        }
        Plan::new(&self.codec, wanted, avoided).or_else(|_| Plan::new(&self.codec, wanted, lost))
    }

    async fn fetch_column(&self, column: u16, read: ColumnRead) -> Result<Arrival, Failure> {
        let node = self.node.placement(&self.manifest.title).nodes()[usize::from(column)];
        let (title, version) = (&self.manifest.title, self.manifest.version);
        let bytes = if node == self.node.config.id {
            let own = self.node.read_own_column(title.clone(), version, column, read.clone());
            Rope::from(own.await.map_err(Failure::Local)?)
        } else {
            let path = format!("/peer/v1/columns/{}/{version}/{column}?{}", title::to_segment(title), read.to_query());
            let response = self.node.peers.request(node, Method::GET, &path, Bytes::new(), PROGRESS).await;
            let mut body = response.map_err(Failure::Peer)?.into_body();
            let mut rope = Rope::default();
            while let Some(frame) = timeout(PROGRESS, body.frame()).await.map_err(|_| Failure::Silent)? {
                let frame = frame.map_err(|error| Failure::Broken(error.to_string()))?;
                if let Ok(data) = frame.into_data() {
                    rope.push(data);
                }
                if rope.len() > COLUMN_READ_BYTES_MAX {
                    return Err(Failure::Broken("the answer does not end".to_owned()));
                }
            }
            rope
        };
        let seal = Seal::new(title, title_version(version), column);
        Arrival::verified(read, bytes, seal, &self.geometry).map_err(Failure::Damaged)
    }

    fn note_failure(&self, column: u16, failure: Failure) {
        let node = self.node.placement(&self.manifest.title).nodes()[usize::from(column)];
        let (title, version) = (self.manifest.title.clone(), self.manifest.version);
        let name = self.node.name_of(node);
        metrics::counter!("rain_column_failures_total", "node" => name.to_owned()).increment(1);
        match failure {
            Failure::Peer(PeerError::Refused { message, .. }) => {
                tracing::warn!(title, column, node = name, message, "a column was refused");
                self.lose(column);
            }
            Failure::Local(error) => {
                tracing::warn!(title, column, %error, "the own column cannot be read");
                self.lose(column);
            }
            Failure::Damaged(damage) => {
                tracing::warn!(title, column, node = name, %damage, "a damaged column");
                self.lose(column);
                self.node.report_damage(node, title, version, &damage.to_string());
            }
            Failure::Peer(error) => {
                tracing::info!(title, column, %error, "a column did not come");
                self.node.liveness.suspect(node);
            }
            Failure::Silent => {
                tracing::info!(title, column, node = name, "a column stopped coming");
                self.node.liveness.suspect(node);
            }
            Failure::Broken(error) => {
                tracing::info!(title, column, node = name, error, "a column broke off");
                self.node.liveness.suspect(node);
            }
        }
    }
}
