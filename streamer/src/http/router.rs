//! Rooms, and the way from a request to the one that answers it.

use super::caller::{Caller, Demand};
use super::reply::not_found;
use super::{ApiError, RequestBody, ResponseBody};
use futures_util::future::BoxFuture;
use hyper::{Method, Request, Response};

/// What a room says.
pub(crate) type Answer = Result<Response<ResponseBody>, ApiError>;

/// A part of what a listener serves, with paths of its own.
pub(crate) trait Room: Send + Sync {
    /// Whether requests of this sort are the room's to answer.
    fn takes(&self, method: &Method, path: &str) -> bool;

    /// What such a request needs its caller to be allowed.
    ///
    /// # Errors
    /// The request makes no sense.
    fn demand(&self, method: &Method, path: &str) -> Result<Demand, ApiError>;

    /// Answers a request that the room takes, of somebody who is allowed what it demands.
    ///
    /// # Errors
    /// What the caller is told instead.
    fn answer(&self, caller: Caller, request: Request<RequestBody>) -> BoxFuture<'_, Answer>;
}

/// The rooms of a listener.
pub(crate) struct Router(Vec<Box<dyn Room>>);

impl Router {
    /// Of several rooms that take a request, the first one answers it.
    pub(crate) fn new(rooms: Vec<Box<dyn Room>>) -> Self {
        Self(rooms)
    }

    /// Answers a request of somebody who was let in, if the caller is allowed what it demands.
    ///
    /// # Errors
    /// What the room says; 401 and 403; 404 where no room takes the request.
    ///
    /// Cancel safety: that of the room.
    pub(crate) async fn answer(&self, caller: Caller, request: Request<RequestBody>) -> Answer {
        let path = request.uri().path();
        match self.0.iter().find(|room| room.takes(request.method(), path)) {
            Some(room) => {
                caller.allow(&room.demand(request.method(), path)?)?;
                room.answer(caller, request).await
            }
            None => Err(not_found(path)),
        }
    }
}

/// Whether a request of this method only asks.
pub(crate) fn is_read(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

/// Whether a request of this method changes something, or may.
pub(crate) fn is_write(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}
