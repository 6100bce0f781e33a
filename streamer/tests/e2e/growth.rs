//! Members that come and go while nodes run: what is stored stays, and what cannot be done is told in words.

use crate::harness::{
    Cluster, Connection, Finished, Folder, PATIENCE, Process, assert_same, claim_ports, get, post, put, rain,
    random_bytes, run, run_with_input, wait_for, wait_until,
};
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

const PATH: &str = "/api/v1/configuration";

fn cluster(cluster: &Cluster, at: usize, arguments: &[&str]) -> Finished {
    run(rain().arg("cluster").args(arguments).args(["--server", &cluster.url(at)]))
}

fn configuration(cluster: &Cluster, node: usize) -> Value {
    get(PATH).to(cluster.port(node)).expect(200).json()
}

fn member<'a>(configuration: &'a Value, name: &str) -> Option<&'a Value> {
    configuration["members"].as_array()?.iter().find(|member| member["name"] == name)
}

fn role(cluster: &Cluster, at: usize, name: &str) -> Option<String> {
    Some(member(&configuration(cluster, at), name)?["role"].as_str()?.to_owned())
}

/// Waits until a configuration is known in which one set is in force; what it is.
fn settled(cluster: &Cluster, at: usize) -> Value {
    wait_for("one set in force", PATIENCE, || {
        let found = configuration(cluster, at);
        (found["epoch"] != 0 && found["old"].is_null()).then_some(found)
    })
}

/// Four nodes that know their configuration.
fn founded() -> Cluster {
    let cluster = Cluster::of_four();
    (0..4).for_each(|node| drop(settled(&cluster, node)));
    cluster
}

fn change(cluster: &Cluster, node: usize, change: &Value) -> crate::harness::Response {
    post(PATH, change.to_string()).header("content-type", "application/json").to(cluster.port(node))
}

fn urls(cluster: &Cluster, nodes: &[usize]) -> String {
    nodes.iter().map(|node| cluster.url(*node)).collect::<Vec<_>>().join(",")
}

fn assert_readable(cluster: &Cluster, nodes: &[usize], titles: &[(String, Vec<u8>)]) {
    for node in nodes {
        for (title, content) in titles {
            let found = get(format!("/v/{title}")).to(cluster.port(*node)).expect(200).body;
            assert_same(&found, content, &format!("{title} by {}", cluster.name(*node)));
        }
    }
}

/// From four to six and back to four, while somebody writes all the time and others read: no write fails that `rain put`
/// repeats, and every byte is what it was.
#[test]
fn a_cluster_grows_and_shrinks_under_those_who_write_and_read() {
    let mut cluster = founded();
    let old: Vec<_> = (0..3).map(|seed| (format!("old-{seed}"), random_bytes(300_000, seed))).collect();
    for (title, content) in &old {
        put(format!("/v/{title}"), content.clone()).to(cluster.port(0)).expect(201);
    }
    let (stored, done) = (Mutex::new(old.clone()), AtomicBool::new(false));
    let all = urls(&cluster, &[2, 3]);
    let ports = [cluster.port(2), cluster.port(3)];
    let file = cluster.folder().join("to-put");
    thread::scope(|scope| {
        let (stored, done) = (&stored, &done);
        scope.spawn(|| {
            for seed in 100.. {
                if done.load(Ordering::Relaxed) {
                    break;
                }
                let (title, content) = (format!("new-{seed}"), random_bytes(50_000, seed));
                fs::write(&file, &content).expect("a file");
                run(rain().arg("put").arg(&file).arg(&title).args(["--server", &all])).succeeded();
                stored.lock().expect("no panic").push((title, content));
            }
        });
        scope.spawn(|| {
            for turn in 0.. {
                if done.load(Ordering::Relaxed) {
                    break;
                }
                let stored = stored.lock().expect("no panic").clone();
                let (title, content) = &stored[turn % stored.len()];
                let found = get(format!("/v/{title}")).to(ports[turn % 2]).expect(200).body;
                assert_same(&found, content, title);
            }
        });
        // Whoever writes and reads ends also where something is wrong here.
        let ends = Ends(done);
        for by in [0, 1] {
            let joined = cluster.join(by);
            let name = cluster.name(joined).to_owned();
            assert_eq!(role(&cluster, joined, &name).as_deref(), Some("learner"));
            let added = self::cluster(&cluster, by, &["add", &name, "--json"]).succeeded().json();
            assert_eq!(member(&added, &name).expect("the newcomer")["role"], "active", "{added}");
            assert!(added["old"].is_null(), "{added}");
        }
        for name in ["A", "B"] {
            let drained = self::cluster(&cluster, 2, &["drain", name, "--json"]).succeeded().json();
            assert_eq!(member(&drained, name).expect("it stays")["role"], "draining", "{drained}");
        }
        drop(ends);
    });
    let stored = stored.into_inner().expect("no panic");
    assert!(stored.len() > old.len(), "nothing was written meanwhile");
    assert_readable(&cluster, &[0, 1, 2, 3, 4, 5], &stored);
    // What was stored before the newcomers came is nowhere but on the first four: those that are drained serve it.
    for node in [2, 3] {
        cluster.kill(node);
    }
    assert_readable(&cluster, &[4, 5], &old);
}

struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_newcomer_that_is_killed_goes_on_where_it_was() {
    let mut cluster = founded();
    let content = random_bytes(200_000, 1);
    put("/v/film", content.clone()).to(cluster.port(0)).expect(201);
    let joined = cluster.join(3);
    cluster.kill(joined);
    cluster.restart(joined);
    assert_eq!(role(&cluster, joined, "E").as_deref(), Some("learner"));
    // It dies as soon as it is wanted: it is waited for, and the cluster serves meanwhile.
    cluster.kill(joined);
    let half_way = change(&cluster, 0, &json!({ "change": "add", "node": "E" })).expect(200).json();
    assert!(half_way["old"].is_array(), "{half_way}");
    assert_eq!(half_way["learning"], json!(["E"]));
    assert_readable(&cluster, &[0, 1, 2, 3], &[("film".to_owned(), content.clone())]);
    let shown = self::cluster(&cluster, 1, &["show"]).succeeded().text();
    assert!(shown.contains("half-way"), "{shown}");
    cluster.restart(joined);
    let after = settled(&cluster, 0);
    assert_eq!(member(&after, "E").expect("the newcomer")["role"], "active");
    wait_until("its own word", PATIENCE, || role(&cluster, joined, "E").as_deref() == Some("active"));
    assert_eq!(cluster.terminate(joined).code(), Some(0));
    cluster.restart(joined);
    assert_readable(&cluster, &[joined], &[("film".to_owned(), content)]);
    put("/v/other", *b"of five").to(cluster.port(joined)).expect(201);
}

#[test]
fn a_newcomer_that_lost_its_data_comes_again_by_its_key() {
    let mut cluster = founded();
    let joined = cluster.join(1);
    let before = member(&configuration(&cluster, 1), "E").expect("a learner")["life"].clone();
    cluster.kill(joined);
    fs::remove_dir_all(cluster.data(joined)).expect("its data");
    fs::create_dir(cluster.data(joined)).expect("another folder");
    cluster.restart(joined);
    let after = configuration(&cluster, 1);
    assert_ne!(member(&after, "E").expect("a learner")["life"], before);
    assert_eq!(after["retired"], 1);
    self::cluster(&cluster, 2, &["add", "E"]).succeeded();
    assert_eq!(role(&cluster, joined, "E").as_deref(), Some("active"));
}

