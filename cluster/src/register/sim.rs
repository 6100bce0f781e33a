//! Whole registers under seeds: several proposers change the members while messages are lost, repeated and late, nodes end
//! at any moment, and disks are lost. `RAIN_SIM_SEEDS` sets how many seeds are run.

use super::tests::member;
use super::*;
use crate::random::SplitMix64;
use crate::time::Time;
use crate::version::{Life, NodeId};
use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Nodes of a world; the first three found the cluster.
const NODES: usize = 6;
const FOUNDERS: u32 = 3;
const FAULTY: Duration = Duration::from_mins(1);
/// How long a read and a change may take each when nothing fails any more.
const CALM: Duration = Duration::from_secs(5);

enum Event {
    Message { to: Voter, from: Voter, since: u64, bytes: Vec<u8> },
    Saved { node: NodeId, incarnation: u64, save: Save },
    Wake(NodeId),
    Act(NodeId),
    Fault,
}

/// A node: what its process holds, and what its disk does.
struct Node {
    me: Voter,
    incarnation: u64,
    registrar: Registrar,
    saving: Vec<Save>,
    record: Vec<u8>,
    configuration: Option<Vec<u8>>,
    /// The latest life of each other node that it has heard of, durably: no earlier one is listened to.
    lives: BTreeMap<NodeId, Life>,
    /// The highest epoch that was in force when its read began.
    floor: Option<u64>,
}

impl Node {
    fn new(node: u32, life: u32) -> Self {
        let me = Voter { node: NodeId(node), life: Life(life) };
        let record = Record::blank(me);
        Self {
            me,
            incarnation: 1,
            record: record.to_bytes(),
            registrar: Registrar::new(me, Some(record), None, 1, 0),
            saving: Vec::new(),
            configuration: None,
            lives: BTreeMap::new(),
            floor: None,
        }
    }

    fn start(&mut self, now: Time, seed: u64) {
        self.incarnation += 1;
        let known = self.configuration.as_ref().map(|bytes| Arc::new(Configuration::parse(bytes).unwrap()));
        let record = Record::parse(&self.record).ok();
        self.registrar = Registrar::new(self.me, record, known, self.incarnation, seed);
        (self.saving, self.floor) = (Vec::new(), None);
        self.registrar.set_sure(now);
        self.found(now);
    }

    fn found(&mut self, now: Time) {
        if self.me.node.0 < FOUNDERS {
            let members = (0..FOUNDERS).map(|node| member(node, 0)).collect();
            let code = SetCode { name: "b-code:2".to_owned(), columns: 1 };
            self.registrar.found(now, Founders { members, code, catalog: 3 });
        }
    }

    fn write(&mut self, save: Save) {
        match save {
            Save::Record(record) => self.record = record,
            Save::Configuration(configuration) => self.configuration = Some(configuration),
        }
    }
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Counts {
    changes: u32,
    joint: u32,
    superseded: u32,
    gave_up: u32,
    reads: u32,
    ends: u32,
    disks: u32,
}

struct World {
    random: SplitMix64,
    now: Time,
    events: BTreeMap<(Time, u64), Event>,
    sequence: u64,
    nodes: BTreeMap<NodeId, Node>,
    /// All that was ever in force, by epoch.
    in_force: BTreeMap<u64, Arc<Configuration>>,
    /// All that was ever proposed, and what was in force at the beginning.
    proposed: Vec<Arc<Configuration>>,
    is_calm: bool,
    counts: Counts,
}

impl World {
    fn new(seed: u64) -> Self {
        let nodes = (0..).take(NODES).map(|node| (NodeId(node), Node::new(node, node + 100)));
        let mut world = Self {
            random: SplitMix64::new(seed),
            now: Time::default(),
            events: BTreeMap::new(),
            sequence: 0,
            nodes: nodes.collect(),
            in_force: BTreeMap::new(),
            proposed: Vec::new(),
            is_calm: false,
            counts: Counts::default(),
        };
        for node in (0..).take(NODES).map(NodeId) {
            let now = world.now;
            let founder = world.nodes.get_mut(&node).unwrap();
            founder.registrar.set_sure(now);
            founder.found(now);
            world.drive(node);
            world.after(1000, Event::Act(node));
        }
        world.after(1000, Event::Fault);
        world
    }

    /// Puts an event somewhere into the next milliseconds.
    fn after(&mut self, millis: u64, event: Event) {
        self.sequence += 1;
        let delay = Duration::from_micros(self.random.below(millis * 1000) + 1);
        self.events.insert((self.now + delay, self.sequence), event);
    }

    fn any(&mut self) -> NodeId {
        let nodes: Vec<_> = self.nodes.keys().copied().collect();
        self.random.pick(&nodes)
    }

    fn newest(&self) -> u64 {
        self.in_force.keys().copied().max().unwrap_or(0)
    }

    /// Takes note of a configuration that somebody says is in force.
    fn found(&mut self, configuration: &Arc<Configuration>) {
        let first = self.in_force.entry(configuration.epoch).or_insert_with(|| Arc::clone(configuration));
        assert_eq!(first, configuration, "two configurations of one epoch in force");
        if configuration.epoch == 1 {
            self.proposed.push(Arc::clone(configuration));
        }
    }

