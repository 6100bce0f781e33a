//! From column files back to the content.

use std::fs::{self, File};
use std::io::{self, IoSlice, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, OnceLock};

use super::content_hash::{ContentHash, StripeHasher};
use super::damage::ColumnDamage;
use super::encode::PARTS_MAX;
use super::staging::{hold, open_part, parent_of, part_of, sync_folder, write_behind};
use super::stripe_reader::{StripeReader, Wanted};
use super::trees::Trees;
use super::workers::{self, lock};
use super::{FileError, Progress, Title};
use crate::integrity::{Diagnosis, Locator};

/// Where the content goes.
pub enum Sink {
    /// A file, which has its name once it is whole and durable.
    File(PathBuf),
    /// In order, as it is decoded. What was written before an error is good but for one found in the end, by the etag.
    Stream(Box<dyn Write + Send>),
}

impl core::fmt::Debug for Sink {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::File(path) => formatter.debug_tuple("File").field(path).finish(),
            Self::Stream(_) => formatter.write_str("Stream"),
        }
    }
}

/// What was decoded, and what was wrong with the columns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decoded {
    /// What is to be said to people: missing and damaged columns.
    pub warnings: Vec<String>,
}

/// Decodes a title. Every block is checked, and in the end the hash of the whole content.
///
/// Where that hash is another one although every block is as its checksum says, the columns are compared with each
/// other: one that is silently wrong is found and corrected, if that leads to the right hash. When all columns are there
/// and agree, and still the hash is another, it is the hash that is wrong: this is a warning. With `ignore_etag` it is
/// one in any case.
///
/// `progress` is told how many more bytes of the content are done.
///
/// # Errors
/// [`FileError`]; a file is then not made, or what was there before stays.
pub fn decode(title: &Title, sink: Sink, ignore_etag: bool, progress: Progress<'_>) -> Result<Decoded, FileError> {
    title.check_enough()?;
    title.check_stripe()?;
    match sink {
        Sink::Stream(stream) => {
            let output = Output::Ordered(Ordered::new(stream));
            let decoded = decode_to(title, &output, ignore_etag, progress)?;
            output.flush().map_err(FileError::io("writing", output.path()))?;
            Ok(decoded)
        }
        Sink::File(path) => {
            let part = part_of(&path);
            let file = open_part(&part)?;
            // Held until it has its name: nobody else writes to it.
            let held = hold(&part)?;
            let unfinished = Unfinished(Some(part.clone()));
            let refused = FileError::io("looking at", &part);
            let earlier = file.metadata().map_err(refused)?.len();
            let output = Output::File { file, path: part.clone(), earlier };
            let decoded = decode_to(title, &output, ignore_etag, progress)?;
            let Output::File { file, .. } = output else { unreachable!("it was made a file") };
            file.set_len(title.header.title_bytes).map_err(FileError::io("writing", &part))?;
            file.sync_all().map_err(FileError::io("making it durable", &part))?;
            fs::rename(&part, &path).map_err(FileError::io("renaming", &part))?;
            unfinished.keep();
            sync_folder(parent_of(&path))?;
            drop(held);
            Ok(decoded)
        }
    }
}

/// Removes a file that did not get its name. A failure leaves a hidden file behind, which the next run writes over.
struct Unfinished(Option<PathBuf>);

impl Unfinished {
    fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            let _ = fs::remove_file(path);
        }
    }
}

