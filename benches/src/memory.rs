//! What processes keep in memory of their own.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle, sleep};
use std::time::Duration;

/// A watch over the memory of processes.
#[derive(Debug)]
pub struct MemoryWatch {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<BTreeMap<String, u64>>,
}

impl MemoryWatch {
    /// Watches processes, each with a name.
    pub(crate) fn of(processes: Vec<(String, u32)>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let mut peaks = BTreeMap::new();
            while !told.load(Ordering::Relaxed) {
                for (name, pid) in &processes {
                    let peak = peaks.entry(name.clone()).or_insert(0);
                    *peak = own_memory(*pid).max(*peak);
                }
                sleep(Duration::from_millis(20));
            }
            peaks
        });
        Self { stop, thread }
    }

    /// Ends it; the peaks in bytes, by process.
    pub fn stop(self) -> BTreeMap<String, u64> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap_or_default()
    }
}

/// `RssAnon` + `RssShmem` of a process, in bytes.
fn own_memory(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let kib = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|rest| rest.trim_start_matches(':').trim().split(' ').next()?.parse::<u64>().ok()).unwrap_or(0)
    };
    (kib("RssAnon") + kib("RssShmem")) << 10
}
