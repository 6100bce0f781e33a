//! Titles as HLS and DASH: what ffmpeg reads of them, what nodes say alike, and what a reader notices when nodes die.

use crate::harness::{Cluster, Folder, PATIENCE, Process, get, head, put, rain, run, sample, wait_until};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const PATH: &str = "/p/films%2Fa%20film.mp4";

/// Whether ffmpeg and ffprobe are there: in CI they must be.
fn has_ffmpeg() -> bool {
    let found = ["ffmpeg", "ffprobe"].map(|tool| Command::new(tool).arg("-version").stdin(Stdio::null()).output());
    for found in &found {
        if let Err(error) = found {
            assert!(std::env::var_os("CI").is_none(), "ffmpeg must be there in CI: {error}");
            eprintln!("skipped, there is no ffmpeg: {error}");
            return false;
        }
    }
    true
}

fn cluster() -> Cluster {
    let cluster = Cluster::of_four();
    put("/v/films/a%20film.mp4", sample()).to(cluster.port(0)).expect(201);
    cluster
}

fn text(cluster: &Cluster, node: usize, path: &str) -> String {
    String::from_utf8(get(path).to(cluster.port(node)).expect(200).body).expect("a text")
}

/// What is below the edition of the title, which is named in its manifest.
fn edition(cluster: &Cluster, node: usize) -> String {
    let manifest = text(cluster, node, &format!("{PATH}/manifest.mpd"));
    let (_, rest) = manifest.split_once("initialization=\"").expect("a template");
    rest.split('/').next().expect("an edition").to_owned()
}

/// All paths below an edition, by the playlists of its tracks.
fn all_below(cluster: &Cluster, node: usize, edition: &str) -> Vec<String> {
    let mut paths = vec!["iframes-t1.m3u8".to_owned()];
    for track in [1, 2] {
        let playlist = format!("t{track}.m3u8");
        let listed = text(cluster, node, &format!("{PATH}/{edition}/{playlist}"));
        paths.extend(listed.lines().filter(|line| !line.starts_with('#')).map(str::to_owned));
        paths.extend([playlist, format!("t{track}/init.mp4")]);
    }
    paths
}

#[test]
fn all_nodes_give_the_same_bytes_and_tags_below_an_edition() {
    let cluster = cluster();
    let edition = edition(&cluster, 0);
    assert_eq!(edition, self::edition(&cluster, 3));
    // A minute in pieces of four seconds, of two tracks.
    let paths = all_below(&cluster, 1, &edition);
    assert!(paths.len() > 30, "{paths:?}");
    for path in paths {
        let path = format!("{PATH}/{edition}/{path}");
        let [a, c] = [0, 2].map(|node| get(&path).to(cluster.port(node)).expect(200));
        assert!(a.body == c.body, "{path}");
        assert_eq!(a.header("etag"), c.header("etag"), "{path}");
        assert_eq!(a.header("cache-control"), Some("public, max-age=31536000, immutable"), "{path}");
        let described = head(&path).to(cluster.port(3)).expect(200);
        assert_eq!(described.header("content-length"), Some(a.body.len().to_string().as_str()), "{path}");
    }
    let nodes = get("/api/v1/nodes.json").to(cluster.port(2)).expect(200).json();
    let names: Vec<_> = nodes.as_array().expect("a list").iter().map(|node| node["name"].clone()).collect();
    assert_eq!(names, ["C", "A", "B", "D"]);
    assert_eq!(nodes[0]["http"], cluster.url(2));
}

#[test]
fn pages_of_other_origins_read_media_and_the_errors_about_it() {
    let cluster = cluster();
    for (path, status) in [
        (format!("{PATH}/master.m3u8"), 200),
        (format!("{PATH}/0123456789abcdef/t1.m3u8"), 410),
        ("/p/none/master.m3u8".to_owned(), 404),
        ("/v/none".to_owned(), 404),
    ] {
        let found = get(&path).to(cluster.port(0)).expect(status);
        assert_eq!(found.header("access-control-allow-origin"), Some("*"), "{path}");
    }
    assert_eq!(get("/api/v1/nodes.json").to(cluster.port(0)).header("access-control-allow-origin"), None);
    for script in ["/rain-sw.js", "/rain-players.js"] {
        let found = get(script).to(cluster.port(1)).expect(200);
        assert_eq!(found.header("content-type"), Some("text/javascript; charset=utf-8"), "{script}");
    }
}

