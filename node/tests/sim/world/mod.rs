//! A cluster in one thread: nodes with the desks and stores of production, on a network and disks that misbehave by seed.

mod change;
mod end;
mod faults;
mod jumps;
mod lied;

pub use faults::Copy;

use crate::disk::SimDisk;
use crate::history::{Action, Answer, History, Wish};
use crate::liar::Liar;
use crate::node::{Cluster, Node};
use crate::options::Options;
use crate::random::Random;
use crate::wire::{Event, Inner, Wires};
use core::time::Duration;
use rain_cluster::{Life, Members, NodeId, Time, Version};
use rain_desk::Codes;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

pub const SECOND: Duration = Duration::from_secs(1);

pub struct World {
    pub options: Options,
    pub wires: Wires,
    pub nodes: Vec<Node>,
    pub history: History,
    pub cluster: Arc<Cluster>,
    pub crashes: u64,
    /// Nodes of which a disk was lost, put back old, or rots, until they are well again.
    ill: BTreeSet<usize>,
    /// Old copies that were put back, with the life that they claim, until they are found out.
    old: BTreeMap<usize, Life>,
    /// What clocks are set to, and when.
    clocks: Random,
    pub jumps: u64,
    issued: usize,
    calm: bool,
    /// All members that were in force, by epoch.
    epochs: Vec<Arc<Members>>,
    pub changes: u64,
    /// These hear of no change of the members.
    pub ignorant: Vec<usize>,
    /// Operations of disks that were taken away.
    operations_gone: u64,
}

fn codes() -> Arc<Codes> {
    static CODES: OnceLock<Arc<Codes>> = OnceLock::new();
    Arc::clone(CODES.get_or_init(Arc::default))
}

