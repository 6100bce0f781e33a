//! Mistakes in configurations and on the command line: exit 2 or 1, with what was found and what was expected.

use crate::harness::{Cluster, PATIENCE, Process, get, names_in, rain, run, wait_until};
use std::ffi::OsStr;
use std::fs;
use std::net::TcpListener;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;

/// The configuration of node A of four that were never started.
fn good() -> (Cluster, String) {
    let cluster = Cluster::lay_out("b-code:4", 4);
    let text = fs::read_to_string(cluster.config(0)).expect("a configuration");
    (cluster, text)
}

#[test]
fn a_good_configuration_passes() {
    let (cluster, _) = good();
    let checked = run(rain().args(["config", "check"]).arg(cluster.config(0))).succeeded();
    assert_eq!(checked.stderr, "");
}

#[test]
fn mistakes_are_named_with_what_was_found_and_what_was_expected() {
    let (cluster, good) = good();
    let listen = format!("listen = \"127.0.0.1:{}\"", cluster.port(0));
    let key = format!("key_file = \"{}\"", cluster.folder().join("A.key").display());
    let first_interface = format!("address = \"127.77.1.1:{}\"", cluster.port(0));
    let open = cluster.folder().write("open.key", fs::read(cluster.folder().join("A.key")).expect("a key"));
    fs::set_permissions(&open, fs::Permissions::from_mode(0o644)).expect("a mode");
    let short = cluster.folder().write("short.key", "short");
    fs::set_permissions(&short, fs::Permissions::from_mode(0o600)).expect("a mode");
    let missing = cluster.folder().join("missing.key");
    let with_key = |path: &std::path::Path| format!("key_file = \"{}\"", path.display());
    let cases: Vec<(&str, String, Vec<&str>)> = vec![
        ("node = \"A\"", "nodes = \"A\"".into(), vec!["nodes", "expected", "`node`"]),
        ("node = \"A\"", "node = \"A\"\ncolour = \"red\"".into(), vec!["colour", "expected", "`listen`"]),
        ("node = \"A\"\n", String::new(), vec!["missing", "node"]),
        ("node = \"A\"", "node = \"B\"".into(), vec!["name", "`B` twice"]),
        ("code = \"b-code:4\"", "code = 4".into(), vec!["code", "4", "expected a string"]),
        ("code = \"b-code:4\"", "code = \"z-code:4\"".into(), vec!["code", "z-code:4", "expected", "b-code"]),
        ("code = \"b-code:4\"", "code = \"x-code:4\"".into(), vec!["code", "x-code:4", "expected", "prime"]),
        ("code = \"b-code:4\"", "code = \"b-code:6\"".into(), vec!["peers", "4 nodes", "6", "b-code:6"]),
        (&listen, "listen = 80".into(), vec!["listen", "80", "expected", "address"]),
        (&listen, "listen = \"here\"".into(), vec!["listen", "here", "expected an address and a port"]),
        (&listen, "listen = \"0.0.0.0:80\"\n#".into(), vec![]),
        (&key, with_key(&open), vec!["key_file", "0644", "0600"]),
        (&key, with_key(&short), vec!["key_file", "no private key", "rain key new"]),
        (&key, with_key(&missing), vec!["missing.key"]),
        ("data = [", "data = [\"/one\", ".into(), vec!["data", "2", "one"]),
        ("switch = \"s1\"", "switch = \"s9\"".into(), vec!["peers.B.addresses", "s1", "interfaces"]),
        (&first_interface, "address = \"nowhere\"".into(), vec!["address", "nowhere"]),
        ("node = \"A\"", "node = \"A".into(), vec!["A.toml", "1"]),
    ];
    for (from, to, named) in cases {
        assert!(good.contains(from), "{from}");
        fs::write(cluster.config(0), good.replacen(from, &to, 1)).expect("a configuration");
        let checked = run(rain().args(["config", "check"]).arg(cluster.config(0)));
        if named.is_empty() {
            checked.succeeded();
            continue;
        }
        checked.failed_naming(&named);
        // The node says the same, and does not start.
        run(rain().args(["node", "--config"]).arg(cluster.config(0))).failed_naming(&named);
    }
    let nowhere = cluster.folder().join("nowhere.toml");
    run(rain().args(["config", "check"]).arg(&nowhere)).failed_naming(&[&nowhere.display().to_string()]);
}

