//! Rows of one column: over the best path, and over another when that one is late or breaks, from the very byte at which
//! it stopped.

use super::commons::Commons;
use super::order::{Failure, FetchEvent, FetchOrder, RequestId, Turn};
use super::safeguard::{Missing, Safeguard};
use core::ops::Range;
use core::time::Duration;
use rain_cluster::{NodeId, Time};
use std::collections::{BTreeMap, VecDeque};

/// A column whose bytes stop coming for so long, and four round trips, is done without, whatever it costs.
pub(crate) const PROGRESS: Duration = Duration::from_millis(500);
/// A hedge that the budget does not allow is tried again after so long.
pub(crate) const AGAIN: Duration = Duration::from_millis(10);
/// What a peer has sent and nobody reads any more is so much at most: what its system and ours hold of a connection.
pub(crate) const UNREAD_BYTES_MAX: usize = 256 << 10;

/// What a step may use besides the state of its own.
pub(crate) struct Step<'a> {
    pub(crate) now: Time,
    pub(crate) commons: &'a mut Commons,
    pub(crate) out: &'a mut Outbox,
    pub(crate) missing: Missing,
}

/// What the driver has yet to hear.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    pub(crate) orders: VecDeque<FetchOrder>,
    pub(crate) events: VecDeque<FetchEvent>,
}

impl Step<'_> {
    /// Takes bytes out of the budget, if they are there.
    pub(crate) fn take(&mut self, bytes: u64) -> bool {
        self.commons.budget.take(bytes) || !self.missing.has(Safeguard::Budget)
    }

    pub(crate) fn give_back(&mut self, bytes: u64) {
        if bytes > 0 && self.missing.has(Safeguard::GivingBack) {
            self.commons.budget.give_back(bytes);
        }
    }

    /// Counts bytes from peers that were of no use.
    pub(crate) fn waste(&mut self, bytes: usize) {
        if bytes > 0 && self.missing.has(Safeguard::Counting) {
            self.commons.budget.spend(bytes as u64);
            self.out.events.push_back(FetchEvent::Extra(bytes as u64));
        }
    }
}

/// A request under way over one path.
#[derive(Debug)]
struct Attempt {
    /// The offset in the answer at which it began.
    start: usize,
    /// The offset of the next byte that comes over it.
    position: usize,
    /// What it may waste, taken from the budget.
    charged: u64,
}

/// What was ordered and has no path yet.
#[derive(Debug)]
struct Asking {
    turn: Turn,
    from_byte: usize,
    charged: u64,
    /// It follows one that broke.
    replaces: bool,
}

/// Where the answer is to come from, and how far it has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    /// The own store.
    Own,
    /// A peer.
    Peer,
    /// All bytes are there.
    Whole,
}

/// What became of a request by a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Became {
    /// It goes on.
    Open,
    /// All bytes are there.
    Whole,
    /// It failed.
    Failed(Failure),
}

/// The fetching of rows of one column.
#[derive(Debug)]
pub(crate) struct ColumnFetch {
    id: RequestId,
    pub(crate) node: NodeId,
    pub(crate) column: u16,
    pub(crate) rows: Range<u16>,
    expected: usize,
    source: Source,
    /// Bytes from the first on that are there.
    came: usize,
    /// By path.
    attempts: BTreeMap<usize, Attempt>,
    failed: Vec<usize>,
    asking: Option<Asking>,
    /// The second path beside a late one; one only.
    hedge: Option<usize>,
    hedged: bool,
    /// The last sign of life; `None` while it waits for its turn: nobody is late then.
    last: Option<Time>,
    late_after: Duration,
    silent_after: Duration,
    /// The sign of life after which everything that can be done about lateness is done.
    settled: Option<Time>,
    /// Not before is a hedge tried again that the budget did not allow.
    again: Time,
    /// The longest time without progress.
    longest: Duration,
}

impl ColumnFetch {
    /// Rows of a peer's column: asked for in `turn`.
    pub(crate) fn ask(
        (id, node): (RequestId, NodeId),
        (column, rows): (u16, Range<u16>),
        expected: usize,
        turn: Turn,
        step: &mut Step<'_>,
    ) -> Self {
        let mut fetch = Self::new(id, node, column, rows, expected, Source::Peer);
        fetch.order(turn, 0, false, step);
        fetch
    }

    /// Rows of the own column: read at once.
    pub(crate) fn read(id: RequestId, node: NodeId, column: u16, rows: Range<u16>, step: &mut Step<'_>) -> Self {
        step.out.orders.push_back(FetchOrder::Read { request: id, column, rows: rows.clone() });
        let mut fetch = Self::new(id, node, column, rows, 0, Source::Own);
        fetch.late_after = step.commons.late_after(node);
        fetch.last = Some(step.now);
        fetch
    }

    fn new(id: RequestId, node: NodeId, column: u16, rows: Range<u16>, expected: usize, source: Source) -> Self {
        Self {
            id,
            node,
            column,
            rows,
            expected,
            source,
            came: 0,
            attempts: BTreeMap::new(),
            failed: Vec::new(),
            asking: None,
            hedge: None,
            hedged: false,
            last: None,
            late_after: Duration::ZERO,
            silent_after: PROGRESS,
            settled: None,
            again: Time::default(),
            longest: Duration::ZERO,
        }
    }

