//! Perfect one-factorisations of complete graphs, as columns of edges: what B-codes and their duals are made of.
//!
//! A one-factorisation parts the edges of a complete graph into factors, each of which meets every vertex once; it is
//! perfect when any two factors together are one cycle through all vertices. Here two vertices are taken away. The factor
//! that joined one of them to a vertex keeps the edges that touch neither, and is that vertex's column; the factor that
//! joined the two keeps all its other edges, and is the last column. So with 2n vertices left there are 2n columns of
//! n - 1 edges, and one of n.
//!
//! Xu, Bohossian, Bruck, Wagner, "Low-Density MDS Codes and Factors of Complete Graphs", IEEE Transactions on
//! Information Theory 45(6), 1999.

/// Two vertices.
pub(super) type Edge = (usize, usize);

/// Columns, each the edges in it from row 0 down.
pub(super) type EdgeColumns = Vec<Vec<Edge>>;

/// A perfect starter of the integers modulo 39, found by search.
const STARTER_39: [Edge; 19] = [
    (1, 23),
    (2, 8),
    (3, 37),
    (4, 33),
    (5, 30),
    (6, 26),
    (7, 9),
    (10, 22),
    (11, 18),
    (12, 25),
    (13, 24),
    (14, 32),
    (15, 16),
    (17, 21),
    (19, 34),
    (20, 36),
    (27, 35),
    (28, 31),
    (29, 38),
];

/// A perfect starter of the integers modulo 49, which multiplication by 18 turns into itself; found by search.
const STARTER_49: [Edge; 24] = [
    (1, 16),
    (2, 29),
    (3, 31),
    (4, 33),
    (5, 19),
    (6, 23),
    (7, 25),
    (8, 13),
    (9, 28),
    (10, 22),
    (11, 37),
    (12, 45),
    (14, 15),
    (17, 27),
    (18, 43),
    (20, 26),
    (21, 34),
    (24, 35),
    (30, 39),
    (32, 36),
    (38, 46),
    (40, 42),
    (41, 48),
    (44, 47),
];

/// Gives the columns that a perfect one-factorisation leaves on so many vertices, an even number from 4 to 66: a column for
/// each vertex, and behind them the last column.
///
/// Shape: no column touches its own vertex. `None` where no perfect one-factorisation of the complete graph with two
/// vertices more is known here: 50 and 54 (they exist, as others report, but their tables could not be found), 62 and 64 (none
/// is known at all). Frozen, all of them: column files depend on each edge's place.
pub(super) fn edge_columns(vertices: usize) -> Option<EdgeColumns> {
    match vertices {
        8 | 44 | 56 => Some(without_two(&anderson(vertices / 2 + 1))),
        38 => Some(without_two(&developed(39, &STARTER_39))),
        48 => Some(without_two(&developed(49, &STARTER_49))),
        36 | 40 | 42 | 46 | 52 | 58 | 60 | 66 => Some(cyclic(vertices, &logarithms(vertices + 1))),
        _ => even_starter(vertices).map(|starter| cyclic(vertices, starter)),
    }
}

