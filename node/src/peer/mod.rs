//! How nodes talk to each other: HTTP/1.1 on a listener of its own per interface, inside sessions that prove who is at
//! both ends ([`rain_session`]); and the pings of links in datagrams on the same addresses, under a MAC whose key comes
//! from such a session ([`rain_wire::datagram`]).
//!
//! | request | what |
//! |---|---|
//! | `POST /peer/v1/hello` | the number of the asker's start; the answer is that of the asked one's, and ` clear` where it gives columns in the clear: from now on pings are sealed under a key of this session |
//! | `POST /peer/v1/join` | the [member](rain_cluster::register::Member) that the asker, who may be there by invitation, wants to be; the answer is the [configuration](rain_cluster::register::Configuration) |
//! | `POST /peer/v1/ask` | frames of [`Question`](rain_wire::Question)s; the answer frames of as many [`Answer`](rain_wire::Answer)s ([`rain_wire::questions`]) |
//! | `POST /peer/v1/register` | a [message of the register](rain_cluster::register::RegisterMessage); what there is to answer comes as another one |
//! | `POST /peer/v1/uploads/TITLE/VERSION/COLUMN/0?code=&cell=&block=&group=` | a column on its way in, from its beginning: the code, and the bytes of cells, blocks and groups |
//! | `POST /peer/v1/uploads/TITLE/VERSION/COLUMN/OFFSET` | more of its records |
//! | `GET /peer/v1/columns/TITLE/VERSION/COLUMN?stripes=&rows=&blocks=&from=` | blocks of a column, with their checksums; from a byte of the answer on, when another path broke there |
//! | `POST /peer/v1/inspect/TITLE/VERSION?blocks=` | look at your column, its header or every block of it |
//! | `GET /peer/v1/holding` | of how many newest versions do you hold a column |
//! | `GET /peer/v1/titles?prefix=&after=&limit=&folders=&digest=` | a page of the titles with a marked version, in JSON; of one that the peer knows by its digest, only how columns are held |
//!
//! A column with its proof may also come on a connection without a session, where `peer_privacy = false` says so at both
//! ends (`clear.rs`).
//!
//! Every request says in a header in which life of its ledger its sender speaks ([`rain_wire::sender`]); one whose life is over is refused.
//! Every answer says what the clock of its node shows ([`rain_wire::clock`]).

mod batch;
mod carrier;
mod clear;
pub mod client;
mod clocks;
pub mod join;
pub mod link_driver;
pub mod listing;
mod office;
pub mod paths;
mod ports;
pub mod server;
mod session;
mod turns;
pub mod uploads;

pub use client::{PeerError, PeerRequest, Peers};
pub use clocks::{ClockReport, Clocks, PeerClock};
pub use listing::PeerListing;
pub use office::{NotTaken, Office, PeerAnswer, PeerAsk, Refusal};
pub use paths::{PathChange, PathReport, Paths};
pub use turns::TurnRequest;

/// Where questions are asked.
pub const ASK: &str = "/peer/v1/ask";
/// Where nodes are asked how many columns they hold.
pub const HOLDING: &str = "/peer/v1/holding";
/// Where registers talk to each other.
pub const REGISTER: &str = "/peer/v1/register";
/// Where nodes come to the cluster.
pub const JOIN: &str = "/peer/v1/join";
/// Where keys of datagrams are agreed on.
pub const HELLO: &str = "/peer/v1/hello";
/// Longest answer that is not blocks of a column.
const REPLY_BYTES_MAX: usize = 32 << 20;
/// Longest reason for a refusal.
const REFUSAL_BYTES_MAX: usize = 16 << 10;
/// Longest body of a peer's request.
pub const PEER_BODY_BYTES_MAX: usize = 8 << 20;
