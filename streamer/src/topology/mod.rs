//! Plans of topologies for people and programs: the document, the search for the worst loss, the drawing.
//!
//! A plan is what `rain topology plan --format json` prints: `nodes`, `switches` and `links`, as `GET /api/v1/cluster`
//! names them, so that the report of a cluster is a plan too. docs/topology.md describes it.

mod document;
mod drawing;
mod layout;
mod report;
mod search;
#[cfg(test)]
mod tests;

pub use document::{TopologyPlan, TopologyPlanError};
pub use drawing::draw;
pub use report::{LossReport, WorstCases, verify};
pub use search::{SETS_MAX, best_offsets, survey_wirings, worst};
