//! Reading a title: which version, and its bytes from whatever columns can be had.

use super::column_fetch::{ColumnAsk, Failure, PROGRESS, Progress};
use super::{Node, ReadLog};
use crate::peer::PeerError;
use crate::store::title_version;
use crate::title;
use bytes::Bytes;
use core::ops::Range;
use core::pin::pin;
use core::time::Duration;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use rain_cluster::manifest::content_kind_name;
use rain_cluster::{ColumnStatus, Columns, Content, Manifest, NodeId, Record, Version};
use rain_codec::column::{CHECKSUM_BYTES, Geometry, HEADER_BYTES, Seal, StripeShape};
use rain_codec::{Cell, CodeError, ErasurePattern, StripeCodec};
use rain_desk::{Event, Found, Resolution, Task};
use rain_fetch::{Arrival, Arrivals, ColumnRead, Gather, Piece, Plan, Rope, TooFewColumns, assemble, pieces, recover};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::task::block_in_place;
use tokio::time::{Instant, sleep, timeout, timeout_at};

/// A piece is about so long: a request for its part of one column is at least 256 KiB then.
const PIECE_BYTES: u64 = 2 << 20;
/// How far a stream reads ahead of its viewer.
pub const READ_AHEAD_BYTES: u64 = 8 << 20;
/// A stream that falls under k columns waits so long for a return.
pub const RETURN: Duration = Duration::from_secs(10);
/// How often columns are looked at that may be late.
const LATE_LOOK: Duration = Duration::from_millis(10);
const RETRY: Duration = Duration::from_millis(200);

/// Why a title cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// There is no such title.
    #[error("there is no such title")]
    Absent {
        /// Whether no later reader can see the title as it was before.
        fresh: bool,
    },
    /// Too few catalog nodes answered to say which version is the newest.
    #[error("{found} catalog nodes answered, expected {expected}")]
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
    /// The title was stored by a later release, in a way that this one does not know.
    #[error("version {version}: a content of the kind `{kind}`, expected `columns`, the one that this release reads")]
    Kind {
        /// The version.
        version: Version,
        /// The kind of its content.
        kind: String,
    },
    /// The node ends.
    #[error("the node is about to end")]
    Ending,
}

/// A version of a title, ready to be delivered.
#[derive(Debug)]
pub struct Delivery {
    node: Arc<Node>,
    /// The version.
    pub manifest: Arc<Manifest>,
    /// Whether it is the newest, and no later reader can get an older one.
    pub fresh: bool,
    content: Columns,
    /// Who holds which column.
    nodes: Vec<NodeId>,
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
        let found = self.find(title).await?;
        let mut lost = ErasurePattern::none();
        for (column, node) in found.record.placement.nodes().enumerate() {
            // A node that did not answer may yet have its column: that is tried, if others are not enough.
            if !matches!(found.columns.get(&node), None | Some(ColumnStatus::Ok { .. })) {
                lost = lost.with(column);
            }
        }
        Delivery::of(self, &found.record, found.is_fresh(), lost)
    }

    /// Finds out which version of a title a reader gets.
    ///
    /// Cancel safety: dropping it leaves the question to be finished; marks may spread.
    pub(super) async fn find(self: &Arc<Self>, title: &str) -> Result<Found, ReadError> {
        let mut task = self.begin_task(title, Task::Read { title: title.to_owned() });
        match task.next().await {
            Some(Event::Resolved(Resolution::Found(found))) => Ok(found),
            Some(Event::Resolved(Resolution::Absent { settled, .. })) => Err(ReadError::Absent { fresh: settled }),
            Some(Event::Resolved(Resolution::TooFew { found, expected })) => {
                Err(ReadError::TooFewNodes { found, expected })
            }
            _ => Err(ReadError::Ending),
        }
    }
}

/// A request for rows of a column.
struct Asked {
    column: u16,
    rows: Range<u16>,
    progress: Arc<Progress>,
    /// It was not answered yet.
    waiting: bool,
    /// It was late, and is being done without.
    hedged: bool,
}

/// What a piece may waste on doing without late columns; what it did not waste goes back to the budget with it.
struct Hedge<'a> {
    node: &'a Node,
    charged: u64,
}

impl Hedge<'_> {
    /// Does without a late column, if enough others are left and the budget allows; whether it does.
    fn without(&mut self, gather: &mut Gather, delivery: &Delivery, piece: &Piece, column: u16) -> bool {
        let Some(alternative) = gather.without_late(column) else { return false };
        let stripe = delivery.geometry.stripe(piece.stripes.start);
        let blocks = stripe.block_range(piece.blocks.start).start..stripe.block_range(piece.blocks.end - 1).end;
        let cells = alternative.rows as u64 * (piece.stripes.end - piece.stripes.start);
        let bytes = cells * (blocks.len() + piece.blocks.len() * CHECKSUM_BYTES) as u64;
        let allowed = self.node.hedges(|budget| budget.take(bytes));
        if allowed {
            self.charged += bytes;
            self.node.reads.note_hedge_sent();
            self.node.liveness.suspect(delivery.node_of(column));
            gather.adopt(alternative);
        }
        allowed
    }
}

