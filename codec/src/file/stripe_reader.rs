//! One stripe after the other out of column files: every block read is checked, and what is lost is recovered block by
//! block, so that a column with a bad block still helps everywhere else.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::io;
use std::num::NonZero;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use rustix::fs::Advice;

use super::damage::{ColumnDamage, Place};
use super::survey::ColumnFile;
use super::trees::Trees;
use super::{FileError, Title};
use crate::code::{Cell, CellKind};
use crate::column::{CHECKSUM_BYTES, StripeShape, crc64, crc64_of_xor, crc64s_made};
use crate::integrity::equations;
use crate::schedule::{ErasurePattern, Schedule, lightest};

/// How many stripes ahead the disks are told what will be read.
const STRIPES_AHEAD: u64 = 16;

/// The stripes of which the disks are told, when the turn is at a stripe: the one some way ahead, and at the beginning
/// all up to it.
fn ahead(index: u64, count: u64) -> Range<u64> {
    let last = index + STRIPES_AHEAD;
    let first = if index == 0 { 1 } else { last };
    first.min(count)..(last + 1).min(count)
}

/// What is known of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing yet.
    Unread,
    /// Its column is not there.
    Missing,
    /// It is not read, because it follows from what is.
    Spared,
    /// The disk refused, or the file ends before.
    Unreadable,
    /// Not what its checksum says.
    Wrong,
    /// What its checksum says, and not what the column's root was made of.
    Refuted,
    /// As its checksum says, or recovered.
    Sound,
}

impl State {
    fn is_lost(self) -> bool {
        matches!(self, Self::Missing | Self::Spared | Self::Unreadable | Self::Wrong | Self::Refuted)
    }
}

/// A block: what is known of it, and the CRC of its bytes.
#[derive(Clone, Copy, Debug)]
struct Block {
    state: State,
    crc: u64,
}

/// The columns that need not be read for the data while all is good: as many as the code tolerates, those with the least
/// data, of these the last.
///
/// None where reading around parity costs nothing: no column has parity beside its data, or the columns are on several
/// disks, of which each then gives its share.
fn spared(title: &Title) -> ErasurePattern {
    let (code, mut files) = (title.code(), title.columns.iter());
    let has_both = |column: usize| (1..code.rows()).contains(&code.data_rows(column));
    let device = title.columns[0].as_ref().map(|file| file.device);
    let is_good = |file: &ColumnFile| file.problem.is_none() && Some(file.device) == device;
    if !(0..code.columns()).any(has_both) || !files.all(|file| file.as_ref().is_some_and(is_good)) {
        return ErasurePattern::none();
    }
    let mut columns: Vec<usize> = (0..code.columns()).collect();
    columns.sort_by_key(|&column| (code.data_rows(column), Reverse(column)));
    ErasurePattern::of(&columns[..code.tolerates()])
}

/// Which lost cells are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Data,
    All,
}

/// Reads stripes of a title, with buffers that every stripe uses again.
///
/// Shape: the record of each column as the file has it, cells and checksums.
pub(super) struct StripeReader<'a> {
    title: &'a Title,
    trees: &'a Trees,
    /// Columns that are not read as long as the others are good.
    spared: ErasurePattern,
    equations: Vec<Vec<Cell>>,
    shape: StripeShape,
    records: Vec<Vec<u8>>,
    blocks: Vec<Block>,
    damage: Vec<ColumnDamage>,
}

impl<'a> StripeReader<'a> {
    /// Prepares for a title that has stripes. What is read of whole columns is held against their trees.
    pub(super) fn new(title: &'a Title, trees: &'a Trees) -> Self {
        let columns = title.columns.len();
        Self {
            title,
            trees,
            spared: spared(title),
            equations: equations(title.code()),
            shape: title.geometry.stripe(0),
            records: vec![Vec::new(); columns],
            blocks: Vec::new(),
            damage: vec![ColumnDamage::default(); columns],
        }
    }

    /// What was wrong with each column so far.
    pub(super) fn damage(&self) -> &[ColumnDamage] {
        &self.damage
    }

    /// The stripe at hand.
    pub(super) fn shape(&self) -> &StripeShape {
        &self.shape
    }

    /// The record of a column as it was read and recovered. Its checksums are those that were read.
    pub(super) fn record_mut(&mut self, column: usize) -> &mut Vec<u8> {
        &mut self.records[column]
    }

