//! What viewers' reads cost and what they were read from: counted as it happens, told as metrics and second by second.
//!
//! Every count is an atomic that only grows. Metrics are those counts; a second is the difference of two looks at them.

mod rebuilds;
mod second;
#[cfg(test)]
mod tests;

use core::time::Duration;
use rain_cluster::NodeId;
use rebuilds::Rebuilds;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval};

pub use rebuilds::Rebuild;
pub use second::{ReadSecond, ReadSource};

/// How often what was read is summed up.
const SECOND: Duration = Duration::from_secs(1);
/// Shorter waits for bytes are no stall.
const STALL: Duration = Duration::from_millis(50);
/// Decodes are counted by how many columns were missing, up to this number; more are counted with it.
const MISSING_MAX: usize = 15;
/// The label of paths that cross several switches.
const SEVERAL: &str = "several";

/// What one place has delivered.
#[derive(Debug)]
struct Source {
    node: String,
    /// The network; `None` for the own column, and for paths that cross several switches.
    switch: Option<String>,
    bytes: AtomicU64,
}

#[derive(Debug, Default)]
struct Counts {
    served: AtomicU64,
    extra: AtomicU64,
    hedges_sent: AtomicU64,
    hedges_won: AtomicU64,
    decoded: [AtomicU64; MISSING_MAX + 1],
    path_switches: AtomicU64,
    stalls: AtomicU64,
    rebuilt: AtomicU64,
}

/// A look at every count.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Totals {
    served: u64,
    extra: u64,
    hedges_sent: u64,
    hedges_won: u64,
    decoded: u64,
    path_switches: u64,
    /// By source.
    sources: Vec<u64>,
}

/// The last look, and what was told of it.
#[derive(Debug, Default)]
struct Book {
    totals: Totals,
    /// The streams of the last second that was told; `None` when that was not a quiet one.
    quiet: Option<u64>,
}

/// Where reads come from: only ever more places.
#[derive(Debug, Clone, Default)]
struct Sources {
    /// The first is the own column.
    all: Vec<Arc<Source>>,
    /// The sources of each node, by path.
    by_path: BTreeMap<NodeId, Vec<Arc<Source>>>,
}

impl Sources {
    fn add(&mut self, node: &str, switch: Option<&str>) -> Arc<Source> {
        let known = self.all.iter().skip(1).find(|known| known.node == node && known.switch.as_deref() == switch);
        if let Some(known) = known {
            return Arc::clone(known);
        }
        let (node, switch) = (node.to_owned(), switch.map(str::to_owned));
        let source = Arc::new(Source { node, switch, bytes: AtomicU64::new(0) });
        self.all.push(Arc::clone(&source));
        source
    }
}

/// What viewers' reads cost, and what they were read from.
#[derive(Debug)]
pub struct ReadLog {
    counts: Counts,
    sources: RwLock<Sources>,
    streams: AtomicU64,
    stall_us: AtomicU64,
    stall_us_of_second: AtomicU64,
    book: Mutex<Book>,
    latest: watch::Sender<Option<ReadSecond>>,
    rebuilds: Rebuilds,
}

/// A viewer's stream, counted until it is dropped.
#[derive(Debug)]
pub struct StreamGuard(Arc<ReadLog>);

impl Drop for StreamGuard {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

fn add(count: &AtomicU64, number: u64) {
    count.fetch_add(number, Ordering::Relaxed);
}

fn get(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}

impl ReadLog {
    /// Of the node called `name`: nothing has been read yet.
    pub fn new(name: &str) -> Self {
        let mut sources = Sources::default();
        sources.add(name, None);
        let book = Book { totals: Totals { sources: vec![0], ..Totals::default() }, quiet: Some(0) };
        Self {
            counts: Counts::default(),
            sources: RwLock::new(sources),
            streams: AtomicU64::new(0),
            stall_us: AtomicU64::new(0),
            stall_us_of_second: AtomicU64::new(0),
            book: Mutex::new(book),
            latest: watch::Sender::new(None),
            rebuilds: Rebuilds::default(),
        }
    }

