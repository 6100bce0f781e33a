//! Stripes in columns, in every layout: encoding and every pattern of one and two lost columns give the same bytes as the
//! cells one by one.

use std::sync::Arc;

use rain_codec::{Cell, Code, ErasurePattern, InterleavedCodec, Kernel, Layout, ScheduleError, Stores, StripeCodec};

use crate::families::small;
use crate::oracle;

/// The layouts, and the length of cells in each: whole lines where the layout wants them, and a tail where it does not.
const CASES: [(Layout, usize); 4] =
    [(Layout::Cells, 192), (Layout::Cells, 221), (Layout::Interleaved, 192), (Layout::Divided, 192)];

/// Where the bytes of a cell lie in its column.
fn place(code: &Code, layout: Layout, cell: Cell, at: usize, cell_len: usize) -> usize {
    let (row, rows) = (usize::from(cell.row), code.rows());
    let upper = code.data_rows(usize::from(cell.column));
    let line = |row: usize, rows: usize| (at / 64 * rows + row) * 64 + at % 64;
    match layout {
        Layout::Cells => row * cell_len + at,
        Layout::Interleaved => line(row, rows),
        Layout::Divided if row < upper => line(row, upper),
        Layout::Divided => upper * cell_len + line(row - upper, rows - upper),
    }
}

fn slices(columns: &mut [Vec<u8>]) -> Vec<&mut [u8]> {
    columns.iter_mut().map(Vec::as_mut_slice).collect()
}

#[test]
fn every_code_layout_and_pattern() {
    let wide =
        ["b-code:18", "b-code:22", "x-code:17", "dual-b-code:11"].map(|name| Arc::new(Code::named(name).unwrap()));
    for code in small().chain(wide) {
        let name = code.name();
        let data: Vec<Vec<u8>> = (0..code.data_cell_count())
            .map(|index| (0..221).map(|at| (index * 37 + at * 101 + 11).to_le_bytes()[0]).collect())
            .collect();
        let cells = oracle::encode(&code, &data);
        for kernel in Kernel::available() {
            let codec = InterleavedCodec::with_kernel(Arc::clone(&code), kernel);
            for (layout, cell_len) in CASES {
                let mut expected = vec![vec![0_u8; code.rows() * cell_len]; code.columns()];
                for (cell, bytes) in code.cells().zip(&cells) {
                    for (at, &byte) in bytes[..cell_len].iter().enumerate() {
                        expected[usize::from(cell.column)][place(&code, layout, cell, at, cell_len)] = byte;
                    }
                }
                let mut columns = expected.clone();
                for (parity, _) in code.parity_cells() {
                    for at in 0..cell_len {
                        columns[usize::from(parity.column)][place(&code, layout, parity, at, cell_len)] = 0xff;
                    }
                }
                codec.encode(layout, Stores::Normal, &mut slices(&mut columns));
                assert!(columns == expected, "{name}, {kernel:?}, {layout:?}, {cell_len}");
                for first in 0..code.columns() {
                    for second in (first..code.columns()).filter(|&second| second == first || code.tolerates() > 1) {
                        let lost = ErasurePattern::of(&[first, second]);
                        columns[first].fill(0xff);
                        columns[second].fill(0xff);
                        let recovery = codec.recovery(lost).unwrap();
                        codec.recover(&recovery, layout, Stores::Streaming, &mut slices(&mut columns));
                        assert!(columns == expected, "{name} without {lost}, {kernel:?}, {layout:?}, {cell_len}");
                        columns[first].fill(0xff);
                        columns[second].fill(0xff);
                        let data = data_of(&code, lost);
                        let recovery = codec.recovery_of(lost, &data).unwrap();
                        codec.recover(&recovery, layout, Stores::Streaming, &mut slices(&mut columns));
                        // Parity that nobody wanted may be left lost, or made on the way.
                        let mut left = expected.clone();
                        let is_left = |cell: &Cell| lost.contains(usize::from(cell.column)) && !data.contains(cell);
                        for cell in code.cells().filter(is_left) {
                            let number = usize::from(cell.column);
                            for place in (0..cell_len).map(|at| place(&code, layout, cell, at, cell_len)) {
                                left[number][place] = columns[number][place];
                            }
                        }
                        assert!(columns == left, "data, {name} without {lost}, {kernel:?}, {layout:?}, {cell_len}");
                        columns.clone_from(&expected);
                    }
                }
            }
        }
    }
}

/// The data cells of lost columns.
fn data_of(code: &Code, lost: ErasurePattern) -> Vec<Cell> {
    let rows_of = |column: usize| (0..code.data_rows(column)).map(move |row| Cell::new(column, row));
    lost.iter().flat_map(rows_of).collect()
}