    /// Turns to a stripe: nothing of it is known.
    pub(super) fn begin(&mut self, index: u64) {
        self.shape = self.title.geometry.stripe(index);
        let bytes = in_memory(self.shape.record_bytes());
        for record in &mut self.records {
            record.resize(bytes, 0);
        }
        let each = usize::from(self.shape.rows) * self.shape.blocks_per_cell() as usize;
        self.blocks.clear();
        for file in &self.title.columns {
            let state = if file.is_some() { State::Unread } else { State::Missing };
            self.blocks.extend(std::iter::repeat_n(Block { state, crc: 0 }, each));
        }
    }

    /// Lets the disks fetch the data cells of later stripes, while this one is worked on, of columns whose parity is left
    /// out: that does not look sequential to the system. Where all is read, the system reads ahead by itself, in larger
    /// pieces than it takes from here.
    fn fetch_ahead(&self) {
        let (geometry, code) = (&self.title.geometry, self.title.code());
        for index in ahead(self.shape.index, geometry.stripe_count()) {
            let shape = geometry.stripe(index);
            // The checksums of the stripe before lie right before these cells: by themselves each would be a read of its
            // own, and a disk that takes one request after the other does only so many in a second.
            let before = index.checked_sub(1).map(|before| geometry.stripe(before));
            let start = before.map_or(shape.record_offset, |shape| shape.record_offset + shape.checksum_offset(0, 0));
            for (column, file) in self.title.columns.iter().enumerate() {
                let Some(file) = file.as_ref().filter(|_| (1..code.rows()).contains(&code.data_rows(column))) else {
                    continue;
                };
                let rows = Cell::new(column, code.data_rows(column)).row;
                let end = shape.record_offset + shape.cell_offset(rows);
                // A hint: where it is refused, the read itself will tell why.
                let _ = rustix::fs::fadvise(&file.file, start, NonZero::new(end - start), Advice::WillNeed);
            }
        }
    }

    /// Reads all cells of all columns, and holds them against the columns' hash trees.
    pub(super) fn read_all(&mut self) {
        for column in 0..self.records.len() {
            self.read_rows(column, 0..self.shape.rows);
            self.check_hashes(column);
        }
    }

    /// Refutes the blocks of groups that have another hash although all checksums in them fit.
    fn check_hashes(&mut self, column: usize) {
        let (shape, trees) = (self.shape, self.trees);
        let Some(tree) = trees.get(column) else { return };
        let first = shape.column_offset / u64::from(tree.shape().group_bytes());
        let cells = &self.records[column][..in_memory(shape.cell_offset(shape.rows))];
        let wrong: Vec<u64> = tree.wrong_groups(first, cells).collect();
        for group in wrong {
            let of_group = tree.shape().bytes_of(group..group + 1);
            let blocks = (0..shape.rows).flat_map(|row| (0..shape.blocks_per_cell()).map(move |block| (row, block)));
            let overlaps = |(row, block): &(u16, u32)| {
                let own = shape.column_range(*row, shape.block_range(*block));
                own.start < of_group.end && of_group.start < own.end
            };
            let blocks: Vec<(u16, u32)> = blocks.filter(overlaps).collect();
            let cell = |row: u16| Cell::new(column, usize::from(row));
            // One that is damaged explains the hash.
            if blocks
                .iter()
                .any(|(row, block)| matches!(self.block(cell(*row), *block).state, State::Wrong | State::Unreadable))
            {
                continue;
            }
            for (row, block) in blocks {
                if self.block(cell(row), block).state == State::Sound {
                    self.block_mut(cell(row), block).state = State::Refuted;
                    self.damage[column].refuted += 1;
                    self.damage[column].note(Place { stripe: shape.index, row, block });
                }
            }
        }
    }

    /// Reads what gives the data: the data cells of all columns, or fewer columns as a whole where that is one run of a
    /// disk and the other is not.
    pub(super) fn read_data(&mut self) {
        if self.spared.is_empty() {
            // With a column missing, parity will be needed.
            if self.title.columns.iter().all(Option::is_some) {
                self.fetch_ahead();
            }
            return self.read_data_cells((0..self.records.len()).collect());
        }
        let (spared, whole): (Vec<usize>, Vec<usize>) =
            (0..self.records.len()).partition(|column| self.spared.contains(*column));
        for &column in &spared {
            self.column_blocks_mut(column).fill(Block { state: State::Spared, crc: 0 });
        }
        for &column in &whole {
            self.read_rows(column, 0..self.shape.rows);
        }
        let is_good = |column: usize| self.column_blocks(column).iter().all(|block| block.state == State::Sound);
        if !whole.iter().all(|&column| is_good(column)) {
            for &column in &spared {
                self.column_blocks_mut(column).fill(Block { state: State::Unread, crc: 0 });
            }
            self.read_data_cells(spared);
        }
    }

