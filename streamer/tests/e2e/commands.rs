//! `rain put`, `get`, `ls`, `rm`, `stat` and `status` as people type them.

use crate::harness::{
    Cluster, Folder, PATIENCE, Process, assert_same, etag_of, get, put, rain, random_bytes, run, run_with_input,
    wait_until,
};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::fs;
use std::io::Read;
use std::process::{Command, Stdio};
use std::thread;

/// A command that talks to one node.
fn client(cluster: &Cluster, arguments: &[&str]) -> Command {
    let mut command = rain();
    // The address goes before the title and after the name of the command: more arguments may follow.
    command.args(&arguments[..1]).args(["--server", &cluster.url(0)]).args(&arguments[1..]);
    command
}

/// The error object on standard error.
fn error_object(stderr: &str) -> Value {
    serde_json::from_str(stderr).unwrap_or_else(|error| panic!("{error}: {stderr}"))
}

#[test]
fn what_is_put_is_listed_told_and_got() {
    let (cluster, folder) = (Cluster::of_four(), Folder::new());
    let content = random_bytes(3_000_000, 1);
    let file = folder.write("film one.mp4", &content);
    let file = file.to_str().expect("UTF-8");

    let stored = run(&mut client(&cluster, &["put", file, "--json"])).succeeded().json();
    assert_eq!((&stored["title"], &stored["tolerates"]), (&json!("film one.mp4"), &json!(2)), "{stored}");
    assert_eq!(stored["etag"], etag_of(&content), "{stored}");
    let stored = run(&mut client(&cluster, &["put", file, "other/../name"]));
    assert_eq!(stored.code, Some(1), "a name with `..` in it: {stored:?}");
    run(&mut client(&cluster, &["put", file, "other"])).succeeded();
    let typed = get("/v/film%20one.mp4").to(cluster.port(1)).expect(200);
    assert_eq!(typed.header("content-type"), Some("video/mp4"));

    let list = run(&mut client(&cluster, &["ls", "--json"])).succeeded().json();
    let names: Vec<_> = list.as_array().expect("a list").iter().map(|report| report["title"].clone()).collect();
    assert_eq!(names, ["film one.mp4", "other"]);
    assert_eq!(list, get("/api/v1/titles").to(cluster.port(0)).json(), "the API's objects");
    let text = run(&mut client(&cluster, &["ls", "f"])).succeeded().text();
    assert!(text.contains("film one.mp4") && text.contains("3000000") && !text.contains("other"), "{text}");

    for verify in [&["stat", "other", "--json"][..], &["stat", "other", "--json", "--verify"]] {
        let report = run(&mut client(&cluster, verify)).succeeded().json();
        assert_eq!((&report["bytes"], &report["tolerates"]), (&json!(3_000_000), &json!(2)), "{report}");
        assert_eq!(report["columns"].as_array().map(Vec::len), Some(4), "{report}");
    }
    let text = run(&mut client(&cluster, &["stat", "other"])).succeeded().text();
    for named in ["other", "3000000", "b-code:4", etag_of(&content).trim_matches('"')] {
        assert!(text.contains(named), "{named}: {text}");
    }

    let copy = folder.join("copy");
    let got = run(client(&cluster, &["get", "film one.mp4", "--json", "-o"]).arg(&copy)).succeeded().json();
    assert_eq!(got["bytes"], 3_000_000, "{got}");
    assert_same(&fs::read(&copy).expect("the copy"), &content, "the copy");
    run(client(&cluster, &["get", "other"]).current_dir(folder.path())).succeeded();
    assert_same(&fs::read(folder.join("other")).expect("the copy"), &content, "a copy under the title's name");
    assert_eq!(folder.names(), ["copy", "film one.mp4", "other"]);

    run(&mut client(&cluster, &["rm", "other"])).succeeded();
    get("/v/other").to(cluster.port(2)).expect(404);
    run(&mut client(&cluster, &["rm", "other"])).failed_naming(&["no such title"]);
}

#[test]
fn a_folder_is_put_with_all_that_is_in_it() {
    let (cluster, folder) = (Cluster::of_four(), Folder::new());
    fs::create_dir_all(folder.join("films/2026/~new")).expect("a folder");
    for (file, content) in [("films/b.mp4", "b"), ("films/2026/a b.mp4", "a"), ("films/2026/~new/c", "c")] {
        folder.write(file, content.as_bytes());
    }
    // A link into a circle.
    std::os::unix::fs::symlink(folder.join("films"), folder.join("films/2026/up")).expect("a link");
    let titles = ["films/2026/a b.mp4", "films/2026/~new/c", "films/b.mp4"];
    let put = run(client(&cluster, &["put", "films", "--json"]).current_dir(folder.path())).succeeded().text();
    let stored = put.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON")["title"].clone());
    assert_eq!(stored.collect::<Vec<_>>(), titles);
    for title in titles {
        let got = run(&mut client(&cluster, &["get", title, "-o", "-"])).succeeded().text();
        assert_eq!(got, fs::read_to_string(folder.join(title)).expect("the file"));
    }
    run(client(&cluster, &["put", ".", "old/"]).current_dir(folder.join("films/2026"))).succeeded();
    let list = |arguments: &[&str]| run(&mut client(&cluster, arguments)).succeeded().text();
    assert_eq!(list(&["ls", "--json", "old/"]).matches("\"title\"").count(), 2);
    let one_level = list(&["ls", "--folders"]);
    assert_eq!(
        one_level.lines().map(|line| line.rsplit(' ').next().expect("a name")).collect::<Vec<_>>(),
        ["films/", "old/"]
    );
    run(client(&cluster, &["get", "films/b.mp4"]).current_dir(folder.path())).succeeded();
    assert_same(&fs::read(folder.join("b.mp4")).expect("the copy"), b"b", "under the last part of its name");
    // Nothing is stored when a name cannot be a title's.
    folder.write("films/a\nname", b"x");
    run(client(&cluster, &["put", "films", "never"]).current_dir(folder.path()))
        .failed_naming(&["films/a", "control characters"]);
    assert_eq!(list(&["ls", "never"]), "");
}

