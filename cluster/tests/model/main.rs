//! The link protocol, model-checked: every state that two ends of a link can reach, whatever the network and the timers do.
//!
//! The model runs [`LinkEnd`], the very type that runs in a node. Whatever an end could ever have said may be delivered at
//! any time, any number of times, in any order, or never; evidence comes and runs out whenever it likes; nodes start again.
//! docs/link.md has the state counts.

mod register;

use rain_cluster::link::{HistoryRules, LinkEnd, LinkToken, TakenToken, TokenOutcome};
use stateright::{Checker, HasDiscoveries, Model, Property};
use std::collections::BTreeSet;

const DEAD: &str = "dead: without evidence both ends are down";
const LIVE: &str = "live: with evidence both ends are up within two exchanges";
const ORDER: &str = "order: every transition is told, once and in turn";

/// Two ends of a link, and bounds that make the states finite.
#[derive(Clone)]
struct Pair {
    rules: HistoryRules,
    /// Transitions of an end in a session.
    count_max: u32,
    /// Incarnations of a node.
    starts_max: u64,
    /// Whether the ends know each other from the beginning.
    met: bool,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq)]
struct State {
    ends: [LinkEnd; 2],
    /// All that each node has ever said, in all its starts.
    said: [BTreeSet<LinkToken>; 2],
    /// What was seen and must never be.
    wrong: Option<Wrong>,
}

#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
enum Wrong {
    /// What an honest peer said was refused.
    Refused,
    /// A transition was not told, or one was told that was none, or one out of turn.
    Untold,
    /// An end went back to an earlier start of its peer.
    WentBack,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    TimeOut(usize),
    TimeIn(usize),
    Deliver(usize, LinkToken),
    Start(usize),
}

/// What the model says of a token. That of the peer's progress is for people; the receiver does not use it.
fn said(end: &LinkEnd) -> LinkToken {
    LinkToken { heard: 0, ..end.token() }
}

fn count(end: &LinkEnd) -> u32 {
    end.history().count()
}

fn in_one_session(ends: &[LinkEnd; 2]) -> bool {
    let [first, second] = ends.each_ref().map(LinkEnd::session);
    first == (second.1, second.0)
}

/// Delivers to an end; gives what must not be.
fn deliver(end: &mut LinkEnd, token: &LinkToken) -> Option<Wrong> {
    let before = *end;
    let told = end.hear(token);
    if end.session().1 < before.session().1 {
        return Some(Wrong::WentBack);
    }
    match told {
        TokenOutcome::Old => None,
        TokenOutcome::Refused(_) => Some(Wrong::Refused),
        TokenOutcome::Taken(TakenToken { began, ended_up, followed, .. }) => {
            let from = if began { 0 } else { count(&before) };
            // Transitions alternate and begin Down, so that their number is all there is to tell.
            let all_told = count(end) == from + followed && ended_up == (began && before.is_up());
            (!all_told).then_some(Wrong::Untold)
        }
    }
}

impl Pair {
    fn start(&self, incarnation: u64) -> LinkEnd {
        LinkEnd::with_rules(incarnation, self.rules)
    }
}

impl Model for Pair {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let mut ends = [self.start(1), self.start(1)];
        if self.met {
            for index in [0, 1, 0] {
                let token = ends[1 - index].token();
                ends[index].hear(&token);
            }
        }
        let said = ends.each_ref().map(|end| BTreeSet::from([said(end)]));
        vec![State { ends, said, wrong: None }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for (index, end) in state.ends.iter().enumerate() {
            if end.clone().time_out() {
                actions.push(Action::TimeOut(index));
            }
            if end.clone().time_in() {
                actions.push(Action::TimeIn(index));
            }
            actions.extend(state.said[1 - index].iter().map(|token| Action::Deliver(index, *token)));
            if end.session().0 < self.starts_max {
                actions.push(Action::Start(index));
            }
        }
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let mut next = state.clone();
        let index = match action {
            Action::TimeOut(index) => {
                next.ends[index].time_out();
                index
            }
            Action::TimeIn(index) => {
                next.ends[index].time_in();
                index
            }
            Action::Deliver(index, token) => {
                next.wrong = next.wrong.or(deliver(&mut next.ends[index], &token));
                index
            }
            Action::Start(index) => {
                next.ends[index] = self.start(next.ends[index].session().0 + 1);
                index
            }
        };
        next.said[index].insert(said(&next.ends[index]));
        (next != *state).then_some(next)
    }

    fn within_boundary(&self, state: &State) -> bool {
        state.ends.iter().all(|end| count(end) <= self.count_max)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(
                "slack: in one session the ends are N transitions apart at most",
                |pair: &Pair, state: &State| {
                    let [first, second] = &state.ends;
                    let near = count(first).abs_diff(count(second)) <= pair.rules.slack();
                    let leads = state.ends.iter().all(|end| end.history().lead() <= pair.rules.slack());
                    leads && (near || !in_one_session(&state.ends))
                },
            ),
            Property::always(ORDER, |_: &Pair, state: &State| state.wrong.is_none()),
            Property::always(
                "agreement: nobody knows more than was told, and who is level is alike",
                |_: &Pair, state: &State| {
                    let [first, second] = &state.ends;
                    let knows_no_more = |end: &LinkEnd, peer: &LinkEnd| end.history().heard() <= count(peer);
                    let level = state.ends.iter().all(|end| end.history().lead() == 0);
                    !in_one_session(&state.ends)
                        || knows_no_more(first, second)
                            && knows_no_more(second, first)
                            && (!level || count(first) == count(second))
                },
            ),
            Property::always(DEAD, |_: &Pair, state: &State| {
                let mut ends = state.ends;
                ends.iter_mut().all(|end| {
                    end.time_out();
                    !end.is_up()
                })
            }),
            Property::always(
                "live: with evidence both ends are up within two exchanges",
                |pair: &Pair, state: &State| {
                    let mut ends = state.ends;
                    // A node that nobody knows yet is heard of in one more.
                    for _ in 0..if pair.starts_max > 1 || !pair.met { 3 } else { 2 } {
                        for index in [0, 1] {
                            ends[index].time_in();
                            let token = ends[index].token();
                            if deliver(&mut ends[1 - index], &token).is_some() {
                                return false;
                            }
                        }
                    }
                    ends.iter().all(LinkEnd::is_up)
                },
            ),
            Property::sometimes("witness: both ends are up", |_: &Pair, state: &State| {
                state.ends.iter().all(LinkEnd::is_up)
            }),
            Property::sometimes("witness: both ends are down after they were up", |_: &Pair, state: &State| {
                in_one_session(&state.ends) && state.ends.iter().all(|end| !end.is_up() && count(end) > 0)
            }),
        ]
    }
}

