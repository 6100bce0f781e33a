//! Conditional requests (RFC 9110, 13).

use crate::harness::{Cluster, Request, assert_same, delete, etag_of, get, head, put, random_bytes};
use std::thread;

const LONG_AGO: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const OTHER: &str = "\"00000000000000000000000000000000\"";

#[test]
fn conditions_of_reads() {
    let cluster = Cluster::of_four();
    let content = random_bytes(100_000, 1);
    let etag = etag_of(&content);
    put("/v/title", content.clone()).to(cluster.port(0)).expect(201);
    let modified = head("/v/title").to(cluster.port(0)).header("last-modified").expect("Last-Modified").to_owned();
    let both = format!("{OTHER}, {etag}");
    let weak = format!("W/{etag}");
    for (name, value, status) in [
        ("if-match", etag.as_str(), 200),
        ("if-match", "*", 200),
        ("if-match", &both, 200),
        ("if-match", OTHER, 412),
        ("if-match", &weak, 412),
        ("if-none-match", &etag, 304),
        ("if-none-match", &weak, 304),
        ("if-none-match", &both, 304),
        ("if-none-match", "*", 304),
        ("if-none-match", OTHER, 200),
        ("if-modified-since", &modified, 304),
        ("if-modified-since", LONG_AGO, 200),
        ("if-modified-since", "Fri, 01 Jan 2100 00:00:00 GMT", 200),
        ("if-modified-since", "yesterday", 200),
        ("if-unmodified-since", &modified, 200),
        ("if-unmodified-since", LONG_AGO, 412),
    ] {
        for request in [get("/v/title"), head("/v/title"), get("/v/title").header("range", "bytes=5-9")] {
            let is_part = status == 200 && format!("{request:?}").contains("bytes=5-9");
            let response = request.header(name, value).to(cluster.port(1));
            assert_eq!(response.status, if is_part { 206 } else { status }, "{name}: {value}");
            if status == 304 {
                assert_eq!(response.header("etag"), Some(etag.as_str()), "{name}: {value}");
            }
        }
    }
    let stale = get("/v/title").header("if-none-match", OTHER).header("if-modified-since", modified);
    stale.to(cluster.port(2)).expect(200);
    get("/v/title").header("if-match", OTHER).to(cluster.port(2)).expect_error(412, "precondition-failed");
}

#[test]
fn a_range_holds_only_of_the_content_that_if_range_names() {
    let cluster = Cluster::of_four();
    let content = random_bytes(100_000, 1);
    let etag = etag_of(&content);
    put("/v/title", content.clone()).to(cluster.port(0)).expect(201);
    let modified = head("/v/title").to(cluster.port(0)).header("last-modified").expect("Last-Modified").to_owned();
    let weak = format!("W/{etag}");
    for (value, holds) in
        [(etag.as_str(), true), (&modified, false), (OTHER, false), (&weak, false), (LONG_AGO, false), ("*", false)]
    {
        let request = get("/v/title").header("range", "bytes=10-19").header("if-range", value);
        let response = request.to(cluster.port(3)).expect(if holds { 206 } else { 200 });
        assert_same(&response.body, if holds { &content[10..20] } else { &content }, value);
    }
    let unsatisfiable = get("/v/title").header("range", "bytes=100000-");
    unsatisfiable.clone().header("if-range", &etag).to(cluster.port(3)).expect(416);
    unsatisfiable.header("if-range", OTHER).to(cluster.port(3)).expect(200);
}

#[test]
fn conditions_of_writes() {
    let cluster = Cluster::of_four();
    let write = |body: &[u8]| put("/v/title", body);
    let (first, second) = (etag_of(b"first"), etag_of(b"second"));
    let refused = |request: Request| {
        request.to(cluster.port(1)).expect_error(412, "precondition-failed");
    };
    refused(write(b"first").header("if-match", "*"));
    refused(write(b"first").header("if-match", &first));
    get("/v/title").to(cluster.port(2)).expect_error(404, "no-such-title");
    write(b"first").header("if-none-match", "*").to(cluster.port(0)).expect(201);

    refused(write(b"second").header("if-none-match", "*"));
    refused(write(b"second").header("if-none-match", &first));
    refused(write(b"second").header("if-match", &second));
    assert_eq!(get("/v/title").to(cluster.port(2)).expect(200).body, b"first");
    write(b"second").header("if-match", &first).to(cluster.port(3)).expect(204);
    assert_eq!(get("/v/title").to(cluster.port(2)).expect(200).body, b"second");
    write(b"first").header("if-none-match", OTHER).to(cluster.port(3)).expect(204);
    write(b"second").header("if-match", "*").to(cluster.port(3)).expect(204);

    refused(delete("/v/title").header("if-match", &first));
    delete("/v/title").header("if-match", &second).to(cluster.port(0)).expect(204);
    refused(write(b"third").header("if-match", &second));
    write(b"third").header("if-none-match", "*").to(cluster.port(1)).expect(201);
    assert_eq!(get("/v/title").to(cluster.port(0)).expect(200).body, b"third");
}

/// Two PUTs of one title at once, each only if there is none yet; the statuses, and what is there afterwards.
fn race(cluster: &Cluster, round: u64) -> Vec<u16> {
    let path = format!("/v/race-{round}");
    let contents = [random_bytes(300_000, round), random_bytes(300_000, round + 100)];
    let racers = [cluster.port(0), cluster.port(usize::try_from(round % 4).expect("small"))];
    let statuses: Vec<u16> = thread::scope(|scope| {
        let racing = [0, 1].map(|racer: usize| {
            let request = put(&path, contents[racer].clone()).header("if-none-match", "*");
            let port = racers[racer];
            scope.spawn(move || request.to(port).status)
        });
        racing.into_iter().map(|racer| racer.join().expect("an answer")).collect()
    });
    let first = statuses.iter().position(|status| *status == 201);
    for node in 0..4 {
        let found = get(&path).to(cluster.port(node));
        match first {
            Some(first) => assert_same(&found.expect(200).body, &contents[first], "what the first put"),
            None => drop(found.expect_error(404, "no-such-title")),
        }
    }
    statuses
}

/// The statuses of `count` races.
fn races(count: u64) -> Vec<Vec<u16>> {
    let cluster = Cluster::of_four();
    (0..count).map(|round| race(&cluster, round)).collect()
}

fn how_many(statuses: &[u16], status: u16) -> usize {
    statuses.iter().filter(|found| **found == status).count()
}

#[test]
fn of_concurrent_puts_that_want_to_be_the_first_at_most_one_is() {
    for statuses in races(40) {
        let [first, late, again] = [201, 412, 409].map(|status| how_many(&statuses, status));
        assert!(first <= 1 && first + late + again == 2, "{statuses:?}");
    }
}

/// Who hears 412 hears that the title is there. When the two only stood in each other's way, they hear 409: try again.
#[test]
fn of_concurrent_puts_that_want_to_be_the_first_none_hears_falsely_that_it_is_late() {
    for statuses in races(40) {
        let [first, late] = [201, 412].map(|status| how_many(&statuses, status));
        assert!(late == 0 || first == 1, "{statuses:?}");
    }
}
