//! Columns of a folder that are written anew.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::damage::ColumnDamage;
use super::encode::write_ends;
use super::staging::{open_part, part_of, sync_all, write_behind};
use super::stripe_reader::StripeReader;
use super::survey::ColumnFile;
use super::{FileError, Title, column_name};
use crate::column::{ColumnBuilder, ColumnHeader, ColumnTree};

/// Columns that are written anew.
pub(super) struct Mend<'a> {
    title: &'a Title,
    files: Vec<MendedFile>,
}

/// A column file under its temporary name; removed when it does not get its own.
struct MendedFile {
    column: usize,
    path: PathBuf,
    part: PathBuf,
    file: File,
}

impl Drop for MendedFile {
    fn drop(&mut self) {
        // Once it has its name this finds nothing. What else fails leaves a hidden file, which the next repair removes.
        let _ = fs::remove_file(&self.part);
    }
}

impl<'a> Mend<'a> {
    pub(super) fn new(folder: &Path, title: &'a Title, columns: &[usize]) -> Result<Self, FileError> {
        let open = |&column: &usize| {
            let path = folder.join(column_name(column));
            let part = part_of(&path);
            let file = open_part(&part)?;
            Ok(MendedFile { column, path, part, file })
        };
        Ok(Self { title, files: columns.iter().map(open).collect::<Result<_, FileError>>()? })
    }

    /// What makes the records and hash trees of the columns.
    pub(super) fn builders(&self) -> Vec<ColumnBuilder> {
        let Title { seals, header, .. } = self.title;
        self.files.iter().map(|file| ColumnBuilder::new(seals[file.column], header.group_bytes)).collect()
    }

    /// Writes the records of a stripe that is whole.
    pub(super) fn write(&self, reader: &mut StripeReader<'_>, builders: &mut [ColumnBuilder]) -> Result<(), FileError> {
        let shape = *reader.shape();
        for (MendedFile { column, part, file, .. }, builder) in self.files.iter().zip(builders) {
            let record = reader.record_mut(*column);
            builder.complete(&shape, record);
            file.write_all_at(record, shape.record_offset).map_err(FileError::io("writing", part))?;
            write_behind(file, shape.index, shape.record_offset, record.len() as u64);
        }
        Ok(())
    }

    /// The header of a column's file as it was found, where it is sound.
    fn earlier(&self, column: usize) -> Option<&ColumnHeader> {
        self.title.columns[column].as_ref().and_then(|file: &ColumnFile| file.header.as_ref())
    }

    /// Checks that each column came out with the root that its header says, where that has survived. Where the other
    /// columns, and the content's hash, say that the column was silently wrong, its root was so too.
    pub(super) fn check_roots(&self, made: &[ColumnTree], damage: &[ColumnDamage]) -> Result<(), FileError> {
        for (file, tree) in self.files.iter().zip(made) {
            let (column, found) = (file.column, tree.root());
            let is_wrong = |earlier: &&ColumnHeader| earlier.root != found && damage[column].silent == 0;
            if let Some(earlier) = self.earlier(column).filter(is_wrong) {
                let path = self.title.path(column).unwrap_or(&file.path).to_owned();
                return Err(FileError::Root { path, column, found, expected: earlier.root });
            }
        }
        Ok(())
    }

    /// Makes all of them durable, then gives them their names.
    pub(super) fn publish(&self, trees: &[ColumnTree]) -> Result<(), FileError> {
        let Title { header, geometry, .. } = self.title;
        for ((MendedFile { column, part, file, .. }, number), tree) in self.files.iter().zip(self.numbers()).zip(trees)
        {
            let store = self.earlier(*column).map(|earlier| earlier.store).unwrap_or_default();
            let header = ColumnHeader { column: number, store, root: tree.root(), ..header.clone() };
            write_ends(file, geometry, &header, tree).map_err(FileError::io("writing", part))?;
        }
        sync_all(self.files.iter().map(|file| (file.part.as_path(), &file.file)))?;
        for MendedFile { path, part, .. } in &self.files {
            fs::rename(part, path).map_err(FileError::io("renaming", part))?;
        }
        Ok(())
    }

    fn numbers(&self) -> impl Iterator<Item = u16> {
        self.files.iter().map(|file| crate::code::Cell::new(file.column, 0).column)
    }
}
