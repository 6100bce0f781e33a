//! What takes a night: everything that looks for rare mistakes, for long. docs/nightly.md says how it ended.

use core::fmt::{self, Write as _};
use std::fs;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, ValueEnum};

use crate::deny;
use crate::fuzz;
use crate::measure::{self, What};
use crate::mutate::{self, Suite};
use crate::stages::{self, Stage};
use crate::tools::{self, Outcome, Workspace};

const PAGE: &str = "docs/nightly.md";
/// Seeds of each simulator.
const SEEDS: u32 = 10_000;
/// So often streams between nodes are tampered with.
const TAMPERINGS: u32 = 10_000;
/// For how long each fuzz target runs, unless it is said otherwise.
const FUZZ_SECONDS: u32 = 300;

/// What is to be done.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// A part to run; may be given several times. They run in the order of the list, all of them when none is named
    #[arg(long = "part", value_name = "PART")]
    parts: Vec<Part>,
    /// For how long each fuzz target runs
    #[arg(long, default_value_t = FUZZ_SECONDS)]
    fuzz_seconds: u32,
}

/// A part of the night.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// The stages of the test but those of which the other parts are the long form.
    Test,
    /// The seeded simulators, ten thousand seeds each.
    Sim,
    /// Every state of links and the register, within wider bounds.
    Model,
    /// A demo in which somebody between the nodes tampers with what they say.
    Hostile,
    /// The files of the corpus that the test does not package.
    Media,
    /// What players make of each fault, under twenty seeds; written to docs/playback.md.
    Players,
    /// Hundreds of viewers and thousands of ranges at once.
    Crowd,
    /// Bugs planted in codec and kernels.
    MutateCodec,
    /// Bugs planted in cluster, desk, store and fetching.
    MutateNode,
    /// Every fuzz target, minutes each.
    Fuzz,
    /// Licences, sources and known faults of all crates.
    Deny,
}

impl fmt::Display for Part {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.to_possible_value().map(|value| value.get_name().to_owned());
        formatter.write_str(&name.unwrap_or_default())
    }
}

/// How a part ended.
struct Line {
    part: Part,
    seconds: f64,
    /// What went wrong, or why it did not run.
    ended: Result<Outcome>,
}

/// Runs the parts one after the other, also behind one that fails, and writes docs/nightly.md.
///
/// # Errors
/// A part failed.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let wanted = |part: &&Part| options.parts.is_empty() || options.parts.contains(part);
    let mut lines = Vec::new();
    for part in Part::value_variants().iter().filter(wanted) {
        println!("== {part}");
        let began = Instant::now();
        let ended = part.run(workspace, options);
        let line = Line { part: *part, seconds: began.elapsed().as_secs_f64(), ended };
        println!("== {part} {} in {:.0} s", line.words(), line.seconds);
        lines.push(line);
    }
    let date = tools::output(Command::new("date").args(["-u", "+%Y-%m-%d"]))?;
    let mut git = Command::new("git");
    let commit = tools::output(git.args(["describe", "--always", "--dirty"]).current_dir(&workspace.root))?;
    let page = page(&lines, date.trim(), commit.trim(), &tools::cpu()?);
    fs::write(workspace.root.join(PAGE), page).with_context(|| PAGE.to_owned())?;
    let failed = lines.iter().filter(|line| line.ended.is_err()).count();
    println!("{} parts, {failed} failed", lines.len());
    ensure!(failed == 0, "{failed} parts failed");
    Ok(())
}

impl Part {
    fn run(self, workspace: &Workspace, options: &Options) -> Result<Outcome> {
        let mutate = |suite| mutate::run(workspace, &mutate::Options::of(suite));
        match self {
            Self::Test => test(),
            Self::Sim => stages::sim(workspace, Some(SEEDS)),
            Self::Model => stages::model(workspace, true),
            Self::Hostile => end_to_end(workspace, "hostile::", "RAIN_TAMPERINGS", TAMPERINGS),
            Self::Media => stages::media(workspace, stages::REST),
            Self::Players => measure::run(workspace, What::Players, &[]),
            Self::Crowd => end_to_end(workspace, "crowds::", "RAIN_CROWD", 1),
            Self::MutateCodec => mutate(Suite::Codec).map(|()| Outcome::Passed),
            Self::MutateNode => mutate(Suite::Node).map(|()| Outcome::Passed),
            Self::Fuzz => fuzz::run(workspace, &fuzz::Options::each(options.fuzz_seconds)),
            Self::Deny => deny::run(workspace),
        }
    }
}

/// An end-to-end test, for long: `variable` says how long.
fn end_to_end(workspace: &Workspace, tests: &str, variable: &str, value: u32) -> Result<Outcome> {
    let mut test = Command::new("cargo");
    test.args(["test", "--release", "-p", "rain-streamer", "--test", "e2e", "--", tests, "--nocapture"]);
    test.env(variable, value.to_string()).current_dir(&workspace.root);
    let status = test.status().context("cargo test")?;
    ensure!(status.success(), "{tests} {status}");
    Ok(Outcome::Passed)
}

/// Each stage by itself: one that fails holds up no other.
fn test() -> Result<Outcome> {
    let stages = stages::ALL
        .into_iter()
        .filter(|stage| ![Stage::Sim, Stage::Model, Stage::Fuzz, Stage::Players].contains(stage));
    let failed: Vec<String> =
        stages.filter(|stage| stages::run(&[*stage]).failed > 0).map(|stage| stage.to_string()).collect();
    if failed.is_empty() { Ok(Outcome::Passed) } else { bail!("{}", failed.join(", ")) }
}

impl Line {
    /// How it ended, in one line.
    fn words(&self) -> String {
        match &self.ended {
            Ok(Outcome::Passed) => "passed".to_owned(),
            Ok(Outcome::Skipped(reason)) => format!("skipped: {reason}"),
            Err(error) => format!("failed: {error:#}").lines().next().unwrap_or_default().to_owned(),
        }
    }
}

fn page(lines: &[Line], date: &str, commit: &str, cpu: &str) -> String {
    let mut page = format!(
        "# Nightly\n\nWritten by `cargo xtask nightly`; do not edit. On {date}, commit {commit}, on an {cpu}.\n\n\
         | part | how it ended | s |\n|---|---|---|\n"
    );
    for line in lines {
        let ended = line.words().replace('|', "\\|");
        writeln!(page, "| {} | {ended} | {:.0} |", line.part, line.seconds).expect("a string takes all");
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_is_one_line() {
        let line = |part, ended| Line { part, seconds: 1.25, ended };
        let lines = [
            line(Part::Sim, Ok(Outcome::Passed)),
            line(Part::Fuzz, Ok(Outcome::Skipped("there is no fuzz/ crate".to_owned()))),
            line(Part::MutateNode, Err(anyhow::anyhow!("2 bugs | nothing\nmore words"))),
        ];
        let page = page(&lines, "2026-01-02", "0123456", "some CPU");
        assert!(page.contains("On 2026-01-02, commit 0123456, on an some CPU."), "{page}");
        assert!(page.ends_with(
            "| sim | passed | 1 |\n| fuzz | skipped: there is no fuzz/ crate | 1 |\n\
             | mutate-node | failed: 2 bugs \\| nothing | 1 |\n"
        ));
    }
}
