//! Lies in answers.

use super::{Liar, kinds::Lie};
use crate::wire::{Body, Message};
use rain_cluster::version::{COUNTER_LEAP, COUNTER_MAX};
use rain_cluster::{
    ColumnStatus, Life, Memory, Outcome, Record, Refusal, Reply, Request, Sender, Signet, Ticket, TitleState,
};
use rain_wire::{Answer, Question};
use std::sync::Arc;

impl Liar {
    /// Tells this lie, if the answer is one in which it can be told.
    pub(super) fn lie_in_answer(&mut self, lie: Lie, message: &mut Message, asked: Option<&Request>) -> bool {
        let to = message.to;
        let Body::Answer(reply) = &mut message.body else { return false };
        match (lie, reply) {
            (Lie::Retired, reply) => *reply = Reply::Retired,
            (Lie::Accuse, Reply::Remembered(memory)) => self.accuse(memory, to),
            (Lie::Stale, reply) => return self.say_again(reply, asked),
            (_, Reply::State(state)) => return self.lie_in_state(lie, state, asked),
            (_, page @ Reply::Committed { .. }) => return self.lie_in_page(lie, page),
            (Lie::Forget, Reply::Remembered(memory)) => *memory = Memory::default(),
            (Lie::Promise, reply @ Reply::Refused(_)) => *reply = Reply::Prepared,
            (Lie::Promise, reply @ Reply::Absent) => *reply = Reply::Marked,
            (Lie::Refuse, reply @ Reply::Prepared) => {
                *reply = Reply::Refused(self.random.pick(&[
                    Refusal::NoSpace,
                    Refusal::Condition,
                    Refusal::Superseded,
                    Refusal::Column,
                    Refusal::Blank,
                ]));
            }
            (Lie::Refuse, reply @ Reply::Marked) => *reply = Reply::Absent,
            (Lie::Outcome, Reply::Outcome(outcome)) => {
                let outcomes = [Outcome::Committed, Outcome::Aborted, Outcome::Undecided, Outcome::Unknown];
                *outcome = self.random.pick(&outcomes);
            }
            (Lie::Digest, Reply::Digest(digest)) => {
                *digest = if self.random.one_in(4) { None } else { Some(self.random.next()) };
            }
            _ => return false,
        }
        true
    }

    /// Lies in what it knows of a title.
    fn lie_in_state(&mut self, lie: Lie, state: &mut TitleState, asked: Option<&Request>) -> bool {
        let TitleState { entries, blank, floor, ticket, store, .. } = &mut *state;
        match lie {
            Lie::Roots | Lie::Lengths | Lie::Codes | Lie::Seats if !entries.is_empty() => {
                let at = self.random.below(entries.len());
                let Some(record) = self.altered(lie, &entries[at].record) else { return false };
                entries[at].record = record;
                entries[at].marked |= self.random.one_in(2);
            }
            Lie::Repeat if !entries.is_empty() => {
                let at = self.random.below(entries.len());
                let Some(record) = self.altered(Lie::Roots, &entries[at].record) else { return false };
                let forged = self.entry(record);
                entries.extend(vec![forged; 5]);
            }
            Lie::Create | Lie::CreateAs | Lie::Delete => {
                let Some(title) = asked.and_then(title_of) else { return false };
                let record = self.invented(lie, title, state.highest_counter().min(COUNTER_MAX));
                let entry = self.entry(record);
                state.entries.push(entry);
            }
            Lie::Forget if !entries.is_empty() => drop(entries.pop()),
            Lie::Commit => {
                let Some(entry) = entries.iter_mut().find(|entry| !entry.marked) else { return false };
                entry.marked = true;
            }
            Lie::Uncommit => {
                let Some(entry) = entries.iter_mut().rfind(|entry| entry.marked) else { return false };
                entry.marked = false;
            }
            Lie::Status if !entries.is_empty() => {
                let at = self.random.below(entries.len());
                let column = u16::try_from(self.random.below(6)).unwrap();
                entries[at].column = match self.random.below(3) {
                    0 => ColumnStatus::Ok { column },
                    1 => ColumnStatus::Missing,
                    _ => ColumnStatus::Damaged { column, reason: "so it says".to_owned() },
                };
            }
            Lie::Blank => *blank = !*blank,
            Lie::Floor => *floor = self.other_floor(*floor),
            Lie::Ticket => {
                *ticket = Ticket(self.random.next());
                *store = self.random.word();
            }
            _ => return false,
        }
        true
    }

