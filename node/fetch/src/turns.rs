//! Who waits until there is room for a request, and whose turn it is.

use rain_cluster::NodeId;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Of the ordinary requests of a lane, one goes before urgent ones when so many of these went since the last.
const URGENT_IN_A_ROW: u64 = 8;

/// Where requests go that can take the same paths: they go one after the other.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lane {
    /// To whom.
    pub to: NodeId,
    /// Paths that they do not take.
    pub without: Vec<usize>,
}

/// What the queue must know of the paths, and of the ports that they leave from.
pub trait Ports {
    /// The path that the next request of a lane takes, and its port; `None` when none is left.
    fn choose(&self, lane: &Lane) -> Option<(usize, usize)>;

    /// Whether so many bytes more may be asked for over a port; always, while nothing is under way over it.
    fn has_room(&self, port: usize, bytes: u64) -> bool;

    /// Notes that bytes are asked for over a port.
    fn ask(&mut self, port: usize, bytes: u64);
}

/// A place in the queue, to be given up with [`Turns::leave`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    lane: Lane,
    urgent: bool,
    number: u64,
}

/// A request that waits.
#[derive(Debug)]
struct Waiting<T> {
    number: u64,
    bytes: u64,
    value: T,
}

/// The requests of a lane.
#[derive(Debug)]
struct Queues<T> {
    urgent: VecDeque<Waiting<T>>,
    ordinary: VecDeque<Waiting<T>>,
    /// How many urgent requests had gone, of any lane, when the last ordinary one of this lane went, or began to wait alone.
    since: u64,
}

/// The queue before all ports. Urgent requests go before ordinary ones, and each kind in the order in which it came;
/// ordinary ones are not held up by urgent ones for ever. A request overtakes only those that wait for another port.
#[derive(Debug)]
pub struct Turns<T> {
    lanes: BTreeMap<Lane, Queues<T>>,
    tickets: u64,
    /// How many urgent requests have gone.
    urgent: u64,
}

impl<T> Default for Turns<T> {
    fn default() -> Self {
        Self { lanes: BTreeMap::new(), tickets: 0, urgent: 0 }
    }
}

impl<T> Turns<T> {
    /// Appends a request for `bytes` to its lane; `value` comes back when it goes.
    pub fn join(&mut self, lane: Lane, bytes: u64, urgent: bool, value: T) -> Ticket {
        self.tickets += 1;
        let number = self.tickets;
        let since = self.urgent;
        let queues = self.lanes.entry(lane.clone()).or_insert_with(|| Queues::new(since));
        if !urgent && queues.ordinary.is_empty() {
            queues.since = since;
        }
        queues.of(urgent).push_back(Waiting { number, bytes, value });
        Ticket { lane, urgent, number }
    }

    /// Gives up a place, if it is still taken: who waits behind it may go now.
    pub fn leave(&mut self, ticket: &Ticket) {
        if let Some(queues) = self.lanes.get_mut(&ticket.lane) {
            queues.of(ticket.urgent).retain(|waiting| waiting.number != ticket.number);
            self.drop_empty(&ticket.lane);
        }
    }

    /// Bytes of the smallest request that may be the next one: where there is no room for so many, nobody goes.
    pub fn smallest(&self) -> Option<u64> {
        let firsts = self.lanes.values().flat_map(|queues| [queues.urgent.front(), queues.ordinary.front()]);
        firsts.flatten().map(|waiting| waiting.bytes).min()
    }

    /// Lets go who can; only the first of each lane is looked at. `tell` is given the values of those that do not wait any
    /// longer, and their path, if any is left; their bytes are noted.
    pub fn advance(&mut self, ports: &mut impl Ports, mut tell: impl FnMut(T, Option<usize>)) {
        let (mut held, mut taken) = (BTreeSet::new(), BTreeSet::new());
        while let Some((lane, urgent, bytes)) = self.first(&held) {
            let chosen = ports.choose(&lane);
            if let Some((_, port)) = chosen {
                if taken.contains(&port) || !ports.has_room(port, bytes) {
                    taken.insert(port);
                    held.insert(lane);
                    continue;
                }
                ports.ask(port, bytes);
            }
            self.go(&lane, urgent, chosen.map(|(path, _)| path), &mut tell);
        }
    }

    /// Whose turn it is, of the lanes that are not held: the lane, whether it is urgent, and its bytes.
    fn first(&self, held: &BTreeSet<Lane>) -> Option<(Lane, bool, u64)> {
        let heads = self.lanes.iter().filter(|(lane, _)| !held.contains(lane)).flat_map(|(lane, queues)| {
            let rank = if self.urgent - queues.since >= URGENT_IN_A_ROW { 0 } else { 2 };
            let urgent = queues.urgent.front().map(|first| ((1, first.number), lane, true, first.bytes));
            let ordinary = queues.ordinary.front().map(|first| ((rank, first.number), lane, false, first.bytes));
            urgent.into_iter().chain(ordinary)
        });
        let (_, lane, urgent, bytes) = heads.min_by_key(|(rank, ..)| *rank)?;
        Some((lane.clone(), urgent, bytes))
    }

    fn go(&mut self, lane: &Lane, urgent: bool, path: Option<usize>, tell: &mut impl FnMut(T, Option<usize>)) {
        let Some(queues) = self.lanes.get_mut(lane) else { return };
        let first = queues.of(urgent).pop_front();
        if path.is_some() && urgent {
            self.urgent += 1;
        } else if !urgent {
            queues.since = self.urgent;
        }
        self.drop_empty(lane);
        if let Some(first) = first {
            tell(first.value, path);
        }
    }

