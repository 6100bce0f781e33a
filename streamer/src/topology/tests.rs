use super::report::{in_words, listed};
use super::*;
use rain_cluster::topology::{Construction, Loss, LossKind, Part, Topology, TopologyParameters};
use serde_json::{Value, json};

fn ring(count: usize) -> TopologyPlan {
    TopologyPlan::new(Topology::ring(count), "Diameter construction, offsets 0, 5")
}

fn loss(plan: &TopologyPlan, parts: &[Part]) -> Loss {
    let living = rain_cluster::topology::Living::without(&plan.topology, parts);
    let left = rain_cluster::topology::Pieces::new(&plan.topology, &living).cohesion();
    Loss { rank: 0, parts: parts.to_vec(), left }
}

#[test]
fn a_plan_is_written_as_the_cluster_reports_itself_and_read_back() {
    let plan = ring(8);
    let written: Value = serde_json::from_str(&plan.to_json()).unwrap();
    assert_eq!((&written["nodes"][7], &written["switches"][0]), (&json!({ "name": "H" }), &json!({ "name": "s1" })));
    assert_eq!(written["links"][0], json!({ "name": "A-s1", "node": "A", "switch": "s1" }));
    assert_eq!(written["links"][1], json!({ "name": "A-s6", "node": "A", "switch": "s6" }));
    assert_eq!(written["links"][23], json!({ "name": "s8-s1", "switch": "s8", "to": "s1" }));
    assert_eq!((written["links"].as_array().unwrap().len(), &written["laboratory"]), (24, &json!(false)));
    assert_eq!(TopologyPlan::parse(&plan.to_json()), Ok(plan));
    let rails = TopologyPlan::new(Topology::every_node_on_every_switch(4, 2), "");
    let written: Value = serde_json::from_str(&rails.to_json()).unwrap();
    assert_eq!((&written["laboratory"], written.get("construction")), (&json!(true), None));
    assert_eq!(TopologyPlan::parse(&rails.to_json()), Ok(rails));
}

#[test]
fn names_go_on_after_the_alphabet() {
    let plan = TopologyPlan::new(Topology::every_node_on_every_switch(80, 1), "");
    assert_eq!(
        [0, 25, 26, 51, 52, 79].map(|node: usize| plan.nodes[node].as_str()),
        ["A", "Z", "AA", "AZ", "BA", "CB"]
    );
}

#[test]
fn the_report_of_a_cluster_is_a_plan() {
    let report = json!({
        "nodes": [{ "name": "A", "state": "up", "http": "http://a" }, { "name": "B", "state": "down", "http": "" }],
        "switches": [{ "name": "s1", "state": "up" }, { "name": "s2", "state": "up" }],
        "links": [
            { "name": "B-s2", "node": "B", "switch": "s2", "to": null, "state": "up" },
            { "name": "A-s1", "node": "A", "switch": "s1", "to": null, "state": "up" },
            { "name": "s1-s2", "node": null, "switch": "s1", "to": "s2", "state": "down" },
        ],
        "observer": null, "paths": [], "faults": true,
    });
    let plan = TopologyPlan::parse(&report.to_string()).unwrap();
    let names: Vec<_> = plan.topology.parts(LossKind::Any).into_iter().map(|part| plan.name(part)).collect();
    assert_eq!(names, ["s1", "s2", "s1-s2", "A", "B", "A-s1", "B-s2"]);
}