fn decode_to(title: &Title, output: &Output, ignore_etag: bool, progress: Progress<'_>) -> Result<Decoded, FileError> {
    let mut pass = pass(title, output, false, progress)?;
    let header = &title.header;
    let mut warnings = title.problems();
    let mut reason = String::new();
    if pass.etag != Some(header.etag) && output.can_repeat() {
        // Every block is as its checksum says, but not all is well: the roots tell which one is wrong, or the columns.
        pass = self::pass(title, output, true, &|_| ())?;
        reason = match (pass.silent, pass.unlocated) {
            (0, 0) if pass.is_agreed => "; the columns agree with each other".to_owned(),
            (0, 0) => String::new(),
            (_, 0) => "; a column is silently wrong, and what corrects it does not lead to that etag".to_owned(),
            _ => format!("; {} stripes are silently wrong in more than one column", pass.unlocated),
        };
    }
    let found = pass.etag.expect("all stripes were hashed");
    for (column, damage) in pass.damage.iter().enumerate().filter(|(_, damage)| !damage.is_none()) {
        warnings.push(format!("column {column}: {}", super::verify::describe(damage)));
    }
    if found != header.etag {
        // All columns are there, whole, and agree: no error of some columns can do that.
        let is_whole = title.columns.iter().flatten().all(|file| file.problem.is_none());
        let is_agreed = is_whole && pass.is_agreed && reason.ends_with("agree with each other");
        let error = FileError::Etag { title: format!("\"{}\"", header.title), found, expected: header.etag, reason };
        if !ignore_etag && !is_agreed {
            return Err(error);
        }
        warnings.push(error.to_string());
    }
    Ok(Decoded { warnings })
}

/// What came of reading a title once.
struct Pass {
    etag: Option<[u8; 16]>,
    damage: Vec<ColumnDamage>,
    /// Stripes in which one column was silently wrong and was corrected.
    silent: u64,
    /// Stripes in which the columns contradict each other, and no one column explains it.
    unlocated: u64,
    /// Whether all columns were compared with each other in all stripes.
    is_agreed: bool,
}

/// Each thread's share of a pass.
struct Share<'a> {
    reader: StripeReader<'a>,
    scratch: Vec<u8>,
    silent: u64,
    unlocated: u64,
    is_agreed: bool,
}

/// Decodes all stripes. A careful pass reads all columns, holds them against their roots and each other, and corrects
/// what is silently wrong.
fn pass(title: &Title, output: &Output, careful: bool, progress: Progress<'_>) -> Result<Pass, FileError> {
    let hash = ContentHash::default();
    let locator = OnceLock::new();
    let trees = if careful { Trees::read(title) } else { Trees::none(title) };
    let new = || {
        let reader = StripeReader::new(title, &trees);
        Share { reader, scratch: Vec::new(), silent: 0, unlocated: 0, is_agreed: careful }
    };
    let decode = |share: &mut Share<'_>, index: u64| {
        let reader = &mut share.reader;
        reader.begin(index);
        if careful {
            reader.read_all();
            if !reader.is_sound(Wanted::All) {
                share.is_agreed = false;
            } else if !reader.is_consistent() {
                match correct(reader, locator.get_or_init(|| Locator::new(title.code()))) {
                    Some(_) => share.silent += 1,
                    None => share.unlocated += 1,
                }
            }
        } else {
            reader.read_data();
        }
        reader.recover(Wanted::Data)?;
        let shape = *reader.shape();
        let mut hasher = StripeHasher::new(shape.title_offset, shape.title_offset + shape.data_bytes);
        let data = reader.data();
        for part in &data {
            hasher.update(part);
        }
        hash.add(hasher.finish());
        let written = output.write(index, shape.title_offset, &data, &mut share.scratch);
        written.map_err(FileError::io("writing", output.path()))?;
        progress(shape.data_bytes);
        Ok(())
    };
    let count = title.geometry.stripe_count();
    let shares =
        if count == 0 { Vec::new() } else { workers::run(new, workers::each(count), decode, || output.give_up())? };
    let mut damage = vec![ColumnDamage::default(); title.columns.len()];
    for share in &shares {
        for (damage, found) in damage.iter_mut().zip(share.reader.damage()) {
            damage.merge(found);
        }
    }
    Ok(Pass {
        etag: hash.etag(title.header.title_bytes),
        damage,
        silent: shares.iter().map(|share| share.silent).sum(),
        unlocated: shares.iter().map(|share| share.unlocated).sum(),
        is_agreed: shares.iter().all(|share| share.is_agreed),
    })
}

