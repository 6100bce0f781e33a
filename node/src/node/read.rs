//! Reading a title: which version, and its bytes from whatever columns can be had.

use super::ahead::{PIECE_BYTES, ReadAhead};
use super::fetching::Fetching;
use super::{Node, ReadLog};
use bytes::Bytes;
use core::ops::Range;
use core::time::Duration;
use rain_cluster::manifest::content_kind_name;
use rain_cluster::{ColumnStatus, Columns, Content, Manifest, NodeId, Placement, Record};
use rain_codec::column::{Geometry, HEADER_BYTES, StripeShape};
use rain_codec::{Cell, ErasurePattern, StripeCodec};
use rain_desk::{Event, FoundVersion, Resolution, Task};
use rain_fetch::{Failure, Piece, Pieces, TooFewColumns, assemble, pieces, recover};
use rain_titles::ReadError;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::task::block_in_place;
use tokio::time::{sleep, timeout};

/// Before the first byte, an error is still told as such, and soon: so long after it was asked, or six round trips.
const FIRST: Duration = Duration::from_millis(1500);
/// A piece waits so long for news of where its columns are by now.
const LOOK: Duration = Duration::from_millis(250);
/// A stream that falls under k columns waits so long for a return.
pub(super) const RETURN: Duration = Duration::from_secs(10);

/// A version of a title, ready to be delivered.
#[derive(Debug)]
pub(super) struct Delivery {
    node: Arc<Node>,
    /// The version.
    pub(super) manifest: Arc<Manifest>,
    /// Whether it is the newest, and no later reader can get an older one.
    pub(super) fresh: bool,
    content: Columns,
    /// Where the PUT laid its columns.
    record: Record,
    /// Who holds which column, as far as is known.
    nodes: Mutex<Vec<NodeId>>,
    /// Somebody has said that he does not hold a column: another one may.
    moved: AtomicBool,
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
    pub(super) async fn open_title(self: &Arc<Self>, title: &str) -> Result<Delivery, ReadError> {
        let found = self.find(title).await?;
        let placement = self.where_held(&found.record, &found.columns);
        // A node that did not answer may yet have its column: that is tried, if others are not enough.
        let lost = lost(&placement, &found.columns, true);
        let record = Record { manifest: found.record.manifest.clone(), placement: Arc::new(placement) };
        Delivery::of(self, &record, found.is_fresh(), lost)
    }

    /// Where the columns of a version are by now, as those say who answered.
    pub(super) fn where_held(&self, record: &Record, told: &BTreeMap<NodeId, ColumnStatus>) -> Placement {
        rain_desk::where_held(record, &self.store.members(), told)
    }

    /// How each member holds a column of a version; of those who answer.
    pub(super) async fn column_claims(self: &Arc<Self>, record: &Record) -> BTreeMap<NodeId, ColumnStatus> {
        let (title, version) = (record.title(), record.version());
        let members = self.store.members();
        let ask = members
            .nodes()
            .iter()
            .copied()
            .map(|node| async move { (node, self.column_status(node, title, version).await) });
        let told = futures_util::future::join_all(ask).await;
        told.into_iter().filter_map(|(node, status)| Some((node, status?))).collect()
    }

    /// How long a reader waits before it is told that too little can be reached.
    pub(super) fn first_patience(&self) -> Duration {
        let farthest = self.others().into_iter().map(|node| self.peers.paths.round_trip(node)).max();
        FIRST.max(6 * farthest.unwrap_or_default())
    }

    /// Finds out which version of a title a reader gets. Where too few answer it waits for paths to come up, and for news of who
    /// the members are.
    ///
    /// Cancel safety: dropping it leaves the question to be finished; marks may spread.
    pub(super) async fn find(self: &Arc<Self>, title: &str) -> Result<FoundVersion, ReadError> {
        let (mut table, mut known) = (self.peers.paths.watch(), self.configuration());
        let too_late = sleep(self.first_patience());
        tokio::pin!(too_late);
        loop {
            let ups = table.borrow_and_update().ups();
            known.mark_unchanged();
            let mut task = self.begin_task(title, Task::Read { title: title.to_owned() });
            let too_few = match task.next().await {
                Some(Event::Resolved(Resolution::Found(found))) => return Ok(found),
                Some(Event::Resolved(Resolution::Absent { settled, .. })) => {
                    return Err(ReadError::Absent { fresh: settled });
                }
                Some(Event::Resolved(Resolution::TooFew { found, expected })) => {
                    ReadError::TooFewNodes { found, expected }
                }
                _ => return Err(ReadError::Ending),
            };
            // While networks find their new ways, all paths of a node may be down for a moment.
            tokio::select! {
                _ = table.wait_for(|table| table.ups() > ups) => {}
                // Who was asked may not be who keeps the title by now.
                Ok(()) = known.changed() => {}
                () = &mut too_late => return Err(too_few),
            }
        }
    }
}