    fn sources(&self) -> RwLockReadGuard<'_, Sources> {
        self.sources.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on one more path leads to a peer.
    pub fn add_path(&self, peer: NodeId, name: &str, switch: Option<&str>) {
        let mut sources = self.sources.write().unwrap_or_else(PoisonError::into_inner);
        let source = sources.add(name, switch);
        sources.by_path.entry(peer).or_default().push(source);
    }

    /// Counts a viewer's stream until the guard is dropped.
    pub fn open_stream(self: &Arc<Self>) -> StreamGuard {
        add(&self.streams, 1);
        StreamGuard(Arc::clone(self))
    }

    /// Notes verified bytes handed to a viewer.
    pub fn note_served(&self, bytes: u64) {
        add(&self.counts.served, bytes);
    }

    /// Notes bytes of a column, from a peer by the path of this number; `None` for the own column. From where there is no path:
    /// nothing.
    pub fn note_arrival(&self, from: NodeId, path: Option<usize>, bytes: u64) {
        let sources = self.sources();
        let source = match path {
            None => sources.all.first(),
            Some(path) => sources.by_path.get(&from).and_then(|paths| paths.get(path)),
        };
        if let Some(source) = source {
            add(&source.bytes, bytes);
        }
    }

    /// Notes bytes from peers that turned out to be of no use.
    pub fn note_extra(&self, bytes: u64) {
        add(&self.counts.extra, bytes);
    }

    /// Notes a request sent because another one was late.
    pub fn note_hedge_sent(&self) {
        add(&self.counts.hedges_sent, 1);
    }

    /// Notes that such a request was there first.
    pub fn note_hedge_won(&self) {
        add(&self.counts.hedges_won, 1);
    }

    /// Notes stripes decoded, with how many columns missing.
    pub fn note_decoded(&self, missing: usize, stripes: u64) {
        add(&self.counts.decoded[missing.min(MISSING_MAX)], stripes);
    }

    /// Notes that a request left its path for another one.
    pub fn note_path_switch(&self) {
        add(&self.counts.path_switches, 1);
    }

    /// Notes that a stream had credit and no verified bytes for so long.
    pub fn note_stall(&self, stalled: Duration) {
        let stalled_us = u64::try_from(stalled.as_micros()).unwrap_or(u64::MAX);
        self.stall_us.fetch_max(stalled_us, Ordering::Relaxed);
        self.stall_us_of_second.fetch_max(stalled_us, Ordering::Relaxed);
        if stalled > STALL {
            add(&self.counts.stalls, 1);
        }
    }

    /// Notes how far the rebuilding of a column is.
    pub fn note_rebuild(&self, title: &str, column: u16, done: u64, total: u64) {
        add(&self.counts.rebuilt, self.rebuilds.note(title, column, done, total));
    }

    /// Notes that the rebuilding of a column is over, whether done or given up.
    pub fn end_rebuild(&self, title: &str, column: u16) {
        self.rebuilds.end(title, column);
    }

    /// The columns that are being rebuilt.
    pub fn rebuilds(&self) -> Vec<Rebuild> {
        self.rebuilds.all()
    }

    /// Tells of every change of [`Self::rebuilds`].
    pub fn watch_rebuilds(&self) -> watch::Receiver<()> {
        self.rebuilds.watch()
    }

    /// The seconds in which something was read, and the first quiet one after each.
    pub fn watch_seconds(&self) -> watch::Receiver<Option<ReadSecond>> {
        self.latest.subscribe()
    }

    /// Sums up every second until the task is aborted.
    ///
    /// Cancel safety: nothing is lost.
    pub async fn keep_seconds(self: Arc<Self>) {
        let mut tick = interval(SECOND);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last = Instant::now();
        loop {
            let now = tick.tick().await;
            if let Some(second) = self.close_second(now.duration_since(last)) {
                self.latest.send_replace(Some(second));
            }
            self.publish();
            last = now;
        }
    }

    fn totals(&self) -> Totals {
        Totals {
            served: get(&self.counts.served),
            extra: get(&self.counts.extra),
            hedges_sent: get(&self.counts.hedges_sent),
            hedges_won: get(&self.counts.hedges_won),
            decoded: self.counts.decoded.iter().map(get).sum(),
            path_switches: get(&self.counts.path_switches),
            sources: self.sources().all.iter().map(|source| get(&source.bytes)).collect(),
        }
    }

