//! The monitor of one path: heartbeats out, verdicts up.
//!
//! Evidence is an echo of one's own number: a path that is dead in one direction only is down for both ends. The moment
//! that counts is when the echoed heartbeat was *sent*.

use super::Heartbeat;
use crate::time::Time;
use crate::version::NodeId;
use core::time::Duration;
use std::collections::VecDeque;

/// So many fresh echoes in a row bring a path up.
const ECHOES_UP: u32 = 3;
/// Heartbeats whose sending is remembered; an echo of an older one is no evidence.
const REMEMBERED: usize = 64;

/// So many numbers more than the time allows may have been passed over, four times as many as periods went by: the
/// other end may beat faster, and be held up and catch up.
const NUMBERS_AHEAD: u128 = 64;

/// How often, and how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PathTiming {
    /// Between two heartbeats.
    pub period: Duration,
    /// A path is down when the newest heartbeat that was echoed was sent longer ago: this at least, more where echoes
    /// usually come rarely or at very different times.
    pub timeout: Duration,
    /// And this at most.
    pub timeout_max: Duration,
}

/// How old the evidence usually gets before the next echo comes.
/// Source: Jacobson, "Congestion avoidance and control" (SIGCOMM 1988), with his gains of 1/8 and 1/4.
#[derive(Debug, Clone, Copy, Default)]
struct EvidenceAge {
    mean_us: u64,
    deviation_us: u64,
}

impl EvidenceAge {
    fn note(&mut self, age: Duration) {
        let age = u64::try_from(age.as_micros()).unwrap_or(u64::MAX).min(1_000_000);
        self.deviation_us = (self.deviation_us * 3 + age.abs_diff(self.mean_us)) / 4;
        self.mean_us = (self.mean_us * 7 + age) / 8;
    }

    fn unusual(&self) -> Duration {
        Duration::from_micros(2 * self.mean_us + 4 * self.deviation_us)
    }
}

/// What a monitor says of its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Both directions work.
    Up,
    /// One of them does not, or the peer started anew.
    Down,
}

/// The monitor of one path.
#[derive(Debug, Clone)]
pub struct PathMonitor {
    timing: PathTiming,
    cluster: u64,
    own: (NodeId, u64),
    peer: (NodeId, u64),
    verdict: Option<Verdict>,
    next: u32,
    /// When the last heartbeats were sent; the newest, `next - 1`, at the end.
    sent: VecDeque<Time>,
    /// The newest heartbeat of the peer.
    heard: Option<(u32, Time)>,
    newest_echo: Option<u32>,
    last_ok: Time,
    echo_came: Time,
    echoes: u32,
    evidence_age: EvidenceAge,
    round_trip: Duration,
    due: Time,
    outbox: Option<Heartbeat>,
    verdicts: VecDeque<Verdict>,
}

impl PathMonitor {
    /// Watches the path from `own` to `peer`, both nodes of `cluster`. `incarnation` is higher at every start of this
    /// node and above 0; `first` is the number of the first heartbeat: random, so that what was recorded on one path is
    /// no evidence on another.
    pub fn new(now: Time, timing: PathTiming, cluster: u64, own: (NodeId, u64), peer: NodeId, first: u32) -> Self {
        Self {
            timing,
            cluster,
            own,
            peer: (peer, 0),
            verdict: None,
            next: first,
            sent: VecDeque::new(),
            heard: None,
            newest_echo: None,
            last_ok: now,
            echo_came: now,
            echoes: 0,
            evidence_age: EvidenceAge::default(),
            round_trip: Duration::ZERO,
            due: now,
            outbox: None,
            verdicts: VecDeque::new(),
        }
    }

    /// What it says now; `None` before it can tell.
    pub fn verdict(&self) -> Option<Verdict> {
        self.verdict
    }

    /// The smoothed round trip, without the time that the peer took to answer; zero before the first.
    pub fn round_trip(&self) -> Duration {
        self.round_trip
    }

