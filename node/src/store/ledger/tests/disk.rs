//! A disk in memory that fails when told, forgets what was not synced, and keeps what every sync made durable.

use super::super::PATH;
use crate::store::Disk;
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// What is left of unsynced writes after a crash.
#[derive(Debug, Clone, Copy)]
pub(super) enum Crash {
    Nothing,
    Everything,
    /// Some of the sectors, and some of the changes of names.
    Torn(u64),
}

#[derive(Debug, Default, Clone)]
struct Bytes {
    seen: Vec<u8>,
    durable: Vec<u8>,
    /// Written since the last sync, whether that failed or not: the system does not write again what it failed to write.
    pending: Vec<(usize, Vec<u8>)>,
}

fn put(bytes: &mut Vec<u8>, offset: usize, piece: &[u8]) {
    if bytes.len() < offset + piece.len() {
        bytes.resize(offset + piece.len(), 0);
    }
    bytes[offset..offset + piece.len()].copy_from_slice(piece);
}

#[derive(Debug, Default)]
struct State {
    files: Vec<Bytes>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    operations: usize,
    fail_at: Option<usize>,
    /// So many bytes of a failing write are written.
    written_of_failed: usize,
    no_power_from: Option<usize>,
    panic_at: Option<usize>,
    /// What each sync of a file has made durable.
    images: Vec<Vec<u8>>,
    is_shut: bool,
    at_gate: usize,
}

#[derive(Debug, Default, Clone)]
pub(super) struct MemoryDisk {
    state: Arc<(Mutex<State>, Condvar)>,
}

impl MemoryDisk {
    pub(super) fn with_ledger(bytes: &[u8]) -> Self {
        let disk = Self::default();
        {
            let mut state = disk.state();
            state.files.push(Bytes { seen: bytes.to_vec(), durable: bytes.to_vec(), pending: Vec::new() });
            state.names.insert(PATH.to_owned(), 0);
            state.durable_names.insert(PATH.to_owned(), 0);
        }
        disk
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The operation that comes after `operations` more fails; of a write, `written` bytes are written.
    pub(super) fn fail_in(&self, operations: usize, written: usize) {
        let mut state = self.state();
        state.fail_at = Some(state.operations + operations);
        state.written_of_failed = written;
    }

    pub(super) fn fail_no_more(&self) {
        self.state().fail_at = None;
    }

    /// From the operation on that comes after `operations` more, nothing works.
    pub(super) fn lose_power_in(&self, operations: usize) {
        let mut state = self.state();
        state.no_power_from = Some(state.operations + operations);
    }

    /// The operation that comes after `operations` more panics.
    pub(super) fn panic_in(&self, operations: usize) {
        let mut state = self.state();
        state.panic_at = Some(state.operations + operations);
    }

    pub(super) fn operations(&self) -> usize {
        self.state().operations
    }

    /// How many syncs of files have succeeded.
    pub(super) fn syncs(&self) -> usize {
        self.state().images.len()
    }

    /// What the file that was synced held, for every sync.
    pub(super) fn images(&self) -> Vec<Vec<u8>> {
        self.state().images.clone()
    }

    /// The ledger as a reader sees it.
    pub(super) fn ledger(&self) -> Vec<u8> {
        let state = self.state();
        state.files[state.names[PATH]].seen.clone()
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.state().names.contains_key(name)
    }

    /// Syncs wait until the gate is opened.
    pub(super) fn shut_gate(&self) {
        self.state().is_shut = true;
    }

    pub(super) fn open_gate(&self) {
        self.state().is_shut = false;
        self.state.1.notify_all();
    }

    pub(super) fn at_gate(&self) -> usize {
        self.state().at_gate
    }

    /// The disk as the next start finds it.
    pub(super) fn after(&self, crash: Crash) -> Self {
        let state = self.state();
        let mut random = match crash {
            Crash::Torn(seed) => seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            Crash::Nothing | Crash::Everything => 1,
        };
        let mut toss = move || {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            match crash {
                Crash::Nothing => false,
                Crash::Everything => true,
                Crash::Torn(_) => random & 0x100 == 0,
            }
        };
        let names = if toss() { state.names.clone() } else { state.durable_names.clone() };
        let mut files = Vec::new();
        for file in &state.files {
            let mut bytes = file.durable.clone();
            let longer = if toss() { file.seen.len() } else { bytes.len() };
            bytes.resize(longer.max(bytes.len()), 0);
            for (index, sector) in bytes.chunks_mut(64).enumerate() {
                if toss() {
                    let seen = &file.seen[index * 64..];
                    let len = sector.len().min(seen.len());
                    sector[..len].copy_from_slice(&seen[..len]);
                }
            }
            files.push(Bytes { seen: bytes.clone(), durable: bytes, pending: Vec::new() });
        }
        let state = State { files, durable_names: names.clone(), names, ..State::default() };
        Self { state: Arc::new((Mutex::new(state), Condvar::new())) }
    }

    /// The same, but power stays: what was written and not synced can be read, and is not durable.
    pub(super) fn after_kill(&self) -> Self {
        let state = self.state();
        let (files, names) = (state.files.clone(), state.names.clone());
        let state = State { files, names, durable_names: state.durable_names.clone(), ..State::default() };
        Self { state: Arc::new((Mutex::new(state), Condvar::new())) }
    }
}

impl State {
    fn operate(&mut self) -> io::Result<()> {
        let operation = self.operations;
        self.operations += 1;
        assert!(self.panic_at != Some(operation), "the disk panics");
        if self.no_power_from.is_some_and(|from| operation >= from) {
            return Err(io::Error::other("no power"));
        }
        if self.fail_at == Some(operation) {
            return Err(io::Error::from_raw_os_error(5));
        }
        Ok(())
    }

