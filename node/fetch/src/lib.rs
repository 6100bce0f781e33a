//! Which blocks of which columns give a range of a title, and what becomes of them. Pure: no clock, no socket.
//!
//! A range is cut into [`Piece`]s. For each piece a [`Plan`] says what to ask of which column: the data cells while all
//! is well, else whatever the codec needs to recover those of the columns that are lost. Answers are verified block by
//! block against their seals before anything is delivered; a decoded block against the checksum that follows from those
//! of its sources.
#![forbid(unsafe_code)]

mod assemble;
mod budget;
mod column_read;
mod gather;
mod pace;
mod piece;
mod plan;
mod rope;
mod window;

pub use assemble::{Arrival, Arrivals, Damage, assemble, recover};
pub use budget::HedgeBudget;
pub use column_read::ColumnRead;
pub use gather::{Alternative, Gather};
pub use pace::Pace;
pub use piece::{Piece, pieces};
pub use plan::{Plan, TooFewColumns};
pub use rope::Rope;
pub use window::Window;
