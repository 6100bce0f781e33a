//! GET and HEAD of a title, whole and in parts (RFC 9110, 14).

use crate::harness::{Cluster, Connection, assert_same, etag_of, get, head, put, random_bytes};

/// The place of a `Range` header's answer.
enum Answer {
    Whole,
    Part(std::ops::Range<usize>),
    Unsatisfiable,
}

#[test]
fn a_title_is_told_and_sent_alike_by_every_node() {
    let cluster = Cluster::of_four();
    let content = random_bytes(2_500_000, 1);
    put("/v/film.mp4", content.clone()).to(cluster.port(0)).expect(201);
    let mut told = Vec::new();
    for node in 0..4 {
        for request in [get("/v/film.mp4"), head("/v/film.mp4")] {
            let response = request.to(cluster.port(node)).expect(200);
            let header = |name| response.header(name).map(str::to_owned);
            assert_eq!(header("content-length"), Some(content.len().to_string()));
            assert_eq!(header("etag"), Some(etag_of(&content)));
            assert_eq!(header("accept-ranges").as_deref(), Some("bytes"));
            assert_eq!(header("content-type").as_deref(), Some("video/mp4"));
            told.push(header("last-modified").expect("Last-Modified"));
        }
        assert_same(&get("/v/film.mp4").to(cluster.port(node)).body, &content, "the film");
    }
    assert!(told.iter().all(|date| *date == told[0] && date.ends_with(" GMT")), "{told:?}");
}

#[test]
fn ranges_are_answered_as_rfc_9110_says() {
    let cluster = Cluster::of_four();
    let content = random_bytes(100_000, 1);
    put("/v/title", content.clone()).to(cluster.port(0)).expect(201);
    let mut connection = Connection::open(cluster.port(1));
    for (range, answer) in [
        ("bytes=0-0", Answer::Part(0..1)),
        ("bytes=0-99999", Answer::Part(0..100_000)),
        ("bytes=99999-99999", Answer::Part(99_999..100_000)),
        ("bytes=500-", Answer::Part(500..100_000)),
        ("bytes=-1", Answer::Part(99_999..100_000)),
        ("bytes=-200000", Answer::Part(0..100_000)),
        ("bytes=99990-99999999999", Answer::Part(99_990..100_000)),
        ("bytes=5-99999999999999999999999999", Answer::Part(5..100_000)),
        ("BYTES=1-2", Answer::Part(1..3)),
        ("bytes=-0", Answer::Unsatisfiable),
        ("bytes=100000-", Answer::Unsatisfiable),
        ("bytes=100000-100001", Answer::Unsatisfiable),
        ("bytes=99999999999999999999999999-", Answer::Unsatisfiable),
        ("bytes=5-2", Answer::Whole),
        ("bytes=abc", Answer::Whole),
        ("bytes=-", Answer::Whole),
        ("bytes=1-2x", Answer::Whole),
        ("bytes=+1-2", Answer::Whole),
        ("items=0-1", Answer::Whole),
        ("bytes", Answer::Whole),
        ("bytes=0-1,5-6", Answer::Whole),
        ("bytes=0-1, 0-1, 0-1", Answer::Whole),
    ] {
        let asked = connection.exchange(&get("/v/title").header("range", range));
        let told = connection.exchange(&head("/v/title").header("range", range));
        let (status, content_range, expected) = match answer {
            Answer::Whole => (200, None, Some(&content[..])),
            Answer::Part(part) => {
                let told = format!("bytes {}-{}/100000", part.start, part.end - 1);
                (206, Some(told), Some(&content[part]))
            }
            Answer::Unsatisfiable => (416, Some("bytes */100000".to_owned()), None),
        };
        for response in [&asked, &told] {
            assert_eq!(
                (response.status, response.header("content-range")),
                (status, content_range.as_deref()),
                "{range}"
            );
            if let Some(expected) = expected {
                assert_eq!(response.header("content-length"), Some(expected.len().to_string().as_str()), "{range}");
                assert_eq!(response.header("accept-ranges"), Some("bytes"), "{range}");
            }
        }
        if let Some(expected) = expected {
            assert_same(&asked.body, expected, range);
        }
        assert_eq!(told.body, b"");
    }
}

#[test]
fn a_title_of_no_bytes_has_no_ranges() {
    let cluster = Cluster::of_four();
    put("/v/nothing", []).to(cluster.port(0)).expect(201);
    for node in 0..4 {
        let whole = get("/v/nothing").to(cluster.port(node)).expect(200);
        assert_eq!((whole.body.len(), whole.header("content-length")), (0, Some("0")));
        assert_eq!(whole.header("etag"), Some(etag_of(b"").as_str()));
        for range in ["bytes=0-", "bytes=0-0", "bytes=-1"] {
            let refused = get("/v/nothing").header("range", range).to(cluster.port(node)).expect(416);
            assert_eq!(refused.header("content-range"), Some("bytes */0"), "{range}");
        }
    }
}
