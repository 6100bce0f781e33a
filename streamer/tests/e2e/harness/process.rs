//! The program as a child process, ended by its id whatever happens to the test.

use super::{PATIENCE, wait_until};
use rain_harness::send_signal;
use rustix::process::Signal;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{ChildStdout, Command, ExitStatus, Output, Stdio};
use std::thread;
use std::time::Duration;

/// The program, without what the developer's own environment says to it.
pub(crate) fn rain() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rain"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("RAIN_") {
            command.env_remove(name);
        }
    }
    if let Some(level) = std::env::var_os("RAIN_TEST_LOG") {
        command.env("RAIN_LOG", level);
    }
    command.stdin(Stdio::null());
    command
}

/// Sends a signal to a process that this test started.
pub(crate) fn kill(pid: u32, signal: Signal) {
    send_signal(pid, signal).expect("a process of this test");
}

/// Whether a process runs, or could if it were let: zombies do not.
pub(crate) fn is_alive(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The second field, the program's name, is in parentheses and may hold anything.
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with(['Z', 'X']))
}

/// Stops a process of this test; on return none of its threads runs any more.
pub(crate) fn stop(pid: u32) {
    kill(pid, Signal::STOP);
    let stopped = |stat: &str| stat.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('T'));
    wait_until("the stop of a process", PATIENCE, || {
        let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("a process of this test");
        tasks.flatten().all(|task| fs::read_to_string(task.path().join("stat")).is_ok_and(|stat| stopped(&stat)))
    });
}

/// A running program; its standard error goes to a file. Killed when the value goes.
pub(crate) struct Process(rain_harness::Process);

impl From<rain_harness::Process> for Process {
    fn from(process: rain_harness::Process) -> Self {
        Self(process)
    }
}

impl Process {
    /// Starts a command.
    pub(crate) fn start(mut command: Command, log: &Path) -> Self {
        Self(rain_harness::Process::start_logged(&mut command, log).expect("the program just built"))
    }

    pub(crate) fn inner(&self) -> &rain_harness::Process {
        &self.0
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Its standard output, once, where that is a pipe.
    pub(crate) fn take_stdout(&self) -> Option<ChildStdout> {
        self.0.take_stdout()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        self.0.signal(signal).expect("a process that runs");
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&self) -> Option<ExitStatus> {
        self.0.ended().expect("a child that can be waited for")
    }

    /// Waits until it has ended.
    pub(crate) fn wait(&self, patience: Duration) -> ExitStatus {
        self.0.wait(patience).expect("the end of a process")
    }

    /// Ends it at once, as a crash would.
    pub(crate) fn crash(&self) {
        self.0.crash();
    }

    /// What it has said on standard error.
    pub(crate) fn log(&self) -> String {
        self.0.log()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.crash();
        if thread::panicking() {
            eprintln!("--- process {} ended its log with\n{}\n---", self.pid(), self.0.log_end(20));
        }
    }
}

/// A command that has ended.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Finished {
    fn of(Output { status, stdout, stderr }: Output) -> Self {
        Self { code: status.code(), stdout, stderr: String::from_utf8_lossy(&stderr).into_owned() }
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Standard output as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    #[track_caller]
    pub(crate) fn succeeded(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:?}");
        self
    }

    /// Checks that it failed and that its message holds all of `named`.
    #[track_caller]
    pub(crate) fn failed_naming(&self, named: &[&str]) {
        assert_eq!(self.code, Some(1), "{self:?}");
        for name in named {
            assert!(self.stderr.contains(name), "`{name}` is not named: {}", self.stderr);
        }
    }
}

/// Runs a command to its end.
pub(crate) fn run(command: &mut Command) -> Finished {
    run_with_input(command, None)
}

/// Runs a command to its end whose standard output nobody reads, as behind `| head` once that has seen enough.
pub(crate) fn run_unread(command: &mut Command) -> Finished {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    finish(command.stdout(writer).stderr(Stdio::piped()), None)
}

/// Runs a command to its end, with something on its standard input.
pub(crate) fn run_with_input(command: &mut Command, input: Option<&[u8]>) -> Finished {
    finish(command.stdout(Stdio::piped()).stderr(Stdio::piped()), input)
}

fn finish(command: &mut Command, input: Option<&[u8]>) -> Finished {
    command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
    let mut child = command.spawn().expect("a program that starts");
    let pid = child.id();
    thread::scope(|scope| {
        let stdin = child.stdin.take();
        scope.spawn(move || stdin.zip(input).map(|(mut stdin, input)| stdin.write_all(input)));
        // A command that hangs would hang the test: it is ended, and its status tells.
        let (done, ended) = std::sync::mpsc::channel::<()>();
        scope.spawn(move || {
            if ended.recv_timeout(PATIENCE) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                kill(pid, Signal::KILL);
            }
        });
        let output = child.wait_with_output().expect("a command that ends");
        drop(done);
        Finished::of(output)
    })
}
