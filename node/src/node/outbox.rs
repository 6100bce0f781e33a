//! Questions on their way to peers. While one request with questions is young, those that come for the same peer gather,
//! and go together with the next: under load few requests carry many questions, and without it each goes at once.

use super::Node;
use super::ask::Haste;
use crate::peer::{ASK, PeerRequest};
use bytes::Bytes;
use core::time::Duration;
use hyper::Method;
use rain_cluster::NodeId;
use rain_wire::{Answer, Question};
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
#[derive(Debug, Default, Clone)]
pub(super) struct Outbox(Arc<Mutex<BTreeMap<(NodeId, Haste), Lane>>>);

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

/// Of whoever sends what waits in a lane. Frees it, should he end before nothing waits: he panicked, or the node stops,
/// perhaps before he has begun.
struct Turn {
    outbox: Outbox,
    to: NodeId,
    haste: Haste,
    over: bool,
}

impl Turn {
    /// The next request; `None` when nothing waits: then the turn is over.
    fn next(&mut self) -> Option<(Vec<oneshot::Sender<Answer>>, Bytes)> {
        let next = self.outbox.next(self.to, self.haste);
        self.over = next.is_none();
        next
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if !self.over
            && let Some(lane) = self.outbox.lanes().get_mut(&(self.to, self.haste))
        {
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
            let (node, turn) = (Arc::clone(self), Turn { outbox: self.outbox.clone(), to, haste, over: false });
            self.desks.spawn("questions", async move { node.send_waiting(turn).await });
        }
        told.await.ok()
    }

    async fn send_waiting(self: &Arc<Self>, mut turn: Turn) {
        while let Some((askers, body)) = turn.next() {
            let (node, (ended, end)) = (Arc::clone(self), oneshot::channel::<()>());
            let (to, haste) = (turn.to, turn.haste);
            self.desks.spawn("questions", async move {
                let _ended = ended;
                node.send_questions(to, haste, askers, body).await;
            });
            let _ = timeout(GATHER, end).await;
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use rain_cluster::{Life, Request, Sender, Signet};
    use tokio::sync::oneshot::error::TryRecvError;

    const TO: NodeId = NodeId(2);

    fn question(title: String) -> Question {
        let from = Sender { node: NodeId(1), life: Life(7), serial: 0, epoch: 0, signet: Signet(0) };
        Question { from, request: Request::Lookup { title } }
    }

    fn turn(outbox: &Outbox) -> Turn {
        Turn { outbox: outbox.clone(), to: TO, haste: Haste::Quick, over: false }
    }

    /// Else he would wait for ever: nobody looks after the lane any more, and nobody is told to.
    #[test]
    fn who_waits_hears_that_nobody_sends() {
        let outbox = Outbox::default();
        let ask = || {
            let (tell, told) = oneshot::channel();
            (outbox.push(TO, Haste::Quick, (question("film".to_owned()), tell)), told)
        };
        let ((is_mine, mut first), (is_mine_too, mut second)) = (ask(), ask());
        assert!(is_mine && !is_mine_too);
        assert_eq!(first.try_recv(), Err(TryRecvError::Empty));
        // It stops before its task has begun.
        drop(turn(&outbox));
        assert_eq!([first.try_recv(), second.try_recv()], [Err(TryRecvError::Closed), Err(TryRecvError::Closed)]);
        assert!(ask().0, "the next one is sent");
    }

    /// In order, as many as fit into a request; when none waits the lane is free, and of somebody else then.
    #[test]
    fn questions_go_together() {
        let outbox = Outbox::default();
        let long = "a".repeat(REQUEST_BYTES / 2);
        let questions: Vec<_> = (0..5).map(|number| question(format!("{number}{long}"))).collect();
        let mut told = Vec::new();
        for question in &questions {
            let (tell, hear) = oneshot::channel();
            assert_eq!(outbox.push(TO, Haste::Quick, (question.clone(), tell)), told.is_empty());
            told.push(hear);
        }
        let mut mine = turn(&outbox);
        for expected in questions.chunks(2) {
            let (askers, body) = mine.next().unwrap();
            assert_eq!((askers.len(), Question::parse_all(body).unwrap()), (expected.len(), expected.to_vec()));
        }
        assert!(mine.next().is_none());
        let (tell, mut waits) = oneshot::channel();
        assert!(outbox.push(TO, Haste::Quick, (questions[0].clone(), tell)));
        drop(mine);
        assert_eq!(waits.try_recv(), Err(TryRecvError::Empty), "it is of the next one's turn");
    }
}
