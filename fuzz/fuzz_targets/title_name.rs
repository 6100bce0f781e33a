//! A path names a title or is refused, and every title has a path and a segment that name it and nothing else.
//!
//! Oracle: the rules of a name, each looked at for itself; there and back gives the same; a URL with the segment in it
//! has that path, of as many segments as the title has parts, and no query or fragment.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rain_titles::title::{TITLE_NAME_BYTES_MAX, check, from_path, to_path, to_segment};

fuzz_target!(|text: &str| {
    if let Ok(title) = from_path(text) {
        check_title(&title);
    }
    let is_name = (1..=TITLE_NAME_BYTES_MAX).contains(&text.len())
        && !text.chars().any(char::is_control)
        && !text.split('/').any(|part| ["", ".", ".."].contains(&part))
        && !text.starts_with('~');
    assert_eq!(check(text).is_ok(), is_name, "{text:?}");
    if is_name {
        check_title(text);
    }
});

fn check_title(title: &str) {
    assert_eq!(check(title), Ok(()), "{title:?}");
    for (path, segments) in [(to_path(title), title.split('/').count()), (to_segment(title), 1)] {
        assert_eq!(from_path(&path).as_deref(), Ok(title), "{path:?}");
        assert!(path.bytes().all(|byte| byte.is_ascii_graphic()), "{path:?}");
        let uri: http::Uri = format!("http://node:80/v/{path}?t=1").parse().expect("a title's URL");
        assert_eq!((uri.path(), uri.query()), (format!("/v/{path}").as_str(), Some("t=1")), "{title:?}");
        assert_eq!(uri.path().split('/').count(), 2 + segments, "{title:?}");
    }
}
