//! How far the clocks of the peers are from this machine's. Each answer of a peer says what its clock shows. Nothing is
//! ordered by that: it is told to people, who compare the times that several nodes wrote down.

use crate::clock::{steady_time, unix_time};
use core::time::Duration;
use rain_cluster::NodeId;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};
use tokio::time::sleep;

/// Clocks that are further apart are told of: a second is what `Last-Modified` tells apart, and a thousand times what clocks
/// that are kept right differ by.
const FAR_MS: i64 = 1000;
/// What was heard so long ago says nothing any more. Nodes ask each other something every ten seconds.
const OLD: Duration = Duration::from_mins(1);
/// So long what was heard after a short round trip is better than what is heard after a long one.
const BETTER: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_secs(1);

/// The clock of a peer, as `GET /api/v1/cluster` tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerClock {
    /// The peer's name.
    pub node: String,
    /// How far it is ahead of this node's, in milliseconds; below 0, behind.
    pub ahead_ms: i64,
    /// By how much that may be wrong: half a round trip.
    pub error_ms: i64,
    /// Whether that is over a second for sure.
    pub is_far: bool,
}

/// The clocks of a cluster, as one of its nodes sees them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockReport {
    /// How far this node's clock is ahead of those of most nodes, in milliseconds, where these agree with each other and not
    /// with this one; else null.
    pub own_ahead_ms: Option<i64>,
    /// Those of the peers that were heard of in the last minute, by name.
    pub peers: Vec<PeerClock>,
}

/// The machine's clocks at one moment: the one that nobody sets, and the one that people see.
#[derive(Debug, Clone, Copy)]
struct Moment {
    steady: Duration,
    wall_ms: i64,
}

impl Moment {
    fn now() -> Self {
        Self { steady: steady_time(), wall_ms: in_ms(unix_time()) }
    }
}

/// What a peer's clock was heard to show. It is kept against the clock that nobody sets: when this machine's other clock is
/// set, all peers are another way off at once, and none of them has to be heard again for that.
#[derive(Debug, Clone, Copy)]
struct Heard {
    at: Duration,
    beyond_steady_ms: i64,
    error_ms: i64,
}

impl Heard {
    /// What was told somewhen in the round trip that ends now.
    fn new(at: Duration, told_ms: i64, round_trip: Duration) -> Self {
        let half_ms = in_ms(round_trip) / 2;
        // One more for what milliseconds cut off.
        Self { at, beyond_steady_ms: told_ms - (in_ms(at) - half_ms), error_ms: half_ms + 1 }
    }

    /// Whether it is to be kept in the place of what was heard before: it is more exact, or much newer, or the peer's clock was
    /// set in between.
    fn replaces(&self, before: &Self) -> bool {
        self.error_ms <= before.error_ms
            || self.at.saturating_sub(before.at) > BETTER
            || self.beyond_steady_ms.abs_diff(before.beyond_steady_ms)
                > (self.error_ms + before.error_ms).unsigned_abs()
    }
}

/// A peer's clock beside this node's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Offset {
    ahead_ms: i64,
    error_ms: i64,
    is_far: bool,
}

impl Offset {
    fn agrees(&self, other: &Self) -> bool {
        (self.ahead_ms - other.ahead_ms).abs() <= FAR_MS + self.error_ms + other.error_ms
    }
}

/// What is to be logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum News {
    Far(NodeId, i64),
    Near(NodeId),
    OwnFar(i64),
    OwnNear,
}

/// What is known of the clocks of peers.
#[derive(Debug, Default)]
pub struct Clocks {
    names: RwLock<BTreeMap<NodeId, String>>,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    heard: BTreeMap<NodeId, Heard>,
    far: BTreeSet<NodeId>,
    /// The peers of which it was told that they are far off, and not yet that this is over.
    told: BTreeSet<NodeId>,
    is_own_far: bool,
}

impl Clocks {
    /// From now on these are the peers, by their names.
    pub(super) fn set_names(&self, names: BTreeMap<NodeId, String>) {
        self.known().retain(|peer| names.contains_key(&peer));
        *self.names.write().unwrap_or_else(PoisonError::into_inner) = names;
    }