#[test]
fn what_is_no_plan_is_refused_by_name() {
    let links = |links: Value| json!({ "nodes": [{ "name": "A" }], "switches": [{ "name": "s1" }, { "name": "s2" }], "links": links });
    let plugged = json!({ "node": "A", "switch": "s1" });
    for (text, expected) in [
        (
            String::new(),
            "line 1, column 0: EOF while parsing a value; expected the JSON of `rain topology plan --format json`",
        ),
        ("Diameter".to_owned(), "line 1, column 1: expected value; expected the JSON of"),
        (json!({ "nodes": [] }).to_string(), "missing field `switches`"),
        (json!({ "nodes": [], "switches": [], "links": [] }).to_string(), "`nodes`: found 0, expected 1 to 256"),
        (
            json!({ "nodes": [{ "name": "A" }], "switches": [{ "name": "s 1" }], "links": [] }).to_string(),
            "`switches`: found the name `s 1`, expected 1 to 32 letters, digits or `_`",
        ),
        (
            json!({ "nodes": [{ "name": "A" }, { "name": "A" }], "switches": [{ "name": "s1" }], "links": [] })
                .to_string(),
            "`nodes`: found `A` twice, expected a name for each",
        ),
        (links(json!([])).to_string(), "node `A`: found no link to a switch, expected at least one"),
        (links(json!([plugged, plugged])).to_string(), "`links`: found `A-s1` twice"),
        (
            links(json!([plugged, { "switch": "s1", "to": "s2" }, { "switch": "s2", "to": "s1" }])).to_string(),
            "`links`: found `s1-s2` twice",
        ),
        (
            links(json!([plugged, { "node": "B", "switch": "s1" }])).to_string(),
            "`links`, number 2: found the node `B`, expected one of those in `nodes`",
        ),
        (
            links(json!([plugged, { "switch": "s1", "to": "s3" }])).to_string(),
            "`links`, number 2: found the switch `s3`, expected one of those in `switches`",
        ),
        (links(json!([{ "switch": "s1" }])).to_string(), "number 1: found neither `node` nor `to`"),
        (
            links(json!([{ "node": "A", "switch": "s1", "to": "s2" }])).to_string(),
            "number 1: found both `node` and `to`",
        ),
        (links(json!([{ "switch": "s1", "to": "s1" }])).to_string(), "number 1: found a switch linked to itself"),
    ] {
        let error = TopologyPlan::parse(&text).expect_err(&text).to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
}

#[test]
fn the_report_tells_the_figures_and_the_worst_case() {
    let plan = ring(8);
    let seen = std::sync::atomic::AtomicU64::new(0);
    let add = |count| _ = seen.fetch_add(count, std::sync::atomic::Ordering::Relaxed);
    let three = verify(&plan, LossKind::Switches, 3, add).unwrap();
    assert_eq!(seen.into_inner(), 8 + 28 + 56);
    assert!(!three.is_partitioned());
    let found: Value = serde_json::from_str(&three.to_json(&plan)).unwrap();
    assert_eq!((&found["of"], &found["lose"], &found["partitions"]), (&json!("switches"), &json!(3), &json!(false)));
    // Nodes 0 and 5 are on switches 0 and 5, and on 5 and 2; the first three switches that cost both are these.
    let worst = json!({
        "lost": ["s1", "s3", "s6"], "stranded": 2, "second": 1, "pieces": [["B", "C", "D", "E", "G", "H"], ["A"], ["F"]],
    });
    assert_eq!(found["worst"], worst);
    assert_eq!(found["losses"][2]["worst"], worst);
    let row =
        |row: &Value| ["lose", "sets", "partitions", "stranded", "second", "nodes_lost"].map(|key| row[key].clone());
    let rows: Vec<_> = found["losses"].as_array().unwrap().iter().map(row).collect();
    assert_eq!(
        rows,
        [[1, 8, 0, 0, 0, 0], [2, 28, 0, 1, 1, 1], [3, 56, 0, 2, 1, 2]].map(|row| row.map(|number| json!(number)))
    );
    let text = three.to_text(&plan);
    for words in [
        "8 switches, 8 nodes, 24 links; every loss of up to 3 of 8 switches",
        "It does not partition. Worst: without s1, s3 and s6: 6 together, A and F each alone.",
    ] {
        assert!(text.contains(words), "{text}");
    }
    let four = verify(&plan, LossKind::Switches, 4, |_| ()).unwrap();
    assert!(four.is_partitioned());
    assert!(four.to_text(&plan).contains("It partitions. Worst: without "), "{}", four.to_text(&plan));
    assert!(four.example().unwrap().left.second >= 2);
}

#[test]
fn the_fewest_parts_that_partition_are_shown() {
    let naive = TopologyParameters {
        construction: Construction::Naive,
        switches: 8,
        nodes: None,
        node_degree: None,
        switch_degree: None,
    };
    let plan = TopologyPlan::new(naive.build().unwrap(), "");
    let cases = verify(&plan, LossKind::Switches, 4, |_| ()).unwrap();
    let example = cases.example().unwrap();
    assert_eq!((example.parts.as_slice(), example.left.second), (&[Part::Switch(0), Part::Switch(4)][..], 4));
}

#[test]
fn what_is_too_much_is_refused_with_its_number() {
    let plan = ring(256);
    assert_eq!(worst(&plan.topology, LossKind::Any, 20, |_| ()), Err(None));
    // 256 choose 6, and nothing of fewer is searched before that is said.
    let looked = |_| panic!("a search");
    assert_eq!(verify(&plan, LossKind::Switches, 6, looked), Err((6, Some(368_532_802_176))));
}

#[test]
fn words_for_lists_and_losses() {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    assert_eq!(listed(&names(&["a"])), "a");
    assert_eq!(listed(&names(&["a", "b"])), "a and b");
    assert_eq!(listed(&names(&["a", "b", "c"])), "a, b and c");
    let plan = ring(8);
    let words = |parts: &[Part]| in_words(&plan, &loss(&plan, parts));
    assert_eq!(words(&[]), "without nothing: 8 together");
    assert_eq!(words(&[Part::Switch(0), Part::Switch(5)]), "without s1 and s6: 7 together, A alone");
    assert_eq!(
        words(&(0..8).map(Part::Switch).collect::<Vec<_>>()),
        "without s1, s2, s3, s4, s5, s6, s7 and s8: 8 each alone"
    );
    assert!(words(&(0..8).map(Part::Node).collect::<Vec<_>>()).ends_with(": no node lives"));
}

#[test]
fn a_survey_finds_what_one_thread_finds() {
    let found = survey_wirings(6, 3, |_| ());
    let alone = rain_cluster::topology::first_nodes(6)
        .into_iter()
        .map(|first| rain_cluster::topology::survey(6, first, 3))
        .fold(rain_cluster::topology::WiringSurvey::default(), rain_cluster::topology::WiringSurvey::merge);
    assert_eq!(found, alone);
}

#[test]
fn the_best_offsets_of_two_ports_are_the_diameter() {
    for switches in 7..=12 {
        let parameters = TopologyParameters {
            construction: Construction::Diameter,
            switches,
            nodes: None,
            node_degree: None,
            switch_degree: None,
        };
        let (offsets, found, _) = best_offsets(&parameters, 3).unwrap();
        assert_eq!((offsets, found.stranded, found.second), (vec![0, switches / 2 + 1], 2, 1));
    }
}

fn count(svg: &str, needle: &str) -> usize {
    svg.matches(needle).count()
}

#[test]
fn a_drawing_shows_every_part_and_marks_what_is_lost() {
    let plan = ring(8);
    let whole = draw(&plan, None);
    for part in plan.topology.parts(LossKind::Any) {
        assert_eq!(count(&whole, &format!("<title>{}</title>", plan.name(part))), 1, "{part:?}");
    }
    assert_eq!((count(&whole, "<circle"), count(&whole, "stroke-dasharray")), (0, 0), "nothing is marked");
    let lost = [Part::Switch(0), Part::Node(1), Part::SwitchLink(3), Part::Attachment(7)];
    let hurt = draw(&plan, Some(&loss(&plan, &lost)));
    assert_eq!(count(&hurt, "<circle"), 4, "a mark for each lost part");
    assert!(hurt.contains("4 lost: s1, B, s4-s5 and D-s1"), "{hurt}");
    for drawing in [&whole, &hurt] {
        assert!(drawing.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\"") && drawing.ends_with("</svg>\n"));
        for tag in ["g", "svg", "title", "text"] {
            let opened = count(drawing, &format!("<{tag} ")) + count(drawing, &format!("<{tag}>"));
            assert_eq!(opened, count(drawing, &format!("</{tag}>")), "{tag}");
        }
    }
}

