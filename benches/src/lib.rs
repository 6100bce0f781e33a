//! What the benches and measurements share: aligned buffers, records of results, and clusters with a client.
#![deny(unsafe_code)]

mod buffer;
mod client;
mod demo;
mod memory;
mod nodes;
#[cfg(feature = "peers")]
pub mod peers;
mod process;
mod record;

pub use buffer::AlignedBuffer;
pub use client::{Head, Server, Transfer, ask, content, get, get_within, post, put_content};
pub use demo::{Demo, free_ports, rain_program};
pub use memory::MemoryWatch;
pub use nodes::Nodes;
pub use process::{Running, TemporaryFolder, clean_up_on_signals};
pub use record::{Results, Trace, write_record};
