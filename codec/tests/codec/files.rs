//! Whole files: encoded, damaged, decoded, verified and repaired.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use rain_codec::column::{CHECKSUM_BYTES, ColumnHasher, HEADER_BYTES};
use rain_codec::file::{
    ColumnFinding, Decoded, EncodeOptions, Encoded, FileError, Sink, Source, Survey, VerifyReport, column_name, decode,
    encode, repair, verify,
};
use rain_codec::{Code, ColumnHeader, Geometry, Seal, TitleVersion};

use crate::columns::{codec, column_files, title_bytes};
use crate::families::listed;

/// A fresh folder, removed with all that is in it. In memory, where there is a place for files there: what is written is
/// made durable a thousand times.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("rain-files-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let memory = PathBuf::from("/dev/shm");
        let path = if memory.is_dir() { memory } else { std::env::temp_dir() }.join(name);
        fs::create_dir(&path).expect("the test has what it needs");
        Self(path)
    }

    fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> =
        entries.map(|entry| entry.file_name().into_string().expect("the test has what it needs")).collect();
    names.sort_unstable();
    names
}

fn options(code: &str, title: &str, random: u32) -> EncodeOptions {
    EncodeOptions {
        code: Arc::new(Code::named(code).expect("the test has what it needs")),
        cell_bytes: 4096,
        block_bytes: 512,
        title: title.into(),
        version: TitleVersion { counter: 1, node: 0, life: 0, random },
        media_type: "video/mp4".into(),
        modified_ms: 5,
    }
}

fn quiet(_bytes: u64) {}

/// A folder of column files, and what they were made of.
struct Encoding {
    folder: Folder,
    content: Vec<u8>,
    encoded: Encoded,
}

impl Encoding {
    fn of(code: &str, len: usize) -> Self {
        let folder = Folder::new();
        let content = title_bytes(len);
        let path = folder.join("input");
        fs::write(&path, &content).expect("the test has what it needs");
        let source = Source::File { file: fs::File::open(&path).expect("the test has what it needs"), path };
        let encoded = encode(source, &folder.join("columns"), &options(code, "film", 7), &quiet)
            .expect("the test has what it needs");
        Self { folder, content, encoded }
    }

    fn columns(&self) -> PathBuf {
        self.folder.join("columns")
    }

    fn column(&self, column: usize) -> PathBuf {
        self.columns().join(column_name(column))
    }

    fn geometry(&self) -> Geometry {
        Geometry::of(&self.encoded.header, &Code::named(&self.encoded.header.code).expect("the test has what it needs"))
    }

    fn decode(&self) -> Result<Decoded, FileError> {
        let title = Survey::of(&[self.columns()])?.open(None, None)?;
        decode(&title, Sink::File(self.folder.join("output")), false, &quiet)
    }

    /// Decodes, and compares; gives back the warnings.
    #[track_caller]
    fn decoded(&self) -> Vec<String> {
        let decoded = self.decode().expect("the test has what it needs");
        assert!(
            fs::read(self.folder.join("output")).expect("the test has what it needs") == self.content,
            "the content"
        );
        assert_eq!(names_in(&self.folder.0), ["columns", "input", "output"]);
        decoded.warnings
    }

    /// Decodes, and checks that it was refused and nothing is left.
    #[track_caller]
    fn refused(&self) -> FileError {
        let _ = fs::remove_file(self.folder.join("output"));
        let error = self.decode().expect_err("the test wants an error");
        assert_eq!(names_in(&self.folder.0), ["columns", "input"]);
        error
    }

    fn verify(&self) -> VerifyReport {
        verify(&self.columns(), &quiet).expect("the test has what it needs")
    }

    fn change(&self, column: usize, change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = fs::read(self.column(column)).expect("the test has what it needs");
        change(&mut bytes);
        fs::write(self.column(column), bytes).expect("the test has what it needs");
    }

    /// Changes a byte of a block and gives it the checksum, and the column the root, that fit: nothing but the other
    /// columns can tell.
    fn falsify(&self, column: usize, stripe: u64, row: u16, block: u32) {
        self.falsify_block(column, stripe, row, block);
        self.hash_anew(column);
    }

    /// Changes a byte of a block and gives it the checksum that fits: the column's root can tell.
    fn falsify_block(&self, column: usize, stripe: u64, row: u16, block: u32) {
        let shape = self.geometry().stripe(stripe);
        let range = shape.block_range(block);
        let cell = usize::try_from(shape.record_offset + shape.cell_offset(row)).expect("the test has what it needs");
        let at = usize::try_from(shape.record_offset + shape.checksum_offset(row, block))
            .expect("the test has what it needs");
        let ColumnHeader { title, version, .. } = &self.encoded.header;
        let seal = Seal::new(title, *version, u16::try_from(column).expect("the test has what it needs"));
        self.change(column, |bytes| {
            bytes[cell + range.start + 3] ^= 0x41;
            let seal = seal.seal(stripe, row, block, &bytes[cell + range.start..cell + range.end]);
            bytes[at..at + CHECKSUM_BYTES].copy_from_slice(&seal.to_le_bytes());
        });
    }

