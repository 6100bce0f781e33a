//! A new file in the place of the old one.

use super::super::{Ledger, UNFINISHED_PATH, lock};
use super::disk::{Crash, MemoryDisk};
use super::{open, payloads, wait_until};
use std::collections::BTreeSet;
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

/// What is answered, and not yet shown in the caller's state, is no snapshot's to forget.
#[test]
fn a_compaction_waits_for_those_who_hold() {
    let disk = MemoryDisk::default();
    let (ledger, ..) = open(&disk);
    let state = Mutex::new(Vec::new());
    thread::scope(|scope| {
        let (ledger, state) = (&ledger, &state);
        let hold = ledger.hold();
        scope.spawn(|| ledger.compact(|| state.lock().unwrap().clone()).unwrap());
        wait_until(|| lock(&ledger.queue).compacting);
        ledger.append(1, b"held").unwrap();
        state.lock().unwrap().push((1, b"held"));
        drop(hold);
    });
    let (_, _, records) = open(&disk.after(Crash::Nothing));
    assert_eq!(records, [(2, 1, b"held".to_vec())]);
}

/// Else those who come to hold could keep a compaction from its turn.
#[test]
fn who_comes_to_hold_waits_for_a_compaction_that_waits() {
    let disk = MemoryDisk::default();
    let ledger = filled(&disk);
    thread::scope(|scope| {
        let ledger = &ledger;
        let hold = ledger.hold();
        let compaction = scope.spawn(|| compact(ledger));
        wait_until(|| lock(&ledger.queue).compacting);
        let later = scope.spawn(|| {
            let _hold = ledger.hold();
            ledger.serial()
        });
        // Time to do it wrong.
        (0..1000).for_each(|_| thread::yield_now());
        drop(hold);
        assert_eq!((compaction.join().unwrap(), later.join().unwrap()), (true, 6));
    });
}

#[test]
fn compaction_under_load_loses_nothing() {
    const THREADS: u16 = 8;
    const APPENDS: u16 = 60;
    let disk = MemoryDisk::default();
    let (ledger, ..) = open(&disk);
    let state = Mutex::new(BTreeSet::new());
    thread::scope(|scope| {
        for index in 0..THREADS {
            let (ledger, state) = (&ledger, &state);
            scope.spawn(move || {
                for append in 0..APPENDS {
                    let value = append.to_le_bytes();
                    let hold = ledger.hold();
                    ledger.append(index, &value).unwrap();
                    thread::yield_now();
                    state.lock().unwrap().insert((index, value));
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
    let kept: BTreeSet<_> = records.iter().map(|(_, kind, payload)| (*kind, &**payload)).collect();
    let state = state.into_inner().unwrap();
    assert!(state.iter().map(|(kind, value)| (*kind, &value[..])).eq(kept));
    // Each image that had the name, at any sync, is one of the ledger's; none is damaged.
    for image in disk.images() {
        let (_, found, _) = open(&MemoryDisk::with_ledger(&image));
        assert_eq!(found.damaged, None);
    }
}

/// A compaction that waits for a leader goes before the batch that waits for it, so nobody can keep it from its turn.
#[test]
fn a_compaction_gets_its_turn() {
    let disk = MemoryDisk::default();
    let ledger = filled(&disk);
    disk.shut_gate();
    thread::scope(|scope| {
        let ledger = &ledger;
        let leader = scope.spawn(|| ledger.append(1, b"leads").unwrap());
        wait_until(|| disk.at_gate() == 1);
        let other = scope.spawn(|| ledger.append(1, b"waits").unwrap());
        wait_until(|| lock(&ledger.queue).collecting.frame_count() == 1);
        let compaction = scope.spawn(|| compact(ledger));
        wait_until(|| lock(&ledger.queue).compacting);
        disk.open_gate();
        assert_eq!((leader.join().unwrap(), compaction.join().unwrap(), other.join().unwrap()), (5, true, 8));
    });
}

/// The new file had its name, but not durably, when the program ended: the next start does what was left.
#[test]
fn a_start_makes_the_name_durable_that_it_found() {
    let disk = MemoryDisk::default();
    let ledger = filled(&disk);
    disk.fail_in(4, 0);
    assert!(!compact(&ledger));
    let disk = disk.after_kill();
    let (ledger, _, records) = open(&disk);
    assert_eq!(payloads(&records), NEW);
    ledger.append(1, b"next").unwrap();
    let (_, _, records) = open(&disk.after(Crash::Nothing));
    assert_eq!(payloads(&records), [&b"three"[..], b"four", b"next"]);
}
