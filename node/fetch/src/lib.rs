//! Which blocks of which columns give a range of a title, and what becomes of them. Pure: no clock, no socket.
//!
//! A range is cut into [`Piece`]s. For each piece a [`PiecePlan`] says what to ask of which column: the data cells while all
//! is well, else whatever the codec needs to recover those of the columns that are lost. Answers are verified block by
//! block against their seals before anything is delivered; a decoded block against the checksum that follows from those
//! of its sources.
//!
//! [`PieceFetch`] is the machine that fetches a piece: who is asked, when an answer is late, what is done then and what
//! that may waste. Its [`FetchOrder`]s are carried out by whoever has sockets; what all fetches of a shard know of the
//! nodes, and their one [`HedgeBudget`], is [`Commons`]. Seeded simulations drive it in `src/sim`.
#![forbid(unsafe_code)]

mod assemble;
mod budget;
mod column_fetch;
mod column_read;
mod commons;
mod gather;
mod order;
mod pace;
mod piece;
mod piece_fetch;
mod piece_plan;
mod read_proof;
mod rope;
mod safeguard;
#[cfg(test)]
mod sim;
mod turns;
mod window;

pub use assemble::{Arrival, Arrivals, ReadDamage, assemble, recover};
pub use budget::HedgeBudget;
pub use column_read::ColumnRead;
pub use commons::Commons;
pub use gather::{Alternative, Gather};
pub use order::{Failure, FetchEvent, FetchOrder, FetchTold, RequestId, Turn};
pub use pace::Pace;
pub use piece::{Piece, Pieces, pieces};
pub use piece_fetch::{PieceAsk, PieceFetch};
pub use piece_plan::{PiecePlan, TooFewColumns};
pub use read_proof::ReadProof;
pub use rope::Rope;
pub use turns::{Destination, Ports, TurnTicket, Turns};
pub use window::Window;
