//! Encoding and recovering one stripe in memory, in bytes of original data per second.

use core::time::Duration;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rain_benches::AlignedBuffer;
use rain_codec::column::default_cell_bytes;
use rain_codec::{Cell, Code, ErasurePattern, Schedule, StripeCodec};

const CODES: [&str; 6] = ["b-code:4", "b-code:6", "b-code:10", "b-code:12", "x-code:7", "x-code:11"];

/// The columns of a stripe, each a buffer of its own.
struct Stripe {
    columns: Vec<AlignedBuffer>,
    cell_bytes: usize,
}

impl Stripe {
    fn new(code: &Code, cell_bytes: usize) -> Self {
        let column_bytes = code.rows() * cell_bytes;
        let mut columns: Vec<AlignedBuffer> =
            (0..code.columns()).map(|column| AlignedBuffer::staggered(column_bytes, column)).collect();
        for (column, buffer) in columns.iter_mut().enumerate() {
            for (at, byte) in buffer.iter_mut().enumerate() {
                [*byte, ..] = (at * 31 + column).to_le_bytes();
            }
        }
        Self { columns, cell_bytes }
    }

    /// Runs a schedule on the stripe, as often as `times` says.
    fn run(&mut self, codec: &StripeCodec, schedule: &Schedule, mut times: impl FnMut(&mut dyn FnMut())) {
        let mut cells: Vec<(Cell, Option<&mut [u8]>)> = Vec::new();
        for (column, buffer) in self.columns.iter_mut().enumerate() {
            let of_column = buffer.chunks_exact_mut(self.cell_bytes).enumerate();
            cells.extend(of_column.map(|(row, bytes)| (Cell::new(column, row), Some(bytes))));
        }
        let mut take = |wanted: &Cell| {
            let (_, bytes) = cells.iter_mut().find(|(cell, _)| cell == wanted).expect("a cell of the code");
            bytes.take().expect("a cell is read or written once in a list")
        };
        let mut outputs: Vec<&mut [u8]> = schedule.targets().iter().map(&mut take).collect();
        let inputs: Vec<&[u8]> = schedule.inputs().iter().map(|cell| &*take(cell)).collect();
        times(&mut || codec.run(schedule, &inputs, &mut outputs));
    }
}

/// Every stripe is used again and again, so it stays in the cache that it fits in.
fn stripes(criterion: &mut Criterion) {
    for name in CODES {
        let codec = StripeCodec::new(Arc::new(Code::named(name).expect("a code of this crate")));
        let code = Arc::clone(codec.code());
        let whole = default_cell_bytes(&code) as usize;
        // The stripe that column files have, of up to 1 MiB, and a quarter of it, which fits most second-level caches.
        for cell_bytes in [whole / 4, whole] {
            let data_bytes = cell_bytes * code.data_cell_count();
            let mut group = criterion.benchmark_group(format!("{name}/{}KiB", data_bytes >> 10));
            group.throughput(Throughput::Bytes(data_bytes as u64));
            let mut stripe = Stripe::new(&code, cell_bytes);
            let all_of = |lost: &[usize]| -> Vec<Cell> {
                let rows = 0..code.rows();
                lost.iter().flat_map(|&column| rows.clone().map(move |row| Cell::new(column, row))).collect()
            };
            let recover = |lost: &[usize]| {
                let schedule = codec.recover_schedule(ErasurePattern::of(lost), &all_of(lost));
                schedule.expect("two lost columns can be recovered")
            };
            let schedules = [
                ("encode", Arc::new(codec.encode_schedule().clone())),
                ("decode1", recover(&[0])),
                ("decode2", recover(&[0, 1])),
            ];
            for (operation, schedule) in &schedules {
                group.bench_function(*operation, |bencher| {
                    stripe.run(&codec, schedule, |run| bencher.iter(&mut *run));
                });
            }
        }
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(500))
        .sample_size(20);
    targets = stripes
}
criterion_main!(benches);