/// Finds the column that is silently wrong in the stripe at hand, and corrects it. `None` when it is not one alone; then
/// nothing is changed.
pub(super) fn correct(reader: &mut StripeReader<'_>, locator: &Locator) -> Option<usize> {
    let syndromes = locator.syndromes(&reader.cells());
    let Diagnosis::Column(column) = locator.locate(&syndromes) else { return None };
    locator.correct(column, &syndromes, &mut reader.column_cells_mut(column));
    reader.note_silent(column);
    Some(column)
}

/// Where stripes go.
enum Output {
    File {
        file: File,
        path: PathBuf,
        /// How many bytes an earlier run left; they are compared before they are written.
        earlier: u64,
    },
    Ordered(Ordered),
}

/// A stream that takes stripes in order: a thread that is early waits for the others.
struct Ordered {
    state: Mutex<(u64, Box<dyn Write + Send>, bool)>,
    turn: Condvar,
}

impl Ordered {
    fn new(stream: Box<dyn Write + Send>) -> Self {
        Self { state: Mutex::new((0, stream, false)), turn: Condvar::new() }
    }
}

impl Output {
    /// Whether a second pass can mend what the first one wrote.
    fn can_repeat(&self) -> bool {
        matches!(self, Self::File { .. })
    }

    fn write(&self, index: u64, offset: u64, parts: &[&[u8]], scratch: &mut Vec<u8>) -> io::Result<()> {
        match self {
            Self::File { file, earlier, .. } => {
                write_parts(file, offset, parts, *earlier, scratch)?;
                write_behind(file, index, offset, parts.iter().map(|part| part.len() as u64).sum());
                Ok(())
            }
            Self::Ordered(ordered) => {
                let state = lock(&ordered.state);
                let waiting = ordered.turn.wait_while(state, |(next, _, given_up)| *next != index && !*given_up);
                let mut state = waiting.unwrap_or_else(std::sync::PoisonError::into_inner);
                if state.2 {
                    return Err(io::Error::other("an earlier part failed"));
                }
                parts.iter().try_for_each(|part| state.1.write_all(part))?;
                state.0 += 1;
                ordered.turn.notify_all();
                Ok(())
            }
        }
    }

    fn path(&self) -> &Path {
        match self {
            Self::File { path, .. } => path,
            Self::Ordered(_) => Path::new("standard output"),
        }
    }

    /// Wakes those who wait for a stripe that will not come.
    fn give_up(&self) {
        if let Self::Ordered(ordered) = self {
            lock(&ordered.state).2 = true;
            ordered.turn.notify_all();
        }
    }

    fn flush(&self) -> io::Result<()> {
        match self {
            Self::File { .. } => Ok(()),
            Self::Ordered(ordered) => lock(&ordered.state).1.flush(),
        }
    }
}

/// Writes parts behind each other, but where they are there already.
fn write_parts(file: &File, mut offset: u64, parts: &[&[u8]], earlier: u64, scratch: &mut Vec<u8>) -> io::Result<()> {
    for parts in parts.chunks(PARTS_MAX) {
        let bytes: usize = parts.iter().map(|part| part.len()).sum();
        let is_known = offset + bytes as u64 <= earlier && {
            let mut at = offset;
            parts.iter().all(|part| {
                let is_there = super::encode::is_there(file, at, part, scratch);
                at += part.len() as u64;
                is_there
            })
        };
        if !is_known {
            let slices: Vec<IoSlice<'_>> = parts.iter().map(|part| IoSlice::new(part)).collect();
            let written = rustix::io::pwritev(file, &slices, offset)?;
            if written < bytes {
                // Short for a signal or a disk that is full: the rest is written part by part.
                let mut at = 0;
                for part in parts {
                    let done = written.saturating_sub(at).min(part.len());
                    file.write_all_at(&part[done..], offset + (at + done) as u64)?;
                    at += part.len();
                }
            }
        }
        offset += bytes as u64;
    }
    Ok(())
}
