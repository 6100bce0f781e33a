//! X-codes: a square of cells whose parities run along the two diagonals.
//!
//! Xu, Bruck, "X-Code: MDS Array Codes with Optimal Encoding", IEEE Transactions on Information Theory 45(1), 1999.

use super::{Cell, Construction};

/// Column counts for which an X-code is built here: primes, for no other number it is MDS.
pub(super) const COLUMNS: [usize; 16] = [5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61];

/// Builds the X-code of a prime number of columns, p: p - 2 rows of data, below them a row of each diagonal's parities.
pub(super) fn construct(p: usize) -> Construction {
    let parities = (0..p)
        .map(|column| {
            let down = (0..p - 2).map(|row| Cell::new((column + row + 2) % p, row)).collect();
            let up = (0..p - 2).map(|row| Cell::new((column + p - row - 2) % p, row)).collect();
            vec![down, up]
        })
        .collect();
    Construction { rows: p, tolerates: 2, parities }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Equations of the paper for p = 5, written out: both of column 0, the first of column 3, the second of column 4.
    #[test]
    fn diagonals_of_five_by_hand() {
        let construction = construct(5);
        let cells = |pairs: [(usize, usize); 3]| pairs.map(|(row, column)| Cell::new(column, row)).to_vec();
        assert_eq!(construction.rows, 5);
        assert_eq!(construction.parities[0][0], cells([(0, 2), (1, 3), (2, 4)]));
        assert_eq!(construction.parities[0][1], cells([(0, 3), (1, 2), (2, 1)]));
        assert_eq!(construction.parities[3][0], cells([(0, 0), (1, 1), (2, 2)]));
        assert_eq!(construction.parities[4][1], cells([(0, 2), (1, 1), (2, 0)]));
    }
}
