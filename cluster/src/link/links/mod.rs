//! All links of a node: pings out, transitions up.

use super::channel_history::HistoryRules;
use super::damping::Damping;
use super::evidence::Evidence;
use super::ping::Ping;
use super::session::LinkEnd;
use super::timing::{LinkTiming, LoopLag, TIMEOUT_MIN_US};
use super::token::TokenOutcome;
use crate::time::Time;
use crate::version::NodeId;
use core::time::Duration;
use std::collections::VecDeque;

/// A timer that is so late is told of: half of the shortest time-out.
const HELD_UP_US: u64 = TIMEOUT_MIN_US / 2;
/// So many times are told of.
const HELD_UP_MAX: usize = 64;

/// The state of a link: the papers call it a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChannelState {
    /// Both directions work.
    Up,
    /// One of them does not, or the peer restarted.
    Down,
}

/// A link changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkEvent {
    /// Which.
    pub link: usize,
    /// What it is now.
    pub state: ChannelState,
    /// The session: the incarnations of this node and of the peer. What is sent while a link is up belongs to this Up of
    /// this session.
    pub session: (u64, u64),
    /// The transitions of this end in the session: the peer tells the same ones, in the same order. A link that never
    /// came up is told down once without a transition.
    pub count: u32,
}

/// Somebody's word that a link is down. It may be wrong: the link comes up again by its echoes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hint {
    /// The kernel saw the carrier go.
    Carrier,
    /// The peer's kernel refused what was sent: nobody listens there.
    Refused,
    /// A wrong one, planted to see what it costs.
    Planted,
}

/// Pings that changed nothing, by why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Dropped {
    /// Of another cluster, link or node.
    pub foreign: u64,
    /// Of an earlier start of the peer.
    pub old: u64,
    /// They came before, or their numbers are too far from the newest.
    pub replayed: u64,
    /// With a count that no honest peer tells.
    pub refused: u64,
}

/// One end of a link, as the node wires it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkPlan {
    /// The node at the other end.
    pub peer: NodeId,
    /// Which of the links between the two: what the pings to the peer say, and what its pings say.
    pub names: [u16; 2],
    /// The number of the first ping: random.
    pub first: u32,
}

#[derive(Debug, Clone)]
struct Link {
    plan: LinkPlan,
    end: LinkEnd,
    evidence: Evidence,
    damping: Damping,
    /// What was told of it; nothing before it can be told.
    told: Option<ChannelState>,
    wants_ping: bool,
    /// It was removed: nothing of it is heard or said.
    is_gone: bool,
}

/// The links of one node.
///
/// The driver hands in pings as they come, calls [`handle_timeout`](Self::handle_timeout) when
/// [`poll_timeout`](Self::poll_timeout) says so, and after each of these takes all that
/// [`poll_transmit`](Self::poll_transmit) and [`poll_event`](Self::poll_event) give: at most one ping for each link, and
/// six transitions.
#[derive(Debug, Clone)]
pub struct Links {
    timing: LinkTiming,
    cluster: u64,
    node: NodeId,
    incarnation: u64,
    rules: HistoryRules,
    ends: Vec<Link>,
    lag: LoopLag,
    lag_us: u64,
    /// When the timer was late by [`HELD_UP_US`] or more, lately: when it was due, and when it was looked at.
    held_up: VecDeque<(u64, u64)>,
    /// Microseconds, as all times below.
    now: u64,
    /// The next pings.
    due: u64,
    /// When the last ones were due and were sent; none were yet.
    ticked: Option<u64>,
    /// The first deadline of a link that is before those.
    deadline: Option<u64>,
    to_send: VecDeque<usize>,
    events: VecDeque<LinkEvent>,
    dropped: Dropped,
}

impl Links {
    /// The links of `node`, of the cluster `cluster`, in its start `incarnation`, which is higher at every start and
    /// above 0. Nothing is known of any.
    pub fn new(
        now: Time,
        timing: LinkTiming,
        cluster: u64,
        node: NodeId,
        incarnation: u64,
        plans: impl IntoIterator<Item = LinkPlan>,
    ) -> Self {
        Self::with_rules(now, timing, cluster, node, incarnation, plans, HistoryRules::CONSISTENT)
    }

    /// Links with faults that a test must find.
    #[doc(hidden)]
    pub fn with_rules(
        now: Time,
        timing: LinkTiming,
        cluster: u64,
        node: NodeId,
        incarnation: u64,
        plans: impl IntoIterator<Item = LinkPlan>,
        rules: HistoryRules,
    ) -> Self {
        let now = now.micros();
        let mut links = Self {
            timing,
            cluster,
            node,
            incarnation,
            rules,
            ends: Vec::new(),
            lag: LoopLag::new(),
            lag_us: 0,
            held_up: VecDeque::new(),
            now,
            due: now,
            ticked: None,
            deadline: None,
            to_send: VecDeque::new(),
            events: VecDeque::new(),
            dropped: Dropped::default(),
        };
        plans.into_iter().for_each(|plan| links.put(plan));
        links
    }

