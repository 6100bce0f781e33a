//! Parts of a demo cut, hung and healed (docs/operating.md, the demo).

use crate::harness::{
    Cluster, Demo, Response, assert_same, get, is_alive, kill, post, rain, random_bytes, run, sample, wait_until,
};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

const SAMPLE: &str = "/v/sample.mp4";
const FAULTS: &str = "/api/v1/faults";
/// A part that is healed serves again within a second; as much again is for a busy machine.
const HEALED: Duration = Duration::from_secs(2);

fn send(port: u16, body: impl Into<Vec<u8>>) -> Response {
    post(FAULTS, body).header("content-type", "application/json").to(port)
}

fn ask(port: u16, kind: &str, name: &str, action: &str) -> Response {
    send(port, json!({ "kind": kind, "name": name, "action": action }).to_string())
}

/// Does a fault, and checks that it is in force when the answer comes.
#[track_caller]
fn do_fault(demo: &Demo, port: u16, kind: &str, name: &str, action: &str) {
    let answer = ask(port, kind, name, action).expect(200);
    assert_eq!(answer.json(), json!({}));
    let expected = match action {
        "cut" => "down",
        "hang" => "hung",
        _ => "up",
    };
    assert_eq!(states(demo)[name], expected, "{kind} {name} {action}");
}

fn cluster(demo: &Demo) -> Value {
    get("/api/v1/cluster").to(demo.supervisor()).expect(200).json()
}

/// The state of every part, by its name.
fn states(demo: &Demo) -> BTreeMap<String, String> {
    let cluster = cluster(demo);
    let parts = ["nodes", "switches", "links"].into_iter().flat_map(|kind| cluster[kind].as_array().into_iter());
    let text = |part: &Value, key: &str| part[key].as_str().unwrap_or_else(|| panic!("{key} in {part}")).to_owned();
    parts.flatten().map(|part| (text(part, "name"), text(part, "state"))).collect()
}

fn not_up(demo: &Demo) -> Vec<(String, String)> {
    states(demo).into_iter().filter(|(_, state)| state != "up").collect()
}

fn assert_serves(demo: &Demo, node: usize, path: &str, content: &[u8], when: &str) {
    let found = get(path).to(demo.port(node)).expect(200);
    assert_same(&found.body, content, &format!("from {node}, {when}"));
}

#[test]
fn the_faults_of_a_demo_are_told_apart_by_their_status() {
    let demo = Demo::start(&[]);
    for port in [demo.supervisor(), demo.port(1)] {
        for body in [
            "",
            "cut",
            "{}",
            r#"{"kind":"node","name":"A"}"#,
            r#"{"kind":"node","action":"cut"}"#,
            r#"{"kind":"node","name":1,"action":"cut"}"#,
            r#"{"kind":"cable","name":"A-s1","action":"cut"}"#,
            r#"{"kind":"node","name":"A","action":"stop"}"#,
            r#"{"kind":"node","name":"A","action":"cut""#,
        ] {
            send(port, body).expect_error(400, "bad-fault");
        }
        for (kind, name) in [("switch", "s1"), ("link", "A-s1")] {
            ask(port, kind, name, "hang").expect_error(400, "bad-fault");
        }
        for (kind, name) in
            [("node", "E"), ("node", "a"), ("node", ""), ("node", "s1"), ("switch", "s3"), ("switch", "A")]
                .into_iter()
                .chain([("link", "A-s3"), ("link", "E-s1"), ("link", "s1"), ("link", "s1-s2"), ("link", "A")])
        {
            for action in ["cut", "heal"] {
                ask(port, kind, name, action).expect_error(404, "no-such-part");
            }
        }
        let fault = r#"{"kind":"switch","name":"s1","action":"cut"}"#;
        post(FAULTS, fault).to(port).expect_error(415, "not-json");
        post(FAULTS, fault)
            .header("content-type", "application/json")
            .header("origin", "http://example.org")
            .to(port)
            .expect_error(403, "forbidden");
        get(FAULTS).to(port).expect_error(404, "not-found");
        assert_eq!(not_up(&demo), [], "nothing was done");
    }
}

#[test]
fn a_cluster_that_is_no_demo_has_no_faults() {
    let cluster = Cluster::start("b-code:4", 4);
    ask(cluster.port(0), "node", "B", "cut").expect_error(404, "not-found");
    send(cluster.port(0), "{").expect_error(404, "not-found");
    get("/readyz").to(cluster.port(1)).expect(200);
}

