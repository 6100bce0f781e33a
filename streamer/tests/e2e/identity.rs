//! Who a node is: its id, whatever it is called (docs/operating.md, ids and names).

use crate::harness::{CLEANED, Cluster, assert_same, get, put, rain, random_bytes, run, wait_until};
use std::fs;

/// Changes the configuration of every node.
fn edit(cluster: &Cluster, count: usize, edit: impl Fn(&str) -> String) {
    for node in 0..count {
        let text = fs::read_to_string(cluster.config(node)).expect("a configuration");
        fs::write(cluster.config(node), edit(&text)).expect("a configuration");
    }
}

#[test]
fn renaming_a_node_and_another_code_change_nothing_of_what_is_stored() {
    let mut cluster = Cluster::of_four();
    let contents: Vec<_> = (0..6).map(|seed| random_bytes(300_000 << (seed % 4), seed)).collect();
    for (index, content) in contents.iter().enumerate() {
        put(format!("/v/title-{index}"), content.clone()).to(cluster.port(index % 4)).expect(201);
    }
    let report = |cluster: &Cluster| get("/api/v1/titles/title-1").to(cluster.port(0)).expect(200).json();
    let before = report(&cluster);
    for node in 0..4 {
        assert!(cluster.terminate(node).success());
    }
    edit(&cluster, 4, |text| {
        text.replace("node = \"B\"", "node = \"Zoe\"")
            .replace("name = \"B\"", "name = \"Zoe\"")
            .replace("code = \"b-code:4\"", "code = \"replica:3\"")
    });
    cluster.start_all();
    for node in 0..4 {
        for (index, content) in contents.iter().enumerate() {
            let found = get(format!("/v/title-{index}")).to(cluster.port(node)).expect(200);
            assert_eq!(found.header("rain-freshness"), None);
            assert_same(&found.body, content, &format!("title {index} from {node}"));
        }
    }
    let after = report(&cluster);
    assert_eq!(
        (&after["version"], &after["code"], &after["tolerates"]),
        (&before["version"], &before["code"], &before["tolerates"])
    );
    let columns = |report: &serde_json::Value| report["columns"].to_string();
    assert_eq!(columns(&after), columns(&before).replace("\"B\"", "\"Zoe\""), "where columns are");
    let status = run(rain().args(["status", "--server", &cluster.url(1)])).succeeded().text();
    assert!(status.contains("Zoe"), "{status}");

    // What is written from now on has the new code; what is there keeps its own, and gets well by it.
    let stored = put("/v/new", contents[0].clone()).to(cluster.port(2)).expect(201);
    assert_eq!(stored.header("rain-tolerates"), Some("2"), "3 copies, 3 marks of 4");
    let new = get("/api/v1/titles/new").to(cluster.port(1)).expect(200).json();
    assert_eq!((new["code"].as_str(), new["columns"].as_array().map(Vec::len)), (Some("replica:3"), Some(3)));
    fs::remove_file(cluster.column_file(1, "title-2")).expect("a column file");
    wait_until("the column made anew", CLEANED * 3, || {
        let report = get("/api/v1/titles/title-2?verify=1").to(cluster.port(3)).expect(200).json();
        report["tolerates"] == 2
    });
    put("/v/title-3", contents[0].clone()).to(cluster.port(1)).expect(204);
    assert_same(&get("/v/title-3").to(cluster.port(0)).expect(200).body, &contents[0], "of another code than before");
}

#[test]
fn ids_are_minted_by_config_check_and_asked_for_by_the_node() {
    let cluster = Cluster::lay_out("b-code:4", 4);
    let text = fs::read_to_string(cluster.config(0)).expect("a configuration");
    let without: Vec<_> = text.lines().filter(|line| !line.starts_with("id = ")).collect();
    let without = without.join("\n");
    fs::write(cluster.config(0), &without).expect("a configuration");
    let asks = ["no `id` of node `A`, peer `B`, peer `C`, peer `D`", "rain config check"];
    run(rain().args(["node", "--config"]).arg(cluster.config(0))).failed_naming(&asks);

    let checked = run(rain().args(["config", "check"]).arg(cluster.config(0)));
    checked.failed_naming(&["no `id` of node `A`"]);
    let advice = checked.text();
    assert!(advice.contains("the same ids for the same nodes"), "{advice}");
    let ids: Vec<&str> = advice.lines().filter(|line| line.starts_with("id = ")).collect();
    assert_eq!(ids.len(), 8, "four to add, and four for the others: {advice}");
    assert_eq!(ids[..4], ids[4..], "the same ones");
    let mut completed = without.replacen("node = \"A\"\n", &format!("node = \"A\"\n{}\n", ids[0]), 1);
    for (name, id) in ["B", "C", "D"].into_iter().zip(&ids[1..]) {
        completed = completed.replacen(&format!("name = \"{name}\"\n"), &format!("name = \"{name}\"\n{id}\n"), 1);
    }
    fs::write(cluster.config(0), &completed).expect("a configuration");
    run(rain().args(["config", "check"]).arg(cluster.config(0))).succeeded();

    let id = |line: &str| line.split('"').nth(1).expect("an id").to_owned();
    fs::write(cluster.config(0), completed.replace(&id(ids[1]), &id(ids[2]))).expect("a configuration");
    run(rain().args(["config", "check"]).arg(cluster.config(0))).failed_naming(&[&id(ids[2]), "twice", "B and C"]);
}