    /// Lies in a page of what it knows to be committed.
    fn lie_in_page(&mut self, lie: Lie, page: &mut Reply) -> bool {
        let Reply::Committed { blank, from, next, marked, pending, floor } = page else { return false };
        match lie {
            Lie::Roots | Lie::Lengths | Lie::Codes | Lie::Seats => {
                let records = if marked.is_empty() { pending } else { marked };
                if records.is_empty() {
                    return false;
                }
                let at = self.random.below(records.len());
                let Some(record) = self.altered(lie, &records[at]) else { return false };
                records[at] = record;
            }
            Lie::Create | Lie::CreateAs | Lie::Delete => {
                let title = crate::history::title_name(self.random.below(self.plan.titles));
                let known = marked.iter().filter(|record| record.title() == title);
                let highest = known.map(|record| record.version().counter).max().unwrap_or(1);
                let record = self.invented(lie, &title, highest);
                if self.random.one_in(3) { pending.push(record) } else { marked.push(record) }
            }
            Lie::Forget if !marked.is_empty() => drop(marked.pop()),
            Lie::Commit if !pending.is_empty() => marked.append(pending),
            Lie::Uncommit if !marked.is_empty() => pending.append(marked),
            Lie::Blank => *blank = !*blank,
            Lie::Floor => *floor = self.other_floor(*floor),
            Lie::Page => {
                let place = u16::try_from(self.random.below(1 << 16)).unwrap();
                if self.random.one_in(2) { *from = place } else { *next = Some(place) }
            }
            _ => return false,
        }
        true
    }

    fn other_floor(&mut self, floor: u64) -> u64 {
        self.random.pick(&[
            0,
            floor.saturating_add(3),
            floor.saturating_add(COUNTER_LEAP),
            1 << 40,
            COUNTER_MAX - 1,
            COUNTER_MAX,
            u64::MAX,
        ])
    }

    /// Says of a node that it has forgotten something: in words that are forged, and in its own, whatever they said.
    fn accuse(&mut self, memory: &mut Memory, of: usize) {
        memory.retired = !self.random.one_in(4);
        let id = self.cluster.ids[of];
        for _ in 0..=self.random.below(4) {
            let of_any = self.random.one_in(4);
            let heard: Vec<Sender> = self.heard.iter().copied().filter(|sender| of_any || sender.node == id).collect();
            if heard.is_empty() {
                continue;
            }
            let mut said = self.random.pick(&heard).testimony();
            let any = self.random.next();
            match self.random.below(5) {
                0 => said.serial = self.random.pick(&[said.serial.saturating_add(1), u64::MAX, any]),
                1 => said.life = Life(self.random.word()),
                2 => said.signet = Signet(u128::from(any)),
                _ => {}
            }
            memory.lives.push(said);
        }
    }

    /// Says what it said before, when it was asked the same.
    fn say_again(&mut self, reply: &mut Reply, asked: Option<&Request>) -> bool {
        let Some(asked) = asked else { return false };
        let old = self.said.iter().filter(|(request, _)| request == asked).map(|(_, reply)| reply);
        let old: Vec<&Reply> = old.filter(|old| *old != reply).collect();
        if old.is_empty() {
            return false;
        }
        *reply = old[self.random.below(old.len())].clone();
        true
    }

