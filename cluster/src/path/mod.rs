//! The table of paths, and the choice between them.
//!
//! A path is (peer, local address, remote address). What the link protocol says of it (`crate::link`) governs load and who
//! counts as present; a reader that waits for a late column does not wait for that.

mod table;

pub use table::{Candidate, PathHealth, PathMeasure, PathState, PathTable, choose};