    fn put(&mut self, plan: LinkPlan) {
        self.ends.push(Link {
            plan,
            end: LinkEnd::with_rules(self.incarnation, self.rules),
            evidence: Evidence::new(self.now, &self.timing, plan.first),
            damping: Damping::new(self.timing.period_us),
            told: None,
            wants_ping: false,
            is_gone: false,
        });
    }

    /// Adds a link, of which nothing is known: its number is how many there were.
    pub fn add(&mut self, now: Time, plan: LinkPlan) {
        self.now = self.now.max(now.micros());
        self.put(plan);
    }

    /// Removes a link, without a word of it; the others keep their numbers. It must not be added anew between the same starts of
    /// both ends: they would not tell the same history of it.
    pub fn remove(&mut self, link: usize) {
        self.ends[link].is_gone = true;
        self.to_send.retain(|other| *other != link);
    }

    /// From now on pings are sent as often as this says.
    pub fn set_timing(&mut self, timing: LinkTiming) {
        self.timing = timing;
    }

    /// Between two pings of a link.
    pub fn period(&self) -> Duration {
        self.timing.period()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// What was last told of a link; `None` before it can be told.
    pub fn state(&self, link: usize) -> Option<ChannelState> {
        self.ends[link].told
    }

    /// The protocol's end of a link.
    pub fn end(&self, link: usize) -> &LinkEnd {
        &self.ends[link].end
    }

    /// The smoothed round trip of a link, without the time that the peer took to answer; zero before the first.
    pub fn round_trip(&self, link: usize) -> Duration {
        Duration::from_micros(self.ends[link].evidence.round_trip_us())
    }

    /// Of a thousand pings so many do not arrive: of the peer's, and of this node's as the peer tells.
    pub fn loss_permille(&self, link: usize) -> [u16; 2] {
        self.ends[link].evidence.loss_permille()
    }

    /// T: the link is down when no echo of a ping came that was sent within this time.
    pub fn timeout(&self, link: usize) -> Duration {
        Duration::from_micros(self.ends[link].evidence.timeout_us())
    }

    /// How late this node's own timer is: the 99th percentile of the last 256 times.
    pub fn lag(&self) -> Duration {
        Duration::from_micros(self.lag_us)
    }

    /// When this node was held up itself, the last times, the newest first: when its timer was due, and when it woke. Half
    /// of the shortest time-out counts as held up.
    pub fn held_up(&self) -> impl Iterator<Item = (Time, Time)> + '_ {
        self.held_up.iter().map(|(due, woke)| (Time::from_micros(*due), Time::from_micros(*woke)))
    }

    /// Pings that changed nothing.
    pub fn dropped(&self) -> Dropped {
        self.dropped
    }

    /// Takes a ping that came over a link.
    pub fn handle_message(&mut self, now: Time, link: usize, ping: &Ping) {
        self.handle_arrival(now, Duration::ZERO, link, ping);
    }

    /// Takes a ping that came over a link `age` ago: how long it waited here is not part of the round trip.
    pub fn handle_arrival(&mut self, now: Time, age: Duration, link: usize, ping: &Ping) {
        self.now = now.micros();
        let now = self.now;
        let came = now.saturating_sub(u64::try_from(age.as_micros()).unwrap_or(u64::MAX));
        let Link { plan, end, evidence, damping, is_gone, .. } = &mut self.ends[link];
        if *is_gone
            || ping.cluster != self.cluster
            || ping.sender != plan.peer
            || ping.receiver != self.node
            || ping.link != plan.names[1]
        {
            self.dropped.foreign += 1;
            return;
        }
        let was_up = end.is_up();
        let taken = match end.hear(&ping.token) {
            TokenOutcome::Taken(taken) => taken,
            TokenOutcome::Old => {
                self.dropped.old += 1;
                return;
            }
            TokenOutcome::Refused(_) => {
                self.dropped.refused += 1;
                return;
            }
        };
        if taken.began {
            evidence.begin_session();
        }
        let mut is_new = false;
        if taken.is_answer {
            // A token is cumulative, so one from a replay changes nothing; an echo would.
            if evidence.take_number(came, ping, was_up) {
                is_new = evidence.take_echo(now, came, ping);
                if evidence.was_wrong(ping.number, is_new) {
                    damping.forgive();
                }
            } else {
                self.dropped.replayed += 1;
            }
        }
        if taken.ended_up {
            self.tell_of_end(link);
        }
        self.tell_transitions(link, taken.followed);
        if is_new {
            self.come_up(link);
        }
    }

    /// R2, once enough echoes came in a row.
    fn come_up(&mut self, link: usize) {
        let Link { end, evidence, damping, .. } = &mut self.ends[link];
        if evidence.echoes >= damping.echoes() && !end.is_up() && end.time_in() {
            self.tell_transitions(link, 1);
        }
    }

    /// Takes somebody's word that a link is down.
    pub fn handle_hint(&mut self, now: Time, link: usize, hint: Hint) {
        self.now = now.micros();
        if self.ends[link].is_gone {
            return;
        }
        self.go_down(link);
        if hint == Hint::Carrier {
            self.ends[link].evidence.settle_doubt();
        }
    }

