//! Checksums of one block, in bytes of the block per second.

use core::hint::black_box;
use core::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rain_benches::AlignedBuffer;
use rain_codec::column::{crc64, crc64_of_xor};

fn checksums(criterion: &mut Criterion) {
    for block_bytes in [512, 4096, 16_384, 65_536] {
        let mut group = criterion.benchmark_group(format!("checksum/{block_bytes}"));
        let mut block = AlignedBuffer::new(block_bytes);
        for (at, byte) in block.iter_mut().enumerate() {
            [*byte, ..] = (at * 131 + 7).to_le_bytes();
        }
        group.throughput(Throughput::Bytes(block_bytes as u64));
        group.bench_function("crc64-nvme", |bencher| bencher.iter(|| crc64(black_box(&block))));
        let crc32c = |bytes: &[u8]| crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, bytes);
        group.bench_function("crc32c", |bencher| bencher.iter(|| crc32c(black_box(&block))));
        group.bench_function("xxh3", |bencher| {
            bencher.iter(|| twox_hash::XxHash3_64::oneshot(black_box(&block)));
        });
        group.bench_function("blake3", |bencher| bencher.iter(|| blake3::hash(black_box(&block))));
        // The checksum of a decoded block, from those of ten others.
        let crcs: [u64; 10] = core::array::from_fn(|at| at as u64 * 0x9e37_79b9_7f4a_7c15);
        group.bench_function("crc64-of-xor", |bencher| {
            bencher.iter(|| crc64_of_xor(black_box(&crcs), black_box(block_bytes)));
        });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(400))
        .sample_size(20);
    targets = checksums
}
criterion_main!(benches);