    /// Sends what there is to send, as a network with faults does.
    fn send(&mut self, make: impl Fn() -> Event) {
        let copies = match self.random.below(20) {
            _ if self.is_calm => 1,
            0..3 => 0,
            3..5 => 2,
            _ => 1,
        };
        for _ in 0..copies {
            let millis = if !self.is_calm && self.random.one_in(10) { 2000 } else { 20 };
            self.after(millis, make());
        }
    }

    /// Carries out what a node asks for.
    fn drive(&mut self, id: NodeId) {
        let node = self.nodes.get_mut(&id).unwrap();
        let (me, incarnation) = (node.me, node.incarnation);
        let messages: Vec<_> = core::iter::from_fn(|| node.registrar.poll_transmit()).collect();
        let saves: Vec<_> = core::iter::from_fn(|| node.registrar.poll_save()).collect();
        node.saving.extend(saves.iter().cloned());
        let (outcome, wake) = (node.registrar.poll_outcome(), node.registrar.poll_timeout());
        let known = node.registrar.known().cloned();
        let since = known.as_ref().map_or(0, |known| known.since);
        for save in saves {
            self.after(10, Event::Saved { node: id, incarnation, save });
        }
        for (to, message) in messages {
            let to = self.nodes[&to].me;
            self.send(|| Event::Message { to, from: me, since, bytes: message.to_bytes() });
        }
        if let Some(known) = known {
            self.found(&known);
        }
        if let Some(outcome) = outcome {
            self.conclude(id, outcome);
        }
        if let Some(wake) = wake {
            self.sequence += 1;
            self.events.insert((wake.max(self.now), self.sequence), Event::Wake(id));
        }
    }

    fn conclude(&mut self, id: NodeId, outcome: Outcome) {
        let floor = self.nodes.get_mut(&id).unwrap().floor.take();
        let configuration = match outcome {
            Outcome::Done(configuration) => {
                match floor {
                    Some(floor) => {
                        assert!(configuration.epoch >= floor, "a read found {}, {floor} was", configuration.epoch);
                        self.counts.reads += 1;
                    }
                    None => self.counts.changes += 1,
                }
                configuration
            }
            Outcome::Superseded { by, .. } => {
                self.counts.superseded += 1;
                by
            }
            Outcome::GaveUp { .. } => {
                self.counts.gave_up += 1;
                return;
            }
        };
        self.found(&configuration);
        let known = self.nodes[&id].registrar.epoch();
        assert!(known >= configuration.epoch, "{id} knows of {known}, and found {}", configuration.epoch);
    }

    /// A person at a node reads, or changes something.
    fn act(&mut self, id: NodeId) {
        let choice = self.random.below(12);
        let other = self.any();
        let life = self.nodes[&other].me.life;
        let newest = self.newest();
        let node = self.nodes.get_mut(&id).unwrap();
        let Some(known) = node.registrar.known().cloned() else { return };
        let next = match choice {
            0..3 => {
                if node.registrar.read(self.now).is_ok() {
                    node.floor = Some(newest);
                }
                return self.drive(id);
            }
            3 if known.old.is_some() => known.abort(),
            _ if known.old.is_some() => known.finish(),
            4 | 5 => known.add(Member { voter: Voter { node: other, life }, ..member(other.0, 0) }),
            6 | 7 => known.promote(other, Some(1)),
            8 => known.forget(other),
            9 => known.weight(other, self.random.pick(&[0, 1, 2])),
            10 => known.replace(other, life),
            _ => known.label(other, format!("rack {newest}"), String::new()),
        };
        if let Ok(next) = next.map(|next| next.with_note(id.to_string()))
            && node.registrar.change(self.now, next.clone()).is_ok()
        {
            self.proposed.push(Arc::new(next));
        }
        self.drive(id);
    }

    /// Whether a majority of all that may be in force is left without this node's disk.
    fn can_lose(&self, lost: NodeId) -> bool {
        // What the founder was told must be so when it founds: one at most may lie.
        if self.in_force.is_empty() && self.counts.disks > 0 {
            return false;
        }
        let lives = |voter: Voter| voter.node != lost && self.nodes[&voter.node].me == voter;
        let newest = self.newest();
        // The voters before may be gone by now: somebody has to know those that came after; and some founder that there
        // were any.
        let knows = |least, of: u32| {
            let mut others = self.nodes.values().filter(|node| node.me.node != lost && node.me.node.0 < of);
            others.any(|node| node.registrar.epoch() >= least)
        };
        if newest > 0 && !(knows(newest, u32::MAX) && knows(1, FOUNDERS)) {
            return false;
        }
        let mut values = self.proposed.iter().chain(self.in_force.values()).filter(|value| value.epoch >= newest);
        values.all(|value| Electorate::of(value, value).agrees(lives))
    }

