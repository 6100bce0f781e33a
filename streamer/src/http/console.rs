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

/// Media and what is said of it come from any node, or are put together by a player of the page.
const POLICY: &str =
    "default-src 'self'; media-src * blob:; connect-src * data:; frame-ancestors 'none'; base-uri 'none'";

/// That of pages with players, whose libraries are none of ours: people choose a file, which the page runs as a blob.
const PLAYER_POLICY: &str = "default-src 'self'; script-src 'self' blob:; worker-src 'self' blob:; media-src * blob:; \
     connect-src * data:; frame-ancestors 'none'; base-uri 'none'";

/// Pages with players: the one file finds out by its path which one it is.
const PLAYER_PAGES: [&str; 4] =
    ["/players/hls.html", "/players/dash.html", "/players/shaka.html", "/players/videojs.html"];
const PLAYER_PAGE: &str = "player.html";

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
    match path {
        "/" => Some("index.html"),
        _ if PLAYER_PAGES.contains(&path) => Some(PLAYER_PAGE),
        _ => path.strip_prefix('/'),
    }
}

/// The console's file at a path, if there is one.
pub(crate) fn file(path: &str) -> Option<Response<ResponseBody>> {
    let name = name(path)?;
    let file = Files::get(name)?;
    let kind = mime_guess::from_path(name).first_or_octet_stream();
    let policy = if name == PLAYER_PAGE { PLAYER_POLICY } else { POLICY };
    let mut response = Response::new(full(file.data.into_owned()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_str(kind.as_ref()).ok()?);
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Some(response)
}
