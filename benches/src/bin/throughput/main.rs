//! Encoding and decoding in memory, beside other libraries, in one interleaved run: the record, a chart and the tables of
//! docs/kernels.md.
#![forbid(unsafe_code)]

mod chart;
mod document;
mod sections;

use std::fs;
use std::io;
use std::path::Path;

use clap::Parser;
use rain_benches::write_record;
use rain_gauge::Machine;
use serde_json::json;

/// Measures encoding and decoding, and writes the record, the chart and the document.
#[derive(Debug, Parser)]
struct Arguments {
    /// Samples of each contender
    #[arg(long, default_value_t = 11)]
    rounds: usize,
    /// Codes to measure
    #[arg(long = "code", value_delimiter = ',', default_values_t = sections::CODES.map(str::to_owned))]
    codes: Vec<String>,
    /// Only print: write no record, no chart and no document
    #[arg(long)]
    dry: bool,
}

fn main() -> io::Result<()> {
    let arguments = Arguments::parse();
    let machine = Machine::detect();
    let tables = sections::measure(&arguments.codes, arguments.rounds)?;
    let document = document::text(&machine, &tables);
    print!("{document}");
    if arguments.dry {
        return Ok(());
    }
    let mut results =
        vec![("parameters".to_owned(), vec![json!({ "rounds": arguments.rounds, "peers": sections::peers() })])];
    results.extend(tables.to_json());
    println!("benches/record/{}", write_record(&machine, "throughput", &results)?.display());
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    fs::write(docs.join("throughput.svg"), chart::svg(&machine, &tables))?;
    document::insert(&docs.join("kernels.md"), &document)
}
