//! Being wrong about a path must be cheap: a demo whose nodes believe, once a second, that a sound path is down, beside
//! one whose nodes do not.

use std::io;
use std::thread::sleep;
use std::time::Duration;

use rain_benches::{Demo, Trace};
use rain_gauge::median;
use rain_harness::get;
use serde_json::json;

use crate::counters::Counters;
use crate::settings::{FALSE_DOWNS, Settings, ms};
use crate::source::HttpSource;
use crate::trials::start_demo;
use crate::viewer::{Counts, Viewer};

/// Wrong verdicts a second, in each node.
const RATE: &str = "1";
/// Medians are of so many reads.
const ROUNDS: usize = 15;
const ROUNDS_FEW: usize = 3;
/// Seconds of a paced viewer.
const SECONDS: u64 = 60;
const SECONDS_FEW: u64 = 5;
/// A viewer is not judged before it has read for so long.
const CALM: Duration = Duration::from_millis(500);
const PATIENCE: Duration = Duration::from_secs(30);

/// Measures both, in turns. Gives what must not be and was.
pub(crate) fn run(settings: &Settings, trace: &mut Trace) -> io::Result<Vec<String>> {
    let seed = settings.seed.to_string();
    let without = start_demo(settings, &[])?;
    let with = start_demo(settings, &["--false-downs", RATE, "--seed", &seed])?;
    let (rounds, seconds) = if settings.correctness_only { (ROUNDS_FEW, SECONDS_FEW) } else { (ROUNDS, SECONDS) };

    let (mut speeds_with, mut speeds_without) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        for (demo, speeds) in [(&with, &mut speeds_with), (&without, &mut speeds_without)] {
            let path = format!("/v/{}", settings.title().name);
            speeds.push(get(demo.port(0), &path, |_| Ok(()))?.gb_per_s());
        }
    }
    let (with_speed, without_speed) = (median(&mut speeds_with), median(&mut speeds_without));

    let without_seen = watch(settings, &without, seconds)?;
    let with_seen = watch(settings, &with, seconds)?;
    let line = json!({
        "kind": FALSE_DOWNS, "per_second": 1.0, "rounds": rounds, "seconds": seconds,
        "with_gb_per_s": with_speed, "without_gb_per_s": without_speed, "ratio": with_speed / without_speed,
        "all_with_gb_per_s": speeds_with, "all_without_gb_per_s": speeds_without,
        "with_gap_ms": ms(with_seen.gap), "without_gap_ms": ms(without_seen.gap),
        "with_behind_ms": ms(with_seen.behind), "without_behind_ms": ms(without_seen.behind),
        "with_reopening_ms_max": ms(with_seen.reopening), "without_reopening_ms_max": ms(without_seen.reopening),
        "with_path_switches": with_seen.path_switches, "without_path_switches": without_seen.path_switches,
    });
    println!("   {line}");
    trace.push(line)?;
    let mut complaints = Vec::new();
    for (name, Counts { wrong_bytes, broken, errors, .. }) in
        [("with", with_seen.counts), ("without", without_seen.counts)]
    {
        if wrong_bytes + broken > 0 {
            complaints
                .push(format!("{name}: {wrong_bytes} wrong bytes, {broken} broken streams ({})", errors.join("; ")));
        }
    }
    Ok(complaints)
}

/// What a paced viewer saw.
struct Watched {
    gap: Duration,
    behind: Duration,
    reopening: Duration,
    path_switches: f64,
    counts: Counts,
}

fn watch(settings: &Settings, demo: &Demo, seconds: u64) -> io::Result<Watched> {
    let viewer = Viewer::start(HttpSource::new(demo.port(0)), settings.title());
    viewer.settle(CALM, Duration::ZERO, PATIENCE)?;
    let before = Counters::of(demo.port(0))?;
    let began = viewer.now();
    sleep(Duration::from_secs(seconds));
    let now = viewer.now();
    let seen = viewer.seen(began..now, now);
    let path_switches = Counters::of(demo.port(0))?.since(before).path_switches;
    let reopening = viewer.pause_max();
    Ok(Watched { gap: seen.gap, behind: seen.behind, reopening, path_switches, counts: viewer.stop() })
}
