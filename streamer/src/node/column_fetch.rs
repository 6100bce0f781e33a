//! Rows of one column for a reader: over the best path, and over another when that one is late or breaks, from the very
//! byte at which it stopped.

use super::Node;
use crate::peer::paths::Outstanding;
use crate::peer::{PeerError, TurnRequest};
use crate::store::ColumnError;
use bytes::Bytes;
use core::pin::pin;
use core::time::Duration;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream, SelectAll};
use http_body_util::BodyExt;
use hyper::Method;
use hyper::body::Incoming;
use rain_cluster::NodeId;
use rain_fetch::{Damage, Rope};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use tokio::time::{Instant, sleep_until};

/// A column whose bytes stop coming for so long is done without, whatever it costs.
pub(super) const PROGRESS: Duration = Duration::from_millis(500);
/// A hedge that the budget does not allow is tried again after so long.
const AGAIN: Duration = Duration::from_millis(10);
/// What a peer has sent and nobody reads any more is so much at most: what its system and ours hold of a connection.
const UNREAD_BYTES_MAX: u64 = 256 << 10;
/// In place of the last sign of life: the request waits for its turn.
const QUEUED: u64 = u64::MAX;

/// Why a column did not come.
pub(super) enum Failure {
    /// The peer refused, or no path led to it.
    Peer(PeerError),
    /// The own store.
    Local(ColumnError),
    /// It stopped coming.
    Silent,
    /// It came, but is not what its checksums say.
    Damaged(Damage),
    /// It ended early, or did not end.
    Length {
        /// Bytes that came.
        found: usize,
        /// Bytes that had to.
        expected: usize,
    },
}

/// The progress of one request for a column, seen from outside.
#[derive(Debug)]
pub(super) struct Progress {
    started: Instant,
    /// Microseconds from the start to the last sign of life, or [`QUEUED`].
    last_us: AtomicU64,
    /// Bytes that peers sent, of use or not.
    received: AtomicU64,
    /// Those of them that had come before.
    repeated: AtomicU64,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self {
            started: Instant::now(),
            last_us: AtomicU64::new(0),
            received: AtomicU64::new(0),
            repeated: AtomicU64::new(0),
        }
    }

    /// When something came last; before anything did, when it was asked for. Now, while it waits for its turn: nobody is
    /// late yet.
    pub(super) fn last(&self) -> Instant {
        match self.last_us.load(Ordering::Relaxed) {
            QUEUED => Instant::now(),
            micros => self.started + Duration::from_micros(micros),
        }
    }

    fn queue(&self) {
        self.last_us.store(QUEUED, Ordering::Relaxed);
    }

    /// Bytes that peers sent so far, each counted once.
    pub(super) fn came_once(&self) -> u64 {
        self.received.load(Ordering::Relaxed) - self.repeated.load(Ordering::Relaxed)
    }

    /// Notes a sign of life.
    fn live(&self) {
        let passed = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(QUEUED - 1);
        self.last_us.store(passed, Ordering::Relaxed);
    }

    fn note(&self, bytes: usize) {
        self.received.fetch_add(bytes as u64, Ordering::Relaxed);
        self.live();
    }
}

/// What is asked for.
pub(super) struct ColumnAsk<'a> {
    /// Whose column.
    pub(super) node: NodeId,
    /// The request's path up to its query's offset.
    pub(super) path_and_query: String,
    /// Length of the answer.
    pub(super) expected: usize,
    /// It stands in for what was late or lost: it goes before other requests.
    pub(super) urgent: bool,
    /// Where progress is noted.
    pub(super) progress: &'a Progress,
}

type Parts<'a> = SelectAll<BoxStream<'a, (usize, Result<Bytes, PeerError>)>>;

/// A request under way over one path.
struct Attempt<'a> {
    /// The offset in the answer at which it began.
    start: usize,
    /// The offset of the next byte that comes over it.
    position: usize,
    /// What it may waste, taken from the budget.
    charged: u64,
    outstanding: Outstanding<'a>,
}

/// The fetching of one column.
struct ColumnFetch<'a> {
    me: &'a Node,
    ask: &'a ColumnAsk<'a>,
    rope: Rope,
    parts: Parts<'a>,
    /// By path.
    attempts: BTreeMap<usize, Attempt<'a>>,
    failed: Vec<usize>,
    hedge: Option<usize>,
}

