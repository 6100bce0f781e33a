//! `rain encode`, `decode`, `verify` and `repair` (docs/operating.md, column files).

use crate::harness::{
    Cluster, Folder, Mount, PATIENCE, Process, assert_same, etag_of, names_in, put, rain, random_below, random_bytes,
    run, run_with_input,
};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// A command with paths behind its words.
fn offline(words: &[&str], paths: &[&Path]) -> Command {
    let mut command = rain();
    command.args(words).args(paths);
    command
}

fn encode(file: &Path, columns: &Path) -> Command {
    let mut command = offline(&["encode"], &[file]);
    command.arg("-o").arg(columns);
    command
}

fn decode(columns: &[&Path], output: &Path) -> Command {
    let mut command = offline(&["decode"], columns);
    command.arg("-o").arg(output);
    command
}

const FOUR: [&str; 4] = ["000.rain", "001.rain", "002.rain", "003.rain"];

#[test]
fn a_file_is_encoded_damaged_repaired_and_decoded() {
    for (length, code) in [(0, "b-code:4"), (1, "b-code:4"), (4097, "x-code:5"), (5_000_001, "b-code:6")] {
        let folder = Folder::new();
        let content = random_bytes(length, 1);
        let file = folder.write("film.mp4", &content);
        let (columns, copy) = (folder.join("columns"), folder.join("copy"));
        let made = run(encode(&file, &columns).args(["--code", code, "--json"])).succeeded().json();
        assert_eq!((&made["title"], &made["code"]), (&json!("film.mp4"), &json!(code)), "{made}");
        assert_eq!((&made["etag"], &made["bytes"]), (&json!(etag_of(&content)), &json!(length)), "{made}");
        assert_eq!((&made["tolerates"], &made["columns"][1]["file"]), (&json!(2), &json!("001.rain")), "{made}");
        let names = names_in(&columns);
        assert_eq!(names.len(), made["columns"].as_array().map_or(0, Vec::len));
        run(&mut offline(&["verify"], &[&columns])).succeeded();

        fs::remove_file(columns.join("001.rain")).expect("a column");
        let damaged = fs::read(columns.join("002.rain")).expect("a column");
        let at = damaged.len() / 2;
        fs::write(columns.join("002.rain"), [&damaged[..at], &[damaged[at] ^ 1], &damaged[at + 1..]].concat())
            .expect("a column");
        let verified = run(&mut offline(&["verify", "--json"], &[&columns]));
        assert_eq!(verified.code, Some(1), "{verified:?}");
        let states: Vec<Value> =
            verified.json()["columns"].as_array().expect("columns").iter().map(|c| c["state"].clone()).collect();
        assert_eq!(states[..4], [json!("ok"), json!("missing"), json!("damaged"), json!("ok")]);
        let object: Value = serde_json::from_str(&verified.stderr).expect("an error object");
        assert_eq!(
            (&object["error"], &object["found"], &object["expected"]),
            (&json!("damaged"), &json!(names.len() - 2), &json!(names.len()))
        );
        run(&mut offline(&["verify"], &[&columns])).failed_naming(&[&format!("intact columns: {}", names.len() - 2)]);

        let decoded = run(&mut decode(&[&columns], &copy));
        assert!(decoded.stderr.contains("column 1 is missing"), "{decoded:?}");
        decoded.succeeded();
        assert_same(&fs::read(&copy).expect("the copy"), &content, code);
        let to_stdout = run(&mut decode(&[&columns], Path::new("-"))).succeeded();
        assert_same(&to_stdout.stdout, &content, "standard output");

        let repaired = run(&mut offline(&["repair", "--json"], &[&columns])).succeeded().json();
        assert_eq!(repaired["repaired"], json!(["001.rain", "002.rain"]));
        assert_eq!(names_in(&columns), names);
        assert_same(&fs::read(columns.join("002.rain")).expect("a column"), &damaged, "what was repaired");
        run(&mut offline(&["verify"], &[&columns])).succeeded();

        for name in &names[..3] {
            fs::remove_file(columns.join(name)).expect("a column");
        }
        fs::remove_file(&copy).expect("the copy");
        let left = names_in(&columns);
        run(&mut decode(&[&columns], &copy)).failed_naming(&["expected at least"]);
        run(&mut offline(&["repair"], &[&columns])).failed_naming(&["expected at least"]);
        assert_eq!((names_in(&columns), folder.names()), (left, vec!["columns".to_owned(), "film.mp4".to_owned()]));
    }
}

