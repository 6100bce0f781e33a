//! The tables, made from the lines of a trace and from nothing else.

use std::fmt::Write;

use serde_json::Value;

use super::cut::Cut;
use super::soak::Soak;
use super::{BUNDLE, MONITORING};
use crate::report::{column, head, of_kind, or_dash, percentile, sum, three};

/// All tables of the laboratory.
pub(super) fn table(lines: &[Value]) -> String {
    let mut text = head(lines);
    // Writing to a string cannot fail, here and below.
    let rows: String = Cut::ALL.iter().filter_map(|cut| verdict_row(lines, *cut)).collect();
    if !rows.is_empty() {
        let _ = write!(
            text,
            "| cut | trials | ends of paths | first end Down | last end Down | must | goal | last end Up after healing \
             | must | goal | ends Down more than once | Downs of other ends |\n\
             |---|---|---|---|---|---|---|---|---|---|---|---|\n{rows}\n"
        );
    }
    let rows: String = Cut::ALL.iter().filter_map(|cut| stream_row(lines, *cut)).collect();
    if !rows.is_empty() {
        let _ = write!(
            text,
            "| 20 MB/s over HTTP | trials | gap p99 over control | must | goal | gap | control gap | behind \
             | gap after healing, max | wrong bytes | broken streams |\n\
             |---|---|---|---|---|---|---|---|---|---|---|\n{rows}\n"
        );
    }
    let soaks: Vec<&Value> = Soak::ALL.iter().flat_map(|soak| of_kind(lines, &soak.name())).collect();
    text.push_str(&soak_rows(&soaks));
    text.push_str(&of_kind(lines, BUNDLE).last().map(|line| bundle(line)).unwrap_or_default());
    let is_monitoring = |line: &&Value| line["kind"].as_str().is_some_and(|kind| kind.starts_with(MONITORING));
    text.push_str(&monitoring(&lines.iter().filter(is_monitoring).collect::<Vec<_>>()));
    text
}

fn trials_of(lines: &[Value], cut: Cut) -> (Vec<&Value>, Vec<&Value>) {
    of_kind(lines, &cut.name()).into_iter().partition(|line| line["end"] != true)
}

fn verdict_row(lines: &[Value], cut: Cut) -> Option<String> {
    let (trials, _) = trials_of(lines, cut);
    let ends = trials.first()?["ends"].as_u64()?;
    let of_cut = |field: &str| if ends > 0 { three(&column(&trials, field)) } else { "-".to_owned() };
    let judged = |must: &str| if cut.is_of_network() { must.to_owned() } else { "-".to_owned() };
    let last = column(&trials, "down_last_ms");
    let (last, down) = if cut.is_of_network() {
        (format!("{} **{:.1}**", of_cut("down_last_ms"), percentile(&last, 99)), of_cut("down_first_ms"))
    } else {
        (of_cut("down_last_ms"), of_cut("down_first_ms"))
    };
    Some(format!(
        "| {} | {} | {ends} | {down} | {last} | {} | {} | {} | {} | {} | {:.0} | {:.0} |\n",
        cut.title(),
        trials.len(),
        judged("100"),
        judged("40"),
        of_cut("up_last_ms"),
        judged("500"),
        judged("100"),
        sum(&trials, "flaps"),
        sum(&trials, "stray_downs"),
    ))
}

fn stream_row(lines: &[Value], cut: Cut) -> Option<String> {
    let (trials, ends) = trials_of(lines, cut);
    trials.first()?;
    let (gap, control) = (column(&trials, "gap_ms"), column(&trials, "control_gap_ms"));
    let over = percentile(&gap, 99) - percentile(&control, 99);
    Some(format!(
        "| {} | {} | **{over:.1}** | 150 | {} | {} | {} | {} | {} | {:.0} | {:.0} |\n",
        cut.title(),
        trials.len(),
        cut.goal_ms(),
        three(&gap),
        three(&control),
        three(&column(&trials, "behind_ms")),
        or_dash(column(&trials, "later_gap_ms").last().copied(), 1),
        sum(&ends, "wrong_bytes"),
        sum(&ends, "broken"),
    ))
}

fn soak_rows(lines: &[&Value]) -> String {
    let row = |line: &&Value| {
        format!(
            "| {} | {} % | {} | {} | {} | **{}** | 0 | {} | {} |\n",
            line["load"],
            line["loss_percent"],
            line["minutes"],
            line["ends"],
            line["downs"],
            line["false_downs"],
            line["late"],
            or_dash(line["lateness_ms_max"].as_f64(), 1),
        )
    };
    if lines.is_empty() {
        return String::new();
    }
    let rows: String = lines.iter().map(row).collect();
    format!(
        "| nothing is cut: busy processes besides | loss | minutes | ends of paths | Downs | false Downs | must \
         | times that a sleeper of 5 ms woke over 50 ms late | the latest, ms |\n|---|---|---|---|---|---|---|---|---|\n{rows}\n\
         A Down is false when the process at neither end missed its own timer by half the time-out.\n\n"
    )
}