impl Node {
    /// Fetches rows of another node's column.
    ///
    /// # Errors
    /// [`Failure`].
    ///
    /// Cancel safety: dropping it gives the column up.
    pub(super) async fn fetch_remote(&self, ask: &ColumnAsk<'_>) -> Result<Rope, Failure> {
        let mut fetch = ColumnFetch {
            me: self,
            ask,
            rope: Rope::default(),
            parts: SelectAll::new(),
            attempts: BTreeMap::new(),
            failed: Vec::new(),
            hedge: None,
        };
        let mut longest = Duration::ZERO;
        fetch.run(&mut longest).await?;
        self.pace(ask.node, |pace| pace.note(longest));
        Ok(core::mem::take(&mut fetch.rope))
    }

    /// Notes peer bytes that turned out to be of no use.
    pub(super) fn note_extra(&self, bytes: u64) {
        self.reads.note_extra(bytes);
        self.hedges(|budget| budget.spend(bytes));
    }

    /// Uses the pace of a node.
    pub(super) fn pace<T>(&self, node: NodeId, use_it: impl FnOnce(&mut rain_fetch::Pace) -> T) -> T {
        match self.paces.get(&node) {
            Some(pace) => use_it(&mut pace.lock().unwrap_or_else(PoisonError::into_inner)),
            // Of a node that is no member nothing is known.
            None => use_it(&mut rain_fetch::Pace::default()),
        }
    }

