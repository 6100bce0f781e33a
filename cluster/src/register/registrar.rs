//! The register as one member runs it.

use super::acceptor::Acceptor;
use super::configuration::Configuration;
use super::error::ConfigurationError;
use super::founding::{Founders, Founding};
use super::learner::Learner;
use super::message::{RegisterMessage, RegisterQuestion, Told};
use super::outcome::{Outcome, ProposeError};
use super::proposer::Proposer;
use super::readiness::{Progress, Readiness};
use super::record::Record;
use super::voter::Voter;
use crate::random::SplitMix64;
use crate::time::Time;
use crate::version::NodeId;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// Who must learn before the older of two sets goes is asked so often how far it is, by whoever made the change.
const SURVEY: Duration = Duration::from_millis(200);
/// Whoever knows less than others asks one of them so often at most.
const ASK: Duration = Duration::from_millis(300);
/// Somebody is asked what he knows after so long, and up to twice as long: in milliseconds.
const LOOK_MILLIS: u64 = 5000;
/// An epoch that is further ahead is nobody's.
const EPOCH_LEAP: u64 = 1 << 20;
/// A change of two sets that is half-way is ended by whoever made it, at once; by others after so long, and up to twice as
/// long: in milliseconds.
const TEND_MILLIS: u64 = 2000;

/// What is to become durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Save {
    /// What the acceptor must not forget, in place of what it wrote before.
    Record(Vec<u8>),
    /// The newest configuration that is known to be in force, in place of the one before.
    Configuration(Vec<u8>),
}

/// What the disk does with a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Disk {
    Idle,
    Busy,
    /// It did not take the last one.
    Refused,
}

/// For what a change or a read is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Errand {
    /// A change, for whoever asked.
    Asked,
    /// A read, for whoever asked.
    Read,
    /// To end a change of two sets that whoever asked has begun.
    Ending,
    /// To end one that somebody else left half-way.
    Tending,
}

/// A member's part in the register: [`Acceptor`], [`Proposer`] and [`Learner`], and how it came to the first configuration.
///
/// The driver makes durable what [`poll_save`](Self::poll_save) gives, sends what [`poll_transmit`](Self::poll_transmit)
/// gives, and says when either has come to something. Messages may be lost, repeated and late; one of a life that is over
/// is not to be handed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registrar {
    me: Voter,
    acceptor: Acceptor,
    proposer: Proposer,
    learner: Option<Learner>,
    /// In force, and not durable here yet.
    news: Option<Arc<Configuration>>,
    disk: Disk,
    founding: Option<Founding>,
    errand: Option<Errand>,
    /// It is to be forced.
    is_forcing: bool,
    /// The disk is no old copy, as far as the others remember.
    is_sure: bool,
    random: SplitMix64,
    /// When to end what somebody else left half-way.
    tend: Option<Time>,
    /// The last change that was made here.
    made: u64,
    /// How far the own store is.
    progress: Progress,
    /// How far the others are, since two sets are in force.
    readiness: Readiness,
    /// When to ask somebody again.
    look: Option<Time>,
    /// When each was asked last what it knows.
    asked: BTreeMap<NodeId, Time>,
    transmits: VecDeque<(NodeId, RegisterMessage)>,
    outcome: Option<Outcome>,
}

impl Registrar {
    /// That of a store in its present life: `record` and `known` are what its disk has, `None` where that is nothing or
    /// cannot be read. `incarnation` is another one at each start of the process, `seed` too, best at random.
    pub fn new(
        me: Voter,
        record: Option<Record>,
        known: Option<Arc<Configuration>>,
        incarnation: u64,
        seed: u64,
    ) -> Self {
        let mut random = SplitMix64::new(seed);
        Self {
            me,
            acceptor: Acceptor::new(me, record),
            proposer: Proposer::new(me, incarnation, random.next_u64()),
            learner: known.map(Learner::new),
            news: None,
            disk: Disk::Idle,
            founding: None,
            errand: None,
            is_forcing: false,
            is_sure: false,
            random,
            tend: None,
            made: 0,
            progress: Progress::default(),
            readiness: Readiness::default(),
            look: None,
            asked: BTreeMap::new(),
            transmits: VecDeque::new(),
            outcome: None,
        }
    }

