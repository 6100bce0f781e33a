//! Drives a machine of `rain-cluster`: sends its messages, brings the answers, watches the clock.

use super::Node;
use crate::peer::PeerRequest;
use bytes::Bytes;
use core::mem::{Discriminant, discriminant};
use core::time::Duration;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use hyper::Method;
use rain_cluster::{Machine, NodeId, Reply, Request};
use std::sync::Arc;
use tokio::time::{sleep, timeout};

/// A question answered from memory.
const QUICK: Duration = Duration::from_secs(2);
/// Then a second path is tried beside the first.
const HOPE: Duration = Duration::from_millis(30);
/// A client is told of a failure after so long at the latest.
const SOON: Duration = Duration::from_secs(1);
/// A question answered from a disk that may have gigabytes to sync.
const DURABLE: Duration = Duration::from_mins(1);

type Answer = (NodeId, Discriminant<Request>, Option<Reply>);

/// A machine, and the requests under way for it.
pub(super) struct Drive<'a, M> {
    node: &'a Arc<Node>,
    pub(super) machine: M,
    requests: FuturesUnordered<BoxFuture<'static, Answer>>,
    /// Who is being asked what: a machine that repeats a question does not make two of it.
    asked: Vec<(NodeId, Discriminant<Request>)>,
}

impl<'a, M: Machine> Drive<'a, M> {
    pub(super) fn new(node: &'a Arc<Node>, machine: M) -> Self {
        Self { node, machine, requests: FuturesUnordered::new(), asked: Vec::new() }
    }

    /// Runs the machine until `event` gives something.
    ///
    /// Cancel safety: dropping it stops the machine where it is; messages under way may still arrive.
    pub(super) async fn next<T>(&mut self, mut event: impl FnMut(&mut M) -> Option<T>) -> T {
        loop {
            self.send();
            if let Some(event) = event(&mut self.machine) {
                return event;
            }
            let due = self.machine.poll_timeout();
            let wait = due.map_or(Duration::from_hours(1), |due| due.since(self.node.now()));
            tokio::select! {
                Some((from, kind, reply)) = self.requests.next() => {
                    self.asked.retain(|asked| *asked != (from, kind));
                    match reply {
                        Some(reply) => self.machine.handle_message(self.node.now(), from, reply),
                        None => self.machine.handle_failure(self.node.now(), from),
                    }
                }
                () = sleep(wait) => self.machine.handle_timeout(self.node.now()),
            }
        }
    }

    /// Sends what the machine still wants to say and waits for the answers, which nobody needs any more.
    ///
    /// Cancel safety: dropping it gives up; messages under way may still arrive.
    pub(super) async fn flush(mut self) {
        self.send();
        while self.requests.next().await.is_some() {}
    }

    /// Like [`flush`](Self::flush), and calls `tell` once all have answered, or after a second: the client need not wait
    /// for a node that hangs.
    ///
    /// Cancel safety: as of `flush`; `tell` may not be called.
    pub(super) async fn flush_then(mut self, tell: impl FnOnce()) {
        self.send();
        let all = async { while self.requests.next().await.is_some() {} };
        let _ = timeout(SOON, all).await;
        tell();
        while self.requests.next().await.is_some() {}
    }

    fn send(&mut self) {
        while let Some((to, request)) = self.machine.poll_transmit() {
            let kind = discriminant(&request);
            if self.asked.contains(&(to, kind)) {
                continue;
            }
            self.asked.push((to, kind));
            let node = Arc::clone(self.node);
            self.requests.push(Box::pin(async move { (to, kind, node.ask(to, request).await) }));
        }
    }
}

impl Node {
    /// Asks a node; `None` when no answer came.
    ///
    /// Cancel safety: dropping it gives the question up; the peer may have acted on it.
    pub(super) async fn ask(self: &Arc<Self>, to: NodeId, request: Request) -> Option<Reply> {
        if to == self.config.id {
            return self.answer(request).await.inspect_err(|error| tracing::warn!(%error, "the store refused")).ok();
        }
        let (patience, hope) = match request {
            Request::Lookup { .. } | Request::Outcome { .. } | Request::Committed => (QUICK, Some(HOPE)),
            Request::Prepare { .. } | Request::Mark { .. } | Request::Drop { .. } | Request::Purge { .. } => {
                (DURABLE, None)
            }
        };
        let body = Bytes::from(serde_json::to_vec(&request).ok()?);
        let request = PeerRequest { method: Method::POST, path: "/peer/v1/ask".to_owned(), body, patience, hope };
        let answer = self.peers.ask(to, request).await;
        let answer = answer.inspect_err(|error| tracing::debug!(%error, "no answer")).ok()?;
        serde_json::from_slice(&answer).inspect_err(|error| tracing::warn!(%error, "an answer of another form")).ok()
    }
}
