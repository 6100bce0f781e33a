//! Codes of every family in a demo: stored, read back with as many nodes cut as the code tolerates, and shown.

use crate::harness::{Demo, assert_same, get, kill, put, rain, random_bytes, run};
use rustix::process::Signal;

const TITLE: &str = "/v/title";

/// Puts a title, cuts nodes one by one, and reads it from each of the others.
#[test]
fn a_demo_of_every_family_gives_titles_back_without_as_many_nodes_as_it_tolerates() {
    let content = random_bytes(1_300_000, 40);
    for (code, tolerates) in [("replica:3", 2), ("parity:3+1", 1), ("dual-b-code:4", 2), ("rs:2+2", 2), ("b-code:4", 2)]
    {
        let demo = Demo::start(&["--code", code]);
        let stored = put(TITLE, content.clone()).to(demo.port(0)).expect(201);
        assert_eq!(stored.header("rain-tolerates"), Some(tolerates.to_string().as_str()), "{code}");
        for cut in 0..=tolerates {
            if cut > 0 {
                kill(demo.nodes[cut - 1], Signal::KILL);
            }
            for node in cut..Demo::NODES {
                let found = get(TITLE).to(demo.port(node)).expect(200);
                assert_same(&found.body, &content, &format!("{code}, {cut} nodes cut, from node {node}"));
            }
        }
    }
}

#[test]
fn code_show_prints_one_object_and_warns_on_the_other_output() {
    let shown = run(rain().args(["code", "show", "b-code:24", "--format", "json"])).succeeded();
    let found = shown.json();
    assert_eq!((found["name"].as_str(), found["tolerates"].as_u64()), (Some("b-code:24"), Some(2)));
    assert_eq!(found["cells"].as_array().map(Vec::len), Some(24 * 12));
    assert!(shown.stderr.contains("b-code:24 has 24 columns and tolerates the loss of 2"), "{}", shown.stderr);
    let listed = run(rain().args(["code", "ls"])).succeeded();
    for name in ["b-code:65", "x-code:61", "dual-b-code:61", "rs:10+4", "parity:3+1", "replica:3"] {
        assert!(listed.text().lines().any(|line| line.starts_with(&format!("{name} "))), "{name}");
    }
}

#[test]
fn what_cannot_be_is_refused_with_the_nearest_that_can() {
    for (asked, nearest) in [("x-code:9", "x-code:11"), ("b-code:3", "b-code:4"), ("rs:300+2", "rs:253+2")] {
        run(rain().args(["code", "show", asked])).failed_naming(&[asked, &format!("the nearest is {nearest}")]);
    }
}
