//! Who may do what by which token, logging in, reading the configuration anew, and the audit log (docs/operating.md, doors).

use crate::harness::{
    Cluster, Demo, PATIENCE, Request, Response, delete, get, is_alive, names_in, post, put, rain, run, wait_for,
};
use rustix::process::Signal;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

/// The first of two nodes has tokens in its configuration, each also in a file.
struct Guarded {
    cluster: Cluster,
    /// The configuration without a token.
    plain: String,
    tables: String,
}

/// Names of tokens, with their roles and prefixes.
const TOKENS: [(&str, &str, &str); 4] =
    [("vera", "viewer", "films/"), ("paul", "publisher", "films/"), ("pia", "publisher", ""), ("olga", "operator", "")];

impl Guarded {
    fn start() -> Self {
        let mut cluster = Cluster::lay_out("replica:2", 2);
        let plain = fs::read_to_string(cluster.config(0)).expect("a configuration");
        let mut tables = String::new();
        for (name, role, prefix) in TOKENS {
            let mut command = rain();
            command.args(["token", "new", "--name", name, "--role", role, "--prefix", prefix, "--output"]);
            tables += &run(command.arg(cluster.folder().join(name))).succeeded().text();
        }
        fs::write(cluster.config(0), format!("{plain}\n{tables}")).expect("a configuration");
        cluster.start_all();
        Self { cluster, plain, tables }
    }

    fn port(&self) -> u16 {
        self.cluster.port(0)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.cluster.folder().join(name)
    }

    fn secret(&self, name: &str) -> String {
        fs::read_to_string(self.file(name)).expect("a token").trim().to_owned()
    }

    fn ask_as(&self, name: &str, request: Request) -> Response {
        request.header("authorization", format!("Bearer {}", self.secret(name))).to(self.port())
    }

    fn write_config(&self, tables: &str) {
        fs::write(self.cluster.config(0), format!("{}\n{tables}", self.plain)).expect("a configuration");
    }

    /// The lines of the audit log, once there are `count`, without their times.
    fn audited(&self, count: usize) -> Vec<Value> {
        let path = self.cluster.data(0).join("audit.jsonl");
        wait_for("the lines of the audit log", PATIENCE, || {
            let text = fs::read_to_string(&path).unwrap_or_default();
            let lines: Vec<Value> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
            (lines.len() >= count).then_some(lines)
        })
    }
}

fn reload() -> Request {
    post("/api/v1/reload", *b"{}").header("content-type", "application/json")
}

#[test]
fn each_token_lets_do_what_its_role_and_prefix_say() {
    let node = Guarded::start();
    for (name, inside, outside, operate) in
        [("vera", 403, 403, 403), ("paul", 201, 403, 403), ("pia", 201, 201, 403), ("olga", 201, 201, 200)]
    {
        let (film, other) = (format!("/v/films/{name}"), format!("/v/series/{name}"));
        for (path, status) in [(&film, inside), (&other, outside)] {
            node.ask_as(name, put(path, *b"content")).expect(status);
            // Reading needs no token; one that is for other titles does not do.
            get(path).to(node.port()).expect(if status == 201 { 200 } else { 404 });
            let is_out = path == &other && ["vera", "paul"].contains(&name);
            let found = if is_out {
                403
            } else if status == 201 {
                200
            } else {
                404
            };
            node.ask_as(name, get(path)).expect(found);
            node.ask_as(name, get(path.replace("/v/", "/api/v1/titles/"))).expect(found);
            node.ask_as(name, delete(path)).expect(if status == 201 { 204 } else { 403 });
        }
        node.ask_as(name, reload()).expect(operate);
        let fault = post("/api/v1/faults", *b"{}").header("content-type", "application/json");
        // There is nothing to cut outside a demo.
        node.ask_as(name, fault).expect(if operate == 200 { 404 } else { 403 });
    }
    let refused = node.ask_as("vera", put("/v/films/a", *b"x")).expect_error(403, "forbidden");
    assert_eq!((&refused.json()["found"], &refused.json()["expected"]), (&"viewer".into(), &"publisher".into()));
    let refused = node.ask_as("paul", put("/v/series/a", *b"x")).expect_error(403, "forbidden");
    assert_eq!((&refused.json()["found"], &refused.json()["expected"]), (&"series/a".into(), &"films/".into()));
}

