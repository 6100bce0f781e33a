//! `rain bench`.

use crate::harness::{rain, run};
use std::collections::BTreeMap;

/// One parity column, more parity columns than data, one column of data: each ended in a panic.
#[test]
fn codes_of_every_shape_are_measured() {
    let codes = [("parity:4+1", 1), ("dual-b-code:5", 3), ("replica:3", 2), ("mdr:4", 2)];
    let names: Vec<&str> = codes.iter().map(|(name, _)| *name).collect();
    let measured =
        run(rain().args(["bench", "--code", &names.join(","), "--seconds", "1", "--format", "json"])).succeeded();
    let mut operations: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in measured.text().lines() {
        let row: serde_json::Value = serde_json::from_str(line).expect("a row");
        assert!(row["gb_per_s"].as_f64().is_some_and(|rate| rate > 0.0), "{row}");
        let text = |key: &str| row[key].as_str().expect("a text").to_owned();
        let of_code = operations.entry(text("code")).or_default();
        of_code.push(text("operation"));
        of_code.dedup();
    }
    for (name, tolerates) in codes {
        let mut found = operations.remove(name).unwrap_or_default();
        found.sort_unstable();
        found.dedup();
        let expected = ["decode1", "decode2", "encode"];
        assert_eq!(found, if tolerates == 1 { vec!["decode1", "encode"] } else { expected.to_vec() }, "{name}");
    }
    // A table for people, too.
    let table = run(rain().args(["bench", "--code", "rs:3+1", "--seconds", "1"])).succeeded().text();
    assert!(table.contains("decode1") && !table.contains("decode2"), "{table}");
}
