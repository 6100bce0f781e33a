//! Plans of reads, repairs, ranges and partial sums give what is wanted, from what may be read, at the cost they name.
//!
//! Oracle: linear algebra over GF(2) says what cells determine; every set of cells of a small code is looked at for a
//! cheaper one; the bytes are those of a stripe that is encoded by definition.
#![no_main]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use rain_codec::plan::{ColumnCost, PartialSums, Peer, PlanError, ReadCosts, ReadPlan, RepairPlan};
use rain_codec::{Cell, Code, ErasurePattern, Kernel, Schedule, StripeCodec};

#[path = "../../codec/tests/codec/plans/brute.rs"]
mod brute;

/// Codes of more cells take so long to plan, and to check by plain elimination, that little else would be tried.
const CELLS_MAX: usize = 90;
/// So many cells or fewer that may be read: every set of them is looked at.
const CELLS_SEARCHED_MAX: usize = 10;
const CELL_BYTES_MAX: usize = 96;

static CODECS: LazyLock<Vec<StripeCodec>> =
    LazyLock::new(|| rain_fuzz::codes(CELLS_MAX).map(StripeCodec::new).collect());

#[derive(Debug, Arbitrary)]
struct Case {
    code: u8,
    cell_bytes: u8,
    lost: Vec<u8>,
    costs: Vec<(u8, u8)>,
    plan: Plan,
    data: Vec<u8>,
}

#[derive(Debug, Arbitrary)]
enum Plan {
    Read {
        wanted: Vec<(u8, u8)>,
    },
    Repair {
        column: u8,
        balanced: bool,
    },
    Range {
        from: u16,
        length: u16,
    },
    /// Peers, each with the column it holds and the one it sends to.
    PartialSums {
        wanted: Vec<(u8, u8)>,
        peers: Vec<(u8, Option<u8>)>,
    },
    Chain {
        wanted: Vec<(u8, u8)>,
        columns: Vec<u8>,
    },
}

fuzz_target!(|case: Case| {
    let codec = &CODECS[usize::from(case.code) % CODECS.len()];
    let code: &Arc<Code> = codec.code();
    // One number beyond, now and then: what is not there must be refused.
    let column = |number: u8| usize::from(number) % (code.columns() + usize::from(number == u8::MAX));
    let cell =
        |&(of, row): &(u8, u8)| Cell::new(column(of), usize::from(row) % (code.rows() + usize::from(row == u8::MAX)));
    let cells = |wanted: &[(u8, u8)]| wanted.iter().take(12).map(cell).collect::<Vec<Cell>>();
    let lost =
        case.lost.iter().take(4).map(|&number| column(number)).fold(ErasurePattern::none(), ErasurePattern::with);
    let costs =
        case.costs.iter().enumerate().take(code.columns()).fold(ReadCosts::equal(code), |costs, (column, cost)| {
            costs.with(column, ColumnCost { fixed: u64::from(cost.0 % 8), per_cell: u64::from(cost.1 % 8) })
        });
    let costs = costs.without(lost);
    let stripe = Stripe::new(code, 1 + usize::from(case.cell_bytes) % CELL_BYTES_MAX, &case.data);
    match &case.plan {
        Plan::Read { wanted } => check_read(codec, &stripe, &cells(wanted), &costs),
        Plan::Repair { column: of, balanced } => check_repair(codec, &stripe, column(*of), &costs, *balanced),
        Plan::Range { from, length } => check_range(codec, &stripe, lost, usize::from(*from), usize::from(*length)),
        Plan::PartialSums { wanted, peers } => {
            let peer = |&(of, to): &(u8, Option<u8>)| Peer { column: column(of), to: to.map(column) };
            check_sums(
                code,
                &stripe,
                &cells(wanted),
                &peers.iter().take(code.columns() + 1).map(peer).collect::<Vec<_>>(),
            );
        }
        Plan::Chain { wanted, columns } => {
            let columns: Vec<usize> = columns.iter().take(code.columns() + 1).map(|&number| column(number)).collect();
            let next = columns.iter().copied().skip(1).map(Some).chain([None]);
            let peers: Vec<Peer> = columns.iter().zip(next).map(|(&column, to)| Peer { column, to }).collect();
            check_sums(code, &stripe, &cells(wanted), &peers);
        }
    }
});

