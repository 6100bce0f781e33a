//! What is told of titles, in lists and one by one.

use serde::{Deserialize, Serialize};

/// How a column is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ColumnHealth {
    /// Whole.
    Ok,
    /// Its node does not have it.
    Missing,
    /// Its node has it, but it is not to be trusted.
    Damaged,
    /// Its node does not answer.
    Unreachable,
}

/// A column of a title.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnReport {
    /// Which column of the code.
    pub index: usize,
    /// The node that holds it.
    pub node: String,
    /// How.
    pub state: ColumnHealth,
    /// What is wrong with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A title, as `GET /api/v1/titles/{title}` tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TitleReport {
    /// Its name.
    pub title: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// Its entity tag, with the quotation marks.
    pub etag: String,
    /// Its newest committed version.
    pub version: String,
    /// Its array code.
    pub code: String,
    /// How many more columns can go before it cannot be read.
    pub tolerates: usize,
    /// Its columns, by index; none in a list without them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<ColumnReport>,
}

/// An item of a list, as `GET /api/v1/titles` tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Listed {
    /// A title.
    Title(TitleReport),
    /// Titles with a common beginning, up to a `/`.
    Folder {
        /// That beginning, with the `/`.
        folder: String,
    },
}

impl Listed {
    /// What it is listed as: a title's name, or a folder with its `/`. The next page begins after that of the last item.
    pub fn name(&self) -> &str {
        match self {
            Self::Title(report) => &report.title,
            Self::Folder { folder } => folder,
        }
    }
}
