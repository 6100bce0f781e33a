//! The next switch on the way from each switch to each other one.

use super::{Living, Topology};

/// Ways between switches, through what lives: over cables between switches where such a way exists, and else through as
/// few nodes as can be, each of which passes on what comes in by one of its cables and is for elsewhere. Of several ways
/// the shortest, then the one by the switch with the lowest number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Routes {
    switches: usize,
    next: Vec<Option<usize>>,
}

/// A step from one switch to another: how many nodes and how many cables between switches it takes.
type Cost = (usize, usize);

impl Routes {
    /// Finds the ways.
    ///
    /// # Panics
    /// When `living` is not of this topology.
    pub fn new(topology: &Topology, living: &Living) -> Self {
        let switches = topology.switches;
        let steps = steps(topology, living);
        let mut next = vec![None; switches * switches];
        for destination in (0..switches).filter(|switch| living.switches[*switch]) {
            let costs = costs(&steps, switches, destination);
            next[destination * switches + destination] = Some(destination);
            for at in (0..switches).filter(|at| *at != destination) {
                let by = |(from, to, cost): &(usize, usize, Cost)| {
                    (*from == at).then_some(())?;
                    Some((sum(costs[*to]?, *cost), *to))
                };
                next[at * switches + destination] = steps.iter().filter_map(by).min().map(|(_, to)| to);
            }
        }
        Self { switches, next }
    }

    /// The next switch on the way from `at` to `destination`, itself when it is there; `None` when no way leads there.
    pub fn next(&self, at: usize, destination: usize) -> Option<usize> {
        self.next[at * self.switches + destination]
    }

    /// How many switches are crossed from `from` to `to`, both included; `None` when no way leads there.
    pub fn crossed(&self, from: usize, to: usize) -> Option<usize> {
        let (mut at, mut crossed) = (from, 1);
        loop {
            let next = self.next(at, to)?;
            if next == at {
                return Some(crossed);
            }
            at = next;
            crossed += 1;
        }
    }
}

fn sum(one: Cost, other: Cost) -> Cost {
    (one.0 + other.0, one.1 + other.1)
}

/// Every step between two living switches, in both directions.
fn steps(topology: &Topology, living: &Living) -> Vec<(usize, usize, Cost)> {
    assert_eq!(living.switches.len(), topology.switches, "switches");
    assert_eq!(living.switch_links.len(), topology.switch_links.len(), "cables between switches");
    assert_eq!(living.nodes.len(), topology.nodes, "nodes");
    assert_eq!(living.attachments.len(), topology.attachments.len(), "cables of nodes");
    let mut steps = Vec::new();
    for (link, _) in topology.switch_links.iter().zip(&living.switch_links).filter(|(_, works)| **works) {
        steps.extend([(link[0], link[1], (0, 1)), (link[1], link[0], (0, 1))]);
    }
    let plugged = topology.attachments.iter().zip(&living.attachments).filter(|(_, works)| **works);
    let plugged: Vec<_> = plugged.map(|(found, _)| *found).filter(|found| living.nodes[found.node]).collect();
    for one in &plugged {
        let others = plugged.iter().filter(|other| other.node == one.node && other.switch != one.switch);
        steps.extend(others.map(|other| (one.switch, other.switch, (1, 0))));
    }
    steps.retain(|(from, to, _)| living.switches[*from] && living.switches[*to]);
    steps
}

/// What the cheapest way from each switch to `destination` costs, by relaxing every step until nothing changes.
fn costs(steps: &[(usize, usize, Cost)], switches: usize, destination: usize) -> Vec<Option<Cost>> {
    let mut costs = vec![None; switches];
    costs[destination] = Some((0, 0));
    let mut changed = true;
    while changed {
        changed = false;
        for (from, to, cost) in steps {
            let Some(found) = costs[*to].map(|rest| sum(rest, *cost)) else { continue };
            if costs[*from].is_none_or(|known| found < known) {
                costs[*from] = Some(found);
                changed = true;
            }
        }
    }
    costs
}

#[cfg(test)]
mod tests {
    use super::super::LossKind;
    use super::*;

    /// The representative of each element, by joining the ends of edges.
    struct UnionFind(Vec<usize>);

    impl UnionFind {
        fn find(&self, element: usize) -> usize {
            if self.0[element] == element { element } else { self.find(self.0[element]) }
        }

        fn join(&mut self, one: usize, other: usize) {
            let (one, other) = (self.find(one), self.find(other));
            self.0[one] = other;
        }
    }

    fn triples(count: usize) -> impl Iterator<Item = [usize; 3]> {
        (0..count).flat_map(move |a| (a + 1..count).flat_map(move |b| (b + 1..count).map(move |c| [a, b, c])))
    }

    /// Whether two nodes find a way to each other by the routes of any two of their switches.
    fn is_connected(topology: &Topology, living: &Living, routes: &Routes, one: usize, other: usize) -> bool {
        let switches = |node| {
            let plugged = topology.attachments.iter().zip(&living.attachments);
            plugged.filter(move |(found, works)| found.node == node && **works).map(|(found, _)| found.switch)
        };
        switches(one).any(|from| switches(other).any(|to| routes.crossed(from, to).is_some()))
    }

