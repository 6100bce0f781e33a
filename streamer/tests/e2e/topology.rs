//! `rain topology`, and a demo that is started from a plan (docs/topology.md).

use crate::harness::{Demo, Finished, Folder, get, rain, run, run_with_input, sample};
use serde_json::{Value, json};

const SAMPLE: &str = "/v/sample.mp4";

fn plan(arguments: &[&str]) -> Finished {
    run(rain().args(["topology", "plan"]).args(arguments))
}

fn plan_json(arguments: &[&str]) -> String {
    plan(&[arguments, &["--format", "json"]].concat()).succeeded().text()
}

fn verify(plan: &str, arguments: &[&str]) -> Finished {
    run_with_input(rain().args(["topology", "verify", "-"]).args(arguments), Some(plan.as_bytes()))
}

/// The figures of the most parts lost: stranded, second, nodes lost; and whether anything partitions.
fn figures(plan: &str, lose: &str, of: &str) -> ([u64; 3], bool) {
    let finished = verify(plan, &["--lose", lose, "--of", of, "--format", "json"]);
    let found: Value = serde_json::from_str(&finished.text()).expect("JSON");
    let partitions = found["partitions"].as_bool().expect("whether it partitions");
    assert_eq!(finished.code, Some(i32::from(partitions)), "{finished:?}");
    let last = found["losses"].as_array().and_then(|losses| losses.last()).expect("a row");
    (["stranded", "second", "nodes_lost"].map(|key| last[key].as_u64().expect("a number")), partitions)
}

/// The figures are those of the brute force in the specification.
#[test]
fn verify_reproduces_what_the_constructions_bear() {
    for switches in ["4", "5", "6", "7", "8", "9", "10", "11", "12"] {
        let ring = plan_json(&["--switches", switches]);
        let ([stranded, second, _], partitions) = figures(&ring, "3", "switches");
        assert_eq!(stranded, if switches == "6" { 3 } else { 2 }, "{switches}");
        // Four switches: the construction is the naive ring, which falls in two halves of two.
        assert_eq!(partitions, switches == "4", "{switches}");
        assert_eq!(second, 1, "{switches}");
        let ([stranded, _, lost], _) = figures(&ring, "3", "any");
        assert!(stranded <= if switches == "6" { 3 } else { 2 } && lost <= 3, "{switches}: {stranded}, {lost}");
    }
    let eight = plan_json(&["--switches", "8"]);
    assert_eq!(figures(&eight, "3", "any"), ([2, 1, 3], false));
    assert!(figures(&eight, "4", "switches").1, "four switches partition");
    let large = plan_json(&["--switches", "24"]);
    assert_eq!(figures(&large, "4", "switches"), ([12, 12, 12], true));
    let naive = plan_json(&["--switches", "10", "--kind", "naive"]);
    assert_eq!(figures(&naive, "2", "switches"), ([5, 5, 5], true));
    let across = plan_json(&["--switches", "24", "--offsets", "0,12"]);
    assert_eq!(figures(&across, "4", "switches"), ([14, 12, 14], true));
    let twice = plan_json(&["--switches", "8", "--switch-degree", "6"]);
    assert_eq!(figures(&twice, "3", "switches"), ([4, 1, 4], false));
    let threefold = plan_json(&["--switches", "12", "--node-degree", "3"]);
    let ([stranded, second, _], partitions) = figures(&threefold, "5", "switches");
    assert!((2..=3).contains(&stranded) && second == 1 && !partitions);
    let clique = plan_json(&["--switches", "7", "--kind", "clique"]);
    assert_eq!(figures(&clique, "3", "switches"), ([3, 1, 3], false));
}

#[test]
fn a_plan_and_a_verdict_have_three_formats() {
    let text = plan(&["--switches", "8"]).succeeded().text();
    for words in ["8 switches, 8 nodes, 24 links; up to 4 ports a switch", "  A  s1 s6\n", "s8-s1", "Laboratory: no"] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let rails = plan(&["--switches", "2", "--kind", "rails"]).succeeded().text();
    assert!(rails.contains("Laboratory: yes"), "{rails}");
    let best = plan(&["--switches", "9", "--kind", "best"]).succeeded().text();
    assert!(best.contains("Best ring, offsets 0, 5") && best.contains("Of 4 choices"), "{best}");
    let ring = plan_json(&["--switches", "8"]);
    let text = verify(&ring, &["--lose", "3"]).succeeded().text();
    assert!(text.contains("It does not partition. Worst: without "), "{text}");
    let text = verify(&ring, &["--lose", "4", "--of", "switches"]);
    assert!(text.code == Some(1) && text.text().contains("It partitions.") && text.stderr.is_empty(), "{text:?}");
    let drawing = plan(&["--switches", "8", "--format", "svg"]).succeeded().text();
    assert!(drawing.starts_with("<svg ") && !drawing.contains("lost"), "{drawing}");
    let drawing = verify(&ring, &["--lose", "3", "--of", "switches", "--format", "svg"]).succeeded().text();
    assert!(drawing.contains("3 lost: s1, s3 and s6"), "{drawing}");
}