#[test]
fn nobody_writes_without_a_token_once_somebody_has_one() {
    let node = Guarded::start();
    for request in [put("/v/a", *b"x"), delete("/v/a"), reload()] {
        let refused = request.to(node.port()).expect_error(401, "unauthorized");
        assert_eq!(refused.header("www-authenticate"), Some("Bearer"));
        let unknown = format!("Bearer rain_{}", "0".repeat(64));
        request.header("authorization", unknown).to(node.port()).expect_error(401, "unauthorized");
    }
    get("/v/a").header("authorization", "Bearer wrong").to(node.port()).expect_error(401, "unauthorized");
    get("/v/a").to(node.port()).expect(404);
    get("/healthz").to(node.port()).expect(200);
}

#[test]
fn commands_present_the_token_of_a_file() {
    let node = Guarded::start();
    let film = node.cluster.folder().write("film", "content");
    let rain_as = |name: &str| {
        let mut command = rain();
        command.env("RAIN_SERVER", node.cluster.url(0)).env("RAIN_TOKEN_FILE", node.file(name));
        command
    };
    run(rain_as("pia").arg("put").arg(&film).arg("films/a")).succeeded();
    run(rain_as("paul").arg("put").arg(&film).arg("films/b")).succeeded();
    run(rain_as("paul").arg("put").arg(&film).arg("series/a")).failed_naming(&["paul", "films/", "series/a"]);
    run(rain_as("vera").arg("put").arg(&film).arg("films/a")).failed_naming(&["vera", "viewer", "publisher"]);
    let listed = run(rain_as("vera").args(["ls"])).succeeded().text();
    assert!(listed.contains("films/a") && listed.contains("films/b"), "{listed}");
    run(rain_as("vera").args(["ls", "series/"])).failed_naming(&["vera", "films/", "series/"]);
    assert_eq!(run(rain_as("vera").args(["get", "films/a", "-o", "-"])).succeeded().stdout, b"content");
    run(rain_as("vera").args(["get", "series/a", "-o", "-"])).failed_naming(&["films/", "series/a"]);
    run(rain_as("vera").args(["stat", "films/a"])).succeeded();
    run(rain_as("vera").args(["status"])).succeeded();
    run(rain_as("vera").args(["rm", "films/a"])).failed_naming(&["viewer"]);
    run(rain_as("paul").args(["rm", "films/a"])).succeeded();
    run(rain_as("pia").args(["reload"])).failed_naming(&["pia", "operator"]);
    run(rain_as("pia").args(["fault", "node", "A", "cut"])).failed_naming(&["pia", "operator"]);
    // The option comes before the variable.
    run(rain_as("vera").arg("reload").arg("--token-file").arg(node.file("olga"))).succeeded();
    // Without a token, and with files that are none.
    let mut without = rain();
    run(without.env("RAIN_SERVER", node.cluster.url(0)).args(["rm", "films/b"])).failed_naming(&["token", "publisher"]);
    for (mode, text, named) in
        [(0o644, "rain_", "mode 0644"), (0o600, "secret", "another text"), (0o600, "\n", "nothing")]
    {
        let path = node.cluster.folder().write("wrong", text);
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("a mode");
        run(rain_as("wrong").args(["rm", "films/b"])).failed_naming(&["--token-file", named, "expected"]);
    }
    assert_eq!(run(rain_as("vera").args(["get", "films/b", "-o", "-"])).succeeded().stdout, b"content");
}

