//! The client's side of the player listener.

use super::ClientArguments;
use anyhow::{Context, bail};
use bytes::Bytes;
use core::fmt;
use core::time::Duration;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper::{Method, Request, Response};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::de::DeserializeOwned;
use std::io;
use tokio::time::timeout;

/// The head of an answer must have come after so long.
const HEAD: Duration = Duration::from_secs(10);

/// The body of a request.
pub(super) type RequestBody = UnsyncBoxBody<Bytes, io::Error>;

pub(super) fn no_body() -> RequestBody {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// An error object that a node answered.
#[derive(Debug)]
pub(super) struct ErrorObject {
    pub(super) status: u16,
    pub(super) message: String,
    pub(super) json: String,
}

impl ErrorObject {
    /// The error object in the body of an answer with `status`.
    pub(super) fn new(status: u16, body: &[u8]) -> Self {
        let json = String::from_utf8_lossy(body).into_owned();
        let object: serde_json::Value = serde_json::from_str(&json).unwrap_or_default();
        let message = object["message"].as_str().map_or_else(|| format!("the node answered {status}"), str::to_owned);
        Self { status, message, json }
    }
}

impl fmt::Display for ErrorObject {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.message)
    }
}

impl std::error::Error for ErrorObject {}

/// Talks to the nodes of a cluster.
#[derive(Debug)]
pub(super) struct ClusterClient {
    servers: Vec<String>,
    client: Client<HttpConnector, RequestBody>,
}

impl ClusterClient {
    pub(super) fn new(arguments: &ClientArguments) -> anyhow::Result<Self> {
        let servers = servers(arguments)?;
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(Duration::from_secs(2)));
        let client = Client::builder(TokioExecutor::new()).http1_max_buf_size(1 << 20).build(connector);
        Ok(Self { servers, client })
    }

    /// How many nodes were named.
    pub(super) fn server_count(&self) -> usize {
        self.servers.len()
    }

    /// One request to the node `server`, counted from 0.
    pub(super) async fn send_to(
        &self,
        server: usize,
        method: &Method,
        path: &str,
        headers: &[(&str, String)],
        body: RequestBody,
    ) -> anyhow::Result<Response<Incoming>> {
        // A PUT is answered when all of its body is durable; everything else soon.
        let patience = if *method == Method::PUT || path.contains("verify=1") { Duration::MAX } else { HEAD };
        let url = format!("{}{path}", self.servers[server]);
        let mut request = Request::builder().method(method).uri(&url);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let request = request.body(body).with_context(|| format!("`{url}` is not a URL"))?;
        let unreachable = || format!("{url} cannot be reached");
        let response = timeout(patience, self.client.request(request)).await.with_context(unreachable)?;
        let response = response.with_context(unreachable)?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let bytes = response.into_body().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        Err(ErrorObject::new(status.as_u16(), &bytes).into())
    }

    /// The answer of the first node that can be reached.
    pub(super) async fn ask(&self, method: Method, path: &str) -> anyhow::Result<Bytes> {
        self.ask_with(method, path, &[], Bytes::new()).await
    }

    /// The answer of the first node that can be reached to a request with a body.
    pub(super) async fn ask_with(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, String)],
        body: Bytes,
    ) -> anyhow::Result<Bytes> {
        let mut last = None;
        for server in 0..self.servers.len() {
            let body = Full::new(body.clone()).map_err(|never| match never {}).boxed_unsync();
            match self.send_to(server, &method, path, headers, body).await {
                Ok(response) => match response.into_body().collect().await {
                    Ok(body) => return Ok(body.to_bytes()),
                    Err(error) => last = Some(error.into()),
                },
                Err(error) if is_final(&error) => return Err(error),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| anyhow::anyhow!("`--server` names no node")))
    }

    pub(super) async fn ask_json<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<(T, Bytes)> {
        let bytes = self.ask(Method::GET, path).await?;
        let value = serde_json::from_slice(&bytes).with_context(|| format!("{path}: an answer of another form"))?;
        Ok((value, bytes))
    }
}

/// The nodes that were named.
pub(super) fn servers(arguments: &ClientArguments) -> anyhow::Result<Vec<String>> {
    let check = |server: &String| {
        let server = server.trim().trim_end_matches('/');
        if !server.starts_with("http://") {
            bail!("`--server`: found `{server}`, expected http://HOST:PORT");
        }
        Ok(server.to_owned())
    };
    arguments.server.iter().map(check).collect()
}

/// Whether another node would say the same.
pub(super) fn is_final(error: &anyhow::Error) -> bool {
    error.downcast_ref::<ErrorObject>().is_some_and(|object| object.status < 500)
}
