//! What is kept of one path: what is in flight over it, how it does, and what came over it.

use super::congestion::{ACK_DELAY, CongestionWindow, RoundTrip, TIMEOUT_MAX};
use super::frame::Echo;
use super::safeguard::{Missing, Safeguard};
use super::{PathId, PathTransition};
use crate::time::Time;
use core::time::Duration;
use std::collections::VecDeque;

/// A frame is lost when one that was sent so many later over the same path came: at first, and at the most. It grows
/// with what is seen to come late.
const REORDERING_MIN: u64 = 3;
const REORDERING_MAX: u64 = 64;
/// Numbers that are remembered of a path, in flight or not.
const FLIGHTS_MAX: usize = 512;
/// So often a time-out doubles.
const BACKOFF_MAX: u32 = 7;
/// An acknowledgement is due at once when so many frames wait for it.
const ACK_FRAMES: u32 = 2;

/// What became of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    InFlight(u64),
    /// Taken for lost, and remembered: when it comes after all, the path is slow and not dead.
    Lost(u64),
    Done,
}

#[derive(Debug, Clone, Copy)]
struct Flight {
    sent: Time,
    state: State,
}

/// What an echo says of the frames that went over a path: their numbers in the session.
#[derive(Debug, Default)]
pub(super) struct News {
    pub(super) arrived: Vec<u64>,
    pub(super) lost: Vec<u64>,
}

/// One path to the peer.
#[derive(Debug, Clone)]
pub(super) struct Lane {
    up: bool,
    /// The path's epoch, as the link protocol told it last.
    epoch: u32,
    /// It did so in this session: epochs of different sessions cannot be compared.
    fenced: bool,
    /// From number `front` on.
    flights: VecDeque<Flight>,
    front: u64,
    in_flight: u64,
    window: CongestionWindow,
    /// Losses up to this number are of one and the same congestion.
    recovery: u64,
    round_trip: RoundTrip,
    reordering: u64,
    echoed: u64,
    backoff: u32,
    suspect_until: Time,
    heard: Option<Heard>,
    ack: Owed,
}

#[derive(Debug, Clone, Copy)]
struct Heard {
    number: u64,
    before: u64,
    came: Time,
}

#[derive(Debug, Clone, Copy, Default)]
struct Owed {
    frames: u32,
    due: Option<Time>,
}

impl Lane {
    pub(super) fn new() -> Self {
        Self {
            up: false,
            epoch: 0,
            fenced: false,
            flights: VecDeque::new(),
            front: 1,
            in_flight: 0,
            window: CongestionWindow::default(),
            recovery: 0,
            round_trip: RoundTrip::default(),
            reordering: REORDERING_MIN,
            echoed: 0,
            backoff: 0,
            suspect_until: Time::default(),
            heard: None,
            ack: Owed::default(),
        }
    }

    /// A new session: numbers start over. Whether the path works, and how fast, stays what it was.
    pub(super) fn begin(&mut self) {
        *self = Self { up: self.up, epoch: self.epoch, round_trip: self.round_trip, ..Self::new() };
    }

    pub(super) fn is_up(&self) -> bool {
        self.up
    }

    /// What this end sends with its frames.
    pub(super) fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Whether a frame of this epoch is of an earlier one than this end is in.
    pub(super) fn is_past(&self, epoch: u32) -> bool {
        self.fenced && epoch.wrapping_sub(self.epoch).cast_signed() < 0
    }

    /// Takes the link protocol's transition. Every change starts over; what was in flight is given back, to be sent over
    /// another path: the session's numbers of it.
    pub(super) fn judge(&mut self, transition: PathTransition, missing: Missing) -> Vec<u64> {
        let changed = (self.up, self.epoch) != (transition.up, transition.epoch);
        (self.up, self.epoch, self.fenced) = (transition.up, transition.epoch, true);
        if !changed || !missing.has(Safeguard::Requeue) {
            return Vec::new();
        }
        (self.window, self.recovery) = (CongestionWindow::default(), self.next_number() - 1);
        (self.reordering, self.backoff, self.suspect_until) = (REORDERING_MIN, 0, Time::default());
        let next = self.next_number();
        let flights = core::mem::take(&mut self.flights);
        (self.front, self.in_flight) = (next, 0);
        flights.into_iter().filter_map(|flight| flight.state.in_flight()).collect()
    }