/// `rain config check` passed what the node then refused.
#[test]
fn the_check_looks_for_what_the_node_needs_of_the_machine() {
    let (mut cluster, good) = good();
    let data = format!("data = [\"{}\"]", cluster.data(0).display());
    let listen = format!("listen = \"127.0.0.1:{}\"", cluster.port(0));
    let file = cluster.folder().write("file", "no folder");
    let file = file.display().to_string();
    let check = |cluster: &Cluster| run(rain().args(["config", "check"]).arg(cluster.config(0)));
    check(&cluster).succeeded();
    assert_eq!(names_in(&cluster.data(0)), [""; 0], "the check left something");
    for (from, to, named) in [
        (&data, "data = [\"/nowhere/at all\"]".to_owned(), "/nowhere/at all"),
        (&data, format!("data = [\"{file}\"]"), &file),
        (&listen, "listen = \"198.51.100.1:80\"".to_owned(), "198.51.100.1:80"),
        (&format!("127.77.2.1:{}", cluster.port(0)), "198.51.100.2:80".to_owned(), "198.51.100.2:80"),
    ] {
        assert!(good.contains(from.as_str()), "{from}");
        fs::write(cluster.config(0), good.replacen(from, &to, 1)).expect("a configuration");
        check(&cluster).failed_naming(&[named, "expected"]);
        run(rain().args(["node", "--config"]).arg(cluster.config(0))).failed_naming(&[named]);
    }
    fs::write(cluster.config(0), &good).expect("a configuration");
    let taken = TcpListener::bind(("127.0.0.1", cluster.port(0))).expect("a claimed port");
    check(&cluster).failed_naming(&["listen", &format!("127.0.0.1:{}", cluster.port(0)), "in use"]);
    drop(taken);
    check(&cluster).succeeded();
    // What a node that runs has taken is no mistake in its own configuration.
    cluster.start_all();
    let text = check(&cluster).succeeded().text();
    assert!(text.contains("a node runs on this data folder"), "{text}");
}

/// The check passed a folder that the node then refused.
#[test]
fn the_check_finds_whose_a_data_folder_is() {
    let (mut cluster, good) = good();
    cluster.start_all();
    (0..4).for_each(|node| cluster.kill(node));
    let check = |named: &[&str]| {
        run(rain().args(["config", "check"]).arg(cluster.config(0))).failed_naming(named);
        run(rain().args(["node", "--config"]).arg(cluster.config(0))).failed_naming(&named[1..]);
    };
    run(rain().args(["config", "check"]).arg(cluster.config(0))).succeeded();
    let (own, other) = (cluster.data(0).display().to_string(), cluster.data(1).display().to_string());
    let [from, to] = [&own, &other].map(|folder| format!("data = [\"{folder}\"]"));
    assert!(good.contains(&from), "{good}");
    fs::write(cluster.config(0), good.replace(&from, &to)).expect("a configuration");
    check(&["`data`", &other, "belongs to node", "expected node"]);
    fs::write(cluster.config(0), format!("catalog = 3\n{good}")).expect("a configuration");
    check(&["`data`", "4 catalog nodes, expected 3"]);
    fs::write(cluster.config(0), &good).expect("a configuration");
    fs::write(cluster.data(0).join("identity"), "rot").expect("an identity");
    check(&["`data`", "identity"]);
    fs::remove_file(cluster.data(0).join("identity")).expect("an identity");
    check(&["`data`", "a ledger and no identity"]);
}

#[test]
fn keys_are_made_and_told_once() {
    let (cluster, good) = good();
    let key = format!("key_file = \"{}\"", cluster.folder().join("A.key").display());
    let own = cluster.folder().join("own.key");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    let made = text(run(rain().args(["key", "new"]).arg(&own)).succeeded().stdout);
    let line = format!("key_file = \"{}\"", own.display());
    assert!(made.contains(&format!("\n{line}\n")), "{made}");
    assert_eq!(fs::metadata(&own).expect("a key").permissions().mode() & 0o777, 0o600);
    assert_eq!(text(run(rain().args(["key", "show"]).arg(&own)).succeeded().stdout), made);
    // What a lost key was is known to nobody: none is written over.
    let before = fs::read(&own).expect("a key");
    run(rain().args(["key", "new"]).arg(&own)).failed_naming(&["own.key", "already"]);
    assert_eq!(fs::read(&own).expect("a key"), before);
    let check = |lines: &str| {
        fs::write(cluster.config(0), good.replacen(&key, lines, 1)).expect("a configuration");
        run(rain().args(["config", "check"]).arg(cluster.config(0)))
    };
    let checked = text(check(&line).succeeded().stdout);
    let public = made.rsplit('"').nth(1).expect("a public key");
    assert!(checked.contains(public), "{checked}");
}

#[test]
fn without_a_key_every_address_is_on_the_loopback() {
    let (cluster, good) = good();
    let lines: Vec<_> = good.lines().filter(|line| !line.starts_with("key")).collect();
    let without_key = lines.join(
        "
",
    );
    let check = |text: &str| {
        fs::write(cluster.config(0), text).expect("a configuration");
        run(rain().args(["config", "check"]).arg(cluster.config(0)))
    };
    check(&without_key).succeeded();
    let listen = format!("127.0.0.1:{}", cluster.port(0));
    check(&without_key.replacen(&listen, "0.0.0.0:80", 1)).failed_naming(&["listen", "0.0.0.0:80", "loopback"]);
    check(&without_key.replacen(&listen, "[2001:db8::1]:80", 1)).failed_naming(&[
        "listen",
        "[2001:db8::1]:80",
        "loopback",
    ]);
    let interface = format!("127.77.2.1:{}", cluster.port(0));
    check(&without_key.replacen(&interface, "10.0.0.1:80", 1)).failed_naming(&[
        "interfaces",
        "10.0.0.1:80",
        "loopback",
    ]);
}

