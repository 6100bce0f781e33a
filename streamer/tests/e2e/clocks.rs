//! Clocks of machines that are set by a year while nodes run on them: one, or all. Nobody is locked out, nothing is lost, and
//! a clock that is off is told of.

use crate::harness::{Cluster, PATIENCE, assert_same, delete, get, put, rain, random_bytes, run, wait_until};
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

const YEAR: i64 = 365 * 86_400;
/// Nobody is locked out for more than 5 s; the rest is for a busy machine.
const LOCKED_OUT: Duration = Duration::from_secs(8);
/// Dates have seconds, and machines are busy.
const ABOUT: Duration = Duration::from_secs(30);

/// A cluster, what must be in it, and when its film was modified last.
struct Watched {
    cluster: Cluster,
    stored: BTreeMap<String, Vec<u8>>,
    modified: SystemTime,
}

impl Watched {
    fn start() -> Self {
        let cluster = Cluster::of_four_with_clocks();
        Self { cluster, stored: BTreeMap::new(), modified: SystemTime::UNIX_EPOCH }
    }

    /// Every node takes a title, and a film in the place of the one before; deletes one; and gives all.
    fn use_all(&mut self, turn: usize) {
        for node in 0..4 {
            let port = self.cluster.port(node);
            get("/readyz").to(port).expect(200);
            let content = random_bytes(200_000, (turn << 8 | node) as u64);
            for title in [format!("{turn}-{node}"), "film".to_owned()] {
                let status = put(format!("/v/{title}"), content.clone()).to(port).status;
                assert!([201, 204].contains(&status), "{title}: {status}");
                self.stored.insert(title, content.clone());
            }
            let gone = format!("gone-{turn}-{node}");
            put(format!("/v/{gone}"), *b"gone").to(port).expect(201);
            delete(format!("/v/{gone}")).to(self.cluster.port((node + 1) % 4)).expect(204);
            get(format!("/v/{gone}")).to(self.cluster.port((node + 2) % 4)).expect(404);
            self.film_is_not_older();
        }
        self.all_is_there();
    }

    fn all_is_there(&self) {
        for node in 0..4 {
            for (title, content) in &self.stored {
                let found = get(format!("/v/{title}")).to(self.cluster.port(node)).expect(200);
                assert_same(&found.body, content, title);
            }
        }
    }

    /// `Last-Modified` does not run backwards, and all nodes say the same.
    fn film_is_not_older(&mut self) {
        let modified = (0..4).map(|node| {
            let film = get("/v/film").to(self.cluster.port(node)).expect(200);
            httpdate::parse_http_date(film.header("last-modified").expect("a date")).expect("a date")
        });
        let modified: Vec<_> = modified.collect();
        assert!(modified.iter().all(|other| *other == modified[0]), "{modified:?}");
        assert!(modified[0] >= self.modified, "{:?} after {:?}", modified[0], self.modified);
        self.modified = modified[0];
    }

    fn restart(&mut self, node: usize) {
        self.cluster.kill(node);
        self.cluster.launch(node);
        let port = self.cluster.port(node);
        wait_until("a node that started", LOCKED_OUT, || {
            get("/readyz").try_to(port).is_ok_and(|answer| answer.status == 200)
        });
    }

    /// What a node says of its clock and of those of its peers: how many seconds its own is ahead of most, and by how many a
    /// peer's is ahead of it that is far off.
    fn seen_by(&self, node: usize) -> (Option<i64>, BTreeMap<String, i64>) {
        let cluster = get("/api/v1/cluster").to(self.cluster.port(node)).expect(200).json();
        let clocks = &cluster["clocks"];
        let seconds = |ms: &serde_json::Value| ms.as_i64().map(|ms| (ms + 500 * ms.signum()) / 1000);
        let peers = clocks["peers"].as_array().expect("peers");
        assert_eq!(peers.len(), 3, "{clocks}");
        let far = peers.iter().filter(|peer| peer["is_far"] == true);
        let far = far.map(|peer| (peer["node"].as_str().expect("a name").to_owned(), seconds(&peer["ahead_ms"])));
        (seconds(&clocks["own_ahead_ms"]), far.map(|(name, ahead)| (name, ahead.expect("a number"))).collect())
    }

    fn wait_for_clocks(&self, what: &str, node: usize, own: Option<i64>, far: &[(&str, i64)]) {
        let far: BTreeMap<String, i64> = far.iter().map(|(name, ahead)| ((*name).to_owned(), *ahead)).collect();
        wait_until(what, PATIENCE, || self.seen_by(node) == (own, far.clone()));
    }

