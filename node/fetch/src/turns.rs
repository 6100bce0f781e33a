//! Who waits until there is room for a request, and whose turn it is.

use rain_cluster::NodeId;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Of the ordinary requests of a destination, one goes before urgent ones when so many of these went since the last.
const URGENT_IN_A_ROW: u64 = 8;

/// Where requests go that can take the same paths: they go one after the other.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Destination {
    /// To whom.
    pub to: NodeId,
    /// Paths that they do not take.
    pub without: Vec<usize>,
}

/// What the queue must know of the paths, and of the ports that they leave from.
pub trait Ports {
    /// The path that the next request of a destination takes, and its port; `None` when none is left.
    fn choose(&self, destination: &Destination) -> Option<(usize, usize)>;

    /// Whether so many bytes more may be asked for over a port; always, while nothing is under way over it.
    fn has_room(&self, port: usize, bytes: u64) -> bool;

    /// Notes that bytes are asked for over a port.
    fn ask(&mut self, port: usize, bytes: u64);
}

/// A place in the queue, to be given up with [`Turns::leave`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TurnTicket {
    destination: Destination,
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

/// The requests of a destination.
#[derive(Debug)]
struct Queues<T> {
    urgent: VecDeque<Waiting<T>>,
    ordinary: VecDeque<Waiting<T>>,
    /// How many urgent requests had gone to anybody when the last ordinary one went here, or began to wait alone.
    since: u64,
}

/// The queue before all ports. Urgent requests go before ordinary ones, and each kind in the order in which it came;
/// ordinary ones are not held up by urgent ones for ever. A request overtakes only those that wait for another port.
#[derive(Debug)]
pub struct Turns<T> {
    destinations: BTreeMap<Destination, Queues<T>>,
    tickets: u64,
    /// How many urgent requests have gone.
    urgent: u64,
}

impl<T> Default for Turns<T> {
    fn default() -> Self {
        Self { destinations: BTreeMap::new(), tickets: 0, urgent: 0 }
    }
}

impl<T> Turns<T> {
    /// Appends a request for `bytes` to its destination; `value` comes back when it goes.
    pub fn join(&mut self, destination: Destination, bytes: u64, urgent: bool, value: T) -> TurnTicket {
        self.tickets += 1;
        let number = self.tickets;
        let since = self.urgent;
        let queues = self.destinations.entry(destination.clone()).or_insert_with(|| Queues::new(since));
        if !urgent && queues.ordinary.is_empty() {
            queues.since = since;
        }
        queues.of(urgent).push_back(Waiting { number, bytes, value });
        TurnTicket { destination, urgent, number }
    }

    /// Gives up a place; whether it was still taken: then who waits behind it may go now.
    pub fn leave(&mut self, ticket: &TurnTicket) -> bool {
        let Some(queues) = self.destinations.get_mut(&ticket.destination) else { return false };
        let queue = queues.of(ticket.urgent);
        let before = queue.len();
        queue.retain(|waiting| waiting.number != ticket.number);
        let was_taken = queue.len() < before;
        self.drop_empty(&ticket.destination);
        was_taken
    }

    /// Bytes of the smallest request that may be the next one: where there is no room for so many, nobody goes.
    pub fn smallest(&self) -> Option<u64> {
        let firsts = self.destinations.values().flat_map(|queues| [queues.urgent.front(), queues.ordinary.front()]);
        firsts.flatten().map(|waiting| waiting.bytes).min()
    }

    /// Lets go who can; only the first of each destination is looked at. `tell` is given the values of those that do not
    /// wait any longer, and their path, if any is left; their bytes are noted.
    pub fn advance(&mut self, ports: &mut impl Ports, mut tell: impl FnMut(T, Option<usize>)) {
        let (mut held, mut taken) = (BTreeSet::new(), BTreeSet::new());
        while let Some((destination, urgent, bytes)) = self.first(&held) {
            let chosen = ports.choose(&destination);
            if let Some((_, port)) = chosen {
                if taken.contains(&port) || !ports.has_room(port, bytes) {
                    taken.insert(port);
                    held.insert(destination);
                    continue;
                }
                ports.ask(port, bytes);
            }
            self.go(&destination, urgent, chosen.map(|(path, _)| path), &mut tell);
        }
    }

