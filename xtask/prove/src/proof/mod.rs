//! Proof of the code that is shipped: the machine code of every straight-line body, read back from the file that the
//! linker wrote, run on symbols instead of bytes, and compared with the parity equations (docs/proof.md).
//!
//! The modules: `value` is what sixteen bytes hold, `memory` and `machine` (with `vector`) a processor over such values,
//! `image` the file, `program` a function's instructions and what they did, `oracle` what the codec wants, `operands`
//! the runs that are compared with it. Addresses of bodies are those in this process; another program that has them, the
//! one that is shipped, has them under the same names.

mod image;
mod machine;
mod memory;
mod mutant;
mod operands;
mod oracle;
mod program;
mod report;
#[cfg(test)]
mod tests;
mod value;
mod vector;

use core::ptr;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};
use rain_kernels::straight::{EntryPoint, StraightLine, bodies};
use rain_kernels::{Layout, Stores};

use crate::generate::{self, Wanted};
use image::Image;
use operands::Size;
use oracle::Oracle;
use program::{Counts, Program};
use report::{ProofReport, Proven};

/// Cells of a tile, in lines: a body with several passes takes as many lines at a time as this allows (`tile_lines`).
const TILE_CELL_LINES: usize = 24 * 1024 / 64;

/// Whether there is a proof for what this was compiled for.
pub(crate) const SUPPORTED: bool = cfg!(all(target_arch = "x86_64", target_os = "linux"));

/// Proves all bodies of a program, or of this one, and prints what it found.
pub(crate) fn run(file: Option<&Path>) -> Result<()> {
    ensure!(SUPPORTED, "the proof reads x86-64 code from an ELF file, and this is none");
    if cfg!(debug_assertions) {
        bail!("what is shipped is built with --release, and so must be what is proven");
    }
    let began = Instant::now();
    let own = Image::own()?;
    let other = file.map(Image::read).transpose()?;
    let files = Files { own: &own, proven: other.as_ref().unwrap_or(&own) };
    let mut wanted: BTreeMap<String, Wanted> =
        generate::wanted()?.into_iter().map(|wanted| (wanted.name.clone(), wanted)).collect();
    let mut report = ProofReport::default();
    for body in bodies() {
        let wanted = wanted.remove(body.name).with_context(|| format!("the codec wants no `{}`", body.name))?;
        let oracle = Oracle::of(&wanted)?;
        report.add(prove(files, body, &oracle).with_context(|| body.name)?);
    }
    ensure!(wanted.is_empty(), "there are no bodies for {:?}", wanted.keys());
    print!("{report}");
    let name = file.map_or("this program".to_owned(), |file| file.display().to_string());
    println!("all of it in {name}, in {:.1} s", began.elapsed().as_secs_f64());
    report.check()
}

/// The program that is proven, and this one, which tells where in it the bodies are.
#[derive(Clone, Copy)]
struct Files<'image> {
    own: &'image Image,
    proven: &'image Image,
}

impl<'image> Files<'image> {
    /// The code of an entry.
    fn program(self, point: EntryPoint) -> Result<Program<'image>> {
        let here = self.own.file_address(point.address)?;
        let address = if ptr::eq(self.own, self.proven) { here } else { self.proven.find(self.own, here)? };
        Ok(Program::new(self.proven, address))
    }
}

/// Proves one body for all instruction sets, layouts and ways to store.
fn prove(files: Files<'_>, body: &StraightLine, oracle: &Oracle) -> Result<Vec<Proven>> {
    ensure!(
        body.rows == oracle.rows && body.upper == oracle.upper,
        "the body is of another shape than the codec wants"
    );
    let mut programs: BTreeMap<usize, Program<'_>> = BTreeMap::new();
    let mut proven = Vec::new();
    for point in body.entry_points() {
        let name = format!("{} on {:?} with {:?} stores", point.instruction_set, point.layout, point.stores);
        // By itself, so that what is counted is of this way to call it.
        let mut program = files.program(point)?;
        let passes = if point.instruction_set == "avx512" { body.wide } else { body.narrow }.len();
        let sizes = sizes(oracle, point, passes);
        for &size in &sizes {
            operands::check(&mut program, oracle, point, size).with_context(|| format!("{name}, {size:?}"))?;
        }
        let counts = program.counts();
        stores_as_said(point, counts).with_context(|| name.clone())?;
        let mutants = mutant::all_found(files.proven, &program, oracle, point, &sizes).with_context(|| name.clone())?;
        match programs.entry(point.address) {
            Entry::Occupied(mut entry) => entry.get_mut().join(program),
            Entry::Vacant(entry) => drop(entry.insert(program)),
        }
        proven.push(Proven { name: body.name, point, counts, runs: sizes.len(), mutants });
    }
    for program in programs.values() {
        let unseen = program.unseen()?;
        ensure!(unseen.is_empty(), "no run came to {}", unseen.join("; "));
    }
    Ok(proven)
}

/// The sizes at which a body runs: few lines, all turns where there are any, and several tiles where there are any.
fn sizes(oracle: &Oracle, point: EntryPoint, passes: usize) -> Vec<Size> {
    let mut sizes = [1, 2, 5].map(|lines| Size { lines, turn: 0 }).to_vec();
    if passes > 1 {
        let tile = (TILE_CELL_LINES / (oracle.columns * oracle.rows)).max(1);
        sizes.extend([tile, 2 * tile + 1].map(|lines| Size { lines, turn: 0 }));
    }
    if point.layout != Layout::Cells && oracle.turning < oracle.columns {
        sizes.extend((1..oracle.rows).map(|turn| Size { lines: 2, turn }));
        sizes.push(Size { lines: 3, turn: 3 * oracle.rows + 1 });
    }
    sizes
}

/// Checks that all outputs are written by streaming stores, or none.
fn stores_as_said(point: EntryPoint, counts: Counts) -> Result<()> {
    let streams = if point.stores == Stores::Streaming { counts.stores } else { 0 };
    ensure!(counts.stores > 0 && counts.streams == streams, "{} of {} stores stream", counts.streams, counts.stores);
    Ok(())
}
