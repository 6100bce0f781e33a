//! Opening a file: which of its bytes are needed next, until its movie is known.

use crate::box_name::BoxName;
use crate::boxes::{BoxAt, Head};
use crate::error::{Damage, MediaError};
use crate::fragments;
use crate::moov::{self, Moov};
use crate::movie::Movie;
use core::ops::Range;

/// What is read at once where it is not known yet how much is needed: the beginning of most files with all of a short
/// `moov`, and fragments with what follows them.
const WINDOW_BYTES: u64 = 64 << 10;

/// Longest `moov` that is read.
const MOOV_BYTES_MAX: u64 = 256 << 20;

/// Longest `moof`: what is read of it takes several times as much memory for a moment.
const MOOF_BYTES_MAX: u64 = 16 << 20;

/// Most boxes of a file that are not in others.
const BOXES_MAX: u64 = 1 << 20;

/// Bytes of the file that are in memory.
#[derive(Debug, Default)]
struct Window {
    bytes: Vec<u8>,
    /// Where in the file they begin.
    at: u64,
}

impl Window {
    /// The `bytes` of the file from `at` on, if they are all there.
    fn get(&self, at: u64, bytes: u64) -> Option<&[u8]> {
        let start = usize::try_from(at.checked_sub(self.at)?).ok()?;
        self.bytes.get(start..start.checked_add(usize::try_from(bytes).ok()?)?)
    }
}

/// What an [`Opening`] comes to next.
#[derive(Debug)]
pub enum Step {
    /// It needs these bytes of the file, which are not none.
    Read(Range<u64>),
    /// All is known.
    Done(Movie),
}

/// Reads the boxes of a file, and none of its media. It asks for bytes and is given them; what it asks for is bounded.
#[derive(Debug)]
pub struct Opening {
    file_bytes: u64,
    /// Where the next box begins.
    at: u64,
    boxes: u64,
    window: Window,
    moov: Option<Moov>,
    asked: Option<Range<u64>>,
}

impl Opening {
    /// Begins with a file of so many bytes.
    pub fn new(file_bytes: u64) -> Self {
        Self { file_bytes, at: 0, boxes: 0, window: Window::default(), moov: None, asked: None }
    }

    /// Says what is to be done next. Called again before the bytes came, it asks for them again.
    ///
    /// Cost: that of the tables, once they are there: tens of milliseconds for a film of two hours.
    ///
    /// # Errors
    /// [`MediaError`], of which more bytes change nothing.
    ///
    /// # Panics
    /// When it was done before.
    pub fn poll(&mut self) -> Result<Step, MediaError> {
        if let Some(asked) = &self.asked {
            return Ok(Step::Read(asked.clone()));
        }
        while let Some(head) = self.head()? {
            if let Some(wanted) = self.missing(head) {
                self.asked = Some(wanted.clone());
                return Ok(Step::Read(wanted));
            }
            let Known::Head(head) = head else { unreachable!("a head is missing or known") };
            self.take(head)?;
            self.at += head.bytes;
            if self.moov.as_ref().is_some_and(|moov| !moov.is_fragmented) {
                break;
            }
        }
        let missing = MediaError::Damaged { name: BoxName(*b"moov"), offset: self.at, damage: Damage::Missing };
        let moov = self.moov.take().ok_or(missing)?;
        self.window = Window::default();
        Movie::new(moov).map(Step::Done)
    }

    /// Takes the bytes that were asked for.
    ///
    /// # Panics
    /// When none were asked for, or others are given.
    pub fn handle_bytes(&mut self, bytes: Vec<u8>) {
        let asked = self.asked.take().expect("bytes are given when they were asked for");
        assert_eq!(bytes.len() as u64, asked.end - asked.start, "all bytes that were asked for are given");
        self.window = Window { bytes, at: asked.start };
    }

    /// The head of the next box; `None` behind the last one.
    fn head(&self) -> Result<Option<Known>, MediaError> {
        let left = self.file_bytes - self.at;
        // Fewer bytes are no box; some writers leave them.
        if left < 8 {
            return if self.at == 0 { Err(MediaError::NotMp4 { found: BoxName([0; 4]) }) } else { Ok(None) };
        }
        let Some(bytes) = self.window.get(self.at, left.min(Head::BYTES_MAX)) else { return Ok(Some(Known::Nothing)) };
        if self.at == 0 {
            check_first(bytes)?;
        }
        Ok(Some(Known::Head(Head::read(bytes, self.at, left)?)))
    }

    /// What must be read before the next box is understood.
    fn missing(&self, known: Known) -> Option<Range<u64>> {
        let end = match known {
            Known::Nothing => self.at.saturating_add(WINDOW_BYTES),
            Known::Head(head) if bytes_max(head.name).is_some_and(|limit| head.bytes <= limit) => {
                if self.window.get(self.at, head.bytes).is_some() {
                    return None;
                }
                self.at + head.bytes
            }
            Known::Head(_) => return None,
        };
        Some(self.at..end.min(self.file_bytes))
    }

    /// Takes the next box, which is in memory if it is to be read.
    fn take(&mut self, head: Head) -> Result<(), MediaError> {
        self.boxes += 1;
        if self.boxes > BOXES_MAX {
            return Err(MediaError::TooLarge { what: "boxes", found: self.boxes, limit: BOXES_MAX });
        }
        let Some(limit) = bytes_max(head.name) else { return Ok(()) };
        let Some(bytes) = self.window.get(self.at, head.bytes) else {
            return Err(MediaError::TooLarge { what: "bytes of a box", found: head.bytes, limit });
        };
        let found = BoxAt::read(bytes, self.at)?;
        let missing = MediaError::Damaged { name: BoxName(*b"moov"), offset: self.at, damage: Damage::Missing };
        match (self.moov.as_mut(), found.name.0 == *b"moov") {
            (None, true) => self.moov = Some(moov::read(&found, self.file_bytes)?),
            (None, false) => return Err(missing),
            (Some(_), true) => return Err(found.damaged(Damage::Count { found: 2, expected: 1 })),
            (Some(moov), false) => fragments::read(&found, moov, self.file_bytes)?,
        }
        Ok(())
    }
}

/// How much is known of the next box.
#[derive(Debug, Clone, Copy)]
enum Known {
    Nothing,
    Head(Head),
}

/// How long a box may be that is read; `None` of one that is passed over.
fn bytes_max(name: BoxName) -> Option<u64> {
    match &name.0 {
        b"moov" => Some(MOOV_BYTES_MAX),
        b"moof" => Some(MOOF_BYTES_MAX),
        _ => None,
    }
}

/// Whether a file is of boxes at all, by its first 8 bytes.
fn check_first(bytes: &[u8]) -> Result<(), MediaError> {
    const FIRST: [&[u8; 4]; 12] =
        [b"ftyp", b"styp", b"moov", b"moof", b"mdat", b"free", b"skip", b"wide", b"pnot", b"sidx", b"uuid", b"meta"];
    let found = BoxName(bytes[4..8].try_into().expect("four bytes"));
    if FIRST.iter().any(|name| **name == found.0) { Ok(()) } else { Err(MediaError::NotMp4 { found }) }
}
