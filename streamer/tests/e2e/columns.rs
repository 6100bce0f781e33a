//! Column files that are not what they were: every read is still right, and the damage is named (DESIGN 4 and 6).

use crate::harness::{Cluster, Connection, REFUSAL, assert_same, get, put, rain, random_bytes, run};
use rain_codec::column::{CHECKSUM_BYTES, HEADER_BYTES, crc64};
use serde_json::Value;
use std::fs;
use std::io;
use std::time::{Duration, Instant};

const TITLE: &str = "film";
const PATH: &str = "/v/film";

/// A cluster that holds one title, and the title's bytes.
fn stored(length: usize) -> (Cluster, Vec<u8>) {
    let cluster = Cluster::of_four();
    let content = random_bytes(length, 1);
    put(PATH, content.clone()).to(cluster.port(0)).expect(201);
    (cluster, content)
}

/// Every node gives the right bytes, whole and in parts.
#[track_caller]
fn reads_right(cluster: &Cluster, content: &[u8]) {
    for node in cluster.running() {
        let mut connection = Connection::open(cluster.port(node));
        let whole = connection.exchange(&get(PATH)).expect(200);
        assert_same(&whole.body, content, &format!("the title from {node}"));
        for start in (0..content.len()).step_by(content.len() / 20 + 1) {
            let end = content.len().min(start + 5000);
            let range = format!("bytes={start}-{}", end - 1);
            let part = connection.exchange(&get(PATH).header("range", &range)).expect(206);
            assert_same(&part.body, &content[start..end], &format!("{range} from {node}"));
        }
    }
}

fn stat(cluster: &Cluster, verify: bool) -> Value {
    let mut command = rain();
    command.args(["stat", TITLE, "--json", "--server", &cluster.url(0)]);
    if verify {
        command.arg("--verify");
    }
    run(&mut command).succeeded().json()
}

/// `rain stat` says of these nodes' columns, and of no other's, that they are damaged, and why.
#[track_caller]
fn damage_is_named(cluster: &Cluster, verify: bool, nodes: &[usize], reason: &str) {
    let report = stat(cluster, verify);
    assert_eq!(report["tolerates"], 2 - nodes.len(), "{report}");
    for column in report["columns"].as_array().expect("columns") {
        let damaged = nodes.iter().any(|node| column["node"] == cluster.name(*node));
        assert_eq!(column["state"], if damaged { "damaged" } else { "ok" }, "{report}");
        let told = column["reason"].as_str().unwrap_or_default();
        assert!(!damaged || told.contains(reason), "{reason}: {report}");
    }
    // In words too.
    let mut command = rain();
    command.args(["stat", TITLE, "--server", &cluster.url(1)]);
    let text = run(&mut command).succeeded().text();
    for node in nodes {
        let name = cluster.name(*node);
        let named =
            |line: &str| line.contains(&format!("on {name}")) && line.contains("damaged") && line.contains(reason);
        assert!(text.lines().any(named), "{name}: {text}");
    }
}

fn change(cluster: &Cluster, node: usize, change: impl FnOnce(&mut Vec<u8>)) {
    let path = cluster.column_file(node, TITLE);
    let mut bytes = fs::read(&path).expect("a column file");
    change(&mut bytes);
    fs::write(&path, bytes).expect("a column file");
}

/// The damage is still named, and the title still read, when the node has started anew.
fn after_restart(cluster: &mut Cluster, content: &[u8], nodes: &[usize], reason: &str) {
    for node in nodes {
        cluster.kill(*node);
    }
    for node in nodes {
        cluster.restart(*node);
    }
    reads_right(cluster, content);
    damage_is_named(cluster, false, nodes, reason);
}

#[test]
fn a_flipped_bit_in_a_column_is_never_served() {
    let (cluster, content) = stored(2_600_000);
    // In a cell of the second stripe, some way in.
    change(&cluster, 2, |bytes| {
        let at = bytes.len() / 2;
        bytes[at] ^= 0x10;
    });
    reads_right(&cluster, &content);
    damage_is_named(&cluster, true, &[2], "checksum");
    reads_right(&cluster, &content);
}

