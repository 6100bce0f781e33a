//! Where segments begin.
//!
//! Pictures are cut at the first sync sample that is shown at or after the next multiple of the ideal, sound at the first
//! frame that begins at or after the cut of the pictures. Nothing adds up: each cut is found from the times alone.

use crate::sample_entry::Format;
use crate::track::Track;

/// What a segment lasts at best, in seconds.
pub(crate) const IDEAL_S: i64 = 4;

/// No segment is shorter than one part in so many of a second: players stop at such.
const SHORTEST_PARTS_OF_SECOND: i64 = 10;

/// A time that is compared exactly, whatever the timescales.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cut {
    ticks: i64,
    timescale: u32,
}

impl Cut {
    /// The first tick of another timescale at or after it.
    fn in_ticks(self, timescale: u32) -> i64 {
        let numerator = i128::from(self.ticks) * i128::from(timescale);
        let ticks = (numerator + i128::from(self.timescale) - 1).div_euclid(self.timescale.into());
        i64::try_from(ticks).unwrap_or(i64::MAX)
    }
}

/// Where the segments of a track begin. `pictures` has the cuts of those that it goes with.
pub(crate) fn of_track(track: &Track, pictures: &[Cut]) -> Vec<u32> {
    let cuts = match track.entry.format {
        Format::Video { .. } => of_video(track),
        Format::Audio { .. } => of_audio(track, pictures),
    };
    let shortest = i64::from(track.timescale) / SHORTEST_PARTS_OF_SECOND;
    let mut kept: Vec<u32> = Vec::with_capacity(cuts.len());
    for (place, cut) in cuts.into_iter().enumerate() {
        // One that is too short belongs to the one before it; the first takes the second.
        let is_short = kept.last().is_some_and(|before| track.shown_at(cut) - track.shown_at(*before) < shortest);
        if place == 0 || !is_short {
            kept.push(cut);
        }
    }
    if kept.len() > 1 && kept.last().is_some_and(|last| track.shown_end() - track.shown_at(*last) < shortest) {
        kept.pop();
    }
    kept
}

/// The cuts of a track's pictures, for its sound.
pub(crate) fn times(track: &Track) -> Vec<Cut> {
    track.cuts.iter().map(|cut| Cut { ticks: track.shown_at(*cut), timescale: track.timescale }).collect()
}

fn next_ideal(after: i64, timescale: u32) -> i64 {
    let ideal = IDEAL_S * i64::from(timescale);
    (after.div_euclid(ideal) + 1) * ideal
}

fn of_video(track: &Track) -> Vec<u32> {
    let first = track.timing.shown.start;
    let mut cuts = vec![first];
    let mut next = next_ideal(track.shown_at(first), track.timescale);
    for index in track.samples.sync_within(first + 1..track.timing.shown.end) {
        let at = track.shown_at(index);
        if at >= next {
            cuts.push(index);
            next = next_ideal(at, track.timescale);
        }
    }
    cuts
}

fn of_audio(track: &Track, pictures: &[Cut]) -> Vec<u32> {
    let shown = &track.timing.shown;
    let mut cuts = vec![shown.start];
    // Cuts at the first frame that begins at a time or later, and says when it does; `None` where there is none.
    let mut cut_at = |ticks: i64| {
        // All frames of sound are shown in the order in which they are decoded.
        let dts = ticks - track.timing.decode_shift - track.timing.offset_shift - track.samples.cts(shown.start);
        let index = track.samples.at(dts).max(shown.start);
        if index >= shown.end {
            return None;
        }
        if cuts.last().is_none_or(|last| index > *last) {
            cuts.push(index);
        }
        Some(track.shown_at(index))
    };
    let mut last = 0;
    for cut in pictures {
        last = cut.in_ticks(track.timescale);
        cut_at(last);
    }
    // Behind the last cut, and where there are no pictures, sound keeps the ideal by itself.
    let mut next = next_ideal(last, track.timescale);
    while let Some(at) = cut_at(next) {
        next = next_ideal(next.max(at), track.timescale);
    }
    cuts
}
