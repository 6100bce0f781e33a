//! What the commands on column files share: progress, titles as JSON, errors.

use super::output::Unread;
use super::put::progress;
use indicatif::ProgressBar;
use rain_client::ErrorObject;
use rain_codec::ColumnHeader;
use rain_codec::file::{ColumnFinding, FileError, column_name};
use serde_json::{Value, json};
use std::io::ErrorKind;

/// Runs `work` with a progress bar, where standard error is a terminal.
pub(super) fn with_progress<T>(
    length: Option<u64>,
    what: &'static str,
    work: impl FnOnce(&(dyn Fn(u64) + Sync)) -> Result<T, FileError>,
) -> anyhow::Result<T> {
    let bar: ProgressBar = progress(length, what);
    let done = work(&|bytes| bar.inc(bytes));
    bar.finish_and_clear();
    let is_unread =
        |error: &FileError| matches!(error, FileError::Io { error, .. } if error.kind() == ErrorKind::BrokenPipe);
    done.map_err(|error| if is_unread(&error) { Unread.into() } else { refusal(&error).into() })
}

/// The error object of what went wrong.
pub(super) fn refusal(error: &FileError) -> ErrorObject {
    let mut message = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        message = format!("{message}: {error}");
        cause = error.source();
    }
    object(error.name(), &message, error.numbers())
}

/// An error object.
pub(super) fn object(name: &str, message: &str, numbers: Option<(u64, u64)>) -> ErrorObject {
    let mut object = json!({ "error": name, "message": message });
    if let Some((found, expected)) = numbers {
        object["found"] = found.into();
        object["expected"] = expected.into();
    }
    ErrorObject::new(0, object.to_string().as_bytes())
}

/// A title as the API tells it, but that columns are in files instead of nodes.
pub(super) fn title_json(header: &ColumnHeader, columns: &[ColumnFinding], problems: &[String]) -> Value {
    let column = |(index, state): (usize, &ColumnFinding)| {
        let (state, reason) = match state {
            ColumnFinding::Ok => ("ok", None),
            ColumnFinding::Missing => ("missing", None),
            ColumnFinding::Damaged(reason) => ("damaged", Some(reason)),
        };
        let mut column = json!({ "index": index, "file": column_name(index), "state": state });
        if let Some(reason) = reason {
            column["reason"] = reason.as_str().into();
        }
        column
    };
    let needed = rain_codec::Code::named(&header.code).map_or(0, |code| code.data_columns());
    let sound = columns.iter().filter(|state| **state == ColumnFinding::Ok).count();
    let mut title = json!({
        "title": header.title,
        "bytes": header.title_bytes,
        "etag": etag(header),
        "version": header.version.to_string(),
        "code": header.code,
        "tolerates": sound.saturating_sub(needed),
        "columns": columns.iter().enumerate().map(column).collect::<Vec<_>>(),
    });
    if !problems.is_empty() {
        title["problems"] = problems.into();
    }
    title
}

/// The entity tag of a content, in quotation marks.
pub(super) fn etag(header: &ColumnHeader) -> String {
    format!("\"{:032x}\"", u128::from_be_bytes(header.etag))
}
