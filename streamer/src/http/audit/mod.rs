//! The audit log: who changed what, or was not let, a line of JSON each in `audit.jsonl` of the data folder
//! (docs/operating.md, doors).
//!
//! A thread of its own writes and syncs the lines: however slow the disk is, no request waits for it. What does not get into
//! the file is counted, and the next line that does says how many are missing before it.

use super::caller::Caller;
use super::note::Note;
use core::net::IpAddr;
use core::time::Duration;
use hyper::{Method, Response, StatusCode};
use rain_node::unix_time;
use rain_titles::title;
use serde::Serialize;
use std::fs::{self, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

const NAME: &str = "audit.jsonl";
/// A file that is longer gets a number behind its name, and a new one is begun.
const FILE_BYTES: u64 = 16 << 20;
/// So many old ones are kept.
const OLD_FILES: usize = 8;
/// Lines that wait for the disk.
const WAITING_MAX: usize = 4096;
/// Refusals of those who prove nothing: so many are written in a [`MINUTE`]. More would push everything else out of the files.
const REFUSALS_MAX: u32 = 100;
const MINUTE: Duration = Duration::from_mins(1);
/// So much of a path that is none of a title's is written.
const PATH_CHARS_MAX: usize = 300;

/// A line.
#[derive(Debug, Serialize)]
struct Line<'a> {
    /// By this machine's clock, since 1970.
    time_ms: u64,
    who: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<IpAddr>,
    method: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'a str>,
}

/// That lines are missing before this one.
#[derive(Debug, Serialize)]
struct Missing {
    time_ms: u64,
    missing: u64,
}

#[derive(Debug)]
struct Refusals {
    began: Instant,
    count: u32,
}

/// The audit log of a node.
#[derive(Debug)]
pub(crate) struct AuditLog {
    lines: Mutex<Option<SyncSender<String>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
    missing: Arc<AtomicU64>,
    refusals: Mutex<Refusals>,
}

impl AuditLog {
    /// Begins to write to a data folder.
    pub(crate) fn of_folder(folder: &Path) -> Self {
        let folder = folder.to_owned();
        Self::over(move |lines| append(&folder, lines))
    }

    /// Begins to hand lines to whoever writes them, some at a time.
    fn over(write: impl FnMut(&[String]) -> io::Result<()> + Send + 'static) -> Self {
        let (lines, waiting) = sync_channel(WAITING_MAX);
        let missing = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&missing);
        let writer =
            std::thread::Builder::new().name("audit".to_owned()).spawn(move || keep(&waiting, &counted, write));
        let writer =
            writer.inspect_err(|error| tracing::error!(%error, "the audit log has no thread: its lines are lost"));
        Self {
            lines: Mutex::new(Some(lines)),
            writer: Mutex::new(writer.ok()),
            missing,
            refusals: Mutex::new(Refusals { began: Instant::now(), count: 0 }),
        }
    }

    /// Begins to note a change that is asked for; `caller` where the request was let in.
    pub(crate) fn begin(
        self: &Arc<Self>,
        (caller, address): (Option<&Caller>, IpAddr),
        (method, path): (&Method, &str),
    ) -> Asked {
        let title = path.strip_prefix("/v/").and_then(|path| title::from_path(path).ok());
        Asked {
            log: Arc::clone(self),
            who: caller.map_or("stranger", Caller::name).to_owned(),
            address,
            method: known_name(method),
            path: title.is_none().then(|| path.chars().take(PATH_CHARS_MAX).collect()),
            title,
            is_noted: false,
        }
    }

    /// Notes what became of a signal to the node.
    pub(crate) fn record_signal(&self, name: &str, is_done: bool, note: &str) {
        let status = if is_done { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
        self.send(&Line {
            time_ms: now_ms(),
            who: "signal",
            address: None,
            method: name,
            title: None,
            path: None,
            status: Some(status.as_u16()),
            version: None,
            note: Some(note),
        });
    }

    fn has_room_for_refusal(&self, now: Instant) -> bool {
        let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_duration_since(refusals.began) >= MINUTE {
            *refusals = Refusals { began: now, count: 0 };
        }
        refusals.count = refusals.count.saturating_add(1);
        refusals.count <= REFUSALS_MAX
    }

    fn send(&self, line: &Line<'_>) {
        let line = serde_json::to_string(line).expect("a line is plain data");
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.as_ref().is_none_or(|lines| lines.try_send(line).is_err()) {
            miss(&self.missing, "queue", 1);
        }
    }

    /// Writes what waits, and ends. Blocks as long as the disk does.
    pub(crate) fn close(&self) {
        drop(self.lines.lock().unwrap_or_else(PoisonError::into_inner).take());
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        // It does not panic; if it did, nothing would be left to be done about it.
        let _ = writer.map(JoinHandle::join);
    }
}