#[test]
fn pieces_have_colours_of_their_own() {
    let plan = ring(24);
    let cases = verify(&plan, LossKind::Switches, 4, |_| ()).unwrap();
    let halves = draw(&plan, cases.example());
    assert!(count(&halves, "#dbeafe") >= 12 && count(&halves, "#f3e8ff") >= 2, "{halves}");
    let strange = TopologyPlan { construction: "a <b> & \u{7}c".to_owned(), ..ring(4) };
    assert!(draw(&strange, None).contains("a &lt;b&gt; &amp; c"));
}

#[test]
fn a_drawing_keeps_parts_apart_and_within_its_frame() {
    let clique = TopologyParameters {
        construction: Construction::Clique,
        switches: 6,
        nodes: None,
        node_degree: None,
        switch_degree: None,
    };
    let layers =
        TopologyParameters { construction: Construction::Diameter, switches: 8, nodes: Some(16), ..clique.clone() };
    let topologies = [
        Topology::ring(3),
        Topology::ring(8),
        Topology::ring(24),
        Topology::every_node_on_every_switch(5, 3),
        Topology::every_node_on_every_switch(1, 1),
        clique.build().unwrap(),
        layers.build().unwrap(),
    ];
    for topology in topologies {
        let layout = layout::Layout::new(&topology);
        let places: Vec<_> = match layout.bar {
            None => layout.nodes.iter().chain(&layout.switches).collect(),
            Some(_) => layout.nodes.iter().collect(),
        };
        for (index, one) in places.iter().enumerate() {
            assert!((20.0..=layout.width - 20.0).contains(&one.x) && (20.0..=layout.height - 20.0).contains(&one.y));
            for other in &places[index + 1..] {
                let apart = (one.x - other.x).hypot(one.y - other.y);
                assert!(apart > 41.0, "{one:?} {other:?} {topology:?}");
            }
        }
    }
}
