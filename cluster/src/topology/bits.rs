//! Sets of small numbers, as bits.

/// Numbers below 64 × `WORDS`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bits<const WORDS: usize>([u64; WORDS]);

impl<const WORDS: usize> Bits<WORDS> {
    pub(super) const EMPTY: Self = Self([0; WORDS]);

    /// The numbers below `count`.
    pub(super) fn below(count: usize) -> Self {
        let mut all = Self::EMPTY;
        for number in 0..count {
            all.toggle(number);
        }
        all
    }

    /// Puts a number in that is not in, or takes it out.
    pub(super) fn toggle(&mut self, number: usize) {
        self.0[number / 64] ^= 1 << (number % 64);
    }

    pub(super) fn count(self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Takes the lowest number out.
    pub(super) fn pop(&mut self) -> Option<usize> {
        let (place, word) = self.0.iter_mut().enumerate().find(|(_, word)| **word != 0)?;
        let low = word.trailing_zeros() as usize;
        *word &= *word - 1;
        Some(place * 64 + low)
    }

    pub(super) fn add(&mut self, other: Self) {
        for (word, other) in self.0.iter_mut().zip(other.0) {
            *word |= other;
        }
    }

    pub(super) fn remove(&mut self, other: Self) {
        for (word, other) in self.0.iter_mut().zip(other.0) {
            *word &= !other;
        }
    }

    pub(super) fn keep(&mut self, other: Self) {
        for (word, other) in self.0.iter_mut().zip(other.0) {
            *word &= other;
        }
    }
}
