//! Files made by hand, and what is made of them.

use crate::box_name::BoxName;
use crate::writer::Writer;
use crate::{Damage, DroppedTrack, Format, MediaError, Movie, Opening, Origin, Step, Track, dash, hls};

/// A track that is made by hand. All its samples lie one behind the other.
#[derive(Clone)]
struct Made {
    is_video: bool,
    timescale: u32,
    /// Bytes of each sample.
    sizes: Vec<u32>,
    /// How many last how long.
    durations: Vec<(u32, u32)>,
    /// How many are shown how long after they are decoded.
    offsets: Vec<(u32, i32)>,
    /// Numbers from 1; none where all are.
    sync: Vec<u32>,
    /// Time of the movie (ticks of 1/1000 s) and of the media, -1 for none.
    edits: Vec<(u32, i32)>,
}

/// So many pictures of 25 a second, a sync sample each second, shown a frame after they are decoded, as the edit says.
fn pictures(count: u32) -> Made {
    Made {
        is_video: true,
        timescale: 12_800,
        sizes: (1..=count).map(|number| number * 10).collect(),
        durations: vec![(count, 512)],
        offsets: vec![(count, 512)],
        sync: (1..=count).step_by(25).collect(),
        edits: vec![(count * 40, 512)],
    }
}

/// So many frames of sound, of which the first is the encoder's own.
fn sound(count: u32) -> Made {
    Made {
        is_video: false,
        timescale: 48_000,
        sizes: vec![7; count as usize],
        durations: vec![(count, 1024)],
        offsets: Vec::new(),
        sync: Vec::new(),
        edits: vec![(count * 64 / 3, 1024)],
    }
}

/// An AVC entry of baseline profile at level 1.3, with parameter sets of a byte.
fn avc1(writer: &mut Writer) {
    writer.in_box(*b"avc1", |writer| {
        writer.zeros(6).u16(1).zeros(16).u16(160).u16(90).u32(0x48_0000).u32(0x48_0000).zeros(4).u16(1).zeros(32);
        writer.u16(24).u16(0xFFFF);
        writer.in_box(*b"avcC", |writer| {
            writer.bytes(&[1, 66, 0xC0, 13, 0xFF, 0xE1, 0, 1, 0x67, 1, 0, 1, 0x68]);
        });
    });
}

/// An AC-3 entry of two channels.
fn ac3(writer: &mut Writer) {
    writer.in_box(*b"ac-3", |writer| {
        writer.zeros(6).u16(1).zeros(8).u16(2).u16(16).zeros(4).u32(48_000 << 16);
        writer.in_box(*b"dac3", |writer| {
            writer.bytes(&[0x10, 0x11, 0x40]);
        });
    });
}

fn write_track(writer: &mut Writer, id: u32, made: &Made, offset: u32) {
    writer.in_full_box(*b"tkhd", 0, 3, |writer| {
        writer.zeros(8).u32(id).zeros(24);
        for number in [1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30] {
            writer.u32(number);
        }
        writer.zeros(8);
    });
    writer.in_box(*b"edts", |writer| {
        writer.in_full_box(*b"elst", 0, 0, |writer| {
            writer.u32(u32::try_from(made.edits.len()).unwrap());
            for (duration, time) in &made.edits {
                writer.u32(*duration).i32(*time).u32(1 << 16);
            }
        });
    });
    writer.in_box(*b"mdia", |writer| {
        writer.in_full_box(*b"mdhd", 0, 0, |writer| {
            // French.
            writer.zeros(8).u32(made.timescale).u32(0).u16(6 << 10 | 18 << 5 | 1).zeros(2);
        });
        writer.in_full_box(*b"hdlr", 0, 0, |writer| {
            writer.zeros(4).bytes(if made.is_video { b"vide" } else { b"soun" }).zeros(13);
        });
        writer.in_box(*b"minf", |writer| writer.in_box(*b"stbl", |writer| write_tables(writer, made, offset)));
    });
}

