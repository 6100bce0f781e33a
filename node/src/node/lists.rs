//! Lists of titles: one question to each peer for a page, and what all of them know put together.
//!
//! Nodes mostly know the same titles. So a peer is told what this node knows of a page, as a digest, and says no more than
//! how it holds its columns where it knows the same.

use super::Node;
use super::titles::etag_text;
use crate::peer::PeerRequest;
use crate::peer::listing::{PeerListing, TitleRun, ToldTitles, to_query};
use crate::store::{FirstTitle, KnownFolder, KnownTitle, Listing, ListingItem, Stamp};
use bytes::Bytes;
use core::time::Duration;
use futures_util::future::{BoxFuture, join_all, ready};
use futures_util::{StreamExt, stream};
use hyper::Method;
use rain_cluster::{ColumnStatus, NodeId};
use rain_titles::{ColumnHealth, ColumnReport, Listed, Page, TitleReport};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Mutex as Turn, OwnedMutexGuard};

const LIST: Duration = Duration::from_secs(2);
/// Then a second path is tried beside the first.
const LIST_HOPE: Duration = Duration::from_millis(200);
/// So many pages are kept as long as nothing changes: those that many clients read at once, or one behind the other.
const PAGES_KEPT: usize = 8;
/// So many folders are looked into at once where nodes do not agree on them.
const FOLDERS_AT_ONCE: usize = 8;

/// What this node knows of a page.
#[derive(Debug)]
struct OwnPage {
    stamp: Stamp,
    listing: Listing,
    digest: String,
    runs: Vec<TitleRun>,
}

impl OwnPage {
    fn new(me: NodeId, stamp: Stamp, listing: Listing) -> Self {
        let mut hasher = blake3::Hasher::new();
        let mut runs: Vec<TitleRun> = Vec::new();
        for item in &listing.items {
            let name = item.name();
            hasher.update(&(name.len() as u64).to_le_bytes()).update(name.as_bytes());
            let known = match item {
                ListingItem::Title(known) => known,
                ListingItem::Folder(KnownFolder { first, .. }) => {
                    let first = first.as_ref().map_or(("", String::new()), |it| (&*it.title, it.version.to_string()));
                    hasher.update(&(first.0.len() as u64).to_le_bytes()).update(first.0.as_bytes());
                    hasher.update(first.1.as_bytes());
                    continue;
                }
            };
            hasher.update(known.version.to_string().as_bytes()).update(&known.generation.to_le_bytes());
            let seat = known.seats.iter().position(|node| *node == me);
            let is_seated = matches!(known.column, ColumnStatus::Ok { column } if seat == Some(column.into()));
            let column = (!is_seated).then(|| known.column.clone());
            match runs.last_mut().filter(|run| run.column == column) {
                Some(run) => run.titles += 1,
                None => runs.push(TitleRun { titles: 1, column }),
            }
        }
        hasher.update(&[listing.more.into()]);
        Self { stamp, digest: hasher.finalize().to_hex().to_string(), listing, runs }
    }
}

/// What a list was made of, and whether with columns.
#[derive(Debug, PartialEq, Eq)]
struct Source {
    page: Page,
    columns: bool,
    own: Stamp,
    peers: Vec<Option<Stamp>>,
}

/// The pages that were listed last, and whose turn it is.
#[derive(Debug, Default)]
pub(super) struct Lists {
    own: Mutex<VecDeque<(Page, Arc<OwnPage>)>>,
    made: Mutex<VecDeque<(Source, Made)>>,
    turns: Mutex<BTreeMap<IpAddr, Arc<Turn<()>>>>,
}

/// A list that was made.
#[derive(Debug, Clone)]
struct Made {
    json: Bytes,
    items: usize,
    /// More may follow behind this item.
    behind: Option<String>,
}

