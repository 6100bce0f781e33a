//! What a start finds after cuts, rot, failures and crashes.

use super::super::frame::{FRAME_BYTES, HEADER_BYTES};
use super::super::{Damage, LedgerError};
use super::disk::{Crash, MemoryDisk};
use super::{Owned, open, payloads, try_open};

/// Sizes of the batches, and the ledger that they make.
struct Sample {
    bytes: Vec<u8>,
    records: Vec<Owned>,
    /// Where the frames begin, and where the last ends.
    offsets: Vec<usize>,
    /// Records before the last batch.
    settled: usize,
}

fn sample(batches: &[usize]) -> Sample {
    let disk = MemoryDisk::default();
    let (ledger, ..) = open(&disk);
    let (mut records, mut offsets) = (Vec::<Owned>::new(), vec![HEADER_BYTES]);
    for batch in batches {
        let start = records.len();
        for index in start..start + batch {
            let payload = vec![u8::try_from(index).unwrap() + 1; index * 23 % 70];
            offsets.push(offsets.last().unwrap() + FRAME_BYTES + payload.len());
            records.push((index as u64 + 1, u16::try_from(index).unwrap(), payload));
        }
        ledger.append_all(records[start..].iter().map(|(_, kind, payload)| (*kind, payload))).unwrap();
    }
    let settled = records.len() - batches.last().unwrap();
    Sample { bytes: disk.ledger(), records, offsets, settled }
}

/// What was found takes another record, or is compacted first, and nothing of it is lost by that.
fn goes_on(disk: &MemoryDisk, found: &[Owned], is_damaged: bool) {
    let (ledger, ..) = open(disk);
    let mut expected: Vec<Vec<u8>> = found.iter().map(|record| record.2.clone()).collect();
    if is_damaged {
        assert!(matches!(ledger.append(1, b"refused"), Err(LedgerError::Damaged)));
        assert!(matches!(ledger.append_lazy(1, b"refused"), Err(LedgerError::Damaged)));
        let highest = found.last().map_or(0, |record| record.0);
        ledger.compact(|| found.iter().map(|(_, kind, payload)| (*kind, payload))).unwrap();
        assert_eq!(ledger.serial(), highest + found.len() as u64);
    }
    let serial = ledger.serial();
    assert_eq!(ledger.append(1, b"appended").unwrap(), serial + 1);
    expected.push(b"appended".to_vec());
    let (_, found, records) = open(&disk.after(Crash::Nothing));
    assert_eq!(found.damaged, None);
    assert_eq!(records.last().unwrap().0, serial + 1);
    assert_eq!(payloads(&records), expected);
}

#[test]
fn every_cut_leaves_the_records_before_it() {
    for batches in [&[1, 3, 1][..], &[2, 4]] {
        let sample = sample(batches);
        for cut in 0..=sample.bytes.len() {
            let disk = MemoryDisk::with_ledger(&sample.bytes[..cut]);
            let (_, found, records) = open(&disk);
            if cut < HEADER_BYTES {
                assert_eq!(found.damaged, Some(Damage { offset: 0, records_lost: 0 }));
                assert_eq!(records, []);
            } else {
                let whole = sample.offsets.iter().filter(|end| **end <= cut).count() - 1;
                assert_eq!(found.damaged, None);
                assert_eq!(found.torn_bytes, (cut - sample.offsets[whole]) as u64);
                assert_eq!(records, sample.records[..whole]);
            }
            goes_on(&disk, &records, found.damaged.is_some());
        }
    }
}

#[test]
fn every_changed_byte_is_a_torn_end_or_damage() {
    for batches in [&[1, 3, 1][..], &[2, 4], &[1, 1, 2, 3]] {
        let sample = sample(batches);
        for at in 0..sample.bytes.len() {
            for change in [0x01, 0x80, 0xff] {
                let mut bytes = sample.bytes.clone();
                bytes[at] ^= change;
                let disk = MemoryDisk::with_ledger(&bytes);
                let (_, found, records) = open(&disk);
                if at < HEADER_BYTES {
                    assert_eq!(found.damaged, Some(Damage { offset: 0, records_lost: 0 }));
                    assert_eq!(records, sample.records);
                } else {
                    let hit = sample.offsets.iter().filter(|start| **start <= at).count() - 1;
                    if hit < sample.settled {
                        let offset = sample.offsets[hit] as u64;
                        assert_eq!(found.damaged, Some(Damage { offset, records_lost: 1 }));
                        let left = sample.records.iter().filter(|record| record.0 != hit as u64 + 1);
                        assert!(records.iter().eq(left));
                    } else {
                        assert_eq!(found.damaged, None);
                        assert_eq!(records, sample.records[..hit]);
                    }
                }
                goes_on(&disk, &records, found.damaged.is_some());
            }
        }
    }
}

#[test]
fn rot_in_several_places_loses_only_what_it_hit() {
    let sample = sample(&[1, 3, 1, 2, 1]);
    let mut bytes = sample.bytes.clone();
    for hit in [1, 2, 5] {
        bytes[sample.offsets[hit] + 20] ^= 0x10;
    }
    let (_, found, records) = open(&MemoryDisk::with_ledger(&bytes));
    assert_eq!(found.damaged, Some(Damage { offset: sample.offsets[1] as u64, records_lost: 3 }));
    assert_eq!(records.iter().map(|record| record.0).collect::<Vec<_>>(), [1, 4, 5, 7, 8]);
}

