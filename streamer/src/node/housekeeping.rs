//! What a node looks after by itself besides its own columns ([`rebuild`](super::rebuild)): decisions whose marks are not out, pending versions whose marks did not come,
//! versions and tombstones that may go, and what a blank store must learn.

use super::Node;
use super::drive::Drive;
use crate::store::{Decision, Overdue};
use core::time::Duration;
use rain_cluster::catalog::{Learnt, Sync};
use rain_cluster::commit::{Marking, PendingCheck, PurgeCheck, Verdict};
use rain_cluster::{Manifest, Request};
use std::io;
use std::sync::Arc;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};

/// Pending versions are resolved within 5 s of the coordinator's return (DESIGN 4).
const PENDING: Duration = Duration::from_secs(1);
const LEARN_AGAIN: Duration = Duration::from_secs(1);
const SWEEP: Duration = Duration::from_secs(10);

impl Node {
    /// Looks after the node until the task is aborted.
    ///
    /// Cancel safety: whatever is under way is taken up again at the next start.
    pub async fn keep_house(self: Arc<Self>) {
        let mut tasks = JoinSet::new();
        if self.store.is_blank() {
            tasks.spawn(Arc::clone(&self).learn());
        }
        for decision in self.store.decisions() {
            tasks.spawn(Arc::clone(&self).mark_again(decision));
        }
        tasks.spawn(Arc::clone(&self).resolve_pending());
        tasks.spawn(Arc::clone(&self).get_well());
        tasks.spawn(Arc::clone(&self).sweep());
        while tasks.join_next().await.is_some() {}
    }

    async fn learn(self: Arc<Self>) {
        loop {
            match self.learn_once().await {
                Ok(()) => return,
                Err(error) => {
                    tracing::warn!(%error, "what is committed could not be written down: once more");
                    sleep(LEARN_AGAIN).await;
                }
            }
        }
    }

    async fn learn_once(self: &Arc<Self>) -> io::Result<()> {
        let sync = Sync::new(self.now(), &self.others(), self.config.quorum());
        let mut drive = Drive::new(self, sync);
        loop {
            match drive.next(Sync::poll_event).await {
                Learnt::Manifests(manifests) => {
                    for manifest in manifests {
                        if self.placement(&manifest.title).column_of(self.config.id).is_some() {
                            self.answer(Request::Mark { manifest, spread: true }).await?;
                        }
                    }
                }
                Learnt::Floor(floor) => self.blocking(move |node| node.store.raise_floor(floor)).await?,
                Learnt::Enough => return self.blocking(|node| node.store.set_learnt()).await,
            }
        }
    }

    pub(super) async fn mark_here(self: &Arc<Self>, manifest: Manifest, spread: bool) {
        let marked = self.answer(Request::Mark { manifest, spread }).await;
        if let Err(error) = marked {
            tracing::warn!(%error, "a mark could not be written");
        }
    }

    async fn mark_again(self: Arc<Self>, Decision { manifest, prepared }: Decision) {
        let (title, version) = (manifest.title.clone(), manifest.version);
        let marking = Marking::new(self.now(), manifest, prepared);
        Drive::new(&self, marking).next(|marking| marking.is_settled().then_some(())).await;
        self.blocking(move |node| node.store.settled(&title, version)).await;
    }

    async fn resolve_pending(self: Arc<Self>) {
        let mut tick = interval(PENDING);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            let mut checks = JoinSet::new();
            for overdue in self.store.overdue(self.now()) {
                checks.spawn(Arc::clone(&self).resolve_one(overdue));
            }
            while checks.join_next().await.is_some() {}
        }
    }

    async fn resolve_one(self: Arc<Self>, Overdue { title, version, manifest }: Overdue) {
        let check = PendingCheck::new(self.now(), &title, version, &self.placement(&title));
        match (Drive::new(&self, check).next(PendingCheck::poll_event).await, manifest) {
            (Verdict::Mark, Some(manifest)) => self.mark_here(manifest, false).await,
            (Verdict::Mark, None) => self.blocking(move |node| node.store.drop_upload(&title, version)).await,
            (Verdict::Drop, _) => {
                if let Err(error) = self.answer(Request::Drop { title, version }).await {
                    tracing::warn!(%error, "an aborted version could not be dropped");
                }
            }
            (Verdict::Later, _) => {}
        }
    }

    async fn sweep(self: Arc<Self>) {
        let mut tick = interval(SWEEP);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            if let Err(error) = self.blocking(|node| node.store.sweep(node.now())).await {
                tracing::warn!(%error, "sweeping the store");
            }
            for tombstone in self.store.old_tombstones(self.now()) {
                let placement = self.placement(&tombstone.title);
                let check = PurgeCheck::new(self.now(), &tombstone.title, tombstone.version, &placement);
                let mut drive = Drive::new(&self, check);
                if drive.next(|check| check.may_go()).await {
                    drive.flush().await;
                }
            }
        }
    }
}
