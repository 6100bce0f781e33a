//! A file, packaged as whoever serves it would.

use core::ops::Range;
use mp4_atom::{Decode, Moof, Styp, Traf, TrunEntry};
use rain_media::{MediaError, Movie, Opening, Step, Track};
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;

pub(crate) struct Packaged {
    pub(crate) movie: Movie,
    /// How often the file was read.
    pub(crate) reads: usize,
}

fn read(file: &File, range: &Range<u64>) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(range.end - range.start).unwrap()];
    file.read_exact_at(&mut bytes, range.start).unwrap();
    bytes
}

/// Opens a file.
pub(crate) fn package(path: &Path) -> Result<Packaged, MediaError> {
    let file = File::open(path).unwrap();
    let mut opening = Opening::new(file.metadata().unwrap().len());
    for reads in 0.. {
        match opening.poll()? {
            Step::Read(range) => opening.handle_bytes(read(&file, &range)),
            Step::Done(movie) => return Ok(Packaged { movie, reads }),
        }
    }
    unreachable!("an opening ends")
}

/// A track, as it was written out.
pub(crate) struct Written {
    /// The number of each segment's first sample.
    pub(crate) firsts: Vec<usize>,
    /// When the first sample is shown, as its fragment says, in seconds.
    pub(crate) begins_s: f64,
}

/// Writes the init segment of a track and all its segments one behind the other.
pub(crate) fn write(track: &Track, source: &Path, output: &Path) -> Written {
    let (source, mut output) = (File::open(source).unwrap(), File::create(output).unwrap());
    let init = track.init();
    assert!(!init.windows(4).any(|name| name == b"wave"), "players do not know how QuickTime describes sound");
    output.write_all(&init).unwrap();
    let (mut firsts, mut samples, mut begins, mut next) = (Vec::new(), 0, None, None);
    for number in 1..=track.segments() {
        let recipe = track.segment(number).unwrap();
        assert_eq!(recipe, track.segment(number).unwrap(), "a segment is the same each time");
        let media = recipe.ranges.iter().map(|range| range.end - range.start).sum::<u64>();
        assert_eq!(recipe.bytes, recipe.head.len() as u64 + media, "the length of segment {number}");
        output.write_all(&recipe.head).unwrap();
        for range in &recipe.ranges {
            output.write_all(&read(&source, range)).unwrap();
        }
        let traf = fragment(&recipe.head, number);
        let at = i64::try_from(traf.tfdt.unwrap().base_media_decode_time).unwrap();
        let run: Vec<_> = traf.trun[0].samples.iter().collect();
        assert!(next.is_none_or(|next| next == at), "segment {number} begins where the one before ends");
        let duration = |sample: &TrunEntry| sample.duration.or(traf.tfhd.default_sample_duration).unwrap();
        next = Some(at + run.iter().map(|sample| i64::from(duration(sample))).sum::<i64>());
        begins.get_or_insert(at + run[0].cts.unwrap_or_default());
        firsts.push(samples);
        samples += run.len();
    }
    assert!(track.segment(track.segments() + 1).is_none() && track.segment(0).is_none());
    assert_eq!(samples, track.samples() as usize, "segments hold all samples");
    Written { firsts, begins_s: begins.unwrap() as f64 / f64::from(track.timescale) }
}

/// The fragment of a segment's head, as mp4-atom reads it.
fn fragment(head: &[u8], number: usize) -> Traf {
    let mut rest = head;
    Styp::decode(&mut rest).unwrap();
    let mut moof = Moof::decode(&mut rest).unwrap();
    assert_eq!((moof.mfhd.sequence_number as usize, moof.traf.len()), (number, 1));
    moof.traf.remove(0)
}
