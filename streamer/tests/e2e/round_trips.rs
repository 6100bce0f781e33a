//! What is put comes back, whole and in parts, by every code, also with as many nodes dead as it can lose.

use crate::harness::{Cluster, Connection, Response, assert_same, etag_of, get, put, random_below, random_bytes};
use rain_codec::Code;
use rain_codec::column::default_cell_bytes;
use std::ops::Range;

const MIB: usize = 1 << 20;
/// Of the largest title.
const MIBS: usize = 1024;

#[test]
fn round_trips_with_b_code_4() {
    round_trips("b-code:4", 4);
}

#[test]
fn round_trips_with_b_code_6() {
    round_trips("b-code:6", 6);
}

#[test]
fn round_trips_with_b_code_12() {
    round_trips("b-code:12", 12);
}

#[test]
fn round_trips_with_x_code_5() {
    round_trips("x-code:5", 5);
}

#[test]
fn round_trips_with_x_code_7() {
    round_trips("x-code:7", 7);
}

#[test]
fn titles_are_placed_on_some_of_many_nodes_and_read_from_all() {
    let mut cluster = Cluster::start("b-code:4", 7);
    let titles: Vec<_> = (0..12).map(|seed| (format!("title {seed}"), random_bytes(200_000, seed))).collect();
    let path = |title: &str| format!("/v/{}", title.replace(' ', "%20"));
    for (index, (title, content)) in titles.iter().enumerate() {
        let stored = put(path(title), content.clone()).to(cluster.port(index % 7)).expect(201);
        assert_eq!(stored.header("rain-tolerates"), Some("2"));
        let holders = (0..7).filter(|node| cluster.holds_column(*node, title)).count();
        assert_eq!(holders, 4, "nodes with a column of {title}");
    }
    for killed in [None, Some(0), Some(1)] {
        if let Some(node) = killed {
            cluster.kill(node);
        }
        for node in cluster.running() {
            for (title, content) in &titles {
                let found = get(path(title)).to(cluster.port(node)).expect(200);
                assert_same(&found.body, content, &format!("{title} from {node}"));
            }
        }
    }
}

struct Title {
    path: String,
    content: Vec<u8>,
    ranges: Vec<Range<usize>>,
}

fn round_trips(code: &str, nodes: usize) {
    let mut cluster = Cluster::start(code, nodes);
    let titles = titles(code);
    for (index, title) in titles.iter().enumerate() {
        let stored = put(title.path.clone(), title.content.clone()).to(cluster.port(index % nodes)).expect(201);
        assert_eq!(stored.header("etag"), Some(etag_of(&title.content).as_str()));
        assert_eq!(stored.header("rain-tolerates"), Some("2"), "{}", title.path);
        read(&cluster, (index + 1) % nodes, title);
    }
    // The first and the last node by name are as good as any: each title places its columns in an order of its own.
    for dead in [0, nodes - 1] {
        cluster.kill(dead);
        for (index, title) in titles.iter().enumerate() {
            read(&cluster, 1 + index % (nodes - 2), title);
        }
    }
    let title = &titles[titles.len() - 1];
    cluster.running().for_each(|node| read(&cluster, node, title));
}

/// Titles whose lengths meet the ends of cells and stripes, and ranges of each that do.
fn titles(code: &str) -> Vec<Title> {
    let code = Code::named(code).expect("a code");
    let cell = default_cell_bytes(&code) as usize;
    let stripe = cell * code.data_cell_count();
    let lengths = [0, 1, 63, 4097, stripe, 3 * stripe + cell + 1, 5 * MIB + 5];
    let title = |(seed, length): (u64, usize)| Title {
        path: format!("/v/title-{length}"),
        content: random_bytes(length, seed),
        ranges: ranges(length, cell, stripe),
    };
    (0..).zip(lengths).map(title).collect()
}

fn ranges(length: usize, cell: usize, stripe: usize) -> Vec<Range<usize>> {
    let Some(last) = length.checked_sub(1) else { return Vec::new() };
    let mut ends: Vec<usize> = [16 << 10, cell, 2 * cell, stripe, 2 * stripe, 3 * stripe, length / 64 * 64]
        .into_iter()
        .flat_map(|end| [end.saturating_sub(1), end, end + 1])
        .chain([0, last])
        .filter(|end| *end < length)
        .collect();
    ends.sort_unstable();
    ends.dedup();
    let single = ends.iter().map(|end| *end..end + 1);
    let between = ends.windows(2).map(|pair| pair[0]..pair[1] + 1);
    let far =
        [1, 3].into_iter().flat_map(|step| ends.iter().zip(ends.iter().skip(step))).map(|(from, to)| *from..to + 1);
    let random = (0..12).map(|turn| {
        let at = |turn| usize::try_from(random_below(length as u64, turn)).expect("small");
        let (one, other) = (at(turn), at(turn + 1000));
        one.min(other)..one.max(other) + 1
    });
    let to_the_end = ends.iter().rev().take(3).map(|end| *end..length);
    single.chain(between).chain(far).chain(random).chain(to_the_end).collect()
}

/// Reads a title whole and in parts.
fn read(cluster: &Cluster, node: usize, title: &Title) {
    let Title { path, content, ranges } = title;
    let mut connection = Connection::open(cluster.port(node));
    let whole = connection.exchange(&get(path)).expect(200);
    assert_same(&whole.body, content, &format!("{path} from {node}"));
    assert_eq!(whole.header("etag"), Some(etag_of(content).as_str()));
    for range in ranges {
        let asked = format!("bytes={}-{}", range.start, range.end - 1);
        let part: Response = connection.exchange(&get(path).header("range", asked)).expect(206);
        assert_same(&part.body, &content[range.clone()], &format!("{path}, {range:?} from {node}"));
        let told = format!("bytes {}-{}/{}", range.start, range.end - 1, content.len());
        assert_eq!(part.header("content-range"), Some(told.as_str()));
    }
}

#[test]
fn a_gibibyte_comes_back() {
    if std::env::var_os("RAIN_TEST_LARGE").is_none() {
        eprintln!("skipped, RAIN_TEST_LARGE is not set");
        return;
    }
    let mut cluster = Cluster::of_four();
    let block = |index: usize| random_bytes(MIB, index as u64);
    let mut connection = Connection::open(cluster.port(0));
    let request = put("/v/large", []).header("content-length", (MIBS * MIB).to_string());
    connection.send_head(&request).expect("an open connection");
    (0..MIBS).for_each(|index| connection.send(&block(index)).expect("a node that reads"));
    assert_eq!(connection.receive("PUT").expect("an answer").expect(201).header("rain-tolerates"), Some("2"));
    for dead in [None, Some(0), Some(2)] {
        if let Some(node) = dead {
            cluster.kill(node);
        }
        let mut connection = Connection::open(cluster.port(1));
        connection.send_head(&get("/v/large")).expect("an open connection");
        assert_eq!(connection.receive_head().expect("an answer").status(), 200);
        let mut found = vec![0; MIB];
        for index in 0..MIBS {
            connection.read_exact(&mut found).expect("the whole title");
            assert_same(&found, &block(index), &format!("MiB {index}"));
        }
    }
}
