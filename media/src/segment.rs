//! A media segment of CMAF (ISO/IEC 23000-19): `styp`, one `moof`, and `mdat` out of ranges of the source.

use crate::track::Track;
use crate::writer::Writer;
use core::ops::Range;

/// Flags of samples (ISO/IEC 14496-12, 8.8.3.1): one that needs no other, and one that needs others.
const SYNC: u32 = 0x0200_0000;
const NON_SYNC: u32 = 0x0101_0000;

/// How a segment is made, before any of its media is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipe {
    /// What it begins with.
    pub head: Vec<u8>,
    /// Where in the source what follows is, in this order.
    pub ranges: Vec<Range<u64>>,
    /// How long it is in all.
    pub bytes: u64,
}

impl Track {
    /// The segment of a number, which begins with 1; `None` where there is none.
    ///
    /// Cost: of the samples in it; no byte of media is read.
    pub fn segment(&self, number: usize) -> Option<Recipe> {
        let samples = self.segment_samples(number)?;
        Some(recipe(self, u32::try_from(number).ok()?, samples))
    }
}

/// What is written of each sample: only what is not the same for all.
struct Fields {
    duration: Option<u32>,
    flags: Flags,
    offset: bool,
}

#[derive(PartialEq, Eq)]
enum Flags {
    /// All are alike.
    All(u32),
    /// The first is a sync sample, and no other.
    First,
    Each,
}

impl Fields {
    fn of(track: &Track, samples: &Range<u32>) -> Self {
        let (table, first) = (&track.samples, samples.start);
        let duration = table.duration(first);
        let same = samples.clone().all(|index| table.duration(index) == duration);
        let later = first + 1..samples.end;
        let sync = table.sync_within(samples.clone()).count();
        let flags = match (table.is_sync(first), sync) {
            (_, all) if all == samples.len() => Flags::All(SYNC),
            (false, 0) => Flags::All(NON_SYNC),
            (true, 1) if !later.is_empty() => Flags::First,
            _ => Flags::Each,
        };
        Self {
            duration: same.then(|| ticks(duration)),
            flags,
            offset: samples.clone().any(|index| track.offset(index) != 0),
        }
    }

    fn sample_bytes(&self) -> u64 {
        let fields = [self.duration.is_none(), true, self.flags == Flags::Each, self.offset];
        4 * fields.iter().filter(|is_written| **is_written).count() as u64
    }
}

/// A duration, as long as the format has room for.
fn ticks(duration: i64) -> u32 {
    u32::try_from(duration).unwrap_or(u32::MAX)
}

/// `styp`, whatever it is the type of.
const STYP_BYTES: u64 = 24;
/// `moof`, `mfhd`, `traf`, `tfdt`, and `tfhd` and `trun` without what [`Fields`] adds.
const MOOF_BYTES: u64 = 8 + 16 + 8 + 20 + 16 + 20;

/// How many bytes a segment of such samples has.
pub(crate) fn bytes(track: &Track, samples: &Range<u32>) -> u64 {
    let media = media_bytes(track, samples);
    head_bytes(&Fields::of(track, samples), samples.len() as u64, media) + media
}

/// How many bytes of it, from the first on, show its first picture.
pub(crate) fn first_sample_end(track: &Track, samples: &Range<u32>) -> u64 {
    let head = head_bytes(&Fields::of(track, samples), samples.len() as u64, media_bytes(track, samples));
    head + u64::from(track.samples.bytes(samples.start))
}

fn media_bytes(track: &Track, samples: &Range<u32>) -> u64 {
    samples.clone().map(|index| u64::from(track.samples.bytes(index))).sum()
}

/// How many bytes the head of an `mdat` has.
fn mdat_head_bytes(media: u64) -> u64 {
    if media + 8 > u64::from(u32::MAX) { 16 } else { 8 }
}

