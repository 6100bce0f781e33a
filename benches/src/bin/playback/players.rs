//! Players that people use, in Chromium, while parts of a demo fail: for how long is the picture frozen?

use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use rain_benches::{Demo, Trace, free_ports};
use rain_gauge::Machine;
use rain_harness::TemporaryFolder;
use serde_json::{Value, json};

use crate::counters::wait_until_up;
use crate::{document, film, script};

const TITLE: &str = "players.mp4";
/// Longer than any run plays.
const FILM_SECONDS: u32 = 270;
const SHORT_FILM_SECONDS: u32 = 90;
/// Ports for one demo.
const PORTS: u16 = 20;
/// Seconds for which a fault lasts: longer than what players have ahead, a segment of four seconds beside their goal.
const HOLD: u32 = 7;
/// What stands for the fault where a run was not seen to its end.
const LOST: &str = "lost";
const HEAL_PATIENCE: Duration = Duration::from_secs(30);

/// What `players` is asked for.
#[derive(Clone, Debug, Args)]
pub(crate) struct Settings {
    /// How many runs of each mode, each with chances of its own
    #[arg(long, default_value_t = 20)]
    seeds: u32,
    /// Only these modes
    #[arg(long, value_delimiter = ',')]
    modes: Vec<Mode>,
    /// Seconds that players with the worker are told to keep ahead
    #[arg(long, default_value_t = 2)]
    buffer: u32,
    /// The first of the ports for the demo cluster
    #[arg(long, default_value_t = 14_000)]
    port: u16,
    /// Where records go, instead of benches/record; docs/playback.md is left alone then
    #[arg(long)]
    out: Option<PathBuf>,
    /// A minute of it; nothing is recorded
    #[arg(long)]
    correctness_only: bool,
}

/// What helps the players.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Mode {
    /// The service worker; their own settings are as they come.
    Worker,
    /// Settings.
    Tuned,
    /// Nothing: the browser's own player, which has no settings.
    Plain,
}

/// One start of a browser.
#[derive(Clone, Copy, Debug)]
struct Run {
    mode: Mode,
    players: &'static [&'static str],
    buffer: u32,
    faults: &'static [&'static str],
    first: u32,
    every: u32,
    hold: u32,
}

const FOUR: &[&str] = &["hls", "dash", "shaka", "videojs"];
/// Those with settings that help.
const THREE: &[&str] = &["hls", "dash", "shaka"];
/// Twice, in different order: about 180 s.
const ALL_FAULTS: &[&str] = &[
    "node-hung",
    "swap",
    "switch-silent",
    "node-killed",
    "killed-in-rebuild",
    "swap",
    "node-hung",
    "killed-in-rebuild",
    "node-killed",
    "switch-silent",
];
/// The columns of the table.
const FAULTS: [&str; 5] = ["node-killed", "node-hung", "switch-silent", "swap", "killed-in-rebuild"];

/// What each seed does. Whoever has no worker loses one part, as players remember for minutes what they left.
fn runs(settings: &Settings) -> Vec<Run> {
    if settings.correctness_only {
        let short = Run {
            mode: Mode::Worker,
            players: FOUR,
            buffer: settings.buffer,
            faults: &["node-hung", "swap"],
            first: 4,
            every: 11,
            hold: HOLD,
        };
        return vec![
            short,
            Run { mode: Mode::Tuned, players: THREE, buffer: 4, faults: &["node-hung"], hold: 12, ..short },
        ];
    }
    let all = Run {
        mode: Mode::Worker,
        players: FOUR,
        buffer: settings.buffer,
        faults: ALL_FAULTS,
        first: 8,
        every: 20,
        hold: HOLD,
    };
    let one = |mode, players, faults, seconds| Run {
        mode,
        players,
        buffer: 4,
        faults,
        first: 8,
        every: seconds,
        hold: seconds,
    };
    let runs = [
        all,
        one(Mode::Tuned, THREE, &["node-killed"], 16),
        one(Mode::Tuned, THREE, &["node-hung"], 16),
        one(Mode::Tuned, THREE, &["switch-silent"], 16),
        one(Mode::Plain, &["native"], &["node-killed"], 24),
        one(Mode::Plain, &["native"], &["node-hung"], 24),
    ];
    let wanted = |run: &Run| settings.modes.is_empty() || settings.modes.contains(&run.mode);
    runs.into_iter().filter(wanted).collect()
}

