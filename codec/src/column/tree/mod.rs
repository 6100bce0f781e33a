//! The hash tree of a column, by which the whole of it, and every range, is proven against one root.
//!
//! BLAKE3 is a Merkle tree over chunks of 1024 bytes. The root of a column is the plain BLAKE3 of its cell bytes; the
//! hashes of that tree from the groups upwards lie in the file behind the last record. A range of groups is proven by its
//! bytes and the hashes beside its way to the root, at most two per level.

mod hasher;
mod proof;
mod shape;

use blake3::Hasher;
use blake3::hazmat::{ChainingValue, HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root};
use core::ops::Range;
use thiserror::Error;

pub use hasher::ColumnHasher;
pub use proof::{GroupSet, ProofError, verify_group_set, verify_groups};
use shape::Node;
pub(in crate::column) use shape::is_group;
pub use shape::{HASH_BYTES, TreeShape};

use super::{CHECKSUM_BYTES, crc64};

/// Smallest group: a chunk of BLAKE3.
pub const GROUP_BYTES_MIN: u32 = 1024;
/// Group, unless asked otherwise and where cells are no shorter: sixteen chunks, which the widest instructions hash at
/// once.
pub const DEFAULT_GROUP_BYTES: u32 = 16 << 10;

/// Chooses the group size for cells of a size: 16 KiB, or the cell where it is smaller.
pub fn default_group_bytes(cell_bytes: u32) -> u32 {
    DEFAULT_GROUP_BYTES.min(cell_bytes)
}

/// The hash tree of a column.
///
/// Cost: 64 bytes of memory for each group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnTree {
    shape: TreeShape,
    /// By number. Of a column of one group it is the root.
    hashes: Vec<ChainingValue>,
}

/// Why the bytes behind the last record are no hash tree.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TreeError {
    /// Too few or too many.
    #[error("a hash tree of {found} bytes, expected {expected}")]
    Length {
        /// Bytes given.
        found: usize,
        /// Bytes that the tree has.
        expected: u64,
    },
    /// Damaged.
    #[error("checksum {found:#018x} of the hash tree, expected {expected:#018x}")]
    Checksum {
        /// That of the hashes.
        found: u64,
        /// The one behind them.
        expected: u64,
    },
    /// A hash is not what the two below it make.
    #[error("hash {place} of the hash tree is not what the two below it make")]
    Hash {
        /// The number of the hash.
        place: u64,
    },
}

impl ColumnTree {
    /// Merges the hashes of groups. One group alone has the root for its hash.
    fn of_groups(shape: TreeShape, mut hashes: Vec<ChainingValue>) -> Self {
        let top = shape.top().level;
        for level in 1..=top {
            let first = in_memory(shape.below(level - 1));
            for index in 0..shape.own_count(level) {
                let right = Node { level: level - 1, index: index * 2 + 1 };
                // A node that has a neighbour to its right has a hash of its own.
                let left = hashes[first + in_memory(index) * 2];
                let right = hashes[in_memory(shape.place(right))];
                hashes.push(if level == top {
                    *merge_subtrees_root(&left, &right, Mode::Hash).as_bytes()
                } else {
                    merge_subtrees_non_root(&left, &right, Mode::Hash)
                });
            }
        }
        Self { shape, hashes }
    }

    /// Reads the tree that a column file has behind its last record.
    ///
    /// # Errors
    /// [`TreeError`]: every hash is checked against the two below it. Whether the root is that of the header is for the
    /// caller to see.
    pub fn parse(shape: TreeShape, bytes: &[u8]) -> Result<Self, TreeError> {
        let expected = shape.section_bytes();
        if bytes.len() as u64 != expected {
            return Err(TreeError::Length { found: bytes.len(), expected });
        }
        let Some((body, stored)) = bytes.split_last_chunk::<CHECKSUM_BYTES>() else {
            return Ok(Self::of_groups(shape, Vec::new()));
        };
        let (found, expected) = (crc64(body), u64::from_le_bytes(*stored));
        if found != expected {
            return Err(TreeError::Checksum { found, expected });
        }
        let (stored, _) = body.as_chunks::<HASH_BYTES>();
        let made = Self::of_groups(shape, stored[..in_memory(shape.group_count())].to_vec());
        match (0..).zip(made.hashes.iter().zip(stored)).find(|(_, (made, stored))| made != stored) {
            Some((place, _)) => Err(TreeError::Hash { place }),
            None => Ok(made),
        }
    }

    /// The tree as a column file has it.
    ///
    /// Shape: [`TreeShape::section_bytes`]: the hashes by number, then the CRC-64/NVME of all before.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.hashes.concat();
        if !bytes.is_empty() {
            bytes.extend(crc64(&bytes).to_le_bytes());
        }
        bytes
    }

    /// The root: the BLAKE3 of the column's cell bytes.
    pub fn root(&self) -> [u8; HASH_BYTES] {
        self.hashes.last().copied().unwrap_or_else(|| *blake3::hash(&[]).as_bytes())
    }

    /// Which groups there are, and where their hashes lie.
    pub fn shape(&self) -> &TreeShape {
        &self.shape
    }

    /// The hashes that [`verify_groups`] takes for a range of groups.
    ///
    /// # Errors
    /// [`ProofError::Groups`] for groups that the column does not have, and for none.
    pub fn proof(&self, groups: Range<u64>) -> Result<Vec<[u8; HASH_BYTES]>, ProofError> {
        Ok(self.shape.proof_places(groups)?.into_iter().map(|place| self.hashes[in_memory(place)]).collect())
    }

    /// Finds the groups that are not what the tree says.
    ///
    /// Shape: `cells` are bytes of the column that begin with the group `first`, and end with a group.
    pub fn wrong_groups<'a>(&'a self, first: u64, cells: &'a [u8]) -> impl Iterator<Item = u64> + 'a {
        let groups = (first..).zip(cells.chunks(self.shape.group_bytes() as usize));
        groups
            .filter(|(group, bytes)| {
                let known = usize::try_from(*group).ok().and_then(|group| self.hashes.get(group));
                known != Some(&self.group_hash(*group, bytes))
            })
            .map(|(group, _)| group)
    }

    fn group_hash(&self, group: u64, bytes: &[u8]) -> ChainingValue {
        if self.shape.group_count() == 1 {
            return *blake3::hash(bytes).as_bytes();
        }
        subtree(group * u64::from(self.shape.group_bytes()), bytes)
    }
}

/// The hash of a subtree that is not the whole: of the bytes, which there are, from `offset` on.
fn subtree(offset: u64, bytes: &[u8]) -> ChainingValue {
    Hasher::new().set_input_offset(offset).update(bytes).finalize_non_root()
}

/// A number of something that is in memory.
fn in_memory(count: u64) -> usize {
    usize::try_from(count).expect("the hashes of a tree fit the memory that holds them")
}

#[cfg(test)]
mod tests;
