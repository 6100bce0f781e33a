//! Groups of a column, proven against its root.

use core::ops::Range;
use core::slice::Iter;

use blake3::hazmat::{ChainingValue, Mode, merge_subtrees_non_root, merge_subtrees_root};
use thiserror::Error;

use super::shape::{Lies, Node, is_group};
use super::{HASH_BYTES, TreeShape, subtree};

/// Why bytes are not shown to be those of a column.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ProofError {
    /// No size of a group.
    #[error("groups of {found} bytes, expected a power of two of at least {min}")]
    GroupBytes {
        /// The size.
        found: u32,
        /// The smallest.
        min: u32,
    },
    /// None, or such as the column does not have.
    #[error("groups {start} to {end} of {count}, expected at least one of them")]
    Groups {
        /// The first.
        start: u64,
        /// Behind the last.
        end: u64,
        /// Groups of the column.
        count: u64,
    },
    /// Not as many bytes as the groups have.
    #[error("{found} bytes of cells, expected {expected}")]
    CellBytes {
        /// Bytes given.
        found: usize,
        /// Bytes of the groups.
        expected: u64,
    },
    /// Not as many hashes as it takes.
    #[error("a proof of {found} hashes, expected {expected}")]
    Hashes {
        /// Hashes given.
        found: usize,
        /// Hashes that the groups take.
        expected: usize,
    },
    /// Bytes or hashes are wrong.
    #[error("cells and proof lead to the root {}, expected {}", hex(.found), hex(.expected))]
    Root {
        /// To what they lead.
        found: [u8; HASH_BYTES],
        /// The column's root.
        expected: [u8; HASH_BYTES],
    },
}

/// Checks that bytes are those of some groups of a column with a root.
///
/// Shape: `cells` are the bytes of `groups` of a column that has `column_bytes` of cells; `proof` is what
/// [`ColumnTree::proof`](super::ColumnTree::proof) gives, or the hashes of [`TreeShape::proof_places`].
/// What is shown is where the bytes lie, counted from the column's first; how long the column is only the last group
/// shows, so `column_bytes` must come from where the root does.
/// Cost: that of hashing `cells`, and one compression for each hash of the proof.
///
/// # Errors
/// [`ProofError`]; then nothing is known of the bytes.
pub fn verify_groups(
    root: &[u8; HASH_BYTES],
    column_bytes: u64,
    group_bytes: u32,
    groups: Range<u64>,
    cells: &[u8],
    proof: &[[u8; HASH_BYTES]],
) -> Result<(), ProofError> {
    if !is_group(group_bytes) {
        return Err(ProofError::GroupBytes { found: group_bytes, min: super::GROUP_BYTES_MIN });
    }
    let shape = TreeShape::new(column_bytes, group_bytes);
    let expected = shape.proof_places(groups.clone())?.len();
    if proof.len() != expected {
        return Err(ProofError::Hashes { found: proof.len(), expected });
    }
    let bytes = shape.bytes_of(groups.clone());
    let expected = bytes.end - bytes.start;
    if cells.len() as u64 != expected {
        return Err(ProofError::CellBytes { found: cells.len(), expected });
    }
    let mut given = Given { shape, groups, cells, proof: proof.iter() };
    let found = given.root();
    if found == *root { Ok(()) } else { Err(ProofError::Root { found, expected: *root }) }
}

/// What a proof has to go by: as many bytes and hashes as the groups take.
struct Given<'a> {
    shape: TreeShape,
    groups: Range<u64>,
    cells: &'a [u8],
    proof: Iter<'a, [u8; HASH_BYTES]>,
}

impl Given<'_> {
    fn root(&mut self) -> [u8; HASH_BYTES] {
        match self.shape.lies(self.shape.top(), &self.groups) {
            Lies::Across(left, Some(right)) => {
                let (left, right) = (self.hash(left), self.hash(right));
                *merge_subtrees_root(&left, &right, Mode::Hash).as_bytes()
            }
            // All groups are given.
            Lies::Across(_, None) | Lies::Inside | Lies::Outside => *blake3::hash(self.cells).as_bytes(),
        }
    }

    fn hash(&mut self, node: Node) -> ChainingValue {
        match self.shape.lies(node, &self.groups) {
            Lies::Outside => self.proof.next().copied().unwrap_or_default(),
            Lies::Inside => {
                let bytes = self.shape.bytes_of(self.shape.groups_of(node));
                let length = usize::try_from(bytes.end - bytes.start).unwrap_or(usize::MAX);
                let (own, rest) = self.cells.split_at(length.min(self.cells.len()));
                self.cells = rest;
                subtree(bytes.start, own)
            }
            Lies::Across(left, None) => self.hash(left),
            Lies::Across(left, Some(right)) => {
                let (left, right) = (self.hash(left), self.hash(right));
                merge_subtrees_non_root(&left, &right, Mode::Hash)
            }
        }
    }
}

fn hex(hash: &[u8; HASH_BYTES]) -> blake3::Hash {
    blake3::Hash::from_bytes(*hash)
}
