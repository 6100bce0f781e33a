//! Whether the columns of a folder are all there and intact, and making them so.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::content_hash::{ContentHash, StripeHasher};
use super::damage::ColumnDamage;
use super::decode::correct;
use super::encode::write_ends;
use super::staging::{hold, is_part, open_part, part_of, sync_all, sync_folder, write_behind};
use super::stripe_reader::{StripeReader, Wanted};
use super::survey::{ColumnFile, Survey};
use super::trees::Trees;
use super::workers;
use super::{FileError, Progress, Title, column_name};
use crate::column::{ColumnBuilder, ColumnHeader, ColumnTree};
use crate::integrity::Locator;

/// How a column of a folder is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ColumnFinding {
    /// There, and every block as its checksum and the column's root say.
    Ok,
    /// Not there.
    Missing,
    /// There, but not to be trusted: what is wrong with it.
    Damaged(String),
}

/// How the columns of a folder are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyReport {
    /// What the headers have in common ([`ColumnHeader::common`]).
    pub header: ColumnHeader,
    /// How each column is, by index.
    pub columns: Vec<ColumnFinding>,
    /// What is wrong with the title as a whole although its columns are intact: they contradict each other, or the
    /// content has another hash than the headers say.
    pub problems: Vec<String>,
    /// What is no reason to worry: other files in the folder.
    pub warnings: Vec<String>,
}

impl VerifyReport {
    /// Whether all columns are there and intact.
    pub fn is_ok(&self) -> bool {
        self.problems.is_empty() && self.columns.iter().all(|column| *column == ColumnFinding::Ok)
    }

    /// Counts the columns that are intact.
    pub fn intact(&self) -> usize {
        self.columns.iter().filter(|column| **column == ColumnFinding::Ok).count()
    }

    /// All that is wrong, in words.
    pub fn faults(&self) -> Vec<String> {
        let of_column = |(column, state): (usize, &ColumnFinding)| match state {
            ColumnFinding::Ok => None,
            ColumnFinding::Missing => Some(format!("{}: missing", column_name(column))),
            ColumnFinding::Damaged(reason) => Some(format!("{}: {reason}", column_name(column))),
        };
        self.columns.iter().enumerate().filter_map(of_column).chain(self.problems.iter().cloned()).collect()
    }
}

/// Says what is wrong with the blocks of a column.
pub(super) fn describe(damage: &ColumnDamage) -> String {
    let ColumnDamage { blocks, checksums, refuted, unreadable, silent, first } = damage;
    let counted = [
        (blocks - checksums, "damaged blocks"),
        (*checksums, "damaged checksums of blocks that agree with the other columns"),
        (*refuted, "blocks whose checksums fit, and of which the column's root was not made"),
        (*unreadable, "unreadable blocks"),
        (*silent, "stripes silently wrong: their checksums fit, the other columns say otherwise"),
    ];
    let parts: Vec<String> =
        counted.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{what}: {count}")).collect();
    let first = first.map_or_else(String::new, |place| {
        format!("; the first in stripe {}, row {}, block {}", place.stripe, place.row, place.block)
    });
    parts.join(", ") + &first
}

/// The columns of a folder, and what is known of its names.
struct Folder {
    title: Title,
    warnings: Vec<String>,
}

/// Opens the title of a folder, which should have its columns as `000.rain`, `001.rain`, ...
fn open_folder(folder: &Path) -> Result<Folder, FileError> {
    let title = Survey::of(&[folder.to_owned()])?.open_largest()?;
    let names: BTreeSet<PathBuf> = (0..title.columns.len()).map(|column| folder.join(column_name(column))).collect();
    let list = fs::read_dir(folder).map_err(FileError::io("listing the folder", folder))?;
    let mut others: Vec<PathBuf> = list.flatten().map(|entry| entry.path()).collect();
    others.retain(|path| !names.contains(path));
    others.sort_unstable();
    let warnings = others.iter().map(|path| format!("{} is none of the columns", path.display())).collect();
    Ok(Folder { title, warnings })
}

