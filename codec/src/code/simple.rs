//! The two codes of one row that everybody knows: a parity column, and copies.

use super::{Cell, Construction};

/// Most columns: what an erasure pattern can name and a node count can be.
pub(super) const COLUMNS_MAX: usize = 255;
/// Fewest data columns of a parity code; with one it would be two copies.
pub(super) const PARITY_DATA_MIN: usize = 2;
/// Fewest copies.
pub(super) const REPLICA_COLUMNS_MIN: usize = 2;

/// Builds k data columns and one that is their XOR.
pub(super) fn parity(k: usize) -> Construction {
    let sum = (0..k).map(|column| Cell::new(column, 0)).collect();
    let mut parities = vec![Vec::new(); k];
    parities.push(vec![sum]);
    Construction { rows: 1, tolerates: 1, parities }
}

/// Builds a data column and its copies.
pub(super) fn replica(columns: usize) -> Construction {
    let mut parities = vec![vec![vec![Cell::new(0, 0)]]; columns];
    parities[0].clear();
    Construction { rows: 1, tolerates: columns - 1, parities }
}
