//! `GET /api/v1/events` (docs/operating.md, watching): server-sent events at nodes and at the demo's supervisor.

use crate::harness::{Connection, Demo, PATIENCE, get, kill, post, stop, wait_until};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::io;
use std::time::{Duration, Instant};

const SAMPLE: &str = "/v/sample.mp4";
const SAMPLE_BYTES: u64 = 4_071_182;
/// Most streams of events that a listener gives.
const STREAMS_MAX: usize = 64;
/// "At once": 100 ms, and the rest for a busy machine.
const AT_ONCE: Duration = Duration::from_secs(2);

/// A stream of events that somebody follows.
struct Events {
    connection: Connection,
    text: String,
    /// Comments that have come.
    comments: usize,
}

impl Events {
    fn try_open(port: u16) -> Result<Self, u16> {
        let mut connection = Connection::open(port);
        connection.send_head(&get("/api/v1/events")).expect("a connection that takes a request");
        let head = connection.receive_head().expect("an answer");
        if head.status() != 200 {
            return Err(head.status());
        }
        assert_eq!(head.header("content-type"), Some("text/event-stream"));
        Ok(Self { connection, text: String::new(), comments: 0 })
    }

    fn open(port: u16) -> Self {
        Self::try_open(port).expect("a stream of events")
    }

    /// The next event: its name and its data. `None` when the stream has ended.
    fn next(&mut self) -> io::Result<Option<(String, Value)>> {
        loop {
            while let Some(end) = self.text.find("\n\n") {
                let block: String = self.text.drain(..end + 2).collect();
                if block.starts_with(':') {
                    self.comments += 1;
                    continue;
                }
                let (name, data) = block.trim_end().split_once('\n').expect("a name and data");
                let name = name.strip_prefix("event: ").expect("an event's name").to_owned();
                let data = data.strip_prefix("data: ").expect("an event's data");
                return Ok(Some((name, serde_json::from_str(data).expect("JSON"))));
            }
            let chunk = self.connection.receive_chunk()?;
            if chunk.is_empty() {
                return Ok(None);
            }
            self.text += std::str::from_utf8(&chunk).expect("text");
        }
    }

    /// The next event of this name of which `holds` is true.
    #[track_caller]
    fn until(&mut self, name: &str, patience: Duration, holds: impl Fn(&Value) -> bool) -> Value {
        let until = Instant::now() + patience;
        loop {
            let (found, data) = self.next().expect("a stream that goes on").expect("a stream without an end");
            if found == name && holds(&data) {
                return data;
            }
            assert!(Instant::now() < until, "no such {name} within {} s, but {data}", patience.as_secs());
        }
    }
}

fn state<'a>(cluster: &'a Value, kind: &str, name: &str) -> &'a str {
    let parts = cluster[kind].as_array().expect("a list of parts");
    let part = parts.iter().find(|part| part["name"] == name).expect("a part of that name");
    part["state"].as_str().expect("a state")
}

fn fault(demo: &Demo, kind: &str, name: &str, action: &str) {
    let body = json!({ "kind": kind, "name": name, "action": action }).to_string();
    post("/api/v1/faults", body).header("content-type", "application/json").to(demo.supervisor()).expect(200);
}

