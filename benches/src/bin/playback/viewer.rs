//! A viewer: reads a title at its pace, over and over, checks every byte, and notes when it waits.

use core::ops::Range;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle, sleep};
use std::time::{Duration, Instant};

use rain_benches::content;

use crate::meter::{Meter, Pace, Seen};
use crate::source::{BUFFER_BYTES, Title, ViewerSource};

/// 20 MB/s.
pub(crate) const PACE: Pace = Pace { tick_bytes: 80_000, tick: Duration::from_millis(4) };
/// After a stream could not be opened it is tried again.
const RETRY: Duration = Duration::from_millis(100);
/// What went wrong, and how much was read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) bytes: u64,
    pub(crate) wrong_bytes: u64,
    /// Streams that broke off, ended early or could not be opened.
    pub(crate) broken: u64,
    /// Titles read to their end.
    pub(crate) titles: u64,
    /// What was said of the first few broken ones.
    pub(crate) errors: Vec<String>,
}

impl Counts {
    const ERRORS_MAX: usize = 20;

    fn note_broken(&mut self, position: u64, error: &io::Error) {
        self.broken += 1;
        if self.errors.len() < Self::ERRORS_MAX {
            self.errors.push(format!("at byte {position}: {error}"));
        }
    }

    /// Adds those of another viewer.
    pub(crate) fn add(&mut self, other: &Self) {
        self.bytes += other.bytes;
        self.wrong_bytes += other.wrong_bytes;
        self.broken += other.broken;
        self.titles += other.titles;
        self.errors.extend(other.errors.iter().take(Self::ERRORS_MAX.saturating_sub(self.errors.len())).cloned());
    }
}

struct Shared {
    began: Instant,
    title: Title,
    meter: Mutex<Meter>,
    counts: Mutex<Counts>,
    position: AtomicU64,
    /// It ends now.
    stop: AtomicBool,
    /// It ends at the title's end.
    is_last: AtomicBool,
}

impl Shared {
    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    fn meter(&self) -> MutexGuard<'_, Meter> {
        self.meter.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// A viewer at work; it ends with the value.
pub(crate) struct Viewer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Viewer {
    /// Lets a viewer begin.
    pub(crate) fn start(source: impl ViewerSource, title: Title) -> Self {
        let shared = Arc::new(Shared {
            began: Instant::now(),
            title,
            meter: Mutex::new(Meter::new(PACE)),
            counts: Mutex::default(),
            position: AtomicU64::new(0),
            stop: AtomicBool::new(false),
            is_last: AtomicBool::new(false),
        });
        let own = Arc::clone(&shared);
        let thread = thread::spawn(move || watch(&own, source));
        Self { shared, thread: Some(thread) }
    }

    /// The time since it began, as spans are told in.
    pub(crate) fn now(&self) -> Duration {
        self.shared.now()
    }

    /// What a span showed, seen now or at an earlier time.
    pub(crate) fn seen(&self, span: Range<Duration>, at: Duration) -> Seen {
        self.shared.meter().seen(span, at)
    }

    /// The longest time between the end of a title and the start of the next one.
    pub(crate) fn pause_max(&self) -> Duration {
        self.shared.meter().pause_max()
    }

    /// Drops what is known of waits before now.
    pub(crate) fn forget(&self) {
        let now = self.now();
        self.shared.meter().forget(now);
    }

    /// Waits until it has been on time for a while in this title, and the title lasts for `room` from now on.
    ///
    /// # Errors
    /// That does not come about within `patience`.
    pub(crate) fn settle(&self, calm: Duration, room: Duration, patience: Duration) -> io::Result<()> {
        let until = Instant::now() + patience;
        let mut calm_since = self.now();
        loop {
            let now = self.now();
            let meter = self.shared.meter();
            let running_since = meter.running_since().filter(|_| meter.is_on_time(now));
            drop(meter);
            calm_since = running_since.map_or(now, |since| since.max(calm_since));
            let left = self.shared.title.bytes - self.shared.position.load(Ordering::Relaxed);
            let ticks = u32::try_from(left / PACE.tick_bytes).unwrap_or(u32::MAX);
            if now.saturating_sub(calm_since) >= calm && PACE.tick * ticks >= room {
                return Ok(());
            }
            if Instant::now() > until {
                let errors = self.shared.counts().errors.join("; ");
                return Err(io::Error::other(format!("the viewer is not on time after {patience:?}; {errors}")));
            }
            sleep(Duration::from_millis(2));
        }
    }

