//! Updating parity by the difference of old and new, beside making all parity again: in bytes of new data per second. What
//! plans cost to make. And codes with optimal repair beside B-codes.

use core::time::Duration;
use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rain_codec::plan::{PartialSums, ReadCosts, ReadPlan, RepairPlan, UpdatePlan};
use rain_codec::{Cell, CellKind, Code, ErasurePattern, StripeCodec};

const CODES: [&str; 4] = ["b-code:6", "b-code:10", "x-code:7", "rs:8+3"];
/// Bytes of a cell, and stripes that are worked on in turns: within the caches, and from memory.
const REGIMES: [(&str, usize, usize); 2] = [("cached", 4096, 1), ("memory", 16 << 10, 400)];

/// A stripe, cell by cell in byte order, its parity apart.
struct Stripe {
    data: Vec<Vec<u8>>,
    parity: Vec<Vec<u8>>,
}

fn stripe(codec: &StripeCodec, cell_bytes: usize) -> Stripe {
    let code = codec.code();
    let data: Vec<Vec<u8>> =
        (0..code.data_cell_count()).map(|index| vec![index.to_le_bytes()[0] ^ 0x5a; cell_bytes]).collect();
    let mut parity = vec![vec![0; cell_bytes]; code.parity_cells().count()];
    encode(codec, &data, &mut parity);
    Stripe { data, parity }
}

fn encode(codec: &StripeCodec, data: &[Vec<u8>], parity: &mut [Vec<u8>]) {
    let data: Vec<&[u8]> = data.iter().map(Vec::as_slice).collect();
    let mut parity: Vec<&mut [u8]> = parity.iter_mut().map(Vec::as_mut_slice).collect();
    codec.encode(&data, &mut parity);
}

/// A plan, and which of the cells of a stripe are the plan's.
struct Update {
    plan: UpdatePlan,
    data: Vec<bool>,
    parity: Vec<bool>,
}

impl Update {
    fn new(code: &Code, cells: &[Cell]) -> Self {
        let plan = UpdatePlan::new(code, cells).expect("data cells");
        let data = (0..code.data_cell_count()).map(|index| plan.data().contains(&code.data_cell(index))).collect();
        let parity = code.parity_cells().map(|(cell, _)| plan.parity().contains(&cell)).collect();
        Self { plan, data, parity }
    }

    /// Overwrites the data cells of the plan, which are all to be alike, and changes their parity cells.
    fn run(&self, stripe: &mut Stripe, new: &[u8]) {
        let mut data = chosen(&mut stripe.data, &self.data);
        let mut parity = chosen(&mut stripe.parity, &self.parity);
        let new = vec![new; data.len()];
        self.plan.overwrite(&mut data, &new, &mut parity);
    }
}

fn chosen<'cells>(cells: &'cells mut [Vec<u8>], are_chosen: &[bool]) -> Vec<&'cells mut [u8]> {
    let chosen = cells.iter_mut().zip(are_chosen).filter(|(_, is_chosen)| **is_chosen);
    chosen.map(|(cell, _)| cell.as_mut_slice()).collect()
}

fn updates(criterion: &mut Criterion) {
    for name in CODES {
        let codec = StripeCodec::new(Arc::new(Code::named(name).expect("a code of this crate")));
        let code = Arc::clone(codec.code());
        for (regime, cell_bytes, stripe_count) in REGIMES {
            let mut stripes: Vec<Stripe> = (0..stripe_count).map(|_| stripe(&codec, cell_bytes)).collect();
            let new = vec![0x33; cell_bytes];
            let mut group = criterion.benchmark_group(format!("update/{name}/{regime}"));
            for (what, count) in [("one cell", 1), ("a quarter", code.data_cell_count() / 4)] {
                let cells: Vec<Cell> = (0..count).map(|index| code.data_cell(index)).collect();
                let update = Update::new(&code, &cells);
                group.throughput(Throughput::Bytes((count * cell_bytes) as u64));
                let mut turn = (0..stripe_count).cycle();
                group.bench_function(format!("{what}, by difference"), |bencher| {
                    bencher.iter(|| {
                        let stripe = &mut stripes[turn.next().unwrap_or(0)];
                        update.run(black_box(stripe), &new);
                    });
                });
                group.bench_function(format!("{what}, all parity anew"), |bencher| {
                    bencher.iter(|| {
                        let Stripe { data, parity } = black_box(&mut stripes[turn.next().unwrap_or(0)]);
                        data[..count].iter_mut().for_each(|cell| cell.copy_from_slice(&new));
                        encode(&codec, data, parity);
                    });
                });
            }
        }
    }
}

