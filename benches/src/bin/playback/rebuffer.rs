//! A player in Chromium with a buffer of 2 s, while a part fails every 5 s: how often does the picture wait?

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use clap::Args;
use rain_benches::{Demo, Trace, free_ports};
use rain_gauge::Machine;
use rain_harness::TemporaryFolder;
use serde_json::{Value, json};

use crate::counters::wait_until_up;
use crate::{document, film, script};

const TITLE: &str = "rebuffer.mp4";
/// The film is so much longer than it is played.
const MORE_SECONDS: u32 = 20;
/// Ports for one demo.
const PORTS: u16 = 20;
const HEAL_PATIENCE: Duration = Duration::from_secs(20);

/// What `rebuffer` is asked for.
#[derive(Clone, Debug, Args)]
pub(crate) struct Settings {
    /// How many runs, each with faults of its own
    #[arg(long, default_value_t = 20)]
    seeds: u32,
    /// How long each plays
    #[arg(long, default_value_t = 180)]
    seconds: u32,
    /// How many run at once, each with a demo and a browser of its own
    #[arg(long, default_value_t = 1)]
    at_once: u16,
    /// The first of the ports for demo clusters
    #[arg(long, default_value_t = 14_000)]
    port: u16,
    /// Where records go, instead of benches/record; docs/playback.md is left alone then
    #[arg(long)]
    out: Option<PathBuf>,
    /// Nothing is recorded
    #[arg(long)]
    correctness_only: bool,
}

/// Plays with every seed. Fails when a picture waited or a film could not be played.
pub(crate) fn run(settings: &Settings) -> io::Result<()> {
    let scratch = TemporaryFolder::new("rebuffer")?;
    let film = scratch.path().join(TITLE);
    film::make(&film, settings.seconds + MORE_SECONDS)?;
    let root = settings.out.as_deref().or(settings.correctness_only.then_some(scratch.path()));
    let parameters = json!({ "seconds": settings.seconds, "ahead_seconds": 2, "fault_every_seconds": 5 });
    let anew = ["rebuffer".to_owned()];
    let trace = Mutex::new(Trace::begin(root, &Machine::detect(), "rebuffer", &parameters, &anew)?);
    let seeds: Mutex<VecDeque<u32>> = Mutex::new((1..=settings.seeds).collect());
    let failures = thread::scope(|scope| {
        let players: Vec<_> = (0..settings.at_once.max(1))
            .map(|place| {
                let (film, trace, seeds) = (&film, &trace, &seeds);
                scope.spawn(move || play_some(settings, place, film, seeds, trace))
            })
            .collect();
        let mut failures = Vec::new();
        for player in players {
            match player.join() {
                Ok(Ok(some)) => failures.extend(some),
                Ok(Err(error)) => failures.push(error.to_string()),
                Err(_) => failures.push("a player panicked".to_owned()),
            }
        }
        failures
    });
    let trace = trace.into_inner().unwrap_or_else(PoisonError::into_inner);
    let table = table(trace.lines());
    println!("\n{table}");
    if !settings.correctness_only {
        println!("{}", trace.path().display());
        if settings.out.is_none() {
            document::replace("rebuffer", &table)?;
        }
    }
    if failures.is_empty() { Ok(()) } else { Err(io::Error::other(failures.join("\n"))) }
}

