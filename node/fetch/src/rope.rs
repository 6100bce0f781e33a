//! Bytes that came in several buffers, used without copying them together.

use bytes::Bytes;
use core::ops::Range;
use std::borrow::Cow;

/// Buffers in a row.
#[derive(Debug, Clone, Default)]
pub struct Rope {
    /// Each buffer, with the offset of its first byte.
    buffers: Vec<(usize, Bytes)>,
    length: usize,
}

impl Rope {
    /// Appends a buffer.
    pub fn push(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            let length = bytes.len();
            self.buffers.push((self.length, bytes));
            self.length += length;
        }
    }

    /// Bytes in all.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The buffers' parts within `range`, in order.
    ///
    /// # Panics
    /// When the range ends behind the last byte.
    pub fn slices(&self, range: Range<usize>) -> impl Iterator<Item = Bytes> {
        self.within(range).map(|(bytes, part)| bytes.slice(part))
    }

    /// The same, only looked at.
    ///
    /// # Panics
    /// When the range ends behind the last byte.
    pub fn parts(&self, range: Range<usize>) -> impl Iterator<Item = &[u8]> {
        self.within(range).map(|(bytes, part)| &bytes[part])
    }

    fn within(&self, range: Range<usize>) -> impl Iterator<Item = (&Bytes, Range<usize>)> {
        assert!(range.end <= self.length, "{range:?} of {}", self.length);
        let first = self.buffers.partition_point(|(offset, bytes)| offset + bytes.len() <= range.start);
        self.buffers[first..].iter().take_while(move |(offset, _)| *offset < range.end).filter_map(
            move |(offset, bytes)| {
                let start = range.start.max(*offset) - offset;
                let end = range.end.min(offset + bytes.len()) - offset;
                (start < end).then_some((bytes, start..end))
            },
        )
    }

    /// The bytes of `range` in one piece; copied only where they came in several.
    ///
    /// # Panics
    /// When the range ends behind the last byte.
    pub fn contiguous(&self, range: Range<usize>) -> Cow<'_, [u8]> {
        let index = self.buffers.partition_point(|(offset, bytes)| offset + bytes.len() <= range.start);
        if let Some((offset, bytes)) = self.buffers.get(index)
            && range.end <= offset + bytes.len()
        {
            return Cow::Borrowed(&bytes[range.start - offset..range.end - offset]);
        }
        let mut copy = Vec::with_capacity(range.len());
        self.slices(range).for_each(|part| copy.extend_from_slice(&part));
        Cow::Owned(copy)
    }
}

impl From<Bytes> for Rope {
    fn from(bytes: Bytes) -> Self {
        let mut rope = Self::default();
        rope.push(bytes);
        rope
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_range_of_every_cut() {
        let bytes: Vec<u8> = (0..12).collect();
        for cuts in 0..1 << 11 {
            let mut rope = Rope::default();
            let mut start = 0;
            for end in 1..=12 {
                if end == 12 || cuts & (1 << (end - 1)) != 0 {
                    rope.push(Bytes::copy_from_slice(&bytes[start..end]));
                    start = end;
                }
            }
            for start in 0..=12 {
                for end in start..=12 {
                    assert_eq!(*rope.contiguous(start..end), bytes[start..end]);
                    let parts: Vec<u8> = rope.slices(start..end).flatten().collect();
                    assert_eq!(parts, bytes[start..end]);
                    assert_eq!(rope.parts(start..end).collect::<Vec<_>>().concat(), bytes[start..end]);
                }
            }
        }
    }
}
