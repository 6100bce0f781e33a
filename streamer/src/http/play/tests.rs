//! The room over titles in memory: no cluster takes part.

use super::super::caller::Standing;
use super::super::error_response;
use super::*;
use bytes::Bytes;
use core::net::{IpAddr, Ipv4Addr};
use core::ops::Range;
use core::sync::atomic::{AtomicUsize, Ordering};
use futures_util::future::join_all;
use futures_util::stream;
use http_body_util::BodyExt;
use rain_config::{Limits, Reloadable};
use rain_titles::{ByteStream, MemoryTitle, MemoryTitles, NewContent, Precondition, ReadError};
use std::collections::BTreeSet;
use tokio::sync::watch;

/// A minute of pictures and sound.
const SAMPLE: &[u8] = include_bytes!("../../../assets/sample.mp4");
const SAMPLE_PATH: &str = "/p/films%2Fa%20b.mp4";

fn settings(tables_bytes: u64) -> watch::Receiver<Arc<Reloadable>> {
    let limits = Limits { tables_bytes, ..Limits::default() };
    watch::channel(Arc::new(Reloadable { limits, ..Reloadable::default() })).1
}

async fn put(titles: &MemoryTitles, title: &str, content: Bytes) {
    let (bytes, stream) = (Some(content.len() as u64), stream::iter([Ok(content)]));
    let new = NewContent { stream, bytes, media_type: String::new() };
    titles.put(title, new, Precondition::default()).await.unwrap();
}

/// A room with the sample, and a title that is none, of a node that is named.
async fn room(me: &str) -> PlayRoom<MemoryTitles> {
    let titles = MemoryTitles::default();
    put(&titles, "films/a b.mp4", Bytes::from_static(SAMPLE)).await;
    put(&titles, "a.txt", Bytes::from_static(b"once upon a time")).await;
    put(&titles, "cut.mp4", Bytes::from_static(&SAMPLE[..SAMPLE.len() - 100])).await;
    let nodes = [("A", "http://a:1"), ("B", "http://b:2")];
    PlayRoom {
        titles,
        movies: Arc::new(Movies::new(settings(1 << 20))),
        nodes: Arc::new(Nodes::new(me, nodes.into_iter())),
    }
}

struct Answered {
    status: u16,
    headers: hyper::HeaderMap,
    body: Vec<u8>,
}

impl Answered {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }
}

async fn ask(room: &impl Room, method: &str, path: &str, headers: &[(&str, &str)]) -> Answered {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let caller = Caller { address: IpAddr::V4(Ipv4Addr::LOCALHOST), standing: Standing::Stranger };
    let answered = match room.demand(&Method::GET, path.split('?').next().unwrap()) {
        Ok(_) => room.answer(caller, request.body(empty()).unwrap()).await,
        Err(error) => Err(error),
    };
    let (head, body) = answered.unwrap_or_else(|error| error_response(&error)).into_parts();
    let body = body.collect().await.unwrap().to_bytes().to_vec();
    Answered { status: head.status.as_u16(), headers: head.headers, body }
}

async fn get(room: &PlayRoom<MemoryTitles>, path: &str) -> Answered {
    ask(room, "GET", path, &[]).await
}

/// The part of a multivariant playlist's URIs that names the edition.
fn edition(playlist: &str) -> String {
    let uri = playlist.lines().find(|line| line.starts_with("http")).unwrap();
    uri.rsplit('/').nth(1).unwrap().to_owned()
}

/// The URIs of a media playlist.
fn uris(playlist: &str) -> Vec<String> {
    playlist.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
}

async fn inspected(title: &str) -> Answered {
    let PlayRoom { titles, movies, .. } = room("A").await;
    ask(&InspectRoom { titles, movies }, "GET", &format!("/api/v1/inspect/{title}"), &[]).await
}

/// What ffprobe says of the sample: 640x360 at 30/1, 1800 frames; AAC of one channel at 48,000 Hz, 2814 frames; 60 s both.
#[tokio::test]
async fn what_the_packager_sees_is_what_ffprobe_says() {
    let found = inspected("films/a%20b.mp4").await;
    assert_eq!((found.status, found.header("content-type")), (200, "application/json"));
    let found: Inspection = serde_json::from_slice(&found.body).unwrap();
    assert_eq!((found.title.as_str(), found.bytes, found.duration_s), ("films/a b.mp4", SAMPLE.len() as u64, 60.0));
    assert!(found.dropped.is_empty());
    let [video, audio] = &found.tracks[..] else { panic!("{found:?}") };
    assert_eq!(video.format, InspectedFormat::Video { width: 640, height: 360, pictures_per_second: 30.0 });
    assert_eq!(audio.format, InspectedFormat::Audio { channels: 1, rate: 48_000 });
    let counts = [video, audio].map(|track| (track.samples, track.timescale, track.duration_s, track.language.clone()));
    assert_eq!(counts, [(1800, 15_360, 60.0, None), (2814, 48_000, 60.0, None)]);
    assert_eq!([video, audio].map(|track| track.codec.as_str()), ["avc1.4d401e", "mp4a.40.2"]);
    // Two pictures of delay, and the encoder's first 1024 samples of sound.
    let starts = [video, audio].map(|track| track.edit.as_ref().unwrap().start_s);
    assert!((starts[0] - 2.0 / 30.0).abs() < 2e-6 && (starts[1] - 1024.0 / 48e3).abs() < 2e-6, "{starts:?}");
    // 474,306 and 59,667 bit/s of media, beside heads of a few bytes for each sample.
    assert!((474_306..474_306 * 102 / 100).contains(&video.bits_per_second), "{video:?}");
    assert!((59_667..59_667 * 108 / 100).contains(&audio.bits_per_second), "{audio:?}");
    assert_eq!((video.segments, video.segment_s_min, video.segment_s_max), (15, 4.0, 4.0));
}

