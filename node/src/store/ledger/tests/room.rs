//! A ledger on a disk that fills up.

use super::{Ledger, MemoryDisk};
use crate::store::Disk;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A disk on which files can grow by so many bytes more.
#[derive(Debug, Clone)]
struct Bounded {
    disk: MemoryDisk,
    left: Arc<AtomicU64>,
}

impl Disk for Bounded {
    type File = usize;

    const ROOM: &[u8] = &[0; 8192];

    fn create(&self, path: &str) -> io::Result<usize> {
        self.disk.create(path)
    }

    fn open(&self, path: &str) -> io::Result<usize> {
        self.disk.open(path)
    }

    fn edit(&self, path: &str) -> io::Result<usize> {
        self.disk.edit(path)
    }

    fn len(&self, file: &usize) -> io::Result<u64> {
        self.disk.len(file)
    }

    fn write_at(&self, file: &usize, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let grows = (offset + bytes.len() as u64).saturating_sub(self.len(file)?);
        let left = self.left.load(Ordering::Relaxed);
        if grows > left {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        self.left.store(left - grows, Ordering::Relaxed);
        self.disk.write_at(file, offset, bytes)
    }

    fn read_at(&self, file: &usize, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.disk.read_at(file, offset, buffer)
    }

    fn sync(&self, file: &usize) -> io::Result<()> {
        self.disk.sync(file)
    }

    fn sync_all(&self) -> io::Result<()> {
        self.disk.sync_all()
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        self.disk.remove(path)
    }

    fn create_folder(&self, path: &str) -> io::Result<()> {
        self.disk.create_folder(path)
    }

    fn sync_folder(&self, path: &str) -> io::Result<()> {
        self.disk.sync_folder(path)
    }

    fn list(&self, path: &str, show: &mut dyn FnMut(&str)) -> io::Result<()> {
        self.disk.list(path, show)
    }
}

/// Appends until the disk is full; how often that went well.
fn fill(ledger: &Ledger<Bounded>) -> u64 {
    let mut appended = 0;
    while ledger.append(1, &[7; 100]).is_ok() {
        appended += 1;
    }
    appended
}

#[test]
fn half_of_the_room_is_left_whenever_a_disk_fills_up() {
    for before in [1, 27, 28, 60, 61, 200] {
        let disk = Bounded { disk: MemoryDisk::default(), left: Arc::new(AtomicU64::new(1 << 20)) };
        let (ledger, _) = Ledger::open(Arc::new(disk.clone()), |_| {}).unwrap();
        for _ in 0..before {
            ledger.append(1, &[7; 100]).unwrap();
        }
        // Somebody else takes the rest.
        disk.left.store(0, Ordering::Relaxed);
        drop(ledger);
        let (ledger, found) = Ledger::open(Arc::new(disk.clone()), |_| {}).unwrap();
        assert_eq!(found.records, before);
        // A record of 100 bytes takes 148.
        let appended = fill(&ledger);
        assert!((27..=110).contains(&appended), "{before}: {appended} records fit on a full disk");
        let (_, found) = Ledger::open(Arc::new(disk), |_| {}).unwrap();
        assert_eq!((found.records, found.damaged), (before + appended, None));
    }
}
