//! Columns cut into cells, and schedules run over them.

use rain_codec::{Cell, Schedule, StripeCodec};

/// The cells of a stripe by column and row, those that are there.
///
/// Shape: row after row in each column, all of one length.
pub(crate) struct Cells<'a> {
    rows: usize,
    cell_len: usize,
    readable: Vec<Option<&'a [u8]>>,
    writable: Vec<Option<&'a mut [u8]>>,
}

impl<'a> Cells<'a> {
    /// Prepares for a stripe of columns of `column_len` bytes, a multiple of the rows.
    pub(crate) fn new(columns: usize, rows: usize, column_len: usize) -> Self {
        let none = || 0..columns * rows;
        let (readable, writable) = (none().map(|_| None).collect(), none().map(|_| None).collect());
        Self { rows, cell_len: column_len / rows, readable, writable }
    }

    /// Adds a column that is read.
    pub(crate) fn read(&mut self, column: usize, bytes: &'a [u8]) {
        for (row, cell) in bytes.chunks_exact(self.cell_len).enumerate() {
            self.readable[column * self.rows + row] = Some(cell);
        }
    }

    /// Adds a column whose cells `is_written` picks are written, and the others read.
    pub(crate) fn write(&mut self, column: usize, bytes: &'a mut [u8], is_written: impl Fn(Cell) -> bool) {
        for (row, cell) in bytes.chunks_exact_mut(self.cell_len).enumerate() {
            let place = column * self.rows + row;
            if is_written(Cell::new(column, row)) {
                self.writable[place] = Some(cell);
            } else {
                self.readable[place] = Some(cell);
            }
        }
    }

    fn place(&self, cell: Cell) -> usize {
        usize::from(cell.column) * self.rows + usize::from(cell.row)
    }

    /// Runs a schedule. What it makes on the way, and nobody wants, goes into memory of its own.
    ///
    /// # Panics
    /// When a cell is not there that the schedule reads.
    pub(crate) fn run(mut self, codec: &StripeCodec, schedule: &Schedule) {
        let there = "a schedule reads columns that survive";
        let inputs: Vec<&[u8]> =
            schedule.inputs().iter().map(|cell| self.readable[self.place(*cell)].expect(there)).collect();
        let places: Vec<usize> = schedule.targets().iter().map(|cell| self.place(*cell)).collect();
        let unwanted = places.iter().filter(|place| self.writable[**place].is_none()).count();
        let mut scratch = vec![0; unwanted * self.cell_len];
        let mut spare = scratch.chunks_exact_mut(self.cell_len);
        let mut outputs: Vec<&mut [u8]> = Vec::with_capacity(places.len());
        for place in places {
            let wanted = self.writable[place].take();
            outputs.push(wanted.or_else(|| spare.next()).expect("a spare cell for each that is not wanted"));
        }
        codec.run(schedule, &inputs, &mut outputs);
    }
}
