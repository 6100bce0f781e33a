//! What happens to a whole stripe: data to records, and records to data with and without lost columns.

use std::sync::Arc;

use rain_benches::AlignedBuffer;
use rain_codec::{Cell, CellKind, ErasurePattern, Schedule};

use crate::lines::{self, LineSchedule, gather, interleave};
use crate::prototype::{Layout, Prototype, Records};

/// A prototype with its schedules and the buffers that every stripe uses again.
pub(crate) struct Pipeline {
    pub(crate) prototype: Prototype,
    encode_lines: LineSchedule,
    lost: Vec<usize>,
    recover: Arc<Schedule>,
    recover_lines: LineSchedule,
    /// A column each: interleaved cells in memory, and lost columns.
    scratch: Vec<AlignedBuffer>,
}

impl Pipeline {
    /// Prepares a prototype; `decode` will have to do without `lost`.
    pub(crate) fn new(prototype: Prototype, lost: &[usize]) -> Self {
        let code = prototype.code();
        let is_lost = |cell: &Cell| lost.contains(&usize::from(cell.column));
        let wanted: Vec<Cell> =
            (0..code.data_cell_count()).map(|index| code.data_cell(index)).filter(is_lost).collect();
        let recover = prototype
            .codec
            .recover_schedule(ErasurePattern::of(lost), &wanted)
            .expect("as many columns as the code can lose");
        Self {
            encode_lines: LineSchedule::of(prototype.codec.encode_schedule()),
            lost: lost.to_vec(),
            recover_lines: LineSchedule::of(&recover),
            recover,
            scratch: (0..code.columns())
                .map(|column| AlignedBuffer::staggered(prototype.area_bytes(), column))
                .collect(),
            prototype,
        }
    }

    /// Makes the records of a full stripe, checksums included.
    pub(crate) fn encode(&mut self, stripe: usize, data: &[u8], records: &mut Records) {
        match self.prototype.layout {
            Layout::Contiguous => self.encode_contiguous(data, records),
            Layout::InMemory(64) => self.encode_in_memory::<64>(data, records),
            Layout::InMemory(_) => self.encode_in_memory::<128>(data, records),
            Layout::OnDisk(64) => self.encode_on_disk::<64>(data, records),
            Layout::OnDisk(_) => self.encode_on_disk::<128>(data, records),
        }
        for (column, record) in records.iter_mut().enumerate() {
            self.prototype.seal(stripe, column, record);
        }
    }

    fn encode_contiguous(&self, data: &[u8], records: &mut Records) {
        let cell_bytes = self.prototype.cell_bytes;
        let code = self.prototype.code();
        let mut data_cells: Vec<&[u8]> = vec![&[]; code.data_cell_count()];
        let mut parity_cells: Vec<&mut [u8]> = Vec::new();
        for (column, record) in records.iter_mut().enumerate() {
            let cells = record[..self.prototype.area_bytes()].chunks_exact_mut(cell_bytes);
            for (row, cell) in cells.enumerate() {
                match code.cell(Cell::new(column, row)) {
                    CellKind::Data { index } => {
                        cell.copy_from_slice(&data[index * cell_bytes..][..cell_bytes]);
                        data_cells[index] = cell;
                    }
                    CellKind::Parity { .. } => parity_cells.push(cell),
                }
            }
        }
        self.prototype.codec.encode(&data_cells, &mut parity_cells);
    }

    fn encode_in_memory<const LINE: usize>(&mut self, data: &[u8], records: &mut Records) {
        let code = self.prototype.code();
        let rows = code.rows();
        for (index, bytes) in data.chunks_exact(self.prototype.cell_bytes).enumerate() {
            let cell = code.data_cell(index);
            let (column, row) = (usize::from(cell.column), usize::from(cell.row));
            interleave::<LINE>(bytes, &mut self.scratch[column], row, rows);
            records[column][row * bytes.len()..][..bytes.len()].copy_from_slice(bytes);
        }
        let mut columns: Vec<&mut [u8]> = self.scratch.iter_mut().map(|column| &mut **column).collect();
        lines::run::<LINE>(&self.encode_lines, &mut columns, rows);
        for (cell, _) in code.parity_cells() {
            let (column, row) = (usize::from(cell.column), usize::from(cell.row));
            let out = &mut records[column][row * self.prototype.cell_bytes..][..self.prototype.cell_bytes];
            gather::<LINE>(columns[column], out, row, rows);
        }
    }

    fn encode_on_disk<const LINE: usize>(&self, data: &[u8], records: &mut Records) {
        let code = self.prototype.code();
        let rows = code.rows();
        let area_bytes = self.prototype.area_bytes();
        let mut columns: Vec<&mut [u8]> = records.iter_mut().map(|record| &mut record[..area_bytes]).collect();
        for (index, bytes) in data.chunks_exact(self.prototype.cell_bytes).enumerate() {
            let cell = code.data_cell(index);
            interleave::<LINE>(bytes, columns[usize::from(cell.column)], usize::from(cell.row), rows);
        }
        lines::run::<LINE>(&self.encode_lines, &mut columns, rows);
    }

