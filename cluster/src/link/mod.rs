//! Links that agree: the protocol by which both ends of a path tell the same history of Ups and Downs.
//!
//! A *link* is one path between two nodes as the protocol sees it. [`Links`] is the machine of all links of a node, in
//! layers: [`ChannelHistory`] counts transitions by three rules, [`LinkEnd`] ties a history to a pair of starts, and the ping
//! layer says when there is evidence. The protocol, its datagram and what is proven of it: `docs/link.md`.

mod channel_history;
mod damping;
mod evidence;
mod links;
mod ping;
mod session;
mod timing;
mod token;

pub use channel_history::{ChannelHistory, CountError, HistoryRules};
pub use links::{ChannelState, Dropped, Hint, LinkEvent, LinkPlan, Links};
pub use ping::{PING_BYTES, Ping, PingError};
pub use session::LinkEnd;
pub use timing::LinkTiming;
pub use token::{LinkToken, TakenToken, TokenOutcome};
