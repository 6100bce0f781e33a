//! Movie fragments: the samples that `moof` tells of.

use crate::boxes::BoxAt;
use crate::error::{Damage, MediaError};
use crate::moov::{Moov, TrackHead};
use crate::samples::{SAMPLES_MAX, Sample};
use mp4_atom::{Moof, Traf, Trun, TrunEntry};

/// The flag of a sample with which decoding cannot begin (ISO/IEC 14496-12, 8.8.3.1).
const IS_NON_SYNC: u32 = 0x0001_0000;

/// Reads a fragment into the tables of its tracks. What it says of tracks that were dropped is passed over.
///
/// A `sidx` or `mfra` is not looked for: they spare nobody a fragment whose samples must be known.
pub(crate) fn read(moof: &BoxAt<'_>, moov: &mut Moov, file_bytes: u64) -> Result<(), MediaError> {
    // Where no offset is said, the first track begins with the fragment, and each later one behind the one before.
    let mut next = moof.offset;
    for traf in moof.decode::<Moof>()?.traf {
        let default = if traf.tfhd.default_base_is_moof { moof.offset } else { next };
        let base = traf.tfhd.base_data_offset.unwrap_or(default);
        let track = moov.tracks.iter_mut().find(|track| track.id == traf.tfhd.track_id);
        next = match track {
            Some(track) => Fragment { moof, traf: &traf, file_bytes }.read(track, base)?,
            None => end_of_dropped(&traf, base),
        };
    }
    Ok(())
}

/// About where the samples end of a track that was dropped. No default of it is known, so what lies behind it without an
/// offset of its own may not be found; no muxer writes that.
fn end_of_dropped(traf: &Traf, base: u64) -> u64 {
    let bytes = |run: &Trun| run.samples.iter().map(|entry| u64::from(entry.size.unwrap_or_default())).sum::<u64>();
    traf.trun.iter().fold(base, |at, run| start_of(run, base, at).unwrap_or(at).saturating_add(bytes(run)))
}

/// Where a run begins: where it says, or behind the one before.
fn start_of(run: &Trun, base: u64, next: u64) -> Option<u64> {
    run.data_offset.map_or(Some(next), |offset| base.checked_add_signed(offset.into()))
}

struct Fragment<'a> {
    moof: &'a BoxAt<'a>,
    traf: &'a Traf,
    file_bytes: u64,
}

impl Fragment<'_> {
    /// Reads the samples of a track, whose offsets count from `base`. Gives where they end.
    fn read(&self, track: &mut TrackHead, base: u64) -> Result<u64, MediaError> {
        let entry = self.traf.tfhd.sample_description_index.unwrap_or(track.entry_number);
        if entry != track.entry_number {
            let what = "the number of another sample entry than before";
            return Err(self.moof.damaged(Damage::Value { what, found: entry.into() }));
        }
        let mut dts = track.samples.dts_end();
        if let Some(tfdt) = &self.traf.tfdt {
            let found = tfdt.base_media_decode_time;
            let told = i64::try_from(found).ok().filter(|found| *found >= track.samples.last_dts());
            let unordered = Damage::Value { what: "a decode time, no later than one before or too late,", found };
            dts = told.filter(|told| *told < i64::MAX / 4).ok_or_else(|| self.moof.damaged(unordered))?;
        }
        let mut next = base;
        for run in &self.traf.trun {
            let found = track.samples.count() as u64 + run.samples.len() as u64;
            if found > SAMPLES_MAX {
                return Err(MediaError::TooLarge { what: "samples of a track", found, limit: SAMPLES_MAX });
            }
            let outside = Damage::Outside { start: base, end: base, bytes: self.file_bytes };
            let mut offset = start_of(run, base, next).ok_or_else(|| self.moof.damaged(outside))?;
            for entry in &run.samples {
                let sample = self.sample(track, entry, (offset, dts))?;
                (offset, dts) = (offset + u64::from(sample.bytes), dts + i64::from(sample.duration));
                track.samples.push(sample);
            }
            next = offset;
        }
        Ok(next)
    }

    fn sample(&self, track: &TrackHead, entry: TrunEntry, (offset, dts): (u64, i64)) -> Result<Sample, MediaError> {
        let (tfhd, defaults) = (&self.traf.tfhd, &track.defaults);
        let bytes = entry.size.or(tfhd.default_sample_size).unwrap_or(defaults.bytes);
        let end = offset.saturating_add(bytes.into());
        if end > self.file_bytes {
            return Err(self.moof.damaged(Damage::Outside { start: offset, end, bytes: self.file_bytes }));
        }
        let flags = entry.flags.or(tfhd.default_sample_flags).unwrap_or(defaults.flags);
        Ok(Sample {
            offset,
            bytes,
            dts,
            duration: entry.duration.or(tfhd.default_sample_duration).unwrap_or(defaults.duration),
            cts: entry.cts.unwrap_or_default(),
            is_sync: flags & IS_NON_SYNC == 0,
        })
    }
}
