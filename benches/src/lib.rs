//! What the benches and measurements share: aligned buffers, the machine's name, medians, records of results, and
//! clusters with a client.
#![deny(unsafe_code)]

mod buffer;
mod client;
mod demo;
mod machine;
mod memory;
mod nodes;
#[cfg(feature = "peers")]
pub mod peers;
mod process;
mod record;
mod sample;
pub mod throughput;

pub use buffer::AlignedBuffer;
pub use client::{Head, Server, Transfer, ask, content, get, get_within, post, put_content};
pub use demo::{Demo, free_ports, rain_program};
pub use machine::Machine;
pub use memory::MemoryWatch;
pub use nodes::Nodes;
pub use process::{Running, TemporaryFolder, clean_up_on_signals};
pub use record::{Results, Trace, write_record};
pub use sample::{median, noise};
