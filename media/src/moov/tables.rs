//! The sample tables of a track that has no fragments.

use crate::boxes::{BoxAt, u32_at, u64_at};
use crate::error::{Damage, MediaError};
use crate::samples::{SAMPLES_MAX, Sample, SamplesBuilder};

/// The one sample entry that all chunks of a track use; `None` where they use several.
pub(super) fn only_entry(stbl: &BoxAt<'_>) -> Result<Option<u32>, MediaError> {
    let mut used = stbl.need(*b"stsc")?.entries::<12>(4)?.iter().map(|entry| u32_at(entry, 8));
    let first = used.next().unwrap_or(1);
    Ok(used.all(|entry| entry == first).then_some(first))
}

/// Reads the samples of a track.
///
/// Nothing is kept before its counts are those of the boxes that hold them.
pub(super) fn read(stbl: &BoxAt<'_>, file_bytes: u64) -> Result<SamplesBuilder, MediaError> {
    let mut builder = SamplesBuilder::default();
    let sizes = Sizes::read(stbl, file_bytes)?;
    let count = sizes.count;
    if count == 0 {
        return Ok(builder);
    }
    let stts = stbl.need(*b"stts")?;
    let mut durations = Runs::read(&stts, count)?;
    let ctts = stbl.find(*b"ctts")?;
    let mut offsets = ctts.as_ref().map(|ctts| Runs::read(ctts, count)).transpose()?;
    let mut sync = Sync::read(stbl)?;
    let mut chunks = Chunks::read(stbl)?;
    let mut dts = 0_i64;
    for index in 0..count {
        let bytes = sizes.get(index);
        let offset = chunks.place(bytes, file_bytes)?;
        let duration = durations.next();
        // Offsets of version 0 have no sign, but QuickTime writes some below zero in it; none are above 2^31.
        let cts = offsets.as_mut().map_or(0, |offsets| i64::from(offsets.next().cast_signed()));
        builder.push(Sample { offset, bytes, dts, duration, cts, is_sync: sync.holds(index) });
        dts += i64::from(duration);
    }
    chunks.finish(count)?;
    Ok(builder)
}

/// `stsz`.
struct Sizes<'a> {
    count: u32,
    /// Of all, where it is not 0.
    common: u32,
    each: &'a [[u8; 4]],
}

impl<'a> Sizes<'a> {
    fn read(stbl: &BoxAt<'a>, file_bytes: u64) -> Result<Self, MediaError> {
        let stsz = stbl.need(*b"stsz")?;
        let (common, count) = (stsz.u32(4)?, stsz.u32(8)?);
        if u64::from(count) > SAMPLES_MAX {
            return Err(MediaError::TooLarge { what: "samples of a track", found: count.into(), limit: SAMPLES_MAX });
        }
        if common != 0 && u64::from(count) * u64::from(common) > file_bytes {
            let expected = file_bytes / u64::from(common);
            return Err(stsz.damaged(Damage::Count { found: count.into(), expected }));
        }
        let each = if common == 0 { stsz.entries(8)? } else { &[] };
        Ok(Self { count, common, each })
    }

    fn get(&self, index: u32) -> u32 {
        self.each.get(index as usize).map_or(self.common, |size| u32::from_be_bytes(*size))
    }
}

/// `stts` or `ctts`: a number for so many samples.
struct Runs<'a> {
    entries: core::slice::Iter<'a, [u8; 8]>,
    left: u32,
    value: u32,
}

impl<'a> Runs<'a> {
    /// Reads runs that must be of `count` samples in all.
    fn read(table: &BoxAt<'a>, count: u32) -> Result<Self, MediaError> {
        let entries = table.entries::<8>(4)?;
        let found = entries.iter().map(|entry| u64::from(u32_at(entry, 0))).sum::<u64>();
        if found != u64::from(count) {
            return Err(table.damaged(Damage::Count { found, expected: count.into() }));
        }
        Ok(Self { entries: entries.iter(), left: 0, value: 0 })
    }

    /// The number of the next sample, of those that there are.
    fn next(&mut self) -> u32 {
        while self.left == 0 {
            let Some(entry) = self.entries.next() else { return 0 };
            (self.left, self.value) = (u32_at(entry, 0), u32_at(entry, 4));
        }
        self.left -= 1;
        self.value
    }
}

