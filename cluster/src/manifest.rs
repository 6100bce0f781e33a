//! What a version of a title is.
//!
//! Manifests come from disks and peers: [`Manifest::parse`] is the only way in, and what it gives holds to every bound
//! below. Whether the code's name is that of a code, and the shape that of the code, is not known here: whoever knows
//! codes checks that too, at each of the same doors (`rain-desk`, `vet`).

use crate::bytes::{Fields, put_long, put_short};
use crate::placement::{Placement, Seat};
use crate::version::{COUNTER_MAX, Life, NodeId, Version};
use core::fmt;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Longest title name that the format takes, in bytes of UTF-8.
pub const TITLE_BYTES_MAX: usize = 1024;
/// Most bytes of attributes, keys and lengths included.
pub const ATTRIBUTES_BYTES_MAX: usize = 8 << 10;
/// Most bytes of a title's content.
pub const CONTENT_BYTES_MAX: u64 = 1 << 60;
/// Most columns of a code.
pub const COLUMNS_MAX: usize = 1024;
/// Longest name of a code.
pub const CODE_BYTES_MAX: usize = 64;
/// Longest bytes of a content of a kind that is not known here.
pub const UNKNOWN_BYTES_MAX: usize = 1 << 20;
/// Smallest cell of a full stripe, smallest block under a checksum, smallest group under a leaf of the hash tree.
const CELL_BYTES_MIN: u32 = 4096;
const BLOCK_BYTES_MIN: u32 = 512;
const GROUP_BYTES_MIN: u32 = 1024;
/// Largest cell, and largest block.
const CELL_BYTES_MAX: u32 = 16 << 20;

/// An attribute: the media type, such as `video/mp4`.
pub const MEDIA_TYPE: u16 = 1;
/// An attribute: when the content was made originally, u64 milliseconds since 1970, little-endian.
pub const ORIGINAL_DATE: u16 = 2;

const CONDITIONAL: u8 = 1;

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

/// What was stored under a title.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Nothing: it was deleted.
    None,
    /// Columns of an array code.
    Columns(Columns),
    /// A kind that this release does not know: kept as it came, and refused by name when it is asked for.
    Unknown {
        /// Its number.
        kind: u8,
        /// Its fields.
        bytes: Vec<u8>,
    },
}

impl Content {
    /// The number of the kind in the format: 0 none, 1 columns, 2 pieces, 3 open; the last two are reserved.
    pub fn kind(&self) -> u8 {
        match self {
            Self::None => 0,
            Self::Columns(_) => 1,
            Self::Unknown { kind, .. } => *kind,
        }
    }
}

/// The name of a kind of content.
pub fn content_kind_name(kind: u8) -> String {
    match kind {
        0 => "none".to_owned(),
        1 => "columns".to_owned(),
        2 => "pieces".to_owned(),
        3 => "open".to_owned(),
        other => format!("kind {other}"),
    }
}

/// Why bytes are not a manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// They end early, or go on.
    #[error("a manifest of another length: {left} bytes left over, or too few")]
    Length {
        /// Bytes behind the last field.
        left: usize,
    },
    /// A text is not UTF-8.
    #[error("the {0} is not UTF-8")]
    NotUtf8(&'static str),
    /// A number is out of its bounds.
    #[error("{field}: found {found}, expected {expected}")]
    Bounds {
        /// Which.
        field: &'static str,
        /// What it is.
        found: u64,
        /// What it may be.
        expected: String,
    },
    /// Not hexadecimal digits.
    #[error("a record is written in hexadecimal digits")]
    NotHexadecimal,
    /// The shape is not that of its code.
    #[error("code `{code}`: {why}")]
    Code {
        /// The code's name.
        code: String,
        /// What is wrong.
        why: String,
    },
}

fn bounds(field: &'static str, found: u64, expected: impl fmt::Display) -> ManifestError {
    ManifestError::Bounds { field, found, expected: expected.to_string() }
}

/// Keys and values that belong to a version, in the order of their keys.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Attributes(Box<[(u16, Box<[u8]>)]>);

