//! Changing data cells without reading the rest of the stripe: parity changes by the difference of old and new.

use core::ops::Range;
use std::sync::Arc;

use super::PlanError;
use super::cells::CellSet;
use super::range::{self, Part};
use crate::code::{Cell, CellKind, Code};

/// Bytes of the difference of old and new that are worked out at a time: they stay in the first-level cache, and so do
/// as many of each parity cell.
const STRIP_BYTES: usize = 2048;

/// Which parity cells change with some data cells.
///
/// Shape: cells of any length, or pieces of them at equal offsets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpdatePlan {
    data: Vec<Cell>,
    parity: Vec<Cell>,
    /// For each data cell the places in `parity` of those that it is in.
    touched: Vec<Vec<usize>>,
    rebuild_reads: usize,
}

impl UpdatePlan {
    /// Plans the change of data cells. A cell named twice counts once.
    ///
    /// # Errors
    /// A cell that the code does not have, or that is parity.
    pub fn new(code: &Code, cells: &[Cell]) -> Result<Self, PlanError> {
        let mut data = cells.to_vec();
        data.sort_unstable();
        data.dedup();
        for &cell in &data {
            if !code.contains(cell) {
                return Err(PlanError::NoSuchCell { code: code.name().to_owned(), cell });
            }
            if matches!(code.cell(cell), CellKind::Parity { .. }) {
                return Err(PlanError::NotData { code: code.name().to_owned(), cell });
            }
        }
        let mut parity = Vec::new();
        let mut touched = vec![Vec::new(); data.len()];
        let mut others = CellSet::none(code);
        for (cell, of) in code.parity_cells() {
            let changed: Vec<usize> = of.iter().filter_map(|member| data.binary_search(member).ok()).collect();
            if !changed.is_empty() {
                for place in changed {
                    touched[place].push(parity.len());
                }
                parity.push(cell);
                others.unite(&CellSet::sum(code, of));
            }
        }
        others.remove(&CellSet::sum(code, &data));
        let plan = Self { data, parity, touched, rebuild_reads: others.len() };
        plan.verify(code)?;
        Ok(plan)
    }

    /// Gives the data cells that change, by column, then row.
    pub fn data(&self) -> &[Cell] {
        &self.data
    }

    /// Gives the parity cells that change with them, by column, then row. With one data cell of a direct B-code or X-code
    /// they are two.
    pub fn parity(&self) -> &[Cell] {
        &self.parity
    }

    /// Counts the cells that are read: the old ones, and the parity cells. As many are written.
    pub fn reads(&self) -> usize {
        self.data.len() + self.parity.len()
    }

    /// Counts the cells that would be read to make the same parity cells again: all other data cells in them. When fewer
    /// than [`reads`](Self::reads), encoding again is cheaper where reading is what costs.
    pub fn rebuild_reads(&self) -> usize {
        self.rebuild_reads
    }

    /// Counts the cells that it names: how much memory it takes.
    pub(super) fn cell_count(&self) -> usize {
        self.reads() + self.touched.iter().map(Vec::len).sum::<usize>()
    }

    /// Counts the XORs of two cells.
    pub fn xor_count(&self) -> usize {
        self.data.len() + self.touched.iter().map(Vec::len).sum::<usize>()
    }

    /// Changes the parity cells as the data cells change.
    ///
    /// Shape: `old` and `new` are the cells of [`data`](Self::data), `parity` those of [`parity`](Self::parity), in place;
    /// all of one length, any.
    /// Cost: each byte is read once, and written once if it is parity. Allocates nothing.
    ///
    /// # Panics
    /// When there are more or fewer cells, or their lengths differ.
    pub fn apply(&self, old: &[&[u8]], new: &[&[u8]], parity: &mut [&mut [u8]]) {
        assert_eq!((old.len(), new.len()), (self.data.len(), self.data.len()), "number of data cells");
        let length = self.cell_len(old.iter().chain(new).map(|cell| cell.len()), parity);
        self.in_strips(
            length,
            |place, strip, delta| {
                let sources = old[place][strip.clone()].iter().zip(&new[place][strip]);
                delta.iter_mut().zip(sources).for_each(|(delta, (old, new))| *delta = old ^ new);
            },
            parity,
        );
    }

    /// As [`UpdatePlan::apply`], and overwrites the old cells with the new ones.
    ///
    /// # Panics
    /// As [`UpdatePlan::apply`].
    pub fn overwrite(&self, data: &mut [&mut [u8]], new: &[&[u8]], parity: &mut [&mut [u8]]) {
        assert_eq!((data.len(), new.len()), (self.data.len(), self.data.len()), "number of data cells");
        let lengths = data.iter().map(|cell| cell.len()).chain(new.iter().map(|cell| cell.len()));
        let length = self.cell_len(lengths, parity);
        self.in_strips(
            length,
            |place, strip, delta| {
                let pairs = data[place][strip.clone()].iter_mut().zip(&new[place][strip]);
                for (delta, (old, &new)) in delta.iter_mut().zip(pairs) {
                    *delta = *old ^ new;
                    *old = new;
                }
            },
            parity,
        );
    }

    fn cell_len(&self, mut lengths: impl Iterator<Item = usize>, parity: &[&mut [u8]]) -> usize {
        assert_eq!(parity.len(), self.parity.len(), "number of parity cells");
        let length = lengths.next().unwrap_or(0);
        for found in lengths.chain(parity.iter().map(|cell| cell.len())) {
            assert_eq!(found, length, "length of a cell");
        }
        length
    }

