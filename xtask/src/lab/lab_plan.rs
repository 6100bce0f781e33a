//! What a laboratory consists of: names and addresses. Plain values.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::Value;

/// Where a laboratory keeps what is its own: in memory, in a mount namespace that ends with it.
pub(super) const FOLDER: &str = "/run/rain-lab";
/// The network of the viewers, which is never cut.
pub(super) const VIEWERS: &str = "viewers";
/// The second number of the addresses in the viewers' network; switch j has j.
const VIEWERS_NUMBER: u8 = 99;
/// Where nodes listen for players, and for each other.
const PLAYER_PORT: u16 = 80;
const PEER_PORT: u16 = 7400;

/// The largest laboratory.
const NODES_MAX: u8 = 64;
const SWITCHES_MAX: u8 = 8;

/// How large a laboratory is, and how it is wired.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub(crate) struct LabPlan {
    /// Nodes
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=i64::from(NODES_MAX)))]
    pub(super) nodes: u8,
    /// Switches, each with a cable to every node
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=i64::from(SWITCHES_MAX)))]
    pub(super) switches: u8,
    /// Only these cables, as A-s1; may be given several times [default: every node on every switch]
    #[arg(long = "cable", value_name = "NODE-SWITCH")]
    pub(super) cables: Vec<String>,
    /// The array code
    #[arg(long, default_value = "b-code:4")]
    pub(super) code: String,
    /// One more line of every node's configuration; may be given several times
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(super) settings: Vec<String>,
}

/// A cable: one node, one switch, both counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cable {
    pub(super) node: u8,
    pub(super) switch: u8,
}

/// The name of a node: A to Z, then A1 to Z1, and so on.
pub(super) fn node_name(node: u8) -> String {
    let letter = char::from(b'A' + node % 26);
    if node < 26 { letter.to_string() } else { format!("{letter}{}", node / 26) }
}

/// The name of a switch, of its bridge, and of the interface that leads to it in every node.
pub(super) fn switch_name(switch: u8) -> String {
    format!("s{}", switch + 1)
}

impl Cable {
    /// Its name, and that of the switch's port.
    pub(super) fn name(self) -> String {
        format!("{}-{}", node_name(self.node), switch_name(self.switch))
    }

    /// The node's address on this switch.
    pub(super) fn address(self) -> Ipv4Addr {
        Ipv4Addr::new(10, self.switch + 1, 0, self.node + 1)
    }

    /// The hardware address of the node's interface; of a range that is nobody's.
    pub(super) fn hardware(self) -> String {
        format!("02:00:00:00:{:02x}:{:02x}", self.switch + 1, self.node + 1)
    }

    /// Where the node listens for its peers on this switch.
    pub(super) fn listen(self) -> SocketAddr {
        (self.address(), PEER_PORT).into()
    }
}

/// The viewers' own address in their network.
pub(super) const fn viewers_address() -> Ipv4Addr {
    Ipv4Addr::new(10, VIEWERS_NUMBER, 255, 254)
}

/// Where a node listens for players.
pub(super) fn player_address(node: u8) -> SocketAddr {
    (Ipv4Addr::new(10, VIEWERS_NUMBER, 0, node + 1), PLAYER_PORT).into()
}

impl LabPlan {
    /// The words that make this plan on a command line.
    pub(super) fn to_arguments(&self) -> Vec<String> {
        let Self { nodes, switches, cables, code, settings } = self;
        let words = [format!("--nodes={nodes}"), format!("--switches={switches}"), format!("--code={code}")];
        let cables = cables.iter().map(|cable| format!("--cable={cable}"));
        words.into_iter().chain(cables).chain(settings.iter().map(|setting| format!("--set={setting}"))).collect()
    }

