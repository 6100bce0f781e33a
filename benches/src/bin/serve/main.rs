//! Measures what a viewer gets: a title read from start to end through one of four `rain node` processes, healthy and with two
//! nodes dead, beside nginx serving the same file, in turns; with the answers of peers checked by CRC, and proven by hash
//! besides (`verify_reads`). By CRC also a large title up and down, and what the processes keep in memory meanwhile.
//!
//! `cargo run --release -p rain-benches --bin serve -- [--large GIB]`, after `cargo build --release`. Needs nginx.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;
use std::{env, fs, io};

use rain_benches::{Nodes, Results, put_content, write_record};
use rain_gauge::{Machine, median};
use rain_harness::{Process, TemporaryFolder, clean_up_on_signals, get};
use serde_json::{Value, json};

const TITLE_BYTES: u64 = 250_000_000;
const NODES: u16 = 4;
const ROUNDS: usize = 11;
const PORT: u16 = 17_100;
const SEED: u64 = 1;
const NGINX_PORT: u16 = 17_171;

fn main() -> io::Result<()> {
    let mut arguments = env::args().skip(1);
    let large = match (arguments.next().as_deref(), arguments.next()) {
        (None, _) => 0,
        (Some("--large"), Some(gib)) => gib.parse().map_err(io::Error::other)?,
        (Some(other), _) => return Err(io::Error::other(format!("found `{other}`, expected --large GIB"))),
    };
    clean_up_on_signals()?;
    let folder = TemporaryFolder::new("serve")?;
    let results = measure(folder.path(), large)?;
    let machine = Machine::detect();
    println!("benches/record/{}", write_record(&machine, "serve", &results)?.display());
    Ok(())
}

fn measure(folder: &Path, large: u64) -> io::Result<Results> {
    let mut results = Results::new();
    let mut rows = Vec::new();
    for (verify_reads, large) in [("crc", large), ("hash", 0)] {
        rows.extend(measure_with(folder, verify_reads, large, &mut results)?);
    }
    results.push(("reads".to_owned(), rows));
    Ok(results)
}

fn measure_with(folder: &Path, verify_reads: &str, large: u64, results: &mut Results) -> io::Result<Vec<Value>> {
    let nodes = Nodes::start_with(PORT, NODES, &format!("verify_reads = \"{verify_reads}\""))?;
    put_content(PORT, "title", TITLE_BYTES, SEED)?;
    let file = folder.join("title");
    let mut sink = fs::File::create(&file)?;
    get(PORT, "/v/title", |bytes| sink.write_all(bytes))?;
    let nginx = Nginx::start(folder)?;
    let mut rows = Vec::new();
    rows.extend(read_rounds("healthy", verify_reads)?);
    if large > 0 {
        results.push(("memory".to_owned(), large_title(&nodes, large << 30)?));
    }
    nodes.kill(1);
    nodes.kill(2);
    // The others take note of it before the clock runs.
    get(PORT, "/v/title", |_| Ok(()))?;
    rows.extend(read_rounds("two nodes dead", verify_reads)?);
    drop(nginx);
    Ok(rows)
}

/// Reads the title in turns from the first node and from nginx.
fn read_rounds(state: &str, verify_reads: &str) -> io::Result<Vec<Value>> {
    let (mut ours, mut theirs, mut first) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let own = get(PORT, "/v/title", |_| Ok(()))?;
        ours.push(own.gb_per_s());
        first.push(own.first_byte.as_secs_f64() * 1e3);
        theirs.push(get(NGINX_PORT, "/title", |_| Ok(()))?.gb_per_s());
    }
    let (ours, theirs, first) = (median(&mut ours), median(&mut theirs), median(&mut first));
    println!(
        "{verify_reads}, {state}: {ours:.2} GB/s, nginx {theirs:.2} GB/s, ratio {:.2}, first byte {first:.1} ms",
        ours / theirs
    );
    Ok(vec![json!({
        "state": state, "verify_reads": verify_reads, "rain_gb_per_s": ours, "nginx_gb_per_s": theirs, "ratio": ours / theirs,
        "first_byte_ms": first, "bytes": TITLE_BYTES, "rounds": ROUNDS,
    })])
}

/// A large title up and down; the most that each process kept in memory of its own meanwhile.
fn large_title(nodes: &Nodes, bytes: u64) -> io::Result<Vec<Value>> {
    let watch = nodes.watch_memory();
    let up = put_content(PORT, "large", bytes, SEED)?;
    let down = get(nodes.port(3), "/v/large", |_| Ok(()))?;
    let peaks = watch.stop();
    let (up_rate, down_rate) = (up.gb_per_s(), down.gb_per_s());
    println!("{bytes} bytes up at {up_rate:.2} GB/s, down at {down_rate:.2} GB/s");
    let mut rows = vec![json!({ "bytes": bytes, "up_gb_per_s": up_rate, "down_gb_per_s": down_rate })];
    for (process, peak) in peaks {
        println!("{process}: RssAnon + RssShmem at most {} MiB", peak >> 20);
        rows.push(json!({ "process": process, "own_memory_bytes_max": peak }));
    }
    Ok(rows)
}

struct Nginx {
    _running: Process,
}

impl Nginx {
    fn start(folder: &Path) -> io::Result<Self> {
        let root = folder.display();
        let config = folder.join("nginx.conf");
        fs::write(
            &config,
            format!(
                "daemon off; worker_processes 1; pid {root}/nginx.pid; error_log {root}/error.log;\n\
                 events {{}}\n\
                 http {{ access_log off; sendfile on; tcp_nodelay on; server {{ listen 127.0.0.1:{NGINX_PORT}; root {root}; }} }}\n"
            ),
        )?;
        let mut command = Command::new("nginx");
        command.arg("-c").arg(&config).arg("-p").arg(folder).stderr(Stdio::null());
        let nginx = Self { _running: Process::start(&mut command)? };
        for _ in 0..100 {
            if get(NGINX_PORT, "/title", |_| Ok(())).is_ok() {
                return Ok(nginx);
            }
            sleep(Duration::from_millis(50));
        }
        Err(io::Error::other("nginx does not serve"))
    }
}