impl Drop for Hedge<'_> {
    fn drop(&mut self) {
        // What was wasted is taken when it is known.
        self.node.hedges(|budget| budget.give_back(self.charged));
    }
}

impl Delivery {
    /// Prepares to deliver a version of which the columns `lost` are not to be had. `fresh` as in [`Found::is_fresh`].
    ///
    /// # Errors
    /// [`ReadError::Absent`] of a tombstone, [`ReadError::Kind`], [`ReadError::Code`].
    pub(super) fn of(
        node: &Arc<Node>,
        record: &Record,
        fresh: bool,
        lost: ErasurePattern,
    ) -> Result<Self, ReadError> {
        let content = content_of(record, fresh)?.clone();
        let codec = node.codec(&content.code)?;
        let geometry = Geometry::new(codec.code(), content.cell_bytes, content.block_bytes, content.bytes);
        Ok(Self {
            node: Arc::clone(node),
            manifest: Arc::clone(&record.manifest),
            fresh,
            content,
            nodes: record.placement.nodes().collect(),
            codec,
            geometry,
            lost: Mutex::new(lost),
        })
    }

    /// A stripe of the version.
    pub(super) fn stripe(&self, index: u64) -> StripeShape {
        self.geometry.stripe(index)
    }

    /// Bytes of the records of each of its columns.
    pub(super) fn record_bytes(&self) -> u64 {
        self.geometry.tree_offset() - HEADER_BYTES as u64
    }

    /// Where it is counted what the node's viewers read.
    pub fn reads(&self) -> &Arc<ReadLog> {
        &self.node.reads
    }

