//! The built program from outside: nodes and demos as processes, spoken to over sockets, killed, stopped, their files
//! damaged. What is promised is in docs/operating.md; nothing here knows how it is kept.
//!
//! `RAIN_TEST_LARGE=1` adds what takes gigabytes; `RAIN_TEST_LOG=debug` is `RAIN_LOG` for the program: a test that
//! fails shows how the logs end.

mod api;
mod bench;
mod clocks;
mod codes;
mod columns;
mod commands;
mod conditions;
mod config;
mod configuration;
mod crashes;
mod crowds;
mod demo;
mod disks;
mod doors;
mod events;
mod faults;
mod folders;
mod growth;
mod harness;
mod hedges;
mod hostile;
mod identity;
mod names;
mod network;
mod offline;
mod output;
mod players;
mod ranges;
mod round_trips;
mod strangers;
mod titles;
mod tokens;
mod topology;
mod writes;