    /// Bytes that peers sent, each counted once.
    pub(crate) fn came_once(&self) -> usize {
        self.came
    }

    /// Whether a verdict on its bytes may come: they are all there, or come from the own store.
    pub(crate) fn awaits_verdict(&self) -> bool {
        self.source != Source::Peer
    }

    /// Whether it may still be refused.
    pub(crate) fn awaits_bytes(&self) -> bool {
        self.source != Source::Whole
    }

    /// When it is late enough for its column to be done without: first another path to its node is tried.
    pub(crate) fn missed_at(&self) -> Option<Time> {
        let last = self.last.filter(|_| self.source != Source::Whole)?;
        Some(last + self.late_after * 2)
    }

    /// When it wants to be woken at the latest.
    pub(crate) fn due(&self) -> Option<Time> {
        let last = self.last.filter(|_| self.source != Source::Whole)?;
        let silent = last + self.silent_after;
        if self.source == Source::Own || self.settled == Some(last) {
            return Some(silent);
        }
        Some((last + self.late_after).max(self.again).min(silent))
    }

    fn order(&mut self, turn: Turn, charged: u64, replaces: bool, step: &mut Step<'_>) {
        let from_byte = if step.missing.has(Safeguard::Resume) { self.came } else { 0 };
        let mut without = Vec::new();
        if step.missing.has(Safeguard::OtherPath) {
            without.extend(self.attempts.keys().chain(&self.failed));
        }
        step.out.orders.push_back(FetchOrder::Ask {
            request: self.id,
            node: self.node,
            column: self.column,
            rows: self.rows.clone(),
            from_byte,
            bytes: self.expected - from_byte,
            turn,
            without,
        });
        self.asking = Some(Asking { turn, from_byte, charged, replaces });
        if turn != Turn::AtOnce {
            // Nobody is late who waits for a turn.
            self.last = (!step.missing.has(Safeguard::Turn)).then_some(step.now);
        }
    }

    /// It got its turn.
    pub(crate) fn began(&mut self, path: usize, step: &mut Step<'_>) {
        let usable = !self.attempts.contains_key(&path) && self.source == Source::Peer;
        let Some(asking) = self.asking.take_if(|_| usable) else { return };
        let Asking { turn, from_byte, charged, replaces } = asking;
        self.attempts.insert(path, Attempt { start: from_byte, position: from_byte, charged });
        if turn == Turn::AtOnce {
            self.hedge = Some(path);
            step.out.events.push_back(FetchEvent::HedgeSent);
        } else {
            self.last = Some(step.now);
            self.late_after = step.commons.late_after(self.node);
            self.silent_after = PROGRESS + 4 * step.commons.round_trip(self.node);
        }
        if replaces {
            step.out.events.push_back(FetchEvent::PathSwitch);
        }
    }

    /// There is no path for what was asked for.
    pub(crate) fn no_path(&mut self, step: &mut Step<'_>) -> Became {
        let Some(asking) = self.asking.take() else { return Became::Open };
        step.give_back(asking.charged);
        self.hedged &= asking.turn != Turn::AtOnce;
        match asking.turn {
            Turn::AtOnce if !self.attempts.is_empty() => Became::Open,
            // The path that it was to stand beside has broken since.
            Turn::AtOnce => {
                self.order(Turn::Urgent, 0, true, step);
                Became::Open
            }
            Turn::Ordinary | Turn::Urgent => Became::Failed(Failure::NoPath),
        }
    }

    /// Bytes came over a path: which of them are new, and what became of it.
    pub(crate) fn bytes(&mut self, path: usize, length: usize, step: &mut Step<'_>) -> (Range<usize>, Became) {
        let Some(attempt) = self.attempts.get_mut(&path) else { return (0..0, Became::Open) };
        self.longest = self.longest.max(self.last.map_or(Duration::ZERO, |last| step.now.since(last)));
        self.last = Some(step.now);
        let end = attempt.position + length;
        let known = if step.missing.has(Safeguard::Deduplication) {
            self.came.saturating_sub(attempt.position).min(length)
        } else {
            0
        };
        attempt.position = end.min(self.expected);
        if end > self.expected && step.missing.has(Safeguard::Length) {
            let expected = self.expected;
            step.waste(length);
            return (0..0, Became::Failed(Failure::Length { found: end, expected }));
        }
        step.waste(known);
        self.came = (self.came + length - known).min(self.expected);
        if self.came < self.expected {
            return (known..length, Became::Open);
        }
        self.complete(step);
        (known..length, Became::Whole)
    }

    fn complete(&mut self, step: &mut Step<'_>) {
        step.commons.note_pace(self.node, self.longest);
        let won = self.hedge.and_then(|path| self.attempts.get(&path));
        if won.is_some_and(|attempt| attempt.position == self.expected) {
            step.out.events.push_back(FetchEvent::HedgeWon);
        }
        self.end(step);
        self.source = Source::Whole;
        step.out.orders.push_back(FetchOrder::Verify {
            request: self.id,
            column: self.column,
            rows: self.rows.clone(),
        });
    }

