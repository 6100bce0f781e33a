//! How long a viewer waits. Pure: times are durations since the viewer began.
//!
//! A viewer has a *pace*: at every tick it is granted so many bytes more. It takes what it is granted and no more, so that
//! it never holds a byte that is not due. While it is granted bytes that it does not have, it *waits*: a wait begins at
//! the tick that grants them, or at the last arrival if that is later, and ends with the next arrival. What did not come
//! in time stays granted, so that a viewer that fell behind catches up.
//!
//! The *gap* of a span of time is its longest wait: the longest time in which bytes were due and none came. How far the
//! viewer was *behind* is the most that it was granted and did not have, as time at its pace: it tells a stream that
//! trickles from one that flows, which the gap does not.
//!
//! Between the end of a title and the first bytes of the next one the clock of the pace is stopped.

use core::ops::Range;
use core::time::Duration;

/// How fast a viewer reads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// Bytes granted at each tick.
    pub(crate) tick_bytes: u64,
    /// The time between two ticks.
    pub(crate) tick: Duration,
}

impl Pace {
    /// The time that so many bytes last.
    fn lasting(self, bytes: u64) -> Duration {
        Duration::from_secs_f64(Duration::from_nanos(bytes).as_secs_f64() / self.per_nanosecond())
    }

    /// Bytes for each nanosecond.
    fn per_nanosecond(self) -> f64 {
        Duration::from_nanos(self.tick_bytes).as_secs_f64() / self.tick.as_secs_f64()
    }
}

/// A time in which bytes were due and none came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Wait {
    from: Duration,
    to: Duration,
    /// How far the viewer was behind at the end.
    behind: Duration,
}

/// What a span of time showed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// The longest wait.
    pub(crate) gap: Duration,
    /// The farthest that the viewer was behind.
    pub(crate) behind: Duration,
    /// A title ended in it, so that the clock was stopped.
    pub(crate) is_paused: bool,
}

/// The state of a viewer's pace and its waits so far.
#[derive(Clone, Debug)]
pub(crate) struct Meter {
    pace: Pace,
    /// When the pace began; later by every pause.
    origin: Duration,
    /// Bytes arrived since.
    arrived: u64,
    last_arrival: Duration,
    waits: Vec<Wait>,
    pauses: Vec<Range<Duration>>,
    paused_since: Option<Duration>,
}

impl Meter {
    /// Begins at 0, paused.
    pub(crate) fn new(pace: Pace) -> Self {
        Self {
            pace,
            origin: Duration::ZERO,
            arrived: 0,
            last_arrival: Duration::ZERO,
            waits: Vec::new(),
            pauses: Vec::new(),
            paused_since: Some(Duration::ZERO),
        }
    }

    fn ticks(&self, now: Duration) -> u64 {
        let ticks = now.saturating_sub(self.origin).as_nanos() / self.pace.tick.as_nanos();
        u64::try_from(ticks).unwrap_or(u64::MAX)
    }

    fn tick_time(&self, tick: u64) -> Duration {
        let nanos = u64::try_from(self.pace.tick.as_nanos()).unwrap_or(u64::MAX);
        self.origin + Duration::from_nanos(nanos.saturating_mul(tick))
    }

    /// Bytes that are granted and have not come.
    pub(crate) fn due(&self, now: Duration) -> u64 {
        let until = self.paused_since.map_or(now, |since| since.min(now));
        (self.ticks(until) * self.pace.tick_bytes).saturating_sub(self.arrived)
    }

    /// When more is granted than now.
    pub(crate) fn next_tick(&self, now: Duration) -> Duration {
        self.tick_time(self.ticks(now) + 1)
    }

    /// When the running wait began, or the next one will if nothing comes.
    fn waiting_since(&self) -> Duration {
        self.tick_time(self.arrived / self.pace.tick_bytes + 1).max(self.last_arrival)
    }

    /// The wait that runs at `now`.
    fn running(&self, now: Duration) -> Option<Wait> {
        let to = self.paused_since.map_or(now, |since| since.min(now));
        let wait = Wait { from: self.waiting_since(), to, behind: self.pace.lasting(self.due(to)) };
        (wait.from < wait.to).then_some(wait)
    }

    /// Notes that bytes came.
    pub(crate) fn arrive(&mut self, now: Duration, bytes: u64) {
        self.waits.extend(self.running(now));
        self.arrived += bytes;
        self.last_arrival = now;
    }

    /// Stops the clock: the title has ended.
    pub(crate) fn pause(&mut self, now: Duration) {
        if self.paused_since.is_none() {
            self.waits.extend(self.running(now));
            self.paused_since = Some(now);
        }
    }

    /// Lets the clock run: the next title begins. The viewer owes nothing from before.
    pub(crate) fn resume(&mut self, now: Duration) {
        if let Some(since) = self.paused_since.take() {
            self.pauses.push(since..now);
            self.origin = now;
            self.arrived = 0;
            self.last_arrival = now;
        }
    }

    /// Since when the clock runs, if it does.
    pub(crate) fn running_since(&self) -> Option<Duration> {
        if self.paused_since.is_some() { None } else { Some(self.origin) }
    }

    /// Whether the viewer is less than two ticks behind.
    pub(crate) fn is_on_time(&self, now: Duration) -> bool {
        self.paused_since.is_none() && self.due(now) <= 2 * self.pace.tick_bytes
    }

