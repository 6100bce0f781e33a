//! A disk that forgets: at a crash, what was not synced is lost, torn, or kept in part and out of order.

use crate::random::Random;
use rain_streamer::store::Disk;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

/// What a file is for; safeguards are named by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Column,
    Mark,
    Decision,
    Identity,
    Other,
}

impl Kind {
    fn of(path: &str) -> Self {
        let path = path.strip_suffix(".tmp").unwrap_or(path);
        match path.rsplit('.').next() {
            Some("rain") => Self::Column,
            Some("mark") => Self::Mark,
            Some("decision") => Self::Decision,
            _ if path == "identity" => Self::Identity,
            _ => Self::Other,
        }
    }
}

/// One safeguard taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    Sync(Kind),
    /// Of the folder, after a rename to such a file.
    FolderSync(Kind),
    Rename(Kind),
    /// Marks are acknowledged but not made.
    Mark,
    /// A purged tombstone's counter is forgotten.
    Floor,
    /// Marks that readers spread are acknowledged but not made.
    Spread,
}

#[derive(Debug, Default, Clone)]
struct File {
    seen: Vec<u8>,
    durable: Vec<u8>,
}

#[derive(Debug, Clone)]
enum Change {
    Set(String, usize),
    Remove(String),
    Rename(String, String, usize),
}

impl Change {
    fn folder(&self) -> &str {
        let (Self::Set(path, _) | Self::Remove(path) | Self::Rename(_, path, _)) = self;
        folder_of(path)
    }

    fn apply(&self, names: &mut BTreeMap<String, usize>) {
        match self {
            Self::Set(path, file) => {
                names.insert(path.clone(), *file);
            }
            Self::Remove(path) => {
                names.remove(path);
            }
            Self::Rename(from, to, file) => {
                names.remove(from);
                names.insert(to.clone(), *file);
            }
        }
    }
}

fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

#[derive(Debug)]
struct State {
    random: Random,
    files: Vec<File>,
    names: BTreeMap<String, usize>,
    durable: BTreeMap<String, usize>,
    folders: BTreeSet<String>,
    durable_folders: BTreeSet<String>,
    changes: Vec<Change>,
    crash_in: Option<usize>,
    crashed: bool,
    eio_one_in: usize,
    full_one_in: usize,
    missing: Option<Missing>,
    operations: u64,
}

/// A handle on the disk; it outlives the node that uses it.
#[derive(Debug, Clone)]
pub struct SimDisk(Arc<Mutex<State>>);

