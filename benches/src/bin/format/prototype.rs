//! A column file's layout as it might be: what varies between the prototypes, and where things lie in them.

use core::fmt;
use std::sync::Arc;

use crc_fast::CrcAlgorithm;
use rain_benches::AlignedBuffer;
use rain_codec::{Cell, Code, Seal, StripeCodec, TitleVersion};

pub(crate) const TITLE: &str = "prototype";
pub(crate) const VERSION: TitleVersion = TitleVersion { counter: 1, node: 0, life: 0, random: 7 };

/// How the cells of a column lie in its record, and in memory while XORs run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// One behind the other in both.
    Contiguous,
    /// One behind the other on disk; taking turns every so many bytes in memory.
    InMemory(usize),
    /// Taking turns every so many bytes in both.
    OnDisk(usize),
}

impl Layout {
    pub(crate) const ALL: [Self; 5] =
        [Self::Contiguous, Self::InMemory(64), Self::InMemory(128), Self::OnDisk(64), Self::OnDisk(128)];

    pub(crate) fn is_on_disk(self) -> bool {
        matches!(self, Self::OnDisk(_))
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Contiguous => formatter.write_str("none"),
            Self::InMemory(line) => write!(formatter, "{line} B in memory"),
            Self::OnDisk(line) => write!(formatter, "{line} B on disk"),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Checksum {
    None,
    Crc64,
    Crc32c,
    Xxh3,
    Blake3,
}

impl Checksum {
    pub(crate) const ALL: [Self; 5] = [Self::None, Self::Crc64, Self::Crc32c, Self::Xxh3, Self::Blake3];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Crc64 => "CRC-64/NVME",
            Self::Crc32c => "CRC-32C",
            Self::Xxh3 => "XXH3-64",
            Self::Blake3 => "BLAKE3-256",
        }
    }

    pub(crate) fn bytes(self) -> usize {
        match self {
            Self::None => 0,
            Self::Crc64 | Self::Xxh3 => 8,
            Self::Crc32c => 4,
            Self::Blake3 => 32,
        }
    }
}

/// One combination of all that varies.
#[derive(Clone, Debug)]
pub(crate) struct Prototype {
    pub(crate) codec: Arc<StripeCodec>,
    pub(crate) cell_bytes: usize,
    pub(crate) block_bytes: usize,
    pub(crate) checksum: Checksum,
    pub(crate) layout: Layout,
    seals: Vec<Seal>,
}

/// The columns' records of one stripe.
pub(crate) type Records = Vec<AlignedBuffer>;

impl Prototype {
    pub(crate) fn new(
        codec: &Arc<StripeCodec>,
        cell_bytes: usize,
        block_bytes: usize,
        checksum: Checksum,
        layout: Layout,
    ) -> Self {
        let columns = 0..codec.code().columns();
        let seals = columns.map(|column| Seal::new(TITLE, VERSION, Cell::new(column, 0).column)).collect();
        // Where cells lie in one piece, a block belongs to one of them.
        let block_bytes = if layout.is_on_disk() { block_bytes } else { block_bytes.min(cell_bytes) };
        Self { codec: Arc::clone(codec), cell_bytes, block_bytes, checksum, layout, seals }
    }

    pub(crate) fn code(&self) -> &Code {
        self.codec.code()
    }

    pub(crate) fn stripe_data_bytes(&self) -> usize {
        self.code().data_cell_count() * self.cell_bytes
    }

    /// The cells' part of a record.
    pub(crate) fn area_bytes(&self) -> usize {
        self.code().rows() * self.cell_bytes
    }

    pub(crate) fn record_bytes(&self) -> usize {
        self.area_bytes() + self.area_bytes().div_ceil(self.block_bytes) * self.checksum.bytes()
    }

    /// The bytes of a column's area that hold data cells: where cells take turns, parity lies between them.
    pub(crate) fn data_area_bytes(&self, column: usize) -> usize {
        if self.layout.is_on_disk() { self.area_bytes() } else { self.code().data_rows(column) * self.cell_bytes }
    }

    pub(crate) fn new_records(&self) -> Records {
        (0..self.code().columns()).map(|column| AlignedBuffer::staggered(self.record_bytes(), column)).collect()
    }

    /// Puts the checksums behind the cells.
    pub(crate) fn seal(&self, stripe: usize, column: usize, record: &mut [u8]) {
        let (area, checksums) = record.split_at_mut(self.area_bytes());
        let slots = checksums.chunks_exact_mut(self.checksum.bytes().max(1));
        for ((number, block), slot) in area.chunks(self.block_bytes).enumerate().zip(slots) {
            match self.checksum {
                Checksum::None => {}
                Checksum::Crc64 => slot.copy_from_slice(&self.seal_of(stripe, column, number, block).to_le_bytes()),
                Checksum::Crc32c => slot.copy_from_slice(&crc32c(block)),
                Checksum::Xxh3 => slot.copy_from_slice(&twox_hash::XxHash3_64::oneshot(block).to_le_bytes()),
                Checksum::Blake3 => slot.copy_from_slice(blake3::hash(block).as_bytes()),
            }
        }
    }

    /// Checks one block.
    pub(crate) fn check(&self, stripe: usize, column: usize, number: usize, block: &[u8], stored: &[u8]) -> bool {
        match self.checksum {
            Checksum::None => true,
            Checksum::Crc64 => self.seal_of(stripe, column, number, block).to_le_bytes() == *stored,
            Checksum::Crc32c => crc32c(block) == *stored,
            Checksum::Xxh3 => twox_hash::XxHash3_64::oneshot(block).to_le_bytes() == *stored,
            Checksum::Blake3 => *blake3::hash(block).as_bytes() == *stored,
        }
    }

    /// Checks the first `bytes` of a record's cells.
    pub(crate) fn check_area(&self, stripe: usize, column: usize, record: &[u8], bytes: usize) -> bool {
        if self.checksum == Checksum::None {
            return true;
        }
        let (area, checksums) = record.split_at(self.area_bytes());
        let blocks = area[..bytes].chunks(self.block_bytes).enumerate();
        blocks
            .zip(checksums.chunks_exact(self.checksum.bytes()))
            .all(|((number, block), stored)| self.check(stripe, column, number, block, stored))
    }

    fn seal_of(&self, stripe: usize, column: usize, number: usize, block: &[u8]) -> u64 {
        let per_row = if self.layout.is_on_disk() { usize::MAX } else { self.cell_bytes / self.block_bytes };
        let row = Cell::new(column, number / per_row).row;
        let place = u32::try_from(number % per_row).expect("blocks of a column are few");
        self.seals[column].seal(stripe as u64, row, place, block)
    }
}

fn crc32c(block: &[u8]) -> [u8; 4] {
    let [a, b, c, d, ..] = crc_fast::checksum(CrcAlgorithm::Crc32Iscsi, block).to_le_bytes();
    [a, b, c, d]
}