impl Delivery {
    /// Prepares to deliver a version of which the columns `lost` are not to be had. `fresh` as in [`FoundVersion::is_fresh`].
    ///
    /// # Errors
    /// [`ReadError::Absent`] of a tombstone, [`ReadError::Kind`], [`ReadError::Code`].
    pub(super) fn of(node: &Arc<Node>, record: &Record, fresh: bool, lost: ErasurePattern) -> Result<Self, ReadError> {
        let content = content_of(record, fresh)?.clone();
        let codec = node.codec(&content.code).map_err(|error| ReadError::Code(error.to_string()))?;
        let geometry = Geometry::new(codec.code(), content.cell_bytes, content.block_bytes, content.bytes)
            .with_group_bytes(content.group_bytes);
        Ok(Self {
            node: Arc::clone(node),
            manifest: Arc::clone(&record.manifest),
            fresh,
            content,
            record: record.clone(),
            nodes: Mutex::new(record.placement.nodes().collect()),
            moved: AtomicBool::new(false),
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
    pub(super) fn reads(&self) -> &Arc<ReadLog> {
        &self.node.reads
    }

    /// What all streams of the node are read ahead.
    pub(super) fn read_ahead(&self) -> &Arc<ReadAhead> {
        &self.node.read_ahead
    }

    /// What the version holds.
    pub(super) fn content(&self) -> &Columns {
        &self.content
    }

    /// Checks that enough columns of the version are there, without reading any.
    ///
    /// # Errors
    /// [`ReadError::TooFewColumns`].
    pub(super) fn check_columns(&self) -> Result<(), ReadError> {
        let (found, expected) = (self.codec.code().columns() - self.lost().len(), self.codec.code().data_columns());
        if found >= expected || self.content.bytes == 0 {
            return Ok(());
        }
        Err(ReadError::TooFewColumns { version: self.manifest.version.to_string(), found, expected })
    }

    /// The pieces of a range, in order.
    ///
    /// # Panics
    /// When the range ends behind the title.
    pub(super) fn pieces(&self, range: Range<u64>) -> Pieces {
        pieces(&self.geometry, range, PIECE_BYTES)
    }

    /// Fetches a piece: verified bytes of the title, in order. Waits `patience` for columns to return when too few are
    /// left.
    ///
    /// # Errors
    /// [`ReadError::TooFewColumns`].
    ///
    /// Cancel safety: dropping it gives the piece up.
    pub(super) async fn fetch(&self, piece: &Piece, patience: Duration) -> Result<Vec<Bytes>, ReadError> {
        if self.moved.swap(false, Ordering::Relaxed) {
            // What is not heard by then is not waited for.
            let _ = timeout(LOOK, self.look_again()).await;
        }
        let wanted: Vec<Cell> = piece.cells.clone().map(|index| self.codec.code().data_cell(index)).collect();
        let mut fetching = Fetching::new(self, piece, wanted, patience);
        loop {
            let plan = fetching.plan().await.map_err(|too_few| self.too_few(too_few))?;
            let assembled = if plan.recovery().is_some() {
                block_in_place(|| assemble(&self.geometry, piece, &plan, fetching.arrivals()))
            } else {
                assemble(&self.geometry, piece, &plan, fetching.arrivals())
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
            fetching.begin_anew();
        }
    }

    /// Fetches cells of one stripe that are lost: all of each, in the order of `wanted`.
    ///
    /// # Errors
    /// [`ReadError::TooFewColumns`].
    ///
    /// Cancel safety: dropping it gives the cells up.
    pub(super) async fn fetch_lost(&self, piece: &Piece, wanted: &[Cell]) -> Result<Vec<Bytes>, ReadError> {
        let mut fetching = Fetching::new(self, piece, wanted.to_vec(), Duration::ZERO);
        loop {
            let plan = fetching.plan().await.map_err(|too_few| self.too_few(too_few))?;
            let stripe = self.geometry.stripe(piece.stripes.start);
            match block_in_place(|| recover(&stripe, piece, &plan, fetching.arrivals())) {
                Ok(cells) => return Ok(wanted.iter().filter_map(|cell| cells.get(cell).cloned()).collect()),
                Err(damage) => tracing::error!(%damage, title = self.manifest.title, "decoding went wrong: once more"),
            }
            fetching.begin_anew();
        }
    }

    fn too_few(&self, TooFewColumns { found, expected }: TooFewColumns) -> ReadError {
        ReadError::TooFewColumns { version: self.manifest.version.to_string(), found, expected }
    }

    /// The node that delivers.
    pub(super) fn node(&self) -> &Arc<Node> {
        &self.node
    }

    pub(super) fn codec(&self) -> Arc<StripeCodec> {
        Arc::clone(&self.codec)
    }

    pub(super) fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// Who holds which column.
    pub(super) fn nodes(&self) -> Vec<NodeId> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Columns that are not to be had.
    pub(super) fn lost(&self) -> ErasurePattern {
        *self.lost.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lose(&self, column: u16) {
        let mut lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        *lost = lost.with(column.into());
    }

    /// Asks anew who holds which columns of this version.
    pub(super) async fn look_again(&self) -> ErasurePattern {
        let told = self.node.column_claims(&self.record).await;
        let placement = self.node.where_held(&self.record, &told);
        let lost = lost(&placement, &told, false);
        *self.nodes.lock().unwrap_or_else(PoisonError::into_inner) = placement.nodes().collect();
        *self.lost.lock().unwrap_or_else(PoisonError::into_inner) = lost;
        lost
    }

    /// Notes that a column failed; `told` is what was heard of it.
    pub(super) fn note_failure(&self, column: u16, failure: Failure, told: &str) {
        let node = self.nodes()[usize::from(column)];
        let (title, version) = (self.manifest.title.clone(), self.manifest.version);
        let name = self.node.name_of(node);
        metrics::counter!("rain_column_failures_total", "node" => name.clone()).increment(1);
        if failure.is_loss() {
            self.lose(column);
        }
        match failure {
            Failure::Refused if node == self.node.config.id => {
                tracing::warn!(title, column, error = told, "the own column cannot be read");
            }
            Failure::Refused => {
                self.moved.store(true, Ordering::Relaxed);
                tracing::info!(title, column, node = name, error = told, "a column was refused");
            }
            Failure::Damaged => {
                tracing::warn!(title, column, node = name, damage = told, "a damaged column");
                self.node.report_damage(node, title, version, told);
            }
            Failure::NoPath => tracing::info!(title, column, node = name, error = told, "a column did not come"),
            Failure::Silent => tracing::info!(title, column, node = name, "a column stopped coming"),
            Failure::Length { found, expected } => {
                tracing::info!(title, column, node = name, found, expected, "a column of another length");
            }
        }
    }
}

/// The columns that are not to be had where they are: of which those who are to hold them say that they do not, and where
/// `hopes` is false also those of which nobody has said anything.
fn lost(placement: &Placement, told: &BTreeMap<NodeId, ColumnStatus>, hopes: bool) -> ErasurePattern {
    let seats = (0..).zip(placement.nodes());
    let is_lost = |(column, node): (u16, NodeId)| match told.get(&node) {
        Some(status) => (status.sound() != Some(column)).then_some(column),
        None => (!hopes).then_some(column),
    };
    seats.filter_map(is_lost).fold(ErasurePattern::none(), |lost, column| lost.with(column.into()))
}

/// The columns of a version. `fresh` as in [`FoundVersion::is_fresh`].
///
/// # Errors
/// [`ReadError::Absent`] of a tombstone, [`ReadError::Kind`].
pub(super) fn content_of(record: &Record, fresh: bool) -> Result<&Columns, ReadError> {
    match &record.manifest.content {
        Content::Columns(columns) => Ok(columns),
        Content::None => Err(ReadError::Absent { fresh }),
        Content::Unknown { kind, .. } => {
            Err(ReadError::Kind { version: record.version().to_string(), kind: content_kind_name(*kind) })
        }
    }
}
