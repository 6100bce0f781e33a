//! Column files of format version 2 as they were first written, and those of format 1, which was of before the first
//! release. The files under `tests/golden` are never edited.

use std::path::PathBuf;
use std::sync::Arc;

use rain_codec::{Code, ColumnHeader, HeaderError};

use crate::columns::{codec, column_files, header, title_bytes};

/// Name of the files, code, bytes of a cell and of a block, length of the content.
const GOLDEN: [(&str, &str, u32, u32, usize); 3] = [
    ("small", "b-code:4", 4096, 512, 300),
    ("x", "x-code:5", 4096, 1024, 5000),
    ("ga10", "b-code:9", 4096, 16384, 2000),
];

fn path(name: &str, column: usize) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/format-2/{name}-{column:03}.rain"))
}

#[test]
fn files_of_format_2_are_still_written_and_read() {
    for (name, code, cell_bytes, block_bytes, len) in GOLDEN {
        let code = Arc::new(Code::named(code).unwrap());
        let content = title_bytes(len);
        let expected = header(&code, cell_bytes, block_bytes, name, &content);
        for (column, file) in column_files(&codec(&code), &expected, &content).iter().enumerate() {
            let golden = std::fs::read(path(name, column)).unwrap();
            assert!(&golden == file, "{name}: column {column} is written otherwise than format 2 has it");
            let column = u16::try_from(column).unwrap();
            let found = ColumnHeader::parse(&golden).unwrap();
            let root = found.root;
            assert_eq!(found, ColumnHeader { column, root, ..expected.clone() });
        }
    }
}

#[test]
fn files_of_format_1_are_refused_by_name() {
    for (name, code, ..) in GOLDEN {
        for column in 0..Code::named(code).unwrap().columns() {
            let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/{name}-{column:03}.rain"));
            let refused = ColumnHeader::parse(&std::fs::read(path).unwrap()).unwrap_err();
            assert_eq!(refused, HeaderError::UnreleasedFormat { found: 1, expected: 2 });
            assert_eq!(
                refused.to_string(),
                "column file of format 1, expected 2; format 1 was of before the first release"
            );
        }
    }
}
