//! From a file or a stream to its column files.

use std::fs::File;
use std::io::{self, IoSliceMut, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::content_hash::{ContentHash, StripeHasher};
use super::staging::{Note, Staging, nanoseconds, open_part, sync_all, write_behind};
use super::stripe_reader::in_memory;
use super::workers::{self, lock};
use super::{FileError, Progress};
use crate::code::{Cell, Code};
use crate::column::{
    ColumnHeader, ColumnLayout, ColumnTree, EtagKind, Geometry, HASH_BYTES, StoreTag, StripeEncoder, TitleVersion,
    default_group_bytes,
};
use crate::stripe::StripeCodec;

/// The most memory that the columns of one stripe take, for each thread.
const STRIPE_BYTES_MAX: u64 = 1 << 30;
/// Parts of a vectored read: what Linux takes at once.
pub(super) const PARTS_MAX: usize = 1024;

/// What is encoded.
pub enum Source {
    /// A file, read by several threads at once. A run that was killed is continued.
    File {
        /// The file.
        file: File,
        /// Its path, for errors.
        path: PathBuf,
    },
    /// Bytes that come in order, until they end.
    Stream(Box<dyn Read + Send>),
}

impl core::fmt::Debug for Source {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::File { path, .. } => formatter.debug_tuple("File").field(path).finish(),
            Self::Stream(_) => formatter.write_str("Stream"),
        }
    }
}

/// How a file is encoded, and what its columns say of it.
#[derive(Clone, Debug)]
pub struct EncodeOptions {
    /// The code.
    pub code: Arc<Code>,
    /// Bytes of a cell: a power of two from 4096 to 16 MiB.
    pub cell_bytes: u32,
    /// Bytes of a block: a power of two from 512 to 16 MiB.
    pub block_bytes: u32,
    /// Name of the title, at most 1024 bytes.
    pub title: String,
    /// Its version; a run that goes on takes that of the first.
    pub version: TitleVersion,
    /// Its media type, at most 127 bytes.
    pub media_type: String,
    /// When it was modified, in milliseconds since 1970, where the input does not say it.
    pub modified_ms: u64,
}

/// What was encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// The header of column 0.
    pub header: ColumnHeader,
    /// Bytes of column files that an earlier run had written.
    pub reused_bytes: u64,
}

/// Encodes a file or a stream to a folder of column files `000.rain`, `001.rain`, ..., one for each column of the code.
///
/// The folder must not exist or be empty. It has the files once all of them are whole and durable. Until then they are
/// in a hidden folder, in it or beside it. Where the process is killed, and the input is a file that has not changed, the
/// next run goes on there: each record that is there is compared with what it must be, and written if it is not.
/// `progress` is told how many more bytes of the input are done.
///
/// Cost: memory for one stripe and its columns per thread of rayon's pool.
///
/// # Errors
/// [`FileError`]; nothing is left in the folder.
///
/// # Panics
/// When cells or blocks have a size that [`Geometry::new`] does not take.
pub fn encode(
    source: Source,
    folder: &Path,
    options: &EncodeOptions,
    progress: Progress<'_>,
) -> Result<Encoded, FileError> {
    let mut header = first_header(options, &source)?;
    header.validate()?;
    check_stripe_bytes(&options.code, options.cell_bytes)?;
    let note = match &source {
        Source::File { file, path } => {
            let modified = file.metadata().and_then(|metadata| metadata.modified());
            let modified = modified.map_err(FileError::io("looking at the file", path))?;
            Some(Note { modified_ns: nanoseconds(modified), header: header.clone() })
        }
        Source::Stream(_) => None,
    };
    let (staging, earlier) = Staging::take(folder, note.as_ref())?;
    if let Some(earlier) = &earlier {
        header.version = earlier.header.version;
    }
    let writer = ColumnWriter::new(staging.folder(), options.code.columns(), earlier.is_some())?;
    let job = Job { options, header: &header, writer: &writer, hash: ContentHash::default(), progress };
    let (title_bytes, trees) = match source {
        Source::File { file, path } => job.encode_file(&file, &path, note.as_ref())?,
        Source::Stream(stream) => job.encode_stream(stream)?,
    };
    header.etag = job.hash.etag(title_bytes).expect("all stripes were hashed");
    header.title_bytes = title_bytes;
    let reused_bytes = writer.reused.load(Ordering::Relaxed);
    let names = writer.finish(&header, &options.code, &trees)?;
    staging.publish(&names)?;
    header.root = trees.first().expect("a code has columns").root();
    Ok(Encoded { header, reused_bytes })
}