    /// R1.
    fn go_down(&mut self, link: usize) {
        if self.ends[link].end.time_out() {
            self.tell_transitions(link, 1);
        }
    }

    /// Looks at the time: gives up links of which nothing was heard for too long, and sends what is due.
    pub fn handle_timeout(&mut self, now: Time) {
        self.now = now.micros();
        let now = self.now;
        let is_due = now >= self.due;
        let late = now - self.due.min(now);
        let mut stood_still = 0;
        if is_due {
            self.lag.note(late);
            self.lag_us = self.lag.percentile_99_us();
            if late >= HELD_UP_US {
                self.held_up.truncate(HELD_UP_MAX - 1);
                self.held_up.push_front((self.due, now));
            }
            let period = self.timing.period_us;
            let beyond = now.saturating_sub(self.ticked.replace(now).unwrap_or(now)).saturating_sub(period);
            // What every timer is late by now and then is in the time-out.
            stood_still = if beyond > period / 2 { beyond } else { 0 };
            self.due = if late > period { now + period } else { self.due + period };
        }
        let mut deadline = u64::MAX;
        for link in 0..self.ends.len() {
            if self.ends[link].is_gone {
                continue;
            }
            let evidence = &mut self.ends[link].evidence;
            if is_due {
                evidence.adapt(&self.timing, self.lag_us);
                evidence.note_timer(now, late, stood_still);
            }
            if now > evidence.deadline() {
                self.give_up(link);
            } else if self.ends[link].told != Some(ChannelState::Down) {
                deadline = deadline.min(self.ends[link].evidence.deadline() + 1);
            }
            if is_due {
                self.want_ping(link);
            }
        }
        self.deadline = Some(deadline).filter(|deadline| *deadline < self.due);
    }

    /// No evidence for too long.
    fn give_up(&mut self, link: usize) {
        self.go_down(link);
        let Link { told, end, .. } = &mut self.ends[link];
        if told.is_none() {
            *told = Some(ChannelState::Down);
            let (session, count) = (end.session(), end.history().count());
            self.events.push_back(LinkEvent { link, state: ChannelState::Down, session, count });
        }
    }

    fn want_ping(&mut self, link: usize) {
        if !core::mem::replace(&mut self.ends[link].wants_ping, true) {
            self.to_send.push_back(link);
        }
    }

    /// The peer began a new session while this one was up.
    fn tell_of_end(&mut self, link: usize) {
        self.tell(link, ChannelState::Down, 0);
    }

    /// Tells the last transitions of an end; the peer hears of them at once.
    fn tell_transitions(&mut self, link: usize, transitions: u32) {
        if transitions == 0 {
            return;
        }
        let last = self.ends[link].end.history().count();
        for back in (0..transitions).rev() {
            let count = last.wrapping_sub(back);
            self.tell(link, if count % 2 == 1 { ChannelState::Up } else { ChannelState::Down }, count);
        }
        self.want_ping(link);
    }

    fn tell(&mut self, link: usize, state: ChannelState, count: u32) {
        let now = self.now;
        let late = now.saturating_sub(self.due);
        let Link { end, evidence, damping, told, .. } = &mut self.ends[link];
        *told = Some(state);
        if state == ChannelState::Down {
            damping.note_down(now);
            if evidence.doubt_down(now, late) {
                damping.forgive();
            }
        }
        // Also an Up that the peer has seen first has a whole time-out to show itself here.
        evidence.begin_verdict(now);
        self.events.push_back(LinkEvent { link, state, session: end.session(), count });
    }

    /// It is later: what [`poll_transmit`](Self::poll_transmit) gives from now on is sent then. A driver with much to
    /// send calls it now and again.
    pub fn handle_time(&mut self, now: Time) {
        self.now = self.now.max(now.micros());
    }

    /// The next ping to send, and on which link.
    pub fn poll_transmit(&mut self) -> Option<(usize, Ping)> {
        let link = self.to_send.pop_front()?;
        let Link { plan, end, evidence, wants_ping, .. } = &mut self.ends[link];
        *wants_ping = false;
        let (number, echoed, echo_delay_us) = evidence.send(self.now);
        let ping = Ping {
            link: plan.names[0],
            // Between 1 ms and 6.5 s, see LinkTiming.
            period: u16::try_from(self.timing.period_us / 100).unwrap_or(u16::MAX),
            cluster: self.cluster,
            sender: self.node,
            receiver: plan.peer,
            token: end.token(),
            number,
            echoed,
            echo_delay_us,
            loss_permille: evidence.loss_permille()[0],
            lag_ms: u16::try_from(self.lag_us.div_ceil(1000)).unwrap_or(u16::MAX),
        };
        Some((link, ping))
    }

    /// The next transition.
    pub fn poll_event(&mut self) -> Option<LinkEvent> {
        self.events.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    pub fn poll_timeout(&self) -> Time {
        Time::from_micros(self.deadline.map_or(self.due, |deadline| deadline.min(self.due)))
    }
}

#[cfg(test)]
mod tests;