#[test]
fn a_data_folder_is_of_one_node_and_one_set_of_ids() {
    let mut cluster = Cluster::of_four();
    put("/v/title", *b"content").to(cluster.port(0)).expect(201);
    cluster.kill(0);
    let good = fs::read_to_string(cluster.config(0)).expect("a configuration");
    let (own, other) = (Cluster::id(0), Cluster::id(3));
    let start = |cluster: &Cluster, text: &str| {
        fs::write(cluster.config(0), text).expect("a configuration");
        run(rain().args(["node", "--config"]).arg(cluster.config(0)))
    };
    start(&cluster, &good.replace(&own, "0badcafe")).failed_naming(&["belongs to node", &own, "0badcafe"]);
    start(&cluster, &good.replace(&other, "0badcafe")).failed_naming(&["the nodes", &other, "0badcafe"]);
    start(&cluster, &format!("catalog = 3\n{good}")).failed_naming(&["4 catalog nodes", "3"]);
    fs::write(cluster.config(0), good).expect("a configuration");
    cluster.restart(0);
    assert_eq!(get("/v/title").to(cluster.port(0)).expect(200).body, b"content");
}

/// A folder that was filled before there were ids.
#[test]
fn a_data_folder_of_an_older_format_is_named() {
    let cluster = Cluster::lay_out("b-code:4", 4);
    fs::create_dir(cluster.data(0).join("titles")).expect("a folder");
    fs::write(cluster.data(0).join("identity"), b"RAINREC1 what format 1 wrote here").expect("a file");
    let folder = cluster.data(0).display().to_string();
    run(rain().args(["node", "--config"]).arg(cluster.config(0))).failed_naming(&[&folder, "identity"]);
}

/// A disk that was replaced, and one from before: neither is taken for the node's own of now.
#[test]
fn an_old_copy_of_a_data_folder_begins_a_new_life_and_gets_well() {
    let mut cluster = Cluster::of_four();
    let contents: Vec<_> = (0..4).map(|seed| random_bytes(200_000, seed)).collect();
    put("/v/title-0", contents[0].clone()).to(cluster.port(0)).expect(201);
    assert!(cluster.terminate(3).success());
    let kept = cluster.folder().join("copy");
    copy(&cluster.data(3), &kept);
    cluster.restart(3);
    for (index, content) in contents.iter().enumerate() {
        let status = if index == 0 { 204 } else { 201 };
        put(format!("/v/title-{index}"), content.clone()).to(cluster.port(3)).expect(status);
    }
    assert!(cluster.terminate(3).success());
    fs::remove_dir_all(cluster.data(3)).expect("the folder");
    copy(&kept, &cluster.data(3));
    cluster.restart(3);
    for (index, content) in contents.iter().enumerate() {
        let found = get(format!("/v/title-{index}")).to(cluster.port(3)).expect(200);
        assert_same(&found.body, content, &format!("title {index}"));
    }
    wait_until("all columns made anew", CLEANED * 3, || {
        (0..4).all(|index| {
            let report = get(format!("/api/v1/titles/title-{index}?verify=1")).to(cluster.port(1)).expect(200).json();
            report["tolerates"] == 2
        })
    });
    let metrics = String::from_utf8(get("/metrics").to(cluster.port(3)).expect(200).body).expect("text");
    assert!(metrics.lines().any(|line| line == "rain_store_rebirths_total 1"), "{metrics}");
}

/// What happens while a node opens its store is counted too.
#[test]
fn a_damaged_ledger_is_a_new_life_that_metrics_tell_of() {
    let mut cluster = Cluster::of_four();
    let contents: Vec<_> = (0..4).map(|seed| random_bytes(200_000, seed)).collect();
    for (index, content) in contents.iter().enumerate() {
        put(format!("/v/title-{index}"), content.clone()).to(cluster.port(0)).expect(201);
    }
    assert!(cluster.terminate(3).success());
    let path = cluster.data(3).join("ledger");
    let mut ledger = fs::read(&path).expect("the ledger");
    let middle = ledger.windows(7).position(|bytes| bytes == b"title-0").expect("a title's record");
    ledger[middle] ^= 1;
    fs::write(&path, ledger).expect("the ledger");
    cluster.restart(3);
    let metrics = String::from_utf8(get("/metrics").to(cluster.port(3)).expect(200).body).expect("text");
    assert!(metrics.lines().any(|line| line == "rain_store_rebirths_total 1"), "{metrics}");
    for (index, content) in contents.iter().enumerate() {
        let found = get(format!("/v/title-{index}")).to(cluster.port(3)).expect(200);
        assert_same(&found.body, content, &format!("title {index}"));
    }
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let to = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).expect("a file");
        }
    }
}