    /// Uses the budget for hedges.
    pub(super) fn hedges<T>(&self, use_it: impl FnOnce(&mut rain_fetch::HedgeBudget) -> T) -> T {
        let hedges: &Mutex<_> = &self.hedges;
        use_it(&mut hedges.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<'a> ColumnFetch<'a> {
    async fn run(&mut self, longest: &mut Duration) -> Result<(), Failure> {
        let ColumnAsk { node, expected, progress, .. } = *self.ask;
        if !self.begin_in_turn(self.ask.urgent).await {
            let (peer, why) = (self.me.name_of(node).to_owned(), "no path to it is up".to_owned());
            return Err(Failure::Peer(PeerError::Unreachable { peer, why }));
        }
        let late_after = self.me.pace(node, |pace| pace.late_after());
        // Set anew only when it rings: a timer for each frame costs more than the frame.
        let mut alarm = pin!(sleep_until(progress.last() + late_after));
        let mut settled = None;
        loop {
            tokio::select! {
                part = self.parts.next() => match part {
                    Some((path, Ok(bytes))) => {
                        *longest = (*longest).max(progress.last().elapsed());
                        progress.note(bytes.len());
                        self.take(path, bytes)?;
                        if self.rope.len() == expected {
                            return Ok(());
                        }
                    }
                    Some((_, Err(PeerError::Refused { peer, status, message }))) => {
                        return Err(Failure::Peer(PeerError::Refused { peer, status, message }));
                    }
                    Some((path, Err(error))) => self.leave(path, error).await?,
                    None => return Err(Failure::Length { found: self.rope.len(), expected }),
                },
                () = &mut alarm => {
                    let (now, last) = (Instant::now(), progress.last());
                    if now >= last + PROGRESS {
                        return Err(Failure::Silent);
                    }
                    let late = now >= last + late_after;
                    if late && settled != Some(last) && self.hedge_late() {
                        settled = Some(last);
                    }
                    let next = if settled == Some(last) { last + PROGRESS } else { last + late_after };
                    alarm.as_mut().reset(next.max(now + AGAIN).min(last + PROGRESS));
                }
            }
        }
    }

    /// Takes what came over a path: what is of use are the bytes behind those that are there.
    fn take(&mut self, path: usize, bytes: Bytes) -> Result<(), Failure> {
        let length = bytes.len();
        self.me.reads.note_arrival(self.ask.node, Some(path), length as u64);
        let Some(attempt) = self.attempts.get_mut(&path) else { return Ok(()) };
        attempt.outstanding.came(length as u64);
        let end = attempt.position + length;
        let known = self.rope.len().saturating_sub(attempt.position).min(length);
        attempt.position = end.min(self.ask.expected);
        if end > self.ask.expected {
            return Err(Failure::Length { found: end, expected: self.ask.expected });
        }
        if known > 0 {
            self.ask.progress.repeated.fetch_add(known as u64, Ordering::Relaxed);
            self.me.note_extra(known as u64);
        }
        self.rope.push(if known == 0 { bytes } else { bytes.slice(known..) });
        Ok(())
    }

    /// A path broke, or went down: what is missing is asked for over another one at once.
    async fn leave(&mut self, path: usize, error: PeerError) -> Result<(), Failure> {
        self.end(path);
        self.failed.push(path);
        if !self.attempts.is_empty() {
            return Ok(());
        }
        if !self.begin_in_turn(true).await {
            return Err(Failure::Peer(error));
        }
        self.me.reads.note_path_switch();
        Ok(())
    }

    /// Nothing came for longer than usual: what is missing is asked for over another path besides, if the budget allows.
    /// Whether nothing is left to be tried.
    fn hedge_late(&mut self) -> bool {
        let (me, node) = (self.me, self.ask.node);
        for path in self.attempts.keys() {
            me.peers.paths.note_late(node, *path);
        }
        let tried: Vec<usize> = self.attempts.keys().chain(&self.failed).copied().collect();
        let missing = (self.ask.expected - self.rope.len()) as u64;
        let Some(path) = me.peers.paths.choose(node, &tried).filter(|_| self.hedge.is_none()) else { return true };
        let allowed = me.hedges(|budget| budget.take(missing));
        if allowed {
            me.reads.note_hedge_sent();
            self.hedge = Some(path);
            let outstanding = me.peers.paths.ask(node, path, missing);
            self.begin(path, missing, outstanding);
        }
        allowed
    }

    /// Asks for what is missing as soon as a path has room for it; whether one is left.
    async fn begin_in_turn(&mut self, urgent: bool) -> bool {
        let bytes = (self.ask.expected - self.rope.len()) as u64;
        let paths = &self.me.peers.paths;
        self.ask.progress.queue();
        let turn = paths.take_turn(TurnRequest { to: self.ask.node, without: &self.failed, bytes, urgent }).await;
        self.ask.progress.live();
        let Some((path, outstanding)) = turn else { return false };
        self.begin(path, 0, outstanding);
        true
    }

    fn begin(&mut self, path: usize, charged: u64, outstanding: Outstanding<'a>) {
        let ColumnAsk { node, ref path_and_query, .. } = *self.ask;
        let position = self.rope.len();
        self.attempts.insert(path, Attempt { start: position, position, charged, outstanding });
        let request = if position == 0 { path_and_query.clone() } else { format!("{path_and_query}&from={position}") };
        self.parts.push(parts(self.me, node, path, request));
    }

    /// Closes the books on an attempt: what it was charged goes back; what it wasted was taken before.
    fn end(&mut self, path: usize) {
        let Some(attempt) = self.attempts.remove(&path) else { return };
        let unread = (self.ask.expected - attempt.position) as u64;
        if attempt.position > attempt.start && unread > 0 {
            // The peer was sending: some of it is on its way or in a buffer, read by nobody.
            self.me.note_extra(unread.min(UNREAD_BYTES_MAX));
        }
        if attempt.charged > 0 {
            self.me.hedges(|budget| budget.give_back(attempt.charged));
        }
    }
}

impl Drop for ColumnFetch<'_> {
    fn drop(&mut self) {
        let won = self.hedge.and_then(|path| self.attempts.get(&path));
        if won.is_some_and(|attempt| attempt.position == self.ask.expected) {
            self.me.reads.note_hedge_won();
        }
        let paths: Vec<usize> = self.attempts.keys().copied().collect();
        for path in paths {
            self.end(path);
        }
    }
}

/// The answer to a request over one path, part by part.
fn parts(me: &Node, node: NodeId, path: usize, request: String) -> BoxStream<'_, (usize, Result<Bytes, PeerError>)> {
    enum Stage {
        Send(String),
        Read(Incoming),
        Over,
    }
    let down: BoxFuture<'static, ()> = Box::pin(me.peers.paths.went_down(node, path));
    let next = move |(stage, mut down): (Stage, BoxFuture<'static, ()>)| async move {
        let mut body = match stage {
            Stage::Send(request) => match me.peers.send_by(node, path, Method::GET, &request, Bytes::new()).await {
                Ok(response) => response.into_body(),
                Err(error) => return Some(((path, Err(error)), (Stage::Over, down))),
            },
            Stage::Read(body) => body,
            Stage::Over => return None,
        };
        let why = tokio::select! {
            data = next_data(&mut body) => match data {
                Ok(bytes) => return Some(((path, Ok(bytes)), (Stage::Read(body), down))),
                Err(why) => why,
            },
            () = &mut down => "the path went down".to_owned(),
        };
        let peer = me.name_of(node).to_owned();
        Some(((path, Err(PeerError::Unreachable { peer, why })), (Stage::Over, down)))
    };
    Box::pin(stream::unfold((Stage::Send(request), down), next))
}

/// The next bytes of a body, or why there are none.
async fn next_data(body: &mut Incoming) -> Result<Bytes, String> {
    while let Some(frame) = body.frame().await {
        if let Ok(bytes) = frame.map_err(|error| error.to_string())?.into_data() {
            return Ok(bytes);
        }
    }
    Err("it ended early".to_owned())
}
