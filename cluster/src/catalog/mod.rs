//! Which version a reader gets, and how a blank node learns what it must know.

pub mod resolve;
pub mod sync;

pub use resolve::{Found, Resolution, Resolve};
pub use sync::{Learnt, Sync};
