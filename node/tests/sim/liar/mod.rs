//! A member that has the key of a node, and lies: in its answers, in its questions, and unasked.
//!
//! Underneath it is a node like the others; whatever leaves it passes here, and is altered as the seed has it. It cannot
//! speak as another node: sessions see to that (docs/security.md). All else it may say.

mod answers;
mod forge;
mod kinds;
mod questions;

use crate::node::Cluster;
use crate::random::Random;
use crate::wire::{Body, Message, Upload};
use answers::records_of;
use core::ops::Range;
use forge::{REMEMBERED, Twin};
pub use kinds::{LIES, Lie};
use rain_cluster::{Life, NodeId, Record, Reply, Request, Sender, Signet, Ticket, Version};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What a seed lets it lie about, and how often.
#[derive(Debug, Clone)]
pub struct Lies {
    /// Its place in the cluster.
    pub place: usize,
    pub kinds: Vec<Lie>,
    /// It lies in one of so many messages.
    pub one_in: usize,
    /// It speaks unasked once in so long.
    pub unasked_ms: usize,
    pub codes: Vec<&'static str>,
    pub titles: usize,
    /// In the end it is taken from the cluster; else it stops to lie.
    pub goes: bool,
}

#[derive(Debug)]
pub struct Liar {
    pub place: usize,
    pub plan: Lies,
    /// It does not lie any more.
    pub honest: bool,
    /// How often each lie was told.
    pub told: BTreeMap<Lie, u64>,
    /// All versions that it ever named.
    pub named: BTreeSet<Version>,
    id: NodeId,
    cluster: Arc<Cluster>,
    random: Random,
    me: Sender,
    /// What it was asked, by call.
    asked: BTreeMap<u64, Request>,
    reads: BTreeMap<u64, (Version, Range<u64>)>,
    /// What it has heard of.
    records: BTreeMap<Version, Record>,
    uploads: Vec<Arc<Upload>>,
    lives: BTreeMap<usize, Sender>,
    /// What others said of their lives, each of it once.
    heard: BTreeSet<Sender>,
    tickets: BTreeMap<usize, Ticket>,
    twins: BTreeMap<Version, Twin>,
    said: Vec<(Request, Reply)>,
}

impl Liar {
    pub fn new(plan: Lies, cluster: &Arc<Cluster>, random: Random) -> Self {
        let id = cluster.ids[plan.place];
        Self {
            place: plan.place,
            plan,
            honest: false,
            told: BTreeMap::new(),
            named: BTreeSet::new(),
            id,
            cluster: Arc::clone(cluster),
            random,
            me: Sender { node: id, life: Life(0), serial: 0, epoch: 0, signet: Signet(0) },
            asked: BTreeMap::new(),
            reads: BTreeMap::new(),
            records: BTreeMap::new(),
            uploads: Vec::new(),
            lives: BTreeMap::new(),
            heard: BTreeSet::new(),
            tickets: BTreeMap::new(),
            twins: BTreeMap::new(),
            said: Vec::new(),
        }
    }

