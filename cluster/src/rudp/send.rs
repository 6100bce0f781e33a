//! What was handed over for a peer and is not acknowledged.

use super::event::MessageId;
use super::frame::{Ack, Data, OrderNumber};
use super::{PAYLOAD_BYTES, WINDOW_FRAMES};
use core::num::NonZeroU8;
use core::ops::Range;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// How a message is to be delivered: once in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivery {
    /// Behind the ordered messages that were handed over before it, and not as soon as it is there.
    pub ordered: bool,
    /// Over how many paths at once it is sent: over as many as are Up when they are fewer.
    pub copies: NonZeroU8,
}

impl Delivery {
    /// In order, over one path.
    pub const ORDERED: Self = Self { ordered: true, copies: NonZeroU8::MIN };
    /// As soon as it is there, over one path.
    pub const UNORDERED: Self = Self { ordered: false, copies: NonZeroU8::MIN };

    /// As soon as it is there, over several paths at once.
    pub const fn redundant(copies: NonZeroU8) -> Self {
        Self { ordered: false, copies }
    }
}

/// One frame's part of a message.
#[derive(Debug, Clone)]
struct Outgoing {
    payload: Vec<u8>,
    first: u64,
    order: Option<OrderNumber>,
    fragment: u8,
    fragments: u8,
    copies: u8,
    /// It was sent, once at least.
    sent: bool,
    acknowledged: bool,
    /// Where it is in flight: which path, and its number there.
    flights: Vec<(usize, u64)>,
    /// The path that lost it last.
    lost_by: Option<usize>,
}

#[derive(Debug, Clone, Copy)]
struct Outstanding {
    message: MessageId,
    frames: u8,
}

/// Frames from the oldest that is not acknowledged, up to the newest.
#[derive(Debug, Clone, Default)]
pub(super) struct SendWindow {
    frames: VecDeque<Outgoing>,
    /// The number of the first of them.
    base: u64,
    /// Which are to be sent: the oldest first.
    waiting: BTreeSet<u64>,
    /// Frames before this one the peer takes.
    limit: u64,
    ordered: u64,
    /// By the number of their first frame, with the frames that are not acknowledged.
    messages: BTreeMap<u64, Outstanding>,
}

/// What an acknowledgement did.
#[derive(Debug, Default)]
pub(super) struct Acknowledged {
    pub(super) messages: Vec<MessageId>,
    /// Where frames were in flight that need not be any more.
    pub(super) settled: Vec<(usize, u64)>,
}

impl SendWindow {
    pub(super) fn new() -> Self {
        Self { limit: WINDOW_FRAMES, ..Self::default() }
    }

    /// Frames from the oldest that is not acknowledged.
    pub(super) fn used(&self) -> u64 {
        self.frames.len() as u64
    }

    /// Frames that a message takes.
    pub(super) fn frames_of(bytes: usize) -> u64 {
        bytes.div_ceil(PAYLOAD_BYTES).max(1) as u64
    }

    /// Takes a message that fits.
    pub(super) fn push(&mut self, message: MessageId, bytes: &[u8], delivery: Delivery) {
        let first = self.base + self.used();
        let fragments = u8::try_from(Self::frames_of(bytes.len())).expect("a message has 64 frames at the most");
        self.ordered += u64::from(delivery.ordered);
        let order = if delivery.ordered { OrderNumber::new(self.ordered) } else { None };
        for fragment in 0..fragments {
            let from = usize::from(fragment) * PAYLOAD_BYTES;
            self.frames.push_back(Outgoing {
                payload: bytes[from..bytes.len().min(from + PAYLOAD_BYTES)].to_vec(),
                first,
                order,
                fragment,
                fragments,
                copies: delivery.copies.get(),
                sent: false,
                acknowledged: false,
                flights: Vec::new(),
                lost_by: None,
            });
            self.waiting.insert(first + u64::from(fragment));
        }
        self.messages.insert(first, Outstanding { message, frames: fragments });
    }

    fn frame_mut(&mut self, sequence: u64) -> Option<&mut Outgoing> {
        let place = usize::try_from(sequence.checked_sub(self.base)?).ok()?;
        self.frames.get_mut(place)
    }

    fn frame(&self, sequence: u64) -> Option<&Outgoing> {
        let place = usize::try_from(sequence.checked_sub(self.base)?).ok()?;
        self.frames.get(place)
    }

