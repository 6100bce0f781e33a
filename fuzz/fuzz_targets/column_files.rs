//! Column files of a whole title that are lost, spoilt, cut off, exchanged and forged give its content, or are refused.
//!
//! Oracle: the content and the files as they were made. What is decoded is the content; a column is found to be damaged
//! exactly when its file is not what it was; what is repaired is what it was, to the byte, and what is not repaired is
//! left as it is. With as many sound columns as the code needs, nothing may be refused. Only where headers are forged,
//! with checksums that fit, may another content come, and then not without the word that its etag is another.
#![no_main]

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock, Mutex};

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use rain_codec::column::{CHECKSUM_BYTES, ColumnHasher, HASH_BYTES, HEADER_BYTES, crc64};
use rain_codec::file::{
    ColumnFinding, EncodeOptions, FileError, Sink, Source, Survey, column_name, decode, encode, repair, verify,
};
use rain_codec::{Code, ColumnHeader, Geometry, Seal, TitleVersion};

/// A few files are written for each case: codes with more cells would take too long.
const CELLS_MAX: usize = 48;
const CELL_BYTES: u32 = 4096;
const CONTENT_BYTES_MAX: u32 = 70_000;
const DAMAGE_MAX: usize = 6;
const VERSION: TitleVersion = TitleVersion { counter: 5, node: 2, life: 0, random: 99 };

static CODES: LazyLock<Vec<Arc<Code>>> = LazyLock::new(|| rain_fuzz::codes(CELLS_MAX).collect());

#[derive(Debug, Arbitrary)]
struct Case {
    code: u8,
    block_shift: u8,
    content_bytes: u32,
    damage: Vec<Damage>,
    data: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Arbitrary)]
enum Damage {
    Lost {
        column: u8,
    },
    /// Eight bytes in a row: within what a CRC of 64 bits always notices.
    Burst {
        column: u8,
        at: u32,
        change: u64,
    },
    Cut {
        column: u8,
        at: u32,
    },
    Extended {
        column: u8,
        bytes: u8,
    },
    Exchanged {
        column: u8,
        with: u8,
    },
    Copied {
        column: u8,
        over: u8,
    },
    Forged {
        column: u8,
        field: Field,
    },
    /// The same in all files.
    AllForged {
        field: Field,
    },
    /// A hash of the tree, and the checksum that fits.
    Hash {
        column: u8,
        place: u8,
        change: u8,
    },
    /// A byte of a block and the checksum that fits: the root can tell. Where that fits too, only the other columns can.
    Falsified {
        column: u8,
        stripe: u8,
        row: u8,
        block: u8,
        at: u16,
        change: u8,
        is_rooted: bool,
    },
}

/// What a forged header says otherwise, with a checksum that fits.
#[derive(Clone, Copy, Debug, Arbitrary)]
enum Field {
    Byte { at: u16, change: u8 },
    TitleBytes { bytes: u64 },
    TitleBytesBy { change: i32 },
    CellShift { shift: u8 },
    BlockShift { shift: u8 },
    GroupShift { shift: u8 },
    Column { column: u8 },
    Code { code: u8 },
}

fuzz_target!(
    init: {
        // One thread: what an input finds, it finds again.
        rayon::ThreadPoolBuilder::new().num_threads(1).build_global().expect("nobody else made it");
    },
    |case: Case| {
        let mut stored = Stored::new(&case);
        for damage in case.damage.iter().take(DAMAGE_MAX) {
            stored.damage(*damage);
        }
        let found = Found::of(&stored);
        check_decoding(&stored, &found);
        check_stream(&stored, &found);
        check_report(&stored, &found);
        check_repair(&stored, &found);
    }
);

/// A folder that is removed with all that is in it; in memory, where there is a place for files there.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let memory = PathBuf::from("/dev/shm");
        let place = if memory.is_dir() { memory } else { std::env::temp_dir() };
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = place.join(format!("rain-fuzz-{}-{number}", std::process::id()));
        fs::create_dir(&path).expect("a folder for files");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A title's column files: as they were made, and on disk, where they are damaged.