/// Checks that a stripe fits the memory.
pub(super) fn check_stripe_bytes(code: &Code, cell_bytes: u32) -> Result<(), FileError> {
    let found = u64::from(cell_bytes) * (code.columns() * code.rows()) as u64;
    if found <= STRIPE_BYTES_MAX {
        return Ok(());
    }
    Err(FileError::StripeTooLarge { code: code.name().to_owned(), cell_bytes, found, max: STRIPE_BYTES_MAX })
}

/// What is known before the first byte is read.
fn first_header(options: &EncodeOptions, source: &Source) -> Result<ColumnHeader, FileError> {
    let code = &options.code;
    let shape = Cell::new(code.columns(), code.rows());
    let (title_bytes, modified_ms) = match source {
        Source::File { file, path } => {
            let metadata = file.metadata().map_err(FileError::io("looking at the file", path))?;
            let modified = metadata.modified().map_err(FileError::io("looking at the file", path))?;
            (metadata.len(), nanoseconds(modified) / 1_000_000)
        }
        Source::Stream(_) => (0, options.modified_ms),
    };
    Ok(ColumnHeader {
        code: code.name().to_owned(),
        columns: shape.column,
        rows: shape.row,
        column: 0,
        cell_bytes: options.cell_bytes,
        interleave_bytes: 0,
        block_bytes: options.block_bytes,
        layout: ColumnLayout::Striped,
        group_bytes: default_group_bytes(options.cell_bytes),
        title: options.title.clone(),
        version: options.version,
        title_bytes,
        etag_kind: EtagKind::Content,
        etag: [0; 16],
        modified_ms,
        media_type: options.media_type.clone(),
        store: StoreTag::default(),
        root: [0; HASH_BYTES],
    })
}

/// What all threads share.
struct Job<'a> {
    options: &'a EncodeOptions,
    header: &'a ColumnHeader,
    writer: &'a ColumnWriter,
    hash: ContentHash,
    progress: Progress<'a>,
}

