//! What a node knows to be in force.

use super::configuration::Configuration;
use core::cmp::Ordering;
use std::sync::Arc;

/// The newest configuration that a node has learnt. It may be old; whoever acts on it says its epoch, and whoever knows
/// a newer one refuses.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Learner(Arc<Configuration>);

/// What to do with a request of some epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fence {
    /// Asker and asked know the same configuration.
    Same,
    /// The asker knows an older one: it is told this one.
    Older,
    /// The asker knows a newer one: learn it first.
    Newer,
}

impl Learner {
    /// Begins with what the node's disk or its founder says.
    pub fn new(known: Arc<Configuration>) -> Self {
        Self(known)
    }

    /// The newest that it knows.
    pub fn known(&self) -> &Arc<Configuration> {
        &self.0
    }

    /// Takes a configuration that is in force; is true when it is news, to be written down.
    pub fn learn(&mut self, configuration: Arc<Configuration>) -> bool {
        let is_news = configuration.epoch > self.0.epoch;
        if is_news {
            self.0 = configuration;
        }
        is_news
    }

    /// How the epoch of whoever asks stands to the one known here.
    pub fn fence(&self, epoch: u64) -> Fence {
        match epoch.cmp(&self.0.epoch) {
            Ordering::Less => Fence::Older,
            Ordering::Equal => Fence::Same,
            Ordering::Greater => Fence::Newer,
        }
    }
}