    /// The pieces that the graph of living nodes and switches falls into.
    fn pieces(topology: &Topology, living: &Living) -> UnionFind {
        let mut pieces = UnionFind((0..topology.nodes + topology.switches).collect());
        for (found, works) in topology.attachments.iter().zip(&living.attachments) {
            if *works && living.switches[found.switch] && living.nodes[found.node] {
                pieces.join(found.node, topology.nodes + found.switch);
            }
        }
        for (link, works) in topology.switch_links.iter().zip(&living.switch_links) {
            if *works && link.iter().all(|switch| living.switches[*switch]) {
                pieces.join(topology.nodes + link[0], topology.nodes + link[1]);
            }
        }
        pieces
    }

    /// Checks every pair of living nodes against the pieces of the graph; returns how many are outside the biggest.
    fn check_against_pieces(topology: &Topology, living: &Living) -> usize {
        let routes = Routes::new(topology, living);
        let pieces = pieces(topology, living);
        let mut sizes = vec![0; topology.nodes + topology.switches];
        let nodes: Vec<_> = (0..topology.nodes).filter(|node| living.nodes[*node]).collect();
        for one in &nodes {
            sizes[pieces.find(*one)] += 1;
            for other in nodes.iter().filter(|other| *other != one) {
                let expected = pieces.find(*one) == pieces.find(*other);
                let found = is_connected(topology, living, &routes, *one, *other);
                assert_eq!(found, expected, "{one} to {other}, {living:?}");
            }
        }
        nodes.len() - sizes.into_iter().max().unwrap_or_default()
    }

    fn most_stranded(topology: &Topology, kind: LossKind) -> usize {
        let parts = topology.parts(kind);
        let stranded = triples(parts.len()).map(|triple| {
            let living = Living::without(topology, &triple.map(|part| parts[part]));
            check_against_pieces(topology, &living)
        });
        stranded.max().unwrap_or_default()
    }

    /// The figures are those of an exhaustive search that shares nothing with this code.
    #[test]
    fn of_every_triple_of_switches_cut_in_rings_at_most_a_few_nodes_are_stranded() {
        assert_eq!(triples(8).count(), 56);
        for (count, expected) in [(4, 2), (5, 2), (6, 3), (7, 2), (8, 2), (12, 2)] {
            assert_eq!(most_stranded(&Topology::ring(count), LossKind::Switches), expected, "ring of {count}");
        }
    }

    #[test]
    fn of_every_triple_of_parts_cut_in_a_ring_of_eight_at_most_two_nodes_are_stranded() {
        assert_eq!(most_stranded(&Topology::ring(8), LossKind::Any), 2);
    }

    #[test]
    fn a_way_is_the_shortest_and_goes_round_what_is_cut() {
        let topology = Topology::ring(8);
        let mut living = Living::all(&topology);
        let routes = Routes::new(&topology, &living);
        assert_eq!((routes.next(0, 2), routes.crossed(0, 2)), (Some(1), Some(3)));
        assert_eq!((routes.next(0, 4), routes.crossed(0, 4)), (Some(1), Some(5)), "of two the lower");
        assert_eq!((routes.next(3, 3), routes.crossed(3, 3)), (Some(3), Some(1)));
        living.switch_links[1] = false;
        let routes = Routes::new(&topology, &living);
        assert_eq!((routes.next(0, 2), routes.crossed(0, 2)), (Some(7), Some(7)), "round the other way");
        living.switches[5] = false;
        let routes = Routes::new(&topology, &living);
        // Node 2 is on switches 2 and 7, node 7 on 7 and 4: nodes help where switches cannot.
        assert_eq!((routes.next(0, 7), routes.next(7, 2), routes.crossed(0, 2)), (Some(7), Some(2), Some(3)));
        assert_eq!((routes.next(5, 5), routes.crossed(5, 5)), (None, None), "a dead switch leads nowhere");
        living.nodes.fill(false);
        let routes = Routes::new(&topology, &living);
        assert_eq!((routes.next(0, 2), routes.crossed(0, 2)), (None, None), "dead nodes help nobody");
        assert_eq!(routes.crossed(2, 4), Some(3));
    }

    #[test]
    fn switches_that_are_not_joined_are_joined_by_nodes_alone() {
        let topology = Topology::every_node_on_every_switch(4, 2);
        let mut living = Living::all(&topology);
        let routes = Routes::new(&topology, &living);
        assert_eq!((routes.crossed(0, 0), routes.crossed(0, 1)), (Some(1), Some(2)));
        living.switches[0] = false;
        assert_eq!(check_against_pieces(&topology, &living), 0);
        assert_eq!(Routes::new(&topology, &living).crossed(0, 1), None);
        living.switches[1] = false;
        assert_eq!(check_against_pieces(&topology, &living), 3);
    }
}