    pub(super) fn next_number(&self) -> u64 {
        self.front + self.flights.len() as u64
    }

    /// Whether one more frame may be in flight.
    pub(super) fn has_room(&self) -> bool {
        self.in_flight < self.window.frames() && self.flights.len() < FLIGHTS_MAX
    }

    /// Whether a time-out passed, nothing was heard since, and it is not time yet to try again.
    pub(super) fn is_suspect(&self, now: Time) -> bool {
        self.backoff > 0 && now < self.suspect_until
    }

    /// What one more frame over this path costs: the part of the window that is in use, in round trips.
    pub(super) fn cost(&self) -> u64 {
        (self.in_flight + 1) * self.round_trip.mean_us().max(1) * 1024 / self.window.frames()
    }

    /// Sends a frame with data, of this number in the session: its number on the path.
    pub(super) fn send(&mut self, now: Time, sequence: u64) -> u64 {
        self.push(Flight { sent: now, state: State::InFlight(sequence) });
        self.in_flight += 1;
        self.next_number() - 1
    }

    /// Sends a question: its number on the path. It is repeated by whoever asks, and not in flight.
    pub(super) fn ask(&mut self, now: Time) -> u64 {
        self.push(Flight { sent: now, state: State::Done });
        self.next_number() - 1
    }

    fn push(&mut self, flight: Flight) {
        self.flights.push_back(flight);
        self.trim();
    }

    /// Forgets what is settled at the front, and of the lost what no echo can name any more.
    fn trim(&mut self) {
        let forgotten = self.echoed.saturating_sub(REORDERING_MAX);
        while let Some(flight) = self.flights.front() {
            let settled = match flight.state {
                State::InFlight(_) => false,
                State::Lost(_) => self.front < forgotten || self.flights.len() >= FLIGHTS_MAX,
                State::Done => true,
            };
            if !settled {
                break;
            }
            self.flights.pop_front();
            self.front += 1;
        }
    }

    /// Notes that a frame came, by whatever way it was learnt.
    pub(super) fn settle(&mut self, number: u64) {
        let place = number.checked_sub(self.front).and_then(|place| usize::try_from(place).ok());
        if let Some(flight) = place.and_then(|place| self.flights.get_mut(place)) {
            if matches!(flight.state, State::InFlight(_)) {
                self.in_flight -= 1;
            }
            flight.state = State::Done;
            self.trim();
        }
    }

    /// Takes an echo of this path.
    pub(super) fn echo(&mut self, now: Time, echo: &Echo) -> News {
        let mut news = News::default();
        if echo.number >= self.next_number() {
            return news;
        }
        let newer = echo.number > self.echoed;
        let echoed_before = self.echoed;
        self.echoed = self.echoed.max(echo.number);
        if newer {
            (self.backoff, self.suspect_until) = (0, Time::default());
        }
        let in_flight = self.in_flight;
        // Where frames were seen to overtake each other, one is lost only when it is late, too (RFC 8985).
        let patience = if self.reordering > REORDERING_MIN { self.round_trip.timeout() } else { Duration::ZERO };
        let (mut congested, mut late) = (false, false);
        for (number, flight) in (self.front..=self.echoed).zip(&mut self.flights) {
            let came = match echo.number.checked_sub(number) {
                None => false,
                Some(0) => true,
                Some(behind) => behind <= 64 && echo.before >> (behind - 1) & 1 == 1,
            };
            if came && number == echo.number && newer {
                let held = Duration::from_micros(echo.delay_us.into());
                self.round_trip.note(now.since(flight.sent).saturating_sub(held));
            }
            if came && number < echoed_before && flight.state != State::Done {
                // Only the quickest come in a row: without the late ones the path would seem quicker than it is.
                self.round_trip.note(now.since(flight.sent));
            }
            match flight.state {
                State::InFlight(sequence) if came => {
                    news.arrived.push(sequence);
                    flight.state = State::Done;
                    self.in_flight -= 1;
                    self.window.grow(in_flight);
                }
                State::InFlight(sequence)
                    if number + self.reordering <= self.echoed && now.since(flight.sent) >= patience =>
                {
                    news.lost.push(sequence);
                    flight.state = State::Lost(sequence);
                    self.in_flight -= 1;
                    congested |= number > self.recovery;
                }
                State::Lost(sequence) if came => {
                    news.arrived.push(sequence);
                    flight.state = State::Done;
                    self.reordering = self.reordering.max(self.echoed - number + 1).min(REORDERING_MAX);
                    late = true;
                }
                State::InFlight(_) | State::Lost(_) | State::Done => {}
            }
        }
        if late {
            self.window.restore();
        }
        if congested {
            self.window.halve();
            self.recovery = self.next_number() - 1;
        }
        self.trim();
        news
    }

