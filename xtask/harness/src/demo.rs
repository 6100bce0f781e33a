//! `rain demo`, started.

use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::client::{Server, ask};
use crate::process::Process;

/// So many of the last lines are told of what a demo said that does not start.
const LOG_LINES: usize = 15;

/// A running demo.
#[derive(Debug)]
pub struct Demo {
    /// The supervisor.
    pub process: Process,
    /// Where the supervisor serves: the first line that it printed.
    pub url: String,
    /// What it prints behind that.
    pub lines: Receiver<String>,
}

impl Demo {
    /// Starts a demo, and waits for its line. Its standard error goes to `log` where there is one.
    ///
    /// # Errors
    /// It does not start, or prints no URL in time; what it said is in the message.
    pub fn start(command: &mut Command, log: Option<&Path>, patience: Duration) -> io::Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let process = match log {
            Some(log) => Process::start_logged(command, log)?,
            None => Process::start(command)?,
        };
        let stdout = process.take_stdout().ok_or_else(|| io::Error::other("the demo's output is a pipe"))?;
        let (tell, lines) = channel();
        // Reads to the end, so that the demo never waits for a full pipe; ends with it.
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                // Whoever started it need not listen.
                let _ = tell.send(line);
            }
        });
        let found = match lines.recv_timeout(patience) {
            Ok(url) if url.starts_with("http://") => return Ok(Self { process, url, lines }),
            Ok(line) => format!("the demo printed {line:?}, expected its URL"),
            Err(RecvTimeoutError::Timeout) => format!("the demo printed no URL within {patience:?}"),
            Err(RecvTimeoutError::Disconnected) => "the demo ended before it printed its URL".to_owned(),
        };
        Err(io::Error::other(format!("{found}: {}", process.log_end(LOG_LINES))))
    }

    /// The supervisor's port.
    ///
    /// # Errors
    /// The URL has none.
    pub fn supervisor(&self) -> io::Result<u16> {
        let port = self.url.trim_end().trim_end_matches('/').rsplit(':').next().and_then(|port| port.parse().ok());
        port.ok_or_else(|| io::Error::other(format!("no port in {:?}", self.url)))
    }

    /// The process ids of its nodes now; 0 for one that does not run.
    ///
    /// # Errors
    /// The connection's; the supervisor answers something else.
    pub fn nodes(&self) -> io::Result<Vec<u32>> {
        let cluster: Value = serde_json::from_slice(&ask(Server::from(self.supervisor()?), "/api/v1/cluster")?)?;
        let nodes = cluster["nodes"].as_array().into_iter().flatten();
        Ok(nodes.map(|node| node["pid"].as_u64().and_then(|pid| pid.try_into().ok()).unwrap_or(0)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(script: &str) -> io::Result<Demo> {
        Demo::start(Command::new("sh").args(["-c", script]), None, Duration::from_mins(1))
    }

    #[test]
    fn the_first_line_is_the_url() {
        let demo = start("echo http://127.0.0.1:4711/; echo more; exec sleep 60").unwrap();
        assert_eq!((demo.supervisor().unwrap(), demo.lines.recv().unwrap().as_str()), (4711, "more"));
        assert!(start("echo nonsense").unwrap_err().to_string().contains("\"nonsense\""));
        assert!(start("exit 1").unwrap_err().to_string().contains("ended before"));
    }
}
