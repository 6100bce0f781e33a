//! What one end knows of whether its link works: echoes of its own pings.
//!
//! Evidence is an echo of one's own number: a link that is dead in one direction only is silent for both ends. The moment
//! that counts is when the echoed ping was *sent*. Nothing in here changes a state: it only says what is fresh.

use super::ping::Ping;
use super::timing::LinkTiming;

/// Pings whose sending is remembered; an echo of an older one is no evidence.
const REMEMBERED: u32 = 64;
/// How far a number may lie behind the newest and still be taken, once.
const WINDOW: u32 = 64;
/// So many numbers more than the time allows may have been passed over, four times as many as periods went by: the other
/// end may ping faster, and be held up and catch up.
const NUMBERS_AHEAD: u64 = 64;
/// A longer gap in the numbers is an outage, and says nothing of the usual loss.
const GAP_MAX: u32 = 16;
/// What a ping says when it echoes nothing.
pub(super) const NOTHING_ECHOED: u32 = u32::MAX;

/// In [`Loss`], that nothing comes.
const ALL_LOST: u32 = 1 << 24;
/// Over about so many pings the averages move.
const SPANS: [u32; 2] = [128, 1024];

/// How many of the peer's pings usually do not come: the larger of two moving averages. The short one is quick to see
/// that more are lost; the long one does not take a lucky second for the end of it.
#[derive(Debug, Clone, Copy, Default)]
struct Loss([u32; 2]);

impl Loss {
    fn note(&mut self, lost: u32) {
        for (average, span) in self.0.iter_mut().zip(SPANS) {
            for _ in 0..lost {
                *average += (ALL_LOST - *average) / span;
            }
            *average -= *average / span;
        }
    }

    fn permille(self) -> u16 {
        // At most 1000.
        u16::try_from(u64::from(self.0[0].max(self.0[1])) * 1000 / u64::from(ALL_LOST)).unwrap_or(1000)
    }
}

/// The peer's newest ping, and which of those before it came.
#[derive(Debug, Clone, Copy)]
struct Heard {
    number: u32,
    at: u64,
    /// Bit i: the number i below the newest came.
    seen: u64,
}

/// What was known at the last Down, until it turns out whether that was right.
#[derive(Debug, Clone, Copy)]
struct Doubt {
    /// When the newest ping was sent that had been echoed.
    last_ok: u64,
    /// The peer's next ping, if it sent nothing for half the time-out before.
    silent_before: Option<u32>,
}

/// When a ping was sent.
#[derive(Debug, Clone, Copy, Default)]
struct Sent {
    at: u64,
    /// For how long this end's own timer had stood still by then, in all.
    stood_still: u64,
}

impl Sent {
    /// The same on a clock that stands still when the timer does.
    fn ticked(self) -> u64 {
        self.at.saturating_sub(self.stood_still)
    }
}

/// The ping layer of one end. All times are microseconds of the driver's clock, but where something else is said.
///
/// How old evidence is, is told by a clock that stands still whenever this end's own timer does: while it sent nothing, there
/// was nothing to be echoed.
#[derive(Debug, Clone)]
pub(super) struct Evidence {
    next: u32,
    /// When the last pings were sent, by their number.
    sent: [Sent; REMEMBERED as usize],
    /// So many of them, up to all.
    remembered: u32,
    heard: Option<Heard>,
    newest_echo: Option<u32>,
    /// For how long the timer stood still so far.
    stood_still: u64,
    /// When the newest ping that was echoed was sent, by the clock that stands still.
    last_ok: u64,
    echo_came: u64,
    /// When it was sent itself, whatever [`last_ok`](Self::last_ok) says.
    echoed_sent: u64,
    /// Echoes of pings sent before do not bring the link up: they are older than the verdict.
    verdict: u64,
    doubt: Option<Doubt>,
    /// When this end's own timer was last late by more than half the time-out.
    held_up: Option<u64>,
    /// Fresh echoes in a row since the verdict.
    pub(super) echoes: u32,
    smoothed_us: u64,
    variation_us: u64,
    loss: Loss,
    peer_loss_permille: u16,
    peer_lag_us: u64,
    peer_period_us: u64,
    /// T, as of the last look at the time.
    timeout_us: u64,
}

