//! The kinds of faults, what is promised of each, and which parts a trial of it strikes.

use std::io;

use rain_benches::Demo;
use rain_gauge::noise;

use clap::ValueEnum;

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Kind {
    /// A node other than the viewer's is killed.
    NodeKilled,
    /// A node other than the viewer's stops answering.
    NodeHung,
    /// A switch forwards nothing any more, without a word.
    SwitchCut,
    /// A link between a node and a switch does, the viewer's node not excepted.
    LinkCut,
    /// Two nodes other than the viewer's are killed.
    TwoNodesKilled,
    /// Two nodes other than the viewer's stop answering.
    TwoHung,
    /// A switch is cut and a node other than the viewer's is killed.
    SwitchAndNode,
    /// The node that the viewer reads from is killed.
    OwnNodeKilled,
    /// The node that the viewer reads from stops answering.
    OwnNodeHung,
}

/// One part and what is done to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) part: &'static str,
    pub(crate) name: String,
    pub(crate) action: &'static str,
}

impl Fault {
    fn new(part: &'static str, name: impl Into<String>, action: &'static str) -> Self {
        Self { part, name: name.into(), action }
    }

    /// Lets it happen.
    pub(crate) fn inject(&self, demo: &Demo) -> io::Result<()> {
        demo.fault(self.part, &self.name, self.action)
    }

    /// Heals the part.
    pub(crate) fn heal(&self, demo: &Demo) -> io::Result<()> {
        demo.fault(self.part, &self.name, "heal")
    }
}

/// Random choices, the same for the same seed.
pub(crate) struct Random(Box<dyn FnMut() -> u64>);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        let mut next = noise(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        // The first numbers of neighbouring seeds resemble each other.
        for _ in 0..16 {
            next();
        }
        Self(Box::new(next))
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        (self.0)() % bound
    }

    /// Takes one of several.
    pub(crate) fn take<T>(&mut self, from: &mut Vec<T>) -> Option<T> {
        let count = u64::try_from(from.len()).ok().filter(|count| *count > 0)?;
        usize::try_from(self.below(count)).ok().map(|place| from.swap_remove(place))
    }

    /// All of them in another order.
    pub(crate) fn shuffled<T>(&mut self, mut all: Vec<T>) -> Vec<T> {
        let mut shuffled = Vec::with_capacity(all.len());
        while let Some(one) = self.take(&mut all) {
            shuffled.push(one);
        }
        shuffled
    }
}

/// The name of a node.
pub(crate) fn node_name(node: usize) -> String {
    (b'A'..=b'Z').nth(node).map(|letter| char::from(letter).to_string()).unwrap_or_default()
}

impl Kind {
    /// All of them, in the order of the table.
    pub(crate) const ALL: [Self; 9] = [
        Self::NodeKilled,
        Self::NodeHung,
        Self::SwitchCut,
        Self::LinkCut,
        Self::TwoNodesKilled,
        Self::TwoHung,
        Self::SwitchAndNode,
        Self::OwnNodeKilled,
        Self::OwnNodeHung,
    ];

