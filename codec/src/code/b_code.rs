//! B-codes: lowest density, from a perfect one-factorisation of a complete graph; and shortened where none is known.
//!
//! Xu, Bohossian, Bruck, Wagner, "Low-Density MDS Codes and Factors of Complete Graphs", IEEE Transactions on
//! Information Theory 45(6), 1999. The vertices are the parities of the first 2n columns; a data cell is an edge, and
//! lies in the parities of its two ends. The edges of a column are what is left of one factor without the two vertices
//! that the construction takes away; the last column of an odd code is the factor through those two.

use super::factors::{Edge, EdgeColumns, edge_columns};
use super::{Cell, Construction};

/// Fewest and most columns.
pub(super) const COLUMNS_MIN: usize = 4;
pub(super) const COLUMNS_MAX: usize = 65;

/// Finds the columns of the code that is to be shortened for this one: this one's where it is direct.
fn parent_columns(columns: usize) -> usize {
    match columns {
        50 | 51 => 52,
        54 | 55 => 56,
        62..=65 => 66,
        _ => columns,
    }
}

/// Counts the cells of a column.
pub(super) fn rows(columns: usize) -> usize {
    parent_columns(columns) / 2
}

/// Builds a B-code of 4 to 65 columns.
pub(super) fn construct(columns: usize) -> Construction {
    let parent = parent_columns(columns);
    let vertices = parent / 2 * 2;
    let mut edge_columns = edge_columns(vertices).expect("a factorisation for every parent");
    edge_columns.truncate(columns);
    let rows = rows(columns);
    let promoted = promote(&mut edge_columns, columns..vertices);
    // Where each edge is: data cells first, below them a promoted one.
    let cells_at = |vertex: usize| -> Vec<Cell> {
        let ends = |&&(_, (a, b)): &&(Cell, Edge)| a == vertex || b == vertex;
        places(&edge_columns, &promoted).iter().filter(ends).map(|&(cell, _)| cell).collect()
    };
    let parities = (0..columns).map(|column| {
        let extra = promoted.iter().find(|promoted| promoted.column == column).map(|promoted| {
            let own = Cell::new(column, edge_columns[column].len());
            cells_at(promoted.orphan).into_iter().filter(|&cell| cell != own).collect()
        });
        let own = (column < vertices).then(|| cells_at(column));
        extra.into_iter().chain(own).collect()
    });
    Construction { rows, tolerates: 2, parities: parities.collect() }
}

/// A data cell that became parity: it is given the sum of the other cells at a vertex whose own parity is gone.
struct Promoted {
    column: usize,
    edge: Edge,
    orphan: usize,
}

/// Takes an edge of each orphan, a vertex without a column, out of the data.
///
/// Setting a column of a B-code to zero leaves the parity equation of its vertex without a parity cell. One of its data
/// cells becomes one: any code word that is zero in that column has there what the equation says. All orphans take the
/// edge to one and the same vertex. A data cell between two orphans is then in both of their parities, and in that
/// vertex's twice, which is not at all; and no data cell is in more than three. That vertex's column comes behind those of
/// the edges, so that its sum follows what it is made of.
fn promote(edge_columns: &mut EdgeColumns, orphans: core::ops::Range<usize>) -> Vec<Promoted> {
    let find = |hub: usize, orphan: usize| {
        let ends = |&&(a, b): &&Edge| (a, b) == (hub, orphan) || (a, b) == (orphan, hub);
        let in_column =
            |(column, edges): (usize, &Vec<Edge>)| Some(Promoted { column, edge: *edges.iter().find(ends)?, orphan });
        edge_columns.iter().take(hub).enumerate().find_map(in_column)
    };
    let of_hub = |hub: usize| orphans.clone().map(|orphan| find(hub, orphan)).collect::<Option<Vec<Promoted>>>();
    let promoted = (0..orphans.start).rev().find_map(of_hub).expect("a vertex whose edges to all orphans are kept");
    for Promoted { column, edge, .. } in &promoted {
        edge_columns[*column].retain(|kept| kept != edge);
    }
    promoted
}

/// The cells with their edges, column by column.
fn places(edge_columns: &EdgeColumns, promoted: &[Promoted]) -> Vec<(Cell, Edge)> {
    let in_column = |(column, edges): (usize, &Vec<Edge>)| {
        let below = promoted.iter().find(|promoted| promoted.column == column).map(|promoted| promoted.edge);
        let edges: Vec<Edge> = edges.iter().copied().chain(below).collect();
        edges.into_iter().enumerate().map(move |(row, edge)| (Cell::new(column, row), edge))
    };
    edge_columns.iter().enumerate().flat_map(in_column).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slides_code_of_four_columns() {
        let construction = construct(4);
        // Parity i is the XOR of the two data cells whose edges end at i: (d + c), (d + a), (a + b), (b + c) of columns
        // a, b, c, d.
        let expected = [
            [Cell::new(2, 0), Cell::new(3, 0)],
            [Cell::new(0, 0), Cell::new(3, 0)],
            [Cell::new(0, 0), Cell::new(1, 0)],
            [Cell::new(1, 0), Cell::new(2, 0)],
        ];
        for (column, of) in expected.iter().enumerate() {
            assert_eq!(construction.parities[column], [of.to_vec()]);
        }
    }
}
