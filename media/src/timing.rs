//! The one rule for times: what of a track is shown, and when, on the timeline that all tracks share.
//!
//! A sample is shown at `dts + cts`, less the time of the media at which the edit begins, plus the delay before it. Where an
//! edit begins within a group of pictures, all tracks are put off until the picture with which decoding begins is at zero:
//! so they keep their distance, and nothing before zero is seen. Where no track begins before a later time, as in a recording
//! that was cut out of a longer one, all are put forward to zero.
//!
//! Decode times stay what they are, and begin at zero; what is to be taken off goes into the offset of each sample, what is
//! to be added into decode times. So nothing that decoders need is moved, and sound that encoders put before the beginning
//! is there below zero, where players cut it off.

use crate::moov::TrackHead;
use crate::sample_entry::Format;
use crate::samples::Samples;
use core::ops::Range;

/// When the samples of a track are decoded and shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Timing {
    /// The samples that are needed for what is shown.
    pub(crate) shown: Range<u32>,
    /// What is added to the decode times of the source.
    pub(crate) decode_shift: i64,
    /// What is added to the offsets of the source: zero or less.
    pub(crate) offset_shift: i64,
}

/// A time in ticks, and how many of them a second has.
pub(crate) type Ticks = (i128, u32);

fn convert((ticks, per_second): Ticks, to: u32) -> i128 {
    // Rounded to the nearest.
    let (numerator, denominator) = (ticks * i128::from(to), i128::from(per_second));
    (2 * numerator + denominator).div_euclid(2 * denominator)
}

fn is_before((a, a_per_second): Ticks, (b, b_per_second): Ticks) -> bool {
    a * i128::from(b_per_second) < b * i128::from(a_per_second)
}

/// A tenth of a second of sound before the edit is kept: decoders of AAC and Opus need it.
const PREROLL_PARTS_OF_SECOND: i64 = 10;

/// How long before their edit pictures begin, the longest of all tracks: they are shown, so sound is heard as long.
pub(crate) fn before_edit<'a>(tracks: impl Iterator<Item = (&'a TrackHead, &'a Samples)>) -> Ticks {
    let before = |(head, samples): (&TrackHead, &Samples)| {
        let first = first_picture(head, samples)?;
        let at = samples.dts(first) + samples.cts(first);
        Some((i128::from(head.edits.start - at), head.timescale))
    };
    tracks.filter_map(before).fold((0, 1), |a, b| if is_before(a, b) { b } else { a })
}

/// The sample with which decoding of what an edit shows begins; `None` of sound, and where there is none.
fn first_picture(head: &TrackHead, samples: &Samples) -> Option<u32> {
    let at = |index: u32| samples.dts(index) + samples.cts(index);
    let is_video = matches!(head.entry.format, Format::Video { .. }) && samples.count() > 0;
    let sync = is_video.then(|| samples.sync_within(0..samples.count()))?;
    Some(sync.take_while(|index| at(*index) <= head.edits.start).last().unwrap_or_default())
}

/// The samples that are needed for what an edit shows, of sound from `before_edit` on.
pub(crate) fn shown(head: &TrackHead, samples: &Samples, movie_timescale: u32, before_edit: Ticks) -> Range<u32> {
    let start = head.edits.start;
    let first = first_picture(head, samples).unwrap_or_else(|| {
        let before = i64::try_from(convert(before_edit, head.timescale)).unwrap_or(i64::MAX);
        let preroll = i64::from(head.timescale) / PREROLL_PARTS_OF_SECOND;
        samples.at(start.saturating_sub(before).saturating_sub(preroll))
    });
    let mut end = samples.count();
    if let Some(duration) = head.edits.duration {
        // Durations are rounded to ticks of the movie, which are longer than those of the track.
        let shown = convert(((duration + 1).into(), movie_timescale), head.timescale);
        let is_over = |index: u32| i128::from(samples.dts(index) + samples.cts(index)) >= i128::from(start) + shown;
        while end > first && is_over(end - 1) {
            end -= 1;
        }
    }
    first.min(end)..end
}

/// A track with the samples of it that are shown, which is not none.
pub(crate) struct Placed<'a> {
    pub(crate) head: &'a TrackHead,
    pub(crate) samples: &'a Samples,
    pub(crate) shown: Range<u32>,
}

impl Placed<'_> {
    /// What is added to `dts + cts` by the edit list alone.
    fn edit(&self, movie_timescale: u32) -> i128 {
        convert((self.head.edits.delay.into(), movie_timescale), self.head.timescale)
            - i128::from(self.head.edits.start)
    }

    /// When its first sample would be shown.
    fn begins(&self, movie_timescale: u32) -> Ticks {
        let first = self.shown.start;
        let at = i128::from(self.samples.dts(first)) + i128::from(self.samples.cts(first));
        (at + self.edit(movie_timescale), self.head.timescale)
    }
}

/// The timing of each of some tracks. `None` where a time is none.
pub(crate) fn of_tracks(tracks: &[Placed<'_>], movie_timescale: u32) -> Option<Vec<Timing>> {
    let earliest = |only_video: bool| {
        let matter = |track: &&Placed<'_>| !only_video || matches!(track.head.entry.format, Format::Video { .. });
        let begin = tracks.iter().filter(matter).map(|track| track.begins(movie_timescale));
        begin.reduce(|a, b| if is_before(b, a) { b } else { a })
    };
    let (video, all) = (earliest(true), earliest(false)?);
    let put_off = match video {
        Some((at, timescale)) if at < 0 => (-at, timescale),
        _ if all.0 > 0 => (-all.0, all.1),
        _ => (0, 1),
    };
    let timing = |track: &Placed<'_>| {
        let first_dts = track.samples.dts(track.shown.start);
        let shift = track.edit(movie_timescale) + convert(put_off, track.head.timescale) + i128::from(first_dts);
        let shift = i64::try_from(shift).ok().filter(|shift| shift.unsigned_abs() < i64::MAX as u64 / 4)?;
        let decode_shift = shift.max(0) - first_dts;
        Some(Timing { shown: track.shown.clone(), decode_shift, offset_shift: shift.min(0) })
    };
    tracks.iter().map(timing).collect()
}
