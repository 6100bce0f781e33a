//! PUT and DELETE in two phases, their aftermath, and the purge of tombstones.
//!
//! 1. *Prepare*: the coordinator picks a version above all that R catalog nodes know; the catalog nodes and those that
//!    took a column make it durable as pending. Fewer than W catalog nodes, or fewer columns than the code needs and one
//!    more: abort.
//! 2. *Commit*: the coordinator makes its decision durable and sends marks; the client is told when W catalog nodes have
//!    marked it. The decision stays until every prepared participant has its mark.
//!
//! The coordinator's silence is presumed to be an abort only by itself: it alone, in the same life of its ledger, may
//! say that a version without a decision was aborted. Source of the presumption: Mohan, Lindsay, Obermarck,
//! "Transaction management in the R* distributed database management system" (ACM TODS 11(4), 1986). Once that life is
//! over, all catalog nodes together may say so: none of them takes its word any more.

mod marking;
mod pending;
mod purge;
mod put;
#[cfg(test)]
mod tests;

pub use marking::Marking;
pub use pending::{PendingCheck, PendingFate};
pub use purge::PurgeCheck;
pub use put::{Abort, Begin, Condition, Put, PutEvent, PutRequest, Shape, Shares};
