//! One peer: the session with it, and the paths to it.

use super::event::{MessageId, RudpEvent, SendError, Statistics};
use super::frame::{Ack, Data, Frame, FrameHeader};
use super::identity::Identity;
use super::lane::{Lane, News};
use super::receive::{ReceiveWindow, Taken};
use super::safeguard::{Missing, Safeguard};
use super::send::{Delivery, SendWindow};
use super::{MESSAGE_BYTES_MAX, PathId, PathTransition, WINDOW_FRAMES};
use crate::time::Time;
use crate::version::NodeId;
use core::time::Duration;
use std::collections::VecDeque;

/// Between the first two questions of a row; twice as long each time, up to the most.
const ASK_FIRST: Duration = Duration::from_millis(20);
const ASK_DOUBLINGS: u32 = 6;
/// When so many more frames may come than the peer was told of, it is told.
const LIMIT_STEP: u64 = WINDOW_FRAMES / 4;

#[derive(Debug, Clone, Copy)]
struct Ask {
    due: Time,
    asked: u32,
}

/// What is kept of one peer.
#[derive(Debug, Clone)]
pub(super) struct Connection {
    own: Identity,
    peer: NodeId,
    /// The peer's, 0 before it is known. With this node's own it names the session.
    incarnation: u64,
    /// The peer knows this node's incarnation.
    confirmed: bool,
    lanes: Vec<Lane>,
    send: SendWindow,
    receive: ReceiveWindow,
    /// Further copies of a frame that was sent just now.
    copies: VecDeque<(u64, usize)>,
    ask: Option<Ask>,
    /// Over which path the next question goes.
    turn: usize,
    next_message: u64,
    events: VecDeque<RudpEvent>,
    /// Frames of messages among the events.
    unread: u64,
    /// Messages of which events tell that they are acknowledged or lost.
    untold: u64,
    /// The limit that the peer was told last.
    limit_told: u64,
    reachable_told: bool,
    /// Frames of the message that was refused last.
    wanted: Option<u64>,
    statistics: Statistics,
    missing: Missing,
}

impl Connection {
    pub(super) fn new(own: Identity, peer: NodeId, paths: usize, missing: Missing) -> Self {
        Self {
            own,
            peer,
            incarnation: 0,
            confirmed: false,
            lanes: vec![Lane::new(); paths],
            send: SendWindow::new(),
            receive: ReceiveWindow::new(0),
            copies: VecDeque::new(),
            ask: None,
            turn: 0,
            next_message: 0,
            events: VecDeque::new(),
            unread: 0,
            untold: 0,
            limit_told: WINDOW_FRAMES,
            reachable_told: false,
            wanted: None,
            statistics: Statistics::default(),
            missing,
        }
    }

    pub(super) fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    pub(super) fn note_contradicting(&mut self) {
        self.statistics.contradicting += 1;
    }

    fn is_reachable(&self) -> bool {
        self.lanes.iter().any(Lane::is_up)
    }

    pub(super) fn free_frames(&self) -> u64 {
        WINDOW_FRAMES.saturating_sub(self.send.used() + self.untold)
    }

    pub(super) fn send(&mut self, now: Time, bytes: &[u8], delivery: Delivery) -> Result<MessageId, SendError> {
        if bytes.len() > MESSAGE_BYTES_MAX {
            return Err(SendError::TooLong { bytes: bytes.len() });
        }
        let (copies, paths) = (delivery.copies.get(), self.lanes.len());
        if usize::from(copies) > paths {
            return Err(SendError::Copies { copies, paths });
        }
        let (needed, free) = (SendWindow::frames_of(bytes.len()), self.free_frames());
        if needed > free {
            self.wanted = Some(needed);
            return Err(SendError::Full { needed, free });
        }
        let message = MessageId(self.next_message);
        self.next_message += 1;
        self.send.push(message, bytes, delivery);
        self.reconsider(now);
        Ok(message)
    }

    pub(super) fn handle_path(&mut self, now: Time, path: PathId, transition: PathTransition) {
        let index = usize::from(path.0);
        let Some(lane) = self.lanes.get_mut(index) else { return self.note_contradicting() };
        for sequence in lane.judge(transition, self.missing) {
            self.statistics.moved += u64::from(self.send.lose(sequence, index));
        }
        if transition.up && !self.confirmed {
            self.ask = None;
        }
        self.reconsider(now);
    }