impl Job<'_> {
    fn new_encoder(&self, codec: &Arc<StripeCodec>) -> StripeEncoder {
        let ColumnHeader { cell_bytes, block_bytes, title, version, .. } = self.header;
        StripeEncoder::new(Arc::clone(codec), *cell_bytes, *block_bytes, title, *version)
    }

    fn encode_file(&self, file: &File, path: &Path, note: Option<&Note>) -> Result<(u64, Vec<ColumnTree>), FileError> {
        let code = &self.options.code;
        let codec = Arc::new(StripeCodec::new(Arc::clone(code)));
        let geometry = Geometry::of(self.header, code);
        let encode = |state: &mut (StripeEncoder, Vec<u8>), index: u64| {
            let (encoder, scratch) = state;
            let shape = geometry.stripe(index);
            let (start, end) = (shape.title_offset, shape.title_offset + shape.data_bytes);
            let records = encoder.encode_stripe_with(index, in_memory(shape.data_bytes), |cells| {
                read_cells(file, start, cells).map_err(|error| {
                    if error.kind() == io::ErrorKind::UnexpectedEof {
                        let found = file.metadata().map_or(0, |metadata| metadata.len());
                        let (path, expected) = (path.to_owned(), self.header.title_bytes);
                        FileError::InputShrank { path, found, expected }
                    } else {
                        FileError::io("reading", path)(error)
                    }
                })?;
                let mut hasher = StripeHasher::new(start, end);
                for cell in &*cells {
                    hasher.update(cell);
                }
                self.hash.add(hasher.finish());
                Ok::<(), FileError>(())
            })?;
            self.writer.write(index, shape.record_offset, records, scratch)?;
            (self.progress)(shape.data_bytes);
            Ok(())
        };
        let new = || (self.new_encoder(&codec), Vec::new());
        let shares = workers::run(new, workers::each(geometry.stripe_count()), encode, || ())?;
        let metadata = file.metadata().map_err(FileError::io("looking at the file", path))?;
        let modified = metadata.modified().map_err(FileError::io("looking at the file", path))?;
        let expected = self.header.title_bytes;
        if metadata.len() != expected || note.is_some_and(|note| note.modified_ns != nanoseconds(modified)) {
            return Err(FileError::InputChanged { path: path.to_owned(), found: metadata.len(), expected });
        }
        Ok((expected, trees(shares.into_iter().map(|(encoder, _)| encoder))))
    }

    fn encode_stream(&self, stream: Box<dyn Read + Send>) -> Result<(u64, Vec<ColumnTree>), FileError> {
        let code = &self.options.code;
        let codec = Arc::new(StripeCodec::new(Arc::clone(code)));
        let full = code.data_cell_count() * self.options.cell_bytes as usize;
        // Where the stripes are does not depend on the length, which is not known yet.
        let record_offset = |index: u64| {
            let some =
                Geometry::new(code, self.options.cell_bytes, self.options.block_bytes, (index + 1) * full as u64);
            some.stripe(index).record_offset
        };
        let input = Mutex::new(StreamInput { stream, stripes: 0, bytes: 0, ended: false });
        let next = |state: &mut (StripeEncoder, Vec<u8>, Vec<u8>)| {
            let mut input = lock(&input);
            input.next(&mut state.1, full).map_err(FileError::io("reading", Path::new("standard input")))
        };
        let encode = |state: &mut (StripeEncoder, Vec<u8>, Vec<u8>), index: u64| {
            let (encoder, data, scratch) = state;
            let start = index * full as u64;
            let mut hasher = StripeHasher::new(start, start + data.len() as u64);
            hasher.update(data);
            self.hash.add(hasher.finish());
            self.writer.write(index, record_offset(index), encoder.encode_stripe(index, data), scratch)?;
            (self.progress)(data.len() as u64);
            Ok(())
        };
        let shares = workers::run(|| (self.new_encoder(&codec), Vec::new(), Vec::new()), next, encode, || ())?;
        let bytes = lock(&input).bytes;
        Ok((bytes, trees(shares.into_iter().map(|(encoder, ..)| encoder))))
    }
}

/// The hash trees of columns of which each encoder has hashed some stripes.
fn trees(encoders: impl Iterator<Item = StripeEncoder>) -> Vec<ColumnTree> {
    let joined = encoders.reduce(|mut joined, other| {
        joined.join(other);
        joined
    });
    joined.expect("a pool has threads").finish()
}

/// A stream, of which each thread takes the next stripe.
struct StreamInput {
    stream: Box<dyn Read + Send>,
    stripes: u64,
    bytes: u64,
    ended: bool,
}

impl StreamInput {
    fn next(&mut self, data: &mut Vec<u8>, full: usize) -> io::Result<Option<u64>> {
        data.clear();
        if self.ended {
            return Ok(None);
        }
        let found = (&mut self.stream).take(full as u64).read_to_end(data)?;
        self.ended = found < full;
        if found == 0 {
            return Ok(None);
        }
        self.bytes += found as u64;
        self.stripes += 1;
        Ok(Some(self.stripes - 1))
    }
}

