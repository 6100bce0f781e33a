//! Straight-line bodies: programs of which every XOR is an instruction.
//!
//! A loop over a table of sources keeps no sum in a register across cells; written out, a body reads every cell once
//! and holds all the sums it goes into. `table` is generated (`cargo xtask generate`); which program a body computes is
//! found out from its moves, so a program and a body meet only when they are the same linear map.

mod body;
#[cfg(not(fuzzing))]
#[rustfmt::skip]
mod table;

/// Some bodies of every kind: the others take minutes to compile under the sanitizer, and longer than they are run. All
/// are proven, and run beside the oracle, without it.
#[cfg(fuzzing)]
#[rustfmt::skip]
mod table {
    mod b_code_10;
    mod b_code_13;
    mod b_code_4;
    mod b_code_5;
    mod b_code_6;
    mod b_code_8;
    mod rs_6_3;
    mod x_code_13;
    mod x_code_7;

    use super::StraightLine;

    pub(super) static TABLES: &[&[StraightLine]] = &[
        b_code_10::TABLE,
        b_code_13::TABLE,
        b_code_4::TABLE,
        b_code_5::TABLE,
        b_code_6::TABLE,
        b_code_8::TABLE,
        rs_6_3::TABLE,
        x_code_13::TABLE,
        x_code_7::TABLE,
    ];
}

use std::collections::{BTreeMap, BTreeSet};

use crate::columns::{ColumnShape, Layout, Place, Stores, Sum};
use crate::memory::{Cells, Columns};

pub use body::Move;

/// A body for each register file, and what runs it on each instruction set.
pub struct StraightLine {
    /// What the generator called it.
    pub name: &'static str,
    /// Cells of a column.
    pub rows: usize,
    /// For each column, how many of its rows are in its upper part.
    pub upper: &'static [usize],
    /// Moves of the body for 32 registers, pass by pass.
    pub wide: &'static [&'static [Move]],
    /// Moves of the body for 16 registers, pass by pass.
    pub narrow: &'static [&'static [Move]],
    #[cfg(target_arch = "x86_64")]
    pub(crate) avx512: Entries<pulp::x86::V4>,
    #[cfg(target_arch = "x86_64")]
    pub(crate) avx2: Entries<pulp::x86::V3>,
    #[cfg(target_arch = "aarch64")]
    pub(crate) neon: Entries<pulp::aarch64::Neon>,
}

/// The machine code of a body for one instruction set.
#[expect(clippy::struct_field_names, reason = "\"on\" is what is said of each: on which operands")]
pub(crate) struct Entries<S> {
    pub(crate) on_cells: fn(S, Stores, &Cells<'_>),
    /// With normal stores: the lines written follow lines read, and so are in the first-level cache already.
    pub(crate) on_interleaved: fn(S, Columns<'_, '_, false>),
    /// With streaming stores: what is written is apart from what is read, and is never brought in with it.
    pub(crate) on_divided: fn(S, Columns<'_, '_, true>),
}

/// Where the machine code of a body begins that runs it on one instruction set and one kind of operands.
///
/// Shape: a function of the Rust ABI, on x86-64 called like one of C with these integer arguments. On [`Layout::Cells`]:
/// 0 for normal and 1 for streaming stores; the address of three words: where the cells' addresses are, how many those
/// are (columns times rows, column by column), and the lines of a cell. On the other layouts: the address of four words:
/// where the columns are as pairs of an address and a length, how many, the lines of a cell, and the turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryPoint {
    /// The instruction set, as [`Kernel::name`](crate::Kernel::name) has it; the machine need not have it.
    pub instruction_set: &'static str,
    /// How the cells lie.
    pub layout: Layout,
    /// How they are written.
    pub stores: Stores,
    /// The function's address in this process.
    pub address: usize,
}

impl StraightLine {
    /// Lists where its machine code is, for all instruction sets that it was compiled for.
    ///
    /// For what proves that code, which reads it as data. There is no way from here to a call.
    pub fn entry_points(&self) -> Vec<EntryPoint> {
        #[cfg(target_arch = "x86_64")]
        let all = [self.avx512.addresses("avx512"), self.avx2.addresses("avx2")];
        #[cfg(target_arch = "aarch64")]
        let all = [self.neon.addresses("neon")];
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        let all: [[EntryPoint; 4]; 0] = [];
        all.concat()
    }
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
impl<S> Entries<S> {
    fn addresses(&self, instruction_set: &'static str) -> [EntryPoint; 4] {
        let (cells, interleaved, divided) =
            (self.on_cells as usize, self.on_interleaved as usize, self.on_divided as usize);
        [
            (Layout::Cells, Stores::Normal, cells),
            (Layout::Cells, Stores::Streaming, cells),
            (Layout::Interleaved, Stores::Normal, interleaved),
            (Layout::Divided, Stores::Streaming, divided),
        ]
        .map(|(layout, stores, address)| EntryPoint { instruction_set, layout, stores, address })
    }
}

/// Lists all bodies.
pub fn bodies() -> impl Iterator<Item = &'static StraightLine> {
    table::TABLES.iter().copied().flatten()
}