    /// Gives a column the hash tree and the root that fit its cells.
    fn hash_anew(&self, column: usize) {
        let geometry = self.geometry();
        let at = |offset: u64| usize::try_from(offset).expect("the test has what it needs");
        self.change(column, |bytes| {
            let mut header = ColumnHeader::parse(bytes).expect("the test has what it needs");
            let mut hasher = ColumnHasher::new(header.group_bytes);
            for shape in (0..geometry.stripe_count()).map(|index| geometry.stripe(index)) {
                hasher.update(&bytes[at(shape.record_offset)..][..at(shape.cell_offset(shape.rows))]);
            }
            let tree = hasher.finish();
            header.root = tree.root();
            bytes[..HEADER_BYTES].copy_from_slice(&header.to_bytes());
            bytes[at(geometry.tree_offset())..].copy_from_slice(&tree.to_bytes());
        });
    }

    /// The offset of a block in a column file.
    fn block(&self, stripe: u64, row: u16, block: u32) -> usize {
        let shape = self.geometry().stripe(stripe);
        usize::try_from(shape.record_offset + shape.cell_offset(row)).expect("the test has what it needs")
            + shape.block_range(block).start
    }
}

const LENGTHS: [usize; 6] = [0, 1, 63, 4097, 65_536, 300_001];

#[test]
fn every_code_and_length_is_encoded_as_the_format_has_it() {
    // Wider codes have more columns of the same kind.
    for code in listed().filter(|code| code.columns() <= 14) {
        let (name, codec) = (code.name(), codec(&code));
        for len in LENGTHS {
            let made = Encoding::of(name, len);
            let header = &made.encoded.header;
            assert_eq!(header.etag[..], blake3::hash(&made.content).as_bytes()[..16], "{name} {len}");
            let expected = column_files(&codec, header, &made.content);
            assert_eq!(names_in(&made.columns()), (0..code.columns()).map(column_name).collect::<Vec<_>>());
            for (column, expected) in expected.iter().enumerate() {
                assert!(&fs::read(made.column(column)).unwrap() == expected, "{name} {len} column {column}");
            }
            assert!(made.verify().is_ok(), "{name} {len}: {:?}", made.verify().faults());
            assert_eq!(made.decoded(), [""; 0], "{name} {len}");
        }
    }
}

#[test]
fn a_stream_makes_the_same_columns() {
    for len in LENGTHS {
        let folder = Folder::new();
        let content = title_bytes(len);
        let stream = Source::Stream(Box::new(std::io::Cursor::new(content.clone())));
        let options = options("b-code:5", "film", 7);
        let encoded = encode(stream, &folder.join("columns"), &options, &quiet).unwrap();
        assert_eq!((encoded.header.modified_ms, encoded.reused_bytes), (5, 0));
        for (column, expected) in column_files(&codec(&options.code), &encoded.header, &content).iter().enumerate() {
            let found = fs::read(folder.join("columns").join(column_name(column))).unwrap();
            assert!(&found == expected, "{len} column {column}");
        }
    }
}

#[test]
fn any_columns_up_to_the_tolerance_may_be_lost_or_damaged() {
    for name in ["b-code:4", "b-code:5", "x-code:5", "rs:3+1", "rs:2+2", "rs:4+3"] {
        let code = Code::named(name).unwrap();
        for len in [0, 1, 4097, 100_000] {
            let made = Encoding::of(name, len);
            let original: Vec<Vec<u8>> =
                (0..code.columns()).map(|column| fs::read(made.column(column)).unwrap()).collect();
            let sets = (1_u32..1 << code.columns()).filter(|set| set.count_ones() as usize <= code.tolerates() + 1);
            for set in sets {
                let lost: Vec<usize> = (0..code.columns()).filter(|column| set >> column & 1 == 1).collect();
                for (turn, &column) in lost.iter().enumerate() {
                    match turn % 2 {
                        0 => fs::remove_file(made.column(column)).unwrap(),
                        // All of it is damaged: header and blocks.
                        _ => made.change(column, |bytes| bytes.iter_mut().for_each(|byte| *byte ^= 0x55)),
                    }
                }
                let report = verify(&made.columns(), &quiet);
                let refusable = lost.len() > code.tolerates();
                if refusable {
                    made.refused();
                    let before = names_in(&made.columns());
                    assert!(repair(&made.columns(), false, &quiet).is_err(), "{name} {len} lost {lost:?}");
                    assert_eq!(names_in(&made.columns()), before);
                } else {
                    let report = report.unwrap();
                    assert_eq!(report.intact(), code.columns() - lost.len(), "{name} {len} lost {lost:?}");
                    assert!(!made.decoded().is_empty(), "{name} {len} lost {lost:?}: warnings");
                    let repaired = repair(&made.columns(), false, &quiet).unwrap();
                    assert_eq!(repaired.columns, lost);
                    assert!(made.verify().is_ok());
                }
                for (column, original) in original.iter().enumerate() {
                    if refusable {
                        fs::write(made.column(column), original).unwrap();
                    }
                    assert!(&fs::read(made.column(column)).unwrap() == original, "{name} {len} lost {lost:?}");
                }
                assert_eq!(names_in(&made.columns()), (0..code.columns()).map(column_name).collect::<Vec<_>>());
            }
        }
    }
}

