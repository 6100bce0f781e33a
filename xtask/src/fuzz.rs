//! The fuzz stage: every target of `fuzz/` for a short while.
//!
//! The targets are libFuzzer programs. They are built with the flags that cargo-fuzz uses, by the toolchain of the
//! workspace, so that nothing needs to be installed.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result};

use crate::stages::Outcome;
use crate::tools::{self, Workspace};

/// For how long each target runs.
const SECONDS_EACH: u32 = 20;
/// An input that takes longer is a finding.
const SECONDS_PER_INPUT_MAX: u32 = 10;

/// Coverage that libFuzzer steers by, and the address sanitizer.
const FLAGS: &[&str] = &[
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "--cfg=fuzzing",
    "-Zsanitizer=address",
];

/// Builds the targets and runs them one after the other.
pub(crate) fn run(workspace: &Workspace) -> Result<Outcome> {
    let folder = workspace.root.join("fuzz");
    if !folder.join("Cargo.toml").is_file() {
        return Ok(tools::absent("fuzz/ crate"));
    }
    let host = host(&tools::output(Command::new("rustc").arg("-vV").current_dir(&workspace.root))?)?;
    let target = workspace.target.join("fuzz");
    // A target named explicitly keeps these flags away from build scripts and macros.
    let mut build = workspace.cargo(&["build", "--release", "-p", "rain-fuzz", "--target", &host]);
    build.env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", FLAGS.join(" ")).env("CARGO_TARGET_DIR", &target);
    build.env("CARGO_PROFILE_RELEASE_LTO", "off").env("CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS", "true");
    tools::run(&mut build)?;
    for name in targets(workspace)? {
        // New inputs go into the first folder; those of the repository are read only.
        let found = target.join("corpus").join(&name);
        let artifacts = folder.join("artifacts").join(&name);
        for folder in [&found, &artifacts] {
            fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        }
        let mut fuzz = Command::new(target.join(&host).join("release").join(&name));
        fuzz.current_dir(&workspace.root).arg(format!("-max_total_time={SECONDS_EACH}"));
        fuzz.arg(format!("-timeout={SECONDS_PER_INPUT_MAX}")).arg("-print_final_stats=1").arg("-verbosity=0");
        fuzz.arg(format!("-artifact_prefix={}/", artifacts.display())).arg(&found);
        let kept = folder.join("corpus").join(&name);
        if kept.is_dir() {
            fuzz.arg(kept);
        }
        tools::run(&mut fuzz)?;
    }
    Ok(Outcome::Passed)
}

/// The target triple of this machine, out of what `rustc -vV` prints.
fn host(version: &str) -> Result<String> {
    let line = version.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(line.context("rustc -vV names no host")?.to_owned())
}

fn targets(workspace: &Workspace) -> Result<Vec<String>> {
    let folder = workspace.root.join("fuzz/fuzz_targets");
    let mut names = Vec::new();
    for entry in folder.read_dir().with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "rs")
            && let Some(name) = path.file_stem().and_then(|stem| stem.to_str())
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
    fn the_host_is_read() {
        assert_eq!(
            host("rustc 1.0\nhost: x86_64-unknown-linux-gnu\nrelease: 1\n").unwrap(),
            "x86_64-unknown-linux-gnu"
        );
        assert!(host("rustc 1.0").is_err());
    }
}
