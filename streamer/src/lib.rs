//! The world of RAIN: disks, sockets, players, people. The program `rain` is a thin front of this crate.
#![forbid(unsafe_code)]

pub mod store;
