//! Column files of a prototype in the page cache, and the time from asking for a range to having it checked.

use core::ops::Range;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rain_benches::AlignedBuffer;
use rain_codec::Cell;

use crate::lines::{self, LineSchedule};
use crate::pipeline::Pipeline;
use crate::prototype::{Layout, Prototype, Records};
use crate::ranges::{StripePlan, checksum_range};

pub(crate) struct ColumnFiles {
    files: Vec<File>,
    /// Where pieces are read to: at their place in the record.
    records: Records,
}

impl ColumnFiles {
    /// Writes the columns of a title to files that vanish when they are closed.
    pub(crate) fn write(folder: &Path, pipeline: &mut Pipeline, title: &[u8]) -> io::Result<Self> {
        let mut records = pipeline.prototype.new_records();
        let mut files = Vec::new();
        for column in 0..records.len() {
            let path = folder.join(format!("column-{column:03}"));
            files.push(File::options().create_new(true).read(true).write(true).open(&path)?);
            std::fs::remove_file(path)?;
        }
        let mut data = title.to_vec();
        data.resize(title.len().next_multiple_of(pipeline.prototype.stripe_data_bytes()), 0);
        for (stripe, data) in data.chunks_exact(pipeline.prototype.stripe_data_bytes()).enumerate() {
            pipeline.encode(stripe, data, &mut records);
            for (file, record) in files.iter().zip(&records) {
                file.write_all_at(record, (stripe * record.len()) as u64)?;
            }
        }
        Ok(Self { files, records })
    }

    /// Reads what a plan says, checks it, recovers what is missing, and gives the bytes asked for.
    pub(crate) fn read(
        &mut self,
        prototype: &Prototype,
        plan: &[(StripePlan, Vec<LineSchedule>)],
        out: &mut [u8],
    ) -> io::Result<()> {
        let mut done = 0;
        for (plan, line_schedules) in plan {
            for (column, pieces) in plan.pieces.iter().enumerate().filter(|(_, pieces)| !pieces.is_empty()) {
                self.read_pieces(prototype, plan.stripe, column, pieces)?;
            }
            for ((bytes, schedule), line_schedule) in plan.repairs.iter().zip(line_schedules) {
                match prototype.layout {
                    Layout::Contiguous | Layout::InMemory(_) => self.repair(prototype, bytes, schedule),
                    Layout::OnDisk(64) => self.repair_lines::<64>(prototype, bytes, line_schedule),
                    Layout::OnDisk(_) => self.repair_lines::<128>(prototype, bytes, line_schedule),
                }
            }
            for (cell, bytes) in &plan.touched {
                self.deliver(prototype, *cell, bytes, &mut out[done..][..bytes.len()]);
                done += bytes.len();
            }
        }
        assert_eq!(done, out.len(), "bytes of a range");
        Ok(())
    }

    fn read_pieces(
        &mut self,
        prototype: &Prototype,
        stripe: usize,
        column: usize,
        pieces: &[Range<usize>],
    ) -> io::Result<()> {
        let record = &mut self.records[column];
        let at = stripe * record.len();
        let checksums = checksum_range(prototype, pieces);
        for piece in pieces.iter().chain([&checksums]) {
            self.files[column].read_exact_at(&mut record[piece.clone()], (at + piece.start) as u64)?;
        }
        let (area, checksums) = record.split_at(prototype.area_bytes());
        for piece in pieces {
            let first = piece.start / prototype.block_bytes;
            for (number, block) in (first..).zip(area[piece.clone()].chunks(prototype.block_bytes)) {
                let stored = &checksums[number * prototype.checksum.bytes()..][..prototype.checksum.bytes()];
                assert!(prototype.check(stripe, column, number, block, stored), "column {column} is damaged");
            }
        }
        Ok(())
    }

    fn repair(&mut self, prototype: &Prototype, bytes: &Range<usize>, schedule: &rain_codec::Schedule) {
        let cell_bytes = prototype.cell_bytes;
        let area_bytes = prototype.area_bytes();
        let mut cells: Vec<(Cell, &mut [u8])> = Vec::new();
        for (column, record) in self.records.iter_mut().enumerate() {
            let of_column = record[..area_bytes].chunks_exact_mut(cell_bytes).enumerate();
            cells.extend(of_column.map(|(row, cell)| (Cell::new(column, row), &mut cell[bytes.clone()])));
        }
        let mut take = |wanted: &Cell| {
            let place = cells.iter().position(|(cell, _)| cell == wanted).expect("a cell of the code");
            cells.swap_remove(place).1
        };
        let mut outputs: Vec<&mut [u8]> = schedule.targets().iter().map(&mut take).collect();
        let inputs: Vec<&[u8]> = schedule.inputs().iter().map(|cell| &*take(cell)).collect();
        prototype.codec.run(schedule, &inputs, &mut outputs);
    }

    fn repair_lines<const LINE: usize>(
        &mut self,
        prototype: &Prototype,
        bytes: &Range<usize>,
        schedule: &LineSchedule,
    ) {
        let rows = prototype.code().rows();
        let mut columns: Vec<&mut [u8]> =
            self.records.iter_mut().map(|record| &mut record[bytes.start * rows..bytes.end * rows]).collect();
        lines::run::<LINE>(schedule, &mut columns, rows);
    }

    fn deliver(&self, prototype: &Prototype, cell: Cell, bytes: &Range<usize>, out: &mut [u8]) {
        let record: &AlignedBuffer = &self.records[usize::from(cell.column)];
        let row = usize::from(cell.row);
        let Layout::OnDisk(line_bytes) = prototype.layout else {
            out.copy_from_slice(&record[row * prototype.cell_bytes..][bytes.clone()]);
            return;
        };
        let rows = prototype.code().rows();
        let mut at = bytes.start;
        let mut out = out;
        while at < bytes.end {
            let (line, skipped) = (at / line_bytes, at % line_bytes);
            let length = (line_bytes - skipped).min(bytes.end - at);
            let (now, later) = out.split_at_mut(length);
            now.copy_from_slice(&record[(line * rows + row) * line_bytes + skipped..][..length]);
            out = later;
            at += length;
        }
    }
}
