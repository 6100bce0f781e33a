//! Changing the configuration, and reading which one is in force.

use super::attempt::{Attempt, Phase, Wish};
use super::ballot::{BALLOT_LEAP, Ballot};
use super::configuration::Configuration;
use super::error::ConfigurationError;
use super::message::{RegisterAnswer, RegisterQuestion, Verdict};
use super::outcome::{Outcome, ProposeError};
use super::record::Accepted;
use super::voter::Voter;
use crate::random::SplitMix64;
use crate::time::Time;
use crate::version::NodeId;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// Ask again whoever has not answered.
const RESEND: Duration = Duration::from_millis(300);
/// Give up after so long.
const PATIENCE: Duration = Duration::from_secs(5);
/// Least wait behind the first refusal, in microseconds; it doubles with each, [`BACKOFF_DOUBLINGS`] times at most.
const BACKOFF_MICROS: u64 = 20_000;
const BACKOFF_DOUBLINGS: u32 = 5;

/// A node's proposer: any node may try to change the configuration, voter or not.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Proposer {
    me: Voter,
    incarnation: u64,
    /// The highest number of a ballot that it knows of.
    number: u64,
    random: SplitMix64,
    attempt: Option<Attempt>,
    transmits: VecDeque<(NodeId, RegisterQuestion)>,
    outcome: Option<Outcome>,
}

impl Proposer {
    /// The proposer of a node: `incarnation` is another one at each start of its process, `seed` too, best at random.
    pub fn new(me: Voter, incarnation: u64, seed: u64) -> Self {
        let (random, transmits) = (SplitMix64::new(seed), VecDeque::new());
        Self { me, incarnation, number: 0, random, attempt: None, transmits, outcome: None }
    }

    /// Proposes `value`, computed from `base`, which is in force as far as is known here.
    ///
    /// # Errors
    /// [`ProposeError`]; nothing has changed.
    pub fn change(
        &mut self,
        now: Time,
        base: Arc<Configuration>,
        value: Arc<Configuration>,
    ) -> Result<(), ProposeError> {
        value.check()?;
        value.follows(&base).map_err(ConfigurationError::from)?;
        self.start(now, Wish::Change(Arc::clone(&value)), base, value)
    }

    /// Finds out which configuration is in force; `base` is, or was. A change that was left half-way is completed.
    ///
    /// # Errors
    /// [`ProposeError::Busy`].
    pub fn read(&mut self, now: Time, base: Arc<Configuration>) -> Result<(), ProposeError> {
        self.start(now, Wish::Read, Arc::clone(&base), base)
    }

    fn start(
        &mut self,
        now: Time,
        wish: Wish,
        base: Arc<Configuration>,
        value: Arc<Configuration>,
    ) -> Result<(), ProposeError> {
        if self.attempt.is_some() || self.outcome.is_some() {
            return Err(ProposeError::Busy);
        }
        self.prepare(now, Attempt::new(wish, base, value, now + PATIENCE));
        Ok(())
    }

    /// Takes the news that a configuration is in force.
    pub fn handle_learned(&mut self, now: Time, configuration: &Arc<Configuration>) {
        if let Some(attempt) = self.attempt.take_if(|attempt| configuration.epoch > attempt.base.epoch) {
            self.start_over(now, attempt, Arc::clone(configuration), Arc::clone(configuration));
        }
    }

    /// Takes an answer of the node `from`. One that is not awaited (late, repeated, of another life) changes nothing.
    pub fn handle_answer(&mut self, now: Time, from: NodeId, answer: RegisterAnswer) {
        let RegisterAnswer { voter, ballot, verdict } = answer;
        // Also of one more that refuses the same ballot: the next one is to be above all of them. One that leaps would use the
        // numbers up.
        let is_asked = self.attempt.as_ref().is_some_and(|attempt| attempt.electorate().voters().contains(&voter));
        if let Verdict::Refused { promised, .. } = &verdict
            && (is_asked && voter.node == from)
        {
            let highest = self.number.saturating_add(BALLOT_LEAP);
            self.number = self.number.max(promised.number.min(highest));
        }
        let Some(mut attempt) = self.attempt.take_if(|attempt| attempt.awaits(from, ballot)) else { return };
        if verdict == Verdict::NotI && voter.node == from {
            attempt.elsewhere.insert(from, voter.life);
        }
        if voter.node != from || !attempt.electorate().voters().contains(&voter) {
            self.attempt = Some(attempt);
            return;
        }
        let shown = match &verdict {
            Verdict::Promised(accepted) | Verdict::Refused { accepted, .. } => accepted.as_ref(),
            Verdict::Accepted | Verdict::NotI => None,
        };
        if let Some(Accepted { base, value, .. }) = shown.filter(|shown| attempt.is_behind(shown)) {
            let (base, value) = (Arc::clone(base), Arc::clone(value));
            return self.start_over(now, attempt, base, value);
        }
        match (&mut attempt.phase, verdict) {
            (Phase::Preparing { promises, .. }, Verdict::Promised(accepted)) => {
                promises.insert(voter, accepted);
                if attempt.is_agreed() {
                    return self.propose(now, attempt);
                }
            }
            (Phase::Accepting { accepted, .. }, Verdict::Accepted) => {
                accepted.insert(voter);
                if attempt.is_agreed() {
                    self.tell(&attempt);
                    let value = Arc::clone(&attempt.value);
                    return self.conclude(&attempt, value);
                }
            }
            (_, Verdict::Refused { .. }) => {
                let least = BACKOFF_MICROS << attempt.refusals.min(BACKOFF_DOUBLINGS);
                attempt.refusals = attempt.refusals.saturating_add(1);
                attempt.wake = now + Duration::from_micros(self.random.within(least..2 * least));
                attempt.phase = Phase::Waiting;
            }
            _ => {}
        }
        self.attempt = Some(attempt);
    }

