//! Wrong verdicts: for a long time nothing is cut, idle and under load, without and with loss, and every Down is wrong.

use std::fs;
use std::io;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use rain_benches::Trace;
use serde_json::json;

use super::laboratory::{End, Laboratory};
use super::{SOAK, Settings, trials};
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

/// Load or none, loss or none: all four.
const KINDS: [(bool, Option<&str>); 4] = [(false, None), (true, None), (false, Some("1")), (true, Some("1"))];

/// Soaks; a line for each. Only a path that does not come up again is a failure: Downs are told in the table.
pub(super) fn run(settings: &Settings, lab: &Laboratory, trace: &mut Trace) -> io::Result<Vec<String>> {
    trials::prepare(settings, lab)?;
    let time = Duration::from_secs_f64(settings.minutes * 60.0);
    for (is_loaded, loss) in KINDS {
        if let Some(percent) = loss {
            lab.change(&format!("loss all {percent}"))?;
        }
        let load = if is_loaded { Load::start()? } else { Load(Vec::new()) };
        sleep(LEARN.min(time));
        let soaked = soak(lab, time);
        drop(load);
        lab.change("loss all heal")?;
        let (downs, ends, lateness) = soaked?;
        let load = fs::read_to_string("/proc/loadavg")?;
        let line = json!({
            "kind": SOAK, "load": if is_loaded { LOAD } else { 0 }, "loss_percent": loss.unwrap_or("0"),
            "minutes": settings.minutes, "ends": ends, "downs": downs, "late": lateness.late,
            "lateness_ms_max": ms(lateness.max), "loadavg": load.split(' ').next(),
        });
        println!("   {line}");
        trace.push(line)?;
    }
    Ok(Vec::new())
}

/// What a sleeper saw of the machine.
#[derive(Clone, Copy, Debug, Default)]
struct Lateness {
    max: Duration,
    /// How often it woke more than half a time-out late.
    late: u64,
}

/// Counts the Downs of all ends over some time, and how many ends there are.
fn soak(lab: &Laboratory, time: Duration) -> io::Result<(u64, usize, Lateness)> {
    let total = |ends: &[End]| ends.iter().map(|end| end.downs).sum::<u64>();
    let before = lab.all_ends(None)?;
    let is_over = AtomicBool::new(false);
    let lateness = thread::scope(|scope| {
        let sleeper = scope.spawn(|| watch(&is_over));
        let until = Instant::now() + time;
        while Instant::now() < until {
            sleep(LOOK.min(until.saturating_duration_since(Instant::now())));
        }
        is_over.store(true, Ordering::Relaxed);
        sleeper.join().unwrap_or_default()
    });
    let after = lab.all_ends(None)?;
    Ok((total(&after).saturating_sub(total(&before)), after.len(), lateness))
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
