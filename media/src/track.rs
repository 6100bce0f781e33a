//! A track that players are given: its samples, when they are shown, and where its segments begin.

use crate::edits::Edit;
use crate::moov::TrackHead;
use crate::sample_entry::{Format, SampleEntry};
use crate::samples::Samples;
use crate::timing::Timing;
use core::ops::Range;

/// Bits per second of a track's segments, heads and all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rates {
    /// Of the segment with the most.
    pub peak: u64,
    /// Of all together.
    pub average: u64,
}

/// A track that players are given.
#[derive(Debug)]
pub struct Track {
    /// Its number in URLs, from 1.
    pub number: u32,
    /// Its number in the file.
    pub id: u32,
    /// Ticks of a second.
    pub timescale: u32,
    /// Three letters (ISO 639-2); `None` where it is not said.
    pub language: Option<String>,
    /// How it is coded.
    pub entry: SampleEntry,
    /// What its edit list says, which is in its times already.
    pub edit: Edit,
    /// What its segments take of a line.
    pub rates: Rates,
    /// What the first pictures of its segments alone take, heads and all, where a player seeks by them.
    pub key_frame_rates: Rates,
    pub(crate) matrix: [u8; 36],
    pub(crate) samples: Samples,
    pub(crate) timing: Timing,
    /// The first sample of each segment.
    pub(crate) cuts: Vec<u32>,
}

impl Track {
    /// A track without its segments.
    pub(crate) fn new(place: usize, head: TrackHead, edit: Edit, samples: Samples, timing: Timing) -> Self {
        let TrackHead { id, timescale, language, matrix, entry, .. } = head;
        let number = u32::try_from(place + 1).expect("a file has few tracks");
        let (rates, key_frame_rates, cuts) = (Rates::default(), Rates::default(), Vec::new());
        Self { number, id, timescale, language, entry, edit, rates, key_frame_rates, matrix, samples, timing, cuts }
    }

    /// How many samples it has that players are given.
    pub fn samples(&self) -> u32 {
        self.timing.shown.end - self.timing.shown.start
    }

    /// How many segments it has.
    pub fn segments(&self) -> usize {
        self.cuts.len()
    }

    /// How long it is, in microseconds.
    pub fn duration_micros(&self) -> u128 {
        self.micros(self.duration())
    }

    /// How long each of its segments is, in microseconds. Each end is rounded by itself, so that no error adds up.
    pub fn segment_micros(&self) -> impl Iterator<Item = u128> {
        let mut ends = self.boundaries().map(|ticks| self.micros(ticks));
        let mut start = ends.next().unwrap_or_default();
        ends.map(move |end| {
            let micros = end.saturating_sub(start);
            start = start.max(end);
            micros
        })
    }

    /// Its samples in a thousand seconds, rounded to the nearest.
    pub fn samples_in_1000_s(&self) -> u128 {
        let (samples, ticks) = (u128::from(self.samples()), u128::from(self.duration().max(1)));
        (2000 * samples * u128::from(self.timescale) + ticks) / (2 * ticks)
    }

    /// Whether it has pictures.
    pub fn is_video(&self) -> bool {
        matches!(self.entry.format, Format::Video { .. })
    }

    /// What its table takes of memory, in bytes.
    pub fn memory_bytes(&self) -> usize {
        size_of::<Self>() + self.samples.memory_bytes() + self.cuts.len() * size_of::<u32>() + self.entry.bytes.len()
    }

    /// When a sample is decoded, in ticks.
    pub(crate) fn decoded_at(&self, index: u32) -> i64 {
        self.samples.dts(index) + self.timing.decode_shift
    }

    /// How long after that it is shown, in ticks.
    pub(crate) fn offset(&self, index: u32) -> i64 {
        self.samples.cts(index) + self.timing.offset_shift
    }

    /// When a sample is shown, in ticks.
    pub(crate) fn shown_at(&self, index: u32) -> i64 {
        self.decoded_at(index) + self.offset(index)
    }

    /// When its last sample is over, in ticks.
    pub(crate) fn shown_end(&self) -> i64 {
        let last = self.timing.shown.end - 1;
        // The last in order of decoding may be shown before others of its group.
        let group = last.saturating_sub(32).max(self.timing.shown.start)..=last;
        group.map(|index| self.shown_at(index) + self.samples.duration(index)).max().unwrap_or_default()
    }

    /// The samples of a segment by its number, which begins with 1.
    pub(crate) fn segment_samples(&self, number: usize) -> Option<Range<u32>> {
        let start = *self.cuts.get(number.checked_sub(1)?)?;
        Some(start..self.cuts.get(number).copied().unwrap_or(self.timing.shown.end))
    }

    /// When each segment begins, and when the last ends, in ticks. None is below zero: what is before it is not shown.
    pub(crate) fn boundaries(&self) -> impl Iterator<Item = u64> {
        let begins = self.cuts.iter().map(|cut| self.shown_at(*cut));
        begins.chain([self.shown_end()]).map(|at| u64::try_from(at).unwrap_or_default())
    }

    /// How long it is, in ticks.
    pub(crate) fn duration(&self) -> u64 {
        u64::try_from(self.shown_end()).unwrap_or_default()
    }

    /// A time in microseconds, rounded to the nearest.
    pub(crate) fn micros(&self, ticks: u64) -> u128 {
        let timescale = u128::from(self.timescale);
        (2 * u128::from(ticks) * 1_000_000 + timescale) / (2 * timescale)
    }

    /// A rate, of so many bytes in so many ticks.
    pub(crate) fn bits_per_second(&self, bytes: u64, ticks: u64) -> u64 {
        let rate = u128::from(bytes) * 8 * u128::from(self.timescale) / u128::from(ticks.max(1));
        u64::try_from(rate).unwrap_or(u64::MAX)
    }
}
