//! The configuration register, model-checked: every state that its acceptors and two proposers can reach, whatever the
//! network does and whoever ends.
//!
//! The model runs [`Acceptor`], [`Proposer`] and [`Learner`], the very types that run in a node. Whatever was ever asked may
//! be delivered at any time, any number of times, in any order, or never; so that an answer, where it is not lost, may
//! come at once: to take it later is to have what follows from it delivered later. A voter may end while it answers, before
//! its record is durable; its disk may be lost; a proposer may begin again, knowing nothing but the founding.
//! `RAIN_MODEL_DEEP` lifts the bounds, for a night.
#![expect(clippy::unwrap_used, reason = "a model that breaks off is a test that fails")]

use rain_cluster::register::{
    Accepted, Acceptor, Configuration, Contact, Electorate, Learner, Member, MemberSet, Outcome, Proposer, Record,
    RegisterAnswer, RegisterQuestion, Role, SetCode, Voter,
};
use rain_cluster::{Life, NodeId, Time};
use stateright::{Checker, HasDiscoveries, Model, Property};
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Deref;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const ONE: &str = "one: of an epoch at most one configuration comes into force, and no learner and no read goes back";
const KEPT: &str = "kept: what is in force is durable at majorities of its voters, and of those of what it replaced";
const LIVE: &str = "live: with a majority up and one proposer, a change ends within 3 exchanges";
const DONE: &str = "witness: the last change is in force";
const BEATEN: &str = "witness: a change is superseded";

/// What a person at a proposer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Read,
    /// Labels a node, which alters no quorum.
    Rack(&'static str),
    /// Gives a learner a vote: two sets are in force.
    Promote(u32),
    Finish,
    Abort,
}

/// A register, and bounds that make its states finite.
#[derive(Clone, Debug)]
struct Register {
    /// The votes of the members, by node; 0 of a learner.
    votes: &'static [u8],
    /// What each proposer does, one after the other.
    steps: [&'static [Step]; 2],
    ballots: u64,
    /// Disks that are lost.
    disks: u32,
    /// How often the first proposer begins again.
    starts: u64,
    /// From which states changes are known to end, by what they depend on.
    lives: Arc<Mutex<Lives>>,
}

/// A part of a state, shared by the states that have it and told apart by its digest: most steps change one part.
#[derive(Clone, Debug)]
struct Part<T>(Arc<T>, u64);

impl<T: Hash> Part<T> {
    fn new(value: T) -> Self {
        let mut hasher = DefaultHasher::new();
        value.hash(&mut hasher);
        Self(Arc::new(value), hasher.finish())
    }
}

impl<T> Deref for Part<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> PartialEq for Part<T> {
    fn eq(&self, other: &Self) -> bool {
        self.1 == other.1
    }
}

impl<T> Eq for Part<T> {}

impl<T> PartialOrd for Part<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Part<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.1.cmp(&other.1)
    }
}

impl<T> Hash for Part<T> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.1.hash(hasher);
    }
}

#[derive(Clone, Debug, Hash, PartialEq, Eq)]
struct Change {
    proposer: Proposer,
    learner: Learner,
    incarnation: u64,
    /// Steps that are begun.
    steps: usize,
    /// The newest epoch in force when the read under way began.
    floor: Option<u64>,
}

/// Disks, and what came into force.
type Lives = BTreeSet<(Vec<Part<Record>>, InForce)>;

/// All that came into force, by epoch.
type InForce = Part<BTreeMap<u64, Arc<Configuration>>>;

