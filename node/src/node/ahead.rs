//! What all streams together are read ahead of their viewers: one budget in bytes.
//!
//! As long as half of it is free, every stream is read ahead as far as it likes. From there on each has a share, and of
//! those that stand still everything is taken back, beginning with the one that has stood longest: a player that is paused
//! costs its socket, and what was taken is fetched again when it goes on. Every stream may always have one piece.

use bytes::Bytes;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use core::time::Duration;
use futures_util::FutureExt;
use futures_util::stream::FuturesOrdered;
use rain_titles::ReadError;
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;
use tokio::task::JoinHandle;

/// A piece is about so long: a request for its part of one column is at least 256 KiB then.
pub(super) const PIECE_BYTES: u64 = 2 << 20;
/// How far a stream reads ahead of its viewer.
pub(super) const READ_AHEAD_BYTES: u64 = 8 << 20;
/// A stream whose viewer has taken nothing for so long stands still.
const STANDSTILL: Duration = Duration::from_secs(2);
/// So often it is looked for those at most.
const LOOK: Duration = Duration::from_millis(100);
/// A piece where there is little room.
pub(super) const SMALL_PIECE_BYTES: u64 = 256 << 10;
/// So much of what was handed over may still be waiting at a socket.
const AT_SOCKET_BYTES: u64 = 1 << 20;

/// A fetch under way; aborted when nobody wants it any more.
#[derive(Debug)]
pub(super) struct Fetch {
    pub(super) task: JoinHandle<Result<Vec<Bytes>, ReadError>>,
    pub(super) bytes: u64,
}

impl Drop for Fetch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Future for Fetch {
    type Output = (u64, Result<Vec<Bytes>, ReadError>);

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let joined = ready!(self.task.poll_unpin(context));
        let result = joined.unwrap_or_else(|error| match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The node is ending.
            Err(_) => Err(ReadError::Ending),
        });
        Poll::Ready((self.bytes, result))
    }
}

/// What one stream is read ahead.
#[derive(Debug)]
pub(super) struct Stock {
    pub(super) fetches: FuturesOrdered<Fetch>,
    /// Bytes of the fetches under way.
    under_way: u64,
    ready: VecDeque<Bytes>,
    /// Bytes fetched that the viewer has not taken.
    ready_bytes: u64,
    /// Bytes handed over as copies since the last ones that keep whole answers of nodes in memory.
    copied: u64,
    /// What it has of the budget.
    charged: u64,
    /// Everything was taken back since the stream looked.
    is_taken_back: bool,
    /// Its viewer waits for what is under way.
    is_waited_for: bool,
    looked: Instant,
}

impl Stock {
    fn new() -> Self {
        Self {
            fetches: FuturesOrdered::new(),
            under_way: 0,
            ready: VecDeque::new(),
            ready_bytes: 0,
            copied: AT_SOCKET_BYTES,
            charged: 0,
            is_taken_back: false,
            is_waited_for: false,
            looked: Instant::now(),
        }
    }

    /// What is there or under way.
    pub(super) fn bytes(&self) -> u64 {
        self.under_way + self.ready_bytes
    }

    /// Begins a fetch.
    pub(super) fn begin(&mut self, fetch: Fetch) {
        self.under_way += fetch.bytes;
        self.fetches.push_back(fetch);
    }

    /// Puts what was fetched with the rest.
    pub(super) fn put(&mut self, bytes: u64, parts: Vec<Bytes>) {
        self.under_way -= bytes;
        self.ready_bytes += bytes;
        self.ready.extend(parts);
    }

    /// The next part for the viewer, as a copy where there is little room: it may wait at a socket for long, and would keep
    /// all of the answers in memory that it is a part of.
    pub(super) fn take(&mut self, is_tight: bool) -> Option<Bytes> {
        let mut part = self.ready.pop_front()?;
        if is_tight {
            let rest = part.split_off(part.len().min(COPY_BYTES_MAX));
            if !rest.is_empty() {
                self.ready.push_front(rest);
            }
            part = Bytes::copy_from_slice(&part);
            self.copied += part.len() as u64;
        } else {
            self.copied = 0;
        }
        self.ready_bytes -= part.len() as u64;
        Some(part)
    }

    /// Notes that the viewer waits for what is under way: however long that takes, the stream does not stand still.
    pub(super) fn wait(&mut self) {
        self.is_waited_for = true;
    }

    /// Whether everything was taken back since the last call.
    pub(super) fn was_taken_back(&mut self) -> bool {
        core::mem::take(&mut self.is_taken_back)
    }

    fn empty(&mut self) {
        (self.under_way, self.ready_bytes, self.is_taken_back) = (0, 0, true);
        self.fetches = FuturesOrdered::new();
        self.ready = VecDeque::new();
    }

    /// What it must have of the budget: also what may be in memory by way of the socket.
    fn charge(&self) -> u64 {
        self.bytes() + if self.copied < AT_SOCKET_BYTES { PIECE_BYTES } else { 0 }
    }
}

/// Longest copy.
const COPY_BYTES_MAX: usize = 64 << 10;

