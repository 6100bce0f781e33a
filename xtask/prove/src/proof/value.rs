//! What sixteen bytes hold: numbers, or an XOR of pieces of cells.

use std::rc::Rc;

use anyhow::{Result, bail};

/// Bytes of a lane, and of a piece of a cell.
pub(super) const LANE_BYTES: usize = 16;

/// The contents of a lane of a vector register, or of as much memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Lane {
    /// Nobody knows; nothing may be computed from it.
    Undefined,
    /// These bytes.
    Bytes([u8; LANE_BYTES]),
    /// The XOR of what these pieces held at first: sorted, not empty.
    Sum(Rc<Vec<u32>>),
}

impl Lane {
    pub(super) const ZERO: Self = Self::Bytes([0; LANE_BYTES]);

    /// What a piece held at first.
    pub(super) fn piece(number: u32) -> Self {
        Self::Sum(Rc::new(vec![number]))
    }

    /// The XOR of pieces, of which two that are the same cancel.
    pub(super) fn sum(mut pieces: Vec<u32>) -> Self {
        pieces.sort_unstable();
        let mut odd: Vec<u32> = Vec::new();
        for piece in pieces {
            if odd.pop_if(|last| *last == piece).is_none() {
                odd.push(piece);
            }
        }
        if odd.is_empty() { Self::ZERO } else { Self::Sum(Rc::new(odd)) }
    }

    /// XORs two lanes.
    ///
    /// # Errors
    /// One is undefined, or numbers other than zero meet pieces.
    pub(super) fn xor(&self, other: &Self) -> Result<Self> {
        match (self, other) {
            (Self::Sum(one), Self::Sum(two)) => Ok(symmetric_difference(one, two)),
            (Self::Bytes(one), Self::Bytes(two)) => Ok(Self::Bytes(std::array::from_fn(|at| one[at] ^ two[at]))),
            (zero, sum @ Self::Sum(_)) | (sum @ Self::Sum(_), zero) if *zero == Self::ZERO => Ok(sum.clone()),
            (Self::Undefined, _) | (_, Self::Undefined) => bail!("an XOR with what is undefined"),
            (Self::Bytes(_), Self::Sum(_)) | (Self::Sum(_), Self::Bytes(_)) => {
                bail!("an XOR of numbers with cells")
            }
        }
    }

    /// Whether it comes from cells.
    pub(super) fn is_sum(&self) -> bool {
        matches!(self, Self::Sum(_))
    }
}

/// Merges two sorted sets.
fn symmetric_difference(one: &[u32], two: &[u32]) -> Lane {
    let mut merged = Vec::with_capacity(one.len() + two.len());
    let (mut at, mut beside) = (0, 0);
    while at < one.len() && beside < two.len() {
        let (first, second) = (one[at], two[beside]);
        if first != second {
            merged.push(first.min(second));
        }
        at += usize::from(first <= second);
        beside += usize::from(second <= first);
    }
    merged.extend_from_slice(&one[at..]);
    merged.extend_from_slice(&two[beside..]);
    if merged.is_empty() { Lane::ZERO } else { Lane::Sum(Rc::new(merged)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_twice_goes() {
        let sum = Lane::sum(vec![5, 1, 3, 5]);
        assert_eq!(sum, Lane::Sum(Rc::new(vec![1, 3])));
        assert_eq!(sum.xor(&Lane::piece(3)).unwrap(), Lane::piece(1));
        assert_eq!(sum.xor(&sum).unwrap(), Lane::ZERO);
        assert_eq!(sum.xor(&Lane::ZERO).unwrap(), sum);
        assert_eq!(Lane::sum(vec![7, 7]), Lane::ZERO);
    }

    #[test]
    fn numbers_and_cells_do_not_mix() {
        let ones = Lane::Bytes([1; LANE_BYTES]);
        assert_eq!(ones.xor(&ones).unwrap(), Lane::ZERO);
        assert!(ones.xor(&Lane::piece(0)).is_err());
        assert!(Lane::piece(0).xor(&Lane::Undefined).is_err());
    }
}
