//! The console's files, embedded in the program.

use super::ResponseBody;
use super::body::full;
use hyper::Response;
use hyper::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use rust_embed::RustEmbed;

#[derive(RustEmbed)]
#[folder = "console/"]
struct Files;

const POLICY: &str = "default-src 'self'; media-src *; connect-src *; frame-ancestors 'none'; base-uri 'none'";

/// The console's file at a path, if there is one.
pub(crate) fn file(path: &str) -> Option<Response<ResponseBody>> {
    let name = if path == "/" { "index.html" } else { path.strip_prefix('/')? };
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
