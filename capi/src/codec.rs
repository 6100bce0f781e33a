//! A code, ready to encode and to recover stripes whose columns lie one cell after the other.

use std::sync::Arc;

use rain_codec::plan::{PlanError, UpdatePlan};
use rain_codec::{Cell, CellKind, Code, ErasurePattern, StripeCodec};

use crate::cells::Cells;
use crate::status::RainStatus;

/// Cells are this aligned within a column where the library chooses their length: a cache line.
const CELL_GRAIN: usize = 64;

/// A code with the instruction set of this machine. Threads may share it.
#[derive(Debug)]
pub struct RainCodec {
    pub(crate) stripe: Arc<StripeCodec>,
}

impl RainCodec {
    /// Finds a code by its name.
    ///
    /// # Errors
    /// [`RainStatus::Name`].
    pub fn named(name: &str) -> Result<Self, RainStatus> {
        let code = Code::named(name).map_err(|_| RainStatus::Name)?;
        Ok(Self { stripe: Arc::new(StripeCodec::new(Arc::new(code))) })
    }

    /// Gives the code.
    pub fn code(&self) -> &Code {
        self.stripe.code()
    }

    /// Computes the shortest column whose stripe holds `data_len` bytes, in cells of whole cache lines.
    ///
    /// # Errors
    /// [`RainStatus::Length`], for more bytes than memory can hold.
    pub fn column_len(&self, data_len: usize) -> Result<usize, RainStatus> {
        let cell_len = data_len.div_ceil(self.code().data_cell_count()).max(1);
        let column_len =
            cell_len.checked_next_multiple_of(CELL_GRAIN).and_then(|len| len.checked_mul(self.code().rows()));
        column_len.ok_or(RainStatus::Length)
    }

    /// Computes the bytes of data in a stripe with columns of a length.
    ///
    /// # Errors
    /// [`RainStatus::Length`].
    pub fn data_len(&self, column_len: usize) -> Result<usize, RainStatus> {
        self.cell_len(column_len)?.checked_mul(self.code().data_cell_count()).ok_or(RainStatus::Length)
    }

    pub(crate) fn cell_len(&self, column_len: usize) -> Result<usize, RainStatus> {
        let fits = column_len > 0 && column_len.is_multiple_of(self.code().rows());
        fits.then(|| column_len / self.code().rows()).ok_or(RainStatus::Length)
    }

    /// Spreads data over the data cells; what is left of these becomes zeros.
    ///
    /// # Errors
    /// [`RainStatus::Length`], also for more data than fit.
    pub fn put(&self, data: &[u8], columns: &mut [&mut [u8]], column_len: usize) -> Result<(), RainStatus> {
        let cell_len = self.cell_len(column_len)?;
        if data.len() > self.data_len(column_len)? {
            return Err(RainStatus::Length);
        }
        let mut parts = data.chunks(cell_len);
        for index in 0..self.code().data_cell_count() {
            let Cell { column, row } = self.code().data_cell(index);
            let cell = &mut columns[usize::from(column)][usize::from(row) * cell_len..][..cell_len];
            let part = parts.next().unwrap_or_default();
            cell[..part.len()].copy_from_slice(part);
            cell[part.len()..].fill(0);
        }
        Ok(())
    }

    /// Collects data from the data cells.
    ///
    /// # Errors
    /// [`RainStatus::Length`], also for more data than there are.
    pub fn get(&self, columns: &[&[u8]], column_len: usize, data: &mut [u8]) -> Result<(), RainStatus> {
        let cell_len = self.cell_len(column_len)?;
        if data.len() > self.data_len(column_len)? {
            return Err(RainStatus::Length);
        }
        for (index, part) in data.chunks_mut(cell_len).enumerate() {
            let Cell { column, row } = self.code().data_cell(index);
            part.copy_from_slice(&columns[usize::from(column)][usize::from(row) * cell_len..][..part.len()]);
        }
        Ok(())
    }

    /// Makes the parity cells.
    ///
    /// # Errors
    /// [`RainStatus::Length`].
    pub fn encode(&self, columns: &mut [&mut [u8]], column_len: usize) -> Result<(), RainStatus> {
        self.cell_len(column_len)?;
        let code = self.code();
        let mut cells = Cells::new(code.columns(), code.rows(), column_len);
        for (column, bytes) in columns.iter_mut().enumerate() {
            cells.write(column, bytes, |cell| matches!(code.cell(cell), CellKind::Parity { .. }));
        }
        cells.run(&self.stripe, self.stripe.encode_schedule());
        Ok(())
    }

