//! `rain demo`: its ports, its folders, its end.

use crate::harness::{
    Demo, Folder, PATIENCE, Process, assert_same, claim_ports, etag_of, get, is_alive, kill, put, rain, random_bytes,
    run, sample, stop, wait_until,
};
use rustix::process::Signal;
use std::ffi::OsStr;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::ffi::OsStrExt;
use std::process::{Command, Stdio};
use std::time::Duration;

const SAMPLE: &str = "/v/sample.mp4";
/// "Within seconds": a drain of streams is 10 s at most, and there are none.
const SECONDS: Duration = Duration::from_secs(15);

#[test]
fn a_demo_prints_its_url_as_one_line_and_every_listener_serves_the_sample() {
    let demo = Demo::start(&[]);
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
    let demo = Demo::start(&[]);
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
    let (ports, temporary) = (claim_ports(), Folder::new());
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
    let demo = Demo::start(&[]);
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
        let demo = Demo::start(if turn == 0 { &arguments } else { &arguments[..2] });
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

/// A second one wrote keys and configurations over those of the first, and its nodes ended one by one.
#[test]
fn a_data_folder_is_that_of_one_demo_at_a_time() {
    let (folder, ports) = (Folder::new(), claim_ports());
    let data = folder.join("data");
    let first = Demo::start(&["--data", data.to_str().expect("UTF-8")]);
    let seen = |name: &str| {
        let path = data.join(name);
        let changed = std::fs::metadata(&path).and_then(|metadata| metadata.modified()).expect("a file");
        (std::fs::read(&path).expect("a file"), changed)
    };
    let files = ["A.toml", "D.toml", "ids.toml", "A.key"];
    let before = files.map(seen);
    let mut second = rain();
    second.args(["demo", "--port", &ports.port(0).to_string(), "--data"]).arg(&data);
    let name = std::fs::canonicalize(&data).expect("the folder").display().to_string();
    run(&mut second).failed_naming(&["--data", &name, "another demo"]);
    assert_eq!(files.map(seen), before);
    get(SAMPLE).to(first.port(2)).expect(200);
    drop(first);
    // Once that one has ended, however it did, the folder is free.
    let process = Process::start(second, &folder.join("second.log"));
    wait_until("the second demo", PATIENCE, || {
        assert_eq!(process.ended(), None, "{}", process.log());
        get(SAMPLE).try_to(ports.port(Demo::NODES)).is_ok_and(|response| response.status == 200)
    });
}

#[test]
fn what_a_killed_demo_left_is_removed_by_the_next() {
    let first = Demo::start(&[]);
    let made = |demo: &Demo| -> Vec<String> {
        demo.temporary.names().into_iter().filter(|name| name.starts_with("rain-demo-")).collect()
    };
    let of_first = made(&first);
    assert_eq!(of_first.len(), 1);
    let start = |first: &Demo| {
        let ports = claim_ports();
        let mut command = rain();
        command.args(["demo", "--port", &ports.port(0).to_string()]).stdout(Stdio::null());
        let process = Process::start(
            {
                command.env("TMPDIR", first.temporary.path());
                command
            },
            &first.temporary.join("other.log"),
        );
        (process, ports)
    };
    // That of a demo that runs stays.
    let (second, ports) = start(&first);
    wait_until("the second demo", PATIENCE, || {
        assert_eq!(second.ended(), None, "{}", second.log());
        get("/readyz").try_to(ports.port(Demo::NODES)).is_ok_and(|response| response.status == 200)
    });
    assert!(made(&first).contains(&of_first[0]) && made(&first).len() == 2, "{:?}", made(&first));
    get(SAMPLE).to(first.port(0)).expect(200);
    second.signal(Signal::TERM);
    assert!(second.wait(PATIENCE).success());
    assert_eq!(made(&first), of_first);
    first.process.crash();
    wait_until("the end of every node", SECONDS, || !first.nodes.iter().any(|pid| is_alive(*pid)));
    assert_eq!(made(&first), of_first, "nobody was left to remove it");
    let (_third, _ports) = start(&first);
    wait_until("only the folder of the third", PATIENCE, || {
        let names = made(&first);
        names.len() == 1 && names != of_first
    });
}

/// There is no B-code of two or three columns, so `rain demo --nodes 3` was refused for a code that nobody had named.
#[test]
fn a_demo_of_few_nodes_has_a_code_that_fits() {
    for (count, code) in [(2, "replica:2"), (3, "parity:2+1")] {
        let demo = Demo::start_of(count, &["--nodes", &count.to_string()]);
        let report = get("/api/v1/titles/sample.mp4").to(demo.supervisor()).expect(200).json();
        assert_eq!((&report["code"], &report["tolerates"]), (&code.into(), &1.into()), "{report}");
        kill(demo.nodes[0], Signal::KILL);
        assert_same(&get(SAMPLE).to(demo.port(1)).expect(200).body, &sample(), code);
    }
    run(rain().args(["demo", "--nodes", "1"])).failed_naming(&["--nodes", "found 1", "from 2 to 26"]);
    run(rain().args(["demo", "--code", "z"])).failed_naming(&["--code", "found z", "rain code ls"]);
}

#[test]
fn a_demo_says_what_it_is_and_how_it_ends() {
    let demo = Demo::start(&[]);
    wait_until("a word to people", SECONDS, || {
        let said = demo.process.log();
        ["nodes A, B, C, D", "b-code:4", "temporary folder", "--data", "Ctrl-C", "rain --help"]
            .iter()
            .all(|word| said.contains(word))
    });
}

/// The nodes of a demo took what was meant for another node, and ended.
#[test]
fn a_demo_is_not_what_the_environment_says_of_a_node() {
    let variables = [("RAIN_LISTEN", "here"), ("RAIN_NODE", "Z"), ("RAIN_CODE", "z"), ("RAIN_DATA", "/nowhere")];
    let demo = Demo::start_with(Demo::NODES, &[], &variables);
    get(SAMPLE).to(demo.port(0)).expect(200);
}

#[test]
fn a_video_whose_name_is_no_title_is_refused_before_anything_starts() {
    let folder = Folder::new();
    let odd = folder.path().join(OsStr::from_bytes(b"film \xff.mp4"));
    std::fs::write(&odd, b"content").expect("a file");
    let mut demo = rain();
    demo.args(["demo", "--port", &claim_ports().port(0).to_string(), "--video"]).arg(&odd);
    run(&mut demo).failed_naming(&["--video", "film", "name can be a title"]);
}

/// A fifth node comes by invitation while the demo runs, hangs on its switches as the others do, and is there again with the
/// next demo on the folder.
#[test]
fn a_demo_grows() {
    let data = Folder::new();
    let folder = data.join("demo").to_str().expect("UTF-8").to_owned();
    let content = random_bytes(200_000, 5);
    let add = |demo: &Demo| run(rain().args(["demo", "add", "--server", &demo.url]));
    {
        let demo = Demo::start(&["--data", &folder]);
        let (supervisor, of_e) = (demo.supervisor(), demo.port(5));
        assert_eq!(add(&demo).succeeded().text(), format!("E serves at http://127.0.0.1:{of_e}\n"));
        let seen = get("/api/v1/cluster").to(supervisor).expect(200).json();
        let names = |of: &str, key: &str| -> Vec<String> {
            let all = seen[of].as_array().expect("a list").iter();
            all.filter(|it| it["state"] == "up").map(|it| it[key].as_str().expect("a name").to_owned()).collect()
        };
        assert_eq!(names("nodes", "name"), ["A", "B", "C", "D", "E"]);
        assert!(names("links", "name").ends_with(&["E-s1".to_owned(), "E-s2".to_owned()]), "{seen}");
        let known = get("/api/v1/configuration").to(demo.port(1)).expect(200).json();
        let of_configuration = known["members"].as_array().expect("members")[4].clone();
        assert_eq!((&of_configuration["name"], &of_configuration["role"]), (&"E".into(), &"active".into()));
        // Through the switches, and not past them.
        let by_switch = [1, 2].map(|switch| format!("s{switch}=127.{switch}.5.2:{}", demo.port(0)));
        assert_eq!(of_configuration["addresses"], serde_json::json!(by_switch));
        let file = data.write("film", &content);
        run(rain().arg("put").arg(&file).args(["--server", &format!("http://127.0.0.1:{of_e}")])).succeeded();
        assert_same(&get(SAMPLE).to(of_e).expect(200).body, &sample(), "the sample from E");
        let fault = |name: &str, action: &str| {
            run(rain().args(["fault", "link", name, action, "--server", &demo.url])).succeeded();
        };
        for action in ["cut", "heal"] {
            fault("E-s1", action);
            fault("E-s2", action);
            let state = if action == "cut" { "down" } else { "up" };
            wait_until(state, PATIENCE, || {
                let found = get("/api/v1/cluster").to(demo.port(0)).expect(200).json();
                found["nodes"].as_array().expect("nodes").iter().any(|it| it["name"] == "E" && it["state"] == state)
            });
        }
        demo.process.signal(Signal::TERM);
        demo.process.wait(SECONDS);
    }
    let demo = Demo::start_of(5, &["--data", &folder]);
    // The supervisor stays behind the founders.
    assert_eq!(demo.url.trim_end_matches('/'), format!("http://127.0.0.1:{}", demo.port(4)));
    assert_same(&get("/v/film").to(demo.port(5)).expect(200).body, &content, "what E took");
    for (node, name) in [(6, "F"), (7, "G"), (8, "H")] {
        assert_eq!(add(&demo).succeeded().text(), format!("{name} serves at http://127.0.0.1:{}\n", demo.port(node)));
    }
    add(&demo).failed_naming(&["8 nodes: this demo grows no more"]);
    assert_same(&get("/v/film").to(demo.port(8)).expect(200).body, &content, "what E took, from H");
}
