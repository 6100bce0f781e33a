//! Files under temporary names until they are whole and durable.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use rayon::prelude::*;
use rustix::fs::Advice;

use super::FileError;
use crate::column::{CHECKSUM_BYTES, ColumnHeader, HEADER_BYTES, crc64};

/// What temporary names end with.
const PART: &str = "rain-part";
/// The progress note in a staging folder.
const NOTE: &str = "note";

/// The temporary name of a file or folder, beside it and hidden.
pub(super) fn part_of(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{PART}"))
}

/// Whether a name is one of [`part_of`].
pub(super) fn is_part(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == PART)
}

/// The folder that holds a name.
pub(super) fn parent_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

pub(super) fn sync_folder(folder: &Path) -> Result<(), FileError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(FileError::io("making names durable", folder))
}

/// Opens a file or folder against other processes, as long as the value lives.
pub(super) fn hold(path: &Path) -> Result<File, FileError> {
    let file = File::open(path).map_err(FileError::io("opening", path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(FileError::InUse(path.to_owned())),
        Err(TryLockError::Error(error)) => Err(FileError::io("locking", path)(error)),
    }
}

/// Opens a file to be written at any place, and read; what is in it stays.
pub(super) fn open_part(path: &Path) -> Result<File, FileError> {
    let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
    open.map_err(FileError::io("creating", path))
}

/// How many pieces are written out together.
const PIECES_TOGETHER: u64 = 8;

/// Lets the disk begin with what was written, while the work goes on: else all of it would wait for the end, where files
/// are made durable, and the disk would be idle before.
///
/// Shape: the piece `index` of `bytes` bytes was written at `offset`; those before it, as long, lie before it. Several
/// threads may be at pieces next to each other, so what is begun with are pieces further back.
pub(super) fn write_behind(file: &File, index: u64, offset: u64, bytes: u64) {
    if !(index + 1).is_multiple_of(PIECES_TOGETHER) {
        return;
    }
    let span = PIECES_TOGETHER * bytes;
    let Some(start) = (offset + bytes).checked_sub(2 * span) else { return };
    // To say of bytes that they are needed no more starts to write those that are not on the disk yet, and gives up the
    // memory of none of these. A hint: where it is refused, nothing is lost but time.
    let _ = rustix::fs::fadvise(file, start, NonZero::new(span), Advice::DontNeed);
}

/// Makes files durable, all at once: a file system gathers what is asked for together.
pub(super) fn sync_all<'a>(files: impl Iterator<Item = (&'a Path, &'a File)>) -> Result<(), FileError> {
    let files: Vec<_> = files.collect();
    let sync = |(path, file): &(&Path, &File)| file.sync_all().map_err(FileError::io("making it durable", path));
    files.par_iter().try_for_each(sync)
}

/// What is being encoded, so that a later run goes on only with the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Note {
    /// When the input was last modified: nanoseconds since 1970.
    pub(super) modified_ns: u64,
    /// Title, length, code and sizes; and the version, on which all checksums depend.
    pub(super) header: ColumnHeader,
}

const MAGIC: [u8; 8] = *b"RAINPART";
const NOTE_BYTES: usize = MAGIC.len() + 8 + HEADER_BYTES + CHECKSUM_BYTES;

impl Note {
    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(self.modified_ns.to_le_bytes());
        bytes.extend(self.header.to_bytes());
        let checksum = crc64(&bytes);
        bytes.extend(checksum.to_le_bytes());
        bytes
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; NOTE_BYTES] = bytes.try_into().ok()?;
        let (body, checksum) = bytes.split_at(NOTE_BYTES - CHECKSUM_BYTES);
        if checksum != crc64(body).to_le_bytes() || !body.starts_with(&MAGIC) {
            return None;
        }
        let (modified_ns, header) = body[MAGIC.len()..].split_at(8);
        Some(Self {
            modified_ns: u64::from_le_bytes(modified_ns.try_into().ok()?),
            header: ColumnHeader::parse(header).ok()?,
        })
    }
}

/// Nanoseconds since 1970.
pub(super) fn nanoseconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).ok().and_then(|since| u64::try_from(since.as_nanos()).ok()).unwrap_or_default()
}

/// A folder of column files on its way: beside the folder that it is to become, or within it where that exists.
///
/// Dropped without [`Staging::publish`], it is removed with all that is in it, and so is the folder when it was made for
/// it. A process that is killed leaves it behind, for the next one to go on with.
#[derive(Debug)]
pub(super) struct Staging {
    folder: PathBuf,
    target: PathBuf,
    /// Within the target, whose names are then given one by one.
    within: bool,
    _lock: File,
    published: bool,
}