#[expect(clippy::struct_excessive_bools, reason = "each is a thing that was done to the files")]
struct Stored {
    folder: Folder,
    code: Arc<Code>,
    geometry: Geometry,
    content: Vec<u8>,
    originals: Vec<Vec<u8>>,
    /// Columns with a burst: a second one could forge a checksum.
    spoilt: Vec<bool>,
    is_falsified: bool,
    /// Whether some falsified column has a root that fits, and whether some has not.
    is_rooted: bool,
    is_unrooted: bool,
    is_otherwise_damaged: bool,
}

impl Stored {
    fn new(case: &Case) -> Self {
        let code = Arc::clone(&CODES[usize::from(case.code) % CODES.len()]);
        let length = usize::try_from(case.content_bytes % CONTENT_BYTES_MAX).expect("few");
        let source = case.data.iter().copied().chain([0x5a]).cycle().zip(0_u32..);
        let content: Vec<u8> =
            source.take(length).map(|(byte, at)| byte ^ (at.wrapping_mul(at) >> 9).to_le_bytes()[0]).collect();
        let options = EncodeOptions {
            code: Arc::clone(&code),
            cell_bytes: CELL_BYTES,
            block_bytes: 512 << (case.block_shift % 5),
            title: "film".into(),
            version: VERSION,
            media_type: "video/mp4".into(),
            modified_ms: 5,
        };
        let folder = Folder::new();
        let columns = folder.0.join("columns");
        let stream = Source::Stream(Box::new(std::io::Cursor::new(content.clone())));
        let encoded = encode(stream, &columns, &options, &quiet).expect("a content is encoded");
        let read = |column: usize| fs::read(columns.join(column_name(column))).expect("the column is there");
        let originals: Vec<Vec<u8>> = (0..code.columns()).map(read).collect();
        let geometry = Geometry::of(&encoded.header, &code);
        let spoilt = vec![false; originals.len()];
        Self {
            folder,
            code,
            geometry,
            content,
            originals,
            spoilt,
            is_falsified: false,
            is_rooted: false,
            is_unrooted: false,
            is_otherwise_damaged: false,
        }
    }

    fn columns(&self) -> PathBuf {
        self.folder.0.join("columns")
    }

    fn path(&self, column: usize) -> PathBuf {
        self.columns().join(column_name(column))
    }

    /// The column that a number means, and what its file holds; nothing when it is lost.
    fn read(&self, column: u8) -> (usize, Option<Vec<u8>>) {
        let column = usize::from(column) % self.originals.len();
        (column, fs::read(self.path(column)).ok())
    }

    fn write(&self, column: usize, bytes: &[u8]) {
        fs::write(self.path(column), bytes).expect("a file is written");
    }

    fn damage(&mut self, damage: Damage) {
        self.is_otherwise_damaged |= !matches!(damage, Damage::Falsified { .. });
        match damage {
            Damage::Lost { column } => {
                let (column, Some(_)) = self.read(column) else { return };
                fs::remove_file(self.path(column)).expect("the column is there");
            }
            Damage::Burst { column, at, change } => {
                let (column, Some(mut bytes)) = self.read(column) else { return };
                if bytes.len() < 8 || std::mem::replace(&mut self.spoilt[column], true) {
                    return;
                }
                let at = place(at, bytes.len() - 7);
                bytes[at..at + 8].iter_mut().zip(change.to_le_bytes()).for_each(|(byte, change)| *byte ^= change);
                self.write(column, &bytes);
            }
            Damage::Cut { column, at } => {
                let (column, Some(mut bytes)) = self.read(column) else { return };
                bytes.truncate(place(at, bytes.len() + 1));
                self.write(column, &bytes);
            }
            Damage::Extended { column, bytes: more } => {
                let (column, Some(mut bytes)) = self.read(column) else { return };
                bytes.extend(std::iter::repeat_n(more, more.into()));
                self.write(column, &bytes);
            }
            Damage::Exchanged { column, with } => {
                let ((one, Some(of_one)), (other, Some(of_other))) = (self.read(column), self.read(with)) else {
                    return;
                };
                self.write(one, &of_other);
                self.write(other, &of_one);
                self.spoilt.swap(one, other);
            }
            Damage::Copied { column, over } => {
                let ((column, Some(bytes)), (over, _)) = (self.read(column), self.read(over)) else { return };
                self.write(over, &bytes);
                self.spoilt[over] = self.spoilt[column];
            }
            Damage::Forged { column, field } => self.forge(column, field),
            Damage::AllForged { field } => (0..=u8::MAX).take(self.originals.len()).for_each(|column| {
                self.forge(column, field);
            }),
            Damage::Hash { column, place, change } => self.change_hash(column, place, change),
            Damage::Falsified { column, stripe, row, block, at, change, is_rooted } => {
                self.falsify(column, stripe, row, block, at, change);
                self.is_unrooted |= !is_rooted;
                if is_rooted {
                    self.is_rooted = true;
                    self.hash_anew(column);
                }
            }
        }
    }