    /// What the version holds.
    pub fn content(&self) -> &Columns {
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
                    // One that does not answer in time is as good as lost.
                    let _ = timeout_at(until, self.look_again()).await;
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
        let mut lost = ErasurePattern::none();
        let Manifest { title, version, .. } = &*self.manifest;
        let ask = self.nodes.iter().map(|node| self.node.column_status(*node, title, *version));
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
                Ok(bytes) => {
                    if let Some(schedule) = plan.recovery() {
                        let missing: BTreeSet<u16> = schedule.targets().iter().map(|cell| cell.column).collect();
                        self.node.reads.note_decoded(missing.len(), piece.stripes.end - piece.stripes.start);
                    }
                    return Ok(bytes);
                }
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

    /// Fetches what the cells `wanted` need, replacing columns that do not come, or not soon, by others.
    async fn gather(&self, piece: &Piece, wanted: &[Cell]) -> Result<(Plan, Arrivals), TooFewColumns> {
        let mut gather = self.first_gather(wanted)?;
        let mut arrivals = Arrivals::default();
        let mut failed = self.lost();
        let mut asked: Vec<Asked> = Vec::new();
        let mut hedge = Hedge { node: &self.node, charged: 0 };
        let mut requests = FuturesUnordered::new();
        // What is asked for first waits for its turn; what stands in for that later goes before others.
        let mut urgent = false;
        // Set anew only when it rings.
        let mut alarm = pin!(sleep(LATE_LOOK));
        loop {
            while let Some((column, rows)) = gather.poll_request() {
                let read =
                    ColumnRead { stripes: piece.stripes.clone(), rows: rows.clone(), blocks: piece.blocks.clone() };
                let progress = Arc::new(Progress::new());
                asked.push(Asked { column, rows, progress: Arc::clone(&progress), waiting: true, hedged: false });
                let index = asked.len() - 1;
                requests.push(async move { (index, self.fetch_column(column, read, urgent, &progress).await) });
            }
            urgent = true;
            if let Some(plan) = gather.ready() {
                drop(requests);
                self.settle(plan, &asked);
                return Ok((plan.clone(), arrivals));
            }
            tokio::select! {
                next = requests.next() => {
                    let Some((index, arrived)) = next else {
                        return Err(TooFewColumns { found: 0, expected: self.codec.code().data_columns() });
                    };
                    asked[index].waiting = false;
                    let column = asked[index].column;
                    match arrived {
                        Ok(arrival) => {
                            gather.handle_arrival(column, arrival.rows());
                            arrivals.push(column, arrival);
                        }
                        Err(failure) => {
                            self.note_failure(column, failure);
                            failed = failed.with(column.into());
                            arrivals.remove(column);
                            // What was to make up for late columns may have gone with it.
                            for asked in &mut asked {
                                asked.hedged = false;
                            }
                            if gather.handle_loss(column).is_err() {
                                // Those that were only doubtful are tried after all.
                                gather = Gather::new(&self.codec, wanted, failed)?;
                                arrivals.iter().for_each(|(column, arrival)| gather.handle_arrival(column, arrival.rows()));
                                let waiting = asked.iter().filter(|asked| asked.waiting && asked.column != column);
                                waiting.for_each(|asked| gather.handle_request(asked.column, asked.rows.clone()));
                            }
                        }
                    }
                }
                () = &mut alarm => {
                    for asked in asked.iter_mut().filter(|asked| asked.waiting && !asked.hedged) {
                        let late = asked.progress.last().elapsed() >= self.patience(asked.column);
                        asked.hedged = late && hedge.without(&mut gather, self, piece, asked.column);
                    }
                    alarm.as_mut().reset(Instant::now() + LATE_LOOK);
                }
            }
        }
    }

    /// A column that made no progress for so long is late.
    fn patience(&self, column: u16) -> Duration {
        // First another path to its node is tried.
        self.node.pace(self.node_of(column), |pace| pace.late_after()) * 2
    }

    fn node_of(&self, column: u16) -> NodeId {
        self.nodes[usize::from(column)]
    }

    /// Closes the books on a piece: what was of use, and what was not.
    fn settle(&self, plan: &Plan, asked: &[Asked]) {
        let (mut useful, mut extra) = (0, 0);
        for asked in asked {
            let came = asked.progress.came_once();
            *if plan.uses(asked.column, asked.rows.clone()) { &mut useful } else { &mut extra } += came;
        }
        let amiss = self.node.peers.paths.any_down() || self.node.liveness.any_suspected();
        self.node.hedges(|budget| budget.earn(useful, amiss));
        if extra > 0 {
            self.node.note_extra(extra);
        }
        if asked.iter().any(|asked| asked.hedged && asked.waiting) {
            self.node.reads.note_hedge_won();
        }
    }

    /// Plans without the nodes that are doubtful, as long as there are enough others.
    fn first_gather(&self, wanted: &[Cell]) -> Result<Gather, TooFewColumns> {
        let lost = self.lost();
        let mut avoided = lost;
        for (column, node) in self.nodes.iter().enumerate() {
            if *node != self.node.config.id && self.node.is_doubtful(*node) {
                avoided = avoided.with(column);
            }
        }
        Gather::new(&self.codec, wanted, avoided).or_else(|_| Gather::new(&self.codec, wanted, lost))
    }

    async fn fetch_column(
        &self,
        column: u16,
        read: ColumnRead,
        urgent: bool,
        progress: &Progress,
    ) -> Result<Arrival, Failure> {
        let node = self.node_of(column);
        let (title, version) = (&self.manifest.title, self.manifest.version);
        let bytes = if node == self.node.config.id {
            let own = self.node.read_own_column(title.clone(), version, column, read.clone());
            let own = timeout(PROGRESS, own).await.map_err(|_| Failure::Silent)?;
            let own = Rope::from(own.map_err(Failure::Local)?);
            self.node.reads.note_arrival(node, None, own.len() as u64);
            own
        } else {
            let segment = title::to_segment(title);
            let stripe = self.geometry.stripe(read.stripes.start);
            let stripes = usize::try_from(read.stripes.end - read.stripes.start).unwrap_or(usize::MAX);
            let ask = ColumnAsk {
                node,
                path_and_query: format!("/peer/v1/columns/{segment}/{version}/{column}?{}", read.to_query()),
                expected: read.stripe_bytes(&stripe).saturating_mul(stripes),
                urgent,
                progress,
            };
            self.node.fetch_remote(&ask).await?
        };
        let seal = Seal::new(title, title_version(version), column);
        Arrival::verified(read, bytes, seal, &self.geometry).map_err(Failure::Damaged)
    }

    fn note_failure(&self, column: u16, failure: Failure) {
        let node = self.node_of(column);
        let (title, version) = (self.manifest.title.clone(), self.manifest.version);
        let name = self.node.name_of(node);
        metrics::counter!("rain_column_failures_total", "node" => name.clone()).increment(1);
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
            Failure::Length { found, expected } => {
                tracing::info!(title, column, node = name, found, expected, "a column of another length");
                self.node.liveness.suspect(node);
            }
        }
    }
}

/// The columns of a version. `fresh` as in [`Found::is_fresh`].
///
/// # Errors
/// [`ReadError::Absent`] of a tombstone, [`ReadError::Kind`].
pub(super) fn content_of(record: &Record, fresh: bool) -> Result<&Columns, ReadError> {
    match &record.manifest.content {
        Content::Columns(columns) => Ok(columns),
        Content::None => Err(ReadError::Absent { fresh }),
        Content::Unknown { kind, .. } => {
            Err(ReadError::Kind { version: record.version(), kind: content_kind_name(*kind) })
        }
    }
}
