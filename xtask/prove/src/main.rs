//! What is generated out of the codec, and the proof of the machine code that came of it. `cargo xtask generate` and the
//! stages `lint` and `proof` call it; a crate of its own, so that xtask itself waits for no kernel to be built.
#![forbid(unsafe_code)]

mod generate;
mod header;
mod proof;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};

/// Generated sources, and the proof of their machine code.
#[derive(Debug, Parser)]
#[command(name = "rain-prove")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Writes the generated sources: the straight-line bodies of kernels/, and the C header of capi/.
    Generate {
        /// Only say whether they are as they would be written.
        #[arg(long)]
        check: bool,
    },
    /// Proves the machine code of the straight-line bodies that is in this very program, or in another.
    Prove {
        /// A program that has the same bodies, built by the same compiler from the same sources.
        #[arg(long)]
        file: Option<PathBuf>,
    },
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Generate { check } => generate(check),
        Command::Prove { file } => proof::run(file.as_deref()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn generate(check: bool) -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).context("this lies in xtask/prove")?;
    generate::run(root, check)?;
    header::run(root, check)
}