    /// All cables, those of a node together.
    pub(super) fn cables(&self) -> impl Iterator<Item = Cable> + '_ {
        let every = (0..self.nodes).flat_map(|node| (0..self.switches).map(move |switch| Cable { node, switch }));
        every.filter(|cable| self.has(*cable))
    }

    /// The cables of a node.
    pub(super) fn cables_of(&self, node: u8) -> impl Iterator<Item = Cable> + '_ {
        self.cables().filter(move |cable| cable.node == node)
    }

    fn has(&self, cable: Cable) -> bool {
        self.cables.is_empty() || self.cables.contains(&cable.name())
    }

    /// Whether it can be built and its nodes reach each other: bridges pass nothing on to each other, and nor do nodes.
    ///
    /// # Errors
    /// A cable that there cannot be; two nodes that share no switch.
    pub(super) fn check(&self) -> Result<()> {
        for name in &self.cables {
            self.cable(name)?;
        }
        let shares = |one, other| self.cables_of(one).any(|cable| self.has(Cable { node: other, ..cable }));
        for one in 0..self.nodes {
            if let Some(other) = (0..one).find(|other| !shares(one, *other)) {
                let names = [other, one].map(node_name).join(" and ");
                bail!("nodes {names} share no switch: a laboratory has none that are joined (`rain demo` has)");
            }
        }
        Ok(())
    }

    /// The same with the wiring of what `rain topology plan --format json` printed.
    ///
    /// # Errors
    /// It is no plan; it has other names or sizes than a laboratory; its nodes share no switch.
    pub(super) fn wired_like(self, document: &str) -> Result<Self> {
        let plan: Value = serde_json::from_str(document).context("a plan in JSON")?;
        let names = |parts: &str| {
            let of = |part: &Value| part["name"].as_str().map(str::to_owned);
            let names = plan[parts].as_array().and_then(|parts| parts.iter().map(of).collect::<Option<Vec<_>>>());
            names.with_context(|| format!("found no names of `{parts}`, expected a plan of `rain topology plan`"))
        };
        let (nodes, switches) = (names("nodes")?, names("switches")?);
        let count = |found: &[String], name: fn(u8) -> String, most: u8| {
            let same = (0..most).map(name).zip(found).all(|(expected, found)| expected == *found);
            let count = u8::try_from(found.len()).ok().filter(|count| *count > 0 && *count <= most && same);
            count.with_context(|| format!("found {}, expected {} and so on, {most} at most", found.join(" "), name(0)))
        };
        let links = plan["links"].as_array().context("found no `links`")?;
        if let Some(joined) = links.iter().find(|link| link["node"].is_null()) {
            // It carries nothing that a shared switch does not.
            println!("{} is left out: switches of a laboratory are not joined", joined["name"]);
        }
        let cables = links.iter().filter(|link| !link["node"].is_null());
        let cables = cables.map(|link| Some(format!("{}-{}", link["node"].as_str()?, link["switch"].as_str()?)));
        let cables = cables.collect::<Option<Vec<_>>>();
        let (nodes, switches) = (count(&nodes, node_name, NODES_MAX)?, count(&switches, switch_name, SWITCHES_MAX)?);
        let wired =
            Self { nodes, switches, cables: cables.context("a link without `node` and `switch`, or `to`")?, ..self };
        wired.check()?;
        Ok(wired)
    }

    /// The node of a name.
    pub(super) fn node(&self, name: &str) -> Result<u8> {
        let found = (0..self.nodes).find(|node| node_name(*node) == name);
        found.with_context(|| format!("found node `{name}`, expected A to {}", node_name(self.nodes.saturating_sub(1))))
    }

    /// The switch of a name.
    pub(super) fn switch(&self, name: &str) -> Result<u8> {
        let found = (0..self.switches).find(|switch| switch_name(*switch) == name);
        found.with_context(|| format!("found switch `{name}`, expected s1 to s{}", self.switches))
    }

    /// The cable of a name, `A-s1`.
    pub(super) fn cable(&self, name: &str) -> Result<Cable> {
        let (node, switch) =
            name.split_once('-').with_context(|| format!("found `{name}`, expected a cable as A-s1"))?;
        let cable = Cable { node: self.node(node)?, switch: self.switch(switch)? };
        if self.has(cable) { Ok(cable) } else { bail!("there is no cable {name}") }
    }

    /// What a program in the laboratory needs to know, as environment variables.
    pub(super) fn environment(&self) -> Vec<(&'static str, String)> {
        let urls: Vec<String> = (0..self.nodes).map(|node| format!("http://{}", player_address(node))).collect();
        let names: Vec<String> = (0..self.nodes).map(node_name).collect();
        vec![
            ("RAIN_SERVER", urls.join(",")),
            ("RAIN_LAB", format!("{FOLDER}/control")),
            ("RAIN_LAB_NODES", names.join(",")),
            ("RAIN_LAB_SWITCHES", self.switches.to_string()),
            ("RAIN_LAB_SETTINGS", self.settings.join(" ")),
            ("RAIN_LAB_TOKEN", TOKEN.to_owned()),
            ("RAIN_TOKEN_FILE", format!("{FOLDER}/token")),
            ("TMPDIR", format!("{FOLDER}/tmp")),
        ]
    }
}