/// No column is intact, and no stripe has lost more than one: the content is proven right, block by block. With as many
/// columns as it takes and a block of one lost, it is not, and nothing is written.
#[test]
fn damage_counts_where_it_is_and_missing_columns_everywhere() {
    let folder = Folder::new();
    let content = random_bytes(5_000_001, 9);
    let (columns, copy) = (folder.join("columns"), folder.join("copy"));
    run(&mut encode(&folder.write("film", &content), &columns)).succeeded();
    for (turn, name) in FOUR.iter().enumerate() {
        let mut bytes = fs::read(columns.join(name)).expect("a column");
        bytes[500_000 * turn + 100_000] ^= 1;
        fs::write(columns.join(name), bytes).expect("a column");
    }
    run(&mut offline(&["verify"], &[&columns])).failed_naming(&["intact columns: 0"]);
    let decoded = run(&mut decode(&[&columns], &copy));
    // The other two are not read where these are good.
    for column in 0..2 {
        assert!(decoded.stderr.contains(&format!("warning: column {column}: ")), "{decoded:?}");
    }
    decoded.succeeded();
    assert_same(&fs::read(&copy).expect("the copy"), &content, "the content");
    fs::remove_file(&copy).expect("the copy");
    for name in &FOUR[..2] {
        fs::remove_file(columns.join(name)).expect("a column");
    }
    run(&mut decode(&[&columns], &copy)).failed_naming(&["stripe"]);
    assert_eq!(folder.names(), ["columns", "film"]);
}

#[test]
fn standard_input_is_encoded() {
    let folder = Folder::new();
    let content = random_bytes(3_000_000, 2);
    let columns = folder.join("columns");
    let mut command = encode(Path::new("-"), &columns);
    run_with_input(command.args(["--title", "film", "--cell-bytes", "16384"]), Some(&content)).succeeded();
    let decoded = run(&mut decode(&[&columns.join("003.rain"), &columns.join("001.rain")], Path::new("-")));
    assert_same(&decoded.succeeded().stdout, &content, "the content");
}

#[test]
fn wrong_use_and_refusals_say_why() {
    let folder = Folder::new();
    let file = folder.write("film", b"content");
    let columns = folder.join("columns");
    for (words, named) in [
        (&["--code", "x-code:9"][..], "the nearest is x-code:11"),
        (&["--cell-bytes", "5000"], "expected a power of two from 4096"),
    ] {
        let refused = run(encode(&file, &columns).args(words));
        assert_eq!(refused.code, Some(2), "{refused:?}");
        assert!(refused.stderr.contains(named), "{refused:?}");
    }
    run(&mut encode(&folder.join("absent"), &columns)).failed_naming(&["absent"]);
    run(&mut encode(folder.path(), &columns)).failed_naming(&["is a folder"]);
    run(&mut encode(&file, folder.path())).failed_naming(&["is not empty", "film"]);
    run(&mut encode(&file, &file)).failed_naming(&["film"]);
    run(&mut decode(&[&folder.join("absent")], &folder.join("copy"))).failed_naming(&["absent"]);
    run(&mut decode(&[folder.path()], &folder.join("copy"))).failed_naming(&["no column file"]);
    run(&mut offline(&["verify"], &[folder.path()])).failed_naming(&["no column file"]);
    assert_eq!(folder.names(), ["film"]);
    run(&mut decode(&[&folder.join("absent")], folder.path())).failed_naming(&["absent"]);
    // An empty folder is as good as none.
    fs::create_dir(&columns).expect("a folder");
    run(&mut encode(&file, &columns)).succeeded();
    assert_eq!(names_in(&columns), FOUR);
    run(&mut decode(&[&columns], folder.path())).failed_naming(&["is a folder"]);
    // A pipe takes what comes, and stays one; a link is written through.
    let pipe = folder.join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo").success());
    let reader = std::thread::spawn({
        let pipe = pipe.clone();
        move || fs::read(pipe).expect("the pipe")
    });
    run(&mut decode(&[&columns], &pipe)).succeeded();
    assert!(!fs::metadata(&pipe).expect("the pipe").is_file(), "the pipe was replaced by a file");
    assert_eq!(reader.join().expect("a reader"), b"content");
    std::os::unix::fs::symlink(folder.write("target", b""), folder.join("link")).expect("a link");
    run(decode(&[&columns], &folder.join("link")).arg("--force")).succeeded();
    assert_eq!(fs::read(folder.join("target")).expect("the target"), b"content");
}

