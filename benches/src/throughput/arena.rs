//! Stripes in memory: columns that begin where they share few cache sets.

use std::io;

use memmap2::{Advice, MmapMut, MmapOptions};

use crate::noise;

/// What a column's bytes are followed by, so that columns of a power of two do not begin in the same cache sets.
const PADDING_BYTES: usize = 320;
const LINE_BYTES: usize = 64;
/// Bytes after which the noise repeats; no multiple of a column's.
const PATTERN_BYTES: usize = 8 * 12_289;

/// Stripes of equally many columns, in large pages where the system gives them.
///
/// Shape: column c of a stripe begins `column_bytes` and padding after column c - 1.
#[derive(Debug)]
pub struct Arena {
    memory: MmapMut,
    columns: usize,
    data_columns: usize,
    column_bytes: usize,
    stripes: usize,
    next: usize,
}

impl Arena {
    /// Makes stripes of n columns, of which as many as k hold data, filled with noise.
    ///
    /// # Errors
    /// The system has not enough memory.
    pub fn new(n: usize, k: usize, column_bytes: usize, stripes: usize) -> io::Result<Self> {
        let stride = stride(column_bytes);
        let mut memory = MmapOptions::new().len(n * stride * stripes).map_anon()?;
        // Without large pages the figures are of ordinary ones: nothing to report.
        let _ = memory.advise(Advice::HugePage);
        let mut word = noise(n as u64 + 1);
        let pattern: Vec<u8> = (0..PATTERN_BYTES / 8).flat_map(|_| word().to_le_bytes()).collect();
        for chunk in memory.chunks_mut(PATTERN_BYTES) {
            chunk.copy_from_slice(&pattern[..chunk.len()]);
        }
        Ok(Self { memory, columns: n, data_columns: k, column_bytes, stripes, next: 0 })
    }

    /// Bytes of original data in a stripe.
    pub fn stripe_data_bytes(&self) -> usize {
        self.data_columns * self.column_bytes
    }

    /// Bytes of a stripe with its parity.
    pub fn stripe_bytes(&self) -> usize {
        self.columns * self.column_bytes
    }

    /// Bytes of all stripes with their parity.
    pub fn working_set_bytes(&self) -> usize {
        self.stripe_bytes() * self.stripes
    }

    /// Hands out stripes in turns, `times` in all: a single one at once, one of several each time.
    pub fn visit(&mut self, times: usize, mut run: impl FnMut(&mut [&mut [u8]], usize)) {
        let column_bytes = self.column_bytes;
        self.visit_whole(times, |stripe, times| {
            let padded = stripe.chunks_exact_mut(stride(column_bytes));
            let mut columns: Vec<&mut [u8]> = padded.map(|column| &mut column[..column_bytes]).collect();
            run(&mut columns, times);
        });
    }

    /// Hands out stripes as [`Arena::visit`] does, each as one piece of memory with its padding.
    pub fn visit_whole(&mut self, times: usize, mut run: impl FnMut(&mut [u8], usize)) {
        let each = if self.stripes == 1 { times } else { 1 };
        let stripe_bytes = self.columns * stride(self.column_bytes);
        for _ in 0..times / each {
            run(&mut self.memory[self.next * stripe_bytes..][..stripe_bytes], each);
            self.next = (self.next + 1) % self.stripes;
        }
    }
}

fn stride(column_bytes: usize) -> usize {
    column_bytes.next_multiple_of(LINE_BYTES) + PADDING_BYTES
}
