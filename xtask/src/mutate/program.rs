//! The programs of tests: built once, run with one bug awake.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

use super::suite::{Suite, Tests};
use super::table::Bug;
use crate::tools::Workspace;

/// Which bug is awake.
const VARIABLE: &str = "RAIN_MUTANT";
/// Ticks of a second in /proc/self/stat.
const TICKS: f64 = 100.0;

/// A program of tests.
pub(super) struct Program {
    pub(super) name: String,
    path: PathBuf,
    pub(super) tests: Tests,
}

/// How a run of one ended.
pub(super) struct Ran {
    /// The test that failed.
    pub(super) by: Option<String>,
    pub(super) cpu_seconds: f64,
}

/// Builds the tests of the copy, and gives their programs in the order in which they look for a bug.
pub(super) fn build(suite: Suite, workspace: &Workspace, folder: &Path) -> Result<Vec<Program>> {
    let mut cargo = workspace.cargo(suite.build());
    cargo.current_dir(folder).env("CARGO_TARGET_DIR", folder.join("target"));
    let done = cargo.output().context("starting cargo")?;
    let words = String::from_utf8_lossy(&done.stderr);
    ensure!(done.status.success(), "the copy with the bugs does not compile:\n{words}");
    let found = words.lines().filter_map(|line| executable(line, folder));
    let mut programs: Vec<(usize, Program)> = found
        .filter_map(|(name, path)| suite.tests(&name).map(|(place, tests)| (place, Program { name, path, tests })))
        .collect();
    programs.sort_by_key(|(place, _)| *place);
    ensure!(programs.len() >= suite.program_count(), "cargo names {} programs of tests:\n{words}", programs.len());
    Ok(programs.into_iter().map(|(_, program)| program).collect())
}

/// A program out of a line like `Executable tests/columns.rs (target/debug/deps/columns-0123456789abcdef)`.
fn executable(line: &str, folder: &Path) -> Option<(String, PathBuf)> {
    let (_, path) = line.trim().strip_prefix("Executable ")?.strip_suffix(')')?.rsplit_once('(')?;
    let path = folder.join(path);
    let name = path.file_name()?.to_str()?.rsplit_once('-')?.0.to_owned();
    Some((name, path))
}

impl Program {
    /// Whether it can find a bug there.
    pub(super) fn can_find(&self, bug: &Bug) -> bool {
        self.tests.files.iter().any(|folder| bug.mutant.file.starts_with(folder))
    }

    /// Runs tests with one bug awake; gives the one that failed.
    pub(super) fn run(&self, suite: Suite, filter: &str, number: usize, folder: &Path) -> Result<Ran> {
        let output = folder.join(format!("output-{number}"));
        let mut tests = Command::new(&self.path);
        tests.arg(filter).args(self.tests.skip.iter().flat_map(|test| ["--skip", test]));
        tests.current_dir(folder.join(self.tests.folder)).env(VARIABLE, number.to_string());
        tests.envs(self.tests.variables.iter().copied());
        tests.stdout(fs::File::create(&output)?).stderr(Stdio::null());
        let child = tests.spawn().with_context(|| self.path.display().to_string())?;
        let (status, cpu_seconds) = wait(child, suite)?;
        let words = String::from_utf8_lossy(&fs::read(&output)?).into_owned();
        fs::remove_file(&output)?;
        let failed = words.lines().find_map(|line| line.strip_prefix("test ")?.strip_suffix(" ... FAILED"));
        let by = match (status, failed) {
            (None, _) => Some(format!("{} (does not end)", self.name)),
            (Some(status), _) if status.success() => None,
            (Some(_), Some(test)) => Some(format!("{} {test}", self.name)),
            (Some(status), None) => Some(format!("{} ({status})", self.name)),
        };
        Ok(Ran { by, cpu_seconds })
    }
}

/// Waits for the end of a program as long as there is patience, and gives what it took of the processor, in seconds.
fn wait(mut child: Child, suite: Suite) -> Result<(Option<ExitStatus>, f64)> {
    let began = Instant::now();
    let times = format!("/proc/{}/stat", child.id());
    let pid = Pid::from_child(&child);
    loop {
        // One that has ended is looked at before it is gone.
        let ended = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT)?;
        let spent = ticks(&times, 11)?;
        if ended.is_some() {
            return Ok((Some(child.wait()?), spent));
        }
        if spent > suite.patience_cpu_seconds() || began.elapsed() > suite.patience() {
            child.kill()?;
            child.wait()?;
            return Ok((None, spent));
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// Processor time of the programs that this one started and that ended, in seconds.
pub(super) fn cpu_seconds() -> Result<f64> {
    ticks("/proc/self/stat", 13)
}

/// Two neighbouring counts of ticks in a file such as /proc/self/stat, in seconds: the processor time of the process is 11
/// fields behind its name, that of its children 13.
fn ticks(path: &str, first: usize) -> Result<f64> {
    let stat = fs::read_to_string(path).context("processor times are those of Linux")?;
    // The name, in parentheses, may hold spaces.
    let (_, fields) = stat.rsplit_once(')').with_context(|| format!("{path} names the program"))?;
    let ticks = fields.split_whitespace().skip(first).take(2).map(str::parse::<f64>);
    Ok(ticks.sum::<Result<f64, _>>().with_context(|| format!("{path} has times"))? / TICKS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_read() {
        let line = "  Executable tests/codec/main.rs (target/debug/deps/codec-0123456789abcdef)";
        let (name, path) = executable(line, Path::new("/copy")).unwrap();
        assert_eq!(name, "codec");
        assert_eq!(path, Path::new("/copy/target/debug/deps/codec-0123456789abcdef"));
    }

    #[test]
    fn the_time_of_a_program_is_known_after_its_end() {
        let child = Command::new("sh").args(["-c", "while [ $((x += 1)) -lt 200000 ]; do :; done"]).spawn().unwrap();
        let (status, cpu_seconds) = wait(child, Suite::Node).unwrap();
        assert!(status.unwrap().success());
        assert!(cpu_seconds > 0.0, "{cpu_seconds}");
    }
}
