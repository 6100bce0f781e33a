//! Who belongs to the cluster: one value, the same at every node, changed by any of them while a majority agrees.

use crate::harness::{Cluster, PATIENCE, get, post, put, rain, run, wait_for, wait_until};
use serde_json::{Value, json};
use std::fs;
use std::thread;

const PATH: &str = "/api/v1/configuration";

fn configuration(cluster: &Cluster, node: usize) -> Value {
    get(PATH).to(cluster.port(node)).expect(200).json()
}

/// Waits until these nodes know one configuration, founded at least; what it is.
fn agreed(cluster: &Cluster, nodes: &[usize]) -> Value {
    wait_for("one configuration", PATIENCE, || {
        let mut all = nodes.iter().map(|node| {
            let mut found = configuration(cluster, *node);
            found.as_object_mut().expect("an object").remove("observer");
            found
        });
        let first = all.next().expect("a node");
        (first["epoch"] != 0 && all.all(|other| other == first)).then_some(first)
    })
}

fn change(cluster: &Cluster, node: usize, change: &Value) -> crate::harness::Response {
    post(PATH, change.to_string()).header("content-type", "application/json").to(cluster.port(node))
}

fn member<'a>(configuration: &'a Value, name: &str) -> &'a Value {
    let mut members = configuration["members"].as_array().expect("members").iter();
    members.find(|member| member["name"] == name).expect("a member of this name")
}

fn votes(configuration: &Value) -> u64 {
    let members = configuration["members"].as_array().expect("members").iter();
    members.map(|member| member["votes"].as_u64().expect("votes")).sum()
}

#[test]
fn every_node_knows_it_and_each_may_change_it() {
    let mut cluster = Cluster::of_four();
    let first = agreed(&cluster, &[0, 1, 2, 3]);
    assert_eq!(
        (&first["epoch"], votes(&first), &first["code"], &first["catalog"]),
        (&json!(1), 5, &json!("b-code:4"), &json!(4))
    );
    let addresses: Vec<_> = (0..4).map(|node| member(&first, cluster.name(node))["addresses"].clone()).collect();
    assert!(addresses.iter().all(|it| it.as_array().is_some_and(|it| it.len() == 2)), "{addresses:?}");
    // All at once, each another one: none is lost.
    thread::scope(|scope| {
        for node in 0..4 {
            let (cluster, name) = (&cluster, cluster.name(node).to_owned());
            scope.spawn(move || {
                change(cluster, node, &json!({ "change": "label", "node": name, "rack": format!("r{node}") }))
                    .expect(200);
            });
        }
    });
    let labelled = agreed(&cluster, &[0, 1, 2, 3]);
    assert_eq!(labelled["epoch"], 5);
    for node in 0..4 {
        assert_eq!(member(&labelled, cluster.name(node))["rack"], format!("r{node}"));
    }
    let heavy =
        run(rain().args(["cluster", "weight", cluster.name(3), "3", "--server", &cluster.url(1)])).succeeded().text();
    assert!(heavy.starts_with("epoch 7, "), "{heavy}");
    for node in 0..4 {
        cluster.kill(node);
    }
    for node in 0..4 {
        cluster.launch(node);
    }
    (0..4).for_each(|node| cluster.wait_ready(node));
    let kept = agreed(&cluster, &[0, 1, 2, 3]);
    // Of 1, 1, 1 and 3, and one more for who has the vote that breaks ties.
    assert_eq!((&kept["epoch"], votes(&kept)), (&json!(7), 7));
    assert!(member(&kept, cluster.name(3))["votes"].as_u64() >= Some(3), "{kept}");
}

#[test]
fn what_is_no_change_is_refused_with_its_reason() {
    let cluster = Cluster::of_four();
    agreed(&cluster, &[0]);
    for (asked, status, code) in [
        (json!({ "change": "label", "node": "Z" }), 404, "unknown-node"),
        (json!({ "change": "paint", "node": "A" }), 400, "bad-change"),
        (json!({ "change": "weight", "node": "A", "votes": 256 }), 400, "bad-change"),
        (json!({ "change": "label", "node": "A", "rack": "r".repeat(33) }), 422, "unfit-change"),
        (json!({ "change": "abort" }), 422, "unfit-change"),
        (json!({ "change": "replace", "node": "A" }), 422, "unfit-change"),
    ] {
        change(&cluster, 0, &asked).expect_error(status, code);
    }
    post(PATH, "{}").to(cluster.port(0)).expect_error(415, "not-json");
    assert_eq!(configuration(&cluster, 0)["epoch"], 1);
}

#[test]
fn without_a_majority_nothing_changes_and_the_missing_are_named() {
    let mut cluster = Cluster::of_four();
    let first = agreed(&cluster, &[0, 1, 2, 3]);
    let heavy = first["members"].as_array().expect("members").iter().find(|it| it["votes"] == 2).expect("two votes");
    let heavy = (0..4).find(|node| cluster.name(*node) == heavy["name"]).expect("its node");
    let [left, lost] = [1, 2].map(|more| (heavy + more) % 4);
    // 2 of 5 votes are left, then 3.
    for node in [heavy, lost] {
        cluster.kill(node);
    }
    let label = json!({ "change": "label", "node": cluster.name(left), "rack": "x" });
    let refused = change(&cluster, left, &label).expect_error(503, "no-majority").json();
    let message = refused["message"].as_str().expect("a message");
    for node in [heavy, lost] {
        assert!(message.contains(&format!("{} does not answer", cluster.name(node))), "{message}");
    }
    cluster.restart(lost);
    wait_until("the change to be taken", PATIENCE, || change(&cluster, left, &label).status == 200);
    cluster.restart(heavy);
    assert_eq!(member(&agreed(&cluster, &[0, 1, 2, 3]), cluster.name(left))["rack"], "x");
}

/// A disk is replaced: the node is another voter, until somebody says that it takes the place of the one before.
#[test]
fn a_replaced_disk_takes_its_place_by_a_change() {
    let mut cluster = Cluster::of_four();
    let first = agreed(&cluster, &[0, 1, 2, 3]);
    put("/v/film", *b"before").to(cluster.port(0)).expect(201);
    cluster.kill(1);
    fs::remove_dir_all(cluster.data(1)).expect("the disk");
    fs::create_dir(cluster.data(1)).expect("another one");
    cluster.restart(1);
    let name = cluster.name(1).to_owned();
    wait_until("another life", PATIENCE, || member(&configuration(&cluster, 0), &name)["lives_in"].is_string());
    let shown = run(rain().args(["cluster", "show", "--server", &cluster.url(2)])).succeeded().text();
    assert!(shown.contains(&format!("`rain cluster replace {name}`")), "{shown}");
    run(rain().args(["cluster", "replace", &name, "--server", &cluster.url(2)])).succeeded();
    wait_until("one set in force", PATIENCE, || configuration(&cluster, 0)["old"].is_null());
    let after = agreed(&cluster, &[0, 1, 2, 3]);
    assert_eq!((&after["epoch"], &after["retired"]), (&json!(3), &json!(1)));
    assert_ne!(member(&after, &name)["life"], member(&first, &name)["life"]);
    assert!(member(&after, &name)["lives_in"].is_null());
    get("/v/film").to(cluster.port(1)).expect(200);
}
