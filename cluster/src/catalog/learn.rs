//! How a blank node learns which versions are committed, before its silence may count.

use crate::digests::{BUCKETS, Digests};
use crate::machine::Machine;
use crate::manifest::Record;
use crate::members::Members;
use crate::message::{Reply, Request, Sender};
use crate::time::Time;
use crate::version::{Life, NodeId};
use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

const RETRY: Duration = Duration::from_millis(500);

/// What a blank node learnt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Learnt {
    /// A peer knows these versions to be committed: mark those that belong here.
    Marked(Vec<Record>),
    /// A peer does not know yet what became of these: it may have been decided on this node's word, given in an earlier
    /// life. This node must say nothing of their titles until that is known.
    Pending(Vec<Record>),
    /// A peer purged tombstones with counters up to this one.
    Floor(u64),
    /// Enough was learnt: the node is blank no longer.
    Enough,
}

/// How far a peer has told what it knows.
#[derive(Debug, Default)]
struct Lesson {
    /// The first bucket of the page that is due.
    from: u16,
    /// In which life it began: a new one begins anew.
    life: Option<Life>,
    blank: bool,
    end: Option<End>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// It told all that it knows, which is little.
    Blank,
    Learnt,
}

/// Asks the other members for their versions, page by page.
///
/// Enough are as many [teachers](Members::teachers) as there must be [lessons](Members::lessons); or all others, blank or not: a cluster in which all are blank is
/// new.
///
/// First one is asked, then the others for what it has not told; but at once, should it let wait for itself.
#[derive(Debug)]
pub struct Learn {
    /// Whoever does not know of this epoch yet may take part in what is decided without this node afterwards.
    epoch: u64,
    needed: usize,
    lessons: BTreeMap<NodeId, Lesson>,
    /// What was told, of each bucket by whoever told it first; `Digests` of a bucket are those of one peer's versions.
    known: Digests,
    /// By bucket, whether it is in `known`.
    told: Vec<bool>,
    floor: u64,
    /// All are asked; before, the first alone.
    all: bool,
    /// A page came since the timer was set.
    progress: bool,
    retry: Time,
    outbox: VecDeque<(NodeId, Request)>,
    events: VecDeque<Learnt>,
}

impl Learn {
    /// Begins to ask the teachers, but `me`.
    pub fn new(now: Time, members: &Members, me: NodeId) -> Self {
        let mut learn = Self {
            epoch: members.epoch(),
            needed: members.lessons(),
            lessons: members
                .teachers()
                .iter()
                .filter(|node| **node != me)
                .map(|node| (*node, Lesson::default()))
                .collect(),
            known: Digests::none(),
            told: vec![false; BUCKETS],
            floor: 0,
            all: false,
            progress: false,
            retry: now + RETRY,
            outbox: VecDeque::new(),
            events: VecDeque::new(),
        };
        learn.ask();
        learn.advance();
        learn
    }

    /// Of which epoch the members are among whom it is learnt.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The next thing learnt, in order.
    pub fn poll_event(&mut self) -> Option<Learnt> {
        self.events.pop_front()
    }

    fn question(&self, lesson: &Lesson) -> Request {
        Request::Committed { known: Some(self.known.clone()), from: lesson.from }
    }

    /// Asks each that still has something to tell.
    fn ask(&mut self) {
        let due = self.lessons.iter().filter(|(_, lesson)| lesson.end != Some(End::Learnt));
        let due = due.take(if self.all { usize::MAX } else { 1 });
        let due: Vec<_> = due.map(|(node, lesson)| (*node, self.question(lesson))).collect();
        self.outbox.extend(due);
    }

    fn ask_all(&mut self) {
        if !self.all {
            self.all = true;
            self.ask();
        }
    }

    /// Notes what a page told, in those of its buckets that nobody told before.
    fn note(&mut self, from: usize, until: usize, marked: &[Record]) {
        for record in marked {
            let hash = Digests::hash_of(record.title());
            let bucket = Digests::bucket_of([hash[0], hash[1]]);
            if (from..until).contains(&bucket) && !self.told[bucket] {
                self.known.add(bucket, Digests::of(hash, record.version()));
            }
        }
        self.told[from..until].fill(true);
    }

    fn advance(&mut self) {
        // Blank nodes tell what little they know; when all have answered there is nothing more to learn.
        let everybody_answered = self.lessons.values().all(|lesson| lesson.end.is_some());
        let learnt = self.lessons.values().filter(|lesson| lesson.end == Some(End::Learnt)).count();
        if (everybody_answered || learnt >= self.needed) && self.events.back() != Some(&Learnt::Enough) {
            self.events.push_back(Learnt::Enough);
        }
    }
}

impl Machine for Learn {
    fn handle_message(&mut self, _now: Time, from: Sender, reply: Reply) {
        let Reply::Committed { blank, from: first, next, marked, pending, floor } = reply else { return };
        let Some(lesson) = self.lessons.get_mut(&from.node).filter(|_| from.epoch >= self.epoch) else { return };
        if lesson.life != Some(from.life) && lesson.from > 0 {
            *lesson = Lesson::default();
        }
        let is_page = next.is_none_or(|next| next > first && usize::from(next) < BUCKETS);
        if lesson.end == Some(End::Learnt) || first != lesson.from || !is_page {
            return;
        }
        lesson.life = Some(from.life);
        lesson.blank = blank || (lesson.blank && first > 0);
        lesson.from = next.unwrap_or(0);
        if next.is_none() {
            lesson.end = Some(if lesson.blank { End::Blank } else { End::Learnt });
        }
        self.progress = true;
        self.note(first.into(), next.map_or(BUCKETS, usize::from), &marked);
        let learnt = [
            (!marked.is_empty()).then_some(Learnt::Marked(marked)),
            (!pending.is_empty()).then_some(Learnt::Pending(pending)),
            (floor > self.floor).then_some(Learnt::Floor(floor)),
        ];
        self.events.extend(learnt.into_iter().flatten());
        self.floor = self.floor.max(floor);
        match next {
            Some(next) => {
                let question = self.question(&Lesson { from: next, ..Lesson::default() });
                self.outbox.push_back((from.node, question));
            }
            None => self.ask_all(),
        }
        self.advance();
    }

    fn handle_failure(&mut self, _now: Time, _from: NodeId) {
        // It is asked again at the next time-out.
        self.ask_all();
    }

    fn handle_timeout(&mut self, now: Time) {
        if now >= self.retry {
            self.retry = now + RETRY;
            // Of one who tells page by page, the others need not tell the same.
            self.all |= !core::mem::replace(&mut self.progress, false);
            self.outbox.clear();
            self.ask();
            // A driver that could not write down what it learnt is told again.
            self.advance();
        }
    }

    fn poll_transmit(&mut self) -> Option<(NodeId, Request)> {
        self.outbox.pop_front()
    }

    fn poll_timeout(&self) -> Option<Time> {
        Some(self.retry)
    }
}
