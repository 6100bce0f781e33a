//! Durable changes per second: through the ledger, and with a file and a sync for each. The figures of docs/ledger.md.
//!
//! `cargo bench -p rain-benches --bench durable -- FOLDER`; the folder should be on the disk that is meant.

use rain_node::store::SystemDisk;
use rain_node::store::ledger::Ledger;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const THREADS: usize = 16;
const ROUNDS: usize = 3;
const ROUND: Duration = Duration::from_secs(3);
/// A manifest and what stands around it.
const PAYLOAD_BYTES: usize = 1000;
const WRITE_BYTES: usize = 4096;
const TITLES: usize = 20_000;

/// How often per second `threads` threads get through `work`, which is told the thread and how often it did so before.
fn rate(threads: usize, work: impl Fn(usize, u64) -> io::Result<()> + Sync) -> io::Result<f64> {
    let (work, done, start) = (&work, AtomicU64::new(0), Instant::now());
    let results: Vec<io::Result<()>> = thread::scope(|scope| {
        let done = &done;
        let run = move |thread| {
            let mut count = 0;
            while start.elapsed() < ROUND {
                work(thread, count)?;
                count += 1;
            }
            done.fetch_add(count, Ordering::Relaxed);
            Ok(())
        };
        let running: Vec<_> = (0..threads).map(|thread| scope.spawn(move || run(thread))).collect();
        running.into_iter().map(|running| running.join().unwrap_or_else(|_| Err(io::Error::other("panic")))).collect()
    });
    results.into_iter().collect::<io::Result<()>>()?;
    let done = u32::try_from(done.load(Ordering::Relaxed)).unwrap_or(u32::MAX);
    Ok(f64::from(done) / start.elapsed().as_secs_f64())
}

fn ledger(folder: &Path) -> io::Result<Ledger<SystemDisk>> {
    fs::create_dir_all(folder)?;
    let disk = SystemDisk::take(folder).map_err(io::Error::other)?;
    Ok(Ledger::open(Arc::new(disk), |_| {})?.0)
}

fn measure(folder: &Path) -> io::Result<()> {
    let payload = [7; PAYLOAD_BYTES];
    for round in 0..ROUNDS {
        let of_threads = |threads: usize| {
            let ledger = ledger(&folder.join(format!("ledger-{round}-{threads}")))?;
            rate(threads, |_, _| ledger.append(1, &payload).map(drop).map_err(io::Error::from))
        };
        let (one, many) = (of_threads(1)?, of_threads(THREADS)?);
        let files: Vec<File> = (0..THREADS)
            .map(|thread| File::create(folder.join(format!("file-{round}-{thread}"))))
            .collect::<io::Result<_>>()?;
        let own = rate(THREADS, |thread, count| {
            files[thread].write_all_at(&[7; WRITE_BYTES], count * WRITE_BYTES as u64)?;
            files[thread].sync_data()
        })?;
        let renamed = rate(THREADS, |thread, count| {
            let name = folder.join(format!("record-{round}-{thread}-{count}"));
            let unfinished = name.with_extension("tmp");
            let file = File::create(&unfinished)?;
            file.write_all_at(&payload, 0)?;
            file.sync_all()?;
            fs::rename(&unfinished, &name)?;
            File::open(folder)?.sync_all()
        })?;
        println!(
            "round {round}: ledger, 1 thread {one:.0}/s, {THREADS} threads {many:.0}/s; {THREADS} threads with a file each \
             {own:.0}/s, with a file for each record {renamed:.0}/s"
        );
    }
    let titles = folder.join("titles");
    ledger(&titles)?.append_all((0..TITLES).map(|_| (1, payload)))?;
    let start = Instant::now();
    ledger(&titles)?;
    println!("opening {TITLES} records of {PAYLOAD_BYTES} bytes: {} ms", start.elapsed().as_millis());
    Ok(())
}

fn main() -> io::Result<()> {
    // Cargo adds an argument of its own.
    let Some(parent) = std::env::args().skip(1).find(|argument| !argument.starts_with('-')).map(PathBuf::from) else {
        println!("a folder is needed, on the disk that is meant");
        return Ok(());
    };
    let folder = parent.join(format!("durable-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let result = measure(&folder);
    fs::remove_dir_all(&folder)?;
    result
}