impl Evidence {
    /// `first` is the number of the first ping.
    pub(super) fn new(now: u64, timing: &LinkTiming, first: u32) -> Self {
        let mut evidence = Self {
            next: first,
            sent: [Sent::default(); REMEMBERED as usize],
            remembered: 0,
            heard: None,
            newest_echo: None,
            stood_still: 0,
            last_ok: now,
            echo_came: now,
            echoed_sent: now,
            verdict: now,
            doubt: None,
            held_up: None,
            echoes: 0,
            smoothed_us: 0,
            variation_us: 0,
            loss: Loss::default(),
            peer_loss_permille: 0,
            peer_lag_us: 0,
            peer_period_us: timing.period_us,
            timeout_us: 0,
        };
        evidence.adapt(timing, 0);
        evidence
    }

    /// Another start of the peer: its numbers start over, and what it echoes are pings of this session.
    pub(super) fn begin_session(&mut self) {
        self.heard = None;
        self.echoes = 0;
        self.doubt = None;
    }

    /// A Down is told, at a moment at which this end's own timer is late by `late_us`. Gives whether it is its own doing:
    /// its timer is too late, or was a moment ago.
    pub(super) fn doubt_down(&mut self, now: u64, late_us: u64) -> bool {
        let since = |at: u64| now.saturating_sub(at);
        let silent = self.heard.filter(|heard| since(heard.at) > self.timeout_us / 2);
        let silent_before = silent.map(|heard| heard.number.wrapping_add(1));
        self.doubt = Some(Doubt { last_ok: self.last_ok + self.stood_still, silent_before });
        late_us > self.timeout_us / 2 || self.held_up.is_some_and(|at| since(at) <= self.timeout_us)
    }

    /// The last Down was right.
    pub(super) fn settle_doubt(&mut self) {
        self.doubt = None;
    }

    /// Whether the last Down turns out to be wrong now, after a ping was taken: told once. Either two pings that were
    /// echoed, the last before it and the first after it, were sent within one time-out, so that nothing was silent; or
    /// the peer said nothing for a while and its numbers go on without a gap, so that nothing was lost and the peer was
    /// held up.
    pub(super) fn was_wrong(&mut self, number: u32, is_echo: bool) -> bool {
        let Some(doubt) = self.doubt else { return false };
        // The echo of one sent before may have waited, on a link that was dead, for its first ping after that.
        let is_answer = is_echo && self.echoed_sent >= self.verdict;
        if is_answer || doubt.silent_before.is_some() {
            self.doubt = None;
        }
        let was_silent = self.echoed_sent.saturating_sub(doubt.last_ok) > self.timeout_us;
        is_answer && !was_silent || doubt.silent_before == Some(number)
    }

    /// Takes the number of a ping that arrived at `came`, once. Gives whether it may be used.
    pub(super) fn take_number(&mut self, came: u64, ping: &Ping, is_up: bool) -> bool {
        let Some(heard) = &mut self.heard else {
            self.heard = Some(Heard { number: ping.number, at: came, seen: 1 });
            return true;
        };
        let ahead = ping.number.wrapping_sub(heard.number);
        if ahead.cast_signed() > 0 {
            let periods = came.saturating_sub(heard.at) / self.peer_period_us.max(1);
            if u64::from(ahead) > periods * 4 + NUMBERS_AHEAD {
                return false;
            }
            let seen = if ahead < WINDOW { heard.seen << ahead | 1 } else { 1 };
            *heard = Heard { number: ping.number, at: came, seen };
            if is_up && ahead <= GAP_MAX {
                self.loss.note(ahead - 1);
            }
            return true;
        }
        let behind = ahead.wrapping_neg();
        let fresh = behind < WINDOW && heard.seen >> behind & 1 == 0;
        if fresh {
            heard.seen |= 1 << behind;
        }
        fresh
    }

    /// Takes the echo of a ping that is an answer to this very start, and that arrived at `came`. Gives whether it is new.
    pub(super) fn take_echo(&mut self, now: u64, came: u64, ping: &Ping) -> bool {
        self.peer_loss_permille = ping.loss_permille;
        self.peer_lag_us = u64::from(ping.lag_ms) * 1000;
        self.peer_period_us = u64::from(ping.period.max(1)) * 100;
        if ping.echo_delay_us == NOTHING_ECHOED {
            return false;
        }
        let age = self.next.wrapping_sub(1).wrapping_sub(ping.echoed);
        let is_newer = |newest: u32| ping.echoed.wrapping_sub(newest).cast_signed() > 0;
        if age >= self.remembered || !self.newest_echo.is_none_or(is_newer) {
            return false;
        }
        self.newest_echo = Some(ping.echoed);
        let echoed = self.sent[(ping.echoed % REMEMBERED) as usize];
        let sent = echoed.at;
        if sent >= self.verdict {
            let fresh = now - sent < self.timeout_us;
            let in_a_row = now - self.echo_came < self.timeout_us;
            self.echoes = if fresh && in_a_row { self.echoes.saturating_add(1) } else { u32::from(fresh) };
        }
        self.echo_came = now;
        self.last_ok = self.last_ok.max(echoed.ticked());
        self.echoed_sent = sent;
        self.note_round_trip(came.saturating_sub(sent).saturating_sub(ping.echo_delay_us.into()));
        true
    }