#[test]
fn a_token_is_made_once_and_told_once() {
    let (cluster, arguments) =
        (Cluster::lay_out("replica:2", 2), ["token", "new", "--name", "alice", "--role", "publisher"]);
    let told = run(rain().args(arguments).args(["--prefix", "films/"])).succeeded().text();
    let secret = told.lines().next().expect("a line");
    assert!(secret.len() == 69 && secret.starts_with("rain_"), "{told}");
    for line in ["[[tokens]]", "name = \"alice\"", "role = \"publisher\"", "prefix = \"films/\""] {
        assert!(told.lines().any(|found| found == line), "{told}");
    }
    assert_eq!(told.matches(secret).count(), 1, "{told}");
    let again = run(rain().args(arguments)).succeeded().text();
    assert_ne!(again.lines().next(), Some(secret));
    // What it prints is what a configuration takes.
    let text = fs::read_to_string(cluster.config(0)).expect("a configuration");
    let lines = told.split_once('#').expect("an explanation").1;
    fs::write(cluster.config(0), format!("{text}\n#{lines}")).expect("a configuration");
    let checked = run(rain().args(["config", "check"]).arg(cluster.config(0))).succeeded().text();
    assert!(checked.contains("1 token"), "{checked}");
    // A file is made for its owner alone, and never replaced.
    let file = cluster.folder().join("alice.token");
    let into = |file| run(rain().args(arguments).arg("-o").arg(file));
    let lines = into(&file).succeeded().text();
    assert!(lines.starts_with("[[tokens]]") && !lines.contains("rain_"), "{lines}");
    assert_eq!(fs::metadata(&file).expect("a file").permissions().mode() & 0o777, 0o600);
    into(&file).failed_naming(&["alice.token"]);
    let wrong =
        |name, role, prefix| run(rain().args(["token", "new", "--name", name, "--role", role, "--prefix", prefix]));
    wrong("a b", "viewer", "").failed_naming(&["tokens.name", "a b"]);
    wrong("stranger", "viewer", "").failed_naming(&["tokens.name", "stranger"]);
    wrong("alice", "operator", "films/").failed_naming(&["tokens.alice.prefix", "films/"]);
    assert_eq!(wrong("alice", "root", "").code, Some(2));
}

#[test]
fn a_login_is_a_cookie_that_other_pages_cannot_use() {
    let node = Guarded::start();
    let port = node.port();
    let log_in = |token: &str| {
        let body = serde_json::json!({ "token": token }).to_string();
        post("/api/v1/login", body).header("content-type", "application/json").to(port)
    };
    let told = get("/api/v1/caller").to(port).expect(200).json();
    assert_eq!((&told["name"], &told["role"], &told["login"]), (&"stranger".into(), &"viewer".into(), &false.into()));
    let known = log_in(&node.secret("paul")).expect(200);
    assert_eq!((&known.json()["name"], &known.json()["prefix"]), (&"paul".into(), &"films/".into()));
    let set = known.header("set-cookie").expect("a cookie").to_owned();
    for part in ["HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(set.contains(part), "{set}");
    }
    let cookie = set.split(';').next().expect("a cookie").to_owned();
    assert!(!set.contains(&node.secret("paul")), "the cookie is the token");
    let origin = format!("http://127.0.0.1:{port}");
    let with = |request: Request| request.header("cookie", &cookie);
    assert_eq!(with(get("/api/v1/caller")).to(port).expect(200).json()["login"], true);
    with(put("/v/films/a", *b"x")).to(port).expect_error(403, "forbidden");
    with(put("/v/films/a", *b"x")).header("origin", "null").to(port).expect_error(403, "forbidden");
    with(put("/v/films/a", *b"x")).header("origin", &origin).to(port).expect(201);
    with(put("/v/series/a", *b"x")).header("origin", &origin).to(port).expect_error(403, "forbidden");
    with(reload()).header("origin", &origin).to(port).expect_error(403, "forbidden");

    // Who has no token any more is logged in no more.
    let without: String =
        node.tables.split_inclusive("[[tokens]]").filter(|table| !table.contains("\"paul\"")).collect();
    node.write_config(without.trim_end_matches("[[tokens]]"));
    assert_eq!(node.ask_as("olga", reload()).expect(200).json()["changed"], serde_json::json!(["tokens"]));
    with(put("/v/films/b", *b"x")).header("origin", &origin).to(port).expect_error(401, "unauthorized");

    let set = log_in(&node.secret("pia")).expect(200).header("set-cookie").expect("a cookie").to_owned();
    let cookie = set.split(';').next().expect("a cookie").to_owned();
    let with = |request: Request| request.header("cookie", &cookie).header("origin", &origin);
    with(put("/v/b", *b"x")).to(port).expect(201);
    let out = with(post("/api/v1/logout", *b"{}")).header("content-type", "application/json").to(port).expect(200);
    assert!(out.header("set-cookie").is_some_and(|set| set.contains("Max-Age=0")));
    with(delete("/v/b")).to(port).expect_error(401, "unauthorized");

    // Guessing is slowed down.
    for _ in 0..10 {
        log_in("rain_guess").expect_error(401, "unauthorized");
    }
    let late = log_in(&node.secret("pia")).expect_error(429, "too-many-logins");
    let wait: u64 = late.header("retry-after").and_then(|wait| wait.parse().ok()).expect("seconds");
    assert!((1..=60).contains(&wait), "{wait}");
}

