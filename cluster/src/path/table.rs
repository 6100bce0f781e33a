//! The table of paths: one of the two values by which the control plane guides the data plane.

use crate::time::Time;
use crate::version::NodeId;
use core::time::Duration;
use std::collections::BTreeMap;

/// After a path came up it gets its whole share only after so long.
const WARM_UP: Duration = Duration::from_secs(1);
/// A path that let a reader wait gets less for so long.
const REMORSE: Duration = Duration::from_secs(2);
/// How much less.
const LATE_PENALTY: u64 = 8;
/// Bytes that a path passes in a microsecond, when nobody knows better: 1 Gbit/s. What a round trip costs is counted in
/// these.
const BYTES_PER_US: u64 = 125;
/// An idle path is not infinitely better than one with a few bytes under way.
const IDLE_BYTES: u64 = 64 << 10;

/// The state of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PathState {
    /// It was not tried for long enough.
    #[default]
    Unknown,
    /// Both directions work.
    Up,
    /// They do not.
    Down,
}

/// What the pings of a path measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PathMeasure {
    /// The smoothed round trip.
    pub round_trip: Duration,
    /// So many of a thousand pings are lost, in the worse direction.
    pub loss_permille: u16,
    /// Silence of this length is a Down.
    pub timeout: Duration,
}

/// What is known of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PathHealth {
    /// Its state.
    pub state: PathState,
    /// Since when it is in this state.
    pub since: Time,
    /// What its pings measured.
    pub measured: PathMeasure,
    /// When it last went down.
    pub down_at: Option<Time>,
    /// How often it went down: whoever uses it can tell whether it did since.
    pub downs: u64,
    /// It is no more.
    pub is_retired: bool,
}

/// The paths to all nodes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PathTable {
    peers: BTreeMap<NodeId, Vec<PathHealth>>,
    ups: u64,
}

impl PathTable {
    /// Nothing is known yet; `paths` says how many lead to each node.
    pub fn new(paths: impl IntoIterator<Item = (NodeId, usize)>) -> Self {
        let peers = paths.into_iter().map(|(node, count)| (node, vec![PathHealth::default(); count]));
        Self { peers: peers.collect(), ups: 0 }
    }

    /// One more path leads to a node, and nothing is known of it.
    pub fn add(&mut self, to: NodeId) {
        self.peers.entry(to).or_default().push(PathHealth::default());
    }

    /// A path is no more: it is down for good. The others keep their numbers.
    pub fn retire(&mut self, now: Time, to: NodeId, path: usize) {
        if let Some(status) = self.status_mut(to, path) {
            *status = PathHealth {
                state: PathState::Down,
                since: now,
                downs: status.downs + 1,
                is_retired: true,
                ..PathHealth::default()
            };
        }
    }

    /// The paths to a node; none to one that is not known.
    pub fn paths(&self, to: NodeId) -> &[PathHealth] {
        self.peers.get(&to).map_or(&[], Vec::as_slice)
    }

    /// Notes the state of a path.
    pub fn set_state(&mut self, now: Time, to: NodeId, path: usize, state: PathState) {
        let Some(status) = self.status_mut(to, path) else { return };
        if status.state != state && !status.is_retired {
            if state == PathState::Down {
                (status.downs, status.down_at) = (status.downs + 1, Some(now));
            }
            (status.state, status.since) = (state, now);
            self.ups += u64::from(state == PathState::Up);
        }
    }

    /// How often a path came up: one who found no way may look whether there was another chance since.
    pub fn ups(&self) -> u64 {
        self.ups
    }

    /// Notes what was measured of a path.
    pub fn set_measured(&mut self, to: NodeId, path: usize, measured: PathMeasure) {
        if let Some(status) = self.status_mut(to, path) {
            status.measured = measured;
        }
    }

    fn status_mut(&mut self, to: NodeId, path: usize) -> Option<&mut PathHealth> {
        self.peers.get_mut(&to)?.get_mut(path)
    }

    /// `Some(true)` when a path to the node is up, `Some(false)` when all are down, `None` while that is not known.
    pub fn is_up(&self, node: NodeId) -> Option<bool> {
        let paths = self.paths(node);
        if paths.iter().any(|path| path.state == PathState::Up) {
            return Some(true);
        }
        paths.iter().all(|path| path.state == PathState::Down).then_some(false)
    }