impl Made {
    fn append(&mut self, other: Self) {
        self.json = match (self.items, other.items) {
            (0, _) => other.json,
            (_, 0) => self.json.clone(),
            _ => [&self.json[..self.json.len() - 1], b",", &other.json[1..]].concat().into(),
        };
        self.items += other.items;
        self.behind = other.behind;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn keep<T>(kept: &mut VecDeque<T>, new: T) {
    kept.truncate(PAGES_KEPT - 1);
    kept.push_front(new);
}

impl Lists {
    /// Waits until no other list is made for a client: one that asks for many at once waits for itself, and nobody else
    /// does.
    async fn turn(&self, client: IpAddr) -> OwnedMutexGuard<()> {
        let turn = {
            let mut turns = lock(&self.turns);
            turns.retain(|_, turn| Arc::strong_count(turn) > 1);
            Arc::clone(turns.entry(client).or_default())
        };
        turn.lock_owned().await
    }
}

impl Node {
    /// A page of the titles, as the nodes that can be reached know them: JSON, as `GET /api/v1/titles` tells it; with what is
    /// known of their `columns`, or without. One that is shorter than its limit is the last. Lists for one client are made
    /// one after the other.
    ///
    /// Cancel safety: nothing is changed.
    pub async fn list_for(self: &Arc<Self>, client: IpAddr, page: Page, columns: bool) -> Bytes {
        let _turn = self.lists.turn(client).await;
        self.list(page, columns).await
    }

    /// The same, for nobody in particular.
    pub(super) async fn list(self: &Arc<Self>, page: Page, columns: bool) -> Bytes {
        self.whole_page(page, columns).await.json
    }

    async fn whole_page(self: &Arc<Self>, mut page: Page, columns: bool) -> Made {
        let mut list = self.make_list(&page, columns).await;
        // Some titles that nodes named were deleted: others take their place.
        while list.items < page.limit
            && let Some(behind) = list.behind.take()
        {
            page = Page { after: behind, limit: page.limit - list.items, ..page };
            let rest = self.make_list(&page, columns).await;
            page.limit += list.items;
            list.append(rest);
        }
        list
    }

    async fn make_list(self: &Arc<Self>, page: &Page, columns: bool) -> Made {
        let own = self.own_page(page).await;
        let others = self.others();
        let told = join_all(others.iter().map(|peer| self.listing_of(*peer, page, &own.digest))).await;
        let peers = told.iter().map(|told| told.as_ref().map(|told| told.stamp)).collect();
        let source = Source { page: page.clone(), columns, own: own.stamp, peers };
        let made = lock(&self.lists.made).iter().find(|(made, _)| *made == source).map(|(_, made)| made.clone());
        if let Some(made) = made {
            return made;
        }
        let told: Arc<Vec<_>> = Arc::new(others.into_iter().zip(told).collect());
        let disputed = {
            let (own, told) = (Arc::clone(&own), Arc::clone(&told));
            self.blocking(move |node| disputed(&node.answers(&own, &told))).await
        };
        let empty = self.empty_ones(disputed).await;
        let limit = page.limit;
        let made = self.blocking(move |node| {
            let name_of = |id| node.name_of(id);
            put_together(node.answers(&own, &told), limit, &empty, columns, &name_of)
        });
        let made = made.await;
        keep(&mut lock(&self.lists.made), (source, made.clone()));
        made
    }

    /// Which of the folders hold no title any more, as all nodes together know.
    fn empty_ones(self: &Arc<Self>, folders: Vec<String>) -> BoxFuture<'static, BTreeSet<String>> {
        let node = Arc::clone(self);
        let looked_into = stream::iter(folders).map(move |folder| {
            let node = Arc::clone(&node);
            async move {
                let page = Page { prefix: folder.clone(), after: String::new(), limit: 1, folders: false };
                (node.whole_page(page, false).await.items == 0).then_some(folder)
            }
        });
        Box::pin(looked_into.buffer_unordered(FOLDERS_AT_ONCE).filter_map(ready).collect())
    }

    /// What this node knows of a page; made anew where something has changed.
    async fn own_page(self: &Arc<Self>, page: &Page) -> Arc<OwnPage> {
        let stamp = self.store.stamp();
        let is_it = |(kept, own): &&(Page, Arc<OwnPage>)| kept == page && own.stamp == stamp;
        let kept = lock(&self.lists.own).iter().find(is_it).map(|(_, own)| Arc::clone(own));
        if let Some(own) = kept {
            return own;
        }
        let wanted = page.clone();
        let own = self.blocking(move |node| {
            let (stamp, listing) = node.store.listing(&wanted);
            Arc::new(OwnPage::new(node.config.id, stamp, listing))
        });
        let own = own.await;
        keep(&mut lock(&self.lists.own), (page.clone(), Arc::clone(&own)));
        own
    }

    async fn listing_of(&self, peer: NodeId, page: &Page, digest: &str) -> Option<PeerListing> {
        let path = format!("/peer/v1/titles?{}", to_query(page, digest));
        let request =
            PeerRequest { method: Method::GET, path, body: Bytes::new(), patience: LIST, hope: Some(LIST_HOPE) };
        let listing = self.peers.ask(peer, request).await.ok()?;
        serde_json::from_slice(&listing).inspect_err(|error| self.note_unfit(peer, &error.to_string())).ok()
    }

    /// What a peer is told of a page of which it knows what the digest says.
    ///
    /// Cancel safety: nothing is changed.
    pub(super) async fn tell_listing(self: &Arc<Self>, page: &Page, digest: &str) -> PeerListing {
        let own = self.own_page(page).await;
        let same = own.digest == digest;
        let told = if same { ToldTitles::Same(own.runs.clone()) } else { ToldTitles::Other(own.listing.clone()) };
        PeerListing { stamp: own.stamp, told }
    }

    fn answers<'a>(&self, own: &'a OwnPage, told: &'a [(NodeId, Option<PeerListing>)]) -> Vec<Answer<'a>> {
        let mut answers = vec![Answer::new(self.config.id, &own.listing, &own.runs)];
        for (peer, told) in told {
            match told.as_ref().map(|told| &told.told) {
                Some(ToldTitles::Same(runs)) => answers.push(Answer::new(*peer, &own.listing, runs)),
                Some(ToldTitles::Other(listing)) => answers.push(Answer::new(*peer, listing, &[])),
                None => {}
            }
        }
        answers
    }
}

/// The folders in which the nodes do not see the same first title: what one sees may be deleted, as another knows.
fn disputed(answers: &[Answer<'_>]) -> Vec<String> {
    let mut seen: BTreeMap<&str, Option<&FirstTitle>> = BTreeMap::new();
    let mut disputed = BTreeSet::new();
    for item in answers.iter().flat_map(|answer| &answer.listing.items) {
        let ListingItem::Folder(KnownFolder { folder, first }) = item else { continue };
        if *seen.entry(folder).or_insert(first.as_ref()) != first.as_ref() {
            disputed.insert(folder.clone());
        }
    }
    disputed.into_iter().collect()
}

/// Puts the answers of nodes together: a page of at most `limit` items, without the folders that are known to be empty.
fn put_together(
    mut answers: Vec<Answer<'_>>,
    limit: usize,
    empty: &BTreeSet<String>,
    columns: bool,
    name_of: &NameOf<'_>,
) -> Made {
    // Behind the last item of one that knows more, only the others could be heard.
    let ends = answers.iter().filter(|answer| answer.listing.more).filter_map(|answer| answer.listing.items.last());
    let mut behind = ends.map(ListingItem::name).min().map(str::to_owned);
    let mut listed = Vec::new();
    while let Some(name) = answers.iter().filter_map(Answer::head).map(ListingItem::name).min() {
        if behind.as_deref().is_some_and(|behind| name > behind) {
            break;
        }
        let name = name.to_owned();
        if !empty.contains(&name) {
            listed.extend(item(&name, &answers, columns, name_of));
        }
        for answer in &mut answers {
            answer.pass(&name);
        }
        if listed.len() == limit {
            behind = Some(name);
            break;
        }
    }
    let json = serde_json::to_vec(&listed).expect("a list is plain data");
    Made { json: json.into(), items: listed.len(), behind }
}

/// What is listed at a name, at which some of the answers stand.
fn item(name: &str, answers: &[Answer<'_>], columns: bool, name_of: &NameOf<'_>) -> Option<Listed> {
    let mut newest: Option<&KnownTitle> = None;
    for item in answers.iter().filter_map(Answer::head).filter(|item| item.name() == name) {
        match item {
            ListingItem::Folder(KnownFolder { first: None, .. }) => {}
            ListingItem::Folder(KnownFolder { folder, .. }) => return Some(Listed::Folder { folder: folder.clone() }),
            ListingItem::Title(known) => {
                let age = |known: &KnownTitle| (known.version, known.generation);
                newest = newest.filter(|newest| age(newest) >= age(known)).or(Some(known));
            }
        }
    }
    let newest = newest?;
    let content = newest.content.as_ref()?;
    let reports = newest.seats.iter().enumerate().map(|(index, node)| {
        let answer = answers.iter().find(|answer| answer.node == *node);
        let (state, reason) =
            answer.map_or((ColumnHealth::Unreachable, None), |answer| answer.column_of(newest, index));
        if state != ColumnHealth::Ok
            && let Some(other) = answers.iter().find(|answer| answer.column_of(newest, index).0 == ColumnHealth::Ok)
        {
            // It has moved.
            return (index, other.node, ColumnHealth::Ok, None);
        }
        (index, *node, state, reason)
    });
    let reports: Vec<_> = reports.collect();
    let sound = reports.iter().filter(|(_, _, state, _)| *state == ColumnHealth::Ok).count();
    let report = |(index, node, state, reason)| ColumnReport { index, node: name_of(node), state, reason };
    Some(Listed::Title(TitleReport {
        title: newest.title.clone(),
        bytes: content.bytes,
        etag: etag_text(&content.etag),
        version: newest.version.to_string(),
        code: content.code.clone(),
        tolerates: sound.saturating_sub(content.data_columns.into()),
        columns: if columns { reports.into_iter().map(report).collect() } else { Vec::new() },
    }))
}

/// How a node is called.
type NameOf<'a> = dyn Fn(NodeId) -> String + 'a;

/// What a node told, and how far it was taken into account.
struct Answer<'a> {
    node: NodeId,
    listing: &'a Listing,
    next: usize,
    /// How the columns are held of what stands in the listing, where that is another node's.
    runs: &'a [TitleRun],
    /// Titles of the first of them that were passed.
    passed: usize,
}

impl<'a> Answer<'a> {
    fn new(node: NodeId, listing: &'a Listing, runs: &'a [TitleRun]) -> Self {
        Self { node, listing, next: 0, runs, passed: 0 }
    }

    fn head(&self) -> Option<&'a ListingItem> {
        self.listing.items.get(self.next)
    }

    /// Goes on to the next item, if it stands at this name.
    fn pass(&mut self, name: &str) {
        let Some(item) = self.head().filter(|item| item.name() == name) else { return };
        self.next += 1;
        if let (ListingItem::Title(_), Some(run)) = (item, self.runs.first()) {
            self.passed += 1;
            if self.passed >= run.titles {
                (self.runs, self.passed) = (&self.runs[1..], 0);
            }
        }
    }

    /// How it holds a column of a version at whose title it may stand.
    fn column_of(&self, newest: &KnownTitle, index: usize) -> (ColumnHealth, Option<String>) {
        let known = match self.head() {
            Some(ListingItem::Title(known)) if known.title == newest.title => known,
            _ => return (ColumnHealth::Missing, None),
        };
        if known.version != newest.version {
            return (ColumnHealth::Missing, None);
        }
        let column = match self.runs.first() {
            Some(TitleRun { column: None, .. }) => {
                let is_here = newest.seats.get(index) == Some(&self.node);
                return (if is_here { ColumnHealth::Ok } else { ColumnHealth::Missing }, None);
            }
            Some(TitleRun { column: Some(column), .. }) => column,
            None => &known.column,
        };
        match column {
            ColumnStatus::Ok { column } if usize::from(*column) == index => (ColumnHealth::Ok, None),
            ColumnStatus::Ok { .. } | ColumnStatus::Missing => (ColumnHealth::Missing, None),
            ColumnStatus::Damaged { reason, .. } => (ColumnHealth::Damaged, Some(reason.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::KnownContent;
    use core::net::Ipv4Addr;
    use futures_util::FutureExt;
    use rain_cluster::{Life, Version};

    const NODES: [NodeId; 3] = [NodeId(0), NodeId(1), NodeId(2)];

    /// What `node` knows of a title; `None` of one that was deleted.
    fn known(title: &str, counter: u64, held: impl Into<Option<ColumnStatus>>) -> ListingItem {
        let held = held.into();
        let version = Version { counter, node: NodeId(1), life: Life(2), random: 3 };
        let content = KnownContent { bytes: 5, etag: [0; 16], code: "replica:3".to_owned(), data_columns: 1 };
        let (column, content) = (held.clone().unwrap_or(ColumnStatus::Missing), held.map(|_| content));
        let title = title.to_owned();
        ListingItem::Title(KnownTitle { title, version, generation: 0, content, seats: NODES.to_vec(), column })
    }

    /// What a node knows of a folder: its first title, and of what version.
    fn folder(name: &str, first: Option<(&str, u64)>) -> ListingItem {
        let version = |counter| Version { counter, node: NodeId(1), life: Life(2), random: 3 };
        let first = first.map(|(title, counter)| FirstTitle { title: title.to_owned(), version: version(counter) });
        ListingItem::Folder(KnownFolder { folder: name.to_owned(), first })
    }

    fn ok(column: u16) -> ColumnStatus {
        ColumnStatus::Ok { column }
    }

    fn listing(items: Vec<ListingItem>, more: bool) -> Listing {
        Listing { items, more }
    }

    /// Each title with its version and how its columns are held; folders; and what is behind.
    fn listed(answers: Vec<Answer<'_>>, limit: usize) -> (Vec<String>, Option<String>) {
        let empty = BTreeSet::from(["empty/".to_owned()]);
        let made = put_together(answers, limit, &empty, true, &|node| node.to_string());
        let items: Vec<Listed> = serde_json::from_slice(&made.json).unwrap();
        assert_eq!(items.len(), made.items);
        let text = |item| match item {
            Listed::Folder { folder } => folder,
            Listed::Title(TitleReport { title, version, columns, tolerates, .. }) => {
                let states: Vec<String> = columns.iter().map(|column| format!("{:?}", column.state)).collect();
                format!("{title} {} {} {tolerates}", version.split('-').next().unwrap(), states.join(" "))
            }
        };
        (items.into_iter().map(text).collect(), made.behind)
    }

    fn answers<'a>(listings: &[(usize, &'a Listing)]) -> Vec<Answer<'a>> {
        listings.iter().map(|(node, listing)| Answer::new(NODES[*node], listing, &[])).collect()
    }

    #[test]
    fn the_newest_version_that_any_node_knows_is_listed() {
        let damaged = ColumnStatus::Damaged { column: 1, reason: "rot".to_owned() };
        let folder = || folder("f/", Some(("f/a", 3)));
        let one = listing(vec![known("a", 3, ok(0)), known("b", 3, ok(0)), folder(), known("gone", 3, ok(0))], false);
        let two = listing(vec![known("a", 4, damaged), folder(), known("gone", 4, None), known("h", 1, ok(1))], false);
        let (items, behind) = listed(answers(&[(0, &one), (1, &two)]), 9);
        let expected =
            ["a 4 Missing Damaged Unreachable 0", "b 3 Ok Missing Unreachable 0", "f/", "h 1 Missing Ok Unreachable 0"];
        assert_eq!((items, behind), (expected.map(str::to_owned).to_vec(), None));
    }

    /// Behind its last item a node may know more: what the others say of that is not all.
    #[test]
    fn a_page_ends_where_one_node_was_not_heard_any_more() {
        let one = listing(vec![known("a", 3, ok(0)), known("c", 3, ok(0))], true);
        let two = listing(vec![known("b", 3, ok(1)), known("d", 3, ok(1))], false);
        let names = |limit| {
            let (items, behind) = listed(answers(&[(0, &one), (1, &two)]), limit);
            (items.iter().map(|item| item[..1].to_owned()).collect::<String>(), behind)
        };
        assert_eq!(names(9), ("abc".to_owned(), Some("c".to_owned())));
        assert_eq!(names(2), ("ab".to_owned(), Some("b".to_owned())));
    }

    /// One that knows the same says only how it holds its columns.
    #[test]
    fn runs_stand_for_the_same_titles() {
        let titles = ["a", "b", "c", "d"];
        let items = |node: usize| -> Vec<ListingItem> {
            let column =
                |index: usize| if index == 2 { ColumnStatus::Missing } else { ok(u16::try_from(node).unwrap()) };
            let mut items: Vec<_> =
                titles.iter().enumerate().map(|(index, title)| known(title, 3, column(index))).collect();
            items.insert(2, folder("b/", Some(("b/a", 3))));
            items
        };
        let page = |node: usize| {
            let stamp = Stamp { incarnation: 1, changes: u64::try_from(node).unwrap() };
            OwnPage::new(NODES[node], stamp, listing(items(node), false))
        };
        let [one, two] = [0, 1].map(page);
        assert_eq!(one.digest, two.digest);
        let lengths: Vec<_> = two.runs.iter().map(|run| (run.titles, run.column.is_none())).collect();
        assert_eq!(lengths, [(2, true), (1, false), (1, true)]);
        let same =
            listed(vec![Answer::new(NODES[0], &one.listing, &[]), Answer::new(NODES[1], &one.listing, &two.runs)], 9);
        assert_eq!(same, listed(answers(&[(0, &one.listing), (1, &two.listing)]), 9));
        assert_eq!(same.0[3], "c 3 Missing Missing Unreachable 0");
        let other = OwnPage::new(NODES[1], two.stamp, listing(vec![known("a", 4, ok(1))], false));
        assert_ne!(one.digest, other.digest);
    }

    /// A node that was away still sees titles that were deleted meanwhile, and folders of them.
    #[test]
    fn folders_are_looked_into_where_nodes_disagree() {
        let one = listing(
            vec![
                folder("agreed/", Some(("agreed/a", 3))),
                folder("dead/", None),
                folder("empty/", Some(("empty/b", 3))),
                folder("newer/", Some(("newer/a", 3))),
                folder("one/", Some(("one/a", 3))),
            ],
            false,
        );
        let two = listing(
            vec![
                folder("agreed/", Some(("agreed/a", 3))),
                folder("dead/", None),
                folder("empty/", None),
                folder("newer/", Some(("newer/a", 4))),
            ],
            false,
        );
        let both = || answers(&[(0, &one), (1, &two)]);
        assert_eq!(disputed(&both()), ["empty/", "newer/"]);
        assert_eq!(listed(both(), 9).0, ["agreed/", "newer/", "one/"]);
        let page = |first| {
            OwnPage::new(NODES[0], Stamp { incarnation: 1, changes: 1 }, listing(vec![folder("f/", first)], false))
        };
        let digests: BTreeSet<_> =
            [None, Some(("f/a", 3)), Some(("f/a", 4)), Some(("f/b", 3))].map(|first| page(first).digest).into();
        assert_eq!(digests.len(), 4, "what is disputed is not the same");
    }

    #[test]
    fn parts_of_a_page_are_one_list() {
        let made = |json: &str, items, behind: Option<&str>| Made {
            json: json.to_owned().into(),
            items,
            behind: behind.map(str::to_owned),
        };
        for (first, second, expected) in [
            (made("[1,2]", 2, Some("b")), made("[3]", 1, None), "[1,2,3]"),
            (made("[]", 0, Some("b")), made("[3]", 1, None), "[3]"),
            (made("[1]", 1, Some("b")), made("[]", 0, None), "[1]"),
        ] {
            let mut list = first;
            list.append(second);
            assert_eq!((&list.json[..], list.behind), (expected.as_bytes(), None));
        }
    }

    /// Who asks for many lists at once waits for himself.
    #[test]
    fn a_client_has_one_list_at_a_time() {
        let lists = Lists::default();
        let [stranger, other] = [1, 2].map(|host| IpAddr::from(Ipv4Addr::new(198, 51, 100, host)));
        let first = lists.turn(stranger).now_or_never().expect("nobody is before it");
        assert!(lists.turn(stranger).now_or_never().is_none());
        assert!(lists.turn(other).now_or_never().is_some(), "nobody else waits");
        drop(first);
        assert!(lists.turn(stranger).now_or_never().is_some());
        assert!(lock(&lists.turns).len() <= 2, "who is gone is forgotten");
    }
}
