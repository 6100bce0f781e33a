//! What a node does with a task.
//!
//! Tasks go in: write a title, read one, take up a decision again, look after the house. Orders come out: ask a node, let
//! the store do something, restore a stripe of a column. What became of them goes in again, and events come out. Nothing
//! here holds a socket, a clock, a disk or a thread: tokio and the seeded simulator drive the same desk
//! (`node/src/node`, `node/tests/sim`).
//!
//! | module | what |
//! |---|---|
//! | [`order`] | what a desk orders, and what it is told |
//! | [`vet`] | whether a manifest from outside is that of a code, at every door |
//! | `desk` | the tasks under way |
//! | `write`, `learn`, `restore`, `house` | the tasks that are more than one machine of `rain-cluster` |
#![forbid(unsafe_code)]

mod desk;
mod house;
mod learn;
mod moving;
pub mod order;
mod restore;
mod running;
mod task;
#[cfg(test)]
mod tests;
pub mod vet;
mod write;

pub use desk::{Desk, DeskPlan, TaskId};
pub use order::{Decision, Event, Order, Overdue, RestoreFailure, RestoreOrder, StoreOrder, StoreTold, Told};
pub use rain_cluster::catalog::{FoundVersion, Resolution, where_held};
pub use rain_cluster::commit::{Abort, Begin, Condition, Shape, Shares};
pub use task::Task;
pub use vet::{Codes, Unfit};
