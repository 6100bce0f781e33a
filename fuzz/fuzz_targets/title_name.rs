//! A path segment names a title or is refused, and every title has a segment that names it and nothing else.
//!
//! Oracle: the rules of a name, each looked at for itself; there and back gives the same; a URL with the segment in it
//! has that one segment, and no query or fragment.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rain_node::title::{TITLE_NAME_BYTES_MAX, check, from_segment, to_segment};

fuzz_target!(|text: &str| {
    if let Ok(title) = from_segment(text) {
        check_title(&title);
    }
    let is_name = (1..=TITLE_NAME_BYTES_MAX).contains(&text.len())
        && !text.chars().any(|character| character == '/' || character.is_control())
        && ![".", ".."].contains(&text)
        && !text.starts_with('~');
    assert_eq!(check(text).is_ok(), is_name, "{text:?}");
    if is_name {
        check_title(text);
    }
});

fn check_title(title: &str) {
    assert_eq!(check(title), Ok(()), "{title:?}");
    let segment = to_segment(title);
    assert_eq!(from_segment(&segment).as_deref(), Ok(title), "{segment:?}");
    assert!(segment.bytes().all(|byte| byte.is_ascii_graphic()), "{segment:?}");
    let uri: http::Uri = format!("http://node:80/v/{segment}?t=1").parse().expect("a title's URL");
    assert_eq!((uri.path(), uri.query()), (format!("/v/{segment}").as_str(), Some("t=1")), "{title:?}");
    assert_eq!(uri.path().split('/').count(), 3, "{title:?}");
}
