//! What a node does to the answers of its peers before it uses them, in cell bytes per second: their seals checked, and
//! besides the cells proven against the root of their column. Whole reads, as of a stream, and the blocks of a short range.

use core::hint::black_box;
use core::time::Duration;

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use rain_codec::column::{ColumnBuilder, ColumnTree, HASH_BYTES};
use rain_codec::{Code, Geometry, Seal, TitleVersion};
use rain_fetch::{Arrival, ColumnRead, ReadProof, Rope};
use rain_gauge::noise;

const VERSION: TitleVersion = TitleVersion { counter: 1, node: 2, life: 3, random: 4 };
const TITLE_BYTES: u64 = 64 << 20;
const CELL_BYTES: u32 = 256 << 10;
const BLOCK_BYTES: u32 = 16 << 10;
/// Answers come from a connection in buffers of about this length.
const BUFFER_BYTES: usize = 200_000;

/// A column of b-code:4.
struct Column {
    geometry: Geometry,
    seal: Seal,
    /// Without the header.
    records: Vec<Vec<u8>>,
    tree: ColumnTree,
}

impl Column {
    fn new() -> Self {
        let code = Code::named("b-code:4").expect("a code of the codec");
        let geometry = Geometry::new(&code, CELL_BYTES, BLOCK_BYTES, TITLE_BYTES);
        let seal = Seal::new("film", VERSION, 0);
        let mut builder = ColumnBuilder::new(seal, geometry.tree().group_bytes());
        let mut random = noise(7);
        let mut record = |index| {
            let stripe = geometry.stripe(index);
            let words = stripe.cell_offset(stripe.rows) / 8;
            let cells: Vec<u8> = (0..words).flat_map(|_| random().to_le_bytes()).collect();
            builder.record(&stripe, [&cells[..]])
        };
        let records = (0..geometry.stripe_count()).map(&mut record).collect();
        Self { geometry, seal, records, tree: builder.finish() }
    }

    /// As a peer answers: of full stripes, whose blocks have no fringe.
    fn answer(&self, read: &ColumnRead) -> Rope {
        let length = |bytes: u64| usize::try_from(bytes).expect("in memory");
        let mut bytes = Vec::new();
        for stripe in read.stripes.clone() {
            let (shape, record) = (self.geometry.stripe(stripe), &self.records[length(stripe)]);
            for row in read.rows.clone() {
                bytes.extend_from_slice(&record[length(shape.cell_offset(row))..][read.span(&shape)]);
            }
            for row in read.rows.clone() {
                let at = |block| length(shape.checksum_offset(row, block));
                bytes.extend_from_slice(&record[at(read.blocks.start)..at(read.blocks.end)]);
            }
        }
        if read.proof {
            let (proof, section) = (ReadProof::of(read, &self.geometry), self.tree.to_bytes());
            assert!(proof.fringe().is_empty(), "blocks that are groups");
            for place in proof.places() {
                bytes.extend_from_slice(&section[length(*place) * HASH_BYTES..][..HASH_BYTES]);
            }
        }
        let (mut rope, bytes) = (Rope::default(), Bytes::from(bytes));
        for start in (0..bytes.len()).step_by(BUFFER_BYTES) {
            rope.push(bytes.slice(start..bytes.len().min(start + BUFFER_BYTES)));
        }
        rope
    }
}

fn reads(criterion: &mut Criterion) {
    let column = Column::new();
    let root = column.tree.root();
    // Of a piece of 2 MiB with all columns there, of one with two columns lost, of a range of 64 KiB.
    for (name, stripes, rows, blocks) in
        [("one-row", 4..6, 0..1, 0..16), ("whole-records", 4..6, 0..2, 0..16), ("64-KiB", 5..6, 0..1, 4..8)]
    {
        let mut group = criterion.benchmark_group(format!("reads/{name}"));
        for (verify, proof) in [("crc", false), ("hash", true)] {
            let read = ColumnRead { stripes: stripes.clone(), rows: rows.clone(), blocks: blocks.clone(), proof };
            let cells = read.runs(&column.geometry).map(|(run, _)| run.end - run.start).sum();
            let answer = column.answer(&read);
            group.throughput(Throughput::Bytes(cells));
            group.bench_function(verify, |bencher| {
                let verify = |(read, answer)| {
                    black_box(Arrival::verified(read, answer, column.seal, &root, &column.geometry)).expect("sound")
                };
                bencher.iter_batched(|| (read.clone(), answer.clone()), verify, BatchSize::SmallInput);
            });
        }
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_secs(1))
        .sample_size(30);
    targets = reads
}
criterion_main!(benches);
