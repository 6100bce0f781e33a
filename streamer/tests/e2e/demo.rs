//! `rain demo` (DESIGN 7).

use crate::harness::{
    Demo, Folder, PATIENCE, Ports, assert_same, etag_of, get, is_alive, kill, put, rain, random_bytes, run, sample,
    stop, wait_until,
};
use rustix::process::Signal;
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Command, Stdio};
use std::time::Duration;

const SAMPLE: &str = "/v/sample.mp4";
/// "Within seconds": a drain of streams is 10 s at most, and there are none.
const SECONDS: Duration = Duration::from_secs(15);

#[test]
fn a_demo_prints_its_url_as_one_line_and_every_listener_serves_the_sample() {
    let mut demo = Demo::start(&[]);
    assert_eq!(demo.url.trim_end_matches('/'), format!("http://127.0.0.1:{}", demo.supervisor()));
    let sample = sample();
    for node in 0..=Demo::NODES {
        let response = get(SAMPLE).to(demo.port(node)).expect(200);
        assert_same(&response.body, &sample, &format!("the sample from listener {node}"));
        assert_eq!(response.header("etag"), Some(etag_of(&sample).as_str()));
        assert_eq!(response.header("content-type"), Some("video/mp4"));
    }
    let part = get(SAMPLE).header("range", "bytes=1000000-1000099").to(demo.supervisor()).expect(206);
    assert_same(&part.body, &sample[1_000_000..1_000_100], "a range from the supervisor");
    get("/readyz").to(demo.supervisor()).expect(200);
    assert_eq!(get("/").to(demo.supervisor()).expect(200).header("content-type"), Some("text/html"));
    demo.process.signal(Signal::TERM);
    demo.process.wait(SECONDS);
    assert_eq!(demo.lines.iter().collect::<Vec<_>>(), Vec::<String>::new(), "nothing but the URL is printed");
}

#[test]
fn the_sample_is_read_from_every_survivor_of_every_pair_killed() {
    let data = Folder::new();
    let sample = sample();
    for (first, second) in [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)] {
        let demo = Demo::start(&["--data", data.join("demo").to_str().expect("UTF-8")]);
        for node in [first, second] {
            kill(demo.nodes[node], Signal::KILL);
        }
        let survivors = (0..=Demo::NODES).filter(|node| ![first, second].contains(node));
        for survivor in survivors {
            let response = get(SAMPLE).to(demo.port(survivor)).expect(200);
            assert_same(&response.body, &sample, &format!("{first} and {second} dead, from {survivor}"));
        }
    }
}

#[test]
fn ffmpeg_plays_the_sample_without_a_word() {
    let ffmpeg = Command::new("ffmpeg").arg("-version").stdin(Stdio::null()).output();
    if let Err(error) = ffmpeg {
        assert!(std::env::var_os("CI").is_none(), "ffmpeg must be there in CI: {error}");
        eprintln!("skipped, there is no ffmpeg: {error}");
        return;
    }
    let demo = Demo::start(&[]);
    for port in [demo.port(0), demo.supervisor()] {
        let url = format!("http://127.0.0.1:{port}{SAMPLE}");
        let played = run(Command::new("ffmpeg").args(["-v", "error", "-i", &url, "-f", "null", "-"])).succeeded();
        assert_eq!((played.text().as_str(), played.stderr.as_str()), ("", ""));
    }
}

#[test]
fn sigterm_ends_every_process_a_hung_one_too_and_removes_the_folder() {
    let mut demo = Demo::start(&[]);
    let made = |demo: &Demo| demo.temporary.names().into_iter().filter(|name| name != "demo.log").count();
    assert_eq!(made(&demo), 1, "one temporary folder: {:?}", demo.temporary.names());
    stop(demo.nodes[2]);
    demo.process.signal(Signal::TERM);
    let status = demo.process.wait(SECONDS);
    assert!(status.success(), "{status}: {}", demo.process.log());
    for (node, pid) in demo.nodes.iter().enumerate() {
        assert!(!is_alive(*pid), "node {node} outlives the demo");
    }
    assert_eq!(made(&demo), 0, "left behind: {:?}", demo.temporary.names());
    for node in 0..=Demo::NODES {
        assert!(TcpListener::bind((Ipv4Addr::LOCALHOST, demo.port(node))).is_ok(), "port {node} is still in use");
    }
}

#[test]
fn a_demo_names_a_port_in_use_and_leaves_nothing_behind() {
    let (ports, temporary) = (Ports::claim(), Folder::new());
    for used in [0, 2, Demo::NODES] {
        let _listener = TcpListener::bind((Ipv4Addr::LOCALHOST, ports.port(used))).expect("a claimed port");
        let mut demo = rain();
        demo.args(["demo", "--port", &ports.port(0).to_string()]).env("TMPDIR", temporary.path());
        let finished = run(&mut demo);
        finished.failed_naming(&[&ports.port(used).to_string()]);
        assert_eq!(finished.text(), "");
        assert_eq!(temporary.names(), Vec::<String>::new());
    }
}

#[test]
fn the_nodes_die_with_the_supervisor() {
    let mut demo = Demo::start(&[]);
    assert!(demo.nodes.iter().all(|pid| is_alive(*pid)));
    // A hung node is killed by this too.
    stop(demo.nodes[1]);
    demo.process.crash();
    wait_until("the end of every node", SECONDS, || !demo.nodes.iter().any(|pid| is_alive(*pid)));
}

#[test]
fn titles_outlive_a_demo_whose_data_folder_is_named() {
    let folder = Folder::new();
    let data = folder.join("data");
    let (video, stored) = (random_bytes(300_000, 1), random_bytes(1_500_000, 2));
    let file = folder.write("a film.mp4", &video);
    let arguments = ["--data", data.to_str().expect("UTF-8"), "--video", file.to_str().expect("UTF-8")];
    let mut versions = Vec::new();
    for turn in 0..2 {
        let mut demo = Demo::start(if turn == 0 { &arguments } else { &arguments[..2] });
        if turn == 0 {
            put("/v/mine", stored.clone()).to(demo.port(1)).expect(201);
        }
        for node in 0..=Demo::NODES {
            assert_same(&get("/v/a%20film.mp4").to(demo.port(node)).expect(200).body, &video, "the video");
            assert_same(&get("/v/mine").to(demo.port(node)).expect(200).body, &stored, "the title");
        }
        let report = get("/api/v1/titles/mine").to(demo.supervisor()).expect(200).json();
        assert_eq!(report["tolerates"], 2, "{report}");
        versions.push(report["version"].clone());
        demo.process.signal(Signal::TERM);
        assert!(demo.process.wait(PATIENCE).success());
        assert!(data.is_dir(), "a named folder stays");
    }
    assert_eq!(versions[0], versions[1]);
}
