//! What watching its paths costs a node that does nothing else.

use std::fs;
use std::io;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rain_benches::Trace;
use rain_gauge::median;
use serde_json::json;

use super::laboratory::Laboratory;
use super::{MONITORING, Settings, node_settings};

/// Nodes have so long to find each other.
const START: Duration = Duration::from_secs(30);
/// After the start they have other things to do.
const CALM: Duration = Duration::from_secs(3);
/// The time over which the processor's time is counted.
const SPAN: Duration = Duration::from_secs(10);
const SPAN_FEW: Duration = Duration::from_secs(1);

/// The kind of its line: measured with other settings it is another one.
pub(super) fn kind() -> String {
    format!("{MONITORING} {}", node_settings()).trim_end().to_owned()
}

/// Measures all nodes at once; a line with the median of them.
pub(super) fn run(settings: &Settings, lab: &Laboratory, trace: &mut Trace) -> io::Result<Vec<String>> {
    let (is_up, ends) = lab.wait(None, START, |ends| ends.iter().all(|end| end.is_up))?;
    if !is_up {
        let down = ends.iter().filter(|end| !end.is_up).count();
        return Ok(vec![format!("{down} of {} ends are not up after {START:?}", ends.len())]);
    }
    let span = if settings.correctness_only { SPAN_FEW } else { SPAN };
    sleep(if settings.correctness_only { Duration::ZERO } else { CALM });
    let ids = lab.processes()?;
    let began = Instant::now();
    let before = Used::of_all(&ids)?;
    let sent = frames(lab)?;
    sleep(span);
    let (after, sent) = (Used::of_all(&ids)?, frames(lab)?.saturating_sub(sent));
    let seconds = began.elapsed().as_secs_f64();
    let share = |of: fn(&Used) -> u64| {
        let shares = before.iter().zip(&after);
        let shares = shares.map(|(before, after)| {
            100.0 * Duration::from_nanos(of(after).saturating_sub(of(before))).as_secs_f64() / seconds
        });
        median(&mut shares.collect::<Vec<f64>>())
    };
    let paths = (lab.nodes() - 1) * lab.switches;
    // A ping and the answer to one of the other side are frames alike.
    let frames_per_path =
        Duration::from_secs(sent).as_secs_f64() / seconds / Duration::from_secs(paths as u64).as_secs_f64();
    let line = json!({
        "kind": kind(), "settings": node_settings(), "nodes": lab.nodes(), "paths": paths, "seconds": seconds,
        "process_percent": share(|used| used.process), "thread_percent": share(|used| used.monitor),
        "frames_per_path_per_s": frames_per_path,
    });
    println!("   {line}");
    trace.push(line)?;
    Ok(Vec::new())
}

/// Processor time in nanoseconds: of all threads of a process, and of the one that watches paths.
#[derive(Clone, Copy, Debug, Default)]
struct Used {
    process: u64,
    monitor: u64,
}

/// How the thread may be called that watches paths.
const MONITORS: [&str; 2] = ["heartbeats", "links"];

impl Used {
    fn of_all(ids: &[u32]) -> io::Result<Vec<Self>> {
        ids.iter().map(|id| Self::of(*id)).collect()
    }

    fn of(id: u32) -> io::Result<Self> {
        let mut used = Self::default();
        for thread in fs::read_dir(format!("/proc/{id}/task"))? {
            let thread = thread?.path();
            match Self::of_thread(&thread) {
                Ok(of_thread) => {
                    used.process += of_thread.process;
                    used.monitor += of_thread.monitor;
                }
                // It ended between the listing and the reading.
                Err(_) if !thread.exists() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(used)
    }

    fn of_thread(thread: &Path) -> io::Result<Self> {
        let process = on_processor(thread)?;
        let name = fs::read_to_string(thread.join("comm"))?;
        let monitor = if MONITORS.contains(&name.trim()) { process } else { 0 };
        Ok(Self { process, monitor })
    }
}

/// Nanoseconds that a thread was on a processor.
fn on_processor(thread: &Path) -> io::Result<u64> {
    let text = fs::read_to_string(thread.join("schedstat"))?;
    let first = text.split(' ').next().and_then(|number| number.parse().ok());
    first.ok_or_else(|| io::Error::other(format!("found schedstat {text:?}, expected nanoseconds first")))
}

/// Frames that the first node has sent to all its switches: what came in at their ports.
fn frames(lab: &Laboratory) -> io::Result<u64> {
    let text = fs::read_to_string("/proc/net/dev")?;
    let ports: Vec<String> = (1..=lab.switches).map(|switch| format!("{}-s{switch}", lab.name(0))).collect();
    Ok(received(&text, &ports))
}

/// The sum of frames that came in at some interfaces: the second number behind the name.
fn received(text: &str, interfaces: &[String]) -> u64 {
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    let lines = lines.filter(|(name, _)| interfaces.iter().any(|wanted| wanted == name.trim()));
    lines.filter_map(|(_, numbers)| numbers.split_whitespace().nth(1)?.parse::<u64>().ok()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_the_second_number() {
        let text = "Inter-|   Receive   |  Transmit\n face |bytes    packets errs drop\n  A-s1: 1000 10 0 0 0 0 0 0 2000 20\n\
                    A-s2:  500 5 0 0 0 0 0 0 1 1\n  A-s10: 7 7 0 0\n";
        assert_eq!(received(text, &["A-s1".to_owned(), "A-s2".to_owned()]), 15);
    }

    #[test]
    fn a_process_uses_its_processor() {
        let used = Used::of(std::process::id()).unwrap();
        assert!(used.process > 0 && used.monitor == 0);
    }

    #[test]
    fn threads_may_end_while_they_are_counted() {
        let end = Instant::now() + Duration::from_millis(100);
        while Instant::now() < end {
            let threads: Vec<_> = (0..8).map(|_| std::thread::spawn(|| ())).collect();
            Used::of(std::process::id()).unwrap();
            for thread in threads {
                thread.join().unwrap();
            }
        }
    }
}
