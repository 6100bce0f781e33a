//! What is written, what is not, and that it is said.

use super::*;
use crate::http::caller::Standing;
use rain_config::{AccessToken, Role};
use serde_json::{Value, json};
use std::sync::mpsc;

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("rain-audit-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn lines(&self, name: &str) -> Vec<Value> {
        let text = fs::read_to_string(self.0.join(name)).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn over(write: impl FnMut(&[String]) -> io::Result<()> + Send + 'static) -> Arc<AuditLog> {
    Arc::new(AuditLog::over(write))
}

fn alice() -> Caller {
    let (name, hash) = ("alice".to_owned(), blake3::hash(b""));
    let token = Arc::new(AccessToken { name, role: Role::Publisher, prefix: String::new(), hash });
    Caller { address: [10, 0, 0, 2].into(), standing: Standing::Token { token, by_login: false } }
}

fn answered(status: u16) -> Response<()> {
    Response::builder().status(status).header("rain-version", "7-3f9a0c21").body(()).unwrap()
}

fn asked(log: &Arc<AuditLog>, path: &str) -> Asked {
    let alice = alice();
    log.begin((Some(&alice), alice.address), (&Method::PUT, path))
}

fn put(log: &Arc<AuditLog>, path: &str, status: u16) {
    asked(log, path).answered(&answered(status));
}

#[test]
fn a_line_says_who_did_what_from_where_and_what_came_of_it() {
    let folder = Folder::new("line");
    let log = Arc::new(AuditLog::of_folder(&folder.0));
    put(&log, "/v/a%22%0Ab", 400);
    put(&log, "/v/films/a%20b", 201);
    let mut noted = Response::builder().status(200).body(()).unwrap();
    noted.extensions_mut().insert(Note("cut node B".to_owned()));
    log.begin((None, [10, 0, 0, 3].into()), (&Method::POST, "/api/v1/faults")).answered(&noted);
    drop(asked(&log, "/v/left"));
    log.record_signal("SIGHUP", false, "why");
    log.close();
    let mut lines = folder.lines("audit.jsonl");
    for line in &mut lines {
        let time = line.as_object_mut().unwrap().remove("time_ms").unwrap().as_u64().unwrap();
        assert!(time > 1_700_000_000_000, "{time}");
    }
    let expected = [
        json!({ "who": "alice", "address": "10.0.0.2", "method": "PUT", "path": "/v/a%22%0Ab", "status": 400,
                "version": "7-3f9a0c21" }),
        json!({ "who": "alice", "address": "10.0.0.2", "method": "PUT", "title": "films/a b", "status": 201,
                "version": "7-3f9a0c21" }),
        json!({ "who": "stranger", "address": "10.0.0.3", "method": "POST", "path": "/api/v1/faults", "status": 200,
                "note": "cut node B" }),
        json!({ "who": "alice", "address": "10.0.0.2", "method": "PUT", "title": "left",
                "note": "left before the answer" }),
        json!({ "who": "signal", "method": "SIGHUP", "status": 422, "note": "why" }),
    ];
    assert_eq!(lines, expected);
}

#[test]
fn a_slow_disk_holds_nobody_up_and_what_is_lost_is_said() {
    let (begun, begins) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let written = Arc::new(Mutex::new(Vec::new()));
    let into = Arc::clone(&written);
    let log = over(move |lines| {
        let _ = begun.send(());
        released.recv().map_err(io::Error::other)?;
        into.lock().unwrap().extend_from_slice(lines);
        Ok(())
    });
    put(&log, "/v/first", 201);
    begins.recv().unwrap();
    // The disk is busy with the first from here on.
    for _ in 0..WAITING_MAX + 3 {
        put(&log, "/v/more", 201);
    }
    assert_eq!(log.missing.load(Ordering::Relaxed), 3);
    release.send(()).unwrap();
    release.send(()).unwrap();
    drop(release);
    log.close();
    let written = written.lock().unwrap();
    assert_eq!(written.len(), 1 + 1 + WAITING_MAX);
    assert!(written[1].contains("\"missing\":3"), "{}", written[1]);
}

#[test]
fn what_could_not_be_written_is_said_by_the_next_line_that_is() {
    let mut round = 0;
    let (done, tried) = mpsc::channel();
    let log = over(move |lines| {
        round += 1;
        let _ = done.send(lines.to_vec());
        if round < 3 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    });
    let mut last = Vec::new();
    for title in ["/v/a", "/v/b", "/v/c"] {
        put(&log, title, 201);
        last = tried.recv().unwrap();
    }
    assert_eq!(last.len(), 2);
    assert!(last[0].contains("\"missing\":2") && last[1].contains("\"title\":\"c\""), "{last:?}");
    log.close();
    assert_eq!(log.missing.load(Ordering::Relaxed), 0);
}

#[test]
fn strangers_cannot_push_the_rest_out() {
    let folder = Folder::new("strangers");
    let log = Arc::new(AuditLog::of_folder(&folder.0));
    for _ in 0..REFUSALS_MAX + 50 {
        log.begin((None, [10, 0, 0, 3].into()), (&Method::PUT, "/v/a")).answered(&answered(401));
    }
    put(&log, "/v/b", 201);
    log.close();
    let lines = folder.lines("audit.jsonl");
    let of = |who: &str| lines.iter().filter(|line| line["who"] == who).count();
    assert_eq!((of("stranger"), of("alice")), (100, 1));
    let missing: u64 = lines.iter().filter_map(|line| line["missing"].as_u64()).sum();
    assert_eq!(missing + log.missing.load(Ordering::Relaxed), 50);
}

#[test]
fn files_are_bounded_and_a_torn_line_spoils_no_other() {
    let folder = Folder::new("files");
    let path = folder.0.join(NAME);
    fs::write(&path, "{\"who\":\"al").unwrap();
    append(&folder.0, &["{}".to_owned()]).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "{\"who\":\"al\n{}\n");
    for round in 0..OLD_FILES + 3 {
        let full = fs::File::create(&path).unwrap();
        full.set_len(FILE_BYTES).unwrap();
        append(&folder.0, &[round.to_string()]).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{round}\n"));
    }
    let mut names: Vec<_> =
        fs::read_dir(&folder.0).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    let expected: Vec<String> =
        std::iter::once(NAME.to_owned()).chain((1..=OLD_FILES).map(|number| format!("{NAME}.{number}"))).collect();
    assert_eq!(names, expected);
}
