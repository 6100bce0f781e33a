use super::*;
use core::ops::Range;

const PERIOD: Duration = Duration::from_millis(20);

fn at(milliseconds: u64) -> Time {
    Time::from_micros(milliseconds * 1000)
}

fn plan(peer: u32, names: [u16; 2], first: u32) -> LinkPlan {
    LinkPlan { peer: NodeId(peer), names, first }
}

fn end(own: u32, start: u64, now: u64, first: u32) -> Links {
    let names = if own == 0 { [4, 5] } else { [5, 4] };
    let timing = LinkTiming::new(PERIOD, 1);
    Links::new(at(now), timing, 9, NodeId(own), start, [plan(1 - own, names, first)])
}

/// Two ends of a link, millisecond by millisecond.
struct Pair {
    now: u64,
    ends: [Links; 2],
    under_way: Vec<(u64, usize, Ping)>,
    /// So long a ping is under way.
    way: u64,
    /// Which directions work: from end 0, from end 1.
    works: [bool; 2],
    /// For so long end 1 does nothing, time and again: its machine is busy.
    busy: u64,
    /// When each end does nothing, once.
    held_up: [Range<u64>; 2],
    /// So long what has come waits before it is taken.
    waits: u64,
    told: [Vec<(u64, ChannelState)>; 2],
}

use ChannelState::{Down, Up};

impl Pair {
    fn new() -> Self {
        Self {
            now: 0,
            ends: [end(0, 1, 0, u32::MAX - 3), end(1, 1, 0, 77)],
            under_way: Vec::new(),
            way: 1,
            works: [true; 2],
            busy: 0,
            held_up: [0..0, 0..0],
            waits: 0,
            told: [Vec::new(), Vec::new()],
        }
    }

    fn run(&mut self, milliseconds: u64) {
        for _ in 0..milliseconds {
            self.now += 1;
            let now = self.now;
            let held_up = self.held_up.each_ref().map(|span| span.contains(&now));
            let is_busy = [held_up[0], held_up[1] || now % (self.busy + 20) < self.busy];
            let waits = self.waits;
            let is_taken = |due: u64, to: usize| due + waits <= now && !is_busy[to];
            for (due, to, ping) in self.under_way.extract_if(.., |(due, to, _)| is_taken(*due, *to)) {
                self.ends[to].handle_arrival(at(now), Duration::from_millis(now - due), 0, &ping);
            }
            for (index, end) in self.ends.iter_mut().enumerate() {
                if is_busy[index] {
                    continue;
                }
                if end.poll_timeout() <= at(self.now) {
                    end.handle_timeout(at(self.now));
                }
                while let Some((_, ping)) = end.poll_transmit() {
                    if self.works[index] {
                        self.under_way.push((now + self.way, 1 - index, ping));
                    }
                }
                while let Some(event) = end.poll_event() {
                    self.told[index].push((self.now, event.state));
                }
            }
        }
    }

    /// For so long end 1 does nothing; what comes to it waits.
    fn hang(&mut self, milliseconds: u64) {
        self.busy = u64::MAX / 2;
        self.run(milliseconds);
        self.busy = 0;
    }

    /// A ping that end 1 could send now.
    fn ping_of_1(&self) -> Ping {
        let mut end = self.ends[1].clone();
        end.handle_timeout(end.poll_timeout());
        end.poll_transmit().unwrap().1
    }
}

#[test]
fn both_ends_come_up_and_stay_up() {
    let mut pair = Pair::new();
    pair.run(2000);
    for told in &pair.told {
        assert!(matches!(told[..], [(up, Up)] if up <= 100), "{told:?}");
    }
    assert!(pair.ends[0].round_trip(0) <= Duration::from_millis(3), "{:?}", pair.ends[0].round_trip(0));
    assert_eq!(pair.ends[0].dropped(), Dropped::default());
}

/// Drivers take what has come together, now and then.
#[test]
fn what_waits_to_be_taken_makes_no_round_trip_longer() {
    for waits in [0, 7, 15] {
        let mut pair = Pair::new();
        pair.waits = waits;
        pair.run(2000);
        let round_trips = pair.ends.each_ref().map(|end| end.round_trip(0).as_millis());
        // 1 ms each way; the pair looks at the time once a millisecond.
        assert!(round_trips.iter().all(|round_trip| (1..=3).contains(round_trip)), "{waits}: {round_trips:?}");
    }
}