/// What is wrong with the name of a column: another file has it, or none.
fn named(folder: &Path, title: &Title, column: usize) -> ColumnFinding {
    let expected = folder.join(column_name(column));
    if title.path(column).is_some_and(|path| path == expected) {
        return match title.columns[column].as_ref().and_then(|file| file.problem.clone()) {
            Some(problem) => ColumnFinding::Damaged(problem),
            None => ColumnFinding::Ok,
        };
    }
    let reason = title.unused.iter().find(|(path, _)| *path == expected).map(|(_, reason)| reason.clone());
    let holds = (0..title.columns.len()).find(|&other| title.path(other).is_some_and(|path| path == expected));
    match (reason, holds) {
        (Some(reason), _) => ColumnFinding::Damaged(reason),
        (None, Some(other)) => ColumnFinding::Damaged(format!("holds column {other}, expected column {column}")),
        (None, None) => match title.path(column) {
            None => ColumnFinding::Missing,
            Some(path) => ColumnFinding::Damaged(format!("it is found as {}", path.display())),
        },
    }
}

/// Each thread's share of reading all columns.
struct Share<'a> {
    reader: StripeReader<'a>,
    /// Stripes in which the columns contradict each other, and no one column explains it.
    unlocated: Option<u64>,
    /// The first stripe in which something is lost and the rest contradicts itself.
    contradicted: Option<u64>,
    hashed: bool,
    /// Of the columns that are written anew.
    builders: Vec<ColumnBuilder>,
}

/// What came of reading all columns.
struct Findings {
    damage: Vec<ColumnDamage>,
    trees: Trees,
    /// Of the columns that were written anew.
    made: Vec<ColumnTree>,
    unlocated: Option<u64>,
    contradicted: Option<u64>,
    /// The first stripe of which no file has a byte, where there is one.
    absent: Option<u64>,
    /// The etag of the content as it is, or as it was recovered and corrected.
    etag: Option<[u8; 16]>,
}

/// Reads all stripes of all columns, and checks every block, the columns' roots, and the columns against each other. `mend` recovers what is
/// lost and is told of each stripe that is whole then; without it what is lost stays so.
fn read_all(title: &Title, mend: Option<&Mend<'_>>, progress: Progress<'_>) -> Result<Findings, FileError> {
    let hash = ContentHash::default();
    let trees = Trees::read(title);
    let locator = OnceLock::new();
    let read = |share: &mut Share<'_>, index: u64| {
        let reader = &mut share.reader;
        reader.begin(index);
        reader.read_all();
        if reader.is_sound(Wanted::All) {
            if !reader.is_consistent() && correct(reader, locator.get_or_init(|| Locator::new(title.code()))).is_none()
            {
                share.unlocated = Some(share.unlocated.map_or(index, |first| first.min(index)));
            }
        } else {
            reader.tell_checksums_from_blocks();
            if mend.is_none() && reader.contradicts_itself() {
                share.contradicted = Some(share.contradicted.map_or(index, |first| first.min(index)));
            }
        }
        if mend.is_some() {
            reader.recover(Wanted::All)?;
        }
        let shape = *reader.shape();
        if reader.is_sound(Wanted::Data) {
            let mut hasher = StripeHasher::new(shape.title_offset, shape.title_offset + shape.data_bytes);
            reader.data().iter().for_each(|part| hasher.update(part));
            hash.add(hasher.finish());
        } else {
            share.hashed = false;
        }
        if let Some(mend) = mend {
            mend.write(reader, &mut share.builders)?;
        }
        progress(shape.data_bytes);
        Ok(())
    };
    let builders = mend.map(Mend::builders).unwrap_or_default();
    let new = || {
        let reader = StripeReader::new(title, &trees);
        Share { reader, unlocated: None, contradicted: None, hashed: true, builders: builders.clone() }
    };
    // What no file has a byte of is found once: a repair fails there.
    let reached = title.stripes_reached();
    let is_reached = reached == title.geometry.stripe_count();
    let count = if mend.is_some() { title.geometry.stripe_count() } else { reached };
    let shares = if count == 0 { Vec::new() } else { workers::run(new, workers::each(count), read, || ())? };
    let mut damage = vec![ColumnDamage::default(); title.columns.len()];
    for share in &shares {
        for (damage, found) in damage.iter_mut().zip(share.reader.damage()) {
            damage.merge(found);
        }
    }
    let hashed = is_reached && shares.iter().all(|share| share.hashed);
    let unlocated = shares.iter().filter_map(|share| share.unlocated).min();
    let contradicted = shares.iter().filter_map(|share| share.contradicted).min();
    let mut joined = builders;
    for share in shares {
        joined.iter_mut().zip(share.builders).for_each(|(joined, builder)| joined.join(builder));
    }
    Ok(Findings {
        damage,
        trees,
        made: joined.into_iter().map(ColumnBuilder::finish).collect(),
        absent: (!is_reached).then_some(reached),
        unlocated,
        contradicted,
        etag: if hashed { hash.etag(title.header.title_bytes) } else { None },
    })
}

