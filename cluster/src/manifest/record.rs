//! A manifest and its placement.

use super::error::bounds;
use super::{Content, Manifest, ManifestError};
use crate::bytes::{Fields, put_long};
use crate::placement::{Placement, Seat};
use crate::version::{NodeId, Version};
use core::fmt;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

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
        let Placement { generation, seats } = &*self.placement;
        if seats.len() != expected {
            return Err(bounds("seats", seats.len() as u64, expected));
        }
        // What has no columns was never moved.
        if expected == 0 && *generation > 0 {
            return Err(bounds("generation of no seats", (*generation).into(), 0));
        }
        Ok(())
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
