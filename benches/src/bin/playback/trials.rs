//! Trials of one kind of fault: a span without a fault, the fault at a random moment, the same span with it, its healing.

use std::io;
use std::thread::sleep;
use std::time::Duration;

use rain_benches::{Demo, Trace, free_ports, put_content};
use serde_json::{Value, json};

use crate::counters::{Counters, wait_until_up};
use crate::kind::{Fault, Kind, Random};
use crate::settings::{Settings, ms};
use crate::source::{GetSource, HttpSource};
use crate::viewer::{Counts, Viewer};

const NODES: usize = 4;
const SWITCHES: usize = 2;
/// The moment of a fault is random within so many microseconds.
const PHASE_US: u64 = 200_000;
/// A viewer is on time for so long before a trial begins, and after all parts are up again.
const CALM: Duration = Duration::from_millis(300);
/// More than this is not waited for a viewer to be on time: a title lasts 20 s, a stream breaks off after 10 s.
const CALM_PATIENCE: Duration = Duration::from_secs(40);
/// Everything is up again within this time of being healed.
const HEAL_PATIENCE: Duration = Duration::from_secs(15);
/// `rain get` has read for so long before it is seen which node it reads from.
const ATTACHED: Duration = Duration::from_millis(300);
/// A viewer that reads a title to its end has this time.
const TITLE_PATIENCE: Duration = Duration::from_mins(1);
/// So many trials of a kind that cannot be made end it.
const FAILED_TRIALS_MAX: u32 = 3;

/// Starts a demo with the title in it.
pub(crate) fn start_demo(settings: &Settings, arguments: &[&str]) -> io::Result<Demo> {
    let demo = Demo::start(free_ports(settings.port, 20)?, arguments)?;
    let title = settings.title();
    put_content(demo.port(0), title.name, title.bytes, title.seed)?;
    wait_until_up(&demo, &[0], HEAL_PATIENCE);
    Ok(demo)
}

/// What the trials of a kind have come to.
#[derive(Default)]
struct Tally {
    counts: Counts,
    stall_seconds_max: Option<f64>,
    unhealed: u32,
    failed: u32,
}

/// Makes all trials of a kind; a line for each. Gives what must not be and was.
///
/// Takes the demo that is there, or starts one; leaves it for the next kind where only correctness is asked for. Else
/// each kind has a demo of its own, so that the longest stall that its nodes report is of this kind.
pub(crate) fn run(
    settings: &Settings,
    kind: Kind,
    demo: &mut Option<Demo>,
    trace: &mut Trace,
) -> io::Result<Vec<String>> {
    let mut tally = Tally::default();
    let mut random = Random::new(settings.seed ^ (kind as u64) << 32);
    let mut made = 0;
    while made < settings.trials() {
        let at_work = match demo.take() {
            Some(demo) => demo,
            None => start_demo(settings, &[])?,
        };
        let watched = if kind.is_own() {
            own_trials(settings, kind, &at_work, &mut random, &mut made, &mut tally, trace)
        } else {
            other_trials(settings, kind, &at_work, &mut random, &mut made, &mut tally, trace)
        };
        let stalls = (0..NODES).filter_map(|node| Counters::of_any(at_work.port(node)).stall_seconds);
        tally.stall_seconds_max = stalls.chain(tally.stall_seconds_max).reduce(f64::max);
        match watched {
            Ok(()) if settings.correctness_only => *demo = Some(at_work),
            Ok(()) => {}
            Err(error) => {
                // A demo in an unknown state is of no more use; another one goes on.
                println!("   trial {made}: {error}\n{}", at_work.log());
                tally.failed += 1;
                if tally.failed >= FAILED_TRIALS_MAX {
                    break;
                }
            }
        }
    }
    let Tally { counts, stall_seconds_max, unhealed, failed } = tally;
    trace.push(json!({
        "kind": kind.name(), "end": true, "trials": made, "bytes": counts.bytes, "titles": counts.titles,
        "wrong_bytes": counts.wrong_bytes, "broken": counts.broken, "errors": counts.errors, "unhealed": unhealed,
        "failed_trials": failed, "server_stall_ms_max": stall_seconds_max.map(|seconds| seconds * 1e3),
    }))?;
    Ok(complaints(&counts, unhealed, failed))
}

fn complaints(counts: &Counts, unhealed: u32, failed: u32) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut complain = |count: u64, what: &str| {
        if count > 0 {
            complaints.push(format!("{count} {what}"));
        }
    };
    complain(counts.wrong_bytes, "wrong bytes");
    complain(counts.broken, &format!("broken streams ({})", counts.errors.join("; ")));
    complain(unhealed.into(), "faults after whose healing not everything came up again");
    complain(failed.into(), "trials that could not be made");
    complaints
}

/// Trials with a player at node A.
fn other_trials(
    settings: &Settings,
    kind: Kind,
    demo: &Demo,
    random: &mut Random,
    made: &mut u32,
    tally: &mut Tally,
    trace: &mut Trace,
) -> io::Result<()> {
    let viewer = Viewer::start(HttpSource::new(demo.port(0)), settings.title());
    let mut watch = || {
        while *made < settings.trials() {
            let faults = kind.choose(random, NODES, SWITCHES, 0);
            if let Some(trial) = trial(settings, kind, (demo, &viewer), &faults, random)? {
                push_trial(trace, kind, *made, &trial)?;
                *made += 1;
                if !trial.is_healed {
                    tally.unhealed += 1;
                    return Err(io::Error::other("not everything came up again"));
                }
            }
        }
        Ok(())
    };
    let watched = watch();
    tally.counts.add(&viewer.stop());
    watched
}