/// Lets every seed play. Fails when a picture was frozen or a film could not be played.
pub(crate) fn run(settings: &Settings) -> io::Result<()> {
    let scratch = TemporaryFolder::new("players")?;
    let film = scratch.path().join(TITLE);
    film::make(&film, if settings.correctness_only { SHORT_FILM_SECONDS } else { FILM_SECONDS })?;
    let root = settings.out.as_deref().or(settings.correctness_only.then_some(scratch.path()));
    let runs = runs(settings);
    let anew: Vec<String> =
        runs.iter().flat_map(|run| run.players.iter().map(|player| kind(run.mode, player))).collect();
    let parameters = json!({ "buffer": settings.buffer, "segment_seconds": 4 });
    let mut trace = Trace::begin(root, &Machine::detect(), "players", &parameters, &anew)?;
    let demo = Demo::start(free_ports(settings.port, PORTS)?, &[])?;
    let supervisor = format!("http://127.0.0.1:{}", demo.supervisor());
    film::put(&film, TITLE, &supervisor)?;
    let everyone: Vec<usize> = (0..demo.node_count()).collect();
    let seeds = if settings.correctness_only { 1 } else { settings.seeds };
    let mut failures = Vec::new();
    for (seed, run) in (1..=seeds).flat_map(|seed| runs.iter().map(move |run| (seed, run))) {
        wait_until_up(&demo, &everyone, HEAL_PATIENCE);
        let lines = play(&supervisor, seed, run).unwrap_or_else(|error| lost(seed, run, &error));
        for line in lines {
            println!("   {line}");
            if let Some(failure) = failure(&line) {
                println!("   FAILED: {failure}");
                failures.push(failure);
            }
            trace.push(line)?;
        }
    }
    let table = table(trace.lines());
    println!("\n{table}");
    if !settings.correctness_only {
        println!("{}", trace.path().display());
        if settings.out.is_none() {
            document::replace("players", &table)?;
        }
    }
    if failures.is_empty() { Ok(()) } else { Err(io::Error::other(failures.join("\n"))) }
}

