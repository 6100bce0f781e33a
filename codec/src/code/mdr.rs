//! MDR codes: two parity columns, XORs only, and a lost data column rebuilt by reading half of every other column.
//!
//! The recursion of Butterfly codes: L. Pamies-Juarez and others, "Opening the Chrysalis: On the Real Repair Performance
//! of MSR Codes", FAST 2016, section 3, here without its reversals of rows; the name is that of Y. Wang, X. Yin, X. Wang,
//! "MDR Codes: A New Class of RAID-6 Codes with Optimal Rebuilding and Encoding" (arXiv 1310.2381).
//!
//! With k data columns there are 2^(k-1) rows. Call the upper half of the first column a, its lower half b, and the upper
//! and lower halves of the other columns A and B, each a code of k - 1 columns with half as many rows. H is the column of
//! row parities, Q the other one:
//!
//! ```text
//!     H = a + H(A)     Q = b        + Q(A)        of one column x with one row:  H = Q = x
//!         b + H(B)         a + H(A) + Q(B)
//! ```
//!
//! Any two columns may be lost: as the matrices that a column contributes to Q, the first is [0 I; I 0] and any other
//! [M 0; I M], where M is its matrix in the smaller code. All are invertible, and so is the sum of any two: [M I; 0 M] or
//! [M+N 0; 0 M+N].
//!
//! A lost column but Q is rebuilt from half of each other one. The first: from the upper halves, for H gives a, and Q
//! gives b. H: from the lower halves, and Q's gives the upper one of H. Any other: say that the smaller code rebuilds it
//! from rows S of H and T of Q, or as well from T of H and S of Q. Then take S and T of them for A, T and S for B: what is
//! needed of the first column is a in S and b in T, and of the upper half of H again S. And S and T may be exchanged here,
//! too. Q itself takes k whole columns.

use super::{Cell, Construction};

/// Fewest columns.
pub(super) const COLUMNS_MIN: usize = 4;
/// Most columns: 32 rows. With each further column the rows double, and a stripe of 1 MiB has cells of less than 4 KiB.
pub(super) const COLUMNS_MAX: usize = 8;

/// Counts the cells of a column.
pub(super) const fn rows(columns: usize) -> usize {
    1 << (columns - 3)
}

/// Builds the code of so many columns.
pub(super) fn construct(columns: usize) -> Construction {
    let data = columns - 2;
    let rows = rows(columns);
    let row_parities = (0..rows).map(|row| (0..data).map(|column| Cell::new(column, row)).collect()).collect();
    let butterfly = (0..rows).map(|row| butterfly(data, row)).collect();
    let mut parities = vec![Vec::new(); data];
    parities.extend([row_parities, butterfly]);
    Construction { rows, tolerates: 2, parities }
}

/// The cells of a row of Q: data cells, and the one of H where that stands for several.
fn butterfly(data: usize, row: usize) -> Vec<Cell> {
    let mut cells = Vec::new();
    for column in 0..data - 1 {
        let half = 1 << (data - 2 - column);
        if row & half == 0 {
            cells.push(Cell::new(column, row + half));
        } else if column == 0 {
            cells.push(Cell::new(data, row - half));
        } else {
            cells.extend((column..data).map(|other| Cell::new(other, row - half)));
        }
    }
    cells.push(Cell::new(data - 1, row));
    cells
}

/// The cells that give a column back: half of each other one, but for Q, which takes all data.
pub(super) fn repair_cells(columns: usize, lost: usize) -> Vec<Cell> {
    let data = columns - 2;
    let rows = rows(columns);
    let (row_parity, butterfly) = (data, data + 1);
    let is_read = |column: usize, row: usize| {
        let odd = row.count_ones() % 2 == 1;
        match lost {
            lost if lost == butterfly => column < data,
            lost if lost == row_parity => row >= rows / 2,
            // S, the even rows, and T, the odd ones: the last column is by itself a code of one row, which H gives, or Q.
            lost if lost + 1 == data => odd == (column == butterfly),
            // The upper half, where the lost column splits: S and T are the same.
            _ => row & (1 << (data - 2 - lost)) == 0,
        }
    };
    let cells = (0..columns).flat_map(|column| (0..rows).map(move |row| (column, row)));
    let read = cells.filter(|&(column, row)| column != lost && is_read(column, row));
    read.map(|(column, row)| Cell::new(column, row)).collect()
}
