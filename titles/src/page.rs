//! Pages of a list of titles, with what lies behind a `/` as folders or not.

use core::ops::Bound;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

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
    use std::collections::BTreeSet;

    fn listed(page: &Page) -> Vec<String> {
        let names = ["b", "a/y", "a/x/1", "a/x/2", "c/z", "a", "ab", "a/x", "b"];
        let items: BTreeSet<_> = names.iter().filter_map(|name| page.item(name)).map(str::to_owned).collect();
        items.into_iter().take(page.limit).collect()
    }

    #[test]
    fn pages_and_folders() {
        let page = |prefix: &str, after: &str, limit, folders| {
            let (prefix, after) = (prefix.to_owned(), after.to_owned());
            listed(&Page { prefix, after, limit, folders })
        };
        assert_eq!(page("", "", 99, false), ["a", "a/x", "a/x/1", "a/x/2", "a/y", "ab", "b", "c/z"]);
        assert_eq!(page("", "", 99, true), ["a", "a/", "ab", "b", "c/"]);
        assert_eq!(page("", "a/", 2, true), ["ab", "b"]);
        assert_eq!(page("a/", "", 99, true), ["a/x", "a/x/", "a/y"]);
        assert_eq!(page("a/x/", "a/x/1", 99, true), ["a/x/2"]);
        assert_eq!(page("", "a/x", 3, false), ["a/x/1", "a/x/2", "a/y"]);
        assert!(page("", "", 0, false).is_empty() && page("d", "", 9, false).is_empty());
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
}
