//! `/v/{title}`: GET, HEAD, PUT, DELETE.

use super::body::{empty, of_title};
use super::caller::{Caller, Demand};
use super::conditions::{self, Present};
use super::error::{FRESHNESS, UNCONFIRMED};
use super::router::{Answer, Room, is_write};
use super::wanted::{Wanted, wanted};
use super::{ApiError, RequestBody, ResponseBody};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http_body_util::BodyExt;
use hyper::body::Body;
use hyper::header::{
    ACCEPT_RANGES, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderValue, LAST_MODIFIED, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use rain_titles::{About, NewContent, OpenTitle, Titles, title};
use std::time::{Duration, UNIX_EPOCH};

const ROOT: &str = "/v/";

/// The room of titles.
pub(super) struct TitlesRoom<T>(pub(super) T);

impl<T: Titles> Room for TitlesRoom<T> {
    fn takes(&self, _: &Method, path: &str) -> bool {
        path.starts_with(ROOT)
    }

    fn demand(&self, method: &Method, path: &str) -> Result<Demand, ApiError> {
        let title = title::from_path(path.strip_prefix(ROOT).unwrap_or_default())?;
        Ok(if is_write(method) { Demand::Write(title) } else { Demand::Read(title) })
    }

    fn answer(&self, _: Caller, request: Request<RequestBody>) -> BoxFuture<'_, Answer> {
        answer(&self.0, request).boxed()
    }
}

async fn answer(titles: &impl Titles, request: Request<RequestBody>) -> Answer {
    let title = title::from_path(request.uri().path().strip_prefix(ROOT).unwrap_or_default())?;
    match *request.method() {
        Method::GET | Method::HEAD => read(titles, &title, request.method() == Method::HEAD, request.headers()).await,
        Method::PUT => put(titles, &title, request).await,
        Method::DELETE => delete(titles, &title, request.headers()).await,
        _ => {
            let message = format!("a title takes GET, HEAD, PUT and DELETE, found {}", request.method());
            Err(ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", message))
        }
    }
}

async fn read(titles: &impl Titles, title: &str, head_only: bool, headers: &HeaderMap) -> Answer {
    let open = titles.open(title).await?;
    let about = open.about();
    let present = Present { etag: &about.etag, modified_ms: about.modified_ms };
    let wanted = wanted(headers, present, about.bytes, "the title")?;
    let mut response = head(about, &wanted);
    if let Some(range) = wanted.range(about.bytes) {
        open.check()?;
        if !head_only {
            let length = range.end - range.start;
            metrics::counter!("rain_requested_bytes_total").increment(length);
            *response.body_mut() = of_title(open.bytes(range).await?, length);
        }
    }
    Ok(response)
}

fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// The head of a response about a version, without a body.
fn head(about: &About, wanted: &Wanted) -> Response<ResponseBody> {
    let mut response = Response::new(empty());
    *response.status_mut() = wanted.status();
    let headers = response.headers_mut();
    headers.insert(ETAG, value(&about.etag));
    let modified = UNIX_EPOCH + Duration::from_millis(about.modified_ms);
    headers.insert(LAST_MODIFIED, value(&httpdate::fmt_http_date(modified)));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert("rain-version", value(&about.version));
    if !about.is_fresh {
        headers.insert(FRESHNESS, HeaderValue::from_static(UNCONFIRMED));
    }
    wanted.describe(about.bytes, headers);
    if *wanted != Wanted::NotModified {
        headers.insert(CONTENT_TYPE, value(&about.media_type));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        // A page that somebody stored has no origin, and runs no scripts: else it could do what the console can.
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox"));
    }
    response
}

async fn put(titles: &impl Titles, title: &str, request: Request<RequestBody>) -> Answer {
    if request.headers().contains_key("content-range") {
        // RFC 9110, 14.5: a partial PUT must not be taken for a whole one.
        return Err(ApiError::new(StatusCode::BAD_REQUEST, "partial-put", "a PUT stores a whole title"));
    }
    let media_type = media_type(title, request.headers());
    let precondition = conditions::of_write(request.headers());
    let body = request.into_body();
    let bytes = body.size_hint().exact();
    let content = NewContent { stream: body.into_data_stream(), bytes, media_type };
    let written = titles.put(title, content, precondition).await?;
    let mut response = Response::new(empty());
    *response.status_mut() = if written.replaced { StatusCode::NO_CONTENT } else { StatusCode::CREATED };
    let headers = response.headers_mut();
    headers.insert(ETAG, value(&written.etag));
    headers.insert("rain-tolerates", written.tolerates.into());
    headers.insert("rain-version", value(&written.version));
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

async fn delete(titles: &impl Titles, title: &str, headers: &HeaderMap) -> Answer {
    let version = titles.delete(title, conditions::of_write(headers)).await?;
    let mut response = Response::new(empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response.headers_mut().insert("rain-version", value(&version));
    Ok(response)
}
