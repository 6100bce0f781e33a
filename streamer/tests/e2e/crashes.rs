//! Nodes that die or hang in the middle of a PUT: what was not acknowledged is stored whole or not at all.

use crate::harness::{CLEANED, Cluster, Connection, assert_same, delete, etag_of, get, put, random_bytes, wait_until};
use std::thread::sleep;
use std::time::{Duration, Instant};

const MIB: usize = 1 << 20;
const LENGTH: usize = 64 * MIB;

/// A PUT to a node, begun.
fn begun(cluster: &Cluster, node: usize, path: &str, length: usize, part: &[u8]) -> Connection {
    let mut connection = Connection::open(cluster.port(node));
    connection.send_head(&put(path, []).header("content-length", length.to_string())).expect("an open connection");
    connection.send(part).expect("a node that reads");
    connection
}

fn is_listed(cluster: &Cluster, node: usize, title: &str) -> bool {
    let titles = get("/api/v1/titles").to(cluster.port(node)).expect(200).json();
    titles.as_array().expect("a list").iter().any(|found| found["title"] == title)
}

#[test]
fn a_participant_that_dies_during_a_put_costs_its_column_only() {
    let mut cluster = Cluster::of_four();
    let content = random_bytes(LENGTH, 1);
    let mut connection = begun(&cluster, 0, "/v/title", LENGTH, &content[..LENGTH / 4]);
    cluster.kill(2);
    connection.send(&content[LENGTH / 4..]).expect("a node that reads");
    let stored = connection.receive("PUT").expect("an answer").expect(201);
    assert_eq!(stored.header("rain-tolerates"), Some("1"), "3 of 4 columns");
    assert_eq!(stored.header("etag"), Some(etag_of(&content).as_str()));
    assert_same(&get("/v/title").to(cluster.port(1)).expect(200).body, &content, "the title without C");
    cluster.restart(2);
    for node in 0..4 {
        assert_same(&get("/v/title").to(cluster.port(node)).expect(200).body, &content, &format!("from {node}"));
    }
    // It can lose one more, as was said.
    cluster.kill(1);
    for node in [0, 2, 3] {
        assert_same(&get("/v/title").to(cluster.port(node)).expect(200).body, &content, &format!("from {node}"));
    }
}

#[test]
fn a_participant_that_hangs_during_a_put_costs_its_column_only() {
    let mut cluster = Cluster::of_four();
    let content = random_bytes(LENGTH / 4, 1);
    let mut connection = begun(&cluster, 0, "/v/title", content.len(), &content[..content.len() / 4]);
    cluster.hang(2);
    connection.send(&content[content.len() / 4..]).expect("a node that reads");
    let stored = connection.receive("PUT").expect("an answer").expect(201);
    assert_eq!(stored.header("rain-tolerates"), Some("1"), "3 of 4 columns");
    assert_same(&get("/v/title").to(cluster.port(1)).expect(200).body, &content, "the title without C");
    cluster.resume(2);
    for node in 0..4 {
        assert_same(&get("/v/title").to(cluster.port(node)).expect(200).body, &content, &format!("from {node}"));
    }
}

/// The parts that lie on a silent node go when it returns; the answer does not wait for it.
#[test]
fn with_two_participants_hung_a_put_stores_nothing_and_its_parts_go_on_their_return() {
    let mut cluster = Cluster::of_four();
    let content = random_bytes(LENGTH / 4, 1);
    let mut connection = begun(&cluster, 0, "/v/title", content.len(), &content[..content.len() / 2]);
    cluster.hang(2);
    cluster.hang(3);
    let _ = connection.send(&content[content.len() / 2..]);
    connection.receive("PUT").expect("an answer").expect_error(503, "too-few-nodes");
    cluster.resume(2);
    cluster.resume(3);
    wait_until("the parts gone", CLEANED, || cluster.all_files_of("title").is_empty());
    get("/v/title").to(cluster.port(2)).expect_error(404, "no-such-title");
}

/// A dead node and a silent one leave k columns of b-code:4: every read that begins now comes to its end.
#[test]
fn with_one_node_dead_and_another_hung_every_read_comes_to_its_end() {
    let mut cluster = Cluster::of_four();
    let content = random_bytes(12 * MIB, 1);
    put("/v/title", content.clone()).to(cluster.port(0)).expect(201);
    for (dead, hung) in [(0, 1), (2, 3), (3, 0), (1, 2)] {
        cluster.kill(dead);
        cluster.hang(hung);
        for node in (0..4).filter(|node| ![dead, hung].contains(node)) {
            for what in ["at once", "again"] {
                let situation = format!("{dead} dead, {hung} hung, from {node}, {what}");
                let found = get("/v/title").to(cluster.port(node));
                let told = get("/api/v1/titles/title").to(cluster.port(node));
                assert_eq!(found.status, 200, "{situation}: {} {}", found.beginning(), told.beginning());
                assert_same(&found.body, &content, &situation);
            }
        }
        cluster.resume(hung);
        cluster.restart(dead);
    }
}