/// Plays with seeds until none is left. Gives what must not be and was.
fn play_some(
    settings: &Settings,
    place: u16,
    film: &Path,
    seeds: &Mutex<VecDeque<u32>>,
    trace: &Mutex<Trace>,
) -> io::Result<Vec<String>> {
    let port = free_ports(settings.port + place * PORTS, PORTS)?;
    let demo = Demo::start(port, &[])?;
    let supervisor = format!("http://127.0.0.1:{}", demo.supervisor());
    film::put(film, TITLE, &supervisor)?;
    let everyone: Vec<usize> = (0..demo.node_count()).collect();
    let mut failures = Vec::new();
    loop {
        let Some(seed) = seeds.lock().unwrap_or_else(PoisonError::into_inner).pop_front() else {
            return Ok(failures);
        };
        wait_until_up(&demo, &everyone, HEAL_PATIENCE);
        let mut line = match play(&supervisor, seed, settings.seconds) {
            Ok(line) => line,
            Err(error) => json!({ "seed": seed, "errors": [error.to_string()] }),
        };
        line["kind"] = "rebuffer".into();
        println!("   {line}");
        if let Some(failure) = failure(&line) {
            println!("   FAILED: {failure}\n{}", demo.log());
            failures.push(failure);
        }
        trace.lock().unwrap_or_else(PoisonError::into_inner).push(line)?;
    }
}

fn failure(line: &Value) -> Option<String> {
    let has_errors = line["errors"].as_array().is_none_or(|errors| !errors.is_empty());
    let is_failed = has_errors || line["rebuffers"] != 0;
    is_failed.then(|| {
        format!(
            "seed {}: {} rebuffers {}, errors {}",
            line["seed"], line["rebuffers"], line["waits_ms"], line["errors"]
        )
    })
}

/// Lets a browser play once.
fn play(supervisor: &str, seed: u32, seconds: u32) -> io::Result<Value> {
    let output = script::run("rebuffer.mjs", &[supervisor, TITLE, &seed.to_string(), &seconds.to_string()])?;
    Ok(serde_json::from_str(output.trim())?)
}

/// The table, made from the lines of a trace.
fn table(lines: &[Value]) -> String {
    let runs: Vec<&Value> = lines.iter().filter(|line| line["kind"] == "rebuffer").collect();
    let sum = |field: &str| runs.iter().filter_map(|run| run[field].as_u64()).sum::<u64>();
    let count = |field: &str| runs.iter().filter_map(|run| run[field].as_array()).map(Vec::len).sum::<usize>();
    let lowest = runs.iter().filter_map(|run| run["buffered_seconds_min"].as_f64()).fold(f64::INFINITY, f64::min);
    let lowest = if lowest.is_finite() { format!("{lowest:.2}") } else { "-".to_owned() };
    format!(
        "| Chromium, 2 s of buffer, a fault every 5 s | |\n|---|---|\n| runs, each with its own seed | {} |\n\
         | seconds of each | {} |\n| faults | {} |\n| rebuffers (must: 0) | {} |\n| streams that broke off | {} |\n\
         | least buffer, s | {lowest} |\n| media errors | {} |\n",
        runs.len(),
        lines.first().map_or(&Value::Null, |head| &head["parameters"]["seconds"]),
        count("faults"),
        sum("rebuffers"),
        count("breaks"),
        count("errors"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_says_nothing_has_failed() {
        assert_eq!(failure(&json!({ "seed": 1, "rebuffers": 0, "errors": [] })), None);
        assert!(failure(&json!({ "seed": 1, "rebuffers": 1, "errors": [] })).is_some());
        assert!(failure(&json!({ "seed": 1, "errors": ["x"] })).is_some());
        assert!(failure(&json!({})).is_some());
    }

    #[test]
    fn runs_are_added_up() {
        let head = json!({ "kind": "head", "parameters": { "seconds": 180 } });
        let run = |rebuffers: u32, least: f64| {
            json!({
                "kind": "rebuffer", "rebuffers": rebuffers, "buffered_seconds_min": least, "breaks": [{}], "errors": [],
                "faults": [{}, {}, {}],
            })
        };
        let table = table(&[head, run(0, 1.5), run(2, 0.25)]);
        for row in
            ["own seed | 2 |", "of each | 180 |", "| faults | 6 |", "(must: 0) | 2 |", "broke off | 2 |", "s | 0.25 |"]
        {
            assert!(table.contains(row), "{row}: {table}");
        }
    }
}
