//! Drives the fetching of a piece: carries out what the machine of `rain-fetch` orders, over the paths and out of the
//! store, keeps the bytes, and watches the clock.

use super::Node;
use super::read::Delivery;
use crate::peer::paths::Outstanding;
use crate::peer::{PeerError, TurnRequest};
use crate::store::{ColumnError, title_version};
use bytes::Bytes;
use core::ops::Range;
use core::pin::{Pin, pin};
use core::time::Duration;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, AbortHandle, Abortable, BoxStream, SelectAll};
use futures_util::{Stream, StreamExt};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use rain_cluster::{Manifest, NodeId};
use rain_codec::column::Seal;
use rain_codec::{Cell, ErasurePattern};
use rain_config::VerifyReads;
use rain_fetch::{
    Arrival, Arrivals, ColumnRead, Commons, FetchEvent, FetchOrder, FetchTold, Piece, PieceAsk, PieceFetch, PiecePlan,
    RequestId, Rope, TooFewColumns, Turn,
};
use rain_titles::title;
use std::collections::BTreeMap;
use std::sync::PoisonError;
use tokio::task::block_in_place;
use tokio::time::{Instant, Sleep, sleep};

/// Longer answers are hashed where they hold up nobody else: this takes about 50 us.
const HASHED_HERE_BYTES_MAX: usize = 256 << 10;
/// When no time matters, it is looked at all the same.
const IDLE: Duration = Duration::from_mins(1);

/// What comes from what was begun for a fetch.
enum Heard<'a> {
    /// A request's turn, or that no path is left.
    Turn(RequestId, Option<(usize, Outstanding<'a>)>),
    /// A part of an answer over a path, or why there is no more.
    Part(RequestId, usize, Result<Bytes, PeerError>),
    /// Rows of the own column.
    Own(RequestId, Result<Bytes, ColumnError>),
    /// Which columns are not to be had.
    Looked(ErasurePattern),
}

/// What is under way for a request.
struct Transfer<'a> {
    node: NodeId,
    column: u16,
    read: ColumnRead,
    /// Where in the answer the next path begins.
    from_byte: usize,
    rope: Rope,
    /// By path.
    outstanding: BTreeMap<usize, Outstanding<'a>>,
    begun: Vec<AbortHandle>,
}

impl Drop for Transfer<'_> {
    fn drop(&mut self) {
        for begun in &self.begun {
            begun.abort();
        }
    }
}

/// The fetching of one piece of a delivery.
pub(super) struct Fetching<'a> {
    delivery: &'a Delivery,
    piece: &'a Piece,
    machine: PieceFetch,
    heard: SelectAll<Abortable<BoxStream<'a, Heard<'a>>>>,
    transfers: BTreeMap<RequestId, Transfer<'a>>,
    arrivals: Arrivals,
    /// What is to be logged of requests that fail.
    whys: BTreeMap<RequestId, String>,
    outcome: Option<Result<PiecePlan, TooFewColumns>>,
}