/// Every column has a damaged block, each in another place: no column is intact, and nothing is lost.
#[test]
fn columns_with_bad_blocks_help_where_they_are_good() {
    let made = Encoding::of("b-code:4", 100_000);
    for column in 0..4 {
        let at = made.block(u64::try_from(column).unwrap(), 0, u32::try_from(column).unwrap());
        made.change(column, |bytes| bytes[at + 7] ^= 1);
    }
    // Columns 2 and 3 are read only where one of the others is damaged: their own damage is elsewhere.
    assert_eq!(made.decoded().len(), 2);
    assert_eq!(made.verify().intact(), 0);
    // Two more columns lose a block that one has lost already: too much, by columns. But a row of each is left.
    for column in [1, 2] {
        let at = made.block(0, 0, 0);
        made.change(column, |bytes| bytes[at + 7] ^= 1);
    }
    assert_eq!(made.decoded().len(), 3);
    // Both rows of three columns are gone there.
    for column in [0, 1, 2] {
        let at = made.block(0, 1, 0);
        made.change(column, |bytes| bytes[at + 7] ^= 1);
    }
    let error = made.refused();
    assert!(matches!(error, FileError::Unrecoverable { stripe: 0, block: 0, tolerates: 2, .. }), "{error}");
    assert!(matches!(error, FileError::Unrecoverable { lost, .. } if lost.len() == 3), "{error}");
}

#[test]
fn truncated_and_headless_columns_still_help() {
    let made = Encoding::of("b-code:4", 100_000);
    let half = made.block(3, 0, 0);
    made.change(1, |bytes| bytes.truncate(half));
    made.change(2, |bytes| bytes[80] ^= 1);
    made.change(3, |bytes| bytes.extend([0; 9]));
    fs::remove_file(made.column(0)).unwrap();
    let warnings = made.decoded().join("\n");
    for named in ["column 0 is missing", "expected 53688", "header checksum", "column 3"] {
        assert!(warnings.contains(named), "{named}: {warnings}");
    }
    let report = made.verify();
    assert_eq!((report.intact(), &report.columns[0]), (0, &ColumnFinding::Missing));
    repair(&made.columns(), false, &quiet).unwrap();
    assert!(made.verify().is_ok());
}

/// Of a title without bytes the headers are all there is: a damaged one counts for nothing.
#[test]
fn a_title_of_no_bytes_needs_as_many_headers() {
    let made = Encoding::of("b-code:4", 0);
    made.change(0, |bytes| bytes[300] ^= 1);
    fs::remove_file(made.column(1)).unwrap();
    made.decoded();
    made.change(2, |bytes| bytes[300] ^= 1);
    let error = made.refused();
    assert!(matches!(error, FileError::TooFewColumns { found: 1, expected: 2, .. }), "{error}");
}

#[test]
fn a_damaged_checksum_is_told_from_a_damaged_block() {
    let made = Encoding::of("b-code:5", 50_000);
    let shape = made.geometry().stripe(1);
    let checksum = usize::try_from(shape.record_offset + shape.checksum_offset(0, 2)).unwrap();
    made.change(3, |bytes| bytes[checksum] ^= 0x80);
    let block = made.block(0, 0, 1);
    made.change(1, |bytes| bytes[block] ^= 0x80);
    let report = made.verify();
    let reason = |column: usize| {
        let ColumnFinding::Damaged(reason) = &report.columns[column] else { panic!("{:?}", report.columns[column]) };
        reason.clone()
    };
    assert!(reason(3).starts_with("damaged checksums of blocks that agree with the other columns: 1"), "{}", reason(3));
    assert!(reason(1).starts_with("damaged blocks: 1; the first in stripe 0, row 0, block 1"), "{}", reason(1));
    repair(&made.columns(), false, &quiet).unwrap();
    assert!(made.verify().is_ok());
}

