//! Dual B-codes: two columns' worth of data, any two columns of which suffice.
//!
//! Xu, Bohossian, Bruck, Wagner 1999: the parity-check matrix of a B-code generates its dual. Data cell w is in row 0 of
//! column w; the rows below hold the sums of the data cells at the two ends of each edge that the B-code's column w has. The
//! last column of an odd code has edges only. From two columns a walk along their edges leads to all vertices.

use super::factors::{Edge, edge_columns};
use super::{Cell, Construction};

/// Fewest and most columns.
pub(super) const COLUMNS_MIN: usize = 4;
pub(super) const COLUMNS_MAX: usize = 61;

/// Tells whether a code of so many columns is built: where a perfect one-factorisation is known.
pub(super) fn is_built(columns: usize) -> bool {
    (COLUMNS_MIN..=COLUMNS_MAX).contains(&columns) && !matches!(columns, 50 | 51 | 54 | 55)
}

/// Builds the dual of a B-code.
pub(super) fn construct(columns: usize) -> Construction {
    let vertices = columns / 2 * 2;
    let edge_columns = edge_columns(vertices).expect("a factorisation for every size that is built");
    let sum = |&(a, b): &Edge| vec![Cell::new(a, 0), Cell::new(b, 0)];
    let parities = edge_columns.iter().take(columns).map(|edges| edges.iter().map(sum).collect()).collect();
    Construction { rows: columns / 2, tolerates: columns - 2, parities }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The four-column code of the slides again, columns in the order 0, 2, 3, 1: (a | b + c), (b | c + d) and so on turned.
    #[test]
    fn four_columns_by_hand() {
        let construction = construct(4);
        assert_eq!((construction.rows, construction.tolerates), (2, 2));
        for column in 0..4 {
            let ends = [Cell::new((column + 1) % 4, 0), Cell::new((column + 2) % 4, 0)];
            assert_eq!(construction.parities[column], [ends.to_vec()]);
        }
    }
}
