//! Nodes, the wires between them, what goes wrong, and what must not.

use super::content::content;
use super::ledger::Ledger;
use super::wire::{Nature, Wire};
use crate::random::SplitMix64;
use crate::rudp::safeguard::{Missing, Safeguard};
use crate::rudp::{
    Delivery, Endpoint, Frame, Identity, MESSAGE_BYTES_MAX, PathId, PathTransition, RudpEvent, SendError, Statistics,
    WINDOW_FRAMES,
};
use crate::time::Time;
use crate::version::NodeId;
use core::num::NonZeroU8;
use core::time::Duration;
use std::collections::BTreeMap;

const CLUSTER: u64 = 7;

/// What a seed switches on.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch by itself")]
pub(super) struct Options {
    seed: u64,
    nodes: usize,
    paths: usize,
    /// One path of each pair has no fault and loses nothing, no node starts over, and all read at once.
    steady: bool,
    restarts: bool,
    slow_readers: bool,
    /// So late at most a node notices its alarm.
    lag_us: u64,
    /// Between two faults, about.
    faults_us: u64,
    /// Between two messages of a node, about.
    messages_us: u64,
    long: bool,
    ends: Time,
}

impl Options {
    pub(super) fn of(seed: u64) -> Self {
        let mut random = SplitMix64::new(seed ^ 0x0b71);
        let steady = random.one_in(3);
        Self {
            seed,
            nodes: random.pick(&[2, 2, 3]),
            paths: random.pick(&[1, 2, 2, 3, 4]),
            steady,
            restarts: !steady && random.one_in(2),
            slow_readers: !steady && random.one_in(3),
            lag_us: random.pick(&[0, 0, 300, 5_000]),
            faults_us: random.pick(&[20_000, 150_000, 1_000_000]),
            messages_us: random.pick(&[1_000, 4_000, 20_000]),
            long: random.one_in(2),
            ends: Time::from_micros(random.within(400_000..1_600_000)),
        }
    }

    fn nature(&self, path: usize, random: &mut SplitMix64) -> Nature {
        let calm = self.steady && path == 0;
        let delay_us = random.pick(&[50, 300, 3_000, 20_000]);
        Nature {
            delay_us,
            jitter_us: random.pick(&[0, delay_us / 10, 2 * delay_us]),
            loss: if calm { 0 } else { random.pick(&[0, 0, 100, 20, 5]) },
            repeats: random.pick(&[0, 0, 50, 5]),
            clogs: if calm { 0 } else { random.pick(&[0, 0, 200]) },
        }
    }
}

#[derive(Debug)]
enum What {
    Arrival { to: usize, path: usize, bytes: Vec<u8> },
    Transition { at: usize, about: usize, path: usize, session: u32, transition: PathTransition },
    Alarm { node: usize },
    Message { node: usize },
    Fault,
    Heal { pair: (usize, usize), path: usize },
    Begin { node: usize },
    Read { node: usize },
    Calm,
}

struct Node {
    endpoint: Option<Endpoint>,
    incarnation: u64,
    alarm: Option<Time>,
    /// It takes no events until then.
    reads: Time,
    /// The verdicts it was told of the paths to its peers.
    up: BTreeMap<(usize, usize), bool>,
}

/// One run.
pub(super) struct World {
    pub(super) options: Options,
    pub(super) now: Time,
    pub(super) ledger: Ledger,
    pub(super) totals: Statistics,
    pub(super) trace: Vec<u8>,
    missing: Option<Safeguard>,
    random: SplitMix64,
    nodes: Vec<Node>,
    wires: BTreeMap<((usize, usize), usize), Wire>,
    queue: BTreeMap<(Time, u64), What>,
    queued: u64,
    calm: bool,
    /// Frames that the network lost, and those that it kept for long.
    dropped: u64,
    arrived: u64,
}

fn id(node: usize) -> NodeId {
    NodeId(u32::try_from(node).unwrap())
}

fn index(node: NodeId) -> usize {
    usize::try_from(node.0).unwrap()
}

fn pair(one: usize, other: usize) -> (usize, usize) {
    (one.min(other), one.max(other))
}