#[tokio::test]
async fn why_a_title_is_not_packaged_is_told_as_to_players() {
    for (title, status) in [("a.txt", 415), ("cut.mp4", 422), ("none", 404)] {
        assert_eq!(inspected(title).await.status, status, "{title}");
    }
}

#[tokio::test]
async fn a_player_finds_its_way_from_the_title_to_every_byte() {
    let room = room("A").await;
    let master = get(&room, &format!("{SAMPLE_PATH}/master.m3u8")).await;
    assert_eq!((master.status, master.header("content-type")), (200, "application/vnd.apple.mpegurl"));
    assert_eq!(master.header("cache-control"), "no-cache");
    let below = format!("{SAMPLE_PATH}/{}", edition(&master.text()));
    let mut tags = BTreeSet::new();
    for (track, media_type) in [(1, "video/mp4"), (2, "audio/mp4")] {
        let playlist = get(&room, &format!("{below}/t{track}.m3u8")).await;
        assert_eq!((playlist.status, playlist.header("cache-control")), (200, FOR_EVER));
        let segments = uris(&playlist.text());
        assert!(segments.len() >= 2, "{segments:?}");
        for uri in segments.iter().cloned().chain([format!("t{track}/init.mp4")]) {
            let found = get(&room, &format!("{below}/{uri}")).await;
            assert_eq!((found.status, found.header("content-type")), (200, media_type), "{uri}");
            assert_eq!(found.header("content-length"), found.body.len().to_string(), "{uri}");
            let head = ask(&room, "HEAD", &format!("{below}/{uri}"), &[]).await;
            assert_eq!((head.header("content-length"), head.body.len()), (found.header("content-length"), 0), "{uri}");
            assert_eq!(head.header("etag"), found.header("etag"), "{uri}");
            assert!(tags.insert(found.header("etag").to_owned()), "{uri} has a tag of its own");
        }
        let behind = format!("{below}/t{track}/{}.m4s", segments.len() + 1);
        assert_eq!(get(&room, &behind).await.status, 404);
    }
    let manifest = get(&room, &format!("{SAMPLE_PATH}/manifest.mpd")).await;
    assert_eq!((manifest.status, manifest.header("content-type")), (200, "application/dash+xml"));
    assert!(manifest.text().contains("<BaseURL serviceLocation=\"B\">http://b:2/p/films%2Fa%20b.mp4/</BaseURL>"));
    assert_eq!(get(&room, &format!("{below}/iframes-t1.m3u8")).await.status, 200);
    assert_eq!(get(&room, &format!("{below}/iframes-t2.m3u8")).await.status, 404);
    assert_eq!(get(&room, &format!("{below}/t3.m3u8")).await.status, 404);
}

#[tokio::test]
async fn ranges_and_conditions_are_those_of_titles() {
    let room = room("A").await;
    let master = get(&room, &format!("{SAMPLE_PATH}/master.m3u8")).await;
    let segment = format!("{SAMPLE_PATH}/{}/t1/1.m4s", edition(&master.text()));
    let whole = get(&room, &segment).await;
    let length = whole.body.len();
    for (start, end) in [(0, 1), (0, length), (20, 5000), (length - 7, length)] {
        let range = format!("bytes={start}-{}", end - 1);
        let part = ask(&room, "GET", &segment, &[("range", &range)]).await;
        assert_eq!((part.status, part.body.as_slice()), (206, &whole.body[start..end]), "{range}");
        assert_eq!(part.header("content-range"), format!("bytes {start}-{}/{length}", end - 1));
    }
    let etag = whole.header("etag");
    let same = ask(&room, "GET", &segment, &[("if-none-match", etag)]).await;
    assert_eq!((same.status, same.body.len(), same.header("etag")), (304, 0, etag));
    let other = ask(&room, "GET", &segment, &[("range", "bytes=0-9"), ("if-range", "\"other\"")]).await;
    assert_eq!((other.status, other.body.len()), (200, length));
    let beyond = ask(&room, "GET", &segment, &[("range", &format!("bytes={length}-"))]).await;
    assert_eq!((beyond.status, beyond.header("content-range")), (416, &*format!("bytes */{length}")));
    assert_eq!(ask(&room, "GET", &segment, &[("if-match", "\"other\"")]).await.status, 412);
    assert_eq!(ask(&room, "DELETE", &segment, &[]).await.status, 405);
}