    fn names(&self) -> BTreeMap<NodeId, String> {
        self.names.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn name_of(&self, peer: NodeId) -> String {
        self.names().remove(&peer).unwrap_or_else(|| peer.to_string())
    }

    /// Notes what a peer's clock showed, by the peer's word, in an answer that came a round trip after its question.
    pub(super) fn note(&self, peer: NodeId, told_ms: u64, round_trip: Duration) {
        self.known().note(steady_time(), peer, told_ms, round_trip);
    }

    /// The clocks as they are now. That one of them or this node's own is far off, or is no more, is logged once.
    pub fn report(&self) -> ClockReport {
        // This node is one more.
        let (offsets, own_ahead_ms, news) = self.known().look(Moment::now(), self.names().len() + 1);
        for news in news {
            match news {
                News::Far(peer, ahead_ms) => {
                    tracing::warn!(peer = self.name_of(peer), ahead_ms, "a peer's clock is far off this node's");
                }
                // As loud as what it ends: who is told of one is told of the other.
                News::Near(peer) => {
                    tracing::warn!(peer = self.name_of(peer), "a peer's clock agrees with this node's again");
                }
                News::OwnFar(ahead_ms) => {
                    tracing::warn!(ahead_ms, "this node's clock is far off those of most nodes: set it right");
                }
                News::OwnNear => tracing::warn!("most nodes say no more that this node's clock is far off"),
            }
        }
        let peer = |(peer, Offset { ahead_ms, error_ms, is_far })| PeerClock {
            node: self.name_of(peer),
            ahead_ms,
            error_ms,
            is_far,
        };
        let mut peers: Vec<_> = offsets.into_iter().map(peer).collect();
        peers.sort_by(|one, other| one.node.cmp(&other.node));
        ClockReport { own_ahead_ms, peers }
    }

    /// Sets the metrics of clocks; those of peers that are not heard of to NaN.
    #[expect(clippy::cast_precision_loss, reason = "gauges are floats")]
    pub fn publish(&self) {
        let ClockReport { own_ahead_ms, peers } = self.report();
        metrics::gauge!("rain_clock_far").set(f64::from(u8::from(own_ahead_ms.is_some())));
        for name in self.names().into_values() {
            let clock = peers.iter().find(|clock| clock.node == name);
            let seconds = clock.map_or(f64::NAN, |clock| clock.ahead_ms as f64 / 1000.0);
            metrics::gauge!("rain_peer_clock_ahead_seconds", "peer" => name).set(seconds);
        }
    }

    /// Looks at the clocks, so that what is wrong with them is logged, until the task is aborted.
    ///
    /// Cancel safety: nothing is lost.
    pub async fn watch(&self) {
        loop {
            self.report();
            sleep(LOOK).await;
        }
    }
}

impl Known {
    fn retain(&mut self, is_peer: impl Fn(NodeId) -> bool) {
        self.heard.retain(|peer, _| is_peer(*peer));
        self.far.retain(|peer| is_peer(*peer));
        self.told.retain(|peer| is_peer(*peer));
    }

    fn note(&mut self, at: Duration, peer: NodeId, told_ms: u64, round_trip: Duration) {
        let heard = Heard::new(at, told_ms.cast_signed(), round_trip);
        if self.heard.get(&peer).is_none_or(|before| heard.replaces(before)) {
            self.heard.insert(peer, heard);
        }
    }