#[cfg(test)]
impl LabPlan {
    /// So many nodes on two switches.
    pub(super) fn sample(nodes: u8) -> Self {
        Self { nodes, switches: 2, cables: Vec::new(), code: "b-code:4".to_owned(), settings: Vec::new() }
    }
}

/// What lets viewers write. Nobody else can reach these nodes.
pub(super) const TOKEN: &str = "rain_1ab01ab01ab01ab01ab01ab01ab01ab01ab01ab01ab01ab01ab01ab01ab01ab0";
/// Its BLAKE3, as the nodes' configurations have it.
pub(super) const TOKEN_HASH: &str = "fb42fd7610dd87229c10bf8c0018662e5603e7a82273fb67fd9d6382a1ae6be8";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses() {
        let plan = LabPlan::sample(30);
        assert_eq!((plan.node("A").unwrap(), plan.node("Z").unwrap(), plan.node("B1").unwrap()), (0, 25, 27));
        let cable = plan.cable("C-s2").unwrap();
        assert_eq!((cable.name(), cable.listen().to_string()), ("C-s2".to_owned(), "10.2.0.3:7400".to_owned()));
        assert_eq!(player_address(2).to_string(), "10.99.0.3:80");
        assert_eq!(plan.cables().count(), 60);
        for wrong in ["E1-s1", "A-s3", "As1", "-"] {
            assert!(plan.cable(wrong).is_err(), "{wrong}");
        }
        // Linux takes names of interfaces of up to 15 bytes.
        assert!(plan.cables().all(|cable| cable.name().len() <= 15));
    }

    /// Three nodes on a triangle of switches, as `rain topology plan --format json` prints them.
    const TRIANGLE: &str = r#"{
        "nodes": [{"name": "A"}, {"name": "B"}, {"name": "C"}],
        "switches": [{"name": "s1"}, {"name": "s2"}, {"name": "s3"}],
        "links": [
            {"name": "A-s1", "node": "A", "switch": "s1"}, {"name": "A-s2", "node": "A", "switch": "s2"},
            {"name": "B-s2", "node": "B", "switch": "s2"}, {"name": "B-s3", "node": "B", "switch": "s3"},
            {"name": "C-s3", "node": "C", "switch": "s3"},
            {"name": "C-s1", "node": "C", "switch": "s1"},
            {"name": "s1-s2", "node": null, "switch": "s1", "to": "s2"}
        ]
    }"#;

    #[test]
    fn a_plan_of_a_topology_says_which_cables_there_are() {
        let plan = LabPlan::sample(9).wired_like(TRIANGLE).unwrap();
        assert_eq!((plan.nodes, plan.switches), (3, 3));
        let names: Vec<String> = plan.cables().map(Cable::name).collect();
        assert_eq!(names, ["A-s1", "A-s2", "B-s2", "B-s3", "C-s1", "C-s3"]);
        assert!(plan.cable("A-s3").is_err() && plan.cable("B-s3").is_ok());
        assert!(plan.to_arguments().contains(&"--cable=C-s1".to_owned()));
        // Without one of them, two nodes share nothing.
        let cut = TRIANGLE.replace(r#"{"name": "C-s1", "node": "C", "switch": "s1"},"#, "");
        let error = LabPlan::sample(9).wired_like(&cut).unwrap_err().to_string();
        assert!(error.starts_with("nodes A and C share no switch"), "{error}");
        for wrong in ["", "{}", &TRIANGLE.replace("\"B\"", "\"X\""), &TRIANGLE.replace("s3", "s9")] {
            assert!(LabPlan::sample(9).wired_like(wrong).is_err(), "{wrong}");
        }
    }
}
