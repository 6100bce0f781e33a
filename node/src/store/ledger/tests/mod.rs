//! The ledger on a disk in memory.

mod compaction;
mod disk;
mod group;
mod recovery;
mod room;

use super::{Found, Ledger, LedgerError, PATH, UNFINISHED_PATH};
use crate::store::names::UNFINISHED;
use disk::MemoryDisk;
use std::sync::Arc;

/// A record as it was found: sequence number, kind, payload.
type Owned = (u64, u16, Vec<u8>);

fn try_open(disk: &MemoryDisk) -> Result<(Ledger<MemoryDisk>, Found, Vec<Owned>), LedgerError> {
    let mut records: Vec<Owned> = Vec::new();
    let (ledger, found) = Ledger::open(Arc::new(disk.clone()), |record| {
        records.push((record.sequence, record.kind, record.payload.to_vec()));
    })?;
    assert_eq!(found.records, records.len() as u64);
    if found.damaged.is_none() {
        let first = records.first().map_or(0, |record| record.0);
        assert!(records.iter().map(|record| record.0).eq((first..).take(records.len())), "sequences are contiguous");
        assert_eq!(ledger.serial(), records.last().map_or(ledger.serial(), |record| record.0));
    }
    Ok((ledger, found, records))
}

fn open(disk: &MemoryDisk) -> (Ledger<MemoryDisk>, Found, Vec<Owned>) {
    try_open(disk).unwrap()
}

fn payloads(records: &[Owned]) -> Vec<&[u8]> {
    records.iter().map(|(_, _, payload)| &**payload).collect()
}

fn wait_until(condition: impl Fn() -> bool) {
    while !condition() {
        std::thread::yield_now();
    }
}

#[test]
fn a_new_ledger_is_empty_and_takes_records() {
    let disk = MemoryDisk::default();
    let (ledger, found, records) = open(&disk);
    assert_eq!((found.created, found.damaged, records.len()), (true, None, 0));
    assert_eq!((ledger.serial(), ledger.bytes()), (0, 32));
    assert_eq!(ledger.append(7, b"one").unwrap(), 1);
    assert_eq!(ledger.append_all([(8, b"two"), (9, b"all")]).unwrap(), 3);
    assert_eq!(ledger.append(10, b"").unwrap(), 4);
    assert_eq!((ledger.serial(), ledger.bytes()), (4, 32 + 4 * 48 + 9));
    let (_, found, records) = open(&disk.after(disk::Crash::Nothing));
    assert_eq!((found.created, found.torn_bytes, found.damaged), (false, 0, None));
    let expected = [(1, 7, &b"one"[..]), (2, 8, b"two"), (3, 9, b"all"), (4, 10, b"")];
    assert_eq!(records, expected.map(|(sequence, kind, payload)| (sequence, kind, payload.to_vec())));
}

#[test]
fn the_unfinished_file_has_the_store_s_ending() {
    assert_eq!(UNFINISHED_PATH, format!("{PATH}{UNFINISHED}"));
}

#[test]
fn a_record_that_is_too_long_changes_nothing() {
    let disk = MemoryDisk::default();
    let (ledger, ..) = open(&disk);
    let long = vec![0; super::PAYLOAD_BYTES_MAX + 1];
    assert!(
        matches!(ledger.append(1, &long), Err(LedgerError::TooLong { payload_bytes, max }) if payload_bytes == max + 1)
    );
    assert!(matches!(ledger.append_lazy(1, &long), Err(LedgerError::TooLong { .. })));
    assert!(matches!(ledger.append_all([(1, &b"short"[..]), (1, &long)]), Err(LedgerError::TooLong { .. })));
    assert!(matches!(ledger.compact(|| [(1, &long)]), Err(LedgerError::TooLong { .. })));
    assert!(!disk.has(UNFINISHED_PATH));
    assert_eq!(ledger.append(1, &long[1..]).unwrap(), 1);
    let (_, _, records) = open(&disk.after(disk::Crash::Nothing));
    assert_eq!(records, [(1, 1, long[1..].to_vec())]);
}

#[test]
fn other_formats_are_refused_by_their_numbers() {
    for format in [1_u32, 3, u32::MAX] {
        let mut bytes = super::Header { generation: 0, first_sequence: 1 }.seal().0;
        bytes[8..12].copy_from_slice(&format.to_le_bytes());
        let check = rain_codec::column::crc64(&bytes[..24]);
        bytes[24..].copy_from_slice(&check.to_le_bytes());
        let error = try_open(&MemoryDisk::with_ledger(&bytes)).unwrap_err();
        assert!(matches!(error, LedgerError::Format { found, expected: 2 } if found == format));
    }
}

#[test]
fn lazy_records_become_durable_with_others_and_stay_after_a_failure() {
    let disk = MemoryDisk::default();
    let (ledger, ..) = open(&disk);
    let before = disk.operations();
    ledger.append_lazy(1, b"lazy").unwrap();
    assert_eq!(disk.operations(), before);
    disk.fail_in(1, 0);
    assert!(matches!(ledger.append(2, b"failed"), Err(LedgerError::Disk(_))));
    assert_eq!(ledger.serial(), 0);
    ledger.append_lazy(3, b"later").unwrap();
    assert_eq!(ledger.append(4, b"waited for").unwrap(), 3);
    ledger.append_lazy(5, b"flushed").unwrap();
    assert_eq!(ledger.flush().unwrap(), 4);
    ledger.append_lazy(6, b"lost").unwrap();
    let (_, _, records) = open(&disk.after(disk::Crash::Nothing));
    assert_eq!(payloads(&records), [&b"lazy"[..], b"later", b"waited for", b"flushed"]);
}

#[test]
fn lazy_records_wait_for_the_disk_when_there_are_too_many() {
    let disk = MemoryDisk::default();
    let (ledger, ..) = open(&disk);
    let before = disk.operations();
    let payload = vec![1; super::LAZY_BYTES_MAX / 2];
    ledger.append_lazy(1, &payload).unwrap();
    assert_eq!(disk.operations(), before);
    ledger.append_lazy(1, &payload).unwrap();
    assert_eq!(ledger.serial(), 2);
}

#[test]
fn a_ledger_is_compacted_when_most_of_it_is_dead() {
    let disk = MemoryDisk::default();
    let (ledger, ..) = open(&disk);
    ledger.append(1, &vec![0; 1 << 19]).unwrap();
    assert!(!ledger.should_compact(0, 0));
    ledger.append(1, &vec![0; 1 << 20]).unwrap();
    assert!(ledger.should_compact(1, 1 << 19));
    assert!(!ledger.should_compact(1, 3 << 18));
}
