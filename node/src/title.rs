//! Title names: the end of a URL's path. Parts between `/` are folders where titles are listed, and nowhere else.

use core::ops::Bound;
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

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

/// A page of a list of titles: those whose names begin with `prefix` and come after `after`, in the order of their bytes, at
/// most `limit`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// How names begin.
    pub prefix: String,
    /// The last item of the page before; empty for the first page.
    pub after: String,
    /// As many items.
    pub limit: usize,
    /// Titles with a `/` behind the prefix are listed as one folder, which ends with that `/`.
    pub folders: bool,
}

impl Page {
    /// Where names that may be on the page begin.
    pub fn from(&self) -> Bound<String> {
        if self.folders
            && self.after.ends_with('/')
            && self.after.len() > self.prefix.len()
            && self.after.starts_with(&*self.prefix)
        {
            return Self::behind_folder(&self.after);
        }
        if self.after < self.prefix {
            Bound::Included(self.prefix.clone())
        } else {
            Bound::Excluded(self.after.clone())
        }
    }

    /// Where names begin that come behind all those in a folder.
    pub fn behind_folder(folder: &str) -> Bound<String> {
        // What follows `/` in the order of bytes.
        Bound::Included(format!("{}0", folder.strip_suffix('/').unwrap_or(folder)))
    }

    /// What stands for a title in the list: its name, or a folder; `None` where it is not on this page.
    pub fn item<'a>(&self, name: &'a str) -> Option<&'a str> {
        let rest = name.strip_prefix(&*self.prefix)?;
        let folder = if self.folders { rest.find('/') } else { None };
        let item = folder.map_or(name, |end| &name[..=self.prefix.len() + end]);
        (item > &*self.after).then_some(item)
    }

    /// The query of a URL for this page, as peers ask for it.
    pub fn to_query(&self) -> String {
        let escape = |text| utf8_percent_encode(text, NON_ALPHANUMERIC);
        let Self { prefix, after, limit, folders } = self;
        format!("prefix={}&after={}&limit={limit}&folders={}", escape(prefix), escape(after), u8::from(*folders))
    }

    /// The page that a query is for; `None` when it is none that [`to_query`](Self::to_query) writes.
    pub fn from_query(query: &str) -> Option<Self> {
        let mut parts = query.split('&');
        let mut value = |key: &str| parts.next()?.strip_prefix(key)?.strip_prefix('=');
        let decode = |text: &str| Some(percent_decode_str(text).decode_utf8().ok()?.into_owned());
        let (prefix, after) = (decode(value("prefix")?)?, decode(value("after")?)?);
        let page = Self { prefix, after, limit: value("limit")?.parse().ok()?, folders: value("folders")? == "1" };
        (page.to_query() == query).then_some(page)
    }
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
    fn a_page_and_its_query() {
        let page = Page { prefix: "a&b=/ü".to_owned(), after: "%".to_owned(), limit: 7, folders: true };
        let query = page.to_query();
        assert_eq!(query, "prefix=a%26b%3D%2F%C3%BC&after=%25&limit=7&folders=1");
        assert_eq!(Page::from_query(&query), Some(page));
        for wrong in
            ["", "prefix=&after=&limit=7", "prefix=&after=&limit=07&folders=0", "prefix=&after=&limit=7&folders=2"]
        {
            assert_eq!(Page::from_query(wrong), None, "{wrong}");
        }
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