/// Each direction cut by itself, and both: each end says Down once, within the time-out, and Up once after the heal.
#[test]
fn a_cut_in_either_direction_is_seen_by_both_ends() {
    for works in [[false, true], [true, false], [false, false]] {
        let mut pair = Pair::new();
        pair.run(500);
        pair.works = works;
        pair.run(500);
        pair.works = [true; 2];
        pair.run(500);
        for told in &pair.told {
            let [(_, Up), (down, Down), (up, Up)] = told[..] else {
                panic!("{works:?}: {told:?}");
            };
            // The newest echoed ping was up to two periods old. T is 100 ms, 8 for the round trip, 0 for lag.
            assert!((550..=620).contains(&down), "{works:?}: down at {down}");
            assert!((1000..=1100).contains(&up), "{works:?}: up at {up}");
        }
        let ends: Vec<_> = pair.ends.iter().map(|end| *end.end(0)).collect();
        assert_eq!(ends.iter().map(|end| end.history().count()).collect::<Vec<_>>(), [3, 3], "{works:?}");
    }
}

/// The end that still hears takes the other's word at once.
#[test]
fn after_a_one_way_cut_the_first_down_is_everybodys() {
    let mut pair = Pair::new();
    pair.run(500);
    pair.works = [true, false];
    pair.run(500);
    let [first, second] = pair.told.each_ref().map(|told| told[1].0);
    assert!(first.abs_diff(second) <= 42, "one period, and the way: {first} {second}");
}

#[test]
fn a_link_that_never_works_is_down_after_the_timeout() {
    let mut pair = Pair::new();
    pair.works = [false, true];
    pair.run(300);
    for (told, end) in pair.told.iter().zip(&pair.ends) {
        assert!(matches!(told[..], [(down, Down)] if (100..=121).contains(&down)), "{told:?}");
        assert_eq!(end.end(0).history().count(), 0, "that is no transition");
    }
}

#[test]
fn a_restart_of_the_peer_is_a_down_and_an_up() {
    let mut pair = Pair::new();
    pair.run(500);
    let old = pair.ping_of_1();
    pair.ends[1] = end(1, 2, 500, 5);
    pair.run(300);
    assert!(
        matches!(pair.told[0][..], [(_, Up), (down, Down), (up, Up)] if down <= 525 && up <= 620),
        "{:?}",
        pair.told[0]
    );
    // What the earlier start sent comes late: it changes nothing.
    pair.ends[0].handle_message(at(pair.now), 0, &old);
    assert_eq!((pair.ends[0].poll_event(), pair.ends[0].dropped().old), (None, 1));
}

/// A process that was held up for longer than the time-out has not heard, but nothing says that the link is dead.
#[test]
fn being_held_up_oneself_is_no_evidence() {
    let mut pair = Pair::new();
    pair.run(500);
    let mut held_up = pair.ends[0].clone();
    held_up.handle_timeout(at(pair.now + 300));
    assert_eq!(held_up.poll_event(), None);
    let mut now = pair.now + 300;
    while held_up.poll_event().is_none() {
        now += 1;
        held_up.handle_timeout(at(now));
    }
    assert!((350..400).contains(&(now - pair.now)), "but silence goes on counting: {now}");
}

/// Neither process misses its timer by half the time-out, in whatever order they are late: nobody says Down.
#[test]
fn ends_that_are_both_a_little_late_are_not_down() {
    for first in 0..20 {
        for second in 0..140 {
            let mut pair = Pair::new();
            pair.run(500);
            let half = u64::try_from(pair.ends[0].timeout(0).as_millis()).unwrap() / 2;
            let at = [pair.now + 100 + first, pair.now + 70 + second];
            pair.held_up = at.map(|at| at..at + half - 2);
            pair.run(400);
            let told = &pair.told;
            assert!(told.iter().all(|told| matches!(told[..], [(_, Up)])), "{first} {second}: {told:?}");
        }
    }
}

