//! Temporary folders.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::{env, fs, io, process};

/// So many names are tried.
const NAMES_MAX: u32 = 10_000;

static FOLDERS: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

fn folders() -> MutexGuard<'static, Vec<PathBuf>> {
    FOLDERS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes all that were made. The lock is kept: none is made any more.
pub(crate) fn remove_all() {
    let folders = folders();
    for folder in folders.iter() {
        let _ = fs::remove_dir_all(folder);
    }
    std::mem::forget(folders);
}

/// A fresh temporary folder, removed with the value and all that is in it.
#[derive(Debug)]
pub struct TemporaryFolder(PathBuf);

impl TemporaryFolder {
    /// Makes one, its name beginning with `rain-WHAT`.
    ///
    /// # Errors
    /// The disk's; every name is taken.
    pub fn new(what: &str) -> io::Result<Self> {
        let mut folders = folders();
        for number in 0..NAMES_MAX {
            let path = env::temp_dir().join(format!("rain-{what}-{}-{number}", process::id()));
            match fs::create_dir(&path) {
                Ok(()) => {
                    let path = fs::canonicalize(path)?;
                    folders.push(path.clone());
                    return Ok(Self(path));
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(io::Error::other(format!("{}: {error}", path.display()))),
            }
        }
        Err(io::Error::other(format!("{NAMES_MAX} folders of the name rain-{what}-{} are there", process::id())))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// A file or folder in it.
    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("{}: {error}", self.0.display());
        }
        folders().retain(|folder| *folder != self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_goes_with_its_value() {
        let (folder, other) = (TemporaryFolder::new("test").unwrap(), TemporaryFolder::new("test").unwrap());
        assert_ne!(folder.path(), other.path());
        let path = folder.path().to_owned();
        fs::write(folder.join("file"), "").unwrap();
        drop(folder);
        assert!(!path.exists() && other.path().is_dir());
    }
}
