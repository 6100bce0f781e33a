//! The files of the corpus, and what is known of each before it is packaged.

use crate::run;
use mp4_atom::{Co64, Decode, Encode, Moov};
use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What packaging comes to.
#[derive(Clone, Copy)]
pub(crate) enum Expected {
    Tracks {
        /// What the codecs of its tracks begin with.
        kept: &'static [&'static str],
        /// The sample entries of those that are dropped.
        dropped: &'static [&'static str],
    },
    Encrypted,
    /// An error that says this.
    Refused(&'static str),
}

/// A file.
pub(crate) struct File {
    pub(crate) name: &'static str,
    /// Whether it is looked at by each test run and not only at night.
    pub(crate) in_sample: bool,
    /// What ffmpeg is told, but for the name of the file.
    arguments: &'static str,
    extension: &'static str,
    pub(crate) expected: Expected,
    /// How often it may be read before its movie is known.
    pub(crate) reads_max: usize,
    pub(crate) is_cut: bool,
    /// What is done to it once ffmpeg has made it.
    then: Option<fn(&Path)>,
}

const VIDEO: &str = "-f lavfi -i testsrc2=size=160x90:rate=25:duration=13";
const SOUND: &str = "-f lavfi -i sine=frequency=440:sample_rate=48000:duration=13";
const X264: &str = "-c:v libx264 -preset veryfast -g 50 -bf 2 -pix_fmt yuv420p";

/// Replaced in arguments.
const PARTS: [(&str, &str); 3] = [("{VIDEO}", VIDEO), ("{SOUND}", SOUND), ("{X264}", X264)];

impl File {
    const fn new(name: &'static str, arguments: &'static str, kept: &'static [&'static str]) -> Self {
        let expected = Expected::Tracks { kept, dropped: &[] };
        Self { name, in_sample: false, arguments, extension: "mp4", expected, reads_max: 3, is_cut: false, then: None }
    }

    const fn in_sample(self) -> Self {
        Self { in_sample: true, ..self }
    }

    const fn mov(self) -> Self {
        Self { extension: "mov", ..self }
    }

    const fn dropping(self, dropped: &'static [&'static str]) -> Self {
        let Expected::Tracks { kept, .. } = self.expected else { panic!("a file that is refused") };
        Self { expected: Expected::Tracks { kept, dropped }, ..self }
    }

    const fn expecting(self, expected: Expected) -> Self {
        Self { expected, ..self }
    }

    const fn reads(self, reads_max: usize) -> Self {
        Self { reads_max, ..self }
    }

    const fn cut(self) -> Self {
        Self { is_cut: true, ..self }
    }

    const fn then(self, then: fn(&Path)) -> Self {
        Self { then: Some(then), ..self }
    }

    /// Makes it in a folder.
    pub(crate) fn make(&self, folder: &Path) -> PathBuf {
        let path = folder.join(format!("{}.{}", self.name, self.extension));
        // Steps that a file needs are divided by `;`; each may read what the one before wrote.
        let before = folder.join(format!("{}-before.mp4", self.name));
        let steps: Vec<_> = self.arguments.split(';').collect();
        for (place, step) in steps.iter().enumerate() {
            let mut step = (*step).to_owned();
            for (name, part) in PARTS {
                step = step.replace(name, part);
            }
            let step = step.replace("{BEFORE}", &before.display().to_string());
            let output = if place + 1 == steps.len() { &path } else { &before };
            let mut command = Command::new("ffmpeg");
            command.args(["-v", "error", "-nostdin", "-y"]).args(step.split_whitespace()).arg(output);
            run(&mut command);
        }
        if let Some(then) = self.then {
            then(&path);
        }
        path
    }
}

/// Two tracks as nearly every file has them.
const USUAL: &[&str] = &["avc1.", "mp4a.40.2"];