/// A stripe's cells, by column, then row.
struct Stripe {
    rows: usize,
    data: Vec<u8>,
    cells: Vec<Vec<u8>>,
}

impl Stripe {
    fn new(code: &Code, cell_bytes: usize, data: &[u8]) -> Self {
        let source = data.iter().copied().chain([0x5a]).cycle().zip(0_u32..);
        let source = source.map(|(byte, at)| byte ^ (at.wrapping_mul(at) >> 7).to_le_bytes()[0]);
        let data: Vec<u8> = source.take(code.data_cell_count() * cell_bytes).collect();
        let mut stripe = Self { rows: code.rows(), data, cells: vec![Vec::new(); code.columns() * code.rows()] };
        for (index, bytes) in stripe.data.chunks_exact(cell_bytes).enumerate() {
            let cell = code.data_cell(index);
            stripe.cells[usize::from(cell.column) * stripe.rows + usize::from(cell.row)] = bytes.to_vec();
        }
        for (parity, of) in code.parity_cells() {
            let mut sum = vec![0; cell_bytes];
            for cell in of {
                sum.iter_mut().zip(stripe.cell(*cell)).for_each(|(sum, byte)| *sum ^= byte);
            }
            stripe.cells[usize::from(parity.column) * stripe.rows + usize::from(parity.row)] = sum;
        }
        stripe
    }

    fn cell(&self, cell: Cell) -> &[u8] {
        &self.cells[usize::from(cell.column) * self.rows + usize::from(cell.row)]
    }
}

/// Runs a schedule on the stripe's bytes, and compares what it makes.
fn run(codec: &StripeCodec, stripe: &Stripe, schedule: &Schedule, reads: &[Cell]) {
    assert!(schedule.inputs().iter().all(|cell| reads.contains(cell)), "{}: what is not read is used", codec.code());
    let inputs: Vec<&[u8]> = schedule.inputs().iter().map(|&cell| stripe.cell(cell)).collect();
    let mut made = vec![vec![0x77; stripe.cells[0].len()]; schedule.targets().len()];
    codec.run(schedule, &inputs, &mut made.iter_mut().map(Vec::as_mut_slice).collect::<Vec<_>>());
    for (cell, bytes) in schedule.targets().iter().zip(&made) {
        assert!(bytes == stripe.cell(*cell), "{}: cell {cell} is another", codec.code());
    }
}

/// The cells that may be read.
fn readable(code: &Code, costs: &ReadCosts) -> Vec<Cell> {
    code.cells().filter(|cell| costs.of(cell.column.into()).is_some()).collect()
}

/// Whether a refusal is right.
fn check_refusal(code: &Code, wanted: &[Cell], readable: &[Cell], error: &PlanError) {
    let is_right = match error {
        PlanError::NoSuchCell { cell, .. } => wanted.contains(cell) && !code.contains(*cell),
        PlanError::Undetermined { cell, .. } => wanted.contains(cell) && !brute::determine(code, readable, &[*cell]),
        PlanError::NoSuchColumn { .. }
        | PlanError::CostCount { .. }
        | PlanError::NotData { .. }
        | PlanError::OutOfRange { .. }
        | PlanError::PeerTwice { .. }
        | PlanError::NoWay { .. }
        | PlanError::WrongCell { .. }
        | PlanError::Schedule(_) => false,
    };
    assert!(is_right, "{code}, {wanted:?}: {error}");
}

