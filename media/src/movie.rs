//! A movie: the tracks of a file that players are given, with all that is to be known to give them any part.

use crate::cuts;
use crate::dropped::DroppedTrack;
use crate::error::MediaError;
use crate::moov::Moov;
use crate::segment;
use crate::timing::{self, Placed};
use crate::track::{Rates, Track};

/// Most samples of a segment: its head is made in memory.
const SEGMENT_SAMPLES_MAX: u64 = 1 << 16;

/// What players are given of a file.
#[derive(Debug)]
pub struct Movie {
    /// Its tracks, in the order of the file.
    pub tracks: Vec<Track>,
    /// What the file has besides.
    pub dropped: Vec<DroppedTrack>,
}

impl Movie {
    /// Makes a movie of what was read.
    pub(crate) fn new(moov: Moov) -> Result<Self, MediaError> {
        let Moov { timescale, tracks: heads, mut dropped, is_fragmented } = moov;
        let mut read = Vec::new();
        for mut head in heads {
            let samples = core::mem::take(&mut head.samples).finish();
            if is_fragmented {
                // It was written before anybody knew how long the media would be.
                head.edits.duration = None;
            }
            read.push((head, samples));
        }
        let before_edit = timing::before_edit(read.iter().map(|(head, samples)| (head, samples)));
        let mut shown = Vec::new();
        read.retain(|(head, samples)| {
            let found = timing::shown(head, samples, timescale, before_edit);
            if found.is_empty() {
                dropped.push(DroppedTrack { track: head.id, entry: head.entry_name(), why: "nothing of it is shown" });
                return false;
            }
            shown.push(found);
            true
        });
        let placed = read.iter().zip(shown).map(|((head, samples), shown)| Placed { head, samples, shown });
        let timings = timing::of_tracks(&placed.collect::<Vec<_>>(), timescale);
        let Some(first) = read.first() else { return Err(MediaError::Codec { dropped }) };
        let refused = MediaError::EditList { track: first.0.id, what: "has a time that is none" };
        let mut tracks: Vec<Track> = Vec::new();
        for (place, ((head, samples), timing)) in read.into_iter().zip(timings.ok_or(refused)?).enumerate() {
            let edit = head.edits.in_micros(timescale, head.timescale);
            tracks.push(Track::new(place, head, edit, samples, timing));
        }
        let pictures = tracks.iter().position(Track::is_video);
        let mut times = Vec::new();
        if let Some(place) = pictures {
            tracks[place].cuts = cuts::of_track(&tracks[place], &[]);
            times = cuts::times(&tracks[place]);
        }
        for (place, track) in tracks.iter_mut().enumerate() {
            if Some(place) != pictures {
                track.cuts = cuts::of_track(track, &times);
            }
            (track.rates, track.key_frame_rates) = rates(track)?;
        }
        Ok(Self { tracks, dropped })
    }

    /// The track of a number, which begins with 1.
    pub fn track(&self, number: u32) -> Option<&Track> {
        self.tracks.get(usize::try_from(number).ok()?.checked_sub(1)?)
    }

    /// What it takes of memory, in bytes.
    pub fn memory_bytes(&self) -> usize {
        let dropped = self.dropped.len() * size_of::<DroppedTrack>();
        size_of::<Self>() + dropped + self.tracks.iter().map(Track::memory_bytes).sum::<usize>()
    }

    /// How long it is, in microseconds.
    pub fn micros(&self) -> u128 {
        self.tracks.iter().map(|track| track.micros(track.duration())).max().unwrap_or_default()
    }
}

/// What a track's segments take of a line, and their first pictures alone.
fn rates(track: &Track) -> Result<(Rates, Rates), MediaError> {
    let (mut all, mut firsts) = (Rates::default(), Rates::default());
    let (mut all_bytes, mut first_bytes) = (0, 0);
    let boundaries: Vec<u64> = track.boundaries().collect();
    for (place, [start, end]) in boundaries.array_windows::<2>().enumerate() {
        let samples = track.segment_samples(place + 1).unwrap_or_default();
        let found = samples.len() as u64;
        if found > SEGMENT_SAMPLES_MAX {
            let (what, limit) = ("samples of a segment, for want of sync samples", SEGMENT_SAMPLES_MAX);
            return Err(MediaError::TooLarge { what, found, limit });
        }
        let (bytes, first) = (segment::bytes(track, &samples), segment::first_sample_end(track, &samples));
        (all_bytes, first_bytes) = (all_bytes + bytes, first_bytes + first);
        let ticks = end.saturating_sub(*start);
        all.peak = all.peak.max(track.bits_per_second(bytes, ticks));
        firsts.peak = firsts.peak.max(track.bits_per_second(first, ticks));
    }
    all.average = track.bits_per_second(all_bytes, track.duration());
    firsts.average = track.bits_per_second(first_bytes, track.duration());
    Ok((all, firsts))
}
