//! Column files of format version 1 as they were first written. The files under `tests/golden` are never edited.

use std::path::PathBuf;
use std::sync::Arc;

use rain_codec::{Code, ColumnHeader};

use crate::columns::{codec, column_files, header, title_bytes};

/// Name of the files, code, bytes of a cell and of a block, length of the content.
const GOLDEN: [(&str, &str, u32, u32, usize); 3] = [
    ("small", "b-code:4", 4096, 512, 300),
    ("x", "x-code:5", 4096, 1024, 5000),
    ("ga10", "b-code:9", 4096, 16384, 2000),
];

fn path(name: &str, column: usize) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/{name}-{column:03}.rain"))
}

#[test]
fn files_of_format_1_are_still_written_and_read() {
    for (name, code, cell_bytes, block_bytes, len) in GOLDEN {
        let code = Arc::new(Code::named(code).unwrap());
        let content = title_bytes(len);
        let expected = header(&code, cell_bytes, block_bytes, name, &content);
        for (column, file) in column_files(&codec(&code), &expected, &content).iter().enumerate() {
            let golden = std::fs::read(path(name, column)).unwrap();
            assert!(&golden == file, "{name}: column {column} is written otherwise than format 1 has it");
            let column = u16::try_from(column).unwrap();
            assert_eq!(ColumnHeader::parse(&golden), Ok(ColumnHeader { column, ..expected.clone() }));
        }
    }
}
