//! One stripe as a whole: functions that take and give bytes, and plan again each time.

use thiserror::Error;

use crate::code::{Cell, CellKind, Code};
use crate::schedule::{ErasurePattern, ScheduleError};
use crate::stripe::StripeCodec;

/// Why a stripe cannot be encoded, recovered or decoded. Nothing has changed then.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StripeError {
    /// More or fewer columns than the code has.
    #[error("{code} has {expected} columns, not {found}")]
    ColumnCount {
        /// Name of the code.
        code: String,
        /// Number of its columns.
        expected: usize,
        /// Number of columns given.
        found: usize,
    },
    /// Columns of different lengths.
    #[error("column {column} has {found} bytes, the first one {expected}")]
    ColumnBytes {
        /// The column.
        column: usize,
        /// Length of the first column that is there.
        expected: usize,
        /// Its length.
        found: usize,
    },
    /// Columns that do not divide into cells.
    #[error("columns of {found} bytes are no multiple of the {rows} rows of {code}")]
    Rows {
        /// Name of the code.
        code: String,
        /// Number of its rows.
        rows: usize,
        /// Length of a column.
        found: usize,
    },
    /// More data asked for than the stripe has.
    #[error("{found} bytes of a stripe that has {stripe_bytes} bytes of data")]
    DataBytes {
        /// Bytes of data that the columns hold.
        stripe_bytes: usize,
        /// Bytes asked for.
        found: usize,
    },
    /// Columns lost beyond what the code tolerates.
    #[error(transparent)]
    Lost(#[from] ScheduleError),
}

/// Encodes data into the columns of one stripe.
///
/// Shape: as many columns as the code has, each its cells one after the other. The data fill the data cells in byte order;
/// what they leave of them is zeros. No data: empty columns.
/// Cost: copies the data, and makes the schedule again. A [`StripeCodec`] keeps it.
///
/// ```
/// use rain_codec::{Code, whole};
///
/// let code = Code::named("b-code:4")?;
/// let columns = whole::encode(&code, &[1, 2, 4, 8]);
/// // a | d+c, b | d+a, c | a+b, d | b+c
/// assert_eq!(columns, [[1, 12], [2, 9], [4, 3], [8, 6]]);
/// # Ok::<(), rain_codec::CodeError>(())
/// ```
pub fn encode(code: &Code, data: &[u8]) -> Vec<Vec<u8>> {
    let cell_bytes = data.len().div_ceil(code.data_cell_count());
    let mut columns = vec![vec![0; code.rows() * cell_bytes]; code.columns()];
    if cell_bytes == 0 {
        return columns;
    }
    let mut data_cells: Vec<&[u8]> = vec![&[]; code.data_cell_count()];
    let mut parity_cells: Vec<&mut [u8]> = Vec::new();
    for (column, bytes) in columns.iter_mut().enumerate() {
        for (row, cell) in bytes.chunks_exact_mut(cell_bytes).enumerate() {
            match code.cell(Cell::new(column, row)) {
                CellKind::Data { index } => {
                    let rest = data.get(index * cell_bytes..).unwrap_or_default();
                    let given = &rest[..rest.len().min(cell_bytes)];
                    cell[..given.len()].copy_from_slice(given);
                    data_cells[index] = cell;
                }
                CellKind::Parity { .. } => parity_cells.push(cell),
            }
        }
    }
    codec(code).encode(&data_cells, &mut parity_cells);
    columns
}

/// Recovers the columns of one stripe that are lost.
///
/// Shape: `columns` are all columns of the stripe, `None` where one is lost; afterwards none is.
///
/// ```
/// use rain_codec::{Code, whole};
///
/// let code = Code::named("x-code:5")?;
/// let stripe = whole::encode(&code, b"any three of five columns give it back");
/// let mut columns: Vec<Option<Vec<u8>>> = stripe.iter().cloned().map(Some).collect();
/// columns[1] = None;
/// columns[4] = None;
/// whole::recover(&code, &mut columns)?;
/// assert!(columns.into_iter().flatten().eq(stripe));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// Columns that are no stripe of this code, or too few of them.
pub fn recover(code: &Code, columns: &mut [Option<Vec<u8>>]) -> Result<(), StripeError> {
    let cell_bytes = check(code, columns)?;
    let lost = lost(columns);
    let wanted: Vec<Cell> = code.cells().filter(|cell| lost.contains(usize::from(cell.column))).collect();
    let made = make(code, columns, lost, &wanted, cell_bytes)?;
    for column in lost.iter() {
        columns[column] = Some(vec![0; code.rows() * cell_bytes]);
    }
    for (cell, bytes) in made {
        if let Some(column) = &mut columns[usize::from(cell.column)] {
            column[usize::from(cell.row) * cell_bytes..][..cell_bytes].copy_from_slice(&bytes);
        }
    }
    Ok(())
}

