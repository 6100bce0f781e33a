//! Streams that fetch pieces from peers, in virtual time; everything that is promised is checked as it happens.

use super::ledger::Ledger;
use super::options::Options;
use super::peers::{Lie, Peer, ms};
use super::title::Title;
use crate::safeguard::{Missing, Safeguard};
use crate::{
    Arrivals, ColumnRead, Commons, FetchEvent, FetchOrder, FetchTold, Piece, PieceAsk, PieceFetch, PiecePlan,
    RequestId, Rope, Turn, assemble,
};
use bytes::Bytes;
use core::fmt::Write;
use core::time::Duration;
use rain_cluster::random::SplitMix64;
use rain_cluster::{NodeId, Time};
use rain_codec::{Cell, ErasurePattern};
use std::collections::{BTreeMap, VecDeque};

/// Bytes on their way over a path.
#[derive(Debug, Clone)]
pub(super) struct Attempt {
    pub(super) answer: Bytes,
    pub(super) position: usize,
}

/// A request, as the driver sees it.
#[derive(Debug)]
pub(super) struct Transfer {
    pub(super) node: usize,
    pub(super) column: u16,
    pub(super) read: ColumnRead,
    pub(super) expected: usize,
    pub(super) rope: Rope,
    pub(super) ask: VecDeque<(usize, Vec<usize>)>,
    pub(super) attempts: BTreeMap<usize, Attempt>,
    /// Bytes that peers sent.
    pub(super) sent: u64,
}

/// A piece that is being fetched.
#[derive(Debug)]
pub(super) struct Fetch {
    pub(super) stream: usize,
    pub(super) piece: Piece,
    pub(super) began: Time,
    /// What counted as lost then.
    pub(super) lost: ErasurePattern,
    pub(super) machine: PieceFetch,
    pub(super) transfers: BTreeMap<RequestId, Transfer>,
    pub(super) arrivals: Arrivals,
    /// Whether it is spoilt once by a decoder.
    pub(super) spoilt: bool,
    /// Bytes that peers sent, and those of requests that a peer's fault ended.
    pub(super) sent: u64,
    pub(super) by_column: BTreeMap<(u16, u16), u64>,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Happening {
    Turn(usize, RequestId),
    Frame(usize, RequestId, usize),
    Refused(usize, RequestId),
    Own(usize, RequestId),
    Looked(usize),
    Down(usize, usize),
    Timer(usize),
    Leave(usize),
}

pub(super) struct World {
    pub(super) options: Options,
    pub(super) title: &'static Title,
    pub(super) random: SplitMix64,
    pub(super) now: Time,
    /// When the last piece ended.
    pub(super) ended: Time,
    pub(super) queue: BTreeMap<(Time, u64), Happening>,
    pub(super) number: u64,
    pub(super) commons: Vec<Commons>,
    pub(super) fetches: BTreeMap<usize, Fetch>,
    pub(super) timers: BTreeMap<usize, Time>,
    pub(super) left: Vec<VecDeque<Piece>>,
    pub(super) ledger: Ledger,
    pub(super) missing: Missing,
    /// Columns that are known to be lost, as one delivery knows it.
    pub(super) lost: ErasurePattern,
    pub(super) trace: String,
}

/// What may be on its way over a path that nobody reads any more.
pub(super) const UNREAD: u64 = crate::column_fetch::UNREAD_BYTES_MAX as u64;

pub(super) type Checked = Result<(), String>;

impl World {
    pub(super) fn new(options: Options, title: &'static Title, missing: Option<Safeguard>) -> Self {
        let shards = u32::try_from(options.shards).unwrap();
        let mut commons = vec![Commons::new((0..).map(NodeId).take(options.peers.len()), shards); options.shards];
        for commons in &mut commons {
            commons.budget.spend(options.spent / u64::from(shards));
        }
        let mut world = Self {
            random: SplitMix64::new(options.seed ^ 0x5eed),
            title,
            now: Time::default(),
            ended: Time::default(),
            queue: BTreeMap::new(),
            number: 0,
            commons,
            fetches: BTreeMap::new(),
            timers: BTreeMap::new(),
            left: options.streams.iter().cloned().map(VecDeque::from).collect(),
            ledger: Ledger::new(&options),
            missing: Missing(missing),
            lost: options.lost,
            trace: String::new(),
            options,
        };
        for (node, peer) in world.options.peers.clone().iter().enumerate() {
            for (path, path_of) in peer.paths.iter().enumerate() {
                for down in &path_of.downs {
                    world.happen(down.from, Happening::Down(node, path));
                }
            }
            for trouble in peer.troubles.iter().filter(|trouble| trouble.breaks) {
                (0..peer.paths.len()).for_each(|path| world.happen(trouble.from, Happening::Down(node, path)));
            }
        }
        world
    }