#[test]
fn a_silently_wrong_column_is_found_and_corrected() {
    // What is not read when all columns are there, on one disk: parity columns, and where columns have data and parity,
    // as many as are not needed.
    let codes =
        [("b-code:4", [2, 3]), ("b-code:5", [2, 3]), ("x-code:5", [3, 4]), ("rs:4+2", [4, 5]), ("rs:2+2", [2, 3])];
    for (name, unread) in codes {
        let code = Code::named(name).unwrap();
        for column in 0..code.columns() {
            let made = Encoding::of(name, 120_000);
            let original = fs::read(made.column(column)).unwrap();
            for (stripe, row, block) in [(0, 0, 1), (1, 1, 0)] {
                made.falsify(column, stripe, row, block);
            }
            assert!(fs::read(made.column(column)).unwrap() != original);
            let report = made.verify();
            assert_eq!(report.intact(), code.columns() - 1, "{name} {column}: {:?}", report.faults());
            assert!(
                matches!(&report.columns[column], ColumnFinding::Damaged(reason) if reason.contains("silently wrong: their checksums fit, the other columns say otherwise: 2")),
                "{:?}",
                report.columns[column]
            );
            let warnings = made.decoded().join("\n");
            let is_read = !unread.contains(&column);
            assert_eq!(warnings.contains("silently wrong"), is_read, "{name} {column}: {warnings}");
            repair(&made.columns(), false, &quiet).unwrap();
            assert!(fs::read(made.column(column)).unwrap() == original, "{name} {column}");
        }
    }
}

/// Checksums that fit wrong bytes: the column's root tells, where the other columns could not.
#[test]
fn a_column_that_is_not_what_its_root_says_is_named_and_repaired() {
    for (name, wrong, lost) in [
        ("b-code:4", vec![1], vec![]),
        ("b-code:4", vec![0, 2], vec![]),
        ("b-code:6", vec![2], vec![5]),
        ("rs:3+1", vec![0], vec![]),
    ] {
        let made = Encoding::of(name, 120_000);
        let columns = Code::named(name).unwrap().columns();
        let originals: Vec<Vec<u8>> = (0..columns).map(|column| fs::read(made.column(column)).unwrap()).collect();
        for &column in &wrong {
            made.falsify_block(column, 1, 0, 1);
        }
        for &column in &lost {
            fs::remove_file(made.column(column)).unwrap();
        }
        let report = made.verify();
        assert_eq!(report.intact(), columns - wrong.len() - lost.len(), "{name}: {:?}", report.faults());
        for &column in &wrong {
            let ColumnFinding::Damaged(reason) = &report.columns[column] else { panic!("{name} {column}") };
            // All blocks under the hash; which of them is wrong cannot be told by it.
            let told =
                "blocks whose checksums fit, and of which the column's root was not made: 8; the first in stripe 1";
            assert!(reason.starts_with(told), "{name} {column}: {reason}");
        }
        made.decoded();
        assert_eq!(repair(&made.columns(), false, &quiet).unwrap().columns, [wrong, lost].concat());
        for (column, original) in originals.iter().enumerate() {
            assert!(&fs::read(made.column(column)).unwrap() == original, "{name} {column}");
        }
    }
}

#[test]
fn a_rebuilt_column_has_the_root_of_the_header_that_survived() {
    let made = Encoding::of("b-code:4", 60_000);
    let original = fs::read(made.column(1)).unwrap();
    made.change(1, |bytes| {
        let mut header = ColumnHeader::parse(bytes).unwrap();
        header.root[7] ^= 1;
        header.store.node = 3;
        bytes[..HEADER_BYTES].copy_from_slice(&header.to_bytes());
    });
    let changed = fs::read(made.column(1)).unwrap();
    let ColumnFinding::Damaged(reason) = &made.verify().columns[1] else { panic!("it is damaged") };
    assert!(reason.starts_with("its hash tree has the root"), "{reason}");
    made.decoded();
    let error = repair(&made.columns(), false, &quiet).unwrap_err();
    assert!(matches!(error, FileError::Root { column: 1, .. }), "{error}");
    assert!(fs::read(made.column(1)).unwrap() == changed);
    assert_eq!(names_in(&made.columns()).len(), 4);
    // Without that header the column is what the others make of it.
    fs::remove_file(made.column(1)).unwrap();
    repair(&made.columns(), false, &quiet).unwrap();
    assert!(fs::read(made.column(1)).unwrap() == original);
    // A sound header keeps its store.
    made.change(2, |bytes| {
        let mut header = ColumnHeader::parse(bytes).unwrap();
        header.store.node = 3;
        bytes[..HEADER_BYTES].copy_from_slice(&header.to_bytes());
    });
    assert!(made.verify().is_ok());
    let original = fs::read(made.column(2)).unwrap();
    made.change(2, |bytes| bytes[HEADER_BYTES + 5] ^= 1);
    repair(&made.columns(), false, &quiet).unwrap();
    assert!(fs::read(made.column(2)).unwrap() == original);
}