    /// The next frame to send, when the peer takes it, and the path that it should not go over.
    pub(super) fn next(&self) -> Option<(u64, Option<usize>)> {
        let sequence = *self.waiting.first()?;
        (sequence < self.limit).then(|| (sequence, self.frame(sequence).and_then(|frame| frame.lost_by)))
    }

    /// Whether there are frames to send, and the peer has no room for any.
    pub(super) fn is_blocked(&self) -> bool {
        self.waiting.first().is_some_and(|sequence| *sequence >= self.limit)
    }

    /// Over how many paths a frame goes at once, and whether it was sent before.
    pub(super) fn copies(&self, sequence: u64) -> (u8, bool) {
        self.frame(sequence).map_or((1, false), |frame| (frame.copies, frame.sent))
    }

    /// Notes that a frame leaves over a path, by this number.
    pub(super) fn note_sent(&mut self, sequence: u64, path: usize, number: u64) {
        self.waiting.remove(&sequence);
        if let Some(frame) = self.frame_mut(sequence) {
            frame.sent = true;
            frame.flights.push((path, number));
        }
    }

    /// A frame's part of its message, unless it is acknowledged.
    pub(super) fn data(&self, sequence: u64) -> Option<Data<'_>> {
        let frame = self.frame(sequence).filter(|frame| !frame.acknowledged)?;
        let Outgoing { order, fragment, fragments, .. } = *frame;
        Some(Data { sequence, order, fragment, fragments, payload: &frame.payload })
    }

    /// A path lost a frame: it waits again, unless another path still has it. Whether it waits.
    pub(super) fn lose(&mut self, sequence: u64, path: usize) -> bool {
        let Some(frame) = self.frame_mut(sequence) else { return false };
        frame.flights.retain(|(over, _)| *over != path);
        frame.lost_by = Some(path);
        let again = frame.flights.is_empty() && !frame.acknowledged;
        if again {
            self.waiting.insert(sequence);
        }
        again
    }

    /// Whether an acknowledgement speaks of nothing but what was handed over.
    pub(super) fn is_plausible(&self, ack: &Ack) -> bool {
        let end = self.base + self.used();
        ack.next <= end && ranges(ack).all(|range| range.end <= end)
    }

    /// Takes an acknowledgement and, from the echo in it, what arrived besides.
    pub(super) fn acknowledge(&mut self, ack: &Ack, arrived: &[u64]) -> Acknowledged {
        self.limit = self.limit.max(ack.limit);
        let mut done = Acknowledged::default();
        for sequence in (self.base..ack.next).chain(ranges(ack).flatten()).chain(arrived.iter().copied()) {
            self.acknowledge_one(sequence, &mut done);
        }
        while self.frames.front().is_some_and(|frame| frame.acknowledged) {
            self.frames.pop_front();
            self.base += 1;
        }
        done
    }

    fn acknowledge_one(&mut self, sequence: u64, done: &mut Acknowledged) {
        let Some(frame) = self.frame_mut(sequence).filter(|frame| frame.sent && !frame.acknowledged) else { return };
        frame.acknowledged = true;
        frame.payload = Vec::new();
        done.settled.append(&mut frame.flights);
        let first = frame.first;
        self.waiting.remove(&sequence);
        if let Some(message) = self.messages.get_mut(&first) {
            message.frames -= 1;
            if message.frames == 0 {
                done.messages.push(message.message);
                self.messages.remove(&first);
            }
        }
    }

    /// The messages that are not acknowledged.
    pub(super) fn outstanding(&self) -> Vec<MessageId> {
        self.messages.values().map(|outstanding| outstanding.message).collect()
    }

    /// What must hold at any moment: each frame is acknowledged, waits, or is in flight.
    #[cfg(test)]
    pub(super) fn check(&self, in_flight: &BTreeSet<u64>) {
        assert!(self.used() <= WINDOW_FRAMES, "{} frames in the send window", self.used());
        for (sequence, frame) in (self.base..).zip(&self.frames) {
            let (waits, flies) = (self.waiting.contains(&sequence), in_flight.contains(&sequence));
            assert!(frame.acknowledged != (waits || flies), "frame {sequence}: waits {waits}, in flight {flies}");
        }
        assert!(self.waiting.iter().all(|sequence| self.frame(*sequence).is_some()), "what waits is in the window");
    }
}

/// The frames of an acknowledgement's ranges.
fn ranges(ack: &Ack) -> impl Iterator<Item = Range<u64>> {
    ack.ranges.iter().flatten().map(|range| {
        let first = ack.next + u64::from(range.skipped);
        first..first + u64::from(range.length)
    })
}