/// Perfect even starters in the integers modulo `vertices`, found by search. For 8 there is none.
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
        24 => {
            Some(&[(1, 6), (2, 17), (3, 19), (4, 21), (5, 18), (7, 13), (8, 22), (9, 10), (11, 15), (12, 14), (20, 23)])
        }
        26 => Some(&[
            (1, 10),
            (2, 4),
            (3, 14),
            (5, 8),
            (6, 11),
            (7, 21),
            (9, 16),
            (12, 20),
            (13, 19),
            (15, 25),
            (18, 22),
            (23, 24),
        ]),
        28 => Some(&[
            (1, 24),
            (2, 18),
            (3, 23),
            (4, 11),
            (5, 7),
            (6, 17),
            (8, 12),
            (10, 19),
            (13, 16),
            (14, 27),
            (15, 25),
            (20, 26),
            (21, 22),
        ]),
        30 => Some(&[
            (1, 20),
            (2, 11),
            (3, 27),
            (4, 12),
            (5, 17),
            (6, 9),
            (7, 21),
            (8, 25),
            (10, 14),
            (13, 23),
            (15, 16),
            (19, 24),
            (22, 29),
            (26, 28),
        ]),
        32 => Some(&[
            (1, 21),
            (2, 30),
            (3, 8),
            (5, 20),
            (6, 27),
            (7, 10),
            (9, 28),
            (11, 19),
            (12, 18),
            (13, 23),
            (14, 16),
            (15, 29),
            (17, 24),
            (22, 31),
            (25, 26),
        ]),
        34 => Some(&[
            (1, 24),
            (2, 4),
            (3, 22),
            (6, 14),
            (7, 19),
            (8, 18),
            (9, 25),
            (10, 15),
            (11, 31),
            (12, 21),
            (13, 20),
            (16, 29),
            (17, 23),
            (26, 27),
            (28, 32),
            (30, 33),
        ]),
        _ => None,
    }
}

/// The even starter modulo p - 1 that the factorisation `GK_(p + 1)` of a prime p comes to: the logarithms of 1 + x and
/// 1 - x modulo p, to the smallest base that generates all, for x from 2 to (p - 1) / 2.
fn logarithms(p: usize) -> Vec<Edge> {
    let powers = |base: usize| core::iter::successors(Some(1), move |power| Some(power * base % p)).take(p - 1);
    let generates = |&base: &usize| powers(base).skip(1).all(|power| power != 1);
    let base = (2..p).find(generates).expect("a prime has a primitive root");
    let mut logarithm = vec![0; p];
    powers(base).enumerate().for_each(|(exponent, power)| logarithm[power] = exponent);
    (2..=(p - 1) / 2).map(|x| (logarithm[1 + x], logarithm[p + 1 - x])).collect()
}

/// The cyclic form: column i is the starter turned by i; the last column joins opposite vertices.
fn cyclic(vertices: usize, starter: &[Edge]) -> EdgeColumns {
    let turned = |by: usize| starter.iter().map(|&(a, b)| ((a + by) % vertices, (b + by) % vertices)).collect();
    let half = vertices / 2;
    let mut columns: EdgeColumns = (0..vertices).map(turned).collect();
    columns.push((0..half).map(|vertex| (vertex, vertex + half)).collect());
    columns
}

/// Anderson's factorisation `GA_2p` of a prime p, over the integers modulo 2p: for even e the edges {a, b} with a + b = e,
/// and {e/2, e/2 + p}; for odd o other than p the edges {a, a + o} of even a.
fn anderson(p: usize) -> Vec<Vec<Edge>> {
    let vertices = 2 * p;
    let mut factors: Vec<Vec<Edge>> = Vec::new();
    for even in (0..vertices).step_by(2) {
        let halves = (even / 2, even / 2 + p);
        let sums = (0..vertices).map(|a| (a, (even + vertices - a) % vertices)).filter(|(a, b)| a < b);
        factors.push(sums.chain([halves]).collect());
    }
    for odd in (1..vertices).step_by(2).filter(|&odd| odd != p) {
        factors.push((0..vertices).step_by(2).map(|a| (a, (a + odd) % vertices)).collect());
    }
    factors
}

/// The factorisation that a starter of the integers modulo an odd number makes: each turn of it, with an edge between what
/// is turned to from 0 and one more vertex, the last.
fn developed(modulus: usize, starter: &[Edge]) -> Vec<Vec<Edge>> {
    let factor = |by: usize| {
        let turned = starter.iter().map(|&(a, b)| ((a + by) % modulus, (b + by) % modulus));
        turned.chain([(by, modulus)]).collect()
    };
    (0..modulus).map(factor).collect()
}

