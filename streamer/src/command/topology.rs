//! `rain topology plan`, `verify` and `survey`.
//!
//! Exit status of `verify`: 0 when it does not partition, 1 when it does, 2 when that cannot be told. Of the others: 0
//! or 2.

use super::output::{UNREAD_STATUS, Unread, print, say_error};
use crate::topology::{SETS_MAX, TopologyPlan, best_offsets, draw, survey_wirings, verify};
use anyhow::{Context, bail, ensure};
use clap::{Args, Subcommand, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use rain_cluster::topology::{
    Construction, ConstructionError, LossKind, LossSearch, TopologyParameters, WiringSurvey, diameter_offsets,
};
use serde_json::json;
use std::fmt::Write as _;
use std::io::{IsTerminal, Read, stderr, stdin};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What cannot be told, and wrong use.
const UNKNOWN: u8 = 2;
const PARTITIONS: u8 = 1;
/// A plan of the most nodes and switches there may be, and much room.
const PLAN_BYTES_MAX: u64 = 16 << 20;
/// Above this the wirings are too many to be gone through.
const SURVEYED_SWITCHES_MAX: usize = 12;

#[derive(Debug, Subcommand)]
pub(super) enum TopologyCommand {
    /// Wire switches and nodes by a construction
    Plan(PlanArguments),
    /// Find the worst that the loss of parts can do; exit status 1 when it partitions
    Verify(VerifyArguments),
    /// Go through every wiring of n nodes with two ports on a ring of n switches with four
    Survey(SurveyArguments),
}

#[derive(Debug, Args)]
pub(super) struct PlanArguments {
    /// How many switches
    #[arg(long)]
    switches: usize,
    /// How many nodes [default: as many as the switches have ports for, else one layer; 4 on rails]
    #[arg(long)]
    nodes: Option<usize>,
    /// Ports of a node [default: 2; on rails one for each switch]
    #[arg(long)]
    node_degree: Option<usize>,
    /// Ports of a switch, for nodes and other switches [default: as many as are needed]
    #[arg(long)]
    switch_degree: Option<usize>,
    /// How they are wired
    #[arg(long, value_enum, default_value_t = Kind::Diameter)]
    kind: Kind,
    /// A ring whose nodes go to the switches so far from their first one, such as 0,4
    #[arg(long, value_delimiter = ',', conflicts_with = "kind")]
    offsets: Option<Vec<usize>>,
    /// Words, JSON for `verify` and `rain demo`, or a drawing
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Switches in a ring, each node on switches as far apart as can be
    Diameter,
    /// Switches in a ring, each node on neighbours
    Naive,
    /// Every two switches joined, a node for every two
    Clique,
    /// Every node on every switch, the switches not joined
    Rails,
    /// Switches in a ring, the offsets found by trying them all against lost switches
    Best,
}

#[derive(Debug, Args)]
pub(super) struct VerifyArguments {
    /// The JSON of `rain topology plan` or of `/api/v1/cluster`; `-` is standard input
    file: PathBuf,
    /// How many parts are lost, at most; every number from 1 is looked at
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=64))]
    lose: u8,
    /// Of which kinds
    #[arg(long, value_enum, default_value_t = Of::Any)]
    of: Of,
    /// Words, JSON, or a drawing of the worst case
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Of {
    Switches,
    /// Cables, those between switches and those of nodes
    Links,
    Nodes,
    /// Switches, links and nodes in any mixture
    Any,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
    Svg,
}

#[derive(Debug, Args)]
pub(super) struct SurveyArguments {
    /// How many switches, and nodes
    #[arg(long)]
    switches: usize,
    /// How many switches are lost, at most
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=12))]
    lose: u8,
    /// Words or JSON
    #[arg(long, value_enum, default_value_t = SurveyFormat::Text)]
    format: SurveyFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum SurveyFormat {
    Text,
    Json,
}

pub(super) fn run(command: &TopologyCommand) -> ExitCode {
    let done = match command {
        TopologyCommand::Plan(arguments) => plan(arguments),
        TopologyCommand::Verify(arguments) => verify_file(arguments),
        TopologyCommand::Survey(arguments) => survey(arguments),
    };
    let done = done.and_then(|(text, code)| {
        print(&text)?;
        Ok(code)
    });
    done.unwrap_or_else(|error| {
        if error.is::<Unread>() {
            return ExitCode::from(UNREAD_STATUS);
        }
        say_error(&error, false);
        ExitCode::from(UNKNOWN)
    })
}

