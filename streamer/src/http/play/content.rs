//! What is answered of a movie: a text that is made now, or a recipe.

use super::edition::Edition;
use super::path::{Item, Part};
use bytes::Bytes;
use rain_media::{Movie, Origin, Recipe, dash, hls};

const PLAYLIST: &str = "application/vnd.apple.mpegurl";
const MANIFEST: &str = "application/dash+xml";
const VIDEO: &str = "video/mp4";
const AUDIO: &str = "audio/mp4";

/// What is answered.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) media_type: &'static str,
    /// With the quotation marks.
    pub(super) etag: String,
    /// Whether it is so for ever.
    pub(super) is_immutable: bool,
    pub(super) body: Body,
}

/// The bytes of an answer.
#[derive(Debug)]
pub(super) enum Body {
    Made(Bytes),
    /// To be read from the title.
    Recipe(Recipe),
}

impl Body {
    pub(super) fn length(&self) -> u64 {
        match self {
            Self::Made(bytes) => bytes.len() as u64,
            Self::Recipe(recipe) => recipe.bytes,
        }
    }
}

/// What there is of a movie at a part of a path; `None` where there is nothing.
///
/// Cost: up to milliseconds, of processor.
pub(super) fn make(
    movie: &Movie,
    edition: Edition,
    part: &Part,
    (origins, form): (&[Origin], hls::Form),
) -> Option<Content> {
    let version = edition.to_string();
    match part {
        Part::Multivariant => Some(current(PLAYLIST, hls::multivariant(movie, &version, origins, form))),
        Part::Manifest => Some(current(MANIFEST, dash::manifest(movie, &version, origins))),
        Part::Of(_, item) => of_edition(movie, edition, *item),
    }
}

/// What is so now. It names nodes, so other nodes say it otherwise.
fn current(media_type: &'static str, text: String) -> Content {
    let etag = format!("\"{}\"", &blake3::hash(text.as_bytes()).to_hex()[..32]);
    Content { media_type, etag, is_immutable: false, body: Body::Made(text.into()) }
}

fn of_edition(movie: &Movie, edition: Edition, item: Item) -> Option<Content> {
    let (Item::Playlist(number) | Item::IFrames(number) | Item::Init(number) | Item::Segment(number, _)) = item;
    let track = movie.track(number)?;
    let of_track = if track.is_video() { VIDEO } else { AUDIO };
    let (media_type, below, body) = match item {
        Item::Playlist(_) => (PLAYLIST, format!("t{number}.m3u8"), Body::Made(hls::media(track).into())),
        Item::IFrames(_) => (PLAYLIST, format!("iframes-t{number}.m3u8"), Body::Made(hls::i_frames(track)?.into())),
        Item::Init(_) => (of_track, format!("t{number}/init.mp4"), Body::Made(track.init().into())),
        Item::Segment(_, segment) => {
            (of_track, format!("t{number}/{segment}.m4s"), Body::Recipe(track.segment(segment)?))
        }
    };
    Some(Content { media_type, etag: edition.etag(&below), is_immutable: true, body })
}
