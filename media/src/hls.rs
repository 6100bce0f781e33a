//! Playlists of HLS (RFC 8216bis).

use crate::movie::Movie;
use crate::origin::Origin;
use crate::sample_entry::Format;
use crate::segment;
use crate::text::quoted;
use crate::track::{Rates, Track};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use core::fmt::Write;

/// How a multivariant playlist tells of several origins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As pathways of content steering. Who steers is within the playlist, and cannot die.
    Steering,
    /// As variants that are there again, for players that do not know steering.
    Redundant,
}

/// How long a player keeps to the order of origins, in seconds.
const STEERING_TTL_S: u32 = 300;

/// Micro-units of a second, which durations are written in.
const MICROS: u128 = 1_000_000;

/// Writes of a `String` cannot fail.
macro_rules! put {
    ($text:expr, $($argument:tt)*) => {
        let _ = write!($text, $($argument)*);
    };
}

/// The multivariant playlist of a movie, whose playlists are below `version`.
///
/// `origins` are all nodes, the one that players ask first before the others; with fewer than two, all URIs are relative.
pub fn multivariant(movie: &Movie, version: &str, origins: &[Origin], form: Form) -> String {
    let mut text = "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-INDEPENDENT-SEGMENTS\n".to_owned();
    let alone = [Origin { name: String::new(), base: String::new() }];
    let several = origins.len() > 1;
    let origins = if several { origins } else { &alone };
    let steers = several && form == Form::Steering;
    if steers {
        let first = quoted(&origins[0].name);
        put!(text, "#EXT-X-CONTENT-STEERING:SERVER-URI=\"{}\",PATHWAY-ID={first}\n", steering(origins));
    }
    for (place, origin) in origins.iter().enumerate() {
        let below = format!("{}{version}/", origin.base);
        let pathway = if steers { format!(",PATHWAY-ID={}", quoted(&origin.name)) } else { String::new() };
        // Each origin has groups of its own: a player that leaves it must leave its sound as well.
        let suffix = if several { format!("-{place}") } else { String::new() };
        Variants { movie, below: &below, pathway: &pathway, suffix: &suffix }.write(&mut text);
    }
    text
}

/// The URI of a steering manifest that holds it.
fn steering(origins: &[Origin]) -> String {
    let names = origins.iter().map(|origin| quoted(&origin.name).replace('\\', "_")).collect::<Vec<_>>().join(",");
    let manifest = format!("{{\"VERSION\":1,\"TTL\":{STEERING_TTL_S},\"PATHWAY-PRIORITY\":[{names}]}}");
    format!("data:application/json;base64,{}", STANDARD.encode(manifest))
}

/// All variants from one origin.
struct Variants<'a> {
    movie: &'a Movie,
    /// What URIs begin with.
    below: &'a str,
    pathway: &'a str,
    /// What the names of groups end with.
    suffix: &'a str,
}