    fn forge(&self, column: u8, field: Field) {
        let (column, Some(mut bytes)) = self.read(column) else { return };
        let Ok(mut header) = ColumnHeader::parse(&bytes) else { return };
        match field {
            Field::Byte { at, change } => {
                let body = HEADER_BYTES - CHECKSUM_BYTES;
                bytes[usize::from(at) % body] ^= change;
                let checksum = crc64(&bytes[..body]);
                bytes[body..HEADER_BYTES].copy_from_slice(&checksum.to_le_bytes());
                return self.write(column, &bytes);
            }
            Field::TitleBytes { bytes } => header.title_bytes = bytes,
            Field::TitleBytesBy { change } => {
                header.title_bytes = header.title_bytes.saturating_add_signed(change.into());
            }
            Field::CellShift { shift } => header.cell_bytes = CELL_BYTES << (shift % 9),
            Field::BlockShift { shift } => header.block_bytes = 512 << (shift % 16),
            Field::GroupShift { shift } => header.group_bytes = 1024 << (shift % 4),
            Field::Column { column } => header.column = column.into(),
            Field::Code { code } => {
                let code = &CODES[usize::from(code) % CODES.len()];
                code.name().clone_into(&mut header.code);
                (header.columns, header.rows) = (number(code.columns()), number(code.rows()));
            }
        }
        if header.validate().is_ok() {
            bytes[..HEADER_BYTES].copy_from_slice(&header.to_bytes());
            self.write(column, &bytes);
        }
    }

    fn change_hash(&self, column: u8, place: u8, change: u8) {
        let (column, Some(mut bytes)) = self.read(column) else { return };
        let Some(last) = self.geometry.tree().hash_count().checked_sub(1) else { return };
        if bytes.len() != self.originals[column].len() {
            return;
        }
        let start = place_of(self.geometry.tree_offset());
        let at = start + place_of(u64::from(place).min(last)) * HASH_BYTES;
        bytes[at] ^= change;
        let body = bytes.len() - CHECKSUM_BYTES;
        let checksum = crc64(&bytes[start..body]);
        bytes[body..].copy_from_slice(&checksum.to_le_bytes());
        self.write(column, &bytes);
    }

    /// Gives a column the hash tree and the root that fit its cells.
    fn hash_anew(&self, column: u8) {
        let (column, Some(mut bytes)) = self.read(column) else { return };
        let Ok(mut header) = ColumnHeader::parse(&bytes) else { return };
        if self.geometry.stripe_count() == 0 || bytes.len() != self.originals[column].len() {
            return;
        }
        let mut hasher = ColumnHasher::new(self.geometry.tree().group_bytes());
        for shape in (0..self.geometry.stripe_count()).map(|index| self.geometry.stripe(index)) {
            let start = place_of(shape.record_offset);
            hasher.update(&bytes[start..start + place_of(shape.cell_offset(shape.rows))]);
        }
        let tree = hasher.finish();
        header.root = tree.root();
        bytes[..HEADER_BYTES].copy_from_slice(&header.to_bytes());
        bytes[place_of(self.geometry.tree_offset())..].copy_from_slice(&tree.to_bytes());
        self.write(column, &bytes);
    }

