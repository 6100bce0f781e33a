//! Paths: the heartbeat that watches one, the table of all, and the choice between them.
//!
//! A path is (peer, local address, remote address). Its verdicts govern load and who counts as present; a reader that
//! waits for a late column does not wait for them.

mod heartbeat;
mod monitor;
mod table;

pub use heartbeat::{HEARTBEAT_BYTES, Heartbeat, HeartbeatError};
pub use monitor::{PathMonitor, PathTiming, Verdict};
pub use table::{Candidate, PathState, PathStatus, PathTable, choose};
