//! Making, finding and ending laboratories, seen from outside.
//!
//! A laboratory is a process in new namespaces for networks, mounts and process ids, with all its children. It holds no
//! name outside: the kernel takes everything back when that process ends, however it ends. It dies with the process
//! that made it, except where it is to stay.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{self, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rain_harness::send_signal;
use rustix::process::Signal;

use super::lab_plan::LabPlan;

/// What a laboratory says once its nodes serve, when it was not given a command.
pub(super) const READY: &str = "ready";
/// A laboratory that was killed is gone after this time.
const END: Duration = Duration::from_secs(10);

/// Becomes the given command if it is still the child of the given process: one that ended before its child asked to die
/// with it would leave it behind.
const UNLESS_ORPHANED: &str = "test \"$PPID\" = \"$1\" || exit 1; shift; exec \"$@\"";

/// A command that makes a laboratory, and runs something in it.
fn unshare(plan: &LabPlan, program: &Path, command: &[String]) -> Result<Vec<String>> {
    let own = std::env::current_exe().context("finding this program")?;
    let spaces = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child=KILL", "--mount-proc"];
    let mut words: Vec<String> = spaces.map(str::to_owned).to_vec();
    words.extend([own.display().to_string(), "lab".to_owned(), "inside".to_owned()]);
    words.extend(plan.to_arguments());
    words.push(format!("--program={}", program.display()));
    words.push("--".to_owned());
    words.extend_from_slice(command);
    Ok(words)
}

/// Makes a laboratory, runs a command in it, and gives what it ended with.
pub(super) fn run(plan: &LabPlan, program: &Path, command: &[String]) -> Result<ExitStatus> {
    let mut tied = Command::new("setpriv");
    tied.args(["--pdeathsig", "KILL", "sh", "-c", UNLESS_ORPHANED, "sh", &process::id().to_string()]);
    tied.args(unshare(plan, program, command)?).status().context("starting setpriv")
}

/// Makes a laboratory that stays, and waits until its nodes serve.
pub(super) fn stay(plan: &LabPlan, program: &Path) -> Result<()> {
    let mut detached = Command::new("setsid");
    // It must hold nothing of ours: who waits for the end of our output would wait for the laboratory's.
    detached.args(unshare(plan, program, &[])?).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = detached.spawn().context("starting setsid")?;
    let stdout = child.stdout.take().context("its output is a pipe")?;
    let mut said = BufReader::new(stdout);
    let mut line = String::new();
    said.read_line(&mut line)?;
    if line.trim_end() != READY {
        said.read_to_string(&mut line)?;
        bail!("the laboratory ended before its nodes served: {}", line.trim_end());
    }
    Ok(())
}

/// The first process of a laboratory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Its process id out here.
    pub(super) id: u32,
    /// Its parent, which is `unshare`.
    pub(super) parent: u32,
    /// What it was called with, behind `lab inside`.
    pub(super) arguments: Vec<String>,
}

/// All laboratories that this very program made.
pub(super) fn all() -> Result<Vec<Found>> {
    let own = std::env::current_exe()?;
    Ok(processes()?.into_iter().filter_map(|id| found(id, &own)).collect())
}

/// Ids of all processes.
pub(super) fn processes() -> Result<Vec<u32>> {
    let entries = fs::read_dir("/proc")?.collect::<Result<Vec<_>, _>>()?;
    Ok(entries.iter().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect())
}

fn found(id: u32, own: &PathBuf) -> Option<Found> {
    let words = fs::read_to_string(format!("/proc/{id}/cmdline")).ok()?;
    let words: Vec<String> = words.split_terminator('\0').map(str::to_owned).collect();
    let [program, lab, inside, arguments @ ..] = &words[..] else { return None };
    let is_ours = Path::new(program) == own && lab == "lab" && inside == "inside";
    is_ours.then(|| Some(Found { id, parent: parent(id)?, arguments: arguments.to_vec() }))?
}

/// The parent of a process.
fn parent(id: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("PPid:")?.trim().parse().ok())
}

/// The only laboratory that there is.
pub(super) fn only() -> Result<Found> {
    match <[Found; 1]>::try_from(all()?) {
        Ok([found]) => Ok(found),
        Err(none) if none.is_empty() => bail!("no laboratory is up; `cargo xtask lab up` makes one"),
        Err(several) => {
            let ids: Vec<String> = several.iter().map(|found| found.id.to_string()).collect();
            bail!("found {} laboratories (processes {}), expected one", several.len(), ids.join(", "))
        }
    }
}

/// A command in the viewers' network of a laboratory.
pub(super) fn run_in(found: &Found, plan: &LabPlan, command: &[String]) -> Result<ExitStatus> {
    let mut nsenter = Command::new("nsenter");
    nsenter.args(["--target", &found.id.to_string(), "--net", "--mount", "--pid"]);
    nsenter.arg(format!("--wd={}", std::env::current_dir()?.display()));
    nsenter.args(command).envs(plan.environment()).status().context("starting nsenter")
}

/// Ends a laboratory.
pub(super) fn end(found: &Found) -> Result<()> {
    send_signal(found.id, Signal::KILL).context("ending the laboratory")?;
    let until = Instant::now() + END;
    while all()?.contains(found) {
        if Instant::now() > until {
            bail!("process {} is there {END:?} after it was killed", found.id);
        }
        sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// What a program ended with, as our own exit code: 128 and the signal for one that was killed, as shells have it.
pub(super) fn exit_code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}
