//! The tables, made from the lines of a trace and from nothing else.

use std::fmt::Write;

use serde_json::Value;

use crate::kind::Kind;
use crate::settings::{FALSE_DOWNS, RING};

/// The smallest of some numbers that `percent` of them do not pass (nearest rank). 0 of none.
pub(crate) fn percentile(sorted: &[f64], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0.0)
}

/// Numbers of a field, sorted.
pub(crate) fn column(lines: &[&Value], field: &str) -> Vec<f64> {
    let mut numbers: Vec<f64> = lines.iter().filter_map(|line| line[field].as_f64()).collect();
    numbers.sort_by(f64::total_cmp);
    numbers
}

pub(crate) fn sum(lines: &[&Value], field: &str) -> f64 {
    lines.iter().filter_map(|line| line[field].as_f64()).sum()
}

pub(crate) fn of_kind<'lines>(lines: &'lines [Value], kind: &str) -> Vec<&'lines Value> {
    lines.iter().filter(|line| line["kind"] == kind).collect()
}

/// p50, p99 and the largest.
pub(crate) fn three(numbers: &[f64]) -> String {
    let largest = numbers.last().copied().unwrap_or(0.0);
    format!("{:.1} / {:.1} / {largest:.1}", percentile(numbers, 50), percentile(numbers, 99))
}

/// Bytes of no use beside those that were of use, in percent; none where nothing is known.
fn extra_percent(lines: &[&Value], extra: &str, all: &str) -> Option<f64> {
    let (extra, all) = (sum(lines, extra), sum(lines, all));
    (all > extra).then(|| 100.0 * extra / (all - extra))
}

pub(crate) fn or_dash(number: Option<f64>, digits: usize) -> String {
    number.map_or_else(|| "-".to_owned(), |number| format!("{number:.digits$}"))
}

/// On which machine, when and of what commit.
pub(crate) fn head(lines: &[Value]) -> String {
    let Some(head) = lines.first().filter(|line| line["kind"] == "head") else { return String::new() };
    let text_of = |name: &str| head["machine"][name].as_str().unwrap_or("unknown").to_owned();
    let (cpu, commit, date) = (text_of("cpu"), text_of("commit"), text_of("date"));
    format!("Measured on {cpu}, {date}, at commit {commit}. Times in ms, of three: p50 / p99 / max.\n\n")
}

/// All tables of the measurement by kinds of fault.
pub(crate) fn table(lines: &[Value]) -> String {
    let mut text = String::new();
    let rows: Vec<String> = Kind::ALL.iter().filter_map(|kind| row(lines, *kind)).collect();
    text.push_str(&head(lines));
    if !rows.is_empty() {
        text.push_str(
            "| fault | trials | gap p99 over control | must | goal | gap | control gap | behind | gap after healing, max \
             | server's stall, max | wrong bytes | broken streams |\n|---|---|---|---|---|---|---|---|---|---|---|---|\n",
        );
        text.push_str(&rows.concat());
    }
    // Writing to a string cannot fail, here and below.
    if let Some(extra) = extra_rows(lines) {
        let _ = write!(text, "\n{extra}");
    }
    if let Some(line) = of_kind(lines, FALSE_DOWNS).last() {
        let _ = write!(text, "\n{}", false_downs(line));
    }
    if let Some(ring) = ring_rows(&of_kind(lines, RING)) {
        let _ = write!(text, "\n{ring}");
    }
    text
}

fn row(lines: &[Value], kind: Kind) -> Option<String> {
    let lines = of_kind(lines, &kind.name());
    let (ends, trials): (Vec<&Value>, Vec<&Value>) = lines.into_iter().partition(|line| line["end"] == true);
    if trials.is_empty() && ends.is_empty() {
        return None;
    }
    let (gap, control) = (column(&trials, "gap_ms"), column(&trials, "control_gap_ms"));
    let over = percentile(&gap, 99) - percentile(&control, 99);
    let later = column(&trials, "later_gap_ms").last().copied();
    let stall = column(&ends, "server_stall_ms_max").last().copied();
    Some(format!(
        "| {} | {} | **{over:.1}** | {} | {} | {} | {} | {} | {} | {} | {:.0} | {:.0} |\n",
        kind.title(),
        trials.len(),
        kind.must_ms(),
        kind.goal_ms(),
        three(&gap),
        three(&control),
        three(&column(&trials, "behind_ms")),
        or_dash(later, 1),
        or_dash(stall, 1),
        sum(&ends, "wrong_bytes"),
        sum(&ends, "broken"),
    ))
}

