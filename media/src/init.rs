//! The init segment of a track (ISO/IEC 23000-19): what it is, and no samples. It has no edit list: times say it all.

use crate::sample_entry::Format;
use crate::track::Track;
use crate::writer::Writer;

/// The flag of a track that is on, and of one that is part of the presentation.
const ENABLED_IN_MOVIE: u32 = 3;

/// 1.0 in fixed point of 16 bits.
const ONE: u32 = 0x0001_0000;

/// A transformation that changes nothing.
const UNITY: [u32; 9] = [ONE, 0, 0, 0, ONE, 0, 0, 0, 0x4000_0000];

/// The letters of `und`, of five bits each.
const UNDETERMINED: u16 = 0x55C4;

impl Track {
    /// The init segment.
    pub fn init(&self) -> Vec<u8> {
        segment(self)
    }
}

fn segment(track: &Track) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.in_box(*b"ftyp", |writer| {
        writer.bytes(b"iso6").u32(0).bytes(b"iso6cmfc");
    });
    writer.in_box(*b"moov", |writer| {
        writer.in_full_box(*b"mvhd", 0, 0, |writer| {
            writer.zeros(8).u32(track.timescale).u32(0);
            // Rate and volume 1.
            writer.u32(ONE).u16(0x0100).zeros(10);
            for number in UNITY {
                writer.u32(number);
            }
            writer.zeros(24).u32(track.number + 1);
        });
        writer.in_box(*b"trak", |writer| write_track(writer, track));
        writer.in_box(*b"mvex", |writer| {
            writer.in_full_box(*b"trex", 0, 0, |writer| {
                writer.u32(track.number).u32(1).zeros(12);
            });
        });
    });
    writer.0
}

fn write_track(writer: &mut Writer, track: &Track) {
    writer.in_full_box(*b"tkhd", 0, ENABLED_IN_MOVIE, |writer| {
        writer.zeros(8).u32(track.number).zeros(4 + 4 + 8 + 4);
        let (volume, width, height) = match track.entry.format {
            Format::Video { width, height } => (0, width, height),
            Format::Audio { .. } => (0x0100, 0, 0),
        };
        writer.u16(volume).zeros(2).bytes(&track.matrix);
        writer.u32(u32::from(width) << 16).u32(u32::from(height) << 16);
    });
    writer.in_box(*b"mdia", |writer| {
        writer.in_full_box(*b"mdhd", 0, 0, |writer| {
            writer.zeros(8).u32(track.timescale).u32(0).u16(packed_language(track)).zeros(2);
        });
        let (handler, name) = if track.is_video() { (b"vide", "video") } else { (b"soun", "sound") };
        writer.in_full_box(*b"hdlr", 0, 0, |writer| {
            writer.zeros(4).bytes(handler).zeros(12).bytes(name.as_bytes()).zeros(1);
        });
        writer.in_box(*b"minf", |writer| {
            if track.is_video() {
                writer.in_full_box(*b"vmhd", 0, 1, |writer| {
                    writer.zeros(8);
                });
            } else {
                writer.in_full_box(*b"smhd", 0, 0, |writer| {
                    writer.zeros(4);
                });
            }
            writer.in_box(*b"dinf", |writer| {
                writer.in_full_box(*b"dref", 0, 0, |writer| {
                    writer.u32(1);
                    // The media is in the same file.
                    writer.in_full_box(*b"url ", 0, 1, |_| {});
                });
            });
            writer.in_box(*b"stbl", |writer| write_empty_tables(writer, track));
        });
    });
}

fn write_empty_tables(writer: &mut Writer, track: &Track) {
    writer.in_full_box(*b"stsd", 0, 0, |writer| {
        writer.u32(1).bytes(&track.entry.bytes);
    });
    for (name, zeros) in [(*b"stts", 4), (*b"stsc", 4), (*b"stsz", 8), (*b"stco", 4)] {
        writer.in_full_box(name, 0, 0, |writer| {
            writer.zeros(zeros);
        });
    }
}

fn packed_language(track: &Track) -> u16 {
    let letters = track.language.iter().flat_map(|language| language.bytes());
    let packed = letters.fold(0, |packed, letter| packed << 5 | u16::from(letter & 31));
    if packed == 0 { UNDETERMINED } else { packed }
}
