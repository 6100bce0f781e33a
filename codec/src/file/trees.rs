//! The hash trees that column files hold, as far as they can be believed.

use std::os::unix::fs::FileExt;

use super::Title;
use super::stripe_reader::in_memory;
use super::survey::ColumnFile;
use crate::column::ColumnTree;

/// The hash trees of a title's columns.
///
/// Cost: 64 bytes of memory for each group of each column.
#[derive(Debug)]
pub(super) struct Trees {
    columns: Vec<Result<ColumnTree, Option<String>>>,
}

impl Trees {
    /// No trees: nothing is checked by them.
    pub(super) fn none(title: &Title) -> Self {
        Self { columns: title.columns.iter().map(|_| Err(None)).collect() }
    }

    /// Reads those of all columns whose headers are sound, and holds them against the roots there.
    pub(super) fn read(title: &Title) -> Self {
        let of_column = |file: &Option<ColumnFile>| file.as_ref().map_or(Err(None), |file| read(title, file));
        Self { columns: title.columns.iter().map(of_column).collect() }
    }

    /// The tree of a column, when it is sound and leads to the root in the column's header.
    pub(super) fn get(&self, column: usize) -> Option<&ColumnTree> {
        self.columns[column].as_ref().ok()
    }

    /// What is wrong with the tree of a column, beyond what is wrong with its file as a whole.
    pub(super) fn problem(&self, column: usize) -> Option<&str> {
        self.columns[column].as_ref().err()?.as_deref()
    }
}

fn read(title: &Title, file: &ColumnFile) -> Result<ColumnTree, Option<String>> {
    let header = file.header.as_ref().ok_or(None)?;
    let (shape, offset) = (title.geometry.tree(), title.geometry.tree_offset());
    if title.geometry.file_bytes() > file.bytes {
        // What a header says is not taken for granted: there is nothing to make room for.
        return Err(None);
    }
    let mut bytes = vec![0; in_memory(shape.section_bytes())];
    file.file.read_exact_at(&mut bytes, offset).map_err(|error| Some(format!("its hash tree: {error}")))?;
    let tree = ColumnTree::parse(shape, &bytes).map_err(|error| Some(error.to_string()))?;
    if tree.root() == header.root {
        return Ok(tree);
    }
    let [found, expected] = [tree.root(), header.root].map(blake3::Hash::from_bytes);
    Err(Some(format!("its hash tree has the root {found}, expected {expected} as the header says")))
}
