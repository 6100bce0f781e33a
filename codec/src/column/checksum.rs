//! Checksums of blocks: CRC-64/NVME, whose value for an XOR of blocks follows from theirs, under a tag of the block's
//! place.

use std::fmt;

use crc_fast::{CrcAlgorithm, Digest};

use super::TitleVersion;
use crate::schedule::Schedule;

const ALGORITHM: CrcAlgorithm = CrcAlgorithm::Crc64Nvme;

/// Computes the CRC-64/NVME of bytes.
pub fn crc64(bytes: &[u8]) -> u64 {
    crc_fast::checksum(ALGORITHM, bytes)
}

/// A CRC-64/NVME over bytes that come in pieces.
#[derive(Clone)]
pub struct Crc64(Digest);

impl Crc64 {
    /// Starts with no bytes.
    pub fn new() -> Self {
        Self(Digest::new(ALGORITHM))
    }

    /// Adds the next piece.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Gives the CRC of all pieces so far, the same as [`crc64`] of them in one.
    pub fn finish(&self) -> u64 {
        self.0.finalize()
    }
}

impl Default for Crc64 {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Crc64 {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Crc64({:#018x})", self.finish())
    }
}

/// Computes the CRC of the XOR of blocks from the CRCs of the blocks, without their bytes.
///
/// Shape: all blocks have `len` bytes; the XOR of no blocks is zeros.
/// Cost: about 50 ns per bit set in `len`, so once for a full block; nothing of the kind for an odd number of blocks.
pub fn crc64_of_xor(crcs: &[u64], len: usize) -> u64 {
    let sum = crcs.iter().fold(0, |sum, crc| sum ^ crc);
    // crc(block) = linear(block) ^ crc(zeros), so the second term is left over once when the blocks are odd in number;
    // else it is missing.
    if crcs.len().is_multiple_of(2) { sum ^ crc64_of_zeros(len) } else { sum }
}

/// The CRCs of what a schedule makes, out of those of its inputs: no byte is read.
///
/// Shape: `inputs` in the order of [`Schedule::inputs`], each of `len` bytes; the result in the order of
/// [`Schedule::targets`].
///
/// # Panics
/// When there is not a CRC for each input.
pub fn crc64s_made(schedule: &Schedule, inputs: impl IntoIterator<Item = u64>, len: usize) -> Vec<u64> {
    let mut crcs: Vec<u64> = inputs.into_iter().collect();
    let count = schedule.inputs().len();
    assert_eq!(crcs.len(), count, "a CRC for each input");
    for sources in schedule.program().steps() {
        let sources: Vec<u64> = sources.iter().map(|source| crcs[usize::from(*source)]).collect();
        crcs.push(crc64_of_xor(&sources, len));
    }
    crcs.split_off(count)
}

/// The polynomial of CRC-64/NVME, lowest coefficient in the highest bit, the term x^64 left out.
const POLYNOMIAL: u64 = 0x9a6c_9329_ac4b_c9b5;
/// The polynomial 1 and x in the same notation.
const ONE: u64 = 1 << 63;
const X: u64 = 1 << 62;

/// x to the power of 8 * 2^i, modulo the polynomial: what 2^i zero bytes do to the register.
const ZERO_BYTES: [u64; usize::BITS as usize] = {
    let mut powers = [0; usize::BITS as usize];
    let mut power = X;
    let mut squarings = 0;
    while squarings < 3 {
        power = multiply(power, power);
        squarings += 1;
    }
    let mut i = 0;
    while i < powers.len() {
        powers[i] = power;
        power = multiply(power, power);
        i += 1;
    }
    powers
};

/// The product of two polynomials over GF(2), modulo the polynomial of the CRC.
const fn multiply(a: u64, mut b: u64) -> u64 {
    let mut product = 0;
    let mut a_left = a;
    while a_left != 0 {
        if a_left & ONE != 0 {
            product ^= b;
        }
        a_left <<= 1;
        b = if b & 1 == 0 { b >> 1 } else { (b >> 1) ^ POLYNOMIAL };
    }
    product
}

/// The CRC of `len` zero bytes: the register starts with all ones, is multiplied by x for each bit, and is inverted at
/// the end.
fn crc64_of_zeros(len: usize) -> u64 {
    let mut register = u64::MAX;
    let mut left = len;
    while left != 0 {
        register = multiply(ZERO_BYTES[left.trailing_zeros() as usize], register);
        left &= left - 1;
    }
    !register
}

/// What makes a block's checksum valid in one place only: one title, version and column, there one stripe, row and
/// block.
///
/// A block that was misplaced by a disk, comes from another title or was left by an older version has a right CRC and a
/// wrong seal. The seal is the XOR of the bytes' CRC and a tag of the place, so the CRC follows from it without the
/// bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seal {
    column: u64,
}

impl Seal {
    /// Prepares the seals of one column file.
    pub fn new(title: &str, version: TitleVersion, column: u16) -> Self {
        let TitleVersion { counter, node, life, random } = version;
        let words = [counter, node.into(), u64::from(life) << 32 | u64::from(random), column.into()];
        Self { column: words.into_iter().fold(crc64(title.as_bytes()), |sum, word| mix(mix(sum) ^ word)) }
    }

    /// Computes the tag of a place. Two blocks of one stripe never have the same one, nor have the same blocks of two
    /// stripes.
    pub fn tag(&self, stripe: u64, row: u16, block: u32) -> u64 {
        let place = u64::from(row) << 32 | u64::from(block);
        mix(mix(self.column ^ mix(stripe)) ^ place)
    }

