//! Paths below `/p/`.

use super::super::ApiError;
use super::super::reply::not_found;
use super::ROOT;
use super::edition::Edition;
use rain_titles::title;

/// What a path names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Path {
    pub(super) title: String,
    pub(super) part: Part,
}

/// What of a title.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// How the title is now, for players of HLS.
    Multivariant,
    /// How the title is now, for players of DASH.
    Manifest,
    /// Something of an edition.
    Of(Edition, Item),
}

/// What of an edition, by the number of a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Item {
    /// `t1.m3u8`
    Playlist(u32),
    /// `iframes-t1.m3u8`
    IFrames(u32),
    /// `t1/init.mp4`
    Init(u32),
    /// `t1/1.m4s`
    Segment(u32, usize),
}

impl Path {
    /// Reads a path. The title is one segment: a `/` in its name is written `%2F`.
    ///
    /// # Errors
    /// 404 where there can be nothing; 400 for a name that no title has.
    pub(super) fn read(path: &str) -> Result<Self, ApiError> {
        let below = path.strip_prefix(ROOT).unwrap_or_default();
        let (title, part) = below.split_once('/').ok_or_else(|| not_found(path))?;
        let part = Part::read(part).ok_or_else(|| not_found(path))?;
        Ok(Self { title: title::from_path(title)?, part })
    }
}

impl Part {
    fn read(text: &str) -> Option<Self> {
        match text {
            "master.m3u8" => Some(Self::Multivariant),
            "manifest.mpd" => Some(Self::Manifest),
            _ => {
                let (edition, item) = text.split_once('/')?;
                Some(Self::Of(Edition::read(edition)?, Item::read(item)?))
            }
        }
    }
}

impl Item {
    fn read(text: &str) -> Option<Self> {
        if let Some(playlist) = text.strip_suffix(".m3u8") {
            return match playlist.strip_prefix("iframes-") {
                Some(of) => track(of).map(Self::IFrames),
                None => track(playlist).map(Self::Playlist),
            };
        }
        let (of, segment) = text.split_once('/')?;
        if segment == "init.mp4" {
            return track(of).map(Self::Init);
        }
        Some(Self::Segment(track(of)?, number(segment.strip_suffix(".m4s")?)?))
    }
}

/// The number in `t1`.
fn track(text: &str) -> Option<u32> {
    number(text.strip_prefix('t')?)
}

/// A number as it is written in exactly one way, so that nothing is cached twice.
fn number<N: TryFrom<u32>>(text: &str) -> Option<N> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    let number: u32 = is_plain.then(|| text.parse().ok())??;
    number.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_names_one_thing() {
        let edition = Edition::read("00112233445566ab").expect("16 digits");
        let of = |item| Part::Of(edition, item);
        for (path, title, part) in [
            ("/p/a/master.m3u8", "a", Part::Multivariant),
            ("/p/films%2Fa%20b.mp4/manifest.mpd", "films/a b.mp4", Part::Manifest),
            ("/p/a/00112233445566ab/t1.m3u8", "a", of(Item::Playlist(1))),
            ("/p/a/00112233445566ab/iframes-t12.m3u8", "a", of(Item::IFrames(12))),
            ("/p/a/00112233445566ab/t2/init.mp4", "a", of(Item::Init(2))),
            ("/p/a/00112233445566ab/t2/1800.m4s", "a", of(Item::Segment(2, 1800))),
        ] {
            let found = Path::read(path).unwrap_or_else(|error| panic!("{path}: {error:?}"));
            assert_eq!(found, Path { title: title.to_owned(), part }, "{path}");
        }
    }

    #[test]
    fn other_paths_name_nothing() {
        for path in [
            "/p/",
            "/p/a",
            "/p/a/",
            "/p/a/b/master.m3u8",
            "/p/a/master.m3u8/",
            "/p/a/00112233445566AB/t1.m3u8",
            "/p/a/0011223344556/t1.m3u8",
            "/p/a/00112233445566ab/t01.m3u8",
            "/p/a/00112233445566ab/t+1.m3u8",
            "/p/a/00112233445566ab/t.m3u8",
            "/p/a/00112233445566ab/t1/0.m4s",
            "/p/a/00112233445566ab/t1/99999999999.m4s",
            "/p/a/00112233445566ab/t1/1.m4s/x",
        ] {
            assert_eq!(Path::read(path).map_err(|error| error.status().as_u16()), Err(404), "{path}");
        }
        let bad = Path::read("/p/..%2Fa/master.m3u8");
        assert_eq!(bad.map_err(|error| error.status().as_u16()), Err(400));
    }
}
