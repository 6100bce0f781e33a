//! What every [`Titles`] must do, as one test for all of them.

use crate::face::{About, NewContent, OpenTitle, Titles, Written};
use crate::{Listed, Page, Precondition, ReadError, WriteError};
use bytes::Bytes;
use core::ops::Range;
use futures_util::{TryStreamExt, stream};
use std::io;

/// A content of so many bytes, in which no two places near each other are alike.
fn content(length: u32) -> Vec<u8> {
    (0..length).map(|at| u8::try_from(at % 251).unwrap_or_default()).collect()
}

async fn put(
    titles: &impl Titles,
    title: &str,
    bytes: &[u8],
    precondition: Precondition,
) -> Result<Written, WriteError> {
    let parts: Vec<io::Result<Bytes>> = bytes.chunks(777).map(|part| Ok(Bytes::copy_from_slice(part))).collect();
    let (stream, length) = (stream::iter(parts), Some(bytes.len() as u64));
    titles.put(title, NewContent { stream, bytes: length, media_type: "text/x-test".to_owned() }, precondition).await
}

async fn read(open: &impl OpenTitle, range: Range<u64>) -> Vec<u8> {
    let parts: Vec<Bytes> = open.bytes(range).await.expect("it opens").try_collect().await.expect("it comes");
    parts.concat()
}

async fn names(titles: &impl Titles, prefix: &str, after: &str, folders: bool) -> Vec<String> {
    let page = Page { prefix: prefix.to_owned(), after: after.to_owned(), limit: 2, folders };
    let listed = titles.list(&page).await.expect("a list");
    listed.iter().map(|item| item.name().to_owned()).collect()
}

/// Puts, reads, lists and deletes titles that begin with `contract/`, of which there are none before or after.
///
/// # Panics
/// Where `titles` does something else than what [`Titles`] says.
pub async fn check(titles: &impl Titles) {
    let absent = titles.open("contract/a").await.err();
    assert!(matches!(absent, Some(ReadError::Absent { .. })), "{absent:?}");
    let first = content(5000);
    let written = put(titles, "contract/a", &first, Precondition::absent()).await.expect("there is none");
    assert!(!written.replaced && written.etag.starts_with('"') && written.etag.ends_with('"'), "{written:?}");

    let open = titles.open("contract/a").await.expect("it was stored");
    open.check().expect("it is there");
    let About { bytes, etag, media_type, version, is_fresh, modified_ms } = open.about();
    assert_eq!((*bytes, media_type.as_str(), *is_fresh), (5000, "text/x-test", true));
    assert_eq!((etag, version), (&written.etag, &written.version));
    assert!(*modified_ms > 0, "it was stored at some time");
    for range in [0..5000, 0..1, 4999..5000, 700..3210, 4000..4000, 0..0] {
        let [start, end] = [range.start, range.end].map(|at| usize::try_from(at).expect("it is short"));
        assert!(read(&open, range.clone()).await == first[start..end], "{range:?}");
    }

    conditions(titles, &written.etag).await;
    lists(titles).await;
    for title in ["contract/a", "contract/b/1", "contract/b/2", "contract/c"] {
        let before = titles.open(title).await.expect("it is there").about().version.clone();
        let version = titles.delete(title, Precondition::default()).await.expect("it is there");
        assert!(!version.is_empty() && version != before, "{title}: {version}");
    }
    let gone = titles.delete("contract/a", Precondition::default()).await;
    assert_eq!(gone, Err(WriteError::Absent));
    assert!(titles.open("contract/a").await.is_err(), "it was deleted");
}

/// What writes demand: of `contract/a`, which has this tag.
async fn conditions(titles: &impl Titles, etag: &str) {
    let other = content(100);
    for refused in [Precondition::absent(), Precondition::is("\"another\"")] {
        let answer = put(titles, "contract/a", &other, refused.clone()).await.err();
        assert_eq!(answer, Some(WriteError::Precondition), "{refused:?}");
        if refused != Precondition::absent() {
            assert_eq!(titles.delete("contract/a", refused).await, Err(WriteError::Precondition));
        }
    }
    let replaced = put(titles, "contract/a", &other, Precondition::is(etag)).await.expect("it holds");
    assert!(replaced.replaced && replaced.etag != etag, "{replaced:?}");
    let open = titles.open("contract/a").await.expect("it was replaced");
    assert_eq!(open.about().etag, replaced.etag);
    assert!(read(&open, 0..100).await == other, "the new content");
    let short = stream::iter([Ok(Bytes::from_static(b"abc"))]);
    let short = NewContent { stream: short, bytes: Some(4), media_type: String::new() };
    assert!(titles.put("contract/a", short, Precondition::default()).await.is_err(), "a body that is too short");
    assert_eq!(titles.open("contract/a").await.expect("it stays").about().etag, replaced.etag);
    // Nothing at all is a content, too.
    put(titles, "contract/c", &[], Precondition::default()).await.expect("nothing");
    let empty = titles.open("contract/c").await.expect("it was stored");
    assert_eq!((empty.about().bytes, read(&empty, 0..0).await.len()), (0, 0));
}

/// Lists, with `contract/a` and `contract/c` there.
async fn lists(titles: &impl Titles) {
    for title in ["contract/b/1", "contract/b/2"] {
        put(titles, title, b"b", Precondition::default()).await.expect("there is room");
    }
    assert_eq!(names(titles, "contract/", "", false).await, ["contract/a", "contract/b/1"]);
    assert_eq!(names(titles, "contract/", "contract/b/1", false).await, ["contract/b/2", "contract/c"]);
    assert_eq!(names(titles, "contract/", "", true).await, ["contract/a", "contract/b/"]);
    assert_eq!(names(titles, "contract/", "contract/b/", true).await, ["contract/c"]);
    assert!(names(titles, "contract/", "contract/c", true).await.is_empty(), "the end");
    let page = Page { prefix: "contract/b".to_owned(), after: String::new(), limit: 1, folders: false };
    let listed = titles.list(&page).await.expect("a list");
    assert!(matches!(&listed[..], [Listed::Title(report)] if report.bytes == 1), "{listed:?}");
}
