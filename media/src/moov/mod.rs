//! What `moov` says of a file and its tracks.

mod tables;

use crate::box_name::BoxName;
use crate::boxes::BoxAt;
use crate::dropped::DroppedTrack;
use crate::edits::{self, Edits};
use crate::error::{Damage, MediaError};
use crate::sample_entry::{self, Found, SampleEntry};
use crate::samples::SamplesBuilder;
use crate::text::language;

/// Most tracks of a file that are read.
const TRACKS_MAX: u64 = 64;

/// What fragments say of a sample where they say nothing (`trex`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Defaults {
    pub(crate) duration: u32,
    pub(crate) bytes: u32,
    pub(crate) flags: u32,
}

/// A track, while its samples are read.
#[derive(Debug)]
pub(crate) struct TrackHead {
    /// Its number in the file.
    pub(crate) id: u32,
    /// Ticks of a second.
    pub(crate) timescale: u32,
    /// Three letters (ISO 639-2); `None` where it is not said.
    pub(crate) language: Option<String>,
    /// How pictures are turned, as `tkhd` has it.
    pub(crate) matrix: [u8; 36],
    pub(crate) entry: SampleEntry,
    /// Which of the file's entries that is.
    pub(crate) entry_number: u32,
    pub(crate) edits: Edits,
    pub(crate) defaults: Defaults,
    pub(crate) samples: SamplesBuilder,
}

impl TrackHead {
    /// The kind of its sample entry.
    pub(crate) fn entry_name(&self) -> BoxName {
        BoxName(self.entry.bytes[4..8].try_into().expect("an entry is a box"))
    }
}

/// What `moov` says.
#[derive(Debug)]
pub(crate) struct Moov {
    /// Ticks of a second where no track is meant.
    pub(crate) timescale: u32,
    pub(crate) tracks: Vec<TrackHead>,
    pub(crate) dropped: Vec<DroppedTrack>,
    /// Whether fragments follow.
    pub(crate) is_fragmented: bool,
}

/// Reads `moov` of a file of so many bytes.
pub(crate) fn read(moov: &BoxAt<'_>, file_bytes: u64) -> Result<Moov, MediaError> {
    let mvhd = moov.need(*b"mvhd")?;
    let timescale = timescale(&mvhd)?;
    let mvex = moov.find(*b"mvex")?;
    let (mut tracks, mut dropped) = (Vec::new(), Vec::new());
    for child in moov.children() {
        let trak = child?;
        if trak.name.0 != *b"trak" {
            continue;
        }
        let found = (tracks.len() + dropped.len()) as u64 + 1;
        if found > TRACKS_MAX {
            return Err(MediaError::TooLarge { what: "tracks", found, limit: TRACKS_MAX });
        }
        match track(&trak, file_bytes)? {
            Ok(track) => tracks.push(track),
            Err(track) => dropped.push(track),
        }
    }
    if let Some(mvex) = &mvex {
        read_defaults(mvex, &mut tracks)?;
    }
    Ok(Moov { timescale, tracks, dropped, is_fragmented: mvex.is_some() })
}

/// The ticks of a second in `mvhd` or `mdhd`: behind two times, which are long in version 1.
fn timescale(header: &BoxAt<'_>) -> Result<u32, MediaError> {
    let at = if header.bytes(0)? == [1] { 20 } else { 12 };
    match header.u32(at)? {
        0 => Err(header.damaged(Damage::Value { what: "the timescale", found: 0 })),
        timescale => Ok(timescale),
    }
}

fn track(trak: &BoxAt<'_>, file_bytes: u64) -> Result<Result<TrackHead, DroppedTrack>, MediaError> {
    let tkhd = trak.need(*b"tkhd")?;
    let is_long = tkhd.bytes(0)? == [1];
    let id = tkhd.u32(if is_long { 20 } else { 12 })?;
    let matrix = tkhd.bytes(if is_long { 52 } else { 40 })?;
    let mdia = trak.need(*b"mdia")?;
    let mdhd = mdia.need(*b"mdhd")?;
    let handler = BoxName(mdia.need(*b"hdlr")?.bytes(8)?);
    let dropped = |entry, why| Ok(Err(DroppedTrack { track: id, entry, why }));
    let stbl = mdia.need(*b"minf")?.need(*b"stbl")?;
    let stsd = stbl.need(*b"stsd")?;
    let Some(first) = entry(&stsd, 1)? else { return dropped(handler, "without a sample entry") };
    if !matches!(&handler.0, b"vide" | b"soun") {
        return dropped(first.name, "neither video nor audio");
    }
    let Some(number) = tables::only_entry(&stbl)? else { return dropped(first.name, "of several sample entries") };
    let missing = Damage::Value { what: "the number of a sample entry", found: number.into() };
    let entry = entry(&stsd, number)?.ok_or_else(|| stsd.damaged(missing))?;
    let timescale = timescale(&mdhd)?;
    let language = language(u16::from_be_bytes(mdhd.bytes(if mdhd.bytes(0)? == [1] { 32 } else { 20 })?));
    let found = match sample_entry::read(&entry)? {
        Found::Usable(found) => found,
        Found::Encrypted => return Err(MediaError::Encrypted { track: id, found: entry.name }),
        Found::Unusable(why) => return dropped(entry.name, why),
    };
    let (edits, samples) = (edits::read(trak, id)?, tables::read(&stbl, file_bytes)?);
    let defaults = Defaults::default();
    let (entry, entry_number) = (found, number);
    Ok(Ok(TrackHead { id, timescale, language, matrix, entry, entry_number, edits, defaults, samples }))
}

/// The sample entry of a number, which begins with 1.
fn entry<'a>(stsd: &BoxAt<'a>, number: u32) -> Result<Option<BoxAt<'a>>, MediaError> {
    stsd.bytes::<8>(0)?;
    let place = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
    place.and_then(|place| stsd.children_from(8).nth(place)).transpose()
}

fn read_defaults(mvex: &BoxAt<'_>, tracks: &mut [TrackHead]) -> Result<(), MediaError> {
    for child in mvex.children() {
        let trex = child?;
        if trex.name.0 != *b"trex" {
            continue;
        }
        let id = trex.u32(4)?;
        if let Some(track) = tracks.iter_mut().find(|track| track.id == id) {
            track.defaults = Defaults { duration: trex.u32(12)?, bytes: trex.u32(16)?, flags: trex.u32(20)? };
        }
    }
    Ok(())
}