/// `rain decode` replaced what had the name of its output, and said nothing when it had done its work.
#[test]
fn a_file_that_is_there_is_replaced_by_force_only() {
    let folder = Folder::new();
    let (file, columns) = (folder.write("film", b"content"), folder.join("columns"));
    run(&mut encode(&file, &columns)).succeeded();
    let copy = folder.write("copy", b"dear to somebody");
    run(&mut decode(&[&columns], &copy)).failed_naming(&["copy is there already", "--force"]);
    let refused = run(decode(&[&columns], &copy).arg("--json"));
    let object: Value = serde_json::from_str(&refused.stderr).expect("an error object");
    assert_eq!(object["error"], "exists", "{object}");
    assert_eq!(fs::read(&copy).expect("the file"), b"dear to somebody");
    let decoded = run(decode(&[&columns], &copy).arg("--force")).succeeded();
    assert_eq!(decoded.text(), format!("film: 7 bytes in {}, etag {}\n", copy.display(), etag_of(b"content")));
    assert_eq!((fs::read(&copy).expect("the file").as_slice(), folder.names().len()), (&b"content"[..], 3));
    let decoded = run(&mut decode(&[&columns], Path::new("-"))).succeeded();
    assert_eq!((decoded.stdout.as_slice(), decoded.stderr.as_str()), (&b"content"[..], ""));
}

/// File names are bytes, titles are UTF-8.
#[test]
fn files_whose_names_are_no_text_are_encoded_and_decoded() {
    let folder = Folder::new();
    let odd = |name: &[u8]| folder.path().join(OsStr::from_bytes(name));
    let (file, columns, copy) = (odd(b"film \xff.mp4"), odd(b"columns \xfe"), odd(b"copy \xfd"));
    fs::write(&file, b"content").expect("a file");
    run(&mut encode(&file, &columns)).failed_naming(&["film \\xff.mp4", "not UTF-8", "--title"]);
    assert!(!columns.exists(), "half of something was written");
    run(encode(&file, &columns).args(["--title", "film.mp4"])).succeeded();
    run(&mut offline(&["verify"], &[&columns])).succeeded();
    run(&mut decode(&[&columns], &copy)).succeeded();
    assert_eq!(fs::read(&copy).expect("the copy"), b"content");
    let tilde = folder.write("~film", b"content");
    run(&mut encode(&tilde, &folder.join("other"))).failed_naming(&["~film", "--title"]);
    // Without a cluster: before anybody is asked.
    run(&mut offline(&["put"], &[&file])).failed_naming(&["film \\xff.mp4", "not UTF-8", "rain put FILE TITLE"]);
}