    fn metrics(&self, node: usize) -> String {
        String::from_utf8(get("/metrics").to(self.cluster.port(node)).expect(200).body).expect("text")
    }

    fn said(&self, node: usize, what: &str) -> usize {
        self.cluster.log(node).matches(what).count()
    }

    /// Answers carry the machine's date, also one that it was set back to.
    fn date_is(&self, node: usize, ahead_seconds: i64) {
        // More requests than a node has threads.
        for _ in 0..32 {
            let answer = get("/healthz").to(self.cluster.port(node)).expect(200);
            let date = httpdate::parse_http_date(answer.header("date").expect("a date")).expect("a date");
            let ahead = Duration::from_secs(ahead_seconds.unsigned_abs());
            let expected = if ahead_seconds < 0 { SystemTime::now() - ahead } else { SystemTime::now() + ahead };
            let off = date.duration_since(expected).unwrap_or_else(|error| error.duration());
            assert!(off < ABOUT, "{date:?}, expected {expected:?}");
        }
    }
}

#[test]
fn a_clock_that_is_off_by_a_year_locks_nobody_out_and_is_told_of() {
    let mut watched = Watched::start();
    watched.use_all(0);
    for node in 0..4 {
        watched.wait_for_clocks("clocks that agree", node, None, &[]);
    }
    for (turn, ahead) in [(1, YEAR), (2, -YEAR)] {
        watched.cluster.set_clock(1, ahead);
        watched.use_all(turn);
        watched.date_is(1, ahead);
        watched.wait_for_clocks("the clock of B to be told of", 0, None, &[("B", ahead)]);
        watched.wait_for_clocks(
            "B to tell of its own clock",
            1,
            Some(ahead),
            &["A", "C", "D"].map(|name| (name, -ahead)),
        );
        let metrics = watched.metrics(0);
        let value = metrics.lines().find_map(|line| line.strip_prefix("rain_peer_clock_ahead_seconds{peer=\"B\"} "));
        let told: f64 = value.and_then(|value| value.parse().ok()).expect("a metric");
        assert!((told.abs() - 31_536_000.0).abs() < 1.0 && (told < 0.0) == (ahead < 0), "{told}");
        assert!(metrics.contains("\nrain_clock_far 0\n") && watched.metrics(1).contains("\nrain_clock_far 1\n"));
        let status = |node| run(rain().args(["status", "--server", &watched.cluster.url(node)])).succeeded().text();
        let (of_a, of_b) = (status(0), status(1));
        assert!(of_a.contains("\nthe clock of B is 3153") && of_a.contains("that of A\n"), "{of_a}");
        assert!(
            of_b.contains("\nthe clock of B is 3153") && of_b.contains("those of most nodes: set it right\n"),
            "{of_b}"
        );
        assert_eq!(watched.said(0, "a peer's clock is far off this node's"), turn, "once");
        // Before it is started again, and once after.
        assert_eq!(watched.said(1, "this node's clock is far off those of most nodes"), 2 * turn - 1, "once");

        watched.restart(1);
        wait_until("B to tell of its own clock again", PATIENCE, || {
            watched.said(1, "this node's clock is far off those of most nodes") == 2 * turn
        });
        watched.use_all(10 + turn);
        watched.cluster.set_clock(1, 0);
        watched.use_all(20 + turn);
        watched.date_is(1, 0);
        for node in 0..4 {
            watched.wait_for_clocks("clocks that agree again", node, None, &[]);
        }
        assert_eq!(watched.said(0, "a peer's clock agrees with this node's again"), turn, "once");
    }
}

#[test]
fn clocks_that_are_all_off_by_a_year_are_as_good_as_others() {
    let mut watched = Watched::start();
    watched.use_all(0);
    for (turn, ahead) in [(1, YEAR), (2, 0), (3, -YEAR), (4, 0)] {
        for node in 0..4 {
            watched.cluster.set_clock(node, ahead);
        }
        watched.use_all(turn);
        for node in 0..4 {
            watched.date_is(node, ahead);
            watched.restart(node);
            watched.all_is_there();
        }
        watched.use_all(10 + turn);
        for node in 0..4 {
            watched.wait_for_clocks("clocks that agree", node, None, &[]);
        }
    }
}
