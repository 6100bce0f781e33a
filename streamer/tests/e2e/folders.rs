//! Data folders that cannot be used, or are full: a clear refusal, and nothing is lost.

use crate::harness::{
    CLEANED, Cluster, Connection, Folder, Mount, assert_same, get, put, rain, random_bytes, run, wait_until,
};
use std::fs;
use std::path::Path;

/// Runs node A of a cluster with another data folder until it ends.
fn start_on(cluster: &Cluster, data: &Path) -> crate::harness::Finished {
    run(rain().arg("node").arg("--config").arg(cluster.config(0)).env("RAIN_DATA", data))
}

#[test]
fn two_nodes_cannot_have_one_data_folder() {
    let cluster = Cluster::of_four();
    put("/v/title", *b"content").to(cluster.port(0)).expect(201);
    // A node of another cluster, with ports of its own.
    let other = Cluster::lay_out("b-code:4", 4);
    for taken in [cluster.data(0), cluster.data(2)] {
        start_on(&other, &taken).failed_naming(&[&taken.display().to_string()]);
    }
    for node in 0..4 {
        assert_eq!(get("/v/title").to(cluster.port(node)).expect(200).body, b"content");
        put("/v/title", *b"content").to(cluster.port(node)).expect(204);
    }
}

#[test]
fn a_data_folder_that_is_not_there_is_named() {
    let cluster = Cluster::lay_out("b-code:4", 4);
    let missing = cluster.folder().join("missing");
    start_on(&cluster, &missing).failed_naming(&[&missing.display().to_string()]);
    assert!(!missing.exists(), "it is not made: a disk that was not mounted must not be taken for an empty one");
}

#[test]
fn a_file_in_place_of_a_data_folder_is_named() {
    let cluster = Cluster::lay_out("b-code:4", 4);
    let file = cluster.folder().write("file", b"what somebody keeps here");
    start_on(&cluster, &file).failed_naming(&[&file.display().to_string()]);
    assert_eq!(fs::read(&file).expect("the file"), b"what somebody keeps here");
}

#[test]
fn a_data_folder_that_cannot_be_written_is_named() {
    let cluster = Cluster::lay_out("b-code:4", 4);
    let folder = Folder::new();
    let Some(_mount) = Mount::memory(folder.path(), "ro,size=1m") else { return };
    start_on(&cluster, folder.path()).failed_naming(&[&folder.path().display().to_string()]);
}

/// A cluster of which these nodes have 2 MiB each.
fn with_little_room(nodes: &[usize]) -> Option<(Cluster, Vec<Mount>)> {
    let mut cluster = Cluster::lay_out("b-code:4", 4);
    let mounts = nodes.iter().map(|node| Mount::memory(&cluster.data(*node), "size=2m")).collect::<Option<_>>()?;
    cluster.start_all();
    Some((cluster, mounts))
}

#[test]
fn with_too_little_room_a_put_is_refused_and_leaves_nothing() {
    let Some((cluster, _mounts)) = with_little_room(&[1, 2]) else { return };
    put("/v/there", *b"there").to(cluster.port(0)).expect(201);
    let content = random_bytes(16 << 20, 1);
    // Coordinators with room, and without.
    for node in 0..4 {
        put("/v/large", content.clone()).to(cluster.port(node)).expect_error(507, "no-space");
        get("/v/large").to(cluster.port(3)).expect_error(404, "no-such-title");
        wait_until("nothing left of it", CLEANED, || cluster.all_files_of("large").is_empty());
        let path = format!("/v/small-{node}");
        let small = put(&path, content[..100_000].to_vec()).to(cluster.port(node)).expect(201);
        assert_eq!(small.header("rain-tolerates"), Some("2"));
        assert_same(&get(&path).to(cluster.port(3)).expect(200).body, &content[..100_000], "a small title");
    }
    // Chunked, so that nobody knows before.
    let mut connection = Connection::open(cluster.port(0));
    connection.send_head(&put("/v/large", []).header("transfer-encoding", "chunked")).expect("an open connection");
    let sent = content.chunks(1 << 20).try_for_each(|chunk| connection.send_chunk(chunk));
    let ended = sent.and_then(|()| connection.send_chunk(b""));
    drop(ended);
    connection.receive("PUT").expect("an answer").expect_error(507, "no-space");
    assert_eq!(get("/v/there").to(cluster.port(1)).expect(200).body, b"there");
}

#[test]
fn one_node_without_room_is_done_without() {
    let Some((cluster, _mounts)) = with_little_room(&[1]) else { return };
    let content = random_bytes(16 << 20, 1);
    for node in [0, 1] {
        let path = format!("/v/large-{node}");
        let stored = put(&path, content.clone()).to(cluster.port(node)).expect(201);
        assert_eq!(stored.header("rain-tolerates"), Some("1"));
        for node in 0..4 {
            assert_same(&get(&path).to(cluster.port(node)).expect(200).body, &content, "the title");
        }
    }
    assert_eq!(get("/healthz").to(cluster.port(1)).status, 200);
}