fn write_tables(writer: &mut Writer, made: &Made, offset: u32) {
    let count = u32::try_from(made.sizes.len()).unwrap();
    let length = |length: usize| u32::try_from(length).unwrap();
    writer.in_full_box(*b"stsd", 0, 0, |writer| {
        writer.u32(1);
        if made.is_video { avc1(writer) } else { ac3(writer) }
    });
    writer.in_full_box(*b"stts", 0, 0, |writer| {
        writer.u32(length(made.durations.len()));
        made.durations.iter().for_each(|(count, duration)| {
            writer.u32(*count).u32(*duration);
        });
    });
    if !made.offsets.is_empty() {
        writer.in_full_box(*b"ctts", 1, 0, |writer| {
            writer.u32(length(made.offsets.len()));
            made.offsets.iter().for_each(|(count, offset)| {
                writer.u32(*count).i32(*offset);
            });
        });
    }
    if !made.sync.is_empty() {
        writer.in_full_box(*b"stss", 0, 0, |writer| {
            writer.u32(length(made.sync.len()));
            made.sync.iter().for_each(|number| {
                writer.u32(*number);
            });
        });
    }
    writer.in_full_box(*b"stsc", 0, 0, |writer| {
        writer.u32(1).u32(1).u32(count).u32(1);
    });
    writer.in_full_box(*b"stsz", 0, 0, |writer| {
        writer.u32(0).u32(count);
        made.sizes.iter().for_each(|size| {
            writer.u32(*size);
        });
    });
    writer.in_full_box(*b"stco", 0, 0, |writer| {
        writer.u32(1).u32(offset);
    });
}

/// Where media lies in a file: behind `ftyp` and the head of `mdat`.
const MEDIA_AT: u32 = 24;

/// A file with its `moov` at the end.
fn file(tracks: &[Made]) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.in_box(*b"ftyp", |writer| {
        writer.bytes(b"isom").u32(0);
    });
    let bytes = |made: &Made| made.sizes.iter().sum::<u32>();
    writer.in_box(*b"mdat", |writer| {
        writer.zeros(tracks.iter().map(|made| bytes(made) as usize).sum());
    });
    writer.in_box(*b"moov", |writer| {
        writer.in_full_box(*b"mvhd", 0, 0, |writer| {
            writer.zeros(8).u32(1000).zeros(84);
        });
        let mut offset = MEDIA_AT;
        for (id, made) in (1..).zip(tracks) {
            writer.in_box(*b"trak", |writer| write_track(writer, id, made, offset));
            offset += bytes(made);
        }
    });
    writer.0
}

/// Opens a file in memory. Gives how often it was read, too.
fn open(file: &[u8]) -> Result<(Movie, usize), MediaError> {
    let mut opening = Opening::new(file.len() as u64);
    for reads in 0.. {
        match opening.poll()? {
            Step::Read(range) => {
                let [start, end] = [range.start, range.end].map(|at| usize::try_from(at).unwrap());
                assert!(start < end, "{start}..{end}");
                opening.handle_bytes(file[start..end].to_vec());
            }
            Step::Done(movie) => return Ok((movie, reads)),
        }
    }
    unreachable!("an opening ends")
}

fn movie(tracks: &[Made]) -> Movie {
    open(&file(tracks)).unwrap().0
}

/// When samples are shown, in ticks.
fn shown(track: &Track, samples: core::ops::Range<u32>) -> Vec<i64> {
    samples.map(|index| track.shown_at(index)).collect()
}

#[test]
fn a_short_file_is_read_at_once_and_a_long_one_at_both_ends() {
    let (short, reads) = open(&file(&[pictures(30), sound(60)])).unwrap();
    assert_eq!((short.tracks.len(), reads), (2, 1));
    // 500 pictures have 10 + ... + 5000 bytes, more than a window.
    let (long, reads) = open(&file(&[pictures(500)])).unwrap();
    assert_eq!((long.tracks[0].samples(), reads), (500, 2));
}

#[test]
fn what_a_track_is() {
    let movie = movie(&[pictures(30), sound(60)]);
    let [video, audio] = &movie.tracks[..] else { panic!("{movie:?}") };
    assert_eq!(video.entry.codec, "avc1.42c00d");
    assert_eq!(video.entry.format, Format::Video { width: 160, height: 90 });
    assert_eq!(audio.entry.codec, "ac-3");
    assert_eq!(audio.entry.format, Format::Audio { channels: 2, rate: 48_000 });
    assert_eq!((video.language.as_deref(), video.number, audio.number), (Some("fra"), 1, 2));
}

