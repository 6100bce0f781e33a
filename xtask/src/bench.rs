//! `cargo xtask bench`: encoding and decoding in memory. The measuring itself is `benches/src/bin/throughput`.

use anyhow::Result;

use crate::tools::{self, Need, Outcome, Workspace};

/// What ISA-L is built with.
const ISA_L: Need = Need {
    tools: &["nasm", "autoreconf", "libtoolize"],
    packages: &["nasm", "autoconf", "automake", "libtool", "libclang-dev"],
};

/// Builds the measurement and runs it.
///
/// # Errors
/// It could not be built, or failed.
pub(crate) fn run(workspace: &Workspace, peers: bool, options: &[String]) -> Result<Outcome> {
    let mut bench = workspace.cargo(&["run", "--release", "-p", "rain-benches", "--bin", "throughput"]);
    if peers {
        if let Some(missing) = tools::ensure(&ISA_L)? {
            return Ok(Outcome::Skipped(missing));
        }
        bench.args(["--features", "peers"]);
    }
    tools::run(bench.arg("--").args(options))?;
    Ok(Outcome::Passed)
}
