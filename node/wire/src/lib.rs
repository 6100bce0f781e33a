//! What nodes say to each other, as it travels: their [`questions`] and answers, the [`sender`] of each request, the
//! [`clock`] of each answer, and sealed pings ([`datagram`]).
//!
//! Pure: whoever has the sockets carries it.
#![forbid(unsafe_code)]

pub mod clock;
pub mod datagram;
pub mod questions;
pub mod sender;

pub use questions::{Answer, FrameError, Question};
