//! What cuts do in a laboratory of network namespaces: when both ends notice, what a viewer sees, what is said wrongly
//! when nothing was cut, what two switches are worth. Runs inside, in the viewers' network.

mod bundle;
mod cut;
mod laboratory;
mod monitoring;
mod report;
mod soak;
mod trials;

use core::fmt;
use core::str::FromStr;
use std::io;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use rain_benches::Trace;
use rain_gauge::Machine;
use rain_harness::TemporaryFolder;
use serde_json::{Value, json};

use crate::document;
use crate::settings::ms;
use crate::source::{BUFFER_BYTES, Title};
use crate::viewer::PACE;
use cut::Cut;
use laboratory::Laboratory;
use soak::Soak;

/// What is asked for.
#[derive(Clone, Debug, Args)]
pub(crate) struct Settings {
    /// Cuts of each kind [default: 200; 10 with --correctness-only]
    #[arg(long)]
    cuts: Option<u32>,
    /// Only these parts: kinds of cuts and of soaks, `bundle`, `monitoring` [default: all but `monitoring`]
    #[arg(long, value_delimiter = ',')]
    parts: Vec<Part>,
    /// Minutes of each of the four soaks
    #[arg(long, default_value_t = 30.0)]
    minutes: f64,
    /// The title's size in MB [default: 400; 60 with --correctness-only]
    #[arg(long)]
    megabytes: Option<u64>,
    /// What random choices come from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where records go, instead of benches/record; docs/playback.md is left alone then
    #[arg(long)]
    out: Option<PathBuf>,
    /// Adds to what an earlier run of this day and commit saw of these parts, with another seed, instead of replacing it
    #[arg(long)]
    more: bool,
    /// Few cuts and no soak; only correct bytes, whole streams and verdicts asserted; nothing is recorded
    #[arg(long)]
    correctness_only: bool,
}

/// A part of the measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Cut(Cut),
    /// Wrong verdicts when nothing is cut.
    Soak(Soak),
    /// One stream over two switches.
    Bundle,
    /// What watching paths costs.
    Monitoring,
}

const BUNDLE: &str = "bundle";
const MONITORING: &str = "monitoring";

impl Part {
    fn name(self) -> String {
        match self {
            Self::Cut(cut) => cut.name(),
            Self::Soak(soak) => soak.name(),
            Self::Bundle => BUNDLE.to_owned(),
            Self::Monitoring => monitoring::kind(),
        }
    }
}

/// Lines that were added to every node's configuration.
fn node_settings() -> String {
    std::env::var("RAIN_LAB_SETTINGS").unwrap_or_default()
}

impl FromStr for Part {
    type Err = UnknownPart;

    fn from_str(name: &str) -> Result<Self, UnknownPart> {
        match name {
            BUNDLE => Ok(Self::Bundle),
            MONITORING => Ok(Self::Monitoring),
            _ => {
                let soak = Soak::from_str(name, false).map(Self::Soak);
                soak.or_else(|_| Cut::from_str(name, false).map(Self::Cut)).map_err(|_| UnknownPart)
            }
        }
    }
}

/// A part that there is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct UnknownPart;

impl fmt::Display for UnknownPart {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> =
            Cut::ALL.iter().map(|cut| cut.name()).chain(Soak::ALL.iter().map(|soak| soak.name())).collect();
        write!(formatter, "expected one of {}, {BUNDLE}, {MONITORING}", names.join(", "))
    }
}

impl std::error::Error for UnknownPart {}

impl Settings {
    fn parts(&self) -> Vec<Part> {
        let all = Cut::ALL.map(Part::Cut).into_iter();
        // Soaks say nothing in a few seconds, nor does throughput on a machine that does other things.
        let more = Soak::ALL.map(Part::Soak).into_iter().chain([Part::Bundle]);
        let more = more.filter(|_| !self.correctness_only);
        if self.parts.is_empty() { all.chain(more).collect() } else { self.parts.clone() }
    }

    fn cuts(&self) -> u32 {
        self.cuts.unwrap_or(if self.correctness_only { 10 } else { 200 })
    }

    fn title(&self) -> Title {
        let megabytes = self.megabytes.unwrap_or(if self.correctness_only { 60 } else { 400 });
        // Not a whole number of stripes.
        Title { name: "measured", bytes: megabytes * 1_000_000 + 4321, seed: self.seed }
    }

    fn parameters(&self) -> Value {
        // What watching costs is measured with several settings, each of which is in its own lines.
        let is_monitoring = self.parts() == [Part::Monitoring];
        let settings = if is_monitoring { String::new() } else { node_settings() };
        json!({
            "title_bytes": self.title().bytes, "bytes_per_tick": PACE.tick_bytes, "tick_ms": ms(PACE.tick),
            "receive_buffer_bytes": BUFFER_BYTES,
            "settings": settings,
        })
    }
}

/// Runs all parts that are wanted, and writes what they saw.
///
/// # Errors
/// A wrong byte, a broken stream, an end that did not notice a cut or its healing; it cannot be measured.
pub(crate) fn run(settings: &Settings) -> io::Result<()> {
    let lab = Laboratory::find()?;
    let machine = Machine::detect();
    let scratch = TemporaryFolder::new("lab")?;
    let root = settings.out.as_deref().or(settings.correctness_only.then_some(scratch.path()));
    let parts = settings.parts();
    let replaced = parts.iter().filter(|_| !settings.more);
    let names: Vec<String> = replaced.map(|part| part.name()).collect();
    let mut trace = Trace::begin(root, &machine, "lab", &settings.parameters(), &names)?;
    let mut failures = Vec::new();
    for part in parts {
        println!("== {}", part.name());
        let failed = match part {
            Part::Cut(cut) => trials::run(settings, cut, &lab, &mut trace)?,
            Part::Soak(soak) => soak::run(settings, soak, &lab, &mut trace)?,
            Part::Bundle => bundle::run(settings, &lab, &mut trace)?,
            Part::Monitoring => monitoring::run(settings, &lab, &mut trace)?,
        };
        for failure in failed {
            println!("   FAILED: {failure}");
            failures.push(format!("{}: {failure}", part.name()));
        }
    }
    let table = report::table(trace.lines());
    println!("\n{table}");
    if !settings.correctness_only {
        println!("{}", trace.path().display());
        if settings.out.is_none() {
            document::replace("lab", &table)?;
        }
    }
    if failures.is_empty() { Ok(()) } else { Err(io::Error::other(failures.join("\n"))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_by_name() {
        assert_eq!("one-way".parse(), Ok(Part::Cut(Cut::OneWay)));
        assert_eq!("bundle".parse(), Ok(Part::Bundle));
        let error = "switch".parse::<Part>().unwrap_err().to_string();
        assert!(
            error.ends_with("node-killed, soak-idle, soak-load, soak-loss, soak-load-loss, bundle, monitoring"),
            "{error}"
        );
        for cut in Cut::ALL {
            assert_eq!(cut.name().parse(), Ok(Part::Cut(cut)));
        }
        for soak in Soak::ALL {
            assert_eq!(soak.name().parse(), Ok(Part::Soak(soak)));
        }
    }
}
