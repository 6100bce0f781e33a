//! Who comes in, and as whom.

use super::*;
use crate::http::login::Logins;
use hyper::header::{COOKIE, HeaderValue};
use rain_config::Config;
use std::path::Path;

type Header = (HeaderName, String);

/// A secret, and its BLAKE3 as another program gives it.
const ALICE: [&str; 2] = [
    "rain_00000000000000000000000000000000000000000000000000000000000000a1",
    "140a7c42007bbf7c54efad1fd8f953e41fa35085687970cf1cfd875f89eecb88",
];
const UNKNOWN: &str = "rain_00000000000000000000000000000000000000000000000000000000000000ff";

fn header(name: HeaderName, value: impl Into<String>) -> Header {
    (name, value.into())
}

fn bearer(secret: &str) -> Header {
    header(AUTHORIZATION, format!("Bearer {secret}"))
}

fn map(headers: &[Header]) -> HeaderMap {
    headers.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap())).collect()
}

/// A node's configuration.
const NODE: &str = r#"
    node = "A"
    id = "0000000a"
    data = ["/x"]
    code = "replica:2"
    listen = "127.0.0.1:80"
    interfaces = [{ switch = "s1", address = "127.0.0.1:9001" }]
    peers = [{ name = "B", id = "0000000b", http = "http://b", addresses = { s1 = "127.0.0.2:9001" } }]
"#;

/// The settings of a node, with or without alice's token.
fn settings(with_token: bool) -> Arc<Reloadable> {
    let token = format!("[[tokens]]\nname = \"alice\"\nrole = \"publisher\"\nhash = \"{}\"\n", ALICE[1]);
    let text = format!("{NODE}{}", if with_token { &token } else { "" });
    Arc::new(Config::parse(Path::new("A.toml"), &text, core::iter::empty()).unwrap().reloadable)
}

struct Door {
    access: Access,
    settings: watch::Sender<Arc<Reloadable>>,
}

fn door(listen: &str, with_token: bool) -> Door {
    let listen: SocketAddr = listen.parse().unwrap();
    let (settings, watched) = watch::channel(settings(with_token));
    Door { access: Access::new(listen, watched, Arc::new(Logins::new(listen.port()))), settings }
}

impl Door {
    fn admit(&self, peer: &str, method: &Method, path: &str, headers: &[Header]) -> Result<Caller, ApiError> {
        // Whoever comes over the loopback has come to it.
        let peer: IpAddr = peer.parse().unwrap();
        let local = if peer.is_loopback() { peer } else { self.access.listen.ip() };
        let port = self.access.listen.port();
        let ends = Ends { peer: (peer, 50_000).into(), local: (local, port).into() };
        self.access.admit(ends, method, &path.parse().unwrap(), &map(headers))
    }

    /// What a caller is called, or the status of the refusal.
    fn who(&self, peer: &str, method: &Method, headers: &[Header]) -> Result<String, u16> {
        let admitted = self.admit(peer, method, "/v/a", headers);
        admitted.map(|caller| caller.name().to_owned()).map_err(|error| error.status().as_u16())
    }
}

#[test]
fn loopback_listeners_know_their_names() {
    let door = door("127.0.0.1:8080", false);
    let json = header(CONTENT_TYPE, "application/json; charset=utf-8");
    let check = |method: &Method, headers: &[Header]| {
        let admitted = door.admit("127.0.0.1", method, "/api/v1/faults", headers);
        admitted.map_or_else(|error| error.status().as_u16(), |_| 200)
    };
    for (host, expected) in [
        ("127.0.0.1:8080", 200),
        ("localhost:8080", 200),
        ("[::1]:8080", 200),
        ("127.0.0.1:8081", 403),
        ("127.0.0.1", 403),
        ("rebound.example:8080", 403),
        ("", 403),
    ] {
        assert_eq!(check(&Method::GET, &[header(HOST, host)]), expected, "{host}");
    }
    let host = header(HOST, "localhost:8080");
    for (origin, expected) in [("http://localhost:8080", 200), ("http://evil.example", 403), ("null", 403)] {
        assert_eq!(check(&Method::GET, &[host.clone(), header(ORIGIN, origin)]), expected, "{origin}");
    }
    assert_eq!(check(&Method::POST, &[host.clone(), json]), 200);
    assert_eq!(check(&Method::POST, &[host]), 415);
}