    /// Takes a heartbeat that came over this path. One of another cluster, for another node, or of an earlier start of
    /// the peer changes nothing.
    pub fn handle_heartbeat(&mut self, now: Time, beat: &Heartbeat) {
        let known = beat.cluster == self.cluster && beat.sender == self.peer.0 && beat.receiver == self.own.0;
        if !known || beat.sender_incarnation < self.peer.1 {
            return;
        }
        if beat.sender_incarnation > self.peer.1 {
            if self.verdict == Some(Verdict::Up) {
                self.decide(now, Verdict::Down);
            }
            self.peer.1 = beat.sender_incarnation;
            self.heard = None;
            self.echoes = 0;
        }
        if self.heard.is_none_or(|(newest, came)| self.follows(beat.number, newest, now.since(came))) {
            self.heard = Some((beat.number, now));
        }
        if beat.receiver_incarnation == self.own.1 {
            self.handle_echo(now, beat);
        }
    }

    /// Whether a number can be the next that is heard: numbers begin at random, and grow by one with each period. What was
    /// recorded on another path does not fit, and must not stand for what comes on this one.
    fn follows(&self, number: u32, newest: u32, passed: Duration) -> bool {
        let periods = passed.as_micros() / self.timing.period.as_micros().max(1);
        is_after(number, newest) && u128::from(number.wrapping_sub(newest)) <= periods * 4 + NUMBERS_AHEAD
    }

    fn handle_echo(&mut self, now: Time, beat: &Heartbeat) {
        let age = self.next.wrapping_sub(1).wrapping_sub(beat.echoed) as usize;
        let Some(sent) = self.sent.len().checked_sub(age + 1).map(|index| self.sent[index]) else { return };
        if self.newest_echo.is_some_and(|newest| !is_after(beat.echoed, newest)) {
            return;
        }
        self.newest_echo = Some(beat.echoed);
        if self.verdict == Some(Verdict::Up) {
            self.evidence_age.note(now.since(self.last_ok));
        }
        let fresh = now.since(sent) < self.timeout();
        let in_a_row = now.since(self.echo_came) < self.timeout();
        self.echoes = if fresh && in_a_row { self.echoes + 1 } else { u32::from(fresh) };
        self.echo_came = now;
        self.last_ok = self.last_ok.max(sent);
        let sample = now.since(sent).saturating_sub(Duration::from_micros(beat.echo_delay_us.into()));
        self.round_trip = if self.round_trip.is_zero() { sample } else { (self.round_trip * 7 + sample) / 8 };
        if self.verdict != Some(Verdict::Up) && self.echoes >= ECHOES_UP {
            self.decide(now, Verdict::Up);
        }
    }

    /// Looks at the time: sends what is due, and gives the path up when no echo came for too long.
    pub fn handle_timeout(&mut self, now: Time) {
        let late = now.since(self.due);
        if late > self.timeout() / 2 {
            // This process was held up itself: what it did not hear in that time says nothing of the path.
            self.last_ok = self.last_ok.max(now - late.min(self.timeout() / 2));
        }
        if self.verdict != Some(Verdict::Down) && now.since(self.last_ok) > self.timeout() {
            self.decide(now, Verdict::Down);
        }
        if now >= self.due {
            self.due = if late > self.timing.period { now + self.timing.period } else { self.due + self.timing.period };
            self.beat(now);
        }
    }

    fn timeout(&self) -> Duration {
        self.evidence_age.unusual().clamp(self.timing.timeout, self.timing.timeout_max)
    }

    /// Takes somebody's word that the path is down. It may be wrong: the path comes up again by its echoes.
    pub fn handle_hint(&mut self, now: Time) {
        if self.verdict == Some(Verdict::Up) {
            self.decide(now, Verdict::Down);
        }
    }

    fn beat(&mut self, now: Time) {
        let (echoed, came) = self.heard.unwrap_or((0, now));
        // Before anything was heard there is nothing to echo, and that is said by the incarnation 0.
        let receiver_incarnation = if self.heard.is_some() { self.peer.1 } else { 0 };
        self.outbox = Some(Heartbeat {
            cluster: self.cluster,
            sender: self.own.0,
            receiver: self.peer.0,
            sender_incarnation: self.own.1,
            receiver_incarnation,
            number: self.next,
            echoed,
            echo_delay_us: u32::try_from(now.since(came).as_micros()).unwrap_or(u32::MAX),
        });
        self.next = self.next.wrapping_add(1);
        self.sent.push_back(now);
        if self.sent.len() > REMEMBERED {
            self.sent.pop_front();
        }
    }

    fn decide(&mut self, now: Time, verdict: Verdict) {
        self.verdict = Some(verdict);
        self.echoes = 0;
        // One outage is one Down: what was in flight before the verdict does not count after it.
        self.last_ok = now;
        self.verdicts.push_back(verdict);
    }

