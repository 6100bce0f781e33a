//! Which hashes a column's tree has, and where each of them lies.

use core::ops::Range;

use super::{GROUP_BYTES_MIN, GroupSet, ProofError};
use crate::column::CHECKSUM_BYTES;

/// Bytes of one hash.
pub const HASH_BYTES: usize = 32;

/// A node of the tree: the `index`-th from the left of those that are `level` above the groups.
///
/// It covers the groups from `index << level` on, as many as `1 << level` or as there are. One whose right half has no
/// group is its left half.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) level: u32,
    pub(super) index: u64,
}

/// How a node lies to some groups.
pub(super) enum Lies {
    Outside,
    Inside,
    /// It has some of them and others: its halves, of which the right one may have no groups.
    Across(Node, Option<Node>),
}

/// The hash tree of a column: its groups, and the place of every hash.
///
/// Shape: the tree is that of BLAKE3 over the column's cell bytes, cut off at groups of `group_bytes`. Hashes are
/// numbered level by level from the groups upwards, in each from left to right, the root last; `2 G - 1` of them for
/// G groups. A node without a right half is none of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TreeShape {
    column_bytes: u64,
    group_bytes: u32,
}

impl TreeShape {
    /// Describes the tree of a column with `column_bytes` of cells.
    ///
    /// # Panics
    /// When `group_bytes` is no power of two of at least 1024.
    pub fn new(column_bytes: u64, group_bytes: u32) -> Self {
        assert!(is_group(group_bytes), "groups of {group_bytes} bytes");
        Self { column_bytes, group_bytes }
    }

    /// Counts the bytes of the column's cells.
    pub fn column_bytes(&self) -> u64 {
        self.column_bytes
    }

    /// Counts the bytes of a group; the last one may be shorter.
    pub fn group_bytes(&self) -> u32 {
        self.group_bytes
    }

    /// Counts the groups.
    pub fn group_count(&self) -> u64 {
        self.column_bytes.div_ceil(self.group_bytes.into())
    }

    /// Counts the hashes: of a column without bytes there are none.
    pub fn hash_count(&self) -> u64 {
        (2 * self.group_count()).saturating_sub(1)
    }

    /// Computes the length of the tree in a column file: its hashes and their CRC; nothing for a column without bytes.
    pub fn section_bytes(&self) -> u64 {
        match self.hash_count() {
            0 => 0,
            count => count.saturating_mul(HASH_BYTES as u64).saturating_add(CHECKSUM_BYTES as u64),
        }
    }

    /// Finds the groups that hold a range of the column's cell bytes.
    pub fn groups_over(&self, bytes: Range<u64>) -> Range<u64> {
        let group_bytes = u64::from(self.group_bytes);
        bytes.start / group_bytes..bytes.end.div_ceil(group_bytes)
    }

    /// Finds the cell bytes of a range of groups.
    pub fn bytes_of(&self, groups: Range<u64>) -> Range<u64> {
        let at = |group: u64| group.saturating_mul(self.group_bytes.into()).min(self.column_bytes);
        at(groups.start)..at(groups.end)
    }

    /// Lists the hashes that prove `groups` against the root, in the order in which [`verify_groups`] takes them.
    ///
    /// Shape: numbers of hashes; hash i lies 32 i bytes into the tree's section of the file. At most two per level of the
    /// tree; none for all groups.
    ///
    /// # Errors
    /// [`ProofError::Groups`] for groups that the column does not have, and for none.
    ///
    /// [`verify_groups`]: super::verify_groups
    pub fn proof_places(&self, groups: Range<u64>) -> Result<Vec<u64>, ProofError> {
        self.check(&groups)?;
        Ok(self.places_beside(&[groups]))
    }

    /// Lists the hashes that prove all groups of a set at once, in the order in which [`verify_group_set`] takes them.
    ///
    /// Shape: as [`TreeShape::proof_places`]; fewer than its ranges have one by one.
    ///
    /// # Errors
    /// [`ProofError::Groups`] for groups that the column does not have, and for none.
    ///
    /// [`verify_group_set`]: super::verify_group_set
    pub fn set_places(&self, groups: &GroupSet) -> Result<Vec<u64>, ProofError> {
        self.check(&groups.whole())?;
        Ok(self.places_beside(groups.ranges()))
    }

    pub(super) fn places_beside(&self, groups: &[Range<u64>]) -> Vec<u64> {
        let mut places = Vec::new();
        self.walk(self.top(), groups, &mut places);
        places
    }

    fn walk(&self, node: Node, groups: &[Range<u64>], places: &mut Vec<u64>) {
        match self.lies(node, groups) {
            Lies::Outside => places.push(self.place(node)),
            Lies::Inside => {}
            Lies::Across(left, right) => {
                self.walk(left, groups, places);
                if let Some(right) = right {
                    self.walk(right, groups, places);
                }
            }
        }
    }

    pub(super) fn check(&self, groups: &Range<u64>) -> Result<(), ProofError> {
        let count = self.group_count();
        if groups.start < groups.end && groups.end <= count {
            return Ok(());
        }
        Err(ProofError::Groups { start: groups.start, end: groups.end, count })
    }

    /// The node that covers all groups, of which there must be some.
    pub(super) fn top(&self) -> Node {
        let last = self.group_count().saturating_sub(1);
        Node { level: u64::BITS - last.leading_zeros(), index: 0 }
    }

    pub(super) fn groups_of(&self, node: Node) -> Range<u64> {
        let start = node.index << node.level;
        start..(start + (1 << node.level)).min(self.group_count())
    }

    /// How a node lies to ranges of groups, which are in order and do not touch.
    pub(super) fn lies(&self, node: Node, groups: &[Range<u64>]) -> Lies {
        let own = self.groups_of(node);
        let ahead = groups.partition_point(|range| range.end <= own.start);
        match groups.get(ahead).filter(|range| range.start < own.end) {
            None => Lies::Outside,
            Some(range) if range.start <= own.start && own.end <= range.end => Lies::Inside,
            Some(_) => {
                let left = Node { level: node.level - 1, index: node.index * 2 };
                let right = Node { index: left.index + 1, ..left };
                Lies::Across(left, (right.index < self.count(right.level)).then_some(right))
            }
        }
    }

    /// Counts the nodes of a level, those among them that are their left halves too.
    fn count(&self, level: u32) -> u64 {
        self.group_count().div_ceil(1 << level)
    }

    /// Counts the hashes of a level: of its nodes that have both halves.
    pub(super) fn own_count(&self, level: u32) -> u64 {
        if level == 0 { self.group_count() } else { self.count(level - 1) / 2 }
    }

    /// Counts the hashes below a level.
    pub(super) fn below(&self, level: u32) -> u64 {
        (0..level).map(|level| self.own_count(level)).sum()
    }

    /// The number of a node's hash.
    pub(super) fn place(&self, node: Node) -> u64 {
        let Node { mut level, mut index } = node;
        while level > 0 && index * 2 + 1 >= self.count(level - 1) {
            level -= 1;
            index *= 2;
        }
        self.below(level) + index
    }
}

/// Whether groups may have this size.
pub(in crate::column) fn is_group(group_bytes: u32) -> bool {
    group_bytes.is_power_of_two() && group_bytes >= GROUP_BYTES_MIN
}