impl Attributes {
    /// Sets the value of a key.
    pub fn insert(&mut self, key: u16, value: &[u8]) {
        let mut all = core::mem::take(&mut self.0).into_vec();
        match all.binary_search_by_key(&key, |(key, _)| *key) {
            Ok(place) => all[place].1 = value.into(),
            Err(place) => all.insert(place, (key, value.into())),
        }
        self.0 = all.into();
    }

    /// The value of a key.
    pub fn get(&self, key: u16) -> Option<&[u8]> {
        let place = self.0.binary_search_by_key(&key, |(key, _)| *key).ok()?;
        Some(&self.0[place].1)
    }

    /// All of them, by key.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (u16, &[u8])> {
        self.0.iter().map(|(key, value)| (*key, &**value))
    }
}

/// A version of a title: what everybody agrees on, under one hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// The title's name.
    pub title: String,
    /// Which version.
    pub version: Version,
    /// The epoch of the members among whom it was decided.
    pub epoch: u64,
    /// It was made under a condition on the version before it: no other may come between.
    pub conditional: bool,
    /// What it holds.
    pub content: Content,
    /// Keys and values that belong to it: at most [`ATTRIBUTES_BYTES_MAX`] bytes.
    pub attributes: Attributes,
}

impl Manifest {
    /// The columns, if it has any.
    pub fn columns(&self) -> Option<&Columns> {
        match &self.content {
            Content::Columns(columns) => Some(columns),
            Content::None | Content::Unknown { .. } => None,
        }
    }

    /// Whether it is what a DELETE leaves.
    pub fn is_tombstone(&self) -> bool {
        self.content == Content::None
    }

    /// The media type; empty where none was given.
    pub fn media_type(&self) -> &str {
        self.attributes.get(MEDIA_TYPE).and_then(|value| core::str::from_utf8(value).ok()).unwrap_or_default()
    }

    /// BLAKE3 of [`to_bytes`](Self::to_bytes): title, version, code, sizes, entity tag, roots and attributes under one
    /// hash.
    pub fn hash(&self) -> [u8; 32] {
        *blake3::hash(&self.to_bytes()).as_bytes()
    }

    /// Its bytes, the only ones: equal manifests have equal bytes. See docs/stripe-format.md.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(256);
        bytes.push(self.content.kind());
        bytes.push(if self.conditional { CONDITIONAL } else { 0 });
        put_short(&mut bytes, self.title.as_bytes());
        put_version(&mut bytes, self.version);
        bytes.extend_from_slice(&self.epoch.to_le_bytes());
        let mut content = Vec::new();
        match &self.content {
            Content::None => {}
            Content::Columns(columns) => put_columns(&mut content, columns),
            Content::Unknown { bytes, .. } => content.extend_from_slice(bytes),
        }
        put_long(&mut bytes, &content);
        bytes.extend_from_slice(&u16::try_from(self.attributes.iter().len()).unwrap_or(u16::MAX).to_le_bytes());
        for (key, value) in self.attributes.iter() {
            bytes.extend_from_slice(&key.to_le_bytes());
            put_short(&mut bytes, value);
        }
        bytes
    }

    /// A manifest from its bytes.
    ///
    /// # Errors
    /// [`ManifestError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        let mut fields = Fields::of(bytes);
        let manifest = Self::parse_fields(&mut fields)?;
        if fields.left() > 0 {
            return Err(ManifestError::Length { left: fields.left() });
        }
        manifest.check()?;
        Ok(manifest)
    }

    fn parse_fields(fields: &mut Fields<'_>) -> Result<Self, ManifestError> {
        const SHORT: ManifestError = ManifestError::Length { left: 0 };
        let kind = fields.u8().ok_or(SHORT)?;
        let flags = fields.u8().ok_or(SHORT)?;
        if flags & !CONDITIONAL != 0 {
            return Err(bounds("flags", flags.into(), "0 or 1"));
        }
        let title = text("title", fields.short().ok_or(SHORT)?)?;
        let version = take_version(fields).ok_or(SHORT)?;
        let epoch = fields.u64().ok_or(SHORT)?;
        let content = fields.long().ok_or(SHORT)?;
        let content = match kind {
            0 if content.is_empty() => Content::None,
            0 => return Err(ManifestError::Length { left: content.len() }),
            1 => Content::Columns(take_columns(content)?),
            kind => Content::Unknown { kind, bytes: content.to_vec() },
        };
        let mut attributes = Vec::new();
        let mut last = None;
        for _ in 0..fields.u16().ok_or(SHORT)? {
            let (key, value) = (fields.u16().ok_or(SHORT)?, fields.short().ok_or(SHORT)?);
            // In order and each once, so that there is one spelling.
            if last.is_some_and(|last| last >= key) {
                return Err(bounds("attribute", key.into(), "keys in order, each once"));
            }
            last = Some(key);
            attributes.push((key, value.into()));
        }
        let attributes = Attributes(attributes.into());
        Ok(Self { title, version, epoch, conditional: flags & CONDITIONAL != 0, content, attributes })
    }

    /// Whether it holds to the bounds of the format; one that [`parse`](Self::parse) gave does.
    ///
    /// # Errors
    /// [`ManifestError`].
    pub fn check(&self) -> Result<(), ManifestError> {
        if self.title.is_empty() || self.title.len() > TITLE_BYTES_MAX {
            return Err(bounds("bytes of title", self.title.len() as u64, format!("1 to {TITLE_BYTES_MAX}")));
        }
        if let Some(control) = self.title.chars().find(|character| character.is_control()) {
            return Err(bounds("character of title", u32::from(control).into(), "no control characters"));
        }
        if !(1..=COUNTER_MAX).contains(&self.version.counter) {
            return Err(bounds("counter", self.version.counter, format!("1 to {COUNTER_MAX}")));
        }
        let attributes: usize = self.attributes.iter().map(|(_, value)| value.len() + 4).sum();
        if attributes > ATTRIBUTES_BYTES_MAX {
            return Err(bounds("bytes of attributes", attributes as u64, format!("at most {ATTRIBUTES_BYTES_MAX}")));
        }
        match &self.content {
            Content::Columns(columns) => columns.check(),
            Content::Unknown { bytes, .. } if bytes.len() > UNKNOWN_BYTES_MAX => {
                Err(bounds("bytes of content", bytes.len() as u64, format!("at most {UNKNOWN_BYTES_MAX}")))
            }
            Content::None | Content::Unknown { .. } => Ok(()),
        }
    }
}