/// Every bit of every byte of header, records and hash tree.
#[test]
fn every_flipped_bit_is_noticed() {
    let one = Encoding::of("b-code:4", 100);
    let several = Encoding::of("b-code:4", 20_000);
    let tree = usize::try_from(several.geometry().tree_offset()).unwrap();
    assert_eq!(several.geometry().tree().hash_count(), 5);
    for (made, at_most_bits) in [(&one, HEADER_BYTES), (&several, tree)] {
        let original = fs::read(made.column(2)).unwrap();
        // The header has a test of its own, and of long cells some bytes do.
        let step = |at: usize| if at >= at_most_bits { 1 } else { 29 };
        let mut bit = 0;
        while bit < original.len() * 8 {
            let mut bytes = original.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            fs::write(made.column(2), &bytes).unwrap();
            let report = made.verify();
            assert_eq!(report.intact(), 3, "bit {} of byte {}", bit % 8, bit / 8);
            assert_ne!(report.columns[2], ColumnFinding::Ok, "bit {} of byte {}", bit % 8, bit / 8);
            bit += step(bit / 8);
        }
        fs::write(made.column(2), original).unwrap();
        assert!(made.verify().is_ok());
    }
}

#[test]
fn a_damaged_hash_tree_is_named_and_repaired() {
    let made = Encoding::of("b-code:4", 60_000);
    let original = fs::read(made.column(3)).unwrap();
    let tree = usize::try_from(made.geometry().tree_offset()).unwrap();
    made.change(3, |bytes| bytes[tree + 40] ^= 1);
    let ColumnFinding::Damaged(reason) = &made.verify().columns[3] else { panic!("it is damaged") };
    assert!(reason.contains("of the hash tree, expected"), "{reason}");
    assert_eq!(made.decoded(), [""; 0]);
    assert_eq!(repair(&made.columns(), false, &quiet).unwrap().columns, [3]);
    assert!(fs::read(made.column(3)).unwrap() == original);
}

#[test]
fn columns_of_format_1_are_named() {
    let golden = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let files: Vec<PathBuf> = (0..4).map(|column| golden.join(format!("small-{column:03}.rain"))).collect();
    let refused = Survey::of(&files).unwrap().open(None, None).unwrap_err().to_string();
    let told = "column file of format 1, expected 2; format 1 was of before the first release";
    assert_eq!(refused.matches(told).count(), 4, "{refused}");
}

/// Beside a missing column one that is silently wrong can be noticed, not named; once that one is rebuilt, it can.
#[test]
fn what_is_silently_wrong_beside_a_lost_column_is_noticed_and_repaired() {
    for (name, wrong, row, lost) in [("b-code:6", 2, 2, 5), ("rs:4+2", 5, 0, 0)] {
        let made = Encoding::of(name, 120_000);
        let originals: Vec<Vec<u8>> = [wrong, lost].map(|column| fs::read(made.column(column)).unwrap()).into();
        made.falsify(wrong, 0, row, 0);
        fs::remove_file(made.column(lost)).unwrap();
        let report = made.verify();
        assert_eq!(report.problems.len(), 1, "{name}: {:?}", report.problems);
        assert!(
            report.problems[0].starts_with("from stripe 0 on, a column is silently wrong"),
            "{:?}",
            report.problems
        );
        let repaired = repair(&made.columns(), false, &quiet);
        match name {
            "b-code:6" => assert_eq!(repaired.unwrap().columns, [2, 5]),
            // The lost one was made of the wrong one: the content shows it, and nothing is changed.
            _ => assert!(repaired.is_ok() || matches!(repaired, Err(FileError::Etag { .. })), "{repaired:?}"),
        }
        if made.verify().is_ok() {
            let found: Vec<Vec<u8>> = [wrong, lost].map(|column| fs::read(made.column(column)).unwrap()).into();
            assert!(found == originals, "{name}");
        }
    }
    // As much lost as the code tolerates: nothing is left to contradict.
    let made = Encoding::of("b-code:6", 120_000);
    for column in [3, 5] {
        fs::remove_file(made.column(column)).unwrap();
    }
    assert_eq!(made.verify().problems, Vec::<String>::new());
}

/// Who repairs, keeps others from it.
#[test]
fn a_folder_in_use_is_refused() {
    let made = Encoding::of("b-code:4", 50_000);
    let folder = fs::File::open(made.columns()).unwrap();
    folder.lock().unwrap();
    let error = repair(&made.columns(), false, &quiet).unwrap_err();
    assert!(matches!(error, FileError::InUse { .. }), "{error}");
    drop(folder);
    repair(&made.columns(), false, &quiet).unwrap();
}