    /// Whose turn it is, of the destinations that are not held: the destination, whether it is urgent, and its bytes.
    fn first(&self, held: &BTreeSet<Destination>) -> Option<(Destination, bool, u64)> {
        let heads = self.destinations.iter().filter(|(destination, _)| !held.contains(destination)).flat_map(
            |(destination, queues)| {
                let rank = if self.urgent - queues.since >= URGENT_IN_A_ROW { 0 } else { 2 };
                let urgent = queues.urgent.front().map(|first| ((1, first.number), destination, true, first.bytes));
                let ordinary =
                    queues.ordinary.front().map(|first| ((rank, first.number), destination, false, first.bytes));
                urgent.into_iter().chain(ordinary)
            },
        );
        let (_, destination, urgent, bytes) = heads.min_by_key(|(rank, ..)| *rank)?;
        Some((destination.clone(), urgent, bytes))
    }

    fn go(
        &mut self,
        destination: &Destination,
        urgent: bool,
        path: Option<usize>,
        tell: &mut impl FnMut(T, Option<usize>),
    ) {
        let Some(queues) = self.destinations.get_mut(destination) else { return };
        let first = queues.of(urgent).pop_front();
        if path.is_some() && urgent {
            self.urgent += 1;
        } else if !urgent {
            queues.since = self.urgent;
        }
        self.drop_empty(destination);
        if let Some(first) = first {
            tell(first.value, path);
        }
    }

    fn drop_empty(&mut self, destination: &Destination) {
        if self.destinations.get(destination).is_some_and(Queues::is_empty) {
            self.destinations.remove(destination);
        }
    }
}

impl<T> Queues<T> {
    fn new(since: u64) -> Self {
        Self { urgent: VecDeque::new(), ordinary: VecDeque::new(), since }
    }

    fn is_empty(&self) -> bool {
        self.urgent.is_empty() && self.ordinary.is_empty()
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
        fn choose(&self, destination: &Destination) -> Option<(usize, usize)> {
            let paths = (0..self.0.len()).filter(|path| !destination.without.contains(path));
            paths.max_by_key(|path| (self.0[*path], self.0.len() - path)).map(|path| (path, path))
        }

        fn has_room(&self, port: usize, bytes: u64) -> bool {
            self.0[port] >= bytes
        }

        fn ask(&mut self, port: usize, bytes: u64) {
            self.0[port] -= bytes;
        }
    }

    fn destination(to: u32, without: &[usize]) -> Destination {
        Destination { to: NodeId(to), without: without.to_vec() }
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
            turns.join(destination(to, &[]), 1, urgent, value);
        }
        let order: Vec<u32> = (0..5).flat_map(|_| told(&mut turns, &mut Rooms(vec![1]))).map(|told| told.0).collect();
        assert_eq!(order, [1, 2, 3, 10, 11]);
        assert_eq!(turns.smallest(), None);
    }

    /// For every request that goes, an urgent one comes: ordinary ones of every destination go all the same.
    #[test]
    fn ordinary_requests_do_not_starve() {
        let mut turns = Turns::default();
        for value in 0..3 {
            turns.join(destination(1, &[]), 1, false, value);
            turns.join(destination(2, &[]), 1, false, 10 + value);
        }
        let mut ordinary = Vec::new();
        for value in 100..200 {
            turns.join(destination(3, &[]), 1, true, value);
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
        turns.join(destination(1, &[1]), 9, false, 1);
        turns.join(destination(2, &[1]), 2, false, 2);
        turns.join(destination(2, &[0]), 2, false, 3);
        let mut rooms = Rooms(vec![5, 5]);
        assert_eq!(told(&mut turns, &mut rooms), [(3, Some(1))]);
        assert_eq!(turns.smallest(), Some(2));
        rooms.0[0] = 11;
        assert_eq!(told(&mut turns, &mut rooms), [(1, Some(0)), (2, Some(0))]);
    }

    #[test]
    fn who_has_no_path_is_told_and_who_leaves_is_not() {
        let mut turns = Turns::default();
        let first = turns.join(destination(1, &[]), 9, false, 1);
        turns.join(destination(1, &[]), 2, false, 2);
        turns.join(destination(1, &[0]), 2, true, 3);
        let mut rooms = Rooms(vec![5]);
        assert_eq!(told(&mut turns, &mut rooms), [(3, None)]);
        assert!(turns.leave(&first) && !turns.leave(&first));
        assert_eq!(told(&mut turns, &mut rooms), [(2, Some(0))]);
    }

    /// However many wait, the first of each destination are looked at, and no others.
    #[test]
    fn only_the_first_of_each_destination_is_looked_at() {
        struct Counted(core::cell::Cell<usize>);
        impl Ports for Counted {
            fn choose(&self, _: &Destination) -> Option<(usize, usize)> {
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
            turns.join(destination(value % 3, &[]), 1, false, value);
        }
        let mut counted = Counted(core::cell::Cell::new(0));
        turns.advance(&mut counted, |_, _| ());
        assert_eq!(counted.0.get(), 3);
    }
}
