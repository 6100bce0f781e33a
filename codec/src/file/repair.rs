//! Making the columns of a folder whole again.

use std::fs;
use std::path::Path;

use super::mend::Mend;
use super::staging::{hold, is_part, sync_folder};
use super::verify::{ColumnFinding, Findings, VerifyReport, open_folder, read_all, report, verify};
use super::{FileError, Progress, Title};

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
    mend.check_roots(&mended.made, &mended.damage)?;
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