#[test]
fn one_flipped_bit_in_each_of_two_columns_is_never_served() {
    let (cluster, content) = stored(2_600_000);
    for node in [1, 3] {
        change(&cluster, node, |bytes| bytes[HEADER_BYTES + 77] ^= 1);
    }
    reads_right(&cluster, &content);
    damage_is_named(&cluster, true, &[1, 3], "checksum");
    reads_right(&cluster, &content);
}

#[test]
fn a_flipped_bit_in_a_checksum_is_found() {
    let (cluster, content) = stored(100_000);
    change(&cluster, 0, |bytes| {
        let at = bytes.len() - CHECKSUM_BYTES;
        bytes[at] ^= 1;
    });
    reads_right(&cluster, &content);
    damage_is_named(&cluster, true, &[0], "checksum");
    reads_right(&cluster, &content);
}

#[test]
fn a_flipped_bit_in_a_header_is_found() {
    let (mut cluster, content) = stored(2_600_000);
    change(&cluster, 1, |bytes| bytes[40] ^= 1);
    reads_right(&cluster, &content);
    damage_is_named(&cluster, false, &[1], "checksum");
    after_restart(&mut cluster, &content, &[1], "checksum");
}

#[test]
fn a_truncated_column_is_done_without() {
    let (mut cluster, content) = stored(2_600_000);
    let length = fs::metadata(cluster.column_file(1, TITLE)).expect("a column file").len();
    change(&cluster, 1, |bytes| bytes.truncate(bytes.len() - 1));
    reads_right(&cluster, &content);
    let found = format!("{} bytes, expected {length}", length - 1);
    damage_is_named(&cluster, false, &[1], &found);
    after_restart(&mut cluster, &content, &[1], &found);
}

#[test]
fn an_emptied_column_is_done_without() {
    let (mut cluster, content) = stored(2_600_000);
    change(&cluster, 3, Vec::clear);
    reads_right(&cluster, &content);
    damage_is_named(&cluster, false, &[3], "0 bytes");
    after_restart(&mut cluster, &content, &[3], "0 bytes");
}

#[test]
fn a_column_of_another_title_is_done_without() {
    let (mut cluster, content) = stored(2_600_000);
    // As long as the title, so that nothing but the header tells.
    put("/v/other", random_bytes(content.len(), 2)).to(cluster.port(1)).expect(201);
    fs::copy(cluster.column_file(2, "other"), cluster.column_file(2, TITLE)).expect("a copy");
    reads_right(&cluster, &content);
    damage_is_named(&cluster, false, &[2], "`other`");
    after_restart(&mut cluster, &content, &[2], "`other`");
}

#[test]
fn a_column_of_an_older_version_is_done_without() {
    let (cluster, old) = stored(2_600_000);
    let kept = fs::read(cluster.column_file(0, TITLE)).expect("a column file");
    let content = random_bytes(old.len(), 3);
    put(PATH, content.clone()).to(cluster.port(3)).expect(204);
    let is_old = |path: &std::path::PathBuf| fs::read(path).is_ok_and(|bytes| bytes == kept);
    let files = cluster.files_of(0, TITLE).into_iter();
    let new =
        files.filter(|path| path.extension().is_some_and(|extension| extension == "rain")).find(|path| !is_old(path));
    fs::write(new.expect("the new version's column"), &kept).expect("a column file");
    reads_right(&cluster, &content);
    damage_is_named(&cluster, false, &[0], "version");
}

#[test]
fn columns_that_changed_places_are_done_without() {
    let (mut cluster, content) = stored(2_600_000);
    let (one, other) = (cluster.column_file(0, TITLE), cluster.column_file(3, TITLE));
    let aside = cluster.folder().join("aside");
    fs::rename(&one, &aside).expect("a column file");
    fs::rename(&other, &one).expect("a column file");
    fs::rename(&aside, &other).expect("a column file");
    reads_right(&cluster, &content);
    damage_is_named(&cluster, false, &[0, 3], "column");
    after_restart(&mut cluster, &content, &[0, 3], "column");
}

