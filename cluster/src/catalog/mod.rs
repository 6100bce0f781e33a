//! Which version a reader gets, how a blank node learns what it must know, and how a store finds out that it is an old
//! copy of itself.

pub mod held;
mod learn;
pub mod recall;
pub mod resolve;
#[cfg(test)]
mod tests;

pub use held::where_held;
pub use learn::{Learn, Learnt};
pub use recall::{Recall, Recalled};
pub use resolve::{FoundVersion, Resolution, Resolve};