/// Killed at some point, nothing has a final name; the next run goes on and comes to the same.
#[test]
fn a_killed_encode_is_gone_on_with() {
    let folder = Folder::new();
    let content = random_bytes(192 << 20, 3);
    let file = folder.write("film", &content);
    let mut reused = 0;
    for (turn, exists) in (0..10).flat_map(|turn| [(turn, false), (turn, true)]) {
        let columns = folder.join("columns");
        if exists {
            fs::create_dir(&columns).expect("a folder");
        }
        let kills = 2;
        for kill in 0..kills {
            let mut command = encode(&file, &columns);
            command.stdout(Stdio::null());
            let process = Process::start(command, &folder.join("log"));
            std::thread::sleep(Duration::from_millis(random_below(500, turn * 7 + kill)));
            if process.ended().is_some() {
                break;
            }
            process.signal(Signal::KILL);
            process.wait(PATIENCE);
            let final_names = names_in(&columns).into_iter().filter(|name| !name.starts_with('.'));
            // Whole and all, or none.
            assert!(matches!(final_names.count(), 0 | 4), "{:?}", names_in(&columns));
        }
        if !columns.join("003.rain").exists() {
            let made = run(encode(&file, &columns).arg("--json")).succeeded().json();
            reused += made["reused_bytes"].as_u64().expect("a number");
        }
        assert_eq!(names_in(&columns), FOUR);
        assert!(folder.names().iter().all(|name| !name.starts_with('.')), "{:?}", folder.names());
        run(&mut offline(&["verify"], &[&columns])).succeeded();
        fs::remove_dir_all(&columns).expect("the columns");
    }
    assert!(reused > 0, "no run went on where another had stopped");
}

/// What an interrupted run left of another content is not gone on with.
#[test]
fn another_input_begins_anew() {
    let folder = Folder::new();
    let columns = folder.join("columns");
    let file = folder.write("film", random_bytes(64 << 20, 4));
    let mut command = encode(&file, &columns);
    command.stdout(Stdio::null());
    let process = Process::start(command, &folder.join("log"));
    std::thread::sleep(Duration::from_millis(100));
    if process.ended().is_none() {
        process.signal(Signal::KILL);
        process.wait(PATIENCE);
    }
    let _ = fs::remove_dir_all(&columns);
    let other = random_bytes(10_000_000, 5);
    folder.write("film", &other);
    let made = run(encode(&file, &columns).arg("--json")).succeeded().json();
    assert_eq!((&made["reused_bytes"], &made["etag"]), (&json!(0), &json!(etag_of(&other))));
    run(&mut decode(&[&columns], &folder.join("copy"))).succeeded();
    assert_same(&fs::read(folder.join("copy")).expect("the copy"), &other, "the content");
}

/// Folders in names of titles become folders; what is committed is found for all of them.
#[test]
fn titles_in_folders_are_decoded_to_folders() {
    let mut cluster = Cluster::of_four();
    let folder = Folder::new();
    for name in ["films/2026/a", "films/b", "c"] {
        put(format!("/v/{name}"), name.as_bytes().to_vec()).to(cluster.port(0)).expect(201);
    }
    put("/v/films/b", *b"anew").to(cluster.port(1)).expect(204);
    (0..4).for_each(|node| cluster.kill(node));
    let all = folder.join("all");
    let mut command = offline(&["decode", "--all"], &[&all]);
    command.args([cluster.data(0), cluster.data(2)]);
    run(&mut command).succeeded();
    for (name, content) in [("films/2026/a", "films/2026/a"), ("films/b", "anew"), ("c", "c")] {
        assert_eq!(fs::read_to_string(all.join(name)).expect("the copy"), content);
    }
    assert_eq!(names_in(&all), ["c", "films"]);
}

