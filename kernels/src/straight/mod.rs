//! Straight-line bodies: programs over interleaved columns, of which every XOR is an instruction.
//!
//! A loop over a table of sources keeps no sum in a register across cells; written out, a body reads every cell once
//! and holds all the sums it goes into. `table` is generated (`cargo xtask generate`); which program a body computes is
//! found out from its moves, so a program and a body meet only when they are the same linear map.

mod body;
mod table;

use std::collections::BTreeMap;

use crate::columns::{Lines, Place, Stores, Sum};

pub use body::Move;

/// A body for each register file, and what runs it on each instruction set.
pub struct StraightLine {
    /// What the generator called it.
    pub name: &'static str,
    /// Number of columns.
    pub columns: usize,
    /// Cells of a column.
    pub rows: usize,
    /// Moves of the body for 32 registers, pass by pass.
    pub wide: &'static [&'static [Move]],
    /// Moves of the body for 16 registers, pass by pass.
    pub narrow: &'static [&'static [Move]],
    #[cfg(target_arch = "x86_64")]
    pub(crate) avx512: fn(pulp::x86::V4, Run<'_, '_>),
    #[cfg(target_arch = "x86_64")]
    pub(crate) avx2: fn(pulp::x86::V3, Run<'_, '_>),
    #[cfg(target_arch = "aarch64")]
    pub(crate) neon: fn(pulp::aarch64::Neon, Run<'_, '_>),
}

/// The operands of a body.
pub(crate) struct Run<'run, 'cells> {
    pub(crate) lines: Lines,
    pub(crate) stores: Stores,
    /// By how many rows the columns that turn are turned.
    pub(crate) turn: usize,
    pub(crate) columns: &'run mut [&'cells mut [u8]],
}

/// Lists all bodies.
pub fn bodies() -> &'static [StraightLine] {
    table::TABLE
}

/// Makes an entry of the table from the types of its two bodies.
macro_rules! entry {
    ($name:literal, $wide:ident, $narrow:ident) => {
        $crate::straight::StraightLine {
            name: $name,
            columns: $wide::COLUMNS,
            rows: $wide::ROWS,
            wide: $wide::PASSES,
            narrow: $narrow::PASSES,
            #[cfg(target_arch = "x86_64")]
            avx512: |simd, Run { lines, stores, turn, columns }| match (lines, stores) {
                (Lines::One, Stores::Normal) => pulp::Simd::vectorize(simd, $wide::<1, false> { columns, turn }),
                (Lines::One, Stores::Streaming) => pulp::Simd::vectorize(simd, $wide::<1, true> { columns, turn }),
                (Lines::Two, Stores::Normal) => pulp::Simd::vectorize(simd, $wide::<2, false> { columns, turn }),
                (Lines::Two, Stores::Streaming) => pulp::Simd::vectorize(simd, $wide::<2, true> { columns, turn }),
            },
            #[cfg(target_arch = "x86_64")]
            avx2: |simd, Run { lines, stores, turn, columns }| match (lines, stores) {
                (Lines::One, Stores::Normal) => pulp::Simd::vectorize(simd, $narrow::<2, false> { columns, turn }),
                (Lines::One, Stores::Streaming) => pulp::Simd::vectorize(simd, $narrow::<2, true> { columns, turn }),
                (Lines::Two, Stores::Normal) => pulp::Simd::vectorize(simd, $narrow::<4, false> { columns, turn }),
                (Lines::Two, Stores::Streaming) => pulp::Simd::vectorize(simd, $narrow::<4, true> { columns, turn }),
            },
            #[cfg(target_arch = "aarch64")]
            neon: |simd, Run { lines, turn, columns, .. }| match lines {
                Lines::One => pulp::Simd::vectorize(simd, $wide::<4, false> { columns, turn }),
                Lines::Two => pulp::Simd::vectorize(simd, $wide::<8, false> { columns, turn }),
            },
        }
    };
}

use entry;

/// Finds the body that computes a program's outputs from its inputs.
///
/// Shape: the rows of column `turning` and of those behind it turn.
pub(crate) fn find(
    columns: usize,
    rows: usize,
    turning: usize,
    outputs: &[Sum],
) -> Option<&'static StraightLine> {
    let fits = |body: &&StraightLine| {
        body.columns == columns && body.rows == rows && turns_from(body.wide, turning) && sums(body.wide) == outputs
    };
    bodies().iter().find(fits)
}

/// Tells whether exactly the columns from `turning` on have their rows turned.
fn turns_from(passes: &[&[Move]], turning: usize) -> bool {
    passes.iter().copied().flatten().all(|step| match *step {
        Move::Load { column, turns, .. } | Move::Store { column, turns, .. } => turns == (column >= turning),
        Move::Add { .. } => true,
    })
}

/// What a body computes: its stored cells, sorted, each with what it is the XOR of.
pub(crate) fn sums(passes: &[&[Move]]) -> Vec<Sum> {
    let mut stored: Vec<Sum> = Vec::new();
    for moves in passes {
        let mut sums: BTreeMap<usize, Vec<Place>> = BTreeMap::new();
        for &step in *moves {
            match step {
                Move::Load { column, row, onto, .. } => {
                    let place = Place::new(column, row);
                    // What an earlier pass stored is the XOR that it is, whatever the cell held before.
                    let value = match stored.iter().find(|sum| sum.output == place) {
                        Some(sum) => sum.inputs.clone(),
                        None => vec![place],
                    };
                    onto.iter().for_each(|&sum| add(sums.entry(sum).or_default(), &value));
                }
                Move::Add { from, onto } => {
                    let value = sums.entry(from).or_default().clone();
                    onto.iter().for_each(|&sum| add(sums.entry(sum).or_default(), &value));
                }
                Move::Store { column, row, from, .. } => {
                    let inputs = sums.entry(from).or_default().clone();
                    stored.push(Sum { output: Place::new(column, row), inputs });
                }
            }
        }
    }
    stored.sort_unstable();
    stored
}

/// Adds two sorted sets over GF(2): what is in both goes.
pub(crate) fn add(set: &mut Vec<Place>, other: &[Place]) {
    for place in other {
        match set.binary_search(place) {
            Ok(at) => drop(set.remove(at)),
            Err(at) => set.insert(at, *place),
        }
    }
}
