//! The memory that emulated code may touch; everything between its regions is out of bounds.

use std::collections::BTreeMap;
use std::rc::Rc;

use anyhow::{Context as _, Result, bail, ensure};

use super::value::{LANE_BYTES, Lane};

/// Regions of memory, none next to another.
#[derive(Default)]
pub(super) struct Memory {
    /// By where each begins.
    regions: BTreeMap<u64, Region>,
}

/// What a region of memory is.
pub(super) enum Region {
    /// Cells: sixteen bytes at a time, each an XOR of pieces.
    Cells {
        /// What they hold.
        pieces: Vec<Lane>,
        /// Which of them may be written.
        outputs: Vec<bool>,
    },
    /// The stack and arguments: bytes, and here and there lanes that come from cells.
    Plain {
        /// What is known of each byte.
        bytes: Vec<Option<u8>>,
        /// Lanes that were put there, by where they begin.
        sums: BTreeMap<usize, Rc<Vec<u32>>>,
        /// Whether it may be written.
        writable: bool,
    },
}

/// In what a lane lay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Where {
    /// Cells.
    Cells,
    /// The stack, arguments or constants.
    Elsewhere,
}

impl Region {
    /// Words that are only read, or that may be changed too.
    pub(super) fn words(words: &[u64], writable: bool) -> Self {
        let bytes = words.iter().flat_map(|word| word.to_le_bytes()).map(Some).collect();
        Self::Plain { bytes, sums: BTreeMap::new(), writable }
    }

    /// Memory of which nothing is known yet.
    pub(super) fn fresh(len: usize) -> Self {
        Self::Plain { bytes: vec![None; len], sums: BTreeMap::new(), writable: true }
    }

    fn len(&self) -> usize {
        match self {
            Self::Cells { pieces, .. } => pieces.len() * LANE_BYTES,
            Self::Plain { bytes, .. } => bytes.len(),
        }
    }
}

impl Memory {
    /// Puts a region somewhere.
    ///
    /// # Panics
    /// When it meets another.
    pub(super) fn add(&mut self, start: u64, region: Region) {
        let end = start + region.len() as u64;
        let before = self.regions.range(..end).next_back();
        assert!(
            before.is_none_or(|(&other, region)| other + (region.len() as u64) < start),
            "regions meet at {start:#x}"
        );
        self.regions.insert(start, region);
    }

    /// What the cells of a region hold now.
    pub(super) fn pieces(&self, start: u64) -> Option<&[Lane]> {
        match self.regions.get(&start)? {
            Region::Cells { pieces, .. } => Some(pieces),
            Region::Plain { .. } => None,
        }
    }

    /// Whether an address is in one of the regions.
    pub(super) fn has(&self, address: u64) -> bool {
        let before = self.regions.range(..=address).next_back();
        before.is_some_and(|(&start, region)| address - start < region.len() as u64)
    }

    /// Finds the region in which an access lies wholly, and where in it.
    fn find(&mut self, address: u64, len: usize) -> Result<(&mut Region, usize)> {
        let before = self.regions.range_mut(..=address).next_back();
        let (start, region) = before.with_context(|| format!("{len} bytes at {address:#x} are out of bounds"))?;
        let at = usize::try_from(address - start)?;
        ensure!(
            at.saturating_add(len) <= region.len(),
            "{len} bytes at {address:#x} are out of bounds: {at:#x} into the region of {:#x} bytes at {start:#x}",
            region.len()
        );
        Ok((region, at))
    }

    /// Reads a lane.
    pub(super) fn load_lane(&mut self, address: u64) -> Result<(Lane, Where)> {
        match self.find(address, LANE_BYTES)? {
            (Region::Cells { pieces, .. }, at) => Ok((pieces[piece_at(at)?].clone(), Where::Cells)),
            (Region::Plain { bytes, sums, .. }, at) => {
                if let Some(sum) = sums.get(&at) {
                    return Ok((Lane::Sum(Rc::clone(sum)), Where::Elsewhere));
                }
                let mut lane = [0; LANE_BYTES];
                for (byte, known) in lane.iter_mut().zip(&bytes[at..]) {
                    *byte = known.with_context(|| format!("a lane at {address:#x} is undefined"))?;
                }
                Ok((Lane::Bytes(lane), Where::Elsewhere))
            }
        }
    }

