//! `cargo xtask lab measure`: laboratories for the measurement, which is `benches/src/bin/playback`.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Args;

use super::lab_plan::LabPlan;
use super::{build, enter};

/// The part that needs a laboratory of its own: 62 paths are those of a node among 32 on two switches.
const MONITORING: &str = "monitoring";
const MONITORING_NODES: u8 = 32;

/// What is measured, and how much of it.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Options {
    /// Only these parts: kinds of cuts (`switch-dead`, `port-down`, `cable-pulled`, `one-way`, `loss`, `node-hung`,
    /// `node-killed`), of soaks (`soak-idle`, `soak-load`, `soak-loss`, `soak-load-loss`), `bundle`, `monitoring`
    #[arg(long, value_delimiter = ',')]
    parts: Vec<String>,
    /// One more line of every node's configuration; may be given several times
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
    /// Cuts of each kind [default: 200; 10 with --correctness-only]
    #[arg(long)]
    cuts: Option<u32>,
    /// Minutes of each of the four soaks [default: 30]
    #[arg(long)]
    minutes: Option<f64>,
    /// The title's size in MB
    #[arg(long)]
    megabytes: Option<u64>,
    /// What random choices come from
    #[arg(long)]
    seed: Option<u64>,
    /// Where records go, instead of benches/record; docs/playback.md is left alone then
    #[arg(long)]
    out: Option<PathBuf>,
    /// Adds to what an earlier run of this day and commit saw, with another seed, instead of replacing it
    #[arg(long)]
    more: bool,
    /// Few cuts and no soak; only correct bytes, whole streams and verdicts asserted; nothing is recorded
    #[arg(long)]
    correctness_only: bool,
}

impl Options {
    /// Few cuts, of which only what must hold on any machine is judged.
    pub(super) fn correctness_only() -> Self {
        Self { correctness_only: true, ..Self::default() }
    }

    /// The words for the measurement, but for its parts.
    fn to_arguments(&self) -> Vec<String> {
        let Self { cuts, minutes, megabytes, seed, out, more, correctness_only, parts: _, settings: _ } = self;
        let out = out.as_ref().map(|out| format!("--out={}", out.display()));
        let words = [
            cuts.map(|cuts| format!("--cuts={cuts}")),
            minutes.map(|minutes| format!("--minutes={minutes}")),
            megabytes.map(|megabytes| format!("--megabytes={megabytes}")),
            seed.map(|seed| format!("--seed={seed}")),
            out,
            more.then(|| "--more".to_owned()),
            correctness_only.then(|| "--correctness-only".to_owned()),
        ];
        words.into_iter().flatten().collect()
    }
}

/// Measures everything, or some parts, in laboratories of their own.
///
/// # Errors
/// The measurement cannot be made, or found what must not be.
pub(super) fn run(options: &Options) -> Result<()> {
    let programs = build()?;
    let (monitoring, others): (Vec<&str>, Vec<&str>) =
        options.parts.iter().map(String::as_str).partition(|part| *part == MONITORING);
    let (code, settings) = ("b-code:4".to_owned(), options.settings.clone());
    let small = LabPlan { nodes: 4, switches: 2, cables: Vec::new(), code, settings };
    if options.parts.is_empty() || !others.is_empty() {
        measure_in(&small, &programs, &others, options)?;
    }
    if options.parts.is_empty() || !monitoring.is_empty() {
        measure_in(&LabPlan { nodes: MONITORING_NODES, ..small }, &programs, &[MONITORING], options)?;
    }
    Ok(())
}

fn measure_in(plan: &LabPlan, programs: &Path, parts: &[&str], options: &Options) -> Result<()> {
    let mut command = vec![programs.join("playback").display().to_string(), "lab".to_owned()];
    if !parts.is_empty() {
        command.push(format!("--parts={}", parts.join(",")));
    }
    command.extend(options.to_arguments());
    let status = enter::run(plan, &programs.join("rain"), &command)?;
    if !status.success() {
        bail!("the measurement failed: {status}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[test]
    fn options_are_handed_on() {
        #[derive(Parser)]
        struct Line {
            #[command(flatten)]
            options: Options,
        }
        let handed = |line: &str| Line::try_parse_from(line.split(' ')).map(|line| line.options.to_arguments());
        assert_eq!(handed("measure --cuts 20 --parts loss --set a=1 --more").unwrap(), ["--cuts=20", "--more"]);
        assert_eq!(
            handed("measure --minutes 0.5 --seed 7 --megabytes 60 --out x --correctness-only").unwrap(),
            ["--minutes=0.5", "--megabytes=60", "--seed=7", "--out=x", "--correctness-only"]
        );
        assert!(handed("measure --cats 1").is_err());
    }
}
