//! What a track's samples are, as its sample entry says, and what players are told of it.

use crate::box_name::BoxName;
use crate::boxes::BoxAt;
use crate::error::{Damage, MediaError};
use core::fmt::Write;
use mp4_atom::{Ac3SpecificBox, Audio, Av1c, Avcc, Codec, Decode, Ec3SpecificBox, Encode, Hvcc, Mp4a, VpcC};

/// What a track shows or plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Pictures.
    Video {
        /// In luma samples.
        width: u16,
        /// In luma samples.
        height: u16,
    },
    /// Sound.
    Audio {
        /// How many.
        channels: u16,
        /// Samples per second; 0 where the entry does not say.
        rate: u16,
    },
}

/// How a track is coded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleEntry {
    /// As RFC 6381 writes it.
    pub codec: String,
    /// What it shows or plays.
    pub format: Format,
    /// The box itself, for the init segment.
    pub(crate) bytes: Vec<u8>,
}

/// What a sample entry turned out to be.
#[derive(Debug)]
pub(crate) enum Found {
    Usable(SampleEntry),
    /// Encrypted already.
    Encrypted,
    /// Nothing for players, and why.
    Unusable(&'static str),
}

/// Where the version of an audio entry lies, which only `QuickTime` has.
const SOUND_VERSION_AT: usize = 8;

/// Reads a sample entry.
pub(crate) fn read(entry: &BoxAt<'_>) -> Result<Found, MediaError> {
    if matches!(&entry.name.0, b"encv" | b"enca") {
        return Ok(Found::Encrypted);
    }
    if !is_known(entry.name) {
        return Ok(Found::Unusable("no codec that is packaged"));
    }
    let unreadable = |error: mp4_atom::Error| entry.damaged(Damage::Unreadable(error.to_string()));
    let decoded = Codec::decode(&mut &*entry.whole).map_err(unreadable)?;
    let Some(codec) = codec(entry.name, &decoded) else {
        return Ok(Found::Unusable("no codec that is packaged, or one without its parameter sets"));
    };
    let format = match (decoded.visual(), decoded.audio()) {
        (Some(visual), _) => Format::Video { width: visual.width, height: visual.height },
        (None, Some(audio)) => Format::Audio { channels: channels(&decoded, audio), rate: audio.sample_rate.integer() },
        (None, None) => return Ok(Found::Unusable("neither video nor audio")),
    };
    // As it stands, with all that only decoders understand; but sound as QuickTime describes it is written anew, as players
    // know it from ISO files.
    let mut bytes = entry.whole.to_vec();
    if matches!(format, Format::Audio { .. }) && entry.bytes(SOUND_VERSION_AT)? != [0, 0] {
        bytes.clear();
        decoded.encode(&mut bytes).map_err(unreadable)?;
    }
    Ok(Found::Usable(SampleEntry { codec, format, bytes }))
}

fn is_known(name: BoxName) -> bool {
    let video = [b"avc1", b"avc3", b"hvc1", b"hev1", b"av01", b"vp09"];
    let audio = [b"mp4a", b"ac-3", b"ec-3", b"Opus", b"fLaC"];
    video.into_iter().chain(audio).any(|known| *known == name.0)
}

/// The codec as RFC 6381 writes it; `None` of what no player is given.
#[expect(clippy::wildcard_enum_match_arm, reason = "what is not named is not packaged")]
fn codec(name: BoxName, entry: &Codec) -> Option<String> {
    match entry {
        Codec::Avc1(entry) => Some(avc(name, &entry.avcc)),
        Codec::Avc3(entry) => {
            let has_sets =
                !entry.avcc.sequence_parameter_sets.is_empty() && !entry.avcc.picture_parameter_sets.is_empty();
            has_sets.then(|| avc(name, &entry.avcc))
        }
        Codec::Hvc1(entry) => Some(hevc(name, &entry.hvcc)),
        Codec::Hev1(entry) => has_parameter_sets(&entry.hvcc).then(|| hevc(name, &entry.hvcc)),
        Codec::Av01(entry) => Some(av1(&entry.av1c)),
        Codec::Vp09(entry) => Some(vp9(&entry.vpcc)),
        Codec::Mp4a(entry) => mpeg_audio(entry),
        Codec::Ac3(_) => Some("ac-3".to_owned()),
        Codec::Eac3(_) => Some("ec-3".to_owned()),
        Codec::Opus(_) => Some("opus".to_owned()),
        Codec::Flac(_) => Some("fLaC".to_owned()),
        _ => None,
    }
}

/// ISO/IEC 14496-15, annex E.
fn avc(name: BoxName, avcc: &Avcc) -> String {
    let [profile, compatibility, level] =
        [avcc.avc_profile_indication, avcc.profile_compatibility, avcc.avc_level_indication];
    format!("{name}.{profile:02x}{compatibility:02x}{level:02x}")
}

/// Whether VPS, SPS and PPS are in the entry: segments that begin anywhere are decoded only then.
fn has_parameter_sets(hvcc: &Hvcc) -> bool {
    [32, 33, 34]
        .iter()
        .all(|kind| hvcc.arrays.iter().any(|array| array.nal_unit_type == *kind && !array.nalus.is_empty()))
}

/// ISO/IEC 14496-15, annex E: profile, its compatibility flags from the lowest bit on, tier and level, constraints without
/// the zeros at their end.
fn hevc(name: BoxName, hvcc: &Hvcc) -> String {
    let space = ["", "A", "B", "C"][usize::from(hvcc.general_profile_space & 3)];
    let compatible = u32::from_be_bytes(hvcc.general_profile_compatibility_flags).reverse_bits();
    let tier = if hvcc.general_tier_flag { 'H' } else { 'L' };
    let (profile, level) = (hvcc.general_profile_idc, hvcc.general_level_idc);
    let mut codec = format!("{name}.{space}{profile}.{compatible:X}.{tier}{level}");
    let constraints = &hvcc.general_constraint_indicator_flags;
    let said = constraints.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    for byte in &constraints[..said] {
        let _ = write!(codec, ".{byte:X}");
    }
    codec
}

/// AV1 Codec ISO Media File Format Binding 1.2, 5.
fn av1(av1c: &Av1c) -> String {
    let tier = if av1c.seq_tier_0 { 'H' } else { 'M' };
    let depth = match (av1c.high_bitdepth, av1c.twelve_bit) {
        (true, true) => 12,
        (true, false) => 10,
        (false, _) => 8,
    };
    format!("av01.{}.{:02}{tier}.{depth:02}", av1c.seq_profile, av1c.seq_level_idx_0)
}

/// VP Codec ISO Media File Format Binding 1.0.
fn vp9(vpcc: &VpcC) -> String {
    format!("vp09.{:02}.{:02}.{:02}", vpcc.profile, vpcc.level, vpcc.bit_depth)
}

/// AAC by its object type (ISO/IEC 14496-3, 1.5.1.1), and MP3, which has the same entry.
fn mpeg_audio(entry: &Mp4a) -> Option<String> {
    let config = &entry.esds.es_desc.dec_config;
    match config.object_type_indication {
        0x40 => {
            let raw = config.dec_specific.as_ref().map_or(&[][..], |specific| &specific.raw[..]);
            let object_type = match raw {
                [first, second, ..] if first >> 3 == 31 => 32 + ((first & 7) << 3 | second >> 5),
                [first, ..] => first >> 3,
                // AAC-LC, as nearly all is.
                [] => 2,
            };
            Some(format!("mp4a.40.{object_type}"))
        }
        0x69 => Some("mp4a.69".to_owned()),
        0x6B => Some("mp4a.6B".to_owned()),
        _ => None,
    }
}

/// Full-range channels by the coding mode of AC-3 (ETSI TS 102 366, 4.4.2.3).
const AC3_CHANNELS: [u16; 8] = [2, 1, 2, 3, 3, 4, 4, 5];

#[expect(clippy::wildcard_enum_match_arm, reason = "the others say it themselves")]
fn channels(entry: &Codec, audio: &Audio) -> u16 {
    let ac3 = |mode: u8, low: bool| AC3_CHANNELS[usize::from(mode & 7)] + u16::from(low);
    match entry {
        Codec::Mp4a(entry) => match entry.esds.es_desc.dec_config.dec_specific.as_ref().map(|found| found.chan_conf) {
            Some(channels @ 1..=6) => channels.into(),
            Some(7) => 8,
            _ => audio.channel_count,
        },
        Codec::Ac3(entry) => {
            let Ac3SpecificBox { acmod, lfeon, .. } = entry.dac3;
            ac3(acmod, lfeon)
        }
        Codec::Eac3(entry) => {
            let Ec3SpecificBox { substreams, .. } = &entry.dec3;
            substreams.first().map_or(audio.channel_count, |first| ac3(first.acmod, first.lfeon))
        }
        Codec::Opus(entry) => entry.dops.output_channel_count.into(),
        _ => audio.channel_count,
    }
}