#[test]
fn pictures_begin_at_zero_and_the_encoders_own_sound_before_it() {
    let movie = movie(&[pictures(300), sound(563)]);
    let [video, audio] = &movie.tracks[..] else { panic!("{movie:?}") };
    assert_eq!((video.decoded_at(0), video.offset(0)), (0, 0));
    assert_eq!((audio.decoded_at(0), audio.offset(0)), (0, -1024));
    assert_eq!(shown(video, 0..3), [0, 512, 1024]);
}

#[test]
fn a_delay_goes_into_decode_times() {
    let mut late = sound(563);
    late.edits.insert(0, (678, -1));
    let movie = movie(&[pictures(300), late]);
    // 0.678 s are 32,544 ticks, less the encoder's own 1024.
    assert_eq!((movie.tracks[1].decoded_at(0), movie.tracks[1].offset(0)), (31_520, 0));
}

#[test]
fn a_cut_within_a_group_puts_all_tracks_off_as_far() {
    // The edit begins at 1.5 s of the media as it is shown; decoding with the picture at 1 s.
    let (mut video, mut audio) = (pictures(300), sound(563));
    video.edits = vec![(10_000, 19_200 + 512)];
    audio.edits = vec![(10_000, 72_000)];
    let movie = movie(&[video, audio]);
    let [video, audio] = &movie.tracks[..] else { panic!("{movie:?}") };
    // 25 pictures before that are gone, and those behind the end at 11.5 s, but for the tick that rounding may take.
    assert_eq!(video.timing.shown, 25..288);
    assert_eq!(shown(video, 25..27), [0, 512]);
    assert_eq!((video.decoded_at(25), video.offset(25)), (0, 0));
    // Frame 43 begins at 0.9173 s of the media, a tenth of a second before the picture.
    assert_eq!(audio.timing.shown.start, 43);
    assert_eq!(shown(audio, 43..44), [43 * 1024 - 48_000]);
}

#[test]
fn what_was_cut_out_of_a_longer_recording_begins_at_zero() {
    let (mut video, mut audio) = (pictures(300), sound(563));
    video.edits = vec![(60_000, -1), (12_000, 512)];
    audio.edits = vec![(60_500, -1), (12_000, 0)];
    let movie = movie(&[video, audio]);
    assert_eq!([movie.tracks[0].shown_at(0), movie.tracks[1].shown_at(0)], [0, 24_000]);
    assert_eq!([movie.tracks[0].decoded_at(0), movie.tracks[1].decoded_at(0)], [0, 24_000]);
}

#[test]
fn segments_begin_at_the_first_sync_sample_behind_each_multiple_of_four_seconds() {
    let mut video = pictures(450);
    // At 0, 3.96, 4.04, 7.92, 9, 12 and 16 s.
    video.sync = [0, 99, 101, 198, 225, 300, 400].map(|index| index + 1).to_vec();
    let movie = movie(&[video, sound(844)]);
    let [video, audio] = &movie.tracks[..] else { panic!("{movie:?}") };
    assert_eq!(video.cuts, [0, 101, 225, 300, 400]);
    // Sound begins 1024 ticks early: frame f at 1024 (f - 1) ticks, 4.04 s at 193,920. So f = 1 + 190 (189.4 rounded up).
    // 9, 12 and 16 s are 421.875, 562.5 and 750 frames.
    assert_eq!(audio.cuts, [0, 191, 423, 564, 751]);
}

#[test]
fn sound_is_cut_behind_pictures_by_less_than_a_tick_too() {
    // Picture 120 of 30,000 / 1001 a second is at 4.004 s, tick 176,576.4 of sound, in which frame 173 begins at 176,576.
    let mut video = pictures(240);
    (video.timescale, video.durations, video.offsets) = (30_000, vec![(240, 1001)], Vec::new());
    (video.sync, video.edits) = (vec![1, 121], vec![(9000, 0)]);
    let mut audio = sound(344);
    (audio.timescale, audio.edits) = (44_100, vec![(9000, 576)]);
    assert_eq!(movie(&[video, audio]).tracks[1].cuts, [0, 174]);
}

#[test]
fn sound_keeps_the_ideal_where_no_pictures_are() {
    // 187.5 and 375 frames, from 1024 ticks before zero; the rest is too short.
    assert_eq!(movie(&[sound(381)]).tracks[0].cuts, [0, 189, 376]);
    assert_eq!(movie(&[sound(380)]).tracks[0].cuts, [0, 189], "four frames are no segment");
}

