//! Boxes, as ISO/IEC 14496-12 nests them, each with the byte at which it begins.

use crate::box_name::BoxName;
use crate::error::{Damage, MediaError};
use mp4_atom::Atom;

/// A box without its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) name: BoxName,
    /// Of the head itself: 8 or 16.
    pub(crate) own_bytes: u64,
    /// In all, head included.
    pub(crate) bytes: u64,
}

impl Head {
    /// Longest head of a box.
    pub(crate) const BYTES_MAX: u64 = 16;

    /// Reads the head of a box at `offset` of the file, of whose parent `left` bytes are left. `bytes` has 8, or 16 where as
    /// many are left.
    pub(crate) fn read(bytes: &[u8], offset: u64, left: u64) -> Result<Self, MediaError> {
        let name = BoxName(bytes[4..8].try_into().expect("four bytes"));
        let damaged = |damage| MediaError::Damaged { name, offset, damage };
        let (own_bytes, size) = match u32_at(bytes, 0) {
            // To the end of its parent.
            0 => (8, left),
            1 if bytes.len() < 16 => return Err(damaged(Damage::Overlong { bytes: 16, left })),
            1 => (16, u64_at(bytes, 8)),
            size => (8, u64::from(size)),
        };
        if size < own_bytes {
            return Err(damaged(Damage::TooShort { bytes: size }));
        }
        if size > left {
            return Err(damaged(Damage::Overlong { bytes: size, left }));
        }
        Ok(Self { name, own_bytes, bytes: size })
    }
}

/// A box in memory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BoxAt<'a> {
    pub(crate) name: BoxName,
    /// Where it begins in the file.
    pub(crate) offset: u64,
    /// All of it.
    pub(crate) whole: &'a [u8],
    /// What is behind its head.
    pub(crate) body: &'a [u8],
}

impl<'a> BoxAt<'a> {
    /// The box that `bytes` at `offset` of the file begin with.
    pub(crate) fn read(bytes: &'a [u8], offset: u64) -> Result<Self, MediaError> {
        let head = Head::read(bytes, offset, bytes.len() as u64)?;
        let [head_bytes, end] = [head.own_bytes, head.bytes].map(|at| usize::try_from(at).unwrap_or(usize::MAX));
        Ok(Self { name: head.name, offset, whole: &bytes[..end], body: &bytes[head_bytes..end] })
    }

    /// An error about it.
    pub(crate) fn damaged(&self, damage: Damage) -> MediaError {
        MediaError::Damaged { name: self.name, offset: self.offset, damage }
    }

    /// Where in the file a part of its body is, `at` bytes behind its head.
    fn offset_of(&self, at: usize) -> u64 {
        self.offset + (self.whole.len() - self.body.len() + at) as u64
    }

    /// The boxes in it.
    pub(crate) fn children(&self) -> Children<'a> {
        self.children_from(0)
    }

    /// The boxes in it behind the first `at` bytes of its body, which there are.
    pub(crate) fn children_from(&self, at: usize) -> Children<'a> {
        Children { offset: self.offset_of(at), bytes: &self.body[at..] }
    }

    /// The first child of a name.
    pub(crate) fn find(&self, name: [u8; 4]) -> Result<Option<BoxAt<'a>>, MediaError> {
        for child in self.children() {
            let child = child?;
            if child.name.0 == name {
                return Ok(Some(child));
            }
        }
        Ok(None)
    }

    /// The first child of a name, which must be there.
    pub(crate) fn need(&self, name: [u8; 4]) -> Result<BoxAt<'a>, MediaError> {
        let offset = self.offset;
        self.find(name)?.ok_or(MediaError::Damaged { name: BoxName(name), offset, damage: Damage::Missing })
    }

    /// What it says, by mp4-atom.
    pub(crate) fn decode<T: Atom>(&self) -> Result<T, MediaError> {
        let mut body = self.body;
        T::decode_body(&mut body).map_err(|error| self.damaged(Damage::Unreadable(error.to_string())))
    }

    /// The `N` bytes at `at` of its body.
    pub(crate) fn bytes<const N: usize>(&self, at: usize) -> Result<[u8; N], MediaError> {
        let found = self.body.get(at..at + N).and_then(|bytes| bytes.try_into().ok());
        found.ok_or_else(|| self.damaged(Damage::TooShort { bytes: self.whole.len() as u64 }))
    }

    /// The number at `at` of its body.
    pub(crate) fn u32(&self, at: usize) -> Result<u32, MediaError> {
        self.bytes(at).map(u32::from_be_bytes)
    }

    /// Its entries of `N` bytes from `at` on, as many as the number before them says.
    ///
    /// # Errors
    /// It says another number than there are.
    pub(crate) fn entries<const N: usize>(&self, at: usize) -> Result<&'a [[u8; N]], MediaError> {
        let found = self.u32(at)?;
        let (entries, _) = self.body[at + 4..].as_chunks::<N>();
        let counted = usize::try_from(found).ok().and_then(|count| entries.get(..count));
        counted.ok_or_else(|| self.damaged(Damage::Count { found: found.into(), expected: entries.len() as u64 }))
    }
}

/// Boxes that lie one behind the other.
#[derive(Debug, Clone)]
pub(crate) struct Children<'a> {
    offset: u64,
    bytes: &'a [u8],
}

impl<'a> Iterator for Children<'a> {
    type Item = Result<BoxAt<'a>, MediaError>;

    fn next(&mut self) -> Option<Self::Item> {
        // QuickTime ends some lists of boxes by a zero; others are padded.
        if self.bytes.len() < 8 || self.bytes[..8] == [0; 8] {
            return None;
        }
        let child = BoxAt::read(self.bytes, self.offset);
        match &child {
            Ok(child) => {
                self.bytes = &self.bytes[child.whole.len()..];
                self.offset += child.whole.len() as u64;
            }
            Err(_) => self.bytes = &[],
        }
        Some(child)
    }
}

/// The big-endian number at `at` of bytes that are there.
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

/// The big-endian number at `at` of bytes that are there.
pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_be_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}