/// The names of the properties that do not hold.
fn broken<M>(checker: &impl Checker<M>) -> Vec<&'static str>
where
    M: Model<State: Clone + PartialEq, Action: Clone + PartialEq>,
{
    let discoveries = checker.discoveries();
    let is_broken = |property: &Property<M>| {
        let found = discoveries.contains_key(property.name);
        found != matches!(property.expectation, stateright::Expectation::Sometimes)
    };
    let mut broken: Vec<_> =
        checker.model().properties().into_iter().filter(is_broken).map(|property| property.name).collect();
    broken.sort_unstable();
    broken
}

/// Checks all states, or as many as it takes to find one that must not be; gives how many those are, and the names of
/// the properties that do not hold.
fn check(pair: Pair) -> (usize, Vec<&'static str>) {
    let (name, checker) =
        (format!("{:?}, {} transitions, {} starts", pair.rules, pair.count_max, pair.starts_max), pair);
    let checker = checker.checker().finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    let broken = broken(&checker);
    println!("{name}: {} states, {} steps: {broken:?}", checker.unique_state_count(), checker.state_count());
    for name in broken.iter().filter(|name| !name.starts_with("witness")) {
        if let Some(path) = checker.discovery(name) {
            println!("{name}: {:?}", path.into_actions());
        }
    }
    (checker.unique_state_count(), broken)
}

/// Within one session.
fn session(rules: HistoryRules, count_max: u32) -> Pair {
    Pair { rules, count_max, starts_max: 1, met: true }
}

/// With two starts of each node, and from the first ping on.
fn starts(rules: HistoryRules, count_max: u32) -> Pair {
    Pair { rules, count_max, starts_max: 2, met: false }
}

#[test]
fn within_a_session_it_is_safe_and_live() {
    assert_eq!(check(session(HistoryRules::CONSISTENT, 6)), (426, vec![]));
    assert_eq!(check(session(HistoryRules::with_slack(3), 6)), (998, vec![]));
    assert_eq!(check(session(HistoryRules::CONSISTENT, 12)).1, [""; 0]);
}

#[test]
fn across_starts_it_is_safe_and_live() {
    let (states, broken) = check(starts(HistoryRules::CONSISTENT, 2));
    assert_eq!(broken, [""; 0]);
    assert!(states > 100_000, "{states}");
}

/// What an end does depends on its lead and on whether it is up alone, so that few states stand for all, however long a
/// link lives. Their numbers are those of another program: specs/protocols.md 1b.
#[test]
fn few_states_stand_for_all() {
    for (slack, expected) in [(2, 33), (3, 87), (4, 185), (5, 335), (6, 553)] {
        let met = session(HistoryRules::with_slack(slack), 0).init_states()[0].ends;
        let same = |[first, second]: &[LinkEnd; 2]| {
            let apart = i64::from(count(first)) - i64::from(count(second));
            (first.history().lead(), second.history().lead(), apart, first.is_up())
        };
        let (mut found, mut open) = (BTreeSet::from([same(&met)]), vec![met]);
        while let Some(ends) = open.pop() {
            for index in [0, 1] {
                let mut next = vec![ends; 2];
                next[0][index].time_out();
                next[1][index].time_in();
                let told = &ends[1 - index];
                for value in ends[index].history().heard()..=count(told) {
                    let mut heard = ends;
                    assert_eq!(deliver(&mut heard[index], &LinkToken { count: value, ..told.token() }), None);
                    next.push(heard);
                }
                open.extend(next.into_iter().filter(|ends| found.insert(same(ends))));
            }
        }
        assert_eq!(found.len(), expected, "slack {slack}");
        assert_eq!(found.iter().map(|(.., apart, _)| apart.unsigned_abs()).max(), Some(slack.into()));
    }
}

#[test]
fn without_the_up_guard_an_end_may_be_stuck_up() {
    let (_, broken) = check(session(HistoryRules::without_up_guard(), 6));
    assert!(broken.contains(&DEAD), "{broken:?}");
}

#[test]
fn with_a_slack_of_1_nothing_comes_up() {
    let (_, broken) = check(session(HistoryRules::with_slack(1), 6));
    assert_eq!(broken, [LIVE, "witness: both ends are down after they were up", "witness: both ends are up"]);
}

#[test]
fn whoever_takes_old_starts_for_new_ones_breaks_what_was_told() {
    let (_, broken) = check(starts(HistoryRules::with_old_starts(), 2));
    assert!(broken.contains(&ORDER), "{broken:?}");
}
