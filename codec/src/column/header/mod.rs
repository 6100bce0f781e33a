//! The header of a column file.

mod error;
mod fields;

use core::fmt;

pub use error::HeaderError;
use fields::{Reader, Writer};

use super::geometry::{block_bytes_fit, cell_bytes_fit};
use super::{
    BLOCK_BYTES_MAX, BLOCK_BYTES_MIN, CELL_BYTES_MAX, CELL_BYTES_MIN, CHECKSUM_BYTES, FORMAT_VERSION, HEADER_BYTES,
    TITLE_BYTES_MAX, crc64,
};
use crate::code::Code;

/// The first bytes of every column file.
const MAGIC: [u8; 8] = *b"RAINCOL\0";

/// The length of the header, as the header itself says it.
const HEADER_BYTES_FIELD: u32 = 1024;
const _: () = assert!(HEADER_BYTES_FIELD as usize == HEADER_BYTES);

/// Longest texts, in bytes of UTF-8. Each is stored as a length byte and a field of this size, zeros behind the text.
const CODE_BYTES: usize = 31;
const MEDIA_TYPE_BYTES: usize = 127;
const TITLE_NAME_BYTES: usize = 255;

/// Which content a title has: later versions compare greater.
///
/// Source: no clock orders versions; the counter is one above the highest known when a write begins, and the writing
/// node and a random number tell apart two writes that began at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TitleVersion {
    /// One above the highest known when the write began.
    pub counter: u64,
    /// The node that took the write.
    pub node: u32,
    /// Tells apart what counter and node do not.
    pub random: u64,
}

/// As clusters write it: counter, node, and the random number as two halves of eight hexadecimal digits each.
impl fmt::Display for TitleVersion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { counter, node, random } = self;
        write!(formatter, "{counter}-{node}-{:08x}-{:08x}", random >> 32, random & 0xffff_ffff)
    }
}

/// What a column file says of itself.
///
/// Shape on disk: [`HEADER_BYTES`], little-endian:
///
/// ```text
///    0  magic "RAINCOL\0"           8     64  version: random            8
///    8  format version              4     72  modified_ms                8
///   12  header bytes                4     80  etag                      16
///   16  columns                     2     96  code: length, text    1 + 31
///   18  rows                        2    128  media type: same     1 + 127
///   20  column                      2    256  title: same          1 + 255
///   22  zero                        2    512  zero                     504
///   24  cell_bytes                  4   1016  CRC-64/NVME of all before  8
///   28  interleave_bytes            4
///   32  block_bytes                 4
///   36  zero                        4
///   40  title_bytes                 8
///   48  version: counter            8
///   56  version: node               4
///   60  zero                        4
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnHeader {
    /// Name of the code.
    pub code: String,
    /// Columns of the code.
    pub columns: u16,
    /// Cells of a column in each stripe.
    pub rows: u16,
    /// Which column this is, from 0.
    pub column: u16,
    /// Bytes of a cell in every stripe but the last: a power of two from 4096 to 16 MiB.
    pub cell_bytes: u32,
    /// Bytes after which the cells of a column take turns; 0, the only value of format 1: each cell lies in one piece.
    pub interleave_bytes: u32,
    /// Bytes of a cell under one checksum: a power of two from 512 to 16 MiB.
    pub block_bytes: u32,
    /// Name of the title, at most 255 bytes. Which names are allowed is for the reader to judge.
    pub title: String,
    /// Version of the title.
    pub version: TitleVersion,
    /// Length of the title's content, at most 2^60.
    pub title_bytes: u64,
    /// The first 16 bytes of the content's BLAKE3 hash.
    pub etag: [u8; 16],
    /// When the content was written, in milliseconds since 1970; for display, it orders nothing.
    pub modified_ms: u64,
    /// Media type of the content, at most 127 bytes.
    pub media_type: String,
}

impl ColumnHeader {
    /// Writes the header as the file has it.
    ///
    /// # Panics
    /// When [`ColumnHeader::validate`] refuses it.
    pub fn to_bytes(&self) -> [u8; HEADER_BYTES] {
        if let Err(error) = self.validate() {
            panic!("a header that cannot be written: {error}");
        }
        let mut writer = Writer { bytes: [0; HEADER_BYTES], at: 0 };
        writer.put(&MAGIC);
        writer.put(&FORMAT_VERSION.to_le_bytes());
        writer.put(&HEADER_BYTES_FIELD.to_le_bytes());
        writer.put(&self.columns.to_le_bytes());
        writer.put(&self.rows.to_le_bytes());
        writer.put(&self.column.to_le_bytes());
        writer.put(&[0; 2]);
        writer.put(&self.cell_bytes.to_le_bytes());
        writer.put(&self.interleave_bytes.to_le_bytes());
        writer.put(&self.block_bytes.to_le_bytes());
        writer.put(&[0; 4]);
        writer.put(&self.title_bytes.to_le_bytes());
        writer.put(&self.version.counter.to_le_bytes());
        writer.put(&self.version.node.to_le_bytes());
        writer.put(&[0; 4]);
        writer.put(&self.version.random.to_le_bytes());
        writer.put(&self.modified_ms.to_le_bytes());
        writer.put(&self.etag);
        writer.put_text(&self.code, CODE_BYTES);
        writer.put_text(&self.media_type, MEDIA_TYPE_BYTES);
        writer.put_text(&self.title, TITLE_NAME_BYTES);
        writer.at = HEADER_BYTES - CHECKSUM_BYTES;
        let checksum = crc64(&writer.bytes[..writer.at]);
        writer.put(&checksum.to_le_bytes());
        writer.bytes
    }

