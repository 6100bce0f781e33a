//! The world of RAIN: players and people. The program `rain` is a thin front of this crate.
#![forbid(unsafe_code)]

pub mod command;
pub mod demo;
pub mod http;
pub mod topology;