/// Takes the last two vertices away: the columns of the others, each with its edges in ascending order, and the last.
fn without_two(factors: &[Vec<Edge>]) -> EdgeColumns {
    let (kept_vertices, first_taken, second_taken) = (factors.len() - 1, factors.len() - 1, factors.len());
    let partners = (0..kept_vertices).chain([second_taken]);
    let joins = |factor: &[Edge], a: usize, b: usize| factor.contains(&(a, b)) || factor.contains(&(b, a));
    let factor_of = |partner: usize| factors.iter().find(|factor| joins(factor, first_taken, partner));
    let kept = |factor: &Vec<Edge>| {
        let ordered = factor.iter().map(|&(a, b)| (a.min(b), a.max(b)));
        let mut edges: Vec<Edge> = ordered.filter(|&(_, b)| b < kept_vertices).collect();
        edges.sort_unstable();
        edges
    };
    partners.filter_map(factor_of).map(kept).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_has_each_edge_once_and_no_column_touches_its_own_vertex() {
        for vertices in (4..=66).step_by(2).filter(|vertices| ![50, 54, 62, 64].contains(vertices)) {
            let columns = edge_columns(vertices).unwrap();
            assert_eq!(columns.len(), vertices + 1);
            let mut edges: Vec<Edge> = columns.iter().flatten().map(|&(a, b)| (a.min(b), a.max(b))).collect();
            edges.sort_unstable();
            let complete: Vec<Edge> = (0..vertices).flat_map(|a| (a + 1..vertices).map(move |b| (a, b))).collect();
            assert_eq!(edges, complete, "{vertices} vertices");
            for (vertex, edges) in columns.iter().enumerate().take(vertices) {
                assert_eq!(edges.len(), vertices / 2 - 1);
                assert!(edges.iter().all(|&(a, b)| a != vertex && b != vertex));
            }
        }
        assert!([2, 50, 54, 62, 64, 68].iter().all(|&vertices| edge_columns(vertices).is_none()));
    }

    /// Any two of the columns are two paths, and one with the last column is one path: that is what is left of a cycle
    /// through all vertices. Counted by walking, which knows nothing of how the tables came about.
    #[test]
    fn any_two_columns_are_paths_through_all_vertices() {
        for vertices in (4..=66).step_by(2) {
            let Some(columns) = edge_columns(vertices) else { continue };
            for (first, second) in (0..=vertices).flat_map(|second| (0..second).map(move |first| (first, second))) {
                let expected = if second == vertices { 1 } else { 2 };
                let paths = paths(vertices, &columns[first], &columns[second]);
                assert_eq!(paths, Some(expected), "{vertices} vertices, columns {first} and {second}");
            }
        }
    }

    /// Counts the paths that two matchings together are; `None` when there is a cycle among them. A vertex alone is a path.
    fn paths(vertices: usize, first: &[Edge], second: &[Edge]) -> Option<usize> {
        let mut component: Vec<usize> = (0..vertices).collect();
        let mut count = vertices;
        for &(a, b) in first.iter().chain(second) {
            let (from, to) = (component[a], component[b]);
            if from == to {
                return None;
            }
            component.iter_mut().filter(|component| **component == from).for_each(|component| *component = to);
            count -= 1;
        }
        Some(count)
    }

    /// Of `GA_10` and by hand: e = 8 holds {4, 9}, {0, 8}, {1, 7}, {2, 6}, {3, 5}; so without 8 and 9 the column of 0 is
    /// the last three.
    #[test]
    fn a_column_of_anderson_by_hand() {
        assert_eq!(edge_columns(8).unwrap()[0], [(1, 7), (2, 6), (3, 5)]);
    }

    /// Modulo 5 the powers of 2 are 1, 2, 4, 3, and x is 2: the logarithms of 3 and of -1 = 4.
    #[test]
    fn logarithms_by_hand() {
        assert_eq!(logarithms(5), [(3, 2)]);
    }
}
