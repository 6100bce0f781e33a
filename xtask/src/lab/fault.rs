//! What can be done to the parts of a laboratory.

use anyhow::{Result, bail};

use super::lab_plan::{Cable, LabPlan};
use super::network::{self, Rules};
use super::nodes::Nodes;

/// What the words of a fault look like.
pub(crate) const GRAMMAR: &str = "switch s1 cut|heal, port A-s1 cut|heal, cable A-s1 cut|heal, oneway A-B-s1 cut|heal, \
                                  loss s1|all PERCENT|heal, rate s1|all MBIT|heal, node A kill|hang|heal";

/// A change to one part, or to several alike.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Fault {
    /// A switch passes nothing on; the nodes' carriers stay up.
    Switch { switch: u8, is_up: bool },
    /// A switch's port is off; the node loses its carrier.
    Port { cable: Cable, is_up: bool },
    /// A cable is out of the switch.
    Cable { cable: Cable, is_up: bool },
    /// What a node sends to another one over a switch is lost.
    OneWay { from: Cable, to: Cable, is_up: bool },
    /// So many of ten thousand frames are lost at each switch.
    Loss { switches: Vec<u8>, share: u32 },
    /// The ports of these switches pass so many Mbit/s.
    Rate { switches: Vec<u8>, mbit: Option<u32> },
    /// A node's process.
    Node { node: u8, action: Action },
}

/// What happens to a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Kill,
    Hang,
    Heal,
}

impl Fault {
    /// Reads the three words of a fault.
    ///
    /// # Errors
    /// A part that the plan has not, or words that mean nothing.
    pub(super) fn parse(plan: &LabPlan, words: &[&str]) -> Result<Self> {
        let [part, name, action] = words else { bail!("found `{}`, expected {GRAMMAR}", words.join(" ")) };
        let is_up = || match *action {
            "cut" => Ok(false),
            "heal" => Ok(true),
            _ => bail!("found `{action}`, expected cut or heal"),
        };
        let switches = || {
            let all = (0..plan.switches).collect();
            Result::<Vec<u8>>::Ok(if *name == "all" { all } else { vec![plan.switch(name)?] })
        };
        Ok(match *part {
            "switch" => Self::Switch { switch: plan.switch(name)?, is_up: is_up()? },
            "port" => Self::Port { cable: plan.cable(name)?, is_up: is_up()? },
            "cable" => Self::Cable { cable: plan.cable(name)?, is_up: is_up()? },
            "oneway" => {
                let [from, to, switch] = name.split('-').collect::<Vec<_>>()[..] else {
                    bail!("found `{name}`, expected a way as A-B-s1")
                };
                let (from, to, switch) = (plan.node(from)?, plan.node(to)?, plan.switch(switch)?);
                let cable = |node| Cable { node, switch };
                Self::OneWay { from: cable(from), to: cable(to), is_up: is_up()? }
            }
            "loss" => Self::Loss { switches: switches()?, share: share(action)? },
            "rate" => Self::Rate { switches: switches()?, mbit: rate(action)? },
            "node" => {
                let action = match *action {
                    "kill" => Action::Kill,
                    "hang" => Action::Hang,
                    "heal" => Action::Heal,
                    _ => bail!("found `{action}`, expected kill, hang or heal"),
                };
                Self::Node { node: plan.node(name)?, action }
            }
            _ => bail!("found `{part}`, expected {GRAMMAR}"),
        })
    }

    /// Does it. Doing it again changes nothing.
    ///
    /// # Errors
    /// A program that fails.
    pub(super) fn apply(&self, plan: &LabPlan, nodes: &mut Nodes, rules: &mut Rules) -> Result<()> {
        match self {
            Self::Switch { switch, is_up } => network::set_switch(*switch, *is_up),
            Self::Port { cable, is_up } => network::set_port(*cable, *is_up),
            Self::Cable { cable, is_up } => network::set_cable(*cable, *is_up),
            Self::OneWay { from, to, is_up } => {
                rules.one_way.retain(|way| *way != (*from, *to));
                if !is_up {
                    rules.one_way.push((*from, *to));
                }
                rules.apply(plan)
            }
            Self::Loss { switches, share } => {
                rules.losses.retain(|(switch, _)| !switches.contains(switch));
                rules.losses.extend(switches.iter().map(|switch| (*switch, *share)));
                rules.apply(plan)
            }
            Self::Rate { switches, mbit } => {
                switches.iter().try_for_each(|switch| network::set_rate(plan, *switch, *mbit))
            }
            Self::Node { node, action: Action::Kill } => nodes.kill(*node),
            Self::Node { node, action: Action::Hang } => nodes.hang(*node),
            Self::Node { node, action: Action::Heal } => nodes.heal(*node),
        }
    }
}

/// Percent, as a share of ten thousand.
fn share(action: &str) -> Result<u32> {
    let (whole, part) = action.split_once('.').unwrap_or((action, "0"));
    let digits = format!("{part:0<2}");
    match (action, whole.parse::<u32>(), digits.parse::<u32>()) {
        ("heal", _, _) => Ok(0),
        (_, Ok(whole @ ..=99), Ok(hundredths)) if digits.len() == 2 => Ok(whole * 100 + hundredths),
        _ => bail!("found `{action}`, expected percent below 100 with two digits behind the point at most, or heal"),
    }
}

fn rate(action: &str) -> Result<Option<u32>> {
    match (action, action.parse::<u32>()) {
        ("heal", _) => Ok(None),
        (_, Ok(mbit)) if mbit > 0 => Ok(Some(mbit)),
        _ => bail!("found `{action}`, expected Mbit/s or heal"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &str) -> Result<Fault> {
        let plan = LabPlan::sample(4);
        Fault::parse(&plan, &words.split(' ').collect::<Vec<_>>())
    }

    #[test]
    fn words_mean_faults() {
        let cable = |node, switch| Cable { node, switch };
        assert_eq!(parse("switch s2 cut").unwrap(), Fault::Switch { switch: 1, is_up: false });
        assert_eq!(parse("cable B-s1 heal").unwrap(), Fault::Cable { cable: cable(1, 0), is_up: true });
        assert_eq!(
            parse("oneway D-A-s2 cut").unwrap(),
            Fault::OneWay { from: cable(3, 1), to: cable(0, 1), is_up: false }
        );
        assert_eq!(parse("loss all 5").unwrap(), Fault::Loss { switches: vec![0, 1], share: 500 });
        assert_eq!(parse("loss s1 0.5").unwrap(), Fault::Loss { switches: vec![0], share: 50 });
        assert_eq!(parse("loss s1 heal").unwrap(), Fault::Loss { switches: vec![0], share: 0 });
        assert_eq!(parse("rate all 1000").unwrap(), Fault::Rate { switches: vec![0, 1], mbit: Some(1000) });
        assert_eq!(parse("node C hang").unwrap(), Fault::Node { node: 2, action: Action::Hang });
    }

    #[test]
    fn other_words_do_not() {
        for words in [
            "switch s3 cut",
            "switch s1 hang",
            "node E kill",
            "node A cut",
            "oneway A-B cut",
            "loss s1 100",
            "loss s1 0.005",
            "rate s1 0",
            "cable A-s1",
            "viewers all cut",
        ] {
            assert!(parse(words).is_err(), "{words}");
        }
    }
}