    /// What came since the last call; `None` when that was nothing and has been told.
    fn close_second(&self, elapsed: Duration) -> Option<ReadSecond> {
        let now = self.totals();
        let streams = get(&self.streams);
        let stall_us = self.stall_us_of_second.swap(0, Ordering::Relaxed);
        let mut book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        // Where somebody came nothing has come from.
        book.totals.sources.resize(now.sources.len(), 0);
        let quiet = (now == book.totals && stall_us == 0).then_some(streams);
        let told = quiet.is_some() && quiet == book.quiet;
        let before = core::mem::replace(&mut *book, Book { totals: now.clone(), quiet }).totals;
        drop(book);
        if told {
            return None;
        }
        let arrived = now.sources.iter().zip(&before.sources).map(|(now, before)| now - before);
        let known = self.sources();
        let sources: Vec<_> = known
            .all
            .iter()
            .zip(arrived)
            .filter(|(_, bytes)| *bytes > 0)
            .map(|(source, bytes)| ReadSource { node: source.node.clone(), switch: source.switch.clone(), bytes })
            .collect();
        let own = now.sources[0] - before.sources[0];
        Some(ReadSecond {
            node: known.all[0].node.clone(),
            seconds: elapsed.as_secs_f64(),
            streams,
            served_bytes: now.served - before.served,
            peer_bytes: sources.iter().map(|source| source.bytes).sum::<u64>() - own,
            extra_bytes: now.extra - before.extra,
            decoded_stripes: now.decoded - before.decoded,
            hedges_sent: now.hedges_sent - before.hedges_sent,
            hedges_won: now.hedges_won - before.hedges_won,
            path_switches: now.path_switches - before.path_switches,
            stall_seconds: seconds(stall_us),
            sources,
        })
    }

    /// Peer bytes for each served byte, since the node was started; 0 before the first.
    #[expect(clippy::cast_precision_loss, reason = "a ratio for people")]
    pub fn peer_bytes_per_served_byte(&self) -> f64 {
        let peer: u64 = self.sources().all[1..].iter().map(|source| get(&source.bytes)).sum();
        let served = get(&self.counts.served);
        if served == 0 { 0.0 } else { peer as f64 / served as f64 }
    }

    /// Sets the metrics to what was counted.
    #[expect(clippy::cast_precision_loss, reason = "gauges are floats")]
    pub fn publish(&self) {
        let counts = &self.counts;
        metrics::counter!("rain_served_bytes_total").absolute(get(&counts.served));
        metrics::counter!("rain_extra_peer_bytes_total").absolute(get(&counts.extra));
        metrics::counter!("rain_hedges_sent_total").absolute(get(&counts.hedges_sent));
        metrics::counter!("rain_hedges_won_total").absolute(get(&counts.hedges_won));
        metrics::counter!("rain_path_switches_total").absolute(get(&counts.path_switches));
        metrics::counter!("rain_stalls_total").absolute(get(&counts.stalls));
        metrics::counter!("rain_rebuild_bytes_total").absolute(get(&counts.rebuilt));
        for source in &self.sources().all[1..] {
            let switch = source.switch.clone().unwrap_or_else(|| SEVERAL.to_owned());
            let counter = metrics::counter!("rain_peer_bytes_total", "peer" => source.node.clone(), "switch" => switch);
            counter.absolute(get(&source.bytes));
        }
        for (missing, stripes) in counts.decoded.iter().enumerate() {
            // One and two missing columns are always told; of others there may be none ever.
            if matches!(missing, 1 | 2) || get(stripes) > 0 {
                let counter = metrics::counter!("rain_decoded_stripes_total", "missing" => missing.to_string());
                counter.absolute(get(stripes));
            }
        }
        metrics::gauge!("rain_stall_seconds").set(seconds(get(&self.stall_us)));
        metrics::gauge!("rain_streams").set(get(&self.streams) as f64);
        metrics::gauge!("rain_peer_bytes_per_served_byte").set(self.peer_bytes_per_served_byte());
    }
}

fn seconds(micros: u64) -> f64 {
    Duration::from_micros(micros).as_secs_f64()
}
