//! Questions on their way to peers. While one request with questions is young, those that come for the same peer gather,
//! and go together with the next: under load few requests carry many questions, and without it each goes at once.

use super::Node;
use super::ask::Haste;
use crate::peer::{ASK, Answer, PeerRequest, Question};
use bytes::Bytes;
use core::time::Duration;
use hyper::Method;
use rain_cluster::NodeId;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;
use tokio::time::timeout;

/// Nobody waits longer for the answers to others before it is sent.
const GATHER: Duration = Duration::from_millis(2);
/// A request is filled up to so many bytes, or one question.
const REQUEST_BYTES: usize = 1 << 20;

/// A question, and who waits for its answer.
type Waiting = (Question, oneshot::Sender<Answer>);

#[derive(Debug, Default)]
struct Lane {
    waiting: Vec<Waiting>,
    /// Somebody sends them.
    busy: bool,
}

/// What waits to be sent, by peer; those that are answered at once do not wait for those that are not.
#[derive(Debug, Default)]
pub(super) struct Outbox(Mutex<BTreeMap<(NodeId, Haste), Lane>>);

impl Outbox {
    fn lanes(&self) -> MutexGuard<'_, BTreeMap<(NodeId, Haste), Lane>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a question; whether the caller is to see to it that it is sent.
    fn push(&self, to: NodeId, haste: Haste, waiting: Waiting) -> bool {
        let mut lanes = self.lanes();
        let lane = lanes.entry((to, haste)).or_default();
        lane.waiting.push(waiting);
        !core::mem::replace(&mut lane.busy, true)
    }

    /// The questions of the next request, and its body; `None` when nothing waits: then the lane is free.
    fn next(&self, to: NodeId, haste: Haste) -> Option<(Vec<oneshot::Sender<Answer>>, Bytes)> {
        let mut lanes = self.lanes();
        let lane = lanes.get_mut(&(to, haste))?;
        let (mut body, mut asked) = (Vec::new(), 0);
        for (question, _) in &lane.waiting {
            if asked > 0 && body.len() >= REQUEST_BYTES {
                break;
            }
            question.push(&mut body);
            asked += 1;
        }
        lane.busy = asked > 0;
        let askers = lane.waiting.drain(..asked).map(|(_, asker)| asker).collect();
        (asked > 0).then(|| (askers, body.into()))
    }
}

/// Frees a lane, should its sender end before nothing waits: it panicked, or the node stops.
struct Turn<'a>(&'a Outbox, NodeId, Haste);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if let Some(lane) = self.0.lanes().get_mut(&(self.1, self.2)) {
            *lane = Lane::default();
        }
    }
}

impl Node {
    /// Sends a question with the next request to that peer; `None` when no answer came.
    ///
    /// Cancel safety: dropping it gives the answer up; the peer may act on the question.
    pub(super) async fn post(self: &Arc<Self>, to: NodeId, haste: Haste, question: Question) -> Option<Answer> {
        let (tell, told) = oneshot::channel();
        if self.outbox.push(to, haste, (question, tell)) {
            let node = Arc::clone(self);
            self.desks.spawn("questions", async move { node.send_waiting(to, haste).await });
        }
        told.await.ok()
    }

    async fn send_waiting(self: &Arc<Self>, to: NodeId, haste: Haste) {
        let turn = Turn(&self.outbox, to, haste);
        while let Some((askers, body)) = self.outbox.next(to, haste) {
            let (node, (ended, end)) = (Arc::clone(self), oneshot::channel::<()>());
            self.desks.spawn("questions", async move {
                let _ended = ended;
                node.send_questions(to, haste, askers, body).await;
            });
            let _ = timeout(GATHER, end).await;
        }
        core::mem::forget(turn);
    }

    async fn send_questions(
        self: &Arc<Self>,
        to: NodeId,
        haste: Haste,
        askers: Vec<oneshot::Sender<Answer>>,
        body: Bytes,
    ) {
        let (patience, hope) = haste.patience();
        let request = PeerRequest { method: Method::POST, path: ASK.to_owned(), body, patience, hope };
        let Ok(bytes) = self.peers.ask(to, request).await.inspect_err(|error| tracing::debug!(%error, "no answer"))
        else {
            return;
        };
        match Answer::parse_all(bytes) {
            Ok(answers) if answers.len() == askers.len() => {
                for (asker, answer) in askers.into_iter().zip(answers) {
                    // Who does not wait any more does without.
                    let _ = asker.send(answer);
                }
            }
            Ok(answers) => {
                self.note_unfit(to, &format!("{} answers, expected {}", answers.len(), askers.len()));
            }
            Err(error) => self.note_unfit(to, &error.to_string()),
        }
    }
}
