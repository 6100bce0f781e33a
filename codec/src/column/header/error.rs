//! What can be wrong with a header.

use thiserror::Error;

use crate::code::CodeError;

/// Why bytes are no header that can be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum HeaderError {
    /// Fewer bytes than a header has.
    #[error("a column file begins with a header of {expected} bytes; there are {found}")]
    TooShort {
        /// Bytes of a header.
        expected: usize,
        /// Bytes given.
        found: usize,
    },
    /// Not a column file.
    #[error("not a column file: it begins with {found:02x?}")]
    Magic {
        /// The bytes in place of the magic.
        found: [u8; 8],
    },
    /// Written by a later program.
    #[error("column file of format {found}; this program reads format {supported}")]
    NewerFormat {
        /// Format of the file.
        found: u32,
        /// Newest format that can be read.
        supported: u32,
    },
    /// Written before the first release.
    #[error("column file of format {found}, expected {expected}; format {found} was of before the first release")]
    UnreleasedFormat {
        /// Format of the file.
        found: u32,
        /// The format that is read.
        expected: u32,
    },
    /// An order of cells that later programs know.
    #[error("layout {found}{} is not known to this release, expected {expected} (striped)", layout_name(*.found))]
    Layout {
        /// The number of the layout.
        found: u16,
        /// The number of the only one that is known.
        expected: u16,
    },
    /// An entity tag of something that later programs know.
    #[error("an etag of kind {found}{} is not known to this release, expected {expected} (of the content)", etag_name(*.found))]
    EtagKind {
        /// The number of the kind.
        found: u8,
        /// The number of the only one that is known.
        expected: u8,
    },
    /// Damaged.
    #[error("header checksum {stored:#018x} expected, {computed:#018x} found")]
    Checksum {
        /// The checksum in the header.
        stored: u64,
        /// That of its bytes.
        computed: u64,
    },
    /// A number that this format fixes has another value.
    #[error("{field} is {found}, expected {expected}")]
    Fixed {
        /// Which number.
        field: &'static str,
        /// Its value in the format.
        expected: u32,
        /// Its value in the file.
        found: u32,
    },
    /// Bytes that must be zero are not.
    #[error("byte {offset} of the header is {found:#04x}, expected zero")]
    NotZero {
        /// Where.
        offset: usize,
        /// The byte there.
        found: u8,
    },
    /// A text longer than its field.
    #[error("the {field} has {found} bytes, at most {max} fit")]
    TooLong {
        /// Which text.
        field: &'static str,
        /// Its length.
        found: usize,
        /// The longest that fits.
        max: usize,
    },
    /// A text that is not UTF-8.
    #[error("the {field} is not UTF-8 from byte {valid_bytes} on")]
    NotUtf8 {
        /// Which text.
        field: &'static str,
        /// Length of its valid beginning.
        valid_bytes: usize,
    },
    /// An unknown code.
    #[error("the header names no known code")]
    Code(#[from] CodeError),
    /// A known code, of another size.
    #[error("{code} has {expected_columns} columns of {expected_rows} cells; the header says {columns} of {rows}")]
    CodeSize {
        /// Name of the code.
        code: String,
        /// Its columns.
        expected_columns: usize,
        /// Its rows.
        expected_rows: usize,
        /// Columns in the header.
        columns: u16,
        /// Rows in the header.
        rows: u16,
    },
    /// A column that the code does not have.
    #[error("column {found} of a code of {columns} columns")]
    Column {
        /// The column.
        found: u16,
        /// Columns of the code.
        columns: u16,
    },
    /// A size that is not a power of two or out of range.
    #[error("{field} is {found}, expected a power of two from {min} to {max}")]
    Size {
        /// Which size.
        field: &'static str,
        /// Its value.
        found: u32,
        /// The smallest allowed.
        min: u32,
        /// The largest allowed.
        max: u32,
    },
    /// A title longer than any can be.
    #[error("a title of {found} bytes, at most {max} are allowed")]
    TitleBytes {
        /// Length of the title.
        found: u64,
        /// The longest allowed.
        max: u64,
    },
}

/// The name of a layout that is reserved.
fn layout_name(number: u16) -> &'static str {
    if number == 1 { " (column by column)" } else { "" }
}

/// The name of a kind of etag that is reserved.
fn etag_name(number: u8) -> &'static str {
    if number == 1 { " (list)" } else { "" }
}
