//! Cuts of one kind: a span without one, the cut at a random moment, what both ends say, its healing.

use std::collections::BTreeMap;
use std::io;
use std::thread::sleep;
use std::time::Duration;

use rain_benches::{Trace, put_content};
use rain_harness::ask;
use serde_json::{Value, json};

use super::Settings;
use super::cut::{Cut, Target};
use super::laboratory::{End, Laboratory, Place};
use crate::counters::Counters;
use crate::kind::Random;
use crate::settings::ms;
use crate::source::HttpSource;
use crate::viewer::{Counts, Viewer};

/// The node that the viewer reads from.
const OWN: usize = 0;
/// The moment of a cut is random within so many microseconds.
const PHASE_US: u64 = 200_000;
/// A viewer is on time for so long before a trial begins, and after all paths are up again.
const CALM: Duration = Duration::from_millis(300);
const CALM_PATIENCE: Duration = Duration::from_secs(40);
/// So long is watched with a cut, and before it without one.
const OBSERVED: Duration = Duration::from_millis(700);
const OBSERVED_FEW: Duration = Duration::from_millis(400);
const CONTROL_FEW: Duration = Duration::from_millis(100);
/// Every end that must say Down says it within this time, on whatever machine.
const DOWN_PATIENCE: Duration = Duration::from_secs(5);
/// Every path is up within this time of being healed.
const UP_PATIENCE: Duration = Duration::from_secs(15);
/// So many trials of a kind that cannot be made end it.
const FAILED_TRIALS_MAX: u32 = 3;

/// What the trials of a kind have come to.
#[derive(Default)]
struct Tally {
    counts: Counts,
    not_down: u32,
    not_up: u32,
    failed: u32,
    made: u32,
}

/// Stores the title where it is not yet, and waits until every path is up.
pub(super) fn prepare(settings: &Settings, lab: &Laboratory) -> io::Result<()> {
    let (is_up, _) = lab.wait(None, UP_PATIENCE, |ends| ends.iter().all(|end| end.is_up))?;
    if !is_up {
        return Err(io::Error::other(format!("not every path is up after {UP_PATIENCE:?}")));
    }
    let title = settings.title();
    if ask(lab.server(OWN), &format!("/api/v1/titles/{}", title.name)).is_err() {
        put_content(lab.server(OWN), title.name, title.bytes, title.seed)?;
    }
    Ok(())
}

/// Makes all trials of a kind; a line for each. Gives what must not be and was.
pub(super) fn run(settings: &Settings, cut: Cut, lab: &Laboratory, trace: &mut Trace) -> io::Result<Vec<String>> {
    prepare(settings, lab)?;
    let mut tally = Tally::default();
    let mut random = Random::new(settings.seed ^ (cut as u64) << 32);
    let stall_before = Counters::of_any(lab.server(OWN)).stall_seconds;
    let viewer = Viewer::start(HttpSource::new(lab.server(OWN)), settings.title());
    while tally.made < settings.cuts() {
        let target = cut.choose(&mut random, lab, OWN);
        match trial(settings, (lab, &viewer), &target, &mut random) {
            Ok(None) => {}
            Ok(Some(mut trial)) => {
                trial.line["kind"] = cut.name().into();
                trial.line["seed"] = settings.seed.into();
                trial.line["trial"] = tally.made.into();
                println!("   {}", trial.line);
                trace.push(trial.line)?;
                tally.made += 1;
                tally.not_down += u32::from(!trial.is_noticed);
                tally.not_up += u32::from(!trial.is_healed);
            }
            Err(error) => {
                println!("   {}: {error}", target.cut);
                lab.change(&target.heal)?;
                tally.failed += 1;
                if tally.failed >= FAILED_TRIALS_MAX {
                    break;
                }
            }
        }
    }
    tally.counts = viewer.stop();
    // The longest stall that a node tells is that since it began: it is of these trials only if it is a new one.
    let stall = Counters::of_any(lab.server(OWN)).stall_seconds.filter(|stall| Some(*stall) > stall_before);
    let Tally { counts, not_down, not_up, failed, made } = tally;
    trace.push(json!({
        "kind": cut.name(), "end": true, "trials": made, "bytes": counts.bytes, "titles": counts.titles,
        "wrong_bytes": counts.wrong_bytes, "broken": counts.broken, "errors": counts.errors, "not_down": not_down,
        "not_up": not_up, "failed_trials": failed, "server_stall_ms_max": stall.map(|seconds| seconds * 1e3),
    }))?;
    let complaints = [
        (counts.wrong_bytes, "wrong bytes".to_owned()),
        (counts.broken, format!("broken streams ({})", counts.errors.join("; "))),
        (not_down.into(), format!("cuts of which an end said nothing within {DOWN_PATIENCE:?}")),
        (not_up.into(), format!("cuts after whose healing not every path came up within {UP_PATIENCE:?}")),
        (failed.into(), "trials that could not be made".to_owned()),
    ];
    Ok(complaints.into_iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect())
}

struct Trial {
    line: Value,
    is_noticed: bool,
    is_healed: bool,
}

