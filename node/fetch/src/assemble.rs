//! From the columns of a piece to the bytes of the title.

use super::{ColumnRead, Piece, PiecePlan, ReadProof, Rope};
use bytes::Bytes;
use core::ops::Range;
use rain_codec::column::{
    CHECKSUM_BYTES, Crc64, Geometry, HASH_BYTES, ProofError, Seal, StripeShape, crc64, crc64s_made, verify_group_set,
};
use rain_codec::{Cell, Schedule};
use std::collections::BTreeMap;

/// Blocks that are not what their checksums say, or not what their column's root says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReadDamage {
    /// A peer's answer is shorter or longer than it must be.
    #[error("{found} bytes, expected {expected}")]
    Length {
        /// Bytes that came.
        found: usize,
        /// Bytes that had to come.
        expected: u64,
    },
    /// A block read from a column.
    #[error("stripe {stripe}, row {row}, block {block}: the checksum does not match")]
    Block {
        /// The stripe.
        stripe: u64,
        /// The row of the cell.
        row: u16,
        /// The block of the cell.
        block: u32,
    },
    /// All blocks are what their checksums say; but they are not those of the column, or what came to prove it is wrong.
    #[error("the blocks are not proven: {0}")]
    Proof(#[from] ProofError),
    /// A block that was recovered from sound ones: the XOR went wrong, or the memory.
    #[error("stripe {stripe}: the recovered cell {cell} does not match its sources")]
    Recovered {
        /// The stripe.
        stripe: u64,
        /// The cell.
        cell: Cell,
    },
}

/// Rows of a column that arrived, and were asked for by `read`.
#[derive(Debug)]
pub struct Arrival {
    read: ColumnRead,
    bytes: Rope,
    seal: Seal,
}

impl Arrival {
    /// Takes the answer to `read` and verifies every block of it: against its seal, and if the read asked for a proof
    /// against the `root` of its column, which is not looked at otherwise.
    ///
    /// Cost: the CRC of all blocks; with a proof also the BLAKE3 of all groups that hold them, three times that.
    ///
    /// # Errors
    /// [`ReadDamage`].
    pub fn verified(
        read: ColumnRead,
        bytes: Rope,
        seal: Seal,
        root: &[u8; HASH_BYTES],
        geometry: &Geometry,
    ) -> Result<Self, ReadDamage> {
        let proof = read.proof.then(|| ReadProof::of(&read, geometry));
        let expected = read.blocks_bytes(geometry) + proof.as_ref().map_or(0, ReadProof::bytes);
        if bytes.len() as u64 != expected {
            return Err(ReadDamage::Length { found: bytes.len(), expected });
        }
        let arrival = Self { read, bytes, seal };
        for index in arrival.read.stripes.clone() {
            let stripe = geometry.stripe(index);
            for row in arrival.read.rows.clone() {
                for block in arrival.read.blocks.clone() {
                    if arrival.found_crc(&stripe, row, block) != arrival.stored_crc(&stripe, row, block) {
                        return Err(ReadDamage::Block { stripe: index, row, block });
                    }
                }
            }
        }
        if let Some(proof) = proof {
            arrival.prove(&proof, root, geometry)?;
        }
        Ok(arrival)
    }

    /// Hashes the blocks with the fringe between them, in the order of the column, and compares with its root.
    fn prove(&self, proof: &ReadProof, root: &[u8; HASH_BYTES], geometry: &Geometry) -> Result<(), ProofError> {
        // Where each piece of the groups begins in the column, and where it lies in the answer.
        let runs = self.read.runs(geometry).map(|(run, at)| (run.start, at..at + to_usize(run.end - run.start)));
        let mut pieces: Vec<(u64, Range<usize>)> = runs.collect();
        let mut behind = to_usize(self.read.blocks_bytes(geometry));
        for fringe in proof.fringe() {
            let end = behind + to_usize(fringe.end - fringe.start);
            pieces.push((fringe.start, behind..end));
            behind = end;
        }
        pieces.sort_unstable_by_key(|(start, _)| *start);
        let cells = pieces.iter().flat_map(|(_, range)| self.bytes.parts(range.clone()));
        let hashes = self.bytes.contiguous(behind..self.bytes.len());
        verify_group_set(root, proof.tree(), proof.groups(), cells, hashes.as_chunks().0)
    }

    /// Which rows it holds.
    pub fn rows(&self) -> Range<u16> {
        self.read.rows.clone()
    }

