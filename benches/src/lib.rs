//! What the benches and measurements share: aligned buffers, records of results, and clusters with a client.
#![deny(unsafe_code)]

mod buffer;
mod content;
mod demo;
mod memory;
mod nodes;
#[cfg(feature = "peers")]
pub mod peers;
mod record;

pub use buffer::AlignedBuffer;
pub use content::{content, put_content};
pub use demo::{Demo, free_ports, rain_program};
pub use memory::MemoryWatch;
pub use nodes::Nodes;
pub use record::{Results, Trace, write_record};