    pub(super) fn run(&mut self) -> Checked {
        for stream in 0..self.left.len() {
            self.begin(stream)?;
        }
        while let Some(((now, _), happening)) = self.queue.pop_first() {
            self.now = now;
            let _ = writeln!(self.trace, "{} {happening:?}", now.micros());
            self.follow(happening)?;
        }
        if let Some(fetch) = self.fetches.values().next() {
            return Err(format!("a piece does not end: {:?}, begun at {:?}", fetch.piece, fetch.began));
        }
        let left: Vec<i64> = self.commons.iter().map(|commons| commons.budget.left()).collect();
        self.ledger.close(&left)
    }

    pub(super) fn happen(&mut self, when: Time, what: Happening) {
        self.number += 1;
        self.queue.insert((when.max(self.now), self.number), what);
    }

    fn follow(&mut self, happening: Happening) -> Checked {
        match happening {
            Happening::Turn(fetch, request) => self.grant(fetch, request)?,
            Happening::Frame(fetch, request, path) => self.frame(fetch, request, path)?,
            Happening::Refused(fetch, request) => self.tell(fetch, &FetchTold::Refused { request })?,
            Happening::Own(fetch, request) => self.read_own(fetch, request)?,
            Happening::Looked(fetch) => {
                let lost = self.lost_now();
                self.lost = lost;
                self.tell(fetch, &FetchTold::Looked { lost })?;
            }
            Happening::Down(node, path) => self.path_down(node, path)?,
            Happening::Timer(fetch) => self.ring(fetch)?,
            Happening::Leave(fetch) => self.leave(fetch),
        }
        Ok(())
    }

    /// Begins pieces of a stream, as far as it reads ahead.
    fn begin(&mut self, stream: usize) -> Checked {
        while self.fetches.values().filter(|fetch| fetch.stream == stream).count() < self.options.ahead {
            let Some(piece) = self.left[stream].pop_front() else { return Ok(()) };
            let codec = &self.title.codec;
            let wanted: Vec<Cell> = piece.cells.clone().map(|index| codec.code().data_cell(index)).collect();
            let ask = PieceAsk {
                codec: codec.clone(),
                geometry: self.title.geometry,
                piece: piece.clone(),
                wanted,
                nodes: (0..).map(NodeId).take(self.options.peers.len()).collect(),
                own: NodeId(self.options.own.map_or(u32::MAX, |own| u32::try_from(own).unwrap())),
                proof: self.options.proof,
                lost: self.lost,
                patience: self.options.patience,
            };
            let (peers, now) = (&self.options.peers, self.now);
            let commons = &mut self.commons[stream % self.options.shards];
            let any_down = peers.iter().flat_map(|peer| &peer.paths).any(|path| path.is_down(now));
            commons.set_paths(any_down, |node| peers[node.0 as usize].paths.iter().all(|path| path.is_down(now)));
            let machine = PieceFetch::with_missing(now, ask, commons, self.missing);
            let spoilt = self.random.one_in(40);
            let fetch = Fetch {
                stream,
                piece,
                began: now,
                lost: self.lost,
                machine,
                transfers: BTreeMap::new(),
                arrivals: Arrivals::default(),
                spoilt,
                sent: 0,
                by_column: BTreeMap::new(),
            };
            let id = self.ledger.begin();
            self.fetches.insert(id, fetch);
            if self.random.one_in(self.options.leavers) {
                let after = Duration::from_micros(self.random.below(100_000));
                self.happen(now + after, Happening::Leave(id));
            }
            self.settle(id)?;
        }
        Ok(())
    }

    pub(super) fn tell(&mut self, id: usize, told: &FetchTold) -> Checked {
        if let Some(fetch) = self.fetches.get_mut(&id) {
            let commons = &mut self.commons[fetch.stream % self.options.shards];
            fetch.machine.handle(self.now, told, commons);
            self.settle(id)?;
        }
        Ok(())
    }

    fn ring(&mut self, id: usize) -> Checked {
        if self.timers.get(&id) != Some(&self.now) {
            return Ok(());
        }
        self.timers.remove(&id);
        if let Some(fetch) = self.fetches.get_mut(&id) {
            let commons = &mut self.commons[fetch.stream % self.options.shards];
            fetch.machine.handle_timeout(self.now, commons);
            if fetch.machine.poll_timeout().is_some_and(|due| due <= self.now) {
                return Err("what was due is due at once again".into());
            }
            self.settle(id)?;
        }
        Ok(())
    }

