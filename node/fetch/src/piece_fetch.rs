//! The fetching of one piece: what is asked of whom, what is late, and what is done about it.

use super::column_fetch::{AGAIN, Became, ColumnFetch, Outbox, Step};
use super::commons::Commons;
use super::order::{Failure, FetchEvent, FetchOrder, FetchTold, RequestId, Turn};
use super::safeguard::{Missing, Safeguard};
use super::{ColumnRead, Gather, Piece, PiecePlan, TooFewColumns};
use core::ops::Range;
use core::time::Duration;
use rain_cluster::{NodeId, Time};
use rain_codec::column::Geometry;
use rain_codec::{Cell, ErasurePattern, StripeCodec};
use std::collections::BTreeMap;
use std::sync::Arc;

/// With too few columns the nodes are asked again after so long which they hold.
const RETRY: Duration = Duration::from_millis(200);

/// What is to be fetched.
#[derive(Debug, Clone)]
pub struct PieceAsk {
    /// How the title is encoded.
    pub codec: Arc<StripeCodec>,
    /// How its columns are laid out.
    pub geometry: Geometry,
    /// The stripes and the blocks.
    pub piece: Piece,
    /// The cells of each stripe, in the order in which they are delivered: data cells of the piece, or any.
    pub wanted: Vec<Cell>,
    /// Who holds which column.
    pub nodes: Vec<NodeId>,
    /// Whose own store is read.
    pub own: NodeId,
    /// Whether peers are to prove their answers; the own store never is.
    pub proof: bool,
    /// Columns that are not to be had.
    pub lost: ErasurePattern,
    /// How long columns may take to return when too few are left.
    pub patience: Duration,
}

/// A request, and what is known of it.
#[derive(Debug)]
struct Asked {
    fetch: ColumnFetch,
    verified: bool,
    /// It was late, and is being done without.
    without: bool,
    /// Not before is it tried again to do without it.
    again: Time,
}

/// Where a fetch stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Columns are under way.
    Gathering,
    /// Too few are left: the nodes are asked again then.
    Short(Time),
    /// They are being asked.
    Looking,
    /// It has told how it ended.
    Over,
}

/// The fetching of one piece of a title, or of lost cells of one stripe: a machine that is told the time, holds no bytes
/// and asks nobody itself.
///
/// Its driver calls a method, carries out all that [`poll_order`](Self::poll_order) gives, takes all events, and calls
/// [`handle_timeout`](Self::handle_timeout) when [`poll_timeout`](Self::poll_timeout) is over; a little later does no harm.
/// It keeps the bytes of every request until they are verified, and verified rows until the fetch is over. A fetch that is
/// dropped before its end must be told: [`give_up`](Self::give_up).
///
/// * A column of which nothing came for longer than its node usually takes is asked for over a second path, from the byte
///   at which it stopped; after twice that time it is done without. Whichever is complete first is used. Both may waste no
///   more than the budget of [`Commons`] gives.
/// * After 500 ms without a byte it is done without, whatever that costs.
/// * Nodes that let readers down lately are asked last.
/// * With too few columns the nodes are asked again which they hold, until the patience is over. What is verified is kept.
#[derive(Debug)]
pub struct PieceFetch {
    ask: PieceAsk,
    until: Time,
    stage: Stage,
    gather: Option<Gather>,
    /// Lost columns, and those that failed since the nodes were asked last.
    failed: ErasurePattern,
    asked: BTreeMap<RequestId, Asked>,
    next: u32,
    /// What is asked for first waits for its turn; what stands in for that later goes before others.
    turn: Turn,
    /// What doing without late columns may waste, taken from the budget.
    charged: u64,
    out: Outbox,
    missing: Missing,
}

impl PieceFetch {
    /// Begins to fetch.
    ///
    /// # Panics
    /// Unless the codec's code has as many columns as `nodes`, and the piece has a stripe and a block, all of which the
    /// columns have.
    pub fn new(now: Time, ask: PieceAsk, commons: &mut Commons) -> Self {
        Self::with_missing(now, ask, commons, Missing::default())
    }