fn report(folder: &Path, opened: &Folder, findings: &Findings) -> VerifyReport {
    let title = &opened.title;
    let of_column = |column: usize| match (named(folder, title, column), findings.trees.problem(column)) {
        (ColumnFinding::Ok, Some(problem)) => ColumnFinding::Damaged(problem.to_owned()),
        (state, _) => state,
    };
    let mut columns: Vec<ColumnFinding> = (0..title.columns.len()).map(of_column).collect();
    for (state, damage) in columns.iter_mut().zip(&findings.damage).filter(|(_, damage)| !damage.is_none()) {
        let blocks = describe(damage);
        *state = match state {
            ColumnFinding::Damaged(reason) => ColumnFinding::Damaged(format!("{reason}; {blocks}")),
            ColumnFinding::Ok | ColumnFinding::Missing => ColumnFinding::Damaged(blocks),
        };
    }
    let mut problems = Vec::new();
    if let Some(stripe) = findings.unlocated {
        problems.push(format!(
            "from stripe {stripe} on, the columns contradict each other although their checksums fit, and no one column explains it"
        ));
    }
    if let Some(stripe) = findings.contradicted {
        problems.push(format!(
            "from stripe {stripe} on, a column is silently wrong: what is there contradicts itself although its checksums fit; with something lost beside it there is no telling which"
        ));
    }
    if let Some(stripe) = findings.absent {
        let count = title.geometry.stripe_count();
        problems.push(format!("from stripe {stripe} on, of {count}, no file has a byte: the files are too short"));
    }
    let is_corrected = findings.damage.iter().any(|damage| damage.silent > 0);
    if let Some(found) = findings.etag.filter(|etag| *etag != title.header.etag && title.header.title_bytes > 0) {
        let content = if is_corrected { "the content, corrected," } else { "the content" };
        problems.push(format!(
            "{content} has the etag {}, expected {}",
            super::error::hex(&found),
            super::error::hex(&title.header.etag)
        ));
    }
    VerifyReport { header: title.header.clone(), columns, problems, warnings: opened.warnings.clone() }
}

/// Looks at every column of a folder that [`encode`](super::encode) made: whether it is there under its name, every block
/// is as its checksum and the root in its header say, the columns agree with each other, and the content has the hash that the headers say.
/// `progress` is told how many more bytes of the content are looked at.
///
/// # Errors
/// There are no columns, or of several titles as many, or the folder cannot be read, or a stripe does not fit the memory.
/// What is wrong with columns is no error but what is reported.
pub fn verify(folder: &Path, progress: Progress<'_>) -> Result<VerifyReport, FileError> {
    let opened = open_folder(folder)?;
    opened.title.check_stripe()?;
    let findings = read_all(&opened.title, None, progress)?;
    Ok(report(folder, &opened, &findings))
}

/// What a repair did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repaired {
    /// How the columns were before.
    pub before: VerifyReport,
    /// How they are now: all intact.
    pub after: VerifyReport,
    /// The columns that were written.
    pub columns: Vec<usize>,
}

/// Writes the columns of a folder that are missing or damaged anew, under their names, and verifies all of them then.
///
/// A file that has the name of a column and holds something else is replaced. A column that is silently wrong is
/// corrected when the content then has the hash that the headers say. A column whose header is sound comes out with the
/// root that it says. Files are replaced once all that replaces them is
/// durable. `progress` is told how many more bytes of the content are done; they are read up to three times.
///
/// # Errors
/// [`FileError`]; but for [`FileError::StillDamaged`] and errors while names are given nothing is changed.
pub fn repair(folder: &Path, ignore_etag: bool, progress: Progress<'_>) -> Result<Repaired, FileError> {
    let held = hold(folder)?;
    let mut repaired = repair_once(folder, ignore_etag, progress)?;
    let is_whole = |report: &VerifyReport| report.columns.iter().all(|column| *column == ColumnFinding::Ok);
    if !is_whole(&repaired.after) {
        // What was lost hid a column that is silently wrong: now it can be told. If not, the first report stands.
        if let Ok(again) = repair_once(folder, ignore_etag, progress) {
            repaired.columns.extend(again.columns);
            repaired.columns.sort_unstable();
            repaired.columns.dedup();
            repaired.after = again.after;
        }
    }
    let after = &repaired.after;
    let is_good = after.is_ok() || is_whole(after) && ignore_etag;
    if !is_good {
        return Err(FileError::StillDamaged { folder: folder.to_owned(), problems: after.faults().join("; ") });
    }
    drop(held);
    Ok(repaired)
}

