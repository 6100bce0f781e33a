//! Which column files there are, and of which titles: what an operator finds on the disks of some nodes.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::FileError;
use super::title::Title;
use crate::code::Code;
use crate::column::{CHECKSUM_BYTES, ColumnHeader, Geometry, HEADER_BYTES, HeaderError, Seal, TitleVersion};
use crate::stripe::StripeCodec;

/// What names of column files end with.
pub(super) const EXTENSION: &str = "rain";
/// Where a node's data folder has its column files.
const NODE_FOLDER: &str = "titles";
/// So many stripes are looked at to find out whose column a file with a damaged header is.
const STRIPES_TRIED: u64 = 8;

/// All column files of some folders, by title and version.
#[derive(Debug)]
pub struct Survey {
    looked: Vec<PathBuf>,
    titles: Vec<SurveyedTitle>,
    /// Files whose header is damaged; their seals may tell what they are.
    headless: Vec<(PathBuf, HeaderError)>,
    unused: Vec<(PathBuf, String)>,
}

/// What was found of a version of a title.
#[derive(Debug)]
pub struct SurveyedTitle {
    /// What the headers have in common ([`ColumnHeader::common`]).
    pub header: ColumnHeader,
    /// The files, each with its own header.
    pub files: Vec<(ColumnHeader, PathBuf)>,
}

/// An open column file.
#[derive(Debug)]
pub(super) struct ColumnFile {
    pub(super) path: PathBuf,
    pub(super) file: File,
    /// How long it is.
    pub(super) bytes: u64,
    /// The device it is on, by the system's number.
    pub(super) device: u64,
    /// Its header, where that is sound.
    pub(super) header: Option<ColumnHeader>,
    /// What is wrong with the file as a whole. Its blocks may be good.
    pub(super) problem: Option<String>,
}

impl Survey {
    /// Reads the headers of column files: of each path that is a file, and of all files `*.rain` in each that is a
    /// folder, or in the folder `titles` in it, where a node's data folder has them.
    ///
    /// # Errors
    /// A path that does not exist, or a folder that cannot be listed. A file that cannot be read is not used.
    pub fn of(paths: &[PathBuf]) -> Result<Self, FileError> {
        let mut files = Vec::new();
        for path in paths {
            let metadata = fs::metadata(path).map_err(FileError::io("looking for columns", path))?;
            if metadata.is_dir() {
                files.extend(column_files(path)?);
                let titles = path.join(NODE_FOLDER);
                if titles.is_dir() {
                    files.extend(column_files(&titles)?);
                }
            } else {
                files.push(path.clone());
            }
        }
        let mut survey = Self { looked: paths.to_vec(), titles: Vec::new(), headless: Vec::new(), unused: Vec::new() };
        let mut titles: BTreeMap<(String, TitleVersion, Vec<u8>), SurveyedTitle> = BTreeMap::new();
        for path in files {
            match read_header(&path) {
                Ok(Ok(header)) => {
                    let common = header.common();
                    let key = (common.title.clone(), common.version, common.to_bytes().to_vec());
                    let new = || SurveyedTitle { header: common, files: Vec::new() };
                    titles.entry(key).or_insert_with(new).files.push((header, path));
                }
                Ok(Err(
                    error @ (HeaderError::NewerFormat { .. }
                    | HeaderError::UnreleasedFormat { .. }
                    | HeaderError::Layout { .. }
                    | HeaderError::EtagKind { .. }),
                )) => survey.unused.push((path, error.to_string())),
                Ok(Err(error)) => survey.headless.push((path, error)),
                Err(error) => survey.unused.push((path, error.to_string())),
            }
        }
        survey.titles = titles.into_values().collect();
        Ok(survey)
    }

    /// The titles and versions that were found, in order.
    pub fn titles(&self) -> &[SurveyedTitle] {
        &self.titles
    }

    /// The files whose header is damaged: columns of any of the titles, or of none.
    pub fn headless(&self) -> impl Iterator<Item = &Path> {
        self.headless.iter().map(|(path, _)| path.as_path())
    }

