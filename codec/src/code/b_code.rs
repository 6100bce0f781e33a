//! B-codes: lowest density, from a perfect one-factorisation of a complete graph.
//!
//! Xu, Bohossian, Bruck, Wagner, "Low-Density MDS Codes and Factors of Complete Graphs", IEEE Transactions on
//! Information Theory 45(6), 1999. The vertices are the parities of the first 2n columns; a data cell is an edge, and
//! lies in the parities of its two ends. The edges of a column are what is left of one factor without the two vertices
//! that the construction takes away; the last column of an odd code is the factor through those two.

use super::{Cell, Construction};

/// Two vertices: the parities that a data cell lies in.
type Edge = (usize, usize);

/// Columns, each the edges that are its data cells from row 0 down.
type EdgeColumns = Vec<Vec<Edge>>;

/// Builds a B-code of 4 to 22 columns.
pub(super) fn construct(columns: usize) -> Construction {
    let vertices = columns / 2 * 2;
    let mut edge_columns = match even_starter(vertices) {
        Some(starter) => cyclic(vertices, starter),
        None => from_ga_10(),
    };
    if columns.is_multiple_of(2) {
        edge_columns.truncate(vertices);
    }
    let rows = columns / 2;
    let mut parities: Vec<Vec<Vec<Cell>>> = vec![Vec::new(); columns];
    for (vertex, parities) in parities.iter_mut().enumerate().take(vertices) {
        parities.push(cells_at(&edge_columns, vertex));
    }
    Construction { rows, tolerates: 2, parities }
}

/// The data cells whose edge ends at a vertex.
fn cells_at(edge_columns: &EdgeColumns, vertex: usize) -> Vec<Cell> {
    let mut cells = Vec::new();
    for (column, edges) in edge_columns.iter().enumerate() {
        for (row, &(a, b)) in edges.iter().enumerate() {
            if a == vertex || b == vertex {
                cells.push(Cell::new(column, row));
            }
        }
    }
    cells
}

/// Perfect even starters in the integers modulo `vertices`, found by search; frozen, for column files depend on them.
/// For 8 there is none.
fn even_starter(vertices: usize) -> Option<&'static [Edge]> {
    match vertices {
        4 => Some(&[(1, 2)]),
        6 => Some(&[(1, 3), (4, 5)]),
        10 => Some(&[(1, 5), (2, 4), (3, 6), (7, 8)]),
        12 => Some(&[(1, 9), (2, 4), (3, 6), (5, 10), (7, 8)]),
        14 => Some(&[(1, 10), (3, 4), (5, 13), (6, 8), (7, 11), (9, 12)]),
        16 => Some(&[(1, 11), (2, 15), (3, 7), (4, 9), (5, 14), (6, 8), (12, 13)]),
        18 => Some(&[(1, 5), (2, 12), (3, 10), (4, 16), (6, 11), (8, 9), (13, 15), (14, 17)]),
        20 => Some(&[(1, 5), (2, 11), (3, 8), (4, 7), (6, 14), (10, 16), (12, 19), (13, 15), (17, 18)]),
        22 => Some(&[(1, 3), (2, 17), (4, 16), (5, 13), (6, 19), (7, 12), (8, 11), (9, 15), (10, 14), (20, 21)]),
        _ => None,
    }
}

/// The cyclic form: column i is the starter turned by i; the last column joins opposite vertices.
fn cyclic(vertices: usize, starter: &[Edge]) -> EdgeColumns {
    let turned = |by: usize| starter.iter().map(|&(a, b)| ((a + by) % vertices, (b + by) % vertices)).collect();
    let half = vertices / 2;
    let mut columns: EdgeColumns = (0..vertices).map(turned).collect();
    columns.push((0..half).map(|vertex| (vertex, vertex + half)).collect());
    columns
}

/// Eight parities and the all-data column from the factorisation `GA_10` of `K_10`; the vertices taken away are 8 and
/// 9.
///
/// Anderson's factorisation `GA_2p`, p = 5, over the integers modulo 10: for even e the edges {a, b} with a + b = e,
/// and {e/2, e/2 + 5}; for odd o other than 5 the edges {a, a + o} of even a.
fn from_ga_10() -> EdgeColumns {
    const VERTICES: usize = 10;
    const TAKEN: [usize; 2] = [8, 9];
    let mut factors: Vec<Vec<Edge>> = Vec::new();
    for even in (0..VERTICES).step_by(2) {
        let halves = (even / 2, even / 2 + VERTICES / 2);
        let sums = (0..VERTICES).map(|a| (a, (even + VERTICES - a) % VERTICES)).filter(|(a, b)| a < b);
        factors.push(sums.chain([halves]).collect());
    }
    for odd in [1, 3, 7, 9] {
        factors.push((0..VERTICES).step_by(2).map(|a| (a, (a + odd) % VERTICES)).collect());
    }
    let joins = |factor: &[Edge], a: usize, b: usize| factor.contains(&(a, b)) || factor.contains(&(b, a));
    // The factor through both vertices taken away is the all-data column; it comes last.
    let partners = (0..TAKEN[0]).chain([TAKEN[1]]);
    let factor_of = |partner: usize| factors.iter().find(|factor| joins(factor, TAKEN[0], partner));
    let kept = |factor: &Vec<Edge>| {
        let mut edges: Vec<Edge> = factor
            .iter()
            .filter(|(a, b)| !TAKEN.contains(a) && !TAKEN.contains(b))
            .map(|&(a, b)| (a.min(b), a.max(b)))
            .collect();
        edges.sort_unstable();
        edges
    };
    partners.filter_map(factor_of).map(kept).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_has_each_edge_once_and_no_column_touches_its_own_parity() {
        for columns in 4..=22_usize {
            let vertices = columns / 2 * 2;
            let edge_columns = match even_starter(vertices) {
                Some(starter) => cyclic(vertices, starter),
                None => from_ga_10(),
            };
            assert_eq!(edge_columns.len(), vertices + 1);
            let mut edges: Vec<Edge> = edge_columns.iter().flatten().map(|&(a, b)| (a.min(b), a.max(b))).collect();
            edges.sort_unstable();
            let complete: Vec<Edge> = (0..vertices).flat_map(|a| (a + 1..vertices).map(move |b| (a, b))).collect();
            assert_eq!(edges, complete, "{vertices} vertices");
            for (vertex, edges) in edge_columns.iter().enumerate().take(vertices) {
                assert_eq!(edges.len(), vertices / 2 - 1);
                assert!(edges.iter().all(|&(a, b)| a != vertex && b != vertex));
            }
        }
    }

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
