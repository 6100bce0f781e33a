//! `GET /api/v1/titles/{title}`: a title and its columns.

use super::caller::{Caller, Demand};
use super::query::Query;
use super::reply::json;
use super::router::{Answer, Room, is_read};
use super::{ApiError, RequestBody};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use hyper::{Method, Request, Uri};
use rain_node::{Look, Node};
use rain_titles::title;
use std::sync::Arc;

const ROOT: &str = "/api/v1/titles/";

/// Whether every block is to be read.
pub(super) fn verifies(uri: &Uri) -> bool {
    Query::of(uri.query().unwrap_or_default()).get("verify") == Some("1")
}

/// The room of what a node knows of a title's columns.
pub(super) struct ReportRoom(pub(super) Arc<Node>);

impl Room for ReportRoom {
    fn takes(&self, method: &Method, path: &str) -> bool {
        is_read(method) && path.starts_with(ROOT)
    }

    fn demand(&self, _: &Method, path: &str) -> Result<Demand, ApiError> {
        Ok(Demand::Read(title::from_path(path.strip_prefix(ROOT).unwrap_or_default())?))
    }

    fn answer(&self, _: Caller, request: Request<RequestBody>) -> BoxFuture<'_, Answer> {
        async move {
            let title = title::from_path(request.uri().path().strip_prefix(ROOT).unwrap_or_default())?;
            let look = if verifies(request.uri()) { Look::Blocks } else { Look::Header };
            Ok(json(&self.0.title_report(&title, look).await?))
        }
        .boxed()
    }
}