impl Columns {
    fn check(&self) -> Result<(), ManifestError> {
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

fn text(field: &'static str, bytes: &[u8]) -> Result<String, ManifestError> {
    core::str::from_utf8(bytes).map(str::to_owned).map_err(|_| ManifestError::NotUtf8(field))
}

fn put_version(bytes: &mut Vec<u8>, version: Version) {
    bytes.extend_from_slice(&version.counter.to_le_bytes());
    for word in [version.node.0, version.life.0, version.random] {
        bytes.extend_from_slice(&word.to_le_bytes());
    }
}

fn take_version(fields: &mut Fields<'_>) -> Option<Version> {
    Some(Version {
        counter: fields.u64()?,
        node: NodeId(fields.u32()?),
        life: Life(fields.u32()?),
        random: fields.u32()?,
    })
}

fn put_columns(bytes: &mut Vec<u8>, columns: &Columns) {
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

fn take_columns(bytes: &[u8]) -> Result<Columns, ManifestError> {
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

/// A version as nodes keep it and tell each other of it: the manifest, and beside it, outside its hash, where its columns
/// lie.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Record {
    /// What the version is.
    pub manifest: Arc<Manifest>,
    /// Where its columns lie.
    pub placement: Arc<Placement>,
}

impl Record {
    /// The version.
    pub fn version(&self) -> Version {
        self.manifest.version
    }

    /// The title.
    pub fn title(&self) -> &str {
        &self.manifest.title
    }

    /// Its bytes: the manifest behind its length u32, then generation u32, number of seats u16, and node u32 and store
    /// u32 of each.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(320);
        put_long(&mut bytes, &self.manifest.to_bytes());
        bytes.extend_from_slice(&self.placement.generation.to_le_bytes());
        bytes.extend_from_slice(&u16::try_from(self.placement.seats.len()).unwrap_or(u16::MAX).to_le_bytes());
        for seat in &self.placement.seats {
            bytes.extend_from_slice(&seat.node.0.to_le_bytes());
            bytes.extend_from_slice(&seat.store.to_le_bytes());
        }
        bytes
    }

    /// A record from its bytes.
    ///
    /// # Errors
    /// [`ManifestError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        const SHORT: ManifestError = ManifestError::Length { left: 0 };
        let mut fields = Fields::of(bytes);
        let manifest = Manifest::parse(fields.long().ok_or(SHORT)?)?;
        let generation = fields.u32().ok_or(SHORT)?;
        let count = fields.u16().ok_or(SHORT)?;
        let mut seats = Vec::new();
        for _ in 0..count {
            let (node, store) = (fields.u32().ok_or(SHORT)?, fields.u32().ok_or(SHORT)?);
            seats.push(Seat { node: NodeId(node), store });
        }
        if fields.left() > 0 {
            return Err(ManifestError::Length { left: fields.left() });
        }
        let record = Self { manifest: Arc::new(manifest), placement: Arc::new(Placement { generation, seats }) };
        record.check()?;
        Ok(record)
    }

    /// Whether it holds to the bounds of the format: a seat for each column, and none where there are no columns.
    ///
    /// # Errors
    /// [`ManifestError`].
    pub fn check(&self) -> Result<(), ManifestError> {
        self.manifest.check()?;
        let expected = match &self.manifest.content {
            Content::None => 0,
            Content::Columns(columns) => usize::from(columns.columns),
            Content::Unknown { .. } => return Ok(()),
        };
        if self.placement.seats.len() == expected {
            return Ok(());
        }
        Err(bounds("seats", self.placement.seats.len() as u64, expected))
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { manifest, placement } = self;
        write!(formatter, "Record({:?} {} {} at ", manifest.title, manifest.version, manifest.content.kind())?;
        formatter.debug_list().entries(placement.nodes().map(|node| node.0)).finish()?;
        formatter.write_str(")")
    }
}

impl From<Record> for String {
    fn from(record: Record) -> Self {
        hexadecimal(&record.to_bytes())
    }
}

impl TryFrom<String> for Record {
    type Error = ManifestError;