    fn read_data_cells(&mut self, columns: Vec<usize>) {
        for column in columns {
            let data_rows = self.title.code().data_rows(column);
            self.read_rows(column, 0..Cell::new(column, data_rows).row);
        }
    }

    /// Reads those cells of a column that were not read.
    fn read_rest(&mut self, column: usize) {
        let is_unread = |row: &u16| self.block(Cell::new(column, usize::from(*row)), 0).state == State::Unread;
        let first = (0..self.shape.rows).find(is_unread).unwrap_or(self.shape.rows);
        self.read_rows(column, first..self.shape.rows);
    }

    /// Reads rows of a column and checks every block.
    fn read_rows(&mut self, column: usize, rows: Range<u16>) {
        let Some(file) = self.title.columns[column].as_ref().filter(|_| !rows.is_empty()) else { return };
        let shape = self.shape;
        let cells = in_memory(shape.cell_offset(rows.start))..in_memory(shape.cell_offset(rows.end));
        let checksums = in_memory(shape.checksum_offset(rows.start, 0))..in_memory(shape.checksum_offset(rows.end, 0));
        let mut read = |range: Range<usize>| {
            let offset = shape.record_offset + range.start as u64;
            file.file.read_exact_at(&mut self.records[column][range], offset)
        };
        let whole = if cells.end == checksums.start {
            read(cells.start..checksums.end)
        } else {
            read(cells).and_then(|()| read(checksums))
        };
        for row in rows {
            for block in 0..shape.blocks_per_cell() {
                // One bad sector makes the whole read fail: then each block is tried.
                let read = if whole.is_ok() { Ok(()) } else { self.read_block(column, row, block) };
                self.check_block(column, row, block, &read);
            }
        }
    }

    fn read_block(&mut self, column: usize, row: u16, block: u32) -> io::Result<()> {
        let Some(file) = &self.title.columns[column] else { return Ok(()) };
        let shape = &self.shape;
        let cell = in_memory(shape.cell_offset(row));
        let range = shape.block_range(block);
        let checksum = in_memory(shape.checksum_offset(row, block));
        for range in [cell + range.start..cell + range.end, checksum..checksum + CHECKSUM_BYTES] {
            let offset = shape.record_offset + range.start as u64;
            file.file.read_exact_at(&mut self.records[column][range], offset)?;
        }
        Ok(())
    }

    fn check_block(&mut self, column: usize, row: u16, block: u32, read: &io::Result<()>) {
        let cell = Cell::new(column, usize::from(row));
        let crc = crc64(self.bytes(cell, block..block + 1));
        let at = in_memory(self.shape.checksum_offset(row, block));
        let stored = &self.records[column][at..at + CHECKSUM_BYTES];
        let stored = u64::from_le_bytes(stored.try_into().expect("eight bytes"));
        let stripe = self.shape.index;
        let state = match read {
            Err(_) => State::Unreadable,
            Ok(()) if self.title.seals[column].crc(stripe, row, block, stored) == crc => State::Sound,
            Ok(()) => State::Wrong,
        };
        *self.block_mut(cell, block) = Block { state, crc };
        if state.is_lost() {
            let damage = &mut self.damage[column];
            damage.note(Place { stripe, row, block });
            if state == State::Wrong {
                damage.blocks += 1;
            } else {
                damage.unreadable += 1;
            }
        }
    }

    /// Counts the damaged checksums: where a block agrees with the CRC that follows from sound blocks of the other
    /// columns, not the block is wrong but what stands for its checksum.
    pub(super) fn tell_checksums_from_blocks(&mut self) {
        for block in 0..self.shape.blocks_per_cell() {
            let length = self.shape.block_range(block).len();
            for equation in &self.equations {
                let mut lost = equation.iter().filter(|cell| self.block(**cell, block).state != State::Sound);
                let (Some(&cell), None) = (lost.next(), lost.next()) else { continue };
                let found = self.block(cell, block);
                if found.state != State::Wrong {
                    continue;
                }
                let others = equation.iter().filter(|other| **other != cell);
                let crcs: Vec<u64> = others.map(|other| self.block(*other, block).crc).collect();
                if crc64_of_xor(&crcs, length) == found.crc {
                    self.damage[usize::from(cell.column)].checksums += 1;
                    let at = self.index(cell, block);
                    self.blocks[at].state = State::Sound;
                }
            }
        }
    }