#[test]
fn what_is_silently_wrong_twice_is_refused() {
    let made = Encoding::of("b-code:4", 50_000);
    made.falsify(0, 1, 0, 1);
    made.falsify(2, 1, 0, 1);
    let before: Vec<Vec<u8>> = (0..4).map(|column| fs::read(made.column(column)).unwrap()).collect();
    assert!(!made.verify().is_ok());
    assert!(matches!(made.refused(), FileError::Etag { .. }));
    assert!(repair(&made.columns(), false, &quiet).is_err());
    // With a column missing, any other one could be the wrong one.
    fs::remove_file(made.column(3)).unwrap();
    assert!(matches!(made.refused(), FileError::Etag { .. }));
    assert!(matches!(repair(&made.columns(), false, &quiet), Err(FileError::Etag { .. })));
    assert_eq!(names_in(&made.columns()), ["000.rain", "001.rain", "002.rain"]);
    for (column, before) in before.iter().enumerate().take(3) {
        assert!(&fs::read(made.column(column)).unwrap() == before);
    }
}

#[test]
fn swapped_and_foreign_columns_are_named_and_replaced() {
    let (made, other) = (Encoding::of("b-code:4", 50_000), Encoding::of("b-code:4", 40_000));
    let original: Vec<Vec<u8>> = (0..4).map(|column| fs::read(made.column(column)).unwrap()).collect();
    fs::rename(made.column(0), made.columns().join("aside")).unwrap();
    fs::rename(made.column(1), made.column(0)).unwrap();
    fs::rename(made.columns().join("aside"), made.column(1)).unwrap();
    fs::copy(other.column(3), made.column(3)).unwrap();
    let report = made.verify();
    let faults = report.faults().join("\n");
    for named in ["000.rain: holds column 1, expected column 0", "001.rain: holds column 0", "003.rain: a column of"] {
        assert!(faults.contains(named), "{named}: {faults}");
    }
    assert_eq!(repair(&made.columns(), false, &quiet).unwrap().columns, [0, 1, 3]);
    for (column, original) in original.iter().enumerate() {
        assert!(&fs::read(made.column(column)).unwrap() == original, "column {column}");
    }
}

/// Headers whose checksums fit may say anything: neither time nor memory goes by what they say alone, and what their files
/// do not bear out is not passed on.
#[test]
fn headers_that_say_too_much_or_too_little_are_refused() {
    let forged = |change: &dyn Fn(&mut ColumnHeader)| {
        let made = Encoding::of("b-code:4", 50_000);
        for column in 0..4 {
            made.change(column, |bytes| {
                let mut header = ColumnHeader::parse(bytes).unwrap();
                change(&mut header);
                bytes[..HEADER_BYTES].copy_from_slice(&header.to_bytes());
            });
        }
        made
    };
    let before = |made: &Encoding| (0..4).map(|column| fs::read(made.column(column)).unwrap()).collect::<Vec<_>>();

    // 2^60 bytes are 2^46 stripes: too many to look for each. The fourth is not where it is said to be.
    let long = forged(&|header| header.title_bytes = 1 << 60);
    let (files, report) = (before(&long), long.verify());
    assert_eq!((report.intact(), report.problems.len()), (0, 1), "{:?}", report.faults());
    assert!(report.problems[0].starts_with("from stripe 4 on, of 70368744177664, no file"), "{:?}", report.problems);
    assert!(matches!(long.refused(), FileError::Unrecoverable { stripe: 3, .. }));
    assert!(repair(&long.columns(), false, &quiet).is_err());
    assert!(before(&long) == files);

    // Two full stripes of four: all blocks of them are sound and agree with each other.
    let short = forged(&|header| header.title_bytes = 2 * 16_384);
    assert!(matches!(short.refused(), FileError::Etag { .. }));
    assert!(!short.verify().is_ok());

    // A stripe of 61 columns of 30 cells of 16 MiB.
    let large = forged(&|header| {
        header.code = "dual-b-code:61".into();
        (header.columns, header.rows) = (61, 30);
        (header.cell_bytes, header.title_bytes) = (16 << 20, 1 << 60);
    });
    let bytes = 61 * 30 * (16 << 20);
    assert!(matches!(large.refused(), FileError::StripeTooLarge { found, .. } if found == bytes));
    for error in [verify(&large.columns(), &quiet).unwrap_err(), repair(&large.columns(), false, &quiet).unwrap_err()] {
        assert!(matches!(error, FileError::StripeTooLarge { found, .. } if found == bytes), "{error}");
    }
}