#[test]
fn who_may_not_come_is_told_why() {
    let mut cluster = founded();
    let secret = cluster.invite(0);
    // One digit less is no secret, another one is another's.
    run(&mut cluster.join_command(0, &secret[1..])).failed_naming(&["expected what `rain cluster invite` told"]);
    assert!(!cluster.folder().join("E").exists(), "half a node");
    run(&mut cluster.join_command(0, &secret)).succeeded();
    let joined = cluster.take_joined();
    let file = fs::read_to_string(cluster.config(joined)).expect("a configuration");
    let own_id = file.lines().find(|line| line.starts_with("id = ")).expect("an id").to_owned();
    let (key, invitation) = secret.split_at(64);
    let other_key = run(rain().args(["key", "new"]).arg(cluster.folder().join("x.key"))).succeeded().text();
    let other_key = other_key.split('"').rev().nth(1).expect("a public key").to_owned();
    let last = if invitation.ends_with('0') { "1" } else { "0" };
    let other_invitation = format!("{}{last}", &invitation[..invitation.len() - 1]);
    let port = cluster.port(0);
    let of_a = Cluster::id(0);
    for (from, to, expected) in [
        (invitation, other_invitation.as_str(), "neither the node's key nor its invitation is known there"),
        (key, other_key.as_str(), "showed a key that is none of `join.key`"),
        (&format!("127.77.1.1:{port}"), "127.77.1.1:1", "no member was reached"),
        ("node = \"E\"", "node = \"A\"", "the name A is that of A, expected another one"),
        ("interfaces = [", &format!("http = \"{}\"\ninterfaces = [", cluster.url(1)), "is that of B, expected another"),
        (&own_id, &format!("id = \"{of_a}\""), "is that of A, expected a new one"),
    ] {
        assert!(file.contains(from), "{from}");
        fs::write(cluster.config(joined), file.replacen(from, to, 1)).expect("a configuration");
        cluster.launch(joined);
        let told = cluster.wait_refusal(joined);
        assert!(told.contains("cannot join the cluster") && told.contains(expected), "{expected}: {told}");
    }
    assert_eq!(configuration(&cluster, 0)["epoch"], 1);
    // None of it has used the invitation up; it is good once.
    fs::write(cluster.config(joined), &file).expect("a configuration");
    cluster.restart(joined);
    run(&mut cluster.join_command(0, &secret)).succeeded();
    let late = cluster.take_joined();
    cluster.launch(late);
    let told = cluster.wait_refusal(late);
    assert!(told.contains("an invitation is good once"), "{told}");
    assert_eq!(role(&cluster, 0, "F"), None);
}

#[test]
fn who_was_forgotten_is_told_and_does_not_come_back() {
    let mut cluster = founded();
    let [there, away] = [cluster.join(0), cluster.join(0)];
    cluster.kill(away);
    self::cluster(&cluster, there, &["forget", "E"]).failed_naming(&["E is the node that is asked: ask another one"]);
    for name in ["E", "F"] {
        let report = self::cluster(&cluster, 1, &["forget", name, "--json"]).succeeded().json();
        assert_eq!(member(&report, name), None);
    }
    let told = || get("/readyz").to(cluster.port(there));
    wait_until("the word that it is no member", PATIENCE, || {
        let found = told();
        found.status == 503 && found.json()["message"].as_str().is_some_and(|it| it.contains("is no member"))
    });
    let message = told().json()["message"].as_str().expect("a message").to_owned();
    let id = fs::read_to_string(cluster.config(there)).expect("a configuration");
    let id = id.lines().find_map(|line| line.strip_prefix("id = ")).expect("an id").trim_matches('"').to_owned();
    for named in ["E", id.as_str(), "epoch ", "rain join"] {
        assert!(message.contains(named), "{named}: {message}");
    }
    let status = run(rain().args(["status", "--server", &cluster.url(there)])).succeeded().text();
    assert!(status.contains("is no member"), "{status}");
    assert!(cluster.log(there).contains("is no member"), "{}", cluster.log(there));
    cluster.kill(there);
    cluster.launch(there);
    let refused = cluster.wait_refusal(there);
    for named in ["E", id.as_str(), "epoch ", "rain join"] {
        assert!(refused.contains(named), "{named}: {refused}");
    }
    // Nobody could tell the one that was away: it hears it from those who do not know it any more.
    cluster.launch(away);
    wait_until("a refusal", PATIENCE, || {
        get("/readyz").try_to(cluster.port(away)).is_ok_and(|found| {
            let said = found.beginning();
            found.status == 503 && said.contains("does not know this node's key") && said.contains("forgotten")
        })
    });
    let status = run(rain().args(["status", "--server", &cluster.url(away)])).succeeded().text();
    assert!(status.contains("forgotten"), "{status}");
}

