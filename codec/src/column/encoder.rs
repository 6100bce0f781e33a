//! From a stripe's bytes to its record in every column file.

use std::sync::Arc;

use super::{CHECKSUM_BYTES, Geometry, Seal, StripeShape, TitleVersion};
use crate::code::{Cell, CellKind};
use crate::stripe::StripeCodec;

/// Encodes the stripes of one title, one after the other or only some of them.
///
/// Shape: one record per column, in buffers that every stripe uses again.
#[derive(Debug)]
pub struct StripeEncoder {
    codec: Arc<StripeCodec>,
    cell_bytes: u32,
    block_bytes: u32,
    seals: Vec<Seal>,
    records: Vec<Vec<u8>>,
}

impl StripeEncoder {
    /// Prepares for a title, whose column files have these sizes and this version.
    ///
    /// # Panics
    /// When the sizes are none that [`Geometry::new`] takes.
    pub fn new(codec: Arc<StripeCodec>, cell_bytes: u32, block_bytes: u32, title: &str, version: TitleVersion) -> Self {
        let code = codec.code();
        let largest =
            Geometry::new(code, cell_bytes, block_bytes, u64::from(cell_bytes) * code.data_cell_count() as u64)
                .stripe(0);
        let seals = (0..code.columns()).map(|column| Seal::new(title, version, Cell::new(column, 0).column)).collect();
        let records = (0..code.columns()).map(|_| Vec::with_capacity(length(largest.record_bytes()))).collect();
        Self { codec, cell_bytes, block_bytes, seals, records }
    }

    /// Counts the bytes of a full stripe's data.
    pub fn stripe_data_bytes(&self) -> usize {
        self.codec.code().data_cell_count() * self.cell_bytes as usize
    }

    /// Encodes a stripe: its record in each column file, by column.
    ///
    /// Shape: `data` are the stripe's bytes of the title; fewer than a full stripe's shrink the cells, as only the last
    /// stripe may.
    /// Cost: the data are copied once, into the cells; then parity and checksums. Allocates only lists of cells.
    ///
    /// # Panics
    /// When `data` are empty or more than a full stripe's.
    pub fn encode_stripe(&mut self, stripe_index: u64, data: &[u8]) -> &[Vec<u8>] {
        let copied = self.encode_stripe_with(stripe_index, data.len(), |cells| {
            let mut rest = data;
            for cell in cells {
                let (bytes, left) = rest.split_at(cell.len());
                cell.copy_from_slice(bytes);
                rest = left;
            }
            Ok::<(), core::convert::Infallible>(())
        });
        match copied {
            Ok(records) => records,
            Err(never) => match never {},
        }
    }

    /// Encodes a stripe whose data `fill` puts where they belong: its record in each column file, by column.
    ///
    /// Shape: `fill` gets the data cells in byte order, of which the last ones may be shorter or empty: together they
    /// have `data_bytes`, and all must be written.
    /// Cost: parity and checksums. Allocates only lists of cells.
    ///
    /// # Errors
    /// Those of `fill`; the records are then not to be used.
    ///
    /// # Panics
    /// When `data_bytes` are none or more than a full stripe's.
    pub fn encode_stripe_with<E>(
        &mut self,
        stripe_index: u64,
        data_bytes: usize,
        fill: impl FnOnce(&mut [&mut [u8]]) -> Result<(), E>,
    ) -> Result<&[Vec<u8>], E> {
        let most = self.stripe_data_bytes();
        assert!((1..=most).contains(&data_bytes), "{data_bytes} bytes for a stripe of 1 to {most}");
        // A title of these bytes alone has one stripe, of the shape wanted.
        let shape = Geometry::new(self.codec.code(), self.cell_bytes, self.block_bytes, data_bytes as u64).stripe(0);
        for record in &mut self.records {
            record.resize(length(shape.record_bytes()), 0);
        }
        self.fill_cells(&shape, data_bytes, fill)?;
        for (record, seal) in self.records.iter_mut().zip(&self.seals) {
            seal_record(&shape, *seal, stripe_index, record);
        }
        Ok(&self.records)
    }

    fn fill_cells<E>(
        &mut self,
        shape: &StripeShape,
        data_bytes: usize,
        fill: impl FnOnce(&mut [&mut [u8]]) -> Result<(), E>,
    ) -> Result<(), E> {
        let code = self.codec.code();
        let cell_bytes = shape.cell_bytes as usize;
        let mut data_cells: Vec<&mut [u8]> = (0..code.data_cell_count()).map(|_| Default::default()).collect();
        let mut parity_cells: Vec<&mut [u8]> = Vec::new();
        for (column, record) in self.records.iter_mut().enumerate() {
            let cells = record[..code.rows() * cell_bytes].chunks_exact_mut(cell_bytes);
            for (row, cell) in cells.enumerate() {
                match code.cell(Cell::new(column, row)) {
                    CellKind::Data { index } => data_cells[index] = cell,
                    CellKind::Parity { .. } => parity_cells.push(cell),
                }
            }
        }
        let used = |index: usize| data_bytes.saturating_sub(index * cell_bytes).min(cell_bytes);
        let mut to_fill: Vec<&mut [u8]> = Vec::with_capacity(data_cells.len());
        for (index, cell) in data_cells.iter_mut().enumerate() {
            let (bytes, padding) = cell.split_at_mut(used(index));
            padding.fill(0);
            to_fill.push(bytes);
        }
        fill(&mut to_fill)?;
        let data_cells: Vec<&[u8]> = data_cells.iter().map(|cell| &**cell).collect();
        self.codec.encode(&data_cells, &mut parity_cells);
        Ok(())
    }
}

/// Puts the checksum of every block behind the cells.
pub(crate) fn seal_record(shape: &StripeShape, seal: Seal, stripe_index: u64, record: &mut [u8]) {
    let (cells, checksums) = record.split_at_mut(length(shape.cell_offset(shape.rows)));
    let mut slots = checksums.chunks_exact_mut(CHECKSUM_BYTES);
    for (row, cell) in (0..shape.rows).zip(cells.chunks_exact(shape.cell_bytes as usize)) {
        for (block, slot) in (0..shape.blocks_per_cell()).zip(&mut slots) {
            let checksum = seal.seal(stripe_index, row, block, &cell[shape.block_range(block)]);
            slot.copy_from_slice(&checksum.to_le_bytes());
        }
    }
}

/// A length in memory, of something that is in memory.
fn length(bytes: u64) -> usize {
    usize::try_from(bytes).expect("a record fits the memory that holds it")
}