    /// What a span showed, seen at `now`: of a wait that began before it, the part in it; of one that began in it, all of
    /// it up to `now`, also what goes beyond the span.
    pub(crate) fn seen(&self, span: Range<Duration>, now: Duration) -> Seen {
        let mut seen = Seen::default();
        let running = self.running(now);
        for wait in self.waits.iter().chain(running.as_ref()) {
            if wait.from < span.end && wait.to > span.start {
                seen.gap = seen.gap.max(wait.to.min(now).saturating_sub(wait.from.max(span.start)));
                // While a wait lasts the viewer falls behind with the clock.
                seen.behind = seen.behind.max(wait.behind.saturating_sub(wait.to.saturating_sub(now)));
            }
        }
        let running = self.paused_since.map(|since| since..now);
        let mut pauses = self.pauses.iter().chain(running.as_ref());
        seen.is_paused = pauses.any(|pause| pause.start < span.end && pause.end > span.start);
        seen
    }

    /// The longest pause so far.
    pub(crate) fn pause_max(&self) -> Duration {
        self.pauses.iter().skip(1).map(|pause| pause.end.saturating_sub(pause.start)).max().unwrap_or_default()
    }

    /// Drops what ended before some time.
    pub(crate) fn forget(&mut self, before: Duration) {
        self.waits.retain(|wait| wait.to >= before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// 10 bytes every 10 ms, begun at 100 ms.
    fn meter() -> Meter {
        let mut meter = Meter::new(Pace { tick_bytes: 10, tick: ms(10) });
        meter.resume(ms(100));
        meter
    }

    #[test]
    fn grants_at_ticks() {
        let mut meter = meter();
        assert_eq!([109, 110, 119, 125].map(|now| meter.due(ms(now))), [0, 10, 10, 20]);
        assert_eq!(meter.next_tick(ms(109)), ms(110));
        assert_eq!(meter.next_tick(ms(110)), ms(120));
        meter.arrive(ms(111), 10);
        assert_eq!((meter.due(ms(119)), meter.due(ms(120))), (0, 10));
    }

    #[test]
    fn a_stream_on_time_waits_for_nothing() {
        let mut meter = meter();
        for tick in 1..=20 {
            meter.arrive(ms(100 + 10 * tick), 10);
        }
        let seen = meter.seen(ms(100)..ms(300), ms(305));
        assert_eq!(seen, Seen::default());
        assert!(meter.is_on_time(ms(305)));
    }

    #[test]
    fn a_wait_runs_from_the_tick_that_grants() {
        let mut meter = meter();
        meter.arrive(ms(110), 10);
        // Silence from 110 on; bytes are due from 120 on.
        meter.arrive(ms(170), 60);
        let seen = meter.seen(ms(100)..ms(200), ms(175));
        assert_eq!((seen.gap, seen.behind), (ms(50), ms(60)));
        // While it lasts it is seen too.
        let mut silent = self::meter();
        silent.arrive(ms(110), 10);
        assert_eq!(silent.seen(ms(100)..ms(200), ms(150)).gap, ms(30));
    }

    #[test]
    fn a_trickle_is_no_gap_but_falls_behind() {
        let mut meter = meter();
        for tick in 1..=40 {
            meter.arrive(ms(100 + 10 * tick), 1);
        }
        let seen = meter.seen(ms(100)..ms(500), ms(500));
        assert_eq!(seen.gap, ms(10));
        assert_eq!(seen.behind, ms(400 - 39));
        assert!(!meter.is_on_time(ms(500)));
    }

    #[test]
    fn waits_within_a_catch_up_count_from_the_last_arrival() {
        let mut meter = meter();
        meter.arrive(ms(200), 20);
        meter.arrive(ms(206), 20);
        meter.arrive(ms(207), 60);
        assert_eq!(meter.seen(ms(201)..ms(210), ms(210)).gap, ms(5), "what is left of 200 to 206");
        assert_eq!(meter.seen(ms(100)..ms(150), ms(210)).gap, ms(90), "110 to 200, all of it");
    }

    #[test]
    fn a_span_has_its_part_of_a_wait_that_began_before() {
        let mut meter = meter();
        meter.arrive(ms(200), 100);
        assert_eq!(meter.seen(ms(150)..ms(160), ms(300)).gap, ms(50));
        // Seen from a control's end, what comes later is not its own.
        let control = meter.seen(ms(100)..ms(150), ms(150));
        assert_eq!((control.gap, control.behind), (ms(40), ms(50)));
        assert_eq!(meter.seen(ms(200)..ms(205), ms(205)).gap, ms(0));
    }

    #[test]
    fn a_pause_is_no_wait() {
        let mut meter = meter();
        meter.arrive(ms(110), 10);
        meter.pause(ms(115));
        assert_eq!(meter.due(ms(500)), 0);
        meter.resume(ms(515));
        meter.arrive(ms(527), 10);
        let seen = meter.seen(ms(100)..ms(600), ms(530));
        assert_eq!((seen.gap, seen.is_paused), (ms(2), true));
        assert!(!meter.seen(ms(520)..ms(600), ms(530)).is_paused);
        assert_eq!(meter.pause_max(), ms(400));
    }

    #[test]
    fn a_wait_before_a_pause_ends_with_it() {
        let mut meter = meter();
        meter.pause(ms(150));
        assert_eq!(meter.seen(ms(100)..ms(600), ms(600)).gap, ms(40));
        meter.resume(ms(400));
        assert_eq!(meter.seen(ms(100)..ms(600), ms(405)).gap, ms(40));
        assert!(meter.is_on_time(ms(405)), "nothing is owed from before");
    }

    #[test]
    fn what_is_forgotten_is_not_seen() {
        let mut meter = meter();
        meter.arrive(ms(200), 100);
        meter.forget(ms(201));
        assert_eq!(meter.seen(ms(100)..ms(210), ms(205)).gap, ms(0));
    }
}
