//! PUT and DELETE: when they are acknowledged, and when refused (docs/operating.md, what is promised).

use crate::harness::{
    CLEANED, Cluster, Connection, REFUSAL, Response, assert_same, delete, etag_of, get, put, random_bytes, wait_until,
};
use std::time::Instant;

fn is_listed(cluster: &Cluster, node: usize, title: &str) -> bool {
    let titles = get("/api/v1/titles").to(cluster.port(node)).expect(200).json();
    titles.as_array().expect("a list").iter().any(|found| found["title"] == title)
}

fn answer(connection: &mut Connection) -> Response {
    connection.receive("PUT").expect("an answer")
}

#[test]
fn a_put_is_created_then_replaced_and_seen_by_every_node_at_once() {
    let cluster = Cluster::of_four();
    for turn in 0..8 {
        let content = random_bytes(150_000 + turn, turn as u64);
        let stored = put("/v/title", content.clone()).to(cluster.port(turn % 4));
        let stored = stored.expect(if turn == 0 { 201 } else { 204 });
        assert_eq!(stored.header("etag"), Some(etag_of(&content).as_str()));
        assert_eq!(stored.header("rain-tolerates"), Some("2"));
        for node in 0..4 {
            let found = get("/v/title").to(cluster.port(node)).expect(200);
            assert_same(&found.body, &content, &format!("turn {turn} from {node}"));
        }
    }
}

/// `/readyz` is 200 when the node can serve.
#[test]
fn nodes_that_are_ready_take_a_put_also_in_a_new_cluster() {
    for turn in 0..12 {
        let cluster = Cluster::of_four();
        let stored = put("/v/title", *b"content").to(cluster.port(turn % 4));
        assert_eq!(stored.status, 201, "turn {turn}: {}", stored.beginning());
    }
}

#[test]
fn a_chunked_put_needs_no_length() {
    let cluster = Cluster::of_four();
    let content = random_bytes(3_000_001, 1);
    for (turn, chunk) in [1_000_000, 65_536, 999, 3_000_001].into_iter().enumerate() {
        let path = format!("/v/chunked-{chunk}");
        let mut connection = Connection::open(cluster.port(turn));
        connection.send_head(&put(&path, []).header("transfer-encoding", "chunked")).expect("an open connection");
        content.chunks(chunk).for_each(|chunk| connection.send_chunk(chunk).expect("a node that reads"));
        connection.send_chunk(b"").expect("a node that reads");
        assert_eq!(answer(&mut connection).expect(201).header("etag"), Some(etag_of(&content).as_str()));
        // The connection is good for more.
        assert_same(&connection.exchange(&get(&path)).expect(200).body, &content, &path);
        assert_same(&get(&path).to(cluster.port((turn + 1) % 4)).expect(200).body, &content, &path);
    }
}

#[test]
fn a_put_that_expects_100_gets_it_before_its_body() {
    let cluster = Cluster::of_four();
    let content = random_bytes(200_000, 1);
    let mut connection = Connection::open(cluster.port(1));
    let request = put("/v/title", content.clone()).header("expect", "100-continue");
    connection.send_head(&request).expect("an open connection");
    assert_eq!(connection.receive_head().expect("an interim answer").status(), 100);
    connection.send(&content).expect("a node that reads");
    answer(&mut connection).expect(201);
    assert_same(&get("/v/title").to(cluster.port(2)).expect(200).body, &content, "the title");

    // What is refused by its head alone costs no body.
    let mut connection = Connection::open(cluster.port(1));
    let request = put("/v/title", content).header("expect", "100-continue").header("if-none-match", "*");
    connection.send_head(&request).expect("an open connection");
    assert_eq!(connection.receive_head().expect("an answer").status(), 412);
}

