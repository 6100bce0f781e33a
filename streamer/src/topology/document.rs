//! A plan as JSON.

use rain_cluster::topology::{Attachment, PLACES_MAX, Part, Topology};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A topology whose parts have names, each of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopologyPlan {
    /// How it is wired.
    pub topology: Topology,
    /// The names of the nodes.
    pub nodes: Vec<String>,
    /// The names of the switches.
    pub switches: Vec<String>,
    /// What it was constructed as, in words; empty where that is not known.
    pub construction: String,
}

/// Why a text is not a plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TopologyPlanError {
    /// Not JSON, or not of this form.
    #[error("line {line}, column {column}: {error}; expected the JSON of `rain topology plan --format json`")]
    Json {
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
        /// What is wrong.
        error: String,
    },
    /// No nodes or switches, or too many.
    #[error("`{list}`: found {found}, expected 1 to {PLACES_MAX}")]
    Count {
        /// `nodes` or `switches`.
        list: &'static str,
        /// How many there are.
        found: usize,
    },
    /// A name that cannot be one.
    #[error("`{list}`: found the name `{name}`, expected 1 to 32 letters, digits or `_`")]
    Name {
        /// `nodes` or `switches`.
        list: &'static str,
        /// The name.
        name: String,
    },
    /// A name that another part has too.
    #[error("`{list}`: found `{name}` twice, expected a name for each")]
    Twice {
        /// `nodes`, `switches` or `links`.
        list: &'static str,
        /// The name.
        name: String,
    },
    /// A link to something that is not there.
    #[error("`links`, number {number}: found the {kind} `{name}`, expected one of those in `{list}`")]
    NoSuchEnd {
        /// Which link, from 1.
        number: usize,
        /// `node` or `switch`.
        kind: &'static str,
        /// What it names.
        name: String,
        /// Where it would be.
        list: &'static str,
    },
    /// A link with a wrong number of ends.
    #[error(
        "`links`, number {number}: found {found}, expected a `switch`, and either a `node` or another switch as `to`"
    )]
    Ends {
        /// Which link, from 1.
        number: usize,
        /// What it has.
        found: &'static str,
    },
    /// A node without a link.
    #[error("node `{name}`: found no link to a switch, expected at least one")]
    Unplugged {
        /// The node.
        name: String,
    },
}

#[derive(Debug, Serialize, Deserialize)]
struct Document {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    construction: String,
    nodes: Vec<Named>,
    switches: Vec<Named>,
    links: Vec<Link>,
    #[serde(skip_deserializing)]
    laboratory: bool,
}

#[derive(Debug, Serialize, Deserialize)]
struct Named {
    name: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Link {
    #[serde(default)]
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    node: Option<String>,
    switch: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    to: Option<String>,
}

/// A, B, ... Z, AA, AB, ...
fn letters(number: usize) -> String {
    let last = char::from(b'A' + u8::try_from(number % 26).unwrap_or_default());
    if number < 26 { last.to_string() } else { letters(number / 26 - 1) + &last.to_string() }
}

impl TopologyPlan {
    /// A plan whose nodes are named A, B, C, ... and whose switches s1, s2, ...
    pub fn new(topology: Topology, construction: &str) -> Self {
        let nodes = (0..topology.nodes).map(letters).collect();
        let switches = (1..=topology.switches).map(|switch| format!("s{switch}")).collect();
        Self { topology, nodes, switches, construction: construction.to_owned() }
    }

    /// Reads a plan. Keys that it does not know, such as the states in the report of a cluster, mean nothing.
    ///
    /// # Errors
    /// When the text is not a plan; nothing of it is used.
    pub fn parse(text: &str) -> Result<Self, TopologyPlanError> {
        let document: Document = serde_json::from_str(text).map_err(|error| TopologyPlanError::Json {
            line: error.line(),
            column: error.column(),
            // The place is said already.
            error: error.to_string().split(" at line ").next().unwrap_or_default().to_owned(),
        })?;
        let nodes = names(document.nodes, "nodes")?;
        let switches = names(document.switches, "switches")?;
        let (mut attachments, mut switch_links, mut seen) = (Vec::new(), Vec::new(), BTreeSet::new());
        for (index, link) in document.links.iter().enumerate() {
            let number = index + 1;
            let switch_named = |name: &str| find(&switches, name, number, "switch", "switches");
            let switch = switch_named(&link.switch)?;
            let ends = match (&link.node, &link.to) {
                (Some(node), None) => {
                    let node = find(&nodes, node, number, "node", "nodes")?;
                    attachments.push(Attachment { node, switch });
                    (0, node, switch)
                }
                (None, Some(to)) if *to != link.switch => {
                    let to = switch_named(to)?;
                    switch_links.push([switch, to]);
                    (1, switch.min(to), switch.max(to))
                }
                (None, Some(_)) => return Err(TopologyPlanError::Ends { number, found: "a switch linked to itself" }),
                (Some(_), Some(_)) => return Err(TopologyPlanError::Ends { number, found: "both `node` and `to`" }),
                (None, None) => return Err(TopologyPlanError::Ends { number, found: "neither `node` nor `to`" }),
            };
            if !seen.insert(ends) {
                let other = link.node.as_ref().or(link.to.as_ref()).map_or("", String::as_str);
                return Err(TopologyPlanError::Twice { list: "links", name: format!("{other}-{}", link.switch) });
            }
        }
        // Those of a node in a row, in the order in which they were named.
        attachments.sort_by_key(|cable| cable.node);
        if let Some(node) = (0..nodes.len()).find(|node| attachments.iter().all(|cable| cable.node != *node)) {
            return Err(TopologyPlanError::Unplugged { name: nodes[node].clone() });
        }
        let topology = Topology { switches: switches.len(), switch_links, nodes: nodes.len(), attachments };
        Ok(Self { topology, nodes, switches, construction: document.construction })
    }

