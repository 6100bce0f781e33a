//! What the benches and measurements share: aligned buffers, the machine's name, medians, and records of results.
#![forbid(unsafe_code)]

mod buffer;
mod machine;
mod record;
mod sample;

pub use buffer::AlignedBuffer;
pub use machine::Machine;
pub use record::{Results, write_record};
pub use sample::{median, noise};