/// Decodes the data of one stripe from any k of its columns or more.
///
/// Shape: `columns` are all columns of the stripe, `None` where one is lost; `data_bytes` says how many bytes were encoded.
///
/// ```
/// use rain_codec::{Code, whole};
///
/// let code = Code::named("rs:4+2")?;
/// let data = b"what was encoded";
/// let mut columns: Vec<Option<Vec<u8>>> = whole::encode(&code, data).into_iter().map(Some).collect();
/// columns[0] = None;
/// columns[5] = None;
/// assert_eq!(whole::decode(&code, &columns, data.len())?, data);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// Columns that are no stripe of this code, too few of them, or more data asked for than they hold.
pub fn decode(code: &Code, columns: &[Option<Vec<u8>>], data_bytes: usize) -> Result<Vec<u8>, StripeError> {
    let cell_bytes = check(code, columns)?;
    let stripe_bytes = cell_bytes * code.data_cell_count();
    if data_bytes > stripe_bytes {
        return Err(StripeError::DataBytes { stripe_bytes, found: data_bytes });
    }
    let lost = lost(columns);
    let cells = data_bytes.div_ceil(cell_bytes.max(1));
    let wanted: Vec<Cell> = (0..cells).map(|index| code.data_cell(index)).collect();
    let missing: Vec<Cell> = wanted.iter().copied().filter(|cell| lost.contains(usize::from(cell.column))).collect();
    let made = make(code, columns, lost, &missing, cell_bytes)?;
    let mut data = Vec::with_capacity(stripe_bytes);
    for cell in wanted {
        match &columns[usize::from(cell.column)] {
            Some(column) => data.extend_from_slice(piece(column, cell, cell_bytes)),
            None => data.extend(made.iter().filter(|(target, _)| *target == cell).flat_map(|(_, bytes)| bytes)),
        }
    }
    data.truncate(data_bytes);
    Ok(data)
}

fn codec(code: &Code) -> StripeCodec {
    StripeCodec::new(std::sync::Arc::new(code.clone()))
}

fn lost(columns: &[Option<Vec<u8>>]) -> ErasurePattern {
    let lost = (0..columns.len()).filter(|&column| columns[column].is_none());
    lost.fold(ErasurePattern::none(), ErasurePattern::with)
}

fn piece(column: &[u8], cell: Cell, cell_bytes: usize) -> &[u8] {
    &column[usize::from(cell.row) * cell_bytes..][..cell_bytes]
}

/// Checks that columns are those of one stripe, and gives the length of its cells.
fn check(code: &Code, columns: &[Option<Vec<u8>>]) -> Result<usize, StripeError> {
    if columns.len() != code.columns() {
        let (expected, found) = (code.columns(), columns.len());
        return Err(StripeError::ColumnCount { code: code.name().to_owned(), expected, found });
    }
    let mut lengths = columns.iter().enumerate().filter_map(|(column, bytes)| Some((column, bytes.as_ref()?.len())));
    let expected = lengths.next().map_or(0, |(_, length)| length);
    if let Some((column, found)) = lengths.find(|&(_, found)| found != expected) {
        return Err(StripeError::ColumnBytes { column, expected, found });
    }
    if !expected.is_multiple_of(code.rows()) {
        return Err(StripeError::Rows { code: code.name().to_owned(), rows: code.rows(), found: expected });
    }
    Ok(expected / code.rows())
}

