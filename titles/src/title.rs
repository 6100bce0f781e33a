//! Title names: the end of a URL's path. Parts between `/` are folders where titles are listed, and nowhere else.

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

/// Longest name in bytes.
pub const TITLE_NAME_BYTES_MAX: usize = 255;

/// What is escaped in a path.
const IN_PATH: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'`')
    .add(b'{')
    .add(b'}')
    .add(b'\\')
    .add(b'^')
    .add(b'|')
    .add(b'[')
    .add(b']');
/// What is escaped in a segment of one.
const IN_SEGMENT: &AsciiSet = &IN_PATH.add(b'/');

/// Why a name cannot be a title's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TitleError {
    /// Nothing, or too much.
    #[error("a title name has 1 to {TITLE_NAME_BYTES_MAX} bytes, found {0}")]
    Length(usize),
    /// Not UTF-8 once its percent signs are resolved.
    #[error("a title name is UTF-8, found other bytes")]
    NotUtf8,
    /// A character that cannot be part of it.
    #[error("a title name has no control characters, found {0:?}")]
    Character(char),
    /// A part between `/` that is empty, `.` or `..`.
    #[error("a title name has no part `{0}` between its `/`")]
    Part(String),
    /// A name that is kept for the system's own titles.
    #[error("a title name does not begin with `~`, found `{0}`: such names are the system's")]
    System(String),
}

/// Checks a title name.
///
/// # Errors
/// [`TitleError`].
pub fn check(name: &str) -> Result<(), TitleError> {
    if name.is_empty() || name.len() > TITLE_NAME_BYTES_MAX {
        return Err(TitleError::Length(name.len()));
    }
    if let Some(found) = name.chars().find(|character| character.is_control()) {
        return Err(TitleError::Character(found));
    }
    if let Some(part) = name.split('/').find(|part| ["", ".", ".."].contains(part)) {
        return Err(TitleError::Part(part.to_owned()));
    }
    if name.starts_with('~') { Err(TitleError::System(name.to_owned())) } else { Ok(()) }
}

/// The title that a path names, or the end of one; `%2F` is a `/` like any other.
///
/// # Errors
/// [`TitleError`].
pub fn from_path(path: &str) -> Result<String, TitleError> {
    let name = percent_decode_str(path).decode_utf8().map_err(|_| TitleError::NotUtf8)?;
    check(&name)?;
    Ok(name.into_owned())
}

/// The path that names a title for players: of a segment for each of its parts.
pub fn to_path(title: &str) -> String {
    utf8_percent_encode(title, IN_PATH).to_string()
}

/// The one segment of a path that names a title among peers.
pub fn to_segment(title: &str) -> String {
    utf8_percent_encode(title, IN_SEGMENT).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_back() {
        for title in ["sample.mp4", "a b", "50%", "ünï?#[x]", "films/2026/a b.mp4", &"x".repeat(255)] {
            assert_eq!(from_path(&to_path(title)), Ok(title.to_owned()));
            assert_eq!(from_path(&to_segment(title)), Ok(title.to_owned()));
        }
        assert_eq!(to_path("films/a b"), "films/a%20b");
        assert_eq!(to_segment("films/a b"), "films%2Fa%20b");
    }

    #[test]
    fn what_cannot_be_a_name() {
        assert_eq!(from_path(""), Err(TitleError::Length(0)));
        assert_eq!(from_path(&"x".repeat(256)), Err(TitleError::Length(256)));
        assert_eq!(from_path("%ff"), Err(TitleError::NotUtf8));
        assert_eq!(from_path("a%0ab"), Err(TitleError::Character('\n')));
        for (path, part) in [("%2e%2e", ".."), ("a/../b", ".."), ("a/.", "."), ("/a", ""), ("a/", ""), ("a//b", "")] {
            assert_eq!(from_path(path), Err(TitleError::Part(part.to_owned())), "{path}");
        }
        assert_eq!(from_path("~jobs"), Err(TitleError::System("~jobs".to_owned())));
        assert_eq!(from_path("a~"), Ok("a~".to_owned()));
    }
}