    /// The plan as one JSON object, for people to read.
    pub fn to_json(&self) -> String {
        let named = |names: &[String]| names.iter().map(|name| Named { name: name.clone() }).collect();
        let of_nodes = (0..self.topology.attachments.len()).map(Part::Attachment);
        let links = of_nodes.chain((0..self.topology.switch_links.len()).map(Part::SwitchLink));
        let document = Document {
            construction: self.construction.clone(),
            nodes: named(&self.nodes),
            switches: named(&self.switches),
            links: links.map(|part| self.link(part)).collect(),
            laboratory: self.topology.nodes_apart().is_none(),
        };
        // Strings, lists and numbers: there is nothing that could fail.
        serde_json::to_string_pretty(&document).unwrap_or_default() + "\n"
    }

    fn link(&self, part: Part) -> Link {
        let (node, switch, to) = match part {
            Part::Attachment(number) => {
                let cable = self.topology.attachments[number];
                (Some(self.nodes[cable.node].clone()), cable.switch, None)
            }
            Part::SwitchLink(number) => {
                let [switch, to] = self.topology.switch_links[number];
                (None, switch, Some(self.switches[to].clone()))
            }
            Part::Switch(switch) => (None, switch, None),
            Part::Node(node) => (Some(self.nodes[node].clone()), 0, None),
        };
        Link { name: self.name(part), node, switch: self.switches[switch].clone(), to }
    }

    /// The name of a part, as `rain fault` takes it: `A`, `s1`, `A-s1`, `s1-s2`.
    ///
    /// # Panics
    /// When the part is not of this plan.
    pub fn name(&self, part: Part) -> String {
        match part {
            Part::Switch(switch) => self.switches[switch].clone(),
            Part::Node(node) => self.nodes[node].clone(),
            Part::SwitchLink(link) => {
                let [one, other] = self.topology.switch_links[link];
                format!("{}-{}", self.switches[one], self.switches[other])
            }
            Part::Attachment(attachment) => {
                let cable = self.topology.attachments[attachment];
                format!("{}-{}", self.nodes[cable.node], self.switches[cable.switch])
            }
        }
    }

    /// `8 switches, 8 nodes, 24 links`.
    pub fn size(&self) -> String {
        let count = |number: usize, one: &str, more: &str| format!("{number} {}", if number == 1 { one } else { more });
        let links = self.topology.switch_links.len() + self.topology.attachments.len();
        [
            count(self.switches.len(), "switch", "switches"),
            count(self.nodes.len(), "node", "nodes"),
            count(links, "link", "links"),
        ]
        .join(", ")
    }
}

fn names(list: Vec<Named>, name: &'static str) -> Result<Vec<String>, TopologyPlanError> {
    if !(1..=PLACES_MAX).contains(&list.len()) {
        return Err(TopologyPlanError::Count { list: name, found: list.len() });
    }
    let mut seen = BTreeSet::new();
    for Named { name: found } in &list {
        let is_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        if !(1..=32).contains(&found.len()) || !found.chars().all(is_name) {
            return Err(TopologyPlanError::Name { list: name, name: found.clone() });
        }
        if !seen.insert(found) {
            return Err(TopologyPlanError::Twice { list: name, name: found.clone() });
        }
    }
    Ok(list.into_iter().map(|named| named.name).collect())
}

fn find(
    names: &[String],
    name: &str,
    number: usize,
    kind: &'static str,
    list: &'static str,
) -> Result<usize, TopologyPlanError> {
    let found = names.iter().position(|found| found == name);
    found.ok_or_else(|| TopologyPlanError::NoSuchEnd { number, kind, name: name.to_owned(), list })
}
