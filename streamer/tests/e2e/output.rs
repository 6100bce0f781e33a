//! Who reads what the commands print may stop reading at any time.

use crate::harness::{Cluster, Folder, put, rain, random_bytes, run, run_unread};
use std::process::{Command, Stdio};

/// What a shell says of a program that was ended because nobody read its output.
const UNREAD: i32 = 141;

fn words(words: &[&str]) -> Command {
    let mut command = rain();
    command.args(words);
    command
}

/// `| head -1` printed a panic, or an error.
#[track_caller]
fn ends_quietly(command: &mut Command) {
    let finished = run_unread(command);
    assert_eq!((finished.code, finished.stderr.as_str()), (Some(UNREAD), ""), "{command:?}");
}

#[test]
fn commands_end_quietly_when_nobody_reads_them() {
    let folder = Folder::new();
    let path = |name: &str| folder.join(name).to_str().expect("UTF-8").to_owned();
    folder.write("film", random_bytes(3_000_000, 1));
    let (film, columns, copy) = (path("film"), path("columns"), path("copy"));
    run(&mut words(&["encode", &film, "-o", &columns])).succeeded();
    let configured = Cluster::lay_out("b-code:4", 4);
    let config = configured.config(0);
    for arguments in [
        &["code", "ls"][..],
        &["code", "show", "b-code:4"],
        &["topology", "plan", "--switches", "8"],
        &["bench", "--code", "b-code:4", "--seconds", "1"],
        &["bench", "--code", "b-code:4", "--seconds", "1", "--format", "json"],
        &["encode", &film, "-o", &path("other")],
        &["encode", &film, "-o", &path("third"), "--json"],
        &["verify", &columns],
        &["verify", &columns, "--json"],
        &["repair", &columns],
        &["repair", &columns, "--json"],
        &["decode", &columns, "-o", "-"],
        &["decode", &columns, "-o", &copy],
        &["decode", &columns, "-o", &path("second"), "--json"],
        &["config", "check", config.to_str().expect("UTF-8")],
    ] {
        ends_quietly(&mut words(arguments));
    }
}

#[test]
fn clients_end_quietly_when_nobody_reads_them() {
    let cluster = Cluster::of_four();
    let folder = Folder::new();
    let file = folder.write("film", b"film");
    put("/v/title", random_bytes(3_000_000, 1)).to(cluster.port(0)).expect(201);
    for arguments in [
        &["ls"][..],
        &["ls", "--json"],
        &["stat", "title"],
        &["stat", "title", "--json"],
        &["status"],
        &["status", "--json"],
        &["status", "--watch"],
        &["get", "title", "-o", "-"],
        &["put", file.to_str().expect("UTF-8")],
        &["put", file.to_str().expect("UTF-8"), "--json"],
    ] {
        ends_quietly(words(arguments).args(["--server", &cluster.url(0)]));
    }
}

#[test]
fn an_error_that_nobody_reads_is_still_a_failure() {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    for json in [&[][..], &["--json"]] {
        let mut command = words(&["verify", "/nowhere"]);
        let status = command.args(json).stdout(Stdio::null()).stderr(writer.try_clone().expect("a pipe")).status();
        assert_eq!(status.expect("a status").code(), Some(1), "{json:?}");
    }
}
