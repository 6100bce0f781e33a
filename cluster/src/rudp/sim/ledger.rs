//! What was handed over, and what became of it.

use super::content::content;
use crate::rudp::MessageId;
use crate::time::Time;
use std::collections::BTreeMap;

/// Which start of which node.
pub(super) type Start = (usize, u64);

#[derive(Debug, Clone)]
pub(super) struct Sent {
    pub(super) from: Start,
    pub(super) to: usize,
    pub(super) ordered: bool,
    pub(super) length: usize,
    pub(super) at: Time,
    pub(super) acknowledged: Option<Time>,
    /// Its session ended: which incarnation of the receiver it must not reach any more.
    lost: Option<u64>,
    delivered: Option<Start>,
}

/// All messages of a run; a message's number is the first eight bytes of it.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    sent: Vec<Sent>,
    numbers: BTreeMap<(Start, usize, MessageId), u64>,
    last_ordered: BTreeMap<(Start, Start), u64>,
    /// When each node began last.
    began: BTreeMap<usize, Time>,
    starts: BTreeMap<usize, u64>,
}

impl Ledger {
    pub(super) fn next(&self) -> u64 {
        self.sent.len() as u64
    }

    pub(super) fn delivered(&self) -> usize {
        self.sent.iter().filter(|sent| sent.delivered.is_some()).count()
    }

    pub(super) fn begin(&mut self, now: Time, start: Start) {
        self.began.insert(start.0, now);
        self.starts.insert(start.0, start.1);
    }

    pub(super) fn send(&mut self, at: Time, from: Start, to: usize, id: MessageId, ordered: bool, length: usize) {
        self.numbers.insert((from, to, id), self.next());
        let (acknowledged, lost, delivered) = (None, None, None);
        self.sent.push(Sent { from, to, ordered, length, at, acknowledged, lost, delivered });
    }

    pub(super) fn deliver(&mut self, to: Start, from: Start, bytes: &[u8]) -> Result<(), String> {
        let serial = bytes.first_chunk().map(|number| u64::from_le_bytes(*number)).ok_or("a message too short")?;
        let place = usize::try_from(serial).map_err(|_| "no such message")?;
        let sent = self.sent.get_mut(place).ok_or_else(|| format!("message {serial} was never sent"))?;
        if (sent.from, sent.to) != (from, to.0) || bytes != content(serial, sent.length) {
            return Err(format!(
                "message {serial} came changed: {} bytes from {from:?} to {to:?}: {sent:?}",
                bytes.len()
            ));
        }
        if let Some(before) = sent.delivered {
            return Err(format!("message {serial} came twice: to {before:?} and to {to:?}"));
        }
        if sent.lost.is_some_and(|incarnation| to.1 >= incarnation) {
            return Err(format!("message {serial} came to {to:?} after its session ended"));
        }
        sent.delivered = Some(to);
        if sent.ordered {
            let last = self.last_ordered.insert((from, to), serial);
            if last.is_some_and(|last| last > serial) {
                return Err(format!("message {serial} came behind {last:?}"));
            }
        }
        Ok(())
    }

    pub(super) fn acknowledge(&mut self, now: Time, from: Start, to: usize, id: MessageId) -> Result<(), String> {
        let sent = self.find(from, to, id)?;
        if sent.acknowledged.is_some() || sent.lost.is_some() {
            return Err(format!("acknowledged twice: {sent:?}"));
        }
        sent.acknowledged = Some(now);
        Ok(())
    }

    pub(super) fn lose(&mut self, from: Start, to: Start, id: MessageId) -> Result<(), String> {
        let sent = self.find(from, to.0, id)?;
        if sent.acknowledged.is_some() || sent.lost.is_some() {
            return Err(format!("lost after all: {sent:?}"));
        }
        sent.lost = Some(to.1);
        match sent.delivered {
            Some((_, incarnation)) if incarnation >= to.1 => Err(format!("lost, but it came: {sent:?}")),
            _ => Ok(()),
        }
    }

    fn find(&mut self, from: Start, to: usize, id: MessageId) -> Result<&mut Sent, String> {
        let number = self.numbers.get(&(from, to, id)).ok_or_else(|| format!("{id:?} of {from:?} was never sent"))?;
        Ok(&mut self.sent[usize::try_from(*number).map_err(|_| "no such message")?])
    }

    /// The longest time for which a message of the present starts waits, or waited, to be acknowledged.
    pub(super) fn longest_wait_us(&self, now: Time) -> u64 {
        let waits = self.sent.iter().filter(|sent| sent.lost.is_none() && self.starts[&sent.from.0] == sent.from.1);
        let waits = waits.map(|sent| sent.acknowledged.unwrap_or(now).since(sent.at).as_micros());
        u64::try_from(waits.max().unwrap_or(0)).unwrap()
    }

    /// In the end, and after calm: what both of the last starts sent each other is delivered and acknowledged.
    pub(super) fn settle(&self) -> Result<(), String> {
        for (serial, sent) in self.sent.iter().enumerate() {
            let present = self.starts[&sent.from.0] == sent.from.1;
            if present && sent.lost.is_none() && sent.acknowledged.is_none() {
                return Err(format!("message {serial} was never acknowledged: {sent:?}"));
            }
            // An ordered one whose forerunner died with its sender is never delivered.
            let session_lasts = present && self.began[&sent.to] <= sent.at;
            if session_lasts && sent.acknowledged.is_some() && sent.delivered.is_none() {
                return Err(format!("message {serial} was acknowledged and never came: {sent:?}"));
            }
        }
        Ok(())
    }
}