#[test]
fn a_listener_without_the_console_serves_all_else() {
    let (mut cluster, good) = good();
    fs::write(cluster.config(0), format!("console = false\n{good}")).expect("a configuration");
    cluster.start_all();
    for (node, status) in [(0, 404), (1, 200)] {
        for path in ["/", "/console.js"] {
            get(path).to(cluster.port(node)).expect(status);
        }
        get("/api/v1/cluster").to(cluster.port(node)).expect(200);
    }
}

#[test]
fn the_environment_overrides_the_file() {
    let (cluster, good) = good();
    let other = format!("127.0.0.1:{}", cluster.port(0) + 20);
    let mut command = rain();
    command.args(["node", "--config"]).arg(cluster.config(0)).env("RAIN_LISTEN", &other);
    let node = Process::start(command, &cluster.folder().join("overridden.log"));
    wait_until("the node at the other address", PATIENCE, || {
        assert_eq!(node.ended(), None, "{}", node.log());
        get("/healthz").try_to(cluster.port(0) + 20).is_ok_and(|response| response.status == 200)
    });
    assert!(get("/healthz").try_to(cluster.port(0)).is_err(), "the file's own address");
    drop(node);

    let check = |name: &str, value: &str| run(rain().args(["config", "check"]).arg(cluster.config(0)).env(name, value));
    check("RAIN_LISTEN", &other).succeeded();
    check("RAIN_LISTEN", "here").failed_naming(&["listen", "RAIN_LISTEN", "found `here`", "expected an address"]);
    // Variables are bytes; those that are no text are no keys.
    let odd = OsStr::from_bytes(b"\xff");
    run(rain().args(["config", "check"]).arg(cluster.config(0)).env("ODD", odd).env("RAIN_NODE", odd)).succeeded();
    // Also where ids are made for it.
    let without = good.replacen(&format!("id = \"{}\"", Cluster::id(0)), "", 1);
    fs::write(cluster.config(0), without).expect("a configuration");
    check("RAIN_LISTEN", "here").failed_naming(&["found `here`"]);
    check("RAIN_LISTEN", &other).failed_naming(&["no `id` of node `A`; all else is well"]);
    check("RAIN_CODE", "b-code:6").failed_naming(&["4 nodes", "6", "b-code:6"]);
    check("RAIN_KEY_FILE", "/nowhere/key").failed_naming(&["/nowhere/key"]);
    // What it overrides may be wrong in the file.
    fs::write(cluster.config(0), good.replacen("code = \"b-code:4\"", "code = \"z\"", 1)).expect("a configuration");
    check("RAIN_CODE", "b-code:4").succeeded();
}

#[test]
fn wrong_use_of_the_command_line_exits_2() {
    let cases: [&[&str]; 14] = [
        &["nonsense"],
        &["--nonsense"],
        &["demo", "--nodes", "many"],
        &["demo", "--port", "70000"],
        &["demo", "extra"],
        &["node"],
        &["node", "--config"],
        &["put"],
        &["get"],
        &["rm"],
        &["stat"],
        &["stat", "a", "b"],
        &["config"],
        &["config", "check"],
    ];
    for arguments in cases {
        let finished = run(rain().args(arguments));
        assert_eq!(finished.code, Some(2), "{arguments:?}: {finished:?}");
        assert_eq!(finished.text(), "", "{arguments:?}");
        assert!(finished.stderr.contains("--help") || finished.stderr.contains("Usage"), "{arguments:?}: {finished:?}");
    }
}

#[test]
fn help_and_version_are_told() {
    for command in ["", "demo", "node", "put", "get", "ls", "rm", "stat", "status", "config", "reload", "token"] {
        let arguments: Vec<_> = [command, "--help"].into_iter().filter(|argument| !argument.is_empty()).collect();
        let help = run(rain().args(arguments)).succeeded();
        assert!(help.text().contains("Usage"), "{command}: {help:?}");
    }
    for arguments in [&["help"][..], &["help", "put"], &["help", "topology", "plan"], &["code", "help", "ls"]] {
        let help = run(rain().args(arguments)).succeeded();
        assert!(help.text().contains("Usage"), "{arguments:?}: {help:?}");
    }
    // What somebody does every day comes before what they do once.
    let help = run(rain().arg("help")).succeeded().text();
    let place = |command: &str| help.find(&format!("\n  {command} ")).unwrap_or_else(|| panic!("{command}: {help}"));
    let order = ["put", "get", "ls", "status", "node", "config", "reload", "token", "encode", "demo", "bench"];
    assert!(order.map(place).is_sorted(), "{help}");
    let version = run(rain().arg("--version")).succeeded().text();
    assert!(version.contains(env!("CARGO_PKG_VERSION")) && version.contains("commit"), "{version}");
}