    /// Whether any path is down.
    pub fn any_down(&self) -> bool {
        self.peers.values().flatten().any(|path| path.state == PathState::Down && !path.is_retired)
    }
}

/// A path that may be chosen.
#[derive(Debug, Clone, Copy)]
pub struct Candidate {
    /// Which.
    pub path: usize,
    /// What is known of it.
    pub status: PathHealth,
    /// Bytes that were asked for over it and have not come.
    pub outstanding: u64,
    /// When it last let a reader wait.
    pub late: Option<Time>,
}

/// Which path the next request takes: among those that are up the one that is expected to be through with it first; one
/// that is not known to be up only when none is; one that is down never. Ever more requests so spread over all healthy
/// paths in proportion to what each of them can take.
pub fn choose(now: Time, candidates: impl IntoIterator<Item = Candidate>) -> Option<usize> {
    let usable = candidates.into_iter().filter(|candidate| candidate.status.state != PathState::Down);
    usable.min_by_key(|candidate| (score(now, candidate), candidate.path)).map(|candidate| candidate.path)
}

/// The less, the better: whether it is not known to be up, and how long it would take with what it has to do, in bytes of
/// a good path.
fn score(now: Time, candidate: &Candidate) -> (bool, u64) {
    let Candidate { status, outstanding, late, .. } = candidate;
    let warm = now.since(status.since).min(WARM_UP).as_micros();
    let whole = WARM_UP.as_micros();
    // From a tenth to the whole share.
    let share = u64::try_from((whole / 10 + warm * 9 / 10) * 1000 / whole).unwrap_or(1000).max(1);
    let penalty = if late.is_some_and(|late| now.since(late) < REMORSE) { LATE_PENALTY } else { 1 };
    let round_trip_us = u64::try_from(status.measured.round_trip.as_micros()).unwrap_or(u64::MAX);
    let bytes = outstanding.saturating_add(IDLE_BYTES).saturating_add(round_trip_us.saturating_mul(BYTES_PER_US));
    let cost = bytes.saturating_mul(penalty).saturating_mul(loss_cost(status.measured.loss_permille));
    (status.state != PathState::Up, cost / share)
}

