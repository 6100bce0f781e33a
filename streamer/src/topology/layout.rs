//! Where the parts of a plan lie in its drawing. Lengths are in units of the drawing, downwards and to the right.

#![expect(clippy::cast_precision_loss, reason = "a few hundred parts")]

use core::f64::consts::{FRAC_PI_2, TAU};
use rain_cluster::topology::Topology;

pub(super) const SWITCH_RADIUS: f64 = 21.0;
pub(super) const NODE_SIDE: f64 = 38.0;
pub(super) const BAR_HEIGHT: f64 = 34.0;
const MARGIN: f64 = 28.0;

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Point {
    pub(super) x: f64,
    pub(super) y: f64,
}

impl Point {
    /// The point so far on the way to another one, 0 here and 1 there.
    pub(super) fn towards(self, other: Self, share: f64) -> Self {
        Self { x: self.x + (other.x - self.x) * share, y: self.y + (other.y - self.y) * share }
    }
}

/// The places of all parts.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Layout {
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) nodes: Vec<Point>,
    pub(super) switches: Vec<Point>,
    /// How long the bars are as which switches are drawn; `None` where they are round.
    pub(super) bar: Option<f64>,
    /// The two ends of each cable of a node, at the node first.
    pub(super) attachments: Vec<[Point; 2]>,
}

impl Layout {
    /// Switches on a circle and nodes around it where switches are joined; else bars above and below a row of nodes.
    pub(super) fn new(topology: &Topology) -> Self {
        if topology.switch_links.is_empty() { rails(topology) } else { circle(topology) }
    }
}

fn circle(topology: &Topology) -> Layout {
    let (switches, nodes) = (topology.switches as f64, topology.nodes as f64);
    let inner = (switches * 66.0 / TAU).max(112.0);
    let outer = (nodes * 50.0 / TAU).max(inner + 88.0);
    let middle = outer + NODE_SIDE / 2.0 + MARGIN;
    // Angles go clockwise from the top.
    let at = |radius: f64, turn: f64| {
        let angle = turn * TAU - FRAC_PI_2;
        Point { x: middle + radius * angle.cos(), y: middle + radius * angle.sin() }
    };
    let placed: Vec<_> = (0..topology.switches).map(|switch| at(inner, switch as f64 / switches)).collect();
    let mut order: Vec<usize> = (0..topology.nodes).collect();
    order.sort_by(|one, other| wish(topology, *one).total_cmp(&wish(topology, *other)));
    let mut around = vec![Point { x: 0.0, y: 0.0 }; topology.nodes];
    for (slot, node) in order.into_iter().enumerate() {
        around[node] = at(outer, (slot as f64 + 0.5) / nodes);
    }
    let ends = topology.attachments.iter().map(|cable| [around[cable.node], placed[cable.switch]]);
    Layout {
        width: 2.0 * middle,
        height: 2.0 * middle,
        attachments: ends.collect(),
        nodes: around,
        switches: placed,
        bar: None,
    }
}

/// Where around the circle a node would best lie, in turns: right after its first switch where every switch is the first
/// one of as many nodes, else in the direction of all of its switches together.
fn wish(topology: &Topology, node: usize) -> f64 {
    let homes =
        |node: usize| topology.attachments.iter().filter(move |cable| cable.node == node).map(|cable| cable.switch);
    let firsts = |switch: usize| (0..topology.nodes).filter(|node| homes(*node).next() == Some(switch)).count();
    let count = topology.switches as f64;
    if (1..topology.switches).all(|switch| firsts(switch) == firsts(0)) {
        return homes(node).next().unwrap_or_default() as f64 / count;
    }
    let angles = || homes(node).map(|switch| switch as f64 / count * TAU);
    let (sine, cosine): (f64, f64) = (angles().map(f64::sin).sum(), angles().map(f64::cos).sum());
    if sine.hypot(cosine) < 1e-9 {
        // Opposite each other: a quarter of a turn after the first one.
        return (homes(node).next().unwrap_or_default() as f64 / count + 0.25).rem_euclid(1.0);
    }
    (sine.atan2(cosine) / TAU).rem_euclid(1.0)
}

fn rails(topology: &Topology) -> Layout {
    let column = (topology.switches as f64 * 5.0 + 24.0).max(72.0);
    let width = (topology.nodes as f64 * column).max(240.0) + 2.0 * MARGIN;
    let (gap, between) = (78.0, 14.0);
    let (above, below) = (topology.switches.div_ceil(2), topology.switches / 2);
    let bars = |count: usize| count as f64 * BAR_HEIGHT + count.saturating_sub(1) as f64 * between;
    let node_y = MARGIN + bars(above) + gap + NODE_SIDE / 2.0;
    // The first switch is next to the nodes, above; the second below; and so on outwards.
    let switches: Vec<_> = (0..topology.switches)
        .map(|switch| {
            let away = NODE_SIDE / 2.0 + gap + BAR_HEIGHT / 2.0 + (switch / 2) as f64 * (BAR_HEIGHT + between);
            Point { x: width / 2.0, y: if switch % 2 == 0 { node_y - away } else { node_y + away } }
        })
        .collect();
    let first = (width - topology.nodes as f64 * column) / 2.0 + column / 2.0;
    let nodes: Vec<_> = (0..topology.nodes).map(|node| Point { x: first + node as f64 * column, y: node_y }).collect();
    let ends = topology.attachments.iter().map(|cable| {
        let (place, of) = (cable.switch / 2, if cable.switch % 2 == 0 { above } else { below });
        let x = nodes[cable.node].x + (place as f64 - (of as f64 - 1.0) / 2.0) * 9.0;
        [Point { x, y: node_y }, Point { x, y: switches[cable.switch].y }]
    });
    let low = if below == 0 { NODE_SIDE / 2.0 } else { NODE_SIDE / 2.0 + gap + bars(below) };
    Layout {
        width,
        height: node_y + low + MARGIN,
        attachments: ends.collect(),
        bar: Some(width - 2.0 * MARGIN),
        nodes,
        switches,
    }
}
