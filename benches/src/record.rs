//! Results in files, so that a figure in the documents can be traced to a machine and a commit.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{fs, io};

use serde_json::Value;

use crate::Machine;

/// The results of some measurements, each with its name and a row per combination.
pub type Results = Vec<(String, Vec<Value>)>;

/// Writes results to `record/CPU/DATE-WHAT.json` beside the manifest of this crate, a line per row. Returns the path
/// below `record`.
///
/// # Errors
/// Those of the disk.
pub fn write_record(machine: &Machine, what: &str, results: &Results) -> io::Result<PathBuf> {
    let below = Path::new(&machine.slug()).join(format!("{}-{what}.json", machine.date));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("record").join(&below);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, to_text(machine, what, results))?;
    Ok(below)
}

fn to_text(machine: &Machine, what: &str, results: &Results) -> String {
    let mut text = format!("{{\n\"what\": {},\n\"machine\": {}", Value::from(what), machine.to_json());
    for (name, rows) in results {
        let rows: Vec<String> = rows.iter().map(Value::to_string).collect();
        // Writing to a string cannot fail.
        let _ = write!(text, ",\n{}: [\n{}\n]", Value::from(name.as_str()), rows.join(",\n"));
    }
    text + "\n}\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_json() {
        let results = vec![("speeds".to_owned(), vec![Value::from(1), Value::from("x")]), ("none".to_owned(), vec![])];
        let record: Value = serde_json::from_str(&to_text(&Machine::detect(), "a \"test\"", &results)).unwrap();
        assert_eq!((&record["what"], &record["speeds"][1]), (&Value::from("a \"test\""), &Value::from("x")));
        assert!(record["machine"]["cpu"].is_string());
    }
}
