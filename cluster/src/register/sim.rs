//! Whole registers under seeds: several proposers change the members while messages are lost, repeated and late, nodes end
//! at any moment, and disks are lost. `RAIN_SIM_SEEDS` sets how many seeds are run.

use super::tests::{founded, member};
use super::*;
use crate::random::SplitMix64;
use crate::time::Time;
use crate::version::{Life, NodeId};
use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Nodes of a world; three of them vote at its beginning.
const NODES: usize = 6;
const FAULTY: Duration = Duration::from_mins(1);
/// How long a read and a change may take each when nothing fails any more.
const CALM: Duration = Duration::from_secs(5);

enum Event {
    Question { to: NodeId, from: NodeId, bytes: Vec<u8> },
    Answer { to: NodeId, from: NodeId, bytes: Vec<u8> },
    Saved { node: NodeId, incarnation: u64 },
    Wake(NodeId),
    Act(NodeId),
    Fault,
}

/// A node: what its process holds, and what its disk does.
struct Node {
    me: Voter,
    incarnation: u64,
    acceptor: Acceptor,
    proposer: Proposer,
    learner: Learner,
    saving: Option<Vec<u8>>,
    record: Vec<u8>,
    /// The highest epoch that was in force when its read began.
    floor: Option<u64>,
}

impl Node {
    fn founded(node: u32, life: u32, known: Arc<Configuration>) -> Self {
        let me = Voter { node: NodeId(node), life: Life(life) };
        let record = Record::blank(me).to_bytes();
        let (acceptor, learner) = (Acceptor::new(me, Record::parse(&record).ok()), Learner::new(known));
        Self {
            me,
            incarnation: 1,
            acceptor,
            proposer: Proposer::new(me, 1, 0),
            learner,
            saving: None,
            record,
            floor: None,
        }
    }