impl SimDisk {
    pub fn new(seed: u64, missing: Option<Missing>) -> Self {
        Self(Arc::new(Mutex::new(State {
            random: Random::new(seed),
            files: Vec::new(),
            names: BTreeMap::new(),
            durable: BTreeMap::new(),
            folders: BTreeSet::new(),
            durable_folders: BTreeSet::new(),
            changes: Vec::new(),
            crash_in: None,
            crashed: false,
            eio_one_in: 0,
            full_one_in: 0,
            missing,
            operations: 0,
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// The node loses power in the middle of the operation that comes after `operations` more.
    pub fn crash_in(&self, operations: usize) {
        self.state().crash_in = Some(operations);
    }

    /// Takes back an announced loss of power.
    pub fn keep_power(&self) {
        self.state().crash_in = None;
    }

    pub fn is_crashed(&self) -> bool {
        self.state().crashed
    }

    pub fn set_faults(&self, eio_one_in: usize, full_one_in: usize) {
        let mut state = self.state();
        state.eio_one_in = eio_one_in;
        state.full_one_in = full_one_in;
    }

    pub fn operations(&self) -> u64 {
        self.state().operations
    }

    /// Names of the files that are under way.
    pub fn unfinished(&self) -> Vec<String> {
        self.state().names.keys().filter(|name| name.strip_suffix(".tmp").is_some()).cloned().collect()
    }

    /// Power is gone: only what was synced is sure to be there afterwards.
    pub fn lose_power(&self) {
        let mut state = self.state();
        let changes = std::mem::take(&mut state.changes);
        let mode = state.random.below(4);
        let cut = state.random.below(changes.len() + 1);
        let mut names = std::mem::take(&mut state.durable);
        for (index, change) in changes.iter().enumerate() {
            let kept = match mode {
                0 => false,
                1 => true,
                2 => index < cut,
                _ => state.random.one_in(2),
            };
            if kept {
                change.apply(&mut names);
            }
        }
        let folders = state.durable_folders.clone();
        state.folders = folders;
        names.retain(|path, _| folder_of(path).is_empty() || state.durable_folders.contains(folder_of(path)));
        state.durable.clone_from(&names);
        state.names = names;
        for index in 0..state.files.len() {
            let File { seen, durable } = state.files[index].clone();
            if seen != durable {
                let survivor = survivor(&mut state.random, &seen, &durable);
                state.files[index] = File { seen: survivor.clone(), durable: survivor };
            }
        }
        state.crash_in = None;
        state.crashed = false;
    }
}

/// What is left of a file whose last writes were not synced.
fn survivor(random: &mut Random, seen: &[u8], durable: &[u8]) -> Vec<u8> {
    match random.below(4) {
        0 => durable.to_vec(),
        1 => seen.to_vec(),
        2 => seen[..random.below(seen.len() + 1)].to_vec(),
        _ => {
            // The length is there, but only some of the sectors.
            let mut torn = seen.to_vec();
            for (index, sector) in torn.chunks_mut(64).enumerate() {
                if random.one_in(2) {
                    let old = durable.get(index * 64..).unwrap_or_default();
                    for (at, byte) in sector.iter_mut().enumerate() {
                        *byte = old.get(at).copied().unwrap_or(0);
                    }
                }
            }
            torn
        }
    }
}

impl State {
    /// Every operation passes here: it may be the one in which power goes, or fail.
    fn operate(&mut self) -> io::Result<()> {
        self.operations += 1;
        if self.crashed {
            return Err(io::Error::other("no power"));
        }
        match &mut self.crash_in {
            Some(0) => {
                self.crashed = true;
                return Err(io::Error::other("power went"));
            }
            Some(left) => *left -= 1,
            None => {}
        }
        if self.random.one_in(self.eio_one_in) {
            return Err(io::Error::from_raw_os_error(5));
        }
        Ok(())
    }

    fn file(&self, path: &str) -> io::Result<usize> {
        self.names.get(path).copied().ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }
}

/// An open file.
#[derive(Debug)]
pub struct Handle {
    file: usize,
    kind: Kind,
}

impl Disk for SimDisk {
    type File = Handle;

    fn create(&self, path: &str) -> io::Result<Handle> {
        let mut state = self.state();
        state.operate()?;
        if !folder_of(path).is_empty() && !state.folders.contains(folder_of(path)) {
            return Err(io::Error::from(io::ErrorKind::NotFound));
        }
        state.files.push(File::default());
        let file = state.files.len() - 1;
        state.names.insert(path.to_owned(), file);
        state.changes.push(Change::Set(path.to_owned(), file));
        Ok(Handle { file, kind: Kind::of(path) })
    }

    fn open(&self, path: &str) -> io::Result<Handle> {
        let mut state = self.state();
        state.operate()?;
        Ok(Handle { file: state.file(path)?, kind: Kind::of(path) })
    }

    fn edit(&self, path: &str) -> io::Result<Handle> {
        self.open(path)
    }

    fn len(&self, file: &Handle) -> io::Result<u64> {
        let mut state = self.state();
        state.operate()?;
        Ok(state.files[file.file].seen.len() as u64)
    }

    fn write_at(&self, file: &Handle, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        let failed = state.operate();
        let full = state.full_one_in;
        if failed.is_ok() && state.random.one_in(full) {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        // A write that fails may have written some of its bytes.
        let written = if failed.is_ok() { bytes.len() } else { state.random.below(bytes.len() + 1) };
        let offset = usize::try_from(offset).unwrap();
        let seen = &mut state.files[file.file].seen;
        if seen.len() < offset + written {
            seen.resize(offset + written, 0);
        }
        seen[offset..offset + written].copy_from_slice(&bytes[..written]);
        failed
    }

    fn read_at(&self, file: &Handle, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let mut state = self.state();
        state.operate()?;
        let offset = usize::try_from(offset).unwrap();
        let bytes = state.files[file.file].seen.get(offset..offset + buffer.len());
        buffer.copy_from_slice(bytes.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?);
        Ok(())
    }

    fn sync(&self, file: &Handle) -> io::Result<()> {
        let mut state = self.state();
        state.operate()?;
        if state.missing != Some(Missing::Sync(file.kind)) {
            let file = &mut state.files[file.file];
            file.durable.clone_from(&file.seen);
        }
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.state();
        state.operate()?;
        let file = state.file(from)?;
        if state.missing == Some(Missing::Rename(Kind::of(to))) {
            return Ok(());
        }
        state.names.remove(from);
        state.names.insert(to.to_owned(), file);
        state.changes.push(Change::Rename(from.to_owned(), to.to_owned(), file));
        Ok(())
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        let mut state = self.state();
        state.operate()?;
        state.file(path)?;
        state.names.remove(path);
        state.changes.push(Change::Remove(path.to_owned()));
        Ok(())
    }

    fn create_folder(&self, path: &str) -> io::Result<()> {
        let mut state = self.state();
        state.operate()?;
        state.folders.insert(path.to_owned());
        Ok(())
    }

    fn sync_folder(&self, path: &str) -> io::Result<()> {
        let mut state = self.state();
        state.operate()?;
        let (here, elsewhere): (Vec<_>, Vec<_>) =
            std::mem::take(&mut state.changes).into_iter().partition(|change| change.folder() == path);
        let guards = match here.last() {
            Some(Change::Rename(_, to, _)) => Some(Missing::FolderSync(Kind::of(to))),
            _ => None,
        };
        if guards.is_some() && guards == state.missing {
            state.changes = here.into_iter().chain(elsewhere).collect();
            return Ok(());
        }
        state.changes = elsewhere;
        for change in here {
            change.apply(&mut state.durable);
        }
        if path.is_empty() {
            let folders = state.folders.clone();
            state.durable_folders = folders;
        }
        Ok(())
    }

    fn list(&self, path: &str) -> io::Result<Vec<String>> {
        let mut state = self.state();
        state.operate()?;
        if !state.folders.contains(path) {
            return Err(io::Error::from(io::ErrorKind::NotFound));
        }
        let names = state.names.keys().filter(|name| folder_of(name) == path);
        Ok(names.map(|name| name.rsplit('/').next().unwrap().to_owned()).collect())
    }
}
