//! Markdown tables of results.

use serde_json::Value;

/// What to show of a list of results.
pub(crate) struct Table {
    /// Heading.
    pub(crate) name: &'static str,
    /// Fields that tell the lines apart.
    pub(crate) keys: &'static [&'static str],
    /// The field whose values become columns.
    pub(crate) across: &'static str,
    /// The field that is shown.
    pub(crate) value: &'static str,
    /// Digits behind the point.
    pub(crate) digits: usize,
}

/// What tells a line apart, and its cells by their columns.
type Line<'results> = (Vec<String>, Vec<(&'results Value, String)>);

impl Table {
    /// Prints the table; results without one of its fields are left out.
    pub(crate) fn print(&self, results: &[Value]) {
        let mut columns: Vec<&Value> = Vec::new();
        let mut lines: Vec<Line<'_>> = Vec::new();
        for result in results {
            let (Some(column), Some(value)) = (result.get(self.across), result.get(self.value)) else { continue };
            if !columns.contains(&column) {
                columns.push(column);
            }
            let keys: Vec<String> = self.keys.iter().map(|key| text(key, &result[key], 0)).collect();
            let cell = (column, text(self.value, value, self.digits));
            match lines.iter_mut().find(|(known, _)| *known == keys) {
                Some((_, cells)) => cells.push(cell),
                None => lines.push((keys, vec![cell])),
            }
        }
        let heads = self.keys.iter().map(|key| key.replace("_bytes", ""));
        let heads: Vec<String> = heads.chain(columns.iter().map(|column| text(self.across, column, 0))).collect();
        println!("\n### {}\n\n| {} |\n|{}", self.name, heads.join(" | "), "---|".repeat(heads.len()));
        for (keys, cells) in lines {
            let cell = |column: &Value| cells.iter().find(|(of, _)| *of == column).map_or("", |(_, text)| text);
            let cells: Vec<&str> = columns.iter().map(|column| cell(column)).collect();
            println!("| {} | {} |", keys.join(" | "), cells.join(" | "));
        }
    }
}

fn text(field: &str, value: &Value, digits: usize) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) if number.is_f64() => format!("{:.digits$}", number.as_f64().unwrap_or_default()),
        Value::Number(number) if matches!(field, "cell_bytes" | "block_bytes") => {
            format!("{} KiB", number.as_u64().unwrap_or_default() >> 10)
        }
        Value::Number(_) | Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}
