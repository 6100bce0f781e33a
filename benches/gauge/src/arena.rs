//! Stripes in memory: columns that begin where they share few cache sets.

use std::io;

use memmap2::{Advice, MmapMut, MmapOptions};

use rain_codec::{Code, column_stride};

use crate::noise;

/// Of the pages that stripes lie in where the system has them: with ordinary ones a stripe's place in the second-level
/// cache would be another in every run.
const LARGE_PAGE_BYTES: usize = 2 << 20;
/// Bytes after which the noise repeats; no multiple of a column's.
const PATTERN_BYTES: usize = 8 * 12_289;

/// Stripes of equally many columns, in large pages where the system gives them.
///
/// Shape: columns begin [`column_stride`] apart.
#[derive(Debug)]
pub struct Arena {
    memory: MmapMut,
    /// Where in it the first stripe begins.
    start: usize,
    columns: usize,
    data_columns: usize,
    column_bytes: usize,
    stride: usize,
    stripes: usize,
    next: usize,
}

impl Arena {
    /// Makes stripes of a code, filled with noise.
    ///
    /// # Errors
    /// The system has not enough memory.
    pub fn new(code: &Code, column_bytes: usize, stripes: usize) -> io::Result<Self> {
        let (n, k) = (code.columns(), code.data_columns());
        let stride = column_stride(column_bytes, code.rows());
        let wanted = n * stride * stripes;
        let mut memory =
            MmapOptions::new().len(wanted.next_multiple_of(LARGE_PAGE_BYTES) + LARGE_PAGE_BYTES).map_anon()?;
        let start = memory.as_ptr().align_offset(LARGE_PAGE_BYTES);
        // Without large pages the figures are of ordinary ones: nothing to report.
        let _ = memory.advise(Advice::HugePage);
        let mut word = noise(n as u64 + 1);
        let pattern: Vec<u8> = (0..PATTERN_BYTES / 8).flat_map(|_| word().to_le_bytes()).collect();
        for chunk in memory.chunks_mut(PATTERN_BYTES) {
            chunk.copy_from_slice(&pattern[..chunk.len()]);
        }
        Ok(Self { memory, start, columns: n, data_columns: k, column_bytes, stride, stripes, next: 0 })
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
        let (column_bytes, stride) = (self.column_bytes, self.stride);
        self.visit_whole(times, |stripe, times| {
            let padded = stripe.chunks_exact_mut(stride);
            let mut columns: Vec<&mut [u8]> = padded.map(|column| &mut column[..column_bytes]).collect();
            run(&mut columns, times);
        });
    }

    /// Hands out stripes as [`Arena::visit`] does, each as one piece of memory with its padding.
    pub fn visit_whole(&mut self, times: usize, mut run: impl FnMut(&mut [u8], usize)) {
        let each = if self.stripes == 1 { times } else { 1 };
        let stripe_bytes = self.columns * self.stride;
        for _ in 0..times / each {
            run(&mut self.memory[self.start + self.next * stripe_bytes..][..stripe_bytes], each);
            self.next = (self.next + 1) % self.stripes;
        }
    }
}
