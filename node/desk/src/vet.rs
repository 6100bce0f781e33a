//! Whether a manifest from outside is that of a code: at every door, once.
//!
//! Disks, peers and their replies bring manifests. `rain-cluster` checks their bounds as it parses them, but knows no
//! codes; here they are compared with the code that they name. What does not fit is refused by name, counted, and never
//! reaches a machine.

use rain_cluster::commit::Shape;
use rain_cluster::version::COUNTER_MAX;
use rain_cluster::{Columns, Content, Entry, Manifest, Record, Reply, Request, TitleState};
use rain_codec::Code;
use rain_codec::column::Geometry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

/// So many codes are remembered; there are not many in use at once.
const CODES_MAX: usize = 64;

/// Why something from outside is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// The code is none, or none that this release knows.
    #[error("version {version} of `{title}`: {why}")]
    Code {
        /// The title.
        title: String,
        /// The version.
        version: String,
        /// What is wrong.
        why: String,
    },
    /// The shape is not that of the code.
    #[error("version {version} of `{title}`: {field} {found}, expected {expected} of `{code}`")]
    Shape {
        /// The title.
        title: String,
        /// The version.
        version: String,
        /// The code.
        code: String,
        /// Which number.
        field: &'static str,
        /// What it is.
        found: usize,
        /// What the code has.
        expected: usize,
    },
    /// It breaks a bound of the format.
    #[error(transparent)]
    Manifest(#[from] rain_cluster::ManifestError),
    /// A node says two things of one version.
    #[error("version {version} of `{title}` is there more than once, expected once")]
    Twice {
        /// The title.
        title: String,
        /// The version.
        version: String,
    },
    /// A counter that no honest node gives.
    #[error("a counter of {0}, expected at most {COUNTER_MAX}")]
    Counter(u64),
}

/// The codes that were asked for, made once.
#[derive(Debug, Default)]
pub struct Codes(Mutex<BTreeMap<String, Arc<Code>>>);

impl Codes {
    /// The code of this name.
    ///
    /// # Errors
    /// What is wrong with the name.
    pub fn named(&self, name: &str) -> Result<Arc<Code>, rain_codec::CodeError> {
        let mut codes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(code) = codes.get(name) {
            return Ok(Arc::clone(code));
        }
        let code = Arc::new(Code::named(name)?);
        if codes.len() >= CODES_MAX {
            codes.clear();
        }
        codes.insert(name.to_owned(), Arc::clone(&code));
        Ok(code)
    }

    /// Where the bytes of a column lie.
    ///
    /// # Errors
    /// What is wrong with the code's name; a manifest that was vetted has none.
    pub fn geometry(&self, columns: &Columns) -> Result<Geometry, rain_codec::CodeError> {
        let code = self.named(&columns.code)?;
        Ok(Geometry::new(&code, columns.cell_bytes, columns.block_bytes, columns.bytes))
    }

    /// Whether a version is one that this node can keep and read.
    ///
    /// # Errors
    /// [`Unfit`].
    pub fn vet(&self, record: &Record) -> Result<(), Unfit> {
        record.check()?;
        match &record.manifest.content {
            Content::None | Content::Unknown { .. } => Ok(()),
            Content::Columns(columns) => self.vet_columns(&record.manifest, columns),
        }
    }

    fn vet_columns(&self, manifest: &Manifest, columns: &Columns) -> Result<(), Unfit> {
        let (title, version) = (manifest.title.clone(), manifest.version.to_string());
        let code = match self.named(&columns.code) {
            Ok(code) => code,
            Err(error) => return Err(Unfit::Code { title, version, why: error.to_string() }),
        };
        let fields = [
            ("columns", usize::from(columns.columns), code.columns()),
            ("data columns", usize::from(columns.data_columns), code.data_columns()),
        ];
        for (field, found, expected) in fields {
            if found != expected {
                return Err(Unfit::Shape { title, version, code: columns.code.clone(), field, found, expected });
            }
        }
        Ok(())
    }

    /// Whether a question may be answered.
    ///
    /// # Errors
    /// [`Unfit`].
    pub fn vet_request(&self, request: &Request) -> Result<(), Unfit> {
        match request {
            Request::Prepare { record, .. } | Request::Mark { record, .. } => self.vet(record),
            Request::Lookup { .. }
            | Request::Look { .. }
            | Request::Drop { .. }
            | Request::Outcome { .. }
            | Request::Retire { .. }
            | Request::Close { .. }
            | Request::Purge { .. }
            | Request::Committed { .. }
            | Request::Digest
            | Request::Remembered => Ok(()),
        }
    }

    /// Whether an answer may be believed.
    ///
    /// # Errors
    /// [`Unfit`].
    pub fn vet_reply(&self, reply: &Reply) -> Result<(), Unfit> {
        let counter = |counter: u64| if counter <= COUNTER_MAX { Ok(()) } else { Err(Unfit::Counter(counter)) };
        match reply {
            Reply::State(state) => {
                counter(state.floor)?;
                state.uploads.iter().try_for_each(|version| counter(version.counter))?;
                once(state)?;
                state.entries.iter().try_for_each(|entry| self.vet(&entry.record))
            }
            Reply::Committed { marked, pending, floor, .. } => {
                counter(*floor)?;
                marked.iter().chain(pending).try_for_each(|record| self.vet(record))
            }
            Reply::Prepared
            | Reply::Refused(_)
            | Reply::Marked
            | Reply::Absent
            | Reply::Dropped
            | Reply::Outcome(_)
            | Reply::Digest(_)
            | Reply::Remembered(_)
            | Reply::Retired => Ok(()),
        }
    }

    /// The shape of a code, for a write.
    ///
    /// # Errors
    /// What is wrong with the name.
    pub fn shape(&self, name: &str) -> Result<Shape, rain_codec::CodeError> {
        let code = self.named(name)?;
        Ok(Shape { columns: code.columns(), data_columns: code.data_columns() })
    }
}

/// A node has one word about a version.
fn once(state: &TitleState) -> Result<(), Unfit> {
    let mut versions = BTreeSet::new();
    match state.entries.iter().find(|entry| !versions.insert(entry.record.version())) {
        Some(Entry { record, .. }) => {
            Err(Unfit::Twice { title: record.title().to_owned(), version: record.version().to_string() })
        }
        None => Ok(()),
    }
}
