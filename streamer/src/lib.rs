//! The world of RAIN: disks, sockets, players, people. The program `rain` is a thin front of this crate.
#![forbid(unsafe_code)]

pub mod command;
pub mod config;
pub mod demo;
pub mod http;
pub mod node;
pub mod peer;
pub mod resume;
pub mod store;
pub mod title;
pub mod topology;