/// 503 `too-few-nodes` within 2 s, before any byte of the body.
fn refuses_at_once(cluster: &Cluster, node: usize) {
    let mut connection = Connection::open(cluster.port(node));
    let request = put("/v/title", vec![0; 100_000]).header("expect", "100-continue");
    let asked = Instant::now();
    connection.send_head(&request).expect("an open connection");
    let status = connection.receive_head().expect("an answer").status();
    let after = asked.elapsed();
    assert_eq!(status, 503, "the first answer to a PUT that expects 100");
    assert!(after < REFUSAL, "after {after:?}");
    let asked = Instant::now();
    put("/v/title", vec![0; 100]).to(cluster.port(node)).expect_error(503, "too-few-nodes");
    assert!(asked.elapsed() < REFUSAL, "after {:?}", asked.elapsed());
    delete("/v/there").to(cluster.port(node)).expect_error(503, "too-few-nodes");
    // What can be read is read all the same.
    assert_eq!(get("/v/there").to(cluster.port(node)).expect(200).body, b"there");
}

#[test]
fn with_too_few_living_nodes_a_put_is_refused_before_its_body() {
    let mut cluster = Cluster::of_four();
    put("/v/there", *b"there").to(cluster.port(0)).expect(201);
    cluster.kill(1);
    cluster.kill(3);
    // At once, and when the nodes that are left have got used to it.
    for _ in 0..2 {
        refuses_at_once(&cluster, 0);
        refuses_at_once(&cluster, 2);
    }
}

#[test]
fn with_too_few_answering_nodes_a_put_is_refused_before_its_body() {
    let mut cluster = Cluster::of_four();
    put("/v/there", *b"there").to(cluster.port(0)).expect(201);
    cluster.hang(1);
    cluster.hang(3);
    for _ in 0..2 {
        refuses_at_once(&cluster, 0);
        refuses_at_once(&cluster, 2);
    }
    cluster.resume(1);
    cluster.resume(3);
    wait_until("a PUT after the return", CLEANED, || put("/v/title", *b"back").to(cluster.port(0)).status < 300);
}

#[test]
fn a_body_that_breaks_off_stores_nothing() {
    let cluster = Cluster::of_four();
    put("/v/old", *b"the old content").to(cluster.port(0)).expect(201);
    let part = random_bytes(2_500_000, 1);
    for title in ["new", "old"] {
        let path = format!("/v/{title}");
        let whole = put(&path, []).header("content-length", "5000000");
        let chunked = put(&path, []).header("transfer-encoding", "chunked");
        for (request, is_chunked, waits) in
            [(&whole, false, true), (&whole, false, false), (&chunked, true, true), (&chunked, true, false)]
        {
            let mut connection = Connection::open(cluster.port(1));
            connection.send_head(request).expect("an open connection");
            let sent = if is_chunked { connection.send_chunk(&part) } else { connection.send(&part) };
            sent.expect("a node that reads");
            if waits {
                connection.finish();
                let refused = connection.receive_head();
                assert!(refused.as_ref().map_or(true, |head| head.status() == 400), "{title}: {refused:?}");
            }
            drop(connection);
            for node in 0..4 {
                let found = get(&path).to(cluster.port(node));
                if title == "new" {
                    found.expect_error(404, "no-such-title");
                } else {
                    assert_eq!(found.expect(200).body, b"the old content");
                }
                assert_eq!(is_listed(&cluster, node, title), title == "old");
            }
        }
    }
    wait_until("nothing left of it", CLEANED, || cluster.all_files_of("new").is_empty());
    wait_until("nothing but the old version left", CLEANED, || {
        let unfinished = |path: &std::path::PathBuf| path.extension().is_some_and(|extension| extension == "tmp");
        (0..4).all(|node| cluster.files_of(node, "old").len() == 1)
            && !cluster.all_files_of("old").iter().any(unfinished)
    });
}

