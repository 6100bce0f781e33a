//! `GET /api/v1/titles`: lists of titles.

use super::access::Caller;
use super::query::Query;
use super::reply::json;
use super::router::{Answer, Room, is_read};
use super::{ApiError, RequestBody};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use hyper::{Method, Request, StatusCode};
use rain_titles::{Page, Titles};

/// Most titles in one answer.
const LIMIT_MAX: usize = 1000;

/// The room of lists.
pub(super) struct ListRoom<T>(pub(super) T);

impl<T: Titles> Room for ListRoom<T> {
    fn takes(&self, method: &Method, path: &str) -> bool {
        is_read(method) && path == "/api/v1/titles"
    }

    fn answer(&self, _: Caller, request: Request<RequestBody>) -> BoxFuture<'_, Answer> {
        async move {
            let page = page(&Query::of(request.uri().query().unwrap_or_default()))?;
            Ok(json(&self.0.list(&page).await?))
        }
        .boxed()
    }
}

/// The page that a query asks for.
fn page(query: &Query) -> Result<Page, ApiError> {
    let limit = query.get("limit").map_or(Ok(LIMIT_MAX), str::parse);
    let limit = limit.ok().filter(|limit| (1..=LIMIT_MAX).contains(limit)).ok_or_else(|| {
        let message = format!("`limit` is a number from 1 to {LIMIT_MAX}");
        ApiError::new(StatusCode::BAD_REQUEST, "bad-limit", message).with(query.get("limit"), LIMIT_MAX)
    })?;
    let folders = match query.get("delimiter") {
        None | Some("") => false,
        Some("/") => true,
        Some(other) => {
            let message = "`delimiter` is `/`, or not there";
            return Err(ApiError::new(StatusCode::BAD_REQUEST, "bad-delimiter", message).with(Some(other), "/"));
        }
    };
    let text = |name| query.get(name).unwrap_or_default().to_owned();
    Ok(Page { prefix: text("prefix"), after: text("after"), limit, folders })
}