#[test]
fn what_the_title_becomes_is_seen_at_once_and_the_edition_before_is_gone() {
    let cluster = cluster();
    let edition = edition(&cluster, 0);
    let playlist = format!("{PATH}/{edition}/t1.m3u8");
    get(&playlist).to(cluster.port(1)).expect(200);
    put("/v/films/a%20film.mp4", b"not a film".to_vec()).to(cluster.port(2)).expect(204);
    get(&playlist).to(cluster.port(1)).expect_error(410, "gone");
    get(format!("{PATH}/master.m3u8")).to(cluster.port(1)).expect_error(415, "not-mp4");
    // Equal content has an equal edition, whatever was stored meanwhile.
    put("/v/films/a%20film.mp4", sample()).to(cluster.port(3)).expect(204);
    get(&playlist).to(cluster.port(1)).expect(200);
}

/// The checksums of all packets of a track, as ffprobe finds them.
fn packets(source: &str, track: &str) -> Vec<String> {
    let mut command = Command::new("ffprobe");
    command.args(["-v", "error", "-select_streams", track, "-show_entries", "packet=data_hash"]);
    command.args(["-show_data_hash", "crc32", "-of", "csv=p=0", source]);
    let lines = run(&mut command).succeeded().text();
    // Around it, ffprobe says what of sound is to be skipped.
    lines.split("CRC32:").skip(1).map(|rest| rest.chars().take(8).collect()).collect()
}

#[test]
fn ffprobe_finds_the_packets_of_the_file_in_hls_and_dash() {
    if !has_ffmpeg() {
        return;
    }
    let (cluster, folder) = (cluster(), Folder::new());
    folder.write("film.mp4", sample());
    let file = folder.join("film.mp4");
    for track in ["v:0", "a:0"] {
        let expected = packets(&file.display().to_string(), track);
        assert!(expected.len() > 1000, "{} packets", expected.len());
        for manifest in ["master.m3u8", "master.m3u8?form=redundant", "manifest.mpd"] {
            let found = packets(&format!("{}{PATH}/{manifest}", cluster.url(1)), track);
            assert!(found == expected, "{manifest} {track}: {} packets, expected {}", found.len(), expected.len());
        }
    }
}

/// Reads all of a title's tracks by HLS, at forty times the speed at which they play, into the checksums of their packets.
fn follow(cluster: &Cluster, node: usize, edition: &str, output: &Path) -> Process {
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-nostdin", "-y"]);
    for track in [1, 2] {
        let url = format!("{}{PATH}/{edition}/t{track}.m3u8", cluster.url(node));
        command.args(["-readrate", "40", "-i", &url]);
    }
    command.args(["-map", "0", "-map", "1", "-c", "copy", "-flush_packets", "1", "-f", "framemd5"]).arg(output);
    Process::start(command, &output.with_extension("log"))
}

fn read_to_end(process: &Process, output: &Path) -> String {
    let status = process.wait(PATIENCE);
    assert!(status.success() && process.log().is_empty(), "{status}: {}", process.log());
    fs::read_to_string(output).expect("what ffmpeg wrote")
}