    /// Ends it at once; what it counted.
    pub(crate) fn stop(mut self) -> Counts {
        self.end()
    }

    /// Lets it read the title to its end; what it counted.
    pub(crate) fn finish(mut self, patience: Duration) -> Counts {
        self.shared.is_last.store(true, Ordering::Relaxed);
        let until = Instant::now() + patience;
        while self.thread.as_ref().is_some_and(|thread| !thread.is_finished()) {
            if Instant::now() > until {
                let late = io::Error::other(format!("the title is not read to its end after {patience:?}"));
                self.shared.counts().note_broken(self.shared.position.load(Ordering::Relaxed), &late);
                break;
            }
            sleep(Duration::from_millis(5));
        }
        self.end()
    }

    fn end(&mut self) -> Counts {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            self.shared.counts().note_broken(0, &io::Error::other("the viewer panicked"));
        }
        self.shared.counts().clone()
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        self.end();
    }
}

/// Reads the title over and over.
fn watch(shared: &Shared, mut source: impl ViewerSource) {
    let mut position = 0;
    while !shared.is_stopped() {
        let streamed = source.open(shared.title, position).and_then(|()| {
            shared.meter().resume(shared.now());
            stream(shared, &mut source, &mut position)
        });
        match streamed {
            Ok(()) if position == shared.title.bytes => {
                shared.counts().titles += 1;
                position = 0;
                if shared.is_last.load(Ordering::Relaxed) {
                    return;
                }
            }
            // It was stopped.
            Ok(()) => return,
            Err(error) => {
                shared.counts().note_broken(position, &error);
                if shared.is_last.load(Ordering::Relaxed) {
                    return;
                }
                position = if source.can_resume() { position } else { 0 };
                sleep(RETRY);
            }
        }
    }
}

/// Reads to the end of the title, or until the viewer is stopped.
fn stream(shared: &Shared, source: &mut impl ViewerSource, position: &mut u64) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut expected = vec![0; BUFFER_BYTES];
    while !shared.is_stopped() {
        shared.position.store(*position, Ordering::Relaxed);
        if *position == shared.title.bytes {
            shared.meter().pause(shared.now());
            return source.finish();
        }
        let now = shared.now();
        let (due, next) = {
            let meter = shared.meter();
            (meter.due(now), meter.next_tick(now))
        };
        if due == 0 {
            sleep(next.saturating_sub(shared.now()));
            continue;
        }
        if !source.is_readable()? {
            continue;
        }
        let wanted = due.min(shared.title.bytes - *position);
        let wanted = usize::try_from(wanted).unwrap_or(usize::MAX).min(BUFFER_BYTES);
        let count = source.read(&mut buffer[..wanted])?;
        if count == 0 {
            return Err(io::Error::other(format!("the stream ended early, expected {} bytes", shared.title.bytes)));
        }
        shared.meter().arrive(shared.now(), count as u64);
        let wrong = wrong_bytes(shared.title.seed, *position, &buffer[..count], &mut expected);
        let mut counts = shared.counts();
        counts.wrong_bytes += wrong;
        counts.bytes += count as u64;
        *position += count as u64;
    }
    Ok(())
}

/// How many bytes are not those of the title at this position.
pub(crate) fn wrong_bytes(seed: u64, position: u64, found: &[u8], scratch: &mut [u8]) -> u64 {
    let expected = &mut scratch[..found.len()];
    let mut reader = content(seed);
    reader.set_position(position);
    reader.fill(expected);
    if *expected == *found {
        return 0;
    }
    found.iter().zip(expected).filter(|(found, expected)| *found != *expected).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_bytes_are_counted_wherever_they_are() {
        let mut title = vec![0; 1000];
        content(7).fill(&mut title);
        let mut scratch = vec![0; 1000];
        for position in [0, 1, 63, 64, 517] {
            assert_eq!(wrong_bytes(7, position as u64, &title[position..], &mut scratch), 0);
        }
        let mut damaged = title[100..].to_vec();
        damaged[3] ^= 1;
        damaged[500] ^= 128;
        assert_eq!(wrong_bytes(7, 100, &damaged, &mut scratch), 2);
        assert!(wrong_bytes(8, 100, &title[100..], &mut scratch) > 800, "another title");
    }
}
