//! Links that agree: the protocol by which both ends of a path tell the same history of Ups and Downs.
//!
//! A *link* is one path between two nodes as the protocol sees it. [`Links`] is the machine of all links of a node, in
//! layers: [`History`] counts transitions by three rules, [`LinkEnd`] ties a history to a pair of starts, and the ping
//! layer says when there is evidence. The protocol, its datagram and what is proven of it: `docs/link.md`.

mod damping;
mod evidence;
mod history;
mod links;
mod ping;
mod session;
mod timing;

pub use history::{CountError, History, Rules};
pub use links::{ChannelState, Dropped, Hint, LinkEvent, LinkPlan, Links};
pub use ping::{PING_BYTES, Ping, PingError};
pub use session::{LinkEnd, Taken, Token, Told};
pub use timing::LinkTiming;