/// A change that is asked for, until it is answered. One that never is, since whoever asked went away, may have been made all
/// the same: it is noted without a status.
#[derive(Debug)]
pub(crate) struct Asked {
    log: Arc<AuditLog>,
    who: String,
    address: IpAddr,
    method: &'static str,
    title: Option<String>,
    path: Option<String>,
    is_noted: bool,
}

impl Asked {
    /// Notes what was answered. Never waits.
    pub(crate) fn answered<B>(mut self, answer: &Response<B>) {
        let version = answer.headers().get("rain-version").and_then(|version| version.to_str().ok());
        let note = answer.extensions().get::<Note>().map(|Note(note)| note.as_str());
        self.note(Some(answer.status()), version, note);
    }

    fn note(&mut self, status: Option<StatusCode>, version: Option<&str>, note: Option<&str>) {
        self.is_noted = true;
        let is_refused = status.is_none_or(|status| !status.is_success());
        if self.who == "stranger" && is_refused && !self.log.has_room_for_refusal(Instant::now()) {
            return miss(&self.log.missing, "strangers", 1);
        }
        self.log.send(&Line {
            time_ms: now_ms(),
            who: &self.who,
            address: Some(self.address),
            method: self.method,
            title: self.title.as_deref(),
            path: self.path.as_deref(),
            status: status.map(|status| status.as_u16()),
            version,
            note,
        });
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        if !self.is_noted {
            self.note(None, None, Some("left before the answer"));
        }
    }
}

/// Of a name that anybody can make up, no more is told than that it was one.
fn known_name(method: &Method) -> &'static str {
    match *method {
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::POST => "POST",
        Method::PATCH => "PATCH",
        _ => "other",
    }
}

fn now_ms() -> u64 {
    u64::try_from(unix_time().as_millis()).unwrap_or(u64::MAX)
}

fn miss(missing: &AtomicU64, why: &'static str, count: u64) {
    missing.fetch_add(count, Ordering::Relaxed);
    metrics::counter!("rain_audit_missing_total", "why" => why).increment(count);
}

/// Writes lines as they come, all that wait at once, until nobody can send any more.
fn keep(waiting: &Receiver<String>, missing: &AtomicU64, mut write: impl FnMut(&[String]) -> io::Result<()>) {
    let mut is_failing = false;
    while let Ok(first) = waiting.recv() {
        let mut lines = Vec::new();
        let before = missing.swap(0, Ordering::Relaxed);
        if before > 0 {
            let line = Missing { time_ms: now_ms(), missing: before };
            lines.push(serde_json::to_string(&line).expect("a line is plain data"));
        }
        lines.push(first);
        lines.extend(waiting.try_iter().take(WAITING_MAX));
        let written = write(&lines);
        if let Err(error) = &written {
            let count = (lines.len() - usize::from(before > 0)) as u64;
            missing.fetch_add(before, Ordering::Relaxed);
            miss(missing, "disk", count);
            if !is_failing {
                tracing::error!(%error, "the audit log cannot be written");
            }
        }
        is_failing = written.is_err();
    }
}

/// Appends lines to the file of a folder, and makes them durable. The file is opened anew each time: somebody else may have
/// moved it away.
fn append(folder: &Path, lines: &[String]) -> io::Result<()> {
    let path = folder.join(NAME);
    if fs::metadata(&path).is_ok_and(|found| found.len() >= FILE_BYTES) {
        make_room(folder)?;
    }
    let mut file = OpenOptions::new().create(true).read(true).append(true).mode(0o600).open(&path)?;
    let mut text = String::new();
    if is_torn(&mut file)? {
        text.push('\n');
    }
    for line in lines {
        text.push_str(line);
        text.push('\n');
    }
    file.write_all(text.as_bytes())?;
    file.sync_data()
}

/// Whether the last line was written in part: by a node that was killed, or on a disk that was full.
fn is_torn(file: &mut fs::File) -> io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(false);
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

/// Numbers the files anew: the newest old one is 1, the oldest goes.
fn make_room(folder: &Path) -> io::Result<()> {
    let old = |number: usize| -> PathBuf {
        if number == 0 { folder.join(NAME) } else { folder.join(format!("{NAME}.{number}")) }
    };
    for number in (0..OLD_FILES).rev() {
        match fs::rename(old(number), old(number + 1)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    fs::File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests;
