//! Throughput of encoding and decoding: contenders that take turns on the same stripes, in bytes of original data per
//! second. `rain bench` prints it, the benches record it.
#![forbid(unsafe_code)]

mod arena;
mod contenders;
mod figure;
mod machine;
mod regime;
mod sample;
mod table;

pub use arena::Arena;
pub use contenders::{Contender, Operation, codec, layout_name, probes, recovery, stores_name, stores_of};
pub use figure::{Figure, compare};
pub use machine::Machine;
pub use regime::Regime;
pub use sample::{median, noise};
pub use table::{Bench, Outcome, Row, layouts, operations, rounded};
