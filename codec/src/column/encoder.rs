//! From a stripe's bytes to its record in every column file.

use std::sync::Arc;

use super::builder::length;
use super::{ColumnBuilder, ColumnTree, Geometry, Seal, StripeShape, TitleVersion, default_group_bytes};
use crate::code::{Cell, CellKind};
use crate::stripe::StripeCodec;

/// Encodes the stripes of one title, one after the other or only some of them, and hashes each column meanwhile.
///
/// Shape: one record per column, in buffers that every stripe uses again. Encoders of some stripes each become one by
/// [`StripeEncoder::join`].
/// Cost: 32 bytes of memory for each group of each column's hash tree.
#[derive(Debug)]
pub struct StripeEncoder {
    codec: Arc<StripeCodec>,
    cell_bytes: u32,
    block_bytes: u32,
    hashes: bool,
    builders: Vec<ColumnBuilder>,
    records: Vec<Vec<u8>>,
}

impl StripeEncoder {
    /// Prepares for a title, whose column files have these sizes, this version, and hash trees with groups of the default
    /// size.
    ///
    /// # Panics
    /// When the sizes are none that [`Geometry::new`] takes.
    pub fn new(codec: Arc<StripeCodec>, cell_bytes: u32, block_bytes: u32, title: &str, version: TitleVersion) -> Self {
        let code = codec.code();
        let _ = Geometry::new(code, cell_bytes, block_bytes, 0);
        let seal = |column: usize| Seal::new(title, version, Cell::new(column, 0).column);
        let group_bytes = default_group_bytes(cell_bytes);
        let builders = (0..code.columns()).map(|column| ColumnBuilder::new(seal(column), group_bytes)).collect();
        // The first stripe makes them as long as they must be: many titles are much shorter than a full one.
        let records = vec![Vec::new(); code.columns()];
        Self { codec, cell_bytes, block_bytes, hashes: true, builders, records }
    }

    /// Leaves the hashing out: for whoever wants records and no trees.
    #[must_use]
    pub fn without_hashing(self) -> Self {
        Self { hashes: false, ..self }
    }

    /// Gives back the memory of the records: the next stripe takes it anew.
    pub fn release_records(&mut self) {
        self.records.fill(Vec::new());
    }

    /// Counts the bytes of a full stripe's data.
    pub fn stripe_data_bytes(&self) -> usize {
        self.codec.code().data_cell_count() * self.cell_bytes as usize
    }

    /// Encodes a stripe: its record in each column file, by column.
    ///
    /// Shape: `data` are the stripe's bytes of the title; fewer than a full stripe's shrink the cells, as only the last
    /// stripe may.
    /// Cost: the data are copied once, into the cells; then parity and checksums. Allocates only lists of cells, and the first stripe the records.
    ///
    /// # Panics
    /// When `data` are empty or more than a full stripe's, or the stripe lies beyond the longest title.
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
    /// When `data_bytes` are none or more than a full stripe's, or the stripe lies beyond the longest title.
    pub fn encode_stripe_with<E>(
        &mut self,
        stripe_index: u64,
        data_bytes: usize,
        fill: impl FnOnce(&mut [&mut [u8]]) -> Result<(), E>,
    ) -> Result<&[Vec<u8>], E> {
        let most = self.stripe_data_bytes();
        assert!((1..=most).contains(&data_bytes), "{data_bytes} bytes for a stripe of 1 to {most}");
        // A title that ends with them has a last stripe of the shape wanted.
        let title_bytes =
            stripe_index.checked_mul(most as u64).and_then(|before| before.checked_add(data_bytes as u64));
        let title_bytes = title_bytes.expect("a stripe of a title that is no longer than titles are");
        let shape =
            Geometry::new(self.codec.code(), self.cell_bytes, self.block_bytes, title_bytes).stripe(stripe_index);
        for record in &mut self.records {
            record.resize(length(shape.record_bytes()), 0);
        }
        self.fill_cells(&shape, data_bytes, fill)?;
        for (record, builder) in self.records.iter_mut().zip(&mut self.builders) {
            if self.hashes {
                builder.complete(&shape, record);
            } else {
                builder.seal(&shape, record);
            }
        }
        Ok(&self.records)
    }

    /// Adds the stripes of another encoder of the same title.
    ///
    /// # Panics
    /// When its cells have another size.
    pub fn join(&mut self, other: Self) {
        for (builder, other) in self.builders.iter_mut().zip(other.builders) {
            builder.join(other);
        }
    }

    /// Makes the hash trees of the columns, which must be whole; none without hashing.
    ///
    /// # Panics
    /// When a stripe before the last was left out, or one was encoded twice.
    pub fn finish(self) -> Vec<ColumnTree> {
        if self.hashes { self.builders.into_iter().map(ColumnBuilder::finish).collect() } else { Vec::new() }
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
