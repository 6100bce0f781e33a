//! What came from a peer: each frame once, messages put together, ordered ones in order.

use super::frame::{Ack, AckRange, Data, OrderNumber, RANGES};
use super::safeguard::{Missing, Safeguard};
use super::{Echo, WINDOW_FRAMES};
use std::collections::{BTreeMap, VecDeque};

/// Of so many of the newest frames an acknowledgement may tell the ranges.
const RECENT: usize = 8;

/// A whole message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Whole {
    pub(super) bytes: Vec<u8>,
    /// Frames that it takes of the window until it is read.
    pub(super) frames: u64,
}

#[derive(Debug, Clone)]
struct Assembly {
    order: Option<OrderNumber>,
    parts: Vec<Option<Vec<u8>>>,
    missing: usize,
}

/// What became of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    /// It was new.
    New,
    /// It came before.
    Repeated,
    /// There is no room for it; it must come again.
    Beyond,
    /// It contradicts one that came before.
    Contradicting,
}

/// Frames from the oldest that did not come, up to the last that may come.
#[derive(Debug, Clone)]
pub(super) struct ReceiveWindow {
    /// All frames before this one came.
    next: u64,
    /// Whether `next`, `next + 1`, ... came: the first did not.
    came: VecDeque<bool>,
    /// Frames before this one may come. It never goes back.
    limit: u64,
    /// The newest frames that came, the newest first.
    recent: VecDeque<u64>,
    /// Messages of which frames are missing, by the number of their first.
    assemblies: BTreeMap<u64, Assembly>,
    /// The place of the next ordered message.
    next_order: u64,
    /// Whole ordered messages before which one is missing, by their place.
    early: BTreeMap<u64, Whole>,
    ready: VecDeque<Whole>,
}

impl ReceiveWindow {
    /// The window of a new session, while frames of an earlier one are still unread. A sender takes all of the window for
    /// granted at first: what is beyond the limit must then come again.
    pub(super) fn new(unread: u64) -> Self {
        Self {
            next: 0,
            came: VecDeque::new(),
            limit: WINDOW_FRAMES.saturating_sub(unread),
            recent: VecDeque::new(),
            assemblies: BTreeMap::new(),
            next_order: 1,
            early: BTreeMap::new(),
            ready: VecDeque::new(),
        }
    }

    /// Takes a frame.
    pub(super) fn take(&mut self, data: &Data<'_>, missing: Missing) -> Taken {
        let place = data.sequence.checked_sub(self.next).and_then(|place| usize::try_from(place).ok());
        let came = place.is_none_or(|place| self.came.get(place) == Some(&true));
        if came && missing.has(Safeguard::Deduplication) {
            return Taken::Repeated;
        }
        if data.sequence >= self.limit && missing.has(Safeguard::Limit) {
            return Taken::Beyond;
        }
        if !self.fits(data) {
            return if came { Taken::Repeated } else { Taken::Contradicting };
        }
        if let Some(place) = place {
            self.mark(data.sequence, place);
        }
        self.assemble(data, missing);
        self.clear_past();
        Taken::New
    }

    /// Whether the frame agrees with what is known of its message, and is where an honest sender can be.
    fn fits(&self, data: &Data<'_>) -> bool {
        // The messages before an ordered one that are missing have frames behind `next`, and so has it: they are fewer
        // than the window has frames.
        let soon = |order: OrderNumber| {
            order.get().checked_sub(self.next_order).is_some_and(|ahead| ahead <= WINDOW_FRAMES)
                && !self.early.contains_key(&order.get())
        };
        data.order.is_none_or(soon)
            && self.assemblies.get(&data.first()).is_none_or(|assembly| {
                assembly.parts.len() == usize::from(data.fragments)
                    && assembly.order == data.order
                    && assembly.parts[usize::from(data.fragment)].is_none()
            })
    }

    fn mark(&mut self, sequence: u64, place: usize) {
        if self.came.len() <= place {
            self.came.resize(place + 1, false);
        }
        self.came[place] = true;
        while self.came.front() == Some(&true) {
            self.came.pop_front();
            self.next += 1;
        }
        self.recent.push_front(sequence);
        self.recent.truncate(RECENT);
    }

    fn assemble(&mut self, data: &Data<'_>, missing: Missing) {
        let parts = usize::from(data.fragments);
        let assembly = self.assemblies.entry(data.first()).or_insert_with(|| Assembly {
            order: data.order,
            parts: vec![None; parts],
            missing: parts,
        });
        assembly.parts[usize::from(data.fragment)] = Some(data.payload.to_vec());
        assembly.missing -= 1;
        if assembly.missing > 0 {
            return;
        }
        let parts = self.assemblies.remove(&data.first()).map(|assembly| assembly.parts).unwrap_or_default();
        let bytes = parts.into_iter().flatten().collect::<Vec<_>>().concat();
        let whole = Whole { bytes, frames: data.fragments.into() };
        match data.order {
            Some(order) if missing.has(Safeguard::Order) => {
                self.early.insert(order.get(), whole);
                while let Some(whole) = self.early.remove(&self.next_order) {
                    self.ready.push_back(whole);
                    self.next_order += 1;
                }
            }
            Some(_) | None => self.ready.push_back(whole),
        }
    }

    /// Of an honest sender's messages one at most has frames on both sides of `next`. Any other that is not whole when
    /// all its frames have numbers before `next`, never will be.
    fn clear_past(&mut self) {
        while let Some(entry) = self.assemblies.first_entry()
            && entry.key() + entry.get().parts.len() as u64 <= self.next
        {
            entry.remove();
        }
    }

    /// The next whole message.
    pub(super) fn poll(&mut self) -> Option<Whole> {
        self.ready.pop_front()
    }

    /// Makes room for what may come: the window, less the frames of messages that nobody has read yet. Returns the
    /// frames that may come now, counted from the session's beginning.
    pub(super) fn widen(&mut self, unread: u64) -> u64 {
        self.limit = self.limit.max(self.next + WINDOW_FRAMES.saturating_sub(unread));
        self.limit
    }

    /// What to tell the sender.
    pub(super) fn ack(&self, echo: Option<Echo>) -> Ack {
        let mut ranges = [None; RANGES];
        let mut found = 0;
        for sequence in &self.recent {
            if found == RANGES {
                break;
            }
            let range = self.range_around(*sequence);
            if range.is_some() && !ranges.contains(&range) {
                ranges[found] = range;
                found += 1;
            }
        }
        Ack { next: self.next, limit: self.limit, ranges, echo }
    }

    fn range_around(&self, sequence: u64) -> Option<AckRange> {
        let place = usize::try_from(sequence.checked_sub(self.next)?).ok()?;
        let before = self.came.range(..place).rev().take_while(|came| **came).count();
        let behind = self.came.range(place..).take_while(|came| **came).count();
        let fit = |number| u16::try_from(number).ok();
        Some(AckRange { skipped: fit(place - before)?, length: fit(before + behind)? })
    }

    /// What must hold at any moment.
    #[cfg(test)]
    pub(super) fn check(&self, unread: u64) {
        assert_ne!(self.came.front(), Some(&true));
        assert!(self.came.len() as u64 <= self.limit - self.next, "more came than may");
        let partial = self.assemblies.values().flat_map(|assembly| &assembly.parts).flatten().count() as u64;
        let early: u64 = self.early.values().map(|whole| whole.frames).sum();
        let most = WINDOW_FRAMES + u64::from(super::FRAGMENTS_MAX);
        assert!(partial + early + unread <= most, "{partial} + {early} + {unread} frames are kept");
    }
}

#[cfg(test)]
mod tests;
