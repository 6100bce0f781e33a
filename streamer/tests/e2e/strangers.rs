//! Strangers who take connections, memory and patience: whoever is inside is served on, and a node stays as big as it was.

use crate::harness::{
    Cluster, Connection, PATIENCE, Request, assert_same, delete, get, head, put, random_bytes, wait_until,
};
use rustix::process::Signal;
use std::fs;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const MIB: u64 = 1 << 20;
/// What an attack may cost a node beyond its caches.
const COST_MAX: u64 = 256 * MIB;
/// What an honest viewer may wait for the next bytes meanwhile.
const GAP_MAX: Duration = Duration::from_secs(1);

/// The memory of a node's process in bytes.
fn memory(cluster: &Cluster, node: usize) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", cluster.pid(node))).expect("a process that runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kib << 10
}

/// A metric of a node, of all its labels together; 0 where it has not been counted yet.
fn metric(cluster: &Cluster, node: usize, name: &str) -> f64 {
    let text = String::from_utf8(get("/metrics").to(cluster.port(node)).expect(200).body).expect("text");
    let of_it = |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']));
    text.lines().filter(of_it).filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

/// Reads a title again and again until told to end, and gives the longest wait for bytes and how often it was read.
fn watch(port: u16, title: &'static str, content: &[u8], end: &AtomicBool) -> (Duration, usize) {
    let (mut longest, mut times) = (Duration::ZERO, 0);
    let mut connection = Connection::open(port);
    let mut buffer = vec![0; 64 << 10];
    while !end.load(Ordering::Relaxed) {
        let mut since = Instant::now();
        connection.send_head(&get(format!("/v/{title}"))).expect("a connection that takes a request");
        assert_eq!(connection.receive_head().expect("an answer").status(), 200);
        for expected in content.chunks(buffer.len()) {
            let found = &mut buffer[..expected.len()];
            connection.read_exact(found).expect("the title goes on");
            longest = longest.max(since.elapsed());
            assert_same(found, expected, title);
            // About 60 Mbit/s.
            thread::sleep(Duration::from_millis(8));
            since = Instant::now();
        }
        times += 1;
    }
    (longest, times)
}

/// Ends a viewer when it is dropped.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What a viewer notices while `attack` goes on.
fn watched(cluster: &Cluster, title: &'static str, content: &[u8], attack: impl FnOnce()) -> Duration {
    let (end, port) = (AtomicBool::new(false), cluster.port(0));
    thread::scope(|scope| {
        let watching = scope.spawn(|| watch(port, title, content, &end));
        {
            // However the attack ends.
            let _over = Over(&end);
            attack();
        }
        let (gap, times) = watching.join().expect("a viewer that is served on");
        assert!(times > 0);
        gap
    })
}

fn store(cluster: &Cluster, title: &str, bytes: usize) -> Vec<u8> {
    let content = random_bytes(bytes, 7);
    put(format!("/v/{title}"), content.clone()).to(cluster.port(0)).expect(201);
    content
}

#[test]
fn idle_connections_deafen_nobody() {
    let cluster = Cluster::of_four_with("limits = { connections = 64, idle_seconds = 600 }");
    let content = store(&cluster, "film", 2 << 20);
    let mut idle = Vec::new();
    let gap = watched(&cluster, "film", &content, || {
        for number in 0..400_u32 {
            let host = 2 + u8::try_from(number % 5).expect("few");
            let mut connection = Connection::open_from(host, cluster.port(0)).expect("the system takes it");
            if number % 2 == 0 {
                // As one that is about to ask.
                let _ = connection.send(b"GET / HTTP/1.1\r\n");
            }
            idle.push(connection);
            if number % 40 == 39 {
                get("/healthz").to(cluster.port(0)).expect(200);
                head("/v/film").to(cluster.port(0)).expect(200);
            }
        }
    });
    assert!(gap < GAP_MAX, "{gap:?}");
    let dismissed = metric(&cluster, 0, "rain_dismissed_total");
    assert!(dismissed >= 300.0, "{dismissed} of 400 were told to go");
    assert!(metric(&cluster, 0, "rain_inside") <= 74.0);
}

#[test]
fn who_is_served_stays_and_who_comes_is_told_that_it_is_busy() {
    let limits = "connections = 8, connections_per_address = 6";
    let cluster = Cluster::of_four_with(&format!("limits = {{ {limits} }}"));
    let content = store(&cluster, "film", 32 << 20);
    // Each is in the middle of its film.
    let open = |host| {
        let mut connection = Connection::open_from(host, cluster.port(0)).expect("the system takes it");
        connection.send_head(&get("/v/film")).expect("it takes a request");
        connection
    };
    let begin = |host| {
        let mut connection = open(host);
        assert_eq!(connection.receive_head().expect("an answer").status(), 200);
        connection
    };
    let mut inside: Vec<_> = (0..6).map(|_| begin(2)).collect();
    let refused = |host| {
        let answer = open(host).receive("GET").expect("an answer");
        assert_eq!(answer.header("retry-after"), Some("1"));
        answer.expect_error(503, "busy");
    };
    refused(2);
    inside.extend([begin(3), begin(3)]);
    refused(4);
    // An operator grants more, while they are served.
    let config = fs::read_to_string(cluster.config(0)).expect("a configuration");
    assert!(config.contains(limits), "{config}");
    let more = config.replace(limits, "connections = 10, connections_per_address = 7");
    fs::write(cluster.config(0), more).expect("a configuration");
    // No request gets in; a signal does.
    cluster.signal(0, Signal::HUP);
    wait_until("room for one more", PATIENCE, || {
        let mut connection = open(2);
        let is_in = connection.receive_head().is_ok_and(|head| head.status() == 200);
        inside.extend(is_in.then_some(connection));
        is_in
    });
    refused(2);
    for mut connection in inside {
        let mut found = vec![0; content.len()];
        connection.read_exact(&mut found).expect("it is served on");
        assert_same(&found, &content, "film");
    }
    get("/healthz").to(cluster.port(0)).expect(200);
    assert!(metric(&cluster, 0, "rain_refused_total") >= 2.0);
}

#[test]
fn heads_are_short_and_come_soon() {
    let cluster = Cluster::of_four_with("limits = { idle_seconds = 2 }");
    let before = memory(&cluster, 0);
    let long = format!("GET / HTTP/1.1\r\nhost: 127.0.0.1:{}\r\nx: {}", cluster.port(0), "y".repeat(1 << 20));
    let mut connections = Vec::new();
    for number in 0..300_u32 {
        let host = 2 + u8::try_from(number % 5).expect("few");
        let mut connection = Connection::open_from(host, cluster.port(0)).expect("the system takes it");
        // Some send all, some stop before it is too much.
        let bytes = if number % 2 == 0 { long.len() } else { 60 << 10 };
        let _ = connection.send(&long.as_bytes()[..bytes]);
        connections.push(connection);
    }
    let cost = memory(&cluster, 0).saturating_sub(before);
    assert!(cost < COST_MAX / 2, "{cost} bytes");
    for (number, mut connection) in connections.into_iter().enumerate() {
        let answer = connection.receive_head();
        if number % 2 == 0 {
            let answer = answer.unwrap_or_else(|error| panic!("the answer to head {number}: {error}"));
            assert_eq!(answer.status(), 431);
        } else {
            // It has not come whole in time: closed without a word.
            assert!(answer.is_err());
        }
    }
}

#[test]
fn viewers_that_stand_still_cost_next_to_nothing() {
    let cluster = Cluster::of_four();
    let content = store(&cluster, "film", 16 << 20);
    // What a node has in memory once it has served.
    for _ in 0..4 {
        assert_same(&get("/v/film").to(cluster.port(0)).expect(200).body, &content, "film");
    }
    let before = memory(&cluster, 0);
    let mut standing = Vec::new();
    let mut most = 0;
    let gap = watched(&cluster, "film", &content, || {
        for number in 0..150_u32 {
            let host = 2 + u8::try_from(number % 5).expect("few");
            let mut connection = Connection::open_from(host, cluster.port(0)).expect("the system takes it");
            connection.send_head(&get("/v/film")).expect("it takes a request");
            assert_eq!(connection.receive_head().expect("an answer").status(), 200);
            standing.push(connection);
            most = most.max(memory(&cluster, 0).saturating_sub(before));
        }
        let until = Instant::now() + Duration::from_secs(5);
        while Instant::now() < until {
            most = most.max(memory(&cluster, 0).saturating_sub(before));
            thread::sleep(Duration::from_millis(100));
        }
    });
    eprintln!("150 viewers that stand still: {} MiB, an honest one waits {gap:?}", most / MIB);
    assert!(most < COST_MAX, "{most} bytes");
    assert!(gap < GAP_MAX, "{gap:?}");
    // They go on where they stood.
    for mut connection in standing.into_iter().step_by(10) {
        let mut found = vec![0; content.len()];
        connection.read_exact(&mut found).expect("it is served on");
        assert_same(&found, &content, "film");
    }
}

#[test]
fn a_viewer_that_takes_nothing_is_cut_off_at_last() {
    let cluster = Cluster::of_four_with("limits = { stalled_read_seconds = 2 }");
    store(&cluster, "film", 64 << 20);
    let mut connection = Connection::open(cluster.port(0));
    connection.send_head(&get("/v/film")).expect("it takes a request");
    wait_until("the end of a viewer that stands still", PATIENCE, || metric(&cluster, 0, "rain_stalled_total") > 0.0);
    let (mut found, mut buffer) = (0, vec![0; 1 << 20]);
    while let Ok(bytes @ 1..) = connection.read(&mut buffer) {
        found += bytes;
    }
    assert!(found < 64 << 20, "all of it came");
}

#[test]
fn uploads_that_stand_still_cost_little_and_leave_nothing_behind() {
    let cluster = Cluster::of_four_with("limits = { stalled_upload_seconds = 8 }");
    let content = random_bytes(8 << 20, 1);
    put("/v/first", content.clone()).to(cluster.port(0)).expect(201);
    let before: Vec<u64> = (0..4).map(|node| memory(&cluster, node)).collect();
    let (mut standing, mut busy, mut most) = (Vec::new(), 0, 0);
    for number in 0..200_u32 {
        let host = 2 + u8::try_from(number % 5).expect("few");
        let mut connection = Connection::open_from(host, cluster.port(0)).expect("the system takes it");
        let request = put(format!("/v/standing/{number}"), []).header("content-length", "50000000");
        connection.send_head(&request).expect("it takes a request");
        let part = &content[..(2 << 20) + 700_000];
        if connection.send(part).is_err() {
            busy += 1;
            continue;
        }
        standing.push(connection);
        most = most.max(memory(&cluster, 0).saturating_sub(before[0]));
    }
    let until = Instant::now() + Duration::from_secs(3);
    while Instant::now() < until {
        most = most.max(memory(&cluster, 0).saturating_sub(before[0]));
        thread::sleep(Duration::from_millis(100));
    }
    eprintln!("200 uploads that stand still, {busy} of them refused while they sent: {} MiB", most / MIB);
    assert!(most < COST_MAX, "{most} bytes");
    for (node, before) in before.iter().enumerate().skip(1) {
        let cost = memory(&cluster, node).saturating_sub(*before);
        assert!(cost < COST_MAX, "node {node}: {cost} bytes");
    }
    let answers: Vec<u16> = standing
        .into_iter()
        .map(|mut connection| {
            let answer = connection.receive("PUT").expect("an answer");
            if answer.status == 503 {
                assert_eq!(answer.header("retry-after"), Some("1"));
                answer.expect_error(503, "busy").status
            } else {
                answer.expect_error(400, "broken-body").status
            }
        })
        .collect();
    assert!(answers.contains(&503) && answers.contains(&400), "{answers:?}");
    wait_until("the end of what was unfinished", PATIENCE, || {
        (0..200).all(|number| cluster.all_files_of(&format!("standing/{number}")).is_empty())
    });
    put("/v/last", content.clone()).to(cluster.port(0)).expect(201);
    assert_same(&get("/v/last").to(cluster.port(1)).expect(200).body, &content, "last");
}

#[test]
fn an_upload_that_drips_is_dropped_and_a_slow_one_is_not() {
    const STEP: usize = 16 << 10;
    let cluster = Cluster::of_four_with("limits = { stalled_upload_seconds = 3 }");
    let content = random_bytes(6 * STEP, 1);
    let begin = |title: &str| {
        let mut connection = Connection::open(cluster.port(0));
        let length = content.len().to_string();
        let request = put(format!("/v/{title}"), []).header("content-length", &length);
        connection.send_head(&request).expect("it takes a request");
        connection
    };
    let (mut dripping, mut slow) = (begin("dripping"), begin("slow"));
    thread::scope(|scope| {
        scope.spawn(|| {
            for part in content.chunks(STEP) {
                slow.send(part).expect("it is waited for");
                thread::sleep(Duration::from_secs(1));
            }
            slow.receive("PUT").expect("an answer").expect(201);
        });
        wait_until("the end of one that drips", PATIENCE, || {
            let _ = dripping.send(&[7]);
            metric(&cluster, 0, "rain_stalled_total") > 0.0
        });
        dripping.receive("PUT").expect("an answer").expect_error(400, "broken-body");
    });
    assert_same(&get("/v/slow").to(cluster.port(1)).expect(200).body, &content, "slow");
    get("/v/dripping").to(cluster.port(1)).expect(404);
}

#[test]
fn uploads_at_once_share_what_memory_there_is() {
    let cluster = Cluster::of_four_with("limits = { upload_mib = 16 }");
    let before = memory(&cluster, 0);
    let contents: Vec<_> = (0..12).map(|number| random_bytes(12 << 20, number)).collect();
    thread::scope(|scope| {
        for (number, content) in contents.iter().enumerate() {
            let port = cluster.port(0);
            scope.spawn(move || put(format!("/v/{number}"), content.clone()).to(port).expect(201));
        }
    });
    let cost = memory(&cluster, 0).saturating_sub(before);
    assert!(cost < COST_MAX / 2, "{cost} bytes");
    for (number, content) in contents.iter().enumerate() {
        assert_same(&get(format!("/v/{number}")).to(cluster.port(1)).expect(200).body, content, "a title");
    }
}

#[test]
fn a_client_verifies_one_title_at_a_time() {
    let cluster = Cluster::of_four();
    store(&cluster, "film", 64 << 20);
    let verify = get("/api/v1/titles/film?verify=1");
    let asked = (0..20).map(|_| {
        let mut connection = Connection::open(cluster.port(0));
        connection.send_head(&verify).expect("it takes a request");
        connection
    });
    let mut asked: Vec<_> = asked.collect();
    let mut other = Connection::open_from(2, cluster.port(0)).expect("the system takes it");
    other.send_head(&verify).expect("it takes a request");
    let answers: Vec<_> = asked.iter_mut().map(|connection| connection.receive("GET").expect("an answer")).collect();
    let refused: Vec<_> = answers.iter().filter(|answer| answer.status != 200).collect();
    assert!((1..20).contains(&refused.len()), "{} of 20 were refused", refused.len());
    for answer in refused {
        assert_eq!(answer.header("retry-after"), Some("1"));
        answer.clone().expect_error(503, "busy");
    }
    other.receive("GET").expect("an answer").expect(200);
    verify.to(cluster.port(0)).expect(200);
}

/// As many a client is written: the answer is looked for once everything was sent.
fn send_all_then_read(connection: &mut Connection, request: &Request, body: &[u8]) -> io::Result<u16> {
    connection.send_head(request)?;
    for part in body.chunks(64 << 10) {
        connection.send(part)?;
        thread::sleep(Duration::from_millis(1));
    }
    Ok(connection.receive("PUT")?.status)
}

#[test]
fn who_is_refused_early_hears_why() {
    let cluster = Cluster::of_four();
    put("/v/there", *b"content").to(cluster.port(0)).expect(201);
    let body = random_bytes(12 << 20, 3);
    let length = body.len().to_string();
    let there = || put("/v/there", []).header("content-length", &length);
    let mut connection = Connection::open(cluster.port(0));
    // One after the other over the same connection: what is left of a body is no request.
    for (request, expected) in [
        (there().header("if-none-match", "*"), 412),
        (put("/v/../x", []).header("content-length", &length), 400),
        (there().header("content-range", "bytes 0-1/2"), 400),
        (put("/nothing", []).header("content-length", &length), 404),
        (there().header("host", "evil.example"), 403),
        (there(), 204),
    ] {
        let found = send_all_then_read(&mut connection, &request, &body);
        assert_eq!(found.expect("an answer"), expected);
    }
    delete("/v/there").to(cluster.port(0)).expect(204);
}
