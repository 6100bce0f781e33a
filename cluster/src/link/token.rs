//! What every message of the link protocol carries, and what it comes to.

use super::channel_history::CountError;

/// What every message of one end tells the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LinkToken {
    /// The incarnation of the sender: higher at every start of it, and above 0.
    pub sender: u64,
    /// That of the receiver as the sender knows it; 0 before it heard of it.
    pub receiver: u64,
    /// The sender's transitions in this session.
    pub count: u32,
    /// The most of the receiver's that the sender heard of.
    pub heard: u32,
}

/// What a token came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenOutcome {
    /// An earlier start of the peer sent it: dropped.
    Old,
    /// No honest peer sends this: dropped.
    Refused(CountError),
    /// Taken.
    Taken(TakenToken),
}

/// A token that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TakenToken {
    /// It began a new session: the peer restarted, or was heard for the first time.
    pub began: bool,
    /// The link was up in the session that ended by this: a Down comes before all else.
    pub ended_up: bool,
    /// The peer speaks to this very start: what it says of this end holds.
    pub is_answer: bool,
    /// Transitions that this end followed; they alternate.
    pub followed: u32,
}