#[test]
fn every_kind_of_part_is_cut_and_healed_while_titles_stay_what_they_are() {
    let demo = Demo::start(&[]);
    let sample = sample();
    let asked = [demo.supervisor(), demo.port(0), demo.port(2)];
    for (turn, (kind, name, action, state)) in [
        ("node", "B", "cut", "down"),
        ("node", "B", "hang", "hung"),
        ("switch", "s1", "cut", "down"),
        ("switch", "s2", "cut", "down"),
        ("link", "A-s1", "cut", "down"),
        ("link", "B-s2", "cut", "down"),
    ]
    .into_iter()
    .enumerate()
    {
        let port = asked[turn % asked.len()];
        for when in ["at once", "again"] {
            do_fault(&demo, port, kind, name, action);
            assert_eq!(not_up(&demo), [(name.to_owned(), state.to_owned())], "{when}");
        }
        for node in (0..=Demo::NODES).filter(|node| kind != "node" || *node != 1) {
            assert_serves(&demo, node, SAMPLE, &sample, &format!("with {name} {state}"));
        }
        let healing = Instant::now();
        for _ in 0..2 {
            do_fault(&demo, port, kind, name, "heal");
            assert_eq!(not_up(&demo), []);
        }
        wait_until(&format!("{name} serves again"), HEALED.saturating_sub(healing.elapsed()), || {
            get(SAMPLE).try_to(demo.port(1)).is_ok_and(|found| found.status == 200)
        });
        for node in 0..=Demo::NODES {
            assert_serves(&demo, node, SAMPLE, &sample, &format!("with {name} healed"));
        }
    }
}

#[test]
fn a_node_that_was_cut_is_another_process_with_the_same_data() {
    let demo = Demo::start(&[]);
    let content = random_bytes(3_000_000, 1);
    crate::harness::put("/v/title", content.clone()).to(demo.port(1)).expect(201);
    let before = demo.nodes[1];
    do_fault(&demo, demo.supervisor(), "node", "B", "cut");
    assert!(!is_alive(before));
    assert!(get("/healthz").try_to(demo.port(1)).is_err());
    // What is dead does not hang, and is healed all the same.
    ask(demo.supervisor(), "node", "B", "hang").expect(200);
    assert_eq!(states(&demo)["B"], "down");
    do_fault(&demo, demo.supervisor(), "node", "B", "heal");
    let after = cluster(&demo)["nodes"][1]["pid"].as_u64();
    assert!(after.is_some_and(|after| after != u64::from(before)));
    wait_until("B serves again", HEALED, || get(SAMPLE).try_to(demo.port(1)).is_ok_and(|found| found.status == 200));
    assert_serves(&demo, 1, "/v/title", &content, "after its return");
    wait_until("every column sound", Duration::from_secs(30), || {
        let report = get("/api/v1/titles/title").to(demo.port(0)).expect(200).json();
        report["tolerates"] == 2
    });
}

#[test]
fn a_hung_node_that_is_cut_is_dead_and_one_that_died_by_itself_is_healed() {
    let demo = Demo::start(&[]);
    do_fault(&demo, demo.supervisor(), "node", "C", "hang");
    do_fault(&demo, demo.supervisor(), "node", "C", "cut");
    assert!(!is_alive(demo.nodes[2]));
    kill(demo.nodes[3], Signal::KILL);
    wait_until("the death of D", HEALED, || states(&demo)["D"] == "down");
    do_fault(&demo, demo.port(0), "node", "C", "heal");
    do_fault(&demo, demo.port(0), "node", "D", "heal");
    for node in [2, 3] {
        wait_until("they serve", HEALED, || get(SAMPLE).try_to(demo.port(node)).is_ok_and(|found| found.status == 200));
    }
}

#[test]
fn a_node_answers_before_it_is_cut_or_hung_itself() {
    let demo = Demo::start(&[]);
    for (action, state) in [("cut", "down"), ("hang", "hung")] {
        for _ in 0..5 {
            assert_eq!(ask(demo.port(0), "node", "A", action).expect(200).json(), json!({}));
            wait_until("the fault in force", HEALED, || states(&demo)["A"] == state);
            do_fault(&demo, demo.port(1), "node", "A", "heal");
            wait_until("A serves again", HEALED, || {
                get(SAMPLE).try_to(demo.port(0)).is_ok_and(|found| found.status == 200)
            });
        }
        // A node that is well is healed by itself: nothing is to be done.
        do_fault(&demo, demo.port(0), "node", "A", "heal");
    }
}