impl World {
    pub fn new(options: Options) -> Self {
        let (mut random, clocks) = (Random::new(options.seed), Random::new(options.seed ^ 0x71c5));
        let mut ids = BTreeSet::new();
        while ids.len() < options.nodes {
            ids.insert(NodeId(random.word()));
        }
        let mut ids: Vec<_> = ids.into_iter().collect();
        let members = Arc::new(Members::new(0, ids.clone(), options.catalog).unwrap());
        // What others there are makes nothing else of a seed another.
        let mut others = Random::new(options.seed ^ 0x000a_dded);
        while ids.len() < options.nodes + options.spares {
            let id = NodeId(others.word());
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        let cluster = Arc::new(Cluster {
            members: Arc::clone(&members),
            codes: codes(),
            ids,
            missing: options.missing,
            by_root: options.lies.is_some(),
            patience: Duration::from_millis(options.patience_ms as u64),
        });
        let disk = |random: &mut Random| SimDisk::new(random.next(), options.missing);
        let nodes = (0..options.nodes).map(|place| Node::new(place, &cluster, disk(&mut random))).collect();
        let mut wires = Wires::new(random, options.weather.clone());
        wires.log = std::env::var("RAIN_SIM_LOG").is_ok();
        wires.liar = options.lies.clone().map(|lies| Liar::new(lies, &cluster, Random::new(options.seed ^ 0x11a2)));
        let mut world = Self {
            options,
            wires,
            nodes,
            history: History::default(),
            cluster,
            crashes: 0,
            ill: BTreeSet::new(),
            old: BTreeMap::new(),
            clocks,
            jumps: 0,
            issued: 0,
            calm: false,
            epochs: vec![members],
            changes: 0,
            ignorant: Vec::new(),
            operations_gone: 0,
        };
        for node in 0..world.nodes.len() {
            world.start(node).expect("a new disk opens");
        }
        world
    }

    /// The whole life of one seed: load under faults, calm, then the loss of as many disks as was promised.
    pub fn run(&mut self) -> Result<(), String> {
        if self.options.lies.is_some() {
            return self.run_lied_to();
        }
        // The nodes of a new cluster find each other before the first client comes.
        let weather = core::mem::take(&mut self.wires.weather);
        self.wires.weather.delay_ms = 1;
        self.run_for(3 * SECOND)?;
        self.wires.weather = weather;
        let (eio, full) = (self.options.eio_one_in, self.options.full_one_in);
        self.nodes.iter().for_each(|node| node.disk.set_faults(eio, full));
        let load = Duration::from_millis((self.options.spacing_ms * self.options.operations) as u64);
        self.wires.after(Duration::ZERO, Event::Client);
        if !self.options.faults.is_empty() {
            self.wires.after(Duration::ZERO, Event::Fault);
        }
        if self.options.jump_ms > 0 {
            self.wires.after(Duration::ZERO, Event::Jump);
        }
        if self.options.change_ms > 0 {
            self.wires.after(Duration::ZERO, Event::Change);
        }
        self.run_for(load + SECOND)?;
        self.calm_down()?;
        self.nothing_half_done()?;
        self.read_everything()?;
        if self.options.long {
            // Tombstones are purged, superseded versions swept; then the same must be read.
            // Some of them only on some nodes: the order to purge gets lost.
            self.wires.weather.purges_get_lost = true;
            self.run_for(180 * SECOND)?;
            self.wires.weather.purges_get_lost = false;
            self.read_everything()?;
            self.write_without_one()?;
            // Longer than a column without a version may stay, by the slowest clock.
            self.run_for(800 * SECOND)?;
            self.read_everything()?;
            self.no_file_left_over()?;
        }
        self.lose_disks()?;
        self.read_everything()?;
        self.history.check()
    }

    /// A fingerprint of all that happened, in order.
    pub fn trace(&self) -> String {
        format!("{} {:?} {}", self.wires.trace(), self.history.operations, self.disk_operations())
    }

    pub fn disk_operations(&self) -> u64 {
        self.operations_gone + self.nodes.iter().map(|node| node.disk.operations()).sum::<u64>()
    }

    pub fn run_for(&mut self, time: Duration) -> Result<(), String> {
        self.run_until(self.wires.now + time)
    }

    pub fn run_until(&mut self, end: Time) -> Result<(), String> {
        while let Some(event) = self.wires.next(end) {
            self.happen(event)?;
        }
        Ok(())
    }

    fn happen(&mut self, event: Event) -> Result<(), String> {
        let concerned = match &event {
            Event::Deliver(message) => Some(message.to),
            Event::Inner { node, .. } | Event::Request { node, .. } => Some(*node),
            Event::Members { node, .. } => Some(*node),
            Event::Client
            | Event::Restart { .. }
            | Event::Fault
            | Event::Jump
            | Event::Heal(_)
            | Event::Change
            | Event::Lie => None,
        };
        if let Some(node) = concerned
            && let Some(until) = self.nodes[node].stopped
        {
            // It stands still, and takes all of it when it goes on.
            if until > self.wires.now {
                self.wires.schedule(until, event);
                return Ok(());
            }
            self.nodes[node].stopped = None;
        }
        match event {
            Event::Deliver(message) if self.is_too_far(&message) => {}
            Event::Deliver(message) => {
                self.wires.delivered += 1;
                let node = message.to;
                if let Some(liar) = &mut self.wires.liar
                    && liar.place == node
                    && message.from != node
                    && self.nodes[node].running.is_some()
                    && let Some(answer) = liar.hear(&message)
                {
                    self.wires.carry(&answer);
                    return Ok(());
                }
                self.nodes[node].deliver(message, &mut self.wires, &mut self.history);
            }
            Event::Inner { node, start, inner } => {
                if self.nodes[node].starts == start {
                    self.nodes[node].happen(inner, &mut self.wires, &mut self.history);
                }
            }
            Event::Request { node, start, asked } => {
                // Its connection goes with the process.
                if self.nodes[node].starts == start {
                    self.nodes[node].request(asked, &mut self.wires, &mut self.history);
                }
            }
            Event::Client => self.client(),
            Event::Restart { node } if self.nodes[node].running.is_none() => self.start(node)?,
            Event::Restart { .. } => {}
            Event::Fault => self.fault()?,
            Event::Jump => self.jump_again(),
            Event::Change => self.change()?,
            Event::Members { node, from, epoch } => self.hear_of_members(node, from, epoch),
            Event::Lie => self.wires.lie(),
            Event::Heal(links) => self.wires.cut.retain(|link| !links.contains(link)),
        }
        for node in 0..self.nodes.len() {
            if self.nodes[node].disk.is_crashed() {
                // Power goes in the middle of an operation of one node; sometimes it takes all with it.
                let all = !self.calm && self.wires.random.one_in(8);
                for other in 0..self.nodes.len() {
                    if all || other == node {
                        self.crash(other, true);
                    }
                }
            }
        }
        Ok(())
    }

    /// A node loses power, or its process dies.
    pub fn crash(&mut self, node: usize, power: bool) {
        self.stop(node, power);
        let back = Duration::from_millis(10 + self.wires.random.below(4000) as u64);
        self.wires.after(back, Event::Restart { node });
    }

    /// The same, and it does not come back by itself.
    pub fn stop(&mut self, node: usize, power: bool) {
        let asked = self.nodes[node].stop();
        self.history.stopped(&asked);
        self.nodes[node].stopped = None;
        if power {
            self.nodes[node].disk.lose_power();
        } else {
            self.nodes[node].disk.lose_process();
        }
        self.crashes += 1;
    }

    pub fn start(&mut self, node: usize) -> Result<(), String> {
        // A node that cannot read its disk at the start is tried again, as an operator would.
        self.nodes[node].disk.set_faults(0, 0);
        let error = self.options.rate_error;
        let rate = 1000 + self.wires.random.below(2 * error + 1) as u64 - error as u64;
        let opened = self.nodes[node].start(&mut self.wires, &mut self.history, rate);
        if self.nodes[node].disk.is_crashed() {
            // Power went while it started.
            self.crash(node, true);
            return Ok(());
        }
        match opened {
            Ok(()) => {}
            // Whoever sees that a data folder is not what it says replaces the disk.
            Err(error) if self.nodes[node].disk.is_rotten() => {
                self.wires.note(&format!("{node} does not start: {error}"));
                self.replace(node, None);
                return self.start(node);
            }
            Err(error) => return Err(format!("node {node} does not start: {error}")),
        }
        if !self.calm && self.issued > 0 {
            self.nodes[node].disk.set_faults(self.options.eio_one_in, self.options.full_one_in);
        }
        for other in (0..self.nodes.len()).filter(|other| *other != node) {
            let delay = Duration::from_millis(self.wires.random.below(1000) as u64);
            let start = self.nodes[other].starts;
            self.wires.after(delay, Event::Inner { node: other, start, inner: Inner::Return });
        }
        Ok(())
    }

    fn client(&mut self) {
        if self.issued == self.options.operations {
            return;
        }
        self.issued += 1;
        let random = &mut self.wires.random;
        let spacing = Duration::from_micros(random.below(2000 * self.options.spacing_ms) as u64);
        let node = random.below(self.nodes.len());
        let crash = random.one_in(self.options.crash_one_in).then(|| random.below(60));
        let (victim, title) = (random.below(self.nodes.len()), random.below(self.options.titles));
        let kind = random.below(12);
        self.wires.after(spacing, Event::Client);
        if let Some(operations) = crash
            && self.may_crash()
        {
            self.nodes[victim].disk.crash_in(operations);
        }
        let asked = match kind {
            0..=4 if !self.options.codes.is_empty() => {
                let content = self.content();
                let code = self.wires.random.pick(&self.options.codes);
                let wish = self.wish(title);
                self.begin(node, title, Action::Put(code, content), wish)
            }
            0..=5 => {
                let wish = if self.wires.random.one_in(3) { self.wish(title) } else { Wish::Any };
                self.begin(node, title, Action::Delete, wish)
            }
            _ => self.begin(node, title, Action::Get, Wish::Any),
        };
        if self.options.upload_ms > 0 {
            let gap = self.wires.random.below(self.options.upload_ms) as u64;
            self.history.operations[asked].gap = Duration::from_millis(gap);
        }
        self.history.operations[asked].forge = self.wires.random.one_in(self.options.forge_one_in);
    }

    fn content(&mut self) -> Vec<u8> {
        let random = &mut self.wires.random;
        let length = match random.below(16) {
            0 | 1 => 0,
            // More than a stripe of most codes.
            2 => 12_000 + random.below(30_000),
            _ => random.below(3000),
        };
        let fill = random.next();
        (0..length).map(|at| (fill >> (at % 57)) as u8 ^ u8::try_from(at % 251).unwrap()).collect()
    }

    fn wish(&mut self, title: usize) -> Wish {
        if !self.wires.random.one_in(self.options.condition_one_in) {
            return Wish::Any;
        }
        if self.wires.random.one_in(4) {
            return Wish::Nothing;
        }
        let seen = |operation: &crate::history::Operation| match &operation.answer {
            Some(Answer::Acknowledged { .. }) => operation.version,
            Some(Answer::Found { version, .. }) => Some(*version),
            _ => None,
        };
        let of_title = self.history.operations.iter().filter(|operation| operation.title == title);
        let versions: Vec<Version> = of_title.filter_map(seen).collect();
        match versions.iter().max() {
            Some(newest) if !self.wires.random.one_in(6) => Wish::Version(*newest),
            Some(_) => Wish::Version(self.wires.random.pick(&versions)),
            None => Wish::Nothing,
        }
    }

    fn begin(&mut self, node: usize, title: usize, action: Action, wish: Wish) -> usize {
        let start = self.nodes[node].starts;
        let asked = self.history.begin(self.wires.now, (node, start), title, action, wish);
        self.wires.after(Duration::ZERO, Event::Request { node, start, asked });
        asked
    }

    pub fn put(&mut self, node: usize, title: usize, content: &[u8], wish: Wish) -> usize {
        let code = self.options.codes[0];
        self.begin(node, title, Action::Put(code, content.to_vec()), wish)
    }

    pub fn delete(&mut self, node: usize, title: usize) -> usize {
        self.begin(node, title, Action::Delete, Wish::Any)
    }

    pub fn get(&mut self, node: usize, title: usize) -> usize {
        self.begin(node, title, Action::Get, Wish::Any)
    }

    pub fn answer(&self, asked: usize) -> Option<&Answer> {
        self.history.operations[asked].answer.as_ref()
    }

    pub fn version(&self, asked: usize) -> Version {
        self.history.operations[asked].version.unwrap()
    }
}