impl World {
    pub(super) fn new(options: Options, missing: Option<Safeguard>) -> Self {
        let mut random = SplitMix64::new(options.seed);
        let mut wires = BTreeMap::new();
        for low in 0..options.nodes {
            for high in low + 1..options.nodes {
                for path in 0..options.paths {
                    wires.insert(((low, high), path), Wire::new(options.nature(path, &mut random)));
                }
            }
        }
        let node = || Node { endpoint: None, incarnation: 0, alarm: None, reads: Time::default(), up: BTreeMap::new() };
        let nodes = (0..options.nodes).map(|_| node()).collect();
        let (now, ledger, totals, trace) = (Time::default(), Ledger::default(), Statistics::default(), Vec::new());
        let mut world = Self {
            options,
            now,
            ledger,
            totals,
            trace,
            missing,
            random,
            nodes,
            wires,
            queue: BTreeMap::new(),
            queued: 0,
            calm: false,
            dropped: 0,
            arrived: 0,
        };
        for node in 0..world.nodes.len() {
            world.after(0, What::Begin { node });
            world.after(1, What::Message { node });
        }
        world.after(world.options.faults_us, What::Fault);
        world.at(world.options.ends, What::Calm);
        world
    }

    fn at(&mut self, time: Time, what: What) {
        self.queued += 1;
        self.queue.insert((time, self.queued), what);
    }

    fn after(&mut self, micros: u64, what: What) {
        self.at(self.now + Duration::from_micros(micros), what);
    }

    /// Runs until nothing is left to do.
    pub(super) fn run(&mut self) -> Result<(), String> {
        while let Some(((time, _), what)) = self.queue.pop_first() {
            self.now = time;
            if time > self.options.ends + Duration::from_mins(1) {
                return Err("it does not fall silent".to_owned());
            }
            self.trace.extend_from_slice(&time.micros().to_le_bytes());
            self.step(what)?;
        }
        self.ledger.settle()?;
        self.totals = Statistics::default();
        for (node, peer) in self.pairs() {
            let endpoint = self.nodes[node].endpoint.as_ref().ok_or("a node is away")?;
            if endpoint.free_frames(id(peer)) != Some(WINDOW_FRAMES) {
                return Err(format!("node {node} has frames for node {peer} left"));
            }
            let statistics = *endpoint.statistics(id(peer)).ok_or("a peer is away")?;
            self.totals.first += statistics.first;
            self.totals.again += statistics.again;
            self.totals.moved += statistics.moved;
            self.totals.bare += statistics.bare;
            self.totals.timeouts += statistics.timeouts;
            self.totals.copies += statistics.copies;
        }
        self.check_overhead()
    }

    /// Frames are sent again for a reason each: the network lost one, or was slow, or a path went Down with what was in
    /// flight over it.
    fn check_overhead(&self) -> Result<(), String> {
        let Statistics { first, again, moved, bare, timeouts, .. } = self.totals;
        let bound = 3 * self.dropped + moved + 12 * timeouts + first / 4 + 100;
        if again > bound {
            return Err(format!("{again} frames again of {first}, expected {bound} at the most"));
        }
        let bound = self.arrived + self.dropped + 500;
        if bare > bound {
            return Err(format!("{bare} frames without data, expected {bound} at the most"));
        }
        // A path without loss is always there: nobody waits for long.
        let wait = self.ledger.longest_wait_us(self.now);
        if self.options.steady && wait > 2_500_000 {
            return Err(format!("a message waited {wait} us while a path was good"));
        }
        Ok(())
    }

    fn pairs(&self) -> Vec<(usize, usize)> {
        let count = self.nodes.len();
        (0..count)
            .flat_map(|one| (0..count).filter(move |other| *other != one).map(move |other| (one, other)))
            .collect()
    }

    fn step(&mut self, what: What) -> Result<(), String> {
        match what {
            What::Arrival { to, path, bytes } => {
                let Some(endpoint) = &mut self.nodes[to].endpoint else { return Ok(()) };
                self.arrived += 1;
                let path = PathId(u16::try_from(path).unwrap());
                endpoint.handle_message(self.now, path, &bytes).map_err(|error| error.to_string())?;
                self.drain(to)
            }
            What::Transition { at, about, path, session, transition } => {
                let current = self.wires[&(pair(at, about), path)].session == session;
                let node = &mut self.nodes[at];
                let Some(endpoint) = node.endpoint.as_mut().filter(|_| current) else { return Ok(()) };
                node.up.insert((about, path), transition.up);
                endpoint.handle_path(self.now, id(about), PathId(u16::try_from(path).unwrap()), transition);
                self.drain(at)
            }
            What::Alarm { node } => {
                self.nodes[node].alarm = None;
                let Some(endpoint) = &mut self.nodes[node].endpoint else { return Ok(()) };
                endpoint.handle_timeout(self.now);
                self.drain(node)
            }
            What::Message { node } => self.message(node),
            What::Fault => {
                self.fault();
                Ok(())
            }
            What::Heal { pair, path } => {
                let wire = self.wires.get_mut(&(pair, path)).unwrap();
                (wire.works, wire.slandered) = ([true; 2], false);
                self.judge(pair, path);
                Ok(())
            }
            What::Begin { node } => {
                self.begin(node);
                self.drain(node)
            }
            What::Read { node } => self.drain(node),
            What::Calm => {
                self.calm = true;
                for (pair, path) in self.wires.keys().copied().collect::<Vec<_>>() {
                    self.after(0, What::Heal { pair, path });
                }
                Ok(())
            }
        }
    }