#[derive(Debug)]
struct Stocks {
    by_number: BTreeMap<u64, Weak<Mutex<Stock>>>,
    next: u64,
    looked: Option<Instant>,
}

/// The budget.
#[derive(Debug)]
pub(super) struct ReadAhead {
    bytes_max: AtomicU64,
    used: AtomicU64,
    /// Streams that have something.
    holding: AtomicU64,
    stocks: Mutex<Stocks>,
}

/// A stream's stock: gone when it is dropped.
#[derive(Debug)]
pub(super) struct OwnStock {
    budget: Arc<ReadAhead>,
    number: u64,
    stock: Arc<Mutex<Stock>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ReadAhead {
    pub(super) fn new(bytes_max: u64) -> Self {
        let stocks = Stocks { by_number: BTreeMap::new(), next: 0, looked: None };
        Self {
            bytes_max: AtomicU64::new(bytes_max),
            used: AtomicU64::new(0),
            holding: AtomicU64::new(0),
            stocks: Mutex::new(stocks),
        }
    }

    /// From now on it has so many bytes; what is read ahead is given back as streams go on.
    pub(super) fn set_bytes_max(&self, bytes_max: u64) {
        self.bytes_max.store(bytes_max, Ordering::Relaxed);
    }

    fn bytes_max(&self) -> u64 {
        self.bytes_max.load(Ordering::Relaxed)
    }

    /// The stock of a stream, to begin with none.
    pub(super) fn stock(self: &Arc<Self>) -> OwnStock {
        let stock = Arc::new(Mutex::new(Stock::new()));
        let mut stocks = lock(&self.stocks);
        stocks.next += 1;
        let number = stocks.next;
        stocks.by_number.insert(number, Arc::downgrade(&stock));
        OwnStock { budget: Arc::clone(self), number, stock }
    }

    fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Whether more than half of it is used.
    pub(super) fn is_tight(&self) -> bool {
        self.used() > self.bytes_max() / 2
    }

    /// Whether so many bytes more fit in.
    pub(super) fn has_room(&self, bytes: u64) -> bool {
        self.used() + bytes <= self.bytes_max()
    }

    /// How far a stream may be read ahead.
    pub(super) fn window(&self) -> u64 {
        if !self.is_tight() {
            return READ_AHEAD_BYTES;
        }
        let holding = self.holding.load(Ordering::Relaxed).max(1);
        (self.bytes_max() / 2 / holding).clamp(SMALL_PIECE_BYTES, READ_AHEAD_BYTES)
    }

    /// Takes back what those have that stand still, until half of the budget is free.
    pub(super) fn relieve(&self, now: Instant) {
        if !self.is_tight() {
            return;
        }
        let mut standing = {
            let mut stocks = lock(&self.stocks);
            if stocks.looked.is_some_and(|looked| now.duration_since(looked) < LOOK) {
                return;
            }
            stocks.looked = Some(now);
            let stocks = stocks.by_number.values().filter_map(Weak::upgrade);
            stocks.filter_map(|stock| Some((standing_since(&stock, now)?, stock))).collect::<Vec<_>>()
        };
        standing.sort_unstable_by_key(|(since, _)| *since);
        for (_, stock) in standing {
            if !self.is_tight() {
                break;
            }
            // Whoever has it now stands still no more.
            let Ok(mut stock) = stock.try_lock() else { continue };
            stock.empty();
            self.settle(&mut stock);
            metrics::counter!("rain_read_ahead_taken_back_total").increment(1);
        }
    }

    /// Charges what a stock has now.
    fn settle(&self, stock: &mut Stock) {
        let (before, now) = (stock.charged, stock.charge());
        if now > before {
            self.used.fetch_add(now - before, Ordering::Relaxed);
        } else if now < before {
            self.used.fetch_sub(before - now, Ordering::Relaxed);
        }
        match (before, now) {
            (0, 1..) => drop(self.holding.fetch_add(1, Ordering::Relaxed)),
            (1.., 0) => drop(self.holding.fetch_sub(1, Ordering::Relaxed)),
            _ => {}
        }
        stock.charged = now;
    }

    /// Sets its metrics.
    #[expect(clippy::cast_precision_loss, reason = "gauges are floats")]
    pub(super) fn publish(&self) {
        metrics::gauge!("rain_read_ahead_bytes").set(self.used() as f64);
        metrics::gauge!("rain_read_ahead_bytes_max").set(self.bytes_max() as f64);
    }
}

/// Since when a stream stands still that has something to give back.
fn standing_since(stock: &Mutex<Stock>, now: Instant) -> Option<Instant> {
    let stock = stock.try_lock().ok()?;
    let stands = stock.bytes() > 0 && !stock.is_waited_for && now.saturating_duration_since(stock.looked) >= STANDSTILL;
    stands.then_some(stock.looked)
}

impl OwnStock {
    /// Does something with the stock, at the time `now`.
    pub(super) fn with<T>(&self, now: Instant, use_it: impl FnOnce(&mut Stock) -> T) -> T {
        let mut stock = lock(&self.stock);
        (stock.looked, stock.is_waited_for) = (now, false);
        let used = use_it(&mut stock);
        self.budget.settle(&mut stock);
        used
    }