#[test]
fn a_batch_that_failed_never_shows_behind_what_overwrote_it() {
    let failed: [&[u8]; 3] = [b"failed 1", b"failed 2", b"failed 3"];
    let goods: [&[&[u8]]; 6] = [
        &[b"failed 1"],
        &[b"failed 1", b"failed 2"],
        &[b"x"],
        &[b"as long."],
        &[b"longer than the first record of it"],
        &[b"failed 1", b"failed 2", b"failed 3", b"and one more"],
    ];
    let all: usize = failed.iter().map(|payload| FRAME_BYTES + payload.len()).sum();
    for good in goods {
        // The sync fails, or the write after so many bytes; once or twice.
        for (operation, written) in (0..=all).map(|written| (0, written)).chain([(1, 0)]) {
            for failures in 1..=2 {
                let disk = MemoryDisk::default();
                let (ledger, ..) = open(&disk);
                ledger.append(1, b"before").unwrap();
                for _ in 0..failures {
                    disk.fail_in(operation, written);
                    assert!(matches!(ledger.append_all(failed.map(|payload| (1, payload))), Err(LedgerError::Disk(_))));
                    assert_eq!(ledger.serial(), 1);
                }
                // Until something succeeds, a beginning of it may be found.
                let (_, found, records) = open(&disk.after(Crash::Everything));
                assert_eq!(found.damaged, None);
                assert_eq!(payloads(&records)[1..], failed[..records.len() - 1]);

                let last = ledger.append_all(good.iter().map(|payload| (2, payload))).unwrap();
                assert_eq!(last, 1 + good.len() as u64);
                for crash in [Crash::Nothing, Crash::Everything, Crash::Torn(1), Crash::Torn(2)] {
                    let (_, found, records) = open(&disk.after(crash));
                    assert_eq!(found.damaged, None);
                    assert_eq!(payloads(&records)[1..], *good);
                    assert!(records[1..].iter().all(|record| record.1 == 2));
                }
            }
        }
    }
}

#[test]
fn the_same_records_again_do_not_show_the_rest_of_the_batch_that_failed() {
    for start_again in [false, true] {
        let disk = MemoryDisk::default();
        let (mut ledger, ..) = open(&disk);
        disk.fail_in(1, 0);
        ledger.append_all([(1, b"same"), (1, b"rest")]).unwrap_err();
        let mut disk = disk;
        if start_again {
            // The first record is torn away, the second is not.
            let mut bytes = disk.ledger();
            bytes[HEADER_BYTES] = 0;
            disk = MemoryDisk::with_ledger(&bytes);
            ledger = open(&disk).0;
        }
        ledger.append(1, b"same").unwrap();
        let (_, found, records) = open(&disk.after(Crash::Everything));
        assert_eq!(found.damaged, None);
        assert_eq!(payloads(&records), [b"same"]);
    }
}

/// A file can grow over blocks of an older one, and a crash can leave these in it, on some file systems.
#[test]
fn what_an_older_file_left_behind_the_end_proves_nothing() {
    let older = sample(&[1, 1, 1, 1, 1, 1]);
    let disk = MemoryDisk::with_ledger(&older.bytes[..older.offsets[2]]);
    let (ledger, ..) = open(&disk);
    assert_eq!(ledger.append(1, b"newer").unwrap(), 3);
    let bytes = [&disk.ledger()[..], &older.bytes[older.offsets[4]..]].concat();
    let (_, found, records) = open(&MemoryDisk::with_ledger(&bytes));
    assert_eq!((found.damaged, records.len()), (None, 3));
}

/// Two batches failed, one over the other, and the disk kept a part of each: they are no one batch.
#[test]
fn frames_of_two_failed_batches_are_not_read_as_one() {
    let disk = MemoryDisk::default();
    let (ledger, ..) = open(&disk);
    let mut images = Vec::new();
    for batch in [[(1, b"first 1"), (1, b"first 2")], [(1, b"other 1"), (1, b"other 2")]] {
        disk.fail_in(1, 0);
        ledger.append_all(batch).unwrap_err();
        images.push(disk.ledger());
    }
    let second = HEADER_BYTES + FRAME_BYTES + 7;
    let mixed = [&images[0][..second], &images[1][second..]].concat();
    let (_, found, records) = open(&MemoryDisk::with_ledger(&mixed));
    assert_eq!((found.damaged, payloads(&records)), (None, vec![&b"first 1"[..]]));
}

