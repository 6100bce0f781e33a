//! Groups of a column, proven against its root: a range of them, or several at once.

use core::iter;
use core::ops::Range;
use core::slice::Iter;

use blake3::Hasher;
use blake3::hazmat::{ChainingValue, HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root};
use thiserror::Error;

use super::shape::{Lies, Node, is_group};
use super::{HASH_BYTES, TreeShape};

/// Why bytes are not shown to be those of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
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

/// Groups of a column, any of them.
///
/// Shape: ranges in order; none is empty, and between two of them lies a group at least.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupSet(Vec<Range<u64>>);

impl GroupSet {
    /// Adds groups behind those that were added before, or over the last of them.
    ///
    /// # Panics
    /// When there are none, or they begin before the last that were added.
    pub fn add(&mut self, groups: Range<u64>) {
        assert!(!groups.is_empty(), "groups {groups:?}");
        match self.0.last_mut() {
            Some(last) if groups.start <= last.end => {
                assert!(groups.start >= last.start, "groups {groups:?} behind {last:?}");
                last.end = last.end.max(groups.end);
            }
            _ => self.0.push(groups),
        }
    }

    /// The groups, as few ranges as there are.
    pub fn ranges(&self) -> &[Range<u64>] {
        &self.0
    }

    /// From the first to the last of them.
    pub(super) fn whole(&self) -> Range<u64> {
        match (self.0.first(), self.0.last()) {
            (Some(first), Some(last)) => first.start..last.end,
            _ => 0..0,
        }
    }
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
    shape.check(&groups)?;
    verify_ranges(root, shape, &[groups], iter::once(cells), proof)
}

/// Checks that bytes are those of a set of groups of a column with a root: as [`verify_groups`], of all at once.
///
/// Shape: `cells` are the bytes of the groups in order, in slices of any length; `proof` has the hashes of
/// [`TreeShape::set_places`]. The column's length, which `shape` has, must come from where the root does.
/// Cost: as [`verify_groups`]; slices of whole groups are hashed fastest.
///
/// # Errors
/// [`ProofError`]; then nothing is known of the bytes.
pub fn verify_group_set<'a>(
    root: &[u8; HASH_BYTES],
    shape: &TreeShape,
    groups: &GroupSet,
    cells: impl IntoIterator<Item = &'a [u8]>,
    proof: &[[u8; HASH_BYTES]],
) -> Result<(), ProofError> {
    shape.check(&groups.whole())?;
    verify_ranges(root, *shape, groups.ranges(), cells.into_iter(), proof)
}

fn verify_ranges<'a>(
    root: &[u8; HASH_BYTES],
    shape: TreeShape,
    groups: &[Range<u64>],
    cells: impl Iterator<Item = &'a [u8]>,
    proof: &[[u8; HASH_BYTES]],
) -> Result<(), ProofError> {
    let expected = shape.places_beside(groups).len();
    if proof.len() != expected {
        return Err(ProofError::Hashes { found: proof.len(), expected });
    }
    let mut given = Given { shape, groups, cells: Cells { slices: cells, slice: &[], taken: 0 }, proof: proof.iter() };
    let found = given.root();
    let expected =
        groups.iter().map(|groups| shape.bytes_of(groups.clone())).map(|bytes| bytes.end - bytes.start).sum();
    let bytes = given.cells.total();
    if bytes as u64 != expected {
        return Err(ProofError::CellBytes { found: bytes, expected });
    }
    if found == *root { Ok(()) } else { Err(ProofError::Root { found, expected: *root }) }
}

/// Cell bytes that come in slices.
struct Cells<'a, I> {
    slices: I,
    /// What is left of the slice under way.
    slice: &'a [u8],
    taken: usize,
}

impl<'a, I: Iterator<Item = &'a [u8]>> Cells<'a, I> {
    /// The next bytes, `most` at most; none when none are left.
    fn take(&mut self, most: u64) -> &'a [u8] {
        while self.slice.is_empty() {
            let Some(next) = self.slices.next() else { return &[] };
            self.slice = next;
        }
        let length = usize::try_from(most).unwrap_or(usize::MAX).min(self.slice.len());
        let (own, rest) = self.slice.split_at(length);
        self.slice = rest;
        self.taken += own.len();
        own
    }

    /// Hashes the next `length` bytes, or as many as are left.
    fn hash(&mut self, hasher: &mut Hasher, length: u64) {
        let mut left = length;
        while left > 0 {
            let own = self.take(left);
            if own.is_empty() {
                return;
            }
            hasher.update(own);
            left -= own.len() as u64;
        }
    }

    /// Counts all bytes, taken or not.
    fn total(&mut self) -> usize {
        self.taken + self.slice.len() + self.slices.by_ref().map(<[u8]>::len).sum::<usize>()
    }
}

/// What a proof has to go by: as many hashes as the groups take.
struct Given<'g, 'a, I> {
    shape: TreeShape,
    groups: &'g [Range<u64>],
    cells: Cells<'a, I>,
    proof: Iter<'g, [u8; HASH_BYTES]>,
}

impl<'a, I: Iterator<Item = &'a [u8]>> Given<'_, 'a, I> {
    fn root(&mut self) -> [u8; HASH_BYTES] {
        match self.shape.lies(self.shape.top(), self.groups) {
            Lies::Across(left, Some(right)) => {
                let (left, right) = (self.hash(left), self.hash(right));
                *merge_subtrees_root(&left, &right, Mode::Hash).as_bytes()
            }
            // All groups are given.
            Lies::Across(_, None) | Lies::Inside | Lies::Outside => {
                let mut hasher = Hasher::new();
                self.cells.hash(&mut hasher, self.shape.column_bytes());
                *hasher.finalize().as_bytes()
            }
        }
    }

    fn hash(&mut self, node: Node) -> ChainingValue {
        match self.shape.lies(node, self.groups) {
            Lies::Outside => self.proof.next().copied().unwrap_or_default(),
            Lies::Inside => {
                let bytes = self.shape.bytes_of(self.shape.groups_of(node));
                let mut hasher = Hasher::new();
                hasher.set_input_offset(bytes.start);
                self.cells.hash(&mut hasher, bytes.end - bytes.start);
                // Of no bytes there is no hash; that there are too few is told afterwards.
                if hasher.count() == 0 { ChainingValue::default() } else { hasher.finalize_non_root() }
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
