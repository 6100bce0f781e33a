//! The storage seam: all that the store asks of a file system, small enough to fail on purpose.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// A data folder. Paths are relative to it, with `/` between their parts.
///
/// Nothing is durable before it is synced: a file's bytes by [`sync`](Self::sync), a file's presence under its name by
/// [`sync_folder`](Self::sync_folder) on the folder that holds the name.
pub trait Disk: Send + Sync + core::fmt::Debug {
    /// An open file.
    type File: Send + Sync + core::fmt::Debug;

    /// Zeros to write ahead of what a file grows by, where it is synced often: a sync that changes neither the file's
    /// length nor where its bytes lie writes the bytes alone. None where that is not so.
    const ROOM: &[u8];

    /// Makes an empty file; one of that name is emptied.
    ///
    /// # Errors
    /// Those of the file system.
    fn create(&self, path: &str) -> io::Result<Self::File>;

    /// Opens a file for reading.
    ///
    /// # Errors
    /// Those of the file system.
    fn open(&self, path: &str) -> io::Result<Self::File>;

    /// Opens a file for reading and writing; its bytes stay.
    ///
    /// # Errors
    /// Those of the file system.
    fn edit(&self, path: &str) -> io::Result<Self::File>;

    /// Length of the file in bytes.
    ///
    /// # Errors
    /// Those of the file system.
    fn len(&self, file: &Self::File) -> io::Result<u64>;

    /// Writes all of `bytes` at `offset`.
    ///
    /// # Errors
    /// Those of the file system; some of the bytes may have been written.
    fn write_at(&self, file: &Self::File, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Fills `buffer` from `offset`.
    ///
    /// # Errors
    /// Those of the file system; [`io::ErrorKind::UnexpectedEof`] when the file ends before.
    fn read_at(&self, file: &Self::File, offset: u64, buffer: &mut [u8]) -> io::Result<()>;

    /// Makes the bytes of the file durable, and its length.
    ///
    /// # Errors
    /// Those of the file system; what was written since the last sync must then be taken for lost.
    fn sync(&self, file: &Self::File) -> io::Result<()>;

    /// Makes everything durable that was written before: the bytes of all files, and all names.
    ///
    /// # Errors
    /// Those of the file system; what was not durable before must then be taken for lost.
    fn sync_all(&self) -> io::Result<()>;

    /// Gives the file another name in the same folder, replacing what had it, in one step.
    ///
    /// # Errors
    /// Those of the file system.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Takes a name away.
    ///
    /// # Errors
    /// Those of the file system.
    fn remove(&self, path: &str) -> io::Result<()>;

    /// Makes a folder, if it is not there.
    ///
    /// # Errors
    /// Those of the file system.
    fn create_folder(&self, path: &str) -> io::Result<()>;

    /// Makes the names in the folder durable; the data folder itself is `""`.
    ///
    /// # Errors
    /// Those of the file system.
    fn sync_folder(&self, path: &str) -> io::Result<()>;

    /// Whether a folder is there. One in memory loses none.
    ///
    /// # Errors
    /// Those of the file system.
    fn has_folder(&self, path: &str) -> io::Result<bool> {
        let _ = path;
        Ok(true)
    }

    /// What room there is. A disk that does not know has enough.
    ///
    /// # Errors
    /// Those of the file system.
    fn space(&self) -> io::Result<DiskSpace> {
        Ok(DiskSpace { free_bytes: u64::MAX, bytes: u64::MAX })
    }

    /// Shows the name of each file in the folder, in any order: there may be too many to be in memory at once.
    ///
    /// # Errors
    /// Those of the file system; some may have been shown.
    fn list(&self, path: &str, show: &mut dyn FnMut(&str)) -> io::Result<()>;
}

/// The room on a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskSpace {
    /// What this process may still write, in bytes.
    pub free_bytes: u64,
    /// All there is.
    pub bytes: u64,
}

