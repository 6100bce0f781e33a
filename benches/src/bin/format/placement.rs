//! XORs alone, without copies and checksums: what cells cost that compete for the same cache sets.

use core::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use rain_benches::AlignedBuffer;
use rain_codec::column::default_cell_bytes;
use rain_codec::{Cell, CellKind, StripeCodec};
use rain_gauge::median;
use serde_json::{Value, json};

use crate::lines::{self, LineSchedule};
use crate::{CELL_BYTES, Effort};

/// Five cache lines, so that neighbours use other sets.
const PAD_BYTES: usize = 320;
const SAMPLE_BYTES: usize = 8 << 20;

/// Measures encoding in place, of one stripe again and again: cells and columns at powers of two, columns padded, cells
/// and columns padded, cells interleaved.
pub(crate) fn placement(codec: &Arc<StripeCodec>, effort: Effort) -> Vec<Value> {
    let default = default_cell_bytes(codec.code()) as usize;
    let mut sizes: Vec<usize> = CELL_BYTES.into_iter().filter(|&cell_bytes| cell_bytes < default).collect();
    sizes.push(default);
    sizes.into_iter().flat_map(|cell_bytes| measure(codec, cell_bytes, effort)).collect()
}

fn measure(codec: &StripeCodec, cell_bytes: usize, effort: Effort) -> Vec<Value> {
    let code = codec.code();
    let rows = code.rows();
    let mut contiguous = [(0, 0), (PAD_BYTES, 0), (PAD_BYTES, PAD_BYTES)].map(|(column_pad, cell_pad)| {
        let cell_pitch = cell_bytes + cell_pad;
        let column_pitch = rows * cell_pitch + column_pad;
        (AlignedBuffer::new(code.columns() * column_pitch), column_pitch, cell_pitch)
    });
    let mut interleaved: Vec<AlignedBuffer> =
        (0..code.columns()).map(|column| AlignedBuffer::staggered(rows * cell_bytes, column)).collect();
    let line_schedule = LineSchedule::of(codec.encode_schedule());
    let mut samples: [Vec<f64>; 5] = Default::default();
    let data_bytes = code.data_cell_count() * cell_bytes;
    let times = (SAMPLE_BYTES / data_bytes).max(1);
    let rate = |start: Instant| (times * data_bytes) as f64 / start.elapsed().as_secs_f64() / 1e9;
    for _ in 0..effort.rounds {
        for ((arena, column_pitch, cell_pitch), samples) in contiguous.iter_mut().zip(&mut samples) {
            let mut data: Vec<&[u8]> = vec![&[]; code.data_cell_count()];
            let mut parity: Vec<&mut [u8]> = Vec::new();
            for (column, bytes) in arena.chunks_exact_mut(*column_pitch).enumerate() {
                for (row, cell) in bytes.chunks_exact_mut(*cell_pitch).take(rows).enumerate() {
                    let cell = &mut cell[..cell_bytes];
                    match code.cell(Cell::new(column, row)) {
                        CellKind::Data { index } => data[index] = cell,
                        CellKind::Parity { .. } => parity.push(cell),
                    }
                }
            }
            let start = Instant::now();
            for _ in 0..times {
                codec.encode(black_box(&data), black_box(&mut parity));
            }
            samples.push(rate(start));
        }
        let mut columns: Vec<&mut [u8]> = interleaved.iter_mut().map(|column| &mut **column).collect();
        let start = Instant::now();
        for _ in 0..times {
            lines::run::<64>(&line_schedule, black_box(&mut columns), rows);
        }
        samples[3].push(rate(start));
        let start = Instant::now();
        for _ in 0..times {
            lines::run::<128>(&line_schedule, black_box(&mut columns), rows);
        }
        samples[4].push(rate(start));
    }
    let names = ["packed", "columns padded", "cells padded", "64 B lines", "128 B lines"];
    let rows = names.into_iter().zip(&mut samples).map(|(name, samples)| {
        json!({
            "code": code.name(),
            "cell_bytes": cell_bytes,
            "placement": name,
            "gb_per_s": median(samples),
        })
    });
    rows.collect()
}
