//! One stream over two switches of 1 Gbit/s: how much faster it is than over one, and what is left when one is cut.

use std::io;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rain_benches::Trace;
use rain_gauge::median;
use rain_harness::get;
use serde_json::json;

use super::laboratory::Laboratory;
use super::{BUNDLE, Settings, trials};

/// The node that serves the stream.
const OWN: usize = 0;
/// Each port of each switch passes so much, each way.
const MBIT: u32 = 1000;
/// For so many cuts of each kind that are asked for, one reading of each kind; but a few in any case.
const CUTS_PER_ROUND: u32 = 20;
const ROUNDS_MIN: u32 = 3;
/// A path that has come up gets its whole share of traffic after a second.
const WARM: Duration = Duration::from_millis(1500);
const PATIENCE: Duration = Duration::from_secs(10);
/// The switch that is cut.
const CUT: &str = "switch s2 cut";
const HEAL: &str = "switch s2 heal";

/// Measures in turns: over both, over one, over both of which one is cut a third of the way. A line with all of them.
pub(super) fn run(settings: &Settings, lab: &Laboratory, trace: &mut Trace) -> io::Result<Vec<String>> {
    trials::prepare(settings, lab)?;
    lab.change(&format!("rate all {MBIT}"))?;
    let measured = rounds(settings, lab);
    lab.change(HEAL)?;
    lab.change("rate all heal")?;
    let (mut two, mut one, mut after) = measured?;
    let line = json!({
        "kind": BUNDLE, "mbit_per_s": MBIT, "rounds": two.len(), "bytes": settings.title().bytes,
        "all_two_mb_per_s": two, "all_one_mb_per_s": one, "all_after_cut_mb_per_s": after,
        "two_mb_per_s": median(&mut two), "one_mb_per_s": median(&mut one), "after_cut_mb_per_s": median(&mut after),
    });
    println!("   {line}");
    trace.push(line)?;
    Ok(Vec::new())
}

fn rounds(settings: &Settings, lab: &Laboratory) -> io::Result<(Vec<f64>, Vec<f64>, Vec<f64>)> {
    let bytes = settings.title().bytes;
    let (mut two, mut one, mut after) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..(settings.cuts() / CUTS_PER_ROUND).max(ROUNDS_MIN) {
        up(lab)?;
        two.push(read(settings, lab, bytes)?);
        up(lab)?;
        after.push(read(settings, lab, bytes / 3)?);
        // It is cut still.
        one.push(read(settings, lab, bytes)?);
        lab.change(HEAL)?;
    }
    Ok((two, one, after))
}

/// Waits until every path is up and has its whole share.
fn up(lab: &Laboratory) -> io::Result<()> {
    let (is_up, _) = lab.wait(None, PATIENCE, |ends| ends.iter().all(|end| end.is_up))?;
    sleep(WARM);
    if is_up { Ok(()) } else { Err(io::Error::other(format!("not every path is up after {PATIENCE:?}"))) }
}

/// Reads the title as fast as it comes, and cuts the switch when `cut_at` bytes have come. The speed from there on, or
/// over all of it where that is the end, in MB/s.
fn read(settings: &Settings, lab: &Laboratory, cut_at: u64) -> io::Result<f64> {
    let title = settings.title();
    let (mut began, mut counted, mut position) = (Instant::now(), 0, 0);
    get(lab.server(OWN), &format!("/v/{}", title.name), |piece| {
        let before = position;
        position += piece.len() as u64;
        counted += piece.len() as u64;
        if before < cut_at && position >= cut_at && position < title.bytes {
            (began, counted) = (Instant::now(), 0);
            lab.change(CUT)?;
        }
        Ok(())
    })?;
    // A microsecond for a byte: MB are counted as seconds are.
    Ok(Duration::from_micros(counted).as_secs_f64() / began.elapsed().as_secs_f64())
}
