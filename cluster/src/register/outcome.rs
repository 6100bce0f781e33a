//! How a change or a read ends.

use super::configuration::Configuration;
use super::error::ConfigurationError;
use super::voter::Voter;
use crate::version::Life;
use std::sync::Arc;

/// What became of an attempt.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The change is in force; of a read: this one was, at a moment since it began.
    Done(Arc<Configuration>),
    /// Another configuration is in force: what was proposed was computed from one that is not any more.
    Superseded {
        /// The one in force; where the change was to be forced, one that may be: compute it from that one.
        by: Arc<Configuration>,
        /// The change may have been in force in between.
        undecided: bool,
    },
    /// Too few answered, or others proposed all the time.
    GaveUp {
        /// Who did not agree.
        missing: Vec<Missing>,
        /// The change may still come into force: whoever proposes next finds it. Read before anything else.
        undecided: bool,
    },
}

/// A voter that did not agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Missing {
    /// Who.
    pub voter: Voter,
    /// Why.
    pub absence: Absence,
}

/// Why a voter did not agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Absence {
    /// It did not answer.
    Silent,
    /// The change itself ends its life: its votes are among those of which a majority is needed.
    Retired,
    /// Its node is in this life now; the same as asked for where it has forgotten what it promised.
    Life(Life),
}

/// Why nothing was proposed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProposeError {
    /// There is no configuration yet, as far as is known here.
    #[error("the cluster has no configuration yet: its founder waits for every member to answer once")]
    Unfounded,
    /// One attempt at a time.
    #[error("another change or read of the configuration is under way here, expected none")]
    Busy,
    /// It is no configuration, or cannot come next.
    #[error(transparent)]
    Configuration(#[from] ConfigurationError),
}
