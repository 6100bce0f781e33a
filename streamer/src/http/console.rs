//! The console's files, embedded in the program.

use super::body::full;
use super::caller::{Caller, Demand};
use super::reply::not_found;
use super::router::{Answer, Room, is_read};
use super::{ApiError, RequestBody, ResponseBody};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use hyper::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use hyper::{Method, Request, Response};
use rust_embed::RustEmbed;

#[derive(RustEmbed)]
#[folder = "console/"]
struct Files;

const POLICY: &str = "default-src 'self'; media-src *; connect-src *; frame-ancestors 'none'; base-uri 'none'";

/// The room of the console.
pub(crate) struct ConsoleRoom;

impl Room for ConsoleRoom {
    fn takes(&self, method: &Method, path: &str) -> bool {
        is_read(method) && name(path).is_some_and(|name| Files::get(name).is_some())
    }

    fn demand(&self, _: &Method, _: &str) -> Result<Demand, ApiError> {
        Ok(Demand::Nothing)
    }

    fn answer(&self, _: Caller, request: Request<RequestBody>) -> BoxFuture<'_, Answer> {
        async move { file(request.uri().path()).ok_or_else(|| not_found(request.uri().path())) }.boxed()
    }
}

/// The name of the file at a path.
fn name(path: &str) -> Option<&str> {
    if path == "/" { Some("index.html") } else { path.strip_prefix('/') }
}

/// The console's file at a path, if there is one.
pub(crate) fn file(path: &str) -> Option<Response<ResponseBody>> {
    let name = name(path)?;
    let file = Files::get(name)?;
    let kind = mime_guess::from_path(name).first_or_octet_stream();
    let mut response = Response::new(full(file.data.into_owned()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_str(kind.as_ref()).ok()?);
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Some(response)
}
