//! `GET /api/v1/inspect/{title}`: what the packager sees in a title.

use super::super::caller::{Caller, Demand};
use super::super::reply::json;
use super::super::router::{Answer, Room, is_read};
use super::super::{ApiError, RequestBody};
use super::cache::Movies;
use super::edition::Edition;
use super::refused;
use core::time::Duration;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use hyper::{Method, Request};
use rain_media::{DroppedTrack, Edit, Format, Movie, Track};
use rain_titles::{About, OpenTitle, Titles, title};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What paths of reports on titles begin with.
const ROOT: &str = "/api/v1/inspect/";

const SECOND: Duration = Duration::from_secs(1);

/// What the packager sees in a title.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Inspection {
    /// Its name.
    pub title: String,
    /// Of the title as it is stored.
    pub bytes: u64,
    /// Of the title as it is stored.
    pub etag: String,
    /// The part of URLs below which all this is served.
    pub edition: String,
    /// How long it is.
    pub duration_s: f64,
    /// The tracks that players are given.
    pub tracks: Vec<InspectedTrack>,
    /// Those that they are not given.
    pub dropped: Vec<InspectedDropped>,
}

/// A track that players are given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InspectedTrack {
    /// Its number in URLs.
    pub number: u32,
    /// Its number in the file.
    pub id: u32,
    /// As RFC 6381 writes it.
    pub codec: String,
    /// Three letters; null where it is not said.
    pub language: Option<String>,
    /// Ticks of a second.
    pub timescale: u32,
    /// How many samples are given: pictures, or frames of sound.
    pub samples: u32,
    /// How long it is.
    pub duration_s: f64,
    /// Of all segments together, heads and all.
    pub bits_per_second: u64,
    /// Of the segment with the most.
    pub bits_per_second_max: u64,
    /// How many segments it is cut into.
    pub segments: usize,
    /// The shortest of them.
    pub segment_s_min: f64,
    /// The longest of them.
    pub segment_s_max: f64,
    /// What its edit list says; null where that is nothing.
    pub edit: Option<InspectedEdit>,
    /// What it shows or plays.
    #[serde(flatten)]
    pub format: InspectedFormat,
}

/// What a track shows or plays.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum InspectedFormat {
    /// Pictures.
    Video {
        /// In luma samples.
        width: u16,
        /// In luma samples.
        height: u16,
        /// On average.
        pictures_per_second: f64,
    },
    /// Sound.
    Audio {
        /// How many.
        channels: u16,
        /// Samples of sound per second; 0 where the file does not say.
        rate: u16,
    },
}

/// What an edit list says. The times of segments have it already.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InspectedEdit {
    /// How long nothing is shown at first.
    pub delay_s: f64,
    /// Which time of the media is shown first.
    pub start_s: f64,
    /// How long the media is shown; null for as long as it is.
    pub duration_s: Option<f64>,
}

/// A track that players are not given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InspectedDropped {
    /// Its number in the file.
    pub id: u32,
    /// The kind of its sample entry.
    pub entry: String,
    /// Why.
    pub why: String,
}

fn seconds(micros: impl TryInto<u64>) -> f64 {
    Duration::from_micros(micros.try_into().unwrap_or(u64::MAX)).div_duration_f64(SECOND)
}

/// A number with three digits behind its point.
fn thousandths(number: u128) -> f64 {
    Duration::from_millis(number.try_into().unwrap_or(u64::MAX)).div_duration_f64(SECOND)
}

impl Inspection {
    fn new(title: String, about: &About, edition: Edition, movie: &Movie) -> Self {
        Self {
            title,
            bytes: about.bytes,
            etag: about.etag.clone(),
            edition: edition.to_string(),
            duration_s: seconds(movie.micros()),
            tracks: movie.tracks.iter().map(InspectedTrack::new).collect(),
            dropped: movie.dropped.iter().map(InspectedDropped::new).collect(),
        }
    }
}

impl InspectedTrack {
    fn new(track: &Track) -> Self {
        let format = match track.entry.format {
            Format::Video { width, height } => {
                InspectedFormat::Video { width, height, pictures_per_second: thousandths(track.samples_in_1000_s()) }
            }
            Format::Audio { channels, rate } => InspectedFormat::Audio { channels, rate },
        };
        Self {
            number: track.number,
            id: track.id,
            codec: track.entry.codec.clone(),
            language: track.language.clone(),
            timescale: track.timescale,
            samples: track.samples(),
            duration_s: seconds(track.duration_micros()),
            bits_per_second: track.rates.average,
            bits_per_second_max: track.rates.peak,
            segments: track.segments(),
            segment_s_min: seconds(track.segment_micros().min().unwrap_or_default()),
            segment_s_max: seconds(track.segment_micros().max().unwrap_or_default()),
            edit: InspectedEdit::new(track.edit),
            format,
        }
    }
}

impl InspectedEdit {
    fn new(edit: Edit) -> Option<Self> {
        let says_nothing = edit.delay_micros == 0 && edit.start_micros == 0 && edit.duration_micros.is_none();
        (!says_nothing).then(|| Self {
            delay_s: seconds(edit.delay_micros),
            start_s: seconds(edit.start_micros),
            duration_s: edit.duration_micros.map(seconds),
        })
    }
}

impl InspectedDropped {
    fn new(dropped: &DroppedTrack) -> Self {
        Self { id: dropped.track, entry: dropped.entry.to_string(), why: dropped.why.to_owned() }
    }
}

/// The room of what the packager sees in titles.
pub(in super::super) struct InspectRoom<T> {
    pub(in super::super) titles: T,
    pub(in super::super) movies: Arc<Movies>,
}

fn title_of(path: &str) -> Result<String, ApiError> {
    Ok(title::from_path(path.strip_prefix(ROOT).unwrap_or_default())?)
}

impl<T: Titles> Room for InspectRoom<T> {
    fn takes(&self, method: &Method, path: &str) -> bool {
        is_read(method) && path.starts_with(ROOT)
    }

    fn demand(&self, _: &Method, path: &str) -> Result<Demand, ApiError> {
        Ok(Demand::Read(title_of(path)?))
    }

    fn answer(&self, _: Caller, request: Request<RequestBody>) -> BoxFuture<'_, Answer> {
        async move {
            let title = title_of(request.uri().path())?;
            let open = self.titles.open(&title).await?;
            let edition = Edition::of(&open.about().etag);
            let opened = self.movies.get(edition, &open).await?;
            let movie = opened.as_ref().as_ref().map_err(refused)?;
            Ok(json(&Inspection::new(title, open.about(), edition, movie)))
        }
        .boxed()
    }
}