/// The name of a mode on the command line and in traces.
fn name(mode: Mode) -> String {
    mode.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

/// The kind of the lines of a player.
fn kind(mode: Mode, player: &str) -> String {
    format!("{}-{player}", name(mode))
}

/// Lets a browser play once; a line for each fault and player.
fn play(supervisor: &str, seed: u32, run: &Run) -> io::Result<Vec<Value>> {
    let plan = json!({
        "url": supervisor, "title": TITLE, "seed": seed, "mode": name(run.mode), "players": run.players, "buffer": run.buffer,
        "faults": run.faults, "first": run.first, "every": run.every, "hold": run.hold,
    });
    let output = script::run("players.mjs", &[&plan.to_string()])?;
    let lines: Vec<Value> = output.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let expected = run.faults.len() * run.players.len();
    if lines.len() == expected {
        return Ok(lines);
    }
    Err(io::Error::other(format!("players.mjs printed {} lines, expected {expected}", lines.len())))
}

/// The lines of a run that was not seen to its end.
fn lost(seed: u32, run: &Run, error: &io::Error) -> Vec<Value> {
    let line = |player: &&str| {
        json!({
            "kind": kind(run.mode, player), "mode": name(run.mode), "player": player, "buffer": run.buffer, "seed": seed,
            "fault": LOST, "errors": [error.to_string()],
        })
    };
    run.players.iter().map(line).collect()
}

/// What must not be and was. Whom nothing helps is only looked at.
fn failure(line: &Value) -> Option<String> {
    if line["mode"] == "plain" && line["fault"] != LOST {
        return None;
    }
    let has_errors = line["errors"].as_array().is_none_or(|errors| !errors.is_empty());
    let is_frozen = line["frozen_ms"] != 0 || line["skipped_ms"] != 0;
    // Where it plays from what was struck last, it was not touched: nothing was seen.
    let is_untouched = line["fault"] != "switch-silent" && struck(line).is_none_or(|node| *node == line["to"]);
    (has_errors || is_frozen || is_untouched).then(|| {
        format!(
            "{} seed {} {}: frozen for {} ms, skipped {} ms, from {} to {}, errors {}",
            line["kind"],
            line["seed"],
            line["fault"],
            line["frozen_ms"],
            line["skipped_ms"],
            line["from"],
            line["to"],
            line["errors"]
        )
    })
}

/// The node that was struck last.
fn struck(line: &Value) -> Option<&Value> {
    line["struck"].as_array()?.last()
}

/// The table, made from the lines of a trace: a row for each player, a column for each fault.
fn table(lines: &[Value]) -> String {
    let Some(head) = lines.first() else { return String::new() };
    let text_of = |name: &str| head["machine"][name].as_str().unwrap_or("unknown");
    let (cpu, date, commit) = (text_of("cpu"), text_of("date"), text_of("commit"));
    let mut text = format!("Measured on {cpu}, {date}, at commit {commit}.\n\n| player | buffer, s |");
    // Writing to a string cannot fail, here and below.
    let _ = writeln!(
        text,
        "{}\n|---|---|{}",
        FAULTS.map(|fault| format!(" {fault} |")).concat(),
        "---|".repeat(FAULTS.len())
    );
    let mut kinds: Vec<&str> = Vec::new();
    for kind in lines.iter().skip(1).filter_map(|line| line["kind"].as_str()) {
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    for kind in kinds {
        let of_kind: Vec<&Value> = lines.iter().filter(|line| line["kind"] == kind).collect();
        let _ = write!(text, "| {} | {} |", kind.replacen('-', ", ", 1), of_kind[0]["buffer"]);
        for fault in FAULTS {
            let of_fault: Vec<&Value> = of_kind.iter().copied().filter(|line| line["fault"] == fault).collect();
            let _ = write!(text, " {} |", cell(&of_fault));
        }
        text.push('\n');
    }
    text
}

/// How many of so many faults froze the picture, the longest freeze, and the least that was in the buffer.
fn cell(lines: &[&Value]) -> String {
    if lines.is_empty() {
        return "-".to_owned();
    }
    let frozen = lines.iter().filter(|line| line["frozen_ms"] != 0).count();
    let longest = lines.iter().filter_map(|line| line["frozen_ms_max"].as_u64()).max().unwrap_or_default();
    let lowest = lines.iter().filter_map(|line| line["buffered_s_min"].as_f64()).fold(f64::INFINITY, f64::min);
    let stopped = lines.iter().filter(|line| line["errors"].as_array().is_none_or(|errors| !errors.is_empty())).count();
    let mut text = format!("{frozen} of {}", lines.len());
    if frozen > 0 {
        let _ = write!(text, ", {longest} ms");
    }
    if stopped > 0 {
        let _ = write!(text, ", {stopped} with errors");
    }
    let _ = write!(text, "; least {lowest:.2} s");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(frozen: u32, to: &str) -> Value {
        json!({
            "kind": "tuned-hls", "mode": "tuned", "player": "hls", "buffer": 4, "seed": 1, "fault": "node-hung",
            "struck": ["http://b"], "from": "http://b", "to": to, "frozen_ms": frozen, "frozen_ms_max": frozen,
            "skipped_ms": 0, "buffered_s_min": 0.5, "errors": [],
        })
    }

    #[test]
    fn a_line_that_says_nothing_has_failed() {
        assert_eq!(failure(&line(0, "http://a")), None);
        assert!(failure(&line(20, "http://a")).is_some(), "frozen");
        assert!(failure(&line(0, "http://b")).is_some(), "the fault struck somebody else");
        let with = |key: &str, value: Value| {
            let mut line = line(0, "http://a");
            line[key] = value;
            line
        };
        assert!(failure(&with("errors", json!(["x"]))).is_some());
        assert!(failure(&with("skipped_ms", json!(400))).is_some());
        assert_eq!(failure(&with("fault", json!("switch-silent"))), None);
        assert!(failure(&json!({})).is_some());
        let plain = |fault: &str| json!({ "mode": "plain", "fault": fault, "frozen_ms": 1000, "errors": ["x"] });
        assert!(failure(&plain("node-hung")).is_none() && failure(&plain(LOST)).is_some());
    }

    #[test]
    fn each_fault_has_a_cell() {
        let machine = json!({ "cpu": "some CPU", "date": "2026-01-02", "commit": "0123456" });
        let head = json!({ "kind": "head", "machine": machine });
        let lines = [head, line(0, "http://a"), line(1200, "http://a"), line(40, "http://a")];
        let table = table(&lines);
        let row = "| tuned, hls | 4 | - | 2 of 3, 1200 ms; least 0.50 s | - | - | - |\n";
        assert!(table.ends_with(row), "{table}");
        assert!(table.starts_with("Measured on some CPU, 2026-01-02, at commit 0123456.\n\n| player |"), "{table}");
        assert_eq!(table.lines().count(), 5);
    }
}