    /// Whether everything wanted is sound.
    pub(super) fn is_sound(&self, wanted: Wanted) -> bool {
        let blocks = 0..self.shape.blocks_per_cell();
        let sound = |cell: Cell| blocks.clone().all(|block| self.block(cell, block).state == State::Sound);
        match wanted {
            Wanted::All => self.blocks.iter().all(|block| block.state == State::Sound),
            Wanted::Data => (0..self.title.code().data_cell_count()).all(|at| sound(self.title.code().data_cell(at))),
        }
    }

    /// Whether the columns agree with each other, told by their checksums alone: the CRC of an XOR follows from those of
    /// its members.
    ///
    /// Shape: all must be sound.
    pub(super) fn is_consistent(&self) -> bool {
        (0..self.shape.blocks_per_cell()).all(|block| self.equations_hold(block, |cell| self.block(*cell, block).crc))
    }

    /// Whether what was read contradicts itself where something is lost, told by checksums alone: those of lost blocks follow
    /// from the others, and then some equation does not hold.
    ///
    /// Shape: all columns were read. Where as much is lost as the code tolerates nothing can contradict.
    pub(super) fn contradicts_itself(&self) -> bool {
        let code = self.title.code();
        self.losses(Wanted::All).into_iter().filter(|(_, lost)| lost.len() < code.tolerates()).any(|(blocks, lost)| {
            let cells: Vec<Cell> = code.cells().filter(|cell| lost.contains(cell.column.into())).collect();
            let schedule = self.title.codec.recover_schedule(lost, &cells);
            let schedule = schedule.expect("the columns are the code's, and no more than it tolerates");
            blocks.into_iter().any(|block| {
                let made: HashMap<Cell, u64> =
                    schedule.targets().iter().copied().zip(self.crcs_made(&schedule, block)).collect();
                // A sound block of a column that has lost others says what it is.
                !self.equations_hold(block, |cell| match self.block(*cell, block) {
                    Block { state: State::Sound, crc } => crc,
                    _ => made[cell],
                })
            })
        })
    }

    /// Whether every equation holds in a block, by the CRCs of its cells.
    fn equations_hold(&self, block: u32, crc: impl Fn(&Cell) -> u64) -> bool {
        let length = self.shape.block_range(block).len();
        self.equations.iter().all(|equation| {
            let crcs: Vec<u64> = equation.iter().map(&crc).collect();
            let (parity, of) = crcs.split_last().expect("an equation has a parity cell");
            crc64_of_xor(of, length) == *parity
        })
    }

    /// The CRCs that a block of a schedule's targets must have, as its inputs are.
    fn crcs_made(&self, schedule: &Schedule, block: u32) -> Vec<u64> {
        let length = self.shape.block_range(block).len();
        crc64s_made(schedule, schedule.inputs().iter().map(|cell| self.block(*cell, block).crc), length)
    }

    /// All cells, column by column.
    pub(super) fn cells(&self) -> Vec<&[u8]> {
        let cell_bytes = self.shape.cell_bytes as usize;
        let rows = usize::from(self.shape.rows);
        self.records.iter().flat_map(|record| record[..rows * cell_bytes].chunks_exact(cell_bytes)).collect()
    }

    /// The cells of a column, to be corrected.
    pub(super) fn column_cells_mut(&mut self, column: usize) -> Vec<&mut [u8]> {
        let cell_bytes = self.shape.cell_bytes as usize;
        let rows = usize::from(self.shape.rows);
        self.records[column][..rows * cell_bytes].chunks_exact_mut(cell_bytes).collect()
    }

    /// Notes that a column is silently wrong in this stripe.
    pub(super) fn note_silent(&mut self, column: usize) {
        let place = Place { stripe: self.shape.index, row: 0, block: 0 };
        self.damage[column].silent += 1;
        self.damage[column].note(place);
    }