    /// Its name on the command line and in traces.
    pub(crate) fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// Its name in the table.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::NodeKilled => "node killed",
            Self::NodeHung => "node hung",
            Self::SwitchCut => "switch cut",
            Self::LinkCut => "link cut",
            Self::TwoNodesKilled => "two nodes killed",
            Self::TwoHung => "two nodes hung",
            Self::SwitchAndNode => "switch cut and node killed",
            Self::OwnNodeKilled => "viewer's own node killed",
            Self::OwnNodeHung => "viewer's own node hung",
        }
    }

    /// What the gap's p99 over the control's must not pass, in ms.
    pub(crate) const fn must_ms(self) -> u32 {
        match self {
            Self::NodeKilled => 100,
            Self::NodeHung | Self::SwitchCut | Self::LinkCut => 150,
            Self::TwoNodesKilled | Self::TwoHung | Self::SwitchAndNode | Self::OwnNodeKilled | Self::OwnNodeHung => 250,
        }
    }

    /// What it is wanted to be, in ms.
    pub(crate) const fn goal_ms(self) -> u32 {
        match self {
            Self::NodeKilled | Self::NodeHung => 20,
            Self::SwitchCut | Self::LinkCut => 30,
            Self::TwoNodesKilled | Self::TwoHung | Self::SwitchAndNode => 50,
            Self::OwnNodeKilled | Self::OwnNodeHung => 100,
        }
    }

    /// Whether it strikes the node that the viewer reads from, so that `rain get` with several servers is the viewer.
    pub(crate) const fn is_own(self) -> bool {
        matches!(self, Self::OwnNodeKilled | Self::OwnNodeHung)
    }

    /// Chooses what a trial strikes, in a cluster of `nodes` on `switches`, with the viewer on node `own`.
    pub(crate) fn choose(self, random: &mut Random, nodes: usize, switches: usize, own: usize) -> Vec<Fault> {
        let mut others: Vec<String> = (0..nodes).filter(|node| *node != own).map(node_name).collect();
        let mut switch_names: Vec<String> = (1..=switches).map(|switch| format!("s{switch}")).collect();
        let mut node =
            |random: &mut Random, action| random.take(&mut others).map(|name| Fault::new("node", name, action));
        let mut switch = |random: &mut Random| random.take(&mut switch_names);
        let chosen = match self {
            Self::NodeKilled => vec![node(random, "cut")],
            Self::NodeHung => vec![node(random, "hang")],
            Self::SwitchCut => vec![switch(random).map(|name| Fault::new("switch", name, "cut"))],
            Self::LinkCut => {
                let mut all: Vec<String> = (0..nodes).map(node_name).collect();
                let name = random.take(&mut all).zip(switch(random));
                vec![name.map(|(node, switch)| Fault::new("link", format!("{node}-{switch}"), "cut"))]
            }
            Self::TwoNodesKilled => vec![node(random, "cut"), node(random, "cut")],
            Self::TwoHung => vec![node(random, "hang"), node(random, "hang")],
            Self::SwitchAndNode => {
                vec![switch(random).map(|name| Fault::new("switch", name, "cut")), node(random, "cut")]
            }
            Self::OwnNodeKilled => vec![Some(Fault::new("node", node_name(own), "cut"))],
            Self::OwnNodeHung => vec![Some(Fault::new("node", node_name(own), "hang"))],
        };
        chosen.into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn trials_strike_what_their_kind_says() {
        let mut random = Random::new(1);
        for kind in Kind::ALL {
            for _ in 0..100 {
                let faults = kind.choose(&mut random, 4, 2, 1);
                let strikes_own = faults.iter().any(|fault| fault.part == "node" && fault.name == "B");
                assert_eq!(strikes_own, kind.is_own(), "{kind:?}: {faults:?}");
                let names: BTreeSet<_> = faults.iter().map(|fault| &fault.name).collect();
                assert_eq!(names.len(), faults.len(), "{faults:?}");
                let is_double = matches!(kind, Kind::TwoNodesKilled | Kind::TwoHung | Kind::SwitchAndNode);
                assert_eq!(faults.len(), if is_double { 2 } else { 1 });
            }
        }
    }

    #[test]
    fn every_part_is_struck_sometime() {
        let mut random = Random::new(2);
        let mut struck = |kind: Kind| {
            let all = (0..300).flat_map(|_| kind.choose(&mut random, 4, 2, 0));
            all.map(|fault| fault.name).collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(struck(Kind::NodeHung), "B C D");
        assert_eq!(struck(Kind::LinkCut), "A-s1 A-s2 B-s1 B-s2 C-s1 C-s2 D-s1 D-s2");
        assert_eq!(struck(Kind::SwitchAndNode), "B C D s1 s2");
    }

    #[test]
    fn the_same_seed_chooses_the_same() {
        let choose = |seed| (0..20).map(|_| Kind::TwoHung.choose(&mut Random::new(seed), 4, 2, 0)).collect::<Vec<_>>();
        assert_eq!(choose(5), choose(5));
        let firsts: BTreeSet<u64> = (0..50).map(|seed| Random::new(seed).below(1 << 40)).collect();
        assert_eq!(firsts.len(), 50);
    }
}
