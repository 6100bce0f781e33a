//! Programs started for a measurement, and folders made for it. None outlives it, also when it is interrupted.

use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};
use std::{env, fs, io, process};

use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// A program has this long to end by SIGTERM.
const END: Duration = Duration::from_secs(8);

static RUNNING: Mutex<Vec<Arc<Mutex<Child>>>> = Mutex::new(Vec::new());
static FOLDERS: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lets SIGINT, SIGTERM and SIGHUP end what was started and remove what was made, before they end this process.
///
/// # Errors
/// The system's.
pub fn clean_up_on_signals() -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            for child in lock(&RUNNING).iter() {
                end(child);
            }
            for folder in lock(&FOLDERS).iter() {
                let _ = fs::remove_dir_all(folder);
            }
            process::exit(128 + signal);
        }
    });
    Ok(())
}

/// A running program; it is ended with the value.
#[derive(Debug)]
pub struct Running(Arc<Mutex<Child>>);

impl Running {
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
        Ok(Self(child))
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        lock(&self.0).id()
    }

    /// Its standard output, once, where that is a pipe.
    pub fn take_stdout(&self) -> Option<ChildStdout> {
        lock(&self.0).stdout.take()
    }

    /// Waits for its end, so long at most.
    ///
    /// # Errors
    /// The system's; it runs on.
    pub fn wait(&self, patience: Duration) -> io::Result<ExitStatus> {
        let until = Instant::now() + patience;
        loop {
            if let Some(status) = lock(&self.0).try_wait()? {
                return Ok(status);
            }
            if Instant::now() > until {
                return Err(io::Error::other(format!("process {} runs on after {patience:?}", self.id())));
            }
            sleep(Duration::from_millis(5));
        }
    }
}

impl Running {
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

/// What a tick in `/proc` is everywhere.
const TICK_MS: u64 = 10;

impl Drop for Running {
    fn drop(&mut self) {
        end(&self.0);
        lock(&RUNNING).retain(|child| !Arc::ptr_eq(child, &self.0));
    }
}

/// Ends a process by SIGTERM, or by SIGKILL when that does not do. A process that has not been waited for keeps its id.
fn end(child: &Mutex<Child>) {
    let mut child = lock(child);
    if !matches!(child.try_wait(), Ok(None)) {
        return;
    }
    let _ = kill_process(Pid::from_child(&child), Signal::TERM);
    let until = Instant::now() + END;
    while matches!(child.try_wait(), Ok(None)) {
        if Instant::now() > until {
            let _ = child.kill();
            let _ = child.wait();
        }
        sleep(Duration::from_millis(5));
    }
}

/// A fresh temporary folder, removed with the value.
#[derive(Debug)]
pub struct TemporaryFolder(PathBuf);

impl TemporaryFolder {
    /// Makes one.
    ///
    /// # Errors
    /// The disk's.
    pub fn new(what: &str) -> io::Result<Self> {
        let mut folders = lock(&FOLDERS);
        let named = |number| env::temp_dir().join(format!("rain-{what}-{}-{number}", process::id()));
        let path = (0..10_000).map(named).find(|path| !path.exists());
        let path = path.ok_or_else(|| io::Error::other("every name is taken"))?;
        fs::create_dir_all(&path)?;
        folders.push(path.clone());
        Ok(Self(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("{}: {error}", self.0.display());
        }
        lock(&FOLDERS).retain(|folder| *folder != self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_ends_with_its_value() {
        let running = Running::start(Command::new("sleep").arg("60")).unwrap();
        let folder = PathBuf::from(format!("/proc/{}", running.id()));
        assert!(folder.exists() && running.wait(Duration::ZERO).is_err());
        drop(running);
        assert!(!folder.exists());
    }

    #[test]
    fn a_folder_goes_with_its_value() {
        let folder = TemporaryFolder::new("test").unwrap();
        let path = folder.path().to_owned();
        assert!(path.is_dir());
        drop(folder);
        assert!(!path.exists());
    }
}
