//! A disk that forgets: at a crash, what was not synced is lost, torn, or kept in part and out of order. It fails, fills
//! up and rots besides, and an old copy of it can be put in its place.

use crate::random::Random;
use crate::safeguard::Safeguard;
use rain_node::store::Disk;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

/// What a file is for; safeguards are named by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Column,
    Ledger,
    Identity,
    Other,
}

impl Kind {
    fn of(path: &str) -> Self {
        let path = path.strip_suffix(UNFINISHED).unwrap_or(path);
        match path {
            "ledger" => Self::Ledger,
            "identity" => Self::Identity,
            _ if path.ends_with(".rain") => Self::Column,
            _ => Self::Other,
        }
    }
}

const UNFINISHED: &str = ".tmp";
/// What a disk writes as one.
const SECTOR: usize = 64;

/// A write that is not durable yet: what was there before it.
#[derive(Debug, Clone)]
struct Undo {
    offset: usize,
    before: Vec<u8>,
    /// Length of the file before.
    length: usize,
}

#[derive(Debug, Default, Clone)]
struct File {
    seen: Vec<u8>,
    undo: Vec<Undo>,
    /// Written before a sync that failed: no later sync makes it durable, as Linux does it.
    doomed: Vec<(usize, Vec<u8>)>,
    /// Which bits of it were flipped since they were written, by byte and place.
    rotten: BTreeSet<(usize, usize)>,
    /// Where the last two writes begin that were not of zeros: one, and the one before.
    last: [usize; 2],
}

impl File {
    fn write(&mut self, offset: usize, bytes: &[u8]) {
        let end = offset + bytes.len();
        let before = self.seen.get(offset..).unwrap_or_default();
        let before = before[..before.len().min(bytes.len())].to_vec();
        self.undo.push(Undo { offset, before, length: self.seen.len() });
        if self.seen.len() < end {
            self.seen.resize(end, 0);
        }
        self.seen[offset..end].copy_from_slice(bytes);
        self.rotten.retain(|(at, _)| !(offset..end).contains(at));
        if offset != self.last[0] && bytes.iter().any(|byte| *byte != 0) {
            self.last = [offset, self.last[0]];
        }
        let doomed = std::mem::take(&mut self.doomed);
        for (at, old) in doomed {
            // What is written once more is not doomed any more.
            if at < offset {
                self.doomed.push((at, old[..old.len().min(offset - at)].to_vec()));
            }
            if at + old.len() > end {
                let skip = end.saturating_sub(at).min(old.len());
                self.doomed.push((at + skip, old[skip..].to_vec()));
            }
        }
    }

    fn doom(&mut self) {
        for Undo { offset, before, length: _ } in std::mem::take(&mut self.undo) {
            self.doomed.push((offset, before));
        }
    }

    fn is_dirty(&self) -> bool {
        !self.undo.is_empty() || !self.doomed.is_empty()
    }

    /// What is sure to be there after a loss of power.
    fn durable(&self) -> Vec<u8> {
        let mut bytes = self.seen.clone();
        for Undo { offset, before, length } in self.undo.iter().rev() {
            bytes.truncate(*length);
            if before.is_empty() {
                continue;
            }
            bytes[*offset..*offset + before.len()].copy_from_slice(before);
        }
        for (offset, before) in &self.doomed {
            let end = (offset + before.len()).min(bytes.len());
            if *offset < end {
                bytes[*offset..end].copy_from_slice(&before[..end - offset]);
            }
        }
        bytes
    }
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

#[derive(Debug, Clone)]
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
    missing: Option<Safeguard>,
    operations: u64,
    /// Whether names are told as they change.
    log: bool,
}

/// A handle on the disk; it outlives the node that uses it.
#[derive(Debug, Clone)]
pub struct SimDisk(Arc<Mutex<State>>);

/// What was on a disk at some time.
#[derive(Debug, Clone)]
pub struct Image(State);

