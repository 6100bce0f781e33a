//! The state machines of a RAIN cluster that can lose data, as pure values.
//!
//! A machine owns no socket, clock, disk or thread. Its driver feeds it replies and the time and carries out what it
//! asks for:
//!
//! * `handle_message(now, from, reply)` and `handle_timeout(now)` move it on;
//! * `poll_transmit()` gives the next message to send, `poll_event()` what it found out, `poll_timeout()` when it wants
//!   to be woken at the latest.
//!
//! The same types run under tokio in the node and under the seeded simulator with a network that drops, delays and
//! repeats messages and with disks that forget (`node/tests/sim`).
//!
//! | module | what |
//! |---|---|
//! | [`machine`] | what every machine has in common |
//! | [`version`] | the order of a title's versions, without any clock |
//! | [`members`] | the set of members, and the write and read quorums of a title's catalog |
//! | [`placement`] | which stores hold the columns of a version |
//! | [`manifest`] | what a version of a title is |
//! | [`message`] | what nodes ask each other about titles |
//! | [`commit`] | the two phases of PUT and DELETE, their aftermath, and the purge of tombstones |
//! | [`register`] | the configuration: one value that a majority of the voters changes |
//! | [`link`] | the link protocol: both ends of a path tell the same Ups and Downs |
//! | [`path`] | the table of paths, and the choice between them |
//! | [`rudp`] | reliable datagrams over all paths between two nodes |
//! | [`catalog`] | which version a reader gets, and how a blank node learns what it must know |
//! | [`random`] | numbers that follow from a seed |
//! | [`topology`] | how nodes and switches are wired, the ways through the switches that live, and the worst that losses do |
#![forbid(unsafe_code)]

mod bytes;
pub mod catalog;
pub mod commit;
pub mod digests;
pub mod link;
pub mod machine;
pub mod manifest;
pub mod members;
pub mod message;
pub mod path;
pub mod placement;
pub mod random;
pub mod register;
pub mod rendezvous;
mod round;
pub mod rudp;
pub mod time;
pub mod topology;
pub mod version;

pub use digests::Digests;
pub use machine::Machine;
pub use manifest::{Attributes, Columns, Content, EtagKind, Manifest, ManifestError, Record};
pub use members::{Members, MembersError, Quorum};
pub use message::{
    Base, ColumnStatus, Entry, Memory, Outcome, Refusal, Reply, Request, RequestKind, SHARE_BYTES_MAX, Sender, Share,
    Signet, Testimony, Ticket, TitleState,
};
pub use placement::{ANY_STORE, Placement, Seat};
pub use time::Time;
pub use version::{Life, NodeId, Version};

#[cfg(test)]
mod tests {
    /// In release, as what is shipped is built: wrong numbers from outside must not wrap around.
    #[test]
    #[should_panic(expected = "overflow")]
    fn a_sum_that_overflows_is_an_error() {
        let most = std::hint::black_box(u64::MAX);
        std::hint::black_box(most + std::hint::black_box(1));
    }
}
