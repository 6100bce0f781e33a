//! `cargo xtask measure`: playback under faults, in numbers. The measuring itself is `benches/src/bin/playback`.

use std::process::Command;

use anyhow::Result;
use clap::ValueEnum;

use crate::browser;
use crate::tools::{self, Need, Outcome, Workspace};

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum What {
    /// Gaps of a paced viewer, by kind of fault.
    Playback,
    /// Rebuffers of a player in Chromium.
    Rebuffer,
    /// Frozen pictures of hls.js, dash.js, Shaka and video.js in Chromium.
    Players,
}

const FFMPEG: Need = Need { tools: &["ffmpeg"], packages: &["ffmpeg"] };

/// Builds the program and its measurement, and measures.
///
/// # Errors
/// A viewer saw a wrong byte or a broken stream, or a picture waited; it could not be measured.
pub(crate) fn run(workspace: &Workspace, what: What, arguments: &[String]) -> Result<Outcome> {
    let mut measure = match what {
        What::Playback => program(workspace, "faults")?,
        What::Rebuffer | What::Players => {
            if let Some(missing) = tools::ensure(&FFMPEG)? {
                return Ok(Outcome::Skipped(missing));
            }
            if let Some(missing) = browser::prepare(workspace)? {
                return Ok(Outcome::Skipped(missing));
            }
            let mut measure = program(workspace, if what == What::Players { "players" } else { "rebuffer" })?;
            measure.envs(tools::find("chromium").map(|chromium| ("CHROMIUM", chromium)));
            measure
        }
    };
    tools::run(measure.args(arguments).current_dir(&workspace.root))?;
    Ok(Outcome::Passed)
}

/// The measurement, which finds the program that it measures beside it.
fn program(workspace: &Workspace, command: &str) -> Result<Command> {
    let mut program = Command::new(workspace.build()?.join("playback"));
    program.arg(command);
    Ok(program)
}
