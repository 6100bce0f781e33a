//! What is to be known of the columns of a version.

use super::ManifestError;
use super::error::{bounds, text};
use crate::bytes::{Fields, put_short};

/// Most bytes of a title's content.
pub const CONTENT_BYTES_MAX: u64 = 1 << 60;
/// Most columns of a code.
pub const COLUMNS_MAX: usize = 1024;
/// Longest name of a code.
pub const CODE_BYTES_MAX: usize = 64;
/// Smallest cell of a full stripe, smallest block under a checksum, smallest group under a leaf of the hash tree.
const CELL_BYTES_MIN: u32 = 4096;
const BLOCK_BYTES_MIN: u32 = 512;
const GROUP_BYTES_MIN: u32 = 1024;
/// Largest cell, and largest block.
const CELL_BYTES_MAX: u32 = 16 << 20;
/// The end of the year 9999, in milliseconds since 1970: dates of HTTP go no further.
pub const MODIFIED_MS_MAX: u64 = 253_402_300_799_999;

/// What an entity tag is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EtagKind {
    /// BLAKE3 of the content, the first 128 bits.
    Content,
    /// BLAKE3 of a list of tags: of what was put together from parts.
    List,
}

/// The columns of an array code.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Columns {
    /// Length of the title in bytes.
    pub bytes: u64,
    /// What `etag` is made of.
    pub etag_kind: EtagKind,
    /// The entity tag.
    pub etag: [u8; 16],
    /// Name of the array code, such as `b-code:4`.
    pub code: String,
    /// Columns of the code: n.
    pub columns: u16,
    /// Columns that give the content back: k.
    pub data_columns: u16,
    /// How cells lie in a column: 0, striped; 1, column by column (reserved).
    pub layout: u16,
    /// Bytes of a cell of every stripe but the last.
    pub cell_bytes: u32,
    /// Bytes under one checksum.
    pub block_bytes: u32,
    /// Bytes of a column under one leaf of its hash tree.
    pub group_bytes: u32,
    /// When the PUT ended, in milliseconds since 1970 by the coordinator's clock. Shown to people; orders nothing.
    pub modified_ms: u64,
    /// BLAKE3 of the cells of each column, by column.
    pub roots: Vec<[u8; 32]>,
}

impl Columns {
    pub(super) fn check(&self) -> Result<(), ManifestError> {
        if self.bytes > CONTENT_BYTES_MAX {
            return Err(bounds("bytes", self.bytes, format!("at most {CONTENT_BYTES_MAX}")));
        }
        if self.code.is_empty() || self.code.len() > CODE_BYTES_MAX {
            return Err(bounds("bytes of code", self.code.len() as u64, format!("1 to {CODE_BYTES_MAX}")));
        }
        if !(1..=COLUMNS_MAX).contains(&usize::from(self.columns)) {
            return Err(bounds("columns", self.columns.into(), format!("1 to {COLUMNS_MAX}")));
        }
        if !(1..=self.columns).contains(&self.data_columns) {
            return Err(bounds("data columns", self.data_columns.into(), format!("1 to {}", self.columns)));
        }
        if self.roots.len() != usize::from(self.columns) {
            return Err(bounds("roots", self.roots.len() as u64, self.columns));
        }
        if self.modified_ms > MODIFIED_MS_MAX {
            return Err(bounds("modified ms", self.modified_ms, format!("at most {MODIFIED_MS_MAX}")));
        }
        if self.layout != 0 {
            return Err(bounds("layout", self.layout.into(), "0, striped"));
        }
        for (field, found, least, most) in [
            ("cell bytes", self.cell_bytes, CELL_BYTES_MIN, CELL_BYTES_MAX),
            ("block bytes", self.block_bytes, BLOCK_BYTES_MIN, CELL_BYTES_MAX),
            ("group bytes", self.group_bytes, GROUP_BYTES_MIN, self.cell_bytes),
        ] {
            if !(least..=most).contains(&found) || !found.is_power_of_two() {
                return Err(bounds(field, found.into(), format!("a power of two from {least} to {most}")));
            }
        }
        Ok(())
    }
}

pub(super) fn put_columns(bytes: &mut Vec<u8>, columns: &Columns) {
    bytes.extend_from_slice(&columns.bytes.to_le_bytes());
    bytes.push(match columns.etag_kind {
        EtagKind::Content => 0,
        EtagKind::List => 1,
    });
    bytes.extend_from_slice(&columns.etag);
    for word in [columns.columns, columns.data_columns, columns.layout] {
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    for word in [columns.cell_bytes, columns.block_bytes, columns.group_bytes] {
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    bytes.extend_from_slice(&columns.modified_ms.to_le_bytes());
    put_short(bytes, columns.code.as_bytes());
    bytes.extend(columns.roots.iter().flatten());
}

pub(super) fn take_columns(bytes: &[u8]) -> Result<Columns, ManifestError> {
    let mut fields = Fields::of(bytes);
    let mut take = || {
        let fields = &mut fields;
        let (length, kind, etag) = (fields.u64()?, fields.u8()?, fields.array()?);
        let (columns, data_columns, layout) = (fields.u16()?, fields.u16()?, fields.u16()?);
        let (cell_bytes, block_bytes, group_bytes) = (fields.u32()?, fields.u32()?, fields.u32()?);
        let modified_ms = fields.u64()?;
        let code = fields.short()?;
        let mut roots = Vec::new();
        for _ in 0..columns {
            roots.push(fields.array()?);
        }
        let columns = Columns {
            bytes: length,
            etag_kind: EtagKind::Content,
            etag,
            code: String::new(),
            columns,
            data_columns,
            layout,
            cell_bytes,
            block_bytes,
            group_bytes,
            modified_ms,
            roots,
        };
        Some((columns, kind, code))
    };
    let (columns, kind, code) = take().ok_or(ManifestError::Length { left: 0 })?;
    if fields.left() > 0 {
        return Err(ManifestError::Length { left: fields.left() });
    }
    let etag_kind = match kind {
        0 => EtagKind::Content,
        1 => EtagKind::List,
        found => return Err(bounds("kind of entity tag", found.into(), "0, content, or 1, list")),
    };
    Ok(Columns { etag_kind, code: text("code", code)?, ..columns })
}