#[test]
fn put_reads_standard_input_and_get_writes_standard_output() {
    let cluster = Cluster::of_four();
    for (length, name) in [(0, "empty"), (1, "byte"), (5_000_001, "large")] {
        let content = random_bytes(length, 1);
        let stored = run_with_input(&mut client(&cluster, &["put", "-", name, "--json"]), Some(&content));
        assert_eq!(stored.succeeded().json()["etag"], etag_of(&content));
        let got = run(&mut client(&cluster, &["get", name, "-o", "-"])).succeeded();
        assert_same(&got.stdout, &content, name);
        assert_eq!(got.stderr, "", "no progress bar but on a terminal");
        // The objects of `--json` must not get into the title.
        assert_same(
            &run(&mut client(&cluster, &["get", name, "-o", "-", "--json"])).succeeded().stdout,
            &content,
            name,
        );
    }
    run_with_input(&mut client(&cluster, &["put", "-"]), Some(b"content")).failed_naming(&["TITLE"]);
}

#[test]
fn what_fails_says_why_and_leaves_nothing() {
    let (cluster, folder) = (Cluster::of_four(), Folder::new());
    let nothing: [String; 0] = [];
    let missing = run(client(&cluster, &["get", "nothing"]).current_dir(folder.path()));
    missing.failed_naming(&["no such title"]);
    assert_eq!(folder.names(), nothing);
    let kept = folder.write("kept", b"what was there before");
    run(client(&cluster, &["get", "nothing", "-o"]).arg(&kept)).failed_naming(&["no such title"]);
    assert_eq!(fs::read(&kept).expect("the file"), b"what was there before");
    assert_eq!(folder.names(), ["kept"]);

    for arguments in [&["get", "nothing", "-o", "-"][..], &["stat", "nothing"], &["rm", "nothing"]] {
        let failed = run(client(&cluster, arguments).arg("--json"));
        assert_eq!((failed.code, failed.text().as_str()), (Some(1), ""), "{failed:?}");
        let object = error_object(&failed.stderr);
        assert_eq!(object["error"], "no-such-title", "{object}");
        assert!(object["message"].is_string(), "{object}");
    }
    let absent = folder.join("absent.mp4");
    let absent = absent.to_str().expect("UTF-8");
    run(&mut client(&cluster, &["put", absent])).failed_naming(&["absent.mp4"]);
    let list = run(&mut client(&cluster, &["ls", "--json"])).succeeded().json();
    assert_eq!(list, json!([]));
}

#[test]
fn errors_are_objects_with_json_whatever_failed() {
    let cluster = Cluster::lay_out("b-code:4", 4);
    // Nobody listens there.
    for arguments in [&["ls", "--json"][..], &["get", "title", "-o", "-", "--json"], &["status", "--json"]] {
        let failed = run(&mut client(&cluster, arguments));
        assert_eq!((failed.code, failed.text().as_str()), (Some(1), ""), "{failed:?}");
        let object = error_object(&failed.stderr);
        assert!(object["error"].is_string() && object["message"].is_string(), "{object}");
    }
}

/// A new cluster needs every node once; it said how many took part, and not who was missing.
#[test]
fn a_new_cluster_names_the_node_that_it_waits_for() {
    let (mut cluster, folder) = (Cluster::lay_out("b-code:4", 4), Folder::new());
    let file = folder.write("film", b"content");
    for node in 0..3 {
        cluster.launch(node);
    }
    let store = || run(&mut client(&cluster, &["put", file.to_str().expect("UTF-8")]));
    wait_until("an answer that names D", PATIENCE, || {
        store().stderr.contains("; node D is not reached, and a new node")
    });
    let failed = store();
    failed.failed_naming(&["expected at least", "node D is not reached"]);
    let ready = get("/readyz").to(cluster.port(0)).expect_error(503, "not-ready").json();
    assert!(ready["message"].as_str().is_some_and(|message| message.contains("node D is not reached")), "{ready}");
    cluster.launch(3);
    wait_until("all four", PATIENCE, || {
        run(&mut client(&cluster, &["put", file.to_str().expect("UTF-8")])).code == Some(0)
    });
}

