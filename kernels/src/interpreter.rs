//! Runs a program from its table of sources: the algorithm once, generic over the instruction set.
//!
//! Everything here is `#[inline(always)]`: a function that stays a call would be compiled without the instruction set.

use pulp::Simd;

use crate::memory::LINE_BYTES;
use crate::{ColumnProgram, Layout, Place, Program};

/// Bytes of all cells together that one strip aims at: what stays in a first-level cache of 32 KiB and more.
const STRIP_TOTAL_BYTES: usize = 32 * 1024;
/// Shortest and longest piece of one cell in a strip. Measured with 6 to 72 cells: 512 bytes lose up to 10 % to the
/// set-up of the loops even where 1 KiB no longer fits the cache, and beyond 4 KiB nothing is gained.
const STRIP_BYTES_MIN: usize = 1024;
const STRIP_BYTES_MAX: usize = 4096;
/// Strips end on multiples of four vectors of the widest set, so that only a cell's last strip has a tail.
const STRIP_GRAIN: usize = 256;
/// Vectors in flight per step.
const UNROLL: usize = 4;
/// Sources read in one pass over a strip; with the accumulators they fit any set's registers.
const FUSED_MAX: usize = 8;

#[inline(always)]
pub(crate) fn run<S: Simd>(simd: S, program: &Program, inputs: &[&[u8]], outputs: &mut [&mut [u8]], cell_len: usize) {
    let cell_count = (inputs.len() + outputs.len()).max(1);
    let fair = STRIP_TOTAL_BYTES / cell_count / STRIP_GRAIN * STRIP_GRAIN;
    let strip_bytes = fair.clamp(STRIP_BYTES_MIN, STRIP_BYTES_MAX);
    let mut start = 0;
    while start < cell_len {
        let end = cell_len.min(start + strip_bytes);
        for (step, sources) in program.steps().enumerate() {
            let (earlier, rest) = outputs.split_at_mut(step);
            let cells = Cells { inputs, earlier, start, end };
            run_step(simd, &cells, sources, &mut rest[0][start..end]);
        }
        start = end;
    }
}

/// Runs a program over interleaved or divided columns, a line at a time; tile by tile, so that cells read twice stay in the
/// first-level cache. W vectors make a line.
#[inline(always)]
pub(crate) fn run_columns<S: Simd, const W: usize>(
    simd: S,
    program: &ColumnProgram,
    layout: Layout,
    turn: usize,
    columns: &mut [&mut [u8]],
) {
    let shape = program.shape();
    let lines = columns.first().map_or(0, |column| column.len() / (shape.rows * LINE_BYTES));
    let tile = (STRIP_TOTAL_BYTES / (columns.len() * shape.rows * LINE_BYTES).max(1)).max(1);
    let places = program.places();
    let outputs = &places[program.program().input_count()..];
    let line_of =
        |place: Place, line| shape.line(layout, usize::from(place.column), shape.turned_row(place, turn), line, lines);
    let mut start = 0;
    while start < lines {
        let end = lines.min(start + tile);
        for (&output, sources) in outputs.iter().zip(program.program().steps()) {
            for line in start..end {
                let mut sum = [simd.splat_u8s(0); W];
                for &source in sources {
                    let place = places[usize::from(source)];
                    let cell = vectors::<S, W>(columns[usize::from(place.column)], line_of(place, line));
                    for vector in 0..W {
                        sum[vector] = simd.xor_u8s(sum[vector], cell[vector]);
                    }
                }
                *vectors::<S, W>(columns[usize::from(output.column)], line_of(output, line)) = sum;
            }
        }
        start = end;
    }
}

#[inline(always)]
fn vectors<S: Simd, const W: usize>(column: &mut [u8], line: usize) -> &mut [S::u8s; W] {
    &mut pulp::as_arrays_mut::<W, _>(S::as_mut_simd_u8s(column).0).0[line]
}

/// The cells that a step may read, cut to the strip.
struct Cells<'run, 'read, 'write> {
    inputs: &'run [&'read [u8]],
    earlier: &'run [&'write mut [u8]],
    start: usize,
    end: usize,
}

