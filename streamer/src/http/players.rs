//! `/rain-sw.js` and `/rain-players.js`: what pages with players load from any node.

use super::body::full;
use super::caller::{Caller, Demand};
use super::reply::not_found;
use super::router::{Answer, Room, is_read};
use super::{ApiError, RequestBody, ResponseBody};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use hyper::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use hyper::{Method, Request, Response};
use rust_embed::RustEmbed;

#[derive(RustEmbed)]
#[folder = "players/"]
struct Files;

/// The room of what pages with players load.
pub(super) struct PlayersRoom;

impl Room for PlayersRoom {
    fn takes(&self, method: &Method, path: &str) -> bool {
        is_read(method) && path.strip_prefix('/').is_some_and(|name| Files::get(name).is_some())
    }

    fn demand(&self, _: &Method, _: &str) -> Result<Demand, ApiError> {
        Ok(Demand::Nothing)
    }

    fn answer(&self, _: Caller, request: Request<RequestBody>) -> BoxFuture<'_, Answer> {
        async move { file(request.uri().path()).ok_or_else(|| not_found(request.uri().path())) }.boxed()
    }
}

/// The script at a path, if there is one.
pub(crate) fn file(path: &str) -> Option<Response<ResponseBody>> {
    let file = path.strip_prefix('/').and_then(Files::get)?;
    let mut response = Response::new(full(file.data.into_owned()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/javascript; charset=utf-8"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    // Pages that others serve may take the settings from here; a worker is taken from the page's own origin alone.
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    Some(response)
}
