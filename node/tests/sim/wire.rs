//! The network of a cluster, and the queue of all that is to happen.

use crate::coder::Records;
use crate::liar::Liar;
use crate::random::Random;
use core::ops::Range;
use core::time::Duration;
use rain_cluster::{Reply, Request, Sender, Time, Version};
use rain_desk::{TaskId, Told};
use std::cmp::Ordering;
use std::collections::{BTreeSet, BinaryHeap};
use std::fmt;
use std::sync::Arc;

/// What travels between nodes.
#[derive(Debug, Clone)]
pub enum Body {
    Ask(Request),
    Answer(Reply),
    /// A piece of a column; the first one begins the upload.
    Upload {
        plan: Arc<Upload>,
        offset: u64,
        records: Records,
    },
    Uploaded,
    /// Records of a column.
    Read {
        title: Arc<str>,
        version: Version,
        stripes: Range<u64>,
        /// With what proves them.
        proof: bool,
    },
    Column {
        column: u16,
        records: Records,
    },
    /// A reader found a column damaged: look at it.
    Damaged {
        title: Arc<str>,
        version: Version,
    },
    Failed,
}

/// What is being uploaded.
#[derive(Debug, Clone)]
pub struct Upload {
    pub title: String,
    pub version: Version,
    pub column: u16,
    pub code: String,
    pub cell_bytes: u32,
    pub block_bytes: u32,
    pub group_bytes: u32,
}

impl Body {
    fn name(&self) -> String {
        match self {
            Self::Ask(request) => format!("{:?}", request.kind()),
            Self::Answer(reply) => format!("{:?}", core::mem::discriminant(reply)),
            Self::Upload { offset, records, .. } => format!("upload {offset} {}", records.len()),
            Self::Uploaded => "uploaded".to_owned(),
            Self::Read { stripes, .. } => format!("read {stripes:?}"),
            Self::Column { column, records } => format!("column {column} {}", records.len()),
            Self::Damaged { .. } => "damaged".to_owned(),
            Self::Failed => "failed".to_owned(),
        }
    }
}

#[derive(Debug, Clone)]
pub struct Message {
    pub from: usize,
    pub to: usize,
    /// Which question of the asking node it is or answers. Never given twice in a seed.
    pub call: u64,
    pub sender: Sender,
    pub answer: bool,
    pub body: Body,
}

/// What happens within a node, to one of its starts.
#[derive(Debug)]
pub enum Inner {
    /// The desk looks at the time.
    Wake,
    /// The store, or the pace of repairs, has an answer.
    Told(TaskId, Told),
    /// A question has waited long enough.
    Expire(u64),
    /// The next piece of an upload is due.
    Piece { task: TaskId, node: usize },
    /// The client has sent all of the body.
    Sent(TaskId),
    /// Another node can be reached again.
    Return,
    /// What was answered a moment ago, or long ago where the disk is slow, is sent.
    Answer(Message),
}

#[derive(Debug)]
pub enum Event {
    Deliver(Message),
    Inner {
        node: usize,
        start: u64,
        inner: Inner,
    },
    Client,
    /// A client's request reaches a node.
    Request {
        node: usize,
        start: u64,
        asked: usize,
    },
    Restart {
        node: usize,
    },
    Fault,
    /// Clocks are set.
    Jump,
    Heal(BTreeSet<(usize, usize)>),
    /// Somebody changes the members, or ends a change.
    Change,
    /// A node hears of another one, or of the register, which members there are.
    Members {
        node: usize,
        from: usize,
        epoch: u64,
    },
    /// The liar may speak.
    Lie,
}

impl Event {
    fn note(&self, text: &mut String) {
        use fmt::Write;
        let written = match self {
            Self::Deliver(Message { from, to, call, body, .. }) => write!(text, "{from}>{to} {call} {}", body.name()),
            Self::Inner { node, inner, .. } => match inner {
                Inner::Told(task, told) => write!(text, "{node} {task:?} {:?}", core::mem::discriminant(told)),
                Inner::Answer(Message { to, call, body, .. }) => {
                    write!(text, "{node} answers {to} {call} {}", body.name())
                }
                other => write!(text, "{node} {other:?}"),
            },
            other => write!(text, "{other:?}"),
        };
        written.unwrap();
    }
}

struct Scheduled {
    at: Time,
    sequence: u64,
    event: Event,
}

impl PartialEq for Scheduled {
    fn eq(&self, other: &Self) -> bool {
        self.sequence == other.sequence
    }
}

impl Eq for Scheduled {}

impl PartialOrd for Scheduled {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Scheduled {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.sequence).cmp(&(self.at, self.sequence))
    }
}

/// How the network treats messages.
#[derive(Debug, Clone, Default)]
pub struct Weather {
    pub delay_ms: usize,
    pub drop_one_in: usize,
    pub repeat_one_in: usize,
    pub late_one_in: usize,
    /// Later than every time-out, and than a tombstone lives.
    pub very_late_one_in: usize,
    /// Orders to purge get lost, half of them.
    pub purges_get_lost: bool,
}

/// Which messages a scenario keeps back.
pub type Held = Box<dyn Fn(&Message) -> bool + Send>;

