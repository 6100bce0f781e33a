//! Errors as clients see them.

use super::ResponseBody;
use super::body::full;
use super::note::Note;
use core::num::NonZero;
use core::time::Duration;
use hyper::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use hyper::{Response, StatusCode};
use rain_titles::title::TitleError;
use rain_titles::{ReadError, WriteError};
use serde::Serialize;
use serde_json::{Value, json};

/// The header that says how sure it is that an answer is the newest.
pub(super) const FRESHNESS: &str = "rain-freshness";
/// Its value where a newer version may have been acknowledged, or a later reader may get an older one.
pub(super) const UNCONFIRMED: &str = "unconfirmed";

/// The error object: `{"error":"short-code","message":"...","found":...,"expected":...}`.
#[derive(Debug, Clone, Serialize)]
pub struct ApiError {
    #[serde(skip)]
    status: StatusCode,
    /// Whether a later answer may be another one, older than this.
    #[serde(skip)]
    unconfirmed: bool,
    /// When to try again, in seconds.
    #[serde(skip)]
    retry_after_s: Option<NonZero<u32>>,
    error: &'static str,
    message: String,
    #[serde(skip_serializing_if = "Value::is_null")]
    found: Value,
    #[serde(skip_serializing_if = "Value::is_null")]
    expected: Value,
}

impl ApiError {
    /// An error without numbers.
    pub fn new(status: StatusCode, error: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            status,
            unconfirmed: false,
            retry_after_s: None,
            error,
            message,
            found: Value::Null,
            expected: Value::Null,
        }
    }

    /// That there is no room now, and may be in a second.
    pub fn busy(message: impl Into<String>) -> Self {
        Self { retry_after_s: NonZero::new(1), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", message) }
    }

    /// With what was found and what was expected.
    #[must_use]
    pub fn with(mut self, found: impl Into<Value>, expected: impl Into<Value>) -> Self {
        self.found = found.into();
        self.expected = expected.into();
        self
    }

    /// With how long to wait before it is tried again.
    #[must_use]
    pub(crate) fn retry_after(mut self, wait: Duration) -> Self {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        self.retry_after_s = NonZero::new(u32::try_from(seconds).unwrap_or(u32::MAX));
        self
    }

    /// Where too few nodes were found, says which ones are missing.
    #[must_use]
    pub(super) fn with_missing(mut self, missing: &str) -> Self {
        if matches!(self.error, "too-few-nodes" | "too-few-columns") {
            self.message = format!("{}; {missing}", self.message);
        }
        self
    }

    /// Its HTTP status.
    pub fn status(&self) -> StatusCode {
        self.status
    }
}

/// The response that carries an error.
pub(crate) fn error_response(error: &ApiError) -> Response<ResponseBody> {
    let mut response = Response::new(full(json!(error).to_string()));
    *response.status_mut() = error.status;
    response.extensions_mut().insert(Note(error.error.to_owned()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if error.status == StatusCode::UNAUTHORIZED {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if let Some(seconds) = error.retry_after_s {
        headers.insert(RETRY_AFTER, seconds.get().into());
    }
    if error.unconfirmed {
        headers.insert(FRESHNESS, HeaderValue::from_static(UNCONFIRMED));
    }
    response
}

impl From<TitleError> for ApiError {
    fn from(error: TitleError) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-title", error.to_string())
    }
}

impl From<ReadError> for ApiError {
    fn from(error: ReadError) -> Self {
        let message = error.to_string();
        match error {
            ReadError::Absent { fresh } => {
                Self { unconfirmed: !fresh, ..Self::new(StatusCode::NOT_FOUND, "no-such-title", message) }
            }
            ReadError::TooFewNodes { found, expected } => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "too-few-nodes", message).with(found, expected)
            }
            ReadError::TooFewColumns { found, expected, .. } => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "too-few-columns", message).with(found, expected)
            }
            ReadError::Code(_) => Self::new(StatusCode::INTERNAL_SERVER_ERROR, "unknown-code", message),
            ReadError::Kind { kind, .. } => {
                Self::new(StatusCode::NOT_IMPLEMENTED, "unknown-content", message).with(kind, "columns")
            }
            ReadError::Ending => Self::new(StatusCode::SERVICE_UNAVAILABLE, "draining", message),
            ReadError::Replaced => Self::new(StatusCode::CONFLICT, "replaced", message),
            ReadError::Elsewhere(_) => Self::new(StatusCode::BAD_GATEWAY, "elsewhere", message),
        }
    }
}

impl From<WriteError> for ApiError {
    fn from(error: WriteError) -> Self {
        let message = error.to_string();
        match error {
            WriteError::TooFewNodes { found, expected } => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "too-few-nodes", message).with(found, expected)
            }
            WriteError::NoSpace => Self::new(StatusCode::INSUFFICIENT_STORAGE, "no-space", message),
            WriteError::Precondition => Self::new(StatusCode::PRECONDITION_FAILED, "precondition-failed", message),
            WriteError::ConfigurationChanged => Self {
                retry_after_s: NonZero::new(1),
                ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "configuration-changed", message)
            },
            WriteError::Conflict => Self::new(StatusCode::CONFLICT, "conflict", message),
            WriteError::Absent => Self::new(StatusCode::NOT_FOUND, "no-such-title", message),
            WriteError::BrokenBody(_) => Self::new(StatusCode::BAD_REQUEST, "broken-body", message),
            WriteError::Unconfirmed => Self::new(StatusCode::SERVICE_UNAVAILABLE, "unconfirmed", message),
            WriteError::Store => Self::new(StatusCode::INTERNAL_SERVER_ERROR, "store-failed", message),
            WriteError::Elsewhere(_) => Self::new(StatusCode::BAD_GATEWAY, "elsewhere", message),
        }
    }
}