#[test]
fn nodes_that_die_while_ffmpeg_reads_hls_from_another_are_not_noticed() {
    if !has_ffmpeg() {
        return;
    }
    let (mut cluster, folder) = (cluster(), Folder::new());
    let edition = edition(&cluster, 0);
    let output = |name: &str| -> PathBuf { folder.join(name) };
    let expected = read_to_end(&follow(&cluster, 0, &edition, &output("whole")), &output("whole"));
    let lines = expected.lines().count();
    assert!(lines > 4600, "{lines} packets of 1800 pictures and 2814 frames");
    let path = output("broken");
    let reading = follow(&cluster, 0, &edition, &path);
    let so_far = || fs::read_to_string(&path).map_or(0, |text| text.lines().count());
    wait_until("the first packets", PATIENCE, || so_far() > 50);
    cluster.kill(1);
    cluster.kill(2);
    assert!(so_far() < lines, "ffmpeg was done before nodes died");
    assert!(read_to_end(&reading, &path) == expected, "other packets than with all nodes");
    // Whoever asks one of those that live finds the rest of the same bytes there.
    let segment = format!("{PATH}/{edition}/t1/3.m4s");
    let [a, d] = [0, 3].map(|node| get(&segment).to(cluster.port(node)).expect(200));
    assert!(a.body == d.body && a.header("etag") == d.header("etag"));
}

/// What ffprobe says of the streams of a file, a line each.
fn streams(file: &Path, entries: &str) -> Vec<String> {
    let mut command = Command::new("ffprobe");
    command.args(["-v", "error", "-show_entries", entries, "-of", "csv=p=0"]).arg(file);
    run(&mut command).succeeded().text().lines().map(str::to_owned).collect()
}

#[test]
fn an_inspection_says_what_ffprobe_does_and_what_is_left_out() {
    if !has_ffmpeg() {
        return;
    }
    let (cluster, folder) = (Cluster::of_four(), Folder::new());
    let film = folder.join("film.mov");
    let mut make = Command::new("ffmpeg");
    make.args(["-v", "error", "-nostdin", "-f", "lavfi", "-i", "testsrc2=size=192x108:rate=30000/1001"]);
    make.args(["-f", "lavfi", "-i", "sine=sample_rate=44100", "-t", "7", "-map", "0:v", "-map", "1:a", "-map", "1:a"]);
    make.args(["-c:v", "libx264", "-g", "30", "-c:a:0", "aac", "-ac:a:0", "2", "-c:a:1", "pcm_s16le"]);
    make.args(["-metadata:s:a:0", "language=fra"]).arg(&film);
    run(&mut make).succeeded();
    put("/v/film.mov", fs::read(&film).expect("ffmpeg made it")).to(cluster.port(0)).expect(201);
    let found = get("/api/v1/inspect/film.mov").to(cluster.port(1)).expect(200).json();

    let (video, audio) = (&found["tracks"][0], &found["tracks"][1]);
    assert_eq!(found["tracks"].as_array().map(Vec::len), Some(2), "{found}");
    assert_eq!(
        streams(&film, "stream=nb_frames")[..2],
        [&video["samples"], &audio["samples"]].map(ToString::to_string)
    );
    assert_eq!(streams(&film, "stream=width,height")[0], format!("{},{}", video["width"], video["height"]));
    assert_eq!(video["pictures_per_second"], 29.97);
    assert_eq!(streams(&film, "stream=sample_rate,channels")[1], format!("{},{}", audio["rate"], audio["channels"]));
    assert_eq!((&video["kind"], &audio["kind"], &audio["language"]), (&"video".into(), &"audio".into(), &"fra".into()));
    for (track, seconds) in [video, audio].iter().zip(streams(&film, "stream=duration")) {
        let seconds: f64 = seconds.parse().expect("a number");
        assert!((track["duration_s"].as_f64().expect("a number") - seconds).abs() < 0.03, "{seconds}: {track}");
    }
    assert_eq!((&found["dropped"][0]["id"], &found["dropped"][0]["entry"]), (&3.into(), &"sowt".into()));

    let inspect = |more: &[&str]| {
        let server = cluster.url(2);
        run(rain().args(["inspect", "film.mov", "--server", &server]).args(more))
    };
    let told = inspect(&[]).succeeded().text();
    assert!(
        told.contains("192x108, 29.97 pictures/s") && told.contains("left out: track 3 of the file, sowt"),
        "{told}"
    );
    assert_eq!(inspect(&["--json"]).succeeded().json(), found);
    put("/v/film.mov", b"no film".to_vec()).to(cluster.port(0)).expect(204);
    inspect(&["--json"]).failed_naming(&["\"error\":\"not-mp4\""]);
}
