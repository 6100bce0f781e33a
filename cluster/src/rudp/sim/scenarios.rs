//! Small runs with known times, by hand.

use crate::rudp::safeguard::{Missing, Safeguard};
use crate::rudp::{Delivery, Endpoint, Frame, Identity, PathId, PathTransition, RudpEvent, WINDOW_FRAMES};
use crate::time::Time;
use crate::version::NodeId;
use core::time::Duration;
use std::collections::BTreeMap;

type Scenario = fn(Option<Safeguard>) -> Result<(), String>;

/// All of them, by name.
pub(super) const ALL: [(&str, Scenario); 9] = [
    ("down", a_down_moves_what_is_in_flight),
    ("silent", a_silent_path_is_left_after_one_timeout),
    ("black hole", a_black_hole_gets_little),
    ("epoch", what_an_earlier_epoch_sent_is_not_taken),
    ("unread", who_does_not_read_gets_no_more),
    ("unread twice", who_begins_anew_gets_no_window_more),
    ("answer", what_comes_again_is_acknowledged_again),
    ("session", what_was_for_an_earlier_start_is_not_taken),
    ("steady", a_steady_path_carries_each_frame_once),
];

#[test]
fn all_scenarios_hold() {
    for (name, scenario) in ALL {
        scenario(None).unwrap_or_else(|what| panic!("{name}: {what}"));
    }
}

const ONE_WAY: Duration = Duration::from_millis(10);

fn at(millis: u64) -> Time {
    Time::from_micros(millis * 1000)
}

#[expect(clippy::needless_pass_by_value, reason = "most are numbers")]
fn expect<T: PartialEq + core::fmt::Debug>(what: &str, found: T, expected: T) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("{what}: {found:?}, expected {expected:?}")) }
}

/// Two nodes, 10 ms apart over every path.
struct Two {
    now: Time,
    ends: [Endpoint; 2],
    /// What travels: to whom, over what, which bytes.
    under_way: BTreeMap<(Time, usize), (usize, PathId, Vec<u8>)>,
    sent: usize,
    /// Over these paths nothing arrives.
    cut: Vec<u16>,
    /// Data frames by path, with when they left.
    log: Vec<(Time, usize, u16, u64)>,
    messages: Vec<(Time, Vec<u8>)>,
    reads: bool,
}

fn end(node: u32, incarnation: u64, paths: u16, missing: Option<Safeguard>) -> Endpoint {
    let mut end = Endpoint::with(Identity { cluster: 1, node: NodeId(node), incarnation }, Missing(missing));
    end.add_peer(NodeId(1 - node), paths.into());
    for path in 0..paths {
        end.handle_path(at(0), NodeId(1 - node), PathId(path), PathTransition { up: true, epoch: 1 });
    }
    end
}

impl Two {
    fn new(paths: u16, missing: Option<Safeguard>) -> Self {
        let ends = [end(0, 1, paths, missing), end(1, 1, paths, missing)];
        let (under_way, log, messages) = (BTreeMap::new(), Vec::new(), Vec::new());
        let mut two = Self { now: at(0), ends, under_way, sent: 0, cut: Vec::new(), log, messages, reads: true };
        two.drain();
        two
    }

    fn drain(&mut self) {
        for from in 0..2 {
            while self.reads
                && let Some(event) = self.ends[from].poll_event()
            {
                if let RudpEvent::Message { bytes, .. } = event {
                    self.messages.push((self.now, bytes));
                }
            }
            let mut buffer = Vec::new();
            while let Some(transmit) = self.ends[from].poll_transmit(self.now, &mut buffer) {
                let bytes = core::mem::take(&mut buffer);
                if let Some(data) = Frame::from_bytes(&bytes).unwrap().data {
                    self.log.push((self.now, from, transmit.path.0, data.sequence));
                }
                self.sent += 1;
                if !self.cut.contains(&transmit.path.0) {
                    self.under_way.insert((self.now + ONE_WAY, self.sent), (1 - from, transmit.path, bytes));
                }
            }
        }
    }

    fn run(&mut self, until: Time) {
        loop {
            let arrival = self.under_way.first_key_value().map(|((time, _), _)| *time);
            let alarm = self.ends.iter().filter_map(Endpoint::poll_timeout).min();
            let Some(next) = [arrival, alarm].into_iter().flatten().min().filter(|next| *next <= until) else { break };
            self.now = self.now.max(next);
            if arrival == Some(next) {
                let (_, (to, path, bytes)) = self.under_way.pop_first().unwrap();
                self.ends[to].handle_message(self.now, path, &bytes).unwrap();
            } else {
                self.ends.iter_mut().for_each(|end| end.handle_timeout(self.now));
            }
            self.drain();
        }
        self.now = until;
    }

