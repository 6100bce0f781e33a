//! What a store knows of a page of the list of titles.

use super::index::Index;
use super::known::{KnownTitle, Stamp};
use super::names::TitleHash;
use super::{Disk, Store, lock};
use core::ops::Bound;
use rain_cluster::Version;
use rain_titles::Page;
use serde::{Deserialize, Serialize};

/// What a store knows of a page.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Listing {
    /// Titles and folders, in the order of their names.
    pub items: Vec<ListingItem>,
    /// It knows more behind the last item.
    pub more: bool,
}

/// An item of a page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ListingItem {
    /// Titles with a common beginning, up to a `/`.
    Folder(KnownFolder),
    /// The newest version of a title that the node knows to be committed.
    Title(KnownTitle),
}

/// What a store knows of a folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownFolder {
    /// The common beginning.
    pub folder: String,
    /// The first title in it; `None` where all that it knows there were deleted.
    pub first: Option<FirstTitle>,
}

/// The first title in a folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirstTitle {
    /// Its name.
    pub title: String,
    /// The newest version that the node knows to be committed.
    pub version: Version,
}

impl ListingItem {
    /// What it stands at in the list.
    pub fn name(&self) -> &str {
        match self {
            Self::Folder(known) => &known.folder,
            Self::Title(known) => &known.title,
        }
    }
}

impl<D: Disk> Store<D> {
    /// What is known of a page, and when.
    pub fn listing(&self, page: &Page) -> (Stamp, Listing) {
        let index = lock(&self.index);
        (index.stamp(), listing(&index, page))
    }

    /// When a listing would be made that were made now.
    pub fn stamp(&self) -> Stamp {
        lock(&self.index).stamp()
    }
}

fn listing<D: Disk>(index: &Index<D>, page: &Page) -> Listing {
    let mut listing = Listing::default();
    let mut from = page.from();
    loop {
        // Behind a folder the walk begins anew.
        let mut folder = None;
        for name in index.names((as_deref(&from), Bound::Unbounded)) {
            if !name.starts_with(&*page.prefix) {
                return listing;
            }
            let Some(item) = page.item(name) else { continue };
            let Some(known) = index.known(TitleHash::of(name), name) else { continue };
            if listing.items.len() >= page.limit {
                listing.more = true;
                return listing;
            }
            if item.len() < name.len() {
                folder = Some(known_folder(index, item, name));
                break;
            }
            listing.items.push(ListingItem::Title(known));
        }
        let Some(folder) = folder else { return listing };
        from = Page::behind_folder(&folder.folder);
        listing.items.push(ListingItem::Folder(folder));
    }
}

/// What is known of a folder, in which `from` is the first name.
fn known_folder<D: Disk>(index: &Index<D>, folder: &str, from: &str) -> KnownFolder {
    let names = index.names((Bound::Included(from), Bound::Unbounded)).take_while(|name| name.starts_with(folder));
    let mut known = names.filter_map(|name| index.known(TitleHash::of(name), name));
    let first = known.find(|known| known.content.is_some());
    let first = first.map(|known| FirstTitle { title: known.title, version: known.version });
    KnownFolder { folder: folder.to_owned(), first }
}

fn as_deref(bound: &Bound<String>) -> Bound<&str> {
    match bound {
        Bound::Included(name) => Bound::Included(name),
        Bound::Excluded(name) => Bound::Excluded(name),
        Bound::Unbounded => Bound::Unbounded,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::SystemDisk;
    use super::super::tests::{Folder, film, mark, tombstone};
    use super::*;
    use rain_cluster::{Record, Reply};
    use std::sync::Arc;

    /// Items of a page of what a store knows, deleted titles in brackets, and whether there is more.
    pub(in super::super) fn listed(
        store: &Store<SystemDisk>,
        [prefix, after]: [&str; 2],
        limit: usize,
        folders: bool,
    ) -> (Vec<String>, bool) {
        let (_, listing) = store.listing(&Page { prefix: prefix.to_owned(), after: after.to_owned(), limit, folders });
        let name = |item: ListingItem| match item {
            ListingItem::Folder(KnownFolder { folder, first: Some(_) }) => folder,
            ListingItem::Folder(KnownFolder { folder, first: None }) => format!("[{folder}]"),
            ListingItem::Title(KnownTitle { title, content: Some(_), .. }) => title,
            ListingItem::Title(KnownTitle { title, content: None, .. }) => format!("[{title}]"),
        };
        (listing.items.into_iter().map(name).collect(), listing.more)
    }

    fn named(title: &str, counter: u64) -> Record {
        let (mut record, _) = film(counter, b"content");
        Arc::make_mut(&mut record.manifest).title = title.to_owned();
        record
    }

    fn spread(store: &Store<SystemDisk>, record: &Record) {
        let ticket = store.lookup(record.title()).ticket;
        assert_eq!(mark(store, record, Some(ticket)), Reply::Marked);
    }

    #[test]
    fn pages_and_folders() {
        let folder = Folder::new("listing");
        let store = folder.open();
        for title in ["b", "a/y", "a/x/1", "a/x/2", "c/z", "a", "ab", "a/x", "d/gone"] {
            spread(&store, &named(title, 3));
        }
        spread(&store, &tombstone("d/gone", 4, false));
        spread(&store, &tombstone("aa", 4, false));
        let page = |place: [&str; 2], limit, folders| {
            let (names, more) = listed(&store, place, limit, folders);
            (names.join(" "), more)
        };
        let whole = |names: &str| (names.to_owned(), false);
        assert_eq!(page(["", ""], 99, false), whole("a a/x a/x/1 a/x/2 a/y [aa] ab b c/z [d/gone]"));
        assert_eq!(page(["", ""], 99, true), whole("a a/ [aa] ab b c/ [d/]"));
        assert_eq!(page(["", "a/"], 99, true), whole("[aa] ab b c/ [d/]"));
        assert_eq!(page(["a/", ""], 99, true), whole("a/x a/x/ a/y"));
        assert_eq!(page(["a/x/", "a/x/1"], 99, true), whole("a/x/2"));
        assert_eq!(page(["a/x/", "a/"], 99, true), whole("a/x/1 a/x/2"));
        assert_eq!(page(["", "a/x"], 3, false), ("a/x/1 a/x/2 a/y".to_owned(), true));
        assert_eq!(page(["", "a"], 2, true), ("a/ [aa]".to_owned(), true));
        assert_eq!(page(["b", ""], 1, true), whole("b"));
        assert_eq!(page(["e", ""], 9, false), whole(""));
    }

    /// Whoever lists must see that something has changed since.
    #[test]
    fn a_stamp_lasts_until_something_changes() {
        let folder = Folder::new("stamp");
        let store = folder.open();
        let mut last = store.stamp();
        let mut changed = |store: &Store<SystemDisk>| core::mem::replace(&mut last, store.stamp()) != store.stamp();
        spread(&store, &named("film", 3));
        assert!(changed(&store) && !changed(&store));
        listed(&store, ["", ""], 9, false);
        spread(&store, &named("film", 3));
        assert!(!changed(&store), "it was known");
        spread(&store, &named("film", 4));
        assert!(changed(&store));
        drop(store);
        assert!(changed(&folder.open()), "another start has counted nothing yet");
    }
}
