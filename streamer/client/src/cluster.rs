//! Questions to the nodes of a cluster, one after the other.

use super::credential::Credential;
use super::error::{ClientError, ErrorObject};
use bytes::Bytes;
use core::time::Duration;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Collected, Empty, Full};
use hyper::body::Incoming;
use hyper::header::{ETAG, HeaderMap};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rain_titles::{Page, Written, title};
use serde::de::DeserializeOwned;
use std::io;
use tokio::time::timeout;

/// The head of an answer must have come after so long.
const HEAD: Duration = Duration::from_secs(10);
const CONNECT: Duration = Duration::from_secs(2);
/// Most titles that a node lists at once.
const LISTED_MAX: usize = 10_000;

/// The body of a request.
pub type RequestBody = UnsyncBoxBody<Bytes, io::Error>;

/// Nothing, as a body.
pub fn no_body() -> RequestBody {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// Talks to the nodes of a cluster.
#[derive(Debug)]
pub struct ClusterClient {
    servers: Vec<String>,
    credential: Option<Credential>,
    client: Client<HttpConnector, RequestBody>,
}

impl ClusterClient {
    /// Asks `servers`, URLs without a path, in this order, as whoever has the credential.
    pub fn new(servers: Vec<String>, credential: Option<Credential>) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT));
        let client = Client::builder(TokioExecutor::new()).http1_max_buf_size(1 << 20).build(connector);
        Self { servers, credential, client }
    }

    /// The nodes, in this order.
    pub fn servers(&self) -> &[String] {
        &self.servers
    }

    /// How many nodes were named.
    pub fn server_count(&self) -> usize {
        self.servers.len()
    }

    /// One request to the node `server`, counted from 0.
    ///
    /// # Errors
    /// [`ClientError`].
    ///
    /// Cancel safety: dropping it gives the request up; the node may have acted on it.
    pub async fn send_to(
        &self,
        server: usize,
        method: &Method,
        path: &str,
        headers: &[(&str, String)],
        body: RequestBody,
    ) -> Result<Response<Incoming>, ClientError> {
        // A PUT is answered when all of its body is durable, a demo grows as long as its node needs; everything else comes soon.
        let is_slow = *method == Method::PUT || path.contains("verify=1") || path == "/api/v1/nodes";
        let patience = if is_slow { Duration::MAX } else { HEAD };
        let url = format!("{}{path}", self.servers[server]);
        let mut request = Request::builder().method(method).uri(&url);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        if let (Some(credential), Some(headers)) = (&self.credential, request.headers_mut()) {
            credential.add_to(headers);
        }
        let no_url = |error: hyper::http::Error| ClientError::Url { url: url.clone(), source: Box::new(error) };
        let request = request.body(body).map_err(no_url)?;
        let unreachable = |source| ClientError::Unreachable { url: url.clone(), source };
        let response = timeout(patience, self.client.request(request)).await;
        let response = response.map_err(|late| unreachable(late.into()))?.map_err(|error| unreachable(error.into()))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let bytes = response.into_body().collect().await.map(Collected::to_bytes).unwrap_or_default();
        Err(ErrorObject::new(status.as_u16(), &bytes).into())
    }

    /// The answer of the first node that can be reached.
    ///
    /// # Errors
    /// [`ClientError`]: what every node would say, or what went wrong with the last one.
    ///
    /// Cancel safety: as [`send_to`](Self::send_to).
    pub async fn ask(&self, method: Method, path: &str) -> Result<Bytes, ClientError> {
        self.ask_with(method, path, &[], Bytes::new()).await
    }

    /// The answer of the first node that can be reached to a request with a body.
    ///
    /// # Errors
    /// As [`ask`](Self::ask).
    ///
    /// Cancel safety: as [`send_to`](Self::send_to).
    pub async fn ask_with(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, String)],
        body: Bytes,
    ) -> Result<Bytes, ClientError> {
        self.answer(&method, path, headers, body).await.map(|(_, body)| body)
    }

    /// As [`ask_with`](Self::ask_with), with the headers of the answer.
    pub(super) async fn answer(
        &self,
        method: &Method,
        path: &str,
        headers: &[(&str, String)],
        body: Bytes,
    ) -> Result<(HeaderMap, Bytes), ClientError> {
        let mut last = ClientError::Nobody;
        for server in 0..self.servers.len() {
            let body = Full::new(body.clone()).map_err(|never| match never {}).boxed_unsync();
            match self.send_to(server, method, path, headers, body).await {
                Ok(response) => {
                    let (head, body) = response.into_parts();
                    match body.collect().await {
                        Ok(body) => return Ok((head.headers, body.to_bytes())),
                        Err(error) => last = ClientError::Broken(error.into()),
                    }
                }
                Err(error) if error.is_final() => return Err(error),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// As [`ask`](Self::ask), of a GET whose answer is JSON: read, and as it came.
    ///
    /// # Errors
    /// As [`ask`](Self::ask); [`ClientError::Form`].
    ///
    /// Cancel safety: nothing is changed.
    pub async fn ask_json<T: DeserializeOwned>(&self, path: &str) -> Result<(T, Bytes), ClientError> {
        let bytes = self.ask(Method::GET, path).await?;
        let value = serde_json::from_slice(&bytes);
        value.map_err(|source| ClientError::Form { path: path.to_owned(), source }).map(|value| (value, bytes))
    }

    /// A page of the titles, by as many requests as it takes; with what is known of their `columns`, or without.
    ///
    /// # Errors
    /// As [`ask_json`](Self::ask_json).
    ///
    /// Cancel safety: nothing is changed.
    pub async fn list<T: DeserializeOwned>(
        &self,
        page: &Page,
        columns: bool,
        name: impl Fn(&T) -> &str,
    ) -> Result<Vec<T>, ClientError> {
        let escape = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let (prefix, delimiter) = (escape(&page.prefix), if page.folders { "/" } else { "" });
        let columns = u8::from(columns);
        let (mut listed, mut after) = (Vec::new(), page.after.clone());
        while listed.len() < page.limit {
            let limit = (page.limit - listed.len()).min(LISTED_MAX);
            let query = format!("prefix={prefix}&delimiter={delimiter}&limit={limit}&columns={columns}");
            let path = format!("/api/v1/titles?{query}&after={}", escape(&after));
            let (part, _) = self.ask_json::<Vec<T>>(&path).await?;
            // One that is shorter than its limit is the last.
            let is_last = part.len() < limit;
            listed.extend(part);
            match listed.last() {
                Some(last) if !is_last => after = name(last).to_owned(),
                _ => break,
            }
        }
        Ok(listed)
    }

    /// Asks the node `server` for a sign of life: one that hangs takes a connection, and says nothing.
    ///
    /// # Errors
    /// [`ClientError`].
    ///
    /// Cancel safety: nothing is changed.
    pub async fn look_at(&self, server: usize) -> Result<(), ClientError> {
        self.send_to(server, &Method::GET, "/healthz", &[], no_body()).await.map(drop)
    }

    /// Stores a title by way of the node `server`.
    ///
    /// # Errors
    /// [`ClientError`].
    ///
    /// Cancel safety: dropping it breaks the body off, and nothing is stored; behind its end that is not known.
    pub async fn put(
        &self,
        server: usize,
        name: &str,
        headers: &[(&str, String)],
        body: RequestBody,
    ) -> Result<Written, ClientError> {
        let path = format!("/v/{}", title::to_path(name));
        let response = self.send_to(server, &Method::PUT, &path, headers, body).await?;
        let found = response.headers();
        Ok(Written {
            replaced: response.status() == StatusCode::NO_CONTENT,
            tolerates: text(found, "rain-tolerates").parse().unwrap_or_default(),
            etag: text(found, ETAG.as_str()),
            version: text(found, "rain-version"),
        })
    }
}

/// A header as text; empty where it is not there.
pub(super) fn text(headers: &HeaderMap, name: &str) -> String {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}
