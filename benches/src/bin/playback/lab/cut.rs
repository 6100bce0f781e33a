//! What is cut in a laboratory, and which ends must notice.

use clap::ValueEnum;

use super::laboratory::{Laboratory, Place};
use crate::kind::Random;

/// A kind of cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Cut {
    /// A switch passes nothing on, and every carrier stays up.
    SwitchDead,
    /// A switch's port goes down; the node loses its carrier.
    PortDown,
    /// A cable is pulled out of the switch.
    CablePulled,
    /// What goes from one node to another one over a switch is lost, what comes back is not.
    OneWay,
    /// Every twentieth frame is lost at a switch.
    Loss,
    /// A node other than the viewer's stops answering.
    NodeHung,
    /// A node other than the viewer's is killed.
    NodeKilled,
}

/// What a trial cuts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// The words that cut it, for the control.
    pub(super) cut: String,
    /// The words that heal it.
    pub(super) heal: String,
    /// The node whose process it strikes: nothing is asked of it meanwhile.
    pub(super) process: Option<usize>,
    /// The ends that must say Down.
    pub(super) ends: Vec<Place>,
}

impl Cut {
    /// All of them, in the order of the tables.
    pub(super) const ALL: [Self; 7] = [
        Self::SwitchDead,
        Self::PortDown,
        Self::CablePulled,
        Self::OneWay,
        Self::Loss,
        Self::NodeHung,
        Self::NodeKilled,
    ];

    /// Its name on the command line and in traces.
    pub(super) fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// Its name in the tables.
    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::SwitchDead => "switch dead, carriers up",
            Self::PortDown => "port down",
            Self::CablePulled => "cable pulled",
            Self::OneWay => "one-way cut",
            Self::Loss => "5 % loss at a switch",
            Self::NodeHung => "node hung",
            Self::NodeKilled => "node killed",
        }
    }

    /// What the gap's p99 over the control's is wanted to be, in ms; it must not pass 150.
    pub(super) const fn goal_ms(self) -> u32 {
        match self {
            Self::NodeHung | Self::NodeKilled => 20,
            Self::SwitchDead | Self::PortDown | Self::CablePulled | Self::OneWay | Self::Loss => 30,
        }
    }

    /// Whether the network is cut, so that both ends can be watched, and no process.
    pub(super) const fn is_of_network(self) -> bool {
        !matches!(self, Self::NodeHung | Self::NodeKilled | Self::Loss)
    }

    /// Chooses what a trial cuts; the viewer is at node `own`, whose process is left alone.
    pub(super) fn choose(self, random: &mut Random, lab: &Laboratory, own: usize) -> Target {
        let names: Vec<String> = (0..lab.nodes()).map(|node| lab.name(node).to_owned()).collect();
        self.choose_among(random, &names, lab.switches, own)
    }

    fn choose_among(self, random: &mut Random, names: &[String], switches: usize, own: usize) -> Target {
        let nodes = names.len();
        let mut below = |bound: usize| usize::try_from(random.below(bound as u64)).unwrap_or(0);
        let switch = below(switches);
        let other = (own + 1 + below(nodes - 1)) % nodes;
        let any = below(nodes);
        let is_towards = below(2) == 0;
        let all = || {
            let pairs = (0..nodes).flat_map(|at| (0..nodes).map(move |to| (at, to))).filter(|(at, to)| at != to);
            pairs.flat_map(move |(at, to)| (0..switches).map(move |switch| Place { at, to, switch }))
        };
        let over = |place: &Place| place.switch == switch;
        let target = |part: String, action: &str, process, ends: Vec<Place>| Target {
            cut: format!("{part} {action}"),
            heal: format!("{part} heal"),
            process,
            ends,
        };
        let cable = format!("{}-s{}", names[any], switch + 1);
        let at_cable = || all().filter(over).filter(|place| place.at == any || place.to == any).collect();
        let from_others = || all().filter(|place| place.to == other).collect();
        match self {
            Self::SwitchDead => target(format!("switch s{}", switch + 1), "cut", None, all().filter(over).collect()),
            Self::PortDown => target(format!("port {cable}"), "cut", None, at_cable()),
            Self::CablePulled => target(format!("cable {cable}"), "cut", None, at_cable()),
            Self::OneWay => {
                let (from, to) = if is_towards { (other, own) } else { (own, other) };
                let ends = [(from, to), (to, from)].map(|(at, to)| Place { at, to, switch }).to_vec();
                target(format!("oneway {}-{}-s{}", names[from], names[to], switch + 1), "cut", None, ends)
            }
            Self::Loss => target(format!("loss s{}", switch + 1), "5", None, Vec::new()),
            Self::NodeHung => target(format!("node {}", names[other]), "hang", Some(other), from_others()),
            Self::NodeKilled => target(format!("node {}", names[other]), "kill", Some(other), from_others()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn choose(cut: Cut, seed: u64) -> Target {
        let names = ["A", "B", "C", "D"].map(str::to_owned);
        cut.choose_among(&mut Random::new(seed), &names, 2, 0)
    }

    #[test]
    fn the_ends_that_must_notice() {
        // Of 4 nodes: 6 pairs over a switch, 3 over a cable, 1 over a way, each with two ends; 3 others with 2 paths.
        let count = |cut| (0..50).map(|seed| choose(cut, seed).ends.len()).collect::<BTreeSet<_>>();
        let counts = Cut::ALL.map(|cut| count(cut).into_iter().collect::<Vec<_>>());
        assert_eq!(counts, [vec![12], vec![6], vec![6], vec![2], vec![0], vec![6], vec![6]]);
        for seed in 0..50 {
            let target = choose(Cut::NodeHung, seed);
            let process = target.process.expect("a node");
            assert!(process != 0 && target.ends.iter().all(|end| end.to == process && end.at != process));
        }
    }

    #[test]
    fn every_part_is_cut_sometime() {
        let cuts = |cut| (0..200).map(|seed| choose(cut, seed).cut).collect::<BTreeSet<_>>();
        assert_eq!(cuts(Cut::SwitchDead).len(), 2);
        assert_eq!(cuts(Cut::CablePulled).len(), 8);
        assert_eq!(cuts(Cut::OneWay).len(), 12, "both ways between A and three others over two switches");
        assert_eq!(
            cuts(Cut::NodeKilled).into_iter().collect::<Vec<_>>(),
            ["node B kill", "node C kill", "node D kill"]
        );
        assert_eq!((choose(Cut::Loss, 1), choose(Cut::OneWay, 1)), (choose(Cut::Loss, 1), choose(Cut::OneWay, 1)));
    }
}
