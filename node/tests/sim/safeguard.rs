//! What the simulation takes away, one by one, to see that it is missed.

use crate::disk::Kind;
use rain_cluster::{Entry, Memory, Outcome, Reply, Request, Ticket};

/// A part of the protocol, or a habit of the store, whose absence some seed must notice. None of them is a switch in
/// production's code: each is taken away at the disk, or by altering what travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Safeguard {
    /// Bytes of such a file are made durable.
    Sync(Kind),
    /// Columns that came with their version are made durable before the ledger forgets their bytes.
    SyncAll,
    /// The name of such a file is made durable.
    FolderSync(Kind),
    /// A file of this kind gets its name only when it is whole.
    Rename(Kind),
    /// Marks are made, not only acknowledged.
    Mark,
    /// Marks that readers spread are made, not only acknowledged.
    Spread,
    /// A purged tombstone's counter is remembered.
    Floor,
    /// What was asked for before a title was closed is not taken after it.
    Ticket,
    /// A node in another life is not taken for the one that promised.
    Life,
    /// Others remember how many changes a store has made.
    Memory,
    /// A blank node learns of pending versions, too.
    Inheritance,
    /// A blank store's silence does not count.
    Blank,
    /// Catalog nodes take no more marks of a coordinator whose life is over.
    Retirement,
    /// Of a coordinator whose life is over, the catalog may decide.
    RetiredDecision,
    /// A conditional version refuses what would come before it.
    Superseded,
    /// A node's word counts whatever its clock shows.
    AnyClock,
    /// The number of a version says what is newest, and no clock does.
    Order,
    /// Readers hold what they get to the roots of the columns.
    Root,
}

/// Those of which the gate shows that they are missed.
pub const SHOWN: [Safeguard; 18] = [
    Safeguard::Sync(Kind::Column),
    Safeguard::SyncAll,
    Safeguard::FolderSync(Kind::Column),
    Safeguard::Rename(Kind::Column),
    Safeguard::Sync(Kind::Ledger),
    Safeguard::FolderSync(Kind::Ledger),
    Safeguard::Rename(Kind::Ledger),
    Safeguard::Sync(Kind::Identity),
    Safeguard::Rename(Kind::Identity),
    Safeguard::Mark,
    Safeguard::Spread,
    Safeguard::Floor,
    Safeguard::Ticket,
    Safeguard::Life,
    Safeguard::Memory,
    Safeguard::Blank,
    Safeguard::RetiredDecision,
    Safeguard::Superseded,
];

/// Those that only clocks which are set show to be missed.
pub const OF_CLOCKS: [Safeguard; 2] = [Safeguard::AnyClock, Safeguard::Order];

/// Those that no scenario misses and no seed of the gate: others stand in for them in every history that was tried. Looked
/// for where ten thousand seeds or more are asked for.
pub const RARE: [Safeguard; 3] = [Safeguard::FolderSync(Kind::Identity), Safeguard::Inheritance, Safeguard::Retirement];

impl Safeguard {
    /// What an answer comes to without the safeguard.
    pub fn weaken_reply(self, reply: &mut Reply) {
        match (self, reply) {
            (Self::Floor, Reply::State(state)) => state.floor = 0,
            (Self::Floor, Reply::Committed { floor, .. }) => *floor = 0,
            (Self::Blank, Reply::State(state)) => state.blank = false,
            (Self::Blank, Reply::Committed { blank, .. }) => *blank = false,
            (Self::Memory, reply @ Reply::Remembered(_)) => *reply = Reply::Remembered(Memory::default()),
            (Self::Inheritance, Reply::Committed { pending, .. }) => pending.clear(),
            (Self::Order, Reply::State(state)) => {
                let modified = |entry: &Entry| entry.record.manifest.columns().map(|columns| columns.modified_ms);
                let newest = state.entries.iter().filter(|entry| entry.marked).filter_map(modified).max();
                state.entries.retain(|entry| !entry.marked || modified(entry).is_none_or(|ms| Some(ms) == newest));
            }
            (Self::RetiredDecision, Reply::Outcome(outcome @ Outcome::Unknown)) => *outcome = Outcome::Undecided,
            _ => {}
        }
    }

    /// What a question comes to without the safeguard; an answer where it is not even asked.
    pub fn weaken_request(self, request: &mut Request) -> Option<Reply> {
        match (self, &mut *request) {
            (Self::Mark, Request::Mark { .. }) => return Some(Reply::Marked),
            (Self::Spread, Request::Mark { spread: Some(_), .. }) => return Some(Reply::Marked),
            (Self::Ticket, Request::Mark { spread: Some(ticket), .. } | Request::Prepare { ticket, .. }) => {
                *ticket = Ticket(u64::MAX);
            }
            (Self::Superseded, Request::Prepare { record, .. }) if record.manifest.conditional => {
                let mut manifest = (*record.manifest).clone();
                manifest.conditional = false;
                record.manifest = manifest.into();
            }
            (Self::Retirement, Request::Retire { title, .. }) => {
                let title = title.clone();
                *request = Request::Lookup { title };
            }
            _ => {}
        }
        None
    }
}