fn plan(arguments: &PlanArguments) -> anyhow::Result<(String, ExitCode)> {
    let construction = match (&arguments.offsets, arguments.kind) {
        (Some(offsets), _) => Construction::Offsets(offsets.clone()),
        (None, Kind::Diameter | Kind::Best) => Construction::Diameter,
        (None, Kind::Naive) => Construction::Naive,
        (None, Kind::Clique) => Construction::Clique,
        (None, Kind::Rails) => Construction::Rails,
    };
    let mut parameters = TopologyParameters {
        construction,
        switches: arguments.switches,
        nodes: arguments.nodes,
        node_degree: arguments.node_degree,
        switch_degree: arguments.switch_degree,
    };
    let ports = arguments.node_degree.unwrap_or(2);
    let offsets = |name: &str, offsets: &[usize]| {
        let numbers: Vec<_> = offsets.iter().map(usize::to_string).collect();
        format!("{name}, offsets {}", numbers.join(", "))
    };
    // First, so that what is wrong with the parameters is said before anything is searched or named.
    parameters.build().map_err(name_option)?;
    let mut note = String::new();
    let words = match (&parameters.construction, arguments.kind) {
        (_, Kind::Best) if arguments.offsets.is_none() => {
            let (best, found) = search_offsets(&parameters)?;
            note = found;
            parameters.construction = Construction::Offsets(best.clone());
            offsets("Best ring", &best)
        }
        (Construction::Offsets(list), _) => offsets("Ring", list),
        (Construction::Naive, _) => offsets("Naive ring", &(0..ports).collect::<Vec<_>>()),
        (Construction::Clique, _) => format!("Clique of switches, {ports} ports a node"),
        (Construction::Rails, _) => "Every node on every switch".to_owned(),
        (Construction::Diameter, _) => offsets("Diameter construction", &diameter_offsets(parameters.switches, ports)),
    };
    let plan = TopologyPlan::new(parameters.build().map_err(name_option)?, &words);
    let text = match arguments.format {
        Format::Text => in_words(&plan) + &note,
        Format::Json => plan.to_json(),
        Format::Svg => draw(&plan, None),
    };
    Ok((text, ExitCode::SUCCESS))
}

/// Names the option that an error is about.
fn name_option(error: ConstructionError) -> anyhow::Error {
    let option = match error {
        ConstructionError::Switches { .. } => "--switches",
        ConstructionError::Nodes { .. } => "--nodes",
        ConstructionError::NodeDegree { .. } => "--node-degree",
        ConstructionError::SwitchDegree { .. } => "--switch-degree",
        ConstructionError::Offsets { .. } => "--offsets",
    };
    anyhow::Error::from(error).context(format!("`{option}`"))
}

/// Tries all offsets against the loss of as many switches as nodes of so many ports can bear, 2d - 1.
fn search_offsets(parameters: &TopologyParameters) -> anyhow::Result<(Vec<usize>, String)> {
    let ports = parameters.node_degree.unwrap_or(2);
    let lose = (2 * ports).saturating_sub(1).clamp(1, parameters.switches);
    let topology = parameters.build().map_err(name_option)?;
    let sets = LossSearch::new(&topology, LossKind::Switches, lose).sets();
    let choices = LossSearch::new(&topology, LossKind::Switches, ports).sets();
    let work = sets.zip(choices).and_then(|(sets, choices)| sets.checked_mul(choices));
    ensure!(
        work.is_some_and(|work| work <= SETS_MAX / 10),
        "`--kind best`: found {ports} ports on {} switches, expected fewer: there are too many offsets to try them all",
        parameters.switches
    );
    let (offsets, found, count) = best_offsets(parameters, lose).map_err(name_option)?;
    let bears = found.partitioned_by.0 - 1;
    let note = format!(
        "\nOf {count} choices of offsets, turned and mirrored ones left out, this one bears the loss of up to {lose} switches\n\
         best: {}, at most {} nodes are stranded and a second piece has at most {}.\n",
        if bears == lose { "it does not partition".to_owned() } else { format!("it bears {bears}") },
        found.stranded,
        found.second
    );
    Ok((offsets, note))
}

fn in_words(plan: &TopologyPlan) -> String {
    let topology = &plan.topology;
    let ports = (0..topology.switches).map(|switch| topology.ports_of(switch)).max().unwrap_or_default();
    // Writing to a string cannot fail.
    let mut text = format!("{}\n{}; up to {ports} ports a switch\n\n", plan.construction, plan.size());
    let width = plan.nodes.iter().map(String::len).max().unwrap_or_default();
    for (node, name) in plan.nodes.iter().enumerate() {
        let homes = topology.attachments.iter().filter(|cable| cable.node == node);
        let homes: Vec<_> = homes.map(|cable| plan.switches[cable.switch].as_str()).collect();
        let _ = writeln!(text, "  {name:<width$}  {}", homes.join(" "));
    }
    let joined: Vec<_> = topology
        .switch_links
        .iter()
        .map(|[one, other]| format!("{}-{}", plan.switches[*one], plan.switches[*other]))
        .collect();
    let joined = if joined.is_empty() { "nothing".to_owned() } else { joined.join(" ") };
    let _ = writeln!(text, "\nBetween switches: {joined}");
    match topology.nodes_apart() {
        None => text.push_str("Laboratory: yes, every two nodes share a switch\n"),
        Some([one, other]) => {
            let _ = writeln!(
                text,
                "Laboratory: no, {} and {} share no switch; `rain demo --topology` runs it",
                plan.nodes[one], plan.nodes[other]
            );
        }
    }
    text
}