    /// Adds the differences that `differ` works out to the parity cells.
    fn in_strips(
        &self,
        length: usize,
        mut differ: impl FnMut(usize, Range<usize>, &mut [u8]),
        parity: &mut [&mut [u8]],
    ) {
        let mut delta = [0; STRIP_BYTES];
        for start in (0..length).step_by(STRIP_BYTES) {
            let strip = start..length.min(start + STRIP_BYTES);
            let delta = &mut delta[..strip.len()];
            for (place, touched) in self.touched.iter().enumerate() {
                differ(place, strip.clone(), delta);
                for &number in touched {
                    let target = &mut parity[number][strip.clone()];
                    target.iter_mut().zip(&*delta).for_each(|(byte, delta)| *byte ^= delta);
                }
            }
        }
    }

    /// Checks that every parity cell takes the difference of each data cell in it once, and of no other one, as the code
    /// says.
    fn verify(&self, code: &Code) -> Result<(), PlanError> {
        for (cell, of) in code.parity_cells() {
            let place = self.parity.binary_search(&cell).ok();
            for (data, touched) in self.data.iter().zip(&self.touched) {
                let times = touched.iter().filter(|&&number| Some(number) == place).count();
                if times != usize::from(of.contains(data)) {
                    return Err(PlanError::WrongCell { code: code.name().to_owned(), cell });
                }
            }
        }
        Ok(())
    }
}

/// Overwrites bytes of a stripe's data, and changes its parity with them.
///
/// Shape: `columns` are all columns of the stripe, each its cells one after the other, of any one length; `at` is where
/// `new` begins in the stripe's byte order.
/// Cost: plans each time; [`Planner::update_stripe`](super::Planner::update_stripe) keeps plans.
///
/// ```
/// use rain_codec::{Code, plan};
///
/// // a | d+c, b | d+a, c | a+b, d | b+c, in bytes.
/// let mut columns = [[1, 4 ^ 8], [2, 1 ^ 8], [4, 1 ^ 2], [8, 2 ^ 4]];
/// let mut slices: Vec<&mut [u8]> = columns.iter_mut().map(|column| &mut column[..]).collect();
/// let code = Code::named("b-code:4")?;
/// plan::update_stripe(&code, &mut slices, 1, &[16, 32])?;
/// assert_eq!(columns, [[1, 32 ^ 8], [16, 1 ^ 8], [32, 1 ^ 16], [8, 16 ^ 32]]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// Bytes beyond the stripe's; nothing is changed then.
///
/// # Panics
/// When there are more or fewer columns than the code's, their lengths differ, or are no multiple of its rows.
pub fn update_stripe(code: &Code, columns: &mut [&mut [u8]], at: usize, new: &[u8]) -> Result<(), PlanError> {
    update_with(code, columns, at, new, |cells| Ok(Arc::new(UpdatePlan::new(code, cells)?)))
}

pub(super) fn update_with(
    code: &Code,
    columns: &mut [&mut [u8]],
    at: usize,
    new: &[u8],
    plan: impl Fn(&[Cell]) -> Result<Arc<UpdatePlan>, PlanError>,
) -> Result<(), PlanError> {
    assert_eq!(columns.len(), code.columns(), "number of columns");
    let column_bytes = columns.first().map_or(0, |column| column.len());
    assert!(columns.iter().all(|column| column.len() == column_bytes), "columns of different lengths");
    assert!(column_bytes.is_multiple_of(code.rows()), "{column_bytes} bytes in {} cells", code.rows());
    let cell_bytes = column_bytes / code.rows();
    for Part { offsets, cells } in range::parts(code, &(at..at.saturating_add(new.len())), cell_bytes)? {
        let data: Vec<Cell> = cells.clone().map(|index| code.data_cell(index)).collect();
        let plan = plan(&data)?;
        let mut slots: Vec<Option<&mut [u8]>> =
            columns.iter_mut().flat_map(|column| column.chunks_exact_mut(cell_bytes)).map(Some).collect();
        let mut take = |cell: &Cell| {
            let slot = &mut slots[usize::from(cell.column) * code.rows() + usize::from(cell.row)];
            &mut slot.take().expect("every cell once")[offsets.clone()]
        };
        let mut old: Vec<&mut [u8]> = plan.data().iter().map(&mut take).collect();
        let mut parity: Vec<&mut [u8]> = plan.parity().iter().map(&mut take).collect();
        let piece = |cell: &Cell| match code.cell(*cell) {
            CellKind::Data { index } => &new[index * cell_bytes + offsets.start - at..][..offsets.len()],
            CellKind::Parity { .. } => unreachable!("the plan is of data cells"),
        };
        let new: Vec<&[u8]> = plan.data().iter().map(piece).collect();
        plan.overwrite(&mut old, &new, &mut parity);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever is left out of a plan, or done twice, is found out before it is used.
    #[test]
    fn a_wrong_plan_is_found_out() {
        let code = Code::named("b-code:6").unwrap();
        let right = UpdatePlan::new(&code, &[Cell::new(0, 0), Cell::new(3, 1)]).unwrap();
        assert_eq!(right.verify(&code), Ok(()));
        for (data, place) in (0..2).flat_map(|data| (0..2).map(move |place| (data, place))) {
            let cell = right.parity[right.touched[data][place]];
            let wrong = Err(PlanError::WrongCell { code: "b-code:6".into(), cell });
            let mut without = right.clone();
            without.touched[data].remove(place);
            assert_eq!(without.verify(&code), wrong);
            let mut twice = right.clone();
            twice.touched[data].push(right.touched[data][place]);
            assert_eq!(twice.verify(&code), wrong);
        }
        let error = PlanError::WrongCell { code: "b-code:6".into(), cell: Cell::new(1, 2) };
        let text = "b-code:6: the plan gives another cell (2, 1) (row, column) than the code defines";
        assert_eq!(error.to_string(), text);
    }
}
