//! `/v/{title}`: GET, HEAD, PUT, DELETE.

use super::body::{empty, of_title};
use super::conditions::{self, Evaluation, Present};
use super::error::{FRESHNESS, UNCONFIRMED};
use super::ranges::{self, Asked};
use super::{ApiError, ResponseBody};
use futures_util::TryStreamExt;
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use hyper::header::{
    ACCEPT_RANGES, ACCESS_CONTROL_ALLOW_ORIGIN, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderValue,
    LAST_MODIFIED, RANGE, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use rain_cluster::{Columns, Manifest};
use rain_node::title;
use rain_node::{NewContent, Node, OpenTitle, Precondition, Reader, etag_text};
use std::io;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

/// Answers a request for the title that `segment` names.
pub(super) async fn answer(
    node: &Arc<Node>,
    segment: &str,
    request: Request<Incoming>,
) -> Result<Response<ResponseBody>, ApiError> {
    let title = title::from_path(segment)?;
    match *request.method() {
        Method::GET | Method::HEAD => read(node, &title, request.method() == Method::HEAD, request.headers()).await,
        Method::PUT => put(node, title, request).await,
        Method::DELETE => delete(node, title, request.headers()).await,
        _ => {
            let message = format!("a title takes GET, HEAD, PUT and DELETE, found {}", request.method());
            Err(ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", message))
        }
    }
}

async fn read(
    node: &Arc<Node>,
    title: &str,
    head_only: bool,
    headers: &HeaderMap,
) -> Result<Response<ResponseBody>, ApiError> {
    let opened = Arc::new(node.open_title(title).await?);
    let content = opened.content();
    let etag = etag_text(&content.etag);
    let present = Present { etag: &etag, modified_ms: content.modified_ms };
    match conditions::of_read(headers, present) {
        Evaluation::Proceed => {}
        Evaluation::NotModified => return Ok(head(&opened, StatusCode::NOT_MODIFIED, None)),
        Evaluation::Failed => {
            let message = "the title is not what If-Match or If-Unmodified-Since says";
            return Err(ApiError::new(StatusCode::PRECONDITION_FAILED, "precondition-failed", message));
        }
    }
    let asked = match headers.get(RANGE).and_then(|value| value.to_str().ok()) {
        Some(range) if conditions::range_holds(headers, present) => ranges::parse(range, content.bytes),
        _ => Asked::Whole,
    };
    let (status, range) = match asked {
        Asked::Whole => (StatusCode::OK, 0..content.bytes),
        Asked::Part(range) => (StatusCode::PARTIAL_CONTENT, range),
        Asked::Unsatisfiable => {
            let mut response = head(&opened, StatusCode::RANGE_NOT_SATISFIABLE, Some(0));
            response.headers_mut().insert(CONTENT_RANGE, value(&format!("bytes */{}", content.bytes)));
            return Ok(response);
        }
    };
    opened.check_columns()?;
    let mut response = head(&opened, status, Some(range.end - range.start));
    if status == StatusCode::PARTIAL_CONTENT {
        let text = format!("bytes {}-{}/{}", range.start, range.end - 1, content.bytes);
        response.headers_mut().insert(CONTENT_RANGE, value(&text));
    }
    if !head_only {
        metrics::counter!("rain_requested_bytes_total").increment(range.end - range.start);
        let mut reader = Reader::new(opened, range);
        reader.prepare().await?;
        *response.body_mut() = of_title(reader);
    }
    Ok(response)
}

fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// The head of a response about a version, without a body.
fn head(opened: &OpenTitle, status: StatusCode, length: Option<u64>) -> Response<ResponseBody> {
    let Columns { etag, modified_ms, .. } = opened.content();
    let mut response = Response::new(empty());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(ETAG, value(&etag_text(etag)));
    let modified = UNIX_EPOCH + Duration::from_millis(*modified_ms);
    headers.insert(LAST_MODIFIED, value(&httpdate::fmt_http_date(modified)));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert("rain-version", value(&opened.manifest.version.to_string()));
    if !opened.fresh {
        headers.insert(FRESHNESS, HeaderValue::from_static(UNCONFIRMED));
    }
    if let Some(length) = length {
        headers.insert(CONTENT_LENGTH, length.into());
        headers.insert(CONTENT_TYPE, value(opened.manifest.media_type()));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    }
    response
}

/// What a PUT or DELETE demands, in the store's terms.
fn precondition(headers: &HeaderMap) -> Option<Precondition> {
    let judge = conditions::of_write(headers)?;
    Some(Box::new(move |present: Option<&Manifest>| {
        let etag = present.and_then(Manifest::columns).map(|columns| etag_text(&columns.etag));
        judge(etag.as_deref())
    }))
}

async fn put(node: &Arc<Node>, title: String, request: Request<Incoming>) -> Result<Response<ResponseBody>, ApiError> {
    if request.headers().contains_key("content-range") {
        // RFC 9110, 14.5: a partial PUT must not be taken for a whole one.
        return Err(ApiError::new(StatusCode::BAD_REQUEST, "partial-put", "a PUT stores a whole title"));
    }
    let media_type = media_type(&title, request.headers());
    let precondition = precondition(request.headers());
    let body = request.into_body();
    let bytes = body.size_hint().exact();
    let stream = body.into_data_stream().map_err(io::Error::other);
    let written = node.put(title, NewContent { stream, bytes, media_type }, precondition).await?;
    let mut response = Response::new(empty());
    *response.status_mut() = if written.replaced { StatusCode::NO_CONTENT } else { StatusCode::CREATED };
    let headers = response.headers_mut();
    if let Some(columns) = written.manifest.columns() {
        headers.insert(ETAG, value(&etag_text(&columns.etag)));
    }
    headers.insert("rain-tolerates", written.tolerates.into());
    headers.insert("rain-version", value(&written.manifest.version.to_string()));
    Ok(response)
}

/// Longest media type that a column header holds.
const MEDIA_TYPE_BYTES_MAX: usize = 127;

/// What the client says, unless it says nothing: then by the extension.
fn media_type(title: &str, headers: &HeaderMap) -> String {
    let said = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let generic = said.is_empty()
        || said.starts_with("application/octet-stream")
        || said.starts_with("application/x-www-form-urlencoded")
        || said.len() > MEDIA_TYPE_BYTES_MAX;
    if generic { mime_guess::from_path(title).first_or_octet_stream().to_string() } else { said.to_owned() }
}

async fn delete(node: &Arc<Node>, title: String, headers: &HeaderMap) -> Result<Response<ResponseBody>, ApiError> {
    node.delete(title, precondition(headers)).await?;
    let mut response = Response::new(empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}