    /// The budget that it is charged to.
    pub(super) fn budget(&self) -> &ReadAhead {
        &self.budget
    }
}

impl Drop for OwnStock {
    fn drop(&mut self) {
        lock(&self.budget.stocks).by_number.remove(&self.number);
        let mut stock = lock(&self.stock);
        stock.empty();
        // What waits at the socket goes with the stream.
        stock.copied = AT_SOCKET_BYTES;
        self.budget.settle(&mut stock);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn put(stock: &OwnStock, now: Instant, parts: &[u64]) {
        stock.with(now, |stock| {
            let parts: Vec<_> =
                parts.iter().map(|bytes| Bytes::from(vec![7; usize::try_from(*bytes).unwrap()])).collect();
            let bytes = parts.iter().map(|part| part.len() as u64).sum();
            stock.under_way += bytes;
            stock.put(bytes, parts);
        });
    }

    /// What is taken from somebody who waits for it would never wake him.
    #[test]
    fn who_waits_does_not_stand_still() {
        let budget = Arc::new(ReadAhead::new(16 * MIB));
        let begin = Instant::now();
        let stocks = [budget.stock(), budget.stock()];
        for stock in &stocks {
            put(stock, begin, &[5 * MIB]);
        }
        stocks[0].with(begin, Stock::wait);
        budget.relieve(begin + Duration::from_secs(10));
        assert_eq!(stocks.each_ref().map(|stock| lock(&stock.stock).was_taken_back()), [false, true]);
        // Once he has looked again he is as any other.
        stocks[0].with(begin + Duration::from_secs(20), |_| ());
        put(&stocks[1], begin + Duration::from_secs(21), &[5 * MIB]);
        budget.relieve(begin + Duration::from_secs(30));
        assert_eq!(stocks.each_ref().map(|stock| lock(&stock.stock).was_taken_back()), [true, false]);
    }

    #[test]
    fn who_stands_still_longest_gives_back_first_and_only_what_is_needed() {
        let budget = Arc::new(ReadAhead::new(16 * MIB));
        let begin = Instant::now();
        let after = |seconds| begin + Duration::from_secs(seconds);
        let stocks = [budget.stock(), budget.stock(), budget.stock()];
        for (stock, at) in stocks.iter().zip([1, 0, 9]) {
            put(stock, after(at), &[3 * MIB]);
        }
        assert_eq!(budget.used(), 9 * MIB);
        budget.relieve(after(10));
        let taken: Vec<bool> = stocks.iter().map(|stock| lock(&stock.stock).was_taken_back()).collect();
        assert_eq!(taken, [false, true, false]);
        assert_eq!((budget.used(), budget.is_tight()), (6 * MIB, false));
        assert!(budget.has_room(10 * MIB) && !budget.has_room(10 * MIB + 1));
    }

    #[test]
    fn nobody_gives_back_who_goes_on_or_while_there_is_room() {
        let budget = Arc::new(ReadAhead::new(8 * MIB));
        let begin = Instant::now();
        let stock = budget.stock();
        put(&stock, begin, &[4 * MIB]);
        budget.relieve(begin + Duration::from_hours(1));
        assert_eq!(budget.used(), 4 * MIB);
        put(&stock, begin + Duration::from_hours(1), &[2 * MIB]);
        budget.relieve(begin + Duration::from_hours(1) + Duration::from_secs(1));
        assert_eq!(budget.used(), 6 * MIB);
        drop(stock);
        assert_eq!((budget.used(), budget.holding.load(Ordering::Relaxed)), (0, 0));
    }

    #[test]
    fn where_it_is_tight_each_has_a_share_and_what_is_handed_over_is_a_short_copy() {
        let budget = Arc::new(ReadAhead::new(16 * MIB));
        let now = Instant::now();
        let stocks: Vec<_> = (0..4).map(|_| budget.stock()).collect();
        put(&stocks[0], now, &[MIB]);
        assert_eq!(budget.window(), 8 * MIB);
        for stock in &stocks {
            put(stock, now, &[3 * MIB]);
        }
        assert_eq!(budget.window(), 2 * MIB, "half of it for four");
        let part = stocks[0].with(now, |stock| stock.take(true)).unwrap();
        assert_eq!(part.len(), 64 << 10);
        assert_eq!(budget.used(), 13 * MIB - (64 << 10));
        // One that is no copy may keep a piece in memory by way of the socket, until enough copies went the same way.
        let part = stocks[1].with(now, |stock| stock.take(false)).unwrap();
        assert_eq!(part.len() as u64, 3 * MIB);
        assert_eq!(budget.used(), 13 * MIB - (64 << 10) - 3 * MIB + PIECE_BYTES);
        put(&stocks[1], now, &[2 * MIB]);
        for _ in 0..16 {
            stocks[1].with(now, |stock| stock.take(true));
        }
        assert_eq!(budget.used(), 13 * MIB - (64 << 10) - 3 * MIB + MIB);
    }
}
