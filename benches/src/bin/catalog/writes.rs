//! Durable PUTs, memory and restart.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};
use std::{fs, io};

use rain_benches::{Nodes, Results};
use rain_gauge::median;
use rain_harness::TemporaryFolder;
use serde_json::json;

use super::put::put_titles;
use super::{CALM, CLIENTS, NODES, PORT, number};

const WRITE_BYTES: usize = 4 << 10;
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(5);

/// Measures them with so many titles.
pub(super) fn measure(titles: u64) -> io::Result<Results> {
    let folder = TemporaryFolder::new("catalog")?;
    let mut nodes = Nodes::start(PORT, NODES)?;
    let next = AtomicU64::new(0);
    put_titles(&next, titles.min(200), None)?;
    let before = memory(&nodes);
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        bare.push(synced_writes(folder.path())?);
        ours.push(put_titles(&next, u64::MAX, Some(ROUND))?);
    }
    let (puts, writes) = (median(&mut ours), median(&mut bare));
    println!("{puts:.0} PUTs/s, {writes:.0} synced writes/s, ratio {:.3}", puts / writes);
    let began = Instant::now();
    put_titles(&next, titles, None)?;
    println!("{titles} titles after {:.0} s more", began.elapsed().as_secs_f64());
    sleep(CALM);
    let written = number(next.load(Ordering::Relaxed));
    let per_title = |after: BTreeMap<String, u64>| -> BTreeMap<String, f64> {
        let grown = |(node, bytes): (String, u64)| {
            let grown = number(bytes >> 10) - number(before.get(&node).copied().unwrap_or(0) >> 10);
            (node, 1024.0 * grown / written)
        };
        after.into_iter().map(grown).collect()
    };
    let of_written = per_title(memory(&nodes));
    println!("bytes of memory a title: {of_written:.0?}");
    let restarted = nodes.restart()?;
    println!("{written} titles: all nodes ready {:.2} s after their start", restarted.as_secs_f64());
    sleep(CALM);
    let of_found = per_title(memory(&nodes));
    println!("after the restart: {of_found:.0?}");
    Ok(vec![(
        "catalog".to_owned(),
        vec![json!({
            "titles": written, "clients": CLIENTS, "puts_per_s": puts, "synced_writes_per_s": writes,
            "ratio": puts / writes, "rounds": ROUNDS, "round_s": ROUND.as_secs(), "all_puts_per_s": ours,
            "all_synced_writes_per_s": bare, "memory_bytes_per_title": of_written,
            "memory_bytes_per_title_after_restart": of_found,
            "restart_to_ready_s": restarted.as_secs_f64(),
        })],
    )])
}

/// What the processes keep in memory of their own now.
fn memory(nodes: &Nodes) -> BTreeMap<String, u64> {
    let watch = nodes.watch_memory();
    sleep(Duration::from_millis(100));
    watch.stop()
}

/// What as many threads reach that write a block each behind the other into a file of their own, and sync it: a second.
fn synced_writes(folder: &Path) -> io::Result<f64> {
    let (began, done) = (Instant::now(), AtomicU64::new(0));
    let writer = |number: usize| {
        let path = folder.join(format!("synced-{number}"));
        let file = File::create(&path)?;
        let (block, mut offset) = ([0x5a; WRITE_BYTES], 0);
        while began.elapsed() < ROUND {
            file.write_all_at(&block, offset)?;
            file.sync_data()?;
            offset += WRITE_BYTES as u64;
            done.fetch_add(1, Ordering::Relaxed);
        }
        fs::remove_file(path)
    };
    thread::scope(|scope| {
        let writers: Vec<_> = (0..CLIENTS).map(|number| scope.spawn(move || writer(number))).collect();
        writers.into_iter().try_for_each(|writer| writer.join().map_err(|_| io::Error::other("a writer panicked"))?)
    })
    .map(|()| number(done.load(Ordering::Relaxed)) / began.elapsed().as_secs_f64())
}
