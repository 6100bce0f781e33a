//! Buffers for what is read of columns, used again and again: new pages, and zeros in them, cost about as much as the
//! checksums of what is read.

use crate::store::lock;
use bytes::Bytes;
use core::ops::Range;
use std::sync::{Arc, Mutex};

/// So many wait to be used again.
const SPARES_MAX: usize = 16;
/// Longer ones do not.
const SPARE_BYTES_MAX: usize = 2 << 20;

/// Buffers that wait.
#[derive(Debug, Clone, Default)]
pub(in crate::store) struct Spares(Arc<Mutex<Vec<Vec<u8>>>>);

/// A buffer of a certain length; its memory goes back when it is dropped.
#[derive(Debug)]
pub(super) struct Buffer {
    bytes: Vec<u8>,
    length: usize,
    spares: Spares,
}

impl Spares {
    /// A buffer of `length` bytes: whatever was in them may still be there.
    pub(super) fn take(&self, length: usize) -> Buffer {
        let mut bytes = lock(&self.0).pop().unwrap_or_default();
        if bytes.len() < length {
            bytes.resize(length, 0);
        }
        Buffer { bytes, length, spares: self.clone() }
    }
}

impl Buffer {
    /// Some of the bytes, to be written.
    pub(super) fn part(&mut self, part: Range<usize>) -> &mut [u8] {
        &mut self.bytes[..self.length][part]
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl From<Buffer> for Bytes {
    fn from(buffer: Buffer) -> Self {
        Self::from_owner(buffer)
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let mut spares = lock(&self.spares.0);
        if spares.len() < SPARES_MAX && self.bytes.capacity() <= SPARE_BYTES_MAX {
            spares.push(core::mem::take(&mut self.bytes));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_used_again_and_bounded() {
        let spares = Spares::default();
        let mut buffer = spares.take(5);
        buffer.part(1..4).copy_from_slice(b"abc");
        let bytes = Bytes::from(buffer);
        assert_eq!(&bytes[..], b"\0abc\0");
        let (at, slice) = (bytes.as_ptr(), bytes.slice(2..4));
        drop(bytes);
        assert!(lock(&spares.0).is_empty(), "a part of it is still in use");
        drop(slice);
        let again = spares.take(3);
        assert_eq!((again.as_ref().len(), again.as_ref().as_ptr()), (3, at));
        let many: Vec<_> = (0..SPARES_MAX + 3).map(|_| spares.take(7)).collect();
        drop(many);
        drop(spares.take(SPARE_BYTES_MAX + 1));
        let kept = lock(&spares.0);
        assert_eq!(kept.len(), SPARES_MAX - 1);
        assert!(kept.iter().all(|spare| spare.capacity() <= SPARE_BYTES_MAX));
    }
}
