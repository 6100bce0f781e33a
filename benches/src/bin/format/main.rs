//! Measures prototypes of the column file: cell size, interleave, checksum block and kind against speed, bytes read,
//! time to first byte and overhead.
//!
//! Not the whole product: cell size and interleave vary together with blocks of 16 KiB under CRC-64/NVME; block and
//! kind vary together with contiguous cells of the default size. Prints Markdown tables, and writes all figures to
//! `benches/record`. With `--quick` every measurement is short, and no record is written. With `--hashing` only the cost of
//! the hash trees is measured.
#![forbid(unsafe_code)]
#![expect(clippy::cast_precision_loss, reason = "sizes here are far below 2^52")]

mod cost;
mod files;
mod hashing;
mod lines;
mod overhead;
mod pipeline;
mod placement;
mod prototype;
mod ranges;
mod speed;
mod table;

use std::io;
use std::sync::Arc;

use rain_benches::{Results, write_record};
use rain_codec::{Code, StripeCodec};
use rain_gauge::Machine;
use serde_json::Value;

use table::Table;

const CODES: [&str; 4] = ["b-code:4", "b-code:6", "b-code:12", "x-code:7"];
const CELL_BYTES: [usize; 4] = [4 << 10, 16 << 10, 64 << 10, 256 << 10];
const BLOCK_BYTES: [usize; 3] = [4 << 10, 16 << 10, 64 << 10];
/// What is held fixed while other things vary.
const FIXED_BLOCK_BYTES: usize = 16 << 10;

const fn speed(name: &'static str, keys: &'static [&'static str], across: &'static str, value: &'static str) -> Table {
    Table { name, keys, across, value, digits: 1 }
}

const CELL: &[&str] = &["code", "cell_bytes"];
const LAYOUTS: [Table; 3] = [
    speed("Encode by cell and interleave, GB/s", CELL, "layout", "encode_gb_per_s"),
    speed("Decode without columns 0 and 1, by cell and interleave, GB/s", CELL, "layout", "decode2_gb_per_s"),
    speed("Read with all columns, by cell and interleave, GB/s", CELL, "layout", "read_gb_per_s"),
];
const BLOCK: &[&str] = &["code", "block_bytes"];
const CHECKSUMS: [Table; 3] = [
    speed("Encode by block and checksum, GB/s", BLOCK, "checksum", "encode_gb_per_s"),
    speed("Decode without columns 0 and 1, by block and checksum, GB/s", BLOCK, "checksum", "decode2_gb_per_s"),
    speed("Read with all columns, by block and checksum, GB/s", BLOCK, "checksum", "read_gb_per_s"),
];
const PLACE: &[&str] = &["code", "cell_bytes", "block_bytes", "layout"];
const RANGES: [Table; 4] = [
    Table {
        name: "Bytes read per byte of an aligned 1 MiB, by columns lost",
        keys: PLACE,
        across: "lost",
        value: "aligned_bytes_per_byte",
        digits: 2,
    },
    Table {
        name: "Bytes read per byte of a random 1 MiB, by columns lost",
        keys: PLACE,
        across: "lost",
        value: "random_bytes_per_byte",
        digits: 2,
    },
    Table {
        name: "Requests for a random 1 MiB, by columns lost",
        keys: PLACE,
        across: "lost",
        value: "random_requests",
        digits: 1,
    },
    Table {
        name: "Contiguous pieces read for a random 1 MiB, by columns lost",
        keys: PLACE,
        across: "lost",
        value: "random_reads",
        digits: 1,
    },
];
const FIRST_BYTES: [Table; 1] = [Table {
    name: "Time to a random 64 KiB, checked, by columns lost, microseconds",
    keys: PLACE,
    across: "lost",
    value: "first_64_kib_us",
    digits: 0,
}];
const OVERHEAD_KEYS: &[&str] = &["code", "cell_bytes", "block_bytes", "checksum"];
const OVERHEAD: [Table; 2] = [
    Table { name: "Bytes stored", keys: OVERHEAD_KEYS, across: "title", value: "stored_bytes", digits: 0 },
    Table {
        name: "Bytes stored per byte of the title",
        keys: OVERHEAD_KEYS,
        across: "title",
        value: "ratio",
        digits: 4,
    },
];
const HASHED_READS: [Table; 1] = [speed("Whole cells, checked, GB/s", &["cell_bytes"], "check", "gb_per_s")];
const HASHED_CODES: [Table; 4] = [
    speed("Encode without hash trees, GB/s", &["code"], "group_bytes", "encode_gb_per_s"),
    speed("Encode with hash trees, GB/s", &["code"], "group_bytes", "encode_hashing_gb_per_s"),
    speed("Decode without columns 0 and 1, GB/s", &["code"], "group_bytes", "decode2_gb_per_s"),
    speed(
        "Decode without columns 0 and 1, the others hashed, GB/s",
        &["code"],
        "group_bytes",
        "decode2_hashing_gb_per_s",
    ),
];
const PLACEMENT: [Table; 1] =
    [speed("XORs of encoding alone, one stripe again and again, GB/s", CELL, "placement", "gb_per_s")];

/// How long to measure.
#[derive(Clone, Copy)]
struct Effort {
    rounds: usize,
    ranges: usize,
}

fn main() -> io::Result<()> {
    let asked = |option: &str| std::env::args().any(|argument| argument == option);
    let quick = asked("--quick");
    let effort = if quick { Effort { rounds: 3, ranges: 20 } } else { Effort { rounds: 41, ranges: 400 } };
    let codecs: Vec<Arc<StripeCodec>> = CODES
        .iter()
        .map(|name| Arc::new(StripeCodec::new(Arc::new(Code::named(name).expect("a code of the codec")))))
        .collect();
    let mut results = Results::new();
    let mut keep = |name: &str, rows: Vec<Value>, tables: &[Table]| {
        for table in tables {
            table.print(&rows);
        }
        results.push((name.to_owned(), rows));
    };
    if asked("--hashing") {
        keep("reads", hashing::reads(effort), &HASHED_READS);
        keep("codes", hashing::codes(effort), &HASHED_CODES);
        return record("hash-trees", &results, quick);
    }
    keep("layouts", codecs.iter().flat_map(|codec| speed::layouts(codec, effort)).collect(), &LAYOUTS);
    keep("checksums", codecs.iter().flat_map(|codec| speed::checksums(codec, effort)).collect(), &CHECKSUMS);
    keep("ranges", codecs.iter().flat_map(|codec| cost::ranges(codec, effort)).collect(), &RANGES);
    let mut first_bytes = Vec::new();
    for codec in &codecs {
        first_bytes.extend(cost::first_bytes(codec, effort)?);
    }
    keep("first_bytes", first_bytes, &FIRST_BYTES);
    keep("overhead", codecs.iter().flat_map(overhead::overhead).collect(), &OVERHEAD);
    keep("placement", codecs.iter().flat_map(|codec| placement::placement(codec, effort)).collect(), &PLACEMENT);
    record("format", &results, quick)
}

fn record(name: &str, results: &Results, quick: bool) -> io::Result<()> {
    if !quick {
        let machine = Machine::detect();
        let below = write_record(&machine, name, results)?;
        println!("\nrecord: {}", below.display());
    }
    Ok(())
}