    fn leave(&mut self, id: usize) {
        let Some(mut fetch) = self.fetches.remove(&id) else { return };
        fetch.machine.give_up(self.now, &mut self.commons[fetch.stream % self.options.shards]);
        while let Some(event) = fetch.machine.poll_event() {
            self.ledger.note(&event);
        }
        // What is on its way then is nobody's fault but the viewer's.
        self.ledger.note_fault(6 * UNREAD);
        self.left[fetch.stream].clear();
    }

    /// Carries out orders, takes events, sets the timer.
    pub(super) fn settle(&mut self, id: usize) -> Checked {
        loop {
            let Some(fetch) = self.fetches.get_mut(&id) else { return Ok(()) };
            if let Some(order) = fetch.machine.poll_order() {
                let _ = writeln!(self.trace, "  {id} {order:?}");
                self.carry_out(id, order)?;
            } else if let Some(event) = fetch.machine.poll_event() {
                let _ = writeln!(self.trace, "  {id} {}", short(&event));
                self.take(id, event)?;
            } else {
                break;
            }
        }
        let due = self.fetches.get(&id).and_then(|fetch| fetch.machine.poll_timeout());
        if let Some(due) = due.filter(|due| self.timers.get(&id) != Some(due)) {
            let due = due.max(self.now + Duration::from_micros(1));
            self.timers.insert(id, due);
            self.happen(due, Happening::Timer(id));
        }
        Ok(())
    }

    fn carry_out(&mut self, id: usize, order: FetchOrder) -> Checked {
        match order {
            FetchOrder::Ask { request, node, column, rows, from_byte, bytes, turn, without } => {
                let fetch = self.fetches.get_mut(&id).unwrap();
                let Piece { stripes, blocks, .. } = fetch.piece.clone();
                let transfer = fetch.transfers.entry(request).or_insert_with(|| {
                    let read = ColumnRead { stripes, rows, blocks, proof: self.options.proof };
                    let rope = Rope::default();
                    let (ask, attempts) = (VecDeque::new(), BTreeMap::new());
                    Transfer { node: node.0 as usize, column, read, expected: bytes, rope, ask, attempts, sent: 0 }
                });
                if from_byte != transfer.rope.len() || from_byte + bytes != transfer.expected {
                    return Err(format!(
                        "{request:?} of {column}: from {from_byte}, {} are there",
                        transfer.rope.len()
                    ));
                }
                transfer.ask.push_back((from_byte, without));
                if turn == Turn::Ordinary && self.now == fetch.began {
                    let commons = &self.commons[fetch.stream % self.options.shards];
                    let good = (0..).map(NodeId).take(self.options.peers.len()).enumerate();
                    let good = good
                        .filter(|(column, node)| !self.lost.contains(*column) && !commons.is_doubtful(self.now, *node));
                    let enough = good.count() >= self.title.codec.code().data_columns();
                    let shard = fetch.stream % self.options.shards;
                    if enough && self.ledger.is_doubted(self.now, node.0 as usize, shard) {
                        return Err(format!("node {node:?} is asked first, though it let a reader down"));
                    }
                }
                if turn == Turn::AtOnce {
                    return self.grant(id, request);
                }
                let wait = self.options.queue.as_micros();
                let wait = if wait > 0 { self.random.below(u64::try_from(wait).unwrap()) } else { 0 };
                self.happen(self.now + Duration::from_micros(wait), Happening::Turn(id, request));
            }
            FetchOrder::Read { request, column, rows } => {
                let fetch = self.fetches.get_mut(&id).unwrap();
                let Piece { stripes, blocks, .. } = fetch.piece.clone();
                let read = ColumnRead { stripes, rows, blocks, proof: false };
                let (rope, ask, attempts) = (Rope::default(), VecDeque::new(), BTreeMap::new());
                let own = self.options.own.unwrap();
                let transfer = Transfer { node: own, column, read, expected: 0, rope, ask, attempts, sent: 0 };
                fetch.transfers.insert(request, transfer);
                self.happen(self.now + ms(1), Happening::Own(id, request));
            }
            FetchOrder::Verify { request, .. } => self.verify(id, request)?,
            FetchOrder::Cancel { request } => {
                if let Some(gone) = self.fetches.get_mut(&id).unwrap().transfers.remove(&request) {
                    // Its rows may be asked for again, when the column counts as there again.
                    self.ledger.forget(id, gone.column);
                }
            }
            FetchOrder::Look => self.happen(self.now + ms(5), Happening::Looked(id)),
        }
        Ok(())
    }

