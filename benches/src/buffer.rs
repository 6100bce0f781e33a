//! Buffers whose place in memory is chosen, since it decides which cache sets they share.

use core::ops::{Deref, DerefMut};

const LINE_BYTES: usize = 64;
/// What two neighbours' starts differ by. Buffers that begin at the same place of a page compete for the same cache
/// sets; five lines apart they do not.
const STAGGER_BYTES: usize = 320;
const STAGGERS: usize = 12;

/// Zeroed bytes that begin at a cache line.
#[derive(Debug)]
pub struct AlignedBuffer {
    bytes: Vec<u8>,
    start: usize,
    len: usize,
}

impl AlignedBuffer {
    /// Makes a buffer that begins somewhere at a multiple of 64 bytes.
    pub fn new(len: usize) -> Self {
        Self::staggered(len, 0)
    }

    /// Makes one of several buffers that are used together: those of different `place` begin at different lines of a
    /// page.
    pub fn staggered(len: usize, place: usize) -> Self {
        let shift = place % STAGGERS * STAGGER_BYTES;
        let bytes = vec![0; len + shift + LINE_BYTES];
        let start = bytes.as_ptr().align_offset(LINE_BYTES) + shift;
        Self { bytes, start, len }
    }
}

impl Deref for AlignedBuffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[self.start..][..self.len]
    }
}

impl DerefMut for AlignedBuffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..][..self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn begins_at_a_line() {
        for place in 0..20 {
            let buffer = AlignedBuffer::staggered(100, place);
            assert_eq!((buffer.as_ptr().align_offset(LINE_BYTES), buffer.len()), (0, 100));
        }
    }
}
