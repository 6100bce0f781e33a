//! What the hash tree of a column costs: beside CRCs when cells are read, when a title is encoded, and when it is decoded
//! out of k whole columns.

use core::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use rain_benches::AlignedBuffer;
use rain_codec::column::{
    ColumnHasher, ColumnTree, HASH_BYTES, default_cell_bytes, default_group_bytes, verify_groups,
};
use rain_codec::{Code, Seal, StripeCodec, StripeEncoder};
use rain_gauge::{median, noise};
use serde_json::{Value, json};

use crate::pipeline::Pipeline;
use crate::prototype::{Checksum, Layout, Prototype, Records, TITLE, VERSION};
use crate::{Effort, FIXED_BLOCK_BYTES};

/// Bytes that a measurement cycles over, more than a core's share of the last cache.
const POOL_BYTES: usize = 32 << 20;
/// Cell bytes, or data, of one sample: of less than a millisecond, so that others on the machine spoil few of them.
const SAMPLE_BYTES: usize = 1 << 20;
/// That many more samples.
const ROUNDS: usize = 10;
const CELL_BYTES: usize = 16 << 10;
const CODES: [&str; 2] = ["b-code:4", "b-code:6"];
/// The columns that decoding does without.
const LOST: [usize; 2] = [0, 1];

fn bytes(count: usize) -> AlignedBuffer {
    let mut random = noise(17);
    let mut buffer = AlignedBuffer::new(count);
    buffer.chunks_exact_mut(8).for_each(|word| word.copy_from_slice(&random().to_le_bytes()));
    buffer
}

/// Times some things in turn, round after round: the median of each, in GB/s of `sample_bytes`.
fn in_turn(effort: Effort, sample_bytes: usize, things: &mut [&mut dyn FnMut(usize)]) -> Vec<f64> {
    let mut samples = vec![Vec::new(); things.len()];
    for round in 0..effort.rounds * ROUNDS {
        for (thing, samples) in things.iter_mut().zip(&mut samples) {
            let start = Instant::now();
            thing(round);
            samples.push(sample_bytes as f64 / start.elapsed().as_secs_f64() / 1e9);
        }
    }
    samples.iter_mut().map(|samples| median(samples)).collect()
}

/// Whole cells of 16 KiB, each a block and a group, checked by checksum, by hash, by both; and each proven on its own.
pub(crate) fn reads(effort: Effort) -> Vec<Value> {
    let cells = bytes(POOL_BYTES);
    let seal = Seal::new(TITLE, VERSION, 0);
    let group_bytes = u32::try_from(CELL_BYTES).expect("16 KiB");
    let mut hasher = ColumnHasher::new(group_bytes);
    hasher.update(&cells);
    let tree = hasher.finish();
    let root = tree.root();
    let seals: Vec<u64> =
        (0..).zip(cells.chunks_exact(CELL_BYTES)).map(|(stripe, cell)| seal.seal(stripe, 0, 0, cell)).collect();
    let proofs: Vec<Vec<[u8; HASH_BYTES]>> =
        (0..seals.len() as u64).map(|group| tree.proof(group..group + 1).expect("a group of the column")).collect();
    let per_sample = SAMPLE_BYTES / CELL_BYTES;
    let places = |round: usize| {
        let first = round * per_sample % seals.len();
        first..first + per_sample
    };
    let cell = |place: usize| &cells[place * CELL_BYTES..][..CELL_BYTES];
    let crc = |place: usize| assert!(seal.check(place as u64, 0, 0, cell(place), seals[place]), "the seal");
    let hash = |place: usize| assert_eq!(tree.wrong_groups(place as u64, cell(place)).count(), 0, "the hash");
    let proven = |place: usize| {
        let groups = place as u64..place as u64 + 1;
        let checked = verify_groups(&root, POOL_BYTES as u64, group_bytes, groups, cell(place), &proofs[place]);
        assert_eq!(checked, Ok(()), "the proof");
    };
    let rates = in_turn(
        effort,
        SAMPLE_BYTES,
        &mut [
            &mut |round| places(round).for_each(crc),
            &mut |round| places(round).for_each(hash),
            &mut |round| {
                places(round).for_each(|place| {
                    crc(place);
                    hash(place);
                });
            },
            &mut |round| places(round).for_each(proven),
        ],
    );
    let checks = ["CRC-64/NVME", "BLAKE3 groups", "both", "BLAKE3 groups, each with its proof"];
    let row = |(check, rate): (&str, f64)| json!({ "cell_bytes": CELL_BYTES, "check": check, "gb_per_s": rate });
    checks.into_iter().zip(rates).map(row).collect()
}

