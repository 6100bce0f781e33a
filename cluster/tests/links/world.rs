//! Many nodes on several switches, from a seed: what the network does, what the nodes say, and what must hold of it.

use rain_cluster::link::{ChannelState, HistoryRules, LinkPlan, LinkTiming, Links, Ping};
use rain_cluster::random::SplitMix64;
use rain_cluster::{NodeId, Time};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

/// What the nodes tell and the network does, in order: two runs of a seed must end with the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trace(u64);

impl Trace {
    /// Source: Fowler, Noll, Vo, FNV-1a, by words.
    fn note(&mut self, word: u64) {
        self.0 = (self.0 ^ word).wrapping_mul(0x0100_0000_01b3).rotate_left(23);
    }
}

/// The only source of chance.
#[derive(Debug, Clone)]
pub struct Random(SplitMix64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.0.next_u64()) * u128::from(end)) >> 64) as u64
    }

    fn happens(&mut self, permille: u64) -> bool {
        permille > 0 && self.below(1000) < permille
    }
}

/// What a seed does.
#[derive(Debug, Clone)]
pub struct Options {
    pub seed: u64,
    pub nodes: usize,
    pub switches: usize,
    pub period_ms: u64,
    pub seconds: u64,
    /// Of a thousand pings so many are lost, come twice, come late.
    pub weather: [u64; 3],
    /// Between two faults.
    pub fault_ms: u64,
    pub rules: HistoryRules,
}

