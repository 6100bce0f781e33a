//! Bytes of a stripe's data, though columns are lost.

use core::ops::Range;
use std::sync::Arc;

use super::{PlanError, ReadPlan};
use crate::code::{Cell, CellKind, Code};
use crate::stripe::StripeCodec;

/// Bytes at the same offsets of some data cells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// Where in each cell.
    pub(super) offsets: Range<usize>,
    /// Data cells, by their places in byte order.
    pub(super) cells: Range<usize>,
}

/// Cuts bytes of a stripe's data into parts, three at most: what the first and the last cell have in common with the
/// cells between them, and what only one of them has.
pub(super) fn parts(code: &Code, bytes: &Range<usize>, cell_bytes: usize) -> Result<Vec<Part>, PlanError> {
    let stripe_bytes = cell_bytes.saturating_mul(code.data_cell_count());
    if bytes.start > bytes.end || bytes.end > stripe_bytes {
        return Err(PlanError::OutOfRange { start: bytes.start, end: bytes.end, stripe_bytes });
    }
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    let (first, begin) = (bytes.start / cell_bytes, bytes.start % cell_bytes);
    let (last, end) = ((bytes.end - 1) / cell_bytes, (bytes.end - 1) % cell_bytes + 1);
    let mut bounds = [0, begin, end, cell_bytes];
    bounds.sort_unstable();
    let parts = bounds.windows(2).map(|bounds| {
        let from = if bounds[0] >= begin { first } else { first + 1 };
        let to = if bounds[0] < end { last + 1 } else { last };
        Part { offsets: bounds[0]..bounds[1], cells: from..to }
    });
    Ok(parts.filter(|part| !part.offsets.is_empty() && !part.cells.is_empty()).collect())
}

/// How to have bytes of a stripe's data, reading as little as can be of the columns that are left.
///
/// Shape: XOR works byte by byte, so of a cell only those offsets are read that some wanted cell is wanted at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RangePlan {
    bytes: Range<usize>,
    cell_bytes: usize,
    parts: Vec<(Part, Arc<ReadPlan>)>,
}

impl RangePlan {
    /// Plans the bytes `bytes` of a stripe with cells of `cell_bytes`; `plan` gives the plan for wanted cells.
    pub(super) fn new(
        code: &Code,
        bytes: Range<usize>,
        cell_bytes: usize,
        plan: impl Fn(&[Cell]) -> Result<Arc<ReadPlan>, PlanError>,
    ) -> Result<Self, PlanError> {
        let with_plan = |part: Part| {
            let wanted: Vec<Cell> = part.cells.clone().map(|index| code.data_cell(index)).collect();
            Ok((part, plan(&wanted)?))
        };
        let parts: Result<_, PlanError> = parts(code, &bytes, cell_bytes)?.into_iter().map(with_plan).collect();
        Ok(Self { bytes, cell_bytes, parts: parts? })
    }

    /// Walks over what is read: pieces of cells, each once.
    pub fn reads(&self) -> impl Iterator<Item = (Cell, Range<usize>)> {
        self.parts.iter().flat_map(|(part, plan)| plan.reads().iter().map(|&cell| (cell, part.offsets.clone())))
    }

    /// Counts the bytes that are read.
    pub fn bytes_read(&self) -> usize {
        self.reads().map(|(_, offsets)| offsets.len()).sum()
    }

    /// Puts the bytes together.
    ///
    /// Shape: `piece` gives what [`reads`](Self::reads) names, of just that length; `out` are the bytes wanted.
    ///
    /// # Panics
    /// When `out` or a piece is longer or shorter, or the codec is of another code.
    pub fn run<'pieces>(
        &self,
        codec: &StripeCodec,
        piece: impl Fn(Cell, Range<usize>) -> &'pieces [u8],
        out: &mut [u8],
    ) {
        assert_eq!(out.len(), self.bytes.len(), "bytes wanted");
        for (part, plan) in &self.parts {
            let code = codec.code();
            let wanted: Vec<Cell> = part.cells.clone().map(|index| code.data_cell(index)).collect();
            let mut slots = self.slots(part, out);
            for (slot, &cell) in slots.iter_mut().zip(&wanted) {
                if plan.reads().binary_search(&cell).is_ok() {
                    slot.copy_from_slice(piece(cell, part.offsets.clone()));
                }
            }
            let schedule = plan.schedule();
            let inputs: Vec<&[u8]> = schedule.inputs().iter().map(|&cell| piece(cell, part.offsets.clone())).collect();
            let is_wanted = |cell: &Cell| wanted.contains(cell);
            let on_the_way = schedule.targets().iter().filter(|cell| !is_wanted(cell)).count();
            let mut scratch = vec![0; on_the_way * part.offsets.len()];
            let mut scratch = scratch.chunks_exact_mut(part.offsets.len());
            let mut slots: Vec<Option<&mut [u8]>> = slots.into_iter().map(Some).collect();
            let mut target = |cell: &Cell| {
                let wanted_slot = match code.cell(*cell) {
                    CellKind::Data { index } => index.checked_sub(part.cells.start).and_then(|at| slots.get_mut(at)),
                    CellKind::Parity { .. } => None,
                };
                wanted_slot.map_or_else(|| scratch.next(), Option::take).expect("a slot for each target")
            };
            let mut outputs: Vec<&mut [u8]> = schedule.targets().iter().map(&mut target).collect();
            codec.run(schedule, &inputs, &mut outputs);
        }
    }

    /// Finds the place of each cell of a part in the bytes wanted.
    fn slots<'out>(&self, part: &Part, mut out: &'out mut [u8]) -> Vec<&'out mut [u8]> {
        let mut at = self.bytes.start;
        let mut slots = Vec::new();
        for index in part.cells.clone() {
            let start = index * self.cell_bytes + part.offsets.start;
            let (_, rest) = core::mem::take(&mut out).split_at_mut(start - at);
            let (slot, rest) = rest.split_at_mut(part.offsets.len());
            at = start + slot.len();
            slots.push(slot);
            out = rest;
        }
        slots
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every byte of every range is in one part.
    #[test]
    fn parts_are_the_bytes() {
        let code = Code::named("b-code:4").unwrap();
        for cell_bytes in [1, 5] {
            let stripe_bytes = 4 * cell_bytes;
            for (start, end) in (0..=stripe_bytes).flat_map(|start| (start..=stripe_bytes).map(move |end| (start, end)))
            {
                let parts = parts(&code, &(start..end), cell_bytes).unwrap();
                assert!(parts.len() <= 3);
                let bytes_of = |part: &Part| {
                    let offsets = part.offsets.clone();
                    let of_cell = move |index: usize| offsets.clone().map(move |offset| index * cell_bytes + offset);
                    part.cells.clone().flat_map(of_cell).collect::<Vec<usize>>()
                };
                let mut bytes: Vec<usize> = parts.iter().flat_map(bytes_of).collect();
                bytes.sort_unstable();
                assert_eq!(bytes, (start..end).collect::<Vec<usize>>(), "{start}..{end} of {cell_bytes}");
            }
        }
    }

    #[test]
    fn there_is_nothing_beyond_the_stripe() {
        let code = Code::named("b-code:4").unwrap();
        for (bytes, cell_bytes) in [(0..5, 1), (4..5, 1), (Range { start: 3, end: 2 }, 1), (0..1, 0)] {
            let error = PlanError::OutOfRange { start: bytes.start, end: bytes.end, stripe_bytes: 4 * cell_bytes };
            assert_eq!(parts(&code, &bytes, cell_bytes), Err(error));
        }
        assert_eq!(parts(&code, &(0..0), 0), Ok(vec![]));
    }
}
