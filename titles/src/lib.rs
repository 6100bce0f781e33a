//! Titles as everybody above a node names them ([`title`]), lists them ([`page`]) and asks for parts of them ([`range`]).
//!
//! Pure: no socket, no clock, no disk.
#![forbid(unsafe_code)]

pub mod page;
pub mod range;
pub mod title;

pub use page::Page;
pub use title::TitleError;
