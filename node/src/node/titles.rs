//! What is known of titles, for people and tools.

use super::Node;
use super::read::content_of;
use crate::peer::{HOLDING, PeerRequest};
use bytes::Bytes;
use core::time::Duration;
use futures_util::future::join_all;
use hyper::Method;
use rain_cluster::{ColumnStatus, Manifest, NodeId, Reply, Request, Version};
use rain_desk::FoundVersion;
use rain_titles::{ColumnHealth, ColumnReport, ReadError, TitleReport, title};
use std::collections::BTreeMap;
use std::sync::Arc;

const INSPECT: Duration = Duration::from_secs(2);
/// Then a second path is tried beside the first.
const INSPECT_HOPE: Duration = Duration::from_millis(200);
/// To read a whole column takes its time.
const VERIFY: Duration = Duration::from_mins(10);

/// How closely a node looks at its column before it reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Not at all: what it remembers.
    Known,
    /// At the header and the length.
    Header,
    /// At every block.
    Blocks,
}

impl Node {
    /// One title.
    ///
    /// # Errors
    /// [`ReadError`].
    ///
    /// Cancel safety: nothing is changed but damage that nodes remember.
    pub async fn title_report(self: &Arc<Self>, name: &str, look: Look) -> Result<TitleReport, ReadError> {
        let found = self.find(name).await?;
        let content = content_of(&found.record, found.is_fresh())?;
        // Whoever did not answer before the version was found is asked where columns are that moved.
        let told = self.column_claims(&found.record).await;
        let placement = self.where_held(&found.record, &told);
        let nodes = placement.nodes().enumerate();
        let columns = nodes.map(|(index, node)| self.column_report(&found, &told, index, node, look));
        let columns = join_all(columns).await;
        let sound = columns.iter().filter(|column| column.state == ColumnHealth::Ok).count();
        Ok(TitleReport {
            title: name.to_owned(),
            bytes: content.bytes,
            etag: etag_text(&content.etag),
            version: found.record.version().to_string(),
            code: content.code.clone(),
            tolerates: sound.saturating_sub(content.data_columns.into()),
            columns,
        })
    }

    async fn column_report(
        self: &Arc<Self>,
        found: &FoundVersion,
        told: &BTreeMap<NodeId, ColumnStatus>,
        index: usize,
        node: NodeId,
        look: Look,
    ) -> ColumnReport {
        let Manifest { title, version, .. } = &*found.record.manifest;
        let status = match (look, told.get(&node)) {
            (Look::Known, known) => known.cloned(),
            (Look::Header | Look::Blocks, _) => self.inspect_at(node, title, *version, look).await,
        };
        let (state, reason) = match status {
            None => (ColumnHealth::Unreachable, None),
            Some(ColumnStatus::Ok { .. }) => (ColumnHealth::Ok, None),
            Some(ColumnStatus::Missing) => (ColumnHealth::Missing, None),
            Some(ColumnStatus::Damaged { reason, .. }) => (ColumnHealth::Damaged, Some(reason)),
        };
        ColumnReport { index, node: self.name_of(node), state, reason }
    }

    /// How a node says that it holds its column; `None` when it does not answer.
    pub(super) async fn column_status(
        self: &Arc<Self>,
        node: NodeId,
        name: &str,
        version: Version,
    ) -> Option<ColumnStatus> {
        let Some((_, Reply::State(state))) = self.ask(node, Request::Lookup { title: name.to_owned() }).await else {
            return None;
        };
        let entry = state.entries.into_iter().find(|entry| entry.record.version() == version);
        Some(entry.map_or(ColumnStatus::Missing, |entry| entry.column))
    }

    /// Of how many newest versions a node says that it holds a column; `None` when it does not answer.
    ///
    /// Cancel safety: nothing is changed.
    pub async fn columns_held(self: &Arc<Self>, node: NodeId) -> Option<u64> {
        if node == self.config.id {
            return Some(self.store.columns_held());
        }
        let (path, hope) = (HOLDING.to_owned(), Some(INSPECT_HOPE));
        let request = PeerRequest { method: Method::GET, path, body: Bytes::new(), patience: INSPECT, hope };
        serde_json::from_slice(&self.peers.ask(node, request).await.ok()?).ok()
    }

    /// Lets a node look at its column; `None` when it does not answer.
    async fn inspect_at(
        self: &Arc<Self>,
        node: NodeId,
        name: &str,
        version: Version,
        look: Look,
    ) -> Option<ColumnStatus> {
        if node == self.config.id {
            return Some(self.inspect_own(name.to_owned(), version, look).await);
        }
        let (patience, hope) = if look == Look::Blocks { (VERIFY, None) } else { (INSPECT, Some(INSPECT_HOPE)) };
        let blocks = u8::from(look == Look::Blocks);
        let path = format!("/peer/v1/inspect/{}/{version}?blocks={blocks}", title::to_segment(name));
        let request = PeerRequest { method: Method::POST, path, body: Bytes::new(), patience, hope };
        serde_json::from_slice(&self.peers.ask(node, request).await.ok()?).ok()
    }

    /// Looks at the node's own column.
    pub(super) async fn inspect_own(self: &Arc<Self>, name: String, version: Version, look: Look) -> ColumnStatus {
        self.blocking(move |node| {
            let now = node.now();
            // What is wrong is remembered by the store, and found in its state.
            let _ = match look {
                Look::Known => Ok(()),
                Look::Header => node.store.open_column(now, &name, version).map(drop),
                Look::Blocks => node.store.verify_column(now, &name, version),
            };
            let state = node.store.lookup(&name);
            let entry = state.entries.into_iter().find(|entry| entry.record.version() == version);
            entry.map_or(ColumnStatus::Missing, |entry| entry.column)
        })
        .await
    }

    /// Tells a node that its column was found damaged: it looks at it and remembers.
    pub(super) fn report_damage(self: &Arc<Self>, node: NodeId, name: String, version: Version, reason: &str) {
        if node == self.config.id {
            self.store.note_damage(&name, version, reason);
            return;
        }
        let me = Arc::clone(self);
        tokio::spawn(async move { me.inspect_at(node, &name, version, Look::Blocks).await });
    }
}

/// An entity tag with its quotation marks.
pub(super) fn etag_text(etag: &[u8; 16]) -> String {
    format!("\"{:032x}\"", u128::from_be_bytes(*etag))
}
