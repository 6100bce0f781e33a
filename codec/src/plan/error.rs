//! Why there is no such plan.

use thiserror::Error;

use crate::code::Cell;
use crate::schedule::{ErasurePattern, ScheduleError};

/// Why there is no such plan.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PlanError {
    /// A cell that the code does not have.
    #[error("{code} has no cell {cell} (row, column)")]
    NoSuchCell {
        /// Name of the code.
        code: String,
        /// The cell named.
        cell: Cell,
    },
    /// A column that the code does not have.
    #[error("{code} has {columns} columns: there is no column {found}")]
    NoSuchColumn {
        /// Name of the code.
        code: String,
        /// Number of its columns.
        columns: usize,
        /// The column named.
        found: usize,
    },
    /// Costs that are of another code.
    #[error("{code} has {expected} columns: costs are given for {found}")]
    CostCount {
        /// Name of the code.
        code: String,
        /// Number of its columns.
        expected: usize,
        /// Number of columns that have costs.
        found: usize,
    },
    /// The columns that can be read leave a wanted cell open.
    #[error("{code}: without columns {lost}, nothing determines cell {cell} (row, column)")]
    Undetermined {
        /// Name of the code.
        code: String,
        /// A wanted cell that stays unknown.
        cell: Cell,
        /// The columns that cannot be read.
        lost: ErasurePattern,
    },
    /// A parity cell where a data cell is asked for: what it holds follows from the data cells.
    #[error("cell {cell} (row, column) of {code} is parity: only data cells are written")]
    NotData {
        /// Name of the code.
        code: String,
        /// The cell named.
        cell: Cell,
    },
    /// Bytes beyond the data of a stripe.
    #[error("bytes {start} to {end} of a stripe: it has {stripe_bytes} bytes of data")]
    OutOfRange {
        /// The first byte asked for.
        start: usize,
        /// The one after the last.
        end: usize,
        /// Bytes of data that the stripe has.
        stripe_bytes: usize,
    },
    /// A peer that comes twice in a plan of partial sums.
    #[error("column {column} comes twice among the peers")]
    PeerTwice {
        /// The column it holds.
        column: usize,
    },
    /// A peer that sends to one that is not there, or to itself by way of others.
    #[error("column {column} sends to column {to}, which does not lead to the end")]
    NoWay {
        /// The column that the peer holds.
        column: usize,
        /// The one that its receiver holds.
        to: usize,
    },
    /// A plan that does not do what it is for; never one that this crate made.
    #[error("{code}: the plan gives another cell {cell} (row, column) than the code defines")]
    WrongCell {
        /// Name of the code.
        code: String,
        /// The cell.
        cell: Cell,
    },
    /// The XORs make no schedule.
    #[error("the plan's XORs make no schedule")]
    Schedule(#[from] ScheduleError),
}