    /// Who it is.
    pub fn me(&self) -> Voter {
        self.me
    }

    /// The newest configuration that is durable here; `None` before the cluster was founded, as far as is known here.
    pub fn known(&self) -> Option<&Arc<Configuration>> {
        self.learner.as_ref().map(Learner::known)
    }

    /// The epoch of that configuration; 0 where there is none.
    pub fn epoch(&self) -> u64 {
        self.known().map_or(0, |known| known.epoch)
    }

    /// Who has not answered what is asked until a configuration is known.
    pub fn awaited(&self) -> Vec<NodeId> {
        self.founding.as_ref().map(Founding::awaited).unwrap_or_default()
    }

    /// Why what the founder was told makes no configuration: it asks on.
    pub fn founding_error(&self) -> Option<&ConfigurationError> {
        self.founding.as_ref().and_then(|founding| founding.error.as_ref())
    }

    /// Whether two sets are in force of which the newer one will soon be so alone, if a majority agrees.
    pub fn is_tending(&self) -> bool {
        self.tend.is_some() && self.known().is_some_and(|known| known.may_end())
    }

    /// While two sets are in force: who must learn yet before the older one goes, as far as is known here.
    pub fn learning(&self) -> Vec<NodeId> {
        let joint = self.known().filter(|known| known.old.is_some());
        joint.map(|joint| self.readiness.awaited(joint)).unwrap_or_default()
    }

    /// Takes note of how far the own store is.
    pub fn set_progress(&mut self, progress: Progress) {
        self.progress = progress;
    }

    /// Whether it is at work, or what came of its work was not taken yet: then nothing else is begun.
    pub fn is_busy(&self) -> bool {
        self.errand.is_some() || self.outcome.is_some()
    }

    /// Where no configuration is known here: asks these members for it, and founds the cluster if it is this node that does.
    pub fn found(&mut self, now: Time, founders: Founders) {
        if self.learner.is_none() {
            self.founding = Some(Founding::new(now, self.me, founders));
            if self.is_sure {
                self.is_sure = false;
                self.set_sure(now);
            }
            self.run(now);
        }
    }

    /// The disk is no old copy of itself, as far as the others remember: until that is known it may have forgotten what it
    /// promised, and votes as little as one that has.
    pub fn set_sure(&mut self, now: Time) {
        if !core::mem::replace(&mut self.is_sure, true) {
            if let Some(founding) = &mut self.founding {
                founding.hear(now, self.me, self.acceptor.record().is_some());
            }
            self.plan_tending(now);
            self.plan_look(now);
            self.run(now);
        }
    }

    fn can_vote(&self) -> bool {
        self.is_sure && self.acceptor.record().is_some()
    }

    /// Proposes `value`, computed from the configuration that is known. If two sets are in force then that differ in votes
    /// and lives alone, it goes on until one is.
    ///
    /// # Errors
    /// [`ProposeError`]; nothing has changed.
    pub fn change(&mut self, now: Time, value: Configuration) -> Result<(), ProposeError> {
        self.begin(now, Some(Arc::new(value)))
    }

    /// Finds out which configuration is in force.
    ///
    /// # Errors
    /// [`ProposeError`].
    pub fn read(&mut self, now: Time) -> Result<(), ProposeError> {
        self.begin(now, None)
    }