impl SimDisk {
    pub fn new(seed: u64, missing: Option<Safeguard>) -> Self {
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
            log: std::env::var("RAIN_SIM_LOG").is_ok(),
        })))
    }

    /// The disk that an image gives when it is put back.
    pub fn of_image(seed: u64, image: &Image) -> Self {
        Self(Arc::new(Mutex::new(State { random: Random::new(seed), operations: 0, ..image.0.clone() })))
    }

    /// What a loss of power at this moment might leave.
    pub fn image(&self) -> Image {
        let mut state = self.state().clone();
        state.lose_power();
        Image(state)
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
        self.state().names.keys().filter(|name| name.ends_with(UNFINISHED)).cloned().collect()
    }

    /// Names of all files.
    pub fn names(&self) -> Vec<String> {
        self.state().names.keys().cloned().collect()
    }

    /// The process dies and the system lives: what was written is there, and may still be lost with the power.
    pub fn lose_process(&self) {
        let mut state = self.state();
        state.crash_in = None;
        state.crashed = false;
    }

    /// Power is gone: only what was synced is sure to be there afterwards.
    pub fn lose_power(&self) {
        self.state().lose_power();
    }

    /// Flips a bit in a file of this kind that is at rest; at its end only if `late`. False when there is none.
    pub fn rot(&self, kind: Kind, late: bool, random: &mut Random) -> bool {
        let mut state = self.state();
        let state = &mut *state;
        let at_rest: Vec<usize> = state
            .names
            .iter()
            .filter(|(name, file)| {
                Kind::of(name) == kind && !name.ends_with(UNFINISHED) && !state.files[**file].is_dirty()
            })
            .map(|(_, file)| *file)
            .filter(|file| !state.files[*file].seen.is_empty())
            .collect();
        if at_rest.is_empty() {
            return false;
        }
        let file = &mut state.files[random.pick(&at_rest)];
        // What is zero up to the end is room for what comes.
        let written = file.seen.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        // The last batch that is found may be the one before the last that was written.
        let [last, before] = file.last;
        let length = if late { written } else { written.min(last).min(before) };
        if length == 0 {
            return false;
        }
        let at = random.below(length);
        let bit = random.below(8);
        file.seen[at] ^= 1 << bit;
        if !file.rotten.insert((at, bit)) {
            // Flipped back.
            file.rotten.remove(&(at, bit));
        }
        true
    }

    /// Whether the ledger or the identity has flipped bits.
    pub fn is_rotten(&self) -> bool {
        self.rotten().iter().any(|name| matches!(Kind::of(name), Kind::Ledger | Kind::Identity))
    }

    /// Names of the files that have flipped bits.
    pub fn rotten(&self) -> Vec<String> {
        let state = self.state();
        state
            .names
            .iter()
            .filter(|(_, file)| !state.files[**file].rotten.is_empty())
            .map(|(name, _)| name.clone())
            .collect()
    }
}

impl State {
    fn lose_power(&mut self) {
        let changes = std::mem::take(&mut self.changes);
        let mode = self.random.below(4);
        let cut = self.random.below(changes.len() + 1);
        let mut names = std::mem::take(&mut self.durable);
        for (index, change) in changes.iter().enumerate() {
            let kept = match mode {
                0 => false,
                1 => true,
                2 => index < cut,
                _ => self.random.one_in(2),
            };
            if kept {
                change.apply(&mut names);
            }
        }
        self.folders.clone_from(&self.durable_folders);
        names.retain(|path, _| folder_of(path).is_empty() || self.durable_folders.contains(folder_of(path)));
        self.durable.clone_from(&names);
        self.names = names;
        for file in &mut self.files {
            if file.is_dirty() {
                let durable = file.durable();
                let seen = survivor(&mut self.random, &file.seen, &durable);
                let rotten = std::mem::take(&mut file.rotten);
                *file = File { seen, undo: Vec::new(), doomed: Vec::new(), rotten, last: file.last };
            }
        }
        // What has no name is gone.
        let in_use: BTreeSet<usize> = self.names.values().copied().collect();
        for (index, file) in self.files.iter_mut().enumerate() {
            if !in_use.contains(&index) {
                *file = File::default();
            }
        }
        self.crash_in = None;
        self.crashed = false;
    }

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