/// `stss`.
struct Sync<'a>(Option<&'a [[u8; 4]]>);

impl<'a> Sync<'a> {
    fn read(stbl: &BoxAt<'a>) -> Result<Self, MediaError> {
        let Some(stss) = stbl.find(*b"stss")? else { return Ok(Self(None)) };
        let entries = stss.entries::<4>(4)?;
        match entries.array_windows::<2>().find(|[before, after]| u32_at(before, 0) >= u32_at(after, 0)) {
            Some([_, after]) => {
                let found = u32_at(after, 0).into();
                Err(stss.damaged(Damage::Value { what: "a sample that is not behind the one before", found }))
            }
            None => Ok(Self(Some(entries))),
        }
    }

    /// Whether a sample is in it, of which none before is asked for again.
    fn holds(&mut self, index: u32) -> bool {
        let Some(entries) = &mut self.0 else { return true };
        // Numbers begin with 1.
        let Some(first) = entries.first().map(|entry| u32_at(entry, 0)) else { return false };
        let holds = first == index + 1;
        if first <= index + 1 {
            *entries = &entries[1..];
        }
        holds
    }
}

/// `stsc` with `stco` or `co64`: how many samples lie where.
struct Chunks<'a> {
    runs: &'a [[u8; 12]],
    stsc: BoxAt<'a>,
    table: BoxAt<'a>,
    is_wide: bool,
    /// Chunks that were begun.
    begun: u32,
    count: u32,
    /// Samples that are left in the chunk.
    left: u32,
    /// Where the next of them lies.
    offset: u64,
}

impl<'a> Chunks<'a> {
    fn read(stbl: &BoxAt<'a>) -> Result<Self, MediaError> {
        let stsc = stbl.need(*b"stsc")?;
        let (table, is_wide) = match stbl.find(*b"co64")? {
            Some(table) => (table, true),
            None => (stbl.need(*b"stco")?, false),
        };
        if is_wide {
            table.entries::<8>(4)?;
        } else {
            table.entries::<4>(4)?;
        }
        let (count, runs) = (table.u32(4)?, stsc.entries::<12>(4)?);
        Ok(Self { runs, stsc, table, is_wide, begun: 0, count, left: 0, offset: 0 })
    }

    /// Where the next sample lies, which has so many bytes.
    fn place(&mut self, bytes: u32, file_bytes: u64) -> Result<u64, MediaError> {
        if self.left == 0 {
            self.begin()?;
        }
        let (start, end) = (self.offset, self.offset.saturating_add(bytes.into()));
        if end > file_bytes {
            return Err(self.table.damaged(Damage::Outside { start, end, bytes: file_bytes }));
        }
        (self.left, self.offset) = (self.left - 1, end);
        Ok(start)
    }

    fn begin(&mut self) -> Result<(), MediaError> {
        if self.begun == self.count {
            let (found, expected) = (self.count.into(), u64::from(self.count) + 1);
            return Err(self.table.damaged(Damage::Count { found, expected }));
        }
        while self.runs.get(1).is_some_and(|next| u32_at(next, 0) == self.begun + 1) {
            self.runs = &self.runs[1..];
        }
        let run = self.runs.first().filter(|run| u32_at(*run, 0) <= self.begun + 1);
        let samples = run.map_or(0, |run| u32_at(run, 4));
        if samples == 0 {
            return Err(self.stsc.damaged(Damage::Value { what: "how many samples a chunk has", found: 0 }));
        }
        let at = 8 + self.begun as usize * if self.is_wide { 8 } else { 4 };
        let body = self.table.body;
        self.offset = if self.is_wide { u64_at(body, at) } else { u32_at(body, at).into() };
        (self.left, self.begun) = (samples, self.begun + 1);
        Ok(())
    }

    /// Whether all chunks were used up.
    fn finish(&self, samples: u32) -> Result<(), MediaError> {
        if self.left > 0 {
            let found = u64::from(samples) + u64::from(self.left);
            return Err(self.stsc.damaged(Damage::Count { found, expected: samples.into() }));
        }
        if self.begun < self.count {
            let (found, expected) = (self.count.into(), self.begun.into());
            return Err(self.table.damaged(Damage::Count { found, expected }));
        }
        Ok(())
    }
}