    /// Computes the checksum that is stored for a block.
    pub fn seal(&self, stripe: u64, row: u16, block: u32, bytes: &[u8]) -> u64 {
        crc64(bytes) ^ self.tag(stripe, row, block)
    }

    /// Tells whether a stored checksum is that of a block in its place.
    pub fn check(&self, stripe: u64, row: u16, block: u32, bytes: &[u8], stored: u64) -> bool {
        self.seal(stripe, row, block, bytes) == stored
    }

    /// Takes the place out of a stored checksum, which leaves the CRC that the block's bytes must have; see
    /// [`crc64_of_xor`].
    pub fn crc(&self, stripe: u64, row: u16, block: u32, stored: u64) -> u64 {
        stored ^ self.tag(stripe, row, block)
    }
}

/// Stirs the bits of a word, one to one; zero does not stay zero. The multipliers are odd, taken from the golden ratio
/// and from pi.
fn mix(word: u64) -> u64 {
    let mut word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    word = (word ^ (word >> 32)).wrapping_mul(0x243f_6a88_85a3_08d3);
    word = (word ^ (word >> 29)).wrapping_mul(0x1319_8a2e_0370_7345);
    word ^ (word >> 32)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::code::Code;
    use crate::stripe::StripeCodec;
    use std::sync::Arc;

    fn noise(len: usize, seed: u64) -> Vec<u8> {
        (0..len as u64).map(|at| mix(at ^ mix(seed)).to_le_bytes()[0]).collect()
    }

    #[test]
    fn check_value_of_the_catalogue() {
        assert_eq!(crc64(b"123456789"), 0xae8b_1486_0a79_9888);
        assert_eq!(crc64(b""), 0);
    }

    #[test]
    fn pieces_make_the_whole() {
        let bytes = noise(5000, 1);
        for cut in [0, 1, 63, 64, 4096, 4999, 5000] {
            let mut crc = Crc64::new();
            crc.update(&bytes[..cut]);
            crc.update(&bytes[cut..]);
            assert_eq!(crc.finish(), crc64(&bytes), "cut at {cut}");
        }
        assert_eq!(Crc64::default().finish(), 0);
    }

    #[test]
    fn zeros_of_any_length() {
        for len in (0..=130).chain([511, 512, 4096, 16384, 65536, 100_003]) {
            assert_eq!(crc64_of_zeros(len), crc64(&vec![0; len]), "{len} zeros");
        }
    }

    #[test]
    fn the_crc_of_an_xor_follows_from_the_crcs() {
        for len in [0, 1, 7, 64, 4096, 16384, 16385] {
            let mut sum = vec![0; len];
            let mut crcs = Vec::new();
            for count in 0..12 {
                assert_eq!(crc64_of_xor(&crcs, len), crc64(&sum), "{count} blocks of {len} bytes");
                let block = noise(len, count);
                crcs.push(crc64(&block));
                for (byte, other) in sum.iter_mut().zip(&block) {
                    *byte ^= other;
                }
            }
        }
    }

    #[test]
    fn the_crcs_of_parity_follow_from_those_of_the_data() {
        let codec = StripeCodec::new(Arc::new(Code::named("b-code:8").unwrap()));
        let data: Vec<Vec<u8>> = (0..codec.code().data_cell_count() as u64).map(|seed| noise(100, seed)).collect();
        let mut parity = vec![vec![0; 100]; codec.encode_schedule().targets().len()];
        let slices: Vec<&[u8]> = data.iter().map(Vec::as_slice).collect();
        codec.encode(&slices, &mut parity.iter_mut().map(Vec::as_mut_slice).collect::<Vec<_>>());
        let made = crc64s_made(codec.encode_schedule(), data.iter().map(|cell| crc64(cell)), 100);
        assert_eq!(made, parity.iter().map(|cell| crc64(cell)).collect::<Vec<_>>());
    }

    #[test]
    fn a_seal_holds_in_one_place_only() {
        let version = TitleVersion { counter: 5, node: 2, life: 7, random: 99 };
        let block = noise(512, 3);
        let seal = Seal::new("film", version, 1);
        let stored = seal.seal(7, 2, 3, &block);
        assert!(seal.check(7, 2, 3, &block, stored));
        assert_eq!(seal.crc(7, 2, 3, stored), crc64(&block));
        assert!(!seal.check(8, 2, 3, &block, stored));
        assert!(!seal.check(7, 3, 3, &block, stored));
        assert!(!seal.check(7, 2, 4, &block, stored));
        let others = [
            Seal::new("Film", version, 1),
            Seal::new("film", version, 2),
            Seal::new("film", TitleVersion { counter: 6, ..version }, 1),
            Seal::new("film", TitleVersion { node: 3, ..version }, 1),
            Seal::new("film", TitleVersion { life: 6, ..version }, 1),
            Seal::new("film", TitleVersion { random: 98, ..version }, 1),
        ];
        for other in others {
            assert!(!other.check(7, 2, 3, &block, stored), "{other:?}");
        }
        let mut damaged = block.clone();
        damaged[511] ^= 0x80;
        assert!(!seal.check(7, 2, 3, &damaged, stored));
    }

    #[test]
    fn tags_differ_from_place_to_place() {
        let seal = Seal::new("", TitleVersion { counter: 0, node: 0, life: 0, random: 0 }, 0);
        let tags: HashSet<u64> = (0..20)
            .flat_map(|stripe| (0..20).flat_map(move |row| (0..20).map(move |block| seal.tag(stripe, row, block))))
            .collect();
        assert_eq!(tags.len(), 8000);
    }
}
