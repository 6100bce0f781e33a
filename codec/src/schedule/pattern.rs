//! Which columns are missing.

use core::fmt;

/// Column indices that a pattern can hold: below this.
const COLUMNS_MAX: usize = 256;
const WORD_BITS: usize = u64::BITS as usize;

/// A set of columns, usually those that are lost.
///
/// Shape: small, by value; indices below 256.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ErasurePattern {
    words: [u64; COLUMNS_MAX / WORD_BITS],
}

impl ErasurePattern {
    /// Makes the empty pattern: nothing is lost.
    pub fn none() -> Self {
        Self::default()
    }

    /// Makes the pattern of these columns.
    ///
    /// # Panics
    /// When an index is 256 or more.
    pub fn of(columns: &[usize]) -> Self {
        columns.iter().fold(Self::none(), |pattern, &column| pattern.with(column))
    }

    /// Adds a column, which may be in the pattern already.
    ///
    /// # Panics
    /// When the index is 256 or more.
    #[must_use]
    pub fn with(mut self, column: usize) -> Self {
        assert!(column < COLUMNS_MAX, "column {column}: an erasure pattern holds columns below {COLUMNS_MAX}");
        self.words[column / WORD_BITS] |= 1 << (column % WORD_BITS);
        self
    }

    /// Tells whether a column is in the pattern.
    pub fn contains(self, column: usize) -> bool {
        column < COLUMNS_MAX && self.words[column / WORD_BITS] >> (column % WORD_BITS) & 1 == 1
    }

    /// Counts the columns of the pattern.
    pub fn len(self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Tells whether the pattern is empty.
    pub fn is_empty(self) -> bool {
        self == Self::none()
    }

    /// Walks over the columns in ascending order.
    pub fn iter(self) -> impl Iterator<Item = usize> {
        (0..COLUMNS_MAX).filter(move |&column| self.contains(column))
    }
}

impl fmt::Debug for ErasurePattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.iter()).finish()
    }
}

/// Prints the columns with commas between them.
impl fmt::Display for ErasurePattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, column) in self.iter().enumerate() {
            write!(formatter, "{}{column}", if place == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_what_was_put_in() {
        let pattern = ErasurePattern::of(&[200, 3, 63, 64, 3, 255, 0]);
        assert_eq!(pattern.iter().collect::<Vec<_>>(), [0, 3, 63, 64, 200, 255]);
        assert_eq!(pattern.len(), 6);
        assert!(pattern.contains(64) && !pattern.contains(65) && !pattern.contains(256));
        assert_eq!(pattern, ErasurePattern::of(&[0, 3, 63, 64, 200]).with(255));
        assert_eq!(pattern.to_string(), "0, 3, 63, 64, 200, 255");
        assert_eq!(format!("{:?}", ErasurePattern::of(&[1, 2])), "{1, 2}");
    }

    #[test]
    fn none_is_empty() {
        assert!(ErasurePattern::none().is_empty());
        assert!(!ErasurePattern::of(&[255]).is_empty());
        assert_eq!(ErasurePattern::none().iter().count(), 0);
    }

    #[test]
    #[should_panic(expected = "column 256")]
    fn indices_have_a_limit() {
        let _ = ErasurePattern::of(&[256]);
    }
}
