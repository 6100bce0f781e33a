//! What nodes count, read from their `/metrics`.

use std::io;
use std::time::{Duration, Instant};

use std::thread::sleep;

use rain_benches::Demo;
use rain_harness::{Server, ask};
use serde_json::Value;

/// The counters of a node that matter here.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Counters {
    pub(crate) served_bytes: f64,
    pub(crate) peer_bytes: f64,
    pub(crate) extra_bytes: f64,
    /// The longest stall of a stream since the node began, where the node tells it.
    pub(crate) stall_seconds: Option<f64>,
    pub(crate) hedges_sent: f64,
    pub(crate) path_switches: f64,
}

impl Counters {
    /// Asks a node.
    pub(crate) fn of(server: impl Into<Server>) -> io::Result<Self> {
        Ok(Self::parsed(&String::from_utf8_lossy(&ask(server, "/metrics")?)))
    }

    /// Asks a node; nothing where it does not answer.
    pub(crate) fn of_any(server: impl Into<Server>) -> Self {
        Self::of(server).unwrap_or_default()
    }

    fn parsed(text: &str) -> Self {
        let samples = |wanted: &'static str| text.lines().filter_map(move |line| sample(line, wanted));
        let sum = |wanted| samples(wanted).fold(0.0, |sum, sample| sum + sample);
        Self {
            served_bytes: sum("rain_served_bytes_total"),
            peer_bytes: sum("rain_peer_bytes_total"),
            extra_bytes: sum("rain_extra_peer_bytes_total"),
            stall_seconds: samples("rain_stall_seconds").reduce(f64::max),
            hedges_sent: sum("rain_hedges_sent_total"),
            path_switches: sum("rain_path_switches_total"),
        }
    }

    /// What was added since; of the longest stall, what it is now.
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            served_bytes: self.served_bytes - before.served_bytes,
            peer_bytes: self.peer_bytes - before.peer_bytes,
            extra_bytes: self.extra_bytes - before.extra_bytes,
            stall_seconds: self.stall_seconds,
            hedges_sent: self.hedges_sent - before.hedges_sent,
            path_switches: self.path_switches - before.path_switches,
        }
    }
}

/// The value of a line of Prometheus text, if it is of this name.
fn sample(line: &str, wanted: &str) -> Option<f64> {
    let rest = line.strip_prefix(wanted)?;
    let value = match rest.strip_prefix('{') {
        // A label's value may hold a brace, but never behind the last one.
        Some(labels) => labels.rsplit_once('}')?.1,
        None => rest.starts_with(' ').then_some(rest)?,
    };
    value.split_whitespace().next()?.parse().ok()
}

/// Waits until the supervisor says that every part is up, and the nodes of `observers` that all their paths are. The
/// time it took; none when it did not come about.
pub(crate) fn wait_until_up(demo: &Demo, observers: &[usize], patience: Duration) -> Option<Duration> {
    let began = Instant::now();
    loop {
        let is_up = demo.cluster().is_ok_and(|cluster| parts_are_up(&cluster))
            && observers.iter().all(|node| {
                let cluster = ask(demo.port(*node), "/api/v1/cluster").ok();
                let cluster: Option<Value> = cluster.and_then(|bytes| serde_json::from_slice(&bytes).ok());
                cluster.is_some_and(|cluster| are_up(&cluster["paths"]))
            });
        if is_up {
            return Some(began.elapsed());
        }
        if began.elapsed() > patience {
            return None;
        }
        sleep(Duration::from_millis(20));
    }
}

/// Whether every node, switch and link is up.
fn parts_are_up(cluster: &Value) -> bool {
    ["nodes", "switches", "links"].iter().all(|parts| are_up(&cluster[*parts]))
}

fn are_up(parts: &Value) -> bool {
    parts.as_array().is_some_and(|parts| parts.iter().all(|part| part["state"] == "up"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn samples_of_a_name_are_added_up() {
        let text = "# HELP rain_peer_bytes_total bytes\n# TYPE rain_peer_bytes_total counter\n\
                    rain_peer_bytes_total{peer=\"B\",switch=\"s1\"} 100\n\
                    rain_peer_bytes_total{peer=\"C\",switch=\"{s2}\"} 23\n\
                    rain_peer_bytes_total_more 5\nrain_extra_peer_bytes_total 7\nrain_stall_seconds 0.25\n";
        let counters = Counters::parsed(text);
        let wanted = Counters { peer_bytes: 123.0, extra_bytes: 7.0, stall_seconds: Some(0.25), ..Counters::default() };
        assert_eq!(counters, wanted);
        let before = Counters { peer_bytes: 100.0, stall_seconds: Some(0.25), ..Counters::default() };
        assert_eq!(counters.since(before), Counters { peer_bytes: 23.0, ..wanted });
    }

    #[test]
    fn one_part_that_is_down_is_enough() {
        let cluster = |link: &str| {
            json!({
                "nodes": [{ "name": "A", "state": "up" }], "switches": [{ "name": "s1", "state": "up" }],
                "links": [{ "name": "A-s1", "state": link }], "paths": [],
            })
        };
        assert!(parts_are_up(&cluster("up")));
        assert!(!parts_are_up(&cluster("down")));
        assert!(!parts_are_up(&json!({ "nodes": [] })), "an answer without links");
    }
}