#[test]
fn a_column_of_a_later_format_is_left_alone_and_done_without() {
    let (mut cluster, content) = stored(2_600_000);
    change(&cluster, 1, |bytes| {
        bytes[8..12].copy_from_slice(&2_u32.to_le_bytes());
        let end = HEADER_BYTES - CHECKSUM_BYTES;
        let checksum = crc64(&bytes[..end]);
        bytes[end..HEADER_BYTES].copy_from_slice(&checksum.to_le_bytes());
    });
    let file = cluster.column_file(1, TITLE);
    let later = fs::read(&file).expect("a column file");
    reads_right(&cluster, &content);
    damage_is_named(&cluster, false, &[1], "format 2");
    after_restart(&mut cluster, &content, &[1], "format 2");
    assert_same(&fs::read(&file).expect("a column file"), &later, "what a later program wrote");
}

/// Damages every block of a column: one byte in each 512.
fn ruin(bytes: &mut [u8]) {
    bytes[HEADER_BYTES..].iter_mut().step_by(512).for_each(|byte| *byte ^= 0x55);
}

#[test]
fn three_damaged_columns_of_four_are_too_few() {
    type Harm = fn(&mut Vec<u8>);
    let harms: [(&str, Harm); 2] =
        [("cut", |bytes: &mut Vec<u8>| bytes.truncate(5000)), ("ruined", |bytes: &mut Vec<u8>| ruin(bytes))];
    for (what, harm) in harms {
        let (cluster, content) = stored(2_600_000);
        for node in [0, 1, 3] {
            change(&cluster, node, harm);
        }
        for node in 0..4 {
            for request in [get(PATH), get(PATH).header("range", "bytes=100-199")] {
                let asked = Instant::now();
                let refused = request.to(cluster.port(node)).expect_error(503, "too-few-columns");
                assert!(asked.elapsed() < REFUSAL, "{what}, after {:?}", asked.elapsed());
                let (found, expected) = (&refused.json()["found"], &refused.json()["expected"]);
                assert!(found.as_u64() < Some(2) && expected == 2, "{}", refused.json());
            }
        }
        // It can be written anew.
        put(PATH, content.clone()).to(cluster.port(0)).expect(204);
        reads_right(&cluster, &content);
    }
}

/// DESIGN 6: a stream that falls under k columns waits 10 s for a return, then breaks off.
#[test]
fn a_stream_that_meets_too_few_columns_breaks_off_and_never_ends_short() {
    let (cluster, content) = stored(40 << 20);
    for node in [0, 1, 3] {
        change(&cluster, node, |bytes| {
            let end = bytes.len();
            ruin(&mut bytes[end - (2 << 20)..]);
        });
    }
    for node in [0, 2] {
        let mut connection = Connection::open(cluster.port(node));
        connection.send_head(&get(PATH)).expect("an open connection");
        let (status, _) = connection.receive_head().expect("an answer");
        assert_eq!(status, 200, "the beginning can be read");
        let mut found = Vec::new();
        let mut buffer = vec![0; 1 << 20];
        let ended = loop {
            match connection.read(&mut buffer) {
                Ok(0) => break io::ErrorKind::UnexpectedEof,
                Ok(length) => found.extend_from_slice(&buffer[..length]),
                Err(error) => break error.kind(),
            }
        };
        assert_ne!(ended, io::ErrorKind::WouldBlock, "it breaks off");
        assert!(found.len() < content.len());
        assert!(found.len() > content.len() / 2, "{} bytes", found.len());
        assert_same(&found, &content[..found.len()], "what came");
    }
}

#[test]
fn a_stream_waits_for_a_node_that_returns() {
    let (mut cluster, content) = stored(40 << 20);
    let mut connection = Connection::open(cluster.port(0));
    connection.send_head(&get(PATH)).expect("an open connection");
    assert_eq!(connection.receive_head().expect("an answer").0, 200);
    let mut found = vec![0; content.len()];
    connection.read_exact(&mut found[..1 << 20]).expect("the beginning");
    for node in [1, 2, 3] {
        cluster.hang(node);
    }
    let asked = Instant::now();
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| connection.read_exact(&mut found[1 << 20..]));
        std::thread::sleep(Duration::from_secs(4));
        cluster.resume(2);
        reader.join().expect("a reader").expect("the rest");
    });
    assert!(asked.elapsed() > Duration::from_secs(3), "it had to wait");
    assert_same(&found, &content, "the title");
}