#[test]
fn half_a_change_bars_others_and_can_be_taken_back() {
    let mut cluster = founded();
    let joined = cluster.join(0);
    cluster.kill(joined);
    let half_way = change(&cluster, 0, &json!({ "change": "add", "node": "E" })).expect(200).json();
    let epoch = half_way["epoch"].as_u64().expect("an epoch");
    assert!(half_way["old"].is_array(), "{half_way}");
    let refused = change(&cluster, 1, &json!({ "change": "drain", "node": "A" })).expect_error(422, "unfit-change");
    let message = refused.json()["message"].as_str().expect("a message").to_owned();
    assert!(message.contains(&format!("since epoch {epoch}")), "{message}");
    self::cluster(&cluster, 2, &["label", "A", "rack=r"]).failed_naming(&[&format!("since epoch {epoch}")]);
    let back = self::cluster(&cluster, 2, &["abort", "--json"]).succeeded().json();
    assert_eq!((&back["epoch"], &back["old"]), (&json!(epoch + 1), &Value::Null));
    assert_eq!(member(&back, "E").expect("a learner")["role"], "learner");
    cluster.restart(joined);
    self::cluster(&cluster, 3, &["add", "E"]).succeeded();
    assert_eq!(role(&cluster, joined, "E").as_deref(), Some("active"));
    put("/v/film", *b"of five").to(cluster.port(joined)).expect(201);
}

#[test]
fn too_few_for_the_code_is_refused_with_numbers() {
    let cluster = founded();
    for change in ["drain", "forget"] {
        self::cluster(&cluster, 0, &[change, "D"])
            .failed_naming(&["3 active members with data, expected 4, the columns of `b-code:4`"]);
    }
    self::cluster(&cluster, 0, &["code", "b-code:6"]).failed_naming(&["4 active members with data, expected 6"]);
    self::cluster(&cluster, 0, &["add", "A"]).failed_naming(&["is active, expected learner"]);
    assert_eq!(configuration(&cluster, 0)["epoch"], 1);
}

/// Two of four are lost for good, and the vote that breaks ties with them.
#[test]
fn what_is_left_of_a_cluster_goes_on_by_force() {
    let mut cluster = founded();
    let content = random_bytes(100_000, 7);
    put("/v/film", content.clone()).to(cluster.port(0)).expect(201);
    let first = settled(&cluster, 0);
    let heavy = first["must_live"].as_array().expect("names").clone();
    let tie = (0..4)
        .find(|node| member(&first, cluster.name(*node)).expect("a member")["votes"] == 2)
        .unwrap_or_else(|| panic!("{heavy:?}"));
    let lost = [tie, (tie + 1) % 4];
    let left = [(tie + 2) % 4, (tie + 3) % 4];
    let names = lost.map(|node| cluster.name(node).to_owned());
    for node in lost {
        cluster.kill(node);
    }
    change(&cluster, left[0], &json!({ "change": "label", "node": cluster.name(left[0]), "rack": "x" }))
        .expect_error(503, "no-majority");
    let force = |more: &[&str], typed: &str| {
        let mut command = rain();
        command.args(["cluster", "force"]).args(&names).args(more).args(["--server", &cluster.url(left[0])]);
        run_with_input(&mut command, Some(typed.as_bytes()))
    };
    let right = format!("{} {}\n", names[0], names[1]);
    let code = ["--code", "replica:2"];
    for wrong in ["\n".to_owned(), "yes\n".to_owned(), format!("{} {}\n", names[1], names[0]), String::new()] {
        force(&code, &wrong).failed_naming(&[&format!("expected `{}`: nothing was changed", right.trim())]);
    }
    // Two cannot hold the columns of the code.
    force(&[], &right).failed_naming(&["2 active members with data, expected 4", "--code"]);
    assert_eq!(configuration(&cluster, left[0])["epoch"], first["epoch"]);
    force(&code, &right).succeeded();
    for node in left {
        wait_until("the forced configuration", PATIENCE, || configuration(&cluster, node)["epoch"] == 1001);
        let found = configuration(&cluster, node);
        assert_eq!(found["members"].as_array().map(Vec::len), Some(2), "{found}");
        assert_eq!((&found["code"], &found["retired"]), (&json!("replica:2"), &json!(2)));
    }
    let label = json!({ "change": "label", "node": cluster.name(left[1]), "rack": "x" });
    change(&cluster, left[1], &label).expect(200);
    assert_readable(&cluster, &left, &[("film".to_owned(), content)]);
    put("/v/after", *b"of two").to(cluster.port(left[0])).expect(201);
    assert_eq!(get("/v/after").to(cluster.port(left[1])).expect(200).body, b"of two");
}

