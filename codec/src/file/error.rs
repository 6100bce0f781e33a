//! What can go wrong with whole files.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::code::Cell;
use crate::column::{HeaderError, TitleVersion};
use crate::schedule::ErasurePattern;

/// Why a file was not encoded, decoded or repaired. Nothing is then left under a final name that was not there before.
#[derive(Debug, Error)]
pub enum FileError {
    /// The file system refused.
    #[error("{}: {what}: {error}", path.display())]
    Io {
        /// What was being done.
        what: &'static str,
        /// With which file or folder.
        path: PathBuf,
        /// What the file system said.
        error: io::Error,
    },
    /// Columns are to go to a folder that holds something else.
    #[error("{} is not empty: found {found}, expected an empty folder or none", folder.display())]
    NotEmpty {
        /// The folder.
        folder: PathBuf,
        /// One of the names in it.
        found: String,
    },
    /// Another process writes there.
    #[error("{} is in use by another process", .0.display())]
    InUse(PathBuf),
    /// Cells so large that a stripe does not fit the memory.
    #[error("{code} with cells of {cell_bytes} bytes: a stripe takes {found} bytes of memory, expected at most {max}")]
    StripeTooLarge {
        /// Name of the code.
        code: String,
        /// Bytes of a cell.
        cell_bytes: u32,
        /// Bytes of all columns of a stripe.
        found: u64,
        /// The most that is used.
        max: u64,
    },
    /// What is to be encoded ended before its length.
    #[error("{}: ended after {found} bytes, expected {expected}: it shrank while it was read", path.display())]
    InputShrank {
        /// The file.
        path: PathBuf,
        /// Bytes that were there.
        found: u64,
        /// Bytes at the start.
        expected: u64,
    },
    /// What was encoded is not what it was at the start.
    #[error("{}: changed while it was read: {found} bytes, expected {expected}, or another time of modification", path.display())]
    InputChanged {
        /// The file.
        path: PathBuf,
        /// Bytes at the end.
        found: u64,
        /// Bytes at the start.
        expected: u64,
    },
    /// A title or media type that a header cannot hold.
    #[error("the header cannot be written")]
    Header(#[from] HeaderError),
    /// There is no column file.
    #[error("no column file in {}{}", list(.looked), unused_text(.unused))]
    NoColumns {
        /// Where it was looked for.
        looked: Vec<PathBuf>,
        /// Files that are none, and why.
        unused: Vec<(PathBuf, String)>,
    },
    /// No column file is of the title.
    #[error("no column of \"{asked}\" was found; there are columns of {}", found.join(", "))]
    NoSuchTitle {
        /// The title.
        asked: String,
        /// Those that there are.
        found: Vec<String>,
    },
    /// No column file is of the version.
    #[error("no column of \"{title}\" version {asked} was found; there are columns of {}", found.join(", "))]
    NoSuchVersion {
        /// The title.
        title: String,
        /// The version.
        asked: TitleVersion,
        /// Those that there are.
        found: Vec<String>,
    },
    /// Columns of several titles, and none was named.
    #[error("columns of {} titles, and none was named: {}", found.len(), found.join(", "))]
    SeveralTitles {
        /// The titles.
        found: Vec<String>,
    },
    /// Columns of several versions of the title, and none was named.
    #[error("columns of {} versions of \"{title}\", and none was named: {}", found.len(), found.join("; "))]
    SeveralVersions {
        /// The title.
        title: String,
        /// The versions, each with what there is of it.
        found: Vec<String>,
    },
    /// Fewer columns than suffice.
    #[error("{title} ({code}): {found} columns can be used, expected at least {expected}; {problems}")]
    TooFewColumns {
        /// The title.
        title: String,
        /// Its code.
        code: String,
        /// Columns that can be used.
        found: usize,
        /// Columns that are needed.
        expected: usize,
        /// What is wrong with the others.
        problems: String,
    },
    /// Too much of a stripe is lost.
    #[error("stripe {stripe}, block {block}: columns {lost} are lost or damaged there; the code tolerates {tolerates}")]
    Unrecoverable {
        /// The stripe.
        stripe: u64,
        /// The block of its cells.
        block: u32,
        /// Columns that are lost there.
        lost: ErasurePattern,
        /// How many may be.
        tolerates: usize,
    },
    /// A cell came out otherwise than its sources say: the memory or the processor is at fault.
    #[error("stripe {stripe}: the recovered cell {cell} (row, column) does not match the checksums of its sources")]
    Recovered {
        /// The stripe.
        stripe: u64,
        /// The cell.
        cell: Cell,
    },
    /// The content is not the one whose hash the header has.
    #[error("{title}: the content has the etag {}, expected {}{reason}", hex(.found), hex(.expected))]
    Etag {
        /// The title.
        title: String,
        /// That of the content.
        found: [u8; 16],
        /// That of the header.
        expected: [u8; 16],
        /// What is known of the cause, beginning with a separator; or nothing.
        reason: String,
    },
    /// A column was made of the others, and is not the one whose root the header of its file has.
    #[error(
        "{}: the rebuilt column {column} has the root {}, expected {} as the header there says; nothing was changed",
        path.display(), blake3::Hash::from_bytes(*.found), blake3::Hash::from_bytes(*.expected)
    )]
    Root {
        /// The file.
        path: PathBuf,
        /// The column.
        column: usize,
        /// Root of what was made.
        found: [u8; 32],
        /// Root in the header.
        expected: [u8; 32],
    },
    /// It cannot be told what would have to be repaired.
    #[error("{}: nothing was changed: {problems}", folder.display())]
    NotRepaired {
        /// The folder.
        folder: PathBuf,
        /// What is wrong.
        problems: String,
    },
    /// What was repaired is not in order.
    #[error("{}: repaired, and still: {problems}", folder.display())]
    StillDamaged {
        /// The folder.
        folder: PathBuf,
        /// What is wrong.
        problems: String,
    },
}