    fn send(&mut self, count: u8) {
        for number in 0..count {
            self.ends[0].send(self.now, NodeId(1), &[number], Delivery::ORDERED).unwrap();
        }
        self.drain();
    }

    fn tell(&mut self, end: usize, path: u16, up: bool, epoch: u32) {
        let peer = NodeId(u32::from(end == 0));
        self.ends[end].handle_path(self.now, peer, PathId(path), PathTransition { up, epoch });
        self.drain();
    }
}

/// Both paths carry frames. One of them is cut, and the link protocol says so 3 ms later, long before any time-out:
/// what was in flight over it leaves over the other at that very moment.
fn a_down_moves_what_is_in_flight(missing: Option<Safeguard>) -> Result<(), String> {
    let mut two = Two::new(2, missing);
    two.run(at(1000));
    two.cut.push(0);
    two.send(8);
    let over =
        |two: &Two, path| two.log.iter().filter(|entry| entry.2 == path).map(|entry| entry.3).collect::<Vec<_>>();
    let lost = over(&two, 0);
    expect("frames over both", (lost.is_empty(), over(&two, 1).is_empty()), (false, false))?;
    two.run(at(1003));
    let before = two.log.len();
    two.tell(0, 0, false, 2);
    let moved: Vec<_> = two.log[before..].iter().map(|(time, _, path, sequence)| (*time, *path, *sequence)).collect();
    expect("moved at once", moved, lost.iter().map(|sequence| (at(1003), 1, *sequence)).collect())?;
    two.run(at(2000));
    let end = two.messages.last().map(|(time, _)| *time);
    expect("the last message", (two.messages.len(), end), (8, Some(at(1013))))?;
    expect("time-outs", two.ends[0].statistics(NodeId(1)).unwrap().timeouts, 0)
}

/// Each round trip takes 20 ms, and the acknowledgement of a single frame 1 ms more. After 200 of them the deviation is
/// nothing, and that 1 ms is not taken for a loss.
fn a_steady_path_carries_each_frame_once(missing: Option<Safeguard>) -> Result<(), String> {
    let mut two = Two::new(1, missing);
    for round in 0..200 {
        two.run(at(1000 + 100 * round));
        two.send(1);
    }
    two.run(at(30_000));
    expect("messages", two.messages.len(), 200)?;
    expect("frames", two.log.len(), 200)?;
    expect("time-outs", two.ends[0].statistics(NodeId(1)).unwrap().timeouts, 0)
}

/// One of two paths is silent and nobody says so. After one time-out, which the round trips measured before make
/// 20 ms and four deviations, its frames leave over the other.
fn a_silent_path_is_left_after_one_timeout(missing: Option<Safeguard>) -> Result<(), String> {
    let mut two = Two::new(2, missing);
    for round in 0..20 {
        two.run(at(200 + 100 * round));
        two.send(8);
    }
    two.run(at(3000));
    expect("messages", two.messages.len(), 160)?;
    two.cut.push(0);
    let before = two.log.len();
    two.send(8);
    two.run(at(9000));
    expect("messages", two.messages.len(), 168)?;
    let waited = two.messages.last().map_or(at(0), |(time, _)| *time).since(at(3000));
    // The round trip of 20 ms, with hardly any deviation, 2 ms for delays, and 10 ms on the way.
    if waited > Duration::from_millis(40) {
        return Err(format!("the last message took {waited:?}"));
    }
    let again = two.log[before..].len() - 8;
    if again > 8 { Err(format!("{again} frames again")) } else { Ok(()) }
}

/// The only path takes everything and brings nothing, for a minute. Two frames at a time, ever more rarely.
fn a_black_hole_gets_little(missing: Option<Safeguard>) -> Result<(), String> {
    let mut two = Two::new(1, missing);
    two.run(at(1000));
    two.cut.push(0);
    two.send(200);
    two.run(at(61_000));
    // Ten at first; two each after 50, 100, ... ms up to a second, and then every second.
    let frames = two.log.len();
    if frames > 10 + 2 * (6 + 60) {
        return Err(format!("{frames} frames into a black hole"));
    }
    two.cut.clear();
    two.run(at(70_000));
    expect("messages", two.messages.len(), 200)
}