#[test]
fn after_a_flush_nothing_that_failed_is_found() {
    for (operation, written) in [(0, 70), (0, 150), (1, 0)] {
        let disk = MemoryDisk::default();
        let (ledger, ..) = open(&disk);
        ledger.append(1, b"before").unwrap();
        disk.fail_in(operation, written);
        ledger.append_all([(1, b"failed 1"), (1, b"failed 2")]).unwrap_err();
        disk.fail_in(0, 0);
        ledger.flush().unwrap_err();
        assert_eq!(ledger.flush().unwrap(), 1);
        let operations = disk.operations();
        assert_eq!(ledger.flush().unwrap(), 1);
        assert_eq!(disk.operations(), operations, "nothing is left to do");
        for crash in [Crash::Nothing, Crash::Everything, Crash::Torn(1)] {
            let (_, found, records) = open(&disk.after(crash));
            assert_eq!((found.damaged, payloads(&records)), (None, vec![&b"before"[..]]));
        }
        ledger.append(1, b"after").unwrap();
        let (_, _, records) = open(&disk.after(Crash::Everything));
        assert_eq!(payloads(&records), [&b"before"[..], b"after"]);
    }
}

/// Whatever of a batch the disk kept, in whatever order: what was answered is there, in order, and a torn batch is not
/// taken for rot. Some batches fail, some starts come after a crash, some after the program's end alone.
#[test]
fn crashes_that_tear_and_reorder_lose_nothing_that_was_answered() {
    for seed in 0..400_u64 {
        let mut disk = MemoryDisk::default();
        let mut answered: Vec<Vec<u8>> = Vec::new();
        for round in 0..6_u64 {
            let (ledger, found, records) = open(&disk);
            assert_eq!(found.damaged, None, "seed {seed} round {round}");
            let found = payloads(&records);
            assert!(found.starts_with(&answered.iter().map(|payload| &**payload).collect::<Vec<_>>()), "seed {seed}");
            // What was found counts from now on.
            answered = found.into_iter().map(<[u8]>::to_vec).collect();
            let chance = seed.wrapping_mul(0x9e37_79b9).wrapping_add(round.wrapping_mul(0x85eb_ca6b)) >> 7;
            for batch in 0..4_u64 {
                let payload = |index: u64| {
                    format!("seed {seed} round {round} batch {batch} index {index}")
                        .repeat(usize::try_from(index).unwrap() + 1)
                };
                let records: Vec<_> = (0..=(chance + batch) % 4).map(payload).collect();
                if (chance >> batch).is_multiple_of(4) {
                    disk.fail_in(usize::try_from(chance % 2).unwrap(), usize::try_from(chance % 200).unwrap());
                }
                if batch == 3 {
                    disk.lose_power_in(usize::try_from(chance % 3).unwrap());
                }
                if ledger.append_all(records.iter().map(|payload| (1, payload))).is_ok() {
                    answered.extend(records.into_iter().map(String::into_bytes));
                }
            }
            disk = match chance % 5 {
                0 => disk.after(Crash::Nothing),
                1 => disk.after(Crash::Everything),
                2 => disk.after_kill(),
                _ => disk.after(Crash::Torn(chance)),
            };
        }
    }
}

/// A sync failed, and the system took its pages for clean: they can be read, and no later sync writes them.
#[test]
fn what_a_start_shows_is_durable_though_its_sync_had_failed() {
    let disk = MemoryDisk::default();
    let (ledger, ..) = open(&disk);
    ledger.append(1, b"answered").unwrap();
    disk.fail_in(1, 0);
    ledger.append_all([(1, b"read back 1"), (1, b"read back 2")]).unwrap_err();
    let disk = disk.after_kill();
    let (_, _, shown) = open(&disk);
    assert_eq!(payloads(&shown), [&b"answered"[..], b"read back 1", b"read back 2"]);
    let (_, _, records) = open(&disk.after(Crash::Nothing));
    assert_eq!(records, shown);
}

#[test]
fn a_ledger_that_was_being_made_is_made_again() {
    for operation in 0..7 {
        for crash in [Crash::Nothing, Crash::Everything, Crash::Torn(3), Crash::Torn(4)] {
            let disk = MemoryDisk::default();
            disk.lose_power_in(operation);
            let made = try_open(&disk).is_ok();
            let (ledger, found, records) = open(&disk.after(crash));
            assert_eq!((found.damaged, records.len(), ledger.serial()), (None, 0, 0));
            assert!(!made || !found.created);
        }
    }
}

#[test]
fn any_bytes_are_read_without_panic() {
    let sample = sample(&[2, 3, 1]);
    let mut random = 1_u64;
    for _ in 0..2000 {
        let mut bytes = sample.bytes.clone();
        for _ in 0..8 {
            random = random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            let place = |bits: u64| usize::try_from(bits % bytes.len() as u64).unwrap();
            let (from, to) = (place(random >> 33), place(random >> 13));
            match random >> 62 {
                0 => bytes[from] = (random >> 20).to_le_bytes()[0],
                1 => bytes.copy_within(from.min(to)..from.max(to), 0),
                2 => bytes.truncate(from.max(1)),
                _ => bytes.extend_from_within(from.min(to)..),
            }
        }
        let (_, found, records) = open(&MemoryDisk::with_ledger(&bytes));
        assert!(records.windows(2).all(|pair| pair[0].0 < pair[1].0));
        for record in &records {
            assert!(sample.records.contains(record), "a record that was never written");
        }
        assert!(found.damaged.is_some() || sample.records.starts_with(&records));
    }
}
