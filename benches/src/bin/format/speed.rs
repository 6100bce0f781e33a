//! Whole stripes: GB of data per second, for every combination in turn, round after round.

use core::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use rain_benches::AlignedBuffer;
use rain_codec::column::default_cell_bytes;
use rain_codec::{StripeCodec, StripeEncoder};
use rain_gauge::{median, noise};
use serde_json::{Value, json};

use crate::pipeline::Pipeline;
use crate::prototype::{Checksum, Layout, Prototype, Records, TITLE, VERSION};
use crate::{BLOCK_BYTES, CELL_BYTES, Effort, FIXED_BLOCK_BYTES};

/// Data that a measurement cycles over, more than a core's share of the last cache.
const POOL_BYTES: usize = 32 << 20;
/// Data of one sample.
const SAMPLE_BYTES: usize = 8 << 20;
/// The columns that decoding does without.
const LOST: [usize; 2] = [0, 1];

/// A combination with its title, in records and in bytes.
struct Combination {
    pipeline: Pipeline,
    pool: Vec<Records>,
    out: AlignedBuffer,
    out_records: Records,
    next: usize,
    samples: [Vec<f64>; 3],
}

impl Combination {
    fn new(prototype: Prototype, title: &[u8]) -> Self {
        let full = prototype.stripe_data_bytes();
        let mut pipeline = Pipeline::new(prototype, &LOST);
        let out = AlignedBuffer::new(full);
        let pool: Vec<Records> = (title.chunks_exact(full).enumerate())
            .map(|(stripe, data)| {
                let mut records = pipeline.prototype.new_records();
                pipeline.encode(stripe, data, &mut records);
                records
            })
            .collect();
        let mut combination = Self {
            out_records: pipeline.prototype.new_records(),
            pipeline,
            pool,
            out,
            next: 0,
            samples: Default::default(),
        };
        combination.verify(title);
        combination
    }

    /// Every operation must give the title back before its speed counts.
    fn verify(&mut self, title: &[u8]) {
        for (stripe, data) in title.chunks_exact(self.out.len()).enumerate().take(2) {
            self.out.fill(0);
            self.pipeline.read(stripe, &self.pool[stripe], &mut self.out);
            assert!(*self.out == *data, "reading {:?}", self.pipeline.prototype);
            self.compare_with_the_format(stripe, data);
            let mut damaged = self.pipeline.prototype.new_records();
            for (column, record) in damaged.iter_mut().enumerate().filter(|(column, _)| !LOST.contains(column)) {
                record.copy_from_slice(&self.pool[stripe][column]);
            }
            self.out.fill(0);
            self.pipeline.decode(stripe, &mut damaged, &mut self.out);
            assert!(*self.out == *data, "decoding {:?}", self.pipeline.prototype);
        }
    }

    /// What became the format must come out as the codec writes it.
    fn compare_with_the_format(&self, stripe: usize, data: &[u8]) {
        let prototype = &self.pipeline.prototype;
        if prototype.layout == Layout::Contiguous && prototype.checksum == Checksum::Crc64 {
            let [cell_bytes, block_bytes] =
                [prototype.cell_bytes, prototype.block_bytes].map(|bytes| u32::try_from(bytes).expect("below 4 GiB"));
            let mut encoder = StripeEncoder::new(Arc::clone(&prototype.codec), cell_bytes, block_bytes, TITLE, VERSION)
                .without_hashing();
            let expected = encoder.encode_stripe(stripe as u64, data);
            assert!(expected.iter().zip(&self.pool[stripe]).all(|(expected, record)| **expected == **record));
        }
    }

    fn sample(&mut self, title: &[u8]) {
        let full = self.out.len();
        let stripes = (SAMPLE_BYTES / full).max(1);
        for operation in 0..3 {
            let start = Instant::now();
            for at in 0..stripes {
                let stripe = (self.next + at) % self.pool.len();
                match operation {
                    0 => self.pipeline.encode(stripe, &title[stripe * full..][..full], &mut self.out_records),
                    1 => self.pipeline.decode(stripe, &mut self.pool[stripe], &mut self.out),
                    _ => self.pipeline.read(stripe, &self.pool[stripe], &mut self.out),
                }
            }
            black_box((&self.out[0], &self.out_records[0][0]));
            let seconds = start.elapsed().as_secs_f64();
            self.samples[operation].push((stripes * full) as f64 / seconds / 1e9);
        }
        self.next = (self.next + stripes) % self.pool.len();
    }
}

fn measure(prototypes: Vec<Prototype>, effort: Effort) -> Vec<Value> {
    let mut random = noise(11);
    let title: Vec<u8> = (0..POOL_BYTES / 8).flat_map(|_| random().to_le_bytes()).collect();
    let mut combinations: Vec<Combination> =
        prototypes.into_iter().map(|prototype| Combination::new(prototype, &title)).collect();
    for _ in 0..effort.rounds {
        for combination in &mut combinations {
            combination.sample(&title);
        }
    }
    combinations.into_iter().map(row).collect()
}

fn row(mut combination: Combination) -> Value {
    let prototype = &combination.pipeline.prototype;
    let [encode, decode, read] = combination.samples.each_mut().map(|samples| median(samples));
    json!({
        "code": prototype.code().name(),
        "cell_bytes": prototype.cell_bytes,
        "layout": prototype.layout.to_string(),
        "block_bytes": prototype.block_bytes,
        "checksum": prototype.checksum.name(),
        "stripe_data_bytes": prototype.stripe_data_bytes(),
        "encode_gb_per_s": encode,
        "decode2_gb_per_s": decode,
        "read_gb_per_s": read,
    })
}

/// Measures cell size and interleave.
pub(crate) fn layouts(codec: &Arc<StripeCodec>, effort: Effort) -> Vec<Value> {
    let prototypes = CELL_BYTES.into_iter().flat_map(|cell_bytes| {
        Layout::ALL.map(|layout| Prototype::new(codec, cell_bytes, FIXED_BLOCK_BYTES, Checksum::Crc64, layout))
    });
    measure(prototypes.collect(), effort)
}

/// Measures block and kind of the checksum.
pub(crate) fn checksums(codec: &Arc<StripeCodec>, effort: Effort) -> Vec<Value> {
    let cell_bytes = default_cell_bytes(codec.code()) as usize;
    let prototypes = BLOCK_BYTES.into_iter().filter(|&block_bytes| block_bytes <= cell_bytes).flat_map(|block_bytes| {
        Checksum::ALL.map(|checksum| Prototype::new(codec, cell_bytes, block_bytes, checksum, Layout::Contiguous))
    });
    measure(prototypes.collect(), effort)
}