#[test]
fn titles_and_versions_are_told_apart() {
    let folder = Folder::new();
    let mut contents = Vec::new();
    for (at, (title, random)) in [("one", 1), ("two", 2), ("two", 3)].into_iter().enumerate() {
        let content = title_bytes(10_000 + at);
        let source = Source::Stream(Box::new(std::io::Cursor::new(content.clone())));
        encode(source, &folder.join(&at.to_string()), &options("b-code:4", title, random), &quiet).unwrap();
        contents.push(content);
    }
    // The disks of two nodes, each with a column of every title.
    for (node, column) in [("a", 2), ("b", 0)] {
        fs::create_dir_all(folder.join(node).join("titles")).unwrap();
        for at in 0..3 {
            let from = folder.join(&at.to_string()).join(column_name(column));
            fs::copy(from, folder.join(node).join("titles").join(format!("x{at}.{column:03}.rain"))).unwrap();
        }
        fs::write(folder.join(node).join("titles").join("y.rain"), b"something else").unwrap();
    }
    let disks = [folder.join("a"), folder.join("b")];
    let open = |title: Option<&str>, random: Option<u32>| {
        let version = random.map(|random| TitleVersion { counter: 1, node: 0, life: 0, random });
        Survey::of(&disks).unwrap().open(title, version)
    };
    let message = |title: Option<&str>, random: Option<u32>| open(title, random).unwrap_err().to_string();
    assert_eq!(message(None, None), "columns of 2 titles, and none was named: \"one\", \"two\"");
    assert!(message(Some("three"), None).ends_with("there are columns of \"one\", \"two\""));
    let several = message(Some("two"), None);
    assert!(several.starts_with("columns of 2 versions of \"two\""), "{several}");
    assert!(several.contains("version 1-0-00000000-00000002, 10001 bytes, 2 of 4 columns"), "{several}");
    assert!(message(Some("two"), Some(9)).contains("version 1-0-00000000-00000009"));
    for (at, title, random) in [(0, "one", None), (1, "two", Some(2)), (2, "two", Some(3))] {
        let opened = open(Some(title), random).unwrap();
        decode(&opened, Sink::File(folder.join("output")), false, &quiet).unwrap();
        assert!(fs::read(folder.join("output")).unwrap() == contents[at]);
    }
    // Of all but one there are too few columns: what strayed in does not matter.
    let strayed = [folder.join("0"), disks[0].join("titles").join("x1.002.rain")];
    let opened = Survey::of(&strayed).unwrap().open(None, None).unwrap();
    assert_eq!((opened.header().title.as_str(), opened.unused().len()), ("one", 1), "{:?}", opened.unused());
    // The same column twice.
    let twice = [disks[0].clone(), folder.join("0").join("002.rain")];
    let opened = Survey::of(&twice).unwrap().open(Some("one"), None).unwrap();
    assert!(opened.problems().iter().any(|problem| problem.contains("column 2 once more")), "{:?}", opened.problems());
    let error = decode(&opened, Sink::File(folder.join("other")), false, &quiet).unwrap_err();
    assert!(matches!(error, FileError::TooFewColumns { found: 1, expected: 2, .. }), "{error}");
    assert!(!folder.join("other").exists());
    assert!(matches!(Survey::of(&[folder.join("x")]), Err(FileError::Io { .. })));
    let empty = Survey::of(std::slice::from_ref(&folder.0)).unwrap().open(None, None).unwrap_err();
    assert!(matches!(empty, FileError::NoColumns { .. }), "{empty}");
}

#[test]
fn a_stream_gets_the_bytes_in_order() {
    #[derive(Clone, Default)]
    struct Shared(Arc<std::sync::Mutex<Vec<u8>>>);
    impl std::io::Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let made = Encoding::of("b-code:6", 1_000_000);
    fs::remove_file(made.column(4)).unwrap();
    let stream = Shared::default();
    let title = Survey::of(&[made.columns()]).unwrap().open(None, None).unwrap();
    let told = AtomicU64::new(0);
    let count = |bytes: u64| {
        told.fetch_add(bytes, Ordering::Relaxed);
    };
    decode(&title, Sink::Stream(Box::new(stream.clone())), false, &count).unwrap();
    assert!(*stream.0.lock().unwrap() == made.content);
    assert_eq!(told.into_inner(), 1_000_000, "progress");
}

#[test]
fn what_is_there_is_not_overwritten() {
    let folder = Folder::new();
    let columns = folder.join("columns");
    fs::create_dir(&columns).unwrap();
    fs::write(columns.join("notes.txt"), b"mine").unwrap();
    let source = || Source::Stream(Box::new(std::io::Cursor::new(vec![1; 5000])));
    let error = encode(source(), &columns, &options("b-code:4", "film", 7), &quiet).unwrap_err();
    assert!(matches!(&error, FileError::NotEmpty { found, .. } if found == "notes.txt"), "{error}");
    assert_eq!(names_in(&columns), ["notes.txt"]);
    fs::remove_file(columns.join("notes.txt")).unwrap();
    encode(source(), &columns, &options("b-code:4", "film", 7), &quiet).unwrap();
    assert_eq!(names_in(&columns).len(), 4);
    // A title that the header cannot hold.
    let long = options("b-code:4", &"x".repeat(1025), 7);
    assert!(matches!(encode(source(), &folder.join("other"), &long, &quiet), Err(FileError::Header(_))));
    let huge = EncodeOptions { cell_bytes: 16 << 20, ..options("x-code:13", "film", 7) };
    assert!(matches!(encode(source(), &folder.join("other"), &huge, &quiet), Err(FileError::StripeTooLarge { .. })));
    assert_eq!(names_in(&folder.0), ["columns"]);
}