    fn try_from(text: String) -> Result<Self, ManifestError> {
        Self::parse(&from_hexadecimal(&text).ok_or(ManifestError::NotHexadecimal)?)
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn from_hexadecimal(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        let columns = Columns {
            bytes: 7,
            etag_kind: EtagKind::Content,
            etag: [9; 16],
            code: "b-code:4".to_owned(),
            columns: 4,
            data_columns: 2,
            layout: 0,
            cell_bytes: 4096,
            block_bytes: 4096,
            group_bytes: 4096,
            modified_ms: 5,
            roots: vec![[1; 32], [2; 32], [3; 32], [4; 32]],
        };
        let mut attributes = Attributes::default();
        attributes.insert(MEDIA_TYPE, b"video/mp4");
        let manifest = Manifest {
            title: "a film".to_owned(),
            version: Version { counter: 3, node: NodeId(1), life: Life(2), random: 4 },
            epoch: 0,
            conditional: true,
            content: Content::Columns(columns),
            attributes,
        };
        let seats = (1..=4).map(|node| Seat { node: NodeId(node), store: node + 10 }).collect();
        Record { manifest: Arc::new(manifest), placement: Arc::new(Placement { generation: 6, seats }) }
    }

    fn with(change: impl FnOnce(&mut Manifest)) -> Record {
        let mut record = record();
        change(Arc::make_mut(&mut record.manifest));
        record
    }

    fn columns_of(manifest: &mut Manifest) -> &mut Columns {
        let Content::Columns(columns) = &mut manifest.content else { panic!("it has columns") };
        columns
    }

    #[test]
    fn bytes_and_text_and_back() {
        let record = record();
        assert_eq!(Record::parse(&record.to_bytes()), Ok(record.clone()));
        assert_eq!(Record::try_from(String::from(record.clone())), Ok(record.clone()));
        assert_eq!(record.manifest.media_type(), "video/mp4");
        for length in 0..record.to_bytes().len() {
            assert!(Record::parse(&record.to_bytes()[..length]).is_err(), "cut to {length}");
        }
        let mut longer = record.to_bytes();
        longer.push(0);
        assert_eq!(Record::parse(&longer), Err(ManifestError::Length { left: 1 }));
        for wrong in ["0", "0g", "AB"] {
            assert_eq!(Record::try_from(wrong.to_owned()), Err(ManifestError::NotHexadecimal));
        }
    }

    /// Two of one key would be read as one of them, and the manifest would have another hash than what was read.
    #[test]
    fn an_attribute_that_is_there_twice_is_refused() {
        let mut twice = record();
        Arc::make_mut(&mut twice.manifest).attributes = Attributes(
            [(MEDIA_TYPE, b"a"), (MEDIA_TYPE, b"b")].map(|(key, value)| (key, value.as_slice().into())).into(),
        );
        let bytes = twice.manifest.to_bytes();
        assert_eq!(Manifest::parse(&bytes), Err(bounds("attribute", MEDIA_TYPE.into(), "keys in order, each once")));
    }

    /// Whatever is parsed is written as it was: there is one spelling of each manifest.
    #[test]
    fn every_flipped_bit_is_refused_or_another_record() {
        let record = record();
        let bytes = record.to_bytes();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            if let Ok(parsed) = Record::parse(&flipped) {
                assert_ne!(parsed, record, "bit {bit}");
                assert_eq!(parsed.to_bytes(), flipped, "bit {bit}");
            }
        }
    }