    /// Writes a lane.
    pub(super) fn store_lane(&mut self, address: u64, lane: &Lane) -> Result<Where> {
        ensure!(*lane != Lane::Undefined, "a store of what is undefined at {address:#x}");
        match self.find(address, LANE_BYTES)? {
            (Region::Cells { pieces, outputs }, at) => {
                let piece = piece_at(at)?;
                ensure!(outputs[piece], "a store at {address:#x} into a cell that is not written");
                pieces[piece] = lane.clone();
                Ok(Where::Cells)
            }
            (Region::Plain { bytes, sums, writable }, at) => {
                ensure!(*writable, "a store at {address:#x} into arguments");
                forget(bytes, sums, at, LANE_BYTES);
                match lane {
                    Lane::Undefined => {}
                    Lane::Bytes(lane) => bytes[at..][..LANE_BYTES].copy_from_slice(&lane.map(Some)),
                    Lane::Sum(sum) => drop(sums.insert(at, Rc::clone(sum))),
                }
                Ok(Where::Elsewhere)
            }
        }
    }

    /// Reads a number of up to eight bytes.
    pub(super) fn load(&mut self, address: u64, len: usize) -> Result<u64> {
        match self.find(address, len)? {
            (Region::Cells { .. }, _) => bail!("a cell at {address:#x} is read as a number"),
            (Region::Plain { bytes, .. }, at) => bytes[at..][..len].iter().rev().try_fold(0, |number, byte| {
                let byte = byte.with_context(|| format!("{len} bytes at {address:#x} are undefined"))?;
                Ok(number << 8 | u64::from(byte))
            }),
        }
    }

    /// Writes a number of up to eight bytes.
    pub(super) fn store(&mut self, address: u64, len: usize, number: u64) -> Result<()> {
        match self.find(address, len)? {
            (Region::Cells { .. }, _) => bail!("a number is written into a cell at {address:#x}"),
            (Region::Plain { bytes, sums, writable }, at) => {
                ensure!(*writable, "a store at {address:#x} into arguments");
                forget(bytes, sums, at, len);
                for (byte, value) in bytes[at..][..len].iter_mut().zip(number.to_le_bytes()) {
                    *byte = Some(value);
                }
                Ok(())
            }
        }
    }
}

/// Which piece of a region lies at an offset.
fn piece_at(at: usize) -> Result<usize> {
    ensure!(at.is_multiple_of(LANE_BYTES), "an access {} bytes into a piece of a cell", at % LANE_BYTES);
    Ok(at / LANE_BYTES)
}

/// Makes room for a store: what it overlaps is no more, and what remains of a lane of cells is undefined.
fn forget(bytes: &mut [Option<u8>], sums: &mut BTreeMap<usize, Rc<Vec<u32>>>, at: usize, len: usize) {
    let overlapped: Vec<usize> =
        sums.range((at + 1).saturating_sub(LANE_BYTES)..at + len).map(|(&start, _)| start).collect();
    for start in overlapped {
        sums.remove(&start);
    }
    bytes[at..][..len].fill(None);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory() -> Memory {
        let mut memory = Memory::default();
        memory.add(0x1001, Region::Cells { pieces: vec![Lane::piece(0), Lane::piece(1)], outputs: vec![false, true] });
        memory.add(0x2000, Region::fresh(64));
        memory.add(0x3000, Region::words(&[7], false));
        memory
    }

    #[test]
    fn cells_are_read_whole_and_outputs_written() {
        let mut memory = memory();
        assert_eq!(memory.load_lane(0x1011).unwrap(), (Lane::piece(1), Where::Cells));
        assert!(memory.load_lane(0x1010).is_err(), "between two pieces");
        assert!(memory.load_lane(0x1021).is_err(), "behind the region");
        assert!(memory.load_lane(0xff1).is_err(), "before the region");
        assert!(memory.load(0x1001, 8).is_err(), "a cell as a number");
        assert!(memory.store_lane(0x1001, &Lane::ZERO).is_err(), "an input");
        memory.store_lane(0x1011, &Lane::piece(0)).unwrap();
        assert_eq!(memory.pieces(0x1001).unwrap(), [Lane::piece(0), Lane::piece(0)]);
    }

    #[test]
    fn the_stack_keeps_numbers_and_lanes_of_cells() {
        let mut memory = memory();
        assert!(memory.load(0x2000, 8).is_err(), "nothing was written");
        memory.store(0x2000, 8, 0x0102_0304_0506_0708).unwrap();
        assert_eq!(memory.load(0x2004, 4).unwrap(), 0x0102_0304);
        memory.store_lane(0x2010, &Lane::piece(1)).unwrap();
        assert_eq!(memory.load_lane(0x2010).unwrap(), (Lane::piece(1), Where::Elsewhere));
        assert!(memory.load(0x2018, 8).is_err(), "half of a lane of cells");
        memory.store(0x2018, 8, 0).unwrap();
        assert!(memory.load_lane(0x2010).is_err(), "what remains of the lane");
        assert_eq!(memory.load(0x3000, 8).unwrap(), 7);
        assert!(memory.store(0x3000, 8, 7).is_err(), "arguments");
        assert!(memory.has(0x203f) && !memory.has(0x2040));
    }
}