/// What a killed run has left is compared and not believed: a damaged record is written again, a good one is not.
#[test]
fn a_run_goes_on_where_another_was_killed() {
    let folder = Folder::new();
    let (path, columns) = (folder.join("input"), folder.join("columns"));
    let (part, left) = (folder.join(".columns.rain-part"), folder.join("left"));
    fs::write(&path, title_bytes(200_000)).unwrap();
    let source = || Source::File { file: fs::File::open(&path).unwrap(), path: path.clone() };
    // What is there once a stripe is done, as if the process ended then.
    let once = std::sync::Once::new();
    let keep = |_: u64| {
        once.call_once(|| {
            fs::create_dir(&left).unwrap();
            for name in names_in(&part) {
                fs::copy(part.join(&name), left.join(&name)).unwrap();
            }
        });
    };
    let first = encode(source(), &columns, &options("b-code:4", "film", 7), &keep).unwrap();
    let read = |folder: &Path| -> Vec<Vec<u8>> {
        (0..4).map(|column| fs::read(folder.join(column_name(column))).unwrap()).collect()
    };
    let whole = read(&columns);
    fs::remove_dir_all(&columns).unwrap();
    for (column, mut bytes) in read(&left).into_iter().enumerate().take(2) {
        bytes[4096..].iter_mut().step_by(8192).for_each(|byte| *byte ^= 1);
        fs::write(left.join(column_name(column)), bytes).unwrap();
    }
    fs::rename(&left, &part).unwrap();
    let again = encode(source(), &columns, &options("b-code:4", "film", 8), &quiet).unwrap();
    assert_eq!(again.header, first.header);
    assert!(read(&columns) == whole);
    assert!(again.reused_bytes > 0);
    assert_eq!(names_in(&folder.0), ["columns", "input"]);
}

/// The input ends before the length that it had: an error, not the end of the process, and nothing is left.
#[test]
fn an_input_that_changes_is_refused() {
    let folder = Folder::new();
    let path = folder.join("input");
    fs::write(&path, title_bytes(200_000)).unwrap();
    for (shrink, grow) in [(true, false), (false, true)] {
        let file = fs::File::open(&path).unwrap();
        let changed = AtomicU32::new(0);
        let change = |_: u64| {
            if changed.fetch_add(1, Ordering::Relaxed) == 0 {
                let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
                file.set_len(if shrink { 20_000 } else { 30_000 }).unwrap();
            }
        };
        let source = Source::File { file, path: path.clone() };
        let error = encode(source, &folder.join("columns"), &options("b-code:4", "film", 7), &change).unwrap_err();
        let shrank = matches!(error, FileError::InputShrank { found: 20_000, expected: 200_000, .. });
        let changed = matches!(error, FileError::InputChanged { found: 30_000, expected: 20_000, .. });
        assert!((shrink && shrank) || (grow && changed), "{error}");
        assert_eq!(names_in(&folder.0), ["input"]);
    }
}

/// The headers of these files have an etag that is none: all columns agree that the content is right.
#[test]
fn golden_files_are_decoded() {
    for (name, columns, len) in [("small", 4, 300), ("x", 5, 5000), ("ga10", 9, 2000)] {
        let golden = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/format-2");
        let files: Vec<PathBuf> = (0..columns).map(|column| golden.join(format!("{name}-{column:03}.rain"))).collect();
        let folder = Folder::new();
        let output = folder.join("output");
        let title = Survey::of(&files).unwrap().open(None, None).unwrap();
        let decoded = decode(&title, Sink::File(output.clone()), false, &quiet).unwrap();
        assert!(fs::read(&output).unwrap() == title_bytes(len), "{name}");
        assert!(decoded.warnings.iter().any(|warning| warning.contains("etag")), "{:?}", decoded.warnings);
        let title = Survey::of(&files[2..]).unwrap().open(None, None).unwrap();
        fs::remove_file(&output).unwrap();
        let error = decode(&title, Sink::File(output.clone()), false, &quiet).unwrap_err();
        assert!(matches!(error, FileError::Etag { .. }), "{error}");
        assert!(!output.exists());
        decode(&title, Sink::File(output.clone()), true, &quiet).unwrap();
        assert!(fs::read(&output).unwrap() == title_bytes(len), "{name}");
    }
    assert_eq!(HEADER_BYTES, 2048);
}
