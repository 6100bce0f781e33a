//! Encoding and recovering stripes in bytes of original data per second: by code, layout and instruction set; and what
//! planning costs.

use core::time::Duration;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rain_codec::{Cell, Code, ErasurePattern, InterleavedCodec, Kernel, Layout, Schedule, Stores};
use rain_gauge::{Arena, Contender, Operation, Regime, codec, layout_name, layouts, operations, stores_name};

const CODES: [&str; 6] = ["b-code:4", "b-code:6", "b-code:10", "b-code:12", "x-code:7", "x-code:11"];

fn code(name: &str) -> Arc<Code> {
    Arc::new(Code::named(name).expect("a code of this crate"))
}

fn arena(code: &Code, regime: Regime) -> Arena {
    let (n, k) = (code.columns(), code.data_columns());
    let column_bytes = regime.column_bytes(n, k, Layout::Interleaved.grain(code.rows()));
    Arena::new(code, column_bytes, regime.stripe_count(n * column_bytes)).expect("memory for the stripes")
}

fn bench(criterion: &mut Criterion, group: &str, name: &str, arena: &mut Arena, contender: &mut Contender) {
    let mut group = criterion.benchmark_group(group);
    group.throughput(Throughput::Bytes(arena.stripe_data_bytes() as u64));
    group.bench_function(name, |bencher| {
        bencher.iter_custom(|times| {
            let began = Instant::now();
            contender.run(arena, usize::try_from(times).expect("a number of repetitions"));
            began.elapsed()
        });
    });
}

/// Every operation in every layout, in the second-level cache and from memory.
fn stripes(criterion: &mut Criterion) {
    for name in CODES {
        let code = code(name);
        let codec_of = Arc::new(InterleavedCodec::new(Arc::clone(&code)));
        for regime in [Regime::L2Quarter, Regime::Dram] {
            let mut arena = arena(&code, regime);
            for (operation_name, operation) in operations(&code) {
                for (layout, stores) in layouts() {
                    let mut contender = codec(&codec_of, &operation, layout, stores);
                    let group = format!("{name}/{}/{operation_name}", regime.name());
                    let what = format!("{} {}", layout_name(layout), stores_name(stores));
                    bench(criterion, &group, &what, &mut arena, &mut contender);
                }
            }
        }
    }
}

/// One code on every instruction set of this machine.
fn instruction_sets(criterion: &mut Criterion) {
    let code = code("b-code:10");
    let mut arena = arena(&code, Regime::L2Quarter);
    for kernel in Kernel::available() {
        let codec_of = Arc::new(InterleavedCodec::with_kernel(Arc::clone(&code), kernel));
        let mut contender = codec(&codec_of, &Operation::Encode, Layout::Interleaved, Stores::Normal);
        bench(criterion, "instruction sets", kernel.name(), &mut arena, &mut contender);
    }
}

/// What it costs to make a schedule, check it and find its body.
fn planning(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("planning");
    for name in CODES {
        let code = code(name);
        group.bench_function(format!("{name} encode"), |bencher| bencher.iter(|| Schedule::encode(black_box(&code))));
        let lost = ErasurePattern::of(&[0, 1]);
        let wanted: Vec<Cell> = code.cells().filter(|cell| lost.contains(usize::from(cell.column))).collect();
        group.bench_function(format!("{name} two lost"), |bencher| {
            bencher.iter(|| {
                let schedule = Schedule::recover(black_box(&code), lost, &wanted).expect("two columns may be lost");
                schedule.verify(&code).expect("what the code says");
            });
        });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(500))
        .sample_size(20);
    targets = stripes, instruction_sets, planning
}
criterion_main!(benches);