#[test]
fn a_title_is_deleted_once_and_for_all() {
    let cluster = Cluster::of_four();
    delete("/v/title").to(cluster.port(0)).expect_error(404, "no-such-title");
    for turn in 0..3 {
        put("/v/title", *b"content").to(cluster.port(turn)).expect(201);
        assert!(is_listed(&cluster, 3, "title"));
        delete("/v/title").to(cluster.port(turn + 1)).expect(204);
        for node in 0..4 {
            get("/v/title").to(cluster.port(node)).expect_error(404, "no-such-title");
            get("/api/v1/titles/title").to(cluster.port(node)).expect_error(404, "no-such-title");
            assert!(!is_listed(&cluster, node, "title"));
            delete("/v/title").to(cluster.port(node)).expect_error(404, "no-such-title");
        }
    }
}

#[test]
fn a_node_that_was_away_neither_revives_nor_hides_anything() {
    let mut cluster = Cluster::of_four();
    for title in ["deleted", "folder/deleted", "replaced"] {
        put(format!("/v/{title}"), *b"before").to(cluster.port(0)).expect(201);
    }
    for away in [3, 0] {
        cluster.kill(away);
        let other = (away + 1) % 4;
        delete("/v/deleted").to(cluster.port(other)).expect(204);
        delete("/v/folder/deleted").to(cluster.port(other)).expect(204);
        assert_eq!(
            put("/v/replaced", *b"after").to(cluster.port(other)).expect(204).header("rain-tolerates"),
            Some("1")
        );
        put("/v/made", *b"made").to(cluster.port(other)).expect(201);
        cluster.restart(away);
        for node in [away, other] {
            let folders = get("/api/v1/titles?delimiter=/&prefix=f").to(cluster.port(node)).expect(200);
            assert_eq!(folders.json(), serde_json::json!([]));
            get("/v/deleted").to(cluster.port(node)).expect_error(404, "no-such-title");
            assert_eq!(get("/v/replaced").to(cluster.port(node)).expect(200).body, b"after");
            assert_eq!(get("/v/made").to(cluster.port(node)).expect(200).body, b"made");
        }
        for title in ["deleted", "folder/deleted"] {
            put(format!("/v/{title}"), *b"before").to(cluster.port(away)).expect(201);
        }
        put("/v/replaced", *b"before").to(cluster.port(away)).expect(204);
        delete("/v/made").to(cluster.port(away)).expect(204);
    }
}

#[test]
fn who_began_to_read_a_version_reads_it_to_its_end() {
    let cluster = Cluster::of_four();
    let (old, new) = (random_bytes(48 << 20, 1), random_bytes(1 << 20, 2));
    put("/v/title", old.clone()).to(cluster.port(0)).expect(201);
    let mut reader = Connection::open(cluster.port(1));
    reader.send_head(&get("/v/title")).expect("an open connection");
    assert_eq!(reader.receive_head().expect("an answer").status(), 200);
    let mut found = vec![0; old.len()];
    reader.read_exact(&mut found[..100_000]).expect("the beginning");
    put("/v/title", new.clone()).to(cluster.port(2)).expect(204);
    assert_same(&get("/v/title").to(cluster.port(1)).expect(200).body, &new, "the new version");
    reader.read_exact(&mut found[100_000..]).expect("the rest");
    assert_same(&found, &old, "the old version");
}

#[test]
fn the_content_type_is_what_was_said_else_what_the_extension_says() {
    let cluster = Cluster::of_four();
    for (title, said, expected) in [
        ("a.mp4", None, "video/mp4"),
        ("a.webm", None, "video/webm"),
        ("a.html", None, "text/html"),
        ("noextension", None, "application/octet-stream"),
        ("b.mp4", Some("video/x-test; codecs=\"a, b\""), "video/x-test; codecs=\"a, b\""),
        ("c.mp4", Some("application/octet-stream"), "video/mp4"),
    ] {
        let request = put(format!("/v/{title}"), *b"content");
        let request = if let Some(said) = said { request.header("content-type", said) } else { request };
        request.to(cluster.port(0)).expect(201);
        for node in [0, 2] {
            let found = get(format!("/v/{title}")).to(cluster.port(node)).expect(200);
            assert_eq!(found.header("content-type"), Some(expected), "{title}");
        }
    }
}
