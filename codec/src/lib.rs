//! XOR-only array codes: the codes themselves, schedules of XORs, stripes in memory, and column files.
//!
//! A title is cut into stripes; a [`Code`] arranges the data of a stripe and its parity in cells, as many rows in each
//! of n columns, so that any k columns give it back. A [`Schedule`] is the list of XORs that makes parity or recovers
//! cells, a [`StripeCodec`] runs it, and [`mod@column`] is the file that holds what one node stores of every stripe of a
//! title.
//!
//! This crate knows codes and bytes, and nothing of nodes, networks or clocks.
#![forbid(unsafe_code)]

pub mod code;
pub mod column;
pub mod interleaved;
pub mod plan;
mod recent;
pub mod schedule;
pub mod stripe;

pub use code::{Cell, CellKind, Code, CodeError};
pub use column::{ColumnHeader, Geometry, HeaderError, Seal, StripeEncoder, StripeShape, TitleVersion};
pub use interleaved::{InterleavedCodec, Recovery};
pub use rain_kernels::{Kernel, Layout, Stores};
pub use schedule::{ErasurePattern, Schedule, ScheduleError};
pub use stripe::StripeCodec;