#[test]
fn the_last_segment_is_not_too_short() {
    let mut video = pictures(102);
    video.sync = vec![1, 101];
    assert_eq!(movie(&[video.clone()]).tracks[0].cuts, [0], "two pictures have 0.08 s");
    let mut longer = pictures(103);
    longer.sync = video.sync;
    assert_eq!(movie(&[longer]).tracks[0].cuts, [0, 100]);
}

#[test]
#[expect(clippy::single_range_in_vec_init, reason = "a list of one range")]
fn a_segment_byte_by_byte() {
    let mut video = pictures(3);
    video.durations = vec![(2, 512), (1, 600)];
    video.offsets = vec![(1, 512), (1, 1024), (1, 0)];
    let movie = movie(&[video]);
    let recipe = movie.tracks[0].segment(1).unwrap();
    let mut expected = Vec::new();
    for words in [
        &[24, 0x7374_7970, 0x6D73_6468, 0, 0x6D73_6468, 0x636D_6673][..], // styp msdh, msdh and cmfs
        &[132, 0x6D6F_6F66, 16, 0x6D66_6864, 0, 1],                       // moof, mfhd 1
        &[108, 0x7472_6166, 20, 0x7466_6864, 0x0002_0020, 1, 0x0101_0000], // traf, tfhd: no sync by default
        &[20, 0x7466_6474, 0x0100_0000, 0, 0],                            // tfdt 0
        &[60, 0x7472_756E, 0x0100_0B05, 3, 140, 0x0200_0000],             // trun of 3 samples 140 bytes on, sync first
        &[512, 10, 0, 512, 20, 512, 600, 30, 0xFFFF_FE00],                // duration, size, offset: the third -512
        &[68, 0x6D64_6174],                                               // mdat
    ] {
        expected.extend(words.iter().flat_map(|word: &u32| word.to_be_bytes()));
    }
    assert_eq!(recipe.head, expected);
    assert_eq!((recipe.ranges, recipe.bytes), (vec![24..84], 164 + 60));
    assert_eq!(crate::segment::first_sample_end(&movie.tracks[0], &(0..3)), 174);
}

#[test]
fn a_segment_without_a_sync_sample_says_so() {
    let mut video = pictures(200);
    video.sync = vec![101];
    let movie = movie(&[video]);
    assert_eq!(movie.tracks[0].cuts, [0, 100]);
    // The default flags behind `tfhd`, its own flags, the track and the duration.
    for (segment, flags) in [(1, 0x0101_0000), (2, 0x0101_0000)] {
        let head = movie.tracks[0].segment(segment).unwrap().head;
        let at = place(&head, *b"tfhd") + 4 + 4 + 4 + 4;
        assert_eq!(crate::boxes::u32_at(&head, at), flags, "segment {segment}");
    }
    // The first sample of the second alone is one: `trun` says so, with the flag 4.
    let runs = [1, 2].map(|segment| {
        let head = movie.tracks[0].segment(segment).unwrap().head;
        crate::boxes::u32_at(&head, place(&head, *b"trun") + 4) & 4
    });
    assert_eq!(runs, [0, 4]);
}

/// A fragment of one track: runs of sizes, of which the first alone says where it begins, and a first sync sample.
fn write_fragment(writer: &mut Writer, runs: &[&[u32]], decode_time: Option<u32>) {
    let at = writer.0.len();
    let mut offset_at = 0;
    writer.in_box(*b"moof", |writer| {
        writer.in_full_box(*b"mfhd", 0, 0, |writer| {
            writer.u32(1);
        });
        writer.in_box(*b"traf", |writer| {
            writer.in_full_box(*b"tfhd", 0, 0x02_0000, |writer| {
                writer.u32(1);
            });
            if let Some(decode_time) = decode_time {
                writer.in_full_box(*b"tfdt", 0, 0, |writer| {
                    writer.u32(decode_time);
                });
            }
            for (place, sizes) in runs.iter().enumerate() {
                let flags = if place == 0 { 0x205 } else { 0x200 };
                writer.in_full_box(*b"trun", 0, flags, |writer| {
                    writer.u32(u32::try_from(sizes.len()).unwrap());
                    if place == 0 {
                        offset_at = writer.0.len();
                        writer.u32(0).u32(0x0200_0000);
                    }
                    sizes.iter().for_each(|size| {
                        writer.u32(*size);
                    });
                });
            }
        });
    });
    let offset = u32::try_from(writer.0.len() - at + 8).unwrap();
    writer.0[offset_at..offset_at + 4].copy_from_slice(&offset.to_be_bytes());
    writer.in_box(*b"mdat", |writer| {
        writer.zeros(runs.iter().flat_map(|sizes| sizes.iter()).sum::<u32>() as usize);
    });
}