    /// The columns that a look finds lost.
    fn lost_now(&self) -> ErasurePattern {
        let gone = |peer: &Peer| {
            let cut = peer.paths.iter().all(|path| path.is_cut(self.now));
            cut || peer.trouble(self.now).is_some() || matches!(peer.lie, Some(Lie::ReadDamage | Lie::Refusal))
        };
        let lost = self.options.peers.iter().enumerate().filter(|(_, peer)| gone(peer));
        lost.fold(self.options.lost, |lost, (column, _)| lost.with(column))
    }

    fn take(&mut self, id: usize, event: FetchEvent) -> Checked {
        self.ledger.note(&event);
        match event {
            FetchEvent::Ready(plan) => self.ready(id, &plan),
            FetchEvent::TooFew(_) => self.too_few(id),
            FetchEvent::Failed { column, why, .. } => {
                let fetch = self.fetches.get_mut(&id).unwrap();
                fetch.arrivals.remove(column);
                let lost: u64 = fetch.by_column.iter().filter(|((of, _), _)| *of == column).map(|(_, sent)| sent).sum();
                self.ledger.note_fault(lost + UNREAD);
                self.ledger.forget(id, column);
                let shard = fetch.stream % self.options.shards;
                if why.is_loss() {
                    self.lost = self.lost.with(column.into());
                } else if self.options.own != Some(usize::from(column)) {
                    self.ledger.doubt(self.now, usize::from(column), shard);
                }
                Ok(())
            }
            FetchEvent::Late { node, path } => {
                self.ledger.late(self.now, node.0 as usize, path);
                Ok(())
            }
            FetchEvent::HedgeSent | FetchEvent::HedgeWon | FetchEvent::PathSwitch | FetchEvent::Extra(_) => Ok(()),
        }
    }

    fn ready(&mut self, id: usize, plan: &PiecePlan) -> Checked {
        let fetch = self.fetches.get_mut(&id).unwrap();
        if core::mem::take(&mut fetch.spoilt) {
            // What a bad memory may do.
            fetch.arrivals = Arrivals::default();
            fetch.sent = 0;
            self.ledger.forget_all(id);
            return self.tell(id, &FetchTold::Undecodable);
        }
        let bytes =
            assemble(&self.title.geometry, &fetch.piece, plan, &fetch.arrivals).map_err(|error| error.to_string())?;
        let (start, end) =
            (usize::try_from(fetch.piece.bytes.start).unwrap(), usize::try_from(fetch.piece.bytes.end).unwrap());
        if bytes.concat() != self.title.content[start..end] {
            return Err(format!("wrong bytes in {:?}", fetch.piece));
        }
        let came: u64 = fetch
            .arrivals
            .iter()
            .filter(|(column, arrival)| plan.uses(*column, arrival.rows()))
            .filter(|(column, _)| self.options.own != Some(usize::from(*column)))
            .map(|(_, arrival)| arrival.len() as u64)
            .sum();
        self.ledger.earn(came, fetch.sent);
        let took = self.now.since(fetch.began);
        if self.options.within.is_some_and(|within| took > within) {
            return Err(format!("a piece took {took:?}: {:?}", fetch.piece));
        }
        self.end(id)
    }

    fn too_few(&mut self, id: usize) -> Checked {
        let fetch = &self.fetches[&id];
        let until = fetch.began + self.options.patience;
        let steady = |from: Time, lost: ErasurePattern| {
            let peers = self.options.peers.iter().enumerate();
            peers.filter(|(column, peer)| !lost.contains(*column) && peer.is_steady(from, self.now)).count()
        };
        let needed = self.title.codec.code().data_columns();
        // Within so long a hope that fails is given up, and the nodes are asked again.
        let lately = if self.options.patience > ms(4000) { until - ms(4000) } else { Time::default() };
        if steady(fetch.began, fetch.lost) >= needed || steady(lately, self.options.lost) >= needed {
            return Err(format!(
                "given up, though enough columns are there: {:?} after {:?}",
                fetch.piece, fetch.began
            ));
        }
        self.ledger.note_fault(fetch.sent + 6 * UNREAD);
        let stream = fetch.stream;
        self.left[stream].clear();
        self.end(id)
    }

    fn end(&mut self, id: usize) -> Checked {
        let Some(mut fetch) = self.fetches.remove(&id) else { return Ok(()) };
        self.ended = self.now;
        while let Some(event) = fetch.machine.poll_event() {
            self.ledger.note(&event);
        }
        self.begin(fetch.stream)
    }
}

/// An event, without the inside of a plan.
fn short(event: &FetchEvent) -> String {
    if let FetchEvent::Ready(plan) = event {
        return format!("Ready, decoded: {}", plan.recovery().is_some());
    }
    format!("{event:?}")
}