#[test]
fn a_configuration_is_read_anew_whole_or_not_at_all() {
    let mut node = Guarded::start();
    let port = node.port();
    let rain_reload = |node: &Guarded| {
        run(rain().args(["reload", "--server"]).arg(node.cluster.url(0)).arg("--token-file").arg(node.file("olga")))
    };
    let text = rain_reload(&node).succeeded().text();
    assert!(text.contains("nothing changed"), "{text}");

    // Faulty: the old tokens stay in force, and it is said why.
    node.write_config(&format!("{}\n[[tokens]]\nname = \"x\"\nhash = \"12\"\nrole = \"viewer\"\n", node.tables));
    rain_reload(&node).failed_naming(&["tokens.x.hash", "2 characters", "64 hexadecimal digits", "stays"]);
    node.cluster.signal(0, Signal::HUP);
    let lines = node.audited(3);
    assert_eq!((&lines[2]["who"], &lines[2]["status"]), (&"signal".into(), &422.into()), "{lines:?}");
    assert!(lines[2]["note"].as_str().is_some_and(|note| note.contains("tokens.x.hash")), "{lines:?}");
    assert!(node.cluster.log(0).contains("tokens.x.hash"), "{}", node.cluster.log(0));
    node.ask_as("pia", put("/v/a", *b"x")).expect(201);

    // Good: what can change does, what cannot is named.
    let only_olga: String = node.tables.split("[[tokens]]").filter(|table| table.contains("olga")).collect();
    node.write_config(&format!("[[tokens]]{only_olga}"));
    let path = node.cluster.config(0);
    let config = fs::read_to_string(&path).expect("a configuration");
    fs::write(&path, format!("heartbeat_ms = 900\n{config}")).expect("a configuration");
    node.cluster.signal(0, Signal::HUP);
    let lines = node.audited(5);
    let told = lines[4]["note"].as_str().unwrap_or_default();
    assert!(told.contains("changed tokens") && told.contains("restart") && told.contains("heartbeat_ms"), "{lines:?}");
    node.ask_as("pia", put("/v/a", *b"x")).expect_error(401, "unauthorized");
    node.ask_as("olga", put("/v/a", *b"x")).expect(204);
    let text = rain_reload(&node).succeeded().text();
    assert!(text.contains("nothing changed") && text.contains("`heartbeat_ms`"), "{text}");

    // Nobody has a token any more: this machine may write again.
    put("/v/a", *b"x").to(port).expect(401);
    node.write_config("");
    rain_reload(&node).succeeded();
    put("/v/a", *b"x").to(port).expect(204);
    put("/v/a", *b"x").header("x-forwarded-for", "203.0.113.7").to(port).expect_error(401, "unauthorized");
    assert!(node.cluster.terminate(0).success());
}