/// Fills cells that lie behind each other in a file.
fn read_cells(file: &File, mut offset: u64, cells: &mut [&mut [u8]]) -> io::Result<()> {
    for cells in cells.chunks_mut(PARTS_MAX) {
        let wanted: usize = cells.iter().map(|cell| cell.len()).sum();
        let mut parts: Vec<IoSliceMut<'_>> = cells.iter_mut().map(|cell| IoSliceMut::new(cell)).collect();
        let read = rustix::io::preadv(file, &mut parts, offset)?;
        if read < wanted {
            // Short for a signal, or at the end of the file: what is missing is read cell by cell.
            let mut at = 0;
            for cell in cells {
                let done = read.saturating_sub(at).min(cell.len());
                file.read_exact_at(&mut cell[done..], offset + (at + done) as u64)?;
                at += cell.len();
            }
        }
        offset += wanted as u64;
    }
    Ok(())
}

/// The column files under way.
struct ColumnWriter {
    files: Vec<(PathBuf, File)>,
    /// How many bytes of each an earlier run left; they are compared before they are written.
    earlier: Vec<u64>,
    reused: AtomicU64,
}

impl ColumnWriter {
    fn new(folder: &Path, columns: usize, resumed: bool) -> Result<Self, FileError> {
        let open = |column: usize| {
            let path = folder.join(super::column_name(column));
            open_part(&path).map(|file| (path, file))
        };
        let files: Vec<(PathBuf, File)> = (0..columns).map(open).collect::<Result<_, _>>()?;
        let length = |(path, file): &(PathBuf, File)| {
            let length = if resumed { file.metadata().map(|metadata| metadata.len()) } else { Ok(0) };
            length.map_err(FileError::io("looking at the file", path))
        };
        let earlier = files.iter().map(length).collect::<Result<_, _>>()?;
        Ok(Self { files, earlier, reused: AtomicU64::new(0) })
    }

    /// Writes the records of a stripe.
    fn write(&self, index: u64, offset: u64, records: &[Vec<u8>], scratch: &mut Vec<u8>) -> Result<(), FileError> {
        for (((path, file), earlier), record) in self.files.iter().zip(&self.earlier).zip(records) {
            if offset + record.len() as u64 <= *earlier && is_there(file, offset, record, scratch) {
                self.reused.fetch_add(record.len() as u64, Ordering::Relaxed);
            } else {
                file.write_all_at(record, offset).map_err(FileError::io("writing", path))?;
                write_behind(file, index, offset, record.len() as u64);
            }
        }
        Ok(())
    }

    /// Writes the headers and hash trees and makes the files durable. Returns their names.
    fn finish(self, header: &ColumnHeader, code: &Code, trees: &[ColumnTree]) -> Result<Vec<String>, FileError> {
        let geometry = Geometry::of(header, code);
        for ((column, (path, file)), tree) in (0..).zip(&self.files).zip(trees) {
            let header = ColumnHeader { column, root: tree.root(), ..header.clone() };
            write_ends(file, &geometry, &header, tree).map_err(FileError::io("writing", path))?;
        }
        sync_all(self.files.iter().map(|(path, file)| (path.as_path(), file)))?;
        Ok((0..self.files.len()).map(super::column_name).collect())
    }
}

/// Writes what a column file has before and behind its records, and nothing behind that.
pub(super) fn write_ends(file: &File, geometry: &Geometry, header: &ColumnHeader, tree: &ColumnTree) -> io::Result<()> {
    file.write_all_at(&header.to_bytes(), 0)?;
    file.write_all_at(&tree.to_bytes(), geometry.tree_offset())?;
    file.set_len(geometry.file_bytes())
}

/// Whether a file has these bytes at a place. What cannot be read is not there.
pub(super) fn is_there(file: &File, offset: u64, bytes: &[u8], scratch: &mut Vec<u8>) -> bool {
    scratch.resize(bytes.len(), 0);
    file.read_exact_at(scratch, offset).is_ok() && scratch == bytes
}
