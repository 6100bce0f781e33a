//! Wrong verdicts: for a long time nothing is cut, idle and under load, without and with loss. A Down is *false* when the
//! process at neither of its ends missed its own timer by half the time-out; the others are told too.

use std::fs;
use std::io;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use clap::ValueEnum;
use rain_benches::Trace;
use serde_json::json;

use super::laboratory::{End, Laboratory};
use super::{Settings, trials};
use crate::settings::ms;

/// Processes that do nothing but compute, on top of the nodes.
const LOAD: usize = 4;
/// After a load or a loss began, the nodes have so long to learn what is usual now.
const LEARN: Duration = Duration::from_secs(5);
/// A sleeper wakes so often; how late it is tells what the machine does to every process.
const NAP: Duration = Duration::from_millis(5);
/// Half of the shortest time-out, 100 ms: a process that misses its timer by this cannot tell silence from its own.
const LATE: Duration = Duration::from_millis(50);
const LOOK: Duration = Duration::from_secs(1);

/// A node was held up, and another one said Down: that comes at most so much later than the time-out.
const WAY_US: u64 = 5_000;

/// What nodes live with while nothing is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Soak {
    #[value(name = "soak-idle")]
    Idle,
    #[value(name = "soak-load")]
    Load,
    #[value(name = "soak-loss")]
    Loss,
    #[value(name = "soak-load-loss")]
    LoadAndLoss,
}

impl Soak {
    /// All of them, in the order of the table.
    pub(super) const ALL: [Self; 4] = [Self::Idle, Self::Load, Self::Loss, Self::LoadAndLoss];

    /// Its name on the command line and in traces.
    pub(super) fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    const fn is_loaded(self) -> bool {
        matches!(self, Self::Load | Self::LoadAndLoss)
    }

    /// So many percent of all frames are lost, at every switch.
    const fn loss_percent(self) -> u8 {
        if matches!(self, Self::Loss | Self::LoadAndLoss) { 1 } else { 0 }
    }
}

/// Soaks; a line. Only a path that does not come up again is a failure: Downs are told in the table.
pub(super) fn run(settings: &Settings, kind: Soak, lab: &Laboratory, trace: &mut Trace) -> io::Result<Vec<String>> {
    trials::prepare(settings, lab)?;
    let time = Duration::from_secs_f64(settings.minutes * 60.0);
    if kind.loss_percent() > 0 {
        lab.change(&format!("loss all {}", kind.loss_percent()))?;
    }
    let load = if kind.is_loaded() { Load::start()? } else { Load(Vec::new()) };
    sleep(LEARN.min(time));
    let soaked = soak(lab, time);
    let processes = load.0.len();
    drop(load);
    lab.change("loss all heal")?;
    let Soaked { downs, falsely, ends, lateness } = soaked?;
    let average = fs::read_to_string("/proc/loadavg")?;
    let line = json!({
        "kind": kind.name(), "load": processes, "loss_percent": kind.loss_percent(),
        "minutes": settings.minutes, "ends": ends, "downs": downs, "false_downs": falsely,
        "late": lateness.late,
        "lateness_ms_max": ms(lateness.max), "loadavg": average.split(' ').next(),
    });
    println!("   {line}");
    trace.push(line)?;
    Ok(Vec::new())
}

/// What a sleeper saw of the machine.
#[derive(Clone, Copy, Debug, Default)]
struct Lateness {
    max: Duration,
    /// How often it woke more than half a time-out late.
    late: u64,
}

/// What was seen in a soak.
#[derive(Clone, Copy, Debug, Default)]
struct Soaked {
    downs: u64,
    /// Of these, the false ones.
    falsely: u64,
    ends: usize,
    lateness: Lateness,
}

/// Counts the Downs of all ends over some time.
fn soak(lab: &Laboratory, time: Duration) -> io::Result<Soaked> {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let sleeper = scope.spawn(|| watch(&is_over));
        let counted = count(lab, time);
        is_over.store(true, Ordering::Relaxed);
        let lateness = sleeper.join().unwrap_or_default();
        Ok(Soaked { lateness, ..counted? })
    })
}

fn count(lab: &Laboratory, time: Duration) -> io::Result<Soaked> {
    let until = Instant::now() + time;
    let mut before = lab.all_ends(None)?;
    let mut soaked = Soaked { ends: before.len(), ..Soaked::default() };
    loop {
        sleep(LOOK.min(until.saturating_duration_since(Instant::now())));
        let after = lab.all_ends(None)?;
        for (before, end) in before.iter().zip(&after).filter(|(before, end)| end.downs > before.downs) {
            let downs = end.downs - before.downs;
            soaked.downs += downs;
            let spans = [lab.held_up(end.place.at)?, lab.held_up(end.place.to)?].concat();
            // Only of the last one it is known when it was.
            soaked.falsely += if is_excused(end, &spans) { downs - 1 } else { downs };
        }
        before = after;
        if Instant::now() >= until {
            return Ok(soaked);
        }
    }
}

/// Whether the process at one of the ends missed its own timer by half the time-out at the moment of a Down, or not long
/// before.
fn is_excused(end: &End, held_up: &[[u64; 2]]) -> bool {
    let Some(down) = end.down_us else { return false };
    let around = |due: u64, woke: u64| due <= down && down <= woke + end.timeout_us + WAY_US;
    held_up.iter().any(|&[due, woke]| woke - due.min(woke) >= end.timeout_us / 2 && around(due, woke))
}

fn watch(is_over: &AtomicBool) -> Lateness {
    let mut seen = Lateness::default();
    while !is_over.load(Ordering::Relaxed) {
        let began = Instant::now();
        sleep(NAP);
        let late = began.elapsed().saturating_sub(NAP);
        seen.max = seen.max.max(late);
        seen.late += u64::from(late > LATE);
    }
    seen
}

/// Processes that compute; they end with the value.
struct Load(Vec<Child>);

impl Load {
    fn start() -> io::Result<Self> {
        let mut load = Self(Vec::new());
        for _ in 0..LOAD {
            let mut busy = Command::new("sh");
            busy.args(["-c", "while :; do :; done"]).stdin(Stdio::null());
            load.0.push(busy.spawn()?);
        }
        Ok(load)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        for child in &mut self.0 {
            // One that has ended is as good.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::laboratory::Place;
    use super::*;

    /// A time-out of 100 ms, a Down at 1000 ms.
    #[test]
    fn a_down_is_excused_by_a_missed_timer_of_that_time() {
        let place = Place { at: 0, to: 1, switch: 0 };
        let end = End { place, is_up: false, since_us: 0, downs: 1, down_us: Some(1_000_000), timeout_us: 100_000 };
        let excused = |due_ms: u64, woke_ms: u64| is_excused(&end, &[[due_ms * 1000, woke_ms * 1000]]);
        assert!(excused(940, 990) && excused(940, 1100) && excused(850, 900), "held up then, or just before");
        assert!(!excused(960, 1009), "for less than half of it");
        assert!(!excused(800, 890), "too long before");
        assert!(!excused(1001, 1200), "after it");
        assert!(!is_excused(&End { down_us: None, ..end }, &[[0, u64::MAX / 2]]) && !is_excused(&end, &[]));
    }
}