impl Cells<'_, '_, '_> {
    #[inline(always)]
    fn strip(&self, number: u16) -> &[u8] {
        let number = usize::from(number);
        let cell = match self.inputs.get(number) {
            Some(cell) => cell,
            None => &*self.earlier[number - self.inputs.len()],
        };
        &cell[self.start..self.end]
    }

    #[inline(always)]
    fn strips<const N: usize>(&self, numbers: &[u16]) -> [&[u8]; N] {
        let mut strips: [&[u8]; N] = [&[]; N];
        for (strip, &number) in strips.iter_mut().zip(numbers) {
            *strip = self.strip(number);
        }
        strips
    }
}

#[inline(always)]
fn run_step<S: Simd>(simd: S, cells: &Cells<'_, '_, '_>, sources: &[u16], out: &mut [u8]) {
    let (first, others) = sources.split_at(sources.len().min(FUSED_MAX));
    run_pass::<S, false>(simd, cells, first, out);
    for more in others.chunks(FUSED_MAX) {
        run_pass::<S, true>(simd, cells, more, out);
    }
}

#[inline(always)]
fn run_pass<S: Simd, const ONTO: bool>(simd: S, cells: &Cells<'_, '_, '_>, sources: &[u16], out: &mut [u8]) {
    match sources.len() {
        1 => xor_into::<S, 1, ONTO>(simd, cells.strips(sources), out),
        2 => xor_into::<S, 2, ONTO>(simd, cells.strips(sources), out),
        3 => xor_into::<S, 3, ONTO>(simd, cells.strips(sources), out),
        4 => xor_into::<S, 4, ONTO>(simd, cells.strips(sources), out),
        5 => xor_into::<S, 5, ONTO>(simd, cells.strips(sources), out),
        6 => xor_into::<S, 6, ONTO>(simd, cells.strips(sources), out),
        7 => xor_into::<S, 7, ONTO>(simd, cells.strips(sources), out),
        8 => xor_into::<S, 8, ONTO>(simd, cells.strips(sources), out),
        count => unreachable!("a pass of {count} sources"),
    }
}

/// Writes the XOR of the sources to `out`, or with `ONTO` XORs it onto what is there.
#[inline(always)]
fn xor_into<S: Simd, const N: usize, const ONTO: bool>(simd: S, sources: [&[u8]; N], out: &mut [u8]) {
    let (out_vectors, out_tail) = S::as_mut_simd_u8s(out);
    let mut vectors: [&[S::u8s]; N] = [&[]; N];
    let mut tails: [&[u8]; N] = [&[]; N];
    for source in 0..N {
        let (source_vectors, source_tail) = S::as_simd_u8s(sources[source]);
        // Cut to the output's lengths once, so that the loops below need no check.
        vectors[source] = &source_vectors[..out_vectors.len()];
        tails[source] = &source_tail[..out_tail.len()];
    }
    let whole = out_vectors.len() / UNROLL * UNROLL;
    let (out_groups, out_singles) = out_vectors.split_at_mut(whole);
    let (out_groups, _) = pulp::as_arrays_mut::<UNROLL, _>(out_groups);
    let mut groups: [&[[S::u8s; UNROLL]]; N] = [&[]; N];
    let mut singles: [&[S::u8s]; N] = [&[]; N];
    for source in 0..N {
        groups[source] = &pulp::as_arrays::<UNROLL, _>(vectors[source]).0[..out_groups.len()];
        singles[source] = &vectors[source][whole..];
    }
    for (at, out) in out_groups.iter_mut().enumerate() {
        let mut sum = groups[0][at];
        for group in &groups[1..] {
            xor_group(simd, &mut sum, &group[at]);
        }
        if ONTO {
            xor_group(simd, &mut sum, out);
        }
        *out = sum;
    }
    for (at, out) in out_singles.iter_mut().enumerate() {
        let mut sum = singles[0][at];
        for single in &singles[1..] {
            sum = simd.xor_u8s(sum, single[at]);
        }
        *out = if ONTO { simd.xor_u8s(sum, *out) } else { sum };
    }
    for (at, out) in out_tail.iter_mut().enumerate() {
        let before = if ONTO { *out } else { 0 };
        *out = tails.iter().fold(before, |sum, tail| sum ^ tail[at]);
    }
}

#[inline(always)]
fn xor_group<S: Simd>(simd: S, sum: &mut [S::u8s; UNROLL], group: &[S::u8s; UNROLL]) {
    for lane in 0..UNROLL {
        sum[lane] = simd.xor_u8s(sum[lane], group[lane]);
    }
}
