//! Cauchy Reed-Solomon codes: sums of products over a field of 2^w elements, written out as XORs of w bits each.
//!
//! Blömer and others, "An XOR-Based Erasure-Resilient Coding Scheme", ICSI TR-95-048, 1995; for the choice of a light
//! matrix: Plank, Xu, "Optimizing Cauchy Reed-Solomon Codes for Fault-Tolerant Network Storage Applications", NCA 2006.
//!
//! A data column is an element, bit t in row t; parity column i is the sum of the data columns j, each times a
//! coefficient. In rows: the product of e and coefficient a has in bit r those bits t of e for which a * 2^t has bit r.

use super::{Cell, Construction};

/// Irreducible polynomials of the fields, from 2^2 elements on, a bit per power; frozen, for column files depend on
/// them. In each the element 2 generates all others.
const POLYNOMIALS: [u16; 7] = [0o7, 0o13, 0o23, 0o45, 0o103, 0o211, 0o435];
/// The field of the first of these has elements of so many bits.
const BITS_MIN: u32 = 2;

/// Counts the cells of a column, where there are so many columns: the bits of an element.
pub(super) fn rows(columns: usize) -> usize {
    bits(columns) as usize
}

/// The w of the smallest field of 2^w elements, from four on, that has so many.
fn bits(elements: usize) -> u32 {
    elements.next_power_of_two().ilog2().max(BITS_MIN)
}

/// Builds the code of k data columns and m parity columns: w rows of the smallest field with k + m elements.
///
/// Any way of choosing the coefficients makes another code, so this one is frozen: column files depend on it.
pub(super) fn construct(k: usize, m: usize) -> Construction {
    let field = Field::with_elements(k + m);
    let rows = field.bits as usize;
    let matrices: Vec<Vec<u16>> = field.elements().map(|element| field.matrix(element)).collect();
    let mut parities: Vec<Vec<Vec<Cell>>> = vec![Vec::new(); k];
    for coefficients in coefficients(&field, k, m) {
        let of_columns: Vec<&[u16]> = coefficients.iter().map(|&element| &*matrices[usize::from(element)]).collect();
        parities.push((0..rows).map(|row| cells_of(&of_columns, row)).collect());
    }
    Construction { rows, tolerates: m, parities }
}

/// The data cells in one row of a parity column: for each data column the matrix that its bits are multiplied by.
fn cells_of(matrices: &[&[u16]], row: usize) -> Vec<Cell> {
    let mut cells = Vec::new();
    for (column, matrix) in matrices.iter().enumerate() {
        let in_row = |(_, product): &(usize, &u16)| **product >> row & 1 == 1;
        cells.extend(matrix.iter().enumerate().filter(in_row).map(|(bit, _)| Cell::new(column, bit)));
    }
    cells
}

/// For each parity column the coefficients of the data columns. Those of the first are ones. Every square part of the
/// matrix can be inverted: that makes the code MDS.
fn coefficients(field: &Field, k: usize, m: usize) -> Vec<Vec<u16>> {
    match m {
        1 => vec![vec![1; k]],
        2 => vec![vec![1; k], lightest(field, k)],
        _ => light_cauchy(field, k, m),
    }
}

/// The k elements other than zero with the fewest ones in their matrices, of equally many the smallest.
fn lightest(field: &Field, k: usize) -> Vec<u16> {
    let mut elements: Vec<u16> = field.elements().skip(1).collect();
    elements.sort_by_key(|&element| (field.ones(element), element));
    elements.truncate(k);
    elements
}

/// The Cauchy matrix 1 / (i + j) of parity columns i from 0 and data columns j from m, each column divided by its first
/// element, then each row but the first by that one of its elements, the first of equally good ones, which leaves the
/// fewest ones. Neither division changes which parts can be inverted.
fn light_cauchy(field: &Field, k: usize, m: usize) -> Vec<Vec<u16>> {
    let elements: Vec<u16> = field.elements().take(k + m).collect();
    let (of_rows, of_columns) = elements.split_at(m);
    let rows = of_rows.iter().map(|&x| {
        let scaled = |&y: &u16| field.times(field.inverse(x ^ y), of_rows[0] ^ y);
        of_columns.iter().map(scaled).collect::<Vec<u16>>()
    });
    rows.map(|row| {
        let divided = |&by: &u16| {
            let inverse = field.inverse(by);
            row.iter().map(|&element| field.times(element, inverse)).collect::<Vec<u16>>()
        };
        let ones = |row: &Vec<u16>| row.iter().map(|&element| field.ones(element)).sum::<u32>();
        row.iter().map(divided).min_by_key(ones).unwrap_or_default()
    })
    .collect()
}