/// A machine that gets ever busier is not down: the time-out grows with how late its timers are.
#[test]
fn a_busy_peer_is_not_down() {
    let mut pair = Pair::new();
    pair.run(500);
    for busy in [30, 50, 70, 90, 110, 130, 150] {
        pair.busy = busy;
        pair.run(2000);
    }
    assert_eq!(pair.told[0].len(), 1, "{:?}", pair.told[0]);
    // And dead is dead all the same, within the longest time-out.
    let dead = pair.now;
    pair.works = [false; 2];
    pair.run(700);
    assert!(matches!(pair.told[0][..], [_, (down, Down)] if down < dead + 560), "{:?}", pair.told[0]);
}

#[test]
fn a_hint_brings_both_ends_down_and_echoes_up_again() {
    for hint in [Hint::Carrier, Hint::Refused, Hint::Planted] {
        let mut pair = Pair::new();
        pair.run(500);
        pair.ends[0].handle_hint(at(500), 0, hint);
        pair.run(200);
        for (told, soonest) in pair.told.iter().zip([501, 502]) {
            assert!(
                matches!(told[..], [_, (down, Down), (up, Up)] if down == soonest && up <= 600),
                "{hint:?}: {told:?}"
            );
        }
        // A Down of what is down already is none.
        pair.works = [false; 2];
        pair.run(500);
        let before = pair.told[0].len();
        pair.ends[0].handle_hint(at(pair.now), 0, hint);
        pair.run(100);
        assert_eq!(pair.told[0].len(), before);
    }
}

/// The third Down within ten seconds doubles the echoes that are needed, and so on up to 64: 1.3 s at 20 ms.
#[test]
fn flapping_links_stay_down_for_longer() {
    let mut pair = Pair::new();
    pair.run(500);
    let mut recoveries = Vec::new();
    for _ in 0..8 {
        pair.works = [false; 2];
        pair.run(150);
        let healed = pair.now;
        pair.works = [true; 2];
        pair.run(1850);
        let [.., (_, Down), (up, Up)] = pair.told[0][..] else { panic!("{:?}", pair.told[0]) };
        recoveries.push(up - healed);
    }
    let expected = [60, 60, 120, 240, 480, 960, 1280, 1280];
    for (found, expected) in recoveries.iter().zip(expected) {
        assert!((expected - 20..=expected + 45).contains(found), "{recoveries:?}");
    }
}

/// A link on which a ping takes long is as good as any, up to where pings are forgotten: 64 periods.
#[test]
fn a_long_way_is_no_silence() {
    for way in [100, 300, 600] {
        let mut pair = Pair::new();
        pair.way = way;
        pair.run(8000);
        assert!(pair.told.iter().all(|told| matches!(told[..], [.., (_, Up)])), "{way}: {:?}", pair.told);
        let before = pair.told[0].len();
        pair.run(4000);
        assert_eq!(pair.told[0].len(), before, "{way}: {:?}", pair.told);
    }
}

/// Nothing was lost when somebody said Down wrongly, or when a process was held up: such a link is back at once, each
/// time.
#[test]
fn wrong_downs_are_no_flapping() {
    for hint in [Hint::Refused, Hint::Planted] {
        let mut pair = Pair::new();
        pair.run(500);
        for turn in 0..20 {
            pair.ends[turn % 2].handle_hint(at(pair.now), 0, hint);
            pair.run(200);
            for told in &pair.told {
                let [.., (down, Down), (up, Up)] = told[..] else { panic!("{told:?}") };
                assert!(up - down <= 85, "{hint:?}, turn {turn}: {told:?}");
            }
        }
    }
    let mut pair = Pair::new();
    pair.run(500);
    for turn in 0..12 {
        let before = pair.told.each_ref().map(Vec::len);
        // Longer than the longest time-out.
        pair.hang(550);
        let woke = pair.now;
        pair.run(400);
        for (told, before) in pair.told.iter().zip(before) {
            let [(_, Down), (up, Up)] = told[before..] else { panic!("turn {turn}: {told:?}") };
            assert!(up - woke <= 105, "turn {turn}: {told:?}");
        }
    }
}

