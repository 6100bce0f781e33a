//! One sync for all that wait.

use super::super::{Ledger, LedgerError, lock};
use super::disk::{Crash, MemoryDisk};
use super::{open, payloads, wait_until};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::thread;

const THREADS: usize = 16;

/// One thread is in its sync, the others wait behind it.
fn with_one_leading<T>(
    disk: &MemoryDisk,
    ledger: &Ledger<MemoryDisk>,
    then: impl FnOnce(),
    append: impl Fn(usize) -> T + Sync,
) -> (T, Vec<T>)
where
    T: Send,
{
    let append = &append;
    disk.shut_gate();
    thread::scope(|scope| {
        let leader = scope.spawn(|| append(0));
        wait_until(|| disk.at_gate() == 1);
        let others: Vec<_> = (1..THREADS).map(|index| scope.spawn(move || append(index))).collect();
        wait_until(|| lock(&ledger.queue).collecting.frame_count() == THREADS - 1);
        then();
        disk.open_gate();
        (leader.join().unwrap(), others.into_iter().map(|other| other.join().unwrap()).collect())
    })
}

#[test]
fn one_sync_serves_all_that_wait() {
    let disk = MemoryDisk::default();
    let (ledger, ..) = open(&disk);
    let before = disk.syncs();
    let (first, others) =
        with_one_leading(&disk, &ledger, || (), |index| ledger.append(1, format!("{index}").as_bytes()).unwrap());
    assert_eq!(disk.syncs() - before, 2);
    assert_eq!(first, 1);
    let (_, _, records) = open(&disk.after(Crash::Nothing));
    for (index, sequence) in others.into_iter().enumerate() {
        let expected = (sequence, 1, format!("{}", index + 1).into_bytes());
        assert!(records.contains(&expected), "each is told its own number");
    }
    assert_eq!(records.len(), THREADS);
}

#[test]
fn an_error_is_told_to_all_of_its_batch_and_to_nobody_else() {
    let disk = MemoryDisk::default();
    let (ledger, ..) = open(&disk);
    // Leader: sync. Others: write, sync.
    let fail = || disk.fail_in(2, 0);
    let (first, others) =
        with_one_leading(&disk, &ledger, fail, |index| ledger.append(1, format!("{index}").as_bytes()));
    assert_eq!(first.unwrap(), 1);
    assert!(others.iter().all(|other| matches!(other, Err(LedgerError::Disk(_)))));
    assert_eq!(ledger.serial(), 1);
    assert_eq!(ledger.append(1, b"next").unwrap(), 2);
    let (_, _, records) = open(&disk.after(Crash::Everything));
    assert_eq!(payloads(&records), [&b"0"[..], b"next"]);
}

#[test]
fn threads_are_answered_when_their_records_are_durable() {
    const APPENDS: usize = 60;
    let disk = MemoryDisk::default();
    let (ledger, ..) = open(&disk);
    let before = disk.syncs();
    // Which record was answered after how many syncs.
    let answers = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for index in 0..THREADS {
            let (ledger, disk, answers) = (&ledger, &disk, &answers);
            scope.spawn(move || {
                for append in 0..APPENDS {
                    let payload = format!("{index} {append}").into_bytes();
                    if append % 7 == 3 {
                        ledger.append_lazy(3, b"lazy").unwrap();
                    }
                    let sequence = ledger.append(2, &payload).unwrap();
                    answers.lock().unwrap().push((sequence, payload, disk.syncs()));
                }
            });
        }
    });
    let answers = answers.into_inner().unwrap();
    let sequences: BTreeSet<_> = answers.iter().map(|answer| answer.0).collect();
    assert_eq!(sequences.len(), THREADS * APPENDS);
    assert!(disk.syncs() - before <= THREADS * APPENDS);
    for (index, image) in disk.images().iter().enumerate().skip(before) {
        let (_, found, records) = open(&MemoryDisk::with_ledger(image));
        assert_eq!((found.damaged, found.torn_bytes), (None, 0));
        let found: BTreeSet<_> = records.into_iter().filter(|record| record.1 == 2).map(|(s, _, p)| (s, p)).collect();
        for (sequence, payload, syncs) in &answers {
            assert!(
                *syncs > index + 1 || found.contains(&(*sequence, payload.clone())),
                "answered before it was durable"
            );
        }
    }
}

#[test]
fn failures_under_load_are_told_to_the_right_ones() {
    const APPENDS: usize = 80;
    let disk = MemoryDisk::default();
    let (ledger, ..) = open(&disk);
    let answers = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for index in 0..THREADS {
            let (ledger, disk, answers) = (&ledger, &disk, &answers);
            scope.spawn(move || {
                for append in 0..APPENDS {
                    let payload = format!("{index} {append}").into_bytes();
                    if append % 9 == index % 9 {
                        disk.fail_in(index % 5, 30 * index);
                    }
                    if let Ok(sequence) = ledger.append(2, &payload) {
                        answers.lock().unwrap().push((sequence, 2, payload));
                    }
                }
            });
        }
    });
    // The last one to be told of may be still to come.
    disk.fail_no_more();
    ledger.append(3, b"last").unwrap();
    let mut answers = answers.into_inner().unwrap();
    assert!(answers.len() < THREADS * APPENDS, "some failed");
    answers.sort();
    answers.push((answers.len() as u64 + 1, 3, b"last".to_vec()));
    let (_, found, records) = open(&disk.after(Crash::Everything));
    assert_eq!(found.damaged, None);
    assert_eq!(records, answers);
}

/// A disk whose thread dies in the middle of a write.
#[test]
fn a_leader_that_panics_leaves_the_ledger_to_the_others() {
    let disk = MemoryDisk::default();
    let (ledger, ..) = open(&disk);
    let ledger = Arc::new(ledger);
    ledger.append(1, b"before").unwrap();
    ledger.append_lazy(1, b"kept").unwrap();
    disk.panic_in(1);
    let other = Arc::clone(&ledger);
    thread::spawn(move || other.append(1, b"panics")).join().unwrap_err();
    assert_eq!(ledger.append(1, b"after").unwrap(), 3);
    let (_, _, records) = open(&disk.after(Crash::Everything));
    assert_eq!(payloads(&records), [&b"before"[..], b"kept", b"after"]);
}
