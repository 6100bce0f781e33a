//! What a version of a title is.
//!
//! Manifests come from disks and peers: [`Manifest::parse`] is the only way in, and what it gives holds to every bound
//! below. Whether the code's name is that of a code, and the shape that of the code, is not known here: whoever knows
//! codes checks that too, at each of the same doors (`rain-desk`, `vet`).

mod attributes;
mod columns;
mod error;
mod record;
#[cfg(test)]
mod tests;

use crate::bytes::{Fields, put_long, put_short};
use crate::version::{COUNTER_MAX, Life, NodeId, Version};
use columns::{put_columns, take_columns};
use error::{bounds, text};

pub use attributes::{ATTRIBUTES_BYTES_MAX, Attributes, MEDIA_TYPE, ORIGINAL_DATE};
pub use columns::{CODE_BYTES_MAX, COLUMNS_MAX, CONTENT_BYTES_MAX, Columns, EtagKind, MODIFIED_MS_MAX};
pub use error::ManifestError;
pub use record::Record;

/// Longest title name that the format takes, in bytes of UTF-8.
pub const TITLE_BYTES_MAX: usize = 1024;
/// Longest bytes of a content of a kind that is not known here.
pub const UNKNOWN_BYTES_MAX: usize = 1 << 20;

const CONDITIONAL: u8 = 1;

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
        let attributes = Attributes::of_sorted(attributes);
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