fn check_read(codec: &StripeCodec, stripe: &Stripe, wanted: &[Cell], costs: &ReadCosts) {
    let code: &Code = codec.code();
    let readable = readable(code, costs);
    let plan = match ReadPlan::new(code, wanted, costs) {
        Ok(plan) => plan,
        Err(error) => return check_refusal(code, wanted, &readable, &error),
    };
    let what = format!("{code}, {wanted:?}, {costs:?}");
    assert!(plan.reads().iter().all(|cell| readable.contains(cell)), "{what}: a lost cell is read");
    assert!(brute::determine(code, plan.reads(), wanted), "{what}: too little is read");
    let is_had = |cell: &Cell| plan.reads().contains(cell) != plan.schedule().targets().contains(cell);
    assert!(wanted.iter().all(is_had), "{what}: a wanted cell is neither read nor made, or both");
    assert_eq!(brute::cost(plan.reads(), costs), plan.cost(), "{what}");
    assert!(plan.bound() <= plan.cost(), "{what}");
    if readable.len() <= CELLS_SEARCHED_MAX && !wanted.is_empty() {
        assert!(!brute::is_cheaper_possible(code, wanted, costs, plan.bound()), "{what}: a cheaper set than the bound");
    }
    run(codec, stripe, plan.schedule(), plan.reads());
}

fn check_repair(codec: &StripeCodec, stripe: &Stripe, column: usize, costs: &ReadCosts, balanced: bool) {
    let code: &Code = codec.code();
    let plan = if balanced { RepairPlan::balanced } else { RepairPlan::new };
    let plan = match plan(code, column, costs) {
        Ok(plan) => plan,
        Err(PlanError::NoSuchColumn { found, .. }) => {
            return assert!(found == column && column >= code.columns(), "{code}");
        }
        Err(error) => {
            let without = costs.clone().without(ErasurePattern::of(&[column]));
            let wanted: Vec<Cell> = (0..code.rows()).map(|row| Cell::new(column, row)).collect();
            return check_refusal(code, &wanted, &readable(code, &without), &error);
        }
    };
    let what = format!("{code}, column {column}, {costs:?}");
    let is_readable = |cell: &Cell| usize::from(cell.column) != column && costs.of(cell.column.into()).is_some();
    assert!(plan.reads().iter().all(is_readable), "{what}");
    assert_eq!(brute::cost(plan.reads(), costs), plan.cost(), "{what}");
    assert!(plan.bound() <= plan.cost(), "{what}");
    let count = |of: usize| plan.reads().iter().filter(|cell| usize::from(cell.column) == of).count();
    assert_eq!(plan.counts(), (0..code.columns()).map(count).collect::<Vec<_>>(), "{what}");
    let is_made = |row: usize| plan.schedule().targets().contains(&Cell::new(column, row));
    assert!((0..code.rows()).all(is_made), "{what}: a cell stays lost");
    run(codec, stripe, plan.schedule(), plan.reads());
}

fn check_range(codec: &StripeCodec, stripe: &Stripe, lost: ErasurePattern, from: usize, length: usize) {
    let code: &Code = codec.code();
    let cell_bytes = stripe.cells[0].len();
    let start = from % (stripe.data.len() + 1);
    let end = start + length % (stripe.data.len() + 2);
    let plan = match codec.planner().read_bytes(start..end, cell_bytes, lost) {
        Ok(plan) => plan,
        Err(PlanError::OutOfRange { .. }) => return assert!(end > stripe.data.len(), "{code}: {start}..{end}"),
        Err(error) => {
            let wanted: Vec<Cell> =
                (start / cell_bytes..end.div_ceil(cell_bytes)).map(|cell| code.data_cell(cell)).collect();
            return check_refusal(code, &wanted, &readable(code, &ReadCosts::equal(code).without(lost)), &error);
        }
    };
    let named: BTreeSet<(Cell, usize, usize)> =
        plan.reads().map(|(cell, offsets)| (cell, offsets.start, offsets.end)).collect();
    assert!(named.iter().all(|(cell, ..)| !lost.contains(cell.column.into())), "{code}: a lost cell is read");
    let mut out = vec![0xee; end - start];
    let piece = |cell: Cell, offsets: core::ops::Range<usize>| {
        assert!(named.contains(&(cell, offsets.start, offsets.end)), "{code}: {cell} {offsets:?} is not named");
        &stripe.cell(cell)[offsets]
    };
    plan.run(codec, piece, &mut out);
    assert!(out == stripe.data[start..end], "{code} without {lost}: bytes {start} to {end} are others");
}