/// A file of fragments: each with its decode time, if it says one, and its runs.
fn fragmented(fragments: &[(Option<u32>, &[&[u32]])]) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.in_box(*b"moov", |writer| {
        writer.in_full_box(*b"mvhd", 0, 0, |writer| {
            writer.zeros(8).u32(1000).zeros(84);
        });
        let (sizes, durations, offsets, sync) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        // How long it will be, nobody knew.
        let edits = vec![(1, 0)];
        let made = Made { sizes, durations, offsets, sync, edits, ..pictures(0) };
        writer.in_box(*b"trak", |writer| write_track(writer, 1, &made, 0));
        writer.in_box(*b"mvex", |writer| {
            writer.in_full_box(*b"trex", 0, 0, |writer| {
                writer.u32(1).u32(1).u32(512).u32(0).u32(0x0101_0000);
            });
        });
    });
    for (decode_time, runs) in fragments {
        write_fragment(&mut writer, runs, *decode_time);
    }
    writer.0
}

#[test]
fn fragments_follow_each_other_where_they_do_not_say_otherwise() {
    let file = fragmented(&[(None, &[&[10, 20], &[30]]), (None, &[&[40, 50]]), (Some(3000), &[&[60]])]);
    let (movie, _) = open(&file).unwrap();
    let track = &movie.tracks[0];
    assert_eq!(track.samples(), 6);
    assert_eq!((0..6).map(|index| track.samples.dts(index)).collect::<Vec<_>>(), [0, 512, 1024, 1536, 2048, 3000]);
    assert_eq!(track.samples.sync_within(0..6).collect::<Vec<_>>(), [0, 3, 5]);
    let data: Vec<u64> =
        (0..file.len() - 4).filter(|at| file[*at..].starts_with(b"mdat")).map(|at| at as u64 + 4).collect();
    let expected = [data[0]..data[0] + 60, data[1]..data[1] + 90, data[2]..data[2] + 60];
    assert_eq!(track.samples.source(0..6), expected);
    // A gap belongs to the sample before it.
    assert_eq!(track.samples.duration(4), 952);
}

#[test]
fn fragments_that_lie_are_refused() {
    let damaged = |fragments: &[(Option<u32>, &[&[u32]])], bytes_less: usize| {
        let mut file = fragmented(fragments);
        file.truncate(file.len() - bytes_less);
        let MediaError::Damaged { name, damage, .. } = open(&file).unwrap_err() else { panic!("it is damaged") };
        (name, damage)
    };
    let (name, damage) = damaged(&[(Some(512), &[&[10, 10]]), (Some(1000), &[&[10]])], 0);
    let what = "a decode time, no later than one before or too late,";
    assert_eq!((name, damage), (BoxName(*b"moof"), Damage::Value { what, found: 1000 }));
    let (name, damage) = damaged(&[(None, &[&[10]])], 5);
    assert!(name == BoxName(*b"moof") && matches!(damage, Damage::Outside { .. }), "{name}: {damage}");
    // A count of samples that take no bytes of the fragment.
    let mut file = fragmented(&[(None, &[&[10]])]);
    let run = place(&file, *b"trun") + 4;
    file[run..run + 8].copy_from_slice(&[0, 0, 0, 1, 0xFF, 0xFF, 0xFF, 0xFF]);
    let start = run - 8;
    file[start..start + 4].copy_from_slice(&20_u32.to_be_bytes());
    let padding = [&[0, 0, 0, 8][..], b"free"].concat();
    file[run + 12..run + 20].copy_from_slice(&padding);
    let found = u64::from(u32::MAX);
    assert_eq!(open(&file).unwrap_err(), MediaError::TooLarge { what: "samples of a track", found, limit: 4_000_000 });
}