#[test]
fn whatever_is_changed_or_refused_is_in_the_audit_log() {
    let mut node = Guarded::start();
    let port = node.port();
    let stored = node.ask_as("pia", put("/v/films/a%20b", *b"x")).expect(201);
    let version = stored.header("rain-version").expect("a version").to_owned();
    node.ask_as("vera", delete("/v/films/a%20b")).expect(403);
    delete("/v/films/a%20b").to(port).expect(401);
    let deleted = node.ask_as("pia", delete("/v/films/a%20b")).expect(204);
    let tombstone = deleted.header("rain-version").expect("a version").to_owned();
    assert_ne!(tombstone, version);
    node.ask_as("pia", get("/v/films/a%20b")).expect(404);
    let body = serde_json::json!({ "token": node.secret("paul") }).to_string();
    post("/api/v1/login", body).header("content-type", "application/json").to(port).expect(200);
    node.ask_as("olga", reload()).expect(200);
    assert!(node.cluster.terminate(0).success());
    let mut lines = node.audited(6);
    for line in &mut lines {
        let line = line.as_object_mut().expect("an object");
        assert!(line.remove("time_ms").is_some_and(|time| time.as_u64() > Some(1_700_000_000_000)));
        assert_eq!(line.remove("address"), Some("127.0.0.1".into()));
    }
    let title = "films/a b";
    let expected = [
        serde_json::json!({ "who": "pia", "method": "PUT", "title": title, "status": 201, "version": version }),
        serde_json::json!({ "who": "vera", "method": "DELETE", "title": title, "status": 403, "note": "forbidden" }),
        serde_json::json!({ "who": "stranger", "method": "DELETE", "title": title, "status": 401, "note": "unauthorized" }),
        serde_json::json!({ "who": "pia", "method": "DELETE", "title": title, "status": 204, "version": tombstone }),
        serde_json::json!({ "who": "stranger", "method": "POST", "path": "/api/v1/login", "status": 200, "note": "as paul" }),
        serde_json::json!({ "who": "olga", "method": "POST", "path": "/api/v1/reload", "status": 200, "note": "nothing changed" }),
    ];
    assert_eq!(lines, expected);
    let text = fs::read_to_string(node.cluster.data(0).join("audit.jsonl")).expect("the audit log");
    for (name, ..) in TOKENS {
        assert!(!text.contains(&node.secret(name)), "the secret of {name} is in the audit log");
    }
}

#[test]
fn a_demo_and_its_nodes_outlive_a_hangup_and_note_faults() {
    let demo = Demo::start(&[]);
    demo.process.signal(Signal::HUP);
    for node in &demo.nodes {
        crate::harness::kill(*node, Signal::HUP);
    }
    let fault = |action: &str| format!("{{\"kind\":\"switch\",\"name\":\"s1\",\"action\":\"{action}\"}}");
    for action in ["cut", "heal"] {
        post("/api/v1/faults", fault(action)).header("content-type", "application/json").to(demo.port(0)).expect(200);
    }
    let stranger = post("/api/v1/faults", fault("cut")).header("content-type", "application/json");
    for port in [demo.port(0), demo.supervisor()] {
        stranger.clone().header("x-forwarded-for", "203.0.113.7").to(port).expect_error(401, "unauthorized");
        put("/v/a", *b"x").header("forwarded", "for=203.0.113.7").to(port).expect_error(401, "unauthorized");
        assert_eq!(get("/api/v1/caller").to(port).expect(200).json()["name"], "loopback");
    }
    assert!(demo.nodes.iter().all(|node| is_alive(*node)) && is_alive(demo.process.pid()));
    let root =
        names_in(demo.temporary.path()).into_iter().find(|name| name.starts_with("rain-demo")).expect("its folder");
    let log = demo.temporary.join(&root).join("A/audit.jsonl");
    let noted = wait_for("the faults in the audit log", PATIENCE, || {
        let text = fs::read_to_string(&log).unwrap_or_default();
        let lines: Vec<Value> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let notes: Vec<Value> = lines.iter().filter(|line| line["path"] == "/api/v1/faults").cloned().collect();
        (notes.len() >= 3).then_some(notes)
    });
    let found: Vec<_> = noted.iter().map(|line| (line["who"].as_str(), line["note"].as_str())).collect();
    let expected = [("loopback", "cut s1"), ("loopback", "heal s1"), ("stranger", "unauthorized")];
    assert_eq!(found, expected.map(|(who, note)| (Some(who), Some(note))));
}
