//! What was proven, as a table.

use core::fmt;
use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, ensure};
use rain_kernels::straight::EntryPoint;

use super::program::Counts;

/// What encodes with sums on the stack although AVX-512 has registers for all of them: the compiler's choice, which only
/// costs time. No other may begin to.
const ENCODERS_THAT_SPILL: [&str; 2] = ["b-code:18 encode", "rs:10+4 encode"];

/// One way to call one body.
pub(super) struct Proven {
    pub(super) name: &'static str,
    pub(super) point: EntryPoint,
    /// What its instructions do.
    pub(super) counts: Counts,
    /// Runs on symbols.
    pub(super) runs: usize,
    /// Spoilt copies that were found to be wrong.
    pub(super) mutants: usize,
}

/// All that was proven.
#[derive(Default)]
pub(super) struct ProofReport {
    all: Vec<Proven>,
}

impl ProofReport {
    pub(super) fn add(&mut self, proven: Vec<Proven>) {
        self.all.extend(proven);
    }

    /// Checks what is said of all of it: that AVX-512 encodes without sums on the stack, where it did so far.
    pub(super) fn check(&self) -> Result<()> {
        let mut spilt = self.spilt(|one| one.name.ends_with("encode") && one.point.instruction_set == "avx512");
        spilt.retain(|name| !ENCODERS_THAT_SPILL.contains(name));
        ensure!(spilt.is_empty(), "these keep sums on the stack: {}", spilt.join(", "));
        Ok(())
    }

    fn spilt(&self, of: impl Fn(&Proven) -> bool) -> Vec<&'static str> {
        let spilt = self.all.iter().filter(|one| of(one) && one.counts.spills + one.counts.reloads > 0);
        spilt.map(|one| one.name).collect::<BTreeSet<_>>().into_iter().collect()
    }
}

impl fmt::Display for ProofReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{:14} {:28} loads xor2 xor3 stores streams spills reloads", "", "")?;
        for one in &self.all {
            let way = format!("{} {:?} {:?}", one.point.instruction_set, one.point.layout, one.point.stores);
            let Counts { loads, xors_two, xors_three, stores, streams, spills, reloads } = one.counts;
            writeln!(
                formatter,
                "{:18} {way:28} {loads:5} {xors_two:4} {xors_three:4} {stores:6} {streams:7} {spills:6} {reloads:7}",
                one.name
            )?;
        }
        let functions: BTreeSet<usize> = self.all.iter().map(|one| one.point.address).collect();
        let spilt: BTreeMap<usize, &str> = self
            .all
            .iter()
            .filter(|one| one.counts.spills + one.counts.reloads > 0)
            .map(|one| (one.point.address, one.point.instruction_set))
            .collect();
        let runs: usize = self.all.iter().map(|one| one.runs).sum();
        let mutants: usize = self.all.iter().map(|one| one.mutants).sum();
        let bodies: BTreeSet<&str> = self.all.iter().map(|one| one.name).collect();
        writeln!(
            formatter,
            "kernels proven: {} functions of {} bodies, {} ways to call them, {runs} runs; spoilt copies found: {mutants} of {mutants}",
            functions.len(),
            bodies.len(),
            self.all.len()
        )?;
        writeln!(formatter, "with vector stack traffic: {} functions", spilt.len())?;
        for set in ["avx512", "avx2"] {
            let names = self.spilt(|one| one.point.instruction_set == set);
            let functions = spilt.values().filter(|&&of| of == set).count();
            writeln!(formatter, "  {set}: {functions} functions of {} bodies: {}", names.len(), names.join(", "))?;
        }
        Ok(())
    }
}