    fn change(&mut self, change: Change) {
        if self.log {
            println!("             -- {change:?}");
        }
        change.apply(&mut self.names);
        self.changes.push(change);
    }

    fn file(&self, path: &str) -> io::Result<usize> {
        self.names.get(path).copied().ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }
}

/// What is left of a file whose last writes were not synced.
fn survivor(random: &mut Random, seen: &[u8], durable: &[u8]) -> Vec<u8> {
    match random.below(4) {
        0 => durable.to_vec(),
        1 => seen.to_vec(),
        2 => {
            // Only the beginning of what came after.
            let mut cut = seen[..random.below(seen.len() + 1)].to_vec();
            if cut.len() < durable.len() {
                cut.extend_from_slice(&durable[cut.len()..]);
            }
            cut
        }
        _ => {
            // The length is there, but only some of the sectors.
            let mut torn = seen.to_vec();
            for (index, sector) in torn.chunks_mut(SECTOR).enumerate() {
                if random.one_in(2) {
                    let old = durable.get(index * SECTOR..).unwrap_or_default();
                    for (at, byte) in sector.iter_mut().enumerate() {
                        *byte = old.get(at).copied().unwrap_or(0);
                    }
                }
            }
            torn
        }
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

    const ROOM: &[u8] = &[0; 600];

    fn create(&self, path: &str) -> io::Result<Handle> {
        let mut state = self.state();
        state.operate()?;
        if !folder_of(path).is_empty() && !state.folders.contains(folder_of(path)) {
            return Err(io::Error::from(io::ErrorKind::NotFound));
        }
        state.files.push(File::default());
        let file = state.files.len() - 1;
        state.change(Change::Set(path.to_owned(), file));
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
        let mut failed = state.operate();
        let full = state.full_one_in;
        if failed.is_ok() && state.random.one_in(full) {
            failed = Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        // A write that fails may have written some of its bytes.
        let written = if failed.is_ok() { bytes.len() } else { state.random.below(bytes.len() + 1) };
        state.files[file.file].write(usize::try_from(offset).unwrap(), &bytes[..written]);
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
        if let Err(error) = state.operate() {
            if state.random.one_in(2) {
                state.files[file.file].doom();
            }
            return Err(error);
        }
        if state.missing != Some(Safeguard::Sync(file.kind)) {
            state.files[file.file].undo.clear();
        }
        Ok(())
    }

    fn sync_all(&self) -> io::Result<()> {
        let mut state = self.state();
        let state = &mut *state;
        if let Err(error) = state.operate() {
            if state.random.one_in(2) {
                state.files.iter_mut().for_each(File::doom);
            }
            return Err(error);
        }
        if state.missing == Some(Safeguard::SyncAll) {
            return Ok(());
        }
        state.files.iter_mut().for_each(|file| file.undo.clear());
        for change in std::mem::take(&mut state.changes) {
            change.apply(&mut state.durable);
        }
        state.durable_folders.clone_from(&state.folders);
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.state();
        state.operate()?;
        let file = state.file(from)?;
        if state.missing == Some(Safeguard::Rename(Kind::of(to))) {
            return Ok(());
        }
        state.change(Change::Rename(from.to_owned(), to.to_owned(), file));
        Ok(())
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        let mut state = self.state();
        state.operate()?;
        state.file(path)?;
        state.change(Change::Remove(path.to_owned()));
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
            Some(Change::Rename(_, to, _)) => Some(Safeguard::FolderSync(Kind::of(to))),
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

    fn list(&self, path: &str, show: &mut dyn FnMut(&str)) -> io::Result<()> {
        let mut state = self.state();
        state.operate()?;
        if !state.folders.contains(path) {
            return Err(io::Error::from(io::ErrorKind::NotFound));
        }
        let names = state.names.keys().filter(|name| folder_of(name) == path);
        names.for_each(|name| show(name.rsplit('/').next().unwrap()));
        Ok(())
    }
}
