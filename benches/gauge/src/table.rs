//! The table of a code: every operation in every layout, beside the probes, in one interleaved run per regime.

use std::io;
use std::sync::Arc;

use rain_codec::{Code, InterleavedCodec, Kernel, Layout, Stores};
use serde_json::{Value, json};

use crate::{Arena, Contender, Figure, Operation, Regime, codec, compare, layout_name, probes, stores_name, stores_of};

/// A row of the table.
#[derive(Clone, Debug)]
pub struct Row {
    /// Name of the code.
    pub code: String,
    /// Columns that suffice.
    pub k: usize,
    /// Columns that may be lost.
    pub m: usize,
    /// "encode", "decode1" or "decode2".
    pub operation: &'static str,
    /// Where the stripes are.
    pub regime: Regime,
    /// Where the cells of a column lie.
    pub layout: Layout,
    /// How outputs are written.
    pub stores: Stores,
    /// Bytes of all stripes with their parity.
    pub working_set_bytes: usize,
    /// Threads at work.
    pub threads: usize,
    /// Instruction set.
    pub isa: &'static str,
    /// What was measured.
    pub figure: Figure,
    /// The best probe of the same run.
    pub probe_gb_per_s: f64,
}

impl Row {
    /// Gives it as a record and `rain bench --format json` have it.
    pub fn to_json(&self) -> Value {
        json!({
            "code": self.code,
            "k": self.k,
            "m": self.m,
            "operation": self.operation,
            "regime": self.regime.name(),
            "layout": layout_name(self.layout),
            "stores": stores_name(self.stores),
            "working_set_bytes": self.working_set_bytes,
            "threads": self.threads,
            "isa": self.isa,
            "gb_per_s": rounded(self.figure.gb_per_s),
            "probe_gb_per_s": rounded(self.probe_gb_per_s),
            "spread": rounded(self.figure.spread),
        })
    }
}

/// Cuts a figure to the digits that it has.
pub fn rounded(figure: f64) -> f64 {
    (figure * 1000.0).round() / 1000.0
}

/// The operations of a code's table: parity is made, the data of one lost column is recovered, that of two, where the
/// code tolerates so many.
pub fn operations(code: &Code) -> Vec<(&'static str, Operation)> {
    let decode = [("decode1", vec![0]), ("decode2", vec![0, 1])];
    let tolerated = decode.into_iter().filter(|(_, lost)| lost.len() <= code.tolerates());
    let decode = tolerated.map(|(name, lost)| (name, Operation::Decode(lost)));
    core::iter::once(("encode", Operation::Encode)).chain(decode).collect()
}

/// A code in a regime, with an arena of the size that belongs to it.
#[derive(Debug)]
pub struct Bench {
    codec: Arc<InterleavedCodec>,
    regime: Regime,
    kernel: Kernel,
    arena: Arena,
}

/// What a bench measured.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The rows of the table.
    pub rows: Vec<Row>,
    /// The other contenders, by name, with what they did.
    pub others: Vec<(String, Figure)>,
}

impl Bench {
    /// Prepares a code for a regime.
    ///
    /// # Errors
    /// There is not enough memory.
    pub fn new(code: &Arc<Code>, regime: Regime, kernel: Kernel) -> io::Result<Self> {
        let (n, k) = (code.columns(), code.data_columns());
        let column_bytes = regime.column_bytes(n, k, Layout::Interleaved.grain(code.rows()));
        let arena = Arena::new(code, column_bytes, regime.stripe_count(n * column_bytes))?;
        let codec = Arc::new(InterleavedCodec::with_kernel(Arc::clone(code), kernel));
        Ok(Self { codec, regime, kernel, arena })
    }

    /// Measures all operations in all layouts with the probes and with other contenders, in turns.
    pub fn run(&mut self, rounds: usize, others: Vec<Contender>) -> Outcome {
        let code = Arc::clone(self.codec.code());
        let (n, k) = (code.columns(), code.data_columns());
        let mut kinds = Vec::new();
        let mut contenders = Vec::new();
        for (name, operation) in operations(&code) {
            for (layout, stores) in layouts() {
                kinds.push((name, layout, stores));
                contenders.push(codec(&self.codec, &operation, layout, stores));
            }
        }
        let probes = probes(n, k, self.kernel);
        let probe_count = probes.len();
        let other_names: Vec<String> = others.iter().map(|other| other.name.clone()).collect();
        contenders.extend(probes);
        contenders.extend(others);
        let figures = compare(&mut self.arena, &mut contenders, rounds);
        let (own, rest) = figures.split_at(kinds.len());
        let (probes, others) = rest.split_at(probe_count);
        let probe_gb_per_s = probes.iter().map(|figure| figure.gb_per_s).fold(0.0, f64::max);
        let row = |((operation, layout, stores), &figure): ((&'static str, Layout, Stores), &Figure)| Row {
            code: code.name().to_owned(),
            k,
            m: code.tolerates(),
            operation,
            regime: self.regime,
            layout,
            stores,
            working_set_bytes: self.arena.working_set_bytes(),
            threads: 1,
            isa: self.kernel.name(),
            figure,
            probe_gb_per_s,
        };
        Outcome {
            rows: kinds.into_iter().zip(own).map(row).collect(),
            others: other_names.into_iter().zip(others.iter().copied()).collect(),
        }
    }
}

/// Every layout with the stores that it has.
pub fn layouts() -> [(Layout, Stores); 4] {
    [
        (Layout::Cells, Stores::Normal),
        (Layout::Cells, Stores::Streaming),
        (Layout::Interleaved, stores_of(Layout::Interleaved)),
        (Layout::Divided, stores_of(Layout::Divided)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Codes with one parity column, and those with more of them than of data, ended in a panic.
    #[test]
    fn codes_of_every_shape_can_be_measured() {
        let all = Code::names().map(|name| (Code::named(&name).unwrap(), name));
        // Wider ones have the same shapes, and take long to prepare.
        for (code, name) in all.filter(|(code, _)| code.columns() <= 14) {
            let code = Arc::new(code);
            let mut bench = Bench::new(&code, Regime::L1, Kernel::detect()).unwrap();
            let rows = bench.run(1, Vec::new()).rows;
            assert_eq!(rows.len(), (1 + code.tolerates().min(2)) * layouts().len(), "{name}");
        }
    }

    /// A stripe of `dual-b-code:60` has thirty times as many bytes as its data.
    #[test]
    fn no_working_set_is_larger_than_memory_is_likely_to_be() {
        for name in Code::names() {
            let code = Code::named(&name).unwrap();
            let (n, k) = (code.columns(), code.data_columns());
            let stripe_bytes = n * Regime::Dram.column_bytes(n, k, Layout::Interleaved.grain(code.rows()));
            let total = stripe_bytes * Regime::Dram.stripe_count(stripe_bytes);
            assert!(total <= 1 << 30, "{name}: {total}");
        }
    }
}
