//! The table of a track's samples: where each lies, how long it is, when it is decoded and shown. Never changed.

mod series;

use core::ops::Range;
use series::{Series, SeriesBuilder, signed};

/// Most samples of a track.
pub(crate) const SAMPLES_MAX: u64 = 4_000_000;

/// A sample longer ahead in its chunk than this is not looked for: a new chunk begins.
const CHUNK_SAMPLES_MAX: u32 = 128;

/// A sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sample {
    /// Where it begins in the file.
    pub(crate) offset: u64,
    pub(crate) bytes: u32,
    /// When it is decoded, in ticks of its track.
    pub(crate) dts: i64,
    /// How long it lasts, in ticks.
    pub(crate) duration: u32,
    /// How long after it is decoded it is shown, in ticks.
    pub(crate) cts: i64,
    /// Whether decoding can begin with it.
    pub(crate) is_sync: bool,
}

/// The samples of a track.
#[derive(Debug, Clone)]
pub(crate) struct Samples {
    count: u32,
    sizes: Series,
    dts: Series,
    /// When the last one is over.
    dts_end: i64,
    cts: Series,
    /// Numbers of those with which decoding can begin; `None` where it can with all.
    sync: Option<Series>,
    /// Of each chunk (samples that lie one behind the other in the file), its first sample.
    chunk_firsts: Series,
    chunk_offsets: Series,
}

impl Samples {
    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    /// When a sample is decoded; of the one behind the last, when that is over.
    pub(crate) fn dts(&self, index: u32) -> i64 {
        if index == self.count { self.dts_end } else { self.dts.get(index as usize) }
    }

    /// How long after it is decoded a sample is shown.
    pub(crate) fn cts(&self, index: u32) -> i64 {
        self.cts.get(index as usize)
    }

    /// How long a sample lasts.
    pub(crate) fn duration(&self, index: u32) -> i64 {
        self.dts(index + 1) - self.dts(index)
    }

    pub(crate) fn bytes(&self, index: u32) -> u32 {
        u32::try_from(self.sizes.get(index as usize)).expect("a size was pushed")
    }

    /// The first sample that is decoded at a time or later; how many there are where none is.
    pub(crate) fn at(&self, dts: i64) -> u32 {
        let before = self.dts.partition_point(|found| found < dts);
        u32::try_from(before).expect("as many as were counted")
    }

    pub(crate) fn is_sync(&self, index: u32) -> bool {
        let Some(sync) = &self.sync else { return true };
        let place = sync.partition_point(|found| found < i64::from(index));
        place < sync.len() && sync.get(place) == i64::from(index)
    }

    /// The samples of a range with which decoding can begin.
    pub(crate) fn sync_within(&self, range: Range<u32>) -> impl Iterator<Item = u32> {
        let places = match &self.sync {
            None => range.start as usize..range.end as usize,
            Some(sync) => {
                let place = |index: u32| sync.partition_point(|found| found < i64::from(index));
                place(range.start)..place(range.end)
            }
        };
        places.map(|place| {
            let number = self.sync.as_ref().map_or_else(|| signed(place), |sync| sync.get(place));
            u32::try_from(number).expect("the number of a sample")
        })
    }

    /// Where the samples of a range lie, in their order; those that touch are one.
    pub(crate) fn source(&self, range: Range<u32>) -> Vec<Range<u64>> {
        let mut found: Vec<Range<u64>> = Vec::new();
        if range.is_empty() {
            return found;
        }
        let mut chunk = self.chunk_firsts.partition_point(|first| first <= i64::from(range.start)) - 1;
        let first_of = |chunk: usize| {
            let first = (chunk < self.chunk_firsts.len()).then(|| self.chunk_firsts.get(chunk));
            first.map_or(self.count, |first| u32::try_from(first).expect("the number of a sample"))
        };
        let mut offset = self.chunk_offsets.get(chunk).cast_unsigned();
        offset += (first_of(chunk)..range.start).map(|index| u64::from(self.bytes(index))).sum::<u64>();
        for index in range {
            if index == first_of(chunk + 1) {
                chunk += 1;
                offset = self.chunk_offsets.get(chunk).cast_unsigned();
            }
            let end = offset + u64::from(self.bytes(index));
            match found.last_mut().filter(|last| last.end == offset) {
                Some(last) => last.end = end,
                None => found.push(offset..end),
            }
            offset = end;
        }
        found
    }

    /// What it takes, in bytes.
    pub(crate) fn memory_bytes(&self) -> usize {
        let Self { count: _, sizes, dts, dts_end: _, cts, sync, chunk_firsts, chunk_offsets } = self;
        let all = [Some(sizes), Some(dts), Some(cts), sync.as_ref(), Some(chunk_firsts), Some(chunk_offsets)];
        size_of::<Self>() + all.into_iter().flatten().map(Series::memory_bytes).sum::<usize>()
    }
}