    fn drop_empty(&mut self, lane: &Lane) {
        if self.lanes.get(lane).is_some_and(|queues| queues.urgent.is_empty() && queues.ordinary.is_empty()) {
            self.lanes.remove(lane);
        }
    }
}

impl<T> Queues<T> {
    fn new(since: u64) -> Self {
        Self { urgent: VecDeque::new(), ordinary: VecDeque::new(), since }
    }

    fn of(&mut self, urgent: bool) -> &mut VecDeque<Waiting<T>> {
        if urgent { &mut self.urgent } else { &mut self.ordinary }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Path i of every node leaves from port i; each port has room for so many bytes.
    struct Rooms(Vec<u64>);

    impl Ports for Rooms {
        fn choose(&self, lane: &Lane) -> Option<(usize, usize)> {
            let paths = (0..self.0.len()).filter(|path| !lane.without.contains(path));
            paths.max_by_key(|path| (self.0[*path], self.0.len() - path)).map(|path| (path, path))
        }

        fn has_room(&self, port: usize, bytes: u64) -> bool {
            self.0[port] >= bytes
        }

        fn ask(&mut self, port: usize, bytes: u64) {
            self.0[port] -= bytes;
        }
    }

    fn lane(to: u32, without: &[usize]) -> Lane {
        Lane { to: NodeId(to), without: without.to_vec() }
    }

    fn told(turns: &mut Turns<u32>, rooms: &mut Rooms) -> Vec<(u32, Option<usize>)> {
        let mut told = Vec::new();
        turns.advance(rooms, |value, path| told.push((value, path)));
        told
    }

    /// What came last went first once.
    #[test]
    fn urgent_requests_go_in_the_order_in_which_they_came() {
        let mut turns = Turns::default();
        for (to, urgent, value) in [(1, false, 10), (1, true, 1), (2, true, 2), (1, true, 3), (2, false, 11)] {
            turns.join(lane(to, &[]), 1, urgent, value);
        }
        let order: Vec<u32> = (0..5).flat_map(|_| told(&mut turns, &mut Rooms(vec![1]))).map(|told| told.0).collect();
        assert_eq!(order, [1, 2, 3, 10, 11]);
        assert_eq!(turns.smallest(), None);
    }

    /// For every request that goes, an urgent one comes: ordinary ones of every lane go all the same.
    #[test]
    fn ordinary_requests_do_not_starve() {
        let mut turns = Turns::default();
        for value in 0..3 {
            turns.join(lane(1, &[]), 1, false, value);
            turns.join(lane(2, &[]), 1, false, 10 + value);
        }
        let mut ordinary = Vec::new();
        for value in 100..200 {
            turns.join(lane(3, &[]), 1, true, value);
            let went = told(&mut turns, &mut Rooms(vec![1]));
            assert_eq!(went.len(), 1);
            ordinary.extend(went.into_iter().map(|(value, _)| value).filter(|value| *value < 100));
        }
        assert_eq!(ordinary, [0, 10, 1, 11, 2, 12]);
    }

    /// A large request is not held up by small ones for ever, and holds up nobody who waits for another port.
    #[test]
    fn nobody_overtakes_on_a_port() {
        let mut turns = Turns::default();
        turns.join(lane(1, &[1]), 9, false, 1);
        turns.join(lane(2, &[1]), 2, false, 2);
        turns.join(lane(2, &[0]), 2, false, 3);
        let mut rooms = Rooms(vec![5, 5]);
        assert_eq!(told(&mut turns, &mut rooms), [(3, Some(1))]);
        assert_eq!(turns.smallest(), Some(2));
        rooms.0[0] = 11;
        assert_eq!(told(&mut turns, &mut rooms), [(1, Some(0)), (2, Some(0))]);
    }

    #[test]
    fn who_has_no_path_is_told_and_who_leaves_is_not() {
        let mut turns = Turns::default();
        let first = turns.join(lane(1, &[]), 9, false, 1);
        turns.join(lane(1, &[]), 2, false, 2);
        turns.join(lane(1, &[0]), 2, true, 3);
        let mut rooms = Rooms(vec![5]);
        assert_eq!(told(&mut turns, &mut rooms), [(3, None)]);
        turns.leave(&first);
        turns.leave(&first);
        assert_eq!(told(&mut turns, &mut rooms), [(2, Some(0))]);
    }

    /// However many wait, the first of each lane are looked at, and no others.
    #[test]
    fn only_the_first_of_each_lane_is_looked_at() {
        struct Counted(core::cell::Cell<usize>);
        impl Ports for Counted {
            fn choose(&self, _: &Lane) -> Option<(usize, usize)> {
                self.0.set(self.0.get() + 1);
                Some((0, 0))
            }
            fn has_room(&self, _: usize, _: u64) -> bool {
                false
            }
            fn ask(&mut self, _: usize, _: u64) {}
        }
        let mut turns = Turns::default();
        for value in 0..1000 {
            turns.join(lane(value % 3, &[]), 1, false, value);
        }
        let mut counted = Counted(core::cell::Cell::new(0));
        turns.advance(&mut counted, |_, _| ());
        assert_eq!(counted.0.get(), 3);
    }
}