/// Why a data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// It cannot be made or reached.
    #[error("data folder {}: {error}", path.display())]
    Unusable {
        /// The folder.
        path: PathBuf,
        /// What the file system said.
        error: io::Error,
    },
    /// Another node has it.
    #[error("data folder {} is in use by another node", .0.display())]
    InUse(PathBuf),
}

/// The file system of this machine below one folder, held against other nodes as long as the value lives.
#[derive(Debug)]
pub struct SystemDisk {
    root: PathBuf,
    /// Open as long as it is used: what the file system could not write since is told at its next sync.
    folder: File,
    /// Locked; the kernel lets go of it when the process ends, however it ends. `None` where it is only looked at.
    _lock: Option<File>,
}

impl SystemDisk {
    /// Takes the data folder `root`, which must exist.
    ///
    /// # Errors
    /// [`FolderError`]; nothing is changed but the lock file.
    pub fn take(root: &Path) -> Result<Self, FolderError> {
        let unusable = |error| FolderError::Unusable { path: root.to_owned(), error };
        if !root.is_dir() {
            return Err(unusable(io::Error::new(io::ErrorKind::NotFound, "there is no such folder")));
        }
        let lock =
            OpenOptions::new().create(true).truncate(false).write(true).open(root.join("lock")).map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => {
                let folder = File::open(root).map_err(unusable)?;
                Ok(Self { root: root.to_owned(), folder, _lock: Some(lock) })
            }
            Err(TryLockError::WouldBlock) => Err(FolderError::InUse(root.to_owned())),
            Err(TryLockError::Error(error)) => Err(unusable(error)),
        }
    }

    /// Looks at the data folder `root` of a node that does not run, to read it.
    ///
    /// # Errors
    /// Those of the file system.
    pub(super) fn look(root: &Path) -> io::Result<Self> {
        Ok(Self { root: root.to_owned(), folder: File::open(root)?, _lock: None })
    }
}

static ROOM: [u8; 1 << 20] = [0; 1 << 20];

impl Disk for SystemDisk {
    type File = File;

    const ROOM: &[u8] = &ROOM;

    fn create(&self, path: &str) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).create(true).truncate(true).open(self.root.join(path))
    }

    fn open(&self, path: &str) -> io::Result<File> {
        File::open(self.root.join(path))
    }

    fn edit(&self, path: &str) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).open(self.root.join(path))
    }

    fn len(&self, file: &File) -> io::Result<u64> {
        Ok(file.metadata()?.len())
    }

    fn write_at(&self, file: &File, offset: u64, bytes: &[u8]) -> io::Result<()> {
        file.write_all_at(bytes, offset)
    }

    fn read_at(&self, file: &File, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        file.read_exact_at(buffer, offset)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }

    fn sync_all(&self) -> io::Result<()> {
        Ok(rustix::fs::syncfs(&self.folder)?)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        std::fs::rename(self.root.join(from), self.root.join(to))
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        std::fs::remove_file(self.root.join(path))
    }

    fn create_folder(&self, path: &str) -> io::Result<()> {
        std::fs::create_dir_all(self.root.join(path))
    }

    fn sync_folder(&self, path: &str) -> io::Result<()> {
        File::open(self.root.join(path))?.sync_all()
    }

    fn has_folder(&self, path: &str) -> io::Result<bool> {
        match std::fs::metadata(self.root.join(path)) {
            Ok(found) => Ok(found.is_dir()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn space(&self) -> io::Result<DiskSpace> {
        let found = rustix::fs::fstatvfs(&self.folder)?;
        let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
        Ok(DiskSpace { free_bytes: bytes(found.f_bavail), bytes: bytes(found.f_blocks) })
    }

    fn list(&self, path: &str, show: &mut dyn FnMut(&str)) -> io::Result<()> {
        for entry in std::fs::read_dir(self.root.join(path))? {
            // A name that is not UTF-8 is none of ours.
            if let Some(name) = entry?.file_name().to_str() {
                show(name);
            }
        }
        Ok(())
    }
}