#[derive(Clone, Debug, Hash, PartialEq, Eq)]
struct State {
    /// What the disks of the voters hold. That is all that an acceptor is, between two questions.
    records: Vec<Part<Record>>,
    changes: [Part<Change>; 2],
    asked: BTreeSet<Part<(usize, RegisterQuestion)>>,
    in_force: InForce,
    disks: u32,
    superseded: bool,
    /// Something was seen that must never be.
    wrong: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Action {
    Begin(usize),
    Ask(Part<(usize, RegisterQuestion)>, Fault),
    Wake(usize),
    StartAgain(usize),
    LoseDisk(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    /// The answer is lost.
    Loss,
    /// The voter ends before anything is durable.
    End,
}

fn voter(node: usize) -> Voter {
    let node = u32::try_from(node).unwrap();
    Voter { node: NodeId(node), life: Life(node) }
}

fn founded(votes: &[u8]) -> Configuration {
    let member = |(node, weight): (usize, &u8)| Member {
        voter: voter(node),
        contact: Contact { name: "n".to_owned(), http: String::new(), addresses: Vec::new(), keys: Vec::new() },
        role: if *weight > 0 { Role::Active } else { Role::Learner },
        weight: *weight,
        witness: false,
        rack: String::new(),
        room: String::new(),
    };
    let members: Vec<_> = votes.iter().enumerate().map(member).collect();
    // The weights of an even number of voters are together even.
    let tie = (votes.iter().sum::<u8>() % 2 == 0).then_some(NodeId(0));
    let new = MemberSet { members, tie, code: SetCode { name: "c".to_owned(), columns: 1 }, catalog: 1 };
    let configuration = Configuration { epoch: 1, since: 0, old: None, new, retired: Vec::new(), note: String::new() };
    configuration.check().unwrap();
    configuration
}

/// Whether more than half of the votes of a set are of voters like this; counted here once more, by hand.
fn majority(set: &MemberSet, has: impl Fn(Voter) -> bool) -> bool {
    let votes = |member: &Member| u32::from(member.weight) + u32::from(set.tie == Some(member.voter.node));
    let all = || set.members.iter().filter(|member| member.weight > 0);
    let those: u32 = all().filter(|member| has(member.voter)).map(votes).sum();
    2 * those > all().map(votes).sum()
}

/// Asks a voter; gives what its disk holds then, and what it answers.
fn ask(record: &Record, question: &RegisterQuestion, fault: Fault) -> (Option<Record>, Option<RegisterAnswer>) {
    let mut acceptor = Acceptor::new(record.voter, Some(record.clone()));
    acceptor.handle_question(NodeId(0), question);
    let early = acceptor.poll_transmit();
    let saved = acceptor.poll_save().filter(|_| fault != Fault::End);
    let record = saved.map(|bytes| {
        acceptor.handle_saved();
        // Read back but in a night: the sum over it is half of what a state costs.
        if deep() { Record::parse(&bytes).unwrap() } else { acceptor.record().unwrap().clone() }
    });
    let answer = early.or_else(|| acceptor.poll_transmit());
    (record, answer.map(|(_, answer)| answer).filter(|_| fault != Fault::Loss))
}

/// The disk of the voter that is asked.
fn asked(question: &RegisterQuestion) -> usize {
    match question {
        RegisterQuestion::Prepare { to, .. } | RegisterQuestion::Accept { to, .. } => to.node.0 as usize,
        RegisterQuestion::Learned(_) => unreachable!("it is told, not asked"),
    }
}

fn deep() -> bool {
    std::env::var_os("RAIN_MODEL_DEEP").is_some()
}

/// The next configuration of a step, where there is one.
fn next(known: &Configuration, step: Step) -> Option<Configuration> {
    match step {
        Step::Read => None,
        Step::Rack(rack) => known.label(NodeId(0), rack.to_owned(), String::new()).ok(),
        Step::Promote(node) => known.promote(NodeId(node), Some(1)).ok(),
        Step::Finish => known.finish().ok(),
        Step::Abort => known.abort().ok(),
    }
}

impl State {
    fn newest(&self) -> &Arc<Configuration> {
        self.in_force.last_key_value().unwrap().1
    }

    /// Takes note of what somebody says is in force.
    fn learn(&mut self, learner: &mut Learner, configuration: Arc<Configuration>) {
        if let Some(first) = self.in_force.get(&configuration.epoch) {
            self.wrong |= *first != configuration;
        } else {
            let mut in_force = BTreeMap::clone(&self.in_force);
            in_force.insert(configuration.epoch, Arc::clone(&configuration));
            self.in_force = Part::new(in_force);
        }
        let before = learner.known().epoch;
        self.wrong |= configuration.epoch < before;
        learner.learn(configuration);
        self.wrong |= learner.known().epoch < before;
    }

    /// Carries out what a proposer wants, but for telling: that may be lost as well.
    fn drive(&mut self, index: usize, mut change: Change) {
        while let Some((_, question)) = change.proposer.poll_transmit() {
            if !matches!(question, RegisterQuestion::Learned(_)) {
                self.asked.insert(Part::new((index, question)));
            }
        }
        if let Some(outcome) = change.proposer.poll_outcome() {
            let floor = change.floor.take();
            match outcome {
                Outcome::Done(configuration) => {
                    self.wrong |= floor.is_some_and(|floor| configuration.epoch < floor);
                    self.learn(&mut change.learner, configuration);
                }
                Outcome::Superseded { by, .. } => {
                    self.superseded = true;
                    self.learn(&mut change.learner, by);
                }
                Outcome::GaveUp { .. } => {}
            }
        }
        self.changes[index] = Part::new(change);
    }

    /// What is in force, and what it came in the place of, as the disks say.
    fn newest_accepted(&self) -> Option<&Accepted> {
        self.records
            .iter()
            .filter_map(|record| record.accepted.as_ref())
            .find(|accepted| &accepted.value == self.newest())
    }

    fn is_kept(&self) -> bool {
        if self.in_force.len() == 1 {
            return true;
        }
        let lacks = |voter: Voter| {
            let record = self.records.iter().find(|record| record.voter == voter);
            let epoch = |record: &Record| record.accepted.as_ref().map_or(0, |accepted| accepted.value.epoch);
            record.is_some_and(|record| epoch(record) < self.newest().epoch)
        };
        // A later one may be on every disk by now.
        let base = self.newest_accepted().map(|accepted| &accepted.base);
        base.into_iter().chain([self.newest()]).flat_map(|value| value.sets()).all(|set| !majority(set, lacks))
    }

    /// Changes something as a proposer that nobody disturbs; gives the exchanges that it takes.
    fn exchanges(&self) -> u32 {
        let mut records = self.records.clone();
        let base = Arc::clone(self.newest());
        let value = base.finish().or_else(|_| base.label(NodeId(0), "end".to_owned(), String::new())).unwrap();
        let mut proposer = Proposer::new(voter(0), u64::MAX, 0);
        proposer.change(Time::default(), base, Arc::new(value)).unwrap();
        let mut count = 0;
        loop {
            let questions: Vec<_> = core::iter::from_fn(|| proposer.poll_transmit()).collect();
            if proposer.poll_outcome().is_some() {
                return count;
            }
            for (_, question) in
                questions.iter().filter(|(_, question)| !matches!(question, RegisterQuestion::Learned(_)))
            {
                let node = asked(question);
                let (record, answer) = ask(&records[node], question, Fault::None);
                if let Some(record) = record {
                    records[node] = Part::new(record);
                }
                if let Some(answer) = answer {
                    proposer.handle_answer(Time::default(), answer.voter.node, answer);
                }
            }
            count += 1;
            if count > 10 {
                return count;
            }
            // Behind a refusal it waits, and then asks at once.
            if let Some(wake) =
                proposer.poll_timeout().filter(|wake| *wake < Time::default() + Duration::from_millis(300))
            {
                proposer.handle_timeout(wake);
            }
        }
    }

    /// Whether enough voters kept their disks for whatever may be in force.
    fn has_majority(&self) -> bool {
        let lives = |voter: Voter| self.records.iter().any(|record| record.voter == voter);
        let accepted = self.records.iter().filter_map(|record| record.accepted.as_ref());
        let next = self.newest().finish().unwrap_or_else(|_| (**self.newest()).clone());
        Electorate::of(self.newest(), &next).agrees(lives)
            && accepted.map(|accepted| Electorate::of(&accepted.base, &accepted.value)).all(|all| all.agrees(lives))
    }
}

impl Model for Register {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let founded = Arc::new(founded(self.votes));
        let records: Vec<_> = (0..self.votes.len()).map(|node| Part::new(Record::blank(voter(node)))).collect();
        let change = |index: usize| {
            Part::new(Change {
                proposer: Proposer::new(voter(index), 1, 0),
                learner: Learner::new(Arc::clone(&founded)),
                incarnation: 1,
                steps: 0,
                floor: None,
            })
        };
        vec![State {
            records,
            changes: [0, 1].map(change),
            asked: BTreeSet::new(),
            in_force: Part::new(BTreeMap::from([(1, founded)])),
            disks: 0,
            superseded: false,
            wrong: false,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for (index, change) in state.changes.iter().enumerate() {
            match change.proposer.poll_timeout() {
                None if change.steps < self.steps[index].len() => actions.push(Action::Begin(index)),
                None => {}
                Some(_) => actions.push(Action::Wake(index)),
            }
            if index == 0 && change.incarnation <= self.starts && change.steps > 0 {
                actions.push(Action::StartAgain(index));
            }
        }
        for question in &state.asked {
            let faults = [Fault::None, Fault::Loss, Fault::End];
            actions.extend(faults.map(|fault| Action::Ask(question.clone(), fault)));
        }
        if state.disks < self.disks {
            actions.extend((0..self.votes.len()).map(Action::LoseDisk));
        }
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let now = Time::default();
        let mut next_state = state.clone();
        match action {
            Action::Ask(question, fault) => {
                let (index, question) = &*question;
                let (record, answer) = ask(&state.records[asked(question)], question, fault);
                let mut change = Change::clone(&state.changes[*index]);
                if let Some(answer) = answer {
                    change.proposer.handle_answer(now, answer.voter.node, answer);
                }
                if record.is_none() && change.proposer == state.changes[*index].proposer {
                    return None;
                }
                if let Some(record) = record {
                    next_state.records[asked(question)] = Part::new(record);
                }
                next_state.drive(*index, change);
            }
            Action::Begin(index) => {
                let mut change = Change::clone(&state.changes[index]);
                let step = self.steps[index][change.steps];
                change.steps += 1;
                let known = Arc::clone(change.learner.known());
                if step == Step::Read {
                    change.floor = Some(state.newest().epoch);
                    change.proposer.read(now, known).unwrap();
                } else {
                    let value = next(&known, step)?;
                    change.proposer.change(now, known, Arc::new(value)).unwrap();
                }
                next_state.drive(index, change);
            }
            Action::Wake(index) => {
                // All questions are under way for ever: asking again changes nothing.
                let mut change = Change::clone(&state.changes[index]);
                let wake = change.proposer.poll_timeout().filter(|wake| *wake < now + Duration::from_millis(300))?;
                change.proposer.handle_timeout(wake);
                next_state.drive(index, change);
            }
            Action::StartAgain(index) => {
                let (incarnation, steps) = (state.changes[index].incarnation + 1, state.changes[index].steps);
                next_state.changes[index] = Part::new(Change {
                    proposer: Proposer::new(voter(index), incarnation, 0),
                    learner: Learner::new(Arc::new(founded(self.votes))),
                    incarnation,
                    steps,
                    floor: None,
                });
            }
            Action::LoseDisk(node) => {
                let life = Life(100 + state.records[node].voter.life.0);
                next_state.records[node] = Part::new(Record::blank(Voter { life, ..state.records[node].voter }));
                next_state.disks += 1;
            }
        }
        (next_state != *state).then_some(next_state)
    }

    fn within_boundary(&self, state: &State) -> bool {
        state.asked.iter().all(|question| match &question.0.1 {
            RegisterQuestion::Prepare { ballot, .. } => ballot.number <= self.ballots,
            RegisterQuestion::Accept { proposal, .. } => proposal.ballot.number <= self.ballots,
            RegisterQuestion::Learned(_) => true,
        })
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(ONE, |_: &Self, state: &State| !state.wrong),
            Property::always(KEPT, |_: &Self, state: &State| state.is_kept()),
            Property::always(LIVE, |model: &Self, state: &State| {
                let key = (state.records.clone(), state.in_force.clone());
                if model.lives.lock().unwrap().contains(&key) {
                    return true;
                }
                let lives = !state.has_majority() || state.exchanges() <= 3;
                lives && model.lives.lock().unwrap().insert(key)
            }),
            Property::sometimes(DONE, |model: &Self, state: &State| {
                let changes = model.steps[0].iter().filter(|step| **step != Step::Read).count() as u64;
                // Whoever begins again goes on behind what it was at.
                state.newest().epoch > changes - model.starts
            }),
            Property::sometimes(BEATEN, |_: &Self, state: &State| state.superseded),
        ]
    }
}

/// Checks all states, or as many as it takes to find one that must not be; gives the names of the properties that do not
/// hold.
fn check(register: Register) -> (usize, Vec<&'static str>) {
    let Register { votes, steps, ballots, disks, starts, .. } = &register;
    let name = format!("{votes:?}, {steps:?}, {ballots} ballots, {disks} disks, {starts} starts");
    let steps = *steps;
    let checker = register.checker().finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    // Two that read, or one that changes, supersede nobody.
    let compete = steps.iter().all(|steps| steps.iter().any(|step| *step != Step::Read));
    let mut broken = super::broken(&checker);
    broken.retain(|name| compete || *name != BEATEN);
    println!("{name}: {} states, {} steps: {broken:?}", checker.unique_state_count(), checker.state_count());
    for name in broken.iter().filter(|name| !name.starts_with("witness")) {
        if let Some(path) = checker.discovery(name) {
            println!("{name}:");
            path.into_actions().iter().for_each(|action| println!("  {action:?}"));
        }
    }
    (checker.unique_state_count(), broken)
}

/// All states of it hold to all properties.
fn holds(votes: &'static [u8], steps: [&'static [Step]; 2], [ballots, disks, starts]: [u64; 3]) {
    let disks = u32::try_from(disks).unwrap();
    let register = Register { votes, steps, ballots, disks, starts, lives: Arc::default() };
    assert_eq!(check(register).1, [""; 0]);
}

const A: Step = Step::Rack("a");
const B: Step = Step::Rack("b");
const C: Step = Step::Rack("c");
/// From two voters to three, or from three to four.
const GROW_2: &[Step] = &[Step::Promote(2), Step::Finish];
const GROW_3: &[Step] = &[Step::Promote(3), Step::Finish];

#[test]
fn two_changes_at_once() {
    holds(&[1, 1, 1], [&[A], &[B]], if deep() { [3, 0, 0] } else { [2, 0, 0] });
}

#[test]
fn a_disk_is_lost() {
    holds(&[1, 1, 1], [&[A], &[B]], if deep() { [2, 2, 0] } else { [2, 1, 0] });
}

#[test]
fn a_proposer_begins_again() {
    holds(&[1, 1, 1], [&[A, C], &[B]], if deep() { [2, 0, 1] } else { [1, 0, 1] });
}

/// So few that a reader gets its third ballot through after both changes.
#[test]
fn one_voter_becomes_two() {
    holds(&[1, 0], [&[Step::Promote(1), Step::Finish], &[Step::Read]], if deep() { [4, 0, 0] } else { [3, 0, 0] });
}

#[test]
fn two_voters_become_three() {
    holds(&[1, 1, 0], [GROW_2, &[Step::Read]], if deep() { [3, 0, 0] } else { [2, 0, 0] });
}

#[test]
fn a_change_is_taken_back() {
    holds(&[1, 1, 0], [GROW_2, &[Step::Read, Step::Abort]], if deep() { [3, 0, 0] } else { [2, 0, 0] });
}

#[test]
fn three_voters_become_four() {
    let others: &[Step] = if deep() { &[Step::Read] } else { &[] };
    holds(&[1, 1, 1, 0], [GROW_3, others], [2, 0, 0]);
}

#[test]
fn five_voters() {
    holds(&[1; 5], [&[A], &[]], if deep() { [1, 1, 0] } else { [1, 0, 0] });
}