/// Takes the samples of a track one by one, in the order in which they are decoded.
#[derive(Debug, Default)]
pub(crate) struct SamplesBuilder {
    sizes: SeriesBuilder,
    dts: SeriesBuilder,
    last_dts: i64,
    dts_end: i64,
    cts: SeriesBuilder,
    sync: SeriesBuilder,
    chunk_firsts: SeriesBuilder,
    chunk_offsets: SeriesBuilder,
    /// Where the next sample lies if it is of the same chunk.
    next_offset: u64,
    in_chunk: u32,
}

impl SamplesBuilder {
    pub(crate) fn count(&self) -> usize {
        self.sizes.len()
    }

    /// When the last sample is decoded.
    pub(crate) fn last_dts(&self) -> i64 {
        self.last_dts
    }

    /// When the last sample is over.
    pub(crate) fn dts_end(&self) -> i64 {
        self.dts_end
    }

    /// Takes the next sample, which lies in the file.
    pub(crate) fn push(&mut self, sample: Sample) {
        let Sample { offset, bytes, dts, duration, cts, is_sync } = sample;
        let index = signed(self.sizes.len());
        if index == 0 || offset != self.next_offset || self.in_chunk == CHUNK_SAMPLES_MAX {
            self.chunk_firsts.push(index);
            self.chunk_offsets.push(offset.cast_signed());
            self.in_chunk = 0;
        }
        self.in_chunk += 1;
        self.next_offset = offset + u64::from(bytes);
        self.sizes.push(bytes.into());
        self.dts.push(dts);
        self.last_dts = dts;
        self.dts_end = dts + i64::from(duration);
        self.cts.push(cts);
        if is_sync {
            self.sync.push(index);
        }
    }

    pub(crate) fn finish(self) -> Samples {
        let count = self.sizes.len();
        Samples {
            count: u32::try_from(count).expect("four million at most"),
            sizes: self.sizes.finish(),
            dts: self.dts.finish(),
            dts_end: self.dts_end,
            cts: self.cts.finish(),
            sync: (self.sync.len() < count).then(|| self.sync.finish()),
            chunk_firsts: self.chunk_firsts.finish(),
            chunk_offsets: self.chunk_offsets.finish(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Samples of 10, 20, 30, ... bytes: two at 1000, then one at 5000 and 300 behind it.
    fn samples() -> Samples {
        let mut builder = SamplesBuilder::default();
        let mut offset = 1000;
        for index in 0..303_u32 {
            if index == 2 {
                offset = 5000;
            }
            let bytes = (index + 1) * 10;
            let (dts, is_sync) = (i64::from(index) * 512, index % 100 == 0);
            builder.push(Sample { offset, bytes, dts, duration: 512, cts: 1024, is_sync });
            offset += u64::from(bytes);
        }
        builder.finish()
    }

    #[test]
    #[expect(clippy::single_range_in_vec_init, reason = "lists of one range")]
    fn samples_are_found_where_they_lie() {
        let samples = samples();
        assert_eq!(samples.source(0..3), [1000..1030, 5000..5030]);
        assert_eq!(samples.source(1..2), &[1010..1030]);
        assert_eq!(samples.source(3..5), &[5030..5120]);
        // Samples 2..200 have 10 x (3 + ... + 200) bytes.
        assert_eq!(samples.source(200..201), &[5000 + 200_970..5000 + 200_970 + 2010]);
        assert_eq!(samples.source(7..7), []);
        // Two samples, and 301 of which no more than 128 are looked through.
        assert_eq!(samples.chunk_firsts.len(), 4);
    }

    #[test]
    fn times_and_beginnings() {
        let samples = samples();
        assert_eq!((samples.dts(302), samples.dts(303), samples.duration(302)), (154_624, 155_136, 512));
        assert_eq!([0, 1, 512, 513, 155_136].map(|dts| samples.at(dts)), [0, 1, 1, 2, 303]);
        assert_eq!(samples.sync_within(0..303).collect::<Vec<_>>(), [0, 100, 200, 300]);
        assert_eq!(samples.sync_within(1..200).collect::<Vec<_>>(), [100]);
        assert!(samples.is_sync(300) && !samples.is_sync(301));
    }

    #[test]
    fn where_all_are_beginnings_no_list_of_them_is_kept() {
        let mut builder = SamplesBuilder::default();
        for index in 0..3_u32 {
            let (offset, dts) = (u64::from(index) * 4, i64::from(index));
            builder.push(Sample { offset, bytes: 4, dts, duration: 1, cts: 0, is_sync: true });
        }
        let samples = builder.finish();
        assert!(samples.sync.is_none());
        assert_eq!(samples.sync_within(1..3).collect::<Vec<_>>(), [1, 2]);
        assert!(samples.is_sync(2));
    }
}