    /// Hands over a message, and sees that it is refused only for a reason.
    fn message(&mut self, from: usize) -> Result<(), String> {
        if self.calm {
            return Ok(());
        }
        let next = self.random.within(1..2 * self.options.messages_us);
        self.after(next, What::Message { node: from });
        let to = self.random.pick(&(0..self.nodes.len()).filter(|to| *to != from).collect::<Vec<_>>());
        let longest = if self.options.long && self.random.one_in(4) { MESSAGE_BYTES_MAX } else { 1500 };
        let length = usize::try_from(self.random.within(8..longest as u64 + 1)).unwrap();
        let copies = NonZeroU8::new(u8::try_from(self.options.paths.min(2)).unwrap()).unwrap();
        let delivery = self.random.pick(&[Delivery::ORDERED, Delivery::UNORDERED, Delivery::redundant(copies)]);
        let bytes = content(self.ledger.next(), length);
        let node = &mut self.nodes[from];
        let Some(endpoint) = &mut node.endpoint else { return Ok(()) };
        let free = endpoint.free_frames(id(to)).unwrap();
        let needed = length.div_ceil(1024) as u64;
        match endpoint.send(self.now, id(to), &bytes, delivery) {
            Ok(message) if needed <= free => {
                self.ledger.send(self.now, (from, node.incarnation), to, message, delivery.ordered, length);
            }
            Err(SendError::Full { needed: wanted, free: found }) if needed > free => {
                if (wanted, found) != (needed, free) {
                    return Err(format!("{wanted} of {found} frames, expected {needed} of {free}"));
                }
            }
            other => return Err(format!("{needed} frames into {free}: {other:?}")),
        }
        self.drain(from)
    }

    fn fault(&mut self) {
        if self.calm {
            return;
        }
        let next = self.random.within(1..2 * self.options.faults_us);
        self.after(next, What::Fault);
        let lasts = self.random.within(1_000..700_000);
        if self.options.restarts && self.random.one_in(6) {
            let node = usize::try_from(self.random.within(0..self.nodes.len() as u64)).unwrap();
            self.stop(node);
            self.after(lasts, What::Begin { node });
            return;
        }
        if self.options.slow_readers && self.random.one_in(4) {
            let node = usize::try_from(self.random.within(0..self.nodes.len() as u64)).unwrap();
            self.nodes[node].reads = self.now + Duration::from_micros(lasts);
            self.after(lasts, What::Read { node });
            return;
        }
        let first = usize::from(self.options.steady);
        let candidates: Vec<_> = self.wires.keys().filter(|(_, path)| *path >= first).copied().collect();
        if candidates.is_empty() {
            return;
        }
        let (pair, path) = self.random.pick(&candidates);
        let kind = self.random.within(0..5);
        let wire = self.wires.get_mut(&(pair, path)).unwrap();
        match kind {
            0 => wire.works[0] = false,
            1 => wire.works[1] = false,
            2 => wire.slandered = true,
            _ => wire.works = [false; 2],
        }
        self.judge(pair, path);
        self.after(lasts, What::Heal { pair, path });
    }

    fn judge(&mut self, pair: (usize, usize), path: usize) {
        let alive = self.nodes[pair.0].endpoint.is_some() && self.nodes[pair.1].endpoint.is_some();
        let wire = self.wires.get_mut(&(pair, path)).unwrap();
        if let Some((transition, times)) = wire.judge(self.now, alive, &mut self.random) {
            self.tell(pair, path, transition, times);
        }
    }

    fn tell(&mut self, pair: (usize, usize), path: usize, transition: PathTransition, times: [Time; 2]) {
        let session = self.wires[&(pair, path)].session;
        for (at, about, time) in [(pair.0, pair.1, times[0]), (pair.1, pair.0, times[1])] {
            self.at(time, What::Transition { at, about, path, session, transition });
        }
    }

    fn stop(&mut self, node: usize) {
        if self.nodes[node].endpoint.take().is_some() {
            self.each_wire_of(node, Self::judge);
        }
    }

