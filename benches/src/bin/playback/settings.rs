//! What is measured, and with which numbers.

use core::fmt;
use core::str::FromStr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use crate::kind::Kind;
use crate::source::{BUFFER_BYTES, Title};
use crate::viewer::PACE;

/// What `faults` is asked for.
#[derive(Clone, Debug, Args)]
pub(crate) struct Settings {
    /// Trials of each kind of fault [default: 200; 3 with --correctness-only]
    #[arg(long)]
    faults: Option<u32>,
    /// Only these parts: kinds of faults, `false-downs`, `ring`
    #[arg(long, value_delimiter = ',')]
    kinds: Vec<Part>,
    /// The title's size in MB [default: 400; 60 with --correctness-only]
    #[arg(long)]
    megabytes: Option<u64>,
    /// What random choices come from
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// The first of the ports for demo clusters
    #[arg(long, default_value_t = 14_000)]
    pub(crate) port: u16,
    /// Where records go, instead of benches/record; docs/playback.md is left alone then
    #[arg(long)]
    pub(crate) out: Option<PathBuf>,
    /// Few trials, only correct bytes and whole streams asserted; nothing is recorded
    #[arg(long)]
    pub(crate) correctness_only: bool,
}

/// A part of the measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// A kind of fault.
    Fault(Kind),
    /// Wrong verdicts about paths.
    FalseDowns,
    /// Every three switches of a ring of eight.
    Ring,
}

/// The name of the part with wrong verdicts, on the command line and in traces.
pub(crate) const FALSE_DOWNS: &str = "false-downs";
/// The name of the ring's part.
pub(crate) const RING: &str = "ring";

impl Part {
    /// Its name on the command line and in traces.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Fault(kind) => kind.name(),
            Self::FalseDowns => FALSE_DOWNS.to_owned(),
            Self::Ring => RING.to_owned(),
        }
    }
}

impl FromStr for Part {
    type Err = UnknownPart;

    fn from_str(name: &str) -> Result<Self, UnknownPart> {
        match name {
            FALSE_DOWNS => Ok(Self::FalseDowns),
            RING => Ok(Self::Ring),
            _ => Kind::from_str(name, false).map(Self::Fault).map_err(|_| UnknownPart),
        }
    }
}

/// A part that there is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UnknownPart;

impl fmt::Display for UnknownPart {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = Kind::ALL.iter().map(|kind| kind.name()).collect();
        write!(formatter, "expected one of {}, {FALSE_DOWNS}, {RING}", names.join(", "))
    }
}

impl std::error::Error for UnknownPart {}

impl Settings {
    /// The parts that are wanted, in the order of the table.
    pub(crate) fn parts(&self) -> Vec<Part> {
        let all = Kind::ALL.map(Part::Fault).into_iter().chain([Part::FalseDowns, Part::Ring]);
        all.filter(|part| self.kinds.is_empty() || self.kinds.contains(part)).collect()
    }

    /// Trials of each kind of fault.
    pub(crate) fn trials(&self) -> u32 {
        self.faults.unwrap_or(if self.correctness_only { 3 } else { 200 })
    }

    /// What viewers read.
    pub(crate) fn title(&self) -> Title {
        let megabytes = self.megabytes.unwrap_or(if self.correctness_only { 60 } else { 400 });
        // Not a whole number of stripes.
        Title { name: "measured", bytes: megabytes * 1_000_000 + 4321, seed: self.seed }
    }

    /// For how long a fault is watched before it is healed. With `rain get` there is more between the node and the
    /// viewer that must run dry before a stall is seen at all.
    pub(crate) fn observed(&self, kind: Kind) -> Duration {
        Duration::from_millis(match (self.correctness_only, kind.is_own()) {
            (true, false) => 400,
            (false, false) => 700,
            (true, true) => 1000,
            (false, true) => 1500,
        })
    }

    /// For how long the same stream is watched before, with nothing wrong.
    pub(crate) fn control(&self, kind: Kind) -> Duration {
        if self.correctness_only { Duration::from_millis(100) } else { self.observed(kind) }
    }

    /// What a record tells of it.
    pub(crate) fn parameters(&self) -> Value {
        json!({
            "title_bytes": self.title().bytes,
            "bytes_per_tick": PACE.tick_bytes,
            "tick_ms": PACE.tick.as_secs_f64() * 1e3,
            "receive_buffer_bytes": BUFFER_BYTES,
            "observed_ms": ms(self.observed(Kind::NodeKilled)),
            "observed_own_ms": ms(self.observed(Kind::OwnNodeKilled)),
            "seed": self.seed,
        })
    }
}

/// A time in ms as records have it.
pub(crate) fn ms(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_by_name() {
        assert_eq!("two-hung".parse(), Ok(Part::Fault(Kind::TwoHung)));
        assert_eq!("ring".parse(), Ok(Part::Ring));
        assert!("nodes".parse::<Part>().unwrap_err().to_string().contains("own-node-hung, false-downs, ring"));
        for kind in Kind::ALL {
            assert_eq!(kind.name().parse(), Ok(Part::Fault(kind)));
        }
    }
}