#[test]
fn playlists() {
    let movie = movie(&[pictures(300), sound(563)]);
    let media = hls::media(&movie.tracks[1]);
    // Cuts at 4 and 8 s: frames at 4.010667 (188) and 8 s (375); the end at 562 frames.
    let expected = "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:4\n#EXT-X-PLAYLIST-TYPE:VOD\n\
        #EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-MAP:URI=\"t2/init.mp4\"\n\
        #EXTINF:4.010667,\nt2/1.m4s\n#EXTINF:3.989333,\nt2/2.m4s\n#EXTINF:3.989333,\nt2/3.m4s\n#EXT-X-ENDLIST\n";
    assert_eq!(media, expected);
    let i_frames = hls::i_frames(&movie.tracks[0]).unwrap();
    // Picture 1 of 10 bytes behind a head of 24 + 88 + 8 + 100 x 8 + 8 bytes: sizes and flags of each, for a sync sample
    // a second, equal durations and no offsets.
    assert!(i_frames.contains("#EXT-X-I-FRAMES-ONLY\n"), "{i_frames}");
    assert!(i_frames.contains("#EXTINF:4.000000,\n#EXT-X-BYTERANGE:938@0\nt1/1.m4s\n"), "{i_frames}");
    assert_eq!(hls::i_frames(&movie.tracks[1]), None);
}

#[test]
fn a_multivariant_playlist_of_one_node() {
    let movie = movie(&[pictures(300), sound(563)]);
    let text = hls::multivariant(&movie, "abc", &[], hls::Form::Steering);
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[..3], ["#EXTM3U", "#EXT-X-VERSION:7", "#EXT-X-INDEPENDENT-SEGMENTS"]);
    let media = "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"sound-ac-3\",LANGUAGE=\"fra\",NAME=\"fra\",DEFAULT=YES,\
        AUTOSELECT=YES,CHANNELS=\"2\",URI=\"abc/t2.m3u8\"";
    assert_eq!(lines[3], media);
    // The last 100 pictures have 2010 + ... + 3000 bytes and 928 of head in 4 s; sound has 7 bytes and 8 of head a frame:
    // most in the first segment, 189 frames and 128 bytes in 4.010667 s.
    let peak: u64 = (250_500 + 928) * 2 + (189 * 15 + 128) * 8 * 48_000 / 192_512;
    // All together: 451,500 bytes and 3 heads in 12 s; 563 frames and 3 heads in 562 x 1024 ticks.
    let average: u64 = (451_500 + 3 * 928) * 8 / 12 + (563 * 15 + 3 * 128) * 8 * 48_000 / (562 * 1024);
    let variant = format!(
        "#EXT-X-STREAM-INF:BANDWIDTH={peak},AVERAGE-BANDWIDTH={average},CODECS=\"avc1.42c00d,ac-3\",RESOLUTION=160x90,\
         FRAME-RATE=25.000,AUDIO=\"sound-ac-3\""
    );
    assert_eq!(lines[4..6], [&variant, "abc/t1.m3u8"]);
    // First pictures of 10, 1010 and 2010 bytes behind heads of 928: the last in 4 s, all in 12 s.
    assert!(lines[6].starts_with("#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=5876,AVERAGE-BANDWIDTH=3876,"), "{text}");
    assert!(lines[6].ends_with(",CODECS=\"avc1.42c00d\",RESOLUTION=160x90,URI=\"abc/iframes-t1.m3u8\""), "{text}");
    assert_eq!(lines.len(), 7);
}

fn nodes() -> [Origin; 2] {
    [("A", "http://a:1/p/x/"), ("B", "http://b:2/p/x/")]
        .map(|(name, base)| Origin { name: name.to_owned(), base: base.to_owned() })
}

#[test]
fn all_nodes_are_pathways_or_variants_once_more() {
    let movie = movie(&[pictures(300), sound(563)]);
    let steering = hls::multivariant(&movie, "abc", &nodes(), hls::Form::Steering);
    // {"VERSION":1,"TTL":300,"PATHWAY-PRIORITY":["A","B"]}
    let manifest = "eyJWRVJTSU9OIjoxLCJUVEwiOjMwMCwiUEFUSFdBWS1QUklPUklUWSI6WyJBIiwiQiJdfQ==";
    let tag =
        format!("#EXT-X-CONTENT-STEERING:SERVER-URI=\"data:application/json;base64,{manifest}\",PATHWAY-ID=\"A\"\n");
    assert!(steering.contains(&tag), "{steering}");
    assert!(steering.contains(",AUDIO=\"sound-ac-3-1\",PATHWAY-ID=\"B\"\nhttp://b:2/p/x/abc/t1.m3u8\n"), "{steering}");
    let redundant = hls::multivariant(&movie, "abc", &nodes(), hls::Form::Redundant);
    assert!(!redundant.contains("STEERING") && !redundant.contains("PATHWAY"), "{redundant}");
    assert!(redundant.contains(",AUDIO=\"sound-ac-3-1\"\nhttp://b:2/p/x/abc/t1.m3u8\n"), "{redundant}");
    let manifest = dash::manifest(&movie, "abc", &nodes());
    assert!(manifest.contains("<BaseURL serviceLocation=\"B\">http://b:2/p/x/</BaseURL>"), "{manifest}");
}