#[test]
fn two_who_add_at_once_get_both() {
    let mut cluster = founded();
    let joined = [cluster.join(0), cluster.join(1)];
    thread::scope(|scope| {
        for (at, node) in joined.into_iter().enumerate() {
            let cluster = &cluster;
            scope.spawn(move || self::cluster(cluster, at, &["add", cluster.name(node)]).succeeded());
        }
    });
    let after = settled(&cluster, 3);
    for node in joined {
        assert_eq!(member(&after, cluster.name(node)).expect("a member")["role"], "active", "{after}");
    }
    assert_readable(&cluster, &joined, &[]);
    put("/v/film", *b"of six").to(cluster.port(joined[0])).expect(201);
}

/// Whoever began a change is gone: others end it.
#[test]
fn a_change_goes_on_without_who_began_it() {
    for begun in [false, true] {
        let mut cluster = founded();
        let joined = cluster.join(0);
        let body = json!({ "change": "add", "node": "E" }).to_string();
        let request = post(PATH, body.clone()).header("content-type", "application/json");
        let mut connection = Connection::open(cluster.port(1));
        connection.send_head(&request).expect("a node that listens");
        connection.send(body.as_bytes()).expect("a node that listens");
        if begun {
            let is_begun =
                |found: Value| found["old"].is_array() || member(&found, "E").expect("it")["role"] == "active";
            wait_until("two sets in force", PATIENCE, || is_begun(configuration(&cluster, 0)));
        }
        cluster.kill(1);
        let after = settled(&cluster, 0);
        if begun {
            assert_eq!(member(&after, "E").expect("a member")["role"], "active", "{after}");
        }
        wait_until("the newcomer", PATIENCE, || {
            role(&cluster, 2, "E").as_deref() == Some("active") || {
                self::cluster(&cluster, 2, &["add", "E"]);
                false
            }
        });
        put("/v/film", *b"without one").to(cluster.port(joined)).expect(201);
        cluster.restart(1);
        // It has to hear who the members are by now.
        wait_until("its word", PATIENCE, || role(&cluster, 1, "E").as_deref() == Some("active"));
        assert_eq!(get("/v/film").to(cluster.port(1)).expect(200).body, b"without one");
    }
}