    fn begin(&mut self, node: usize) {
        if self.nodes[node].endpoint.is_some() {
            return;
        }
        let incarnation = self.nodes[node].incarnation + 1 + self.random.within(0..1000);
        let own = Identity { cluster: CLUSTER, node: id(node), incarnation };
        let mut endpoint = Endpoint::with(own, Missing(self.missing));
        for peer in (0..self.nodes.len()).filter(|peer| *peer != node) {
            endpoint.add_peer(id(peer), self.options.paths);
        }
        let state = &mut self.nodes[node];
        (state.endpoint, state.incarnation, state.alarm) = (Some(endpoint), incarnation, None);
        state.up.clear();
        self.ledger.begin(self.now, (node, incarnation));
        self.each_wire_of(node, |world, pair, path| {
            let wire = world.wires.get_mut(&(pair, path)).unwrap();
            let (transition, times) = wire.begin(world.now, &mut world.random);
            world.tell(pair, path, transition, times);
            world.judge(pair, path);
        });
    }

    fn each_wire_of(&mut self, node: usize, act: impl Fn(&mut Self, (usize, usize), usize)) {
        for (pair, path) in self.wires.keys().copied().collect::<Vec<_>>() {
            if pair.0 == node || pair.1 == node {
                act(self, pair, path);
            }
        }
    }

    /// Takes what a node has to tell and to send, and sets its alarm.
    fn drain(&mut self, node: usize) -> Result<(), String> {
        if self.now >= self.nodes[node].reads {
            self.read(node)?;
        }
        let Some(endpoint) = &mut self.nodes[node].endpoint else { return Ok(()) };
        let mut frames = Vec::new();
        let mut buffer = Vec::new();
        while let Some(transmit) = endpoint.poll_transmit(self.now, &mut buffer) {
            frames.push((index(transmit.peer), usize::from(transmit.path.0), core::mem::take(&mut buffer)));
            if frames.len() > 2000 {
                return Err("it does not stop sending".to_owned());
            }
        }
        // What is missing has to show outside.
        if self.missing.is_none() && self.queued.is_multiple_of(64) {
            endpoint.check();
        }
        let due = endpoint.poll_timeout();
        for (to, path, bytes) in frames {
            self.carry(node, to, path, bytes)?;
        }
        let lag = self.random.within(0..self.options.lag_us + 1);
        let Some(due) = due.map(|due| due.max(self.now) + Duration::from_micros(lag)) else { return Ok(()) };
        if self.nodes[node].alarm.is_none_or(|alarm| alarm > due) {
            self.nodes[node].alarm = Some(due);
            self.at(due, What::Alarm { node });
        }
        Ok(())
    }

    fn carry(&mut self, from: usize, to: usize, path: usize, bytes: Vec<u8>) -> Result<(), String> {
        if self.nodes[from].up.get(&(to, path)) != Some(&true) {
            return Err(format!("node {from} sends to node {to} over path {path}, which is Down"));
        }
        Frame::from_bytes(&bytes).map_err(|error| format!("node {from} sends no frame: {error}"))?;
        self.trace.extend_from_slice(&bytes[..bytes.len().min(140)]);
        let wire = &self.wires[&(pair(from, to), path)];
        let mut times = wire.carry(self.now, usize::from(from > to), &mut self.random);
        self.dropped += u64::from(times.iter().all(|time| time.since(self.now) > Duration::from_millis(50)));
        let last = times.pop();
        for time in times {
            self.at(time, What::Arrival { to, path, bytes: bytes.clone() });
        }
        if let Some(time) = last {
            self.at(time, What::Arrival { to, path, bytes });
        }
        Ok(())
    }

    fn read(&mut self, node: usize) -> Result<(), String> {
        let own = (node, self.nodes[node].incarnation);
        while let Some(event) = self.nodes[node].endpoint.as_mut().and_then(Endpoint::poll_event) {
            match event {
                RudpEvent::Message { peer, incarnation, bytes } => {
                    self.ledger.deliver(own, (index(peer), incarnation), &bytes)?;
                }
                RudpEvent::Acknowledged { peer, message } => {
                    self.ledger.acknowledge(self.now, own, index(peer), message)?;
                }
                RudpEvent::Session { peer, incarnation, lost } => {
                    for message in lost {
                        self.ledger.lose(own, (index(peer), incarnation), message)?;
                    }
                }
                RudpEvent::Unreachable { peer } | RudpEvent::Reachable { peer } => {
                    let peer = index(peer);
                    let up = self.nodes[node].up.iter().any(|((about, _), up)| *about == peer && *up);
                    if up != matches!(event, RudpEvent::Reachable { .. }) {
                        return Err(format!("node {node} says of node {peer}: {event:?}"));
                    }
                }
                RudpEvent::Writable { .. } => {}
            }
        }
        Ok(())
    }
}
