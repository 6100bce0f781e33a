//! How nodes talk to each other: HTTP/1.1 on a listener of its own per interface, every request under a keyed MAC;
//! and the pings of links in datagrams on the same addresses, under another.
//!
//! | request | what |
//! |---|---|
//! | `POST /peer/v1/ask` | frames of [`Question`](rain_wire::Question)s; the answer frames of as many [`Answer`](rain_wire::Answer)s ([`rain_wire::questions`]) |
//! | `POST /peer/v1/uploads/TITLE/VERSION/COLUMN/0?code=&cell=&block=&group=` | a column on its way in, from its beginning: the code, and the bytes of cells, blocks and groups |
//! | `POST /peer/v1/uploads/TITLE/VERSION/COLUMN/OFFSET` | more of its records |
//! | `GET /peer/v1/columns/TITLE/VERSION/COLUMN?stripes=&rows=&blocks=&from=` | blocks of a column, with their checksums; from a byte of the answer on, when another path broke there |
//! | `POST /peer/v1/inspect/TITLE/VERSION?blocks=` | look at your column, its header or every block of it |
//! | `GET /peer/v1/titles?prefix=&after=&limit=&folders=&digest=` | a page of the titles with a marked version, in JSON; of one that the peer knows by its digest, only how columns are held |
//!
//! Every request says in its MAC who sends it, in which life of its ledger; one whose life is over is refused.

mod batch;
mod carrier;
pub mod client;
pub mod link_driver;
pub mod listing;
mod office;
pub mod paths;
mod ports;
pub mod server;
mod turns;
pub mod uploads;

pub use client::{PeerError, PeerRequest, Peers};
pub use listing::PeerListing;
pub use office::{Office, PeerAnswer, PeerAsk, Refusal};
pub use paths::{PathReport, Paths};
pub use turns::TurnRequest;

/// Where questions are asked.
pub const ASK: &str = "/peer/v1/ask";
/// Longest body of a peer's request.
pub const PEER_BODY_BYTES_MAX: usize = 8 << 20;