    fn start(&mut self, seed: u64) {
        self.incarnation += 1;
        self.acceptor = Acceptor::new(self.me, Record::parse(&self.record).ok());
        self.proposer = Proposer::new(self.me, self.incarnation, seed);
        (self.saving, self.floor) = (None, None);
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
        let founded = Arc::new(founded(&[1, 1, 1]));
        let nodes = (0..).take(NODES).map(|node| (NodeId(node), Node::founded(node, node + 100, Arc::clone(&founded))));
        let mut world = Self {
            random: SplitMix64::new(seed),
            now: Time::default(),
            events: BTreeMap::new(),
            sequence: 0,
            nodes: nodes.collect(),
            in_force: BTreeMap::from([(founded.epoch, Arc::clone(&founded))]),
            proposed: vec![founded],
            is_calm: false,
            counts: Counts::default(),
        };
        for node in (0..).take(NODES).map(NodeId) {
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
    }

    fn learn(&mut self, node: NodeId, configuration: Arc<Configuration>) {
        self.found(&configuration);
        let node = self.nodes.get_mut(&node).unwrap();
        let before = node.learner.known().epoch;
        let is_news = node.learner.learn(configuration);
        assert_eq!(is_news, node.learner.known().epoch > before);
        assert!(node.learner.known().epoch >= before, "the epoch of {} went back", node.me);
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
        let incarnation = node.incarnation;
        let answers: Vec<_> = core::iter::from_fn(|| node.acceptor.poll_transmit()).collect();
        let questions: Vec<_> = core::iter::from_fn(|| node.proposer.poll_transmit()).collect();
        let (outcome, wake) = (node.proposer.poll_outcome(), node.proposer.poll_timeout());
        if let Some(record) = node.acceptor.poll_save() {
            node.saving = Some(record);
            self.after(10, Event::Saved { node: id, incarnation });
        }
        for (to, answer) in answers {
            self.send(|| Event::Answer { to, from: id, bytes: answer.to_bytes() });
        }
        for (to, question) in questions {
            self.send(|| Event::Question { to, from: id, bytes: question.to_bytes() });
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
                self.counts.joint += u32::from(configuration.old.is_some());
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
        self.learn(id, configuration);
    }

    /// A person at a node reads, or changes something.
    fn act(&mut self, id: NodeId) {
        let choice = self.random.below(12);
        let other = self.any();
        let life = self.nodes[&other].me.life;
        let newest = self.newest();
        let node = self.nodes.get_mut(&id).unwrap();
        let known = Arc::clone(node.learner.known());
        let next = match choice {
            0..3 => {
                if node.proposer.read(self.now, known).is_ok() {
                    node.floor = Some(newest);
                }
                return self.drive(id);
            }
            3 if known.old.is_some() => known.abort(),
            _ if known.old.is_some() => known.finish(),
            4 | 5 => known.add(Member { voter: Voter { node: other, life }, ..member(other.0, 0) }),
            6 | 7 => known.promote(other, 1),
            8 => known.forget(other),
            9 => known.weight(other, self.random.pick(&[0, 1, 2])),
            10 => known.replace(other, life),
            _ => known.label(other, format!("rack {newest}"), String::new()),
        };
        if let Ok(next) = next.map(|next| Arc::new(next.with_note(id.to_string())))
            && node.proposer.change(self.now, known, Arc::clone(&next)).is_ok()
        {
            self.proposed.push(next);
        }
        self.drive(id);
    }

    /// Whether a majority of all that may be in force is left without this node's disk.
    fn can_lose(&self, lost: NodeId) -> bool {
        let lives = |voter: Voter| voter.node != lost && self.nodes[&voter.node].me == voter;
        let (newest, mut proposed) = (self.newest(), self.proposed.iter());
        proposed.all(|value| value.epoch < newest || Electorate::of(value, value).agrees(lives))
    }

    /// A process ends, at times with its disk.
    fn fail(&mut self) {
        let any = self.any();
        // Best while its disk is at work.
        let saving: Vec<_> =
            self.nodes.values().filter(|node| node.saving.is_some()).map(|node| node.me.node).collect();
        let id = if saving.is_empty() { any } else { self.random.pick(&saving) };
        let (is_saved, loses, seed) = (self.random.one_in(2), self.random.one_in(3), self.random.next_u64());
        let loses = loses && self.can_lose(id);
        let node = self.nodes.get_mut(&id).unwrap();
        if let Some(record) = node.saving.take().filter(|_| is_saved) {
            node.record = record;
        }
        if loses {
            node.me.life = Life(node.me.life.0 + 100);
            node.record = Record::blank(node.me).to_bytes();
            self.counts.disks += 1;
        }
        node.start(seed);
        self.counts.ends += 1;
    }

    fn step(&mut self) {
        let ((now, _), event) = self.events.pop_first().unwrap();
        self.now = now;
        match event {
            Event::Question { to, from, bytes } => {
                let question = RegisterQuestion::parse(&bytes).unwrap();
                if let RegisterQuestion::Learned(configuration) = &question {
                    self.learn(to, Arc::clone(configuration));
                    self.nodes.get_mut(&to).unwrap().proposer.handle_learned(now, configuration);
                } else {
                    self.nodes.get_mut(&to).unwrap().acceptor.handle_question(from, &question);
                }
                self.drive(to);
            }
            Event::Answer { to, from, bytes } => {
                let answer = RegisterAnswer::parse(&bytes).unwrap();
                self.nodes.get_mut(&to).unwrap().proposer.handle_answer(now, from, answer);
                self.drive(to);
            }
            Event::Saved { node: id, incarnation } => {
                let fails = !self.is_calm && self.random.one_in(20);
                let node = self.nodes.get_mut(&id).unwrap();
                if node.incarnation != incarnation {
                    return;
                }
                match node.saving.take() {
                    Some(record) if !fails => {
                        node.record = record;
                        node.acceptor.handle_saved();
                    }
                    _ => node.acceptor.handle_save_failure(),
                }
                self.drive(id);
            }
            Event::Wake(node) => {
                self.nodes.get_mut(&node).unwrap().proposer.handle_timeout(now);
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

    /// Runs until a node is idle, for a time in which it must be.
    fn settle(&mut self, id: NodeId) {
        let until = self.now + CALM;
        while self.nodes[&id].proposer.poll_timeout().is_some() {
            assert!(self.now < until, "{id} is not done");
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
        let id = self.nodes.values().max_by_key(|node| node.learner.known().epoch).unwrap().me.node;
        let newest = self.newest();
        let node = self.nodes.get_mut(&id).unwrap();
        node.proposer.read(self.now, Arc::clone(node.learner.known())).unwrap();
        node.floor = Some(newest);
        let reads = self.counts.reads;
        self.drive(id);
        self.settle(id);
        assert_eq!(self.counts.reads, reads + 1, "a read with nothing that fails");
        let node = self.nodes.get_mut(&id).unwrap();
        let known = Arc::clone(node.learner.known());
        // No other quorums than those that are there: votes may have been lost that others would need.
        let member = known.new.members[0].voter.node;
        let next = known.finish().or_else(|_| known.label(member, "end".to_owned(), String::new()));
        node.proposer.change(self.now, known, Arc::new(next.unwrap())).unwrap();
        let changes = self.counts.changes;
        self.drive(id);
        self.settle(id);
        assert_eq!(self.counts.changes, changes + 1, "a change with nothing that fails");
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
