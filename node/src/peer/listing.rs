//! What peers tell each other of a page of the titles.

use crate::store::{Listing, Stamp};
use rain_cluster::ColumnStatus;
use rain_titles::Page;
use serde::{Deserialize, Serialize};

/// What a peer knows of a page.
#[derive(Debug, Serialize, Deserialize)]
pub struct PeerListing {
    /// When it was made.
    pub stamp: Stamp,
    /// What it says.
    pub told: ToldTitles,
}

/// What is told to whoever knows a page by its digest.
#[derive(Debug, Serialize, Deserialize)]
pub enum ToldTitles {
    /// The same titles and versions as the asker: only how the columns are held.
    Same(Vec<TitleRun>),
    /// Others.
    Other(Listing),
}

/// So many titles, one behind the other, of which a column is held in the same way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TitleRun {
    /// How many.
    pub titles: usize,
    /// `None` where the column is there that the node's seat is for.
    pub column: Option<ColumnStatus>,
}

/// The query for a page of which the asker knows what the digest says.
pub fn to_query(page: &Page, digest: &str) -> String {
    format!("{}&digest={digest}", page.to_query())
}

/// The page and the digest of a query; `None` when it is none that [`to_query`] writes.
pub fn from_query(query: &str) -> Option<(Page, String)> {
    let (page, digest) = query.rsplit_once("&digest=")?;
    Some((Page::from_query(page)?, digest.to_owned()))
}