fn head_bytes(fields: &Fields, samples: u64, media: u64) -> u64 {
    let defaults = 4 + 4 * u64::from(fields.duration.is_some());
    let first_flags = 4 * u64::from(fields.flags == Flags::First);
    STYP_BYTES + MOOF_BYTES + defaults + first_flags + samples * fields.sample_bytes() + mdat_head_bytes(media)
}

/// The segment of a number out of some samples, of which there is one at least.
fn recipe(track: &Track, number: u32, samples: Range<u32>) -> Recipe {
    let (fields, media) = (Fields::of(track, &samples), media_bytes(track, &samples));
    let head = head_bytes(&fields, samples.len() as u64, media);
    let mut writer = Writer(Vec::with_capacity(usize::try_from(head).unwrap_or_default()));
    writer.in_box(*b"styp", |writer| {
        writer.bytes(b"msdh").u32(0).bytes(b"msdhcmfs");
    });
    writer.in_box(*b"moof", |writer| {
        writer.in_full_box(*b"mfhd", 0, 0, |writer| {
            writer.u32(number);
        });
        writer.in_box(*b"traf", |writer| {
            write_defaults(writer, track, &fields);
            writer.in_full_box(*b"tfdt", 1, 0, |writer| {
                writer.u64(track.decoded_at(samples.start).cast_unsigned());
            });
            // Offsets count from the beginning of `moof`.
            write_run(writer, track, &samples, (&fields, head - STYP_BYTES));
        });
    });
    if mdat_head_bytes(media) == 16 {
        writer.u32(1).bytes(b"mdat").u64(media + 16);
    } else {
        let size = u32::try_from(media + 8).expect("it was compared");
        writer.u32(size).bytes(b"mdat");
    }
    debug_assert_eq!(writer.0.len() as u64, head, "a head is as long as was said");
    Recipe { head: writer.0, ranges: track.samples.source(samples), bytes: head + media }
}

fn write_defaults(writer: &mut Writer, track: &Track, fields: &Fields) {
    const DEFAULT_BASE_IS_MOOF: u32 = 0x02_0000;
    const DURATION: u32 = 0x08;
    const FLAGS: u32 = 0x20;
    let duration = if fields.duration.is_some() { DURATION } else { 0 };
    writer.in_full_box(*b"tfhd", 0, DEFAULT_BASE_IS_MOOF | FLAGS | duration, |writer| {
        writer.u32(track.number);
        if let Some(duration) = fields.duration {
            writer.u32(duration);
        }
        writer.u32(if let Flags::All(flags) = fields.flags { flags } else { NON_SYNC });
    });
}

fn write_run(writer: &mut Writer, track: &Track, samples: &Range<u32>, (fields, data_at): (&Fields, u64)) {
    let written = [
        (0x001, true),
        (0x004, fields.flags == Flags::First),
        (0x100, fields.duration.is_none()),
        (0x200, true),
        (0x400, fields.flags == Flags::Each),
        (0x800, fields.offset),
    ];
    let flags = written.into_iter().filter(|(_, is_written)| *is_written).map(|(flag, _)| flag).sum();
    writer.in_full_box(*b"trun", 1, flags, |writer| {
        writer.u32(u32::try_from(samples.len()).expect("samples of a segment are few"));
        writer.i32(i32::try_from(data_at).expect("a head is short"));
        if fields.flags == Flags::First {
            writer.u32(SYNC);
        }
        for index in samples.clone() {
            if fields.duration.is_none() {
                writer.u32(ticks(track.samples.duration(index)));
            }
            writer.u32(track.samples.bytes(index));
            if fields.flags == Flags::Each {
                writer.u32(if track.samples.is_sync(index) { SYNC } else { NON_SYNC });
            }
            if fields.offset {
                let offset = track.offset(index);
                writer.i32(i32::try_from(offset).unwrap_or(if offset < 0 { i32::MIN } else { i32::MAX }));
            }
        }
    });
}