/// A frame that left in the third epoch of its path comes when the path is in the fifth at the other end: it is not
/// taken. The link protocol tells the sender of the fourth, and it goes again.
fn what_an_earlier_epoch_sent_is_not_taken(missing: Option<Safeguard>) -> Result<(), String> {
    let mut two = Two::new(1, missing);
    two.run(at(1000));
    two.tell(0, 0, true, 3);
    two.tell(1, 0, true, 3);
    two.send(1);
    two.run(at(1005));
    two.tell(1, 0, false, 4);
    two.tell(1, 0, true, 5);
    two.run(at(1015));
    expect("messages of the third epoch in the fifth", two.messages.len(), 0)?;
    expect("counted", two.ends[1].statistics(NodeId(0)).unwrap().other_epoch, 1)?;
    two.tell(0, 0, false, 4);
    two.tell(0, 0, true, 5);
    two.run(at(2000));
    expect("messages", two.messages.len(), 1)
}

/// Nobody reads for ten seconds: a window of frames comes and no more; then somebody reads, and all the rest comes.
fn who_does_not_read_gets_no_more(missing: Option<Safeguard>) -> Result<(), String> {
    let mut two = Two::new(2, missing);
    two.run(at(1000));
    two.reads = false;
    let mut sent = 0u64;
    for step in 0..100 {
        two.run(at(1000 + 100 * step));
        // Its own events the sender takes, or it could not send.
        while two.ends[0].poll_event().is_some() {}
        while two.ends[0].send(two.now, NodeId(1), &sent.to_le_bytes(), Delivery::UNORDERED).is_ok() {
            sent += 1;
        }
        two.drain();
    }
    expect("messages handed over", sent, 2 * WINDOW_FRAMES)?;
    let mut unread = two.ends[1].clone();
    let waiting =
        core::iter::from_fn(|| unread.poll_event()).filter(|event| matches!(event, RudpEvent::Message { .. }));
    expect("messages that wait to be read", waiting.count() as u64, WINDOW_FRAMES)?;
    two.reads = true;
    two.run(at(30_000));
    expect("messages", two.messages.len() as u64, sent)?;
    // And it falls silent.
    expect("time-outs", two.ends[0].poll_timeout().or(two.ends[1].poll_timeout()), None)
}

/// Nobody reads, and the sender starts over: of both its starts one window of frames comes, the rest when it is read.
fn who_begins_anew_gets_no_window_more(missing: Option<Safeguard>) -> Result<(), String> {
    let mut two = Two::new(1, missing);
    two.run(at(1000));
    two.reads = false;
    two.send(200);
    two.run(at(2000));
    two.ends[0] = end(0, 2, 1, missing);
    two.send(200);
    two.run(at(4000));
    let mut unread = two.ends[1].clone();
    let waiting =
        core::iter::from_fn(|| unread.poll_event()).filter(|event| matches!(event, RudpEvent::Message { .. }));
    expect("messages that wait to be read", waiting.count() as u64, WINDOW_FRAMES)?;
    two.reads = true;
    two.drain();
    two.run(at(30_000));
    expect("messages", two.messages.len(), 400)
}

/// A message arrives, and its acknowledgement does not: the message comes again, and is acknowledged again.
fn what_comes_again_is_acknowledged_again(missing: Option<Safeguard>) -> Result<(), String> {
    let mut two = Two::new(1, missing);
    two.run(at(1000));
    two.send(1);
    two.run(at(1010));
    expect("messages", two.messages.len(), 1)?;
    two.cut.push(0);
    two.run(at(1030));
    two.cut.clear();
    two.run(at(5000));
    expect("messages", two.messages.len(), 1)?;
    expect("free frames", two.ends[0].free_frames(NodeId(1)), Some(WINDOW_FRAMES))
}

/// A node starts over while frames for its earlier start are on the way: they are not taken, their sender is told that
/// they are lost, and what it sends then comes.
fn what_was_for_an_earlier_start_is_not_taken(missing: Option<Safeguard>) -> Result<(), String> {
    let mut two = Two::new(1, missing);
    two.run(at(1000));
    two.send(3);
    two.ends[1] = end(1, 2, 1, missing);
    two.reads = false;
    two.run(at(2000));
    let events: Vec<_> = core::iter::from_fn(|| two.ends[0].poll_event()).collect();
    let lost: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            RudpEvent::Session { incarnation, lost, .. } => Some((*incarnation, lost.len())),
            RudpEvent::Message { .. }
            | RudpEvent::Acknowledged { .. }
            | RudpEvent::Unreachable { .. }
            | RudpEvent::Reachable { .. }
            | RudpEvent::Writable { .. } => None,
        })
        .collect();
    expect("sessions", lost, vec![(2, 3)])?;
    two.reads = true;
    two.drain();
    expect("messages for the earlier start", two.messages.len(), 0)?;
    two.send(2);
    two.run(at(3000));
    expect("messages", two.messages.len(), 2)
}
