//! Titles as everybody above a node sees them: opened, written, deleted and listed by [`Titles`], whoever is behind it; named
//! ([`title`]), listed in pages ([`page`]), asked for in parts ([`range`]), written under conditions ([`precondition`]).
//!
//! Pure: no socket, no clock, no disk.
#![forbid(unsafe_code)]

#[cfg(feature = "fake")]
pub mod contract;
mod error;
mod face;
#[cfg(feature = "fake")]
mod memory;
pub mod page;
pub mod precondition;
pub mod range;
mod report;
pub mod title;

pub use error::{ReadError, WriteError};
pub use face::{About, ByteStream, NewContent, OpenTitle, Titles, Written};
#[cfg(feature = "fake")]
pub use memory::{MemoryTitle, MemoryTitles};
pub use page::Page;
pub use precondition::Precondition;
pub use report::{ColumnHealth, ColumnReport, Listed, TitleReport};
pub use title::TitleError;
