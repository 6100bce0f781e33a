//! Who may come in (docs/operating.md, doors).

use crate::harness::{Demo, Request, delete, get, post, put};

const JSON: (&str, &str) = ("content-type", "application/json");

#[test]
fn only_this_machine_under_its_own_names_comes_in() {
    let demo = Demo::start(&[]);
    for port in [demo.port(0), demo.supervisor()] {
        let requests = || -> [Request; 5] {
            [
                get("/v/sample.mp4").header("range", "bytes=0-9"),
                get("/api/v1/cluster"),
                put("/v/title", *b"content"),
                get("/"),
                post("/api/v1/faults", *b"{}").header(JSON.0, JSON.1),
            ]
        };
        let wrong = [
            "rebound.example".to_owned(),
            format!("rebound.example:{port}"),
            format!("127.0.0.1.rebound.example:{port}"),
            format!("127.0.0.1:{}", port + 20),
            "127.0.0.1".to_owned(),
            format!("10.0.0.1:{port}"),
            format!("[::2]:{port}"),
        ];
        for host in wrong {
            for request in requests() {
                request.header("host", &host).to(port).expect_error(403, "forbidden");
            }
        }
        for host in ["127.0.0.1", "localhost", "[::1]"] {
            let own = format!("{host}:{port}");
            for request in requests() {
                let status = request.header("host", &own).header("origin", format!("http://{own}")).to(port).status;
                assert!(status < 300 || status == 404 || status == 400, "{own}: {status}");
            }
        }
        for origin in ["http://evil.example", "null", "https://127.0.0.1", "http://127.0.0.1.evil.example"] {
            for request in requests() {
                request.header("origin", origin).to(port).expect_error(403, "forbidden");
            }
        }
        // Pages of this machine read media, for a player goes on at another node, and nothing else.
        for origin in ["http://127.0.0.1", "http://localhost:1"] {
            let [media, others @ ..] = requests();
            assert_eq!(media.header("origin", origin).to(port).status, 206, "{origin}");
            for request in others {
                request.header("origin", origin).to(port).expect_error(403, "forbidden");
            }
        }
    }
}

#[test]
fn a_post_to_the_api_is_json() {
    let demo = Demo::start(&[]);
    for port in [demo.port(0), demo.supervisor()] {
        for path in ["/api/v1/faults", "/api/v1/titles", "/api/v1/nothing", "/api/"] {
            for kind in [None, Some("text/plain"), Some("application/x-www-form-urlencoded"), Some("application/jsonx")]
            {
                let request = post(path, *b"{}");
                let request = if let Some(kind) = kind { request.header("content-type", kind) } else { request };
                request.to(port).expect_error(415, "not-json");
            }
            for kind in ["application/json", "application/json; charset=utf-8", "Application/JSON"] {
                let status = post(path, *b"{}").header("content-type", kind).to(port).status;
                assert_ne!(status, 415, "{path} {kind}");
            }
        }
    }
}

#[test]
fn this_machine_may_write() {
    let demo = Demo::start(&[]);
    for port in [demo.port(0), demo.supervisor()] {
        put("/v/title", *b"content").to(port).expect(201);
        put("/v/title", *b"content").header("authorization", "Bearer of nothing").to(port).expect(401);
        delete("/v/title").to(port).expect(204);
    }
}
