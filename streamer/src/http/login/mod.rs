//! Logging in: a token typed into the console is exchanged for a cookie, so that no page keeps the token.

mod attempts;
mod logins;

pub(crate) use logins::Logins;

use super::body::read_small;
use super::caller::{Caller, Demand, Standing};
use super::note::Note;
use super::reply::json;
use super::router::{Answer, Room, is_read, is_write};
use super::{ApiError, RequestBody, ResponseBody};
use attempts::Attempts;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use hyper::header::{HeaderValue, SET_COOKIE};
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use rain_config::{Reloadable, TokenSecret};
use serde::Deserialize;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::watch;

/// Who asks.
pub(crate) const CALLER: &str = "/api/v1/caller";
const LOGIN: &str = "/api/v1/login";
const LOGOUT: &str = "/api/v1/logout";
/// A token is told in less.
const BODY_BYTES_MAX: usize = 4 << 10;

/// The body of `POST /api/v1/login`.
#[derive(Deserialize)]
struct Presented {
    token: String,
}

/// The room where people log in and out, and are told who they are.
pub(super) struct LoginRoom {
    settings: watch::Receiver<Arc<Reloadable>>,
    logins: Arc<Logins>,
    attempts: Attempts,
}

impl Room for LoginRoom {
    fn takes(&self, method: &Method, path: &str) -> bool {
        (is_read(method) && path == CALLER) || (*method == Method::POST && [LOGIN, LOGOUT].contains(&path))
    }

    fn demand(&self, _: &Method, _: &str) -> Result<Demand, ApiError> {
        Ok(Demand::Nothing)
    }

    fn answer(&self, caller: Caller, request: Request<RequestBody>) -> BoxFuture<'_, Answer> {
        async move {
            if !is_write(request.method()) {
                return Ok(json(&caller.report()));
            }
            if request.uri().path() == LOGOUT {
                return Ok(self.log_out(request.headers()));
            }
            self.log_in(&caller, request.into_body()).await
        }
        .boxed()
    }
}

impl LoginRoom {
    pub(super) fn new(settings: watch::Receiver<Arc<Reloadable>>, logins: Arc<Logins>) -> Self {
        Self { settings, logins, attempts: Attempts::default() }
    }

    async fn log_in(&self, caller: &Caller, body: RequestBody) -> Answer {
        let bad = |why: String| ApiError::new(StatusCode::BAD_REQUEST, "bad-login", why);
        let body = read_small(body, BODY_BYTES_MAX).await.map_err(bad)?;
        // What the parser says of a faulty body may hold the token.
        let Presented { token } =
            serde_json::from_slice(&body).map_err(|_| bad("the body must be {\"token\":\"...\"}".to_owned()))?;
        self.attempts.begin(caller.address, Instant::now()).map_err(|wait| {
            let message = format!("{} logins of this address failed within a minute", attempts::FAILURES_MAX);
            let error = ApiError::new(StatusCode::TOO_MANY_REQUESTS, "too-many-logins", message);
            error.retry_after(wait)
        })?;
        let settings = Arc::clone(&self.settings.borrow());
        let token = TokenSecret::parse(token.trim()).and_then(|secret| settings.tokens.find(&secret.hash()));
        let token = token.ok_or_else(|| {
            let error = ApiError::new(
                StatusCode::UNAUTHORIZED,
                "unauthorized",
                "this is no token of this node's configuration",
            );
            error.with("an unknown token", "a token of `rain token new`, whose lines are in the configuration")
        })?;
        self.attempts.forgive(caller.address);
        let cookie = self.logins.begin(token.hash, Instant::now());
        let standing = Standing::Token { token: Arc::clone(token), by_login: true };
        let known = Caller { standing, ..caller.clone() };
        let mut response = json(&known.report());
        set_cookie(response.headers_mut(), &cookie);
        response.extensions_mut().insert(Note(format!("as {}", known.name())));
        Ok(response)
    }

    fn log_out(&self, headers: &HeaderMap) -> Response<ResponseBody> {
        let cookie = self.logins.end(headers);
        let mut response = json(&serde_json::json!({}));
        set_cookie(response.headers_mut(), &cookie);
        response
    }
}

fn set_cookie(headers: &mut HeaderMap, cookie: &str) {
    if let Ok(value) = HeaderValue::from_str(cookie) {
        headers.insert(SET_COOKIE, value);
    }
}
