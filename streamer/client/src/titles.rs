//! Titles over HTTP, as everybody above a node sees titles.

use super::cluster::{ClusterClient, text};
use super::credential::Credential;
use super::error::ClientError;
use super::resume::{Ask, Opened, Servers};
use bytes::Bytes;
use core::ops::Range;
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, IF_MATCH, LAST_MODIFIED, RANGE};
use hyper::{Method, StatusCode};
use rain_titles::{
    About, ByteStream, Listed, NewContent, OpenTitle, Page, Precondition, ReadError, Titles, WriteError, Written, title,
};
use std::io;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

/// Titles over HTTP, from any of several nodes. What is read goes on at the next node where one breaks off.
#[derive(Debug, Clone)]
pub struct HttpTitles {
    client: Arc<ClusterClient>,
    source: Arc<Servers>,
    credential: Option<Credential>,
    order: Arc<[usize]>,
}

impl HttpTitles {
    /// Of the nodes `servers`, URLs without a path, asked in this order as whoever has the credential.
    pub fn new(servers: Vec<String>, credential: Option<Credential>) -> Self {
        let order = (0..servers.len()).collect();
        let client = Arc::new(ClusterClient::new(servers.clone(), credential.clone()));
        Self { client, source: Servers::new(servers, None), credential, order }
    }

    async fn ask(&self, method: Method, path_and_query: String, mut headers: HeaderMap) -> Result<Opened, ReadError> {
        if let Some(credential) = &self.credential {
            credential.add_to(&mut headers);
        }
        let opened = self.source.open(&self.order, Ask { method, path_and_query, headers }).await;
        opened.map_err(|unanswered| ReadError::Elsewhere(unanswered.to_string()))
    }

    /// A node that gives a sign of life.
    async fn any_server(&self) -> Result<usize, ClientError> {
        let mut last = ClientError::Nobody;
        for server in self.order.iter() {
            match self.client.look_at(*server).await {
                Ok(()) => return Ok(*server),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

/// A version of a title at several nodes.
#[derive(Debug)]
pub struct HttpTitle {
    titles: HttpTitles,
    path: String,
    about: About,
}

impl OpenTitle for HttpTitle {
    fn about(&self) -> &About {
        &self.about
    }

    /// The node that answered had looked for its columns.
    fn check(&self) -> Result<(), ReadError> {
        Ok(())
    }

    async fn bytes(&self, range: Range<u64>) -> Result<ByteStream, ReadError> {
        assert!(range.start <= range.end && range.end <= self.about.bytes, "{range:?} of {} bytes", self.about.bytes);
        if range.is_empty() {
            return Ok(stream::empty().boxed());
        }
        let mut headers = HeaderMap::new();
        for (name, value) in
            [(RANGE, format!("bytes={}-{}", range.start, range.end - 1)), (IF_MATCH, self.about.etag.clone())]
        {
            headers.insert(name, HeaderValue::from_str(&value).map_err(|_| strange("an entity tag that is none"))?);
        }
        let opened = self.titles.ask(Method::GET, self.path.clone(), headers).await?;
        if opened.head.status != StatusCode::PARTIAL_CONTENT {
            return Err(opened.into_error().await.into());
        }
        let bytes = text(&opened.head.headers, CONTENT_LENGTH.as_str());
        if bytes.parse() != Ok(range.end - range.start) {
            return Err(strange(&format!("{bytes} bytes, expected {}", range.end - range.start)));
        }
        let parts = stream::unfold(opened.body, |mut body| async move { Some((body.next().await?, body)) });
        Ok(parts.map_err(|error| ReadError::Elsewhere(error.to_string())).boxed())
    }
}

/// That a node answers what makes no sense.
fn strange(what: &str) -> ReadError {
    ReadError::Elsewhere(format!("a node answers with {what}"))
}

/// What the head of an answer says of a title.
fn about(headers: &HeaderMap) -> Option<About> {
    let modified = httpdate::parse_http_date(&text(headers, LAST_MODIFIED.as_str())).ok()?;
    let modified_ms = modified.duration_since(UNIX_EPOCH).ok()?.as_millis();
    Some(About {
        bytes: text(headers, CONTENT_LENGTH.as_str()).parse().ok()?,
        etag: Some(text(headers, ETAG.as_str())).filter(|etag| etag.starts_with('"'))?,
        modified_ms: u64::try_from(modified_ms).ok()?,
        media_type: text(headers, CONTENT_TYPE.as_str()),
        version: text(headers, "rain-version"),
        is_fresh: !headers.contains_key("rain-freshness"),
    })
}

/// A precondition as headers.
fn headers_of(precondition: Precondition) -> Vec<(&'static str, String)> {
    let Precondition { matches, none_matches } = precondition;
    let header = |name, tags: Option<Vec<String>>| tags.map(|tags| (name, tags.join(", ")));
    [header("if-match", matches), header("if-none-match", none_matches)].into_iter().flatten().collect()
}

impl Titles for HttpTitles {
    type Open = HttpTitle;

    async fn open(&self, name: &str) -> Result<HttpTitle, ReadError> {
        let path = format!("/v/{}", title::to_path(name));
        let opened = self.ask(Method::HEAD, path.clone(), HeaderMap::new()).await?;
        let headers = &opened.head.headers;
        match opened.head.status {
            StatusCode::OK => {}
            // The answer to HEAD has no error object.
            StatusCode::NOT_FOUND => return Err(ReadError::Absent { fresh: !headers.contains_key("rain-freshness") }),
            _ => return Err(opened.into_error().await.into()),
        }
        let about = about(headers).ok_or_else(|| strange("a head that is not of a title"))?;
        Ok(HttpTitle { titles: self.clone(), path, about })
    }

    async fn put<S>(
        &self,
        name: &str,
        content: NewContent<S>,
        precondition: Precondition,
    ) -> Result<Written, WriteError>
    where
        S: Stream<Item = io::Result<Bytes>> + Send + Unpin + 'static,
    {
        let NewContent { stream, bytes, media_type } = content;
        let mut headers = headers_of(precondition);
        headers.extend(bytes.map(|bytes| ("content-length", bytes.to_string())));
        headers.extend(Some(("content-type", media_type)).filter(|(_, media_type)| !media_type.is_empty()));
        // The content cannot be sent twice, so it goes to a node that is alive.
        let server = self.any_server().await.map_err(|error| WriteError::Elsewhere(error.line()))?;
        let body = StreamBody::new(stream.map_ok(Frame::data)).boxed_unsync();
        Ok(self.client.put(server, name, &headers, body).await?)
    }

    async fn delete(&self, name: &str, precondition: Precondition) -> Result<String, WriteError> {
        let path = format!("/v/{}", title::to_path(name));
        let headers = headers_of(precondition);
        let (head, _) = self.client.answer(&Method::DELETE, &path, &headers, Bytes::new()).await?;
        Ok(text(&head, "rain-version"))
    }

    async fn list(&self, page: &Page) -> Result<Vec<Listed>, ReadError> {
        Ok(self.client.list(page, true, Listed::name).await?)
    }
}