    /// Opens the columns of one title and version: those named, or the only ones there are, or the only ones of which
    /// there are enough.
    ///
    /// # Errors
    /// There are no columns of it, or several titles or versions to choose from.
    ///
    /// # Panics
    /// Never: what is left of the choice is one.
    pub fn open(self, title: Option<&str>, version: Option<TitleVersion>) -> Result<Title, FileError> {
        if self.titles.is_empty() {
            let headless = self.headless.into_iter().map(|(path, error)| (path, error.to_string()));
            return Err(FileError::NoColumns {
                looked: self.looked,
                unused: self.unused.into_iter().chain(headless).collect(),
            });
        }
        let mut present: Vec<String> = self.titles.iter().map(|title| title.header.title.clone()).collect();
        present.dedup();
        if let Some(asked) = title.filter(|title| !present.iter().any(|name| name == title)) {
            return Err(FileError::NoSuchTitle { asked: asked.to_owned(), found: quoted(&present) });
        }
        let Self { titles, headless, mut unused, .. } = self;
        let is_named = |found: &SurveyedTitle| title.is_none_or(|title| found.header.title == title);
        let (mut named, mut others): (Vec<_>, Vec<_>) = titles.into_iter().partition(is_named);
        let found: Vec<String> = named.iter().map(describe).collect();
        if let Some(asked) = version {
            let title = named.first().map(|found| found.header.title.clone()).unwrap_or_default();
            let (of_version, rest): (Vec<_>, Vec<_>) =
                named.into_iter().partition(|found| found.header.version == asked);
            if of_version.is_empty() {
                return Err(FileError::NoSuchVersion { title, asked, found });
            }
            named = of_version;
            others.extend(rest);
        }
        if named.len() > 1 {
            // A file that strayed in does not make the choice unclear: only one of them can be decoded.
            let (enough, rest): (Vec<_>, Vec<_>) = named.into_iter().partition(SurveyedTitle::is_enough);
            if enough.len() != 1 {
                let mut all = enough.into_iter().chain(rest).map(|found| found.header.title);
                let title = all.next().unwrap_or_default();
                return Err(if all.all(|other| other == title) {
                    FileError::SeveralVersions { title, found }
                } else {
                    FileError::SeveralTitles { found: quoted(&present) }
                });
            }
            named = enough;
            others.extend(rest);
        }
        let wanted = named.pop().expect("there is one left");
        let strays = others.into_iter().filter(|other| title.is_none() || other.header.title == wanted.header.title);
        unused.extend(strays.flat_map(|other| {
            let reason = difference(&other.header, &wanted.header);
            other.files.into_iter().map(move |(_, path)| (path, reason.clone()))
        }));
        Ok(open_title(wanted, headless, unused))
    }

    /// Opens the title of which there are the most columns, and counts all other files as not used.
    ///
    /// # Errors
    /// There are no columns, or as many of two titles.
    pub(super) fn open_largest(mut self) -> Result<Title, FileError> {
        let largest = self.titles.iter().map(|title| title.files.len()).max().unwrap_or_default();
        let (mut most, others): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.titles).into_iter().partition(|title| title.files.len() == largest);
        if most.len() > 1 {
            let describe = |title: &SurveyedTitle| {
                format!("\"{}\" version {}, {} columns", title.header.title, title.header.version, title.files.len())
            };
            return Err(FileError::SeveralTitles { found: most.iter().map(describe).collect() });
        }
        let Some(wanted) = most.pop() else { return self.open(None, None) };
        let mut unused = self.unused;
        for other in others {
            let reason = difference(&other.header, &wanted.header);
            unused.extend(other.files.into_iter().map(|(_, path)| (path, reason.clone())));
        }
        Ok(open_title(wanted, self.headless, unused))
    }
}

impl SurveyedTitle {
    /// Whether there are as many columns as it takes.
    fn is_enough(&self) -> bool {
        let mut columns: Vec<u16> = self.files.iter().map(|(header, _)| header.column).collect();
        columns.sort_unstable();
        columns.dedup();
        Code::named(&self.header.code).is_ok_and(|code| columns.len() >= code.data_columns())
    }
}

/// What there is of a version, for people.
fn describe(found: &SurveyedTitle) -> String {
    let ColumnHeader { version, columns, title_bytes, .. } = &found.header;
    format!("version {version}, {title_bytes} bytes, {} of {columns} columns", found.files.len())
}

fn quoted(names: &[String]) -> Vec<String> {
    names.iter().map(|name| format!("\"{name}\"")).collect()
}