#[test]
fn with_two_participants_dead_a_put_stores_nothing_and_its_parts_go() {
    let mut cluster = Cluster::of_four();
    put("/v/title", *b"before").to(cluster.port(0)).expect(201);
    let content = random_bytes(LENGTH, 1);
    for (title, before) in [("title", true), ("new", false)] {
        let path = format!("/v/{title}");
        let mut connection = begun(&cluster, 0, &path, LENGTH, &content[..LENGTH / 4]);
        cluster.kill(2);
        cluster.kill(3);
        // The coordinator may stop reading.
        let _ = connection.send(&content[LENGTH / 4..]);
        connection.receive("PUT").expect("an answer").expect_error(503, "too-few-nodes");
        cluster.restart(2);
        cluster.restart(3);
        for node in 0..4 {
            let found = get(&path).to(cluster.port(node));
            if before {
                assert_eq!(found.expect(200).body, b"before");
            } else {
                found.expect_error(404, "no-such-title");
            }
        }
        // A column of the version before, on each node.
        let expected = usize::from(before);
        wait_until("the parts gone", CLEANED, || (0..4).all(|node| cluster.files_of(node, title).len() == expected));
    }
}

#[test]
fn a_put_whose_coordinator_dies_leaves_nothing_once_it_has_returned() {
    let mut cluster = Cluster::of_four();
    let content = random_bytes(LENGTH, 1);
    let connection = begun(&cluster, 1, "/v/title", LENGTH, &content[..LENGTH / 2]);
    wait_until("parts of it on every node", CLEANED, || (0..4).all(|node| !cluster.files_of(node, "title").is_empty()));
    cluster.kill(1);
    drop(connection);
    for node in cluster.running() {
        get("/v/title").to(cluster.port(node)).expect_error(404, "no-such-title");
        assert!(!is_listed(&cluster, node, "title"));
    }
    cluster.restart(1);
    wait_until("nothing left of it", CLEANED, || cluster.all_files_of("title").is_empty());
    for node in 0..4 {
        get("/v/title").to(cluster.port(node)).expect_error(404, "no-such-title");
        assert!(!is_listed(&cluster, node, "title"));
    }
    put("/v/title", *b"again").to(cluster.port(1)).expect(201);
}

/// The moments around the decision, found by trying: each leaves all of it or nothing, the same on every node.
#[test]
fn a_coordinator_killed_around_its_decision_leaves_all_or_nothing() {
    let mut cluster = Cluster::of_four();
    let (mut kept, mut dropped) = (0, 0);
    for (turn, delay) in [0, 2, 5, 10, 15, 25, 40, 80].into_iter().enumerate() {
        let (title, coordinator) = (format!("title-{turn}"), turn % 4);
        let (path, content) = (format!("/v/{title}"), random_bytes(2 * MIB, turn as u64));
        let mut connection = begun(&cluster, coordinator, &path, content.len(), &content);
        sleep(Duration::from_millis(delay));
        cluster.kill(coordinator);
        let acknowledged = connection.receive("PUT").is_ok_and(|response| response.status == 201);
        cluster.restart(coordinator);
        let returned = Instant::now();
        let first = get(&path).to(cluster.port(coordinator));
        assert!(!acknowledged || first.status == 200, "{title} was acknowledged");
        for node in 0..4 {
            let found = get(&path).to(cluster.port(node)).expect(first.status);
            if found.status == 200 {
                assert_same(&found.body, &content, &title);
            } else {
                found.expect_error(404, "no-such-title");
            }
        }
        if first.status == 200 {
            kept += 1;
            continue;
        }
        dropped += 1;
        let left = CLEANED.saturating_sub(returned.elapsed());
        wait_until(&format!("nothing left of {title}"), left, || cluster.all_files_of(&title).is_empty());
    }
    println!("{kept} kept, {dropped} dropped");
}

#[test]
fn a_cluster_that_lost_its_power_has_all_that_was_acknowledged() {
    let mut cluster = Cluster::of_four();
    let contents: Vec<_> = (0..4).map(|seed| random_bytes(700_000, seed)).collect();
    for (index, content) in contents.iter().enumerate() {
        put(format!("/v/title-{index}"), content.clone()).to(cluster.port(index)).expect(201);
    }
    put("/v/deleted", *b"content").to(cluster.port(0)).expect(201);
    delete("/v/deleted").to(cluster.port(1)).expect(204);
    (0..4).for_each(|node| cluster.kill(node));
    cluster.start_all();
    for node in 0..4 {
        for (index, content) in contents.iter().enumerate() {
            let found = get(format!("/v/title-{index}")).to(cluster.port(node)).expect(200);
            assert_same(&found.body, content, &format!("title {index} from {node}"));
        }
        get("/v/deleted").to(cluster.port(node)).expect_error(404, "no-such-title");
    }
}

#[test]
fn a_node_told_to_end_lets_its_streams_end_first() {
    let mut cluster = Cluster::of_four();
    let content = random_bytes(40 * MIB, 1);
    put("/v/title", content.clone()).to(cluster.port(0)).expect(201);
    let mut reader = Connection::open(cluster.port(1));
    reader.send_head(&get("/v/title")).expect("an open connection");
    assert_eq!(reader.receive_head().expect("an answer").status(), 200);
    let mut found = vec![0; content.len()];
    reader.read_exact(&mut found[..MIB]).expect("the beginning");
    std::thread::scope(|scope| {
        let reading = scope.spawn(|| {
            // Slowly enough to be under way when the node is told.
            sleep(Duration::from_millis(500));
            reader.read_exact(&mut found[MIB..])
        });
        let status = cluster.terminate(1);
        reading.join().expect("a reader").expect("the rest");
        assert!(status.success(), "{status}");
    });
    assert_same(&found, &content, "the title");
    assert!(get("/healthz").try_to(cluster.port(1)).is_err());
    assert_same(&get("/v/title").to(cluster.port(2)).expect(200).body, &content, "the title without B");
}