    /// Source: Jacobson, "Congestion avoidance and control" (SIGCOMM 1988), with his gains of 1/8 and 1/4.
    fn note_round_trip(&mut self, sample_us: u64) {
        if self.smoothed_us == 0 {
            (self.smoothed_us, self.variation_us) = (sample_us, sample_us / 2);
        } else {
            self.variation_us = (self.variation_us * 3 + sample_us.abs_diff(self.smoothed_us)) / 4;
            self.smoothed_us = (self.smoothed_us * 7 + sample_us) / 8;
        }
    }

    /// Fits the time-out to what the link is like. `lag_us` is how late this end's own timer usually is at worst.
    pub(super) fn adapt(&mut self, timing: &LinkTiming, lag_us: u64) {
        let lost = |permille: u16| f64::from(permille) / 1000.0;
        let round_lost = 1.0 - (1.0 - lost(self.loss.permille())) * (1.0 - lost(self.peer_loss_permille.min(1000)));
        // A timer that is late holds up both what is sent and what is heard.
        let (way_us, lag_us) = (self.smoothed_us + 4 * self.variation_us, 2 * (lag_us + self.peer_lag_us));
        self.timeout_us = timing.timeout_us(self.peer_period_us, round_lost, way_us, lag_us);
    }

    /// This end's own timer was late by `late_us`, and between its last two turns stood still for `stood_still_us`.
    pub(super) fn note_timer(&mut self, now: u64, late_us: u64, stood_still_us: u64) {
        self.stood_still += stood_still_us;
        if late_us > self.timeout_us / 2 {
            self.held_up = Some(now);
        }
    }

    /// When the evidence is too old, if nothing comes and the timer goes on.
    pub(super) fn deadline(&self) -> u64 {
        self.last_ok + self.stood_still + self.timeout_us
    }

    /// T.
    pub(super) fn timeout_us(&self) -> u64 {
        self.timeout_us
    }

    /// Forgets what is older than a verdict: one outage is one Down.
    pub(super) fn begin_verdict(&mut self, now: u64) {
        self.echoes = 0;
        self.verdict = now;
        self.last_ok = now.saturating_sub(self.stood_still);
    }

    /// The smoothed round trip, without the time that the peer took to answer; zero before the first.
    pub(super) fn round_trip_us(&self) -> u64 {
        self.smoothed_us
    }

    /// Of a thousand of the peer's pings, and of one's own, so many are lost.
    pub(super) fn loss_permille(&self) -> [u16; 2] {
        [self.loss.permille(), self.peer_loss_permille]
    }

    /// The number of the ping that is sent now, and what it echoes: a number and how long ago that came.
    pub(super) fn send(&mut self, now: u64) -> (u32, u32, u32) {
        let number = self.next;
        self.sent[(number % REMEMBERED) as usize] = Sent { at: now, stood_still: self.stood_still };
        self.remembered = (self.remembered + 1).min(REMEMBERED);
        self.next = number.wrapping_add(1);
        let (echoed, delay) = self.heard.map_or((0, NOTHING_ECHOED), |heard| {
            let delay = u32::try_from(now - heard.at.min(now)).unwrap_or(NOTHING_ECHOED);
            (heard.number, delay.min(NOTHING_ECHOED - 1))
        });
        (number, echoed, delay)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_average_loss_follows_the_loss() {
        let mut loss = Loss::default();
        for turn in 0..2000 {
            loss.note(u32::from(turn % 10 == 0));
        }
        assert!((70..=130).contains(&loss.permille()), "one lost before each tenth that comes: {loss:?}");
        for _ in 0..600 {
            loss.note(0);
        }
        assert!((40..=60).contains(&loss.permille()), "the long average, times 0.56: {loss:?}");
        for _ in 0..10_000 {
            loss.note(0);
        }
        assert!(loss.permille() == 0, "{loss:?}");
        for _ in 0..20 {
            loss.note(16);
        }
        assert!((850..=1000).contains(&loss.permille()), "the short average is quick: {loss:?}");
    }
}
