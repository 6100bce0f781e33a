//! Column files, format version 2: what one node stores of a title.
//!
//! A file is a [`ColumnHeader`], then one record per stripe, then the [`ColumnTree`] of all cells, whose root the header
//! has. A record is the column's cells, row after row, then a checksum of every block of every cell, row after row. All
//! numbers are little-endian.
//!
//! ```text
//! | header, HEADER_BYTES | record of stripe 0 | record of stripe 1 | ... | last record, its cells smaller | hash tree |
//!
//! record: | cell of row 0 | cell of row 1 | ... | checksums of row 0, 8 bytes per block | checksums of row 1 | ... |
//! ```

mod builder;
mod checksum;
mod encoder;
mod geometry;
mod header;
mod tree;

pub use builder::ColumnBuilder;
pub use checksum::{Crc64, Seal, crc64, crc64_of_xor, crc64s_made};
pub use encoder::StripeEncoder;
pub use geometry::{Geometry, StripeShape, default_cell_bytes};
pub use header::{ColumnHeader, ColumnLayout, EtagKind, HeaderError, StoreTag, TitleVersion};
pub use tree::{
    ColumnHasher, ColumnTree, DEFAULT_GROUP_BYTES, GROUP_BYTES_MIN, GroupSet, HASH_BYTES, ProofError, TreeError,
    TreeShape, default_group_bytes, verify_group_set, verify_groups,
};

/// Bytes of the header at the head of every column file.
///
/// A title's name may have 1024 of them; the fields end at 1346, and the rest is room for later ones. With more, the
/// column of a title of a few bytes would need a second block of most file systems.
pub const HEADER_BYTES: usize = 2048;

/// The format that is written and read. Format 1 was of before the first release.
pub const FORMAT_VERSION: u32 = 2;

/// Bytes of one block's checksum in a record.
pub const CHECKSUM_BYTES: usize = 8;

/// Smallest cell of a stripe that is not the last.
pub const CELL_BYTES_MIN: u32 = 4096;
/// The cells of the last stripe are rounded up to this, a cache line.
pub const CELL_BYTES_GRAIN: u32 = 64;
/// Largest cell.
pub const CELL_BYTES_MAX: u32 = 16 << 20;

/// Smallest block under one checksum.
pub const BLOCK_BYTES_MIN: u32 = 512;
/// Largest block under one checksum.
pub const BLOCK_BYTES_MAX: u32 = 16 << 20;
/// Block under one checksum, unless asked otherwise: the checksum is within 5 % of its full speed from here on, and
/// a read of one byte has to read no more than this.
pub const DEFAULT_BLOCK_BYTES: u32 = 16 << 10;

/// Data of a full stripe that the default cell size aims at.
pub const STRIPE_DATA_BYTES: u64 = 1 << 20;

/// Longest title of a column file, in bytes of content.
pub const TITLE_BYTES_MAX: u64 = 1 << 60;