impl Staging {
    /// Takes the staging folder of `target`, and says whether it is of an earlier run with the same note.
    ///
    /// Shape: `note` is `None` for input that cannot be read again.
    ///
    /// # Errors
    /// `target` is not an empty folder, or another process has it, or the file system refuses.
    pub(super) fn take(target: &Path, note: Option<&Note>) -> Result<(Self, Option<Note>), FileError> {
        let within = match fs::metadata(target) {
            Ok(metadata) if metadata.is_dir() => true,
            Ok(_) => return Err(FileError::io("looking at the folder", target)(io::ErrorKind::NotADirectory.into())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => return Err(FileError::io("looking at the folder", target)(error)),
        };
        let parent = parent_of(target);
        let folder = if within { target.join(format!(".{PART}")) } else { part_of(target) };
        let found = fs::read(folder.join(NOTE)).ok().and_then(|bytes| Note::parse(&bytes));
        let same = found.filter(|found| note.is_some_and(|note| found.is_of_same_input(note)));
        if within {
            check_empty(target, &folder, same.is_some())?;
        } else {
            fs::create_dir_all(parent).map_err(FileError::io("making the folder", parent))?;
        }
        fs::create_dir_all(&folder).map_err(FileError::io("making the folder", &folder))?;
        let lock = hold(&folder)?;
        let staging = Self { folder, target: target.to_owned(), within, _lock: lock, published: false };
        if same.is_none() {
            staging.empty()?;
            if let Some(note) = note {
                staging.write_note(note)?;
            }
        } else if within {
            staging.take_back()?;
        }
        Ok((staging, same))
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    fn empty(&self) -> Result<(), FileError> {
        let list = fs::read_dir(&self.folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        for entry in list.map_err(FileError::io("listing the folder", &self.folder))? {
            fs::remove_file(entry.path()).map_err(FileError::io("removing", &entry.path()))?;
        }
        Ok(())
    }

    fn write_note(&self, note: &Note) -> Result<(), FileError> {
        let path = self.folder.join(NOTE);
        let write = || {
            fs::write(&path, note.to_bytes())?;
            File::open(&path)?.sync_all()?;
            File::open(&self.folder)?.sync_all()
        };
        write().map_err(FileError::io("writing the progress note", &path))
    }

    /// An earlier run was killed while it gave the files their names: they lose them until all are ready again.
    fn take_back(&self) -> Result<(), FileError> {
        let list = fs::read_dir(&self.target).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        for entry in list.map_err(FileError::io("listing the folder", &self.target))? {
            if entry.path() != self.folder {
                let back = self.folder.join(entry.file_name());
                fs::rename(entry.path(), back).map_err(FileError::io("renaming", &entry.path()))?;
            }
        }
        Ok(())
    }

    /// Gives the files, which must be durable, their final names.
    pub(super) fn publish(mut self, names: &[String]) -> Result<(), FileError> {
        let note = self.folder.join(NOTE);
        let remove_note = || match fs::remove_file(&note) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(FileError::io("removing", &note)(error)),
            _ => Ok(()),
        };
        if self.within {
            for name in names {
                let from = self.folder.join(name);
                fs::rename(&from, self.target.join(name)).map_err(FileError::io("renaming", &from))?;
            }
            sync_folder(&self.target)?;
            remove_note()?;
            fs::remove_dir(&self.folder).map_err(FileError::io("removing", &self.folder))?;
            self.published = true;
            return sync_folder(&self.target);
        }
        remove_note()?;
        sync_folder(&self.folder)?;
        fs::rename(&self.folder, &self.target).map_err(FileError::io("renaming", &self.folder))?;
        self.published = true;
        sync_folder(parent_of(&self.target))
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if self.published {
            return;
        }
        // A failure here leaves a hidden folder behind, which the next run empties.
        if self.within {
            let _ = self.take_back();
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Note {
    /// Whether both are of the same input, encoded in the same way.
    fn is_of_same_input(&self, other: &Self) -> bool {
        let header = ColumnHeader { version: other.header.version, ..self.header.clone() };
        self.modified_ns == other.modified_ns && header == other.header
    }
}

/// Refuses a folder that holds anything but what an interrupted run left: its staging folder, and files that it had
/// named already.
fn check_empty(target: &Path, staging: &Path, resumed: bool) -> Result<(), FileError> {
    let list = fs::read_dir(target).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    for entry in list.map_err(FileError::io("listing the folder", target))? {
        let path = entry.path();
        let is_column = path.extension().is_some_and(|extension| extension == super::survey::EXTENSION);
        if path != staging && !(resumed && is_column) {
            let found = entry.file_name().to_string_lossy().into_owned();
            return Err(FileError::NotEmpty { folder: target.to_owned(), found });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::column::{ColumnLayout, EtagKind, HASH_BYTES, StoreTag, TitleVersion};

    #[test]
    fn a_note_says_what_it_was_told_or_nothing() {
        let header = ColumnHeader {
            code: "b-code:4".into(),
            columns: 4,
            rows: 2,
            column: 0,
            cell_bytes: 4096,
            interleave_bytes: 0,
            block_bytes: 512,
            layout: ColumnLayout::Striped,
            group_bytes: 1024,
            title: "film".into(),
            version: TitleVersion { counter: 1, node: 0, life: 0, random: 7 },
            title_bytes: 123,
            etag_kind: EtagKind::Content,
            etag: [0; 16],
            modified_ms: 5,
            media_type: String::new(),
            store: StoreTag::default(),
            root: [0; HASH_BYTES],
        };
        let note = Note { modified_ns: 5_000_001, header };
        let bytes = note.to_bytes();
        assert_eq!(Note::parse(&bytes), Some(note.clone()));
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 4;
            assert_eq!(Note::parse(&damaged), None, "byte {at}");
        }
        assert_eq!(Note::parse(&bytes[1..]), None);
        let mut other = note.clone();
        other.header.version.random = 8;
        assert!(note.is_of_same_input(&other));
        other.header.title_bytes = 124;
        assert!(!note.is_of_same_input(&other));
        assert!(!note.is_of_same_input(&Note { modified_ns: 5_000_002, ..note.clone() }));
    }
}
