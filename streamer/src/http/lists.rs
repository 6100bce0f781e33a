//! `GET /api/v1/titles`: lists of titles.

use super::caller::{Caller, Demand};
use super::query::Query;
use super::reply::json_bytes;
use super::router::{Answer, Room, is_read};
use super::{ApiError, RequestBody};
use bytes::Bytes;
use core::net::IpAddr;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use hyper::{Method, Request, StatusCode};
use rain_node::Node;
use rain_titles::Page;
use std::sync::Arc;

/// Most titles in one answer.
const LIMIT_MAX: usize = 10_000;
/// Titles in one answer, unless more are asked for.
const LIMIT: usize = 1000;

/// Whoever makes lists.
pub(super) trait Lists: Send + Sync {
    /// A page of the titles as JSON, made for a client; with what is known of their `columns`, or without.
    fn list(&self, client: IpAddr, page: Page, columns: bool) -> impl Future<Output = Bytes> + Send;
}

impl Lists for Arc<Node> {
    async fn list(&self, client: IpAddr, page: Page, columns: bool) -> Bytes {
        self.list_for(client, page, columns).await
    }
}

/// The room of lists.
pub(super) struct ListRoom<T>(pub(super) T);

impl<T: Lists> Room for ListRoom<T> {
    fn takes(&self, method: &Method, path: &str) -> bool {
        is_read(method) && path == "/api/v1/titles"
    }

    fn demand(&self, _: &Method, _: &str) -> Result<Demand, ApiError> {
        Ok(Demand::Nothing)
    }

    fn answer(&self, caller: Caller, request: Request<RequestBody>) -> BoxFuture<'_, Answer> {
        async move {
            let query = Query::of(request.uri().query().unwrap_or_default());
            let (mut page, columns) = (page(&query)?, query.get("columns") != Some("0"));
            page.prefix = caller.narrow(page.prefix, page.folders)?;
            Ok(json_bytes(self.0.list(caller.address, page, columns).await))
        }
        .boxed()
    }
}

/// The page that a query asks for.
fn page(query: &Query) -> Result<Page, ApiError> {
    let limit = query.get("limit").map_or(Ok(LIMIT), str::parse);
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