    /// Checks the records but for the lost ones, and gives the data in byte order. The lost records are not looked at.
    pub(crate) fn decode(&mut self, stripe: usize, records: &mut Records, data: &mut [u8]) {
        let area_bytes = self.prototype.area_bytes();
        for (column, record) in records.iter().enumerate().filter(|(column, _)| !self.lost.contains(column)) {
            assert!(self.prototype.check_area(stripe, column, record, area_bytes), "column {column} is damaged");
        }
        match self.prototype.layout {
            Layout::Contiguous => self.decode_contiguous(records, data),
            Layout::InMemory(64) => self.decode_in_memory::<64>(records, data),
            Layout::InMemory(_) => self.decode_in_memory::<128>(records, data),
            Layout::OnDisk(64) => self.decode_on_disk::<64>(records, data),
            Layout::OnDisk(_) => self.decode_on_disk::<128>(records, data),
        }
    }

    fn decode_contiguous(&mut self, records: &Records, data: &mut [u8]) {
        let cell_bytes = self.prototype.cell_bytes;
        let code = self.prototype.codec.code();
        let mut lost_cells: Vec<(Cell, &mut [u8])> = Vec::new();
        for (index, out) in data.chunks_exact_mut(cell_bytes).enumerate() {
            let cell = code.data_cell(index);
            let (column, row) = (usize::from(cell.column), usize::from(cell.row));
            if self.lost.contains(&column) {
                lost_cells.push((cell, out));
            } else {
                out.copy_from_slice(&records[column][row * cell_bytes..][..cell_bytes]);
            }
        }
        // Parity cells on the way to data cells.
        for (column, scratch) in self.scratch.iter_mut().enumerate().filter(|(column, _)| self.lost.contains(column)) {
            let data_rows = code.data_rows(column);
            let parity = scratch.chunks_exact_mut(cell_bytes).enumerate().skip(data_rows);
            lost_cells.extend(parity.map(|(row, cell)| (Cell::new(column, row), cell)));
        }
        let inputs: Vec<&[u8]> = (self.recover.inputs().iter())
            .map(|cell| &records[usize::from(cell.column)][usize::from(cell.row) * cell_bytes..][..cell_bytes])
            .collect();
        let mut outputs: Vec<&mut [u8]> = (self.recover.targets().iter())
            .map(|target| {
                let place = lost_cells.iter().position(|(cell, _)| cell == target).expect("a target is lost");
                lost_cells.swap_remove(place).1
            })
            .collect();
        self.prototype.codec.run(&self.recover, &inputs, &mut outputs);
    }

    fn decode_in_memory<const LINE: usize>(&mut self, records: &Records, data: &mut [u8]) {
        let cell_bytes = self.prototype.cell_bytes;
        let code = self.prototype.code();
        let rows = code.rows();
        for cell in self.recover.inputs() {
            let (column, row) = (usize::from(cell.column), usize::from(cell.row));
            let bytes = &records[column][row * cell_bytes..][..cell_bytes];
            interleave::<LINE>(bytes, &mut self.scratch[column], row, rows);
        }
        let mut columns: Vec<&mut [u8]> = self.scratch.iter_mut().map(|column| &mut **column).collect();
        lines::run::<LINE>(&self.recover_lines, &mut columns, rows);
        for (index, out) in data.chunks_exact_mut(cell_bytes).enumerate() {
            let cell = code.data_cell(index);
            let (column, row) = (usize::from(cell.column), usize::from(cell.row));
            if self.lost.contains(&column) {
                gather::<LINE>(columns[column], out, row, rows);
            } else {
                out.copy_from_slice(&records[column][row * cell_bytes..][..cell_bytes]);
            }
        }
    }

    fn decode_on_disk<const LINE: usize>(&mut self, records: &mut Records, data: &mut [u8]) {
        let area_bytes = self.prototype.area_bytes();
        let code = self.prototype.code();
        let rows = code.rows();
        let mut columns: Vec<&mut [u8]> = (records.iter_mut().zip(&mut self.scratch).enumerate())
            .map(
                |(column, (record, scratch))| {
                    if self.lost.contains(&column) { &mut **scratch } else { &mut record[..area_bytes] }
                },
            )
            .collect();
        lines::run::<LINE>(&self.recover_lines, &mut columns, rows);
        gather_all::<LINE>(&self.prototype, data, |column| columns[column]);
    }

    /// Checks what holds data and gives the data in byte order, with every column there.
    pub(crate) fn read(&self, stripe: usize, records: &Records, data: &mut [u8]) {
        let cell_bytes = self.prototype.cell_bytes;
        let code = self.prototype.code();
        for (column, record) in records.iter().enumerate() {
            let bytes = self.prototype.data_area_bytes(column);
            assert!(self.prototype.check_area(stripe, column, record, bytes), "column {column} is damaged");
        }
        match self.prototype.layout {
            Layout::Contiguous | Layout::InMemory(_) => {
                for (index, out) in data.chunks_exact_mut(cell_bytes).enumerate() {
                    let cell = code.data_cell(index);
                    let at = usize::from(cell.row) * cell_bytes;
                    out.copy_from_slice(&records[usize::from(cell.column)][at..][..cell_bytes]);
                }
            }
            Layout::OnDisk(64) => gather_all::<64>(&self.prototype, data, |column| &records[column]),
            Layout::OnDisk(_) => gather_all::<128>(&self.prototype, data, |column| &records[column]),
        }
    }
}

fn gather_all<'bytes, const LINE: usize>(
    prototype: &Prototype,
    data: &mut [u8],
    column: impl Fn(usize) -> &'bytes [u8],
) {
    let code = prototype.code();
    for (index, out) in data.chunks_exact_mut(prototype.cell_bytes).enumerate() {
        let cell = code.data_cell(index);
        gather::<LINE>(column(usize::from(cell.column)), out, usize::from(cell.row), code.rows());
    }
}