impl Options {
    pub fn of(seed: u64) -> Self {
        let mut random = Random(SplitMix64::new(seed));
        let nodes = [4, 4, 5, 6, 8, 8, 12, 32][random.below(8) as usize];
        let fair = random.below(3) == 0;
        let mut strength = |most: u64| if fair { 0 } else { random.below(most) };
        let weather = [strength(100), strength(50), strength(50)];
        Self {
            seed,
            nodes,
            switches: 1 + random.below(if nodes > 8 { 2 } else { 8 }) as usize,
            period_ms: [5, 10, 20][random.below(3) as usize],
            seconds: if nodes > 8 { 10 } else { 30 },
            weather,
            fault_ms: 100 + random.below(2000),
            rules: HistoryRules::CONSISTENT,
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Flight {
    link: u32,
    to: u32,
    ping: Ping,
}

struct Node {
    links: Links,
    incarnation: u64,
    /// It does nothing before.
    paused_until: u64,
    /// When it is to be woken; a wake at another time is an old one.
    wake: u64,
}

/// What one end told of one link.
#[derive(Debug, Clone, Copy, Default)]
struct Told {
    session: (u64, u64),
    count: u32,
    up: bool,
    /// Transitions since the network last changed.
    lately: u32,
}

/// A cluster whose networks and nodes fail.
pub struct World {
    pub options: Options,
    random: Random,
    now: u64,
    nodes: Vec<Node>,
    /// Wakes: when, which node.
    wakes: BinaryHeap<Reverse<(u64, u32)>>,
    /// Pings under way: when, a number, and where in `flights`.
    under_way: BinaryHeap<Reverse<(u64, u64, u32)>>,
    flights: Vec<Flight>,
    free: Vec<u32>,
    number: u64,
    /// Of each switch, whether it passes pings on, and the microseconds that it takes.
    switches: Vec<(bool, u64)>,
    /// Of each directed pair and switch, whether the way is cut.
    cuts: Vec<bool>,
    told: Vec<Told>,
    pub pings: u64,
    pub transitions: u64,
    pub faults: u64,
    pub trace: Trace,
}

/// Paths are whole after so long without faults: 64 echoes, and all that flapping can ask for.
const CALM_MS: u64 = 5000;
/// N of the rules.
const SLACK: u32 = 2;

impl World {
    pub fn new(options: Options) -> Self {
        let count = options.nodes * options.nodes * options.switches;
        let mut world = Self {
            random: Random(SplitMix64::new(options.seed ^ 0x5eed)),
            now: 0,
            nodes: Vec::new(),
            wakes: BinaryHeap::new(),
            under_way: BinaryHeap::new(),
            flights: Vec::new(),
            free: Vec::new(),
            number: 0,
            switches: vec![(true, 200); options.switches],
            cuts: vec![false; count],
            told: vec![Told::default(); count],
            pings: 0,
            transitions: 0,
            faults: 0,
            trace: Trace(0xcbf2_9ce4_8422_2325),
            options,
        };
        for node in 0..world.options.nodes {
            let links = world.links(node, 1);
            world.nodes.push(Node { links, incarnation: 1, paused_until: 0, wake: 0 });
            let first = world.random.below(world.options.period_ms * 1000);
            world.wake(node, first);
        }
        world
    }

    /// The links of a node: to each other node, over each switch.
    fn links(&mut self, node: usize, incarnation: u64) -> Links {
        let Options { nodes, switches, period_ms, rules, .. } = self.options;
        let mut plans = Vec::new();
        for peer in (0..nodes).filter(|peer| *peer != node) {
            for switch in 0..switches {
                let name = switch as u16;
                let first = self.random.0.next_u64() as u32;
                plans.push(LinkPlan { peer: NodeId(peer as u32), names: [name, name], first });
            }
        }
        let timing = LinkTiming::new(Duration::from_millis(period_ms), plans.len());
        Links::with_rules(Time::from_micros(self.now), timing, 1, NodeId(node as u32), incarnation, plans, rules)
    }

    /// The peer and the switch of a link of a node.
    fn route(&self, node: usize, link: usize) -> (usize, usize) {
        let peer = link / self.options.switches;
        (peer + usize::from(peer >= node), link % self.options.switches)
    }

    fn link_to(&self, peer: usize, node: usize, switch: usize) -> usize {
        (node - usize::from(node > peer)) * self.options.switches + switch
    }

    fn index(&self, from: usize, to: usize, switch: usize) -> usize {
        (from * self.options.nodes + to) * self.options.switches + switch
    }

    fn wake(&mut self, node: usize, at: u64) {
        if self.nodes[node].wake != at || at == 0 {
            self.nodes[node].wake = at;
            self.wakes.push(Reverse((at, node as u32)));
        }
    }

    /// Runs for so long without new faults.
    fn run_until(&mut self, end: u64) -> Result<(), String> {
        loop {
            let wake = self.wakes.peek().map_or(u64::MAX, |Reverse((at, _))| *at);
            let arrival = self.under_way.peek().map_or(u64::MAX, |Reverse((at, ..))| *at);
            let next = wake.min(arrival);
            if next > end {
                self.now = end;
                return Ok(());
            }
            self.now = next;
            if arrival <= wake {
                let Some(Reverse((_, _, at))) = self.under_way.pop() else { continue };
                let Flight { link, to, ping } = self.flights[at as usize];
                let node = &mut self.nodes[to as usize];
                if node.paused_until > next {
                    // It waits in the socket of a process that does not run.
                    self.number += 1;
                    self.under_way.push(Reverse((node.paused_until, self.number, at)));
                    continue;
                }
                self.free.push(at);
                node.links.handle_message(Time::from_micros(next), link as usize, &ping);
                self.settle(to as usize)?;
            } else {
                let Some(Reverse((at, node))) = self.wakes.pop() else { continue };
                let node = node as usize;
                if self.nodes[node].wake != at {
                    continue;
                }
                if self.nodes[node].paused_until > next {
                    let until = self.nodes[node].paused_until;
                    self.wake(node, until);
                    continue;
                }
                self.nodes[node].links.handle_timeout(Time::from_micros(next));
                self.settle(node)?;
            }
        }
    }

    /// Carries out what a node asks for.
    fn settle(&mut self, node: usize) -> Result<(), String> {
        while let Some((link, ping)) = self.nodes[node].links.poll_transmit() {
            self.pings += 1;
            self.trace.note(self.now ^ u64::from(ping.number) << 32);
            let (peer, switch) = self.route(node, link);
            let (passes, delay) = self.switches[switch];
            let [lost, twice, late] = self.options.weather;
            if !passes || self.cuts[self.index(node, peer, switch)] || self.random.happens(lost) {
                continue;
            }
            let copies = 1 + u64::from(self.random.happens(twice));
            for _ in 0..copies {
                let mut due = self.now + delay + (self.random.0.next_u64() & 127);
                if self.random.happens(late) {
                    due += self.random.below(60_000);
                }
                let flight = Flight { link: self.link_to(peer, node, switch) as u32, to: peer as u32, ping };
                self.number += 1;
                let at = self.free.pop().unwrap_or(self.flights.len() as u32);
                match self.flights.get_mut(at as usize) {
                    Some(place) => *place = flight,
                    None => self.flights.push(flight),
                }
                self.under_way.push(Reverse((due, self.number, at)));
            }
        }
        while let Some(event) = self.nodes[node].links.poll_event() {
            let (peer, switch) = self.route(node, event.link);
            let index = self.index(node, peer, switch);
            let told = self.told[index];
            let up = event.state == ChannelState::Up;
            // Correct: transitions alternate, and their number says which they are.
            let is_first_down = !up && event.count == told.count && !told.up;
            if event.session == told.session && !is_first_down && event.count != told.count + 1
                || up != (event.count % 2 == 1)
            {
                return Err(format!("{node} tells {event:?} after {told:?}"));
            }
            if event.session < told.session {
                return Err(format!("{node} goes back to {event:?} after {told:?}"));
            }
            self.told[index] = Told {
                session: event.session,
                count: event.count,
                up,
                lately: told.lately + u32::from(!is_first_down),
            };
            self.transitions += 1;
            self.trace.note(self.now << 16 ^ (index as u64) << 1 ^ u64::from(up));
            self.check_slack(node, peer, switch)?;
        }
        let next = self.nodes[node].links.poll_timeout().micros().max(self.now);
        self.wake(node, next);
        Ok(())
    }

    /// Bounded slack: in one session the ends are N transitions apart at most.
    fn check_slack(&self, node: usize, peer: usize, switch: usize) -> Result<(), String> {
        let own = self.nodes[node].links.end(self.link_to(node, peer, switch));
        let other = self.nodes[peer].links.end(self.link_to(peer, node, switch));
        let (session, theirs) = (own.session(), other.session());
        let apart = own.history().count().abs_diff(other.history().count());
        if session == (theirs.1, theirs.0) && apart > 2 {
            return Err(format!("{apart} transitions apart: {own:?} and {other:?}"));
        }
        Ok(())
    }

    fn start_anew(&mut self, node: usize) {
        let incarnation = self.nodes[node].incarnation + 1;
        let links = self.links(node, incarnation);
        self.nodes[node] = Node { links, incarnation, paused_until: 0, wake: 0 };
        for index in
            node * self.options.nodes * self.options.switches..(node + 1) * self.options.nodes * self.options.switches
        {
            self.told[index] = Told { session: (incarnation, 0), ..Told::default() };
        }
        let now = self.now;
        self.wake(node, now.max(1));
    }

    /// One fault, or its end.
    fn fault(&mut self) {
        self.faults += 1;
        let node = self.random.below(self.options.nodes as u64) as usize;
        let peer = self.random.below(self.options.nodes as u64) as usize;
        let switch = self.random.below(self.options.switches as u64) as usize;
        match self.random.below(8) {
            0 | 1 => self.switches[switch].0 = !self.switches[switch].0,
            2 | 3 => {
                let index = self.index(node, peer, switch);
                self.cuts[index] = !self.cuts[index];
            }
            // A clog: everything takes long.
            4 => self.switches[switch].1 = [200, 5000, 40_000][self.random.below(3) as usize],
            5 => self.nodes[node].paused_until = self.now + self.random.below(400_000),
            6 => self.start_anew(node),
            _ => {
                let hint = rain_cluster::link::Hint::Carrier;
                let link = self.random.below(self.nodes[node].links.len() as u64) as usize;
                self.nodes[node].links.handle_hint(Time::from_micros(self.now), link, hint);
            }
        }
        self.trace.note(self.now);
    }

    /// Runs the seed.
    pub fn run(&mut self) -> Result<(), String> {
        let end = self.options.seconds * 1_000_000;
        while self.now < end {
            let pause = 1000 * (1 + self.random.below(2 * self.options.fault_ms));
            self.run_until(self.now + pause)?;
            self.fault();
        }
        // Dead: with a quarter of the ways cut in one direction only, the rest stays.
        self.options.weather = [0; 3];
        self.switches.fill((true, 200));
        for way in 0..self.cuts.len() {
            self.cuts[way] = self.random.below(4) == 0;
        }
        self.calm_down()?;
        self.check_calm(false)?;
        self.cuts.fill(false);
        self.calm_down()?;
        self.check_calm(true)
    }

    /// The network has changed, once. Stable: of that no end tells more transitions than the slack, besides one that was
    /// under way.
    fn calm_down(&mut self) -> Result<(), String> {
        for told in &mut self.told {
            told.lately = 0;
        }
        self.run_until(self.now + CALM_MS * 1000)?;
        match self.told.iter().find(|told| told.lately > SLACK + 1) {
            Some(told) => {
                Err(format!("one change of the network, and an end tells {} transitions: {told:?}", told.lately))
            }
            None => Ok(()),
        }
    }

    /// Correct: a link is up at both ends if both directions work, and down at both if one does not. Stable: since then it
    /// has changed no more.
    fn check_calm(&mut self, all_work: bool) -> Result<(), String> {
        for told in &mut self.told {
            told.lately = 0;
        }
        self.run_until(self.now + 2_000_000)?;
        let Options { nodes, switches, .. } = self.options;
        for node in 0..nodes {
            for (peer, switch) in
                (0..nodes).filter(|peer| *peer != node).flat_map(|peer| (0..switches).map(move |switch| (peer, switch)))
            {
                let works = !self.cuts[self.index(node, peer, switch)] && !self.cuts[self.index(peer, node, switch)];
                let told = self.told[self.index(node, peer, switch)];
                let end = self.nodes[node].links.end(self.link_to(node, peer, switch));
                if told.up != works || end.is_up() != works {
                    return Err(format!(
                        "{node} to {peer} by {switch} works: {works} ({all_work}), but {told:?}, {end:?}"
                    ));
                }
                if told.lately > 0 {
                    return Err(format!("{node} to {peer} by {switch} changed in calm: {told:?}"));
                }
            }
        }
        Ok(())
    }
}
