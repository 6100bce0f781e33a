//! The stages of `cargo xtask test`, and those of them that are calls of cargo.

use core::fmt;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result};
use clap::ValueEnum;

use crate::measure::{self, What};
use crate::tools::{self, Need, Outcome, Workspace};
use crate::{browser, capi, fuzz, lab, map};

/// A stage of the test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Stage {
    /// All programs and tests, once for all stages.
    Build,
    /// Format, clippy, documentation.
    Lint,
    /// Tests of every crate by itself, and the example in C.
    Unit,
    /// Every state of the link protocol, within bounds.
    Model,
    /// Whole clusters, their links and their datagrams, in the seeded simulators.
    Sim,
    /// Every fuzz target for a short while.
    Fuzz,
    /// The machine code of the straight-line bodies, as the linker wrote it, against the parity equations.
    Proof,
    /// The program itself, over sockets and processes.
    E2e,
    /// Files as ffmpeg makes them, packaged for players, against ffprobe, a strict parser and a browser.
    Media,
    /// Viewers of a demo whose parts fail: every byte right, no stream broken.
    Playback,
    /// Real nodes in network namespaces whose switches and cables are cut: what both ends notice, what viewers do not.
    Lab,
    /// The console of a demo and a player under faults, in a real browser.
    Browser,
    /// hls.js, dash.js, Shaka and video.js, which play on while nodes die, hang and return.
    Players,
}

/// All stages, in the order in which they run.
pub(crate) const ALL: [Stage; 13] = [
    Stage::Build,
    Stage::Lint,
    Stage::Unit,
    Stage::Model,
    Stage::Sim,
    Stage::Fuzz,
    Stage::Proof,
    Stage::E2e,
    Stage::Media,
    Stage::Playback,
    Stage::Lab,
    Stage::Browser,
    Stage::Players,
];

/// How many stages ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    pub(crate) skipped: usize,
}

/// The closing line.
impl fmt::Display for Tally {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} passed, {} failed", self.passed, self.failed)?;
        if self.skipped > 0 { write!(formatter, ", {} skipped", self.skipped) } else { Ok(()) }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.to_possible_value().map(|value| value.get_name().to_owned());
        formatter.write_str(&name.unwrap_or_default())
    }
}

/// Runs stages up to the first that fails; those behind it count as skipped.
pub(crate) fn run(stages: &[Stage]) -> Tally {
    let mut tally = Tally::default();
    for (place, stage) in stages.iter().enumerate() {
        println!("== {stage}");
        let began = Instant::now();
        let outcome = Workspace::find().and_then(|workspace| stage.run(&workspace));
        let seconds = began.elapsed().as_secs_f64();
        match outcome {
            Ok(Outcome::Passed) => {
                println!("== {stage} passed in {seconds:.1} s");
                tally.passed += 1;
            }
            Ok(Outcome::Skipped(reason)) => {
                println!("== {stage} skipped: {reason}");
                tally.skipped += 1;
            }
            Err(error) => {
                println!("== {stage} FAILED after {seconds:.1} s: {error:#}");
                tally.failed += 1;
                tally.skipped += stages.len() - place - 1;
                break;
            }
        }
    }
    tally
}

impl Stage {
    fn run(self, workspace: &Workspace) -> Result<Outcome> {
        match self {
            Stage::Build => workspace.build().map(|_| Outcome::Passed),
            Stage::Lint => lint(workspace),
            Stage::Unit => unit(workspace),
            Stage::Model => model(workspace, false),
            Stage::Sim => sim(workspace, None),
            Stage::Fuzz => fuzz::run(workspace, &fuzz::Options::default()),
            Stage::Proof => prove(workspace),
            Stage::E2e => end_to_end(workspace),
            Stage::Media => in_media(workspace),
            Stage::Playback => measure::run(workspace, What::Playback, &["--correctness-only".to_owned()]),
            Stage::Lab => lab::stage(),
            Stage::Browser => in_browser(workspace),
            Stage::Players => measure::run(workspace, What::Players, &["--correctness-only".to_owned()]),
        }
    }
}

/// The corpus first, then what a browser shows of files.
fn in_media(workspace: &Workspace) -> Result<Outcome> {
    let packaged = media(workspace, SAMPLE)?;
    if packaged != Outcome::Passed {
        return Ok(packaged);
    }
    browser::offsets(workspace)
}

/// The console first, then one short run of the player under faults.
fn in_browser(workspace: &Workspace) -> Result<Outcome> {
    let console = browser::run(workspace)?;
    if console != Outcome::Passed {
        return Ok(console);
    }
    let short = ["--correctness-only", "--seeds", "1", "--seconds", "30"].map(str::to_owned);
    measure::run(workspace, What::Rebuffer, &short)
}

fn lint(workspace: &Workspace) -> Result<Outcome> {
    tools::run(&mut workspace.cargo(&["fmt", "--all", "--check"]))?;
    generate(workspace, true)?;
    map::run(workspace, true)?;
    tools::run(&mut workspace.cargo(&["clippy", "--workspace", "--all-targets", "--", "-Dwarnings"]))?;
    let mut doc = workspace.cargo(&["doc", "--workspace", "--no-deps"]);
    tools::run(doc.env("RUSTDOCFLAGS", "-Dwarnings"))?;
    Ok(Outcome::Passed)
}

/// The program that knows what is generated, and proves it.
const PROVE: &str = "rain-prove";