/// The disks of any k nodes are enough, with no cluster.
#[test]
fn the_disks_of_some_nodes_are_decoded() {
    let mut cluster = Cluster::of_four();
    let folder = Folder::new();
    let (first, second) = (random_bytes(2_500_000, 6), random_bytes(1_000_000, 7));
    put("/v/film", first.clone()).to(cluster.port(0)).expect(201);
    put("/v/other", first.clone()).to(cluster.port(0)).expect(201);
    put("/v/film", second.clone()).to(cluster.port(1)).expect(204);
    for node in 0..4 {
        cluster.kill(node);
    }
    let disks: Vec<PathBuf> = [1, 3].into_iter().map(|node| cluster.data(node)).collect();
    let disks: Vec<&Path> = disks.iter().map(PathBuf::as_path).collect();
    let copy = folder.join("copy");
    run(&mut decode(&disks, &copy)).failed_naming(&["columns of 2 titles", "\"film\", \"other\""]);
    let all = folder.join("all");
    let decode_all = |disks: &[&Path]| {
        let mut command = offline(&["decode", "--all"], &[&all]);
        command.args(disks);
        command
    };
    // One column of each is not enough: all that cannot be decoded is named.
    run(&mut decode_all(&disks[..1])).failed_naming(&[
        "titles decoded: 0, expected 2",
        "\"film\": ",
        "\"other\": ",
        "expected at least 2",
    ]);
    assert_eq!(names_in(&all), [""; 0]);
    let decoded = run(&mut decode_all(&disks)).succeeded();
    assert!(decoded.text().lines().count() == 2 && decoded.text().starts_with("film: 1000000 bytes"), "{decoded:?}");
    assert_eq!(names_in(&all), ["film", "other"]);
    assert_same(&fs::read(all.join("film")).expect("the copy"), &second, "the newest version");
    assert_same(&fs::read(all.join("other")).expect("the copy"), &first, "the other title");
    fs::remove_file(all.join("other")).expect("the copy");
    // What is there already is left, and what is not there is decoded.
    run(&mut decode_all(&disks)).failed_naming(&["titles decoded: 1, expected 2", "\"film\": ", "--force"]);
    assert_eq!(names_in(&all), ["film", "other"]);
    run(decode_all(&disks).arg("--force")).succeeded();
    let confused = run(decode_all(&disks).args(["--title", "film"]));
    assert_eq!(confused.code, Some(2), "{confused:?}");
    fs::remove_dir_all(&all).expect("the copies");
    // The newest committed version, whatever is left of the one before.
    run(decode(&disks, &copy).args(["--title", "film"])).succeeded();
    assert_same(&fs::read(&copy).expect("the copy"), &second, "the newest version");
    run(decode(&disks[..1], &folder.join("none")).args(["--title", "film"])).failed_naming(&["expected at least 2"]);
    assert_eq!(folder.names(), ["copy"]);
}

/// A disk that is full: a clear error, and what was written is gone.
#[test]
fn a_full_disk_is_told_and_left_as_it_was() {
    let folder = Folder::new();
    let disk = folder.join("disk");
    fs::create_dir(&disk).expect("a folder");
    let Some(_mount) = Mount::memory(&disk, "size=16m") else { return };
    let file = folder.write("film", random_bytes(12 << 20, 8));
    run(&mut encode(&file, &disk.join("columns"))).failed_naming(&["No space left"]);
    assert_eq!(names_in(&disk), [""; 0]);
    run(&mut encode(&file, &disk)).failed_naming(&["No space left"]);
    assert_eq!(names_in(&disk), [""; 0]);
    run(&mut encode(&file, &folder.join("columns"))).succeeded();
    fs::write(disk.join("ballast"), vec![0; 8 << 20]).expect("ballast");
    let refused = run(decode(&[&folder.join("columns")], &disk.join("copy")).arg("--json"));
    assert_eq!(refused.code, Some(1), "{refused:?}");
    let object: Value = serde_json::from_str(&refused.stderr).expect("an error object");
    assert_eq!(object["error"], "no-space", "{object}");
    assert_eq!(names_in(&disk), ["ballast"]);
}
