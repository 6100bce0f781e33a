//! What nodes say to each other, as it travels: their [`questions`] and answers, the MAC of each request ([`auth`]), and
//! sealed pings ([`datagram`]).
//!
//! Pure: whoever has the sockets carries it.
#![forbid(unsafe_code)]

pub mod auth;
pub mod datagram;
pub mod questions;

pub use questions::{Answer, FrameError, Question};
