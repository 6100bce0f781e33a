//! A column's cells, hashed as they come.

use std::collections::BTreeMap;

use blake3::Hasher;
use blake3::hazmat::{ChainingValue, HasherExt};

use super::shape::is_group;
use super::{ColumnTree, HASH_BYTES, TreeShape};

/// Hashes the cells of a column, and makes its tree of them.
///
/// Shape: the bytes are those of the cells, stripe after stripe, in each row after row, without checksums; in pieces of
/// any length. Where a stripe is hashed before those to its left, [`ColumnHasher::seek`] says where it lies, and hashers
/// of some stripes each become one by [`ColumnHasher::join`].
/// Cost: fastest in pieces of whole groups. 32 bytes of memory for each group, and as much again at the end.
#[derive(Clone, Debug)]
pub struct ColumnHasher {
    group_bytes: u32,
    /// The group under way, and the bytes of it.
    group: u64,
    hasher: Hasher,
    /// Runs of hashed groups, by their first; the run that goes on is `run`.
    runs: BTreeMap<u64, Vec<ChainingValue>>,
    run: (u64, Vec<ChainingValue>),
    /// The hash of the first group as the only one.
    alone: Option<[u8; HASH_BYTES]>,
    /// The group that is shorter than others, and its bytes.
    short: Option<(u64, u64)>,
}

impl ColumnHasher {
    /// Begins at the column's first cell.
    ///
    /// # Panics
    /// When `group_bytes` is no power of two of at least 1024.
    pub fn new(group_bytes: u32) -> Self {
        assert!(is_group(group_bytes), "groups of {group_bytes} bytes");
        Self {
            group_bytes,
            group: 0,
            hasher: Hasher::new(),
            runs: BTreeMap::new(),
            run: (0, Vec::new()),
            alone: None,
            short: None,
        }
    }

    /// Takes the next cell bytes.
    pub fn update(&mut self, mut cells: &[u8]) {
        while !cells.is_empty() {
            let left = u64::from(self.group_bytes) - self.hasher.count();
            let (part, rest) = cells.split_at(usize::try_from(left).map_or(cells.len(), |left| left.min(cells.len())));
            self.hasher.update(part);
            cells = rest;
            if self.hasher.count() == self.group_bytes.into() {
                self.end_group();
            }
        }
    }

    /// Goes on elsewhere: at `column_offset` bytes from the column's first cell.
    ///
    /// # Panics
    /// When a group does not begin there.
    pub fn seek(&mut self, column_offset: u64) {
        let group_bytes = u64::from(self.group_bytes);
        assert!(column_offset.is_multiple_of(group_bytes), "groups of {group_bytes} bytes, and one at {column_offset}");
        self.end_short();
        let group = column_offset / group_bytes;
        if group != self.group {
            self.keep_run();
            self.begin(group);
            self.run = (group, Vec::new());
        }
    }

    /// Adds what another hasher of the same column has hashed.
    ///
    /// # Panics
    /// When its groups have another size.
    pub fn join(&mut self, mut other: Self) {
        assert_eq!(self.group_bytes, other.group_bytes, "bytes of a group");
        for hasher in [&mut *self, &mut other] {
            hasher.end_short();
            hasher.keep_run();
            hasher.run.0 = hasher.group;
        }
        self.runs.append(&mut other.runs);
        self.alone = self.alone.or(other.alone);
        self.short = self.short.max(other.short);
    }

    /// Makes the tree.
    ///
    /// Cost: a compression for each group.
    ///
    /// # Panics
    /// When some bytes of the column, up to the last that was hashed, were not, or were twice; or when a group was left
    /// before its end, and was not the last.
    pub fn finish(mut self) -> ColumnTree {
        self.end_short();
        self.keep_run();
        let mut groups: Vec<ChainingValue> = Vec::new();
        for (first, run) in self.runs {
            assert_eq!(groups.len() as u64, first, "groups that were hashed before group {first}");
            groups.extend(run);
        }
        let count = groups.len() as u64;
        let group_bytes = u64::from(self.group_bytes);
        let column_bytes = match self.short {
            None => count * group_bytes,
            Some((group, bytes)) => {
                assert_eq!(group + 1, count, "the last group and the short one");
                group * group_bytes + bytes
            }
        };
        if let (Some(alone), [only]) = (self.alone, &mut groups[..]) {
            *only = alone;
        }
        ColumnTree::of_groups(TreeShape::new(column_bytes, self.group_bytes), groups)
    }

    fn begin(&mut self, group: u64) {
        self.group = group;
        self.hasher = Hasher::new();
        self.hasher.set_input_offset(group * u64::from(self.group_bytes));
    }

    fn end_group(&mut self) {
        if self.group == 0 {
            self.alone = Some(*self.hasher.finalize().as_bytes());
        }
        self.run.1.push(self.hasher.finalize_non_root());
        self.begin(self.group + 1);
    }

    /// Ends the group under way before it is full: it is the column's last.
    fn end_short(&mut self) {
        match self.hasher.count() {
            0 => {}
            bytes => {
                let group = self.short.map_or(self.group, |(group, _)| group);
                assert_eq!(group, self.group, "the last group, which is the only short one");
                self.short = Some((self.group, bytes));
                self.end_group();
            }
        }
    }

    fn keep_run(&mut self) {
        let (first, run) = core::mem::take(&mut self.run);
        if !run.is_empty() {
            self.runs.insert(first, run);
        }
    }
}