    /// A path broke, or went down: what is missing is asked for over another one at once.
    pub(crate) fn broken(&mut self, path: usize, step: &mut Step<'_>) {
        if self.attempts.contains_key(&path) {
            self.end_attempt(path, step);
            self.failed.push(path);
            if self.attempts.is_empty() && self.asking.is_none() && step.missing.has(Safeguard::Replacement) {
                self.order(Turn::Urgent, 0, true, step);
            }
        }
    }

    /// What became of it by time alone.
    pub(crate) fn timeout(&mut self, step: &mut Step<'_>) -> Became {
        let (Some(last), Some(due)) = (self.last, self.due()) else { return Became::Open };
        if step.now < due {
            return Became::Open;
        }
        if step.now >= last + self.silent_after {
            if step.missing.has(Safeguard::Progress) {
                return Became::Failed(Failure::Silent);
            }
            self.last = None;
        } else if self.source == Source::Peer && self.settled != Some(last) {
            if self.hedge_late(step) {
                self.settled = Some(last);
            } else {
                self.again = step.now + AGAIN;
            }
        }
        Became::Open
    }

    /// Nothing came for longer than usual: what is missing is asked for over another path besides, if the budget allows.
    /// Whether nothing is left to be tried.
    fn hedge_late(&mut self, step: &mut Step<'_>) -> bool {
        for path in self.attempts.keys() {
            step.out.events.push_back(FetchEvent::Late { node: self.node, path: *path });
        }
        if self.hedged || self.asking.is_some() || !step.missing.has(Safeguard::SecondPath) {
            return true;
        }
        let missing = (self.expected - self.came) as u64;
        let allowed = step.take(missing);
        if allowed {
            self.hedged = true;
            self.order(Turn::AtOnce, missing, false, step);
        }
        allowed
    }

    /// Closes the books on whatever is under way: what that was charged goes back; what it wasted was taken before.
    pub(crate) fn end(&mut self, step: &mut Step<'_>) {
        let paths: Vec<usize> = self.attempts.keys().copied().collect();
        for path in paths {
            self.end_attempt(path, step);
        }
        let charged = self.asking.take().map_or(0, |asking| asking.charged);
        step.give_back(charged);
    }

    fn end_attempt(&mut self, path: usize, step: &mut Step<'_>) {
        let Some(attempt) = self.attempts.remove(&path) else { return };
        let unread = self.expected - attempt.position;
        if attempt.position > attempt.start && unread > 0 {
            // The peer was sending: some of it is on its way or in a buffer, read by nobody.
            step.waste(unread.min(UNREAD_BYTES_MAX));
        }
        step.give_back(attempt.charged);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODE: NodeId = NodeId(1);
    const BYTES: usize = 1 << 20;

    /// The last order: over no path of these, and how.
    fn asked(out: &mut Outbox) -> Option<(Vec<usize>, Turn)> {
        match out.orders.drain(..).next_back() {
            Some(FetchOrder::Ask { without, turn, .. }) => Some((without, turn)),
            _ => None,
        }
    }

    /// What is missing is asked for over none of those that broke before.
    #[test]
    fn a_path_that_broke_is_not_taken_again() {
        let (mut commons, mut out) = (Commons::new([NODE], 1), Outbox::default());
        let missing = Missing::default();
        let mut step = Step { now: Time::default(), commons: &mut commons, out: &mut out, missing };
        let mut fetch = ColumnFetch::ask((RequestId(0), NODE), (0, 0..1), BYTES, Turn::Ordinary, &mut step);
        let mut broken = Vec::new();
        for path in [3, 5] {
            assert_eq!(asked(step.out).map(|(without, _)| without), Some(broken.clone()));
            fetch.began(path, &mut step);
            fetch.broken(path, &mut step);
            broken.push(path);
        }
        assert_eq!(asked(step.out), Some((vec![3, 5], Turn::Urgent)));
    }

    /// It wasted nothing: the budget is what it was.
    #[test]
    fn a_hedge_that_found_no_path_costs_nothing() {
        let (mut commons, mut out) = (Commons::new([NODE], 1), Outbox::default());
        let missing = Missing::default();
        let mut step = Step { now: Time::default(), commons: &mut commons, out: &mut out, missing };
        let mut fetch = ColumnFetch::ask((RequestId(0), NODE), (0, 0..1), BYTES, Turn::Ordinary, &mut step);
        fetch.began(0, &mut step);
        let before = step.commons.budget.left();
        step.now = fetch.due().unwrap();
        assert_eq!(fetch.timeout(&mut step), Became::Open);
        assert_eq!(asked(step.out), Some((vec![0], Turn::AtOnce)));
        assert!(step.commons.budget.left() < before);
        assert_eq!(fetch.no_path(&mut step), Became::Open);
        assert_eq!(step.commons.budget.left(), before);
    }
}
