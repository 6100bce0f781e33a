//! How others reach a laboratory: lines of words over a Unix socket, and an answer to each.
//!
//! `switch s1 cut` is answered with `ok BEFORE AFTER`, the machine's monotonic clock in microseconds before and after
//! the change; `ids` with `ok A=12 B=13`, process ids in the laboratory; what cannot be done with `error MESSAGE`.

use std::io::{BufRead, BufReader, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use anyhow::{Context, Result, bail};
use rustix::time::{ClockId, clock_gettime};

use super::fault::Fault;
use super::lab_plan::{FOLDER, LabPlan};
use super::network::Rules;
use super::nodes::Nodes;

/// A laboratory at work, as its control sees it.
#[derive(Debug)]
pub(super) struct Laboratory {
    pub(super) plan: LabPlan,
    pub(super) nodes: Nodes,
    pub(super) rules: Rules,
}

impl Laboratory {
    fn answer(&mut self, line: &str) -> Result<String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        if words == ["ids"] {
            return Ok(self.nodes.ids());
        }
        let fault = Fault::parse(&self.plan, &words)?;
        let before = now_us();
        fault.apply(&self.plan, &mut self.nodes, &mut self.rules)?;
        Ok(format!("{before} {}", now_us()))
    }
}

fn now_us() -> u128 {
    let now = clock_gettime(ClockId::Monotonic);
    u128::from(now.tv_sec.unsigned_abs()) * 1_000_000 + u128::from(now.tv_nsec.unsigned_abs()) / 1000
}

/// Answers everybody, on threads of their own, until the process ends.
pub(super) fn serve(laboratory: Laboratory) -> Result<()> {
    let listener = UnixListener::bind(Path::new(FOLDER).join("control")).context("the control socket")?;
    let laboratory = Arc::new(Mutex::new(laboratory));
    thread::spawn(move || {
        for stream in listener.incoming().map_while(std::io::Result::ok) {
            let laboratory = Arc::clone(&laboratory);
            // Who breaks off is not answered.
            thread::spawn(move || drop(converse(stream, &laboratory)));
        }
    });
    Ok(())
}

fn converse(mut stream: UnixStream, laboratory: &Mutex<Laboratory>) -> Result<()> {
    let lines = BufReader::new(stream.try_clone()?).lines();
    for line in lines {
        let answer = laboratory.lock().unwrap_or_else(PoisonError::into_inner).answer(&line?);
        let answer = match answer {
            Ok(answer) => format!("ok {answer}\n"),
            Err(error) => format!("error {}\n", format!("{error:#}").replace('\n', "; ")),
        };
        stream.write_all(answer.as_bytes())?;
    }
    Ok(())
}

/// Asks a laboratory, whose first process is `id` out here.
pub(super) fn ask(id: u32, line: &str) -> Result<String> {
    let socket = format!("/proc/{id}/root{FOLDER}/control");
    let mut stream = UnixStream::connect(&socket).with_context(|| format!("connecting to {socket}"))?;
    writeln!(stream, "{line}")?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer)?;
    match answer.trim_end().split_once(' ') {
        Some(("ok", answer)) => Ok(answer.to_owned()),
        Some(("error", message)) => bail!("{message}"),
        _ => bail!("the laboratory answered {answer:?}"),
    }
}