#[test]
fn media_is_read_by_pages_of_this_machine() {
    let door = door("127.0.0.1:8080", true);
    let check = |method: Method, path: &str, origin: &str| {
        let headers = [header(HOST, "127.0.0.1:8080"), header(ORIGIN, origin)];
        door.admit("127.0.0.1", &method, path, &headers).map_or_else(|error| error.status().as_u16(), |_| 200)
    };
    for (method, path, origin, expected) in [
        (Method::GET, "/v/a", "http://127.0.0.1:8081", 200),
        (Method::HEAD, "/p/a/master.m3u8", "http://localhost:3000", 200),
        (Method::GET, "/v/a", "http://evil.example", 403),
        (Method::GET, "/v/a", "http://127.0.0.1.evil.example:8081", 403),
        (Method::GET, "/v/a", "https://127.0.0.1:8081", 403),
        (Method::GET, "/v/a", "null", 403),
        (Method::PUT, "/v/a", "http://127.0.0.1:8081", 403),
        (Method::GET, "/api/v1/titles", "http://127.0.0.1:8081", 403),
    ] {
        assert_eq!(check(method.clone(), path, origin), expected, "{method} {path} {origin}");
    }
}

#[test]
fn headers_that_decide_are_there_once() {
    let door = door("127.0.0.1:8080", true);
    let host = header(HOST, "127.0.0.1:8080");
    for twice in [
        [host.clone(), header(HOST, "rebound.example")],
        [bearer(UNKNOWN), bearer(ALICE[0])],
        [header(ORIGIN, "http://127.0.0.1:8080"), header(ORIGIN, "http://rebound.example")],
    ] {
        let mut headers = HeaderMap::new();
        for (name, value) in &twice {
            headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        headers.entry(HOST).or_insert(HeaderValue::from_static("127.0.0.1:8080"));
        let ends = Ends { peer: "127.0.0.1:50000".parse().unwrap(), local: "127.0.0.1:8080".parse().unwrap() };
        let admitted = door.access.admit(ends, &Method::GET, &"/v/a".parse().unwrap(), &headers);
        assert_eq!(admitted.map(|_| ()).map_err(|error| error.status()), Err(StatusCode::BAD_REQUEST), "{twice:?}");
    }
}

#[test]
fn whoever_presents_a_token_is_who_it_is_of_or_nobody() {
    for with_token in [true, false] {
        let door = door("10.0.0.1:80", with_token);
        let known = if with_token { Ok("alice".to_owned()) } else { Err(401) };
        for peer in ["10.0.0.2", "10.0.0.1", "127.0.0.1"] {
            for method in [Method::GET, Method::PUT] {
                let who = |header| door.who(peer, &method, &[self::header(HOST, "10.0.0.1"), header]);
                assert_eq!(who(bearer(ALICE[0])), known, "{peer}");
                assert_eq!(who(bearer(UNKNOWN)), Err(401), "{peer}");
                assert_eq!(who(bearer(ALICE[1])), Err(401), "the hash is no secret");
                for wrong in ["", "Bearer", "Basic YTpi", ALICE[0]] {
                    assert_eq!(who(header(AUTHORIZATION, wrong)), Err(401), "{wrong}");
                }
            }
        }
    }
}

#[test]
fn this_machine_needs_no_token_while_nobody_has_one() {
    let host = header(HOST, "10.0.0.1");
    let (open, closed) = (door("10.0.0.1:80", false), door("10.0.0.1:80", true));
    for (peer, expected) in
        [("127.0.0.1", "loopback"), ("::1", "loopback"), ("10.0.0.1", "loopback"), ("10.0.0.2", "stranger")]
    {
        let host = if peer.contains("1:") || peer == "::1" || peer == "127.0.0.1" {
            header(HOST, "localhost")
        } else {
            host.clone()
        };
        assert_eq!(open.who(peer, &Method::PUT, std::slice::from_ref(&host)), Ok(expected.to_owned()), "{peer}");
        assert_eq!(closed.who(peer, &Method::PUT, &[host]), Ok("stranger".to_owned()), "{peer}");
    }
    // A listener on all addresses: what IPv4 is called there, and the address that was come to.
    let anywhere = door("[::]:80", false);
    for (peer, local, expected) in [
        ("[::ffff:127.0.0.1]:5", "[::ffff:127.0.0.1]:80", "loopback"),
        ("[::ffff:10.0.0.1]:5", "[::ffff:10.0.0.1]:80", "loopback"),
        ("[::ffff:10.0.0.2]:5", "[::ffff:10.0.0.1]:80", "stranger"),
    ] {
        let ends = Ends { peer: peer.parse().unwrap(), local: local.parse().unwrap() };
        let headers =
            map(&[header(HOST, if expected == "loopback" && peer.contains("10.") { "10.0.0.1" } else { "127.0.0.1" })]);
        let admitted = anywhere.access.admit(ends, &Method::PUT, &"/v/a".parse().unwrap(), &headers);
        assert_eq!(admitted.unwrap().name(), expected, "{peer}");
    }
    // A page of another name in a browser on this machine.
    assert_eq!(open.who("10.0.0.1", &Method::PUT, &[header(HOST, "rebound.example")]), Err(403));
    assert_eq!(open.who("10.0.0.1", &Method::PUT, &[host, header(ORIGIN, "http://evil.example")]), Err(403));
}

#[test]
fn what_a_proxy_passes_on_is_a_stranger_s() {
    let door = door("127.0.0.1:80", false);
    let host = header(HOST, "127.0.0.1");
    assert_eq!(door.who("127.0.0.1", &Method::PUT, std::slice::from_ref(&host)), Ok("loopback".to_owned()));
    for name in ["forwarded", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-real-ip", "via"] {
        let passed = header(HeaderName::from_static(name), "for=127.0.0.1");
        assert_eq!(door.who("127.0.0.1", &Method::PUT, &[host.clone(), passed]), Ok("stranger".to_owned()), "{name}");
    }
}

#[test]
fn a_login_lasts_as_long_as_its_token_and_is_of_no_use_to_other_pages() {
    let door = door("10.0.0.1:80", true);
    let token = Arc::clone(door.settings.borrow().tokens.find(&TokenSecret::parse(ALICE[0]).unwrap().hash()).unwrap());
    let set = door.access.logins.begin(token.hash, Instant::now());
    let cookie = header(COOKIE, set.split(';').next().unwrap());
    let host = header(HOST, "films.example");
    let who = |method: &Method, more: &[Header]| {
        let headers: Vec<_> = [&[cookie.clone(), host.clone()], more].concat();
        door.who("10.0.0.2", method, &headers)
    };
    let alice = Ok("alice".to_owned());
    assert_eq!(who(&Method::GET, &[]), alice);
    for (origin, expected) in [
        ("http://films.example", alice.clone()),
        ("https://films.example", alice.clone()),
        ("http://films.example:81", Err(403)),
        ("http://evil.example", Err(403)),
        ("null", Err(403)),
        ("", Err(403)),
    ] {
        assert_eq!(who(&Method::DELETE, &[header(ORIGIN, origin)]), expected, "{origin}");
    }
    assert_eq!(who(&Method::DELETE, &[]), Err(403), "no page says that it asks");
    assert_eq!(who(&Method::DELETE, &[bearer(ALICE[0])]), alice, "a token proves more");
    assert_eq!(who(&Method::GET, &[bearer(UNKNOWN)]), Err(401));
    door.settings.send_replace(settings(false));
    assert_eq!(who(&Method::GET, &[]), Ok("stranger".to_owned()), "the token is gone");
}
