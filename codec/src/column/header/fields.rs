//! The fields of a header in their order, as bytes.

use super::HeaderError;
use crate::column::HEADER_BYTES;

/// Puts fields one behind the other.
pub(super) struct Writer {
    pub(super) bytes: [u8; HEADER_BYTES],
    pub(super) at: usize,
}

impl Writer {
    pub(super) fn put(&mut self, field: &[u8]) {
        self.bytes[self.at..self.at + field.len()].copy_from_slice(field);
        self.at += field.len();
    }

    /// Puts a text of at most `max` bytes, whose length takes `N`.
    pub(super) fn put_text<const N: usize>(&mut self, text: &str, max: usize) {
        let field_end = self.at + N + max;
        self.put(&text.len().to_le_bytes()[..N]);
        self.put(text.as_bytes());
        self.at = field_end;
    }
}

/// Takes fields one behind the other; they are known to be there, for the header has one length.
pub(super) struct Reader<'bytes> {
    pub(super) bytes: &'bytes [u8; HEADER_BYTES],
    pub(super) at: usize,
}

impl Reader<'_> {
    pub(super) fn take<const N: usize>(&mut self) -> [u8; N] {
        let mut field = [0; N];
        field.copy_from_slice(&self.bytes[self.at..self.at + N]);
        self.at += N;
        field
    }

    pub(super) fn zeros(&mut self, count: usize) -> Result<(), HeaderError> {
        let start = self.at;
        self.at += count;
        match (start..self.at).find(|&offset| self.bytes[offset] != 0) {
            Some(offset) => Err(HeaderError::NotZero { offset, found: self.bytes[offset] }),
            None => Ok(()),
        }
    }

    /// Takes a text of at most `max` bytes, whose length takes `N`.
    pub(super) fn text<const N: usize>(&mut self, field: &'static str, max: usize) -> Result<String, HeaderError> {
        let mut length = [0; size_of::<usize>()];
        length[..N].copy_from_slice(&self.take::<N>());
        let length = usize::from_le_bytes(length);
        if length > max {
            return Err(HeaderError::TooLong { field, found: length, max });
        }
        let bytes = &self.bytes[self.at..self.at + length];
        let text = str::from_utf8(bytes)
            .map_err(|error| HeaderError::NotUtf8 { field, valid_bytes: error.valid_up_to() })?
            .to_owned();
        self.at += length;
        self.zeros(max - length)?;
        Ok(text)
    }
}