    /// Reads the header at the beginning of `bytes`, which may go on behind it.
    ///
    /// # Errors
    /// Whatever is wrong with it: every field is checked, the bytes that must be zero too.
    pub fn parse(bytes: &[u8]) -> Result<Self, HeaderError> {
        let (bytes, _) = bytes
            .split_first_chunk::<HEADER_BYTES>()
            .ok_or(HeaderError::TooShort { expected: HEADER_BYTES, found: bytes.len() })?;
        let mut reader = Reader { bytes, at: 0 };
        let magic = reader.take();
        if magic != MAGIC {
            return Err(HeaderError::Magic { found: magic });
        }
        let format = u32::from_le_bytes(reader.take());
        if format > FORMAT_VERSION {
            return Err(HeaderError::NewerFormat { found: format, supported: FORMAT_VERSION });
        }
        check_sum(bytes)?;
        check_fixed("format version", FORMAT_VERSION, format)?;
        check_fixed("header length", HEADER_BYTES_FIELD, u32::from_le_bytes(reader.take()))?;
        let columns = u16::from_le_bytes(reader.take());
        let rows = u16::from_le_bytes(reader.take());
        let column = u16::from_le_bytes(reader.take());
        reader.zeros(2)?;
        let cell_bytes = u32::from_le_bytes(reader.take());
        let interleave_bytes = u32::from_le_bytes(reader.take());
        let block_bytes = u32::from_le_bytes(reader.take());
        reader.zeros(4)?;
        let title_bytes = u64::from_le_bytes(reader.take());
        let counter = u64::from_le_bytes(reader.take());
        let node = u32::from_le_bytes(reader.take());
        reader.zeros(4)?;
        let random = u64::from_le_bytes(reader.take());
        let modified_ms = u64::from_le_bytes(reader.take());
        let etag = reader.take();
        let code = reader.text("code", CODE_BYTES)?;
        let media_type = reader.text("media type", MEDIA_TYPE_BYTES)?;
        let title = reader.text("title", TITLE_NAME_BYTES)?;
        reader.zeros(HEADER_BYTES - CHECKSUM_BYTES - reader.at)?;
        let header = Self {
            code,
            columns,
            rows,
            column,
            cell_bytes,
            interleave_bytes,
            block_bytes,
            title,
            version: TitleVersion { counter, node, random },
            title_bytes,
            etag,
            modified_ms,
            media_type,
        };
        header.validate()?;
        Ok(header)
    }

    /// Checks every field: what passes can be written, read again and laid out.
    ///
    /// # Errors
    /// The first field that is not as it must be.
    pub fn validate(&self) -> Result<(), HeaderError> {
        check_length("code", &self.code, CODE_BYTES)?;
        check_length("media type", &self.media_type, MEDIA_TYPE_BYTES)?;
        check_length("title", &self.title, TITLE_NAME_BYTES)?;
        let (expected_columns, expected_rows) = Code::size_of(&self.code)?;
        let (columns, rows) = (self.columns, self.rows);
        if (usize::from(columns), usize::from(rows)) != (expected_columns, expected_rows) {
            return Err(HeaderError::CodeSize {
                code: self.code.clone(),
                expected_columns,
                expected_rows,
                columns,
                rows,
            });
        }
        if self.column >= columns {
            return Err(HeaderError::Column { found: self.column, columns });
        }
        if !cell_bytes_fit(self.cell_bytes) {
            let (min, max) = (CELL_BYTES_MIN, CELL_BYTES_MAX);
            return Err(HeaderError::Size { field: "cell_bytes", found: self.cell_bytes, min, max });
        }
        check_fixed("interleave_bytes", 0, self.interleave_bytes)?;
        if !block_bytes_fit(self.block_bytes) {
            let (min, max) = (BLOCK_BYTES_MIN, BLOCK_BYTES_MAX);
            return Err(HeaderError::Size { field: "block_bytes", found: self.block_bytes, min, max });
        }
        if self.title_bytes > TITLE_BYTES_MAX {
            return Err(HeaderError::TitleBytes { found: self.title_bytes, max: TITLE_BYTES_MAX });
        }
        Ok(())
    }
}

fn check_sum(bytes: &[u8; HEADER_BYTES]) -> Result<(), HeaderError> {
    let mut reader = Reader { bytes, at: HEADER_BYTES - CHECKSUM_BYTES };
    let computed = crc64(&bytes[..reader.at]);
    let stored = u64::from_le_bytes(reader.take());
    if stored == computed { Ok(()) } else { Err(HeaderError::Checksum { stored, computed }) }
}

fn check_fixed(field: &'static str, expected: u32, found: u32) -> Result<(), HeaderError> {
    if found == expected { Ok(()) } else { Err(HeaderError::Fixed { field, expected, found }) }
}

fn check_length(field: &'static str, text: &str, max: usize) -> Result<(), HeaderError> {
    if text.len() <= max { Ok(()) } else { Err(HeaderError::TooLong { field, found: text.len(), max }) }
}

#[cfg(test)]
mod tests;
