//! Title names and unknown paths.

use crate::harness::{Cluster, Demo, Request, delete, get, head, put};
use serde_json::Value;

/// A name with every byte of it escaped.
fn encoded(name: &str) -> String {
    name.bytes().fold(String::new(), |text, byte| text + &format!("%{byte:02X}"))
}

#[test]
fn any_utf8_can_be_a_name() {
    let cluster = Cluster::of_four();
    let longest = "x".repeat(255);
    let utf8 = "\u{1f327}".repeat(63);
    for name in [
        "ünï 雨.mp4",
        "50%",
        "a?b#c",
        "a+b&c=d",
        "...",
        ".hidden",
        "..x",
        "\\",
        "\"'<>",
        "CON",
        "a/b/...",
        &longest,
        &utf8,
    ] {
        let path = format!("/v/{}", encoded(name));
        put(&path, name.as_bytes()).to(cluster.port(0)).expect(201);
        assert_eq!(get(&path).to(cluster.port(1)).expect(200).body, name.as_bytes(), "{name}");
        let report = get(format!("/api/v1/titles/{}", encoded(name))).to(cluster.port(2)).expect(200).json();
        assert_eq!(report["title"], name);
    }
    // However it is written, it is one title.
    for path in ["/v/a%2bb&c=d", "/v/a+b&c=d", "/v/%61+b%26c=d", "/v/a+b&c=d?query"] {
        assert_eq!(get(path).to(cluster.port(3)).expect(200).body, b"a+b&c=d", "{path}");
    }
    get("/v/a%20b&c=d").to(cluster.port(3)).expect_error(404, "no-such-title");
    // Case matters.
    get("/v/con").to(cluster.port(3)).expect_error(404, "no-such-title");
}

/// Folders are what lists make of names.
#[test]
fn folders_are_seen_in_lists() {
    let cluster = Cluster::of_four();
    for title in ["films/a b.mp4", "films/2026/c.mp4", "films/2026/d.mp4", "films", "news.mp4"] {
        let path = title.replace(' ', "%20");
        put(format!("/v/{path}"), title).to(cluster.port(0)).expect(201);
        for path in [path.clone(), path.replace('/', "%2F")] {
            assert_eq!(get(format!("/v/{path}")).to(cluster.port(1)).expect(200).body, title.as_bytes());
        }
    }
    let list = |query: &str| -> Vec<String> {
        let list = get(format!("/api/v1/titles{query}")).to(cluster.port(2)).expect(200).json();
        let item = |item: &Value| item["title"].as_str().or(item["folder"].as_str()).expect("an item").to_owned();
        list.as_array().expect("a list").iter().map(item).collect()
    };
    assert_eq!(list("?prefix=films"), ["films", "films/2026/c.mp4", "films/2026/d.mp4", "films/a b.mp4"]);
    assert_eq!(list("?delimiter=/"), ["films", "films/", "news.mp4"]);
    assert_eq!(list("?delimiter=%2F&prefix=films/"), ["films/2026/", "films/a b.mp4"]);
    assert_eq!(list("?delimiter=/&prefix=films/&limit=1"), ["films/2026/"]);
    assert_eq!(list("?delimiter=/&prefix=films/&after=films/2026/"), ["films/a b.mp4"]);
    get("/api/v1/titles?delimiter=-").to(cluster.port(2)).expect_error(400, "bad-delimiter");
    get("/v/films/2026").to(cluster.port(3)).expect_error(404, "no-such-title");
    delete("/v/films/2026/c.mp4").to(cluster.port(3)).expect(204);
    delete("/v/films/2026/d.mp4").to(cluster.port(3)).expect(204);
    assert_eq!(list("?delimiter=/&prefix=films/"), ["films/a b.mp4"]);
}

#[test]
fn what_cannot_be_a_name_is_refused() {
    let demo = Demo::start(&[]);
    let too_long = "x".repeat(256);
    let too_long_encoded = "%C3%BC".repeat(128);
    for name in [
        "",
        ".",
        "..",
        "%2e",
        "%2E%2e",
        ".%2e",
        "/a",
        "a/",
        "a//b",
        "a%2f%2fb",
        "a/./b",
        "a/../b",
        "%2Fetc%2Fpasswd",
        "..%2f..%2fidentity",
        "a%00b",
        "a%0ab",
        "%7f",
        "%C2%85",
        "%ff",
        "%C3",
        &too_long,
        &too_long_encoded,
    ] {
        let path = format!("/v/{name}");
        for port in [demo.port(0), demo.supervisor()] {
            for request in [get(&path), put(&path, *b"content"), delete(&path)] {
                request.to(port).expect_error(400, "bad-title");
            }
            head(&path).to(port).expect(400);
        }
        if !name.is_empty() {
            get(format!("/api/v1/titles/{name}")).to(demo.port(0)).expect_error(400, "bad-title");
        }
    }
    let titles = get("/api/v1/titles").to(demo.port(1)).expect(200).json();
    assert_eq!(titles.as_array().map(Vec::len), Some(1), "the sample: {titles}");
}

#[test]
fn what_is_nowhere_is_not_found() {
    let demo = Demo::start(&[]);
    for port in [demo.port(0), demo.supervisor()] {
        for path in ["/nothing", "/v", "/api", "/api/v1/nothing", "/api/v2/titles", "/V/sample.mp4", "/vv/sample.mp4"] {
            get(path).to(port).expect_error(404, "not-found");
            head(path).to(port).expect(404);
        }
        get("/v/nothing").to(port).expect_error(404, "no-such-title");
        head("/v/nothing").to(port).expect(404);
        get("/api/v1/titles/nothing").to(port).expect_error(404, "no-such-title");
        let elsewhere: [Request; 3] = [put("/nothing", *b"x"), delete("/api/v1/titles/sample.mp4"), put("/", *b"x")];
        for request in elsewhere {
            request.to(port).expect_error(404, "not-found");
        }
    }
    // The listener for peers is another one: nothing of it is here.
    get("/peer/v1/hello").to(demo.port(0)).expect_error(404, "not-found");
}
