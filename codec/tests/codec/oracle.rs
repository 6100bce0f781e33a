//! The slow truth: linear algebra over GF(2) on dense rows, knowing nothing of chains or schedules.

use rain_codec::{Cell, CellKind, Code};

/// A cell as an equation: which data cells it is the XOR of, and its bytes.
#[derive(Clone)]
struct Row {
    of: Vec<bool>,
    bytes: Vec<u8>,
}

/// Bytes of every cell of a stripe, column by column, row by row, by definition.
pub(super) fn encode(code: &Code, data: &[Vec<u8>]) -> Vec<Vec<u8>> {
    code.cells().map(|cell| row_of(code, cell, |of| sum(data, of)).bytes).collect()
}

/// Data cells from all cells of the kept columns, or None when those do not determine them.
pub(super) fn decode(code: &Code, stripe: &[Vec<u8>], kept: &[usize]) -> Option<Vec<Vec<u8>>> {
    let kept_cells = code.cells().zip(stripe).filter(|(cell, _)| kept.contains(&usize::from(cell.column)));
    let mut rows: Vec<Row> = kept_cells.map(|(cell, bytes)| row_of(code, cell, |_| bytes.clone())).collect();
    for data in 0..code.data_cell_count() {
        let pivot = (data..rows.len()).find(|&place| rows[place].of[data])?;
        rows.swap(data, pivot);
        let pivot = rows[data].clone();
        for (place, row) in rows.iter_mut().enumerate() {
            if place != data && row.of[data] {
                row.of.iter_mut().zip(&pivot.of).for_each(|(bit, other)| *bit ^= other);
                row.bytes.iter_mut().zip(&pivot.bytes).for_each(|(byte, other)| *byte ^= other);
            }
        }
    }
    Some(rows.into_iter().take(code.data_cell_count()).map(|row| row.bytes).collect())
}

fn row_of(code: &Code, cell: Cell, bytes: impl FnOnce(&[bool]) -> Vec<u8>) -> Row {
    let mut of = vec![false; code.data_cell_count()];
    match code.cell(cell) {
        CellKind::Data { index } => of[index] = true,
        CellKind::Parity { of: members } => {
            for &member in members {
                let index = (0..of.len()).find(|&index| code.data_cell(index) == member);
                of[index.expect("parity is made of data cells")] ^= true;
            }
        }
    }
    let bytes = bytes(&of);
    Row { of, bytes }
}

fn sum(data: &[Vec<u8>], of: &[bool]) -> Vec<u8> {
    let mut sum = vec![0; data[0].len()];
    for (cell, _) in data.iter().zip(of).filter(|(_, member)| **member) {
        sum.iter_mut().zip(cell).for_each(|(byte, other)| *byte ^= other);
    }
    sum
}