pub(crate) const FILES: &[File] = &[
    File::new("front", "{VIDEO} {SOUND} {X264} -c:a aac -movflags +faststart", USUAL).in_sample().reads(2),
    File::new("end", "{VIDEO} {SOUND} {X264} -c:a aac", USUAL),
    File::new(
        "fragments",
        "{VIDEO} {SOUND} {X264} -c:a aac -movflags frag_keyframe+empty_moov+default_base_moof",
        USUAL,
    )
    .in_sample()
    .reads(20),
    File::new("fragments-after-samples", "{VIDEO} {SOUND} {X264} -c:a aac -movflags frag_keyframe", USUAL).reads(20),
    File::new(
        "fragments-with-index",
        "{VIDEO} {SOUND} {X264} -c:a aac -movflags frag_keyframe+global_sidx+separate_moof+empty_moov+default_base_moof -frag_duration 700000",
        USUAL,
    )
    .reads(50),
    File::new("negative-offsets", "{VIDEO} {SOUND} {X264} -c:a aac -movflags negative_cts_offsets", USUAL).in_sample(),
    File::new(
        "open-gop",
        "{VIDEO} {SOUND} {X264} -x264-params open-gop=1:keyint=50:min-keyint=50:scenecut=0 -c:a aac",
        USUAL,
    )
    .in_sample(),
    File::new(
        "two-sounds",
        "{VIDEO} {SOUND} {SOUND} {X264} -c:a aac -map 0 -map 1 -map 2 -metadata:s:a:0 language=eng -metadata:s:a:1 language=fra",
        &["avc1.", "mp4a.40.2", "mp4a.40.2"],
    ),
    File::new("hvc1", "{VIDEO} {SOUND} -c:v libx265 -x265-params log-level=none:keyint=50 -tag:v hvc1 -c:a aac", &["hvc1.1.6.L", "mp4a"]),
    File::new("hev1-ac3", "{VIDEO} {SOUND} -c:v libx265 -x265-params log-level=none -tag:v hev1 -c:a ac3", &["hev1.1.6.L", "ac-3"])
        .in_sample(),
    File::new("av1-opus", "{VIDEO} {SOUND} -c:v libsvtav1 -preset 12 -g 50 -c:a libopus", &["av01.0.", "opus"]).in_sample(),
    File::new("vp9-flac", "{VIDEO} {SOUND} -c:v libvpx-vp9 -deadline realtime -cpu-used 8 -g 50 -c:a flac -strict -2", &["vp09.00.", "fLaC"]),
    File::new("eac3", "{VIDEO} {SOUND} {X264} -c:a eac3", &["avc1.", "ec-3"]),
    File::new("variable-rate", "{VIDEO} {SOUND} {X264} -vf select='not(eq(mod(n,7),3))*not(eq(mod(n,11),5))' -vsync vfr -c:a aac", USUAL)
        .in_sample(),
    File::new("late-sound", "{VIDEO} -itsoffset 0.678 {SOUND} {X264} -c:a aac", USUAL).in_sample(),
    File::new("cut", "{VIDEO} {SOUND} {X264} -c:a aac;-ss 3.3 -i {BEFORE} -c copy", USUAL).cut(),
    File::new("mp3", "{VIDEO} {SOUND} {X264} -c:a libmp3lame", &["avc1.", "mp4a.6B"]),
    File::new("long-groups", "{VIDEO} {SOUND} -c:v libx264 -preset veryfast -g 250 -sc_threshold 0 -c:a aac", USUAL),
    File::new("sound-alone", "{SOUND} -c:a aac", &["mp4a.40.2"]),
    File::new("mov", "{VIDEO} {SOUND} {X264} -c:a aac", USUAL).mov(),
    File::new("pcm", "{VIDEO} {SOUND} {X264} -c:a pcm_s16le", &["avc1."]).mov().dropping(&["sowt"]),
    File::new("mp4v", "{VIDEO} {SOUND} -c:v mpeg4 -c:a aac", &["mp4a"]).dropping(&["mp4v"]),
    File::new("timecode", "{VIDEO} {SOUND} {X264} -c:a aac -timecode 01:00:00:00", USUAL).mov().dropping(&["tmcd"]),
    File::new("nothing-usable", "{VIDEO} -c:v mpeg4", &[]).expecting(Expected::Refused("no track can be packaged: 1 mp4v")),
    File::new("matroska", "{VIDEO} {X264} -f matroska", &[]).expecting(Expected::Refused("neither MP4 nor MOV")),
    File::new(
        "encrypted",
        "{VIDEO} {SOUND} {X264} -c:a aac -encryption_scheme cenc-aes-ctr \
         -encryption_key 76a6c65c5ea762046bd749a2e632ccbb -encryption_kid a7e61c373e219033c21091fa607bf3b8",
        &[],
    )
    .expecting(Expected::Encrypted),
    File::new("beyond-4-gib", "{VIDEO} {SOUND} {X264} -c:a aac", USUAL).then(move_beyond_4_gib),
];

/// Puts 5 GiB of nothing before the media of a file whose `moov` is at its end.
fn move_beyond_4_gib(path: &Path) {
    const HOLE_BYTES: u64 = 5 << 30;
    let bytes = fs::read(path).unwrap();
    let at = |name: &[u8; 4]| bytes.windows(4).position(|found| found == name).unwrap() - 4;
    let (ftyp, media, end) = (&bytes[..at(b"free")], &bytes[at(b"mdat")..at(b"moov")], &bytes[at(b"moov")..]);
    let moved = HOLE_BYTES + ftyp.len() as u64 - at(b"mdat") as u64;
    let mut moov = Moov::decode(&mut &*end).unwrap();
    for trak in &mut moov.trak {
        let offsets = trak.mdia.minf.stbl.stco.take().unwrap().entries;
        let entries = offsets.into_iter().map(|offset| u64::from(offset) + moved).collect();
        trak.mdia.minf.stbl.co64 = Some(Co64 { entries });
    }
    let mut encoded = Vec::new();
    moov.encode(&mut encoded).unwrap();
    let mut file = fs::File::create(path).unwrap();
    file.write_all(ftyp).unwrap();
    file.write_all(&[&[0, 0, 0, 1], &b"free"[..], &HOLE_BYTES.to_be_bytes()].concat()).unwrap();
    file.seek(SeekFrom::Start(ftyp.len() as u64 + HOLE_BYTES)).unwrap();
    file.write_all(media).unwrap();
    file.write_all(&encoded).unwrap();
}
