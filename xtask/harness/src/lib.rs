//! What tests, measurements and the laboratory share that start `rain`: processes that end with their value, folders,
//! ports, the configuration of a cluster, waiting until a node serves, a small HTTP client. No part of the product.
#![forbid(unsafe_code)]

mod client;
mod configuration;
mod demo;
mod folder;
mod ports;
mod process;
mod ready;
mod signals;

pub use client::{Head, Server, Transfer, ask, get, get_within, post};
pub use configuration::{Member, NodeKey, configuration};
pub use demo::Demo;
pub use folder::TemporaryFolder;
pub use ports::Ports;
pub use process::{Process, send_signal};
pub use ready::{is_ready, wait_for, wait_until_ready};
pub use signals::clean_up_on_signals;
