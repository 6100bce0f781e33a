//! Ranges of a title: bytes and requests, counted; time to first byte, measured.

use core::ops::Range;
use std::io;
use std::sync::Arc;
use std::time::Instant;

use rain_codec::column::default_cell_bytes;
use rain_codec::{ErasurePattern, StripeCodec};
use rain_gauge::{median, noise};
use serde_json::{Value, json};

use crate::files::ColumnFiles;
use crate::lines::LineSchedule;
use crate::pipeline::Pipeline;
use crate::prototype::{Checksum, Layout, Prototype};
use crate::ranges::{Cost, StripePlan, plan};
use crate::{BLOCK_BYTES, CELL_BYTES, Effort, FIXED_BLOCK_BYTES};

const TITLE_BYTES: usize = 64 << 20;
const RANGE_BYTES: usize = 1 << 20;
const FIRST_BYTES: usize = 64 << 10;
const ON_DISK: [Layout; 3] = [Layout::Contiguous, Layout::OnDisk(64), Layout::OnDisk(128)];

fn prototypes(codec: &Arc<StripeCodec>) -> Vec<Prototype> {
    let cells = CELL_BYTES.into_iter().flat_map(|cell_bytes| {
        ON_DISK.map(|layout| Prototype::new(codec, cell_bytes, FIXED_BLOCK_BYTES, Checksum::Crc64, layout))
    });
    let default = default_cell_bytes(codec.code()) as usize;
    let blocks = BLOCK_BYTES.into_iter().filter(|&block_bytes| block_bytes <= default).flat_map(|block_bytes| {
        ON_DISK.map(|layout| Prototype::new(codec, default, block_bytes, Checksum::Crc64, layout))
    });
    let mut prototypes: Vec<Prototype> = Vec::new();
    for prototype in cells.chain(blocks) {
        let key = |prototype: &Prototype| (prototype.cell_bytes, prototype.block_bytes, prototype.layout);
        if !prototypes.iter().any(|known| key(known) == key(&prototype)) {
            prototypes.push(prototype);
        }
    }
    prototypes
}

/// Chooses as many different columns as are to be lost.
fn lose(count: usize, columns: usize, random: &mut impl FnMut() -> u64) -> ErasurePattern {
    let mut lost = ErasurePattern::none();
    lose_more(&mut lost, count, columns, random);
    lost
}

fn lose_more(lost: &mut ErasurePattern, count: usize, columns: usize, random: &mut impl FnMut() -> u64) {
    while lost.len() < count {
        *lost = lost.with(below(random, columns));
    }
}

fn below(random: &mut impl FnMut() -> u64, end: usize) -> usize {
    usize::try_from(random() >> 16).unwrap_or_default() % end
}

fn row(prototype: &Prototype, lost: usize) -> serde_json::Map<String, Value> {
    let row = json!({
        "code": prototype.code().name(),
        "cell_bytes": prototype.cell_bytes,
        "layout": prototype.layout.to_string(),
        "block_bytes": prototype.block_bytes,
        "lost": lost,
    });
    row.as_object().cloned().unwrap_or_default()
}

/// Counts what a range of 1 MiB reads, in the mean over ranges and lost columns.
pub(crate) fn ranges(codec: &Arc<StripeCodec>, effort: Effort) -> Vec<Value> {
    let mut rows = Vec::new();
    for prototype in prototypes(codec) {
        for lost in 0..=2 {
            let mut row = row(&prototype, lost);
            for (name, grain) in [("aligned", RANGE_BYTES), ("random", 1)] {
                let mut random = noise(5);
                let mut sum = Cost::default();
                for _ in 0..effort.ranges {
                    let start = below(&mut random, (TITLE_BYTES - RANGE_BYTES) / grain) * grain;
                    let lost = lose(lost, prototype.code().columns(), &mut random);
                    for stripe in plan(&prototype, start..start + RANGE_BYTES, lost) {
                        let cost = stripe.cost(&prototype);
                        sum.bytes += cost.bytes;
                        sum.requests += cost.requests;
                        sum.reads += cost.reads;
                    }
                }
                let mean = |total: usize| total as f64 / effort.ranges as f64;
                row.insert(format!("{name}_bytes_per_byte"), json!(mean(sum.bytes) / RANGE_BYTES as f64));
                row.insert(format!("{name}_requests"), json!(mean(sum.requests)));
                row.insert(format!("{name}_reads"), json!(mean(sum.reads)));
            }
            rows.push(Value::Object(row));
        }
    }
    rows
}

type Planned = (Range<usize>, Vec<(StripePlan, Vec<LineSchedule>)>);

/// Measures the time to have 64 KiB at a random offset, checked, from column files in the page cache. Planning is not
/// in it, nor is the network.
pub(crate) fn first_bytes(codec: &Arc<StripeCodec>, effort: Effort) -> io::Result<Vec<Value>> {
    let folder = std::env::temp_dir();
    let mut random = noise(23);
    let title: Vec<u8> = (0..TITLE_BYTES / 8).flat_map(|_| random().to_le_bytes()).collect();
    let mut opened = Vec::new();
    for prototype in prototypes(codec) {
        let mut pipeline = Pipeline::new(prototype, &[0, 1]);
        let files = ColumnFiles::write(&folder, &mut pipeline, &title)?;
        opened.push((pipeline.prototype, files, [const { Vec::new() }; 3]));
    }
    let mut out = vec![0; FIRST_BYTES];
    for _ in 0..effort.ranges {
        for lost in 0..=2 {
            // Another range each time: the last one's bytes are in the processor's caches.
            let start = below(&mut random, TITLE_BYTES - FIRST_BYTES);
            let range = start..start + FIRST_BYTES;
            for (prototype, files, samples) in &mut opened {
                // What is lost begins with the column that holds the first byte asked for.
                let mut pattern = ErasurePattern::none();
                if lost > 0 {
                    let first = codec.code().data_cell(start % prototype.stripe_data_bytes() / prototype.cell_bytes);
                    pattern = pattern.with(usize::from(first.column));
                    lose_more(&mut pattern, lost, codec.code().columns(), &mut random);
                }
                let (range, plans) = planned(prototype, range.clone(), pattern);
                let begin = Instant::now();
                files.read(prototype, &plans, &mut out)?;
                samples[lost].push(begin.elapsed().as_secs_f64() * 1e6);
                assert!(out == title[range], "a range of {prototype:?}");
            }
        }
    }
    let rows = opened.into_iter().flat_map(|(prototype, _, samples)| {
        (0..).zip(samples).map(move |(lost, mut samples): (usize, Vec<f64>)| {
            let mut row = row(&prototype, lost);
            row.insert("first_64_kib_us".to_owned(), json!(median(&mut samples)));
            Value::Object(row)
        })
    });
    Ok(rows.collect())
}

fn planned(prototype: &Prototype, range: Range<usize>, lost: ErasurePattern) -> Planned {
    let plans = plan(prototype, range.clone(), lost).into_iter().map(|plan| {
        let lines = plan.repairs.iter().map(|(_, schedule)| LineSchedule::of(schedule)).collect();
        (plan, lines)
    });
    (range, plans.collect())
}