/// How a header differs from that of the other columns.
fn difference(found: &ColumnHeader, expected: &ColumnHeader) -> String {
    if found.title != expected.title {
        format!("a column of \"{}\", expected \"{}\"", found.title, expected.title)
    } else if found.version != expected.version {
        format!("a column of version {}, expected {}", found.version, expected.version)
    } else {
        let sizes = |header: &ColumnHeader| {
            format!(
                "{}, {} bytes, cells of {}, blocks of {}, groups of {}, etag {}",
                header.code,
                header.title_bytes,
                header.cell_bytes,
                header.block_bytes,
                header.group_bytes,
                super::error::hex(&header.etag)
            )
        };
        format!("a column of {}, expected {}", sizes(found), sizes(expected))
    }
}

fn column_files(folder: &Path) -> Result<Vec<PathBuf>, FileError> {
    let list =
        || -> io::Result<Vec<PathBuf>> { fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect() };
    let mut paths = list().map_err(FileError::io("listing the folder", folder))?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == EXTENSION) && path.is_file());
    paths.sort_unstable();
    Ok(paths)
}

fn read_header(path: &Path) -> io::Result<Result<ColumnHeader, HeaderError>> {
    let file = File::open(path)?;
    let mut bytes = [0; HEADER_BYTES];
    let mut filled = 0;
    while filled < bytes.len() {
        match file.read_at(&mut bytes[filled..], filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(ColumnHeader::parse(&bytes[..filled]))
}

fn open_title(found: SurveyedTitle, headless: Vec<(PathBuf, HeaderError)>, unused: Vec<(PathBuf, String)>) -> Title {
    let SurveyedTitle { header, files } = found;
    let code = Arc::new(Code::named(&header.code).expect("the header names a code that was found when it was read"));
    let geometry = Geometry::of(&header, &code);
    let columns = (0..code.columns()).map(|_| None).collect();
    let seals = (0..header.columns).map(|column| Seal::new(&header.title, header.version, column)).collect();
    let codec = Arc::new(StripeCodec::new(code));
    let mut title = Title { header, geometry, codec, columns, seals, unused };
    for (header, path) in files {
        title.take(usize::from(header.column), path, Ok(header));
    }
    for (path, error) in headless {
        match identify(&path, &title) {
            Some(column) => title.take(column, path, Err(error.to_string())),
            None => title.unused.push((path, error.to_string())),
        }
    }
    title
}

impl Title {
    fn take(&mut self, column: usize, path: PathBuf, header: Result<ColumnHeader, String>) {
        let opened = File::open(&path).and_then(|file| Ok((file.metadata()?, file)));
        let (metadata, file) = match opened {
            Ok(opened) => opened,
            Err(error) => return self.unused.push((path, error.to_string())),
        };
        let (found, device) = (metadata.len(), metadata.dev());
        let expected = self.geometry.file_bytes();
        let length = (found != expected).then(|| format!("the file has {found} bytes, expected {expected}"));
        let (header, problem) = match header {
            Ok(header) => (Some(header), length),
            Err(problem) => (None, Some(problem)),
        };
        let mut file = ColumnFile { path, file, bytes: found, device, header, problem };
        if let Some(taken) = &mut self.columns[column] {
            if taken.problem.is_some() && file.problem.is_none() {
                std::mem::swap(taken, &mut file);
            }
            let reason = format!("column {column} once more, besides {}", taken.path.display());
            self.unused.push((file.path, reason));
        } else {
            self.columns[column] = Some(file);
        }
    }
}

/// Finds out by its seals whose column a file is, for a seal fits one title, version and column only.
fn identify(path: &Path, title: &Title) -> Option<usize> {
    let file = File::open(path).ok()?;
    for index in 0..title.geometry.stripe_count().min(STRIPES_TRIED) {
        let shape = title.geometry.stripe(index);
        let mut block = vec![0; shape.block_range(0).len()];
        let mut stored = [0; CHECKSUM_BYTES];
        let read = file
            .read_exact_at(&mut block, shape.record_offset)
            .and_then(|()| file.read_exact_at(&mut stored, shape.record_offset + shape.checksum_offset(0, 0)));
        if read.is_err() {
            continue;
        }
        let stored = u64::from_le_bytes(stored);
        let crc = crate::column::crc64(&block);
        let fits = |column: &usize| title.seals[*column].crc(index, 0, 0, stored) == crc;
        if let Some(column) = (0..title.columns.len()).find(fits) {
            return Some(column);
        }
    }
    None
}
