//! Column files that are not what they were: every read is still right, and the damage is named.

use crate::harness::{Cluster, Connection, REFUSAL, assert_same, get, put, rain, random_bytes, run, wait_until};
use rain_codec::column::{CHECKSUM_BYTES, ColumnBuilder, HEADER_BYTES, Seal, crc64};
use rain_codec::{Code, ColumnHeader, Geometry};
use serde_json::Value;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const TITLE: &str = "film";
const PATH: &str = "/v/film";
/// A damaged column is rebuilt "within seconds" (docs/operating.md).
const SECONDS: Duration = Duration::from_secs(20);

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
}

/// What happens to column files, and what is to be said of it.
struct Harm<'a> {
    /// The files of these nodes.
    nodes: &'a [usize],
    /// Whether only a look at every block tells.
    hidden: bool,
    /// What is said.
    reason: &'a str,
}

impl Harm<'_> {
    /// Lets `harm` do it to the files while their nodes run, and while they do not. In each case the damage is named,
    /// every read is right, and the columns are whole again within seconds.
    #[track_caller]
    fn is_named_and_made_good(&self, cluster: &mut Cluster, content: &[u8], harm: impl Fn(&[PathBuf])) {
        let files: Vec<_> = self.nodes.iter().map(|node| newest_column_file(cluster, *node)).collect();
        let whole: Vec<_> = files.iter().map(|file| fs::read(file).expect("a column file")).collect();
        let made_good = |cluster: &Cluster| {
            wait_until("the columns made good", SECONDS, || {
                let report = stat(cluster, true);
                let columns = report["columns"].as_array().expect("columns");
                report["tolerates"] == 2 && columns.iter().all(|column| column["state"] == "ok")
            });
            for (file, whole) in files.iter().zip(&whole) {
                assert_same(&fs::read(file).expect("a column file"), whole, "a column made good");
            }
        };

        // Asked first, since to be found out is the beginning of being made good.
        harm(&files);
        damage_is_named(cluster, self.hidden, self.nodes, self.reason);
        made_good(cluster);

        harm(&files);
        reads_right(cluster, content);
        made_good(cluster);

        self.nodes.iter().for_each(|node| cluster.kill(*node));
        harm(&files);
        reads_right(cluster, content);
        self.nodes.iter().for_each(|node| cluster.restart(*node));
        reads_right(cluster, content);
        made_good(cluster);
        reads_right(cluster, content);
    }
}

/// Versions are named by counters: those of this file have one digit.
fn newest_column_file(cluster: &Cluster, node: usize) -> PathBuf {
    cluster.column_files(node, TITLE).into_iter().max().expect("a column file")
}

fn change(file: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(file).expect("a column file");
    change(&mut bytes);
    fs::write(file, bytes).expect("a column file");
}

#[test]
fn a_flipped_bit_in_a_column_is_never_served() {
    let (mut cluster, content) = stored(2_600_000);
    // In a cell of the second stripe, some way in.
    Harm { nodes: &[2], hidden: true, reason: "checksum" }.is_named_and_made_good(&mut cluster, &content, |files| {
        change(&files[0], |bytes| {
            let at = bytes.len() / 2;
            bytes[at] ^= 0x10;
        });
    });
}

#[test]
fn one_flipped_bit_in_each_of_two_columns_is_never_served() {
    let (mut cluster, content) = stored(2_600_000);
    Harm { nodes: &[1, 3], hidden: true, reason: "checksum" }.is_named_and_made_good(&mut cluster, &content, |files| {
        for file in files {
            change(file, |bytes| bytes[HEADER_BYTES + 77] ^= 1);
        }
    });
}

#[test]
fn a_flipped_bit_in_a_checksum_is_found() {
    let (mut cluster, content) = stored(100_000);
    Harm { nodes: &[0], hidden: true, reason: "checksum" }.is_named_and_made_good(&mut cluster, &content, |files| {
        change(&files[0], |bytes| {
            let header = ColumnHeader::parse(bytes).expect("a column file");
            let code = Code::named(&header.code).expect("a code of the codec");
            let end = usize::try_from(Geometry::of(&header, &code).tree_offset()).expect("a small file");
            bytes[end - CHECKSUM_BYTES] ^= 1;
        });
    });
}

#[test]
fn a_flipped_bit_in_a_hash_tree_is_found() {
    let (mut cluster, content) = stored(100_000);
    Harm { nodes: &[0], hidden: true, reason: "hash tree" }.is_named_and_made_good(&mut cluster, &content, |files| {
        change(&files[0], |bytes| {
            let at = bytes.len() - CHECKSUM_BYTES - 40;
            bytes[at] ^= 1;
        });
    });
}