/// A node that joined moves: the others learn where it is by now, and what it serves.
#[test]
fn a_node_that_moved_is_found_again() {
    let mut cluster = founded();
    let joined = cluster.join(0);
    self::cluster(&cluster, 0, &["add", "E"]).succeeded();
    put("/v/film", *b"before").to(cluster.port(joined)).expect(201);
    cluster.kill(joined);
    let file = fs::read_to_string(cluster.config(joined)).expect("a configuration");
    let moved = file.replace("127.77.1.1:", "127.77.1.9:").replace("127.77.2.1:", "127.77.2.9:");
    // The others' addresses stay.
    let (own, others) = moved.split_once("[join]").expect("how it joined");
    let text = format!("{own}[join]{}", others.replace("127.77.1.9:", "127.77.1.1:"));
    fs::write(cluster.config(joined), text).expect("a configuration");
    cluster.restart(joined);
    for node in 0..5 {
        wait_until("the new address", PATIENCE, || {
            let found = configuration(&cluster, node);
            let addresses = member(&found, "E").expect("a member")["addresses"].as_array().expect("addresses").clone();
            addresses.len() == 2 && addresses.iter().all(|it| it.as_str().is_some_and(|it| it.contains(".9:")))
        });
    }
    wait_until("a node that all reach", PATIENCE, || {
        (0..5).all(|node| get("/readyz").to(cluster.port(node)).status == 200)
    });
    put("/v/after", *b"after").to(cluster.port(joined)).expect(201);
    assert_eq!(get("/v/after").to(cluster.port(2)).expect(200).body, b"after");
}

/// A key is told before it is used; once its node has it, the one before is good no more.
#[test]
fn a_node_that_joined_gets_another_key() {
    let mut cluster = founded();
    let joined = cluster.join(0);
    let file = fs::read_to_string(cluster.config(joined)).expect("a configuration");
    let fresh = cluster.folder().join("fresh.key");
    let told = run(rain().args(["key", "new"]).arg(&fresh)).succeeded().text();
    let public = told.split('"').rev().nth(1).expect("a public key");
    let old = file.lines().find(|line| line.starts_with("key_file")).expect("its key").to_owned();
    for (key, named) in [("00", "64 hexadecimal digits"), (public, "")] {
        let told = self::cluster(&cluster, 2, &["key", "E", key]);
        if named.is_empty() { drop(told.succeeded()) } else { told.failed_naming(&[named]) }
    }
    let keys = |node: usize| member(&configuration(&cluster, node), "E").expect("a member")["keys"].clone();
    assert_eq!(keys(2).as_array().map(Vec::len), Some(2), "{}", keys(2));
    let before = keys(2)[0].clone();
    cluster.kill(joined);
    let text = file.replace(&old, &format!("key_file = {:?}", fresh.display().to_string()));
    fs::write(cluster.config(joined), text).expect("a configuration");
    cluster.restart(joined);
    let keys = |node: usize| member(&configuration(&cluster, node), "E").expect("a member")["keys"].clone();
    for node in 0..5 {
        wait_until("one key", PATIENCE, || keys(node) == json!([public]));
    }
    assert_ne!(before, json!(public));
    cluster.kill(joined);
    fs::write(cluster.config(joined), &file).expect("a configuration");
    cluster.launch(joined);
    wait_until("a refusal", PATIENCE, || {
        get("/readyz")
            .try_to(cluster.port(joined))
            .is_ok_and(|found| found.status == 503 && found.beginning().contains("does not know this node's key"))
    });
}

