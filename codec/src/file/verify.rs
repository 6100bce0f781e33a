//! Whether the columns of a folder are all there and intact.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::content_hash::{ContentHash, StripeHasher};
use super::damage::ColumnDamage;
use super::decode::correct;
use super::mend::Mend;
use super::stripe_reader::{StripeReader, Wanted};
use super::survey::Survey;
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
pub(super) struct Folder {
    pub(super) title: Title,
    warnings: Vec<String>,
}

/// Opens the title of a folder, which should have its columns as `000.rain`, `001.rain`, ...
pub(super) fn open_folder(folder: &Path) -> Result<Folder, FileError> {
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
    /// Of the columns that are written again.
    builders: Vec<ColumnBuilder>,
}

/// What came of reading all columns.
pub(super) struct Findings {
    pub(super) damage: Vec<ColumnDamage>,
    trees: Trees,
    /// Of the columns that were written again.
    pub(super) made: Vec<ColumnTree>,
    pub(super) unlocated: Option<u64>,
    contradicted: Option<u64>,
    /// The first stripe of which no file has a byte, where there is one.
    absent: Option<u64>,
    /// The etag of the content as it is, or as it was recovered and corrected.
    pub(super) etag: Option<[u8; 16]>,
}

/// Reads all stripes of all columns, and checks every block, the columns' roots, and the columns against each other. `mend` recovers what is
/// lost and is told of each stripe that is whole then; without it what is lost stays so.
pub(super) fn read_all(title: &Title, mend: Option<&Mend<'_>>, progress: Progress<'_>) -> Result<Findings, FileError> {
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

pub(super) fn report(folder: &Path, opened: &Folder, findings: &Findings) -> VerifyReport {
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