#[test]
fn a_flipped_bit_in_a_header_is_found() {
    let (mut cluster, content) = stored(2_600_000);
    Harm { nodes: &[1], hidden: false, reason: "checksum" }.is_named_and_made_good(&mut cluster, &content, |files| {
        change(&files[0], |bytes| bytes[40] ^= 1);
    });
}

#[test]
fn a_truncated_column_is_done_without() {
    let (mut cluster, content) = stored(2_600_000);
    let length = fs::metadata(newest_column_file(&cluster, 1)).expect("a column file").len();
    let reason = format!("{} bytes, expected {length}", length - 1);
    Harm { nodes: &[1], hidden: false, reason: &reason }.is_named_and_made_good(&mut cluster, &content, |files| {
        change(&files[0], |bytes| bytes.truncate(bytes.len() - 1));
    });
}

#[test]
fn an_emptied_column_is_done_without() {
    let (mut cluster, content) = stored(2_600_000);
    Harm { nodes: &[3], hidden: false, reason: "0 bytes" }.is_named_and_made_good(&mut cluster, &content, |files| {
        change(&files[0], Vec::clear);
    });
}

#[test]
fn a_column_of_another_title_is_done_without() {
    let (mut cluster, content) = stored(2_600_000);
    // As long as the title, so that nothing but the header tells.
    put("/v/other", random_bytes(content.len(), 2)).to(cluster.port(1)).expect(201);
    let foreign = fs::read(cluster.column_file(2, "other")).expect("a column file");
    Harm { nodes: &[2], hidden: false, reason: "`other`" }.is_named_and_made_good(&mut cluster, &content, |files| {
        fs::write(&files[0], &foreign).expect("a column file");
    });
}

#[test]
fn a_column_of_an_older_version_is_done_without() {
    let (mut cluster, old) = stored(2_600_000);
    let kept = fs::read(cluster.column_file(0, TITLE)).expect("a column file");
    let content = random_bytes(old.len(), 3);
    put(PATH, content.clone()).to(cluster.port(3)).expect(204);
    Harm { nodes: &[0], hidden: false, reason: "version 1-" }.is_named_and_made_good(&mut cluster, &content, |files| {
        fs::write(&files[0], &kept).expect("a column file");
    });
}

#[test]
fn columns_that_changed_places_are_done_without() {
    let (mut cluster, content) = stored(2_600_000);
    let aside = cluster.folder().join("aside");
    Harm { nodes: &[0, 3], hidden: false, reason: "column" }.is_named_and_made_good(&mut cluster, &content, |files| {
        fs::rename(&files[0], &aside).expect("a column file");
        fs::rename(&files[1], &files[0]).expect("a column file");
        fs::rename(&aside, &files[1]).expect("a column file");
    });
}

#[test]
fn a_column_of_a_later_format_is_done_without() {
    let (mut cluster, content) = stored(2_600_000);
    Harm { nodes: &[1], hidden: false, reason: "format 3" }.is_named_and_made_good(&mut cluster, &content, |files| {
        change(&files[0], |bytes| {
            bytes[8..12].copy_from_slice(&3_u32.to_le_bytes());
            let end = HEADER_BYTES - CHECKSUM_BYTES;
            let checksum = crc64(&bytes[..end]);
            bytes[end..HEADER_BYTES].copy_from_slice(&checksum.to_le_bytes());
        });
    });
}

#[test]
fn a_column_that_was_taken_away_is_made_anew() {
    let (mut cluster, content) = stored(2_600_000);
    for is_running in [true, false] {
        let file = cluster.column_file(2, TITLE);
        let whole = fs::read(&file).expect("a column file");
        if is_running {
            fs::remove_file(&file).expect("a column file");
            reads_right(&cluster, &content);
        } else {
            cluster.kill(2);
            fs::remove_file(&file).expect("a column file");
            cluster.restart(2);
        }
        wait_until("the column made anew", SECONDS, || stat(&cluster, true)["tolerates"] == 2);
        assert_same(&fs::read(&file).expect("a column file"), &whole, "a column made anew");
        reads_right(&cluster, &content);
    }
}

#[test]
fn stat_tells_of_damage_in_words_too() {
    let (cluster, _) = stored(100_000);
    change(&newest_column_file(&cluster, 2), Vec::clear);
    let text = run(rain().args(["stat", TITLE, "--server", &cluster.url(1)])).succeeded().text();
    let named = |line: &str| line.contains("on C") && line.contains("damaged") && line.contains("0 bytes");
    assert_eq!(text.lines().filter(|line| named(line)).count(), 1, "{text}");
    assert_eq!(text.lines().filter(|line| line.contains("damaged")).count(), 1, "{text}");
}