#[test]
fn a_survey_goes_through_every_wiring() {
    let survey = |arguments: &[&str]| run(rain().args(["topology", "survey"]).args(arguments));
    let found = survey(&["--switches", "6", "--format", "json"]).succeeded().json();
    // Pairs of six things with each thing in two of them, counted by the row sums of symmetric matrices (OEIS A002137).
    assert_eq!((&found["wirings"], &found["hold"]), (&json!(130), &json!(0)), "{found}");
    assert_eq!(found["fall_by_neighbours"], found["wirings"], "{found}");
    let three = survey(&["--switches", "6", "--lose", "3", "--format", "json"]).succeeded().json();
    assert!(three["hold"].as_u64() > Some(0) && three["example"].as_array().map(Vec::len) == Some(6), "{three}");
    assert!(survey(&["--switches", "6"]).succeeded().text().contains("switches: 0\n"));
    let wrong = survey(&["--switches", "13"]);
    assert!(wrong.code == Some(2) && wrong.stderr.contains("found 13, expected 3 to 12"), "{wrong:?}");
}

#[test]
fn wrong_use_is_exit_status_2_and_says_what_was_expected() {
    for (arguments, named) in [
        (&["--switches", "2"][..], &["--switches", "found 2", "expected 3"][..]),
        (&["--switches", "8", "--nodes", "0"], &["--nodes", "found 0"]),
        (&["--switches", "8", "--node-degree", "9"], &["--node-degree", "found 9", "1 to 8"]),
        (&["--switches", "8", "--switch-degree", "3"], &["--switch-degree", "found 3", "at least 4"]),
        (&["--switches", "8", "--offsets", "0,8"], &["--offsets", "[0, 8]"]),
        (&["--switches", "200", "--node-degree", "9", "--kind", "best"], &["--kind best", "too many"]),
        (&[], &["--switches"]),
    ] {
        let wrong = plan(arguments);
        assert_eq!((wrong.code, wrong.text().as_str()), (Some(2), ""), "{wrong:?}");
        assert!(named.iter().all(|name| wrong.stderr.contains(name)), "{named:?}: {wrong:?}");
    }
    let ring = plan_json(&["--switches", "8"]);
    let large = plan_json(&["--switches", "200"]);
    let words = plan(&["--switches", "8"]).text();
    for (text, arguments, named) in [
        (ring.as_str(), &["--lose", "41"][..], &["--lose", "found 41", "1 to 40"][..]),
        (&ring, &["--lose", "0"], &["--lose"]),
        (&ring, &["--lose", "3", "--of", "cables"], &["cables"]),
        (&large, &["--lose", "8"], &["--lose", "expected at most 100000000000"]),
        (&words, &["--lose", "3"], &["standard input", "line 1, column 1", "--format json"]),
        (&ring.replace("\"H\"", "\"G\""), &["--lose", "3"], &["standard input", "`G` twice"]),
    ] {
        let wrong = verify(text, arguments);
        assert_eq!((wrong.code, wrong.text().as_str()), (Some(2), ""), "{wrong:?}");
        assert!(named.iter().all(|name| wrong.stderr.contains(name)), "{named:?}: {wrong:?}");
    }
    let missing = run(rain().args(["topology", "verify", "/nowhere/plan.json", "--lose", "1"]));
    assert!(missing.code == Some(2) && missing.stderr.contains("/nowhere/plan.json"), "{missing:?}");
}

#[test]
fn a_plan_starts_a_demo_which_is_that_plan() {
    let folder = Folder::new();
    // A clique of four switches, a node for every two of them; the nodes have names of their own.
    let clique = plan_json(&["--switches", "4", "--kind", "clique"]).replace("\"C\"", "\"north\"");
    let file = folder.write("plan.json", clique.as_bytes());
    let file = file.to_str().expect("UTF-8");
    run(rain().args(["demo", "--topology", file, "--nodes", "5"])).failed_naming(&["--nodes", "5", "6, as"]);
    let demo = Demo::start_of(6, &["--topology", file]);
    let cluster = get("/api/v1/cluster").to(demo.supervisor()).expect(200).json();
    let plan: Value = serde_json::from_str(&clique).expect("JSON");
    let names = |list: &Value| -> Vec<Value> {
        list.as_array().into_iter().flatten().map(|part| part["name"].clone()).collect()
    };
    for list in ["nodes", "switches"] {
        assert_eq!(names(&cluster[list]), names(&plan[list]), "{list}");
    }
    let ends = |link: &Value| ["node", "switch", "to"].map(|end| link[end].clone());
    let links = |of: &Value| of["links"].as_array().into_iter().flatten().map(ends).collect::<Vec<_>>();
    assert_eq!(links(&cluster), links(&plan));
    let sample = sample();
    let all_serve = |when: &str| {
        for node in 0..6 {
            let served = get(SAMPLE).to(demo.port(node)).expect(200).body;
            assert!(served == sample, "node {node} {when}: {} bytes", served.len());
        }
    };
    all_serve("in a whole network");
    // The report of a cluster is a plan too, and each of its parts has its name for faults.
    assert_eq!(figures(&cluster.to_string(), "1", "any"), ([0, 0, 1], false));
    for (kind, name) in [("switch", "s1"), ("link", "north-s4"), ("link", "s2-s3"), ("node", "north")] {
        let url = format!("http://127.0.0.1:{}", demo.supervisor());
        for action in ["cut", "heal"] {
            run(rain().args(["fault", kind, name, action, "--server", &url])).succeeded();
        }
    }
}