fn bundle(line: &Value) -> String {
    let number = |field: &str| line[field].as_f64().unwrap_or_default();
    let (two, one, after) = (number("two_mb_per_s"), number("one_mb_per_s"), number("after_cut_mb_per_s"));
    let ratio = |number: f64| if one > 0.0 { format!("**{:.2}**", number / one) } else { "-".to_owned() };
    format!(
        "| one stream, switches of {} Mbit/s, medians of {} | MB/s | of that over one | must | goal |\n|---|---|---|---|---|\n\
         | over two switches | {two:.0} | {} | 1.6 | 1.9 |\n| over one | {one:.0} | | | |\n\
         | over two, from the moment on at which one is cut | {after:.0} | {} | 0.9 | |\n\n",
        line["mbit_per_s"],
        line["rounds"],
        ratio(two),
        ratio(after),
    )
}

fn monitoring(lines: &[&Value]) -> String {
    let row = |line: &&Value| {
        let number = |field: &str, digits| or_dash(line[field].as_f64(), digits);
        format!(
            "| {} | {} | {} | {} | **{}** | {} |\n",
            line["settings"].as_str().filter(|settings| !settings.is_empty()).unwrap_or("as delivered"),
            line["nodes"],
            line["paths"],
            number("frames_per_path_per_s", 1),
            number("thread_percent", 2),
            number("process_percent", 2),
        )
    };
    if lines.is_empty() {
        return String::new();
    }
    let rows: String = lines.iter().map(row).collect();
    format!(
        "| an idle node: configuration | nodes | paths | frames sent for each path, per second \
         | the thread that watches paths, % of a core | the whole process, % |\n|---|---|---|---|---|---|\n{rows}\n\
         Must: 1.5 % at a ping each 20 ms, 5 % at one each 5 ms; goal: half of that.\n\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn tables_of_a_trace() {
        let trial = |last: f64| {
            json!({
                "kind": "switch-dead", "ends": 12, "down_first_ms": 20.0, "down_last_ms": last, "up_last_ms": 50.0,
                "gap_ms": last, "control_gap_ms": 2.0, "behind_ms": 4.0, "later_gap_ms": 1.0, "flaps": 1, "stray_downs": 0,
            })
        };
        let end = json!({ "kind": "switch-dead", "end": true, "wrong_bytes": 0, "broken": 2 });
        let loss = json!({ "kind": "loss", "ends": 0, "gap_ms": 3.0, "control_gap_ms": 1.0, "stray_downs": 4 });
        let soak = json!({
            "kind": "soak-load-loss", "load": 4, "loss_percent": 1, "minutes": 0.5, "ends": 24, "downs": 3, "false_downs": 1,
            "late": 7, "lateness_ms_max": 61.25,
        });
        let bundle = json!({
            "kind": "bundle", "mbit_per_s": 1000, "rounds": 5, "two_mb_per_s": 450.0, "one_mb_per_s": 250.0,
            "after_cut_mb_per_s": 225.0,
        });
        let monitoring = json!({
            "kind": "monitoring heartbeat_ms=5", "settings": "heartbeat_ms=5", "nodes": 32, "paths": 62, "frames_per_path_per_s": 50.0, "thread_percent": 1.25,
            "process_percent": 1.5,
        });
        let table = table(&[trial(40.0), trial(60.0), end, loss, soak, bundle, monitoring]);
        for row in [
            "| switch dead, carriers up | 2 | 12 | 20.0 / 20.0 / 20.0 | 40.0 / 60.0 / 60.0 **60.0** | 100 | 40 \
             | 50.0 / 50.0 / 50.0 | 500 | 100 | 2 | 0 |\n",
            "| switch dead, carriers up | 2 | **58.0** | 150 | 30 | 40.0 / 60.0 / 60.0 | 2.0 / 2.0 / 2.0 \
             | 4.0 / 4.0 / 4.0 | 1.0 | 0 | 2 |\n",
            "| 5 % loss at a switch | 1 | 0 | - | - | - | - | - | - | - | 0 | 4 |\n",
            "| 4 | 1 % | 0.5 | 24 | 3 | **1** | 0 | 7 | 61.2 |\n",
            "| over two switches | 450 | **1.80** | 1.6 | 1.9 |\n",
            "one is cut | 225 | **0.90** | 0.9 | |\n",
            "| heartbeat_ms=5 | 32 | 62 | 50.0 | **1.25** | 1.50 |\n",
        ] {
            assert!(table.contains(row), "{row} in\n{table}");
        }
        assert!(!table.contains("cable pulled"), "{table}");
    }
}
