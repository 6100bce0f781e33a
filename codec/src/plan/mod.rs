//! Plans: what to read, what to send and what to XOR, for everything that is done with part of a stripe.
//!
//! | to | plan |
//! |---|---|
//! | have wanted cells at the least cost, whatever columns are lost | [`ReadPlan`] |
//! | have some bytes of a stripe, whatever columns are lost | [`RangePlan`] |
//! | rebuild a column from few cells | [`RepairPlan`] |
//! | have peers rebuild it together, with a column of traffic on each link | [`PartialSums`] |
//! | change some bytes, and the parity with them | [`UpdatePlan`] |
//!
//! Every plan is checked symbolically over GF(2) before it is given out. Making one takes from tens of microseconds to
//! some milliseconds; a [`Planner`] keeps those that were used lately.

mod cells;
mod choose;
mod error;
mod partial;
mod planner;
mod range;
mod read;
mod read_costs;
mod relations;
mod repair;
mod update;

pub use error::PlanError;
pub use partial::{Hop, PartialSums, Peer};
pub use planner::Planner;
pub use range::RangePlan;
pub use read::ReadPlan;
pub(crate) use read::shortened;
pub use read_costs::{ColumnCost, ReadCosts};
pub use repair::RepairPlan;
pub use update::{UpdatePlan, update_stripe};
