//! One node of a cluster in the world: its disk ([`store`]), its peers ([`peer`]), and the driver of its desks, which reads
//! and writes titles ([`Node`]). Players, people and programs are above it, and it knows nothing of them.
#![forbid(unsafe_code)]

mod node;
pub mod peer;
pub mod store;

pub use node::*;