/// Encoding, and decoding out of k columns, without and with the hashes of what is written or read.
pub(crate) fn codes(effort: Effort) -> Vec<Value> {
    CODES.into_iter().map(|name| code(name, effort)).collect()
}

fn code(name: &str, effort: Effort) -> Value {
    let codec = Arc::new(StripeCodec::new(Arc::new(Code::named(name).expect("a code of the codec"))));
    let cell_bytes = default_cell_bytes(codec.code());
    let title = bytes(POOL_BYTES);
    let block_bytes = u32::try_from(FIXED_BLOCK_BYTES).expect("16 KiB");
    let new = || StripeEncoder::new(Arc::clone(&codec), cell_bytes, block_bytes, TITLE, VERSION);
    let full = new().stripe_data_bytes();
    let stripes = (SAMPLE_BYTES / full).max(1);
    let pool_stripes = POOL_BYTES / full;
    let encode = |encoder: &mut StripeEncoder, round: usize| {
        for at in 0..stripes {
            let data = &title[(round * stripes + at) % pool_stripes * full..][..full];
            black_box(encoder.encode_stripe((round * stripes + at) as u64, data));
        }
    };
    let (mut plain, mut hashing) = (new().without_hashing(), new());
    let (mut decoding, mut decoding_hashed) = (Decoding::new(&codec, &title), Decoding::new(&codec, &title));
    let rates = in_turn(
        effort,
        stripes * full,
        &mut [
            &mut |round| encode(&mut plain, round),
            &mut |round| encode(&mut hashing, round),
            &mut |round| decoding.run(round * stripes, stripes, false),
            &mut |round| decoding_hashed.run(round * stripes, stripes, true),
        ],
    );
    let [encode, encode_hashed, decode, decode_hashed] = rates[..] else { unreachable!("four were timed") };
    json!({
        "code": name,
        "cell_bytes": cell_bytes,
        "group_bytes": default_group_bytes(cell_bytes),
        "encode_gb_per_s": encode,
        "encode_hashing_gb_per_s": encode_hashed,
        "decode2_gb_per_s": decode,
        "decode2_hashing_gb_per_s": decode_hashed,
    })
}

/// Decoding without two columns, of which the others may be hashed.
struct Decoding {
    pipeline: Pipeline,
    pool: Vec<Records>,
    trees: Vec<ColumnTree>,
    column_bytes: usize,
    out: AlignedBuffer,
}

impl Decoding {
    fn new(codec: &Arc<StripeCodec>, title: &[u8]) -> Self {
        let cell_bytes = default_cell_bytes(codec.code()) as usize;
        let prototype = Prototype::new(codec, cell_bytes, FIXED_BLOCK_BYTES, Checksum::Crc64, Layout::Contiguous);
        let (full, column_bytes) = (prototype.stripe_data_bytes(), prototype.area_bytes());
        let group_bytes = default_group_bytes(default_cell_bytes(codec.code()));
        let mut pipeline = Pipeline::new(prototype, &LOST);
        let encode = |(stripe, data): (usize, &[u8])| {
            let mut records = pipeline.prototype.new_records();
            pipeline.encode(stripe, data, &mut records);
            records
        };
        let pool: Vec<Records> = title.chunks_exact(full).enumerate().map(encode).collect();
        let tree = |column: usize| {
            let mut hasher = ColumnHasher::new(group_bytes);
            for records in &*pool {
                hasher.update(&records[column][..column_bytes]);
            }
            hasher.finish()
        };
        let trees = (0..codec.code().columns()).map(tree).collect();
        Self { pipeline, pool, trees, column_bytes, out: AlignedBuffer::new(full) }
    }

    fn run(&mut self, first: usize, stripes: usize, hashing: bool) {
        for at in first..first + stripes {
            let stripe = at % self.pool.len();
            if hashing {
                for (column, tree) in self.trees.iter().enumerate().filter(|(column, _)| !LOST.contains(column)) {
                    let group = (stripe * self.column_bytes) as u64 / u64::from(tree.shape().group_bytes());
                    let cells = &self.pool[stripe][column][..self.column_bytes];
                    assert_eq!(tree.wrong_groups(group, cells).count(), 0, "the hashes");
                }
            }
            self.pipeline.decode(stripe, &mut self.pool[stripe], &mut self.out);
        }
        black_box(&self.out[0]);
    }
}
