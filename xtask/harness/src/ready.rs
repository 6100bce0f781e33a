//! Waiting for what a cluster comes to.

use std::io;
use std::net::SocketAddr;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::client::get_within;
use crate::process::Process;

const POLL: Duration = Duration::from_millis(20);
/// A node that can serve says so within this time.
const ANSWER: Duration = Duration::from_secs(2);
/// So many of the last lines are told of what a node said that does not serve.
const LOG_LINES: usize = 15;

/// Waits until `found` gives something, at most `patience`.
///
/// # Errors
/// What `found` ends with; nothing was found in time.
pub fn wait_for<T>(what: &str, patience: Duration, mut found: impl FnMut() -> io::Result<Option<T>>) -> io::Result<T> {
    let until = Instant::now() + patience;
    loop {
        if let Some(found) = found()? {
            return Ok(found);
        }
        if Instant::now() > until {
            return Err(io::Error::other(format!("{what}: not within {patience:?}")));
        }
        sleep(POLL);
    }
}

/// Whether a node says that it can serve.
pub fn is_ready(node: SocketAddr) -> bool {
    get_within(node, "/readyz", Some(ANSWER), |_| Ok(())).is_ok()
}

/// Waits until a node can serve.
///
/// # Errors
/// Its process has ended; it does not serve in time. What it said last is in the message.
pub fn wait_until_ready(process: &Process, node: SocketAddr, patience: Duration) -> io::Result<()> {
    let with_log = |message: String| io::Error::other(format!("{message}: {}", process.log_end(LOG_LINES)));
    wait_for(&format!("the node at {node} serves"), patience, || {
        if let Some(status) = process.ended()? {
            return Err(io::Error::other(format!("the node at {node} ended, {status}")));
        }
        Ok(is_ready(node).then_some(()))
    })
    .map_err(|error| with_log(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::net::{Ipv4Addr, TcpListener};
    use std::process::Command;
    use std::thread;

    #[test]
    fn a_node_is_ready_once_it_says_so() {
        let process = Process::start(Command::new("sleep").arg("60")).unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let answers = thread::spawn(move || {
            for status in ["503 Service Unavailable", "200 OK"] {
                let (mut stream, _) = listener.accept().unwrap();
                let mut request = BufReader::new(stream.try_clone().unwrap()).lines();
                assert_eq!(request.next().unwrap().unwrap(), "GET /readyz HTTP/1.1");
                assert!(request.any(|line| line.unwrap().is_empty()));
                write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n").unwrap();
            }
        });
        wait_until_ready(&process, address, Duration::from_mins(1)).unwrap();
        answers.join().unwrap();
        process.crash();
        let error = wait_until_ready(&process, address, Duration::from_mins(1)).unwrap_err().to_string();
        assert!(error.contains("ended") && error.contains(&address.to_string()), "{error}");
    }
}
