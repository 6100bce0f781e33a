//! Standard output and standard error, whose readers may go before all is said.

use super::client::told;
use anyhow::Context;
use std::io::{self, ErrorKind, Write, stderr, stdout};

/// What a shell says of a program that was ended because nobody read its output (128 and SIGPIPE).
pub(super) const UNREAD_STATUS: u8 = 128 + 13;

/// Nobody reads the output any more: no mistake, but a reason to stop.
#[derive(Debug, thiserror::Error)]
#[error("nobody reads the output any more")]
pub(super) struct Unread;

/// Prints to standard output.
///
/// # Errors
/// [`Unread`], or what the system said.
pub(super) fn print(text: &str) -> anyhow::Result<()> {
    let mut output = stdout().lock();
    written(output.write_all(text.as_bytes()).and_then(|()| output.flush()))
}

/// Prints a line to standard output.
///
/// # Errors
/// As [`print`].
pub(super) fn print_line(line: impl core::fmt::Display) -> anyhow::Result<()> {
    print(&format!("{line}\n"))
}

/// What became of writing to an output that others may read.
///
/// # Errors
/// As [`print`].
pub(super) fn written(done: io::Result<()>) -> anyhow::Result<()> {
    match done {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(Unread.into()),
        done => done.context("writing to the output"),
    }
}

/// Says something to people, on standard error. Where nobody reads, nobody is told.
pub(super) fn say(text: impl core::fmt::Display) {
    let _ = writeln!(stderr(), "{text}");
}

/// Says why a command failed, in words or as an object.
pub(super) fn say_error(error: &anyhow::Error, as_json: bool) {
    match told(error) {
        Some(object) if as_json => say(&object.json),
        None if as_json => say(serde_json::json!({ "error": "failed", "message": format!("{error:#}") })),
        _ => say(format_args!("rain: {error:#}")),
    }
}