#[test]
fn a_manifest_of_dash() {
    let movie = movie(&[pictures(325), sound(610)]);
    let text = dash::manifest(&movie, "abc", &[]);
    for expected in [
        "type=\"static\" profiles=\"urn:mpeg:dash:profile:isoff-live:2011\" mediaPresentationDuration=\"PT13.000000S\"",
        "<Representation id=\"t1\" codecs=\"avc1.42c00d\" bandwidth=\"",
        " width=\"160\" height=\"90\" frameRate=\"25/1\">",
        "<SegmentTemplate timescale=\"12800\" startNumber=\"1\" initialization=\"abc/t1/init.mp4\" \
         media=\"abc/t1/$Number$.m4s\">",
        "<S t=\"0\" d=\"51200\" r=\"2\"/>\n            <S d=\"12800\"/>\n          </SegmentTimeline>",
        "audioSamplingRate=\"48000\"",
        "audio_channel_configuration:2011\" value=\"2\"/>",
    ] {
        assert!(text.contains(expected), "{expected} in {text}");
    }
    assert!(!text.contains("BaseURL"), "{text}");
}

/// Where a box's name lies in a file, and where the box begins.
fn place(file: &[u8], name: [u8; 4]) -> usize {
    file.windows(4).rposition(|found| found == name).unwrap()
}

/// The error of a file in which a number of a box, `at` bytes behind its name, was set.
fn error_with(name: [u8; 4], at: usize, number: u32) -> MediaError {
    let mut file = file(&[pictures(30)]);
    let start = place(&file, name) + 4 + at;
    file[start..start + 4].copy_from_slice(&number.to_be_bytes());
    open(&file).unwrap_err()
}

#[test]
fn counts_that_lie_are_refused() {
    let bytes = file(&[pictures(30)]);
    let damaged = |name: [u8; 4], damage| {
        let offset = place(&bytes, name) as u64 - 4;
        MediaError::Damaged { name: BoxName(name), offset, damage }
    };
    let limit = 4_000_000;
    let too_many = MediaError::TooLarge { what: "samples of a track", found: u32::MAX.into(), limit };
    assert_eq!(error_with(*b"stsz", 8, u32::MAX), too_many);
    let count = |found, expected| Damage::Count { found, expected };
    assert_eq!(error_with(*b"stsz", 8, 31), damaged(*b"stsz", count(31, 30)));
    assert_eq!(error_with(*b"stsz", 8, 29), damaged(*b"stts", count(30, 29)));
    assert_eq!(error_with(*b"stts", 4, u32::MAX), damaged(*b"stts", count(u32::MAX.into(), 1)));
    assert_eq!(error_with(*b"stts", 8, 31), damaged(*b"stts", count(31, 30)));
    assert_eq!(error_with(*b"ctts", 8, 29), damaged(*b"ctts", count(29, 30)));
    assert_eq!(error_with(*b"stss", 4, 3), damaged(*b"stss", count(3, 2)));
    assert_eq!(error_with(*b"stco", 4, 2), damaged(*b"stco", count(2, 1)));
    assert_eq!(error_with(*b"stsc", 12, 31), damaged(*b"stsc", count(31, 30)));
    assert_eq!(error_with(*b"stsc", 12, 29), damaged(*b"stco", count(1, 2)));
    let none = Damage::Value { what: "how many samples a chunk has", found: 0 };
    assert_eq!(error_with(*b"stsc", 12, 0), damaged(*b"stsc", none));
    let bytes_of_file = bytes.len() as u64;
    let outside = Damage::Outside { start: bytes_of_file, end: bytes_of_file + 10, bytes: bytes_of_file };
    assert_eq!(error_with(*b"stco", 8, u32::try_from(bytes_of_file).unwrap()), damaged(*b"stco", outside));
    let timescale = Damage::Value { what: "the timescale", found: 0 };
    assert_eq!(error_with(*b"mdhd", 12, 0), damaged(*b"mdhd", timescale));
}

