//! Answers of the API: text, JSON, and that there is nothing.

use super::body::full;
use super::{ApiError, ResponseBody};
use bytes::Bytes;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use serde::Serialize;

/// That there is nothing at a path.
pub(crate) fn not_found(path: &str) -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "not-found", format!("there is nothing at {path}"))
}

/// A plain text.
pub(super) fn text(body: impl Into<String>) -> Response<ResponseBody> {
    let mut response = Response::new(full(body.into()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

/// A JSON answer, not to be cached.
pub(crate) fn json(value: &impl Serialize) -> Response<ResponseBody> {
    json_bytes(serde_json::to_vec(value).expect("answers are plain data"))
}

/// An answer that is JSON already, not to be cached.
pub(super) fn json_bytes(bytes: impl Into<Bytes>) -> Response<ResponseBody> {
    let mut response = Response::new(full(bytes.into()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
