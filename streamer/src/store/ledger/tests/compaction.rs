//! A new file in the place of the old one.

use super::super::{Ledger, UNFINISHED_PATH};
use super::disk::{Crash, MemoryDisk};
use super::{open, payloads};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::thread;

const OLD: [&[u8]; 4] = [b"one", b"two", b"three", b"four"];
const NEW: [&[u8]; 2] = [b"three", b"four"];

fn filled(disk: &MemoryDisk) -> Ledger<MemoryDisk> {
    let (ledger, ..) = open(disk);
    for payload in OLD {
        ledger.append(1, payload).unwrap();
    }
    ledger
}

fn compact(ledger: &Ledger<MemoryDisk>) -> bool {
    ledger.compact(|| NEW.map(|payload| (1, payload))).is_ok()
}

#[test]
fn sequences_go_on_over_a_compaction() {
    let disk = MemoryDisk::default();
    let ledger = filled(&disk);
    let before = ledger.bytes();
    assert!(compact(&ledger));
    assert_eq!(ledger.serial(), 6);
    assert!(ledger.bytes() < before);
    assert_eq!(ledger.append(1, b"five").unwrap(), 7);
    let (ledger, _, records) = open(&disk.after(Crash::Nothing));
    assert_eq!(records.iter().map(|record| record.0).collect::<Vec<_>>(), [5, 6, 7]);
    assert_eq!(payloads(&records), [&b"three"[..], b"four", b"five"]);
    ledger.compact(core::iter::empty::<(u16, &[u8])>).unwrap();
    assert_eq!((ledger.serial(), ledger.bytes()), (7, 32));
}

#[test]
fn a_crash_in_each_step_leaves_the_old_or_the_new() {
    for operation in 0.. {
        let mut is_done = false;
        for seed in 0..40 {
            for crash in [Crash::Nothing, Crash::Everything, Crash::Torn(seed)] {
                let disk = MemoryDisk::default();
                let ledger = filled(&disk);
                disk.lose_power_in(operation);
                is_done = compact(&ledger);
                let after = disk.after(crash);
                let (ledger, found, records) = open(&after);
                assert_eq!((found.damaged, found.created), (None, false));
                let found = payloads(&records);
                assert!(found == NEW || (!is_done && found == OLD));
                assert!(!after.has(UNFINISHED_PATH));
                let serial = ledger.serial();
                assert_eq!(ledger.append(1, b"next").unwrap(), serial + 1);
            }
        }
        if is_done {
            assert!(operation > 4, "make, write, sync, rename, sync of the folder");
            return;
        }
    }
}

#[test]
fn after_a_failure_in_each_step_nothing_that_is_answered_is_lost() {
    for operation in 0..8 {
        for written in [0, 50, 1000] {
            for crash in [Crash::Nothing, Crash::Everything, Crash::Torn(1), Crash::Torn(2), Crash::Torn(3)] {
                let disk = MemoryDisk::default();
                let ledger = filled(&disk);
                ledger.append_lazy(1, b"lazy").unwrap();
                disk.fail_in(operation, written);
                let is_done = compact(&ledger);
                disk.fail_no_more();
                let serial = ledger.append(1, b"next").unwrap();
                assert_eq!(ledger.serial(), serial);
                let (_, found, records) = open(&disk.after(crash));
                assert_eq!(found.damaged, None);
                assert_eq!(records.last().unwrap().0, serial);
                let (kept, behind) = records.split_at(records.len() - 2);
                assert_eq!(payloads(behind), [b"lazy", b"next"]);
                assert!(payloads(kept) == NEW || (!is_done && payloads(kept) == OLD));
            }
        }
    }
}

#[test]
fn a_snapshot_that_panics_leaves_the_old() {
    let disk = MemoryDisk::default();
    let ledger = filled(&disk);
    thread::scope(|scope| {
        let ledger = &ledger;
        let compaction = scope.spawn(move || ledger.compact(|| -> [(u16, &[u8]); 0] { panic!("the caller's bug") }));
        compaction.join().unwrap_err();
    });
    assert_eq!(ledger.append(1, b"five").unwrap(), 5);
    assert!(compact(&ledger));
}

/// What is answered and shown in the caller's state is in the snapshot, or behind it.
#[test]
fn compaction_under_load_loses_nothing() {
    const THREADS: u16 = 8;
    const APPENDS: u16 = 60;
    let disk = MemoryDisk::default();
    let (ledger, ..) = open(&disk);
    let state = Mutex::new(BTreeMap::new());
    thread::scope(|scope| {
        for index in 0..THREADS {
            let (ledger, state) = (&ledger, &state);
            scope.spawn(move || {
                for append in 0..APPENDS {
                    let value = append.to_le_bytes().to_vec();
                    let hold = ledger.hold();
                    ledger.append(index, &value).unwrap();
                    thread::yield_now();
                    state.lock().unwrap().insert(index, value);
                    drop(hold);
                }
            });
        }
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..20 {
                    ledger.compact(|| state.lock().unwrap().clone()).unwrap();
                    thread::yield_now();
                }
            });
        }
    });
    let (_, found, records) = open(&disk.after(Crash::Nothing));
    assert_eq!(found.damaged, None);
    let last: BTreeMap<_, _> = records.into_iter().map(|(_, kind, payload)| (kind, payload)).collect();
    let expected: BTreeMap<_, _> = (0..THREADS).map(|index| (index, (APPENDS - 1).to_le_bytes().to_vec())).collect();
    assert_eq!(last, expected);
    // Each image that had the name, at any sync, is one of the ledger's; none is damaged.
    for image in disk.images() {
        let (_, found, _) = open(&MemoryDisk::with_ledger(&image));
        assert_eq!(found.damaged, None);
    }
}

/// Appenders that never stop do not keep a compaction from its turn, nor it them.
#[test]
fn a_compaction_gets_its_turn() {
    let disk = MemoryDisk::default();
    let (ledger, ..) = open(&disk);
    let done = std::sync::atomic::AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    let _hold = ledger.hold();
                    ledger.append(1, b"again").unwrap();
                }
            });
        }
        for _ in 0..10 {
            assert!(compact(&ledger));
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}