    /// Bytes that it took.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether it took none.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    fn base(&self, stripe: &StripeShape) -> usize {
        usize::try_from(stripe.index - self.read.stripes.start).expect("pieces are small")
            * self.read.stripe_bytes(stripe)
    }

    /// The blocks of a cell.
    fn cell(&self, stripe: &StripeShape, row: u16) -> Range<usize> {
        let start = self.base(stripe) + self.read.row_offset(stripe, row);
        start..start + self.read.span(stripe).len()
    }

    fn stored_crc(&self, stripe: &StripeShape, row: u16, block: u32) -> u64 {
        let at = self.base(stripe) + self.read.checksum_offset(stripe, row, block);
        let stored = self.bytes.contiguous(at..at + CHECKSUM_BYTES);
        let stored = u64::from_le_bytes((*stored).try_into().expect("eight bytes"));
        self.seal.crc(stripe.index, row, block, stored)
    }

    fn found_crc(&self, stripe: &StripeShape, row: u16, block: u32) -> u64 {
        let span = self.read.span(stripe);
        let range = stripe.block_range(block);
        let base = self.cell(stripe, row).start;
        let mut crc = Crc64::new();
        for part in self.bytes.slices(base + range.start - span.start..base + range.end - span.start) {
            crc.update(&part);
        }
        crc.finish()
    }
}

/// What has arrived for a piece.
#[derive(Debug, Default)]
pub struct Arrivals(Vec<(u16, Arrival)>);

impl Arrivals {
    /// Adds rows of a column.
    pub fn push(&mut self, column: u16, arrival: Arrival) {
        self.0.push((column, arrival));
    }

    /// Drops what came of a column.
    pub fn remove(&mut self, column: u16) {
        self.0.retain(|(of, _)| *of != column);
    }

    /// What came, by column.
    pub fn iter(&self) -> impl Iterator<Item = (u16, &Arrival)> {
        self.0.iter().map(|(column, arrival)| (*column, arrival))
    }

    fn with(&self, cell: Cell) -> &Arrival {
        let holds =
            |(column, arrival): &&(u16, Arrival)| *column == cell.column && arrival.read.rows.contains(&cell.row);
        &self.0.iter().find(holds).expect("the plan is ready").1
    }
}

/// Puts a piece together: the bytes of the title that it delivers, in order. Cells that were read are passed on without
/// copying; lost ones are recovered.
///
/// # Errors
/// [`ReadDamage::Recovered`].
///
/// # Panics
/// Unless the plan is ready with these arrivals.
pub fn assemble(
    geometry: &Geometry,
    piece: &Piece,
    plan: &PiecePlan,
    arrivals: &Arrivals,
) -> Result<Vec<Bytes>, ReadDamage> {
    let mut delivered = Vec::new();
    for index in piece.stripes.clone() {
        let stripe = geometry.stripe(index);
        let recovered = match plan.recovery() {
            Some(_) => recover(&stripe, piece, plan, arrivals)?,
            None => BTreeMap::new(),
        };
        for (index, cell) in piece.cells.clone().zip(plan.wanted()) {
            let span = stripe.block_range(piece.blocks.start).start..stripe.block_range(piece.blocks.end - 1).end;
            let start = stripe.title_offset + index as u64 * u64::from(stripe.cell_bytes) + span.start as u64;
            let end = start + span.len() as u64;
            let (from, to) = (start.max(piece.bytes.start), end.min(piece.bytes.end));
            if from >= to {
                continue;
            }
            let part = to_usize(from - start)..to_usize(to - start);
            if let Some(bytes) = recovered.get(cell) {
                delivered.push(bytes.slice(part));
            } else {
                let arrival = arrivals.with(*cell);
                let base = arrival.cell(&stripe, cell.row).start;
                delivered.extend(arrival.bytes.slices(base + part.start..base + part.end));
            }
        }
    }
    Ok(delivered)
}

fn to_usize(number: u64) -> usize {
    usize::try_from(number).expect("pieces are small")
}