    fn falsify(&mut self, column: u8, stripe: u8, row: u8, block: u8, at: u16, change: u8) {
        let (column, Some(mut bytes)) = self.read(column) else { return };
        if self.geometry.stripe_count() == 0 || bytes.len() != self.originals[column].len() || change == 0 {
            return;
        }
        let shape = self.geometry.stripe(u64::from(stripe) % self.geometry.stripe_count());
        let row = u16::from(row) % shape.rows;
        let block = u32::from(block) % shape.blocks_per_cell();
        let cell = place_of(shape.record_offset + shape.cell_offset(row));
        let range = shape.block_range(block);
        let range = cell + range.start..cell + range.end;
        bytes[range.start + usize::from(at) % range.len()] ^= change;
        let seal = Seal::new("film", VERSION, number(column)).seal(shape.index, row, block, &bytes[range]);
        let checksum = place_of(shape.record_offset + shape.checksum_offset(row, block));
        bytes[checksum..checksum + CHECKSUM_BYTES].copy_from_slice(&seal.to_le_bytes());
        self.write(column, &bytes);
        self.is_falsified = true;
    }

    /// All files of the folder of columns.
    fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let entries = fs::read_dir(self.columns()).expect("the folder is there");
        let paths = entries.map(|entry| entry.expect("an entry").path());
        paths.map(|path| (path.clone(), fs::read(path).expect("a file"))).collect()
    }

    fn output(&self) -> PathBuf {
        self.folder.0.join("output")
    }

    fn decode(&self, sink: Sink) -> Result<Vec<String>, FileError> {
        let title = Survey::of(&[self.columns()])?.open(None, None)?;
        Ok(decode(&title, sink, false, &quiet)?.warnings)
    }
}

fn quiet(_bytes: u64) {}

fn place(at: u32, below: usize) -> usize {
    usize::try_from(at).expect("32 bits") % below
}

fn place_of(offset: u64) -> usize {
    usize::try_from(offset).expect("a file in memory")
}

fn number(count: usize) -> u16 {
    u16::try_from(count).expect("few")
}

/// What is left, told by comparing files with what they were.
struct Found {
    files: BTreeMap<PathBuf, Vec<u8>>,
    /// Which columns' files are what they were.
    intact: Vec<bool>,
    /// Whether a header says what none said.
    is_forged: bool,
    /// Whether any header is sound.
    has_header: bool,
    /// Whether what is there must do.
    is_enough: bool,
}

impl Found {
    fn of(stored: &Stored) -> Self {
        let files = stored.files();
        let file = |column: usize| files.get(&stored.path(column));
        let intact: Vec<bool> =
            stored.originals.iter().enumerate().map(|(column, original)| file(column) == Some(original)).collect();
        let headers: Vec<(&Path, ColumnHeader)> =
            files.iter().filter_map(|(path, bytes)| Some((path.as_path(), ColumnHeader::parse(bytes).ok()?))).collect();
        let genuine = |header: &ColumnHeader| {
            let original = stored.originals.get(usize::from(header.column));
            original.and_then(|original| ColumnHeader::parse(original).ok()).is_some_and(|original| {
                let root = if stored.is_rooted { original.root } else { header.root };
                ColumnHeader { root, ..header.clone() } == original
            })
        };
        let is_forged = headers.iter().any(|(_, header)| !genuine(header));
        // A damaged file under another column's name may stand for its column, though a sound one is there too.
        let strays = headers.iter().any(|(path, header)| {
            *path != stored.path(header.column.into())
                && Some(&files[*path]) != stored.originals.get(usize::from(header.column))
        });
        let sound = intact.iter().filter(|intact| **intact).count();
        let is_of_one_kind = !(stored.is_rooted && stored.is_unrooted);
        let is_one_wrong =
            !stored.is_otherwise_damaged && is_of_one_kind && sound + 1 == intact.len() && stored.code.tolerates() >= 2;
        let is_enough = !is_forged
            && !strays
            && (if stored.is_falsified { is_one_wrong } else { sound >= stored.code.data_columns() });
        let has_header = !headers.is_empty();
        Self { files, intact, is_forged, has_header, is_enough }
    }
}