#[test]
fn what_is_no_such_file() {
    let found = BoxName(*b"\x01\x02\x03\x04");
    assert_eq!(open(&[0, 0, 0, 8, 1, 2, 3, 4, 5]).unwrap_err(), MediaError::NotMp4 { found });
    assert_eq!(open(b"abc").unwrap_err(), MediaError::NotMp4 { found: BoxName([0; 4]) });
    let bytes = file(&[pictures(30)]);
    let moov = place(&bytes, *b"moov") - 4;
    let missing = MediaError::Damaged { name: BoxName(*b"moov"), offset: moov as u64, damage: Damage::Missing };
    assert_eq!(open(&bytes[..moov]).unwrap_err(), missing);
    let cut = &bytes[..bytes.len() - 1];
    let (size, left) = ((bytes.len() - moov) as u64, (cut.len() - moov) as u64);
    let damage = Damage::Overlong { bytes: size, left };
    let damaged = MediaError::Damaged { name: BoxName(*b"moov"), offset: moov as u64, damage };
    assert_eq!(open(cut).unwrap_err(), damaged);
}

#[test]
fn edits_that_are_more_than_a_beginning_and_an_end() {
    let refused = |edits: Vec<(u32, i32)>| open(&file(&[Made { edits, ..pictures(30) }])).unwrap_err();
    let what = "has more than one part with media, or a gap behind one";
    assert_eq!(refused(vec![(500, 0), (500, 6400)]), MediaError::EditList { track: 1, what });
    assert_eq!(refused(vec![(500, 0), (500, -1)]), MediaError::EditList { track: 1, what });
    let mut slow = file(&[pictures(30)]);
    let rate = place(&slow, *b"elst") + 4 + 4 + 4 + 8;
    slow[rate..rate + 4].copy_from_slice(&0x8000_u32.to_be_bytes());
    let what = "has a rate other than 1";
    assert_eq!(open(&slow).unwrap_err(), MediaError::EditList { track: 1, what });
}

#[test]
fn tracks_are_dropped_by_name_and_encrypted_ones_refused() {
    let renamed = |name: &[u8; 4]| {
        let mut file = file(&[pictures(30), sound(60)]);
        let at = place(&file, *b"avc1");
        file[at..at + 4].copy_from_slice(name);
        open(&file)
    };
    let (movie, _) = renamed(b"mp4v").unwrap();
    let why = "no codec that is packaged";
    assert_eq!(movie.dropped, [DroppedTrack { track: 1, entry: BoxName(*b"mp4v"), why }]);
    assert_eq!((movie.tracks[0].number, movie.tracks[0].id), (1, 2));
    assert_eq!(renamed(b"encv").unwrap_err(), MediaError::Encrypted { track: 1, found: BoxName(*b"encv") });
}

/// Whatever a byte is changed to, a file is opened or refused, and what was opened gives all its parts.
#[test]
fn no_byte_of_a_file_makes_it_more_than_refused() {
    let whole = file(&[pictures(30), sound(60)]);
    let moov = place(&whole, *b"moov") - 4;
    let (mut opened, mut refused) = (0, 0);
    for at in moov..whole.len() {
        for byte in [0, 1, 0x7F, 0x80, 0xFF, whole[at] ^ 1] {
            let mut file = whole.clone();
            file[at] = byte;
            match open(&file) {
                Ok((movie, _)) => {
                    opened += 1;
                    for track in &movie.tracks {
                        let bytes =
                            (1..=track.segments()).filter_map(|number| track.segment(number)).map(|made| made.bytes);
                        assert!(bytes.sum::<u64>() > 0);
                        assert!(hls::media(track).ends_with("#EXT-X-ENDLIST\n"));
                    }
                    assert!(dash::manifest(&movie, "v", &[]).ends_with("</MPD>\n"));
                }
                Err(_) => refused += 1,
            }
        }
    }
    assert!(opened > 1000 && refused > 1000, "{opened} opened, {refused} refused");
}
