//! Namespaces, bridges and cables, made and changed by `ip`, `nft` and `tc`.
//!
//! Everything here happens in the network namespace of the process that calls it, which holds the switches.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::lab_plan::{Cable, LabPlan, VIEWERS, node_name, player_address, switch_name, viewers_address};

/// Milliseconds between two questions for a neighbour's hardware address. Linux asks once a second: after a cable came
/// back, nothing would pass for so long.
const NEIGHBOUR_RETRANS_MS: u32 = 20;
/// Linux finds out about 1024 neighbours at most, in all namespaces together. With more than so many, they are told.
const NEIGHBOURS_FOUND_MAX: usize = 800;
/// Kilobytes that a shaped port sends at once at most: more than a segment of 64 KiB, which would be cut up else.
const BURST_KB: u32 = 256;
/// Kilobytes that wait at a shaped port before it drops: a shallow switch.
const QUEUE_KB: u32 = 1024;

/// Makes switches, nodes' namespaces and all cables.
///
/// # Errors
/// A program that is missing or fails; the namespaces are to be given up then.
pub(super) fn build(plan: &LabPlan) -> Result<()> {
    ip(&[], &switches_batch(plan))?;
    for node in 0..plan.nodes {
        ip(&["-n", &node_name(node)], &node_batch(plan, node))?;
    }
    nft("add table bridge lab; add chain bridge lab forward { type filter hook forward priority 0; }")
}

/// Commands of `ip` for the switches' namespace.
fn switches_batch(plan: &LabPlan) -> String {
    let bridge = "type bridge stp_state 0 forward_delay 0 mcast_snooping 0";
    let mut text = format!("link set lo up\nlink add {VIEWERS} {bridge}\n");
    // Writing to a string cannot fail, here and below.
    let _ = writeln!(text, "addr add {}/16 dev {VIEWERS}\nlink set {VIEWERS} up", viewers_address());
    for switch in (0..plan.switches).map(switch_name) {
        let _ = writeln!(text, "link add {switch} {bridge}\nlink set {switch} up");
    }
    for name in (0..plan.nodes).map(node_name) {
        let _ = writeln!(text, "netns add {name}\nlink add {name}-view type veth peer name view netns {name}");
        let _ = writeln!(text, "link set {name}-view master {VIEWERS} up");
    }
    for cable in plan.cables() {
        let (port, node, switch) = (cable.name(), node_name(cable.node), switch_name(cable.switch));
        let hardware = cable.hardware();
        let _ = writeln!(text, "link add {port} type veth peer name {switch} address {hardware} netns {node}");
        let _ = writeln!(text, "link set {port} master {switch} up");
    }
    text
}

/// Commands of `ip` for a node's namespace.
fn node_batch(plan: &LabPlan, node: u8) -> String {
    let mut text = format!("link set lo up\naddr add {}/16 dev view\nlink set view up\n", player_address(node).ip());
    for cable in plan.cables_of(node) {
        let (address, switch) = (cable.address(), switch_name(cable.switch));
        let _ = writeln!(text, "addr add {address}/16 dev {switch}\nlink set {switch} up");
        let _ = writeln!(text, "ntable change name arp_cache dev {switch} retrans {NEIGHBOUR_RETRANS_MS}");
    }
    if plan.cables().count() * usize::from(plan.nodes) > NEIGHBOURS_FOUND_MAX {
        let shared = |peer: &Cable| plan.cables_of(node).any(|own| own.switch == peer.switch);
        for peer in plan.cables().filter(|cable| cable.node != node).filter(shared) {
            let (address, hardware, switch) = (peer.address(), peer.hardware(), switch_name(peer.switch));
            let _ = writeln!(text, "neigh add {address} lladdr {hardware} dev {switch} nud permanent");
        }
    }
    text
}

/// Switches a bridge off or on. Its ports, and so the nodes' carriers, stay up.
pub(super) fn set_switch(switch: u8, is_up: bool) -> Result<()> {
    ip(&[], &format!("link set {} {}\n", switch_name(switch), up(is_up)))
}

/// Switches a switch's port off or on. The node loses its carrier.
pub(super) fn set_port(cable: Cable, is_up: bool) -> Result<()> {
    ip(&[], &format!("link set {} {}\n", cable.name(), up(is_up)))
}

/// Pulls a cable out of the switch, or plugs it in. The node loses its carrier, and the switch forgets the port.
pub(super) fn set_cable(cable: Cable, is_plugged: bool) -> Result<()> {
    let (port, switch) = (cable.name(), switch_name(cable.switch));
    let master = if is_plugged { format!("master {switch}") } else { "nomaster".to_owned() };
    ip(&[], &format!("link set {port} {}\nlink set {port} {master}\n", up(is_plugged)))
}

const fn up(is_up: bool) -> &'static str {
    if is_up { "up" } else { "down" }
}