/// What `rain cluster init` writes makes a cluster, and nothing that is there is written over.
#[test]
fn the_files_of_a_new_cluster_are_written_at_once() {
    let (folder, ports) = (Folder::new(), claim_ports());
    let names = ["A", "B", "C", "D"];
    let init = |name: &str, more: &[&str]| {
        let mut command = rain();
        command.args(["cluster", "init", "--folder"]).arg(folder.join(name));
        command.args(["--port", &ports.port(0).to_string(), "--peer-port", &ports.port(1).to_string()]);
        run(command.args(more))
    };
    let four =
        ["A=127.88.1.1,127.89.1.1", "B=127.88.1.2,127.89.1.2", "C=127.88.1.3,127.89.1.3", "D=127.88.1.4,127.89.1.4"];
    for (nodes, named) in [
        (&["A"][..], "expected NAME=ADDRESS"),
        (&["../A=127.0.0.1"], "the name `../A`"),
        (&["A=127.0.0.1", "A=127.0.0.2"], "stands there twice"),
        (&["A=127.0.0.1", "B=127.0.0.1"], "the address 127.0.0.1 stands there twice"),
        (&["A=127.0.0.1", "B=127.0.0.2,127.0.0.3"], "2 addresses, expected as many"),
        (&four[..3], "3 nodes with this one"),
        (&["A=127.0.0.1", "--code", "none:7"], "none:7"),
    ] {
        init("none", nodes).failed_naming(&[named]);
        assert_eq!(folder.path().join("none").read_dir().expect("a folder").count(), 0, "{named}");
    }
    let told = init("new", &four).succeeded().text();
    let mut nodes = Vec::new();
    for name in names {
        let home = folder.join("new").join(name);
        for secret in ["node.key", "rain.toml"] {
            let mode = fs::metadata(home.join(secret)).expect("a file").permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{secret} of {name}");
        }
        let config = home.join("rain.toml");
        assert!(told.contains(&format!("`rain node --config {}`", config.display())), "{told}");
        let mut command = rain();
        command.args(["node", "--config"]).arg(config);
        nodes.push(Process::start(command, &folder.join(&format!("{name}.log"))));
    }
    init("new", &four).failed_naming(&["is there already", "nothing was written"]);
    let url = format!("http://127.88.1.1:{}", ports.port(0));
    let show = || run(rain().args(["cluster", "show", "--json", "--server", &url]));
    wait_until("a cluster", PATIENCE, || {
        let shown = show();
        shown.code == Some(0) && shown.json()["members"].as_array().map(Vec::len) == Some(4)
    });
    let moved = init("moved", &["--home", "/srv/rain", four[0], four[1], four[2], four[3]]).succeeded().text();
    assert!(moved.contains("to /srv/rain there, and `rain node --config /srv/rain/rain.toml`"), "{moved}");
    let text = fs::read_to_string(folder.join("moved").join("B").join("rain.toml")).expect("a configuration");
    assert!(
        text.contains("key_file = \"/srv/rain/node.key\"") && text.contains("data = [\"/srv/rain/data\"]"),
        "{text}"
    );
}

/// Answers PUTs as a node does whose members change `changes` times meanwhile; the bodies of all of them.
fn answer_puts(listener: &TcpListener, changes: usize) -> Vec<Vec<u8>> {
    let mut bodies = Vec::new();
    while bodies.len() <= changes {
        let (stream, _) = listener.accept().expect("a connection");
        let mut reader = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(reader.read_line(&mut head).expect("a head"), 0, "{head}");
        }
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.map_or(0, |length| length.parse().expect("a length"))];
        reader.read_exact(&mut body).expect("a body");
        if head.contains("transfer-encoding: chunked") {
            while !body.ends_with(b"\r\n0\r\n\r\n") {
                let mut byte = [0];
                reader.read_exact(&mut byte).expect("a body");
                body.push(byte[0]);
            }
        }
        let is_put = head.starts_with("PUT ");
        let (status, text) = match (is_put, bodies.len() < changes) {
            (true, true) => ("503 Service Unavailable", r#"{"error":"configuration-changed","message":"it changed"}"#),
            (true, false) => ("201 Created", ""),
            (false, _) => ("200 OK", ""),
        };
        if is_put {
            bodies.push(body);
        }
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{text}", text.len());
        reader.get_mut().write_all(answer.as_bytes()).expect("a connection");
    }
    bodies
}

#[test]
fn what_a_change_broke_off_is_put_again() {
    let (folder, content) = (Folder::new(), random_bytes(10_000, 3));
    let file = folder.write("film", &content);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let put = || {
        let mut command = rain();
        command.args(["put", "--server", &url]);
        command
    };
    thread::scope(|scope| {
        let answering = scope.spawn(|| answer_puts(&listener, 2));
        run(put().arg(&file)).succeeded();
        assert_eq!(answering.join().expect("a node"), [&content[..]; 3]);
        // What comes from standard input comes once.
        let answering = scope.spawn(|| answer_puts(&listener, 1));
        run_with_input(put().args(["-", "film"]), Some(b"once")).failed_naming(&["it changed"]);
        run(put().arg(&file)).succeeded();
        answering.join().expect("a node");
    });
}
