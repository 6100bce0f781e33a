//! Edit lists: when a track begins, and which part of its media is shown.

use crate::boxes::BoxAt;
use crate::error::MediaError;
use mp4_atom::{Elst, FixedPoint};

/// A time so late is none.
const TICKS_MAX: u64 = 1 << 60;

/// What an edit list says: nothing for a while, then one part of the media.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Edits {
    /// How long nothing is shown, in ticks of the movie.
    pub(crate) delay: u64,
    /// Which time of the media is shown first, in ticks of the track.
    pub(crate) start: i64,
    /// How long the media is shown, in ticks of the movie; `None` for as long as it is.
    pub(crate) duration: Option<u64>,
}

/// What the edit list of a track says, in microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Edit {
    /// How long nothing is shown at first.
    pub delay_micros: u64,
    /// Which time of the media is shown first.
    pub start_micros: u64,
    /// How long the media is shown; `None` for as long as it is.
    pub duration_micros: Option<u64>,
}

impl Edits {
    /// The same in microseconds, of a movie and a track with so many ticks a second.
    pub(crate) fn in_micros(self, movie_timescale: u32, timescale: u32) -> Edit {
        let micros = |ticks: u64, per_second: u32| {
            u64::try_from(u128::from(ticks) * 1_000_000 / u128::from(per_second)).unwrap_or(u64::MAX)
        };
        Edit {
            delay_micros: micros(self.delay, movie_timescale),
            start_micros: micros(self.start.unsigned_abs(), timescale),
            duration_micros: self.duration.map(|duration| micros(duration, movie_timescale)),
        }
    }
}

/// Reads the edit list of a track by its number.
pub(crate) fn read(trak: &BoxAt<'_>, track: u32) -> Result<Edits, MediaError> {
    let edts = trak.find(*b"edts")?;
    let Some(elst) = edts.map(|edts| edts.find(*b"elst")).transpose()?.flatten() else { return Ok(Edits::default()) };
    let refused = |what| MediaError::EditList { track, what };
    let (mut edits, mut has_media) = (Edits::default(), false);
    for entry in elst.decode::<Elst>()?.entries {
        if has_media {
            return Err(refused("has more than one part with media, or a gap behind one"));
        }
        if entry.segment_duration > TICKS_MAX || entry.media_time.is_some_and(|time| time > TICKS_MAX) {
            return Err(refused("has a time that is none"));
        }
        let Some(start) = entry.media_time else {
            edits.delay = edits.delay.saturating_add(entry.segment_duration).min(TICKS_MAX);
            continue;
        };
        if entry.media_rate != FixedPoint::new(1, 0) {
            return Err(refused("has a rate other than 1"));
        }
        edits.start = start.cast_signed();
        edits.duration = (entry.segment_duration > 0).then_some(entry.segment_duration);
        has_media = true;
    }
    Ok(edits)
}
