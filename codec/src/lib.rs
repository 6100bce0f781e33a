//! XOR-only array codes: the codes themselves, schedules of XORs, stripes in memory, plans, and column files.
//!
//! A title is cut into stripes; a [`Code`] arranges the data of a stripe and its parity in cells, as many rows in each
//! of n columns, so that any k columns give it back. This crate knows codes and bytes, and nothing of nodes, networks or
//! clocks.
//!
//! It can be used in three rings, from the outside inwards:
//!
//! 1. **Functions for a stripe**, which take and give bytes and plan again each time: [`whole::encode`],
//!    [`whole::recover`], [`whole::decode`], [`plan::update_stripe`].
//! 2. **What keeps its plans and works on buffers of the caller's**: a [`StripeCodec`] over cells anywhere, an
//!    [`InterleavedCodec`] over whole columns in the fastest layouts, a [`StripeEncoder`] for column files, a
//!    [`plan::Planner`] for parts of stripes.
//! 3. **Schedules**: a [`Schedule`] is the list of XORs itself, and [`mod@plan`] what to read, send and XOR for everything
//!    that is done with part of a stripe; for those who move the bytes themselves.
//!
//! ```
//! use rain_codec::{Cell, Code, ErasurePattern, StripeCodec};
//! use std::sync::Arc;
//!
//! // Columns a | d+c, b | d+a, c | a+b, d | b+c.
//! let codec = StripeCodec::new(Arc::new(Code::named("b-code:4")?));
//! let data: [&[u8]; 4] = [b"aaa", b"bbb", b"ccc", b"ddd"];
//! let mut parity = [[0; 3]; 4];
//! let mut outputs: Vec<&mut [u8]> = parity.iter_mut().map(|cell| &mut cell[..]).collect();
//! codec.encode(&data, &mut outputs);
//! assert_eq!(parity[2], [b'a' ^ b'b'; 3]);
//!
//! // Columns 0 and 1 are lost, and b is wanted: it is in the parity of column 3, with c.
//! let schedule = codec.recover_schedule(ErasurePattern::of(&[0, 1]), &[Cell::new(1, 0)])?;
//! assert_eq!(schedule.inputs(), [Cell::new(2, 0), Cell::new(3, 1)]);
//! let mut lost = [0; 3];
//! codec.run(&schedule, &[data[2], &parity[3]], &mut [&mut lost]);
//! assert_eq!(&lost, data[1]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A caller's buffers of the wrong number or length are a mistake in the program and panic, as each item says; everything
//! that may come from outside is refused with an error that names numbers. [`mod@column`] is the file that holds what one
//! node stores of every stripe of a title.
//! [`mod@file`] encodes and decodes whole files; [`integrity`] finds a column that is silently wrong.
#![forbid(unsafe_code)]

pub mod code;
pub mod column;
pub mod costs;
pub mod file;
pub mod integrity;
pub mod interleaved;
pub mod plan;
mod recent;
pub mod schedule;
pub mod stripe;
pub mod whole;

pub use code::{Cell, CellKind, Code, CodeError};
pub use column::{ColumnHeader, Geometry, HeaderError, Seal, StripeEncoder, StripeShape, TitleVersion};
pub use costs::CodeCosts;
pub use interleaved::{InterleavedCodec, Recovery};
pub use rain_kernels::{Kernel, Layout, Stores, column_stride};
pub use schedule::{ErasurePattern, Schedule, ScheduleError};
pub use stripe::StripeCodec;
pub use whole::StripeError;
