//! What a search found, in words and as JSON.

use super::TopologyPlan;
use super::search::{SETS_MAX, worst};
use rain_cluster::topology::{Living, Loss, LossKind, LossSearch, Pieces, Worst};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// What the loss of exactly so many parts can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LossReport {
    /// How many.
    pub lose: usize,
    /// What was found among all sets of so many.
    pub worst: Worst,
}

/// What the loss of up to so many parts can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorstCases {
    /// Of which kinds the lost parts are.
    pub kind: LossKind,
    /// How many parts of these kinds there are.
    pub parts: usize,
    /// One for each number of lost parts, from 1.
    pub losses: Vec<LossReport>,
}

/// Looks at every set of 1 to `lose` parts. `progress` hears of sets that were looked at, from many threads.
///
/// # Errors
/// For how many parts there are too many sets, and how many, where that can be counted.
pub fn verify(
    plan: &TopologyPlan,
    kind: LossKind,
    lose: usize,
    progress: impl Fn(u64) + Sync,
) -> Result<WorstCases, (usize, Option<u64>)> {
    // Before anything is searched: of the most parts there may be fewer sets than of some less.
    for lose in 1..=lose {
        let sets = LossSearch::new(&plan.topology, kind, lose).sets();
        if sets.is_none_or(|sets| sets > SETS_MAX) {
            return Err((lose, sets));
        }
    }
    let look = |lose| {
        let worst = worst(&plan.topology, kind, lose, &progress).map_err(|sets| (lose, sets))?;
        Ok(LossReport { lose, worst })
    };
    let losses = (1..=lose).map(look).collect::<Result<_, _>>()?;
    Ok(WorstCases { kind, parts: plan.topology.parts(kind).len(), losses })
}

/// The figures of one number of lost parts: most live nodes outside the biggest piece, most nodes of a second piece, most
/// nodes outside the biggest piece, lost ones too.
fn figures(worst: &Worst, nodes: usize) -> [usize; 3] {
    let of = |loss: &Option<Loss>, figure: fn(&Loss) -> usize| loss.as_ref().map_or(0, figure);
    let stranded = of(&worst.stranded, |loss| loss.left.stranded());
    let second = of(&worst.second, |loss| loss.left.second);
    [stranded, second, nodes - worst.lost.as_ref().map_or(nodes, |loss| loss.left.biggest)]
}

fn kind_name(kind: LossKind) -> &'static str {
    match kind {
        LossKind::Switches => "switches",
        LossKind::Links => "links",
        LossKind::Nodes => "nodes",
        LossKind::Any => "any",
    }
}

impl WorstCases {
    /// Whether any of the losses partitions the cluster.
    pub fn is_partitioned(&self) -> bool {
        self.losses.iter().any(|report| report.worst.partitions > 0)
    }

    /// The loss to show: of the fewest parts that partition the cluster, else of the most parts that were looked at.
    pub fn example(&self) -> Option<&Loss> {
        let partitioned = self.losses.iter().find(|report| report.worst.partitions > 0);
        partitioned.or(self.losses.last()).and_then(|report| report.worst.example())
    }

    /// As one JSON object.
    pub fn to_json(&self, plan: &TopologyPlan) -> String {
        let losses = self.losses.iter().map(|LossReport { lose, worst }| {
            let [stranded, second, lost] = figures(worst, plan.topology.nodes);
            json!({
                "lose": lose, "sets": worst.sets, "partitions": worst.partitions,
                "stranded": stranded, "second": second, "nodes_lost": lost,
                "worst": worst.example().map(|loss| example(plan, loss)),
            })
        });
        let cases = json!({
            "of": kind_name(self.kind),
            "lose": self.losses.len(),
            "partitions": self.is_partitioned(),
            "losses": losses.collect::<Vec<_>>(),
            "worst": self.example().map(|loss| example(plan, loss)),
        });
        // Strings, lists and numbers: there is nothing that could fail.
        serde_json::to_string_pretty(&cases).unwrap_or_default() + "\n"
    }

    /// As a table, with the worst case in words.
    pub fn to_text(&self, plan: &TopologyPlan) -> String {
        let of = match self.kind {
            LossKind::Any => "parts of any kind".to_owned(),
            kind @ (LossKind::Switches | LossKind::Links | LossKind::Nodes) => kind_name(kind).to_owned(),
        };
        let mut text = format!("{}; every loss of up to {} of {} {of}\n\n", plan.size(), self.losses.len(), self.parts);
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{:>6} {:>14} {:>10} {:>8} {:>12} {:>12}",
            "lost", "sets", "stranded", "second", "nodes lost", "partitions"
        );
        for LossReport { lose, worst } in &self.losses {
            let [stranded, second, lost] = figures(worst, plan.topology.nodes);
            let _ = writeln!(
                text,
                "{lose:>6} {:>14} {stranded:>10} {second:>8} {lost:>12} {:>12}",
                worst.sets, worst.partitions
            );
        }
        text.push_str(
            "\nstranded: the most live nodes outside the biggest piece; second: the most live nodes of a second piece;\n\
             nodes lost: the most nodes outside the biggest piece, dead ones too; partitions: sets that do not leave\n\
             exactly one piece of more than one live node, with at least half of all live nodes in it.\n\n",
        );
        let judged = if self.is_partitioned() { "It partitions." } else { "It does not partition." };
        text.push_str(judged);
        if let Some(loss) = self.example() {
            let _ = write!(text, " Worst: {}.", in_words(plan, loss));
        }
        text + "\n"
    }
}

/// The names of the nodes of each piece that has any.
pub(super) fn members(plan: &TopologyPlan, pieces: &Pieces) -> Vec<Vec<String>> {
    let of = |piece| {
        let nodes = (0..plan.topology.nodes).filter(move |node| pieces.of_nodes[*node] == Some(piece));
        nodes.map(|node| plan.nodes[node].clone()).collect()
    };
    (0..pieces.sizes.len()).filter(|piece| pieces.sizes[*piece] > 0).map(of).collect()
}

fn example(plan: &TopologyPlan, loss: &Loss) -> Value {
    let pieces = Pieces::new(&plan.topology, &Living::without(&plan.topology, &loss.parts));
    let names: Vec<_> = loss.parts.iter().map(|part| plan.name(*part)).collect();
    json!({
        "lost": names,
        "stranded": loss.left.stranded(),
        "second": loss.left.second,
        "pieces": members(plan, &pieces),
    })
}

/// `without s1, s3 and s6: 6 together, A and F each alone`.
pub(super) fn in_words(plan: &TopologyPlan, loss: &Loss) -> String {
    let names: Vec<_> = loss.parts.iter().map(|part| plan.name(*part)).collect();
    let pieces = Pieces::new(&plan.topology, &Living::without(&plan.topology, &loss.parts));
    let members = members(plan, &pieces);
    let mut parts: Vec<String> =
        members.iter().filter(|piece| piece.len() > 1).map(|piece| format!("{} together", piece.len())).collect();
    let alone: Vec<_> = members.iter().filter(|piece| piece.len() == 1).map(|piece| piece[0].clone()).collect();
    match alone.len() {
        0 => {}
        1 => parts.push(format!("{} alone", alone[0])),
        2..=6 => parts.push(format!("{} each alone", listed(&alone))),
        more => parts.push(format!("{more} each alone")),
    }
    if parts.is_empty() {
        parts.push("no node lives".to_owned());
    }
    format!("without {}: {}", listed(&names), parts.join(", "))
}

/// `a, b and c`.
pub(super) fn listed(names: &[String]) -> String {
    match names {
        [] => "nothing".to_owned(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}