    fn file(&self, path: &str) -> io::Result<usize> {
        self.names.get(path).copied().ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }
}

impl Disk for MemoryDisk {
    type File = usize;

    const ROOM: &[u8] = &[];

    fn create(&self, path: &str) -> io::Result<usize> {
        let mut state = self.state();
        state.operate()?;
        state.files.push(Bytes::default());
        let file = state.files.len() - 1;
        state.names.insert(path.to_owned(), file);
        Ok(file)
    }

    fn open(&self, path: &str) -> io::Result<usize> {
        let mut state = self.state();
        state.operate()?;
        state.file(path)
    }

    fn edit(&self, path: &str) -> io::Result<usize> {
        self.open(path)
    }

    fn len(&self, file: &usize) -> io::Result<u64> {
        let mut state = self.state();
        state.operate()?;
        Ok(state.files[*file].seen.len() as u64)
    }

    fn write_at(&self, file: &usize, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        let result = state.operate();
        let written = if result.is_ok() { bytes } else { &bytes[..state.written_of_failed.min(bytes.len())] };
        if !written.is_empty() {
            let offset = usize::try_from(offset).unwrap();
            put(&mut state.files[*file].seen, offset, written);
            state.files[*file].pending.push((offset, written.to_vec()));
        }
        result
    }

    fn read_at(&self, file: &usize, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let mut state = self.state();
        state.operate()?;
        let offset = usize::try_from(offset).unwrap();
        let bytes = state.files[*file].seen.get(offset..offset + buffer.len());
        buffer.copy_from_slice(bytes.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?);
        Ok(())
    }

    fn sync(&self, file: &usize) -> io::Result<()> {
        let mut state = self.state();
        state.at_gate += 1;
        while state.is_shut {
            state = self.state.1.wait(state).unwrap();
        }
        state.at_gate -= 1;
        let result = state.operate();
        let pending = std::mem::take(&mut state.files[*file].pending);
        result?;
        for (offset, bytes) in pending {
            put(&mut state.files[*file].durable, offset, &bytes);
        }
        let image = state.files[*file].durable.clone();
        state.images.push(image);
        drop(state);
        // A disk takes its time: others come meanwhile.
        (0..20).for_each(|_| std::thread::yield_now());
        Ok(())
    }

    fn sync_all(&self) -> io::Result<()> {
        let files = self.state().files.len();
        (0..files).try_for_each(|file| self.sync(&file))?;
        self.sync_folder("")
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.state();
        state.operate()?;
        let file = state.file(from)?;
        state.names.remove(from);
        state.names.insert(to.to_owned(), file);
        Ok(())
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        let mut state = self.state();
        state.operate()?;
        state.file(path)?;
        state.names.remove(path);
        Ok(())
    }

    fn create_folder(&self, _path: &str) -> io::Result<()> {
        self.state().operate()
    }

    fn sync_folder(&self, _path: &str) -> io::Result<()> {
        let mut state = self.state();
        state.operate()?;
        state.durable_names = state.names.clone();
        Ok(())
    }

    fn list(&self, _path: &str, show: &mut dyn FnMut(&str)) -> io::Result<()> {
        let mut state = self.state();
        state.operate()?;
        state.names.keys().for_each(|name| show(name));
        Ok(())
    }
}
