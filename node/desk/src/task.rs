//! What a desk can be asked to do.

use crate::order::Overdue;
use rain_cluster::commit::Shape;
use rain_cluster::{NodeId, Record};

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Task {
    /// Write a title, or delete it.
    Write {
        /// The title.
        title: String,
        /// The shape of its code; `None` deletes.
        shape: Option<Shape>,
        /// A fresh random number.
        random: u32,
    },
    /// Find the version that a reader gets.
    Read {
        /// The title.
        title: String,
    },
    /// Ask the others whether this store is an old copy, and be silent until that is known.
    Recall,
    /// Learn what a blank store must know.
    Learn,
    /// Learn what was committed while this node was away.
    CatchUp,
    /// Look after the house, for ever.
    House,
    /// Send the marks of a decision from before a restart.
    Resume {
        /// What was committed.
        record: Record,
        /// Who prepared it.
        prepared: Vec<NodeId>,
    },
    /// Find out what became of a pending version.
    Check(Overdue),
    /// Send a tombstone away.
    Purge(Record),
    /// See to it that columns of these versions come here that are to be here, and go that are to be elsewhere, one after the
    /// other.
    Move(Vec<Record>),
    /// Restore this node's column of a version, and then those of others, one after the other.
    Restore(Record, u16, Vec<(Record, u16)>),
}