    pub(super) fn handle_frame(&mut self, now: Time, path: PathId, frame: &Frame<'_>) {
        let header = &frame.header;
        let index = usize::from(path.0);
        if header.path != path || index >= self.lanes.len() {
            return self.note_contradicting();
        }
        if header.sender_incarnation < self.incarnation {
            self.statistics.other_session += 1;
            return;
        }
        if header.sender_incarnation > self.incarnation {
            self.begin(header.sender_incarnation);
        }
        if header.receiver_incarnation != self.own.incarnation && self.missing.has(Safeguard::SessionFence) {
            // It is for an earlier start of this node, or the peer knows of none yet. The answer tells it.
            self.statistics.other_session += 1;
            self.lanes[index].owe(now);
            return self.reconsider(now);
        }
        self.confirmed = true;
        if self.lanes[index].is_past(header.epoch) && self.missing.has(Safeguard::EpochFence) {
            self.statistics.other_epoch += 1;
            return self.reconsider(now);
        }
        if let Some(ack) = &frame.ack {
            self.handle_ack(now, ack);
        }
        if let Some(data) = &frame.data {
            self.handle_data(now, index, header, data);
        } else if header.asks {
            self.lanes[index].hear(now, header.number, true);
        }
        self.reconsider(now);
    }

    /// A start of the peer that was not heard of: everything starts over, but what was never in a session.
    fn begin(&mut self, incarnation: u64) {
        let mut lost = Vec::new();
        if self.incarnation != 0 {
            lost = self.send.outstanding();
            self.untold += lost.len() as u64;
            self.send = SendWindow::new();
        }
        // Of two beginnings that nobody heard of yet the later one tells: there is one such event at the most.
        let told = self.events.iter().position(|event| matches!(event, RudpEvent::Session { .. }));
        if let Some(RudpEvent::Session { lost: mut before, .. }) = told.and_then(|place| self.events.remove(place)) {
            before.append(&mut lost);
            lost = before;
        }
        self.incarnation = incarnation;
        self.confirmed = false;
        self.lanes.iter_mut().for_each(Lane::begin);
        self.receive = ReceiveWindow::new(self.unread);
        self.limit_told = WINDOW_FRAMES;
        self.copies.clear();
        self.ask = None;
        self.events.push_back(RudpEvent::Session { peer: self.peer, incarnation, lost });
    }

    fn handle_ack(&mut self, now: Time, ack: &Ack) {
        if !self.send.is_plausible(ack) {
            return self.note_contradicting();
        }
        let echo = ack.echo.as_ref().map(|echo| (usize::from(echo.path.0), echo));
        let (mut news, mut over) = (News::default(), 0);
        if let Some((path, echo)) = echo
            && let Some(lane) = self.lanes.get_mut(path)
        {
            (news, over) = (lane.echo(now, echo), path);
        }
        let done = self.send.acknowledge(ack, &news.arrived);
        for (path, number) in done.settled {
            self.lanes[path].settle(number);
        }
        for message in done.messages {
            self.untold += 1;
            self.events.push_back(RudpEvent::Acknowledged { peer: self.peer, message });
        }
        for sequence in news.lost {
            self.send.lose(sequence, over);
        }
    }