    /// A process ends, at times with its disk.
    fn fail(&mut self) {
        let any = self.any();
        // Best while its disk is at work.
        let saving: Vec<_> =
            self.nodes.values().filter(|node| !node.saving.is_empty()).map(|node| node.me.node).collect();
        let id = if saving.is_empty() { any } else { self.random.pick(&saving) };
        let (is_saved, loses, seed) = (self.random.one_in(2), self.random.one_in(3), self.random.next_u64());
        let loses = loses && self.can_lose(id);
        let node = self.nodes.get_mut(&id).unwrap();
        for save in core::mem::take(&mut node.saving).into_iter().filter(|_| is_saved) {
            node.write(save);
        }
        if loses {
            node.me.life = Life(node.me.life.0 + 100);
            (node.record, node.configuration) = (Record::blank(node.me).to_bytes(), None);
            node.lives.clear();
            self.counts.disks += 1;
        }
        node.start(self.now, seed);
        self.drive(id);
        self.counts.ends += 1;
    }

    fn step(&mut self) {
        let ((now, _), event) = self.events.pop_first().unwrap();
        self.now = now;
        match event {
            Event::Message { to, from, since, bytes } => {
                let message = RegisterMessage::parse(&bytes).unwrap();
                let node = self.nodes.get_mut(&to.node).unwrap();
                let latest = node.lives.entry(from.node).or_insert(from.life);
                *latest = from.life.max(*latest);
                // It was sent to a process that is gone; or by a life that is over.
                if node.me == to && *latest == from.life {
                    node.registrar.hear_since(now, from.node, since);
                    node.registrar.handle_message(now, from.node, message);
                    self.drive(to.node);
                }
            }
            Event::Saved { node: id, incarnation, save } => {
                let fails = !self.is_calm && self.random.one_in(20);
                let node = self.nodes.get_mut(&id).unwrap();
                if node.incarnation != incarnation {
                    return;
                }
                node.saving.retain(|saving| *saving != save);
                if !fails {
                    node.write(save.clone());
                }
                node.registrar.handle_saved(now, &save, !fails);
                self.drive(id);
            }
            Event::Wake(node) => {
                self.nodes.get_mut(&node).unwrap().registrar.handle_timeout(now);
                self.drive(node);
            }
            Event::Act(node) => {
                if !self.is_calm {
                    self.act(node);
                    self.after(2000, Event::Act(node));
                }
            }
            Event::Fault => {
                if !self.is_calm {
                    self.fail();
                    self.after(1000, Event::Fault);
                }
            }
        }
    }

    /// Runs until something has come of what was begun, for a time in which it must.
    fn settle(&mut self, what: &str, is_done: impl Fn(&Counts) -> bool) {
        let until = self.now + CALM;
        while !is_done(&self.counts) {
            assert!(self.now < until, "{what} with nothing that fails");
            self.step();
        }
    }

    fn run(mut self) -> Counts {
        while self.now < Time::default() + FAULTY {
            self.step();
        }
        self.is_calm = true;
        let pause = self.now + CALM + CALM;
        while self.events.first_key_value().is_some_and(|((at, _), _)| *at < pause) {
            self.step();
        }
        // Whoever knows most: an old configuration may have lost its voters since.
        let id = self.nodes.values().max_by_key(|node| node.registrar.epoch()).unwrap().me.node;
        let newest = self.newest();
        let node = self.nodes.get_mut(&id).unwrap();
        node.registrar.read(self.now).unwrap();
        node.floor = Some(newest);
        let reads = self.counts.reads;
        self.drive(id);
        self.settle("a read", |counts| counts.reads > reads);
        let node = self.nodes.get_mut(&id).unwrap();
        let known = node.registrar.known().unwrap();
        // No other quorums than those that are there: votes may have been lost that others would need.
        let member = known.new.members[0].voter.node;
        let next = known.finish().or_else(|_| known.label(member, "end".to_owned(), String::new()));
        let next = next.unwrap();
        node.registrar.change(self.now, next).unwrap();
        let changes = self.counts.changes;
        self.drive(id);
        self.settle("a change", |counts| counts.changes > changes);
        self.counts.joint = u32::try_from(self.in_force.values().filter(|value| value.old.is_some()).count()).unwrap();
        self.counts
    }
}

fn seeds(default: u64) -> u64 {
    std::env::var("RAIN_SIM_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
fn one_configuration_of_an_epoch_and_none_is_lost() {
    let mut all = Counts::default();
    for seed in 0..seeds(100) {
        let counts = std::panic::catch_unwind(|| World::new(seed).run()).unwrap_or_else(|_| panic!("seed {seed}"));
        all.changes += counts.changes;
        all.joint += counts.joint;
        all.superseded += counts.superseded;
        all.gave_up += counts.gave_up;
        all.reads += counts.reads;
        all.ends += counts.ends;
        all.disks += counts.disks;
    }
    println!("{all:?}");
    let enough = [all.changes, all.joint, all.superseded, all.gave_up, all.reads, all.ends, all.disks];
    assert!(enough.iter().all(|count| u64::from(*count) >= seeds(100) / 10), "{all:?}");
}

#[test]
fn a_seed_is_a_history() {
    assert_eq!(World::new(7).run(), World::new(7).run());
}