/// Codes with optimal repair beside B-codes of as many columns, stripes with the same bytes of data: from the second-level
/// cache, and from memory. Encoding and decoding in bytes of data per second, repair in bytes of the column.
fn optimal_repair(criterion: &mut Criterion) {
    const DATA_BYTES: usize = 384 << 10;
    for name in (4..=8).flat_map(|columns| [format!("b-code:{columns}"), format!("mdr:{columns}")]) {
        let codec = StripeCodec::new(Arc::new(Code::named(&name).expect("a code of this crate")));
        let code = codec.code();
        let cell_bytes = (DATA_BYTES / code.data_cell_count()).next_multiple_of(64);
        let lost = ErasurePattern::of(&[0, 1]);
        let is_wanted =
            |cell: &Cell| lost.contains(usize::from(cell.column)) && matches!(code.cell(*cell), CellKind::Data { .. });
        let wanted: Vec<Cell> = code.cells().filter(is_wanted).collect();
        let decode = codec.recover_schedule(lost, &wanted).expect("two may be lost");
        let repair = RepairPlan::new(code, 0, &ReadCosts::equal(code)).expect("one may be lost");
        let data_bytes = code.data_cell_count() * cell_bytes;
        for (what, schedule, bytes) in [
            ("encode", codec.encode_schedule(), data_bytes),
            ("decode", &*decode, data_bytes),
            ("repair", repair.schedule(), code.rows() * cell_bytes),
        ] {
            for (regime, stripe_count) in [("cached", 1), ("memory", 400)] {
                let cells = |count: usize| vec![vec![vec![0x5a_u8; cell_bytes]; count]; stripe_count];
                let (inputs, mut outputs) = (cells(schedule.inputs().len()), cells(schedule.targets().len()));
                let mut turn = (0..stripe_count).cycle();
                let mut group = criterion.benchmark_group(format!("repair/{regime}"));
                group.throughput(Throughput::Bytes(bytes as u64));
                group.bench_function(format!("{name} {what}"), |bencher| {
                    bencher.iter(|| {
                        let turn = turn.next().unwrap_or(0);
                        let inputs: Vec<&[u8]> = inputs[turn].iter().map(Vec::as_slice).collect();
                        let mut outputs: Vec<&mut [u8]> = outputs[turn].iter_mut().map(Vec::as_mut_slice).collect();
                        codec.run(schedule, black_box(&inputs), &mut outputs);
                    });
                });
            }
        }
    }
}

fn planning(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("plans");
    for name in ["b-code:6", "b-code:10", "b-code:22", "x-code:13", "rs:8+3"] {
        let code = Code::named(name).expect("a code of this crate");
        let lost = |columns: &[usize]| ReadCosts::equal(&code).without(ErasurePattern::of(columns));
        let cell = [Cell::new(0, 0)];
        for (what, costs) in [("one cell, one lost", lost(&[0])), ("one cell, two lost", lost(&[0, 1]))] {
            group.bench_function(format!("{name} {what}"), |bencher| {
                bencher.iter(|| ReadPlan::new(black_box(&code), &cell, &costs));
            });
        }
        let row: Vec<Cell> = (0..code.columns().min(8)).map(|index| code.data_cell(index)).collect();
        for (what, costs) in [("eight cells, one lost", lost(&[0])), ("eight cells, two lost", lost(&[0, 1]))] {
            group.bench_function(format!("{name} {what}"), |bencher| {
                bencher.iter(|| ReadPlan::new(black_box(&code), &row, &costs));
            });
        }
        let equal = ReadCosts::equal(&code);
        group.bench_function(format!("{name} repair"), |bencher| {
            bencher.iter(|| RepairPlan::new(black_box(&code), 0, &equal));
        });
        let wanted: Vec<Cell> = (0..code.rows()).map(|row| Cell::new(0, row)).collect();
        let others: Vec<usize> = (1..code.columns()).collect();
        group.bench_function(format!("{name} chain"), |bencher| {
            bencher.iter(|| PartialSums::chain(black_box(&code), &wanted, &others));
        });
        group.bench_function(format!("{name} update of a cell"), |bencher| {
            bencher.iter(|| UpdatePlan::new(black_box(&code), &cell));
        });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(400))
        .sample_size(10);
    targets = updates, planning, optimal_repair
}
criterion_main!(benches);