/// The columns are turned for the time of a recovery only.
#[test]
fn columns_stay_in_the_order_in_which_they_were_given() {
    for name in ["b-code:5", "b-code:6", "x-code:5"] {
        let codec = InterleavedCodec::new(Arc::new(Code::named(name).unwrap()));
        let mut columns = vec![vec![7_u8; codec.code().rows() * 64]; codec.code().columns()];
        let places: Vec<*const u8> = columns.iter().map(Vec::as_ptr).collect();
        for lost in 0..codec.code().columns() {
            let mut given = slices(&mut columns);
            let recovery = codec.recovery(ErasurePattern::of(&[lost])).unwrap();
            codec.recover(&recovery, Layout::Cells, Stores::Normal, &mut given);
            assert!(given.iter().map(|column| column.as_ptr()).eq(places.iter().copied()), "{name} without {lost}");
        }
    }
}

#[test]
fn what_cannot_be_recovered_is_refused() {
    let codec = InterleavedCodec::new(Arc::new(Code::named("b-code:6").unwrap()));
    assert!(matches!(codec.recovery(ErasurePattern::of(&[0, 1, 2])), Err(ScheduleError::TooManyLost { .. })));
    assert!(matches!(codec.recovery(ErasurePattern::of(&[6])), Err(ScheduleError::NoSuchColumn { found: 6, .. })));
}

#[test]
fn reed_solomon_codes_of_the_benchmark_have_bodies_for_parity_and_one_lost_column() {
    for name in ["rs:6+3", "rs:8+3", "rs:10+4"] {
        let codec = InterleavedCodec::new(Arc::new(Code::named(name).unwrap()));
        assert_eq!(codec.encode_schedule().column_program().body_name(), Some(format!("{name} encode").as_str()));
        for column in 0..codec.code().data_columns() {
            let recovery = codec.recovery(ErasurePattern::of(&[column])).unwrap();
            assert_eq!(recovery.body_name(), Some(format!("{name} lost {column}").as_str()));
        }
        let parity = codec.code().data_columns()..codec.code().columns();
        for (first, second) in
            parity.clone().flat_map(|first| (first + 1..parity.end).map(move |second| (first, second)))
        {
            let recovery = codec.recovery(ErasurePattern::of(&[first, second])).unwrap();
            assert_eq!(recovery.body_name(), Some(format!("{name} lost {first} {second}").as_str()));
        }
    }
}

#[test]
fn codes_of_the_benchmark_have_bodies_for_every_pattern() {
    for name in [
        "b-code:4",
        "b-code:6",
        "b-code:10",
        "b-code:11",
        "b-code:12",
        "b-code:18",
        "b-code:22",
        "x-code:7",
        "x-code:11",
    ] {
        let code = Arc::new(Code::named(name).unwrap());
        let codec = InterleavedCodec::new(Arc::clone(&code));
        assert_eq!(codec.encode_schedule().column_program().body_name(), Some(format!("{name} encode").as_str()));
        let stripes = StripeCodec::new(Arc::clone(&code));
        for first in 0..code.columns() {
            let data: Vec<Cell> = (0..code.data_rows(first)).map(|row| Cell::new(first, row)).collect();
            let schedule = stripes.recover_schedule(ErasurePattern::of(&[first]), &data).unwrap();
            assert!(schedule.column_program().body_name().is_some(), "the data of {first} in {name}");
            assert!(
                codec.recovery(ErasurePattern::of(&[first])).unwrap().body_name().is_some(),
                "{name} without {first}"
            );
            for second in first + 1..codec.code().columns() {
                let lost = ErasurePattern::of(&[first, second]);
                let recovery = codec.recovery_of(lost, &data_of(&code, lost)).unwrap();
                assert!(recovery.body_name().is_some(), "{name} without {first} and {second}");
            }
        }
    }
}

/// The diagonals of an X-code are the same from every column on.
#[test]
fn x_codes_turn_by_all_their_columns() {
    for columns in [5, 7, 13] {
        let code = Code::named(&format!("x-code:{columns}")).unwrap();
        assert_eq!(code.turning_columns(), columns);
    }
}

#[test]
#[should_panic(expected = "is no multiple of")]
fn columns_of_half_a_packet_are_refused() {
    let codec = InterleavedCodec::new(Arc::new(Code::named("b-code:4").unwrap()));
    let mut columns = vec![vec![0; 65 * codec.code().rows()]; codec.code().columns()];
    let mut columns: Vec<&mut [u8]> = columns.iter_mut().map(Vec::as_mut_slice).collect();
    codec.encode(Layout::Interleaved, Stores::Normal, &mut columns);
}