fn extra_rows(lines: &[Value]) -> Option<String> {
    let trials: Vec<&Value> = lines.iter().filter(|line| line["peer_bytes"].is_number()).collect();
    let healthy = extra_percent(&trials, "control_extra_bytes", "control_peer_bytes");
    let mut text = "| extra peer bytes, of those of use | % | must | goal |\n|---|---|---|---|\n".to_owned();
    let _ = writeln!(text, "| healthy | {} | 5 | 2 |", or_dash(healthy, 2));
    for kind in Kind::ALL {
        let of_kind: Vec<&Value> = trials.iter().copied().filter(|line| line["kind"] == kind.name()).collect();
        if !of_kind.is_empty() {
            let percent = extra_percent(&of_kind, "extra_bytes", "peer_bytes");
            let _ = writeln!(text, "| {} | {} | 10 | 10 |", kind.title(), or_dash(percent, 2));
        }
    }
    (!trials.is_empty()).then_some(text)
}

fn false_downs(line: &Value) -> String {
    let number = |field: &str, digits| or_dash(line[field].as_f64(), digits);
    format!(
        "| one wrong verdict a second in each node | with | without | ratio | must |\n|---|---|---|---|---|\n\
         | throughput, GB/s, medians of {} | {} | {} | {} | 0.95 |\n\
         | largest gap in {} s | {} | {} | | 30 |\n",
        line["rounds"],
        number("with_gb_per_s", 2),
        number("without_gb_per_s", 2),
        number("ratio", 3),
        line["seconds"],
        number("with_gap_ms", 1),
        number("without_gap_ms", 1),
    )
}

fn ring_rows(lines: &[&Value]) -> Option<String> {
    let reads: Vec<&Value> = lines.iter().filter_map(|line| line["reads"].as_array()).flatten().collect();
    let must: Vec<&Value> = reads.iter().copied().filter(|read| read["must"] == true).collect();
    let (streams, times) = (column(&must, "stream_ms"), column(&must, "read_ms"));
    let text = format!(
        "| ring of eight, three switches cut | |\n|---|---|\n| triples | {} of 56 |\n\
         | viewers connected to six columns or more | {} |\n\
         | of these, read on to the end of the 24 MB that they were reading | {} |\n\
         | of these, then read 4 MB | {} |\n| ms for the 24 MB, all eight at once | {} |\n\
         | ms for the 4 MB | {} |\n| wrong bytes | {:.0} |\n",
        lines.len(),
        must.len(),
        streams.len(),
        times.len(),
        three(&streams),
        three(&times),
        sum(lines, "wrong_bytes"),
    );
    (!lines.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn percentiles_are_of_the_numbers_that_are_there() {
        let numbers: Vec<f64> = (1..=200).map(f64::from).collect();
        assert_eq!([50, 99, 100].map(|percent| percentile(&numbers, percent).to_string()), ["100", "198", "200"]);
        assert_eq!(percentile(&[3.0], 99).to_string(), "3");
        assert_eq!(percentile(&[], 99).to_string(), "0");
    }

    #[test]
    fn a_table_of_a_trace() {
        let trial = |gap: f64| {
            json!({
                "kind": "node-hung", "gap_ms": gap, "control_gap_ms": 2.0, "behind_ms": gap, "later_gap_ms": 1.0,
                "peer_bytes": 110.0, "extra_bytes": 10.0, "control_peer_bytes": 100.0, "control_extra_bytes": 0.0,
            })
        };
        let end =
            json!({ "kind": "node-hung", "end": true, "wrong_bytes": 0, "broken": 1, "server_stall_ms_max": 5.0 });
        let ring = json!({
            "kind": "ring", "wrong_bytes": 0,
            "reads": [{ "must": true, "stream_ms": 20.0, "read_ms": 10.0 }, { "must": true, "read_ms": null }, { "must": false }],
        });
        let table = table(&[trial(10.0), trial(30.0), end, ring]);
        let row = "| node hung | 2 | **28.0** | 150 | 20 | 10.0 / 30.0 / 30.0 | 2.0 / 2.0 / 2.0 | 10.0 / 30.0 / 30.0 \
                   | 1.0 | 5.0 | 0 | 1 |";
        assert!(table.contains(row), "{table}");
        assert!(table.contains("| node hung | 10.00 | 10 | 10 |\n"), "{table}");
        assert!(table.contains("| healthy | 0.00 | 5 | 2 |"), "{table}");
        assert!(table.contains("columns or more | 2 |\n"), "{table}");
        assert!(table.contains("| of these, then read 4 MB | 1 |"), "{table}");
        assert!(!table.contains("node killed"), "{table}");
    }
}