/// What TCP takes longer over a path that loses so much, in thousandths: as the square root of the loss, from one in a
/// thousand on.
///
/// Source: Mathis, Semke, Mahdavi, Ott, "The macroscopic behavior of the TCP congestion avoidance algorithm" (CCR 1997).
fn loss_cost(permille: u16) -> u64 {
    (u64::from(permille.max(1)) * 1_000_000).isqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(second: u64) -> Time {
        Time::from_micros(second * 1_000_000)
    }

    fn candidate(path: usize, state: PathState, outstanding: u64) -> Candidate {
        let status = PathHealth { state, since: Time::default(), ..PathHealth::default() };
        Candidate { path, status, outstanding, late: None }
    }

    use PathState::{Down, Unknown, Up};

    #[test]
    fn up_before_unknown_and_never_down() {
        let chosen = |states: &[PathState]| {
            let candidates = states.iter().enumerate().map(|(path, state)| candidate(path, *state, 0));
            choose(second(9), candidates)
        };
        assert_eq!(chosen(&[Down, Unknown, Up]), Some(2));
        assert_eq!(chosen(&[Down, Unknown, Down]), Some(1));
        assert_eq!(chosen(&[Down, Down]), None);
        assert_eq!(chosen(&[]), None);
    }

    #[test]
    fn all_healthy_paths_are_used_in_turn() {
        let mut outstanding = [0; 3];
        let mut chosen = Vec::new();
        for _ in 0..9 {
            let candidates = (0..3).map(|path| candidate(path, Up, outstanding[path]));
            let path = choose(second(9), candidates).unwrap();
            outstanding[path] += 256 << 10;
            chosen.push(path);
        }
        assert_eq!(chosen, [0, 1, 2, 0, 1, 2, 0, 1, 2]);
    }

    #[test]
    fn traffic_returns_gradually_and_late_paths_get_less() {
        let fresh = Candidate {
            status: PathHealth { state: Up, since: second(9), ..PathHealth::default() },
            ..candidate(0, Up, 0)
        };
        let busy = candidate(1, Up, 512 << 10);
        assert_eq!(choose(second(9), [fresh, busy]), Some(1), "a tenth of the share: 640 KiB count as 576");
        assert_eq!(choose(second(10), [fresh, busy]), Some(0));
        let late = Candidate { late: Some(second(20)), ..candidate(0, Up, 0) };
        let busy = candidate(1, Up, 400 << 10);
        assert_eq!(choose(second(21), [late, busy]), Some(1));
        assert_eq!(choose(second(22), [late, busy]), Some(0));
    }

    /// A path that is no more is down for whoever waits for that, and no sign that something is amiss; the others keep their
    /// numbers.
    #[test]
    fn paths_come_and_go() {
        let mut table = PathTable::new([(NodeId(1), 2)]);
        table.set_state(second(1), NodeId(1), 0, Up);
        table.retire(second(2), NodeId(1), 0);
        assert_eq!((table.paths(NodeId(1))[0].downs, table.is_up(NodeId(1)), table.any_down()), (1, None, false));
        table.set_state(second(3), NodeId(1), 0, Up);
        assert_eq!(table.paths(NodeId(1))[0].state, Down, "for good");
        table.add(NodeId(1));
        table.add(NodeId(2));
        table.set_state(second(4), NodeId(1), 2, Up);
        assert_eq!((table.is_up(NodeId(1)), table.paths(NodeId(2)).len()), (Some(true), 1));
    }

    /// By hand: 10 in a thousand are the square root of ten times 1 in a thousand; 4 ms at 1 Gbit/s are 500,000 bytes.
    #[test]
    fn loss_and_round_trips_cost_a_share() {
        let measured = |path, loss_permille, milliseconds| {
            let measured = PathMeasure {
                loss_permille,
                round_trip: Duration::from_millis(milliseconds),
                ..PathMeasure::default()
            };
            Candidate { status: PathHealth { measured, ..candidate(path, Up, 0).status }, ..candidate(path, Up, 0) }
        };
        assert_eq!([0, 1, 10, 50, 1000].map(loss_cost), [1000, 1000, 3162, 7071, 31622]);
        let share = |candidates: [Candidate; 2]| {
            let mut outstanding = [0; 2];
            for _ in 0..1000 {
                let now = candidates.map(|one| Candidate { outstanding: outstanding[one.path], ..one });
                outstanding[choose(second(9), now).unwrap()] += 64 << 10;
            }
            outstanding[0] / (64 << 10)
        };
        assert_eq!(share([measured(0, 0, 0), measured(1, 0, 0)]), 500);
        assert!((755..=765).contains(&share([measured(0, 0, 0), measured(1, 10, 0)])), "3.162 to 1");
        assert_eq!(share([measured(0, 0, 0), measured(1, 0, 4)]), 504, "7.6 of them more at the one that is near");
        let down = Candidate { status: PathHealth { state: Down, ..PathHealth::default() }, ..candidate(0, Down, 0) };
        assert_eq!(choose(second(9), [down, measured(1, 1000, 900)]), Some(1));
    }

    #[test]
    fn a_node_is_down_when_all_its_paths_are() {
        let mut table = PathTable::new([(NodeId(0), 0), (NodeId(1), 2)]);
        let node = NodeId(1);
        assert_eq!(table.is_up(node), None);
        table.set_state(second(1), node, 0, Down);
        assert_eq!((table.is_up(node), table.any_down()), (None, true));
        table.set_state(second(2), node, 1, Down);
        assert_eq!(table.is_up(node), Some(false));
        table.set_state(second(3), node, 1, Up);
        table.set_state(second(4), node, 1, Up);
        assert_eq!(table.is_up(node), Some(true));
        assert_eq!((table.paths(node)[1].since, table.paths(node)[1].down_at), (second(3), Some(second(2))));
        assert_eq!((table.paths(node)[0].downs, table.paths(node)[1].downs), (1, 1));
        assert_eq!(table.ups(), 1);
    }
}