/// Makes an entry of the table from the types of its two bodies.
macro_rules! entry {
    ($name:literal, $wide:ident, $narrow:ident) => {
        StraightLine {
            name: $name,
            rows: {
                assert!($narrow::ROWS == $wide::ROWS, "both bodies are of one shape");
                $wide::ROWS
            },
            upper: $wide::UPPER,
            wide: $wide::PASSES,
            narrow: $narrow::PASSES,
            #[cfg(target_arch = "x86_64")]
            avx512: entry!(@entries $wide),
            #[cfg(target_arch = "x86_64")]
            avx2: entry!(@entries $narrow),
            #[cfg(target_arch = "aarch64")]
            neon: entry!(@entries $wide),
        }
    };
    (@entries $body:ident) => {
        Entries {
            on_cells: |simd, stores, cells| match stores {
                Stores::Normal => Simd::vectorize(simd, $body::<_, false>(cells)),
                Stores::Streaming => Simd::vectorize(simd, $body::<_, true>(cells)),
            },
            on_interleaved: |simd, columns| Simd::vectorize(simd, $body::<_, false>(columns)),
            on_divided: |simd, columns| Simd::vectorize(simd, $body::<_, true>(columns)),
        }
    };
}

use entry;

/// Finds the body that computes a program's outputs, which are given sorted, from its inputs.
pub(crate) fn find(
    shape: &ColumnShape,
    outputs: &[Place],
    sums: impl FnOnce() -> Vec<Sum>,
) -> Option<&'static StraightLine> {
    let fits = |body: &&StraightLine| {
        body.rows == shape.rows
            && body.upper == shape.upper
            && writes(body.wide).eq(outputs.iter().copied())
            && turns_from(body.wide, shape.turning)
    };
    let mut candidates = bodies().filter(fits).peekable();
    candidates.peek()?;
    let sums = Some(sums());
    candidates.find(|body| [body.wide, body.narrow].iter().all(|passes| self::sums(passes) == sums))
}

/// The cells that a body stores, sorted: cheap to compare, and different for almost all bodies of one size.
fn writes(passes: &[&[Move]]) -> impl Iterator<Item = Place> {
    let stored = passes.iter().copied().flatten().filter_map(|step| match *step {
        Move::Store { column, row, .. } => Some(Place::new(column, row)),
        Move::Ahead { .. } | Move::Load { .. } | Move::Add { .. } => None,
    });
    stored.collect::<BTreeSet<Place>>().into_iter()
}

/// Tells whether exactly the columns from `turning` on have their rows turned.
fn turns_from(passes: &[&[Move]], turning: usize) -> bool {
    passes.iter().copied().flatten().all(|step| match *step {
        Move::Load { column, turns, .. } | Move::Store { column, turns, .. } => turns == (column >= turning),
        Move::Ahead { .. } | Move::Add { .. } => true,
    })
}

/// What a body computes: its stored cells, sorted, each with what it is the XOR of. None when it reads a cell that goes
/// into none of them: only cells that a program names have a place in memory.
fn sums(passes: &[&[Move]]) -> Option<Vec<Sum>> {
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
                    for &sum in onto {
                        add(sums.entry(sum).or_default(), &value);
                    }
                }
                Move::Add { from, onto } => {
                    let value = sums.entry(from).or_default().clone();
                    for &sum in onto {
                        add(sums.entry(sum).or_default(), &value);
                    }
                }
                Move::Ahead { .. } => {}
                Move::Store { column, row, from, .. } => {
                    let inputs = sums.entry(from).or_default().clone();
                    stored.push(Sum { output: Place::new(column, row), inputs });
                }
            }
        }
    }
    stored.sort_unstable();
    let goes_in = |place: &Place| stored.iter().any(|sum| sum.output == *place || sum.inputs.contains(place));
    let all_named = passes.iter().copied().flatten().all(|step| match *step {
        Move::Load { column, row, .. } => goes_in(&Place::new(column, row)),
        Move::Ahead { .. } | Move::Add { .. } | Move::Store { .. } => true,
    });
    all_named.then_some(stored)
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
