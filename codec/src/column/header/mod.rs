//! The header of a column file.

mod error;
mod fields;

use core::fmt;

pub use error::HeaderError;
use fields::{Reader, Writer};

use super::geometry::{block_bytes_fit, cell_bytes_fit, group_bytes_fit};
use super::{
    BLOCK_BYTES_MAX, BLOCK_BYTES_MIN, CELL_BYTES_MAX, CELL_BYTES_MIN, CHECKSUM_BYTES, FORMAT_VERSION, GROUP_BYTES_MIN,
    HASH_BYTES, HEADER_BYTES, TITLE_BYTES_MAX, crc64,
};
use crate::code::Code;

/// The first bytes of every column file.
const MAGIC: [u8; 8] = *b"RAINCOL\0";

/// The length of the header, as the header itself says it.
const HEADER_BYTES_FIELD: u32 = 2048;
const _: () = assert!(HEADER_BYTES_FIELD as usize == HEADER_BYTES);

/// The format of before the first release, told apart from damage although its header is shorter and laid out otherwise.
const UNRELEASED_FORMAT: u32 = 1;
/// What is looked at before anything else is: magic and format version.
const PREFIX_BYTES: usize = MAGIC.len() + 4;

/// Longest texts, in bytes of UTF-8. Each is stored as its length, of one byte or for the title two, and a field of this
/// size, zeros behind the text.
const CODE_BYTES: usize = 31;
const MEDIA_TYPE_BYTES: usize = 127;
const TITLE_NAME_BYTES: usize = 1024;

/// Bytes of an entity tag.
const ETAG_BYTES: usize = 16;

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
    /// The life of that node's store.
    pub life: u32,
    /// Tells apart what counter, node and life do not.
    pub random: u32,
}

/// As clusters write it: counter and node, life and random number in eight hexadecimal digits each.
impl fmt::Display for TitleVersion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { counter, node, life, random } = self;
        write!(formatter, "{counter}-{node}-{life:08x}-{random:08x}")
    }
}

/// In which order a column file has the cells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ColumnLayout {
    /// Stripe after stripe.
    #[default]
    Striped,
}

impl ColumnLayout {
    /// Its number in a header. 1 is reserved: column by column.
    fn number(self) -> u16 {
        match self {
            Self::Striped => 0,
        }
    }
}

/// What a title's entity tag is of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EtagKind {
    /// The first 128 bits of the BLAKE3 of the content.
    #[default]
    Content,
}

impl EtagKind {
    /// Its number in a header. 1 is reserved: a list.
    fn number(self) -> u8 {
        match self {
            Self::Content => 0,
        }
    }
}

/// For which store of which node a column was written; zeros when no cluster was there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StoreTag {
    /// The node.
    pub node: u32,
    /// Its store.
    pub store: u32,
}

/// What a column file says of itself.
///
/// Shape on disk: [`HEADER_BYTES`], little-endian:
///
/// ```text
///    0  magic "RAINCOL\0"           8     64  version: random            4
///    8  format version              4     68  store: node                4
///   12  header bytes                4     72  store: store               4
///   16  columns                     2     76  etag kind                  1
///   18  rows                        2     77  zero                       3
///   20  column                      2     80  etag                      16
///   22  layout                      2     96  modified_ms                8
///   24  cell_bytes                  4    104  zero                      24
///   28  interleave_bytes            4    128  root                      32
///   32  block_bytes                 4    160  code: length, text    1 + 31
///   36  group_bytes                 4    192  media type: same     1 + 127
///   40  title_bytes                 8    320  title: same         2 + 1024
///   48  version: counter            8   1346  zero                     694
///   56  version: node               4   2040  CRC-64/NVME of all before  8
///   60  version: life               4
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
    /// Bytes after which the cells of a column take turns; 0, the only value of format 2: each cell lies in one piece.
    pub interleave_bytes: u32,
    /// Bytes of a cell under one checksum: a power of two from 512 to 16 MiB.
    pub block_bytes: u32,
    /// In which order the file has the cells.
    pub layout: ColumnLayout,
    /// Bytes under one hash of the tree's lowest level: a power of two from 1024 to `cell_bytes`.
    pub group_bytes: u32,
    /// Name of the title, at most 1024 bytes. Which names are allowed is for the reader to judge.
    pub title: String,
    /// Version of the title.
    pub version: TitleVersion,
    /// Length of the title's content, at most 2^60.
    pub title_bytes: u64,
    /// What the etag is of.
    pub etag_kind: EtagKind,
    /// The title's entity tag.
    pub etag: [u8; ETAG_BYTES],
    /// When the content was written, in milliseconds since 1970; for display, it orders nothing.
    pub modified_ms: u64,
    /// Media type of the content, at most 127 bytes.
    pub media_type: String,
    /// For which store of which node this column was written.
    pub store: StoreTag,
    /// The root of this column's hash tree: the BLAKE3 of all its cell bytes.
    pub root: [u8; HASH_BYTES],
}