/// Writes what can be told to be missing or damaged, and verifies all columns then.
fn repair_once(folder: &Path, ignore_etag: bool, progress: Progress<'_>) -> Result<Repaired, FileError> {
    let opened = open_folder(folder)?;
    let title = &opened.title;
    title.check_enough()?;
    title.check_stripe()?;
    remove_parts(folder)?;
    let findings = read_all(title, None, progress)?;
    let before = report(folder, &opened, &findings);
    let is_wrong = |column: &usize| before.columns[*column] != ColumnFinding::Ok;
    let columns: Vec<usize> = (0..title.columns.len()).filter(is_wrong).collect();
    if findings.unlocated.is_some() || (columns.is_empty() && !before.is_ok()) {
        return Err(FileError::NotRepaired { folder: folder.to_owned(), problems: before.faults().join("; ") });
    }
    if columns.is_empty() {
        return Ok(Repaired { after: before.clone(), before, columns });
    }
    let mend = Mend::new(folder, title, &columns)?;
    let mended = read_all(title, Some(&mend), progress)?;
    check_etag(title, &mended, ignore_etag)?;
    mend.check_roots(&mended)?;
    mend.publish(&mended.made)?;
    sync_folder(folder)?;
    let after = verify(folder, progress)?;
    Ok(Repaired { before, after, columns })
}

fn check_etag(title: &Title, mended: &Findings, ignore_etag: bool) -> Result<(), FileError> {
    let expected = title.header.etag;
    let is_silent = mended.damage.iter().any(|damage| damage.silent > 0);
    match mended.etag.filter(|found| *found != expected) {
        // What was corrected without a checksum has nothing else to be verified by.
        Some(found) if is_silent || !ignore_etag => Err(FileError::Etag {
            title: format!("\"{}\"", title.header.title),
            found,
            expected,
            reason: String::from("; nothing was changed"),
        }),
        _ => Ok(()),
    }
}

/// Removes what an interrupted repair left.
fn remove_parts(folder: &Path) -> Result<(), FileError> {
    let list = fs::read_dir(folder).map_err(FileError::io("listing the folder", folder))?;
    for path in list.flatten().map(|entry| entry.path()).filter(|path| is_part(path) && path.is_file()) {
        fs::remove_file(&path).map_err(FileError::io("removing", &path))?;
    }
    Ok(())
}

/// Columns that are written anew.
struct Mend<'a> {
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
    fn new(folder: &Path, title: &'a Title, columns: &[usize]) -> Result<Self, FileError> {
        let open = |&column: &usize| {
            let path = folder.join(column_name(column));
            let part = part_of(&path);
            let file = open_part(&part)?;
            Ok(MendedFile { column, path, part, file })
        };
        Ok(Self { title, files: columns.iter().map(open).collect::<Result<_, FileError>>()? })
    }

    /// What makes the records and hash trees of the columns.
    fn builders(&self) -> Vec<ColumnBuilder> {
        let Title { seals, header, .. } = self.title;
        self.files.iter().map(|file| ColumnBuilder::new(seals[file.column], header.group_bytes)).collect()
    }

    /// Writes the records of a stripe that is whole.
    fn write(&self, reader: &mut StripeReader<'_>, builders: &mut [ColumnBuilder]) -> Result<(), FileError> {
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
    fn check_roots(&self, mended: &Findings) -> Result<(), FileError> {
        for (file, tree) in self.files.iter().zip(&mended.made) {
            let (column, found) = (file.column, tree.root());
            let is_wrong = |earlier: &&ColumnHeader| earlier.root != found && mended.damage[column].silent == 0;
            if let Some(earlier) = self.earlier(column).filter(is_wrong) {
                let path = self.title.path(column).unwrap_or(&file.path).to_owned();
                return Err(FileError::Root { path, column, found, expected: earlier.root });
            }
        }
        Ok(())
    }

    /// Makes all of them durable, then gives them their names.
    fn publish(&self, trees: &[ColumnTree]) -> Result<(), FileError> {
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
