//! What stands in a store's ledger: each change that it has made durable.
//!
//! | kind | change | payload, little-endian |
//! |---|---|---|
//! | 1 | version | state u8, column u16 (65535: none), record |
//! | 2 | marked | key |
//! | 3 | column | key, column u16 (65535: none) |
//! | 4 | removed | key |
//! | 5 | decision | number of nodes u16, node u32 each, record |
//! | 6 | settled | key |
//! | 7 | learnt | life u32, epoch u64: all that was decided by members of earlier epochs |
//! | 8 | floor | counter u64 |
//! | 9 | retired | node u32, life u32 |
//! | 10 | (remembered, without a signet: not written any more) | |
//! | 11 | incarnation | u64 |
//! | 12 | share | key, column u16, the records of the column as they lie in its file |
//! | 13 | synced | keys: the files of their columns are durable |
//! | 14 | remembered | node u32, life u32, serial u64, signet of 16 bytes: what a peer said of itself |
//! | 15 | outlived | life u32: an earlier one of this store's node |
//!
//! A key is the title's hash, 16 bytes, then counter u64, node u32, life u32, random u32. A record is that of
//! [`rain_cluster::Record::to_bytes`]. Kinds 16 (retention) and 17 (quota) are reserved. A kind that is not known is kept.

use super::names::{Key, TitleHash};
use rain_cluster::{Life, NodeId, Record, Signet, Testimony, Version};
use rain_desk::Decision;
use std::sync::Arc;

/// How a version is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Standing {
    /// Prepared here, in this life: promised.
    Pending,
    /// Pending elsewhere when this store learnt of it: it may have been promised here in an earlier life.
    Inherited,
    /// Committed.
    Marked,
    /// Known to have been committed by an earlier life of this store, which cannot tell any more what became of it.
    Hearsay,
    /// Pending elsewhere when the members were to be others; this store has forgotten nothing, and has no mark of it.
    Adopted,
}

/// A durable change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    Version {
        standing: Standing,
        column: Option<u16>,
        record: Record,
    },
    Marked(Key),
    Column(Key, Option<u16>),
    Removed(Key),
    Decision(Decision),
    Settled(Key),
    Learnt(Life, u64),
    Floor(u64),
    Retired(NodeId, Life),
    Remembered(NodeId, Testimony),
    Outlived(Life),
    Incarnation(u64),
    /// A column came with its version: its file is written, and not known to be durable.
    Share(Key, u16, Arc<[u8]>),
    /// The files of these columns are durable.
    Synced(Vec<Key>),
    /// Of a kind that this release does not know: kept as it came.
    Unknown(u16, Vec<u8>),
}

const NO_COLUMN: u16 = u16::MAX;
const KEY_BYTES: usize = 36;

impl Change {
    /// Its kind, and its payload.
    pub(super) fn to_bytes(&self) -> (u16, Vec<u8>) {
        let mut bytes = Vec::new();
        let kind = match self {
            Self::Version { standing, column, record } => {
                bytes.push(*standing as u8);
                bytes.extend_from_slice(&column.unwrap_or(NO_COLUMN).to_le_bytes());
                bytes.extend_from_slice(&record.to_bytes());
                1
            }
            Self::Marked(key) => put_key(&mut bytes, *key, 2),
            Self::Column(key, column) => {
                put_key(&mut bytes, *key, 3);
                bytes.extend_from_slice(&column.unwrap_or(NO_COLUMN).to_le_bytes());
                3
            }
            Self::Removed(key) => put_key(&mut bytes, *key, 4),
            Self::Decision(Decision { record, prepared }) => {
                bytes.extend_from_slice(&u16::try_from(prepared.len()).unwrap_or(u16::MAX).to_le_bytes());
                bytes.extend(prepared.iter().flat_map(|node| node.0.to_le_bytes()));
                bytes.extend_from_slice(&record.to_bytes());
                5
            }
            Self::Settled(key) => put_key(&mut bytes, *key, 6),
            Self::Learnt(life, epoch) => {
                bytes.extend_from_slice(&life.0.to_le_bytes());
                bytes.extend_from_slice(&epoch.to_le_bytes());
                7
            }
            Self::Floor(floor) => {
                bytes.extend_from_slice(&floor.to_le_bytes());
                8
            }
            Self::Retired(node, life) => {
                bytes.extend([node.0, life.0].into_iter().flat_map(u32::to_le_bytes));
                9
            }
            Self::Incarnation(incarnation) => {
                bytes.extend_from_slice(&incarnation.to_le_bytes());
                11
            }
            Self::Share(key, column, records) => {
                put_key(&mut bytes, *key, 12);
                bytes.extend_from_slice(&column.to_le_bytes());
                bytes.extend_from_slice(records);
                12
            }
            Self::Synced(keys) => {
                for key in keys {
                    put_key(&mut bytes, *key, 13);
                }
                13
            }
            Self::Remembered(node, Testimony { life, serial, signet }) => {
                bytes.extend([node.0, life.0].into_iter().flat_map(u32::to_le_bytes));
                bytes.extend_from_slice(&serial.to_le_bytes());
                bytes.extend_from_slice(&signet.0.to_le_bytes());
                14
            }
            Self::Outlived(life) => {
                bytes.extend_from_slice(&life.0.to_le_bytes());
                15
            }
            Self::Unknown(kind, payload) => {
                bytes.extend_from_slice(payload);
                *kind
            }
        };
        (kind, bytes)
    }