impl ColumnHeader {
    /// What all columns of the title have in common: the header of column 0 without store and root.
    #[must_use]
    pub fn common(&self) -> Self {
        Self { column: 0, store: StoreTag::default(), root: [0; HASH_BYTES], ..self.clone() }
    }

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
        writer.put(&self.layout.number().to_le_bytes());
        writer.put(&self.cell_bytes.to_le_bytes());
        writer.put(&self.interleave_bytes.to_le_bytes());
        writer.put(&self.block_bytes.to_le_bytes());
        writer.put(&self.group_bytes.to_le_bytes());
        writer.put(&self.title_bytes.to_le_bytes());
        writer.put(&self.version.counter.to_le_bytes());
        writer.put(&self.version.node.to_le_bytes());
        writer.put(&self.version.life.to_le_bytes());
        writer.put(&self.version.random.to_le_bytes());
        writer.put(&self.store.node.to_le_bytes());
        writer.put(&self.store.store.to_le_bytes());
        writer.put(&[self.etag_kind.number()]);
        writer.put(&[0; 3]);
        writer.put(&self.etag);
        writer.put(&self.modified_ms.to_le_bytes());
        writer.put(&[0; 24]);
        writer.put(&self.root);
        writer.put_text::<1>(&self.code, CODE_BYTES);
        writer.put_text::<1>(&self.media_type, MEDIA_TYPE_BYTES);
        writer.put_text::<2>(&self.title, TITLE_NAME_BYTES);
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
        check_format(bytes)?;
        let (bytes, _) = bytes
            .split_first_chunk::<HEADER_BYTES>()
            .ok_or(HeaderError::TooShort { expected: HEADER_BYTES, found: bytes.len() })?;
        check_sum(bytes)?;
        let mut reader = Reader { bytes, at: MAGIC.len() };
        check_fixed("format version", FORMAT_VERSION, u32::from_le_bytes(reader.take()))?;
        check_fixed("header length", HEADER_BYTES_FIELD, u32::from_le_bytes(reader.take()))?;
        let columns = u16::from_le_bytes(reader.take());
        let rows = u16::from_le_bytes(reader.take());
        let column = u16::from_le_bytes(reader.take());
        let layout = layout_of(u16::from_le_bytes(reader.take()))?;
        let cell_bytes = u32::from_le_bytes(reader.take());
        let interleave_bytes = u32::from_le_bytes(reader.take());
        let block_bytes = u32::from_le_bytes(reader.take());
        let group_bytes = u32::from_le_bytes(reader.take());
        let title_bytes = u64::from_le_bytes(reader.take());
        let counter = u64::from_le_bytes(reader.take());
        let [node, life, random] = [reader.take(), reader.take(), reader.take()].map(u32::from_le_bytes);
        let version = TitleVersion { counter, node, life, random };
        let [node, store] = [reader.take(), reader.take()].map(u32::from_le_bytes);
        let store = StoreTag { node, store };
        let [etag_kind] = reader.take();
        let etag_kind = etag_kind_of(etag_kind)?;
        reader.zeros(3)?;
        let etag = reader.take();
        let modified_ms = u64::from_le_bytes(reader.take());
        reader.zeros(24)?;
        let root = reader.take();
        let code = reader.text::<1>("code", CODE_BYTES)?;
        let media_type = reader.text::<1>("media type", MEDIA_TYPE_BYTES)?;
        let title = reader.text::<2>("title", TITLE_NAME_BYTES)?;
        reader.zeros(HEADER_BYTES - CHECKSUM_BYTES - reader.at)?;
        let header = Self {
            code,
            columns,
            rows,
            column,
            cell_bytes,
            interleave_bytes,
            block_bytes,
            layout,
            group_bytes,
            title,
            version,
            title_bytes,
            etag_kind,
            etag,
            modified_ms,
            media_type,
            store,
            root,
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
        if !group_bytes_fit(self.group_bytes, self.cell_bytes) {
            let (min, max) = (GROUP_BYTES_MIN, self.cell_bytes);
            return Err(HeaderError::Size { field: "group_bytes", found: self.group_bytes, min, max });
        }
        if self.title_bytes > TITLE_BYTES_MAX {
            return Err(HeaderError::TitleBytes { found: self.title_bytes, max: TITLE_BYTES_MAX });
        }
        Ok(())
    }
}

/// Looks at the magic and the format version, which have their place in every format.
fn check_format(bytes: &[u8]) -> Result<(), HeaderError> {
    let (prefix, _) = bytes
        .split_first_chunk::<PREFIX_BYTES>()
        .ok_or(HeaderError::TooShort { expected: HEADER_BYTES, found: bytes.len() })?;
    let [m0, m1, m2, m3, m4, m5, m6, m7, format @ ..] = *prefix;
    let magic = [m0, m1, m2, m3, m4, m5, m6, m7];
    if magic != MAGIC {
        return Err(HeaderError::Magic { found: magic });
    }
    match u32::from_le_bytes(format) {
        found @ UNRELEASED_FORMAT => Err(HeaderError::UnreleasedFormat { found, expected: FORMAT_VERSION }),
        found if found > FORMAT_VERSION => Err(HeaderError::NewerFormat { found, supported: FORMAT_VERSION }),
        _ => Ok(()),
    }
}

fn layout_of(found: u16) -> Result<ColumnLayout, HeaderError> {
    let layout = ColumnLayout::Striped;
    let expected = layout.number();
    if found == expected { Ok(layout) } else { Err(HeaderError::Layout { found, expected }) }
}

fn etag_kind_of(found: u8) -> Result<EtagKind, HeaderError> {
    let kind = EtagKind::Content;
    let expected = kind.number();
    if found == expected { Ok(kind) } else { Err(HeaderError::EtagKind { found, expected }) }
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
