//! The codes themselves: sizes, the published check value, density, and that any k columns suffice.

use crate::families::{full_losses, listed, lowest_density, small, wide};
use crate::oracle;
use rain_codec::{Cell, CellKind, Code, ErasurePattern};

#[test]
fn names_lead_to_codes_and_back() {
    for name in Code::names() {
        let code: Code = name.parse().expect("a listed code");
        assert_eq!((code.name(), code.to_string()), (name.as_str(), name.clone()));
        assert_eq!(Code::size_of(&name), Ok((code.columns(), code.rows())), "{name}");
    }
}

#[test]
fn sizes_are_those_of_the_papers() {
    for code in listed().chain(wide()) {
        let columns = code.columns();
        let (rows, parity_columns) = match code.name().split_once(':').expect("a family and a size") {
            // Shortened from 52, 56 and 66 columns, and with as many rows as those.
            ("b-code", "50" | "51") => (26, 2),
            ("b-code", "54" | "55") => (28, 2),
            ("b-code", "62" | "63" | "64" | "65") => (33, 2),
            ("b-code", _) => (columns / 2, 2),
            ("x-code", _) => (columns, 2),
            ("dual-b-code", _) => (columns / 2, columns - 2),
            ("mdr", _) => (1 << (columns - 3), 2),
            ("parity", _) => (1, 1),
            ("replica", _) => (1, columns - 1),
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
    for code in listed() {
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

/// For each data cell, the columns of the parity cells that it is in.
fn parity_columns(code: &Code) -> Vec<(Cell, Vec<u16>)> {
    let mut columns: Vec<(Cell, Vec<u16>)> =
        (0..code.data_cell_count()).map(|index| (code.data_cell(index), Vec::new())).collect();
    for (parity, of) in code.parity_cells() {
        for &member in of {
            match code.cell(member) {
                CellKind::Data { index } => columns[index].1.push(parity.column),
                CellKind::Parity { .. } => panic!("{code}: parity cell {parity} is made of parity cell {member}"),
            }
        }
    }
    columns
}

/// Lowest density: a write to a data cell touches two parity cells, in other columns than its own and each other's.
#[test]
fn every_data_cell_is_in_exactly_two_parities() {
    for code in listed().filter(|code| lowest_density(code)) {
        for (cell, columns) in parity_columns(&code) {
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

/// Shortened codes pay for it by writes to three parity cells; never more, and no more on average than the published
/// figures, rounded to three digits.
#[test]
fn shortened_codes_write_to_little_more_than_two_parities() {
    let published = [(51, 2038), (50, 2076), (55, 2036), (54, 2071), (65, 2030), (64, 2060), (63, 2089), (62, 2118)];
    for (columns, most) in published {
        let code = Code::named(&format!("b-code:{columns}")).expect("a listed code");
        let counts: Vec<usize> = parity_columns(&code).iter().map(|(_, columns)| columns.len()).collect();
        assert!(counts.iter().all(|count| (2..=3).contains(count)), "{code}");
        let thousandths = (1000 * counts.iter().sum::<usize>() + counts.len() / 2) / counts.len();
        assert!(thousandths <= most, "{code}: {thousandths} thousandths");
    }
}

/// The sparse equations say the same as the data cells that each parity cell is of.
#[test]
fn equations_and_parity_cells_agree() {
    for code in listed() {
        let mut known: Vec<(Cell, Vec<Cell>)> = Vec::new();
        for ((parity, from), (_, of)) in code.equations().zip(code.parity_cells()) {
            let mut members: Vec<Cell> = Vec::new();
            for &cell in from {
                match known.iter().find(|(known, _)| *known == cell) {
                    Some((_, of)) => members.extend(of),
                    None => members.push(cell),
                }
            }
            members.sort_unstable();
            let odd = members.chunk_by(|a, b| a == b).filter(|same| same.len() % 2 == 1).map(|same| same[0]);
            assert!(odd.eq(of.iter().copied()), "{code} {parity}");
            if from.iter().any(|cell| matches!(code.cell(*cell), CellKind::Parity { .. })) {
                assert!(!lowest_density(&code));
            }
            known.push((parity, of.to_vec()));
        }
    }
}

/// The equations of every code, as a hash of each: a code has one name and a name one code for ever, for column files
/// depend on it. A line that changes is a broken format, never to be mended by changing the list.
#[test]
fn equations_are_frozen() {
    let golden = include_str!("../golden/equations.txt");
    let families = ["rs:20+4", "rs:100+4", "rs:32+8", "rs:60+3", "rs:245+10", "parity:254+1", "replica:255"];
    let codes = listed().map(|code| code.name().to_owned()).chain(families.map(str::to_owned));
    let found: Vec<String> = codes.map(|name| format!("{name} {:016x}", hash(&name))).collect();
    let different: Vec<&str> =
        found.iter().map(String::as_str).filter(|line| !golden.lines().any(|golden| golden == *line)).collect();
    assert!(different.is_empty(), "not as frozen:\n{}", different.join("\n"));
    assert_eq!(golden.lines().count(), found.len());
    // All the Reed-Solomon codes of up to four parity columns and 32 columns together.
    let sizes = (1..=4).flat_map(|parity| (2..=32 - parity).map(move |data| format!("rs:{data}+{parity}")));
    assert_eq!(sizes.fold(0_u64, |all, name| all.rotate_left(5) ^ hash(&name)), 0xbf97_4ead_efe0_affb);
}

/// FNV-1a over the parity cells and what they are of.
fn hash(name: &str) -> u64 {
    let code = Code::named(name).expect("a code");
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut take = |cell: Cell| {
        for byte in cell.column.to_le_bytes().into_iter().chain(cell.row.to_le_bytes()) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    };
    for (parity, of) in code.parity_cells() {
        take(parity);
        of.iter().copied().for_each(&mut take);
        take(Cell { column: u16::MAX, row: u16::MAX });
    }
    hash
}

/// MDS, by bytes and the oracle: as many columns away as the code tolerates, the others determine all data.
#[test]
fn any_k_columns_suffice_in_bytes() {
    for code in small().filter(|code| code.columns() <= 14) {
        let data: Vec<Vec<u8>> = (0..code.data_cell_count()).map(|index| index.to_le_bytes().to_vec()).collect();
        let stripe = oracle::encode(&code, &data);
        for lost in full_losses(&code, 100) {
            let kept: Vec<usize> = (0..code.columns()).filter(|&column| !lost.contains(column)).collect();
            let decoded = oracle::decode(&code, &stripe, &kept);
            assert!(decoded.as_ref() == Some(&data), "{code} without columns {lost}");
        }
    }
}

/// MDS, by rank: every pair of columns of every B-code and X-code; and of the others every largest pattern, or a sample
/// where there are thousands.
#[test]
fn any_k_columns_suffice() {
    for code in listed().chain(wide()) {
        let most = if code.tolerates() == 2 { usize::MAX } else { 1500 / code.rows() };
        let equations = Equations::of(&code);
        for lost in full_losses(&code, most) {
            assert!(equations.determine(&code, lost), "{code} without columns {lost}");
        }
    }
}

/// Parity equations as sets of cells, each a parity cell and what it is of.
struct Equations(Vec<Vec<Cell>>);

impl Equations {
    fn of(code: &Code) -> Self {
        Self(code.parity_cells().map(|(parity, of)| of.iter().copied().chain([parity]).collect()).collect())
    }

    /// Tells whether all cells of the lost columns follow from the others: whether, of these cells, the equations have as
    /// many independent sums as there are cells.
    fn determine(&self, code: &Code, lost: ErasurePattern) -> bool {
        let mut place_of_column = vec![None; code.columns()];
        lost.iter().enumerate().for_each(|(place, column)| place_of_column[column] = Some(place * code.rows()));
        let unknown = lost.len() * code.rows();
        let mut rows: Vec<Vec<u64>> = Vec::new();
        let mut rank = vec![None; unknown];
        for equation in &self.0 {
            let mut row = vec![0_u64; unknown.div_ceil(64)];
            for cell in equation {
                if let Some(start) = place_of_column[usize::from(cell.column)] {
                    let bit = start + usize::from(cell.row);
                    row[bit / 64] ^= 1 << (bit % 64);
                }
            }
            while let Some(word) = row.iter().position(|&word| word != 0) {
                let pivot = word * 64 + row[word].trailing_zeros() as usize;
                let Some(other) = rank[pivot] else {
                    rank[pivot] = Some(rows.len());
                    rows.push(row);
                    break;
                };
                let other: &Vec<u64> = &rows[other];
                row.iter_mut().zip(other).for_each(|(word, other)| *word ^= other);
            }
        }
        rows.len() == unknown
    }
}

#[test]
fn k_less_one_columns_do_not_suffice() {
    for (name, kept) in [("b-code:5", [0, 1].as_slice()), ("rs:4+3", &[0, 4, 6]), ("dual-b-code:6", &[5])] {
        let code = Code::named(name).expect("a listed code");
        let stripe = vec![vec![0]; code.columns() * code.rows()];
        assert_eq!(oracle::decode(&code, &stripe, kept), None, "{name}");
        let lost: Vec<usize> = (0..code.columns()).filter(|column| !kept.contains(column)).collect();
        assert!(!Equations::of(&code).determine(&code, ErasurePattern::of(&lost)), "{name}");
    }
}