    /// Looks at the time; too early changes nothing.
    pub fn handle_timeout(&mut self, now: Time) {
        let Some(mut attempt) = self.attempt.take_if(|attempt| now >= attempt.wake.min(attempt.until)) else { return };
        if now >= attempt.until {
            let (missing, undecided) = (attempt.missing(), attempt.undecided);
            self.outcome = Some(Outcome::GaveUp { missing, undecided });
        } else if attempt.phase == Phase::Waiting {
            self.prepare(now, attempt);
        } else {
            self.ask(now, &mut attempt);
            self.attempt = Some(attempt);
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due at the latest; `None` when time changes nothing.
    pub fn poll_timeout(&self) -> Option<Time> {
        self.attempt.as_ref().map(|attempt| attempt.wake.min(attempt.until))
    }

    /// The next question to send; to this node too, where it votes.
    pub fn poll_transmit(&mut self) -> Option<(NodeId, RegisterQuestion)> {
        self.transmits.pop_front()
    }

    /// What became of the attempt. Until it is taken, there is no other.
    pub fn poll_outcome(&mut self) -> Option<Outcome> {
        self.outcome.take()
    }

    /// Begins the first phase, under a ballot above all others.
    fn prepare(&mut self, now: Time, mut attempt: Attempt) {
        self.number += 1;
        let ballot = Ballot { number: self.number, proposer: self.me, incarnation: self.incarnation };
        attempt.phase = Phase::Preparing { ballot, promises: BTreeMap::new() };
        self.ask(now, &mut attempt);
        self.attempt = Some(attempt);
    }

    /// Begins the second phase, with the configuration of the highest ballot that any promise told of: it may be in force.
    fn propose(&mut self, now: Time, mut attempt: Attempt) {
        let Phase::Preparing { ballot, promises } = &attempt.phase else { return };
        let ballot = *ballot;
        let told = promises.values().flatten().filter(|told| told.value.epoch > attempt.base.epoch);
        match told.max_by_key(|told| (told.value.epoch, told.ballot)).map(|told| Arc::clone(&told.value)) {
            // Whoever forces a change must know of every one before it.
            Some(value) if value.epoch < attempt.value.epoch => return self.conclude(&attempt, value),
            Some(value) => attempt.value = value,
            None if attempt.is_own() => {}
            None => {
                let known = Arc::clone(&attempt.known);
                return self.conclude(&attempt, known);
            }
        }
        attempt.undecided |= attempt.is_own();
        attempt.phase = Phase::Accepting { ballot, accepted: BTreeSet::new() };
        self.ask(now, &mut attempt);
        self.attempt = Some(attempt);
    }

    /// Goes on with the voters of a later configuration, or ends where that answers the caller.
    fn start_over(&mut self, now: Time, mut attempt: Attempt, base: Arc<Configuration>, value: Arc<Configuration>) {
        let is_known = base.epoch > attempt.known.epoch;
        if is_known && matches!(attempt.wish, Wish::Change(_)) {
            return self.conclude(&attempt, base);
        }
        if is_known {
            attempt.known = Arc::clone(&base);
        }
        (attempt.base, attempt.value) = (base, value);
        self.prepare(now, attempt);
    }

    /// Asks whoever has not answered in this phase.
    fn ask(&mut self, now: Time, attempt: &mut Attempt) {
        attempt.wake = now + RESEND;
        self.transmits.clear();
        for to in attempt.electorate().voters().into_iter().filter(|voter| !attempt.has(*voter)) {
            if let Some(question) = attempt.question(to) {
                self.transmits.push_back((to.node, question));
            }
        }
    }

    /// Tells all members what is in force.
    fn tell(&mut self, attempt: &Attempt) {
        let sets = attempt.base.sets().chain(attempt.value.sets());
        let nodes: BTreeSet<_> = sets.flat_map(|set| &set.members).map(|member| member.voter.node).collect();
        let question = RegisterQuestion::Learned(Arc::clone(&attempt.value));
        let others = nodes.into_iter().filter(|node| *node != self.me.node);
        self.transmits = others.map(|node| (node, question.clone())).collect();
    }

    fn conclude(&mut self, attempt: &Attempt, found: Arc<Configuration>) {
        self.outcome = Some(match &attempt.wish {
            Wish::Change(value) if *value != found => {
                Outcome::Superseded { undecided: attempt.undecided && found.epoch > value.epoch, by: found }
            }
            Wish::Change(_) | Wish::Read => Outcome::Done(found),
        });
    }
}