#[test]
fn the_command_does_faults_and_says_by_its_status_what_was_wrong() {
    let demo = Demo::start(&[]);
    let fault = |arguments: &[&str]| {
        let server = format!("http://127.0.0.1:{}", demo.port(0));
        run(rain().arg("fault").args(arguments).args(["--server", &server]))
    };
    let done = fault(&["link", "B-s1", "cut"]).succeeded();
    assert_eq!((done.text().as_str(), done.stderr.as_str()), ("", ""));
    assert_eq!(not_up(&demo), [("B-s1".to_owned(), "down".to_owned())]);
    assert_eq!(fault(&["link", "B-s1", "heal", "--json"]).succeeded().json(), json!({}));
    fault(&["node", "C", "hang"]).succeeded();
    assert_eq!(not_up(&demo), [("C".to_owned(), "hung".to_owned())]);
    fault(&["node", "C", "heal"]).succeeded();
    assert_eq!(not_up(&demo), []);
    fault(&["switch", "s9", "cut"]).failed_naming(&["s9"]);
    let unknown = fault(&["switch", "s9", "cut", "--json"]);
    assert_eq!(unknown.code, Some(1));
    assert!(unknown.stderr.contains(r#""error":"no-such-part""#), "{unknown:?}");
    for wrong in [["cable", "A-s1", "cut"], ["switch", "s1", "stop"], ["switch", "s1", "hang"]] {
        let wrong = fault(&wrong);
        assert_eq!(wrong.code, Some(2), "{wrong:?}");
    }
    assert_eq!(not_up(&demo), []);
    run(rain().args(["fault", "switch", "s1", "cut", "--server", "http://127.0.0.1:1"]))
        .failed_naming(&["127.0.0.1:1"]);
}

#[test]
fn a_demo_says_what_is_wrong_with_its_options() {
    for (arguments, named) in [
        (&["--topology", "ring:3"][..], &["--topology", "ring:3", "4 to 26"][..]),
        (&["--topology", "star:8"], &["--topology", "star:8", "ring:N", "rain topology plan", "No such file"]),
        (&["--topology", "ring:8", "--nodes", "4"], &["--nodes", "4", "8"]),
        (&["--topology", "ring:8", "--switches", "2"], &["--switches", "2", "8"]),
        (&["--delay=-1"], &["--delay", "-1", "0 to 1000"]),
        (&["--loss", "101"], &["--loss", "101", "0 to 100"]),
        (&["--reorder", "NaN"], &["--reorder", "NaN"]),
        (&["--false-downs", "1e9"], &["--false-downs", "0 to 1000"]),
    ] {
        run(rain().arg("demo").args(arguments)).failed_naming(named);
    }
}

/// The names of the living nodes of the biggest piece that nodes, switches and links fall into.
fn biggest_piece(cluster: &Value) -> BTreeSet<String> {
    let list = |kind: &str| cluster[kind].as_array().cloned().unwrap_or_default().into_iter();
    let text = |part: &Value, key: &str| part[key].as_str().map(str::to_owned);
    let up = |kind: &str| list(kind).filter(|part| part["state"] == "up").collect::<Vec<_>>();
    let mut piece: BTreeMap<String, usize> = BTreeMap::new();
    for (number, part) in up("nodes").iter().chain(&up("switches")).enumerate() {
        piece.extend(text(part, "name").map(|name| (name, number)));
    }
    for link in up("links") {
        let ends = text(&link, "switch").zip(text(&link, "node").or_else(|| text(&link, "to"))).expect("a link's ends");
        if let Some((one, other)) = piece.get(&ends.0).copied().zip(piece.get(&ends.1).copied()) {
            piece.values_mut().filter(|number| **number == one).for_each(|number| *number = other);
        }
    }
    let mut pieces: BTreeMap<usize, BTreeSet<String>> = BTreeMap::new();
    for node in up("nodes").iter().filter_map(|node| text(node, "name")) {
        pieces.entry(piece[&node]).or_default().insert(node);
    }
    pieces.into_values().max_by_key(BTreeSet::len).expect("a node")
}

#[test]
fn with_three_switches_of_a_ring_cut_every_node_of_the_biggest_piece_serves() {
    let demo = Demo::start_of(8, &["--topology", "ring:8"]);
    let sample = sample();
    let whole = cluster(&demo);
    assert_eq!(whole["links"].as_array().map(Vec::len), Some(24));
    assert_eq!(whole["links"][1], json!({ "name": "A-s6", "node": "A", "switch": "s6", "state": "up" }));
    let between = json!({ "name": "s1-s2", "node": null, "switch": "s1", "to": "s2", "state": "up" });
    assert_eq!(whole["links"][16], between);
    // Neighbours, with two nodes stranded, with arcs of the ring that only nodes join, and links as well.
    for cut in [["s1", "s2", "s3"], ["s1", "s3", "s6"], ["s1", "s3", "s5"], ["s2", "s5", "s8"], ["s2-s3", "s4", "D-s1"]]
    {
        let kind = |name: &str| if name.contains('-') { "link" } else { "switch" };
        for name in cut {
            do_fault(&demo, demo.supervisor(), kind(name), name, "cut");
        }
        let piece = biggest_piece(&cluster(&demo));
        assert!(piece.len() >= 6, "{cut:?} leave {piece:?}");
        for node in &piece {
            let index = usize::from(node.as_bytes()[0] - b'A');
            assert_serves(&demo, index, SAMPLE, &sample, &format!("with {cut:?} cut"));
        }
        for name in cut {
            do_fault(&demo, demo.supervisor(), kind(name), name, "heal");
        }
        assert_eq!(not_up(&demo), []);
    }
}