/// The network and the time.
pub struct Wires {
    pub now: Time,
    pub random: Random,
    pub weather: Weather,
    /// No message from the first to the second arrives.
    pub cut: BTreeSet<(usize, usize)>,
    pub held: Option<Held>,
    pub holding: Vec<Message>,
    /// What leaves its node passes it.
    pub liar: Option<Liar>,
    pub delivered: u64,
    queue: BinaryHeap<Scheduled>,
    sequence: u64,
    calls: u64,
    trace: blake3::Hasher,
    pub log: bool,
}

impl fmt::Debug for Wires {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Wires").field("now", &self.now).finish_non_exhaustive()
    }
}

impl Wires {
    pub fn new(random: Random, weather: Weather) -> Self {
        Self {
            now: Time::default(),
            random,
            weather,
            cut: BTreeSet::new(),
            held: None,
            holding: Vec::new(),
            liar: None,
            delivered: 0,
            queue: BinaryHeap::new(),
            sequence: 0,
            calls: 0,
            trace: blake3::Hasher::new(),
            log: false,
        }
    }

    pub fn schedule(&mut self, at: Time, event: Event) {
        self.sequence += 1;
        self.queue.push(Scheduled { at, sequence: self.sequence, event });
    }

    pub fn after(&mut self, delay: Duration, event: Event) {
        self.schedule(self.now + delay, event);
    }

    /// The next event until `end`.
    pub fn next(&mut self, end: Time) -> Option<Event> {
        if self.queue.peek().is_none_or(|next| next.at > end) {
            self.now = end;
            return None;
        }
        let Scheduled { at, event, .. } = self.queue.pop()?;
        self.now = at;
        let mut text = String::with_capacity(64);
        event.note(&mut text);
        self.trace.update(&at.micros().to_le_bytes());
        self.trace.update(text.as_bytes());
        if self.log {
            println!("{:>12} {text}", at.micros());
        }
        Some(event)
    }

    /// Adds to the fingerprint.
    pub fn note(&mut self, text: &str) {
        self.trace.update(text.as_bytes());
        if self.log {
            println!("{:>12} -- {text}", self.now.micros());
        }
    }

    /// A fingerprint of all that happened, in order.
    pub fn trace(&self) -> String {
        self.trace.finalize().to_hex().to_string()
    }

    /// When the last message that is under way arrives.
    pub fn last_delivery(&self) -> Time {
        let messages = self.queue.iter().filter(|next| matches!(next.event, Event::Deliver(_)));
        messages.map(|next| next.at).max().unwrap_or(self.now)
    }

    /// All that is under way arrives soon.
    pub fn hurry(&mut self) {
        let queue = core::mem::take(&mut self.queue);
        let soon = self.now + Duration::from_secs(1);
        self.queue = queue
            .into_iter()
            .map(|mut next| {
                if matches!(next.event, Event::Deliver(_)) {
                    next.at = next.at.min(soon);
                }
                next
            })
            .collect();
    }

    pub fn call(&mut self) -> u64 {
        self.calls += 1;
        self.calls
    }

    fn delay(&mut self) -> Duration {
        let mut delay = self.random.below(1000 * self.weather.delay_ms + 1);
        if self.random.one_in(self.weather.late_one_in) {
            delay += self.random.below(4_000_000);
        }
        if self.random.one_in(self.weather.very_late_one_in) {
            delay += self.random.below(300_000_000);
        }
        Duration::from_micros(delay as u64)
    }

    pub fn send(&mut self, message: &Message) {
        match &mut self.liar {
            Some(liar) if liar.place == message.from => {
                if let Some(message) = liar.twist(message) {
                    self.carry(&message);
                }
            }
            _ => self.carry(message),
        }
    }

    /// The liar says something unasked, if it has something to say.
    pub fn lie(&mut self) {
        let Some(liar) = &mut self.liar else { return };
        let (from, spoken) = (liar.place, liar.speak());
        let pause = Duration::from_micros(self.random.below(2000 * liar.plan.unasked_ms + 1) as u64);
        if let Some((to, sender, body)) = spoken {
            let call = self.call();
            self.carry(&Message { from, to, call, sender, answer: false, body });
        }
        self.after(pause, Event::Lie);
    }

    /// Brings a message on its way.
    pub fn carry(&mut self, message: &Message) {
        if self.held.as_ref().is_some_and(|held| held(message)) {
            self.holding.push(message.clone());
            return;
        }
        if self.cut.contains(&(message.from, message.to)) {
            return;
        }
        let purge = matches!(message.body, Body::Ask(Request::Purge { .. }));
        if self.weather.purges_get_lost && purge && self.random.one_in(2) {
            return;
        }
        let copies = if self.random.one_in(self.weather.drop_one_in) {
            0
        } else {
            1 + usize::from(self.random.one_in(self.weather.repeat_one_in))
        };
        for _ in 0..copies {
            let delay = self.delay();
            self.after(delay, Event::Deliver(message.clone()));
        }
    }

    /// Lets go of what a scenario kept back.
    pub fn release(&mut self) {
        self.held = None;
        for message in core::mem::take(&mut self.holding) {
            self.after(Duration::from_micros(1), Event::Deliver(message));
        }
    }
}