#[tokio::test]
async fn two_nodes_give_the_same_below_an_edition_and_themselves_first_above() {
    let (a, b) = (room("A").await, room("B").await);
    let path = format!("{SAMPLE_PATH}/master.m3u8");
    let [of_a, of_b] = [get(&a, &path).await, get(&b, &path).await];
    assert!(of_a.text().contains("PATHWAY-ID=\"A\"\n#EXT-X-MEDIA"), "{}", of_a.text());
    assert!(of_b.text().contains("PATHWAY-ID=\"B\"\n#EXT-X-MEDIA"), "{}", of_b.text());
    assert_ne!(of_a.header("etag"), of_b.header("etag"));
    let redundant = get(&a, &format!("{path}?form=redundant")).await.text();
    assert!(redundant.contains("http://b:2/p/films%2Fa%20b.mp4/") && !redundant.contains("PATHWAY"), "{redundant}");
    let edition = edition(&of_a.text());
    for item in ["t1.m3u8", "iframes-t1.m3u8", "t1/init.mp4", "t1/1.m4s", "t2/2.m4s"] {
        let path = format!("{SAMPLE_PATH}/{edition}/{item}");
        let [of_a, of_b] = [get(&a, &path).await, get(&b, &path).await];
        assert_eq!((of_a.status, of_a.header("etag")), (200, of_b.header("etag")), "{item}");
        assert_eq!(of_a.body, of_b.body, "{item}");
    }
}

#[tokio::test]
async fn an_edition_that_is_gone_and_what_cannot_be_packaged() {
    let room = room("A").await;
    let master = get(&room, &format!("{SAMPLE_PATH}/master.m3u8")).await;
    let playlist = format!("{SAMPLE_PATH}/{}/t1.m3u8", edition(&master.text()));
    put(&room.titles, "films/a b.mp4", Bytes::from_static(b"another")).await;
    let code = |answered: &Answered| {
        let error: serde_json::Value = serde_json::from_slice(&answered.body).unwrap();
        (answered.status, error["error"].as_str().unwrap().to_owned())
    };
    let found = get(&room, &playlist).await;
    assert_eq!(code(&found), (410, "gone".to_owned()));
    assert_eq!(code(&get(&room, "/p/a.txt/master.m3u8").await), (415, "not-mp4".to_owned()));
    assert_eq!(code(&get(&room, "/p/cut.mp4/manifest.mpd").await), (422, "damaged".to_owned()));
    assert_eq!(code(&get(&room, "/p/none/master.m3u8").await), (404, "no-such-title".to_owned()));
    assert_eq!(code(&get(&room, "/p/a.txt/other.m3u8").await), (404, "not-found".to_owned()));
}

/// A title that counts how often it is read.
struct Counted {
    title: MemoryTitle,
    reads: AtomicUsize,
}

impl OpenTitle for Counted {
    fn about(&self) -> &About {
        self.title.about()
    }

    fn check(&self) -> Result<(), ReadError> {
        Ok(())
    }

    async fn bytes(&self, range: Range<u64>) -> Result<ByteStream, ReadError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        tokio::task::yield_now().await;
        self.title.bytes(range).await
    }
}

#[tokio::test]
async fn a_movie_is_opened_once_while_others_wait() {
    let room = room("A").await;
    let open = |title: &'static str| {
        let titles = room.titles.clone();
        async move { Counted { title: titles.open(title).await.unwrap(), reads: AtomicUsize::new(0) } }
    };
    let alone = open("films/a b.mp4").await;
    let edition = Edition::of(&alone.about().etag);
    Movies::new(settings(1 << 20)).get(edition, &alone).await.unwrap();
    let needed = alone.reads.load(Ordering::Relaxed);
    assert!(needed > 0);

    let (movies, shared) = (Movies::new(settings(1 << 20)), open("films/a b.mp4").await);
    let opened = join_all((0..10).map(|_| movies.get(edition, &shared))).await;
    assert!(opened.iter().all(|opened| opened.as_ref().unwrap().is_ok()));
    assert_eq!(shared.reads.load(Ordering::Relaxed), needed, "ten waited for one");
}

#[tokio::test]
async fn what_was_used_last_is_kept_as_far_as_memory_goes() {
    let room = room("A").await;
    // Room for two that are none.
    let movies = Movies::new(settings(2 << 10));
    let title = Counted { title: room.titles.open("a.txt").await.unwrap(), reads: AtomicUsize::new(0) };
    let mut reads = 0;
    for (name, is_kept) in
        [("a", false), ("b", false), ("a", true), ("c", false), ("a", true), ("b", false), ("a", true)]
    {
        assert!(movies.get(Edition::of(name), &title).await.unwrap().is_err());
        let now = title.reads.load(Ordering::Relaxed);
        assert_eq!(now == reads, is_kept, "{name}");
        reads = now;
    }
}