    /// The next heartbeat to send.
    pub fn poll_transmit(&mut self) -> Option<Heartbeat> {
        self.outbox.take()
    }

    /// The next change of the verdict.
    pub fn poll_verdict(&mut self) -> Option<Verdict> {
        self.verdicts.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    pub fn poll_timeout(&self) -> Time {
        self.due
    }
}

fn is_after(number: u32, other: u32) -> bool {
    number.wrapping_sub(other).cast_signed() > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMING: PathTiming = PathTiming {
        period: Duration::from_millis(20),
        timeout: Duration::from_millis(100),
        timeout_max: Duration::from_millis(500),
    };

    fn at(milliseconds: u64) -> Time {
        Time::from_micros(milliseconds * 1000)
    }

    /// Two ends of a path, millisecond by millisecond, with a delay of 1 ms each way.
    struct Pair {
        now: u64,
        ends: [PathMonitor; 2],
        under_way: Vec<(u64, usize, Heartbeat)>,
        /// Which directions work: from end 0, from end 1.
        works: [bool; 2],
        /// For so long end 1 does nothing, time and again: its machine is busy.
        busy: u64,
        verdicts: [Vec<(u64, Verdict)>; 2],
    }

    impl Pair {
        fn new() -> Self {
            let end = |own: u32, first| PathMonitor::new(at(0), TIMING, 9, (NodeId(own), 1), NodeId(1 - own), first);
            Self {
                now: 0,
                ends: [end(0, u32::MAX - 3), end(1, 77)],
                under_way: Vec::new(),
                works: [true; 2],
                busy: 0,
                verdicts: [Vec::new(), Vec::new()],
            }
        }

        fn run(&mut self, milliseconds: u64) {
            for _ in 0..milliseconds {
                self.now += 1;
                let (now, is_busy) = (self.now, self.now % (self.busy + 20) < self.busy);
                for (_, to, beat) in self.under_way.extract_if(.., |(due, to, _)| *due <= now && !(is_busy && *to == 1))
                {
                    self.ends[to].handle_heartbeat(at(self.now), &beat);
                }
                for (index, end) in self.ends.iter_mut().enumerate() {
                    if end.poll_timeout() <= at(self.now) && !(is_busy && index == 1) {
                        end.handle_timeout(at(self.now));
                    }
                    if let Some(beat) = end.poll_transmit()
                        && self.works[index]
                    {
                        self.under_way.push((self.now + 1, 1 - index, beat));
                    }
                    while let Some(verdict) = end.poll_verdict() {
                        self.verdicts[index].push((self.now, verdict));
                    }
                }
            }
        }
    }

    #[test]
    fn both_ends_come_up_and_stay_up() {
        let mut pair = Pair::new();
        pair.run(2000);
        for verdicts in &pair.verdicts {
            assert!(matches!(verdicts[..], [(up, Verdict::Up)] if up <= 100), "{verdicts:?}");
        }
        assert!(pair.ends[0].round_trip() <= Duration::from_millis(3), "{:?}", pair.ends[0].round_trip());
    }

    /// Each direction cut by itself, and both: each end says Down once, within the time-out and two periods, and Up once
    /// after the heal.
    #[test]
    fn a_cut_in_either_direction_is_seen_by_both_ends() {
        for works in [[false, true], [true, false], [false, false]] {
            let mut pair = Pair::new();
            pair.run(500);
            pair.works = works;
            pair.run(500);
            pair.works = [true; 2];
            pair.run(500);
            for verdicts in &pair.verdicts {
                let [(_, Verdict::Up), (down, Verdict::Down), (up, Verdict::Up)] = verdicts[..] else {
                    panic!("{works:?}: {verdicts:?}");
                };
                assert!((560..=640).contains(&down), "{works:?}: down at {down}");
                assert!((1000..=1120).contains(&up), "{works:?}: up at {up}");
            }
        }
    }

    #[test]
    fn a_path_that_never_works_is_down_after_the_timeout() {
        let mut pair = Pair::new();
        pair.works = [false, true];
        pair.run(300);
        for verdicts in &pair.verdicts {
            assert!(matches!(verdicts[..], [(down, Verdict::Down)] if (100..=121).contains(&down)), "{verdicts:?}");
        }
    }

    #[test]
    fn a_restart_of_the_peer_is_a_down_and_an_up() {
        let mut pair = Pair::new();
        pair.run(500);
        pair.ends[1] = PathMonitor::new(at(500), TIMING, 9, (NodeId(1), 2), NodeId(0), 5);
        pair.run(300);
        assert!(matches!(
            pair.verdicts[0][..],
            [(_, Verdict::Up), (down, Verdict::Down), (up, Verdict::Up)] if down <= 525 && up <= 620
        ));
        // What the earlier start sent comes late: it changes nothing.
        let old = Heartbeat { sender_incarnation: 1, ..pair.ends[1].clone().last_beat(at(pair.now)) };
        pair.ends[0].handle_heartbeat(at(pair.now), &old);
        assert_eq!(pair.ends[0].poll_verdict(), None);
    }

    impl PathMonitor {
        fn last_beat(mut self, now: Time) -> Heartbeat {
            self.beat(now);
            self.poll_transmit().unwrap()
        }
    }

    /// A process that was held up for longer than the time-out has not heard, but nothing says that the path is dead.
    #[test]
    fn being_held_up_oneself_is_no_evidence() {
        let mut pair = Pair::new();
        pair.run(500);
        let mut held_up = pair.ends[0].clone();
        held_up.handle_timeout(at(pair.now + 300));
        assert_eq!(held_up.poll_verdict(), None);
        held_up.handle_timeout(at(pair.now + 320));
        held_up.handle_timeout(at(pair.now + 340));
        held_up.handle_timeout(at(pair.now + 360));
        held_up.handle_timeout(at(pair.now + 380));
        assert_eq!(held_up.poll_verdict(), Some(Verdict::Down), "but silence goes on counting");
    }

    /// A machine that gets ever busier is not down: the time-out grows with the time between its echoes.
    #[test]
    fn a_busy_peer_is_not_down() {
        let mut pair = Pair::new();
        pair.run(500);
        for busy in [30, 50, 70, 90, 110, 130, 150] {
            pair.busy = busy;
            pair.run(2000);
        }
        assert_eq!(pair.verdicts[0].len(), 1, "{:?}", pair.verdicts[0]);
        // And dead is dead all the same, within the longest time-out.
        let dead = pair.now;
        pair.works = [false; 2];
        pair.run(700);
        assert!(matches!(pair.verdicts[0][..], [_, (down, Verdict::Down)] if down < dead + 560));
    }

    #[test]
    fn a_hint_brings_it_down_and_echoes_up_again() {
        let mut pair = Pair::new();
        pair.run(500);
        pair.ends[0].handle_hint(at(500));
        pair.run(200);
        assert!(matches!(pair.verdicts[0][..], [_, (501, Verdict::Down), (up, Verdict::Up)] if up <= 600));
        assert_eq!(pair.verdicts[1].len(), 1, "the other end does not notice");
    }

    /// A genuine heartbeat of another path, replayed on this one, brings nothing up or down.
    #[test]
    fn what_was_recorded_elsewhere_changes_nothing() {
        let mut pair = Pair::new();
        pair.run(500);
        let beat = pair.ends[1].clone().last_beat(at(500));
        for number in [beat.number.wrapping_add(1 << 30), beat.number.wrapping_add(5000), beat.number.wrapping_sub(9)] {
            pair.ends[0].handle_heartbeat(at(500), &Heartbeat { number, ..beat });
        }
        pair.run(2000);
        assert_eq!((pair.verdicts[0].len(), pair.verdicts[1].len()), (1, 1), "{:?}", pair.verdicts);
    }

    #[test]
    fn others_are_not_heard() {
        let mut pair = Pair::new();
        pair.run(500);
        let beat = pair.ends[1].clone().last_beat(at(500));
        for beat in [
            Heartbeat { cluster: 8, sender_incarnation: 5, ..beat },
            Heartbeat { sender: NodeId(2), sender_incarnation: 5, ..beat },
            Heartbeat { receiver: NodeId(2), sender_incarnation: 5, ..beat },
        ] {
            pair.ends[0].handle_heartbeat(at(500), &beat);
            assert_eq!(pair.ends[0].poll_verdict(), None);
        }
        // The same with nothing wrong is a restart.
        pair.ends[0].handle_heartbeat(at(500), &Heartbeat { sender_incarnation: 5, ..beat });
        assert_eq!(pair.ends[0].poll_verdict(), Some(Verdict::Down));
    }
}
