//! Any bytes are opened as a file for players, or refused; what was opened gives all its segments.
//!
//! Oracle: what is asked for is in the file; segments are as long as they say, follow each other without a gap in decode time,
//! hold each sample once, and mp4-atom reads them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mp4_atom::{Decode, Moof, Styp};
use rain_media::{Movie, Opening, Recipe, Step, Track, dash, hls};

fn open(file: &[u8]) -> Option<Movie> {
    let mut opening = Opening::new(file.len() as u64);
    loop {
        match opening.poll().ok()? {
            Step::Read(range) => {
                let [start, end] = [range.start, range.end].map(|at| usize::try_from(at).expect("it is in the file"));
                assert!(start < end, "{range:?} is nothing");
                opening.handle_bytes(file[start..end].to_vec());
            }
            Step::Done(movie) => return Some(movie),
        }
    }
}

/// The first decode time of a segment, how many samples it has, and how long they last where all say so.
fn fragment(recipe: &Recipe) -> (u64, u64, Option<u64>) {
    let mut head = recipe.head.as_slice();
    Styp::decode(&mut head).expect("a segment begins with its type");
    let moof = Moof::decode(&mut head).expect("then comes its fragment");
    let [traf] = &moof.traf[..] else { panic!("{} tracks in a segment", moof.traf.len()) };
    let [run] = &traf.trun[..] else { panic!("{} runs in a segment", traf.trun.len()) };
    let of = |sample: mp4_atom::TrunEntry| {
        u64::from(sample.duration.or(traf.tfhd.default_sample_duration).expect("one is said"))
    };
    // The longest that there is room for may be longer.
    let durations = run.samples.iter().map(of);
    let whole = durations.clone().all(|duration| duration < u32::MAX.into()).then(|| durations.sum());
    (traf.tfdt.as_ref().expect("a decode time").base_media_decode_time, run.samples.len() as u64, whole)
}

fn check(track: &Track, file: &[u8]) {
    let (mut samples, mut next) = (0, None);
    for number in 1..=track.segments() {
        let recipe = track.segment(number).expect("a segment that there is");
        let media: u64 = recipe.ranges.iter().map(|range| range.end - range.start).sum();
        assert_eq!(recipe.bytes, recipe.head.len() as u64 + media);
        assert!(recipe.ranges.iter().all(|range| range.end <= file.len() as u64), "{:?}", recipe.ranges);
        let (at, count, duration) = fragment(&recipe);
        assert!(next.is_none_or(|next| next == at), "segment {number} begins at {at}, expected {next:?}");
        next = duration.map(|duration| at + duration);
        samples += count;
    }
    assert_eq!(samples, u64::from(track.samples()));
    assert!(track.segment(0).is_none() && track.segment(track.segments() + 1).is_none());
}

fuzz_target!(|file: &[u8]| {
    let Some(movie) = open(file) else { return };
    for track in &movie.tracks {
        check(track, file);
        assert_eq!(hls::media(track).matches("#EXTINF").count(), track.segments());
        assert_eq!(hls::i_frames(track).is_some(), track.is_video());
        assert!(!track.init().is_empty());
    }
    assert!(hls::multivariant(&movie, "v", &[], hls::Form::Steering).starts_with("#EXTM3U\n"));
    assert!(dash::manifest(&movie, "v", &[]).ends_with("</MPD>\n"));
});
