//! `/api/v1`, `/metrics`, `/healthz`, `/readyz`: what docs/operating.md says of them.

use crate::harness::{Cluster, Demo, PATIENCE, etag_of, get, put, wait_until};
use serde_json::{Value, json};

fn titles(cluster: &Cluster, node: usize, query: &str) -> Vec<String> {
    let list = get(format!("/api/v1/titles{query}")).to(cluster.port(node)).expect(200).json();
    let name = |report: &Value| report["title"].as_str().expect("a name").to_owned();
    list.as_array().expect("a list").iter().map(name).collect()
}

#[test]
fn titles_are_listed_by_prefix_and_page_by_page() {
    let cluster = Cluster::of_four();
    for title in ["b-2", "a1", "a2", "a3", "b1", "ünï"] {
        put(format!("/v/{title}"), *b"x").to(cluster.port(0)).expect(201);
    }
    for node in 0..4 {
        assert_eq!(titles(&cluster, node, ""), ["a1", "a2", "a3", "b-2", "b1", "ünï"]);
        assert_eq!(titles(&cluster, node, "?prefix=a"), ["a1", "a2", "a3"]);
        assert_eq!(titles(&cluster, node, "?limit=2"), ["a1", "a2"]);
        assert_eq!(titles(&cluster, node, "?limit=2&after=a2"), ["a3", "b-2"]);
        assert_eq!(titles(&cluster, node, "?prefix=a&after=a2&limit=7"), ["a3"]);
        assert_eq!(titles(&cluster, node, "?prefix=%C3%BC"), ["ünï"]);
        assert_eq!(titles(&cluster, node, "?prefix=nothing"), Vec::<String>::new());
        assert_eq!(titles(&cluster, node, "?after=zzz&limit=1"), ["ünï"]);
    }
}

#[test]
fn a_title_is_reported_with_its_columns() {
    let mut cluster = Cluster::of_four();
    let stored = put("/v/title", *b"content").to(cluster.port(0)).expect(201);
    let columns = |report: &Value| report["columns"].as_array().expect("columns").clone();
    for path in ["/api/v1/titles/title", "/api/v1/titles/title?verify=1"] {
        let report = get(path).to(cluster.port(1)).expect(200).json();
        for (field, expected) in [
            ("title", json!("title")),
            ("bytes", json!(7)),
            ("etag", json!(etag_of(b"content"))),
            ("version", json!(stored.header("rain-version").expect("a version"))),
            ("code", json!("b-code:4")),
            ("tolerates", json!(2)),
        ] {
            assert_eq!(report[field], expected, "{report}");
        }
        let mut nodes = Vec::new();
        for (index, column) in columns(&report).iter().enumerate() {
            assert_eq!((&column["index"], &column["state"]), (&json!(index), &json!("ok")), "{report}");
            nodes.push(column["node"].as_str().expect("a name").to_owned());
        }
        nodes.sort_unstable();
        assert_eq!(nodes, ["A", "B", "C", "D"]);
    }
    cluster.kill(2);
    std::fs::remove_file(cluster.column_file(3, "title")).expect("a column file");
    let report = get("/api/v1/titles/title?verify=1").to(cluster.port(1)).expect(200).json();
    assert_eq!(report["tolerates"], 0, "{report}");
    for column in columns(&report) {
        let expected: &[&str] = match column["node"].as_str() {
            Some("C") => &["unreachable"],
            // It was there, and is not: both words say so.
            Some("D") => &["missing", "damaged"],
            _ => &["ok"],
        };
        assert!(expected.iter().any(|state| column["state"] == *state), "{report}");
    }
}

#[test]
fn a_node_tells_who_is_there() {
    let mut cluster = Cluster::of_four();
    let state_of = |cluster: &Cluster, observer: usize, node: &str| {
        let report = get("/api/v1/cluster").to(cluster.port(observer)).expect(200).json();
        assert_eq!(report["observer"], cluster.name(observer));
        let nodes = report["nodes"].as_array().expect("nodes").clone();
        assert_eq!(nodes.len(), 4, "{report}");
        assert_eq!(report["switches"].as_array().map(Vec::len), Some(2), "{report}");
        assert_eq!(report["links"].as_array().map(Vec::len), Some(8), "{report}");
        assert!(report["paths"].as_array().is_some_and(|paths| paths.len() == 6), "{report}");
        let found = nodes.iter().find(|found| found["name"] == node).cloned().expect("the node");
        found["state"].as_str().expect("a state").to_owned()
    };
    for node in ["A", "B", "C", "D"] {
        wait_until("every node up", PATIENCE, || state_of(&cluster, 0, node) == "up");
    }
    cluster.kill(1);
    wait_until("B down", PATIENCE, || state_of(&cluster, 0, "B") == "down");
    cluster.restart(1);
    wait_until("B up again", PATIENCE, || state_of(&cluster, 0, "B") == "up");
    // It takes nobody's word for the answering node itself.
    assert_eq!(state_of(&cluster, 1, "B"), "up");
    cluster.hang(2);
    wait_until("C not up", PATIENCE, || state_of(&cluster, 0, "C") == "down");
    cluster.resume(2);
    wait_until("C up again", PATIENCE, || state_of(&cluster, 0, "C") == "up");
}

#[test]
fn health_and_metrics() {
    let mut cluster = Cluster::lay_out("b-code:4", 4);
    // One node alone: alive at once, but nobody says that its data folder is no old copy.
    cluster.launch(0);
    wait_until("a node that waits for others", PATIENCE, || {
        get("/readyz").try_to(cluster.port(0)).is_ok_and(|response| {
            response.status == 503 && response.json()["message"].as_str().is_some_and(|why| why.contains("old copy"))
        })
    });
    get("/healthz").to(cluster.port(0)).expect(200);
    cluster.start_all();
    get("/v/nothing").to(cluster.port(0)).expect(404);
    for node in 0..4 {
        get("/healthz").to(cluster.port(node)).expect(200);
        get("/readyz").to(cluster.port(node)).expect(200);
        let metrics = get("/metrics").to(cluster.port(node)).expect(200);
        let text = String::from_utf8(metrics.body).expect("text");
        assert!(text.lines().any(|line| line.starts_with("rain_")), "{text}");
        assert!(metrics_are_well_formed(&text), "{text}");
    }
}

/// Prometheus text: comments, or a name with labels and a number.
fn metrics_are_well_formed(text: &str) -> bool {
    text.lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .all(|line| line.rsplit_once(' ').is_some_and(|(name, value)| !name.is_empty() && value.parse::<f64>().is_ok()))
}

#[test]
fn the_supervisor_tells_the_truth_about_its_nodes() {
    let demo = Demo::start(&[]);
    let states = || -> Vec<String> {
        let report = get("/api/v1/cluster").to(demo.supervisor()).expect(200).json();
        let state = |node: &Value| node["state"].as_str().expect("a state").to_owned();
        report["nodes"].as_array().expect("nodes").iter().map(state).collect()
    };
    assert_eq!(states(), ["up", "up", "up", "up"]);
    crate::harness::kill(demo.nodes[0], rustix::process::Signal::KILL);
    crate::harness::stop(demo.nodes[1]);
    wait_until("the truth", PATIENCE, || states() == ["down", "hung", "up", "up"]);
    // And it still finds a node that serves.
    get("/v/nothing").to(demo.supervisor()).expect_error(404, "no-such-title");
}