/// Writes the generated sources, or with `check` only says whether they are as they would be written.
pub(crate) fn generate(workspace: &Workspace, check: bool) -> Result<()> {
    let mut generate = Command::new(workspace.build()?.join(PROVE));
    tools::run(generate.arg("generate").args(check.then_some("--check")))
}

/// Crates whose integration tests are those of one crate by itself.
const LIBRARIES: [&str; 3] = ["kernels", "codec", "cluster"];

fn unit(workspace: &Workspace) -> Result<Outcome> {
    let mut tests = Vec::new();
    for folder in LIBRARIES {
        tests.extend(integration_tests(workspace, folder)?);
    }
    tests.retain(|name| ![MODEL, LINKS].contains(&name.as_str()));
    let tests = tests.iter().flat_map(|name| ["--test", name]);
    tools::run(
        &mut workspace.cargo_test(["--lib", "--bins"].into_iter().chain(tests).chain(["--", "--skip", SIMULATORS])),
    )?;
    tools::run(&mut workspace.cargo_test(["--doc"]))?;
    capi::example(workspace)?;
    Ok(Outcome::Passed)
}

/// The cluster's test that is a stage of its own.
const MODEL: &str = "model";

/// Runs the model checks; `deep` with bounds for a night.
pub(crate) fn model(workspace: &Workspace, deep: bool) -> Result<Outcome> {
    let mut test = workspace.cargo_test(["--test", MODEL, "--", "--nocapture"]);
    tools::run(test.envs(deep.then_some(("RAIN_MODEL_DEEP", "1"))))?;
    Ok(Outcome::Passed)
}

/// The cluster's test of links in a seeded network.
const LINKS: &str = "links";

/// Modules of the libraries with simulators of their own, in the names of their tests.
const SIMULATORS: &str = "sim::";

/// The node's test: whole clusters under seeds.
const SIMULATION: &str = "sim";

/// Runs the seeded simulators, each with so many seeds; `None` with as many as it takes for usual.
pub(crate) fn sim(workspace: &Workspace, seeds: Option<u32>) -> Result<Outcome> {
    let pure = ["--lib", "--", SIMULATORS, "--nocapture"];
    for target in [pure.as_slice(), &["--test", LINKS, "--test", SIMULATION, "--", "--nocapture"]] {
        let mut test = workspace.cargo_test(target.iter().copied());
        tools::run(test.envs(seeds.map(|seeds| ("RAIN_SIM_SEEDS", seeds.to_string()))))?;
    }
    Ok(Outcome::Passed)
}

/// The proof is of the program that is shipped, by this one built as it is.
fn prove(workspace: &Workspace) -> Result<Outcome> {
    if !cfg!(all(target_arch = "x86_64", target_os = "linux")) {
        return Ok(Outcome::Skipped("it reads x86-64 code from an ELF file; this is another machine".to_owned()));
    }
    let programs = workspace.build()?;
    tools::run(Command::new(programs.join(PROVE)).args(["prove", "--file"]).arg(programs.join("rain")))?;
    Ok(Outcome::Passed)
}

const FFMPEG: Need = Need { tools: &["ffmpeg", "ffprobe"], packages: &["ffmpeg"] };

fn end_to_end(workspace: &Workspace) -> Result<Outcome> {
    let tests = integration_tests(workspace, "streamer")?;
    if let Some(missing) = tools::ensure(&FFMPEG)? {
        return Ok(Outcome::Skipped(missing));
    }
    tools::run(&mut workspace.cargo_test(tests.iter().flat_map(|name| ["--test", name])))?;
    Ok(Outcome::Passed)
}

/// The tests of `rain-media` over files of ffmpeg: those of each test run, and those of a night.
const SAMPLE: &str = "sample_of_the_corpus";
pub(crate) const REST: &str = "rest_of_the_corpus";

/// Packages files as ffmpeg makes them.
pub(crate) fn media(workspace: &Workspace, tests: &str) -> Result<Outcome> {
    if let Some(missing) = tools::ensure(&FFMPEG)? {
        return Ok(Outcome::Skipped(missing));
    }
    tools::run(&mut workspace.cargo_test(["--test", "corpus", "--", tests, "--nocapture"]))?;
    Ok(Outcome::Passed)
}

/// Names the integration tests of a crate: `tests/NAME.rs` and `tests/NAME/main.rs`.
fn integration_tests(workspace: &Workspace, folder: &str) -> Result<Vec<String>> {
    let folder = workspace.root.join(folder).join("tests");
    let mut names = Vec::new();
    if !folder.is_dir() {
        return Ok(names);
    }
    for entry in folder.read_dir().with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        let is_test = path.extension().is_some_and(|extension| extension == "rs") || path.join("main.rs").is_file();
        if let Some(name) = path.file_stem().and_then(|stem| stem.to_str())
            && is_test
        {
            names.push(name.to_owned());
        }
    }
    names.sort_unstable();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closing_line_is_plain() {
        let tally = Tally { passed: 6, failed: 0, skipped: 0 };
        assert_eq!(tally.to_string(), "6 passed, 0 failed");
        assert_eq!(Tally { passed: 2, failed: 1, skipped: 3 }.to_string(), "2 passed, 1 failed, 3 skipped");
    }

    #[test]
    fn every_stage_runs_when_none_is_named() {
        assert_eq!(ALL, Stage::value_variants());
        assert_eq!(
            ALL.map(|stage| stage.to_string()),
            [
                "build", "lint", "unit", "model", "sim", "fuzz", "proof", "e2e", "media", "playback", "lab", "browser",
                "players"
            ]
        );
    }
}