    /// Makes the lost columns out of the others; what they hold does not matter.
    ///
    /// # Errors
    /// [`RainStatus::Length`], [`RainStatus::Column`], [`RainStatus::TooManyLost`].
    pub fn recover(&self, columns: &mut [&mut [u8]], column_len: usize, lost: &[usize]) -> Result<(), RainStatus> {
        self.cell_len(column_len)?;
        let code = self.code();
        let lost = distinct(code, lost)?;
        let wanted: Vec<Cell> = code.cells().filter(|cell| lost.contains(usize::from(cell.column))).collect();
        let schedule = self.stripe.recover_schedule(lost, &wanted).map_err(|_| RainStatus::TooManyLost)?;
        let mut cells = Cells::new(code.columns(), code.rows(), column_len);
        for (column, bytes) in columns.iter_mut().enumerate() {
            cells.write(column, bytes, |_| lost.contains(column));
        }
        cells.run(&self.stripe, &schedule);
        Ok(())
    }

    /// Overwrites bytes of the stripe's data, and changes its parity by the difference.
    ///
    /// # Errors
    /// [`RainStatus::Length`]; [`RainStatus::Range`] for bytes behind the stripe's.
    pub fn update(
        &self,
        columns: &mut [&mut [u8]],
        column_len: usize,
        offset: usize,
        new: &[u8],
    ) -> Result<(), RainStatus> {
        self.cell_len(column_len)?;
        self.stripe.planner().update_stripe(columns, offset, new).map_err(no_such_data)
    }

    /// Lists the parity cells that change with a data cell, by column, then row.
    ///
    /// # Errors
    /// [`RainStatus::Range`].
    pub fn parity_of(&self, data_cell: usize) -> Result<Vec<Cell>, RainStatus> {
        Ok(self.update_of(data_cell)?.parity().to_vec())
    }

    /// Changes parity cells, those of [`parity_of`](Self::parity_of), as a data cell changes; or the same piece of each.
    ///
    /// # Errors
    /// [`RainStatus::Range`]; [`RainStatus::Count`] for more or fewer parity cells.
    ///
    /// # Panics
    /// When lengths differ.
    pub fn update_parity(
        &self,
        data_cell: usize,
        old: &[u8],
        new: &[u8],
        parity: &mut [&mut [u8]],
    ) -> Result<(), RainStatus> {
        let plan = self.update_of(data_cell)?;
        if parity.len() != plan.parity().len() {
            return Err(RainStatus::Count);
        }
        plan.apply(&[old], &[new], parity);
        Ok(())
    }

    fn update_of(&self, data_cell: usize) -> Result<Arc<UpdatePlan>, RainStatus> {
        let code = self.code();
        if data_cell >= code.data_cell_count() {
            return Err(RainStatus::Range);
        }
        self.stripe.planner().update(&[code.data_cell(data_cell)]).map_err(no_such_data)
    }

    /// Compares the parity cells with the data cells.
    ///
    /// # Errors
    /// [`RainStatus::Length`]; [`RainStatus::Mismatch`] where they differ.
    pub fn verify(&self, columns: &[&[u8]], column_len: usize) -> Result<(), RainStatus> {
        let cell_len = self.cell_len(column_len)?;
        let schedule = self.stripe.encode_schedule();
        let cell = |cell: &Cell| &columns[usize::from(cell.column)][usize::from(cell.row) * cell_len..][..cell_len];
        let inputs: Vec<&[u8]> = schedule.inputs().iter().map(cell).collect();
        let mut made = vec![0; schedule.targets().len() * cell_len];
        let mut outputs: Vec<&mut [u8]> = made.chunks_exact_mut(cell_len).collect();
        self.stripe.run(schedule, &inputs, &mut outputs);
        let agrees = schedule.targets().iter().zip(&outputs).all(|(target, made)| cell(target) == &**made);
        if agrees { Ok(()) } else { Err(RainStatus::Mismatch) }
    }
}

/// The pattern of columns that the code has, each named once.
pub(crate) fn distinct(code: &Code, columns: &[usize]) -> Result<ErasurePattern, RainStatus> {
    columns.iter().try_fold(ErasurePattern::none(), |pattern, &column| {
        let fits = column < code.columns() && !pattern.contains(column);
        fits.then(|| pattern.with(column)).ok_or(RainStatus::Column)
    })
}

/// What a plan of an update can be refused for: bytes that the stripe does not have.
fn no_such_data(_: PlanError) -> RainStatus {
    RainStatus::Range
}