impl FileError {
    pub(super) fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |error| Self::Io { what, path, error }
    }

    /// A short name of what went wrong, for programs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Io { error, .. } if error.kind() == io::ErrorKind::StorageFull => "no-space",
            Self::Io { error, .. } if error.kind() == io::ErrorKind::NotFound => "not-found",
            Self::Io { .. } => "disk",
            Self::NotEmpty { .. } => "not-empty",
            Self::InUse(_) => "in-use",
            Self::StripeTooLarge { .. } => "stripe-too-large",
            Self::InputShrank { .. } => "input-shrank",
            Self::InputChanged { .. } => "input-changed",
            Self::Header(_) => "bad-name",
            Self::NoColumns { .. } => "no-columns",
            Self::NoSuchTitle { .. } => "no-such-title",
            Self::NoSuchVersion { .. } => "no-such-version",
            Self::SeveralTitles { .. } => "several-titles",
            Self::SeveralVersions { .. } => "several-versions",
            Self::TooFewColumns { .. } => "too-few-columns",
            Self::Unrecoverable { .. } => "unrecoverable",
            Self::Recovered { .. } => "recovered-wrong",
            Self::Etag { .. } => "wrong-etag",
            Self::Root { .. } => "wrong-root",
            Self::NotRepaired { .. } => "not-repaired",
            Self::StillDamaged { .. } => "still-damaged",
        }
    }

    /// What was found and what was expected, where these are numbers.
    pub fn numbers(&self) -> Option<(u64, u64)> {
        match self {
            Self::StripeTooLarge { found, max, .. } => Some((*found, *max)),
            Self::InputShrank { found, expected, .. } | Self::InputChanged { found, expected, .. } => {
                Some((*found, *expected))
            }
            Self::TooFewColumns { found, expected, .. } => Some((*found as u64, *expected as u64)),
            Self::Unrecoverable { lost, tolerates, .. } => Some((lost.len() as u64, *tolerates as u64)),
            Self::Io { .. }
            | Self::NotEmpty { .. }
            | Self::InUse(_)
            | Self::Header(_)
            | Self::NoColumns { .. }
            | Self::NoSuchTitle { .. }
            | Self::NoSuchVersion { .. }
            | Self::SeveralTitles { .. }
            | Self::SeveralVersions { .. }
            | Self::Recovered { .. }
            | Self::Etag { .. }
            | Self::Root { .. }
            | Self::NotRepaired { .. }
            | Self::StillDamaged { .. } => None,
        }
    }
}

fn list(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

fn unused_text(unused: &[(PathBuf, String)]) -> String {
    let each: Vec<String> = unused.iter().map(|(path, reason)| format!("; {}: {reason}", path.display())).collect();
    each.concat()
}

/// An entity tag as people see it.
pub(super) fn hex(etag: &[u8; 16]) -> String {
    format!("{:032x}", u128::from_be_bytes(*etag))
}