/// Trials with `rain get`, a new one each, at the node that it reads from.
fn own_trials(
    settings: &Settings,
    kind: Kind,
    demo: &Demo,
    random: &mut Random,
    made: &mut u32,
    tally: &mut Tally,
    trace: &mut Trace,
) -> io::Result<()> {
    while *made < settings.trials() {
        let order = random.shuffled((0..NODES).collect());
        let ports: Vec<u16> = order.iter().map(|node| demo.port(*node)).collect();
        let viewer = Viewer::start(GetSource::new(&ports), settings.title());
        let mut watch = || {
            let own = attached(demo, &viewer, &order)?;
            let faults = kind.choose(random, NODES, SWITCHES, own);
            trial(settings, kind, (demo, &viewer), &faults, random)
        };
        let watched = watch();
        // Where only correctness is asked for, the title is read to its end.
        let is_whole = settings.correctness_only && watched.is_ok();
        tally.counts.add(&if is_whole { viewer.finish(TITLE_PATIENCE) } else { viewer.stop() });
        if let Some(trial) = watched? {
            push_trial(trace, kind, *made, &trial)?;
            *made += 1;
            if !trial.is_healed {
                tally.unhealed += 1;
                return Err(io::Error::other("not everything came up again"));
            }
        }
    }
    Ok(())
}

/// The node that serves the only viewer; where nodes do not tell, the first one that was named.
fn attached(demo: &Demo, viewer: &Viewer, order: &[usize]) -> io::Result<usize> {
    viewer.settle(Duration::ZERO, Duration::ZERO, CALM_PATIENCE)?;
    let served = |node: &usize| Counters::of_any(demo.port(*node)).served_bytes;
    let before: Vec<f64> = order.iter().map(served).collect();
    sleep(ATTACHED);
    let after = order.iter().map(served);
    let grown = order.iter().zip(after.zip(before).map(|(after, before)| after - before));
    let most = grown.filter(|(_, grown)| *grown > 0.0).max_by(|one, other| one.1.total_cmp(&other.1));
    most.map(|(node, _)| *node).or(order.first().copied()).ok_or_else(|| io::Error::other("no node"))
}

/// What one trial saw.
struct Trial {
    line: Value,
    is_healed: bool,
}

fn push_trial(trace: &mut Trace, kind: Kind, number: u32, trial: &Trial) -> io::Result<()> {
    let mut line = trial.line.clone();
    line["kind"] = kind.name().into();
    line["trial"] = number.into();
    println!("   {line}");
    trace.push(line)
}

/// Makes one trial. None when the title ended in one of its spans, so that it counts for nothing.
fn trial(
    settings: &Settings,
    kind: Kind,
    (demo, viewer): (&Demo, &Viewer),
    faults: &[Fault],
    random: &mut Random,
) -> io::Result<Option<Trial>> {
    let phase = Duration::from_micros(random.below(PHASE_US));
    // Where gaps are not judged a title may end in a trial.
    let (control, observed) = (settings.control(kind), settings.observed(kind));
    let room = control + observed + CALM;
    let room = if settings.correctness_only { Duration::ZERO } else { room + Duration::from_micros(PHASE_US) };
    viewer.settle(CALM, room, CALM_PATIENCE)?;
    viewer.forget();
    sleep(phase);
    // Of a viewer's own node the counters die with it.
    let counters = || (!kind.is_own()).then(|| Counters::of(demo.port(0))).transpose();

    let at_first = counters()?;
    let began = viewer.now();
    sleep(control);
    let control = viewer.seen(began..viewer.now(), viewer.now());
    let before = counters()?;

    let struck = viewer.now();
    let injected = faults.iter().try_for_each(|fault| fault.inject(demo));
    let injecting = viewer.now().saturating_sub(struck);
    sleep((struck + observed).saturating_sub(viewer.now()));
    let observed = viewer.now();
    let after = counters()?;

    // Healed in any case, so that the next trial begins with a whole cluster.
    let healed = faults.iter().map(|fault| fault.heal(demo)).fold(Ok(()), io::Result::and);
    injected.and(healed)?;
    let everyone: Vec<usize> = (0..NODES).collect();
    let up = wait_until_up(demo, &everyone, HEAL_PATIENCE);
    viewer.settle(CALM, Duration::ZERO, CALM_PATIENCE)?;
    let now = viewer.now();
    let (seen, later) = (viewer.seen(struck..observed, now), viewer.seen(observed..now, now));
    if !settings.correctness_only && (control.is_paused || seen.is_paused) {
        return Ok(None);
    }
    let mut line = json!({
        "faults": faults.iter().map(|fault| format!("{} {} {}", fault.action, fault.part, fault.name)).collect::<Vec<_>>(),
        "phase_ms": ms(phase), "injecting_ms": ms(injecting),
        "control_gap_ms": ms(control.gap), "control_behind_ms": ms(control.behind),
        "gap_ms": ms(seen.gap), "behind_ms": ms(seen.behind),
        "later_gap_ms": ms(later.gap), "up_after_ms": up.map(ms),
    });
    if let (Some(at_first), Some(before), Some(after)) = (at_first, before, after) {
        let (healthy, under_fault) = (before.since(at_first), after.since(before));
        line["control_peer_bytes"] = healthy.peer_bytes.into();
        line["control_extra_bytes"] = healthy.extra_bytes.into();
        line["peer_bytes"] = under_fault.peer_bytes.into();
        line["extra_bytes"] = under_fault.extra_bytes.into();
        line["hedges_sent"] = under_fault.hedges_sent.into();
        line["server_stall_ms"] = after.stall_seconds.map(|seconds| seconds * 1e3).into();
    }
    Ok(Some(Trial { line, is_healed: up.is_some() }))
}