/// Checks what came of a decoding: the content or a refusal, and the latter only where it may be.
fn check_content(stored: &Stored, found: &Found, decoded: &Result<Vec<String>, FileError>, content: Option<&[u8]>) {
    match decoded {
        Ok(warnings) => {
            let is_told = found.is_forged && warnings.iter().any(|warning| warning.contains("etag"));
            assert!(content == Some(&stored.content) || is_told, "{}: wrong bytes", stored.code);
        }
        Err(error) => assert!(!found.is_enough, "{}: {error}", stored.code),
    }
}

fn check_decoding(stored: &Stored, found: &Found) {
    let decoded = stored.decode(Sink::File(stored.output()));
    let content = fs::read(stored.output()).ok();
    check_content(stored, found, &decoded, content.as_deref());
    assert_eq!(content.is_some(), decoded.is_ok(), "a refused file is not there: {decoded:?}");
    let _ = fs::remove_file(stored.output());
    let left = fs::read_dir(&stored.folder.0).expect("the folder is there").count();
    assert_eq!(left, 1, "{}: something is left beside the columns", stored.code);
}

/// Bytes that others can look at while they come.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no panic").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// In a stream there is no second pass: one column that is silently wrong is refused in the end.
fn check_stream(stored: &Stored, found: &Found) {
    let written = Shared::default();
    let decoded = stored.decode(Sink::Stream(Box::new(written.clone())));
    let written = written.0.lock().expect("no panic");
    match &decoded {
        Err(FileError::Etag { .. }) => assert!(stored.is_falsified || found.is_forged, "{}: {decoded:?}", stored.code),
        Err(_) if !stored.is_falsified && !found.is_forged => {
            assert!(stored.content.starts_with(&written), "{}: wrong bytes before {decoded:?}", stored.code);
            check_content(stored, found, &decoded, None);
        }
        Err(_) => {}
        Ok(_) => check_content(stored, found, &decoded, Some(&written)),
    }
}

fn check_report(stored: &Stored, found: &Found) {
    let report = match verify(&stored.columns(), &quiet) {
        Ok(report) => report,
        Err(error) => return assert!(found.is_forged || !found.has_header, "{}: {error}", stored.code),
    };
    if report.is_ok() {
        let decoded = stored.decode(Sink::File(stored.output()));
        let content = fs::read(stored.output()).ok();
        assert!(
            decoded.is_ok() && content.as_ref() == Some(&stored.content),
            "{}: in order, and {decoded:?}",
            stored.code
        );
        fs::remove_file(stored.output()).expect("it was read");
    }
    if found.is_forged {
        return;
    }
    if stored.is_falsified {
        // Which columns are wrong cannot be known in general: two may look like a third.
        return;
    }
    let is_intact: Vec<bool> = report.columns.iter().map(|state| *state == ColumnFinding::Ok).collect();
    assert_eq!(is_intact, found.intact, "{}: {:?}", stored.code, report.faults());
    assert_eq!(report.is_ok(), found.intact.iter().all(|intact| *intact), "{}: {:?}", stored.code, report.faults());
}

fn check_repair(stored: &Stored, found: &Found) {
    match repair(&stored.columns(), false, &quiet) {
        Ok(repaired) => {
            assert!(repaired.after.is_ok(), "{}: {:?}", stored.code, repaired.after.faults());
            let decoded = stored.decode(Sink::File(stored.output()));
            let content = fs::read(stored.output()).ok();
            assert!(
                decoded.is_ok() && content.as_ref() == Some(&stored.content),
                "{}: repaired, and {decoded:?}",
                stored.code
            );
            if !found.is_forged && !stored.is_falsified {
                let files = stored.files();
                for (column, original) in stored.originals.iter().enumerate() {
                    assert!(files.get(&stored.path(column)) == Some(original), "{}: column {column}", stored.code);
                }
                assert_eq!(files.len(), stored.originals.len(), "{}: files left over", stored.code);
            }
        }
        Err(error) => {
            assert!(!found.is_enough, "{}: {error}", stored.code);
            let is_unchanged = stored.files() == found.files;
            // It may find in the end that more was wrong than what it mended.
            assert!(
                is_unchanged || matches!(error, FileError::StillDamaged { .. }),
                "{}: changed, and {error}",
                stored.code
            );
            let decoded = stored.decode(Sink::File(stored.output()));
            check_content(stored, found, &decoded, fs::read(stored.output()).ok().as_deref());
        }
    }
}