/// Reads a plan, from standard input for `-`.
///
/// # Errors
/// What is wrong with the file, by name.
fn read_plan(file: &Path) -> anyhow::Result<TopologyPlan> {
    let from_stdin = file == Path::new("-");
    let name = if from_stdin { "standard input".to_owned() } else { file.display().to_string() };
    let mut bytes = Vec::new();
    let read = if from_stdin {
        stdin().lock().take(PLAN_BYTES_MAX + 1).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(file).and_then(|opened| opened.take(PLAN_BYTES_MAX + 1).read_to_end(&mut bytes))
    };
    read.with_context(|| name.clone())?;
    ensure!(bytes.len() as u64 <= PLAN_BYTES_MAX, "{name}: found more than {PLAN_BYTES_MAX} bytes, expected a plan");
    let text = String::from_utf8(bytes).map_err(|error| error.utf8_error()).with_context(|| name.clone())?;
    TopologyPlan::parse(&text).with_context(|| name)
}

fn verify_file(arguments: &VerifyArguments) -> anyhow::Result<(String, ExitCode)> {
    let plan = read_plan(&arguments.file)?;
    let kind = match arguments.of {
        Of::Switches => LossKind::Switches,
        Of::Links => LossKind::Links,
        Of::Nodes => LossKind::Nodes,
        Of::Any => LossKind::Any,
    };
    let (lose, parts) = (usize::from(arguments.lose), plan.topology.parts(kind).len());
    if lose > parts {
        bail!("`--lose`: found {lose}, expected 1 to {parts}, the parts that there are to lose");
    }
    let sets = (1..=lose).filter_map(|lose| LossSearch::new(&plan.topology, kind, lose).sets());
    let bar = progress_bar(sets.fold(0, u64::saturating_add), "sets");
    let cases = verify(&plan, kind, lose, |count| bar.inc(count));
    bar.finish_and_clear();
    let cases = cases.map_err(|(lose, sets)| {
        let found = sets.map_or_else(|| "more than can be counted".to_owned(), |sets| sets.to_string());
        anyhow::anyhow!("`--lose` {lose} of {parts} parts: found {found} sets, expected at most {SETS_MAX}")
    })?;
    let text = match arguments.format {
        Format::Text => cases.to_text(&plan),
        Format::Json => cases.to_json(&plan),
        Format::Svg => draw(&plan, cases.example()),
    };
    let code = if cases.is_partitioned() { ExitCode::from(PARTITIONS) } else { ExitCode::SUCCESS };
    Ok((text, code))
}

fn survey(arguments: &SurveyArguments) -> anyhow::Result<(String, ExitCode)> {
    let (switches, lose) = (arguments.switches, usize::from(arguments.lose));
    ensure!(
        (3..=SURVEYED_SWITCHES_MAX).contains(&switches),
        "`--switches`: found {switches}, expected 3 to {SURVEYED_SWITCHES_MAX}"
    );
    ensure!(lose <= switches, "`--lose`: found {lose}, expected at most {switches}, the switches that there are");
    let bar = progress_bar((switches * (switches - 1) / 2) as u64, "beginnings");
    let found = survey_wirings(switches, lose, |count| bar.inc(count));
    bar.finish_and_clear();
    let WiringSurvey { wirings, hold, fall_by_neighbours, example } = found;
    let text = match arguments.format {
        SurveyFormat::Json => {
            let homes = |homes: [usize; 2]| homes.map(|switch| format!("s{}", switch + 1));
            let example = example.map(|nodes| nodes.into_iter().map(homes).collect::<Vec<_>>());
            let found = json!({
                "switches": switches, "lose": lose, "wirings": wirings, "hold": hold,
                "fall_by_neighbours": fall_by_neighbours, "example": example,
            });
            format!("{found}\n")
        }
        SurveyFormat::Text => format!(
            "{switches} nodes of two ports on a ring of {switches} switches of four: {wirings} wirings\n\
             not partitioned by the loss of up to {lose} switches: {hold}\n\
             partitioned by the loss of one switch's neighbours: {fall_by_neighbours}\n"
        ),
    };
    Ok((text, ExitCode::SUCCESS))
}

/// Shown where standard error is a terminal.
fn progress_bar(length: u64, what: &'static str) -> ProgressBar {
    if !stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{wide_bar} {human_pos} of {human_len} {msg}, {eta}");
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(length).with_style(style).with_message(what)
}
