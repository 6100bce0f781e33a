//! A long list of numbers in little memory, each of them found at once.
//!
//! It is cut into blocks. A block has the straight line through its first and last number, and of each number how far it is
//! off that line, in as many bits as the farthest needs: decode times at a constant rate take none, sizes about as many as
//! they have.

/// Numbers in a block.
const BLOCK: usize = 128;

#[derive(Debug, Clone, Copy)]
struct Block {
    /// What the line begins with, so low that nothing is below the line.
    base: i64,
    slope: i64,
    /// Where its bits begin, in words.
    word: u32,
    /// Bits of each number.
    width: u8,
}

/// Numbers, never changed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Series {
    blocks: Vec<Block>,
    words: Vec<u64>,
    count: usize,
}

impl Series {
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// The number at `index`.
    ///
    /// # Panics
    /// When there is none.
    pub(crate) fn get(&self, index: usize) -> i64 {
        assert!(index < self.count, "number {index} of {}", self.count);
        let Block { base, slope, word, width } = self.blocks[index / BLOCK];
        let place = index % BLOCK;
        let on_line = base.wrapping_add(slope.wrapping_mul(signed(place)));
        on_line.wrapping_add(self.bits(word as usize, place * usize::from(width), width).cast_signed())
    }

    fn bits(&self, word: usize, at: usize, width: u8) -> u64 {
        if width == 0 {
            return 0;
        }
        let (word, shift) = (word + at / 64, at % 64);
        let low = self.words[word] >> shift;
        let high = if shift + usize::from(width) > 64 { self.words[word + 1] << (64 - shift) } else { 0 };
        (low | high) & (u64::MAX >> (64 - width))
    }

    /// How many of the first numbers hold, where all that hold come before all that do not.
    pub(crate) fn partition_point(&self, holds: impl Fn(i64) -> bool) -> usize {
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = low.midpoint(high);
            if holds(self.get(middle)) { low = middle + 1 } else { high = middle }
        }
        low
    }

    /// What it takes, in bytes.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.blocks.len() * size_of::<Block>() + self.words.len() * size_of::<u64>()
    }
}

/// Takes the numbers of a [`Series`] one by one.
#[derive(Debug, Default)]
pub(crate) struct SeriesBuilder {
    series: Series,
    block: Vec<i64>,
}

impl SeriesBuilder {
    pub(crate) fn len(&self) -> usize {
        self.series.count + self.block.len()
    }

    pub(crate) fn push(&mut self, number: i64) {
        self.block.push(number);
        if self.block.len() == BLOCK {
            self.close();
        }
    }

    pub(crate) fn finish(mut self) -> Series {
        self.close();
        self.series.blocks.shrink_to_fit();
        self.series.words.shrink_to_fit();
        self.series
    }

    fn close(&mut self) {
        let (Some(first), Some(last)) = (self.block.first().copied(), self.block.last().copied()) else { return };
        let slope = last.wrapping_sub(first) / (signed(self.block.len()) - 1).max(1);
        let line = |base: i64, place: usize| base.wrapping_add(slope.wrapping_mul(signed(place)));
        let off = |(place, number): (usize, &i64)| number.wrapping_sub(line(first, place));
        let below = self.block.iter().enumerate().map(off).min().unwrap_or_default();
        let base = first.wrapping_add(below);
        let above = |(place, number): (usize, &i64)| number.wrapping_sub(line(base, place)).cast_unsigned();
        let greatest = self.block.iter().enumerate().map(above).max().unwrap_or_default();
        let width = 64 - greatest.leading_zeros();
        let word = self.series.words.len();
        self.series.words.resize(word + (self.block.len() * width as usize).div_ceil(64), 0);
        for (place, number) in self.block.iter().enumerate().filter(|_| width > 0) {
            let value = above((place, number));
            let at = place * width as usize;
            let (index, shift) = (word + at / 64, at % 64);
            self.series.words[index] |= value << shift;
            if shift + width as usize > 64 {
                self.series.words[index + 1] |= value >> (64 - shift);
            }
        }
        let word = u32::try_from(word).expect("a series has at most four million numbers");
        let width = u8::try_from(width).expect("64 bits at most");
        self.series.blocks.push(Block { base, slope, word, width });
        self.series.count += self.block.len();
        self.block.clear();
    }
}

/// A count of samples as a number of a series.
pub(super) fn signed(count: usize) -> i64 {
    (count as u64).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(numbers: impl IntoIterator<Item = i64>) -> Series {
        let mut builder = SeriesBuilder::default();
        numbers.into_iter().for_each(|number| builder.push(number));
        builder.finish()
    }

    #[test]
    fn every_number_is_what_was_pushed() {
        let mut state = 1_u64;
        let mut random = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state.cast_signed()
        };
        for shift in [0, 1, 7, 31, 32, 40, 57, 63] {
            for count in [0, 1, 2, 127, 128, 129, 1000] {
                let numbers: Vec<i64> = (0..count).map(|_| random() >> shift).collect();
                let found = series(numbers.iter().copied());
                assert_eq!(found.len(), count);
                let read: Vec<i64> = (0..count).map(|index| found.get(index)).collect();
                assert_eq!(read, numbers, "{count} numbers of {} bits", 64 - shift);
            }
        }
        let extremes = [i64::MIN, i64::MAX, 0, -1, i64::MAX, i64::MIN];
        let found = series(extremes);
        assert_eq!((0..6).map(|index| found.get(index)).collect::<Vec<_>>(), extremes);
    }

    #[test]
    fn a_straight_line_takes_its_blocks_alone() {
        let found = series((0..172_800).map(|index| index * 512));
        assert_eq!(found.memory_bytes(), 172_800 / 128 * 24);
        assert_eq!(found.get(172_799), 88_473_088);
    }

    #[test]
    fn the_first_that_does_not_hold_is_found() {
        let found = series((0..1000).map(|index| index * index));
        assert_eq!(found.partition_point(|number| number < 0), 0);
        assert_eq!(found.partition_point(|number| number < 250_000), 500);
        assert_eq!(found.partition_point(|_| true), 1000);
    }
}