    fn begin(&mut self, now: Time, value: Option<Arc<Configuration>>) -> Result<(), ProposeError> {
        let base = Arc::clone(self.known().ok_or(ProposeError::Unfounded)?);
        if self.is_busy() {
            return Err(ProposeError::Busy);
        }
        let errand = if value.is_some() { Errand::Asked } else { Errand::Read };
        let is_forcing = value.as_ref().is_some_and(|value| value.is_forced(&base));
        match value {
            Some(value) => self.proposer.change(now, base, value)?,
            None => self.proposer.read(now, base)?,
        }
        (self.errand, self.is_forcing) = (Some(errand), is_forcing);
        self.run(now);
        Ok(())
    }

    /// Takes note of since when a member knows who keeps titles: whoever knows more is asked.
    pub fn hear_since(&mut self, now: Time, from: NodeId, since: u64) {
        let is_due = self.asked.get(&from).is_none_or(|asked| now >= *asked + ASK);
        if since > self.known().map_or(0, |known| known.since) && self.news.is_none() && is_due {
            self.asked.insert(from, now);
            self.transmits.push_back((from, RegisterMessage::Ask));
        }
    }

    /// Takes a message of a member.
    pub fn handle_message(&mut self, now: Time, from: NodeId, message: RegisterMessage) {
        if let RegisterMessage::Told(Told { voter, progress, .. }) = &message
            && voter.node == from
        {
            self.readiness.hear(*voter, *progress);
        }
        match message {
            RegisterMessage::Question(RegisterQuestion::Learned(known))
            | RegisterMessage::Told(Told { known: Some(known), .. }) => self.take_news(now, known),
            // It may have promised otherwise.
            RegisterMessage::Question(_) if !self.is_sure => {}
            RegisterMessage::Question(question) => self.acceptor.handle_question(from, &question),
            RegisterMessage::Answer(answer) => self.proposer.handle_answer(now, from, answer),
            // Whoever is about to know one must not say that it knows none.
            RegisterMessage::Ask if self.learner.is_none() && (self.news.is_some() || !self.is_sure) => {}
            RegisterMessage::Ask => {
                let (voter, can_vote, progress) = (self.me, self.can_vote(), self.progress);
                let told = Told { voter, can_vote, progress, known: self.known().cloned() };
                self.transmits.push_back((from, RegisterMessage::Told(told)));
            }
            RegisterMessage::Told(Told { voter, can_vote, known: None, .. }) => {
                if let Some(founding) = self.founding.as_mut().filter(|_| voter.node == from) {
                    founding.hear(now, voter, can_vote);
                }
            }
        }
        if self.tend.is_some() && self.known().is_some_and(|known| !known.may_end()) && self.can_end() {
            self.end_joint(now, Errand::Tending);
        }
        self.run(now);
    }