    fn handle_data(&mut self, now: Time, index: usize, header: &FrameHeader, data: &Data<'_>) {
        let taken = self.receive.take(data, self.missing);
        while let Some(whole) = self.receive.poll() {
            self.unread += whole.frames;
            let (peer, incarnation) = (self.peer, self.incarnation);
            self.events.push_back(RudpEvent::Message { peer, incarnation, bytes: whole.bytes });
        }
        self.receive.widen(self.unread);
        match taken {
            Taken::New => self.lanes[index].hear(now, header.number, header.asks),
            Taken::Repeated => {
                self.statistics.repeated += 1;
                if self.missing.has(Safeguard::AnswerToRepeats) {
                    self.lanes[index].hear(now, header.number, true);
                }
            }
            // An echo says that the frame need not come again: this one must.
            Taken::Beyond => {
                self.statistics.beyond += 1;
                self.lanes[index].owe(now);
            }
            Taken::Contradicting => self.note_contradicting(),
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Time) {
        for (index, lane) in self.lanes.iter_mut().enumerate() {
            let lost = lane.time_out(now, self.missing);
            self.statistics.timeouts += u64::from(!lost.is_empty());
            for sequence in lost {
                self.send.lose(sequence, index);
            }
        }
        self.reconsider(now);
    }

    /// Sees whether there is something to ask: who the peer is, or whether it has room again.
    fn reconsider(&mut self, now: Time) {
        let stuck = self.incarnation != 0
            && self.send.is_blocked()
            && self.lanes.iter().all(|lane| lane.timeout().is_none())
            && self.missing.has(Safeguard::Asking);
        if !self.is_reachable() || (self.confirmed && !stuck) {
            self.ask = None;
        } else if self.ask.is_none() {
            let due = if self.confirmed { now + ASK_FIRST } else { now };
            self.ask = Some(Ask { due, asked: 0 });
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Time> {
        let lanes = self.lanes.iter().filter_map(Lane::timeout).min();
        let acks = self.lanes.iter().filter_map(Lane::ack_due).min().filter(|_| self.is_reachable());
        [lanes, acks, self.ask.map(|ask| ask.due)].into_iter().flatten().min()
    }

    pub(super) fn poll_event(&mut self) -> Option<RudpEvent> {
        let peer = self.peer;
        let event = self.events.pop_front();
        match &event {
            Some(RudpEvent::Message { bytes, .. }) => {
                self.unread -= SendWindow::frames_of(bytes.len());
                let limit = self.receive.widen(self.unread);
                if limit >= self.limit_told + LIMIT_STEP
                    && let Some(lane) = self.lanes.iter_mut().max_by_key(|lane| lane.heard_at())
                    && let Some(heard) = lane.heard_at()
                {
                    lane.owe(heard);
                }
            }
            Some(RudpEvent::Acknowledged { .. }) => self.untold -= 1,
            Some(RudpEvent::Session { lost, .. }) => self.untold -= lost.len() as u64,
            Some(RudpEvent::Unreachable { .. } | RudpEvent::Reachable { .. } | RudpEvent::Writable { .. }) | None => {}
        }
        if event.is_some() {
            return event;
        }
        if self.reachable_told != self.is_reachable() {
            self.reachable_told = !self.reachable_told;
            let told =
                if self.reachable_told { RudpEvent::Reachable { peer } } else { RudpEvent::Unreachable { peer } };
            return Some(told);
        }
        let free = self.free_frames();
        self.wanted.take_if(|needed| *needed <= free)?;
        Some(RudpEvent::Writable { peer })
    }

    /// Puts the next frame into `buffer`: the path that it goes over.
    pub(super) fn poll_transmit(&mut self, now: Time, buffer: &mut Vec<u8>) -> Option<PathId> {
        if !self.is_reachable() {
            return None;
        }
        let index = self.ask(now, buffer).or_else(|| self.copy(now, buffer)).or_else(|| self.next(now, buffer));
        index.or_else(|| self.acknowledge(now, buffer)).map(path_id)
    }

    fn ask(&mut self, now: Time, buffer: &mut Vec<u8>) -> Option<usize> {
        let ask = self.ask.as_mut().filter(|ask| ask.due <= now)?;
        ask.due = now + ASK_FIRST * (1 << ask.asked.min(ASK_DOUBLINGS));
        ask.asked += 1;
        let count = self.lanes.len();
        let index =
            (self.turn..self.turn + count).map(|index| index % count).find(|&index| self.lanes[index].is_up())?;
        self.turn = index + 1;
        let number = self.lanes[index].ask(now);
        self.write(now, index, index, Some(number), None, buffer);
        self.statistics.bare += 1;
        Some(index)
    }

    /// A further copy of the frame that left last.
    fn copy(&mut self, now: Time, buffer: &mut Vec<u8>) -> Option<usize> {
        while let Some((sequence, index)) = self.copies.pop_front() {
            if self.lanes[index].is_up() && self.send.data(sequence).is_some() {
                self.statistics.copies += 1;
                self.give(now, index, sequence, buffer);
                return Some(index);
            }
        }
        None
    }

    fn next(&mut self, now: Time, buffer: &mut Vec<u8>) -> Option<usize> {
        let (sequence, lost_by) = self.send.next().filter(|_| self.incarnation != 0)?;
        let index = self.choose(now, lost_by)?;
        let (copies, again) = self.send.copies(sequence);
        *(if again { &mut self.statistics.again } else { &mut self.statistics.first }) += 1;
        let mut others: Vec<usize> =
            (0..self.lanes.len()).filter(|&other| other != index && self.lanes[other].is_up()).collect();
        others.sort_by_key(|&other| (self.lanes[other].is_suspect(now), self.lanes[other].cost()));
        let further = others.into_iter().take(usize::from(copies) - 1).map(|other| (sequence, other));
        self.copies.extend(further);
        self.give(now, index, sequence, buffer);
        Some(index)
    }

    /// The path for the next frame: one with room, the one where it costs least. Not one that is silent while another is
    /// not, and rather not the one that lost the frame.
    fn choose(&self, now: Time, lost_by: Option<usize>) -> Option<usize> {
        if let Some(index) = lost_by.filter(|_| !self.missing.has(Safeguard::OtherPath)) {
            return Some(index).filter(|index| self.lanes[*index].is_up() && self.lanes[*index].has_room());
        }
        let transitions = self.missing.has(Safeguard::Transition);
        let up = || self.lanes.iter().enumerate().filter(move |(_, lane)| lane.is_up() || !transitions);
        let all_suspect = up().all(|(_, lane)| lane.is_suspect(now));
        up().filter(|(_, lane)| lane.has_room() && (all_suspect || !lane.is_suspect(now)))
            .min_by_key(|(index, lane)| (Some(*index) == lost_by, lane.cost(), *index))
            .map(|(index, _)| index)
    }

    fn give(&mut self, now: Time, index: usize, sequence: u64, buffer: &mut Vec<u8>) {
        let number = self.lanes[index].send(now, sequence);
        self.write(now, index, index, Some(number), Some(sequence), buffer);
        self.send.note_sent(sequence, index, number);
    }

    /// An acknowledgement that is due and found no frame to travel with: over the path whose frames it tells of, or
    /// over another when that one is Down.
    fn acknowledge(&mut self, now: Time, buffer: &mut Vec<u8>) -> Option<usize> {
        let of = self.lanes.iter().position(|lane| lane.ack_due().is_some_and(|due| due <= now))?;
        let up = |index: &usize| self.lanes[*index].is_up();
        let over = Some(of).filter(up).or_else(|| (0..self.lanes.len()).find(up))?;
        self.write(now, over, of, None, None, buffer);
        self.statistics.bare += 1;
        Some(over)
    }

    fn write(
        &mut self,
        now: Time,
        over: usize,
        of: usize,
        number: Option<u64>,
        sequence: Option<u64>,
        buffer: &mut Vec<u8>,
    ) {
        let echo = self.lanes[of].pay(now, path_id(of));
        let ack = (self.incarnation != 0).then(|| self.receive.ack(echo));
        self.limit_told = ack.map_or(self.limit_told, |ack| ack.limit);
        let header = FrameHeader {
            cluster: self.own.cluster,
            sender: self.own.node,
            receiver: self.peer,
            sender_incarnation: self.own.incarnation,
            receiver_incarnation: self.incarnation,
            path: path_id(over),
            epoch: self.lanes[over].epoch(),
            number: number.unwrap_or(0),
            asks: number.is_some() && sequence.is_none(),
        };
        let data = sequence.and_then(|sequence| self.send.data(sequence));
        Frame { header, ack, data }.write(buffer);
    }

    /// What must hold between any two calls.
    #[cfg(test)]
    pub(super) fn check(&self) {
        let mut in_flight = std::collections::BTreeSet::new();
        for lane in &self.lanes {
            let before = in_flight.len();
            in_flight.extend(lane.in_flight());
            assert!(lane.is_up() || in_flight.len() == before, "in flight over a path that is Down");
        }
        self.send.check(&in_flight);
        self.receive.check(self.unread);
        assert!(self.untold <= WINDOW_FRAMES, "{} messages to tell of", self.untold);
        let most = WINDOW_FRAMES + u64::from(super::FRAGMENTS_MAX) + WINDOW_FRAMES + 1;
        assert!(self.events.len() as u64 <= most, "{} events", self.events.len());
    }
}

fn path_id(index: usize) -> PathId {
    PathId(u16::try_from(index).expect("there are 8 paths at the most"))
}
