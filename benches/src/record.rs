//! Results in files, so that a figure in the documents can be traced to a machine and a commit.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{fs, io};

use serde_json::{Value, json};

use rain_gauge::Machine;

/// The results of some measurements, each with its name and a row per combination.
pub type Results = Vec<(String, Vec<Value>)>;

/// Writes results to `record/CPU/DATE-WHAT.json` beside the manifest of this crate, a line per row. Returns the path
/// below `record`.
///
/// # Errors
/// Those of the disk.
pub fn write_record(machine: &Machine, what: &str, results: &Results) -> io::Result<PathBuf> {
    let below = Path::new(&machine.slug()).join(format!("{}-{what}.json", machine.date));
    let path = own_root().join(&below);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, to_text(machine, what, results))?;
    Ok(below)
}

fn own_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("record")
}

/// A trace: a file of JSON lines, each with its `kind`, that holds what a long measurement saw as soon as it saw it.
#[derive(Debug)]
pub struct Trace {
    file: File,
    path: PathBuf,
    lines: Vec<Value>,
}

impl Trace {
    /// Begins a trace at `ROOT/CPU/DATE-WHAT.jsonl`; the root is that of the records where none is named. The first line
    /// tells the machine and the parameters.
    ///
    /// What an earlier run of the same day, commit and parameters saw of other kinds than `anew` stays in it, so that a
    /// measurement of hours can be made in parts.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn begin(
        root: Option<&Path>,
        machine: &Machine,
        what: &str,
        parameters: &Value,
        anew: &[String],
    ) -> io::Result<Self> {
        let root = root.map_or_else(own_root, Path::to_owned);
        let path = root.join(machine.slug()).join(format!("{}-{what}.jsonl", machine.date));
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let head = json!({ "kind": "head", "what": what, "machine": machine.to_json(), "parameters": parameters });
        let before: Vec<Value> = fs::read_to_string(&path).unwrap_or_default().lines().map_while(parsed).collect();
        let is_kept = |line: &&Value| !anew.iter().any(|kind| line["kind"] == kind.as_str());
        let kept = match before.split_first() {
            Some((first, rest)) if *first == head => rest.iter().filter(is_kept).cloned().collect(),
            _ => Vec::new(),
        };
        let mut trace = Self { file: File::create(&path)?, path, lines: Vec::new() };
        trace.push(head)?;
        kept.into_iter().try_for_each(|line| trace.push(line))?;
        Ok(trace)
    }

    /// Adds a line.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn push(&mut self, line: Value) -> io::Result<()> {
        writeln!(self.file, "{line}")?;
        self.lines.push(line);
        Ok(())
    }

    /// All its lines.
    pub fn lines(&self) -> &[Value] {
        &self.lines
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn parsed(line: &str) -> Option<Value> {
    serde_json::from_str(line).ok()
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
    fn a_trace_goes_on_where_it_ended() {
        let root = rain_harness::TemporaryFolder::new("trace").unwrap();
        let machine = Machine::detect();
        let begin = |parameters: &Value, anew: &[&str]| {
            let anew: Vec<String> = anew.iter().map(|kind| (*kind).to_owned()).collect();
            Trace::begin(Some(root.path()), &machine, "test", parameters, &anew).unwrap()
        };
        let mut trace = begin(&json!(1), &[]);
        trace.push(json!({ "kind": "a", "number": 1 })).unwrap();
        trace.push(json!({ "kind": "b", "number": 2 })).unwrap();
        let trace = begin(&json!(1), &["a"]);
        assert_eq!(trace.lines()[1..], [json!({ "kind": "b", "number": 2 })]);
        assert_eq!(fs::read_to_string(trace.path()).unwrap().lines().count(), 2);
        assert_eq!(begin(&json!(2), &[]).lines().len(), 1, "other parameters");
    }

    #[test]
    fn a_record_is_json() {
        let results = vec![("speeds".to_owned(), vec![Value::from(1), Value::from("x")]), ("none".to_owned(), vec![])];
        let record: Value = serde_json::from_str(&to_text(&Machine::detect(), "a \"test\"", &results)).unwrap();
        assert_eq!((&record["what"], &record["speeds"][1]), (&Value::from("a \"test\""), &Value::from("x")));
        assert!(record["machine"]["cpu"].is_string());
    }
}