#[test]
fn the_cluster_is_told_at_the_start_and_at_every_change() {
    let demo = Demo::start(&[]);
    let mut events = Events::open(demo.supervisor());
    let (name, cluster) = events.next().expect("a stream").expect("an event");
    assert_eq!(name, "cluster");
    let mut asked = get("/api/v1/cluster").to(demo.supervisor()).expect(200).json();
    assert_eq!(cluster, asked, "the object of GET /api/v1/cluster");
    assert_eq!((&cluster["faults"], &cluster["observer"]), (&json!(true), &Value::Null));

    fault(&demo, "node", "C", "cut");
    events.until("cluster", AT_ONCE, |cluster| state(cluster, "nodes", "C") == "down");
    fault(&demo, "switch", "s1", "cut");
    events.until("cluster", AT_ONCE, |cluster| state(cluster, "switches", "s1") == "down");
    // Somebody else does it.
    stop(demo.nodes[1]);
    let cluster = events.until("cluster", AT_ONCE, |cluster| state(cluster, "nodes", "B") == "hung");
    asked = get("/api/v1/cluster").to(demo.supervisor()).expect(200).json();
    assert_eq!(cluster, asked);
    kill(demo.nodes[1], Signal::CONT);
    fault(&demo, "switch", "s1", "heal");
    events.until("cluster", AT_ONCE, |cluster| {
        state(cluster, "nodes", "B") == "up" && state(cluster, "switches", "s1") == "up"
    });

    let mut own = Events::open(demo.port(0));
    let cluster = own.until("cluster", AT_ONCE, |_| true);
    assert_eq!(cluster["observer"], "A");
    own.until("cluster", PATIENCE, |cluster| state(cluster, "nodes", "C") == "down");
}

#[test]
fn a_read_is_told_by_its_node_and_passed_on_though_another_hangs() {
    let demo = Demo::start(&[]);
    stop(demo.nodes[3]);
    let mut streams = [Events::open(demo.port(1)), Events::open(demo.supervisor())];
    for events in &mut streams {
        // The greeting of node B: from now on what it tells is heard.
        let rebuilds = events.until("rebuilds", PATIENCE, |rebuilds| rebuilds["node"] == "B");
        assert_eq!(rebuilds["rebuilds"], json!([]));
    }
    assert_eq!(get(SAMPLE).to(demo.port(1)).expect(200).body.len() as u64, SAMPLE_BYTES);
    for events in &mut streams {
        let (mut served, mut peers, mut sources) = (0, 0, 0);
        while served < SAMPLE_BYTES {
            let second = events.until("reads", PATIENCE, |second| second["node"] == "B");
            served += second["served_bytes"].as_u64().expect("a number");
            peers += second["peer_bytes"].as_u64().expect("a number");
            for source in second["sources"].as_array().expect("a list") {
                let own = source["node"] == "B";
                assert!(own == source["switch"].is_null(), "{source}");
                sources += if own { 0 } else { source["bytes"].as_u64().expect("a number") };
            }
            assert!(second["seconds"].as_f64().is_some_and(|seconds| seconds > 0.0), "{second}");
        }
        assert_eq!((served, peers), (SAMPLE_BYTES, sources));
        let quiet = events.until("reads", PATIENCE, |second| second["served_bytes"] == 0);
        assert_eq!((&quiet["node"], &quiet["sources"], &quiet["streams"]), (&json!("B"), &json!([]), &json!(0)));
        let before = events.comments;
        wait_until("a comment", Duration::from_secs(10), || {
            // A stream that is quiet is not silent.
            let chunk = events.connection.receive_chunk().expect("a stream that goes on");
            events.comments += usize::from(chunk.starts_with(b":"));
            events.comments > before
        });
    }
}

#[test]
fn streams_are_bounded_and_end_with_the_demo() {
    let demo = Demo::start(&[]);
    for port in [demo.port(0), demo.supervisor()] {
        let mut streams = Vec::new();
        // At a node the supervisor may follow too.
        let refused = loop {
            match Events::try_open(port) {
                Ok(stream) => streams.push(stream),
                Err(status) => break status,
            }
            assert!(streams.len() <= STREAMS_MAX, "no bound");
        };
        assert_eq!(refused, 503);
        assert!(streams.len() >= STREAMS_MAX - 1, "only {}", streams.len());
        get("/api/v1/events").to(port).expect_error(503, "too-many-streams");
        streams.truncate(3);
        wait_until("room for another one", PATIENCE, || Events::try_open(port).is_ok());
    }
    let mut events = Events::open(demo.supervisor());
    let mut own = Events::open(demo.port(0));
    demo.process.signal(Signal::TERM);
    assert!(demo.process.wait(Duration::from_secs(5)).success(), "{}", demo.process.log());
    for stream in [&mut events, &mut own] {
        while let Ok(Some(_)) = stream.next() {}
    }
}
