//! What a catalogue of many titles costs: idle, listed, and learnt anew.

use std::fs::File;
use std::io;
use std::process::{Command, Stdio};
use std::sync::atomic::AtomicU64;
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use rain_benches::{Nodes, Results, rain_program};
use rain_gauge::median;
use rain_harness::{TemporaryFolder, ask, get};
use serde_json::json;

use super::put::put_titles;
use super::{CALM, CLIENTS, NODES, PORT, number};

const IDLE: Duration = Duration::from_secs(30);
/// What the console asks for at its start, and whenever titles may have changed.
const CONSOLE_LIST: &str = "/api/v1/titles?prefix=&after=&limit=51";
const ASKED: usize = 40;
const ROUNDS: usize = 5;
/// The node whose disk is replaced.
const BLANK: usize = 3;
const LEARN: Duration = Duration::from_mins(3);
const POLL: Duration = Duration::from_millis(10);

/// Measures it with so many titles.
pub(super) fn measure(titles: u64) -> io::Result<Results> {
    let mut nodes = Nodes::start(PORT, NODES)?;
    sleep(CALM);
    let empty = idle(&nodes)?;
    println!("CPU of idle nodes without titles: {empty:.2?} %");
    put_titles(&AtomicU64::new(0), titles, None)?;
    sleep(CALM);
    let idle = idle(&nodes)?;
    println!("CPU of idle nodes: {idle:.2?} %");
    let mut lists = Vec::new();
    for _ in 0..ROUNDS {
        lists.push(lists_at_once(titles)?);
    }
    println!("`rain ls` by {CLIENTS} at once, each: {lists:.0?} ms");
    let mut console = Vec::new();
    for number in 0..ASKED {
        let port = nodes.port(number % usize::from(NODES));
        console.push(get(port, CONSOLE_LIST, |_| Ok(()))?.whole.as_secs_f64() * 1e3);
    }
    let slowest = console.iter().copied().fold(0.0, f64::max);
    let console_median = median(&mut console);
    println!("the console's list: {console_median:.1} ms, at most {slowest:.1} ms");
    let (learnt, seconds) = learn(&mut nodes)?;
    println!("a blank node learnt {learnt} titles in {seconds:.2} s, {:.0}/s", number(learnt) / seconds);
    let of_lists = |which: fn(&(f64, f64)) -> f64| lists.iter().map(which).collect::<Vec<_>>();
    let row = json!({
        "titles": titles, "nodes": NODES, "idle_s": IDLE.as_secs(), "idle_cpu_percent": idle,
        "idle_without_titles_cpu_percent": empty, "clients": CLIENTS,
        "ls_median_ms": of_lists(|list| list.0), "ls_slowest_ms": of_lists(|list| list.1),
        "console_list": CONSOLE_LIST, "console_list_median_ms": console_median, "console_list_slowest_ms": slowest,
        "learnt": learnt, "learn_s": seconds, "learnt_per_s": number(learnt) / seconds,
    });
    Ok(vec![("growth".to_owned(), vec![row])])
}

/// What each process takes of a processor while nobody asks for anything, in percent.
fn idle(nodes: &Nodes) -> io::Result<Vec<f64>> {
    let before = nodes.processor_time()?;
    let began = Instant::now();
    sleep(IDLE);
    let after = nodes.processor_time()?;
    let elapsed = began.elapsed().as_secs_f64();
    let spent = before.iter().zip(&after).map(|(before, after)| after.saturating_sub(*before).as_secs_f64());
    Ok(spent.map(|spent| 100.0 * spent / elapsed).collect())
}

/// Lists all titles by many processes at once, by way of all nodes: the median and the longest time of one, in ms.
fn lists_at_once(titles: u64) -> io::Result<(f64, f64)> {
    let (folder, program) = (TemporaryFolder::new("lists")?, rain_program()?);
    let list = |number: usize| {
        let path = folder.path().join(number.to_string());
        let port = PORT + u16::try_from(number % usize::from(NODES)).unwrap_or(0);
        let mut command = Command::new(&program);
        command.args(["ls", "--server", &format!("http://127.0.0.1:{port}")]);
        command.stdin(Stdio::null()).stdout(File::create(&path)?);
        let began = Instant::now();
        let status = command.status()?;
        let took = began.elapsed();
        let lines = std::fs::read_to_string(&path)?.lines().count() as u64;
        if !status.success() || lines != titles {
            return Err(io::Error::other(format!("`rain ls`: {status}, {lines} titles, expected {titles}")));
        }
        Ok(took.as_secs_f64() * 1e3)
    };
    let list = &list;
    let times: io::Result<Vec<f64>> = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|number| scope.spawn(move || list(number))).collect();
        clients.into_iter().map(|one| one.join().map_err(|_| io::Error::other("a client panicked"))?).collect()
    });
    let mut times = times?;
    let slowest = times.iter().copied().fold(0.0, f64::max);
    Ok((median(&mut times), slowest))
}

/// Replaces the disk of a node, and waits until it has learnt what the others know: how many versions, and how long it took
/// from the start of its process on.
fn learn(nodes: &mut Nodes) -> io::Result<(u64, f64)> {
    nodes.replace_disk(BLANK)?;
    let (began, port) = (Instant::now(), nodes.port(BLANK));
    let until = began + LEARN;
    loop {
        let learnt = counted(port, "rain_versions_learnt_total").unwrap_or(0);
        if counted(port, "rain_stores_learnt_total") > Some(0) {
            return Ok((learnt, began.elapsed().as_secs_f64()));
        }
        if Instant::now() > until {
            return Err(io::Error::other(format!("{learnt} versions learnt within {LEARN:?}")));
        }
        sleep(POLL);
    }
}

/// A counter of a node's metrics; `None` where it is not there yet.
fn counted(port: u16, name: &str) -> Option<u64> {
    let text = String::from_utf8(ask(port, "/metrics").ok()?).ok()?;
    let value = |line: &str| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok();
    text.lines().find_map(value)
}
