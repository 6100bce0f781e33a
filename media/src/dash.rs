//! The manifest of MPEG-DASH (ISO/IEC 23009-1).

use crate::movie::Movie;
use crate::origin::Origin;
use crate::sample_entry::Format;
use crate::text::escaped;
use crate::track::Track;
use core::fmt::Write;

/// The namespaces of channel counts, by number.
const CHANNELS: &str = "urn:mpeg:dash:23003:3:audio_channel_configuration:2011";

/// Writes of a `String` cannot fail.
macro_rules! put {
    ($text:expr, $($argument:tt)*) => {
        let _ = write!($text, $($argument)*);
    };
}

/// The manifest of a movie, whose segments are below `version`.
///
/// `origins` are all nodes, the one that players ask first before the others; with fewer than two, all URIs are relative.
pub fn manifest(movie: &Movie, version: &str, origins: &[Origin]) -> String {
    let mut text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned();
    put!(
        text,
        "<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" type=\"static\" profiles=\"urn:mpeg:dash:profile:isoff-live:2011\" \
         mediaPresentationDuration=\"PT{}.{:06}S\" minBufferTime=\"PT4S\">\n",
        movie.micros() / 1_000_000,
        movie.micros() % 1_000_000
    );
    for origin in origins.iter().filter(|_| origins.len() > 1) {
        let (name, base) = (escaped(&origin.name), escaped(&origin.base));
        put!(text, "  <BaseURL serviceLocation=\"{name}\">{base}</BaseURL>\n");
    }
    text.push_str("  <Period id=\"0\" start=\"PT0S\">\n");
    for track in &movie.tracks {
        write_track(&mut text, track, version);
    }
    text.push_str("  </Period>\n</MPD>\n");
    text
}

/// A track in a set of its own: those of several are not cut at the same times.
fn write_track(text: &mut String, track: &Track, version: &str) {
    let Track { number, timescale, .. } = track;
    let kind = if track.is_video() { "video" } else { "audio" };
    put!(text, "    <AdaptationSet id=\"{number}\" contentType=\"{kind}\" mimeType=\"{kind}/mp4\"");
    if let Some(language) = &track.language {
        put!(text, " lang=\"{}\"", escaped(language));
    }
    text.push_str(" segmentAlignment=\"true\" startWithSAP=\"1\">\n");
    let (codec, peak) = (escaped(&track.entry.codec), track.rates.peak);
    put!(text, "      <Representation id=\"t{number}\" codecs=\"{codec}\" bandwidth=\"{peak}\"");
    match track.entry.format {
        Format::Video { width, height } => {
            let (pictures, ticks) =
                reduced(u128::from(track.samples()) * u128::from(*timescale), track.duration().into());
            put!(text, " width=\"{width}\" height=\"{height}\" frameRate=\"{pictures}/{ticks}\">\n");
        }
        Format::Audio { channels, rate } => {
            if rate > 0 {
                put!(text, " audioSamplingRate=\"{rate}\"");
            }
            put!(text, ">\n        <AudioChannelConfiguration schemeIdUri=\"{CHANNELS}\" value=\"{channels}\"/>\n");
        }
    }
    put!(
        text,
        "        <SegmentTemplate timescale=\"{timescale}\" startNumber=\"1\" initialization=\"{version}/t{number}/init.mp4\" \
         media=\"{version}/t{number}/$Number$.m4s\">\n          <SegmentTimeline>\n"
    );
    write_timeline(text, track);
    text.push_str("          </SegmentTimeline>\n        </SegmentTemplate>\n      </Representation>\n");
    text.push_str("    </AdaptationSet>\n");
}

/// When segments begin and how long they are: a line for each run of equal ones.
fn write_timeline(text: &mut String, track: &Track) {
    let times: Vec<u64> = track.boundaries().collect();
    let durations: Vec<u64> = times.array_windows::<2>().map(|[start, end]| end.saturating_sub(*start)).collect();
    let mut start = times.first().copied();
    for run in durations.chunk_by(|a, b| a == b) {
        text.push_str("            <S");
        if let Some(start) = start.take() {
            put!(text, " t=\"{start}\"");
        }
        put!(text, " d=\"{}\"", run[0]);
        if run.len() > 1 {
            put!(text, " r=\"{}\"", run.len() - 1);
        }
        text.push_str("/>\n");
    }
}

/// A fraction in its least terms.
fn reduced(numerator: u128, denominator: u128) -> (u128, u128) {
    let (mut a, mut b) = (numerator, denominator.max(1));
    while b != 0 {
        (a, b) = (b, a % b);
    }
    (numerator / a.max(1), denominator.max(1) / a.max(1))
}