    /// Hears what comes to it. What it only promises to do does not reach the node; then its answer is given here.
    pub fn hear(&mut self, message: &Message) -> Option<Message> {
        if message.sender.node != self.id {
            let from = self.cluster.ids.iter().position(|id| *id == message.sender.node);
            self.lives.extend(from.map(|from| (from, message.sender)));
            if self.heard.len() < REMEMBERED || self.random.one_in(8) {
                if self.heard.len() == REMEMBERED {
                    let any = self.random.below(REMEMBERED);
                    let forgotten = *self.heard.iter().nth(any).unwrap();
                    self.heard.remove(&forgotten);
                }
                self.heard.insert(message.sender);
            }
        }
        if let Body::Answer(Reply::State(state)) = &message.body {
            self.tickets.insert(message.from, state.ticket);
        }
        for record in records_of(&message.body) {
            self.remember(&record);
        }
        let promise = match &message.body {
            Body::Ask(request) => {
                self.asked.insert(message.call, request.clone());
                match request {
                    Request::Prepare { .. } => Some(Body::Answer(Reply::Prepared)),
                    Request::Mark { .. } => Some(Body::Answer(Reply::Marked)),
                    Request::Drop { .. } => Some(Body::Answer(Reply::Dropped)),
                    _ => None,
                }
            }
            Body::Upload { plan, .. } => {
                if self.uploads.len() == REMEMBERED {
                    self.uploads.remove(0);
                }
                self.uploads.push(Arc::clone(plan));
                Some(Body::Uploaded)
            }
            Body::Read { version, stripes, .. } => {
                self.reads.insert(message.call, (*version, stripes.clone()));
                // Where it serves what it made up, it needs no column.
                let made = if self.lies_about(Lie::Roots) { self.twin_column(*version, stripes) } else { None };
                made.map(|(column, bytes)| Body::Column { column, records: Arc::new(bytes) })
            }
            _ => None,
        };
        let body = promise?;
        let lie = if matches!(body, Body::Column { .. }) { Lie::Column } else { Lie::Promise };
        if self.honest || !self.lies_about(lie) || self.random.one_in(2) {
            return None;
        }
        self.count(lie);
        self.asked.remove(&message.call);
        self.reads.remove(&message.call);
        let Message { from, to, call, .. } = *message;
        Some(Message { from: to, to: from, call, sender: self.me, answer: true, body })
    }

    /// What leaves in place of a message of its node.
    pub fn twist(&mut self, message: &Message) -> Option<Message> {
        let mut message = message.clone();
        self.me = message.sender;
        for record in records_of(&message.body) {
            self.remember(&record);
        }
        let asked = if message.answer { self.asked.remove(&message.call) } else { None };
        if !self.honest && self.random.one_in(self.plan.one_in) && !self.lie(&mut message, asked.as_ref()) {
            return None;
        }
        if message.answer {
            self.reads.remove(&message.call);
        }
        if let (Body::Answer(reply), Some(asked)) = (&message.body, asked) {
            if self.said.len() == REMEMBERED {
                self.said.remove(0);
            }
            self.said.push((asked, reply.clone()));
        }
        self.note_named(&message.body);
        Some(message)
    }

    /// Tells one lie or two; false where it says nothing.
    fn lie(&mut self, message: &mut Message, asked: Option<&Request>) -> bool {
        let mut kinds = self.plan.kinds.clone();
        let mut left = 1 + self.random.below(2);
        while left > 0 && !kinds.is_empty() {
            let lie = kinds.swap_remove(self.random.below(kinds.len()));
            // One that ends all others is told now and then only.
            if matches!(lie, Lie::Silence | Lie::Retired | Lie::Noise) && !self.random.one_in(4) {
                continue;
            }
            if lie == Lie::Silence {
                self.count(lie);
                return false;
            }
            let told = if message.answer {
                self.lie_in_answer(lie, message, asked)
            } else {
                self.lie_in_question(lie, message)
            };
            if told || self.lie_in_any(lie, message) {
                self.count(lie);
                left -= 1;
            }
        }
        true
    }

    /// A question that nobody asked for, and to whom.
    pub fn speak(&mut self) -> Option<(usize, Sender, Body)> {
        let kinds: Vec<Lie> = self.plan.kinds.iter().copied().filter(|lie| lie.is_unasked()).collect();
        if self.honest || kinds.is_empty() || self.me.life == Life(0) {
            return None;
        }
        let lie = self.random.pick(&kinds);
        let body = self.unasked(lie)?;
        self.count(lie);
        self.note_named(&body);
        let others: Vec<usize> = (0..self.cluster.ids.len()).filter(|place| *place != self.place).collect();
        Some((self.random.pick(&others), self.me, body))
    }

    fn lies_about(&self, lie: Lie) -> bool {
        self.plan.kinds.contains(&lie)
    }

    fn count(&mut self, lie: Lie) {
        *self.told.entry(lie).or_default() += 1;
    }

    fn note_named(&mut self, body: &Body) {
        self.named.extend(records_of(body).iter().map(Record::version));
    }
}