/// Makes one trial. None when the title ended in one of its spans, so that it counts for nothing.
fn trial(
    settings: &Settings,
    (lab, viewer): (&Laboratory, &Viewer),
    target: &Target,
    random: &mut Random,
) -> io::Result<Option<Trial>> {
    let few = settings.correctness_only;
    let (control, observed) = if few { (CONTROL_FEW, OBSERVED_FEW) } else { (OBSERVED, OBSERVED) };
    let phase = Duration::from_micros(random.below(PHASE_US));
    let room = if few { Duration::ZERO } else { control + observed + CALM + Duration::from_micros(PHASE_US) };
    viewer.settle(CALM, room, CALM_PATIENCE)?;
    viewer.forget();
    let before = lab.all_ends(None)?;
    sleep(phase);

    let began = viewer.now();
    sleep(control);
    let control = viewer.seen(began..viewer.now(), viewer.now());

    let struck = viewer.now();
    let cut = lab.change(&target.cut)?;
    sleep((struck + observed).saturating_sub(viewer.now()));
    let observed = viewer.now();
    let must = |end: &&End| target.ends.contains(&end.place);
    let is_down = |end: &End| !end.is_up && end.since_us >= cut.before_us;
    let (is_noticed, ends) = lab.wait(target.process, DOWN_PATIENCE, |ends| ends.iter().filter(must).all(is_down))?;
    let downs = times(ends.iter().filter(must).filter(|end| is_down(end)), cut.before_us);

    let heal = lab.change(&target.heal)?;
    let (is_healed, after) = lab.wait(None, UP_PATIENCE, |ends| ends.iter().all(|end| end.is_up))?;
    // Of a process that was struck, its own ends too, where they have come up again.
    let is_of_it = |end: &&End| must(end) || Some(end.place.at) == target.process;
    let ups = times(after.iter().filter(is_of_it).filter(|end| end.since_us >= heal.before_us), heal.before_us);
    viewer.settle(CALM, Duration::ZERO, CALM_PATIENCE)?;
    let now = viewer.now();
    let (seen, later) = (viewer.seen(struck..observed, now), viewer.seen(observed..now, now));
    if !few && (control.is_paused || seen.is_paused) {
        return Ok(None);
    }
    let (flaps, strays) = more_downs(&before, &lab.all_ends(None)?, target);
    let line = json!({
        "cut": target.cut, "phase_ms": ms(phase), "injecting_ms": us(cut.after_us - cut.before_us),
        "control_gap_ms": ms(control.gap), "control_behind_ms": ms(control.behind),
        "gap_ms": ms(seen.gap), "behind_ms": ms(seen.behind), "later_gap_ms": ms(later.gap),
        "ends": target.ends.len(), "down_ms": downs, "down_first_ms": downs.first(), "down_last_ms": downs.last(),
        "up_ms": ups, "up_last_ms": ups.last(), "flaps": flaps, "stray_downs": strays,
    });
    Ok(Some(Trial { line, is_noticed, is_healed }))
}

/// How long after some moment the ends came to their state, in ms, sorted.
fn times<'ends>(ends: impl Iterator<Item = &'ends End>, from_us: u64) -> Vec<f64> {
    let mut times: Vec<f64> = ends.map(|end| us(end.since_us.saturating_sub(from_us))).collect();
    times.sort_by(f64::total_cmp);
    times
}

/// Microseconds as ms.
pub(super) fn us(time: u64) -> f64 {
    ms(Duration::from_micros(time))
}

/// How often ends that were cut went down more than once, and how often others did at all. What a process that was struck
/// says of its paths, and others of theirs to it, is not counted: all it knew is old.
fn more_downs(before: &[End], after: &[End], target: &Target) -> (u64, u64) {
    let before: BTreeMap<Place, u64> = before.iter().map(|end| (end.place, end.downs)).collect();
    let (mut flaps, mut strays) = (0, 0);
    for end in after {
        let downs = end.downs.saturating_sub(before.get(&end.place).copied().unwrap_or(end.downs));
        let is_struck = [Some(end.place.at), Some(end.place.to)].contains(&target.process);
        if target.ends.contains(&end.place) {
            flaps += downs.saturating_sub(1);
        } else if !is_struck {
            strays += downs;
        }
    }
    (flaps, strays)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn downs_beyond_those_of_the_cut_are_counted() {
        let place = |at, to| Place { at, to, switch: 0 };
        let end =
            |at, to, downs| End { place: place(at, to), is_up: true, since_us: 0, downs, down_us: None, timeout_us: 0 };
        let before = [end(0, 1, 4), end(1, 0, 0), end(0, 2, 1), end(2, 0, 0)];
        let after = [end(0, 1, 5), end(1, 0, 3), end(0, 2, 2), end(2, 0, 0)];
        let target =
            |process| Target { cut: String::new(), heal: String::new(), process, ends: vec![place(0, 1), place(1, 0)] };
        assert_eq!(more_downs(&before, &after, &target(None)), (2, 1));
        assert_eq!(more_downs(&before, &after, &target(Some(2))), (2, 0), "node 2 was struck");
    }

    #[test]
    fn times_are_sorted_and_in_ms() {
        let end = |since_us| End {
            place: Place { at: 0, to: 1, switch: 0 },
            is_up: false,
            since_us,
            downs: 1,
            down_us: None,
            timeout_us: 0,
        };
        assert_eq!(times([end(3500), end(2000)].iter(), 1000), [1.0, 2.5]);
    }
}