    /// How far the clocks of the peers are off, how far this node's is if most of the `members` nodes agree on that, and what
    /// of it is news.
    fn look(&mut self, now: Moment, members: usize) -> (BTreeMap<NodeId, Offset>, Option<i64>, Vec<News>) {
        self.heard.retain(|_, heard| now.steady.saturating_sub(heard.at) <= OLD);
        let offset = |(peer, heard): (&NodeId, &Heard)| {
            let ahead_ms = heard.beyond_steady_ms + in_ms(now.steady) - now.wall_ms;
            let error_ms = heard.error_ms;
            // Who was far off is so until that is over for sure: what is measured wavers.
            let doubt_ms = if self.far.contains(peer) { error_ms } else { -error_ms };
            (*peer, Offset { ahead_ms, error_ms, is_far: ahead_ms.abs() + doubt_ms > FAR_MS })
        };
        let offsets: BTreeMap<NodeId, Offset> = self.heard.iter().map(offset).collect();
        let far = || offsets.iter().filter(|(_, offset)| offset.is_far);
        self.far = far().map(|(peer, _)| *peer).collect();
        // More than half of all members: there can be no second such group, and two nodes cannot tell which of them is right.
        let is_most = |one: &Offset| far().filter(|(_, other)| one.agrees(other)).count() * 2 > members;
        let own_ahead_ms = far().map(|(_, offset)| offset).find(|one| is_most(one)).map(|one| -one.ahead_ms);

        let mut news = Vec::new();
        if own_ahead_ms.is_some() != self.is_own_far {
            self.is_own_far = own_ahead_ms.is_some();
            news.push(own_ahead_ms.map_or(News::OwnNear, News::OwnFar));
        }
        let is_near = |peer: &NodeId| offsets.get(peer).is_some_and(|offset| !offset.is_far);
        news.extend(self.told.iter().filter(|peer| is_near(peer)).map(|peer| News::Near(*peer)));
        // Whoever is not heard of any more is forgotten without a word.
        self.told.retain(|peer| offsets.get(peer).is_some_and(|offset| offset.is_far));
        if own_ahead_ms.is_none() {
            let untold = far().filter(|(peer, _)| !self.told.contains(peer));
            news.extend(untold.map(|(peer, offset)| News::Far(*peer, offset.ahead_ms)));
            self.told.clone_from(&self.far);
        }
        (offsets, own_ahead_ms, news)
    }
}

fn in_ms(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const YEAR_MS: i64 = 31_536_000_000;
    const NOON_MS: i64 = 1_796_040_000_000;
    const B: NodeId = NodeId(2);
    const C: NodeId = NodeId(3);
    const D: NodeId = NodeId(4);

    /// Node A of four, from noon on, its peers as far ahead as a test says.
    #[derive(Default)]
    struct Watching {
        known: Known,
        steady_ms: u64,
        own_ahead_ms: i64,
    }

    impl Watching {
        fn steady(&self) -> Duration {
            Duration::from_millis(self.steady_ms)
        }

        fn right_ms(&self) -> i64 {
            NOON_MS + in_ms(self.steady())
        }

        fn hears(&mut self, peer: NodeId, ahead_ms: i64, round_trip_ms: u64) {
            // It was told in the middle of the round trip.
            let told_ms = self.right_ms() - i64::try_from(round_trip_ms / 2).unwrap() + ahead_ms;
            let round_trip = Duration::from_millis(round_trip_ms);
            self.known.note(self.steady(), peer, told_ms.try_into().unwrap(), round_trip);
        }

        fn looks(&mut self) -> (BTreeMap<NodeId, Offset>, Option<i64>, Vec<News>) {
            let wall_ms = self.right_ms() + self.own_ahead_ms;
            self.known.look(Moment { steady: self.steady(), wall_ms }, 4)
        }

        fn news(&mut self) -> Vec<News> {
            self.looks().2
        }
    }

    #[test]
    fn half_a_round_trip_is_taken_off_and_may_be_wrong() {
        let mut watching = Watching::default();
        watching.hears(B, -300, 80);
        watching.hears(C, 0, 0);
        let (offsets, own, news) = watching.looks();
        assert_eq!(offsets[&B], Offset { ahead_ms: -300, error_ms: 41, is_far: false });
        assert_eq!(offsets[&C], Offset { ahead_ms: 0, error_ms: 1, is_far: false });
        assert_eq!((own, news), (None, Vec::new()));
    }

    #[test]
    fn what_was_heard_well_is_kept_for_a_while_unless_the_clock_was_set() {
        let mut watching = Watching::default();
        watching.hears(B, 5, 2);
        watching.steady_ms = 10_000;
        watching.hears(B, 105, 400);
        assert_eq!(watching.looks().0[&B].ahead_ms, 5);
        watching.hears(B, 300, 400);
        assert_eq!(watching.looks().0[&B].ahead_ms, 300, "that cannot be a long way");
        watching.hears(B, 290, 2);
        assert_eq!(watching.looks().0[&B].ahead_ms, 290, "more exact");
        watching.steady_ms = 20_001;
        watching.hears(B, 285, 400);
        assert_eq!(watching.looks().0[&B].ahead_ms, 285, "newer");
        watching.steady_ms = 80_002;
        assert!(watching.looks().0.is_empty(), "a minute old");
    }

    #[test]
    fn a_peer_is_told_of_once_when_it_is_far_off_for_sure_and_once_when_that_is_over() {
        let mut watching = Watching::default();
        watching.hears(B, 1100, 200);
        assert_eq!(watching.news(), [], "it may be a second and no more");
        watching.hears(B, 1102, 198);
        assert_eq!(watching.news(), [News::Far(B, 1102)]);
        assert_eq!(watching.news(), []);
        watching.hears(B, 950, 150);
        assert_eq!(watching.news(), [], "it may still be far off");
        watching.hears(B, 950, 20);
        assert_eq!(watching.news(), [News::Near(B)]);
        watching.hears(B, -YEAR_MS, 2);
        assert_eq!(watching.news(), [News::Far(B, -YEAR_MS)]);
        watching.steady_ms = 60_001;
        assert_eq!(watching.news(), [], "it is not heard of any more");
        watching.hears(B, -YEAR_MS, 2);
        assert_eq!(watching.news(), [News::Far(B, -YEAR_MS)]);
    }

    #[test]
    fn this_nodes_own_clock_is_the_one_that_is_off_where_most_nodes_agree() {
        let mut watching = Watching::default();
        for peer in [B, C, D] {
            watching.hears(peer, 3, 2);
        }
        assert_eq!(watching.news(), []);
        // It is seen at once, whoever is heard next.
        watching.own_ahead_ms = YEAR_MS;
        let (offsets, own, news) = watching.looks();
        assert_eq!((own, news), (Some(YEAR_MS - 3), vec![News::OwnFar(YEAR_MS - 3)]));
        assert!(offsets.values().all(|offset| offset.is_far && offset.ahead_ms == 3 - YEAR_MS));
        assert_eq!(watching.news(), []);
        watching.own_ahead_ms = 0;
        assert_eq!(watching.news(), [News::OwnNear]);
        // Two and two: nobody knows who is right.
        watching.hears(B, -YEAR_MS, 2);
        watching.hears(C, -YEAR_MS, 2);
        let (_, own, news) = watching.looks();
        assert_eq!((own, news), (None, vec![News::Far(B, -YEAR_MS), News::Far(C, -YEAR_MS)]));
        // A third that is far off, and agrees with nobody.
        watching.hears(D, YEAR_MS, 2);
        assert_eq!(watching.news(), [News::Far(D, YEAR_MS)]);
        watching.hears(D, -YEAR_MS, 2);
        assert_eq!(watching.news(), [News::OwnFar(YEAR_MS)]);
    }
}
