//! Column files, format version 1: what one node stores of a title.
//!
//! A file is a [`ColumnHeader`], then one record per stripe. A record is the column's cells, row after row, then a
//! checksum of every block of every cell, row after row. All numbers are little-endian.
//!
//! ```text
//! | header, HEADER_BYTES | record of stripe 0 | record of stripe 1 | ... | last record, its cells smaller |
//!
//! record: | cell of row 0 | cell of row 1 | ... | checksums of row 0, 8 bytes per block | checksums of row 1 | ... |
//! ```

mod checksum;
mod encoder;
mod geometry;
mod header;

pub use checksum::{Crc64, Seal, crc64, crc64_of_xor};
pub use encoder::StripeEncoder;
pub(crate) use encoder::seal_record;
pub use geometry::{Geometry, StripeShape, default_cell_bytes};
pub use header::{ColumnHeader, HeaderError, TitleVersion};

/// Bytes of the header at the head of every column file.
///
/// The fields end at 512; the rest is room for later ones. With more, the column of a title of a few bytes would need
/// a second block of most file systems.
pub const HEADER_BYTES: usize = 1024;

/// The format that is written, and the newest that is read.
pub const FORMAT_VERSION: u32 = 1;

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
