//! Which wirings there are beside the constructions: every offset of a ring, and every wiring of nodes with two ports.

use super::construction::diameter_offsets;
use super::pieces::Wounded;
use super::{Attachment, LossKind, LossSearch, Topology};
use core::cmp::Reverse;

/// What the loss of up to so many switches does to a wiring. The greater, the worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Badness {
    /// The first number of lost switches that partitions it comes the sooner.
    pub partitioned_by: Reverse<usize>,
    /// The most live nodes outside the biggest piece.
    pub stranded: usize,
    /// The most nodes of a second piece.
    pub second: usize,
}

/// What the loss of 1 to `lose` switches does to a topology; `partitioned_by` is `lose` + 1 where nothing does.
///
/// # Panics
/// When the topology is beyond the bounds of a [`LossSearch`], or has so many switches that their sets are.
pub fn badness(topology: &Topology, lose: usize) -> Badness {
    let mut found = Badness { partitioned_by: Reverse(lose + 1), stranded: 0, second: 0 };
    for lose in 1..=lose {
        let search = LossSearch::new(topology, LossKind::Switches, lose);
        let worst = search.check(0..search.sets().expect("so few sets that they can be looked at"));
        if worst.partitions > 0 {
            found.partitioned_by = found.partitioned_by.max(Reverse(lose));
        }
        found.stranded = found.stranded.max(worst.stranded.map_or(0, |loss| loss.left.stranded()));
        found.second = found.second.max(worst.second.map_or(0, |loss| loss.left.second));
    }
    found
}

/// Every choice of distances for nodes of so many ports on a ring of switches, 0 first and ascending, but for those that
/// are another one turned or mirrored. The diameter construction comes first: of equally good ones it is found.
pub fn offset_choices(switches: usize, degree: usize) -> Vec<Vec<usize>> {
    let diameter = diameter_offsets(switches, degree);
    let own = canonical(switches, &diameter);
    let mut choices = vec![diameter];
    let mut offsets: Vec<usize> = (0..degree).collect();
    loop {
        if canonical(switches, &offsets) == offsets && offsets != own {
            choices.push(offsets.clone());
        }
        // The first stays 0.
        let Some(place) = (1..degree).rev().find(|place| offsets[*place] < switches - degree + place) else {
            return choices;
        };
        let first = offsets[place] + 1;
        for (step, offset) in offsets[place..].iter_mut().enumerate() {
            *offset = first + step;
        }
    }
}

/// The least of the choices that are this one turned or mirrored.
fn canonical(switches: usize, offsets: &[usize]) -> Vec<usize> {
    let turned = |start: usize, sign: bool| {
        let turn = |offset: &usize| {
            if sign { (offset + switches - start) % switches } else { (start + switches - offset) % switches }
        };
        let mut turned: Vec<usize> = offsets.iter().map(turn).collect();
        turned.sort_unstable();
        turned
    };
    let all = offsets.iter().flat_map(|start| [turned(*start, true), turned(*start, false)]);
    all.min().unwrap_or_default()
}

/// What was found among wirings of n nodes with two ports on a ring of n switches with four.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WiringSurvey {
    /// Wirings looked at.
    pub wirings: u64,
    /// Those of them that no loss of up to so many switches partitions.
    pub hold: u64,
    /// Those of them that the loss of some switch's neighbours partitions: the switches that it is joined to, and the
    /// others of its two nodes.
    pub fall_by_neighbours: u64,
    /// The first that holds: the two switches of each node.
    pub example: Option<Vec<[usize; 2]>>,
}

impl WiringSurvey {
    /// What was found among the wirings of both; those of `other` come later.
    #[must_use]
    pub fn merge(self, other: Self) -> Self {
        Self {
            wirings: self.wirings + other.wirings,
            hold: self.hold + other.hold,
            fall_by_neighbours: self.fall_by_neighbours + other.fall_by_neighbours,
            example: self.example.or(other.example),
        }
    }
}

/// The first nodes of the wirings of a [`WiringSurvey`]: the two that go to switch 0, by the other switch of each. Every wiring
/// begins with one of these.
pub fn first_nodes(switches: usize) -> Vec<[usize; 2]> {
    (1..switches).flat_map(|one| (one..switches).map(move |other| [one, other])).collect()
}

/// Looks at every wiring that begins with `first`: each node on two different switches, each switch with two nodes. Nodes
/// are alike, switches are told apart.
///
/// Cost: for each wiring as many sets of switches as it takes to find one that partitions it.
///
/// # Panics
/// With fewer than three or more than 64 switches, or when `first` is not of [`first_nodes`].
pub fn survey(switches: usize, first: [usize; 2], lose: usize) -> WiringSurvey {
    assert!((3..=64).contains(&switches), "a ring of {switches} switches");
    let mut found = WiringSurvey::default();
    let mut free = vec![2; switches];
    free[0] = 0;
    free[first[0]] -= 1;
    free[first[1]] -= 1;
    let mut nodes = first.map(|other| [0, other]).to_vec();
    each_wiring(&mut free, &mut nodes, &mut |nodes| look_at(switches, nodes, lose, &mut found));
    found
}

/// Completes a wiring in every way: the lowest switch with a free port gets the next node.
fn each_wiring(free: &mut [usize], nodes: &mut Vec<[usize; 2]>, visit: &mut impl FnMut(&[[usize; 2]])) {
    let Some(lowest) = free.iter().position(|ports| *ports > 0) else { return visit(nodes) };
    // Of two nodes on the same lowest switch the one with the lower other switch comes first.
    let from = nodes.last().filter(|node| node[0] == lowest).map_or(lowest + 1, |node| node[1]);
    for other in from..free.len() {
        if free[other] == 0 {
            continue;
        }
        free[lowest] -= 1;
        free[other] -= 1;
        nodes.push([lowest, other]);
        each_wiring(free, nodes, visit);
        nodes.pop();
        free[lowest] += 1;
        free[other] += 1;
    }
}

fn look_at(switches: usize, nodes: &[[usize; 2]], lose: usize, found: &mut WiringSurvey) {
    let mut topology = Topology::ring_with_offsets(switches, &[], nodes.len());
    topology.attachments =
        nodes.iter().enumerate().flat_map(|(node, homes)| homes.map(|switch| Attachment { node, switch })).collect();
    let falls = |lose| LossSearch::new(&topology, LossKind::Switches, lose).finds_partition();
    found.wirings += 1;
    found.fall_by_neighbours += u64::from((0..switches).any(|switch| falls_by_neighbours(&topology, switch)));
    if !(1..=lose).rev().any(falls) {
        found.hold += 1;
        if found.example.is_none() {
            found.example = Some(nodes.to_vec());
        }
    }
}

/// Whether the cluster is partitioned when all are lost that a switch is joined to, or shares a node with.
fn falls_by_neighbours(topology: &Topology, switch: usize) -> bool {
    let mut lost = vec![false; topology.switches];
    for link in topology.switch_links.iter().filter(|link| link.contains(&switch)) {
        for end in link {
            lost[*end] = true;
        }
    }
    for cable in topology.attachments.iter().filter(|cable| cable.switch == switch) {
        let homes = topology.attachments.iter().filter(|other| other.node == cable.node);
        homes.for_each(|home| lost[home.switch] = true);
    }
    lost[switch] = false;
    let mut wounded = Wounded::<1>::unhurt(topology);
    for part in (0..topology.switches).filter(|switch| lost[*switch]).map(super::Part::Switch) {
        wounded.toggle(part);
    }
    wounded.cohesion().is_partitioned()
}