impl Node {
    /// Uses what all fetches of the node have in common.
    pub(super) fn commons<T>(&self, use_it: impl FnOnce(&mut Commons) -> T) -> T {
        use_it(&mut self.commons.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<'a> Fetching<'a> {
    /// Begins to fetch what the cells `wanted` of a piece need; waits `patience` for columns to return when too few are left.
    pub(super) fn new(delivery: &'a Delivery, piece: &'a Piece, wanted: Vec<Cell>, patience: Duration) -> Self {
        let node = delivery.node();
        let ask = PieceAsk {
            codec: delivery.codec(),
            geometry: *delivery.geometry(),
            piece: piece.clone(),
            wanted,
            nodes: delivery.nodes(),
            own: node.config.id,
            proof: node.config.verify_reads == VerifyReads::Hash,
            lost: delivery.lost(),
            patience,
        };
        let paths = &node.peers.paths;
        let machine = node.commons(|commons| {
            commons.set_paths(paths.any_down(), |node| paths.is_up(node) == Some(false));
            commons.set_round_trips(|node| paths.round_trip(node));
            PieceFetch::new(node.now(), ask, commons)
        });
        Self {
            delivery,
            piece,
            machine,
            heard: SelectAll::new(),
            transfers: BTreeMap::new(),
            arrivals: Arrivals::default(),
            whys: BTreeMap::new(),
            outcome: None,
        }
    }

    /// What has come: all that the plan needs, once that is there.
    pub(super) fn arrivals(&self) -> &Arrivals {
        &self.arrivals
    }

    /// Waits until everything is there.
    ///
    /// # Errors
    /// [`TooFewColumns`].
    ///
    /// Cancel safety: dropping it loses nothing; it may be called again.
    pub(super) async fn plan(&mut self) -> Result<PiecePlan, TooFewColumns> {
        // Set anew only when it rings, or rings too late: a timer for each frame costs more than the frame.
        let mut alarm = pin!(sleep(IDLE));
        loop {
            self.carry_out();
            if let Some(outcome) = self.outcome.take() {
                return outcome;
            }
            self.arm(alarm.as_mut());
            tokio::select! {
                Some(heard) = self.heard.next() => self.hear(heard),
                () = &mut alarm => {
                    let node = self.delivery.node();
                    node.commons(|commons| self.machine.handle_timeout(node.now(), commons));
                }
            }
        }
    }

    /// Fetches everything once more: what came cannot be put together.
    pub(super) fn begin_anew(&mut self) {
        self.arrivals = Arrivals::default();
        self.tell(&FetchTold::Undecodable);
    }

    fn arm(&self, alarm: Pin<&mut Sleep>) {
        let (now, here) = (self.delivery.node().now(), Instant::now());
        let due = self.machine.poll_timeout().map_or(IDLE, |due| due.since(now));
        if alarm.is_elapsed() || here + due < alarm.deadline() {
            alarm.reset(here + due);
        }
    }

    fn tell(&mut self, told: &FetchTold) {
        let node = self.delivery.node();
        node.commons(|commons| self.machine.handle(node.now(), told, commons));
    }

    fn hear(&mut self, heard: Heard<'a>) {
        match heard {
            Heard::Turn(request, Some((path, outstanding))) => self.begin(request, path, outstanding),
            Heard::Turn(request, None) => self.tell(&FetchTold::NoPath { request }),
            Heard::Part(request, path, Ok(bytes)) => self.take(request, path, &bytes),
            Heard::Part(request, path, Err(error)) => {
                if let Some(transfer) = self.transfers.get_mut(&request) {
                    transfer.outstanding.remove(&path);
                }
                self.whys.insert(request, error.to_string());
                let is_refusal = matches!(error, PeerError::Refused { .. });
                let (refused, broken) = (FetchTold::Refused { request }, FetchTold::Broken { request, path });
                self.tell(if is_refusal { &refused } else { &broken });
            }
            Heard::Own(request, Ok(bytes)) => {
                let node = self.delivery.node();
                node.reads.note_arrival(node.config.id, None, bytes.len() as u64);
                if let Some(transfer) = self.transfers.get_mut(&request) {
                    transfer.rope = Rope::from(bytes);
                    self.verify(request);
                }
            }
            Heard::Own(request, Err(error)) => {
                self.whys.insert(request, error.to_string());
                self.tell(&FetchTold::Refused { request });
            }
            Heard::Looked(lost) => self.tell(&FetchTold::Looked { lost }),
        }
    }

    /// Takes what came over a path: what is of use are the bytes behind those that are there.
    fn take(&mut self, request: RequestId, path: usize, bytes: &Bytes) {
        let Some(transfer) = self.transfers.get_mut(&request) else { return };
        let (node, length) = (self.delivery.node(), bytes.len());
        node.reads.note_arrival(transfer.node, Some(path), length as u64);
        if let Some(outstanding) = transfer.outstanding.get_mut(&path) {
            outstanding.came(length as u64);
        }
        let new = node.commons(|commons| self.machine.handle_bytes(node.now(), request, path, length, commons));
        transfer.rope.push(bytes.slice(new));
    }

    /// Carries out what the machine orders, and passes on what it found out.
    fn carry_out(&mut self) {
        while let Some(order) = self.machine.poll_order() {
            self.follow(order);
        }
        while let Some(event) = self.machine.poll_event() {
            self.note(event);
        }
    }

    fn follow(&mut self, order: FetchOrder) {
        match order {
            FetchOrder::Ask { request, node, column, rows, from_byte, bytes, turn, without } => {
                self.transfer(request, node, column, rows).from_byte = from_byte;
                let paths = &self.delivery.node().peers.paths;
                if turn == Turn::AtOnce {
                    match paths.choose(node, &without) {
                        Some(path) => self.begin(request, path, paths.ask(node, path, bytes as u64)),
                        None => self.tell(&FetchTold::NoPath { request }),
                    }
                    return;
                }
                let urgent = turn == Turn::Urgent;
                self.listen(
                    request,
                    stream::once(async move {
                        let turn = TurnRequest { to: node, without: &without, bytes: bytes as u64, urgent };
                        Heard::Turn(request, paths.take_turn(turn).await)
                    }),
                );
            }
            FetchOrder::Read { request, column, rows } => {
                let delivery = self.delivery;
                let read = self.transfer(request, delivery.node().config.id, column, rows).read.clone();
                self.listen(
                    request,
                    stream::once(async move {
                        let (title, version) = (delivery.manifest.title.clone(), delivery.manifest.version);
                        Heard::Own(request, delivery.node().read_own_column(title, version, column, read).await)
                    }),
                );
            }
            FetchOrder::Verify { request, .. } => self.verify(request),
            FetchOrder::Cancel { request } => drop(self.transfers.remove(&request)),
            FetchOrder::Look => {
                let delivery = self.delivery;
                let look = stream::once(async { Heard::Looked(delivery.look_again().await) });
                self.heard.push(stream::abortable(look.boxed()).0);
            }
        }
    }

    fn transfer(&mut self, request: RequestId, node: NodeId, column: u16, rows: Range<u16>) -> &mut Transfer<'a> {
        let Piece { stripes, blocks, .. } = self.piece;
        let me = &self.delivery.node().config;
        let proof = node != me.id && me.verify_reads == VerifyReads::Hash;
        self.transfers.entry(request).or_insert_with(|| Transfer {
            node,
            column,
            read: ColumnRead { stripes: stripes.clone(), rows, blocks: blocks.clone(), proof },
            from_byte: 0,
            rope: Rope::default(),
            outstanding: BTreeMap::new(),
            begun: Vec::new(),
        })
    }

    /// Hears from a stream as long as its request is under way.
    fn listen(&mut self, request: RequestId, heard: impl Stream<Item = Heard<'a>> + Send + 'a) {
        let Some(transfer) = self.transfers.get_mut(&request) else { return };
        let (heard, begun) = stream::abortable(heard.boxed());
        transfer.begun.push(begun);
        self.heard.push(heard);
    }

    /// Sends a request over a path that has room for it.
    fn begin(&mut self, request: RequestId, path: usize, outstanding: Outstanding<'a>) {
        let Some(transfer) = self.transfers.get_mut(&request) else { return };
        transfer.outstanding.insert(path, outstanding);
        let Manifest { title, version, .. } = &*self.delivery.manifest;
        let Transfer { node, column, read, from_byte, .. } = transfer;
        let (segment, query) = (title::to_segment(title), read.to_query());
        let from = if *from_byte > 0 { format!("&from={from_byte}") } else { String::new() };
        let path_and_query = format!("/peer/v1/columns/{segment}/{version}/{column}?{query}{from}");
        let parts = parts(self.delivery.node(), *node, path, path_and_query, read.proof);
        self.listen(request, parts.map(move |part| Heard::Part(request, path, part)));
        self.tell(&FetchTold::Began { request, path });
    }

    /// Verifies an answer that is whole.
    fn verify(&mut self, request: RequestId) {
        let Some(mut transfer) = self.transfers.remove(&request) else { return };
        let (rope, read, column) = (core::mem::take(&mut transfer.rope), transfer.read.clone(), transfer.column);
        drop(transfer);
        let Manifest { title, version, .. } = &*self.delivery.manifest;
        let seal = Seal::new(title, title_version(*version), column);
        let (root, geometry) = (&self.delivery.content().roots[usize::from(column)], self.delivery.geometry());
        let is_long = read.proof && rope.len() > HASHED_HERE_BYTES_MAX;
        let verify = || Arrival::verified(read, rope, seal, root, geometry);
        match if is_long { block_in_place(verify) } else { verify() } {
            Ok(arrival) => {
                self.arrivals.push(column, arrival);
                self.tell(&FetchTold::Verified { request });
            }
            Err(damage) => {
                self.whys.insert(request, damage.to_string());
                self.tell(&FetchTold::Damaged { request });
            }
        }
    }

    fn note(&mut self, event: FetchEvent) {
        let node = self.delivery.node();
        match event {
            FetchEvent::Ready(plan) => self.outcome = Some(Ok(plan)),
            FetchEvent::TooFew(too_few) => self.outcome = Some(Err(too_few)),
            FetchEvent::Failed { request, column, why } => {
                self.arrivals.remove(column);
                let told = self.whys.remove(&request).unwrap_or_default();
                self.delivery.note_failure(column, why, &told);
            }
            FetchEvent::Late { node: to, path } => node.peers.paths.note_late(to, path),
            FetchEvent::HedgeSent => node.reads.note_hedge_sent(),
            FetchEvent::HedgeWon => node.reads.note_hedge_won(),
            FetchEvent::PathSwitch => node.reads.note_path_switch(),
            FetchEvent::Extra(bytes) => node.reads.note_extra(bytes),
        }
    }
}

impl Drop for Fetching<'_> {
    fn drop(&mut self) {
        let node = self.delivery.node();
        node.commons(|commons| self.machine.give_up(node.now(), commons));
        while let Some(event) = self.machine.poll_event() {
            self.note(event);
        }
    }
}

/// The answer to a request over one path, part by part.
fn parts(
    me: &Node,
    node: NodeId,
    path: usize,
    request: String,
    is_proven: bool,
) -> impl Stream<Item = Result<Bytes, PeerError>> + Send {
    enum Stage {
        Send(String),
        Read(Incoming),
        Over,
    }
    let down: BoxFuture<'static, ()> = Box::pin(me.peers.paths.went_down(node, path));
    let next = move |(stage, mut down): (Stage, BoxFuture<'static, ()>)| async move {
        let mut body = match stage {
            Stage::Send(request) => match me.peers.column_by(node, path, &request, is_proven).await {
                Ok(response) => response.into_body(),
                Err(error) => return Some((Err(error), (Stage::Over, down))),
            },
            Stage::Read(body) => body,
            Stage::Over => return None,
        };
        let why = tokio::select! {
            data = next_data(&mut body) => match data {
                Ok(bytes) => return Some((Ok(bytes), (Stage::Read(body), down))),
                Err(why) => why,
            },
            () = &mut down => "the path went down".to_owned(),
        };
        let peer = me.name_of(node);
        Some((Err(PeerError::Unreachable { peer, why }), (Stage::Over, down)))
    };
    stream::unfold((Stage::Send(request), down), next)
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
