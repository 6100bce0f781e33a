//! The fuzz targets of `fuzz/`: each for a short while as a stage of the test, or some of them for as long as is wanted.
//!
//! The targets are libFuzzer programs. They are built with the flags that cargo-fuzz uses, by the toolchain of the
//! workspace, so that nothing needs to be installed.

use std::fs;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::thread;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::tools::{self, Outcome, Workspace};

/// For how long each target runs as a part of the test.
const SECONDS_EACH: u32 = 10;
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

/// What is to be run, and how.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Targets, by the names of the files in `fuzz/fuzz_targets`; all of them when none is named
    targets: Vec<String>,
    /// For how long each of them runs
    #[arg(long, default_value_t = SECONDS_EACH)]
    seconds: u32,
    /// Runs this input alone, such as one that a run found
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// Afterwards adds to fuzz/corpus those inputs that reach what none there does
    #[arg(long)]
    keep: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self::each(SECONDS_EACH)
    }
}

impl Options {
    /// All targets, each for so long.
    pub(crate) fn each(seconds: u32) -> Self {
        Self { targets: Vec::new(), seconds, input: None, keep: false }
    }
}

/// Builds the targets and runs them, as many at a time as there are processors.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<Outcome> {
    if !workspace.root.join("fuzz/Cargo.toml").is_file() {
        return Ok(tools::absent("fuzz/ crate"));
    }
    let all = targets(&workspace.root.join("fuzz/fuzz_targets"))?;
    if let Some(unknown) = options.targets.iter().find(|name| !all.contains(name)) {
        bail!("there is no target {unknown}; there are {}", all.join(", "));
    }
    let wanted = if options.targets.is_empty() { all } else { options.targets.clone() };
    let programs = build(workspace, &wanted)?;
    let fuzzer = Fuzzer { workspace, programs };
    let left = Mutex::new(wanted.into_iter());
    let work = || -> Result<()> {
        loop {
            let next = left.lock().map_or(None, |mut left| left.next());
            let Some(name) = next else { return Ok(()) };
            fuzzer.fuzz(&name, options)?;
        }
    };
    let workers = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        let ends = workers.into_iter().map(|worker| worker.join().unwrap_or_else(|_| bail!("a worker panicked")));
        ends.collect::<Vec<Result<()>>>().into_iter().collect::<Result<()>>()
    })?;
    Ok(Outcome::Passed)
}

/// Builds targets and gives the folder of the programs.
fn build(workspace: &Workspace, targets: &[String]) -> Result<PathBuf> {
    let host = host(&tools::output(Command::new("rustc").arg("-vV").current_dir(&workspace.root))?)?;
    let folder = workspace.target.join("fuzz");
    // A target named explicitly keeps these flags away from build scripts and macros.
    let mut build = workspace.cargo(&["build", "--release", "-p", "rain-fuzz", "--target", &host]);
    build.args(targets.iter().flat_map(|name| ["--bin", name]));
    build.env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", FLAGS.join(" ")).env("CARGO_TARGET_DIR", &folder);
    build.env("CARGO_PROFILE_RELEASE_LTO", "off").env("CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS", "true");
    // Libraries of others, of which little is fuzzed.
    build.args(["--config", "profile.release.package.\"*\".opt-level=1"]);
    tools::run(&mut build)?;
    Ok(folder.join(host).join("release"))
}

struct Fuzzer<'a> {
    workspace: &'a Workspace,
    programs: PathBuf,
}

impl Fuzzer<'_> {
    fn fuzz(&self, name: &str, options: &Options) -> Result<()> {
        // New inputs go into the first folder; those of the repository are read only.
        let found = self.workspace.target.join("fuzz").join("corpus").join(name);
        let artifacts = self.workspace.root.join("fuzz/artifacts").join(name);
        let kept = self.workspace.root.join("fuzz/corpus").join(name);
        for folder in [&found, &artifacts, &kept] {
            fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        }
        let mut fuzz = self.program(name);
        fuzz.arg(format!("-timeout={SECONDS_PER_INPUT_MAX}"));
        fuzz.arg(format!("-artifact_prefix={}/", artifacts.display()));
        if let Some(input) = &options.input {
            return tools::run(fuzz.arg(input));
        }
        fuzz.arg(format!("-max_total_time={}", options.seconds)).args(["-print_final_stats=1", "-verbosity=0"]);
        // Several run at once: each one's words come out together.
        let ended = fuzz.arg(&found).arg(&kept).output().with_context(|| format!("starting {name}"))?;
        let words = String::from_utf8_lossy(&ended.stderr);
        if !ended.status.success() {
            print!("{words}");
            bail!("{name}: {}; `cargo xtask fuzz {name} --input FILE` shows it again", ended.status);
        }
        println!("   {name}: {} inputs in {} s", executions(&words).unwrap_or("some"), options.seconds);
        if options.keep { self.keep(name, &found, &kept) } else { Ok(()) }
    }

    fn program(&self, name: &str) -> Command {
        let mut program = Command::new(self.programs.join(name));
        program.current_dir(&self.workspace.root);
        program
    }

    fn keep(&self, name: &str, found: &Path, kept: &Path) -> Result<()> {
        tools::run(self.program(name).args(["-set_cover_merge=1", "-verbosity=0"]).args([kept, found]))
    }
}

/// How many inputs were tried, out of libFuzzer's statistics.
fn executions(words: &str) -> Option<&str> {
    words.lines().find_map(|line| line.strip_prefix("stat::number_of_executed_units:")).map(str::trim)
}

/// The target triple of this machine, out of what `rustc -vV` prints.
fn host(version: &str) -> Result<String> {
    let line = version.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(line.context("rustc -vV names no host")?.to_owned())
}

/// The targets: files, and folders with a `main.rs`.
fn targets(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in folder.read_dir().with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        let is_target = path.extension().is_some_and(|extension| extension == "rs") || path.join("main.rs").is_file();
        if let Some(name) = path.file_stem().and_then(|stem| stem.to_str())
            && is_target
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

    #[test]
    fn statistics_are_read() {
        assert_eq!(executions("INFO: x\nstat::number_of_executed_units: 4711\nstat::x: 1\n"), Some("4711"));
        assert_eq!(executions(""), None);
    }

    /// A target whose program cargo does not know would never run.
    #[test]
    fn every_target_is_a_program() {
        let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("fuzz");
        let manifest = fs::read_to_string(fuzz.join("Cargo.toml")).unwrap();
        let programs = manifest.lines().filter_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'));
        let mut programs: Vec<&str> = programs.filter(|name| *name != "rain-fuzz").collect();
        programs.sort_unstable();
        assert_eq!(targets(&fuzz.join("fuzz_targets")).unwrap(), programs);
    }
}