    /// The change of a record of the ledger; `None` when it is none, though its kind is known.
    pub(super) fn parse(kind: u16, payload: &[u8]) -> Option<Self> {
        let mut rest = Rest(payload);
        let change = match kind {
            1 => {
                let standing = match rest.array::<1>()? {
                    [0] => Standing::Pending,
                    [1] => Standing::Inherited,
                    [2] => Standing::Marked,
                    [3] => Standing::Hearsay,
                    [4] => Standing::Adopted,
                    _ => return None,
                };
                let column = column_of(rest.u16()?);
                Self::Version { standing, column, record: rest.record()? }
            }
            2 => Self::Marked(rest.key()?),
            3 => Self::Column(rest.key()?, column_of(rest.u16()?)),
            4 => Self::Removed(rest.key()?),
            5 => {
                let count = rest.u16()?;
                let prepared = (0..count).map(|_| Some(NodeId(rest.u32()?))).collect::<Option<_>>()?;
                Self::Decision(Decision { prepared, record: rest.record()? })
            }
            6 => Self::Settled(rest.key()?),
            7 => Self::Learnt(Life(rest.u32()?), rest.u64()?),
            8 => Self::Floor(rest.u64()?),
            9 => Self::Retired(NodeId(rest.u32()?), Life(rest.u32()?)),
            11 => Self::Incarnation(rest.u64()?),
            12 => {
                let (key, column) = (rest.key()?, rest.u16()?);
                Self::Share(key, column, core::mem::take(&mut rest.0).into())
            }
            13 => {
                let keys = rest.0.chunks(KEY_BYTES).map(|key| Rest(key).key()).collect::<Option<_>>()?;
                rest.0 = &[];
                Self::Synced(keys)
            }
            14 => {
                let (node, life, serial) = (NodeId(rest.u32()?), Life(rest.u32()?), rest.u64()?);
                let signet = Signet(rest.array().map(u128::from_le_bytes)?);
                Self::Remembered(node, Testimony { life, serial, signet })
            }
            15 => Self::Outlived(Life(rest.u32()?)),
            kind => return Some(Self::Unknown(kind, payload.to_vec())),
        };
        rest.0.is_empty().then_some(change)
    }
}

fn column_of(word: u16) -> Option<u16> {
    (word != NO_COLUMN).then_some(word)
}

fn put_key(bytes: &mut Vec<u8>, (title, version): Key, kind: u16) -> u16 {
    bytes.extend_from_slice(&title.bytes());
    bytes.extend_from_slice(&version.counter.to_le_bytes());
    bytes.extend([version.node.0, version.life.0, version.random].into_iter().flat_map(u32::to_le_bytes));
    kind
}

/// What is left of a payload.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn key(&mut self) -> Option<Key> {
        let title = TitleHash::from_bytes(self.array()?);
        let (counter, node) = (self.u64()?, NodeId(self.u32()?));
        Some((title, Version { counter, node, life: Life(self.u32()?), random: self.u32()? }))
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    fn record(&mut self) -> Option<Record> {
        Record::parse(core::mem::take(&mut self.0)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rain_cluster::{Content, Manifest, Placement};

    #[test]
    fn changes_and_back() {
        let version = Version { counter: 9, node: NodeId(1), life: Life(2), random: 3 };
        let key = (TitleHash::of("a film"), version);
        let manifest = Manifest {
            title: "a film".to_owned(),
            version,
            epoch: 0,
            conditional: false,
            content: Content::None,
            attributes: rain_cluster::Attributes::default(),
        };
        let record = Record { manifest: Arc::new(manifest), placement: Arc::new(Placement::none()) };
        let changes = [
            Change::Version { standing: Standing::Pending, column: Some(3), record: record.clone() },
            Change::Version { standing: Standing::Inherited, column: None, record: record.clone() },
            Change::Version { standing: Standing::Hearsay, column: None, record: record.clone() },
            Change::Version { standing: Standing::Adopted, column: None, record: record.clone() },
            Change::Marked(key),
            Change::Column(key, Some(0)),
            Change::Column(key, None),
            Change::Removed(key),
            Change::Decision(Decision { record, prepared: vec![NodeId(7), NodeId(8)] }),
            Change::Settled(key),
            Change::Learnt(Life(5), 1 << 40),
            Change::Floor(1 << 40),
            Change::Retired(NodeId(4), Life(5)),
            Change::Remembered(NodeId(4), Testimony { life: Life(5), serial: 6, signet: Signet(7 << 100) }),
            Change::Outlived(Life(8)),
            Change::Incarnation(77),
            Change::Synced(vec![key, key]),
            Change::Unknown(16, vec![1, 2, 3]),
        ];
        for change in changes {
            let (kind, bytes) = change.to_bytes();
            assert_eq!(Change::parse(kind, &bytes), Some(change.clone()), "{change:?}");
            if matches!(change, Change::Synced(_)) {
                assert_eq!(Change::parse(kind, &bytes[1..]), None, "{change:?} cut");
            } else if !matches!(change, Change::Unknown(..)) {
                for length in 0..bytes.len() {
                    assert_eq!(Change::parse(kind, &bytes[..length]), None, "{change:?} cut to {length}");
                }
                assert_eq!(Change::parse(kind, &[&bytes[..], &[0]].concat()), None, "{change:?} and a byte more");
            }
        }
    }
}
