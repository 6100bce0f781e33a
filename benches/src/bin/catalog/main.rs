//! Measures what many small titles cost: durable PUTs of 1 KiB a second by 16 clients through four `rain node` processes,
//! beside what 16 threads reach that write 4 KiB each and sync it, in turns; the memory that a title takes in each process;
//! and how soon all serve again after a restart.
//!
//! `cargo run --release -p rain-benches --bin catalog -- [--titles N]`, after `cargo build --release`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};
use std::{env, fs};

use rain_benches::{Head, Machine, Nodes, Results, TemporaryFolder, clean_up_on_signals, median, write_record};
use serde_json::json;

const NODES: u16 = 4;
const PORT: u16 = 17_300;
const CLIENTS: usize = 16;
const TITLE_BYTES: usize = 1 << 10;
const WRITE_BYTES: usize = 4 << 10;
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(5);
/// What the processes do by themselves after writes is over by then: superseded versions, lists of peers.
const CALM: Duration = Duration::from_secs(15);

fn main() -> io::Result<()> {
    let mut arguments = env::args().skip(1);
    let titles = match (arguments.next().as_deref(), arguments.next()) {
        (None, _) => 20_000,
        (Some("--titles"), Some(titles)) => titles.parse().map_err(io::Error::other)?,
        (Some(other), _) => return Err(io::Error::other(format!("found `{other}`, expected --titles N"))),
    };
    clean_up_on_signals()?;
    let folder = TemporaryFolder::new("catalog")?;
    let results = measure(folder.path(), titles)?;
    let machine = Machine::detect();
    println!("benches/record/{}", write_record(&machine, "catalog", &results)?.display());
    Ok(())
}

fn measure(folder: &Path, titles: u64) -> io::Result<Results> {
    let mut nodes = Nodes::start(PORT, NODES)?;
    let next = AtomicU64::new(0);
    put_titles(&next, titles.min(200), None)?;
    let before = memory(&nodes);
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        bare.push(synced_writes(folder)?);
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

/// What is counted here stays below 2^32.
fn number(count: u64) -> f64 {
    u32::try_from(count).map_or(f64::INFINITY, f64::from)
}

/// What the processes keep in memory of their own now.
fn memory(nodes: &Nodes) -> BTreeMap<String, u64> {
    let watch = nodes.watch_memory();
    sleep(Duration::from_millis(100));
    watch.stop()
}

/// Stores new titles by way of all nodes, each over a connection that stays, up to number `end` or for so long. PUTs a
/// second.
fn put_titles(next: &AtomicU64, end: u64, time: Option<Duration>) -> io::Result<f64> {
    let (began, done) = (Instant::now(), AtomicU64::new(0));
    let client = |number: usize| {
        let port = PORT + u16::try_from(number % usize::from(NODES)).unwrap_or(0);
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_nodelay(true)?;
        let mut stream = BufReader::new(stream);
        let mut body = [0; TITLE_BYTES];
        while time.is_none_or(|time| began.elapsed() < time) {
            let title = next.fetch_add(1, Ordering::Relaxed);
            if title >= end {
                next.fetch_sub(1, Ordering::Relaxed);
                break;
            }
            rain_benches::content(title).fill(&mut body);
            put(&mut stream, &format!("small-{title:08}"), &body)?;
            done.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    };
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|number| scope.spawn(move || client(number))).collect();
        clients.into_iter().try_for_each(|client| client.join().map_err(|_| io::Error::other("a client panicked"))?)
    })
    .map(|()| number(done.load(Ordering::Relaxed)) / began.elapsed().as_secs_f64())
}

fn put(stream: &mut BufReader<TcpStream>, title: &str, body: &[u8]) -> io::Result<()> {
    let host: SocketAddr = stream.get_ref().peer_addr()?;
    let length = body.len();
    let mut request =
        format!("PUT /v/{title} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n\r\n").into_bytes();
    request.extend_from_slice(body);
    stream.get_mut().write_all(&request)?;
    let head = Head::read(stream)?;
    head.expect(&[201, 204])?;
    let mut rest = vec![0; usize::try_from(head.length().unwrap_or(0)).unwrap_or(0)];
    stream.read_exact(&mut rest)
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
