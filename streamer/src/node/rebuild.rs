//! Getting well: a node that was away, or whose column is damaged, learns what it missed and rebuilds its column from
//! any k others.

use super::Node;
use super::ReadError;
use super::read::{Delivery, RETURN};
use crate::store::title_version;
use core::time::Duration;
use futures_util::future::join_all;
use rain_cluster::{ColumnStatus, Manifest, NodeId, Placement, Reply, Request};
use rain_codec::column::{ColumnBuilder, Seal, StripeShape, default_group_bytes};
use rain_codec::{Cell, ErasurePattern};
use rain_fetch::Piece;
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

/// How often the node looks for columns that it lacks.
const LOOK: Duration = Duration::from_secs(2);
/// How often it asks all others what is committed; besides, whenever one of them comes back.
const ASK: Duration = Duration::from_secs(10);
/// When too few columns can be had, they are asked for again after so long.
const RETRY: Duration = Duration::from_millis(200);
/// A column is rebuilt at this rate at most, so that viewers keep the disks and networks.
const BYTES_PER_SECOND: u64 = 128 << 20;

/// Why a column was not rebuilt; it is tried again.
#[derive(Debug, thiserror::Error)]
enum RebuildError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Upload(#[from] crate::store::UploadError),
    #[error("the store refused the column")]
    Refused,
    #[error(transparent)]
    Disk(#[from] std::io::Error),
}

impl Node {
    /// Looks after the node's own columns until the task is aborted.
    ///
    /// Cancel safety: a column under way is begun anew at the next start.
    pub(super) async fn get_well(self: Arc<Self>) {
        let mut tick = interval(LOOK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut asked: Option<Instant> = None;
        let mut present = BTreeSet::new();
        loop {
            tick.tick().await;
            let others = self.others();
            let up: BTreeSet<NodeId> =
                others.into_iter().filter(|peer| self.peers.paths.is_up(*peer) == Some(true)).collect();
            if !up.is_subset(&present) || asked.is_none_or(|asked| asked.elapsed() >= ASK) {
                self.catch_up().await;
                asked = Some(Instant::now());
            }
            present = up;
            for manifest in self.store.lacking() {
                let placement = self.placement(&manifest.title);
                let Some(column) = placement.column_of(self.config.id) else { continue };
                let rebuilt = self.rebuild(&manifest, &placement, column).await;
                self.reads.end_rebuild(&manifest.title, u16::try_from(column).unwrap_or(u16::MAX));
                match rebuilt {
                    Ok(()) => {
                        metrics::counter!("rain_columns_rebuilt_total").increment(1);
                        tracing::info!(title = manifest.title, column, "a column was rebuilt");
                    }
                    Err(error) => {
                        tracing::info!(title = manifest.title, column, %error, "a column cannot be rebuilt yet");
                    }
                }
            }
        }
    }

    /// Learns from the others which versions were committed while this node was away.
    async fn catch_up(self: &Arc<Self>) {
        for peer in self.others() {
            let Some(Reply::Committed { blank: false, manifests, .. }) = self.ask(peer, Request::Committed).await
            else {
                continue;
            };
            for manifest in manifests {
                let placed = self.placement(&manifest.title).column_of(self.config.id).is_some();
                if placed && !self.store.knows(&manifest) {
                    self.mark_here(manifest, true).await;
                }
            }
        }
    }

    /// Rebuilds the node's column of a version from others.
    async fn rebuild(
        self: &Arc<Self>,
        manifest: &Manifest,
        placement: &Placement,
        column: usize,
    ) -> Result<(), RebuildError> {
        let (title, version) = (&manifest.title, manifest.version);
        let delivery = self.deliver(manifest, placement, column).await?;
        let mut source = self.deliver(manifest, placement, column).await?;
        let index = u16::try_from(column).unwrap_or(u16::MAX);
        let seal = Seal::new(title, title_version(version), index);
        let content = manifest.content.as_ref().ok_or(RebuildError::Refused)?;
        let mut builder = ColumnBuilder::new(seal, default_group_bytes(content.cell_bytes));
        let started = Instant::now();
        let name = title.clone();
        self.blocking(move |node| node.store.begin_rebuild(node.now(), &name, version, index)).await?;
        let total = delivery.stripes().map(|stripe| stripe.record_bytes()).sum();
        let mut offset = 0;
        for stripe in delivery.stripes() {
            let cells: Vec<Cell> = (0..stripe.rows).map(|row| Cell { column: index, row }).collect();
            let until = Instant::now() + RETURN;
            let bytes = loop {
                match source.fetch_lost(&whole(&stripe), &cells).await {
                    Ok(bytes) => break bytes,
                    // What is there already is not thrown away for a moment without enough columns.
                    Err(ReadError::TooFewColumns { .. }) if Instant::now() < until => {
                        sleep(RETRY).await;
                        source = self.deliver(manifest, placement, column).await?;
                    }
                    Err(error) => {
                        self.store.drop_upload(title, version);
                        return Err(error.into());
                    }
                }
            };
            let (record, name) = (builder.record(&stripe, bytes.iter().map(|part| &part[..])), title.clone());
            let length = record.len() as u64;
            self.blocking(move |node| node.store.append(node.now(), &name, version, offset, &record)).await?;
            offset += length;
            self.reads.note_rebuild(title, index, offset, total);
            // As late as the rate would have it.
            let due = Duration::from_millis(offset.saturating_mul(1000) / BYTES_PER_SECOND);
            sleep(due.saturating_sub(started.elapsed())).await;
        }
        let (tree, name) = (builder.finish().to_bytes(), title.clone());
        self.blocking(move |node| node.store.append(node.now(), &name, version, offset, &tree)).await?;
        let prepare = Request::Prepare { manifest: manifest.clone(), base: rain_cluster::message::Base::Any };
        if self.answer(prepare).await? == Reply::Prepared { Ok(()) } else { Err(RebuildError::Refused) }
    }

    /// What the others hold of a version of which this node lacks its column.
    async fn deliver(
        self: &Arc<Self>,
        manifest: &Manifest,
        placement: &Placement,
        own: usize,
    ) -> Result<Delivery, ReadError> {
        let ask = placement.nodes().iter().map(|node| self.column_status(*node, &manifest.title, manifest.version));
        let mut lost = ErasurePattern::of(&[own]);
        for (column, status) in join_all(ask).await.into_iter().enumerate() {
            if !matches!(status, Some(ColumnStatus::Ok { .. })) {
                lost = lost.with(column);
            }
        }
        Delivery::of(self, manifest.clone(), true, lost)
    }
}

/// The piece that is a whole stripe.
fn whole(stripe: &StripeShape) -> Piece {
    Piece {
        stripes: stripe.index..stripe.index + 1,
        cells: 0..stripe.data_cells as usize,
        blocks: 0..stripe.blocks_per_cell(),
        bytes: stripe.title_offset..stripe.title_offset + stripe.data_bytes,
    }
}