/// What the switches do to frames besides passing them on.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Rules {
    /// Frames from the first cable to the second are dropped.
    pub(super) one_way: Vec<(Cable, Cable)>,
    /// Of frames that come in at a switch, so many of ten thousand are dropped.
    pub(super) losses: Vec<(u8, u32)>,
}

impl Rules {
    /// Puts them in force, all at once, in place of those before.
    pub(super) fn apply(&self, plan: &LabPlan) -> Result<()> {
        nft(&self.to_nft(plan))
    }

    fn to_nft(&self, plan: &LabPlan) -> String {
        let mut text = "flush chain bridge lab forward\n".to_owned();
        for (from, to) in &self.one_way {
            let (from, to) = (from.name(), to.name());
            let _ = writeln!(text, "add rule bridge lab forward iifname \"{from}\" oifname \"{to}\" drop");
        }
        for (switch, share) in self.losses.iter().filter(|(_, share)| *share > 0) {
            let ports = plan.cables().filter(|cable| cable.switch == *switch);
            let ports = ports.map(|cable| format!("\"{}\"", cable.name()));
            let ports = ports.collect::<Vec<_>>().join(", ");
            let chance = format!("numgen random mod 10000 < {share}");
            let _ = writeln!(text, "add rule bridge lab forward iifname {{ {ports} }} {chance} drop");
        }
        text
    }
}

/// Limits the ports of a switch to so many Mbit/s each way; `None` for no limit.
pub(super) fn set_rate(plan: &LabPlan, switch: u8, mbit: Option<u32>) -> Result<()> {
    for cable in plan.cables().filter(|cable| cable.switch == switch) {
        let (port, name) = (cable.name(), node_name(cable.node));
        for (place, device) in [(None, port), (Some(name), switch_name(switch))] {
            let mut tc = Command::new("tc");
            tc.args(place.iter().flat_map(|name| ["-n", name])).arg("qdisc");
            match mbit {
                Some(mbit) => {
                    tc.args(["replace", "dev", &device, "root", "tbf"]).args(["rate", &format!("{mbit}mbit")]);
                    tc.args(["burst", &format!("{BURST_KB}k"), "limit", &format!("{QUEUE_KB}k")]);
                }
                None => _ = tc.args(["del", "dev", &device, "root"]),
            }
            let output = tc.output().context("starting tc")?;
            // A limit that is not there is not one to complain of.
            if mbit.is_some() && !output.status.success() {
                bail!("{tc:?}: {}", String::from_utf8_lossy(&output.stderr).trim());
            }
        }
    }
    Ok(())
}

fn ip(arguments: &[&str], batch: &str) -> Result<()> {
    fed(Command::new("ip").args(arguments).args(["-batch", "-"]), batch)
}

fn nft(rules: &str) -> Result<()> {
    fed(Command::new("nft").args(["-f", "-"]), rules)
}

/// Runs a program on an input.
fn fed(command: &mut Command, input: &str) -> Result<()> {
    let name = command.get_program().display().to_string();
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = piped.spawn().with_context(|| format!("starting {name}"))?;
    // A program that ends before it has read everything says why.
    let written = child.stdin.take().map_or(Ok(()), |mut stdin| stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output()?;
    if !output.status.success() {
        bail!("{name}: {}: {}; of\n{input}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    written.with_context(|| format!("writing to {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> LabPlan {
        LabPlan::sample(2)
    }

    #[test]
    fn every_node_has_a_cable_to_every_switch_and_one_to_the_viewers() {
        let text = switches_batch(&plan());
        for line in [
            "link add A-s2 type veth peer name s2 address 02:00:00:00:02:01 netns A",
            "link set A-s2 master s2 up",
            "link set B-view master viewers up",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
        }
        assert_eq!(text.matches("type veth").count(), 6);
        assert_eq!(text.matches("type bridge").count(), 3);
        assert_eq!(node_batch(&plan(), 1).matches("neigh add").count(), 0);
        let large = node_batch(&LabPlan::sample(32), 1);
        assert_eq!(large.matches("neigh add").count(), 62);
        assert!(large.contains("neigh add 10.2.0.32 lladdr 02:00:00:00:02:20 dev s2 nud permanent\n"), "{large}");
        let node = node_batch(&plan(), 1);
        assert!(node.contains("addr add 10.2.0.2/16 dev s2\n"), "{node}");
        assert!(node.contains("ntable change name arp_cache dev s1 retrans 20\n"), "{node}");
    }

    #[test]
    fn rules_name_the_ports() {
        let cable = |name| plan().cable(name).unwrap();
        let rules = Rules { one_way: vec![(cable("A-s1"), cable("B-s1"))], losses: vec![(0, 0), (1, 500)] };
        assert_eq!(
            rules.to_nft(&plan()),
            "flush chain bridge lab forward\n\
             add rule bridge lab forward iifname \"A-s1\" oifname \"B-s1\" drop\n\
             add rule bridge lab forward iifname { \"A-s2\", \"B-s2\" } numgen random mod 10000 < 500 drop\n"
        );
    }
}