/// One ping in ten lost each way: after the link has found that out, silence must be longer.
#[test]
fn a_lossy_link_is_up_once_its_loss_is_known() {
    let mut pair = Pair::new();
    let mut state = 1_u64;
    let mut lossy = |pair: &mut Pair, milliseconds: u64| {
        for _ in 0..milliseconds {
            pair.works = [0; 2].map(|_: u8| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                !(state >> 33).is_multiple_of(10)
            });
            pair.run(1);
        }
    };
    lossy(&mut pair, 10_000);
    let [heard, own] = pair.ends[0].loss_permille(0);
    assert!((40..=180).contains(&heard) && (40..=180).contains(&own), "{heard} {own}");
    assert!(pair.ends[0].timeout(0) >= Duration::from_millis(180), "{:?}", pair.ends[0].timeout(0));
    let before = pair.told[0].len();
    lossy(&mut pair, 120_000);
    assert_eq!(pair.told[0].len(), before, "{:?}", pair.told[0]);
}

/// A genuine ping of the same session, replayed or far from the newest, is no evidence.
#[test]
fn what_was_recorded_changes_nothing() {
    let mut pair = Pair::new();
    pair.run(500);
    let ping = pair.ping_of_1();
    for number in [ping.number.wrapping_add(1 << 30), ping.number.wrapping_add(5000), ping.number.wrapping_sub(2)] {
        pair.ends[0].handle_message(at(500), 0, &Ping { number, ..ping });
    }
    assert_eq!(pair.ends[0].dropped(), Dropped { replayed: 3, ..Dropped::default() });
    pair.works = [true, false];
    for _ in 0..20 {
        // Over and over: the link goes down all the same.
        pair.run(20);
        pair.ends[0].handle_message(at(pair.now), 0, &ping);
    }
    pair.works = [true; 2];
    pair.run(1000);
    assert!(matches!(pair.told[0][..], [(_, Up), (_, Down), (_, Up)]), "{:?}", pair.told);
}

#[test]
fn others_are_not_heard() {
    let mut pair = Pair::new();
    pair.run(500);
    let ping = pair.ping_of_1();
    let anew = |sender| super::super::LinkToken { sender, ..ping.token };
    for other in [
        Ping { cluster: 8, token: anew(5), ..ping },
        Ping { sender: NodeId(2), token: anew(5), ..ping },
        Ping { receiver: NodeId(2), token: anew(5), ..ping },
        Ping { link: 6, token: anew(5), ..ping },
    ] {
        pair.ends[0].handle_message(at(500), 0, &other);
        assert_eq!(pair.ends[0].poll_event(), None);
    }
    assert_eq!(pair.ends[0].dropped(), Dropped { foreign: 4, ..Dropped::default() });
    let count = ping.token.count + 7;
    pair.ends[0].handle_message(at(500), 0, &Ping { token: super::super::LinkToken { count, ..ping.token }, ..ping });
    assert_eq!((pair.ends[0].poll_event(), pair.ends[0].dropped().refused), (None, 1));
    // The same with nothing wrong is a restart.
    pair.ends[0].handle_message(at(500), 0, &Ping { token: anew(5), ..ping });
    assert_eq!(pair.ends[0].poll_event().map(|event| event.state), Some(Down));
}

/// A link that is added comes up beside those that there are; one that is removed says and hears nothing, and nobody is told of it.
#[test]
fn links_come_and_go() {
    let mut pair = Pair::new();
    pair.run(500);
    let number = pair.ends[0].len();
    pair.ends[0].add(at(pair.now), plan(7, [1, 2], 3));
    pair.run(500);
    assert_eq!(
        (number, pair.ends[0].len(), pair.told[0].len()),
        (1, 2, 2),
        "the other one of the new link is not there: {:?}",
        pair.told
    );
    assert_eq!(pair.ends[0].state(0), Some(Up));
    pair.ends[0].remove(0);
    pair.run(500);
    assert_eq!(pair.told[0].len(), 2, "{:?}", pair.told[0]);
    assert!(matches!(pair.told[1][..], [(_, Up), (_, Down)]), "{:?}", pair.told[1]);
    pair.ends[0].handle_hint(at(pair.now), 0, Hint::Carrier);
    assert_eq!(pair.ends[0].poll_event(), None);
}
