//! The codes themselves: sizes, the published check value, density, and that any k columns suffice.

use crate::oracle;
use crate::recovery::{lowest_density_codes, patterns};
use rain_codec::{Cell, CellKind, Code};

fn every_code() -> impl Iterator<Item = Code> {
    Code::names().map(|name| Code::named(&name).expect("a listed code"))
}

#[test]
fn names_lead_to_codes_and_back() {
    for name in Code::names() {
        let code: Code = name.parse().expect("a listed code");
        assert_eq!((code.name(), code.to_string()), (name.as_str(), name.clone()));
    }
}

#[test]
fn sizes_are_those_of_the_papers() {
    for code in every_code() {
        let columns = code.columns();
        let (rows, parity_columns) = match code.name().split_once(':').expect("a family and a size") {
            ("b-code", _) => (columns / 2, 2),
            ("x-code", _) => (columns, 2),
            (_, size) => {
                let (data, parity) = size.split_once('+').expect("two numbers");
                let [data, parity]: [usize; 2] = [data, parity].map(|number| number.parse().expect("a number"));
                assert_eq!(columns, data + parity, "{code}");
                ((2..=8).find(|bits| 1 << bits >= columns).expect("a field"), parity)
            }
        };
        let data_columns = columns - parity_columns;
        assert_eq!((code.rows(), code.data_cell_count()), (rows, data_columns * rows), "{code}");
        assert_eq!((code.data_columns(), code.tolerates()), (data_columns, parity_columns), "{code}");
    }
}

#[test]
fn data_run_row_by_row_and_lie_above_parity() {
    for code in every_code() {
        let cells: Vec<Cell> = (0..code.data_cell_count()).map(|index| code.data_cell(index)).collect();
        assert!(cells.is_sorted_by_key(|cell| (cell.row, cell.column)), "{code}");
        for cell in code.cells() {
            let is_data = usize::from(cell.row) < code.data_rows(usize::from(cell.column));
            match code.cell(cell) {
                CellKind::Data { index } => assert!(is_data && cells[index] == cell, "{code} {cell}"),
                CellKind::Parity { of } => assert!(!is_data && of.is_sorted(), "{code} {cell}"),
            }
        }
        assert!(!code.contains(Cell::new(code.columns(), 0)) && !code.contains(Cell::new(0, code.rows())));
    }
}

/// Lowest density: a write to a data cell touches two parity cells, in other columns than its own and each other's.
#[test]
fn every_data_cell_is_in_exactly_two_parities() {
    for code in lowest_density_codes() {
        for index in 0..code.data_cell_count() {
            let cell = code.data_cell(index);
            let columns: Vec<u16> =
                code.parity_cells().filter(|(_, of)| of.contains(&cell)).map(|(parity, _)| parity.column).collect();
            assert_eq!(columns.len(), 2, "{code} {cell}");
            assert!(columns[0] != columns[1] && !columns.contains(&cell.column), "{code} {cell}");
        }
    }
}

/// The four-column code of the RAIN slides, cells of 8 bytes.
#[test]
fn check_value_of_the_four_column_code() {
    let code = Code::named("b-code:4").expect("a listed code");
    let bytes: Vec<u8> = (0..32_u32).map(|i| u8::try_from((i * 131 + 7) % 251).expect("below 251")).collect();
    let data: Vec<Vec<u8>> = bytes.chunks(8).map(<[u8]>::to_vec).collect();
    let stripe = oracle::encode(&code, &data);
    let expected = [
        "078a12951da028abd4f1fcf3d4d12c3c",
        "33b63ec149cc54d78c99848bbc89849f",
        "5fe26aed75f88008343c2c54546c7c7c",
        "8b13961ea129ac346c54542c3c34d4df",
    ];
    for (column, expected) in stripe.chunks(2).zip(expected) {
        let expected: Vec<u8> = (0..16)
            .map(|place| u8::from_str_radix(&expected[2 * place..2 * place + 2], 16).expect("two digits"))
            .collect();
        assert_eq!(column.concat(), expected);
    }
}

/// MDS, by rank: as many columns away as the code tolerates, the others determine all data.
#[test]
fn any_k_columns_suffice() {
    for code in every_code() {
        let data: Vec<Vec<u8>> = (0..code.data_cell_count()).map(|index| index.to_le_bytes().to_vec()).collect();
        let stripe = oracle::encode(&code, &data);
        for lost in patterns(&code).into_iter().filter(|lost| lost.len() == code.tolerates()) {
            let kept: Vec<usize> = (0..code.columns()).filter(|&column| !lost.contains(column)).collect();
            let decoded = oracle::decode(&code, &stripe, &kept);
            assert!(decoded.as_ref() == Some(&data), "{code} without columns {lost}");
        }
    }
}

#[test]
fn k_less_one_columns_do_not_suffice() {
    for (name, kept) in [("b-code:5", [0, 1].as_slice()), ("rs:4+3", &[0, 4, 6])] {
        let code = Code::named(name).expect("a listed code");
        let stripe = vec![vec![0]; code.columns() * code.rows()];
        assert_eq!(oracle::decode(&code, &stripe, kept), None, "{name}");
    }
}
