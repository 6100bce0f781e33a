//! What a node does about peers and paths that fall silent, by its own counters (docs/operating.md): whether it does it
//! soon enough is measured, not tested.

use crate::harness::{Connection, Demo, PATIENCE, assert_same, get, post, put, random_bytes, sample, wait_until};
use serde_json::{Value, json};

const SAMPLE: &str = "/v/sample.mp4";
/// Whether a node notices before the read begins that a part is gone is a matter of luck: it is tried so often.
const ROUNDS: usize = 60;

fn do_fault(demo: &Demo, (kind, name): (&str, &str), action: &str) {
    let fault = json!({ "kind": kind, "name": name, "action": action }).to_string();
    post("/api/v1/faults", fault).header("content-type", "application/json").to(demo.supervisor()).expect(200);
}

/// The sum of a counter of a node, over its labels.
fn counter(demo: &Demo, node: usize, name: &str) -> f64 {
    let metrics = get("/metrics").to(demo.port(node)).expect(200);
    let metrics = String::from_utf8(metrics.body).expect("text");
    let of_counter = |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{']));
    let values =
        metrics.lines().filter(of_counter).map(|line| line.rsplit(' ').next().and_then(|last| last.parse().ok()));
    values.map(|value: Option<f64>| value.expect("a number")).sum()
}

fn paths_of_a(demo: &Demo) -> Vec<Value> {
    let cluster = get("/api/v1/cluster").to(demo.port(0)).expect(200).json();
    cluster["paths"].as_array().cloned().unwrap_or_default()
}

fn wait_for_all_paths(demo: &Demo) {
    wait_until("all paths of A", PATIENCE, || paths_of_a(demo).iter().all(|path| path["state"] == "up"));
}

/// Reads right after a fault until a counter of A has grown.
fn read_after(demo: &Demo, part: (&str, &str), action: &str, name: &str) {
    let sample = sample();
    let before = counter(demo, 0, name);
    for _ in 0..ROUNDS {
        wait_for_all_paths(demo);
        do_fault(demo, part, action);
        let found = get(SAMPLE).to(demo.port(0)).expect(200);
        assert_same(&found.body, &sample, &format!("with {part:?} {action}"));
        do_fault(demo, part, "heal");
        if counter(demo, 0, name) > before {
            return;
        }
    }
    panic!("{ROUNDS} reads right after {part:?} {action}, and {name} is still {before}");
}

#[test]
fn a_column_of_a_hung_node_is_done_without() {
    let demo = Demo::start(&[]);
    read_after(&demo, ("node", "B"), "hang", "rain_hedges_won_total");
    assert!(counter(&demo, 0, "rain_decoded_stripes_total") > 0.0);
}

#[test]
fn what_a_cut_switch_swallowed_is_asked_for_over_the_other() {
    let demo = Demo::start(&[]);
    read_after(&demo, ("switch", "s1"), "cut", "rain_hedges_won_total");
}

#[test]
fn silence_brings_paths_down_and_their_heartbeats_up_again() {
    let demo = Demo::start(&[]);
    wait_for_all_paths(&demo);
    assert_eq!(paths_of_a(&demo).len(), 6, "three peers by two switches each");
    do_fault(&demo, ("switch", "s2"), "cut");
    wait_until("the paths by s2 to go down, and no other", PATIENCE, || {
        paths_of_a(&demo).iter().all(|path| (path["state"] == "down") == (path["switch"] == "s2"))
    });
    let node = |state: &str| {
        let cluster = get("/api/v1/cluster").to(demo.port(0)).expect(200).json();
        cluster["nodes"]
            .as_array()
            .is_some_and(|nodes| nodes.iter().any(|node| node["name"] == "C" && node["state"] == state))
    };
    assert!(node("up"));
    do_fault(&demo, ("node", "C"), "hang");
    wait_until("C to be down", PATIENCE, || node("down"));
    do_fault(&demo, ("node", "C"), "heal");
    do_fault(&demo, ("switch", "s2"), "heal");
    wait_for_all_paths(&demo);
}

#[test]
fn wrong_verdicts_change_no_byte() {
    let demo = Demo::start(&["--false-downs", "20", "--seed", "5"]);
    let content = random_bytes(30_000_000, 9);
    // A path that goes down time and again stays down for longer, so a write may find too few nodes: it is refused whole.
    let stored = || put("/v/title", content.clone()).to(demo.port(0)).status == 201;
    wait_until("the title to be stored", PATIENCE, stored);
    for node in 0..Demo::NODES {
        assert_same(&get("/v/title").to(demo.port(node)).expect(200).body, &content, "with wrong verdicts");
    }
    let downs = |path: &Value| path["state"] == "down";
    wait_until("a wrong verdict", PATIENCE, || paths_of_a(&demo).iter().any(downs));
}

/// The supervisor reads from A first. A stream of it goes on at another node, whatever A was doing when it stopped.
#[test]
fn a_stream_of_the_supervisor_goes_on_at_another_node() {
    let demo = Demo::start(&[]);
    let content = random_bytes(40_000_000, 3);
    put("/v/title", content.clone()).to(demo.port(0)).expect(201);
    for action in ["hang", "cut"] {
        let mut connection = Connection::open(demo.supervisor());
        connection.send_head(&get("/v/title")).expect("an open connection");
        assert_eq!(connection.receive_head().expect("an answer").status(), 200);
        let mut found = Vec::new();
        connection.receive_exactly(5_000_000, &mut found).expect("the beginning");
        do_fault(&demo, ("node", "A"), action);
        connection.receive_exactly(content.len() as u64 - 5_000_000, &mut found).expect("the rest");
        assert_same(&found, &content, &format!("with A after {action}"));
        do_fault(&demo, ("node", "A"), "heal");
        wait_until("A", PATIENCE, || get("/readyz").try_to(demo.port(0)).is_ok_and(|answer| answer.status == 200));
    }
}