    /// The bytes of the title in this stripe, in order, in the cells that hold them.
    pub(super) fn data(&self) -> Vec<&[u8]> {
        let code = self.title.code();
        let mut left = in_memory(self.shape.data_bytes);
        let mut parts = Vec::with_capacity(code.data_cell_count());
        for index in 0..code.data_cell_count() {
            let bytes = self.bytes(code.data_cell(index), 0..self.shape.blocks_per_cell());
            let used = left.min(bytes.len());
            parts.push(&bytes[..used]);
            left -= used;
            if left == 0 {
                break;
            }
        }
        parts
    }

    /// Recovers what is wanted and lost, reading what that takes.
    ///
    /// # Errors
    /// It cannot be recovered.
    pub(super) fn recover(&mut self, wanted: Wanted) -> Result<(), FileError> {
        'anew: loop {
            for (blocks, lost) in self.losses(wanted) {
                let cells = self.lost_cells(wanted, &blocks);
                if lost.len() > self.title.code().tolerates() {
                    if let Some(unread) = (0..self.records.len()).find(|&column| self.has_unread(column)) {
                        self.read_rest(unread);
                        continue 'anew;
                    }
                    self.recover_cell_by_cell(&cells, &blocks, lost)?;
                    continue 'anew;
                }
                let schedule = self.title.codec.recover_schedule(lost, &cells);
                let schedule = schedule.expect("the columns are the code's, and no more than it tolerates");
                let inputs = schedule.inputs().iter();
                let mut unread = inputs.filter(|cell| self.state(**cell, &blocks) == State::Unread);
                if let Some(cell) = unread.next() {
                    self.read_rest(usize::from(cell.column));
                    continue 'anew;
                }
                self.run(&schedule, &blocks)?;
            }
            return Ok(());
        }
    }

    /// Runs of blocks in which the same columns are lost and something wanted is.
    fn losses(&self, wanted: Wanted) -> Vec<(Range<u32>, ErasurePattern)> {
        let mut runs: Vec<(Range<u32>, ErasurePattern)> = Vec::new();
        for block in 0..self.shape.blocks_per_cell() {
            if self.lost_cells(wanted, &(block..block + 1)).is_empty() {
                continue;
            }
            let lost = self.title.code().cells().filter(|cell| self.block(*cell, block).state.is_lost());
            let lost = lost.fold(ErasurePattern::none(), |lost, cell| lost.with(usize::from(cell.column)));
            match runs.last_mut() {
                Some((blocks, of)) if blocks.end == block && *of == lost => blocks.end += 1,
                _ => runs.push((block..block + 1, lost)),
            }
        }
        runs
    }

    /// The wanted cells that are lost in some of the blocks.
    fn lost_cells(&self, wanted: Wanted, blocks: &Range<u32>) -> Vec<Cell> {
        let code = self.title.code();
        let is_wanted = |cell: Cell| wanted == Wanted::All || matches!(code.cell(cell), CellKind::Data { .. });
        let is_lost = |cell: Cell| blocks.clone().any(|block| self.block(cell, block).state.is_lost());
        code.cells().filter(|cell| is_wanted(*cell) && is_lost(*cell)).collect()
    }

    fn has_unread(&self, column: usize) -> bool {
        (0..self.shape.rows).any(|row| {
            let cell = Cell::new(column, usize::from(row));
            self.block(cell, 0).state == State::Unread
        })
    }

    /// Runs a schedule on some blocks of all its cells, and compares what comes out with the checksums that follow from
    /// those of its inputs.
    fn run(&mut self, schedule: &Schedule, blocks: &Range<u32>) -> Result<(), FileError> {
        let span = self.span(blocks);
        let cell_bytes = self.shape.cell_bytes as usize;
        let rows = usize::from(self.shape.rows);
        let all = self.records.iter_mut().flat_map(|record| record[..rows * cell_bytes].chunks_exact_mut(cell_bytes));
        let mut cells: Vec<&mut [u8]> = all.map(|cell| &mut cell[span.clone()]).collect();
        let place = |cell: &Cell| usize::from(cell.column) * rows + usize::from(cell.row);
        let mut outputs: Vec<&mut [u8]> =
            schedule.targets().iter().map(|target| std::mem::take(&mut cells[place(target)])).collect();
        let inputs: Vec<&[u8]> = schedule.inputs().iter().map(|input| &*cells[place(input)]).collect();
        self.title.codec.run(schedule, &inputs, &mut outputs);
        for block in blocks.clone() {
            for (&cell, crc) in schedule.targets().iter().zip(self.crcs_made(schedule, block)) {
                self.set_recovered(cell, block, crc)?;
            }
        }
        Ok(())
    }

    fn set_recovered(&mut self, cell: Cell, block: u32, expected: u64) -> Result<(), FileError> {
        if crc64(self.bytes(cell, block..block + 1)) != expected {
            return Err(FileError::Recovered { stripe: self.shape.index, cell });
        }
        *self.block_mut(cell, block) = Block { state: State::Sound, crc: expected };
        Ok(())
    }

    /// Where more columns are damaged than the code tolerates, but none of them wholly: the parity equations may still
    /// give the lost cells.
    fn recover_cell_by_cell(
        &mut self,
        cells: &[Cell],
        blocks: &Range<u32>,
        lost: ErasurePattern,
    ) -> Result<(), FileError> {
        let unknown: Vec<Cell> =
            self.title.code().cells().filter(|cell| self.state(*cell, blocks) != State::Sound).collect();
        let Some((cell, equation)) = lightest(&self.equations, &unknown, cells) else {
            let tolerates = self.title.code().tolerates();
            return Err(FileError::Unrecoverable { stripe: self.shape.index, block: blocks.start, lost, tolerates });
        };
        let sources: Vec<Cell> = equation.into_iter().filter(|member| *member != cell).collect();
        let mut sum = vec![0; self.span(blocks).len()];
        for source in &sources {
            for (byte, other) in sum.iter_mut().zip(self.bytes(*source, blocks.clone())) {
                *byte ^= other;
            }
        }
        let start = usize::from(cell.row) * self.shape.cell_bytes as usize;
        let span = self.span(blocks);
        self.records[usize::from(cell.column)][start + span.start..start + span.end].copy_from_slice(&sum);
        for block in blocks.clone() {
            let crcs: Vec<u64> = sources.iter().map(|source| self.block(*source, block).crc).collect();
            let expected = crc64_of_xor(&crcs, self.shape.block_range(block).len());
            self.set_recovered(cell, block, expected)?;
        }
        Ok(())
    }

    /// The worst that is known of some blocks of a cell.
    fn state(&self, cell: Cell, blocks: &Range<u32>) -> State {
        let mut states = blocks.clone().map(|block| self.block(cell, block).state);
        states.find(|state| *state != State::Sound).unwrap_or(State::Sound)
    }

    fn span(&self, blocks: &Range<u32>) -> Range<usize> {
        self.shape.block_range(blocks.start).start..self.shape.block_range(blocks.end - 1).end
    }

    fn bytes(&self, cell: Cell, blocks: Range<u32>) -> &[u8] {
        let start = usize::from(cell.row) * self.shape.cell_bytes as usize;
        let span = self.span(&blocks);
        &self.records[usize::from(cell.column)][start + span.start..start + span.end]
    }

    fn index(&self, cell: Cell, block: u32) -> usize {
        let cells_before = usize::from(cell.column) * usize::from(self.shape.rows) + usize::from(cell.row);
        cells_before * self.shape.blocks_per_cell() as usize + block as usize
    }

    /// Where the blocks of a column are.
    fn of_column(&self, column: usize) -> Range<usize> {
        self.index(Cell::new(column, 0), 0)..self.index(Cell::new(column + 1, 0), 0)
    }

    fn column_blocks(&self, column: usize) -> &[Block] {
        &self.blocks[self.of_column(column)]
    }

    fn column_blocks_mut(&mut self, column: usize) -> &mut [Block] {
        let range = self.of_column(column);
        &mut self.blocks[range]
    }

    fn block(&self, cell: Cell, block: u32) -> Block {
        self.blocks[self.index(cell, block)]
    }

    fn block_mut(&mut self, cell: Cell, block: u32) -> &mut Block {
        let index = self.index(cell, block);
        &mut self.blocks[index]
    }
}

/// A length of something that is in memory.
pub(super) fn in_memory(bytes: u64) -> usize {
    usize::try_from(bytes).expect("a record fits the memory that holds it")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_disks_are_told_of_each_stripe_once() {
        for count in [1, 2, STRIPES_AHEAD, STRIPES_AHEAD + 1, 3 * STRIPES_AHEAD] {
            let told: Vec<u64> = (0..count).flat_map(|index| ahead(index, count)).collect();
            assert_eq!(told, (1..count).collect::<Vec<_>>());
        }
    }
}