/// A field of 2^w elements, each a polynomial over GF(2), a bit per power.
struct Field {
    /// The w of 2^w.
    bits: u32,
    /// The powers of the element 2, twice over, so that a sum of two logarithms needs no remainder.
    powers: Vec<u16>,
    /// Of which power each element but zero is.
    logarithms: Vec<usize>,
    /// Ones in the matrix of the multiplication by each element.
    ones: Vec<u32>,
}

impl Field {
    /// The smallest field, from four elements on, that has so many elements.
    ///
    /// # Panics
    /// When there are more than 256.
    fn with_elements(count: usize) -> Self {
        let bits = bits(count);
        let polynomial = POLYNOMIALS[(bits - BITS_MIN) as usize];
        let order = (1 << bits) - 1;
        let doubled = |element: &u16| {
            let shifted = element << 1;
            Some(if shifted >> bits == 1 { shifted ^ polynomial } else { shifted })
        };
        let powers: Vec<u16> = core::iter::successors(Some(1), doubled).take(2 * order).collect();
        let mut logarithms = vec![0; order + 1];
        powers[..order].iter().enumerate().for_each(|(power, &element)| logarithms[usize::from(element)] = power);
        let mut field = Self { bits, powers, logarithms, ones: Vec::new() };
        let ones = |element| field.matrix(element).iter().map(|product| product.count_ones()).sum();
        field.ones = field.elements().map(ones).collect();
        field
    }

    fn elements(&self) -> impl Iterator<Item = u16> + use<> {
        0..1 << self.bits
    }

    fn times(&self, left: u16, right: u16) -> u16 {
        if left == 0 || right == 0 {
            return 0;
        }
        self.powers[self.logarithms[usize::from(left)] + self.logarithms[usize::from(right)]]
    }

    /// The multiplication by an element: its product with each power of two below 2^w.
    fn matrix(&self, element: u16) -> Vec<u16> {
        (0..self.bits).map(|bit| self.times(element, 1 << bit)).collect()
    }

    /// # Panics
    /// When the element is zero.
    fn inverse(&self, element: u16) -> u16 {
        assert!(element != 0, "zero has no inverse");
        self.powers[self.powers.len() / 2 - self.logarithms[usize::from(element)]]
    }

    /// Ones in the matrix of the multiplication by an element: cells summed up for it.
    fn ones(&self, element: u16) -> u32 {
        self.ones[usize::from(element)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_fields() {
        for (polynomial, bits) in POLYNOMIALS.into_iter().zip(BITS_MIN..) {
            let field = Field::with_elements(1 << bits);
            assert_eq!((field.bits, polynomial.ilog2()), (bits, bits));
            let mut power = 1;
            let order = (1..1 << bits).find(|_| {
                power = field.times(power, 2);
                power == 1
            });
            assert_eq!(order, Some((1 << bits) - 1), "2 generates the field of {bits} bits");
            for element in field.elements().skip(1) {
                assert_eq!(field.times(field.inverse(element), element), 1);
            }
        }
    }

    /// Over the field of eight elements, x^3 = x + 1: 2 * 4 = 3, 7 * 7 = 3, 5 = 1 / 2.
    #[test]
    fn products_by_hand() {
        let field = Field::with_elements(8);
        assert_eq!((field.times(2, 4), field.times(7, 7), field.inverse(2)), (3, 3, 5));
    }

    /// Every code is MDS only if no coefficient is zero, and no two rows have two columns in proportion.
    #[test]
    fn small_parts_of_every_matrix_can_be_inverted() {
        let small = (1..=4).flat_map(|m| (2..=32 - m).map(move |k| (k, m)));
        for (k, m) in small.chain([(100, 4), (245, 10), (128, 127), (2, 253)]) {
            let field = Field::with_elements(k + m);
            let matrix = coefficients(&field, k, m);
            assert_eq!((matrix.len(), &matrix[0]), (m, &vec![1; k]), "{k}+{m}");
            for (upper, lower) in (0..m).flat_map(|lower| (0..lower).map(move |upper| (upper, lower))) {
                let mut ratios: Vec<u16> = (0..k)
                    .map(|column| field.times(matrix[lower][column], field.inverse(matrix[upper][column])))
                    .collect();
                ratios.sort_unstable();
                ratios.dedup();
                assert!(ratios.len() == k && ratios[0] != 0, "{k}+{m}");
            }
        }
    }
}
