//! The columns of one title that were found.

use std::sync::Arc;

use super::FileError;
use super::encode::check_stripe_bytes;
use super::survey::ColumnFile;
use crate::code::Code;
use crate::column::{ColumnHeader, Geometry, HEADER_BYTES, Seal};
use crate::stripe::StripeCodec;
use std::path::{Path, PathBuf};

/// The columns of one version of a title, open for reading.
///
/// Shape: at most one file per column of the code; some may be missing or damaged.
#[derive(Debug)]
pub struct Title {
    pub(super) header: ColumnHeader,
    pub(super) geometry: Geometry,
    pub(super) codec: Arc<StripeCodec>,
    pub(super) columns: Vec<Option<ColumnFile>>,
    pub(super) seals: Vec<Seal>,
    pub(super) unused: Vec<(PathBuf, String)>,
}

impl Title {
    /// What the headers have in common ([`ColumnHeader::common`]).
    pub fn header(&self) -> &ColumnHeader {
        &self.header
    }

    /// The code.
    pub fn code(&self) -> &Arc<Code> {
        self.codec.code()
    }

    /// Where the columns' bytes are.
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// The file of a column, where there is one.
    pub fn path(&self, column: usize) -> Option<&Path> {
        self.columns.get(column)?.as_ref().map(|file| file.path.as_path())
    }

    /// Files that were found and are not used, and why.
    pub fn unused(&self) -> &[(PathBuf, String)] {
        &self.unused
    }

    /// What is wrong with the title before a block of it is read: missing columns, damaged headers, wrong lengths.
    pub fn problems(&self) -> Vec<String> {
        let of_column = |(column, file): (usize, &Option<ColumnFile>)| match file {
            None => Some(format!("column {column} is missing")),
            Some(file) => {
                file.problem.as_ref().map(|problem| format!("column {column}, {}: {problem}", file.path.display()))
            }
        };
        let columns = self.columns.iter().enumerate().filter_map(of_column);
        let unused = self.unused.iter().map(|(path, reason)| format!("{} is not used: {reason}", path.display()));
        columns.chain(unused).collect()
    }

    /// Checks that a stripe fits the memory: what headers say may be anything.
    pub(super) fn check_stripe(&self) -> Result<(), FileError> {
        if self.geometry.stripe_count() == 0 {
            return Ok(());
        }
        check_stripe_bytes(self.code(), self.geometry.stripe(0).cell_bytes)
    }

    /// Counts the stripes of which some file has a byte: of a title that is said to be longer than its files are, the
    /// others need not be looked for one by one.
    pub(super) fn stripes_reached(&self) -> u64 {
        let count = self.geometry.stripe_count();
        if count == 0 {
            return 0;
        }
        let longest = self.columns.iter().flatten().map(|file| file.bytes).max().unwrap_or_default();
        // All records but the last are as long as the first.
        let records = longest.saturating_sub(HEADER_BYTES as u64);
        records.div_ceil(self.geometry.stripe(0).record_bytes()).min(count)
    }

    /// Checks that there are enough columns to begin with.
    pub(super) fn check_enough(&self) -> Result<(), FileError> {
        let expected = self.code().data_columns();
        // Of a title without bytes the headers are all there is: one that is damaged counts for nothing.
        let counts = |file: &&ColumnFile| self.header.title_bytes > 0 || file.problem.is_none();
        let found = self.columns.iter().flatten().filter(counts).count();
        if found >= expected {
            return Ok(());
        }
        Err(FileError::TooFewColumns {
            title: format!("\"{}\"", self.header.title),
            code: self.header.code.clone(),
            found,
            expected,
            problems: self.problems().join("; "),
        })
    }
}
