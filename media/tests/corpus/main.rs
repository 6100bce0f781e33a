//! Files as ffmpeg makes them, packaged, against what ffprobe says of the file and of the segments: they need both programs,
//! so the stage `media` runs the sample of them, and the night the rest.
#![expect(clippy::unwrap_used, clippy::cast_precision_loss, reason = "tests")]

mod files;
mod packaged;
mod probe;

use files::{Expected, FILES, File};
use packaged::{Packaged, package};
use probe::{Packet, packets, streams};
use rain_media::MediaError;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A folder that is gone with its value.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("rain-media-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn sample_of_the_corpus() {
    check(FILES.iter().filter(|file| file.in_sample), "sample");
}

#[test]
fn rest_of_the_corpus() {
    check(FILES.iter().filter(|file| !file.in_sample), "rest");
}

fn check<'a>(files: impl Iterator<Item = &'a File>, name: &str) {
    let folder = Folder::new(name);
    let mut failed = Vec::new();
    for file in files {
        let path = file.make(&folder.0);
        match std::panic::catch_unwind(|| check_file(file, &path, &folder.0)) {
            Ok(()) => println!("{}: right", file.name),
            Err(_) => failed.push(file.name),
        }
    }
    assert!(failed.is_empty(), "{failed:?}");
}

fn check_file(file: &File, path: &Path, folder: &Path) {
    let packaged = package(path);
    let Packaged { movie, reads } = match (file.expected, packaged) {
        (Expected::Encrypted, Err(MediaError::Encrypted { .. })) => return,
        (Expected::Refused(code), Err(error)) => {
            assert!(error.to_string().contains(code), "{}: {error}", file.name);
            return;
        }
        (_, packaged) => packaged.unwrap_or_else(|error| panic!("{}: {error}", file.name)),
    };
    let Expected::Tracks { kept, dropped } = file.expected else { panic!("{}: packaged", file.name) };
    let found: Vec<_> = movie.tracks.iter().map(|track| track.entry.codec.as_str()).collect();
    assert!(
        found.len() == kept.len() && kept.iter().zip(&found).all(|(kept, found)| found.starts_with(kept)),
        "{found:?}"
    );
    let entries: Vec<_> = movie.dropped.iter().map(|track| track.entry.to_string()).collect();
    assert_eq!(entries, dropped, "{}: dropped tracks", file.name);
    assert!(reads <= file.reads_max, "{}: {reads} reads", file.name);

    let source = streams(path);
    // By the file's number of each track.
    let place_of = |id: u32| source.iter().position(|stream| stream.id == id).expect("ffprobe finds the track");
    let mut distances = Vec::new();
    for track in &movie.tracks {
        let output = folder.join(format!("{}-t{}.mp4", file.name, track.number));
        let written = packaged::write(track, path, &output);
        let place = place_of(track.id);
        let (of_source, of_output) = (packets(path, place, true), packets(&output, 0, false));
        same_but_for_a_constant(file, &of_source, &of_output);
        if track.is_video() {
            for first in &written.firsts {
                assert!(of_output[*first].is_key, "{}: segment at sample {first} begins with a key frame", file.name);
            }
        }
        let honoured = packets(path, place, false);
        distances.push((honoured[0].pts_s(&source[place]), written.begins_s));
    }
    // What the edit lists say of the distance of tracks is what the segments have; a cut edit begins elsewhere for ffprobe,
    // which drops sound that is before it.
    for (source, output) in distances.iter().skip(1).filter(|_| !file.is_cut) {
        let (expected, found) = (source - distances[0].0, output - distances[0].1);
        assert!((expected - found).abs() < 0.001, "{}: tracks are {found} apart, expected {expected}", file.name);
    }
}

fn same_but_for_a_constant(file: &File, source: &[Packet], output: &[Packet]) {
    let name = file.name;
    assert_eq!(source.len(), output.len(), "{name}: samples");
    let shift = |a: &Packet, b: &Packet| (b.dts - a.dts, b.pts - a.pts);
    let (dts, pts) = shift(&source[0], &output[0]);
    for (index, (a, b)) in source.iter().zip(output).enumerate() {
        assert_eq!(shift(a, b), (dts, pts), "{name}: times of sample {index}: {a:?} and {b:?}");
        assert_eq!((a.bytes, a.is_key), (b.bytes, b.is_key), "{name}: sample {index}");
        assert_eq!(a.hash, b.hash, "{name}: bytes of sample {index}");
    }
}

/// Runs a program that must succeed. Gives what it printed.
fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
