//! Title names: one segment of a URL's path.

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

/// Longest name in bytes.
pub const TITLE_NAME_BYTES_MAX: usize = 255;

const ESCAPED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'/')
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
    #[error("a title name has no `/` and no control characters, found {0:?}")]
    Character(char),
    /// `.` or `..`.
    #[error("a title name is not `{0}`")]
    Dots(String),
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
    if let Some(found) = name.chars().find(|character| *character == '/' || character.is_control()) {
        return Err(TitleError::Character(found));
    }
    if name == "." || name == ".." {
        return Err(TitleError::Dots(name.to_owned()));
    }
    if name.starts_with('~') { Err(TitleError::System(name.to_owned())) } else { Ok(()) }
}

/// The title that a path segment names.
///
/// # Errors
/// [`TitleError`].
pub fn from_segment(segment: &str) -> Result<String, TitleError> {
    let name = percent_decode_str(segment).decode_utf8().map_err(|_| TitleError::NotUtf8)?;
    check(&name)?;
    Ok(name.into_owned())
}

/// The path segment that names a title.
pub fn to_segment(title: &str) -> String {
    utf8_percent_encode(title, ESCAPED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_and_back() {
        for title in ["sample.mp4", "a b", "50%", "ünï?#[x]", &"x".repeat(255)] {
            assert_eq!(from_segment(&to_segment(title)), Ok(title.to_owned()));
        }
    }

    #[test]
    fn what_cannot_be_a_name() {
        assert_eq!(from_segment(""), Err(TitleError::Length(0)));
        assert_eq!(from_segment(&"x".repeat(256)), Err(TitleError::Length(256)));
        assert_eq!(from_segment("%ff"), Err(TitleError::NotUtf8));
        assert_eq!(from_segment("a%2fb"), Err(TitleError::Character('/')));
        assert_eq!(from_segment("a%0ab"), Err(TitleError::Character('\n')));
        assert_eq!(from_segment("%2e%2e"), Err(TitleError::Dots("..".to_owned())));
        assert_eq!(from_segment("~jobs"), Err(TitleError::System("~jobs".to_owned())));
        assert_eq!(from_segment("a~"), Ok("a~".to_owned()));
    }
}