/// Makes cells of lost columns.
fn make(
    code: &Code,
    columns: &[Option<Vec<u8>>],
    lost: ErasurePattern,
    wanted: &[Cell],
    cell_bytes: usize,
) -> Result<Vec<(Cell, Vec<u8>)>, StripeError> {
    let codec = codec(code);
    let schedule = codec.recover_schedule(lost, wanted)?;
    let column_of = |cell: &Cell| columns[usize::from(cell.column)].as_deref().unwrap_or_default();
    let inputs: Vec<&[u8]> = schedule.inputs().iter().map(|cell| piece(column_of(cell), *cell, cell_bytes)).collect();
    let mut made = vec![vec![0; cell_bytes]; schedule.targets().len()];
    let mut outputs: Vec<&mut [u8]> = made.iter_mut().map(Vec::as_mut_slice).collect();
    codec.run(&schedule, &inputs, &mut outputs);
    Ok(schedule.targets().iter().copied().zip(made).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(lengths: &[Option<usize>]) -> Vec<Option<Vec<u8>>> {
        lengths.iter().map(|length| length.map(|length| vec![0; length])).collect()
    }

    fn refuse(lengths: &[Option<usize>]) -> StripeError {
        let code = Code::named("b-code:4").unwrap();
        let mut given = columns(lengths);
        let error = recover(&code, &mut given).unwrap_err();
        assert_eq!(given, columns(lengths), "nothing changes");
        assert_eq!(decode(&code, &given, 1), Err(error.clone()));
        error
    }

    #[test]
    fn more_or_fewer_columns() {
        let error = refuse(&[Some(2), Some(2), Some(2)]);
        assert_eq!(error, StripeError::ColumnCount { code: "b-code:4".into(), expected: 4, found: 3 });
        assert_eq!(error.to_string(), "b-code:4 has 4 columns, not 3");
    }

    #[test]
    fn columns_of_different_lengths() {
        let error = refuse(&[None, Some(2), Some(2), Some(4)]);
        assert_eq!(error, StripeError::ColumnBytes { column: 3, expected: 2, found: 4 });
        assert_eq!(error.to_string(), "column 3 has 4 bytes, the first one 2");
    }

    #[test]
    fn columns_that_are_no_cells() {
        let error = refuse(&[Some(3), Some(3), None, Some(3)]);
        assert_eq!(error, StripeError::Rows { code: "b-code:4".into(), rows: 2, found: 3 });
        assert_eq!(error.to_string(), "columns of 3 bytes are no multiple of the 2 rows of b-code:4");
    }

    #[test]
    fn more_data_than_there_are() {
        let code = Code::named("b-code:4").unwrap();
        let error = decode(&code, &columns(&[Some(2); 4]), 5).unwrap_err();
        assert_eq!(error, StripeError::DataBytes { stripe_bytes: 4, found: 5 });
        assert_eq!(error.to_string(), "5 bytes of a stripe that has 4 bytes of data");
    }

    #[test]
    fn too_much_is_lost() {
        let code = Code::named("b-code:4").unwrap();
        let mut given = columns(&[None, None, None, Some(2)]);
        let lost = ErasurePattern::of(&[0, 1, 2]);
        let expected = StripeError::Lost(ScheduleError::TooManyLost { code: "b-code:4".into(), tolerates: 2, lost });
        assert_eq!(expected.to_string(), "b-code:4 tolerates the loss of 2 columns; 3 are lost: 0, 1, 2");
        assert_eq!(recover(&code, &mut given), Err(expected.clone()));
        assert_eq!(decode(&code, &given, 4), Err(expected));
    }

    /// Every length around the cells, with the first and the last column lost.
    #[test]
    fn what_is_encoded_is_decoded() {
        for name in ["b-code:4", "b-code:7", "x-code:5", "rs:4+2", "replica:3", "parity:3+1"] {
            let code = Code::named(name).unwrap();
            for length in 0..4 * code.data_cell_count() + 2 {
                let data: Vec<u8> = (0..length).map(|at| (at * 131 + 7).to_le_bytes()[0]).collect();
                let stripe = encode(&code, &data);
                let mut given: Vec<Option<Vec<u8>>> = stripe.iter().cloned().map(Some).collect();
                given[0] = None;
                if code.tolerates() > 1 {
                    given[code.columns() - 1] = None;
                }
                assert_eq!(decode(&code, &given, length).as_ref(), Ok(&data), "{name} {length}");
                recover(&code, &mut given).unwrap();
                assert!(given.into_iter().flatten().eq(stripe), "{name} {length}");
            }
        }
    }
}
