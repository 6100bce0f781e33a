//! Which bytes of which columns a range of the title takes.

use core::ops::Range;
use std::sync::Arc;

use rain_codec::{Cell, ErasurePattern, Schedule};

use crate::prototype::{Layout, Prototype};

/// What a range needs of one stripe.
#[derive(Debug)]
pub(crate) struct StripePlan {
    pub(crate) stripe: usize,
    /// The range's data cells, each with the bytes of it that are asked for.
    pub(crate) touched: Vec<(Cell, Range<usize>)>,
    /// What to recover: bytes of cells, in whole blocks or lines, by a schedule.
    pub(crate) repairs: Vec<(Range<usize>, Arc<Schedule>)>,
    /// For each column the pieces of its record's cells to be read, in whole blocks.
    pub(crate) pieces: Vec<Vec<Range<usize>>>,
}

/// What a range costs.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cost {
    /// Bytes read of column files, checksums included.
    pub(crate) bytes: usize,
    /// Columns of stripes that something is read of: a request each, if one request names a column of a stripe.
    pub(crate) requests: usize,
    /// Pieces that are contiguous in their files.
    pub(crate) reads: usize,
}

impl StripePlan {
    pub(crate) fn cost(&self, prototype: &Prototype) -> Cost {
        let mut cost = Cost::default();
        for pieces in self.pieces.iter().filter(|pieces| !pieces.is_empty()) {
            let checksums = checksum_range(prototype, pieces);
            cost.requests += 1;
            cost.reads += pieces.len() + usize::from(!checksums.is_empty());
            cost.bytes += pieces.iter().map(ExactSizeIterator::len).sum::<usize>() + checksums.len();
        }
        cost
    }
}

/// Where in the record the checksums of pieces lie, from the first to the last.
pub(crate) fn checksum_range(prototype: &Prototype, pieces: &[Range<usize>]) -> Range<usize> {
    let (Some(first), Some(last)) = (pieces.first(), pieces.last()) else { return 0..0 };
    let place = |block: usize| prototype.area_bytes() + block * prototype.checksum.bytes();
    place(first.start / prototype.block_bytes)..place(last.end.div_ceil(prototype.block_bytes))
}

/// Plans the reading of a range without some columns: data cells where they are there, and for lost ones what their
/// schedules read.
pub(crate) fn plan(prototype: &Prototype, range: Range<usize>, lost: ErasurePattern) -> Vec<StripePlan> {
    let full = prototype.stripe_data_bytes();
    (range.start / full..range.end.div_ceil(full))
        .map(|stripe| {
            let within =
                range.start.max(stripe * full) - stripe * full..range.end.min((stripe + 1) * full) - stripe * full;
            plan_stripe(prototype, stripe, &within, lost)
        })
        .collect()
}

fn plan_stripe(prototype: &Prototype, stripe: usize, within: &Range<usize>, lost: ErasurePattern) -> StripePlan {
    let code = prototype.code();
    let cell_bytes = prototype.cell_bytes;
    let touched: Vec<(Cell, Range<usize>)> = (within.start / cell_bytes..within.end.div_ceil(cell_bytes))
        .map(|index| {
            let start = index * cell_bytes;
            let bytes = within.start.max(start) - start..within.end.min(start + cell_bytes) - start;
            (code.data_cell(index), bytes)
        })
        .collect();
    let grain = match prototype.layout {
        Layout::Contiguous | Layout::InMemory(_) => prototype.block_bytes,
        Layout::OnDisk(line) => line,
    };
    let round = |bytes: &Range<usize>| bytes.start / grain * grain..bytes.end.next_multiple_of(grain);
    let is_lost = |cell: Cell| lost.contains(usize::from(cell.column));
    let mut needed: Vec<(Cell, Range<usize>)> =
        touched.iter().filter(|(cell, _)| !is_lost(*cell)).map(|(cell, bytes)| (*cell, round(bytes))).collect();
    let missing: Vec<(Cell, Range<usize>)> =
        touched.iter().filter(|(cell, _)| is_lost(*cell)).map(|(cell, bytes)| (*cell, round(bytes))).collect();
    let mut cuts: Vec<usize> = missing.iter().flat_map(|(_, bytes)| [bytes.start, bytes.end]).collect();
    cuts.sort_unstable();
    cuts.dedup();
    let mut repairs = Vec::new();
    for bytes in cuts.windows(2).map(|cut| cut[0]..cut[1]) {
        let covers = |held: &Range<usize>| held.start <= bytes.start && bytes.end <= held.end;
        let wanted: Vec<Cell> = missing.iter().filter(|(_, held)| covers(held)).map(|(cell, _)| *cell).collect();
        if wanted.is_empty() {
            continue;
        }
        let schedule = prototype.codec.recover_schedule(lost, &wanted).expect("columns the code can lose");
        needed.extend(schedule.inputs().iter().map(|&cell| (cell, bytes.clone())));
        repairs.push((bytes, schedule));
    }
    let pieces = (0..code.columns())
        .map(|column| {
            let of_column = needed.iter().filter(|(cell, _)| usize::from(cell.column) == column);
            merge(of_column.map(|(cell, bytes)| area_range(prototype, *cell, bytes)).collect())
        })
        .collect();
    StripePlan { stripe, touched, repairs, pieces }
}

/// Where bytes of a cell lie in the record, in whole blocks.
fn area_range(prototype: &Prototype, cell: Cell, bytes: &Range<usize>) -> Range<usize> {
    if !prototype.layout.is_on_disk() {
        let start = usize::from(cell.row) * prototype.cell_bytes;
        return start + bytes.start..start + bytes.end;
    }
    let rows = prototype.code().rows();
    let block_bytes = prototype.block_bytes;
    let end = (bytes.end * rows).next_multiple_of(block_bytes).min(prototype.area_bytes());
    bytes.start * rows / block_bytes * block_bytes..end
}

fn merge(mut ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    ranges.sort_unstable_by_key(|range| range.start);
    let mut merged: Vec<Range<usize>> = Vec::new();
    for range in ranges {
        match merged.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    merged
}
