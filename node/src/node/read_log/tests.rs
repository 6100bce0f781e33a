//! Seconds, metrics and rebuilds, of what was noted.

use super::*;
use metrics_exporter_prometheus::PrometheusBuilder;
use rain_config::Config;

const CONFIG: &str = r#"
    node = "B"
    id = "00000001"
    data = ["/x"]
    listen = "127.0.0.1:8080"
    interfaces = [
        { switch = "s1", address = "127.0.0.1:9001" },
        { switch = "s2", address = "127.0.1.1:9001" },
    ]
    peers = [
        { name = "A", id = "00000000", http = "http://a", addresses = { s1 = "127.0.0.2:9001", s2 = "127.0.1.2:9001" } },
        { name = "C", id = "00000002", http = "http://c", addresses = { s1 = "127.0.0.3:9001", s2 = "127.0.1.3:9001" } },
        { name = "D", id = "00000003", http = "http://d", addresses = { s1 = "127.0.0.4:9001", s2 = "127.0.1.4:9001" } },
    ]
"#;

fn log(joined: bool) -> Arc<ReadLog> {
    let folder = std::env::temp_dir();
    let path = folder.join(format!("rain-read-log-{}-{:x}.toml", std::process::id(), crate::node::random_u64()));
    std::fs::write(&path, format!("joined = {joined}\n{CONFIG}")).unwrap();
    let config = Config::read(&path);
    std::fs::remove_file(&path).unwrap();
    let (config, log) = (config.unwrap(), ReadLog::new("B"));
    for member in &config.members {
        for path in config.paths_to(member) {
            log.add_path(member.id, &member.name, path.switch.as_deref());
        }
    }
    Arc::new(log)
}

fn source(node: &str, switch: Option<&str>, bytes: u64) -> ReadSource {
    ReadSource { node: node.to_owned(), switch: switch.map(str::to_owned), bytes }
}

#[test]
fn a_second_is_what_came_since_the_one_before() {
    let log = log(false);
    assert_eq!(log.close_second(SECOND), None, "nothing was read");
    let stream = log.open_stream();
    for _ in 0..2 {
        log.note_served(100);
        log.note_arrival(NodeId(1), None, 50);
        log.note_arrival(NodeId(0), Some(0), 20);
        log.note_arrival(NodeId(0), Some(1), 10);
        log.note_arrival(NodeId(3), Some(1), 30);
        log.note_extra(7);
        log.note_hedge_sent();
        log.note_hedge_sent();
        log.note_hedge_won();
        log.note_decoded(1, 3);
        log.note_decoded(2, 4);
        log.note_path_switch();
        log.note_stall(Duration::from_millis(60));
        log.note_stall(Duration::from_millis(20));
        let expected = ReadSecond {
            node: "B".to_owned(),
            seconds: 1.0,
            streams: 1,
            served_bytes: 100,
            peer_bytes: 60,
            extra_bytes: 7,
            decoded_stripes: 7,
            hedges_sent: 2,
            hedges_won: 1,
            path_switches: 1,
            stall_seconds: 0.06,
            sources: vec![
                source("B", None, 50),
                source("A", Some("s1"), 20),
                source("A", Some("s2"), 10),
                source("D", Some("s2"), 30),
            ],
        };
        assert_eq!(log.close_second(SECOND), Some(expected));
    }
    let quiet = log.close_second(SECOND).expect("a quiet second, once");
    assert_eq!((quiet.streams, quiet.served_bytes, quiet.sources.len()), (1, 0, 0));
    assert_eq!(log.close_second(SECOND), None);
    drop(stream);
    assert_eq!(log.close_second(SECOND).map(|second| second.streams), Some(0), "the stream's end is told");
    assert_eq!(log.close_second(SECOND), None);
}

#[test]
fn paths_across_switches_are_one_source() {
    let log = log(true);
    for path in 0..4 {
        log.note_arrival(NodeId(2), Some(path), 1 << path);
    }
    let second = log.close_second(SECOND).unwrap();
    let across = [source("C", Some("s1"), 1), source("C", Some("s2"), 2), source("C", None, 12)];
    assert_eq!((second.peer_bytes, second.sources.as_slice()), (15, across.as_slice()));
}

#[test]
fn metrics_are_the_counts() {
    let log = log(false);
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    let _stream = log.open_stream();
    log.note_served(200);
    log.note_arrival(NodeId(1), None, 100);
    log.note_arrival(NodeId(2), Some(1), 50);
    log.note_decoded(2, 9);
    log.note_stall(Duration::from_millis(1500));
    log.note_stall(Duration::from_millis(40));
    log.note_rebuild("film", 3, 10, 40);
    log.note_rebuild("film", 3, 25, 40);
    metrics::with_local_recorder(&recorder, || log.publish());
    metrics::with_local_recorder(&recorder, || log.publish());
    let text = handle.render();
    for line in [
        "rain_served_bytes_total 200",
        "rain_peer_bytes_total{peer=\"C\",switch=\"s2\"} 50",
        "rain_peer_bytes_total{peer=\"A\",switch=\"s1\"} 0",
        "rain_extra_peer_bytes_total 0",
        "rain_hedges_sent_total 0",
        "rain_hedges_won_total 0",
        "rain_decoded_stripes_total{missing=\"1\"} 0",
        "rain_decoded_stripes_total{missing=\"2\"} 9",
        "rain_path_switches_total 0",
        "rain_stall_seconds 1.5",
        "rain_stalls_total 1",
        "rain_streams 1",
        "rain_rebuild_bytes_total 25",
        "rain_peer_bytes_per_served_byte 0.25",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
    }
    assert!(!text.contains("peer=\"B\""), "the own column is no peer's");
}

#[test]
fn rebuilds_are_told_until_they_end() {
    let log = log(false);
    let mut changed = log.watch_rebuilds();
    log.note_rebuild("film", 3, 10, 40);
    assert!(changed.has_changed().unwrap());
    changed.mark_unchanged();
    let expected = Rebuild { title: "film".to_owned(), column: 3, done_bytes: 10, bytes: 40 };
    assert_eq!(log.rebuilds(), [expected]);
    log.end_rebuild("film", 3);
    assert!(changed.has_changed().unwrap());
    assert_eq!(log.rebuilds(), []);
}
