//! Where the stripes are while they are worked on.

/// Bytes of a stripe with its parity that stay in the smallest first-level cache, 32 KiB.
const L1_TOTAL_BYTES: usize = 30 * 1024;

/// Bytes of all stripes with their parity in the farthest memory, at most: far more than any cache, and what a machine has.
const DRAM_TOTAL_BYTES: usize = 1 << 30;

/// A size of stripes and a number of them, and thereby the memory that they come from and go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Regime {
    /// One stripe that fits the first-level cache with its parity.
    L1,
    /// One stripe of 256 KiB of data.
    L2Quarter,
    /// One stripe of 512 KiB of data.
    L2Half,
    /// Eight stripes of 1 MiB of data, in turns.
    L3,
    /// 512 stripes of 1 MiB of data, in turns; fewer where the parity would make them more than 1 GiB.
    Dram,
}

impl Regime {
    /// All, from the nearest memory to the farthest.
    pub const ALL: [Self; 5] = [Self::L1, Self::L2Quarter, Self::L2Half, Self::L3, Self::Dram];

    /// Names it as tables do.
    pub fn name(self) -> &'static str {
        match self {
            Self::L1 => "L1",
            Self::L2Quarter => "L2-256K",
            Self::L2Half => "L2-512K",
            Self::L3 => "L3",
            Self::Dram => "DRAM",
        }
    }

    /// Counts its stripes, each of so many bytes with its parity.
    pub fn stripe_count(self, stripe_bytes: usize) -> usize {
        match self {
            Self::L1 | Self::L2Quarter | Self::L2Half => 1,
            Self::L3 => 8,
            Self::Dram => (DRAM_TOTAL_BYTES / stripe_bytes).clamp(1, 512),
        }
    }

    /// Gives the bytes of a column, a multiple of `grain`, at which a stripe of n columns, k of them data, has the size
    /// of this regime.
    pub fn column_bytes(self, n: usize, k: usize, grain: usize) -> usize {
        let wanted = match self {
            Self::L1 => L1_TOTAL_BYTES / n,
            Self::L2Quarter => (256 << 10) / k,
            Self::L2Half => (512 << 10) / k,
            Self::L3 | Self::Dram => (1 << 20) / k,
        };
        ((wanted + grain / 2) / grain).max(1) * grain
    }
}
