//! What the tests stand on: processes that end with the test, ports, folders, an HTTP client that can misbehave.

mod client;
mod clocks;
mod cluster;
mod content;
mod demo;
mod folder;
mod process;

pub(crate) use client::{Connection, Request, Response, delete, get, head, post, put};
pub(crate) use cluster::Cluster;
pub(crate) use content::{etag_of, random_below, random_bytes, title_hash};
pub(crate) use demo::{Demo, sample};
pub(crate) use folder::{Folder, Mount, names_in};
pub(crate) use process::{Finished, Process, is_alive, kill, rain, run, run_unread, run_with_input, stop};

use rain_harness::Ports;
use std::time::Duration;

/// What must come at all, comes within this: no test depends on the speed of the machine.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// A 503 comes within 2 s (docs/operating.md); one more is for a machine that is busy with other things.
pub(crate) const REFUSAL: Duration = Duration::from_secs(3);

/// What was aborted is gone 5 s after the return of whoever was away (docs/operating.md); the rest is for a busy
/// machine.
pub(crate) const CLEANED: Duration = Duration::from_secs(8);

/// Waits until `found` gives something, at most `patience`.
pub(crate) fn wait_for<T>(what: &str, patience: Duration, mut found: impl FnMut() -> Option<T>) -> T {
    rain_harness::wait_for(what, patience, || Ok(found())).unwrap_or_else(|error| panic!("{error}"))
}

/// Claims ports that no other test has.
pub(crate) fn claim_ports() -> Ports {
    Ports::claim().expect("free ports")
}

/// Waits until `holds`, at most `patience`.
pub(crate) fn wait_until(what: &str, patience: Duration, mut holds: impl FnMut() -> bool) {
    wait_for(what, patience, || holds().then_some(()));
}

/// Panics at the first byte that differs, without printing megabytes.
#[track_caller]
pub(crate) fn assert_same(found: &[u8], expected: &[u8], what: &str) {
    let differs = found.iter().zip(expected).position(|(found, expected)| found != expected);
    assert_eq!(differs, None, "{what}: the first byte that differs");
    assert_eq!(found.len(), expected.len(), "{what}: length");
}
