//! What of a content a GET or HEAD comes to, by its conditions and its range.

use super::ApiError;
use super::conditions::{self, Evaluation, Present};
use core::ops::Range;
use hyper::header::{CONTENT_LENGTH, CONTENT_RANGE, HeaderValue, RANGE};
use hyper::{HeaderMap, StatusCode};
use rain_titles::range::{self, Asked};

/// What is to be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wanted {
    /// 304.
    NotModified,
    /// 200.
    Whole,
    /// 206, with these bytes.
    Part(Range<u64>),
    /// 416.
    Unsatisfiable,
}

/// Reads the conditions and the range of a request for what is present, of so many bytes. `what` is its name in messages.
///
/// # Errors
/// 412.
pub(super) fn wanted(headers: &HeaderMap, present: Present<'_>, bytes: u64, what: &str) -> Result<Wanted, ApiError> {
    match conditions::of_read(headers, present) {
        Evaluation::Proceed => {}
        Evaluation::NotModified => return Ok(Wanted::NotModified),
        Evaluation::Failed => {
            let message = format!("{what} is not what If-Match or If-Unmodified-Since says");
            return Err(ApiError::new(StatusCode::PRECONDITION_FAILED, "precondition-failed", message));
        }
    }
    let range = headers.get(RANGE).and_then(|value| value.to_str().ok());
    Ok(match range.filter(|_| conditions::range_holds(headers, present)).map(|range| range::parse(range, bytes)) {
        None | Some(Asked::Whole) => Wanted::Whole,
        Some(Asked::Part(range)) => Wanted::Part(range),
        Some(Asked::Unsatisfiable) => Wanted::Unsatisfiable,
    })
}

impl Wanted {
    /// The status of the answer.
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::NotModified => StatusCode::NOT_MODIFIED,
            Self::Whole => StatusCode::OK,
            Self::Part(_) => StatusCode::PARTIAL_CONTENT,
            Self::Unsatisfiable => StatusCode::RANGE_NOT_SATISFIABLE,
        }
    }

    /// Which of so many bytes the answer has; `None` where it has none.
    pub(super) fn range(&self, bytes: u64) -> Option<Range<u64>> {
        match self {
            Self::Whole => Some(0..bytes),
            Self::Part(range) => Some(range.clone()),
            Self::NotModified | Self::Unsatisfiable => None,
        }
    }

    /// Says how long the body is, and what of so many bytes it is.
    pub(super) fn describe(&self, bytes: u64, headers: &mut HeaderMap) {
        let (length, range) = match self {
            Self::NotModified => return,
            Self::Whole => (bytes, None),
            Self::Part(range) => {
                (range.end - range.start, Some(format!("bytes {}-{}/{bytes}", range.start, range.end - 1)))
            }
            Self::Unsatisfiable => (0, Some(format!("bytes */{bytes}"))),
        };
        headers.insert(CONTENT_LENGTH, length.into());
        if let Some(range) = range.and_then(|range| HeaderValue::try_from(range).ok()) {
            headers.insert(CONTENT_RANGE, range);
        }
    }
}