    /// When the oldest frame in flight has waited too long.
    pub(super) fn timeout(&self) -> Option<Time> {
        if self.in_flight == 0 {
            return None;
        }
        let oldest = self.flights.iter().find(|flight| matches!(flight.state, State::InFlight(_)))?;
        Some(oldest.sent + self.patience())
    }

    fn patience(&self) -> Duration {
        (self.round_trip.timeout() * (1 << self.backoff)).min(TIMEOUT_MAX)
    }

    /// Gives back all that is in flight, when the oldest has waited too long: the path brought nothing for as long.
    pub(super) fn time_out(&mut self, now: Time, missing: Missing) -> Vec<u64> {
        if self.timeout().is_none_or(|due| now < due) {
            return Vec::new();
        }
        let mut lost = Vec::new();
        for flight in &mut self.flights {
            if let State::InFlight(sequence) = flight.state {
                flight.state = State::Lost(sequence);
                lost.push(sequence);
            }
        }
        self.in_flight = 0;
        self.window.collapse();
        self.recovery = self.next_number() - 1;
        if missing.has(Safeguard::Backoff) {
            self.backoff = (self.backoff + 1).min(BACKOFF_MAX);
        }
        self.suspect_until = now + self.patience();
        self.trim();
        lost
    }

    /// Notes a number that came over this path. An acknowledgement is owed, at once when it is `urgent` or when
    /// numbers were passed over.
    pub(super) fn hear(&mut self, now: Time, number: u64, urgent: bool) {
        let in_a_row = match &mut self.heard {
            None => {
                self.heard = Some(Heard { number, before: 0, came: now });
                number == 1
            }
            Some(heard) if number > heard.number => {
                let ahead = number - heard.number;
                let shifted = if ahead < 64 { heard.before << ahead } else { 0 };
                let last = if ahead <= 64 { 1 << (ahead - 1) } else { 0 };
                *heard = Heard { number, before: shifted | last, came: now };
                ahead == 1
            }
            Some(heard) => {
                let behind = heard.number - number;
                if (1..=64).contains(&behind) {
                    heard.before |= 1 << (behind - 1);
                }
                false
            }
        };
        self.ack.frames += 1;
        if urgent || !in_a_row || self.ack.frames >= ACK_FRAMES {
            self.owe(now);
        } else if self.ack.due.is_none() {
            self.ack.due = Some(now + ACK_DELAY);
        }
    }

    /// An acknowledgement is owed at once.
    pub(super) fn owe(&mut self, now: Time) {
        self.ack.due = Some(now);
    }

    /// When an acknowledgement is due.
    pub(super) fn ack_due(&self) -> Option<Time> {
        self.ack.due
    }

    /// When something came over it last.
    pub(super) fn heard_at(&self) -> Option<Time> {
        self.heard.map(|heard| heard.came)
    }

    /// The echo for an acknowledgement that leaves now; with it nothing is owed any more.
    pub(super) fn pay(&mut self, now: Time, path: PathId) -> Option<Echo> {
        self.ack = Owed::default();
        let heard = self.heard?;
        let delay_us = u32::try_from(now.since(heard.came).as_micros()).unwrap_or(u32::MAX);
        Some(Echo { path, number: heard.number, before: heard.before, delay_us })
    }

    /// The session's numbers of what is in flight.
    #[cfg(test)]
    pub(super) fn in_flight(&self) -> impl Iterator<Item = u64> {
        self.flights.iter().filter_map(|flight| flight.state.in_flight())
    }
}

impl State {
    fn in_flight(self) -> Option<u64> {
        match self {
            Self::InFlight(sequence) => Some(sequence),
            Self::Lost(_) | Self::Done => None,
        }
    }
}