    /// Begins to fetch, without one of the safeguards.
    pub(crate) fn with_missing(now: Time, mut ask: PieceAsk, commons: &mut Commons, missing: Missing) -> Self {
        ask.proof &= missing.has(Safeguard::Proof);
        assert_eq!(ask.codec.code().columns(), ask.nodes.len(), "a node for each column");
        assert!(!ask.piece.stripes.is_empty() && !ask.piece.blocks.is_empty(), "a piece of nothing");
        let mut fetch = Self {
            until: now + ask.patience,
            stage: Stage::Gathering,
            gather: None,
            failed: ask.lost,
            asked: BTreeMap::new(),
            next: 0,
            turn: Turn::Ordinary,
            charged: 0,
            out: Outbox::default(),
            missing,
            ask,
        };
        fetch.run(now, commons, |fetch, step| {
            fetch.begin_round(step);
            fetch.advance(step);
        });
        fetch
    }

    /// What is to be done next.
    pub fn poll_order(&mut self) -> Option<FetchOrder> {
        self.out.orders.pop_front()
    }

    /// What was found out.
    pub fn poll_event(&mut self) -> Option<FetchEvent> {
        self.out.events.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called at the latest; `None` while time alone changes nothing.
    pub fn poll_timeout(&self) -> Option<Time> {
        let stage = match self.stage {
            Stage::Over => return None,
            Stage::Gathering => None,
            Stage::Short(at) => Some(at),
            Stage::Looking => Some(self.until),
        };
        let open = self.open().flat_map(|(_, asked)| [asked.fetch.due(), self.without_at(asked)]);
        open.chain([stage]).flatten().min()
    }

    /// Notes that `length` bytes came of a request over a path, and tells which of them are new: these, and no others,
    /// are to be appended to what is there of the answer.
    pub fn handle_bytes(
        &mut self,
        now: Time,
        request: RequestId,
        path: usize,
        length: usize,
        commons: &mut Commons,
    ) -> Range<usize> {
        let mut new = 0..0;
        self.run(now, commons, |fetch, step| {
            let Some(asked) = fetch.asked.get_mut(&request) else { return };
            let became;
            (new, became) = asked.fetch.bytes(path, length, step);
            if let Became::Failed(why) = became {
                fetch.fail(request, why, step);
                fetch.advance(step);
            }
        });
        new
    }

    /// Notes what the driver tells.
    pub fn handle(&mut self, now: Time, told: &FetchTold, commons: &mut Commons) {
        self.run(now, commons, |fetch, step| {
            fetch.take(told, step);
            fetch.advance(step);
        });
    }

    /// Notes that time has passed.
    pub fn handle_timeout(&mut self, now: Time, commons: &mut Commons) {
        self.run(now, commons, |fetch, step| {
            let requests: Vec<RequestId> = fetch.open().map(|(request, _)| request).collect();
            for request in requests {
                // One that failed may have taken others with it.
                let Some(asked) = fetch.asked.get_mut(&request) else { continue };
                if let Became::Failed(why) = asked.fetch.timeout(step) {
                    fetch.fail(request, why, step);
                }
            }
            match fetch.stage {
                Stage::Short(at) if step.now >= at && step.now < fetch.until => {
                    fetch.stage = Stage::Looking;
                    step.out.orders.push_back(FetchOrder::Look);
                }
                // Whoever does not answer in time is as good as lost.
                Stage::Short(at) if step.now >= at => fetch.begin_round(step),
                Stage::Looking if step.now >= fetch.until => fetch.begin_round(step),
                Stage::Gathering | Stage::Short(_) | Stage::Looking | Stage::Over => {}
            }
            fetch.do_without_late(step);
            fetch.advance(step);
        });
    }

    /// Closes the books on a fetch that nobody waits for any more.
    pub fn give_up(&mut self, now: Time, commons: &mut Commons) {
        self.gather = None;
        self.run(now, commons, Self::finish);
    }

    fn run(&mut self, now: Time, commons: &mut Commons, act: impl FnOnce(&mut Self, &mut Step<'_>)) {
        let mut out = core::mem::take(&mut self.out);
        let mut step = Step { now, commons, out: &mut out, missing: self.missing };
        act(self, &mut step);
        self.out = out;
    }

    fn take(&mut self, told: &FetchTold, step: &mut Step<'_>) {
        match *told {
            FetchTold::Looked { lost } => {
                if self.stage == Stage::Looking {
                    self.ask.lost = lost;
                    self.begin_round(step);
                }
            }
            FetchTold::Undecodable => {
                if self.stage == Stage::Over && self.gather.take().is_some() {
                    self.begin_round(step);
                }
            }
            FetchTold::Began { request, path } => self.with(request, |fetch| fetch.began(path, step)),
            FetchTold::Broken { request, path } => self.with(request, |fetch| fetch.broken(path, step)),
            FetchTold::NoPath { request } => {
                if let Some(Became::Failed(why)) = self.asked.get_mut(&request).map(|asked| asked.fetch.no_path(step)) {
                    self.fail(request, why, step);
                }
            }
            FetchTold::Refused { request } => {
                if self.asked.get(&request).is_some_and(|asked| asked.fetch.awaits_bytes()) {
                    self.fail(request, Failure::Refused, step);
                }
            }
            FetchTold::Damaged { request } => {
                if self.asked.get(&request).is_some_and(|asked| asked.fetch.awaits_verdict() && !asked.verified) {
                    self.fail(request, Failure::Damaged, step);
                }
            }
            FetchTold::Verified { request } => {
                let Some(asked) = self.asked.get_mut(&request).filter(|asked| asked.fetch.awaits_verdict()) else {
                    return;
                };
                asked.verified = true;
                if let Some(gather) = &mut self.gather {
                    gather.handle_arrival(asked.fetch.column, asked.fetch.rows.clone());
                }
            }
        }
    }

    fn with(&mut self, request: RequestId, act: impl FnOnce(&mut ColumnFetch)) {
        if let Some(asked) = self.asked.get_mut(&request) {
            act(&mut asked.fetch);
        }
    }

    fn open(&self) -> impl Iterator<Item = (RequestId, &Asked)> {
        self.asked.iter().filter(|(_, asked)| !asked.verified).map(|(request, asked)| (*request, asked))
    }

    /// Plans again with what is known to be lost; without the nodes that are doubtful, as long as there are enough others.
    fn begin_round(&mut self, step: &mut Step<'_>) {
        let PieceAsk { codec, wanted, nodes, own, lost, .. } = &self.ask;
        let mut avoided = *lost;
        for (column, node) in nodes.iter().enumerate() {
            if node != own && step.commons.is_doubtful(step.now, *node) && self.missing.has(Safeguard::Doubt) {
                avoided = avoided.with(column);
            }
        }
        let gather = Gather::new(codec, wanted, avoided).or_else(|_| Gather::new(codec, wanted, *lost));
        self.failed = *lost;
        self.turn = Turn::Ordinary;
        let gone: Vec<RequestId> = self
            .open()
            .filter(|(_, asked)| self.failed.contains(asked.fetch.column.into()))
            .map(|(id, _)| id)
            .collect();
        for request in gone {
            self.drop_request(request, step);
        }
        self.resume(gather, step);
    }

    /// Goes on with another plan: what has come, and what is under way, is not asked for again.
    fn resume(&mut self, gather: Result<Gather, TooFewColumns>, step: &mut Step<'_>) {
        match gather {
            Ok(mut gather) => {
                for asked in self.asked.values() {
                    let (column, rows) = (asked.fetch.column, asked.fetch.rows.clone());
                    if asked.verified {
                        gather.handle_arrival(column, rows);
                    } else {
                        gather.handle_request(column, rows);
                    }
                }
                self.gather = Some(gather);
                self.stage = Stage::Gathering;
            }
            Err(too_few) => self.fall_short(too_few, step),
        }
    }

    /// Too few columns are left: some may return.
    fn fall_short(&mut self, too_few: TooFewColumns, step: &mut Step<'_>) {
        self.gather = None;
        if step.now < self.until && self.missing.has(Safeguard::Patience) {
            self.stage = Stage::Short(step.now + RETRY);
        } else {
            self.finish(step);
            step.out.events.push_back(FetchEvent::TooFew(too_few));
        }
    }

    /// Asks for what is to be asked for; ends when everything is there.
    fn advance(&mut self, step: &mut Step<'_>) {
        if self.stage != Stage::Gathering {
            return;
        }
        while let Some((column, rows)) = self.gather.as_mut().and_then(Gather::poll_request) {
            self.request(column, rows, step);
        }
        self.turn = Turn::Urgent;
        let ready = self.gather.as_ref().and_then(Gather::ready).cloned();
        if let Some(plan) = ready {
            self.settle(&plan, step);
            step.out.events.push_back(FetchEvent::Ready(plan));
        } else if self.open().next().is_none() {
            self.fall_short(TooFewColumns { found: 0, expected: self.ask.codec.code().data_columns() }, step);
        }
    }

    fn request(&mut self, column: u16, rows: Range<u16>, step: &mut Step<'_>) {
        let id = RequestId(self.next);
        self.next += 1;
        let node = self.ask.nodes[usize::from(column)];
        let fetch = if node == self.ask.own {
            ColumnFetch::read(id, node, column, rows, step)
        } else {
            let expected = usize::try_from(self.answer_bytes(rows.clone())).unwrap_or(usize::MAX);
            ColumnFetch::ask((id, node), (column, rows), expected, self.turn, step)
        };
        self.asked.insert(id, Asked { fetch, verified: false, without: false, again: Time::default() });
    }

    /// Bytes of a peer's answer for these rows.
    fn answer_bytes(&self, rows: Range<u16>) -> u64 {
        let PieceAsk { geometry, piece: Piece { stripes, blocks, .. }, proof, .. } = &self.ask;
        let read = ColumnRead { stripes: stripes.clone(), rows, blocks: blocks.clone(), proof: *proof };
        read.answer_bytes(geometry)
    }

    /// A column failed: others are asked for more.
    fn fail(&mut self, request: RequestId, why: Failure, step: &mut Step<'_>) {
        let Some(asked) = self.asked.get(&request).filter(|asked| !asked.verified) else { return };
        let (column, node) = (asked.fetch.column, asked.fetch.node);
        let gone: Vec<RequestId> =
            self.asked.iter().filter(|(_, asked)| asked.fetch.column == column).map(|(id, _)| *id).collect();
        for id in gone {
            self.drop_request(id, step);
        }
        step.out.events.push_back(FetchEvent::Failed { request, column, why });
        if why.is_loss() {
            self.ask.lost = self.ask.lost.with(column.into());
        } else {
            step.commons.suspect(step.now, node);
        }
        self.failed = self.failed.with(column.into());
        // What was to make up for late columns may have gone with it.
        for asked in self.asked.values_mut() {
            asked.without = false;
        }
        let Some(gather) = &mut self.gather else { return };
        if gather.handle_loss(column).is_err() {
            // Those that were only doubtful are tried after all.
            let last_resort = if self.missing.has(Safeguard::LastResort) {
                Gather::new(&self.ask.codec, &self.ask.wanted, self.failed)
            } else {
                Err(TooFewColumns { found: 0, expected: self.ask.codec.code().data_columns() })
            };
            self.resume(last_resort, step);
        }
    }

    /// Drops a request of which nothing is of use.
    fn drop_request(&mut self, request: RequestId, step: &mut Step<'_>) {
        let Some(mut asked) = self.asked.remove(&request) else { return };
        asked.fetch.end(step);
        step.waste(asked.fetch.came_once());
        if !asked.verified {
            step.out.orders.push_back(FetchOrder::Cancel { request });
        }
    }

    /// When it is to be tried to do without a request's column.
    fn without_at(&self, asked: &Asked) -> Option<Time> {
        let tried = asked.without || self.stage != Stage::Gathering || !self.missing.has(Safeguard::DoingWithout);
        asked.fetch.missed_at().filter(|_| !tried).map(|at| at.max(asked.again))
    }

    fn do_without_late(&mut self, step: &mut Step<'_>) {
        let is_due = |asked: &Asked| self.without_at(asked).is_some_and(|at| step.now >= at);
        let late: Vec<RequestId> = self.open().filter(|(_, asked)| is_due(asked)).map(|(id, _)| id).collect();
        for request in late {
            let Some((column, node)) = self.asked.get(&request).map(|asked| (asked.fetch.column, asked.fetch.node))
            else {
                continue;
            };
            let without = self.do_without(column, step);
            if without {
                step.out.events.push_back(FetchEvent::HedgeSent);
                step.commons.suspect(step.now, node);
            }
            if let Some(asked) = self.asked.get_mut(&request) {
                asked.without = without;
                asked.again = step.now + AGAIN;
            }
        }
    }

    /// Does without a late column, if enough others are left and the budget allows; whether it does.
    fn do_without(&mut self, column: u16, step: &mut Step<'_>) -> bool {
        let of_row = self.answer_bytes(0..1);
        let Some(gather) = &mut self.gather else { return false };
        let Some(alternative) = gather.without_late(column) else { return false };
        // The first row with its proof stands for each.
        let bytes = of_row * alternative.rows as u64;
        let allowed = step.take(bytes);
        if allowed {
            self.charged += bytes;
            gather.adopt(alternative);
        }
        allowed
    }

    /// Closes the books on a piece that is there: what was of use, and what was not.
    fn settle(&mut self, plan: &PiecePlan, step: &mut Step<'_>) {
        if self.open().any(|(_, asked)| asked.without) {
            step.out.events.push_back(FetchEvent::HedgeWon);
        }
        let uses = |fetch: &ColumnFetch| plan.uses(fetch.column, fetch.rows.clone());
        let (useful, extra): (Vec<&Asked>, Vec<&Asked>) =
            self.asked.values().partition(|asked| asked.verified && uses(&asked.fetch));
        let sum = |asked: Vec<&Asked>| asked.iter().map(|asked| asked.fetch.came_once()).sum::<usize>();
        let (useful, extra) = (sum(useful), sum(extra));
        let amiss = step.commons.is_amiss(step.now);
        step.commons.budget.earn(useful as u64, amiss);
        step.waste(extra);
        self.finish(step);
    }

    /// Ends whatever is under way.
    fn finish(&mut self, step: &mut Step<'_>) {
        self.stage = Stage::Over;
        for (request, mut asked) in core::mem::take(&mut self.asked) {
            asked.fetch.end(step);
            if !asked.verified {
                step.out.orders.push_back(FetchOrder::Cancel { request });
            }
        }
        // What was wasted is taken when it is known.
        step.give_back(core::mem::take(&mut self.charged));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rain_codec::Code;

    /// One cell of a title of which every node has all; everybody is asked as a peer.
    fn ask(copies: u32, patience: Duration) -> PieceAsk {
        let codec = Arc::new(StripeCodec::new(Arc::new(Code::named(&format!("replica:{copies}")).unwrap())));
        PieceAsk {
            geometry: Geometry::new(codec.code(), 4096, 4096, 4096),
            piece: Piece { stripes: 0..1, cells: 0..1, blocks: 0..1, bytes: 0..4096 },
            wanted: vec![codec.code().data_cell(0)],
            nodes: (0..copies).map(NodeId).collect(),
            own: NodeId(99),
            proof: false,
            lost: ErasurePattern::none(),
            patience,
            codec,
        }
    }

    /// The requests that are to be sent now.
    fn asked(fetch: &mut PieceFetch) -> Vec<RequestId> {
        let request = |order| if let FetchOrder::Ask { request, .. } = order { Some(request) } else { None };
        core::iter::from_fn(|| fetch.poll_order()).filter_map(request).collect()
    }

    /// Lets time pass until something else is asked for than `late`; what, and when.
    fn wait_for_another(fetch: &mut PieceFetch, late: RequestId, commons: &mut Commons) -> (RequestId, Time) {
        for _ in 0..1000 {
            let now = fetch.poll_timeout().expect("time changes something");
            fetch.handle_timeout(now, commons);
            // The same is asked for over a second path before.
            if let Some(request) = asked(fetch).into_iter().find(|request| *request != late) {
                return (request, now);
            }
        }
        panic!("nothing is asked for");
    }

    /// A column that its node refuses is lost, and asked for no more: with too few left the viewer gets an error as soon as
    /// the patience is over.
    #[test]
    fn what_was_refused_is_not_asked_for_again() {
        let ask = ask(2, RETRY);
        let mut commons = Commons::new(ask.nodes.clone(), 1);
        let mut fetch = PieceFetch::new(Time::default(), ask, &mut commons);
        let mut count = 0;
        while let [request] = asked(&mut fetch)[..] {
            count += 1;
            fetch.handle(Time::default(), &FetchTold::Refused { request }, &mut commons);
        }
        assert_eq!(count, 2);
        fetch.handle_timeout(Time::default() + RETRY, &mut commons);
        assert_eq!(asked(&mut fetch), []);
        let events: Vec<_> = core::iter::from_fn(|| fetch.poll_event()).collect();
        assert!(
            matches!(events.last(), Some(FetchEvent::TooFew(TooFewColumns { found: 0, expected: 1 }))),
            "{events:?}"
        );
    }

    /// The first column hangs; what stands in for it is refused: the next is asked for as soon as the first stand-in was.
    #[test]
    fn a_stand_in_that_fails_is_followed_by_the_next() {
        let ask = ask(3, Duration::from_secs(10));
        let mut commons = Commons::new(ask.nodes.clone(), 1);
        let mut fetch = PieceFetch::new(Time::default(), ask, &mut commons);
        let [late] = asked(&mut fetch)[..] else { panic!("one is asked") };
        fetch.handle(Time::default(), &FetchTold::Began { request: late, path: 0 }, &mut commons);
        let (stand_in, at) = wait_for_another(&mut fetch, late, &mut commons);
        assert!(core::iter::from_fn(|| fetch.poll_event()).any(|event| matches!(event, FetchEvent::HedgeSent)));
        fetch.handle(at, &FetchTold::Refused { request: stand_in }, &mut commons);
        let next = match asked(&mut fetch)[..] {
            [_] => at,
            _ => wait_for_another(&mut fetch, late, &mut commons).1,
        };
        assert!(next.since(at) <= AGAIN, "{:?} later", next.since(at));
    }

    /// What a stand-in may waste is taken from the budget once and given back once, though the fetch ends twice: what it had
    /// put together was found wrong.
    #[test]
    fn the_books_on_a_stand_in_are_closed_once() {
        let ask = ask(3, Duration::from_secs(10));
        let mut commons = Commons::new(ask.nodes.clone(), 1);
        let mut fetch = PieceFetch::new(Time::default(), ask, &mut commons);
        let [late] = asked(&mut fetch)[..] else { panic!("one is asked") };
        fetch.handle(Time::default(), &FetchTold::Began { request: late, path: 0 }, &mut commons);
        // Below what it is at most: there it would swallow what it is given.
        commons.budget.spend(1 << 20);
        let (stand_in, at) = wait_for_another(&mut fetch, late, &mut commons);
        fetch.handle(at, &FetchTold::Began { request: stand_in, path: 0 }, &mut commons);
        let length = usize::try_from(fetch.answer_bytes(0..1)).unwrap();
        fetch.handle_bytes(at, stand_in, 0, length, &mut commons);
        fetch.handle(at, &FetchTold::Verified { request: stand_in }, &mut commons);
        assert!(core::iter::from_fn(|| fetch.poll_event()).any(|event| matches!(event, FetchEvent::Ready(_))));
        let settled = format!("{:?}", commons.budget);
        fetch.handle(at, &FetchTold::Undecodable, &mut commons);
        fetch.give_up(at, &mut commons);
        assert_eq!(settled, format!("{:?}", commons.budget));
    }
}