    /// Lies in the columns that it sends, and in what it says of itself.
    pub(super) fn lie_in_any(&mut self, lie: Lie, message: &mut Message) -> bool {
        match (lie, &mut message.body) {
            (Lie::Sender, _) => {
                let sender = &mut message.sender;
                match self.random.below(4) {
                    0 => sender.life = Life(self.random.word()),
                    1 => sender.serial = u64::MAX,
                    2 => sender.serial = 0,
                    _ => sender.epoch = self.random.next(),
                }
            }
            (Lie::Column, Body::Column { column, records }) if !records.is_empty() => {
                let Some((version, stripes)) = self.reads.get(&message.call).cloned() else { return false };
                if let Some(record) = self.records.get(&version).cloned() {
                    // From now on it has columns of another content, with checksums that fit.
                    let _ = self.other_roots(&record);
                }
                let Some((index, bytes)) = self.twin_column(version, &stripes) else { return false };
                (*column, *records) = (index, Arc::new(bytes));
            }
            (Lie::Column, Body::Upload { records, .. }) if !records.is_empty() => {
                let mut bytes = (**records).clone();
                let at = self.random.below(bytes.len());
                bytes[at] ^= 1;
                *records = Arc::new(bytes);
            }
            (Lie::OtherColumn, Body::Column { column, .. }) => {
                *column = u16::try_from(self.random.below(8)).unwrap();
            }
            (Lie::Noise, Body::Column { records, .. } | Body::Upload { records, .. }) => {
                let mut bytes = (**records).clone();
                match self.random.below(3) {
                    0 => bytes.truncate(self.random.below(bytes.len() + 1)),
                    1 => bytes.extend([9; 77]),
                    _ => bytes.iter_mut().for_each(|byte| *byte = self.random.word() as u8),
                }
                *records = Arc::new(bytes);
            }
            (Lie::Noise, Body::Answer(reply)) => {
                let mut bytes = Vec::new();
                Answer { from: message.sender, reply: Some(reply.clone()) }.push(&mut bytes);
                self.spoil(&mut bytes);
                let parsed = Answer::parse_all(bytes.into()).ok().and_then(|answers| answers.into_iter().next());
                message.body = parsed.and_then(|answer| answer.reply).map_or(Body::Failed, Body::Answer);
            }
            (Lie::Noise, Body::Ask(request)) => {
                let mut bytes = Vec::new();
                Question { from: message.sender, request: request.clone() }.push(&mut bytes);
                self.spoil(&mut bytes);
                let parsed = Question::parse_all(bytes.into()).ok().and_then(|asked| asked.into_iter().next());
                let Some(question) = parsed else { return false };
                message.body = Body::Ask(question.request);
            }
            _ => return false,
        }
        true
    }

    /// Changes a few characters, mostly such that it can still be read.
    fn spoil(&mut self, bytes: &mut [u8]) {
        for _ in 0..=self.random.below(3) {
            let at = 8 + self.random.below(bytes.len() - 8);
            let byte = bytes[at];
            bytes[at] = match byte {
                b'0'..=b'9' | b'a'..=b'f' if !self.random.one_in(6) => b"0123456789abcdef"[self.random.below(16)],
                _ => self.random.word() as u8,
            };
        }
    }
}

/// The title that is asked about.
fn title_of(request: &Request) -> Option<&str> {
    match request {
        Request::Lookup { title } | Request::Retire { title, .. } | Request::Close { title } => Some(title),
        _ => None,
    }
}

/// The versions that an answer or a question names.
pub(super) fn records_of(body: &Body) -> Vec<Record> {
    match body {
        Body::Answer(Reply::State(state)) => state.entries.iter().map(|entry| entry.record.clone()).collect(),
        Body::Answer(Reply::Committed { marked, pending, .. }) => marked.iter().chain(pending).cloned().collect(),
        Body::Ask(Request::Prepare { record, .. } | Request::Mark { record, .. }) => vec![record.clone()],
        _ => Vec::new(),
    }
}
