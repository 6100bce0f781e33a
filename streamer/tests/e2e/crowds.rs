//! Many viewers at once, on a machine that has other things to do: nobody is broken off, and load is told as no loss.
//!
//! `RAIN_CROWD=1` is the whole crowd: 300 viewers and 2,000 ranges.

use crate::harness::{Cluster, Connection, get, put, random_below, random_bytes};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, Builder, ScopedJoinHandle};
use std::time::{Duration, Instant};

/// Of viewers, and of ranges, without `RAIN_CROWD`.
const SAMPLE: [u64; 2] = [60, 400];
const WHOLE: [u64; 2] = [300, 2000];
/// Of a viewer's film: 8 Mbit/s.
const BYTES_PER_SECOND: usize = 1_000_000;
const SECONDS: usize = 8;
/// Longest range.
const RANGE_MAX: u64 = 1 << 20;
const NODES: u64 = 4;

/// What keeps the processors busy until it is told to stop.
fn waste(stop: &AtomicBool) -> u64 {
    let mut number = 1_u64;
    while !stop.load(Ordering::Relaxed) {
        number = number.wrapping_mul(6_364_136_223_846_793_005).rotate_left(7);
    }
    number
}

/// One of the many addresses of the loopback.
fn host(number: u64) -> u8 {
    u8::try_from(2 + number % 200).expect("a byte")
}

fn port(cluster: &Cluster, number: u64) -> u16 {
    cluster.port(usize::try_from(number % NODES).expect("a node"))
}

/// Watches the film, second by second, as a player does that has no hurry.
fn watch(cluster: &Cluster, number: u64, film: &[u8]) -> Result<(), String> {
    let told = |error: std::io::Error| format!("viewer {number}: {error}");
    let mut connection = Connection::open_from(host(number), port(cluster, number)).map_err(told)?;
    connection.send_head(&get("/v/film")).map_err(told)?;
    let status = connection.receive_head().map_err(told)?.status();
    if status != 200 {
        return Err(format!("viewer {number}: {status}"));
    }
    let began = Instant::now();
    for (second, expected) in film.chunks(BYTES_PER_SECOND).enumerate() {
        let due = Duration::from_secs(u64::try_from(second).expect("seconds"));
        thread::sleep(due.saturating_sub(began.elapsed()));
        let mut found = vec![0; expected.len()];
        connection.read_exact(&mut found).map_err(told)?;
        if found != expected {
            return Err(format!("viewer {number}: other bytes in second {second}"));
        }
    }
    Ok(())
}

/// Asks for a range somewhere in the film.
fn seek(cluster: &Cluster, number: u64, film: &[u8]) -> Result<(), String> {
    let length = 1 + random_below(RANGE_MAX, number << 1);
    let start = random_below(film.len() as u64 - length, number << 1 | 1);
    let (first, last) = (usize::try_from(start).expect("a length"), usize::try_from(start + length).expect("a length"));
    let request = get("/v/film").header("range", format!("bytes={start}-{}", start + length - 1));
    let told = |error: std::io::Error| format!("range {number}: {error}");
    let mut connection = Connection::open_from(host(number), port(cluster, number)).map_err(told)?;
    connection.send_head(&request).map_err(told)?;
    let answer = connection.receive("GET").map_err(told)?;
    if answer.status != 206 {
        return Err(format!("range {number}: {} {}", answer.status, String::from_utf8_lossy(&answer.body)));
    }
    if answer.body == film[first..last] { Ok(()) } else { Err(format!("range {number}: other bytes")) }
}

#[test]
fn nobody_is_broken_off_because_they_are_many() {
    let [viewers, ranges] = if std::env::var_os("RAIN_CROWD").is_some() { WHOLE } else { SAMPLE };
    let cluster = Cluster::of_four();
    let film = random_bytes(SECONDS * BYTES_PER_SECOND, 5);
    put("/v/film", film.clone()).to(cluster.port(0)).expect(201);
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let busy: Vec<_> = (0..2).map(|_| scope.spawn(|| waste(&stop))).collect();
        let (cluster, film) = (&cluster, &film[..]);
        let small = || Builder::new().stack_size(256 << 10);
        let viewer = |number| small().spawn_scoped(scope, move || watch(cluster, number, film)).expect("a thread");
        let mut all: Vec<ScopedJoinHandle<'_, _>> = (0..viewers).map(viewer).collect();
        thread::sleep(Duration::from_secs(1));
        let range = |number| small().spawn_scoped(scope, move || seek(cluster, number, film)).expect("a thread");
        all.extend((0..ranges).map(range));
        let failed: Vec<_> = all.into_iter().filter_map(|one| one.join().expect("no panic").err()).collect();
        stop.store(true, Ordering::Relaxed);
        let wasted: u64 = busy.into_iter().map(|one| one.join().expect("no panic") % 2).sum();
        assert!(failed.is_empty() && wasted <= 2, "{} of {}: {failed:#?}", failed.len(), viewers + ranges);
    });
}