/// The wanted cells of one stripe of a piece, as they came or recovered: the piece's blocks of each.
///
/// # Errors
/// [`ReadDamage::Recovered`].
///
/// # Panics
/// Unless the plan is ready with these arrivals.
pub fn recover(
    stripe: &StripeShape,
    piece: &Piece,
    plan: &PiecePlan,
    arrivals: &Arrivals,
) -> Result<BTreeMap<Cell, Bytes>, ReadDamage> {
    let came = plan.wanted().iter().filter(|cell| plan.uses(cell.column, cell.row..cell.row + 1));
    let mut cells: BTreeMap<Cell, Bytes> = came
        .map(|cell| {
            let arrival = arrivals.with(*cell);
            let bytes = arrival.bytes.contiguous(arrival.cell(stripe, cell.row));
            (*cell, Bytes::copy_from_slice(&bytes))
        })
        .collect();
    let Some(schedule) = plan.recovery() else { return Ok(cells) };
    let inputs: Vec<_> = schedule
        .inputs()
        .iter()
        .map(|cell| {
            let arrival = arrivals.with(*cell);
            arrival.bytes.contiguous(arrival.cell(stripe, cell.row))
        })
        .collect();
    let slices: Vec<&[u8]> = inputs.iter().map(AsRef::as_ref).collect();
    let length = slices.first().map_or(0, |slice| slice.len());
    let mut outputs = vec![vec![0; length]; schedule.targets().len()];
    let mut targets: Vec<&mut [u8]> = outputs.iter_mut().map(Vec::as_mut_slice).collect();
    plan.codec().run(schedule, &slices, &mut targets);
    check_recovered(stripe, piece, schedule, arrivals, &outputs)?;
    cells.extend(schedule.targets().iter().copied().zip(outputs.into_iter().map(Bytes::from)));
    Ok(cells)
}

/// Compares every recovered block with the checksum that follows from those of its sources.
fn check_recovered(
    stripe: &StripeShape,
    piece: &Piece,
    schedule: &Schedule,
    arrivals: &Arrivals,
    outputs: &[Vec<u8>],
) -> Result<(), ReadDamage> {
    let start = stripe.block_range(piece.blocks.start).start;
    for block in piece.blocks.clone() {
        let range = stripe.block_range(block);
        let (range, length) = (range.start - start..range.end - start, range.len());
        let stored = |cell: &Cell| arrivals.with(*cell).stored_crc(stripe, cell.row, block);
        let crcs = crc64s_made(schedule, schedule.inputs().iter().map(stored), length);
        for ((expected, output), cell) in crcs.into_iter().zip(outputs).zip(schedule.targets()) {
            if crc64(&output[range.clone()]) != expected {
                return Err(ReadDamage::Recovered { stripe: stripe.index, cell: *cell });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rain_codec::column::{StripeEncoder, TitleVersion};
    use rain_codec::{Code, ErasurePattern, StripeCodec};
    use std::sync::Arc;

    /// A faulty kernel, or bad memory: the sources are sound, and what was made of them is not.
    #[test]
    fn what_was_recovered_wrongly_is_found() {
        let codec = Arc::new(StripeCodec::new(Arc::new(Code::named("parity:2+1").unwrap())));
        let version = TitleVersion { counter: 1, node: 2, life: 3, random: 4 };
        let data: Vec<u8> = (0..8192_u32).map(|byte| (byte * 7 % 251).to_le_bytes()[0]).collect();
        let mut encoder = StripeEncoder::new(Arc::clone(&codec), 4096, 4096, "film", version);
        let records = encoder.encode_stripe(0, &data).to_vec();
        let geometry = Geometry::new(codec.code(), 4096, 4096, 8192);
        let mut arrivals = Arrivals::default();
        for (column, record) in [1, 2].into_iter().zip(&records[1..]) {
            let read = ColumnRead { stripes: 0..1, rows: 0..1, blocks: 0..1, proof: false };
            let mut bytes = Rope::default();
            bytes.push(Bytes::copy_from_slice(record));
            let seal = Seal::new("film", version, column);
            arrivals.push(column, Arrival::verified(read, bytes, seal, &[0; HASH_BYTES], &geometry).unwrap());
        }
        let wanted = codec.code().data_cell(0);
        let plan = PiecePlan::new(&codec, &[wanted], ErasurePattern::none().with(0)).unwrap();
        let (stripe, piece) = (geometry.stripe(0), Piece { stripes: 0..1, cells: 0..1, blocks: 0..1, bytes: 0..4096 });
        let recovered = recover(&stripe, &piece, &plan, &arrivals).unwrap();
        assert_eq!(recovered[&wanted], data[..4096]);
        let schedule = plan.recovery().unwrap();
        let mut outputs = vec![recovered[&wanted].to_vec()];
        assert_eq!(check_recovered(&stripe, &piece, schedule, &arrivals, &outputs), Ok(()));
        outputs[0][4095] ^= 1;
        let found = check_recovered(&stripe, &piece, schedule, &arrivals, &outputs);
        assert_eq!(found, Err(ReadDamage::Recovered { stripe: 0, cell: wanted }));
    }
}