/// Whether every peer's way leads to the end.
fn all_arrive(peers: &[Peer]) -> bool {
    peers.iter().all(|peer| {
        let mut way = Some(*peer);
        for _ in 0..=peers.len() {
            match way {
                Some(Peer { to: Some(to), .. }) => way = peers.iter().find(|peer| peer.column == to).copied(),
                Some(Peer { to: None, .. }) => return true,
                None => return false,
            }
        }
        false
    })
}

fn check_sums(code: &Code, stripe: &Stripe, wanted: &[Cell], peers: &[Peer]) {
    let columns: BTreeSet<usize> = peers.iter().map(|peer| peer.column).collect();
    let held: Vec<Cell> = code.cells().filter(|cell| columns.contains(&cell.column.into())).collect();
    let sums = match PartialSums::new(code, wanted, peers) {
        Ok(sums) => sums,
        Err(PlanError::NoSuchColumn { found, .. }) => return assert!(found >= code.columns(), "{code}: {found}"),
        Err(PlanError::PeerTwice { .. }) => return assert!(columns.len() < peers.len(), "{code}: {peers:?}"),
        Err(PlanError::NoWay { .. }) => return assert!(!all_arrive(peers), "{code}: {peers:?}"),
        Err(error) => return check_refusal(code, wanted, &held, &error),
    };
    assert!(columns.len() == peers.len() && all_arrive(peers), "{code}: {peers:?}");
    let mut sent: BTreeMap<usize, (Option<usize>, Vec<Vec<u8>>)> = BTreeMap::new();
    for hop in sums.hops() {
        let column = hop.peer().map(|peer| peer.column);
        assert!(
            hop.reads().iter().all(|cell| Some(usize::from(cell.column)) == column),
            "{code}: another's cell is read"
        );
        assert!(hop.sends().len() <= sums.wanted().len(), "{code}: more is sent than is wanted");
        let own: Vec<&[u8]> = hop.reads().iter().map(|&cell| stripe.cell(cell)).collect();
        let mut received: Vec<&[u8]> = Vec::new();
        for (from, cells) in hop.receives() {
            let (to, bytes) = &sent[from];
            assert_eq!((*to, bytes.len()), (column, cells.len()), "{code}: from column {from} to {column:?}");
            received.extend(bytes.iter().map(Vec::as_slice));
        }
        let mut made = vec![vec![0x77; stripe.cells[0].len()]; hop.sends().len()];
        hop.run(Kernel::detect(), &own, &received, &mut made.iter_mut().map(Vec::as_mut_slice).collect::<Vec<_>>());
        if let Some(peer) = hop.peer() {
            assert!(peers.contains(&peer), "{code}: {peer:?} is none of the peers");
            sent.insert(peer.column, (peer.to, made));
        } else {
            assert_eq!(hop.sends(), sums.wanted(), "{code}");
            let is_right = hop.sends().iter().zip(&made).all(|(cell, bytes)| bytes == stripe.cell(*cell));
            assert!(is_right, "{code}, {wanted:?}, {peers:?}: wrong bytes");
        }
    }
    let distinct: BTreeSet<Cell> = wanted.iter().copied().collect();
    assert!(distinct.iter().eq(sums.wanted()), "{code}: {wanted:?}");
}
