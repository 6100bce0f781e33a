//! Programs that were started: each ends with its value, by its id.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// A program has this long to end by SIGTERM.
const END: Duration = Duration::from_secs(8);
const POLL: Duration = Duration::from_millis(5);
/// What a tick in `/proc` is everywhere.
const TICK_MS: u64 = 10;

static RUNNING: Mutex<Vec<Arc<Mutex<Child>>>> = Mutex::new(Vec::new());

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends all that was started. The lock is kept: nothing is started any more.
pub(crate) fn end_all() {
    let running = lock(&RUNNING);
    for child in running.iter() {
        let _ = terminate(child, END);
    }
    std::mem::forget(running);
}

/// Sends a signal to a process.
///
/// # Errors
/// There is no such process; it is another user's.
pub fn send_signal(id: u32, signal: Signal) -> io::Result<()> {
    let pid = i32::try_from(id).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| io::Error::other(format!("found {id}, expected a process id")))?;
    kill_process(pid, signal).map_err(|error| io::Error::other(format!("process {id}: {error}")))
}

/// A running program. With the value it ends by SIGTERM, or by SIGKILL when that does not do.
#[derive(Debug)]
pub struct Process {
    child: Arc<Mutex<Child>>,
    log: Option<PathBuf>,
}

impl Process {
    /// Starts a program.
    ///
    /// # Errors
    /// The system's, with the program's name.
    pub fn start(command: &mut Command) -> io::Result<Self> {
        let mut running = lock(&RUNNING);
        let child = command.spawn();
        let name = || command.get_program().display();
        let child = child.map_err(|error| io::Error::other(format!("{}: {error}", name())))?;
        let child = Arc::new(Mutex::new(child));
        running.push(Arc::clone(&child));
        Ok(Self { child, log: None })
    }

    /// Starts a program whose standard error goes to the end of a file.
    ///
    /// # Errors
    /// The system's, with the program's or the file's name.
    pub fn start_logged(command: &mut Command, log: &Path) -> io::Result<Self> {
        let file = File::options().create(true).append(true).open(log);
        let file = file.map_err(|error| io::Error::other(format!("{}: {error}", log.display())))?;
        let mut process = Self::start(command.stderr(file))?;
        process.log = Some(log.to_owned());
        Ok(process)
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        lock(&self.child).id()
    }

    /// Its standard output, once, where that is a pipe.
    pub fn take_stdout(&self) -> Option<ChildStdout> {
        lock(&self.child).stdout.take()
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    /// The system's.
    pub fn ended(&self) -> io::Result<Option<ExitStatus>> {
        lock(&self.child).try_wait()
    }

    /// Sends it a signal, if it has not ended.
    ///
    /// # Errors
    /// The system's.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        // Locked: nobody waits for it meanwhile, so that its id stays its own.
        let mut child = lock(&self.child);
        if child.try_wait()?.is_some() { Ok(()) } else { send_signal(child.id(), signal) }
    }

    /// Waits for its end, so long at most.
    ///
    /// # Errors
    /// The system's; it runs on.
    pub fn wait(&self, patience: Duration) -> io::Result<ExitStatus> {
        wait(&self.child, patience)
    }

    /// Ends it as an operator would, by SIGTERM, and gives how it ended.
    ///
    /// # Errors
    /// It did not end within `patience`, and was killed.
    pub fn terminate(&self, patience: Duration) -> io::Result<ExitStatus> {
        terminate(&self.child, patience)
    }

    /// Ends it at once, as a crash would.
    pub fn crash(&self) {
        let mut child = lock(&self.child);
        // What has ended cannot be killed, and need not be.
        let _ = child.kill();
        let _ = child.wait();
    }

    /// What it has said on standard error, where that goes to a file.
    pub fn log(&self) -> String {
        self.log.as_ref().and_then(|log| fs::read_to_string(log).ok()).unwrap_or_default()
    }

    /// The last lines of [`Process::log`].
    pub fn log_end(&self, lines: usize) -> String {
        let log = self.log();
        let all: Vec<&str> = log.lines().collect();
        all[all.len().saturating_sub(lines)..].join("\n")
    }

    /// What it has taken of a processor since its start, to 10 ms.
    ///
    /// # Errors
    /// It is gone.
    pub fn processor_time(&self) -> io::Result<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.id()))?;
        // The name before may have spaces in it.
        let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        let ticks: u64 = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
        Ok(Duration::from_millis(ticks * TICK_MS))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Nobody is left to be told.
        let _ = terminate(&self.child, END);
        lock(&RUNNING).retain(|child| !Arc::ptr_eq(child, &self.child));
    }
}

fn wait(child: &Mutex<Child>, patience: Duration) -> io::Result<ExitStatus> {
    let until = Instant::now() + patience;
    loop {
        let mut child = lock(child);
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if Instant::now() > until {
            return Err(io::Error::other(format!("process {} runs on after {patience:?}", child.id())));
        }
        drop(child);
        sleep(POLL);
    }
}

/// A process that has not been waited for keeps its id.
fn terminate(child: &Mutex<Child>, patience: Duration) -> io::Result<ExitStatus> {
    {
        let mut child = lock(child);
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        kill_process(Pid::from_child(&child), Signal::TERM)?;
    }
    wait(child, patience).inspect_err(|_| {
        let mut child = lock(child);
        let _ = child.kill();
        let _ = child.wait();
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_ends_with_its_value() {
        let process = Process::start(Command::new("sleep").arg("60")).unwrap();
        let folder = PathBuf::from(format!("/proc/{}", process.id()));
        assert!(folder.exists() && process.wait(Duration::ZERO).is_err());
        drop(process);
        assert!(!folder.exists());
    }

    #[test]
    fn a_program_that_ignores_sigterm_is_killed() {
        let mut command = Command::new("sh");
        command.args(["-c", "trap '' TERM; echo ready; while :; do sleep 60; done"]);
        let process = Process::start(command.stdout(std::process::Stdio::piped())).unwrap();
        let mut line = [0; 6];
        io::Read::read_exact(&mut process.take_stdout().unwrap(), &mut line).unwrap();
        assert!(process.terminate(Duration::ZERO).unwrap_err().to_string().contains("runs on"));
        assert!(process.ended().unwrap().is_some());
    }

    #[test]
    fn a_log_has_what_was_said_on_standard_error() {
        let folder = crate::TemporaryFolder::new("log").unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "echo one >&2; echo two >&2"]);
        let process = Process::start_logged(&mut command, &folder.join("log")).unwrap();
        assert!(process.wait(Duration::from_mins(1)).unwrap().success());
        assert_eq!((process.log().as_str(), process.log_end(1).as_str()), ("one\ntwo\n", "two"));
        process.signal(Signal::TERM).unwrap();
    }
}
