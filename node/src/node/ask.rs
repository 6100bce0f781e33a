//! Questions to other nodes, and to this one: with who says it, in every question and every answer.

use super::Node;
use core::time::Duration;
use rain_cluster::{NodeId, Reply, Request, Sender};
use rain_wire::{Answer, Question};
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// A question answered from memory.
const QUICK: Duration = Duration::from_secs(2);
/// Then a second path is tried beside the first.
const HOPE: Duration = Duration::from_millis(30);
/// A question answered from a disk that may have gigabytes to sync.
const DURABLE: Duration = Duration::from_mins(1);
/// What is wrong with a peer's messages is told so often at most.
const UNFIT: Duration = Duration::from_mins(1);

/// When it was last told of each peer that it says what cannot be.
#[derive(Debug, Default)]
pub(super) struct UnfitLog(Mutex<BTreeMap<NodeId, Instant>>);

impl UnfitLog {
    /// Whether it is to be told once more.
    fn is_due(&self, node: NodeId) -> bool {
        let now = Instant::now();
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let due = told.get(&node).is_none_or(|last| now.duration_since(*last) >= UNFIT);
        if due {
            told.insert(node, now);
        }
        due
    }
}

/// How soon a question is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Haste {
    /// From memory.
    Quick,
    /// From a disk.
    Durable,
}

impl Haste {
    fn of(request: &Request) -> Self {
        match request {
            Request::Lookup { .. }
            | Request::Look { .. }
            | Request::Outcome { .. }
            | Request::Committed { .. }
            | Request::Digest
            | Request::Remembered => Self::Quick,
            Request::Prepare { .. }
            | Request::Mark { .. }
            | Request::Drop { .. }
            | Request::Retire { .. }
            | Request::Close { .. }
            | Request::Purge { .. } => Self::Durable,
        }
    }

    /// How long an answer may take, and when a second path is tried.
    pub(super) fn patience(self) -> (Duration, Option<Duration>) {
        match self {
            Self::Quick => (QUICK, Some(HOPE)),
            Self::Durable => (DURABLE, None),
        }
    }
}

impl Node {
    /// Asks a node, or this one; `None` when no answer came, or one that is not to be used. What manifests an answer has
    /// is not checked here.
    ///
    /// Cancel safety: dropping it gives the question up; the peer may have acted on it.
    pub(super) async fn ask(self: &Arc<Self>, to: NodeId, request: Request) -> Option<(Sender, Reply)> {
        let me = self.store.me();
        if to == self.config.id {
            let answer = self.ask_store(me, request).await;
            return answer.inspect_err(|error| tracing::warn!(%error, "the store refused")).ok();
        }
        let haste = Haste::of(&request);
        let Answer { from, reply } = self.post(to, haste, Question { from: me, request }).await?;
        if from.node != to {
            self.note_unfit(to, &format!("an answer of node {}, expected node {to}", from.node));
            return None;
        }
        let admitted =
            self.admit(from).await.inspect_err(|error| tracing::warn!(%error, "a life was not written down"));
        if !admitted.unwrap_or(false) {
            tracing::debug!(node = %from.node, life = %from.life, "an answer from a life that is over");
            return None;
        }
        let reply = reply?;
        // An earlier life of this node is over, and that is known here: it was said to that one.
        let is_late = reply == Reply::Retired && self.store.me().life != me.life;
        (!is_late).then_some((from, reply))
    }

    /// Remembers who says something; whether it is to be listened to: not if its life is over.
    ///
    /// # Errors
    /// Those of the disk: it is not to be listened to.
    ///
    /// Cancel safety: dropping it leaves the store to finish.
    pub(super) async fn admit(self: &Arc<Self>, from: Sender) -> io::Result<bool> {
        // Another life of a node is written down; that of one that was heard of is in memory.
        let admitted = if self.desks.knows(from.node, from.life) {
            self.store.admit(from)?
        } else {
            self.blocking(move |node| node.store.admit(from)).await?
        };
        if admitted {
            self.hear(from.node, from.life);
            self.hear_since(from);
        }
        Ok(admitted)
    }

    /// Lets the store answer a request, whose manifests are those of codes. Who answers is said with it.
    ///
    /// # Errors
    /// Those of the disk: the asking node must take them for silence.
    ///
    /// Cancel safety: dropping it leaves the store to finish.
    pub(super) async fn ask_store(self: &Arc<Self>, from: Sender, request: Request) -> io::Result<(Sender, Reply)> {
        let life = self.store.me().life;
        let reply = if matches!(request, Request::Lookup { .. }) {
            // No disk in it.
            self.store.answer(self.now(), from, &request)?
        } else {
            self.blocking(move |node| node.store.answer(node.now(), from, &request)).await?
        };
        let me = self.store.me();
        if me.life != life {
            // In which life this was promised cannot be told.
            return Err(io::Error::other("the store began a new life"));
        }
        Ok((me, reply))
    }

    /// Counts a message that cannot be, and tells people, though not of each.
    pub(super) fn note_unfit(&self, node: NodeId, why: &str) {
        let name = self.name_of(node);
        metrics::counter!("rain_unfit_messages_total", "peer" => name.clone()).increment(1);
        if self.unfit.is_due(node) {
            tracing::warn!(peer = name, why, "a peer says what cannot be");
        }
    }
}