/// In place of the cells of a column others, with seals and a hash tree that fit them; the header stays as it is.
fn forge(bytes: &mut Vec<u8>) {
    let header = ColumnHeader::parse(bytes).expect("a column file");
    let geometry = Geometry::of(&header, &Code::named(&header.code).expect("a code of the codec"));
    let seal = Seal::new(&header.title, header.version, header.column);
    let mut builder = ColumnBuilder::new(seal, header.group_bytes);
    let mut forged = bytes[..HEADER_BYTES].to_vec();
    let length = |bytes: u64| usize::try_from(bytes).expect("a small file");
    for stripe in (0..geometry.stripe_count()).map(|index| geometry.stripe(index)) {
        let cells = &bytes[length(stripe.record_offset)..][..length(stripe.cell_offset(stripe.rows))];
        let wrong: Vec<u8> = cells.iter().map(|byte| byte ^ 0x55).collect();
        forged.extend(builder.record(&stripe, [&wrong[..]]));
    }
    forged.extend(builder.finish().to_bytes());
    *bytes = forged;
}

/// A member that lies: its column is not the one that the manifest names, though no checksum tells. Where reads are
/// proven, the others read around it, name it, and it gets well; where they are not, its bytes are believed.
#[test]
fn a_forged_column_is_read_around_where_reads_are_proven() {
    for verify_reads in ["hash", "crc"] {
        let cluster = Cluster::of_four_with(&format!("verify_reads = \"{verify_reads}\""));
        let content = random_bytes(2_600_000, 1);
        put(PATH, content.clone()).to(cluster.port(0)).expect(201);
        let file = newest_column_file(&cluster, 2);
        let whole = fs::read(&file).expect("a column file");
        change(&file, forge);
        if verify_reads == "crc" {
            let read = get(PATH).to(cluster.port(0)).expect(200);
            assert_eq!(read.body.len(), content.len());
            assert!(read.body != content, "what no checksum tells was told");
            continue;
        }
        for node in [0, 1, 3] {
            let read = get(PATH).to(cluster.port(node)).expect(200);
            assert_same(&read.body, &content, &format!("the title from {node}"));
            let last = content.len() - 3000;
            let part = get(PATH).header("range", format!("bytes={last}-")).to(cluster.port(node)).expect(206);
            assert_same(&part.body, &content[last..], &format!("the end from {node}"));
        }
        let metrics = get("/metrics").to(cluster.port(0)).expect(200);
        let metrics = String::from_utf8_lossy(&metrics.body).into_owned();
        assert!(metrics.contains("rain_column_failures_total{node=\"C\"}"), "{metrics}");
        wait_until("the column made good", SECONDS, || fs::read(&file).is_ok_and(|bytes| bytes == whole));
        reads_right(&cluster, &content);
    }
}

/// Damages every block of a column: one byte in each 512.
fn ruin(bytes: &mut [u8]) {
    bytes[HEADER_BYTES..].iter_mut().step_by(512).for_each(|byte| *byte ^= 0x55);
}

#[test]
fn three_damaged_columns_of_four_are_too_few() {
    type Change = fn(&mut Vec<u8>);
    let harms: [(&str, Change); 2] =
        [("cut", |bytes: &mut Vec<u8>| bytes.truncate(5000)), ("ruined", |bytes: &mut Vec<u8>| ruin(bytes))];
    for (what, harm) in harms {
        let (cluster, content) = stored(2_600_000);
        for node in [0, 1, 3] {
            change(&cluster.column_file(node, TITLE), harm);
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

/// A stream that falls under k columns waits 10 s for a return, then breaks off.
#[test]
fn a_stream_that_meets_too_few_columns_breaks_off_and_never_ends_short() {
    // One that holds a column that is ruined, and the one that does not: each in a cluster that has not met the damage yet.
    for node in [0, 2] {
        let (cluster, content) = stored(40 << 20);
        for node in [0, 1, 3] {
            change(&cluster.column_file(node, TITLE), |bytes| {
                let end = bytes.len();
                ruin(&mut bytes[end - (2 << 20)..]);
            });
        }
        let mut connection = Connection::open(cluster.port(node));
        connection.send_head(&get(PATH)).expect("an open connection");
        let status = connection.receive_head().expect("an answer").status();
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
    assert_eq!(connection.receive_head().expect("an answer").status(), 200);
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
