//! `/p/{title}/...`: titles as HLS and DASH.
//!
//! All that is below an edition is the same on every node, for ever: a cache, or a player that goes on at another node in
//! the middle of a segment, mixes nothing. What the title is *now* is asked of the cluster with each request.

mod cache;
mod content;
mod edition;
mod inspect;
mod nodes;
mod path;
mod source;
#[cfg(test)]
mod tests;

pub(super) use cache::Movies;
pub(super) use inspect::InspectRoom;
pub use inspect::{InspectedDropped, InspectedEdit, InspectedFormat, InspectedTrack, Inspection};
pub(super) use nodes::{Nodes, NodesRoom};

use super::body::{empty, full, of_title};
use super::caller::{Caller, Demand};
use super::conditions::Present;
use super::error::{FRESHNESS, UNCONFIRMED};
use super::query::Query;
use super::reply::not_found;
use super::router::{Answer, Room, is_read};
use super::wanted::{Wanted, wanted};
use super::{ApiError, RequestBody, ResponseBody};
use content::{Body, Content, make};
use edition::Edition;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use hyper::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderValue, LAST_MODIFIED, X_CONTENT_TYPE_OPTIONS,
};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode};
use path::{Part, Path};
use rain_media::hls::Form;
use rain_media::{MediaError, Movie};
use rain_titles::{About, OpenTitle, Titles};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};
use tokio::task::spawn_blocking;

/// What paths of packaged titles begin with.
pub(super) const ROOT: &str = "/p/";

/// Below an edition.
const FOR_EVER: &str = "public, max-age=31536000, immutable";
/// Above it.
const ASK_AGAIN: &str = "no-cache";

/// The header that names the tracks that players are not given.
const DROPPED: &str = "rain-dropped-tracks";

/// The room of titles as HLS and DASH.
pub(super) struct PlayRoom<T> {
    pub(super) titles: T,
    pub(super) movies: Arc<Movies>,
    pub(super) nodes: Arc<Nodes>,
}

impl<T: Titles> Room for PlayRoom<T> {
    fn takes(&self, _: &Method, path: &str) -> bool {
        path.starts_with(ROOT)
    }

    fn demand(&self, _: &Method, path: &str) -> Result<Demand, ApiError> {
        Ok(Demand::Read(Path::read(path)?.title))
    }

    fn answer(&self, caller: Caller, request: Request<RequestBody>) -> BoxFuture<'_, Answer> {
        async move {
            let (request, _) = request.into_parts();
            if is_read(&request.method) {
                return self.read(&caller, &request).await;
            }
            let message = format!("what is packaged takes GET and HEAD, found {}", request.method);
            Err(ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", message))
        }
        .boxed()
    }
}

impl<T: Titles> PlayRoom<T> {
    async fn read(&self, caller: &Caller, request: &Parts) -> Answer {
        let Path { title, part } = Path::read(request.uri.path())?;
        let open = Arc::new(self.titles.open(&title).await?);
        let edition = Edition::of(&open.about().etag);
        if let Part::Of(asked, _) = part
            && asked != edition
        {
            let message = format!("the title is another edition now: found {edition}, expected {asked}");
            return Err(ApiError::new(StatusCode::GONE, "gone", message));
        }
        let opened = self.movies.get(edition, &*open).await?;
        let origins = self.nodes.origins(&title, caller.address);
        let form = form(request.uri.query());
        let made = Arc::clone(&opened);
        // A playlist of a long title takes longer than others may wait for.
        let made = spawn_blocking(move || {
            let movie = made.as_ref().as_ref().map_err(refused)?;
            Ok::<_, ApiError>(make(movie, edition, &part, (&origins, form)))
        });
        let made = made.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
        let content = made?.ok_or_else(|| not_found(request.uri.path()))?;
        let movie = opened.as_ref().as_ref().map_err(refused)?;
        respond(request, &open, movie, content).await
    }
}

/// How a multivariant playlist is to name the nodes.
fn form(query: Option<&str>) -> Form {
    if query.is_some_and(|query| Query::of(query).get("form") == Some("redundant")) {
        Form::Redundant
    } else {
        Form::Steering
    }
}

async fn respond<O: OpenTitle>(request: &Parts, open: &Arc<O>, movie: &Movie, content: Content) -> Answer {
    let (about, bytes) = (open.about(), content.body.length());
    let present = Present { etag: &content.etag, modified_ms: about.modified_ms };
    let wanted = wanted(&request.headers, present, bytes, "what is asked for")?;
    let mut response = head(about, movie, &content, &wanted);
    let Some(range) = wanted.range(bytes) else { return Ok(response) };
    if matches!(content.body, Body::Recipe(_)) {
        open.check()?;
    }
    if request.method == Method::HEAD {
        return Ok(response);
    }
    let length = range.end - range.start;
    metrics::counter!("rain_packaged_bytes_total").increment(length);
    *response.body_mut() = match content.body {
        Body::Made(bytes) => {
            let [start, end] = [range.start, range.end].map(|at| usize::try_from(at).unwrap_or(usize::MAX));
            full(bytes.slice(start..end))
        }
        Body::Recipe(recipe) => of_title(source::read(open, &recipe, range).await?, length),
    };
    Ok(response)
}

/// The head of a response, without a body.
fn head(about: &About, movie: &Movie, content: &Content, wanted: &Wanted) -> Response<ResponseBody> {
    let mut response = Response::new(empty());
    *response.status_mut() = wanted.status();
    let headers = response.headers_mut();
    let value = |text: &str| HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""));
    headers.insert(ETAG, value(&content.etag));
    let modified = UNIX_EPOCH + Duration::from_millis(about.modified_ms);
    headers.insert(LAST_MODIFIED, value(&httpdate::fmt_http_date(modified)));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    let cached = if content.is_immutable { FOR_EVER } else { ASK_AGAIN };
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(cached));
    headers.insert("rain-version", value(&about.version));
    if !about.is_fresh {
        headers.insert(FRESHNESS, HeaderValue::from_static(UNCONFIRMED));
    }
    if !content.is_immutable && !movie.dropped.is_empty() {
        let dropped: Vec<_> = movie.dropped.iter().map(ToString::to_string).collect();
        headers.insert(DROPPED, value(&dropped.join("; ")));
    }
    wanted.describe(content.body.length(), headers);
    if *wanted != Wanted::NotModified {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content.media_type));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    }
    response
}

/// That a title cannot be packaged. It can still be had as it is.
fn refused(error: &MediaError) -> ApiError {
    let (status, code) = match error {
        MediaError::NotMp4 { .. } => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-mp4"),
        MediaError::Codec { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "codec"),
        MediaError::Encrypted { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "already-encrypted"),
        MediaError::EditList { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "edit-list"),
        MediaError::Damaged { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "damaged"),
        MediaError::TooLarge { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "too-large"),
    };
    ApiError::new(status, code, error.to_string())
}