impl Variants<'_> {
    fn write(&self, text: &mut String) {
        let groups = self.groups();
        let has_pictures = self.movie.tracks.iter().any(Track::is_video);
        for group in groups.iter().filter(|_| has_pictures) {
            self.write_group(text, group);
        }
        for track in &self.movie.tracks {
            match track.entry.format {
                Format::Video { .. } if groups.is_empty() => self.write_variant(text, track, None),
                Format::Video { .. } => groups.iter().for_each(|group| self.write_variant(text, track, Some(group))),
                Format::Audio { .. } if has_pictures => {}
                Format::Audio { .. } => self.write_variant(text, track, None),
            }
        }
        for track in self.movie.tracks.iter().filter(|track| track.is_video()) {
            self.write_i_frames(text, track);
        }
    }

    /// The tracks of sound, those of one codec together: a variant names the codecs of all of its group.
    fn groups(&self) -> Vec<Vec<&Track>> {
        let mut groups: Vec<Vec<&Track>> = Vec::new();
        for track in self.movie.tracks.iter().filter(|track| !track.is_video()) {
            match groups.iter_mut().find(|group| group[0].entry.codec == track.entry.codec) {
                Some(group) => group.push(track),
                None => groups.push(vec![track]),
            }
        }
        groups
    }

    fn group_name(&self, group: &[&Track]) -> String {
        quoted(&format!("sound-{}{}", group[0].entry.codec, self.suffix))
    }

    fn write_group(&self, text: &mut String, group: &[&Track]) {
        for (place, track) in group.iter().enumerate() {
            let name = track.language.clone().unwrap_or_else(|| "sound".to_owned());
            // Names differ within a group.
            let name = if place == 0 { name } else { format!("{name} {}", place + 1) };
            put!(text, "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID={}", self.group_name(group));
            if let Some(language) = &track.language {
                put!(text, ",LANGUAGE={}", quoted(language));
            }
            let default = if place == 0 { "YES" } else { "NO" };
            put!(text, ",NAME={},DEFAULT={default},AUTOSELECT=YES", quoted(&name));
            if let Format::Audio { channels, .. } = track.entry.format {
                put!(text, ",CHANNELS=\"{channels}\"");
            }
            put!(text, ",URI=\"{}t{}.m3u8\"\n", self.below, track.number);
        }
    }

    fn write_variant(&self, text: &mut String, track: &Track, group: Option<&Vec<&Track>>) {
        let sound = group.into_iter().flatten();
        let peak = track.rates.peak + sound.clone().map(|track| track.rates.peak).max().unwrap_or_default();
        let average = track.rates.average + sound.map(|track| track.rates.average).max().unwrap_or_default();
        let mut codecs = track.entry.codec.clone();
        if let Some(group) = group {
            put!(codecs, ",{}", group[0].entry.codec);
        }
        put!(text, "#EXT-X-STREAM-INF:BANDWIDTH={peak},AVERAGE-BANDWIDTH={average},CODECS={}", quoted(&codecs));
        if let Format::Video { width, height } = track.entry.format {
            put!(text, ",RESOLUTION={width}x{height},FRAME-RATE={}", frame_rate(track));
        }
        if let Some(group) = group {
            put!(text, ",AUDIO={}", self.group_name(group));
        }
        put!(text, "{}\n{}t{}.m3u8\n", self.pathway, self.below, track.number);
    }

    fn write_i_frames(&self, text: &mut String, track: &Track) {
        let Rates { peak, average } = track.key_frame_rates;
        put!(text, "#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH={peak},AVERAGE-BANDWIDTH={average}");
        put!(text, ",CODECS={}", quoted(&track.entry.codec));
        if let Format::Video { width, height } = track.entry.format {
            put!(text, ",RESOLUTION={width}x{height}");
        }
        put!(text, "{},URI=\"{}iframes-t{}.m3u8\"\n", self.pathway, self.below, track.number);
    }
}

/// Pictures per second, with three digits.
fn frame_rate(track: &Track) -> String {
    let thousandths = track.samples_in_1000_s();
    format!("{}.{:03}", thousandths / 1000, thousandths % 1000)
}

/// The playlist of a track.
pub fn media(track: &Track) -> String {
    let mut text = head(track, "");
    for (number, micros) in (1..).zip(track.segment_micros()) {
        put!(text, "#EXTINF:{}.{:06},\nt{}/{number}.m4s\n", micros / MICROS, micros % MICROS, track.number);
    }
    text.push_str("#EXT-X-ENDLIST\n");
    text
}

/// The playlist of the first pictures of a track's segments, for seeking; `None` where it has no pictures.
pub fn i_frames(track: &Track) -> Option<String> {
    if !track.is_video() {
        return None;
    }
    let mut text = head(track, "#EXT-X-I-FRAMES-ONLY\n");
    for (number, micros) in (1..).zip(track.segment_micros()) {
        let bytes = segment::first_sample_end(track, &track.segment_samples(number)?);
        put!(text, "#EXTINF:{}.{:06},\n#EXT-X-BYTERANGE:{bytes}@0\n", micros / MICROS, micros % MICROS);
        put!(text, "t{}/{number}.m4s\n", track.number);
    }
    text.push_str("#EXT-X-ENDLIST\n");
    Some(text)
}

fn head(track: &Track, more: &str) -> String {
    let longest = track.segment_micros().max().unwrap_or_default();
    let target = ((2 * longest + MICROS) / (2 * MICROS)).max(1);
    format!(
        "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:{target}\n#EXT-X-PLAYLIST-TYPE:VOD\n\
         #EXT-X-INDEPENDENT-SEGMENTS\n{more}#EXT-X-MAP:URI=\"t{}/init.mp4\"\n",
        track.number
    )
}