    /// Looks at the time; too early changes nothing.
    pub fn handle_timeout(&mut self, now: Time) {
        self.proposer.handle_timeout(now);
        if self.look.is_some_and(|look| now >= look) {
            self.look_around(now);
        }
        if self.tend.is_some_and(|tend| now >= tend) {
            self.tend = None;
            self.end_joint(now, Errand::Tending);
            self.survey();
        }
        self.run(now);
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due at the latest; `None` when time changes nothing.
    pub fn poll_timeout(&self) -> Option<Time> {
        let founding = self.founding.as_ref().map(|founding| founding.wake);
        let look = self.look.filter(|_| self.learner.is_some());
        self.proposer.poll_timeout().into_iter().chain(self.tend).chain(founding).chain(look).min()
    }

    /// What to make durable: in a file of its own, renamed over the last one once it is on the disk. The driver says what
    /// came of it, by [`handle_saved`](Self::handle_saved). One record and one configuration may be on their way at once.
    pub fn poll_save(&mut self) -> Option<Save> {
        if let Some(record) = self.acceptor.poll_save() {
            return Some(Save::Record(record));
        }
        let news = self.news.as_ref().filter(|_| self.disk != Disk::Busy)?;
        self.disk = Disk::Busy;
        Some(Save::Configuration(news.to_bytes()))
    }

    /// Takes what came of making `save` durable. What could not be written is given again.
    pub fn handle_saved(&mut self, now: Time, save: &Save, is_durable: bool) {
        match save {
            Save::Record(_) if is_durable => self.acceptor.handle_saved(),
            Save::Record(_) => self.acceptor.handle_save_failure(),
            Save::Configuration(bytes) => {
                self.disk = if is_durable { Disk::Idle } else { Disk::Refused };
                // Later news may have come meanwhile.
                if is_durable && let Ok(saved) = Configuration::parse(bytes).map(Arc::new) {
                    self.news.take_if(|news| news.epoch <= saved.epoch);
                    self.learn(now, saved);
                }
            }
        }
        self.run(now);
    }

    /// The next message to send, to another member.
    pub fn poll_transmit(&mut self) -> Option<(NodeId, RegisterMessage)> {
        self.transmits.pop_front()
    }

    /// What became of what was asked for, once what was found is durable here, or the disk has refused it. Until it is taken,
    /// nothing else is begun.
    pub fn poll_outcome(&mut self) -> Option<Outcome> {
        let waits = self.news.is_some() && self.disk != Disk::Refused;
        if waits { None } else { self.outcome.take() }
    }

    /// Hands on what the machines have for each other, and for other members.
    fn run(&mut self, now: Time) {
        self.go_on_founding(now);
        loop {
            if let Some((to, question)) = self.proposer.poll_transmit() {
                if to != self.me.node {
                    self.transmits.push_back((to, RegisterMessage::Question(question)));
                } else if self.is_sure {
                    self.acceptor.handle_question(to, &question);
                }
            } else if let Some((to, answer)) = self.acceptor.poll_transmit() {
                if to == self.me.node {
                    self.proposer.handle_answer(now, to, answer);
                } else {
                    self.transmits.push_back((to, RegisterMessage::Answer(answer)));
                }
            } else if let Some(outcome) = self.proposer.poll_outcome() {
                self.conclude(now, outcome);
            } else {
                return;
            }
        }
    }

    /// Asks somebody what he knows, from time to time: news may have been lost.
    fn look_around(&mut self, now: Time) {
        self.plan_look(now);
        let Some(known) = self.learner.as_ref().map(Learner::known) else { return };
        let nodes = known.sets().flat_map(|set| &set.members).map(|member| member.voter.node);
        let others: Vec<_> = nodes.filter(|node| *node != self.me.node).collect();
        if !others.is_empty() {
            self.transmits.push_back((others[self.random.index(others.len())], RegisterMessage::Ask));
        }
    }

    /// Asks all how far they are, while it depends on that when the older of two sets goes.
    fn survey(&mut self) {
        let Some(joint) = self.known().filter(|known| known.old.is_some() && !known.may_end()).cloned() else { return };
        self.readiness.hear(self.me, self.progress);
        let nodes = joint.sets().flat_map(|set| &set.members).map(|member| member.voter.node);
        let others: BTreeSet<_> = nodes.filter(|node| *node != self.me.node).collect();
        self.transmits.extend(others.into_iter().map(|node| (node, RegisterMessage::Ask)));
    }

    fn plan_look(&mut self, now: Time) {
        self.look = Some(now + Duration::from_millis(self.random.within(LOOK_MILLIS..2 * LOOK_MILLIS)));
    }

    fn go_on_founding(&mut self, now: Time) {
        let Some(founding) = &mut self.founding else { return };
        if let Some(first) = founding.configuration() {
            return self.take_news(now, Arc::new(first));
        }
        if now >= founding.wake {
            let asked = founding.ask(now).into_iter().map(|node| (node, RegisterMessage::Ask));
            self.transmits.extend(asked);
        }
    }

    fn conclude(&mut self, now: Time, outcome: Outcome) {
        let found = match &outcome {
            Outcome::Done(found) | Outcome::Superseded { by: found, .. } => Some(Arc::clone(found)),
            Outcome::GaveUp { .. } => None,
        };
        let is_done = matches!(outcome, Outcome::Done(_));
        let errand = self.errand.take();
        // Where a change was to be forced, another one that was only proposed is shown.
        let is_in_force = is_done || !self.is_forcing;
        if let Some(found) = found.as_ref().filter(|_| is_in_force) {
            self.take_news(now, Arc::clone(found));
        }
        match errand {
            Some(Errand::Asked) if is_done && found.as_ref().is_some_and(|found| found.may_end()) => {
                let joint = found.expect("it was found");
                if !self.end(now, Errand::Ending, &joint) {
                    self.outcome = Some(outcome);
                }
            }
            Some(Errand::Asked | Errand::Read | Errand::Ending) => {
                if is_done && errand == Some(Errand::Asked) {
                    self.made = found.map_or(0, |found| found.epoch);
                }
                self.outcome = Some(outcome);
            }
            Some(Errand::Tending) if found.is_none() => self.plan_tending(now),
            Some(Errand::Tending) | None => {}
        }
    }

    /// Takes a configuration that is in force.
    fn take_news(&mut self, now: Time, configuration: Arc<Configuration>) {
        let newest = self.news.as_ref().map_or(self.epoch(), |news| news.epoch);
        let is_ours = self.founding.as_ref().is_none_or(|founding| founding.may_take(&configuration));
        if configuration.epoch > newest && configuration.epoch - newest <= EPOCH_LEAP && is_ours {
            self.proposer.handle_learned(now, &configuration);
            self.founding = None;
            self.news = Some(configuration);
        }
    }

    fn learn(&mut self, now: Time, configuration: Arc<Configuration>) {
        // Whoever founds tells the others; of a later one they hear from whoever proposed it.
        if configuration.epoch == 1 {
            let me = self.me.node;
            let others = configuration.new.members.iter().map(|member| member.voter.node).filter(|node| *node != me);
            let is_founder = others.clone().all(|node| node > me);
            let learned = RegisterMessage::Question(RegisterQuestion::Learned(Arc::clone(&configuration)));
            self.transmits.extend(others.filter(|_| is_founder).map(|node| (node, learned.clone())));
        }
        self.readiness = Readiness::default();
        match &mut self.learner {
            Some(learner) => drop(learner.learn(configuration)),
            None => self.learner = Some(Learner::new(configuration)),
        }
        self.plan_tending(now);
    }

    fn plan_tending(&mut self, now: Time) {
        let joint = self.known().filter(|known| known.old.is_some());
        let (is_joint, is_made) = (joint.is_some(), joint.is_some_and(|joint| joint.epoch == self.made));
        let waits = self.random.within(TEND_MILLIS..2 * TEND_MILLIS);
        let wait = if is_made { SURVEY } else { Duration::from_millis(waits) };
        self.tend = is_joint.then(|| now + wait);
    }

    /// Whether the newer of two sets may be in force alone, as far as is known here.
    fn can_end(&self) -> bool {
        self.known().is_some_and(|known| known.may_end() || self.readiness.is_enough(known))
    }

    fn end_joint(&mut self, now: Time, errand: Errand) {
        let Some(joint) = self.known().filter(|_| self.can_end()).cloned() else { return self.plan_tending(now) };
        if self.errand.is_some() || !self.end(now, errand, &joint) {
            self.plan_tending(now);
        }
    }

    /// Proposes that the newer of two sets be in force alone; whether that is under way.
    fn end(&mut self, now: Time, errand: Errand, joint: &Arc<Configuration>) -> bool {
        let Ok(single) = joint.finish() else { return false };
        let is_begun = self.proposer.change(now, Arc::clone(joint), Arc::new(single)).is_ok();
        if is_begun {
            self.errand = Some(errand);
        }
        is_begun
    }
}