#[test]
fn status_tells_of_every_node() {
    let mut cluster = Cluster::of_four();
    wait_until("every node up", PATIENCE, || {
        let text = run(&mut client(&cluster, &["status"])).succeeded().text();
        let up = |name: &str| text.lines().any(|line| line.starts_with(name) && line.contains("up"));
        ["A", "B", "C", "D"].into_iter().all(up)
    });
    cluster.kill(3);
    wait_until("D down", PATIENCE, || {
        let report = run(&mut client(&cluster, &["status", "--json"])).succeeded().json();
        report["nodes"][3]["name"] == "D" && report["nodes"][3]["state"] == "down"
    });
}

#[test]
fn of_several_servers_the_next_one_answers() {
    let (mut cluster, folder) = (Cluster::of_four(), Folder::new());
    let content = random_bytes(2_000_000, 1);
    let file = folder.write("title", &content);
    cluster.kill(0);
    let servers = format!("{},{}", cluster.url(0), cluster.url(1));
    run(rain().arg("put").arg(&file).args(["--server", &servers])).succeeded();
    let got = run(rain().args(["get", "title", "-o", "-", "--server", &servers])).succeeded();
    assert_same(&got.stdout, &content, "the title");
    for arguments in [&["ls"][..], &["stat", "title"], &["status"]] {
        run(rain().args(arguments).args(["--server", &servers])).succeeded();
        run(rain().args(arguments).env("RAIN_SERVER", &servers)).succeeded();
        run(rain().args(arguments).args(["--server", &cluster.url(0)])).failed_naming(&[]);
    }
}

/// A stopped process accepts connections and is silent: it must not stop the client that has another node.
#[test]
fn of_several_servers_a_hung_one_is_left_for_the_next() {
    let (mut cluster, folder) = (Cluster::of_four(), Folder::new());
    let content = random_bytes(2_000_000, 1);
    let file = folder.write("title", &content);
    let file = file.to_str().expect("UTF-8");
    for title in ["title", "gone"] {
        put(format!("/v/{title}"), content.clone()).to(cluster.port(1)).expect(201);
    }
    cluster.hang(0);
    let servers = format!("{},{}", cluster.url(0), cluster.url(1));
    let commands: [&[&str]; 6] = [
        &["get", "title", "-o", "-"],
        &["stat", "title"],
        &["ls"],
        &["status"],
        &["put", file, "again"],
        &["rm", "gone"],
    ];
    let stuck: Vec<_> = thread::scope(|scope| {
        let running = commands.map(|arguments| {
            let mut command = rain();
            command.args(arguments).args(["--server", &servers]);
            (arguments, scope.spawn(move || run(&mut command).code))
        });
        let ended = running.into_iter().map(|(arguments, running)| (arguments[0], running.join().expect("a status")));
        ended.filter(|(_, code)| *code != Some(0)).collect()
    });
    assert_eq!(stuck, [], "commands that were ended after {} s", PATIENCE.as_secs());
}

#[test]
fn a_get_goes_on_at_the_next_node_when_one_dies_or_hangs() {
    let mut cluster = Cluster::of_four();
    let content = random_bytes(64 << 20, 1);
    put("/v/title", content.clone()).to(cluster.port(3)).expect(201);
    for hangs in [false, true] {
        let mut command = rain();
        command.args(["get", "title", "-o", "-", "--server", &format!("{},{}", cluster.url(0), cluster.url(1))]);
        command.stdout(Stdio::piped());
        let process = Process::start(command, &cluster.folder().join("get.log"));
        let mut stdout = process.take_stdout().expect("a pipe");
        let mut found = vec![0; 4 << 20];
        stdout.read_exact(&mut found).expect("the beginning");
        if hangs {
            cluster.hang(0);
        } else {
            cluster.kill(0);
        }
        stdout.read_to_end(&mut found).expect("the rest");
        assert_same(&found, &content, "the title");
        assert!(process.wait(PATIENCE).success(), "{}", process.log());
        if hangs {
            cluster.resume(0);
        } else {
            cluster.restart(0);
        }
    }
}

#[test]
fn a_get_that_is_ended_leaves_no_file_under_the_title_name() {
    let (cluster, folder) = (Cluster::of_four(), Folder::new());
    put("/v/title", random_bytes(64 << 20, 1)).to(cluster.port(0)).expect(201);
    let mut command = client(&cluster, &["get", "title"]);
    command.current_dir(folder.path());
    let process = Process::start(command, &cluster.folder().join("get.log"));
    wait_until("the beginning of a file", PATIENCE, || !folder.names().is_empty() || process.ended().is_some());
    if process.ended().is_none() {
        process.signal(Signal::KILL);
        process.wait(PATIENCE);
    }
    // Whole, or not under its name.
    let title = folder.join("title");
    assert!(!title.exists() || fs::metadata(&title).expect("the file").len() == 64 << 20);
}