    #[test]
    fn what_is_out_of_bounds_is_refused_by_name() {
        let refused = |record: Record| Record::parse(&record.to_bytes()).unwrap_err().to_string();
        for (change, named) in [
            (with(|manifest| columns_of(manifest).cell_bytes = 0), "cell bytes: found 0"),
            (with(|manifest| columns_of(manifest).cell_bytes = 4095), "cell bytes: found 4095"),
            (with(|manifest| columns_of(manifest).block_bytes = 1 << 25), "block bytes: found 33554432"),
            (with(|manifest| columns_of(manifest).group_bytes = 0), "group bytes: found 0"),
            (with(|manifest| columns_of(manifest).data_columns = 5), "data columns: found 5, expected 1 to 4"),
            (with(|manifest| columns_of(manifest).data_columns = 0), "data columns: found 0, expected 1 to 4"),
            (with(|manifest| columns_of(manifest).layout = 1), "layout: found 1"),
            (with(|manifest| columns_of(manifest).bytes = u64::MAX), "bytes: found 18446744073709551615"),
            (with(|manifest| columns_of(manifest).code = String::new()), "bytes of code: found 0"),
            (with(|manifest| manifest.version.counter = u64::MAX), "counter: found 18446744073709551615"),
            (with(|manifest| manifest.version.counter = 0), "counter: found 0"),
            (with(|manifest| manifest.title = String::new()), "bytes of title: found 0"),
            (with(|manifest| manifest.title = "a\nb".to_owned()), "character of title: found 10"),
            (with(|manifest| manifest.title = "x".repeat(1025)), "bytes of title: found 1025"),
            (
                with(|manifest| manifest.attributes.insert(9, &[0; ATTRIBUTES_BYTES_MAX])),
                "bytes of attributes: found 8209",
            ),
            (with(|manifest| manifest.content = Content::None), "seats: found 4, expected 0"),
        ] {
            let message = refused(change);
            assert!(message.contains(named), "{named}: {message}");
        }
    }

    #[test]
    fn kinds_that_are_not_known_are_kept() {
        let unknown = with(|manifest| manifest.content = Content::Unknown { kind: 3, bytes: vec![1, 2, 3] });
        assert_eq!(Record::parse(&unknown.to_bytes()), Ok(unknown.clone()));
        assert_eq!(content_kind_name(unknown.manifest.content.kind()), "open");
    }

    #[test]
    fn one_hash_covers_all_but_the_placement() {
        let first = record();
        let mut moved = first.clone();
        Arc::make_mut(&mut moved.placement).generation += 1;
        assert_eq!(first.manifest.hash(), moved.manifest.hash());
        for other in [
            with(|manifest| columns_of(manifest).roots[2][31] ^= 1),
            with(|manifest| columns_of(manifest).etag[0] ^= 1),
            with(|manifest| manifest.conditional = false),
            with(|manifest| manifest.attributes.insert(ORIGINAL_DATE, &[0; 8])),
        ] {
            assert_ne!(first.manifest.hash(), other.manifest.hash());
        }
    }
}
